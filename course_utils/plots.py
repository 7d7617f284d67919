"""Every figure of the lessons and their slides. Each function draws one figure and returns None.

None calls `show`: Jupyter shows a cell's open figures when the cell ends, and `slides/decks.py`
saves the current one. REAL and FAKE keep their color, hatch and marker in every lesson, so that
color is never the only mark; the colors are from Okabe and Ito's palette for color-blind readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

LABELS = ["REAL", "FAKE"]
COLORS = {"REAL": "#0072B2", "FAKE": "#D55E00"}
HATCHES = {"REAL": "", "FAKE": "//"}
MARKERS = {"REAL": "o", "FAKE": "^"}
GOOD, BAD, NEUTRAL, MARK = "#009E73", "#CC79A7", "#6E6E6E", "#F0E442"

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def axes(width: float = 6.4, height: float = 3.2) -> Axes:
    """A new figure of one pair of axes, in inches, without the upper and right frame line."""
    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


# --------------------------------------------------------- lessons 00 and 03: clips, frames, crops


def label_counts(counts: pd.DataFrame) -> None:
    """Bars of how many clips are REAL and FAKE; a row a data set, columns `REAL` and `FAKE`."""
    ax = axes(6.4, 1.1 + 0.7 * len(counts))
    left = np.zeros(len(counts))
    for label in LABELS:
        n = counts[label].to_numpy()
        share = n / counts[LABELS].sum(axis=1).to_numpy()
        bars = ax.barh(counts.index, share, left=left, height=0.6, color=COLORS[label],
                       hatch=HATCHES[label], edgecolor="white")  # fmt: skip
        names = [f"{label} {k}" for k in n]
        ax.bar_label(bars, names, label_type="center", fontweight="bold", bbox=_PLATE)
        left += share
    ax.set(xlabel="share of the clips", xlim=(0, 1))
    ax.invert_yaxis()


_PLATE = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.9}


def frames(
    images: Sequence[np.ndarray],
    boxes: Sequence[Sequence[Box]] | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
) -> None:
    """RGB pictures in a grid, each with the boxes found in it; a frame without any is marked."""
    cell = 8 / columns
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height, width = images[0].shape[:2]
    inches = (cell * columns, rows * (cell * height / width + (0.3 if titles else 0.05)))
    _, grid = plt.subplots(rows, columns, figsize=inches, squeeze=False, layout="constrained")
    for ax in grid.flat:
        ax.axis("off")
    for k, (ax, image) in enumerate(zip(grid.flat, images, strict=False)):
        ax.imshow(image)
        if titles:
            ax.set_title(titles[k], fontsize=9)
        if boxes is None:
            continue
        for left, top, right, bottom in boxes[k]:
            size = (right - left, bottom - top)
            ax.add_patch(Rectangle((left, top), *size, fill=False, linewidth=2, edgecolor=MARK))
        if not len(boxes[k]):
            center = {"ha": "center", "va": "center", "transform": ax.transAxes}
            ax.text(0.5, 0.92, "no face found", fontsize=9, bbox=_PLATE, **center)


def crops(images: Sequence[np.ndarray], titles: Sequence[str]) -> None:
    """Crops side by side, each at the same size whatever its pixels."""
    width = min(1.9, 8 / len(images))
    size = (width * len(images), width + 0.5)
    _, row = plt.subplots(1, len(images), figsize=size, squeeze=False, layout="constrained")
    for ax, image, title in zip(row.flat, images, titles, strict=True):
        ax.imshow(image)
        ax.set_title(title, fontsize=9)
        ax.axis("off")


def found(sampled: pd.DataFrame) -> None:
    """Where a face was found: a line a clip, a mark a sampled frame (`clip`, `time_s`, `found`)."""
    clips = list(dict.fromkeys(sampled["clip"]))
    ax = axes(6.4, 1.0 + 0.35 * len(clips))
    for was_found, marker, color, name in [
        (True, "o", GOOD, "face found"),
        (False, "x", BAD, "no face found"),
    ]:
        some = sampled[sampled["found"] == was_found]
        rows = some["clip"].map(clips.index)
        ax.scatter(some["time_s"], rows, marker=marker, color=color, s=36, label=name)
    ax.set(xlabel="seconds into the clip", ylim=(len(clips) - 0.4, -0.6))
    ax.set_yticks(range(len(clips)), clips)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


def pairs(real: Sequence[float], fake: Sequence[float]) -> None:
    """Each REAL score against each FAKE one: a check where the FAKE is higher. AUC is their share.

    Lesson 03 derives it. A tie counts half.
    """
    rank = np.sign(np.subtract.outer(np.asarray(fake, float), np.asarray(real, float)))
    ax = axes(0.9 * len(real) + 2.2, 0.6 * len(fake) + 1.1)
    ax.imshow(rank, cmap=plt.matplotlib.colors.ListedColormap([BAD, "#DDDDDD", GOOD]), vmin=-1,
              vmax=1, alpha=0.55, aspect="auto")  # fmt: skip
    for (i, j), sign in np.ndenumerate(rank):
        ax.text(j, i, {1: "right", 0: "tie", -1: "wrong"}[int(sign)], ha="center", va="center")
    ax.set_xticks(range(len(real)), [f"{score:g}" for score in real])
    ax.set_yticks(range(len(fake)), [f"{score:g}" for score in fake])
    share = ((rank + 1) / 2).mean()
    ax.set(xlabel="scores of REAL clips", ylabel="scores of FAKE clips")
    ax.set_title(f"{share * rank.size:g} of {rank.size} pairs ranked right: AUC {share:.2f}")
    ax.tick_params(length=0)


def intervals(table: pd.DataFrame, xlabel: str, chance: float | None = None) -> None:
    """Estimates with intervals, a row each: `value`, `low`, `high`; a dashed line at `chance`."""
    ax = axes(6.4, 1.0 + 0.45 * len(table))
    rows = np.arange(len(table))
    spread = np.abs(table[["low", "high"]].to_numpy().T - table["value"].to_numpy())
    ax.errorbar(table["value"], rows, xerr=spread, fmt="o", color="black", capsize=5, linewidth=2)
    if chance is not None:
        ax.axvline(chance, color=NEUTRAL, linestyle="--")
        ax.text(chance, len(table) - 0.45, " guessing", color=NEUTRAL, va="center")
    ax.set(xlabel=xlabel, ylim=(len(table) - 0.3, -0.6))
    ax.set_yticks(rows, table.index)


def coverage(table: pd.DataFrame, truth: float, xlabel: str) -> None:
    """Intervals that contain the truth or miss it: a panel each `unit`, columns `low`, `high`."""
    units = list(dict.fromkeys(table["unit"]))
    _, row = plt.subplots(1, len(units), figsize=(8, 3.2), sharex=True, layout="constrained")
    for ax, unit in zip(np.atleast_1d(row), units, strict=True):
        some = table[table["unit"] == unit].reset_index(drop=True)
        holds = (some["low"] <= truth) & (truth <= some["high"])
        for well, color, style in [(True, GOOD, "-"), (False, BAD, "--")]:
            part = some[holds == well]
            ax.hlines(part.index, part["low"], part["high"], color=color, linestyle=style, lw=2.5)
        ax.axvline(truth, color="black", linewidth=1)
        ax.set(xlabel=xlabel, yticks=[])
        ax.set_title(f"{unit}: {holds.sum()} of {len(some)} contain the truth", fontsize=10)
        ax.spines[["top", "right", "left"]].set_visible(False)


def scores(values: pd.Series, xlabel: str, chance: float) -> None:
    """One bar a row from 0 to 1, with the number beside it, and a dashed line where guessing is."""
    ax = axes(6.4, 0.9 + 0.55 * len(values))
    bars = ax.barh(values.index, values, color=NEUTRAL, height=0.6)
    ax.bar_label(bars, [f"{value:.2f}" for value in values], padding=4, fontweight="bold")
    ax.axvline(chance, color="black", linestyle="--")
    ax.text(chance, -0.55, "guessing", ha="center", va="bottom")
    ax.set(xlabel=xlabel, xlim=(0, 1.1), ylim=(len(values) - 0.5, -0.5))


def shares(values: pd.Series, xlabel: str) -> None:
    """One bar a row, from 0 to 100%, with the number beside it."""
    ax = axes(6.4, 0.9 + 0.45 * len(values))
    bars = ax.barh(values.index, values, color=NEUTRAL, height=0.6)
    ax.bar_label(bars, [f"{value:.0%}" for value in values], padding=4, fontweight="bold")
    ax.set(xlabel=xlabel, xlim=(0, 1.12))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    ax.invert_yaxis()


def times(milliseconds: pd.Series, xlabel: str = "milliseconds") -> None:
    """One bar a row, with the number beside it, for comparing costs."""
    ax = axes(6.4, 0.9 + 0.45 * len(milliseconds))
    bars = ax.barh(milliseconds.index, milliseconds, color=NEUTRAL, height=0.6)
    ax.bar_label(bars, [f"{value:,.0f}" for value in milliseconds], padding=4)
    ax.set(xlabel=xlabel, xlim=(0, milliseconds.max() * 1.15))
    ax.invert_yaxis()


def steps(names: Sequence[str], notes: Sequence[str]) -> None:
    """Boxes joined by arrows from left to right, a note under each: how the data flows."""
    ax = axes(8, 1.7)
    for k, (name, note) in enumerate(zip(names, notes, strict=True)):
        box = FancyBboxPatch((k + 0.06, 0.45), 0.72, 0.4, boxstyle="round,pad=0.02",
                             facecolor="#E8F1F8", edgecolor=COLORS["REAL"])  # fmt: skip
        ax.add_patch(box)
        ax.text(k + 0.42, 0.65, name, ha="center", va="center", fontsize=11, fontweight="bold")
        ax.text(k + 0.42, 0.3, note, ha="center", va="top", fontsize=8)
        if k:
            arrow = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.5}
            ax.annotate("", (k + 0.03, 0.65), (k - 0.19, 0.65), arrowprops=arrow)
    ax.set(xlim=(0, len(names) - 0.15), ylim=(-0.15, 0.95))
    ax.axis("off")


# ------------------------------------------------------------- lesson 01: how a fake comes about


def picture_table(rows: dict[str, Sequence[np.ndarray]], columns: Sequence[str] = ()) -> None:
    """RGB pictures in named rows, the columns titled if they have names."""
    count = max(len(images) for images in rows.values())
    side = min(1.9, 7.2 / count)
    size = (0.3 + side * count, side * len(rows) + (0.3 if columns else 0.05))
    _, grid = plt.subplots(len(rows), count, figsize=size, squeeze=False)
    plt.gcf().set_layout_engine("constrained", w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    for ax in grid.flat:
        ax.axis("off")
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=False):
            ax.axis("on")
            ax.imshow(image)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(name, fontsize=9)
    for ax, title in zip(grid[0], columns, strict=False):
        ax.set_title(title, fontsize=9)


def landmarks(images: Sequence[np.ndarray], points: Sequence[np.ndarray]) -> None:
    """The 68 landmarks on each picture, those used to align (eyes, nose tip, mouth corners) big."""
    _, row = plt.subplots(1, len(images), figsize=(7, 7 / len(images)), squeeze=False,
                          layout="constrained")  # fmt: skip
    for ax, image, dots in zip(row.flat, images, points, strict=True):
        ax.imshow(image)
        edge = {"edgecolors": "black", "linewidths": 0.5}
        ax.scatter(*dots.T, s=9, color=MARK, **edge)
        five = np.stack([dots[36:42].mean(0), dots[42:48].mean(0), *dots[[30, 48, 54]]])
        ax.scatter(*five.T, s=60, color="white", marker="s", **edge)
        ax.axis("off")


def two_decoders() -> None:
    """The idea of the first face swaps: one encoder for both people, a decoder for each."""
    ax = axes(8, 3.0)
    people = {"A": (GOOD, 0.8), "B": ("#7B4FA3", 0.15)}  # neither is REAL's color or FAKE's

    def box(x: float, y: float, text: str, color: str, width: float = 0.17) -> None:
        shape = FancyBboxPatch((x, y - 0.11), width, 0.22, boxstyle="round,pad=0.01",
                               facecolor="white", edgecolor=color, linewidth=2)  # fmt: skip
        ax.add_patch(shape)
        ax.text(x + width / 2, y, text, ha="center", va="center", fontsize=10)

    def arrow(start: tuple, end: tuple, color: str, style: str = "-", width: float = 1.5) -> None:
        look = {"arrowstyle": "-|>", "color": color, "linestyle": style, "linewidth": width}
        ax.annotate("", end, start, arrowprops={**look, "shrinkA": 0, "shrinkB": 0})

    box(0.29, 0.475, "one encoder\nfor both", "black", 0.15)
    box(0.515, 0.475, "code:\npose, mouth, gaze", "black", 0.18)
    for name, (color, y) in people.items():
        box(0.0, y, f"faces of {name}", color, 0.15)
        box(0.82, y, f"decoder of {name}\ndraws {name}", color)
        arrow((0.165, y), (0.275, 0.475 + 0.4 * (y - 0.475)), color)
    arrow((0.455, 0.475), (0.5, 0.475), "black")
    arrow((0.71, 0.52), (0.805, 0.8), people["A"][0])
    ax.text(0.745, 0.76, "to train", ha="right", va="bottom", fontsize=9)
    arrow((0.71, 0.475), (0.805, 0.24), people["B"][0])
    arrow((0.71, 0.42), (0.805, 0.1), people["B"][0], "--", 3)
    ax.text(0.735, 0.2, "to swap:\nA's code, B's decoder", ha="right", va="top", fontsize=9,
            fontweight="bold")  # fmt: skip
    ax.set(xlim=(-0.02, 1.01), ylim=(-0.05, 0.98))
    ax.axis("off")


def spectrograms(takes: dict[str, np.ndarray], rate: int) -> None:
    """How strong each frequency is over time, up to 5 kHz: a panel a sound, loud is bright."""
    size = (8, 0.5 + 1.9 * len(takes))
    _, column = plt.subplots(len(takes), 1, figsize=size, squeeze=False, sharex=True,
                             layout="constrained")  # fmt: skip
    for ax, (name, samples) in zip(column.flat, takes.items(), strict=True):
        window = {"NFFT": round(0.03 * rate), "noverlap": round(0.024 * rate)}
        loud = np.abs(samples).max() ** 2 / 100
        ax.specgram(samples + 1e-6, Fs=rate, cmap="magma", **window,
                    vmin=10 * np.log10(loud) - 75, vmax=10 * np.log10(loud) - 15)  # fmt: skip
        ax.set(ylim=(0, 5000), ylabel="hertz", facecolor="black")
        ax.set_title(name, fontsize=10)
    column[-1, 0].set_xlabel("seconds")


# ------------------------------------------------------------------- lesson 02: what a cue looks at


def dials(columns: Mapping[str, Sequence[np.ndarray]], rows: Sequence[str]) -> None:
    """A column of pictures for each cue: the same face with its dial at several places."""
    size = (1.45 * len(columns) + 0.3, 1.45 * len(rows) + 0.3)
    _, grid = plt.subplots(len(rows), len(columns), figsize=size, layout="constrained")
    for column, (cue, images) in zip(grid.T, columns.items(), strict=True):
        column[0].set_title(cue.replace("_", " "), fontsize=10)
        for ax, image in zip(column, images, strict=True):
            ax.imshow(image)
            ax.set(xticks=[], yticks=[])
    for ax, name in zip(grid[:, 0], rows, strict=True):
        ax.set_ylabel(name, fontsize=10)


def regions(
    images: Sequence[np.ndarray],
    outlined: Sequence[dict[str, np.ndarray]],
    titles: Sequence[str],
) -> None:
    """Pictures with the regions that a measure compares: masks by name, outlined and numbered."""
    sky = "#56B4E9"
    styles: list[tuple[str, Any]] = [(MARK, "-"), (sky, "--"), ("black", ":"), ("white", "-.")]
    height = 5.6 / len(images) * images[0].shape[0] / images[0].shape[1]
    size = (5.6, min(height, 4.4) + 0.7)
    figure, row = plt.subplots(1, len(images), figsize=size, squeeze=False, layout="constrained")
    names = list(dict.fromkeys(name for masks in outlined for name in masks))
    for ax, image, masks, title in zip(row.flat, images, outlined, titles, strict=True):
        ax.imshow(image)
        for name, mask in masks.items():
            color, dash = styles[names.index(name) % len(styles)]
            if mask.any():
                shape = {"colors": [color], "linestyles": [dash], "linewidths": 1.8}
                ax.contour(mask.astype(float), levels=[0.5], **shape)
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    looks = [
        plt.Line2D([], [], color=color, linestyle=dash, linewidth=2, label=name)
        for name, (color, dash) in zip(names, styles * 3, strict=False)
    ]
    if names:
        legend = figure.legend(handles=looks, loc="outside lower center", ncols=len(looks))
        legend.get_frame().set(facecolor="#777777", edgecolor="none")
        for text in legend.get_texts():
            text.set_color("white")


def maps(images: Sequence[np.ndarray], titles: Sequence[str], high: float | None = None) -> None:
    """RGB pictures and gray maps side by side; maps share one scale from 0 to `high`."""
    width = min(3.2, 8.4 / len(images))
    height = width * images[0].shape[0] / images[0].shape[1] + 0.4
    size = (width * len(images), height)
    _, row = plt.subplots(1, len(images), figsize=size, squeeze=False, layout="constrained")
    for ax, image, title in zip(row.flat, images, titles, strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=high)
        ax.set_title(title, fontsize=9)
        ax.axis("off")


def lips_and_sound(clips: dict[str, dict[str, np.ndarray]]) -> None:
    """A row a clip: mouth and sound over time, and how well they fit when one is moved.

    Each clip has arrays `time_s`, `mouth`, `sound` (of one length), `lag_s`, `fit`.
    """
    size = (8.4, 1.9 * len(clips) + 0.4)
    _, grid = plt.subplots(
        len(clips), 2, figsize=size, width_ratios=[2, 1], squeeze=False, sharex="col",
        layout="constrained",
    )  # fmt: skip
    for (left, right), (name, clip) in zip(grid, clips.items(), strict=True):
        for signal, color, dash in (("mouth", COLORS["REAL"], "-"), ("sound", "black", "--")):
            level = clip[signal] / clip[signal].std()
            left.plot(clip["time_s"], level, color=color, linestyle=dash, label=signal)
        left.set(yticks=[], title=name, ylim=(-3.2, 4.4))
        right.axvspan(-0.04, 0.2, color=MARK, alpha=0.5, label="in sync")
        right.plot(clip["lag_s"], clip["fit"], color="black")
        right.axhline(0, color=NEUTRAL, linewidth=0.8)
        right.set(ylim=(-0.8, 1.1), ylabel="correlation")
    grid[0, 0].legend(loc="upper right", ncols=2, fontsize=8)
    grid[0, 1].legend(loc="upper right", fontsize=8)
    grid[-1, 0].set_xlabel("seconds")
    grid[-1, 1].set_xlabel("sound later than mouth (s)")


def spectra(curves: dict[str, np.ndarray], note: str = "") -> None:
    """Log power over spatial frequency, a line a picture; `curves` as `cues.power_spectrum`."""
    ax = axes(6.4, 3.4)
    looks = [(COLORS["REAL"], "-"), (COLORS["FAKE"], "--"), (GOOD, ":"), (BAD, "-.")]
    for (name, curve), (color, dash) in zip(curves.items(), looks, strict=False):
        share = np.arange(1, len(curve)) / len(curve)
        ax.plot(share, curve[1:], color=color, linestyle=dash, label=name)
    ax.set(xlabel="spatial frequency (1: every second pixel)", ylabel="log power", xlim=(0, 1.01))
    ax.legend(frameon=False)
    if note:
        ax.set_title(note, fontsize=10)


def auc_grid(table: pd.DataFrame, rows: str, columns: str) -> None:
    """AUC of each measure: a row each of `rows`, a column each of `columns`; empty where none.

    `table` has those two columns, `auc`, `low` and `high`. Bold where the interval excludes .5.
    """
    down, across = (list(dict.fromkeys(table[name])) for name in (rows, columns))
    across = down if set(across) == set(down) else across  # own beside own: the diagonal
    _, ax = plt.subplots(
        figsize=(1.9 + 0.78 * len(across), 1.2 + 0.46 * len(down)), layout="constrained"
    )
    ax.set(xlim=(-0.5, len(across) - 0.5), ylim=(len(down) - 0.5, -0.5))
    colors = plt.matplotlib.colors.LinearSegmentedColormap.from_list(
        "auc", [COLORS["REAL"], "white", COLORS["FAKE"]]
    )
    for one in table.itertuples(index=False):
        cell = one._asdict()
        y, x = down.index(cell[rows]), across.index(cell[columns])
        sure = not np.isnan(cell["auc"]) and (cell["low"] > 0.5 or cell["high"] < 0.5)
        face = colors(cell["auc"]) if not np.isnan(cell["auc"]) else "#EEEEEE"
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="white"))
        dark = abs(cell["auc"] - 0.5) > 0.35
        word = "–" if np.isnan(cell["auc"]) else f"{cell['auc']:.2f}".replace("0.", ".")
        ax.text(x, y, word, ha="center", va="center", color="white" if dark else "black",
                fontweight="bold" if sure else "normal", fontsize=10)  # fmt: skip
    ax.set_xticks(range(len(across)), [str(name).replace("_", "\n") for name in across])
    ax.set_yticks(range(len(down)), [str(name).replace("_", " ") for name in down])
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.set_ylabel(rows)
    ax.set_xlabel(columns, labelpad=10, fontweight="bold")
    ax.xaxis.set_label_position("top")
    ax.spines[:].set_visible(False)


def dots(table: pd.DataFrame, xlabel: str, line: float | None = None) -> None:
    """Shares or values of several conditions: a row each index, a marker each column."""
    ax = axes(7.2, 1.3 + 0.4 * len(table))
    looks = [("o", "black"), ("s", COLORS["REAL"]), ("D", COLORS["FAKE"]), ("v", GOOD), ("P", BAD)]
    rows = np.arange(len(table))
    for k, (name, (marker, color)) in enumerate(zip(table.columns, looks, strict=False)):
        shift = 0.16 * (k - (len(table.columns) - 1) / 2)
        ax.plot(table[name], rows + shift, marker, color=color, label=name, markersize=7)
    if line is not None:
        ax.axvline(line, color=NEUTRAL, linestyle="--")
    ax.hlines(rows[:-1] + 0.5, *ax.get_xlim(), color="#DDDDDD", linewidth=0.8)
    ax.set_yticks(rows, [str(name).replace("_", " ") for name in table.index])
    ax.set(xlabel=xlabel, ylim=(len(table) - 0.5, -0.5))
    ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=len(table.columns), frameon=False)


# ----------------------------------------------------------------- lesson 09: scores and verdicts


def faces_over_time(scores: pd.DataFrame, band: tuple[float, float] | None = None) -> None:
    """The score of each face over time, a panel a clip (`clip`, `label`, `time_s`, `p_fake`)."""
    clips = list(dict.fromkeys(scores["clip"]))
    size = (2.6 * len(clips) + 0.4, 2.5)
    _, row = plt.subplots(1, len(clips), figsize=size, sharey=True, squeeze=False,
                          layout="constrained")  # fmt: skip
    for ax, clip in zip(row.flat, clips, strict=True):
        mine = scores[scores["clip"] == clip].sort_values("time_s")
        label = str(mine["label"].iloc[0])
        style = {"marker": MARKERS[label], "color": COLORS[label]}
        ax.plot(mine["time_s"], mine["p_fake"], linewidth=1, **style)
        ax.axhline(0.5, color=NEUTRAL, linestyle="--", linewidth=1)
        if band:
            ax.axhspan(*band, color="#DDDDDD", zorder=0)
        ax.set(xlabel="seconds", ylim=(-0.03, 1.03), title=f"a {label} clip")
        ax.spines[["top", "right"]].set_visible(False)
    row[0, 0].set_ylabel("p_fake of a face")


def penalties() -> None:
    """What one FAKE clip costs by the score it was given: log-loss and Brier score."""
    p = np.linspace(0.002, 1, 500)
    ax = axes(6.4, 3.0)
    ax.plot(p, -np.log(p), color="black", linewidth=2, label="log-loss: -log(p_fake)")
    ax.plot(p, (1 - p) ** 2, color="black", linestyle="--", label="Brier score: (1 - p_fake)²")
    for x, words in [(0.5, "a shrug: .69"), (0.01, "sure and wrong: 4.6")]:
        ax.plot(x, -np.log(x), "o", color=BAD)
        ax.annotate(words, (x, -np.log(x)), (x + 0.05, -np.log(x) + 0.35))
    ax.set(xlabel="p_fake that a FAKE clip was given", ylabel="cost of the clip", ylim=(0, 6.2))
    ax.legend(frameon=False)


def covers(table: pd.DataFrame, level: float = 0.95) -> None:
    """How often intervals hold the truth, by number of groups: `groups`, `method`, `covers`."""
    ax = axes(6.4, 3.0)
    for (method, some), (marker, color, style) in zip(
        table.groupby("method"), [("s", BAD, "--"), ("o", GOOD, "-")], strict=True
    ):
        ax.plot(some["groups"], some["covers"], marker=marker, color=color, ls=style, label=method)
    ax.axhline(level, color="black", linewidth=1)
    ax.text(1.01, level, "promised", transform=ax.get_yaxis_transform(), va="center")
    ax.set(xlabel="groups in the test", ylabel="share that hold the truth", ylim=(0.7, 1.0))
    ax.set_xticks(sorted(table["groups"].unique()))
    ax.legend(frameon=False, loc="lower right")


def reliability(tables: dict[str, pd.DataFrame]) -> None:
    """Score against share FAKE, a panel a table of `evaluation.reliability`, chance as bars."""
    count = len(tables)
    _, row = plt.subplots(1, count, figsize=(3.5 * count + 0.4, 3.5), sharey=True, squeeze=False,
                          layout="constrained")  # fmt: skip
    for ax, (title, table) in zip(row.flat, tables.items(), strict=True):
        ax.plot([0, 1], [0, 1], color=NEUTRAL, linestyle="--")
        ax.vlines(table["p_fake"], table["low"], table["high"], color="#BBBBBB", linewidth=7)
        outside = (table["share_fake"] < table["low"]) | (table["share_fake"] > table["high"])
        for part, marker, color in [(table[~outside], "o", "black"), (table[outside], "X", BAD)]:
            ax.plot(part["p_fake"], part["share_fake"], marker, color=color, markersize=8)
        ax.set(xlabel="mean p_fake of the bin", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), title=title)
        ax.set_aspect("equal")
        ax.spines[["top", "right"]].set_visible(False)
    row[0, 0].set_ylabel("share FAKE in the bin")


def told(verdicts: pd.DataFrame, low: float, high: float) -> None:
    """Each clip's score, a row a label, with the band of "can't tell" in gray."""
    ax = axes(7.0, 2.6)
    ax.axvspan(low, high, color="#DDDDDD", zorder=0)
    ax.text((low + high) / 2, 1.62, "can't tell", ha="center", va="bottom")
    ax.text(0, 1.62, "real", ha="left", va="bottom")
    ax.text(1, 1.62, "fake", ha="right", va="bottom")
    rng = np.random.default_rng(0)
    for row, label in enumerate(reversed(LABELS)):
        p = verdicts.loc[verdicts["label"] == label, "p_fake"]
        height = row + rng.uniform(-0.28, 0.28, len(p))
        wrong = (p < low) if label == "FAKE" else (p > high)
        ax.scatter(p, height, marker=MARKERS[label], color=COLORS[label], s=30, alpha=0.8)
        ax.scatter(p[wrong], height[wrong], marker="x", color="black", s=60)
    ax.set_yticks([0, 1], list(reversed(LABELS)))
    ax.set(xlabel="p_fake of the clip (black crosses: told wrongly)", xlim=(-0.02, 1.02),
           ylim=(-0.5, 1.6))  # fmt: skip


