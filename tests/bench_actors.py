"""How long a frame of the cast takes on one core. Prints; asserts nothing.

python tests/bench_actors.py

Six actors of different hair and clothes, four frames each as the set has them (320 x 320, two by
two samples a pixel, with the camera's noise). All 24 are drawn in each of eight rounds, about two
minutes in all, since a machine that others use too is slow for minutes at a time. A round prints
the median of its frames beside a fixed sum in plain Python, which tells a slow machine from a slow
renderer. The last lines take of each frame its quickest round: the time it needs on a core of its
own.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
from bench_cues import seconds

from course_utils.actors import build, casting

ACTORS = (0, 9, 20, 33, 41, 50)  # rows of the cast
FRAMES = (5, 21, 40, 61)
ROUNDS = 8


def frames(who) -> list[float]:
    """Seconds of each frame of an actor; what is made once for all frames is made before."""
    person, scene, rows, *_ = build.stage(who)
    build.draw(person, scene, rows.iloc[0], who.seed)
    return [
        seconds(lambda k=k: build.draw(person, scene, rows.iloc[k], who.seed), 1) for k in FRAMES
    ]


def main() -> None:
    cv2.setNumThreads(1)
    cast = casting.cast(casting.SEED)
    rounds = []
    for number in range(1, ROUNDS + 1):
        took, sums = [], []
        for place in ACTORS:
            took.append(frames(cast.iloc[place]))
            sums.append(seconds(lambda: sum(i * i for i in range(1_000_000)), 1))
        rounds.append(took)
        frame, plain = np.median(took), np.median(sums)
        ratio = f"{frame / plain:.2f} plain sums of {plain:.3f} s"
        print(f"round {number}: {frame:.3f} s a frame, {ratio}", flush=True)
    quickest = pd.DataFrame(np.min(rounds, axis=0), ACTORS, FRAMES)
    print(quickest.map("{:.3f}".format).to_string())
    print(f"median {np.median(rounds):.3f} s a frame over all rounds")
    print(f"of each frame its quickest: median {np.median(quickest):.3f} s", end=", ")
    print(f"slowest {quickest.to_numpy().max():.3f} s")


if __name__ == "__main__":
    main()
