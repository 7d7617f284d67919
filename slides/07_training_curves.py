"""Figures of the deck of lesson 07: recorded runs, and the small classifier that it derives."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances_argmin

from course_utils import datasets, evaluation, extraction, leakage, plots, settings, training


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    shrug = {"a shrug": 0.693}
    grouped, random = (training.recorded(f"meso4-{how}") for how in ("grouped", "random"))
    later = grouped.history[grouped.history["epoch"] >= 5]
    plots.curves({f"Meso-4, {grouped.history['seed'].nunique()} seeds": later}, shrug)
    save("seeds")

    shallow = training.recorded("shallow-vgg16")
    constant = {"base-rate constant": shallow.about["base_rate_log_loss"]}
    plots.curves({"Shallow's VGG16, random start": shallow.history}, constant | shrug)
    save("flat")

    crops, x = small_crops()
    fake, split = (crops["label"] == "FAKE").to_numpy(), crops["split"].to_numpy()
    rates = {f"rate {rate:g}": leakage.descend(x, fake, split, rate) for rate in (0.0005, 0.1, 0.5)}
    plots.curves(rates, {"base-rate constant": 0.637})
    save("rates")

    test = grouped.scores[grouped.scores["split"] == "test"]
    per_seed = pd.Series({seed: auc(judged(some)) for seed, some in test.groupby("seed")})
    clips = judged(test)
    over = evaluation.interval(clips["label"], clips["p_fake"], clips["group"])
    rows = {"the ten scores averaged": {"value": over.value, "low": over.low, "high": over.high}}
    plots.seeds_and_groups(per_seed, pd.DataFrame(rows).T, "AUC on the test clips")
    save("ten")

    units = {"crops": "crop", "clips": "clip", "originals": "family", "casts": "group"}
    tables = {
        f"split over {name}": [leakage.held_out(crops, x, unit, seed) for seed in range(20)]
        for name, unit in units.items()
    }
    found = {name: [auc(judged(table)) for table in some] for name, some in tables.items()}
    plots.repeats(found, "AUC on clips", chance=0.5)
    save("units")

    by_crop = training.split_crops(crops, "random")["split"].to_numpy()
    both = {"split over casts": split, "split over crops": by_crop}
    histories = {name: leakage.descend(x, fake, how, 0.1) for name, how in both.items()}
    plots.curves(histories, {"base-rate constant": 0.637})
    save("both")

    mean = {name: judged(pd.concat(some)) for name, some in tables.items()}
    known = random.scores[random.scores["split"] == "test"]
    known = known[known["clip"].isin(test["clip"])]
    new = test.merge(known[["seed", "clip", "frame"]])
    gaps = {
        "small classifier": leakage.gap(mean["split over crops"], mean["split over casts"]),
        "Meso-4": leakage.gap(judged(known), judged(new)),
    }
    plots.differences(flat(gaps), "split over crops minus split over casts")
    save("gaps")

    plots.shares(shared(), "share of the test clips whose ... is in training")
    save("shared")

    nothing = {
        f"split over {name}": [control(crops, x, units[name], seed) for seed in range(30)]
        for name in ("casts", "crops", "clips")
    }
    plots.repeats(nothing, "AUC on clips, labels shuffled", chance=0.5)
    save("shuffled")

    labels = crops["label"].to_numpy()
    train = split == "train"
    z = (x - x[train].mean(0)) / x[train].std(0)
    said = labels[train][pairwise_distances_argmin(z, z[train])]
    parts = {"training and validation": split != "test", "test casts": split == "test"}
    plots.confusion({name: (labels[part], said[part]) for name, part in parts.items()})
    save("matrix")


def small_crops() -> tuple[pd.DataFrame, np.ndarray]:
    """The lesson's crops, each with its `family`, and their 256 numbers."""
    out = settings.WORK / "mini_dfdc"
    crops, _ = extraction.extract(settings.MINI_DFDC, out, frames=6)
    crops = crops[crops["person"] == 0].reset_index(drop=True)
    crops["family"] = crops["clip"].map(families().set_index("clip")["family"])
    return crops, leakage.features(training.pixels(crops, out, leakage.SIDE))


def families() -> pd.DataFrame:
    """The clips, each with its `family`: an original and its fakes."""
    clips, _ = datasets.read(settings.MINI_DFDC)
    return clips.assign(family=clips["original"].fillna(clips["clip"]))


def judged(scores: pd.DataFrame) -> pd.DataFrame:
    """A row a clip: the mean of its crops."""
    return scores.groupby(["clip", "label", "group"], as_index=False)["p_fake"].mean()


def auc(table: pd.DataFrame) -> float:
    return evaluation.auc(table["label"], table["p_fake"])


def shared() -> pd.Series:
    """Share of the test clips of a split over originals whose target or donor is in training."""
    clips = families()
    split = datasets.split(clips, by=clips["family"])
    train, test = clips[split == "train"], clips[split == "test"]
    people = set(train["target"]) | set(train["donor"].dropna())
    return pd.Series({who: test[who].dropna().isin(people).mean() for who in ("target", "donor")})


def control(crops: pd.DataFrame, x: np.ndarray, unit: str, seed: int) -> float:
    """AUC with labels dealt anew among the clips of each family."""
    dealt = crops.assign(label=leakage.shuffle_labels(crops, seed))
    return auc(judged(leakage.held_out(dealt, x, unit, seed)))


def flat(gaps: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One table of several `leakage.gap`s."""
    rows = {f"{name}: {row}": t.loc[row] for name, t in gaps.items() for row in t.index}
    return pd.DataFrame(rows).T[["value", "low", "high"]].astype(float)
