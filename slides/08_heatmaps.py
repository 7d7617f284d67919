"""Figures of the deck of lesson 08. Networks, maps and checks are those of the notebook."""

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import pandas as pd

from course_utils import datasets, heatmaps, judging, models, plots, settings, truth


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    plots.steps(
        ["crop", "feature maps", "gradient", "map", "checks"],
        [
            "what the network\nis shown",
            "its last layer\nwith positions",
            "how much each\nvalue speaks\nfor FAKE",
            "averaged, summed,\ncut off at 0",
            "masks, repair,\nrandom weights",
        ],
    )
    save("steps")

    model = judging.load(settings.MODELS / "detector").model
    predict = partial(models.predict, model)
    found = crops(models.image_size(model))
    gain = predict(found.fakes) - predict(found.originals)
    best = found.table.assign(gain=gain).groupby("method")["gain"].idxmax()
    lips, swap = best["lipsync"], best["swap"]

    rows = {}
    for method, k in best.items():
        gap = np.abs(found.fakes[k].astype(float) - found.originals[k]).clip(0, 64) / 64
        mask = np.repeat(found.masks[k][..., None] * 1.0, 3, axis=2)
        rows[method] = [found.originals[k], found.fakes[k], gap, mask]
    plots.picture_table(rows, ["original", "fake", "difference, times 4", "mask"])
    save("pairs")

    reads_all, reads_corner = by_hand(found.fakes.shape[1])
    rgb = found.fakes[swap]
    edges = keras.Model(reads_all.inputs, reads_all.layers[1].output).predict(rgb[None], verbose=0)
    plots.maps(
        [rgb, edges[0, ..., 0], edges[0, ..., 1]], ["the crop", "lying edges", "standing edges"]
    )
    save("edges")

    cam, plus = (heatmaps.GradCAM(model, method=name) for name in heatmaps.METHODS)
    rows = {}
    for label, images in (("REAL", found.originals), ("FAKE", found.fakes)):
        image = images[lips]
        shown = [cam(image)[0], plus(image)[0], heatmaps.occlusion(predict, image)[0]]
        rows[label] = [image, *(heatmaps.overlay(image, heat) for heat in shown)]
    plots.picture_table(rows, ["crop", "Grad-CAM", "Grad-CAM++", "occlusion"])
    save("overlays")

    glowing = [
        heatmaps.overlay(rgb, heatmaps.GradCAM(m)(rgb)[0]) for m in (reads_all, reads_corner)
    ]
    painted = np.full_like(rgb, 128)
    painted[:20, :20] = rgb[:20, :20]
    scores = models.predict(reads_corner, np.stack([rgb, painted]))
    plots.crops(
        [*glowing, rgb, painted],
        ["reads everything", "reads the corner", *(f"p_fake {p:.2f}" for p in scores)],
    )
    save("corner")

    twin = heatmaps.permute_hidden(model, np.random.default_rng(0))
    fake, original = found.fakes[lips], found.originals[lips]
    recipes = {
        "older recipe": [heatmaps.dense_weight_map(m, fake)[0] for m in (model, twin)],
        "Grad-CAM": [heatmaps.GradCAM(m)(fake)[0] for m in (model, twin)],
    }
    plots.picture_table(
        {name: [heatmaps.overlay(fake, heat) for heat in pair] for name, pair in recipes.items()},
        ["our detector", "units reordered"],
    )
    save("broken")

    checked = pd.read_csv(settings.RUNS / "heatmaps.csv")
    names = ["map", "other masks", "center blob", "edge map", "uniform"]
    plots.dots(by_method(checked[~checked["shifted"]], names), "share of the mass inside the mask")
    save("inside")

    moved = checked[checked["shifted"] & checked["method"].isin(["lipsync", "swap"])]
    rows = [
        truth.gaps(moved, "map", other).rename(f"{{}}: map - {other}".format)
        for other in ("uniform", "other masks", "center blob")
    ]
    plots.differences(pd.concat(rows), "share of the mass inside the mask, off-center crops")
    save("differences")

    rng, heat = np.random.default_rng(0), cam(fake)[0]
    plots.repairs(
        {
            order: heatmaps.repair_curve(predict, fake, original, heat, order, rng)
            for order in heatmaps.ORDERS
        }
    )
    save("repair")

    gray = np.full_like(fake, 128)
    pictures, shares = heatmaps.repaired(original, gray, heat, "random", rng, steps=4)
    titles = [
        f"{share:.0%} gray\np_fake {p:.2f}"
        for share, p in zip(shares, predict(pictures), strict=True)
    ]
    plots.crops(pictures.astype("uint8"), titles)
    save("gray")

    rng = np.random.default_rng(1)
    drawn = [heatmaps.randomized(model, rng, layers) for layers in (1, 2, None, None)]
    glowing = [heatmaps.overlay(fake, heatmaps.GradCAM(m)(fake)[0]) for m in (model, *drawn)]
    plots.crops(glowing, ["trained", "last layer drawn", "last two", "all", "all, again"])
    save("random")


def crops(size: int) -> truth.Pairs:
    """The notebook's crops: test fakes that are not in the quiz, four of each of two methods."""
    clips = truth.fakes_with_masks()
    clips = clips.merge(datasets.details(settings.MINI_DFDC)[["clip", "quiz"]])
    clips = clips[(clips["split"] == "test") & ~clips["quiz"].astype(bool)]
    few = clips[clips["method"].isin(["lipsync", "swap"])].groupby("method").head(4)
    return truth.pairs(few, size, count=2)


def by_hand(size: int) -> list[keras.Model]:
    """Two networks of two edge filters: one reads everything, one the upper left corner."""
    lying = np.outer([1] * 4 + [-1] * 4, np.ones(8)) / 32
    filters = np.repeat(np.stack([lying, lying.T], axis=-1)[:, :, None], 3, axis=2)
    everywhere = np.ones((size // 4 - 1, size // 4 - 1, 1)) * [0.5, -0.5]
    corner = everywhere.copy()
    corner[4:], corner[:, 4:] = 0, 0
    networks = []
    for speaks in (everywhere, corner):
        edges = keras.layers.Conv2D(2, 8, strides=4, activation="relu", use_bias=False)
        answer = keras.layers.Dense(2, activation="softmax")
        parts = [keras.layers.Rescaling(1 / 255), edges, keras.layers.Flatten(), answer]
        networks.append(keras.Sequential([keras.Input((size, size, 3)), *parts]))
        edges.set_weights([filters])
        answer.set_weights([np.stack([0 * speaks.ravel(), speaks.ravel()], axis=1), np.zeros(2)])
    return networks


def by_method(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Means over crops within clips, clips within groups, groups within methods."""
    clip_means = table.groupby(["method", "group", "clip"])[columns].mean()
    return clip_means.groupby(["method", "group"]).mean().groupby("method").mean()