def risk(curve: pd.DataFrame, point: tuple[float, float] | None = None) -> None:
    """The error rate among the surest clips, by the share of clips told; a star at `point`."""
    ax = axes(6.4, 3.0)
    ax.step(curve["coverage"], curve["risk"], where="post", color="black", linewidth=2)
    if point:
        ax.plot(*point, "*", color=BAD, markersize=17, label="the band chosen on validation")
        ax.legend(frameon=False, loc="upper right")
    top = max(0.3, float(curve["risk"].max()) * 1.15)
    ax.set(xlabel="share of the clips told", ylabel="share told wrongly", xlim=(0, 1.02),
           ylim=(0, top))  # fmt: skip


def distances(told: pd.DataFrame) -> None:
    """Distance from training, in thresholds, a row a seed (`seed`, `footage`, `distance`)."""
    seeds = sorted(told["seed"].unique())
    ax = axes(7.0, 1.1 + 0.45 * len(seeds))
    ax.axvspan(1, 100, color="#EEEEEE", zorder=0)
    for footage, marker, color, name in [
        ("test", "o", NEUTRAL, "test clips of virtual actors"),
        ("other", "D", BAD, "clips of real people"),
    ]:
        some = told[told["footage"] == footage]
        rows = some["seed"].map(seeds.index) + (0.14 if footage == "test" else -0.14)
        ax.scatter(some["distance"] / some["threshold"], rows, marker=marker, color=color, s=26,
                   alpha=0.7, label=name)  # fmt: skip
    far = (told["distance"] / told["threshold"]).max()
    ax.set(xlabel="distance from training (1: the threshold)", xlim=(0, far * 1.05),
           ylim=(len(seeds) - 0.5, -0.5))  # fmt: skip
    ax.text(1.02, -0.46, "can't tell", va="top")
    ax.set_yticks(range(len(seeds)), [f"seed {seed}" for seed in seeds])
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


