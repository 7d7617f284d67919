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


def test_confusion_has_real_first_and_takes_scores_above_one_half_as_fake():
    labels = ["REAL", "REAL", "REAL", "FAKE"]
    plots.confusion({"scores": (labels, [0.1, 0.51, 0.5, 0.9]), "words": (labels, labels)})
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


def test_repeats_show_each_of_them_and_their_mean():
    found = {"over crops": [0.9, 0.8, 1.0], "over casts": [0.5, 0.6, 0.55]}
    plots.repeats(found, "AUC", chance=0.5)
    ax = plt.gca()
    assert {"over crops", "over casts", "0.90", "0.55", "guessing"} <= texts()
    assert [list(line.get_xdata()) for line in ax.lines[:3:2]] == list(found.values())
    assert ax.lines[1].get_xdata()[0] == pytest.approx(0.9)
    assert ax.lines[-1].get_xdata()[0] == 0.5


def test_activations_show_zero_as_mid_gray_and_keep_pictures_as_they_are():
    face = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    answer = np.array([[0.0, -4.0], [2.0, 1.0]])
    plots.activations({"filters": [face, answer], "nothing": [np.zeros((2, 2))]}, ["face", "edges"])
    first, second, third = [ax.images[0].get_array() for ax in plt.gcf().axes if ax.images]
    assert first[0, 0].tolist() == [200, 100, 50]
    assert second[..., 0].tolist() == [[0.5, 0.0], [0.75, 0.625]]
    assert (third == 0.5).all()
    assert {"face", "edges", "filters", "nothing"} <= texts()


def test_ways_say_in_words_which_part_learns():
    rows = {"frozen": ["kept", "learns"], "fine-tuned": ["gently", "learns"]}
    plots.ways(rows, ["backbone", "head"])
    said = [text.get_text() for text in plt.gca().texts]
    assert said == ["kept", "backbone", "learns", "head", "gently", "learns"]
    assert len({patch.get_facecolor() for patch in plt.gca().patches}) == 3
    with pytest.raises(ValueError):
        plots.ways({"frozen": ["kept"]}, ["backbone", "head"])


def test_filters_are_centered_on_gray_and_stretched_one_by_one():
    kernel = np.zeros((3, 3, 3, 5))
    kernel[0, 0, 0, 0], kernel[1, 1, 2, 4], kernel[..., 1:4] = 0.01, -7, 1
    plots.filters({"a network, random weights": kernel})
    wall = plt.gca().images[0].get_array()
    assert wall.shape == (7, 11, 3)  # five tiles in rows of three, a line between them
    assert wall[0, 0].tolist() == [1, 0.5, 0.5]
    assert wall[5, 5].tolist() == [0.5, 0.5, 0]
    assert "a network, random weights" in texts()
