"""Figures of lessons 08 and 09: what they show of the tables they are given."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from course_utils import evaluation, plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def texts() -> set[str]:
    plt.gcf().canvas.draw()
    return {text.get_text() for text in plt.gcf().findobj(matplotlib.text.Text) if text.get_text()}


@pytest.fixture
def clips() -> pd.DataFrame:
    p = [0.1, 0.5, 0.9, 0.2, 0.6, 0.95]
    labels = ["REAL", "REAL", "REAL", "FAKE", "FAKE", "FAKE"]
    return pd.DataFrame({"clip": list("abcdef"), "label": labels, "p_fake": p})


def test_told_crosses_out_what_was_told_wrongly(clips):
    plots.told(clips, 0.3, 0.7)
    assert {"REAL", "FAKE", "can't tell"} <= texts()
    sizes = [len(some.get_offsets()) for some in plt.gca().collections]
    assert sizes == [3, 1, 3, 1]  # the REAL clip at .9 and the FAKE one at .2


def test_faces_over_time_has_a_panel_a_clip_in_its_label_s_color(clips):
    faces = clips.loc[clips.index.repeat(2)].assign(time_s=[0.0, 1.0] * 6)
    plots.faces_over_time(faces[faces["clip"].isin(["a", "f"])], band=(0.4, 0.6))
    one, other = plt.gcf().axes
    assert one.lines[0].get_color() == plots.COLORS["REAL"]
    assert other.lines[0].get_marker() == plots.MARKERS["FAKE"]
    assert {"a REAL clip", "a FAKE clip"} <= texts()


def test_reliability_marks_what_chance_does_not_explain():
    p = np.repeat([0.1, 0.9], 50)
    good, bad = np.repeat([0, 1, 0, 1], [45, 5, 5, 45]), np.repeat([0, 1, 0, 1], [10, 40, 5, 45])
    tables = {"good": good, "bad": bad}
    plots.reliability({n: evaluation.reliability(y, p, 2, "width") for n, y in tables.items()})
    crosses = [len(ax.lines[2].get_xdata()) for ax in plt.gcf().axes]
    assert crosses == [0, 1]


def test_distances_are_in_thresholds():
    rows = [(0, "test", 1.0, 2.0), (0, "other", 5.0, 2.0), (1, "other", 4.0, 4.0)]
    plots.distances(pd.DataFrame(rows, columns=["seed", "footage", "distance", "threshold"]))
    near, far = (some.get_offsets()[:, 0] for some in plt.gca().collections[-2:])
    assert near.tolist() == [0.5] and far.tolist() == [2.5, 1.0]
    assert {"seed 0", "seed 1"} <= texts()


def test_flagged_adds_up_and_names_shares():
    plots.flagged(evaluation.base_rates(0.9, 0.15, [0.5, 0.001]))
    assert {"1 fake in 2", "1 fake in 1,000", "REAL 994", "FAKE 857"} <= texts()
    widths = np.array([bar.get_width() for bar in plt.gca().patches]).reshape(2, 2)
    assert widths.sum(axis=0) == pytest.approx([1000, 1000])


def test_differences_are_hollow_where_zero_is_inside():
    table = pd.DataFrame({"value": [1.0, 0.1], "low": [0.5, -1.0], "high": [2.0, 1.0]}, ["a", "b"])
    plots.differences(table, "x")
    full, hollow = plt.gca().lines[:2]
    assert list(full.get_ydata()) == [0] and list(hollow.get_ydata()) == [1]


def test_dots_has_a_look_for_each_of_five_maps():
    table = pd.DataFrame([[0.5, 0.4, 0.8, 0.3, 0.2]], ["swap"], list("abcde"))
    plots.dots(table, "mass inside")
    assert [line.get_xdata()[0] for line in plt.gca().lines] == [0.5, 0.4, 0.8, 0.3, 0.2]
    assert len({line.get_marker() for line in plt.gca().lines}) == 5


@pytest.mark.parametrize("point", [None, (0.5, 0.1)])
def test_the_rest_draws(clips, point):
    curve = evaluation.risk_coverage(clips["label"], clips["p_fake"])
    plots.risk(curve, point)
    assert plt.gca().get_ylim()[1] > curve["risk"].max()
    rows = [(g, m, 0.9) for g in (5, 30) for m in ("bootstrap", "jackknife")]
    plots.covers(pd.DataFrame(rows, columns=["groups", "method", "covers"]))
    assert {"bootstrap", "jackknife", "promised"} <= texts()
    plots.penalties()
    table = pd.DataFrame({"value": [0.7], "low": [0.6], "high": [0.8]}, ["first"])
    plots.seeds_and_groups(pd.Series([0.6, 0.7]), table, "AUC")
    assert {"2 seeds, one AUC each", "first"} <= texts()
    repair = pd.DataFrame({"repaired": [0, 0.5, 1], "log_odds": [2.0, 0, -1]})
    plots.repairs({"map": repair, "random": repair})
    assert {"map", "random"} <= texts()
