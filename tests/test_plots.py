"""Figures: what they show, in what colors; every one draws, returns None, and shows nothing."""

from __future__ import annotations

import inspect

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


def texts() -> list[str]:
    """All words of the current figure."""
    plt.gcf().canvas.draw()  # tick labels get their text now
    return [text.get_text() for text in plt.gcf().findobj(matplotlib.text.Text) if text.get_text()]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colors as WCAG 2 defines it."""

    def luminance(color: str) -> float:
        rgb = np.array(matplotlib.colors.to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_color_is_never_the_only_mark():
    assert plots.LABELS == ["REAL", "FAKE"]
    for marks in (plots.COLORS, plots.HATCHES, plots.MARKERS):
        assert list(marks) == plots.LABELS and marks["REAL"] != marks["FAKE"]
    for color in (*plots.COLORS.values(), plots.NEUTRAL):
        assert contrast(color, "white") >= 3


def test_label_counts_names_counts_and_hatches():
    plots.label_counts(pd.DataFrame({"DFDC": {"REAL": 77, "FAKE": 323}}).T)
    assert {"REAL 77", "FAKE 323", "DFDC"} <= set(texts())
    real, fake = plt.gca().patches
    assert (real.get_width(), fake.get_width()) == (77 / 400, 323 / 400)
    assert fake.get_x() == real.get_width() and fake.get_hatch() != real.get_hatch()


@pytest.mark.parametrize("n", [1, 3, 5])
def test_frames_marks_faces_and_their_absence(n):
    images = [np.zeros((30, 40, 3), np.uint8)] * n
    plots.frames(images, [[(1, 2, 11, 22)]] + [[]] * (n - 1), titles=[f"t{k}" for k in range(n)])
    boxes = [patch for ax in plt.gcf().axes for patch in ax.patches]
    assert [(box.get_xy(), box.get_width(), box.get_height()) for box in boxes] == [
        ((1, 2), 10, 20)
    ]
    assert texts().count("no face found") == n - 1
    assert sum(len(ax.images) for ax in plt.gcf().axes) == n


@pytest.mark.parametrize(
    ("real", "fake", "title"),
    [
        ([0.1, 0.3, 0.6], [0.2, 0.4, 0.7, 0.9], "9 of 12 pairs ranked right: AUC 0.75"),
        ([0.2, 0.5], [0.4, 0.5, 0.9], "4.5 of 6 pairs ranked right: AUC 0.75"),
        ([1], [0], "0 of 1 pairs ranked right: AUC 0.00"),
    ],
)
def test_pairs_counts_ties_half(real, fake, title):
    from sklearn.metrics import roc_auc_score

    plots.pairs(real, fake)
    assert plt.gca().get_title() == title
    auc = roc_auc_score([0] * len(real) + [1] * len(fake), [*real, *fake])
    assert title.endswith(f"{auc:.2f}")
    assert texts().count("wrong") == sum(f < r for f in fake for r in real)


def test_found_has_a_mark_for_each_frame():
    sampled = {"clip": list("aab"), "time_s": [0.5, 1, 0.5], "found": [True, False, False]}
    plots.found(pd.DataFrame(sampled))
    good, bad = plt.gca().collections
    assert good.get_offsets().tolist() == [[0.5, 0]]
    assert bad.get_offsets().tolist() == [[1, 0], [0.5, 1]]


def test_coverage_counts_the_intervals_that_hold_the_truth():
    rows = [("x", 0.1, 0.4), ("x", 0.5, 0.6), ("y", 0.2, 0.3)]
    plots.coverage(pd.DataFrame(rows, columns=["unit", "low", "high"]), 0.25, "AUC")
    titles = [ax.get_title() for ax in plt.gcf().axes]
    assert titles == ["x: 1 of 2 contain the truth", "y: 1 of 1 contain the truth"]


def test_intervals_reach_from_low_to_high():
    table = pd.DataFrame({"value": [0.6], "low": [0.5], "high": [0.9]}, index=["VGG16"])
    plots.intervals(table, "AUC", chance=0.5)
    [bars] = plt.gca().containers
    [segment] = bars[2][0].get_segments()
    assert segment[:, 0] == pytest.approx([0.5, 0.9])
    assert "VGG16" in texts()


def test_bars_carry_their_numbers():
    plots.shares(pd.Series({"a": 0.974, "b": 0.0}), "x")
    assert {"97%", "0%"} <= set(texts())
    plots.times(pd.Series({"a": 8200, "b": 5}))
    assert {"8,200", "5"} <= set(texts())
    plots.scores(pd.Series({"a": 0.964}), "AUC", chance=0.5)
    assert {"0.96", "guessing"} <= set(texts())


def test_crops_and_steps_draw_one_figure():
    plots.crops([np.zeros((9, 9, 3), np.uint8)] * 2, ["one", "two"])
    plots.steps(["videos", "clips"], ["a folder", "a table"])
    assert len(plt.get_fignums()) == 2
    assert {"videos", "a table"} <= set(texts())


def test_no_figure_function_shows_or_returns():
    functions = [f for _, f in inspect.getmembers(plots, inspect.isfunction)]
    for function in functions:
        if function.__module__ == plots.__name__:
            assert "plt.show" not in inspect.getsource(function), function.__name__
            public = not function.__name__.startswith("_") and function is not plots.axes
            assert not public or inspect.signature(function).return_annotation == "None"


# --------------------------------------------------------------------------- lesson 01


def test_picture_table_names_rows_and_columns():
    picture = np.zeros((8, 8, 3), np.uint8)
    plots.picture_table({"swap": [picture] * 3, "reenact": [picture] * 2}, ["target", "donor"])
    assert {"swap", "reenact", "target", "donor"} <= set(texts())
    assert sum(len(ax.images) for ax in plt.gcf().axes) == 5


def test_landmarks_shows_68_dots_and_marks_five():
    points = np.random.default_rng(0).uniform(0, 99, (68, 2))
    plots.landmarks([np.zeros((99, 99, 3), np.uint8)], [points])
    dots, five = plt.gca().collections
    assert len(dots.get_offsets()) == 68
    assert np.allclose(five.get_offsets()[2], points[30])


def test_two_decoders_says_which_arrow_swaps():
    plots.two_decoders()
    assert any("A's code, B's decoder" in text for text in texts())


def test_spectrograms_show_a_tone_at_its_height():
    rate = 16000
    tone = np.sin(2 * np.pi * 2000 * np.arange(rate) / rate)
    plots.spectrograms({"a tone": tone, "its half": tone[: rate // 2]}, rate)
    image = plt.gcf().axes[0].images[0]
    power = np.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    rows = power.shape[0]
    row = power.mean(1).argmax()
    row = rows - 1 - row if image.origin == "upper" else row
    assert abs(bottom + (row + 0.5) / rows * (top - bottom) - 2000) < 100
    assert {"a tone", "its half", "seconds", "hertz"} <= set(texts())


# --------------------------------------------------------------------------- lesson 02


def picture(side: int = 20) -> np.ndarray:
    return np.zeros((side, side, 3), np.uint8)


def test_dials_has_a_column_a_cue_and_a_row_a_place():
    plots.dials({"skin_tone": [picture()] * 3, "light": [picture()] * 3}, ["0", "half", "1"])
    assert sum(len(ax.images) for ax in plt.gcf().axes) == 6
    assert {"skin tone", "light", "half"} <= set(texts())


def test_regions_are_outlined_and_named_once():
    mask = np.zeros((20, 20), bool)
    mask[5:9, 5:9] = True
    plots.regions([picture()] * 2, [{"neck": mask}, {"neck": mask, "none": mask & False}], "ab")
    assert texts().count("neck") == 1
    assert [len(ax.collections) for ax in plt.gcf().axes] == [1, 1]


def test_maps_share_a_scale():
    plots.maps([picture(), np.ones((20, 20)), 9 * np.ones((20, 20))], list("abc"), high=12)
    limits = {image.get_clim() for ax in plt.gcf().axes[1:] for image in ax.images}
    assert limits == {(0, 12)}


def test_lips_and_sound_has_two_panels_a_clip():
    wave = np.sin(np.arange(72))
    clip = {"time_s": np.arange(72) / 12, "mouth": wave, "sound": wave}
    clip |= {"lag_s": np.linspace(-0.8, 0.8, 9), "fit": np.linspace(0, 0.5, 9)}
    plots.lips_and_sound({"REAL": clip, "FAKE": clip})
    assert len(plt.gcf().axes) == 4
    assert {"REAL", "FAKE", "mouth", "sound", "in sync"} <= set(texts())


def test_auc_grid_marks_what_the_interval_supports():
    rows = [("teeth", "light", 0.9, 0.8, 0.95), ("teeth", "teeth", np.nan, np.nan, np.nan),
            ("iris", "light", 0.6, 0.4, 0.8), ("iris", "teeth", 0.2, 0.1, 0.3)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["measure", "dial", "auc", "low", "high"])
    plots.auc_grid(table, rows="measure", columns="dial")
    weights = {t.get_text(): t.get_fontweight() for t in plt.gca().texts}
    assert weights == {".90": "bold", "–": "normal", ".60": "normal", ".20": "bold"}
    assert {"measure", "dial", "iris"} <= set(texts())


def test_dots_and_spectra_name_their_lines():
    plots.dots(pd.DataFrame({"as it is": [0.1], "dim": [0.4]}, index=["skin_tone"]), "share", 0.1)
    assert {"as it is", "dim", "skin tone", "share"} <= set(texts())
    plots.spectra({"REAL": np.linspace(9, 1, 64), "FAKE": np.linspace(9, 2, 64)}, "note")
    assert {"REAL", "FAKE", "note"} <= set(texts())


def test_inception_blocks_name_kernels_filters_and_scales():
    plots.inception_blocks()
    shown = texts()
    assert {"1×7, 160", "7×1, 192", "block A, 10 times", "join, 1×1, times 0.17"} <= set(shown)
    assert shown.count("+") == shown.count("unchanged") == 3


def test_by_depth_starts_at_no_block_and_counts_in_powers():
    plots.by_depth({"sum": [1, 10, 100], "scaled": [1, 1, 1]}, "spread")
    ax = plt.gca()
    assert [list(line.get_xdata()) for line in ax.get_lines()] == [[0, 1, 2]] * 2
    assert ax.get_yscale() == "log" and {"sum", "scaled", "spread"} <= set(texts())
    plots.by_depth({"sum": [1, 10]}, "spread", "epochs", places=[1, 40])
    assert list(plt.gca().get_lines()[0].get_xdata()) == [1, 40]
