"""Every lesson has a deck that opens without a network and fits its slides."""

from __future__ import annotations

import re
import sys

import pytest

from course_utils import lessons
from course_utils.settings import ROOT

sys.path.insert(0, str(ROOT / "slides"))
import decks  # slides/decks.py is a script, not a package

STEMS = [path.stem for path in lessons.paths()]
each_deck = pytest.mark.parametrize("stem", STEMS)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """Builds a deck, once, and gives the path of its HTML."""
    decks.HTML, before = tmp_path_factory.mktemp("html"), decks.HTML
    built = {}

    def deck(stem):
        if stem not in built:
            decks.main([stem])
            built[stem] = decks.HTML / f"{stem}.html"
        return built[stem]

    yield deck
    decks.HTML = before


def slides_of(stem: str) -> list[str]:
    _, _, body = (ROOT / "slides" / f"{stem}.md").read_text().split("---\n", 2)
    return body.split("\n---\n")


@each_deck
def test_length_notes_and_descriptions(stem):
    slides = slides_of(stem)
    assert 8 <= len(slides) <= 15
    for slide in slides:
        notes = re.findall(r"<!--(.+?)-->", slide, flags=re.S)
        assert any(not note.strip().startswith("_") for note in notes), f"no notes: {slide}"


@each_deck
def test_words(stem):
    text = "\n".join(slides_of(stem))
    assert not re.findall(r"\b(simply|just|obviously|easy)\b", text, flags=re.I)


@each_deck
def test_nothing_is_fetched(html, stem):
    page = html(stem).read_text()
    remote = r"""(?:src|href|srcset|data|poster)\s*=\s*["']?\s*(?:https?:)?//[^"'\s>]+"""
    remote += r"""|url\(\s*(?:["']|&quot;)?\s*(?:https?:)?//[^)]+|@import[^;]+"""
    assert not re.findall(remote, page)
    pictures = len(re.findall(r"figures/\S+\.png", "\n".join(slides_of(stem))))
    assert page.count("data:image/png;base64,") == pictures
    assert "figures/" not in page


@each_deck
def test_every_slide_fits(html, browser, stem):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(html(stem).as_uri())
    page.wait_for_timeout(300)
    crowded = page.evaluate(
        """() => [...document.querySelectorAll("section")].flatMap((slide, i) => {
            const parts = [...slide.children].filter(part => part.tagName !== "FOOTER");
            const low = Math.max(...parts.map(part => part.offsetTop + part.offsetHeight));
            const wide = Math.max(...parts.map(part => part.offsetLeft + part.scrollWidth));
            return low > 672 || wide > 1280 ? [`slide ${i + 1}: ${low} ${wide}`] : [];
        })"""
    )
    page.close()
    assert not crowded, "text or picture reaches the footer (672 px) or the right border"
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_missing_figure_stops_with_its_name(tmp_path):
    with pytest.raises(SystemExit, match="figures/gone.png"):
        decks.inline('<img src="figures/gone.png">', tmp_path)


def test_an_unknown_deck_is_named():
    with pytest.raises(SystemExit, match="begins with 77"):
        decks.main(["77"])
