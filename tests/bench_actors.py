"""How long a frame of the cast takes on one core. Prints; asserts nothing.

python tests/bench_actors.py

Six actors of different hair and clothes, four frames each as the set has them (320 x 320, two by
two samples a pixel, with the camera's noise); of each frame the quickest of three. Run it on a
machine that does nothing else. Seconds, and the ratio to a fixed sum in plain Python, which tells a
slow machine from a slow renderer.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
from bench_cues import seconds

from course_utils.actors import build, casting

ACTORS = (0, 9, 20, 33, 41, 50)  # rows of the cast
FRAMES = (5, 21, 40, 61)


def actor(place: int) -> list[float]:
    """Seconds of each frame of an actor; what is made once for all frames is made before."""
    who = casting.cast(casting.SEED).iloc[place]
    person, scene, rows, *_ = build.stage(who)
    build.draw(person, scene, rows.iloc[0], who.seed)
    return [
        seconds(lambda k=k: build.draw(person, scene, rows.iloc[k], who.seed), 3) for k in FRAMES
    ]


def main() -> None:
    cv2.setNumThreads(1)
    table = pd.DataFrame([actor(place) for place in ACTORS], ACTORS, FRAMES)
    print(table.map("{:.3f}".format).to_string())
    yardstick = seconds(lambda: sum(i * i for i in range(1_000_000)), 3)
    median = float(np.median(table))
    print(f"median {median:.3f} s a frame, {median / yardstick:.2f} times the plain sum")
    print(f"slowest {table.to_numpy().max():.3f} s")


if __name__ == "__main__":
    main()
