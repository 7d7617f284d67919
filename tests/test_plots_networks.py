"""Figures of lessons 04 to 07: what they show of the tables they are given."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from course_utils import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts() -> set[str]:
    plt.gcf().canvas.draw()
    return {text.get_text() for text in plt.gcf().findobj(matplotlib.text.Text) if text.get_text()}


def history(seed: int, least: int) -> pd.DataFrame:
    epoch = np.arange(1, 7)
    validation = 0.5 + 0.02 * (epoch - least) ** 2 + 0.01 * seed
    return pd.DataFrame({"epoch": epoch, "loss": 1 / epoch, "val_loss": validation, "seed": seed})


def test_curves_mark_the_best_epoch_of_the_median_and_band_several_seeds():
    several = pd.concat([history(seed, 4) for seed in range(3)])
    plots.curves({"three seeds": several, "one": history(0, 2)}, {"guessing": 0.693})
    first, second = plt.gcf().axes
    best = [
        line.get_xdata()[0]
        for ax in (first, second)
        for line in ax.lines
        if len(line.get_xdata()) == 1
    ]
    assert best == [4, 2]
    assert len(first.collections) == 2 and not second.collections
    assert {"three seeds", "one", "guessing", "validation"} <= texts()


def test_curves_of_an_auc_mark_the_highest():
    table = pd.DataFrame({"epoch": [1, 2, 3], "auc": [0.5, 0.6, 0.7], "val_auc": [0.5, 0.8, 0.6]})
    plots.curves({"run": table}, column="auc")
    assert [line.get_xdata()[0] for line in plt.gca().lines if len(line.get_xdata()) == 1] == [2]


def test_confusion_has_real_first_and_takes_scores_from_one_half_up_as_fake():
    labels = ["REAL", "REAL", "REAL", "FAKE"]
    plots.confusion({"scores": (labels, [0.1, 0.5, 0.2, 0.9]), "words": (labels, labels)})
    first, second = plt.gcf().axes
    assert [t.get_text() for t in first.get_xticklabels()] == ["REAL", "FAKE"]
    assert [t.get_text() for t in first.texts] == ["2\n67%", "1\n33%", "0\n0%", "1\n100%"]
    assert [t.get_text() for t in second.texts] == ["3\n100%", "0\n0%", "0\n0%", "1\n100%"]


def test_scored_crops_say_label_and_score_and_leave_the_rest_of_the_grid_empty():
    images = [np.zeros((8, 8, 3), np.uint8)] * 7
    plots.scored_crops(images, np.linspace(0, 1, 7), ["REAL", "FAKE"] * 3 + ["FAKE"])
    assert {"REAL\np_fake 0.00", "FAKE\np_fake 1.00"} <= texts()
    styles = [ax.patches[0].get_linestyle() for ax in plt.gcf().axes if ax.patches]
    assert styles == ["-", "--"] * 3 + ["--"]
