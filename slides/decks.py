"""Turn the decks into HTML that opens without a network: slides/html/NN_name.html.

    python slides/decks.py          every deck
    python slides/decks.py 00 03    some

A deck is `slides/NN_name.md` in Marp's Markdown. Its figures are drawn by `draw(save)` in
`slides/NN_name.py`, which calls functions of `course_utils.plots` and, after each, `save("name")`;
the deck shows it as `![...](figures/name.png)`. Both pictures and theme end up inside the HTML.
"""

from __future__ import annotations

import base64
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SLIDES = Path(__file__).resolve().parent
HTML = SLIDES / "html"


def draw_figures(deck: Path, folder: Path) -> None:
    """Draw the figures of a deck as PNG files into `folder`."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    def save(name: str) -> None:
        plt.gcf().savefig(folder / f"{name}.png", dpi=160)
        plt.close("all")

    code = deck.with_suffix(".py")
    if code.exists():
        spec = importlib.util.spec_from_file_location(deck.stem, code)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.draw(save)


def render(deck: Path) -> str:
    """The HTML that Marp makes of a deck; its figures are still references."""
    marp = SLIDES.parent / "node_modules" / "@marp-team" / "marp-cli" / "marp-cli.js"
    node = shutil.which("node")
    if not (node and marp.exists()):
        sys.exit("Marp is not installed: run `make slides`, which installs it (Node.js is needed).")
    command = [node, marp, "--config-file", SLIDES / "marp.config.mjs", "--output", "-", deck]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        sys.exit(f"Marp failed on {deck.name}:\n{done.stderr.decode()}")
    return done.stdout.decode()


def inline(html: str, figures: Path) -> str:
    """The HTML with each `figures/name.png` replaced by the picture itself."""

    def data(match: re.Match) -> str:
        picture = figures / match[1]
        if not picture.exists():
            sys.exit(f"No figure {match[0]}: draw() of the deck's .py file must save it.")
        return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"

    return re.sub(r"figures/([\w-]+\.png)", data, html)


def main(names: list[str]) -> None:
    """Build the decks whose names begin with one of `names`; all of them without one."""
    decks = [p for p in sorted(SLIDES.glob("[0-9]*.md")) if p.name.startswith(tuple(names) or "")]
    if not decks:
        sys.exit(f"No deck in slides/ begins with {' or '.join(names)}.")
    HTML.mkdir(exist_ok=True)
    for deck in decks:
        with tempfile.TemporaryDirectory() as figures:
            draw_figures(deck, Path(figures))
            html = inline(render(deck), Path(figures))
        path = HTML / f"{deck.stem}.html"
        path.write_text(html, encoding="utf-8")
        print(f"slides/html/{path.name}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
