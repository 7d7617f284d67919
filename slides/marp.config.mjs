// Marp's settings for every deck. No emoji as pictures: those would come from the network.
export default {
  themeSet: new URL("theme.css", import.meta.url).pathname,
  theme: "course",
  html: true,
  options: { math: "mathjax", emoji: { unicode: false, shortcode: false } },
}
