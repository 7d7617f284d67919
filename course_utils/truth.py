"""Do heatmaps show what was manipulated? Aligned crops of fakes, originals and masks (lesson 08).

Only a set like the mini one can ask: every fake but `animate` has an original that is the same
picture outside the touched pixels, and a mask that says which those are. `record` writes the checks
of `heatmaps` for a detector, a row a crop; lesson 08 reads them.
"""

from __future__ import annotations

import datetime
import json
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from course_utils import datasets, evaluation, heatmaps, settings

if TYPE_CHECKING:
    import keras

ALIGNED = ("lipsync", "reenact", "swap", "graphics")
WINDOW = 0.8  # of a crop's side, where the face is not to sit in the middle
DRAWS = 20  # of random weights
REPAIRED = 5  # of those draws, how many order a repair
COMPARED = [  # mass inside: above 0 speaks for the map; areas: above 0, the map repairs sooner
    ("map", "uniform"),
    ("map", "other masks"),
    ("map", "center blob"),
    ("map", "randomized"),
    ("repair random", "repair map"),
    ("repair center-out", "repair map"),
    ("repair randomized", "repair map"),
    ("repair random", "repair randomized"),
]


class Pairs(NamedTuple):
    """Crops of fakes, the same of their originals, and which pixels differ by manipulation."""

    table: pd.DataFrame  # clip, frame, method, group
    fakes: np.ndarray  # (n, size, size, 3) uint8
    originals: np.ndarray
    masks: np.ndarray  # (n, size, size) bool


def fakes_with_masks(folder: str | Path = settings.MINI_DFDC) -> pd.DataFrame:
    """The FAKE clips whose originals are aligned, but for those of the split `train`."""
    clips, _ = datasets.read(folder)
    known = clips["method"].isin(ALIGNED) & (clips["split"] != "train")
    return clips[known].reset_index(drop=True)


def pairs(
    clips: pd.DataFrame,
    size: int,
    count: int = 2,
    shift: np.random.Generator | None = None,
    folder: str | Path = settings.MINI_DFDC,
) -> Pairs:
    """Crops of `count` frames of each fake, of its original, and of its mask, cut alike.

    With `shift`, a window of `WINDOW` of the crop's side at a random place, enlarged to `size`: the
    face no longer sits in the middle. A frame without a face is left out, and one of whose mask
    the crop shows nothing. Raises ValueError where none is left.
    """
    from course_utils import faces, models, video

    folder = Path(folder)
    rows: list[dict] = []
    cut: list[list[np.ndarray]] = []
    for clip in clips.itertuples():
        marks = video.masks(folder / "masks" / f"{Path(str(clip.clip)).stem}.png")
        both = [video.frames(folder / name, count=count) for name in (clip.clip, clip.original)]
        for fake, original in zip(*both, strict=True):
            found = faces.detect(fake.rgb)
            mask = np.kron(marks[fake.index], np.full((4, 4), 255, np.uint8))
            mask = np.repeat(mask[..., None], 3, axis=2)
            if not found:
                continue
            three = [faces.crop(rgb, found[0].box) for rgb in (fake.rgb, original.rgb, mask)]
            if shift is not None:
                three = heatmaps.shifted(three, round(WINDOW * len(three[0])), shift)
            three = [models.resize(rgb, size) for rgb in three]
            if three[2][..., 0].max() > 127:
                rows.append({name: getattr(clip, name) for name in ("clip", "method", "group")})
                rows[-1]["frame"] = fake.index
                cut.append(three)
    if not cut:
        raise ValueError(f"No face with a mask was found in {len(clips)} clips of {folder}.")
    fakes, originals, masks = (np.stack(images) for images in zip(*cut, strict=True))
    return Pairs(pd.DataFrame(rows), fakes, originals, masks[..., 0] > 127)


