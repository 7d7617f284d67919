"""Pictures made beforehand, for the steps of lesson 01 that Google Colab forbids.

Where a lesson would make a fake it asks `may_make()`; on Colab it shows what that step gave
elsewhere. A maintainer makes the pictures anew with `python -m course_utils.beforehand`: it runs
the lesson and keeps every variable that the lesson reads with `read("name")`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from course_utils import settings, video

FOLDER = settings.DATA / "beforehand"


def may_make() -> bool:
    """Whether a fake may be made here. On Colab it may not; says so in a sentence."""
    from course_utils import forgery

    try:
        forgery.refuse_on_colab()
    except RuntimeError as refusal:
        print(refusal)
        return False
    return True


def read(name: str) -> np.ndarray:
    """A picture made beforehand, (height, width, 3) uint8, or several square ones, (n, s, s, 3)."""
    path = FOLDER / f"{name}.jpg"
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is missing from data/beforehand; restore it from the repository or make "
            "it with `python -m course_utils.beforehand`."
        )
    rgb = next(video.frames(path, count=1)).rgb
    height, width = rgb.shape[:2]
    if width <= height:
        return rgb
    return np.stack(np.split(rgb, width // height, axis=1))


def keep(name: str, picture: np.ndarray) -> None:
    """Write what `read` reads."""
    import cv2

    FOLDER.mkdir(exist_ok=True)
    rgb = np.concatenate(list(picture), axis=1) if picture.ndim == 4 else picture
    cv2.imwrite(str(FOLDER / f"{name}.jpg"), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])


def names(lesson: Path) -> list[str]:
    """What a notebook reads beforehand."""
    from course_utils import lessons

    code = "\n".join(cell.source for cell in lessons.code_cells(lessons.read(lesson)))
    return sorted(set(re.findall(r'\bread\("(\w+)"\)', code)))


def main() -> None:
    """Run lesson 01 and keep its pictures."""
    import nbformat

    from course_utils import lessons

    (path,) = lessons.paths("01")
    notebook = lessons.read(path)
    lines = ["from course_utils import beforehand"]
    lines += [f'beforehand.keep("{name}", {name})' for name in names(path)]
    notebook.cells.append(nbformat.v4.new_code_cell("\n".join(lines)))
    lessons.run(notebook)
    print(f"data/beforehand: {', '.join(names(path))}")


if __name__ == "__main__":
    main()
