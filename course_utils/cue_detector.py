"""The detector to beat: logistic regression on the eight cues of lesson 02 (lesson 04).

It needs no network and no training run: the measures of every clip are recorded in
`data/runs/cue_clips.csv`. Later lessons show its score beside every other (`beside`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from course_utils import cue_runs, datasets, evaluation, settings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

KEYS = ["clip", "label", "group", "method", "split"]
BESIDE = ["accuracy", "log-loss", "AUC"]
FEW = 10  # a cue that can be measured on fewer clips is left out


def measures() -> pd.DataFrame:
    """A row a clip of the course's set: `KEYS`, and a column a cue, missing if not measurable.

    A cue that can be measured on fewer than `FEW` clips has no column.
    """
    found = cue_runs.read("cue_clips").query("condition == 'as it is'")
    values = found.pivot_table("value", "clip", "cue", dropna=False, sort=False)
    values = values.loc[:, values.count() >= FEW].rename_axis(columns=None)
    clips, _ = datasets.read(settings.MINI_DFDC)
    return clips[KEYS].merge(values, on="clip")


def build() -> Pipeline:
    """An untrained detector: standardize, put the median where a cue is missing and say so, learn.

    For each cue that is missing somewhere in training, a column says where ("not measurable").
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fill = SimpleImputer(strategy="median", add_indicator=True)
    return make_pipeline(StandardScaler(), fill, LogisticRegression())


def scores(learned_from: str | None = None, measured: pd.DataFrame | None = None) -> pd.DataFrame:
    """The cue detector's scores table, one row a clip: `KEYS` and `p_fake`.

    Parameters
    ----------
    learned_from : a split, such as `"train"`: the detector learns from its clips, and the clips of
        the other splits are scored (set this beside a network trained on the same split). Without
        it every clip is scored, by a detector that learned from all *other* groups (set this beside
        a network's cross-validation).
    measured : `measures()`, or a table like it
    """
    table = measures() if measured is None else measured
    x, fake = table.drop(columns=KEYS), table["label"] == "FAKE"
    if learned_from is None:
        from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

        folds, groups = LeaveOneGroupOut(), table["group"]
        out = cross_val_predict(build(), x, fake, groups=groups, cv=folds, method="predict_proba")
        return table[KEYS].assign(p_fake=out[:, 1])
    learned = table["split"] == learned_from
    if not learned.any():
        raise ValueError(
            f"No clip is in a split {learned_from!r}; there are {sorted(set(table['split']))}."
        )
    detector = build().fit(x[learned], fake[learned])
    return table.loc[~learned, KEYS].assign(p_fake=detector.predict_proba(x[~learned])[:, 1])


def beside(
    verdicts: Mapping[str, pd.DataFrame],
    learned_from: str | None = None,
    measured: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Models beside what needs no network: majority class, base-rate constant, cue detector.

    The cue detector is asked about the clips of the first model; the models should have judged the
    same ones. Cells are text, with an interval
    over groups where one can be given; log-loss and AUC as in `evaluation.interval`.

    Parameters
    ----------
    verdicts : by the model's name, a row a clip: `clip`, `label`, `group`, `p_fake`
    learned_from, measured : as for `scores`: what the models learned from
    """
    table = measures() if measured is None else measured
    cues = scores(learned_from, table)
    if verdicts:
        clips = next(iter(verdicts.values()))["clip"]
        cues = cues[cues["clip"].isin(clips)]
    learned = table if learned_from is None else table[table["split"] == learned_from]
    constants = evaluation.baselines(learned["label"], cues["label"])
    rows = {
        name: {column: _number(constants.loc[key, column]) for column in BESIDE}
        for name, key in {
            "majority class": "majority class",
            "base-rate constant": "base rate",
        }.items()
    }
    for name, mine in {"cue detector": cues, **verdicts}.items():
        judged = mine["label"], mine["p_fake"], mine["group"]
        rows[name] = {column: str(evaluation.interval(*judged, column)) for column in BESIDE[1:]}
        rows[name]["accuracy"] = str(_accuracy(*judged))
    return pd.DataFrame.from_dict(rows, orient="index", columns=BESIDE)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "infinite"


def _accuracy(labels: pd.Series, p_fake: pd.Series, groups: pd.Series) -> evaluation.Interval:
    """Share of clips told right at one half; a jackknife over groups on the logit scale."""
    right = (p_fake > 0.5) == (labels == "FAKE")
    without = np.array([right[groups != group].mean() for group in groups.unique()])
    value, count = float(right.mean()), len(without)
    if count < 2 or value in (0, 1):
        return evaluation.Interval(value, groups=count, reason="all are alike")
    without = (without * len(right) + 0.5) / (len(right) + 1)  # as in evaluation: never 0 or 1
    half = evaluation.jackknife_half(logit(without))
    low, high = expit(logit(value) - half), expit(logit(value) + half)
    return evaluation.Interval(value, float(low), float(high), count)


def coefficients(measured: pd.DataFrame | None = None, level: float = 0.95) -> pd.DataFrame:
    """What the detector learned from all clips: `value`, `low`, `high` of each coefficient.

    A cue's coefficient is what one standard deviation more adds to the log-odds of FAKE; that of
    "... not measurable" is what not being measurable adds. The interval is a jackknife over groups,
    as in `evaluation.interval`.
    """
    table = measures() if measured is None else measured
    x, fake = table.drop(columns=KEYS), table["label"] == "FAKE"
    whole = _learned(x, fake)
    groups = table["group"].unique()
    without = pd.DataFrame([_learned(x[keep], fake[keep])
                            for keep in (table["group"] != group for group in groups)])  # fmt: skip
    without = without.reindex(columns=whole.index).fillna(0.0)
    half = evaluation.jackknife_half(without.to_numpy(), level)
    return pd.DataFrame({"value": whole, "low": whole - half, "high": whole + half})


def _learned(x: pd.DataFrame, fake: pd.Series) -> pd.Series:
    detector = build().fit(x, fake)
    names = [
        f"{name.removeprefix('missingindicator_')} not measurable"
        if name.startswith("missingindicator_")
        else name
        for name in detector[:-1].get_feature_names_out(x.columns)
    ]
    return pd.Series(detector[-1].coef_[0], names)