def checks(
    model: keras.Model, found: Pairs, repair: bool = True, seed: int = settings.SEED
) -> pd.DataFrame:
    """The checks of `heatmaps` on Grad-CAM, a row a crop of `found`.

    Columns of `found.table`, `p_fake`, those of `heatmaps.against_masks` (other clips: of the same
    method); `randomized` (mean mass inside over `DRAWS` models with random weights), `similarity`
    (Spearman's, of their maps with the model's, mean); and, with `repair`, the area under the
    repair curve in the order of the map (`repair map`), its reverse, at random, from the center,
    and in the order of the randomized models' maps (`repair randomized`).
    """
    from course_utils import models

    rng = np.random.default_rng(seed)
    shown = heatmaps.GradCAM(model)(found.fakes)
    stranger = heatmaps.randomized(model, rng)
    explain, others = heatmaps.GradCAM(stranger), []
    for _ in range(DRAWS):
        stranger.set_weights(heatmaps.randomized(model, rng).get_weights())
        others.append(explain(found.fakes))
    table = found.table.reset_index(drop=True)
    parts = []
    for _, rows in table.groupby("method").indices.items():
        part = heatmaps.against_masks(
            shown[rows], found.masks[rows], found.fakes[rows], list(table["clip"].iloc[rows])
        )
        parts.append(part.set_index(rows).drop(columns="clip"))
    table = table.join(pd.concat(parts))
    table["p_fake"] = models.predict(model, found.fakes)
    inside = [
        [heatmaps.mass_inside(m, mask) for m, mask in zip(maps, found.masks, strict=True)]
        for maps in others
    ]
    table["randomized"] = _mean(inside)
    table["similarity"] = _mean(
        [[heatmaps.similarity(a, b) for a, b in zip(shown, maps, strict=True)] for maps in others]
    )
    if not repair:
        return table
    areas = []
    for k in range(len(table)):
        area = partial(_area, model, found.fakes[k], found.originals[k], rng)
        row = {f"repair {order}": area(shown[k], order) for order in heatmaps.ORDERS}
        strange = [area(maps[k], "map") for maps in others[:REPAIRED]]
        row["repair randomized"] = float(np.mean(strange))
        areas.append(row)
    return table.join(pd.DataFrame(areas))


def _area(
    model: keras.Model,
    fake: np.ndarray,
    original: np.ndarray,
    rng: np.random.Generator,
    heat: np.ndarray,
    order: str,
) -> float:
    """Area under the curve of a repair, for a model that is asked without `predict`'s overhead."""

    def score(images: np.ndarray) -> np.ndarray:
        return model.predict_on_batch(images)[:, 1]

    curve = heatmaps.repair_curve(score, fake, original, heat, order, rng)
    return heatmaps.area(curve, "log_odds")


def _mean(rows: list[list[float]]) -> np.ndarray:
    """Mean over draws for each crop, NaN only where every draw is."""
    values = np.array(rows, float)
    known = (~np.isnan(values)).sum(axis=0)
    return np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)


def paired(
    table: pd.DataFrame, first: str, second: str, level: float = 0.95
) -> evaluation.Interval:
    """Mean of one column minus another, with Student's interval over groups.

    Crops are averaged within their clip, clips within their group: other people, not other frames,
    are what the interval is about. Crops without a value in either are left out.
    """
    from scipy import stats

    gap = (table[first] - table[second]).rename("gap")
    known = pd.concat([table[["clip", "group"]], gap], axis=1).dropna()
    means = known.groupby(["group", "clip"])["gap"].mean().groupby("group").mean()
    count = len(means)
    if count < 2:
        value = float(means.mean()) if count else math.nan
        return evaluation.Interval(value, groups=count, level=level, reason="fewer than two groups")
    half = stats.t.ppf((1 + level) / 2, count - 1) * means.std() / math.sqrt(count)
    value = float(means.mean())
    return evaluation.Interval(value, value - half, value + half, count, level)


def gaps(table: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """`paired` for each method, as `plots.differences` draws it: `value`, `low`, `high`.

    The index names method and number of groups. Only methods with an interval are in it.
    """
    rows = {}
    for method, part in table.groupby("method"):
        gap = paired(part, first, second)
        if gap.given:
            rows[f"{method}, {gap.groups} groups"] = (gap.value, gap.low, gap.high)
    return pd.DataFrame(rows, index=["value", "low", "high"]).T


def record(
    detector: str | Path, out: str | Path, count: int = 2, command: str = ""
) -> pd.DataFrame:
    """Write `checks` for a detector on shifted and on centered crops to `out`, a `.csv`.

    Repair is tried on the shifted ones alone; the column `shifted` tells the two apart. A `.json`
    beside it says what made it.
    """
    import keras

    from course_utils import judging, models

    model = judging.load(detector).model
    clips, size = fakes_with_masks(), models.image_size(model)
    parts = []
    for shift in (np.random.default_rng(settings.SEED), None):
        found = pairs(clips, size, count, shift)
        parts.append(checks(model, found, shift is not None).assign(shifted=shift is not None))
    table = pd.concat(parts, ignore_index=True)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(out, index=False)
    about = {
        **{"command": command, "date": datetime.date.today().isoformat()},
        **{"device": settings.device(), "versions": {"keras": keras.__version__}},
        **{"model": model.name, "seed": settings.SEED, "clips": table["clip"].nunique()},
        **{"frames of a clip": count, "draws of random weights": DRAWS},
        "draws that order a repair": REPAIRED,
    }
    out.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return table
