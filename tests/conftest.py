"""What several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import cv2
import hypothesis
import numpy as np
import pytest

from bootstrap import find_browser
from course_utils.settings import ROOT

hypothesis.settings.register_profile("course", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("course")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, as playwright's Browser. It reaches nothing outside this machine."""
    from playwright.sync_api import sync_playwright

    path = find_browser()
    assert path, "These tests need Chromium: install it, or name it in the variable CHROMIUM."
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    outside = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=[*quiet, outside])
        yield running
        running.close()


# ------------------------------------------------------------------- faces and films for the tests


def _drawn_face(size: int = 160, tone: tuple[int, int, int] = (205, 160, 130)) -> np.ndarray:
    """A face drawn with ellipses, RGB, size x size, that dlib's HOG detector takes for one."""
    big = 4 * size
    picture = np.full((big, big, 3), (90, 105, 120), np.uint8)
    shade, dark = (tuple(int(c * k) for c in tone) for k in (0.72, 0.35))

    def ellipse(x, y, a, b, color, start=0, end=360, line=-1.0):
        center, axes = (int(x * big), int(y * big)), (int(a * big), int(b * big))
        width = -1 if line < 0 else max(1, int(line * big))
        cv2.ellipse(picture, center, axes, 0, start, end, color, width, cv2.LINE_AA)

    ellipse(0.5, 0.45, 0.36, 0.44, (50, 35, 25))  # hair
    ellipse(0.5, 0.53, 0.31, 0.40, tone)
    for x in (0.37, 0.63):
        ellipse(x, 0.47, 0.09, 0.055, shade)
        ellipse(x, 0.40, 0.095, 0.03, dark, 180, 360, 0.03)
        ellipse(x, 0.47, 0.06, 0.03, (235, 235, 235))
        ellipse(x, 0.47, 0.028, 0.03, (40, 30, 25))
    ellipse(0.5, 0.665, 0.07, 0.025, shade, 0, 180)
    for x in (0.47, 0.53):
        ellipse(x, 0.668, 0.015, 0.01, dark)
    ellipse(0.5, 0.78, 0.12, 0.035, (150, 70, 70))
    ellipse(0.5, 0.78, 0.12, 0.006, dark)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.008 * big)
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def _scene(*places: tuple[int, int, int], size: tuple[int, int] = (640, 360)) -> np.ndarray:
    """A plain room with a drawn face at each place (left, top, side)."""
    width, height = size
    room = np.full((height, width, 3), (90, 105, 120), np.uint8)
    for left, top, side in places:
        room[top : top + side, left : left + side] = _drawn_face(side)
    return room


@pytest.fixture(scope="session")
def drawn_face() -> Callable[..., np.ndarray]:
    """Function: a drawn face that the HOG detector finds. Nobody's likeness."""
    return _drawn_face


@pytest.fixture(scope="session")
def scene() -> Callable[..., np.ndarray]:
    """Function: a room with drawn faces at (left, top, side)."""
    return _scene


@pytest.fixture(scope="session")
def film() -> Callable[..., Path]:
    """Function: writes a short clip in which a drawn face wanders; some frames may lack it."""
    from course_utils import video

    def make(path: Path, frames: int = 12, without: Collection[int] = (), **options) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        places = [() if i in without else ((200 + 4 * i, 90, 160),) for i in range(frames)]
        video.write(path, [_scene(*place) for place in places], fps=12, **options)
        return path

    return make


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real clips, where there is one: COURSE_FOOTAGE, or beside the checkout."""
    folder = Path(os.environ.get("COURSE_FOOTAGE") or ROOT.parent / "shared" / "footage")
    if not (folder / "metadata.json").is_file():
        pytest.skip("no folder of real footage (COURSE_FOOTAGE)")
    return folder