def flagged(table: pd.DataFrame) -> None:
    """Of a thousand flagged videos, how many are real: bars of `evaluation.base_rates`."""
    names = [f"1 fake in {1 / p:,.0f}" for p in table["prevalence"]]
    ax = axes(6.8, 1.0 + 0.5 * len(table))
    left = np.zeros(len(table))
    for label in LABELS:
        n = table[f"{label.lower()}_of_1000_flagged"].to_numpy()
        bars = ax.barh(names, n, left=left, height=0.6, color=COLORS[label], hatch=HATCHES[label],
                       edgecolor="white")  # fmt: skip
        words = [f"{label} {k:.0f}" if k >= 160 else "" for k in n]
        ax.bar_label(bars, words, label_type="center", fontweight="bold", bbox=_PLATE)
        left += n
    ax.set(xlabel="of 1,000 videos flagged as fake", xlim=(0, 1000))
    ax.invert_yaxis()


def seeds_and_groups(per_seed: pd.Series, table: pd.DataFrame, xlabel: str) -> None:
    """A dot a seed above the intervals over groups of `table` (`value`, `low`, `high`)."""
    ax = axes(6.8, 1.5 + 0.45 * len(table))
    ax.scatter(per_seed, np.zeros(len(per_seed)), marker="|", s=260, color="black", linewidth=2)
    rows = np.arange(1, len(table) + 1)
    spread = np.abs(table[["low", "high"]].to_numpy().T - table["value"].to_numpy())
    ax.errorbar(table["value"], rows, xerr=spread, fmt="o", color="black", capsize=5, linewidth=2)
    ax.set_yticks([0, *rows], [f"{len(per_seed)} seeds, one AUC each", *table.index])
    ax.set(xlabel=xlabel, ylim=(len(table) + 0.6, -0.6))


