"""Figures of the deck of lesson 01. The swap's pictures are those that the notebook made."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from course_utils import beforehand, datasets, plots, settings, video


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    clips, _ = datasets.read(settings.MINI_DFDC)
    clips = clips.merge(datasets.details(settings.MINI_DFDC), on="clip")
    clips = clips[(clips["split"] == "train") & ~clips["quiz"]]
    real = clips[clips["label"] == "REAL"].set_index("target")["clip"]
    rows = {}
    for method in ("swap", "reenact", "lipsync"):
        fake = clips[clips["method"] == method].sort_values("strength").iloc[0]
        three = [real[fake["target"]], real[fake["donor"]], fake["clip"]]
        rows[method] = [middle(clip) for clip in three]
    plots.picture_table(rows, ["target: who is shown", "donor: who gives", "the fake"])
    plt.gcf().set_size_inches(4.5, 4.5)  # larger words
    save("methods")

    people = {
        "all media": (0.555, 0.489, 0.621),
        "video": (0.573, 0.478, 0.666),
        "with training or aid": (0.651, 0.552, 0.745),
    }
    table = pd.DataFrame(people, index=["value", "low", "high"]).T
    plots.intervals(table, "share of answers that are right", chance=0.5)
    save("people")

    plots.two_decoders()
    save("decoders")

    drawn = {"ours": beforehand.read("drawn"), "with more care": beforehand.read("careful")}
    plots.picture_table(drawn)
    save("drawn")

    stages = {
        "put back": "rough",
        "masked": "cut",
        "colors matched": "matched",
        "blended": "fake",
    }
    plots.frames([beforehand.read(name) for name in stages.values()], titles=list(stages))
    save("stages")


def middle(clip: str) -> np.ndarray:
    """The frame in the middle of a clip."""
    return next(video.frames(settings.MINI_DFDC / clip, count=1)).rgb
