"""Figures of the deck of lesson 09, from the same recorded runs as the notebook's."""

from collections.abc import Callable

import pandas as pd

from course_utils import datasets, evaluation, plots, settings, training


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    plots.steps(
        ["faces", "one score", "calibrated", "verdict"],
        [
            "p_fake of\neach face",
            "a rule, chosen\non validation",
            "divided by a\ntemperature",
            "real, fake,\nor can't tell",
        ],
    )
    save("steps")

    scores = training.recorded("meso4-grouped").scores
    scores = scores[scores["seed"] == 0]
    validation, test = (scores[scores["split"] == name] for name in ("validation", "test"))
    spread = validation.groupby(["label", "clip"])["p_fake"].std()
    chosen = [clip for name in plots.LABELS for clip in (spread[name].idxmin(),
                                                         spread[name].idxmax())]  # fmt: skip
    shown = validation.set_index("clip").loc[chosen].reset_index()
    plots.faces_over_time(shown.assign(time_s=shown["frame"] / 12))
    save("faces")

    plots.penalties()
    save("penalties")

    plots.covers(promises())
    save("covers")

    how = evaluation.compare_aggregations(validation)["log-loss"].drop("maximum").idxmin()
    known, told = (evaluation.verdicts(part, how=how) for part in (validation, test))
    temperature = evaluation.fit_temperature(known["label"], known["p_fake"])
    tables = {"as the network says": told["p_fake"]}
    for table in (known, told):
        table["p_fake"] = evaluation.apply_temperature(table["p_fake"], temperature)
    tables[f"temperature {temperature:.1f}"] = told["p_fake"]
    plots.reliability({n: evaluation.reliability(told["label"], p, 5) for n, p in tables.items()})
    save("reliability")

    band = evaluation.choose_band(known["label"], known["p_fake"])
    plots.told(told, band.low, band.high)
    save("told")

    recorded = pd.read_csv(settings.RUNS / "refusals.csv")
    plots.distances(recorded[recorded["seed"] == 0])
    save("distances")

    plots.flagged(evaluation.base_rates(0.9, 0.15, [0.5, 0.1, 0.01, 0.001]))
    save("flagged")

    plots.intervals(slices(how), "AUC of the slice, 95% interval over groups", chance=0.5)
    save("slices")


def promises() -> pd.DataFrame:
    """How often each kind of interval holds the truth, by number of groups."""
    rows = []
    for groups in (5, 10, 20):
        for method in ("bootstrap", "jackknife"):
            covers = evaluation.simulate(groups, repeats=400, method=method)["covers"]
            rows.append({"groups": groups, "method": method, "covers": covers})
    return pd.DataFrame(rows)


def slices(how: str) -> pd.DataFrame:
    """AUC out of fold by method and by skin tone."""
    scores = training.recorded("meso4-cv").scores
    about = datasets.details(settings.MINI_DFDC)[["clip", "skin_tone"]]
    table = evaluation.verdicts(scores[scores["seed"] == 0], how=how).merge(about, on="clip")
    tone = pd.cut(table["skin_tone"], [0, 3, 7, 10], labels=["1-3", "4-7", "8-10"])
    table["skin_tone"] = tone.astype(object)
    parts = []
    for column in ("method", "skin_tone"):
        part = evaluation.slices(table, column)
        part.index = column.replace("_", " ") + " " + part.pop(column)
        parts.append(part)
    return pd.concat(parts)