# ----------------------------------------------- lesson 08: masks and maps, fakes that are repaired


def differences(table: pd.DataFrame, xlabel: str) -> None:
    """Differences with intervals, a row each: `value`, `low`, `high`; filled where 0 is outside."""
    ax = axes(6.8, 1.0 + 0.36 * len(table))
    rows = np.arange(len(table))
    shown = (table["low"] > 0) | (table["high"] < 0)
    ax.hlines(rows, table["low"], table["high"], color="black", linewidth=2)
    for part, face in [(shown, "black"), (~shown, "white")]:
        ax.plot(table["value"][part], rows[part], "o", color="black", markerfacecolor=face)
    ax.axvline(0, color=NEUTRAL, linestyle="--")
    ax.set(xlabel=xlabel, ylim=(len(table) - 0.4, -0.6))
    ax.xaxis.set_major_locator(plt.MaxNLocator(4))
    ax.set_yticks(rows, table.index)


def repairs(curves: dict[str, pd.DataFrame]) -> None:
    """Log-odds of FAKE while a fake is repaired, a line an order (`heatmaps.repair_curve`)."""
    ax = axes(6.6, 3.4)
    looks = [
        ("black", "-", "o"),
        (BAD, "--", "s"),
        (NEUTRAL, ":", "D"),
        (COLORS["REAL"], "-.", "v"),
    ]
    for (name, curve), (color, style, marker) in zip(curves.items(), looks, strict=False):
        line: dict[str, Any] = dict(color=color, linestyle=style, marker=marker, markersize=5)
        ax.plot(curve["repaired"], curve["log_odds"], label=name, **line)
    ax.axhline(0, color="#BBBBBB", linewidth=1)
    ax.set(xlabel="share of the crop replaced", ylabel="log-odds of FAKE")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


