"""Figures of the deck of lesson 00."""

from collections.abc import Callable

import pandas as pd

from course_utils import datasets, faces, plots, settings, video


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    aucs = {"FaceForensics++ (its own test)": 0.964, "DFDC (other people, other fakes)": 0.708}
    plots.scores(pd.Series(aucs), "AUC", chance=0.5)
    save("elsewhere")

    clips, _ = datasets.read(settings.MINI_DFDC)
    real = clips.loc[(clips["label"] == "REAL") & (clips["split"] == "train"), "clip"].iloc[:3]
    shown = [next(video.frames(settings.MINI_DFDC / clip, count=1)).rgb for clip in real]
    plots.frames(shown, [[face.box for face in faces.detect(rgb)] for rgb in shown], columns=3)
    save("face")