# ------------------------------------------------------- lesson 04: what a network makes of a face


def activations(rows: dict[str, Sequence[np.ndarray]], columns: Sequence[str] = ()) -> None:
    """Pictures in named rows, RGB or what a filter answers: 0 is mid-gray, the strongest white."""

    def shown(answers: np.ndarray) -> np.ndarray:
        if answers.ndim == 3:
            return answers
        strongest = np.abs(answers).max() or 1.0
        return np.repeat((0.5 + 0.5 * answers / strongest)[..., None], 3, axis=2)

    picture_table({name: [shown(each) for each in row] for name, row in rows.items()}, columns)


# ------------------------------------------------------- lesson 05: what is borrowed, what learns

_MOVES = {"kept": "#DDDDDD", "random": "white", "gently": "#FBF6C4", "learns": MARK}


def ways(rows: Mapping[str, Sequence[str]], columns: Sequence[str]) -> None:
    """Which part of a network learns: a row a way, a box a part, and in it a word of `_MOVES`."""
    ax = axes(1.9 + 0.95 * len(columns), 0.5 + 0.6 * len(rows))
    for row, states in enumerate(rows.values()):
        for k, (state, name) in enumerate(zip(states, columns, strict=True)):
            look: dict[str, Any] = {"boxstyle": "round,pad=0.02", "facecolor": _MOVES[state]}
            look["edgecolor"] = "black"
            ax.add_patch(FancyBboxPatch((k - 0.4, row - 0.3), 0.8, 0.6, **look))
            weight = "bold" if state in ("gently", "learns") else "normal"
            ax.text(k, row, state, ha="center", va="center", fontsize=10, fontweight=weight)
            if not row:
                ax.text(k, -0.42, name, ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.6, -0.75), xticks=[])
    ax.set_yticks(range(len(rows)), list(rows))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def filters(kernels: Mapping[str, np.ndarray]) -> None:
    """The first convolution's kernels as RGB tiles, a panel a network; each (size, size, 3, count).

    Mid-gray is 0; each tile is stretched to its own largest number.
    """
    _, row = plt.subplots(1, len(kernels), figsize=(3.1 * len(kernels), 3.4), squeeze=False)
    plt.gcf().set_layout_engine("constrained", wspace=0.08)
    for ax, (name, kernel) in zip(row.flat, kernels.items(), strict=True):
        size, count = kernel.shape[0], kernel.shape[3]
        columns = int(np.ceil(np.sqrt(count)))
        wall = np.ones((-(-count // columns) * (size + 1) - 1, columns * (size + 1) - 1, 3))
        for k in range(count):
            top, left = (size + 1) * (k // columns), (size + 1) * (k % columns)
            one = kernel[..., k]
            wall[top : top + size, left : left + size] = 0.5 + 0.5 * one / np.abs(one).max()
        ax.imshow(wall)
        ax.set_title(name, fontsize=10)
        ax.axis("off")


# ------------------------------------------------- lesson 06: deep networks, and what depth costs

INCEPTION_BLOCKS = {  # InceptionResNetV2's: the maps they work on, how many, scale, branches
    "A": ("35 × 35 × 320", 10, 0.17, (("1×1, 32",), ("1×1, 32", "3×3, 32"),
                                      ("1×1, 32", "3×3, 48", "3×3, 64"))),
    "B": ("17 × 17 × 1088", 20, 0.1, (("1×1, 192",), ("1×1, 128", "1×7, 160", "7×1, 192"))),
    "C": ("8 × 8 × 2080", 10, 0.2, (("1×1, 192",), ("1×1, 192", "1×3, 224", "3×1, 256"))),
}  # fmt: skip


def inception_blocks() -> None:
    """InceptionResNetV2's blocks, from bottom to top: branches, joined, scaled, added.

    Each convolution is written as kernel and number of filters (Szegedy et al. 2017, as in Keras).
    """
    widths = [len(branches) + 1.1 for *_, branches in INCEPTION_BLOCKS.values()]
    _, row = plt.subplots(1, len(widths), figsize=(8.6, 4.6), width_ratios=widths,
                          layout="constrained")  # fmt: skip
    for ax, (name, block) in zip(row, INCEPTION_BLOCKS.items(), strict=True):
        _inception_block(ax, name, *block)


def _inception_block(ax: Axes, name: str, size: str, count: int, scale: float, branches) -> None:
    def box(x: float, y: float, text: str, half: float = 0.41, color: str = "white") -> None:
        look: dict[str, Any] = {"boxstyle": "round,pad=0.02", "facecolor": color}
        look["edgecolor"] = COLORS["REAL"]
        ax.add_patch(FancyBboxPatch((x - half, y - 0.2), 2 * half, 0.4, **look))
        ax.text(x, y, text, ha="center", va="center", fontsize=9)

    def arrow(*places: tuple[float, float]) -> None:
        ax.plot(*zip(*places[:-1], strict=True), color="black", linewidth=1.2)
        look = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.2}
        ax.annotate("", places[-1], places[-2], arrowprops={**look, "shrinkA": 0, "shrinkB": 0})

    middle, side = len(branches) / 2, len(branches) + 0.3
    box(middle, 0, size, 0.8)
    for k, branch in enumerate(branches):
        arrow((middle, 0.22), (k + 0.5, 0.75))
        for step, text in enumerate(branch):
            y = 0.97 + 0.72 * step
            box(k + 0.5, y, text, color="#E8F1F8" if text[0] == text[2] else MARK)
            if step:
                arrow((k + 0.5, y - 0.5), (k + 0.5, y - 0.22))
        arrow((k + 0.5, 1.19 + 0.72 * (len(branch) - 1)), (middle, 3.2))
    box(middle, 3.42, f"join, 1×1, times {scale:g}", 0.95)
    arrow((middle, 3.64), (middle, 4.15))
    arrow((middle + 0.82, 0), (side, 0), (side, 4.35), (middle + 0.17, 4.35))
    ax.text(side + 0.08, 2.2, "unchanged", rotation=90, va="center", fontsize=8)
    ring = {"boxstyle": "circle,pad=0.15", "facecolor": "white"}
    ax.text(middle, 4.35, "+", ha="center", va="center", fontsize=12, bbox=ring)
    ax.set_title(f"block {name}, {count} times", fontsize=11)
    ax.set(xlim=(-0.1, side + 0.35), ylim=(-0.3, 4.65))
    ax.axis("off")


def by_depth(
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    xlabel: str = "blocks passed",
    places: Sequence[float] | None = None,
) -> None:
    """A value after each of many blocks, a line a kind of network; the vertical axis in powers.

    `places`, if not 0, 1, 2, ..., are where the values stand on the horizontal axis.
    """
    ax = axes(6.8, 3.4)
    looks = [(BAD, "-"), (BAD, "--"), (COLORS["REAL"], "-"), (COLORS["REAL"], "--")]
    for (name, values), (color, dash) in zip(curves.items(), looks, strict=False):
        across = range(len(values)) if places is None else places
        ax.plot(across, values, color=color, linestyle=dash, linewidth=2, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


# ------------------------------------------------ lessons 04 to 07: networks, training, held-out


def curves(
    histories: Mapping[str, pd.DataFrame],
    baselines: Mapping[str, float] | None = None,
    column: str = "loss",
) -> None:
    """Training and validation `column` by epoch, a panel a history (`training.fit`; lesson 07).

    Several seeds (a column `seed`) are drawn as their median and a band from the least to the most.
    The best epoch on validation (of the median) is marked; of two `baselines` the first is a dotted
    line and the second a dash-dotted one.
    """
    size = (3.9 * len(histories) + 1.2, 3.3)
    _, row = plt.subplots(1, len(histories), figsize=size, sharey=True, squeeze=False,
                          layout="constrained")  # fmt: skip
    looks = [(column, "training", "black", "-"), (f"val_{column}", "validation", GOOD, "--")]
    for ax, (name, history) in zip(row.flat, histories.items(), strict=True):
        for key, label, color, style in looks:
            by_epoch = history.groupby("epoch")[key]
            middle = by_epoch.median()
            ax.plot(middle.index, middle, color=color, linestyle=style, linewidth=2, label=label)
            if by_epoch.size().max() > 1:
                ax.fill_between(
                    middle.index, by_epoch.min(), by_epoch.max(), color=color, alpha=0.15
                )
            if key.startswith("val_"):
                best = middle.idxmin() if "loss" in column else middle.idxmax()
                ax.plot(best, middle[best], "o", color=color, markersize=8, label="best epoch")
        for (words, value), style in zip(
            (baselines or {}).items(), cycle((":", "-.")), strict=False
        ):
            ax.axhline(value, color=NEUTRAL, linestyle=style, linewidth=1.5, label=words)
        ax.set(xlabel="epoch", title=name)
        ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
        ax.spines[["top", "right"]].set_visible(False)
    row[0, 0].set_ylabel(column)
    row[0, -1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def confusion(tables: Mapping[str, tuple[Sequence[Any], Sequence[Any]]]) -> None:
    """Confusion matrices, a panel a name: (labels, predicted), each "REAL" or "FAKE" (lesson 07).

    Numbers (`p_fake`) are taken as FAKE above one half. Cells show counts and shares of their
    row: what becomes of the REAL ones, and of the FAKE ones.
    """
    import seaborn as sns

    size = (3.0 * len(tables) + 0.6, 3.0)
    _, row = plt.subplots(1, len(tables), figsize=size, squeeze=False, layout="constrained")
    for ax, (name, (labels, predicted)) in zip(row.flat, tables.items(), strict=True):
        guess = pd.Series(np.asarray(predicted))
        if pd.api.types.is_numeric_dtype(guess):
            guess = pd.Series(np.where(guess > 0.5, "FAKE", "REAL"))
        counts = pd.crosstab(np.asarray(labels), guess.to_numpy()).reindex(
            index=LABELS, columns=LABELS, fill_value=0
        )
        share = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
        words = counts.astype(str) + "\n" + share.map("{:.0%}".format)
        sns.heatmap(share, annot=words, fmt="", cmap="Greys", vmin=0, vmax=1.3, cbar=False,
                    square=True, linewidths=1, ax=ax, annot_kws={"fontsize": 12})  # fmt: skip
        ax.set(xlabel="called", ylabel="is", title=name)
        ax.tick_params(length=0)


def scored_crops(
    images: Sequence[np.ndarray], p_fake: Sequence[float], labels: Sequence[str]
) -> None:
    """Crops with their label and score, six a row; a frame in the label's color, dashed if FAKE."""
    columns = min(6, len(images))
    rows = -(-len(images) // columns)
    _, grid = plt.subplots(rows, columns, figsize=(1.55 * columns, 1.85 * rows), squeeze=False,
                           layout="constrained")  # fmt: skip
    for ax in grid.flat:
        ax.axis("off")
    for ax, rgb, p, label in zip(grid.flat, images, p_fake, labels, strict=False):
        ax.imshow(rgb)
        height, width = rgb.shape[:2]
        style = "--" if label == "FAKE" else "-"
        frame = Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=COLORS[label],
                          linewidth=4, linestyle=style)  # fmt: skip
        ax.add_patch(frame)
        ax.set_title(f"{label}\np_fake {p:.2f}", fontsize=9)


# ------------------------------------------------------------- lesson 07: repeats of an experiment


def repeats(values: Mapping[str, Sequence[float]], xlabel: str, chance: float) -> None:
    """One row a condition: a tick for each repeat, a dot and a number at their mean."""
    ax = axes(6.8, 1.0 + 0.5 * len(values))
    for row, each in enumerate(values.values()):
        mean = float(np.mean(each))
        ax.plot(each, np.full(len(each), row), "|", color="black", markersize=16, alpha=0.5)
        ax.plot(mean, row, "o", color=BAD, markersize=9, markeredgecolor="black")
        ax.annotate(f"{mean:.2f}", (mean, row), (0, 12), textcoords="offset points", ha="center",
                    fontweight="bold")  # fmt: skip
    ax.axvline(chance, color=NEUTRAL, linestyle="--")
    bottom = len(values) - 0.4
    ax.annotate("guessing", (chance, bottom), (3, 2), textcoords="offset points", color=NEUTRAL,
                va="bottom")  # fmt: skip
    ax.set(xlabel=xlabel, xlim=(0, 1.02), ylim=(bottom, -0.6))
    ax.set_yticks(range(len(values)), list(values))
