"""From scores of faces to verdicts about clips, and how far to trust them (lesson 09).

Everything here works on tables and arrays; nothing knows a model. 1 means FAKE, and `p_fake` is
the probability of FAKE. Labels are "REAL"/"FAKE" or 0/1. Where an answer cannot be given (one
class, one group, an AUC of exactly 1) the answer is missing and a `reason` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.special import expit, logit
from sklearn import metrics as sk

CLASSES = ["REAL", "FAKE"]
REAL, FAKE, CANNOT_TELL = "real", "fake", "can't tell"
NO_FACE = "no face found"
UNLIKE = "unlike anything I was trained on"
CLIP_COLUMNS = ["clip", "label", "group", "method", "split"]
VERDICT_COLUMNS = [
    *CLIP_COLUMNS,
    "p_fake",
    "n_faces",
    "frames_sampled",
    "frames_without_face",
    "verdict",
    "reason",
]
SMALL_SLICE = 10  # a slice with fewer clips of a class, or fewer than half as many groups, is small


# --- checks -------------------------------------------------------------------------------------


def _rows(bad: pd.Series | np.ndarray, names: Sequence[Any]) -> str:
    """Return "a, b, c and 4 more": the names at which `bad` is true."""
    hit = [str(n) for n, b in zip(names, bad, strict=True) if b]
    more = f" and {len(hit) - 3} more" if len(hit) > 3 else ""
    return ", ".join(hit[:3]) + more


def _require(table: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise ValueError(
            f"the {what} table lacks the column {', '.join(missing)}; "
            f"it has {', '.join(map(str, table.columns))}"
        )


def _checked_p(p: Any, names: Sequence[Any]) -> np.ndarray:
    """Return probabilities as float64; refuse missing ones and ones outside 0..1."""
    if not (isinstance(p, np.ndarray) and p.dtype.kind == "f"):
        p = pd.to_numeric(pd.Series(np.ravel(p)), errors="coerce").to_numpy(float, na_value=np.nan)
    p = np.ravel(p).astype(np.float64)
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {len(p)} scores are missing or outside 0..1 "
            f"(rows {_rows(bad, names)}): score them again or leave them out"
        )
    return p


def binary(labels: Any) -> np.ndarray:
    """Return labels ("REAL"/"FAKE" or 0/1) as an int array with 1 for FAKE; refuse others."""
    if (
        isinstance(labels, np.ndarray)
        and labels.dtype.kind in "ib"
        and ((labels == 0) | (labels == 1)).all()
    ):
        return labels.astype(int)
    series = pd.Series(np.ravel(np.asarray(labels, dtype=object)))
    out = series.map({"REAL": 0, "FAKE": 1, 0: 0, 1: 1})
    if out.isna().any():
        bad = out.isna().to_numpy()
        raise ValueError(
            f"{bad.sum()} labels are neither REAL nor FAKE (rows "
            f"{_rows(bad, list(series.index))}: {_rows(bad, list(series))})"
        )
    return out.to_numpy(dtype=int)


def _pair(labels: Any, p_fake: Any) -> tuple[np.ndarray, np.ndarray]:
    names = list(labels.index) if isinstance(labels, pd.Series) else range(len(labels))
    y, p = binary(labels), _checked_p(p_fake, names)
    if len(y) != len(p):
        raise ValueError(f"{len(y)} labels but {len(p)} scores")
    if not len(y):
        raise ValueError("no clip to evaluate: the table is empty")
    return y, p


def _one_class(y: np.ndarray) -> str:
    """Return why a metric that ranks needs both classes, or "" when both are there."""
    if y.min() == y.max():
        return f"all {len(y)} clips are {CLASSES[y[0]]}: both classes are needed"
    return ""


# --- scores to verdicts -------------------------------------------------------------------------


def log_odds(p: Any, floor: float = 1e-6) -> np.ndarray:
    """Return log(p / (1 - p)), with p kept `floor` away from 0 and 1."""
    return logit(np.clip(np.asarray(p, dtype=np.float64), floor, 1 - floor))


def _confidence_weighted(p: np.ndarray) -> float:
    weight = np.abs(2 * p - 1)
    return float(np.average(p, weights=weight)) if weight.sum() > 0 else 0.5


#: How the scores of one person's faces (float array, 0..1) become one number, 0..1.
AGGREGATIONS: dict[str, Callable[[np.ndarray], float]] = {
    "mean probability": lambda p: float(p.mean()),
    "mean logit": lambda p: float(expit(log_odds(p).mean())),
    "trimmed mean": lambda p: float(stats.trim_mean(p, 0.2)),
    "maximum": lambda p: float(p.max()),
    "share above half": lambda p: float((p > 0.5).mean()),
    "confidence-weighted": _confidence_weighted,
}


def aggregate(p_fake: Any, how: str = "mean logit") -> float:
    """Return one score from the scores of several faces, by a rule of `AGGREGATIONS` (lesson 09).

    "trimmed mean" leaves out a fifth at either end; "confidence-weighted" weighs each face by
    its distance from one half.
    """
    if how not in AGGREGATIONS:
        raise ValueError(f"no aggregation {how!r}; there are {', '.join(AGGREGATIONS)}")
    p = _checked_p(p_fake, range(np.size(p_fake)))
    if not len(p):
        raise ValueError("no face to aggregate: a clip without faces has no score")
    return AGGREGATIONS[how](p)


def verdicts(
    scores: pd.DataFrame,
    skipped: pd.DataFrame | None = None,
    clips: pd.DataFrame | None = None,
    how: str = "mean logit",
    seen: float = 1 / 3,
) -> pd.DataFrame:
    """Judge clips: one row a clip, from one row a face (lesson 09).

    Every person is judged apart, by aggregating that person's faces; the clip takes the highest
    score among those seen in at least `seen` of the frames of the person seen most, because any
    of them may be the fake one and a face that flickers past in the background is not evidence.

    Parameters
    ----------
    scores : table with `clip`, `p_fake`, and, where known, `frame`, `person`, `label`, `group`,
        `method`, `split`
    skipped : table with `clip`, `frame` (missing when the whole clip is meant), `reason`
    clips : clips table; its clips without a score get a row that says so
    how : a name in `AGGREGATIONS`, chosen on validation clips

    Returns
    -------
    Verdicts table (`VERDICT_COLUMNS`), in the order of `clips` or of appearance. `verdict` is the
    side of one half; `decide` puts a band in its place. `p_fake` is missing where no face was
    found.

    Raises
    ------
    ValueError
        Naming the rows: scores missing or outside 0..1, absent columns, an unknown rule.
    """
    _require(scores, ["clip", "p_fake"], "scores")
    if how not in AGGREGATIONS:
        raise ValueError(f"no aggregation {how!r}; there are {', '.join(AGGREGATIONS)}")
    scores = scores.reset_index(drop=True)
    if len(scores):
        scores = scores.assign(p_fake=_checked_p(scores["p_fake"], list(scores.index)))
    if skipped is None:
        skipped = pd.DataFrame({"clip": [], "frame": [], "reason": []})
    _require(skipped, ["clip", "frame", "reason"], "skipped")

    known = scores if clips is None else clips
    info = known.drop_duplicates("clip").set_index("clip")
    order = list(
        dict.fromkeys(
            [*([] if clips is None else clips["clip"]), *scores["clip"], *skipped["clip"]]
        )
    )
    faces = dict(iter(scores.groupby("clip", sort=False)))
    losses = dict(iter(skipped.groupby("clip", sort=False)))
    rows = [_judge_clip(clip, faces.get(clip), losses.get(clip), how, seen) for clip in order]
    judged = ["clip", "p_fake", "n_faces", "frames_sampled", "frames_without_face", "reason"]
    table = pd.DataFrame(rows, columns=judged)
    for column in CLIP_COLUMNS[1:]:
        table[column] = table["clip"].map(info[column]) if column in info else pd.NA
    return decide(table[[c for c in VERDICT_COLUMNS if c not in ("verdict",)]])


def _judge_clip(
    clip: str, faces: pd.DataFrame | None, lost: pd.DataFrame | None, how: str, seen: float
) -> dict[str, Any]:
    lost_frames = set() if lost is None else set(lost["frame"].dropna())
    found: set[Any] = set()
    p, reason = math.nan, ""
    if faces is not None:
        found = set(faces["frame"]) if "frame" in faces else set(range(len(faces)))
        who = faces["person"].fillna(0).to_numpy() if "person" in faces else np.zeros(len(faces))
        people = [p_fake.to_numpy() for _, p_fake in faces["p_fake"].groupby(who)]
        most = max(map(len, people))
        p = max(AGGREGATIONS[how](p_fake) for p_fake in people if len(p_fake) >= seen * most)
    elif lost is not None and lost["frame"].isna().any():
        reason = str(lost.loc[lost["frame"].isna(), "reason"].iloc[0])
    elif lost is not None:
        reason = NO_FACE
    else:
        reason = "no face was scored and no reason was recorded: extract this clip again"
    return {
        "clip": clip,
        "p_fake": p,
        "n_faces": 0 if faces is None else len(faces),
        "frames_sampled": len(found | lost_frames),
        "frames_without_face": len(lost_frames - found),
        "reason": reason,
    }


class Band(NamedTuple):
    """Scores at or between `low` and `high` get "can't tell"; below is real, above is fake."""

    low: float = 0.5
    high: float = 0.5
    error_rate: float | None = None
    reason: str = ""


HALF = Band()  # one half parts real from fake; exactly one half is told as neither


def decide(
    table: pd.DataFrame, band: Band | tuple[float, float] = HALF, unlike: Any = None
) -> pd.DataFrame:
    """Fill `verdict` and `reason` of a verdicts table from `p_fake` (lesson 09).

    Parameters
    ----------
    table : verdicts table; a row without `p_fake` keeps its reason and gets "can't tell"
    band : from `choose_band`
    unlike : bool a clip, True where `Outliers.far` says it is like nothing in training
    """
    low, high = band[0], band[1]
    out = table.copy()
    p = out["p_fake"].to_numpy(dtype=float, na_value=np.nan)
    have = ~np.isnan(p)
    between = have & (p >= low) & (p <= high)
    verdict = np.where(have & (p > high), FAKE, np.where(have & (p < low), REAL, CANNOT_TELL))
    old = (out["reason"] if "reason" in out else pd.Series("", index=out.index)).fillna("")
    reason = np.where(have, np.where(between, f"p_fake between {low:.2g} and {high:.2g}", ""), old)
    if unlike is not None:
        far = np.asarray(unlike, dtype=bool) & have
        verdict = np.where(far, CANNOT_TELL, verdict)
        reason = np.where(far, UNLIKE, reason)
    out["verdict"], out["reason"] = verdict, reason
    return out[
        [*[c for c in VERDICT_COLUMNS if c in out], *[c for c in out if c not in VERDICT_COLUMNS]]
    ]


def choose_band(labels: Any, p_fake: Any, error_rate: float = 0.1) -> Band:
    """Return the band of "can't tell" that keeps both errors to `error_rate` (lesson 09).

    Split conformal prediction, a class at a time (Vovk et al. 2005; Angelopoulos & Bates 2023):
    of REAL clips at most `error_rate` are called fake and of FAKE clips at most `error_rate` are
    called real, on average over validation sets whose clips are exchangeable with the new ones.
    Where the two thresholds cross nothing needs to stay open and the band closes at their middle.
    A class with fewer than 1 / error_rate - 1 clips cannot support a threshold: that side then
    never decides, and `reason` says so.
    """
    y, p = _pair(labels, p_fake)
    if not 0 < error_rate < 0.5:
        raise ValueError(f"error_rate is {error_rate}, not between 0 and one half")
    high, why_high = _upper_quantile(p[y == 0], error_rate)
    low, why_low = _upper_quantile(-p[y == 1], error_rate)
    low = -low
    notes = []
    if why_high:
        high = 1.0
        notes.append(f"no clip is called fake: {why_high.replace('#', 'REAL')}")
    if why_low:
        low = 0.0
        notes.append(f"no clip is called real: {why_low.replace('#', 'FAKE')}")
    if low > high:
        low = high = float(expit((log_odds(low) + log_odds(high)) / 2))
    return Band(float(low), float(high), error_rate, "; ".join(notes))


def _upper_quantile(values: np.ndarray, rate: float) -> tuple[float, str]:
    """Return the value that a new one exceeds with chance at most `rate`, or a reason."""
    n, k = len(values), math.ceil((1 - rate) * (len(values) + 1) - 1e-9)
    if k > n:
        return math.nan, (
            f"{n} # validation clips are too few for an error rate of {rate:g}, "
            f"which needs {math.ceil(1 / rate - 1 - 1e-9)}"
        )
    return float(np.sort(values)[k - 1]), ""


def risk_coverage(labels: Any, p_fake: Any, threshold: float = 0.5) -> pd.DataFrame:
    """Return the error rate among the most confident clips, for every share kept (lesson 09).

    Confidence is the distance of the log-odds from the threshold's; clips with equal confidence
    enter together. Columns `coverage`, `risk`, `confidence`, `clips` (El-Yaniv & Wiener 2010).
    """
    y, p = _pair(labels, p_fake)
    confidence = np.abs(log_odds(p, 1e-12) - log_odds(threshold, 1e-12))
    wrong = (p > threshold).astype(int) != y
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.diff(confidence[order]) < 0, True)
    n = np.arange(1, len(y) + 1)
    table = pd.DataFrame(
        {
            "coverage": n / len(y),
            "risk": np.cumsum(wrong[order]) / n,
            "confidence": confidence[order],
            "clips": n,
        }
    )
    return table[last].reset_index(drop=True)


# --- metrics and their intervals ----------------------------------------------------------------


def log_loss(labels: Any, p_fake: Any) -> float:
    """Return the mean of -log(probability given to the truth), as DFDC scored (natural log).

    Probabilities are kept 2e-16 away from 0 and 1, so the worst answer costs 36 and not infinity.
    """
    y, p = _pair(labels, p_fake)
    return float(sk.log_loss(y, p, labels=[0, 1]))


def brier(labels: Any, p_fake: Any) -> float:
    """Return the mean squared distance of `p_fake` from the truth (Brier 1950)."""
    y, p = _pair(labels, p_fake)
    return float(np.mean((p - y) ** 2))


def auc(labels: Any, p_fake: Any) -> float:
    """Return the share of (REAL, FAKE) pairs ranked right, ties half; NaN with one class."""
    y, p = _pair(labels, p_fake)
    return math.nan if _one_class(y) else float(sk.roc_auc_score(y, p))


def average_precision(labels: Any, p_fake: Any) -> float:
    """Return the area under the precision-recall steps for FAKE; NaN with one class."""
    y, p = _pair(labels, p_fake)
    return math.nan if _one_class(y) else float(sk.average_precision_score(y, p))


def balanced_accuracy(labels: Any, p_fake: Any) -> float:
    """Return the mean of the shares of REAL and FAKE called right at one half."""
    y, p = _pair(labels, p_fake)
    return math.nan if _one_class(y) else float(sk.balanced_accuracy_score(y, p > 0.5))


def equal_error_rate(labels: Any, p_fake: Any) -> float:
    """Return the rate at which false alarms equal misses, on the ROC's line between its points."""
    y, p = _pair(labels, p_fake)
    if _one_class(y):
        return math.nan
    fpr, tpr, _ = sk.roc_curve(y, p, drop_intermediate=False)
    gap = fpr - (1 - tpr)  # rises from -1 to 1
    i = int(np.argmax(gap >= 0))
    if gap[i] == 0 or i == 0:
        return float(fpr[i])
    share = -gap[i - 1] / (gap[i] - gap[i - 1])
    return float(fpr[i - 1] + share * (fpr[i] - fpr[i - 1]))


class Metric(NamedTuple):
    """A metric, the scale its interval is made on, and whether a jackknife suits it."""

    of: Callable[[Any, Any], float]
    scale: str  # "logit", "log" or "plain"
    smooth: bool = True


METRICS = {
    "log-loss": Metric(log_loss, "log"),
    "Brier score": Metric(brier, "log"),
    "AUC": Metric(auc, "logit"),
    "average precision": Metric(average_precision, "logit"),
    "balanced accuracy": Metric(balanced_accuracy, "logit"),
    "EER": Metric(equal_error_rate, "logit", smooth=False),
}


@dataclass(frozen=True)
class Interval:
    """A value with a confidence interval over groups; `reason` says why one cannot be given."""

    value: float
    low: float = math.nan
    high: float = math.nan
    groups: int = 0
    level: float = 0.95
    reason: str = ""

    @property
    def given(self) -> bool:
        """Whether the interval could be given."""
        return not self.reason

    def __str__(self) -> str:
        """Print no more digits than the interval supports."""
        if math.isnan(self.value):
            return f"cannot be given: {self.reason}"
        if not self.given:
            return f"{self.value:.2f} (no interval: {self.reason})"
        digits = 2 if self.high - self.low >= 0.02 else 3
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


_TO = {"logit": logit, "log": np.log, "plain": lambda x: x}
_FROM = {"logit": expit, "log": np.exp, "plain": lambda x: x}


def interval(
    labels: Any, p_fake: Any, groups: Any, metric: str = "AUC", level: float = 0.95
) -> Interval:
    """Return a metric with its interval: a jackknife over groups (lesson 09).

    Each group is left out in turn; the spread of the results, on the scale that has no borders
    (logit for AUC), times Student's t with G - 1 degrees of freedom gives the interval (Tukey
    1958; Efron & Stein 1981). Clips of one group resemble each other, so groups, not clips, are
    counted. `simulate` shows its coverage; a percentile bootstrap over few groups falls short.

    No interval, but a reason: one group; one class overall or without some group; a value at the
    border of its scale (an AUC of 0 or 1); the EER, whose jackknife does not converge.
    """
    y, p = _pair(labels, p_fake)
    codes, names = _codes(groups)
    if len(codes) != len(y):
        raise ValueError(f"{len(y)} labels but {len(codes)} groups")
    scale, count = METRICS[metric].scale, len(names)
    if metric == "AUC" and not _one_class(y):
        value, without = _auc_without(y, p, codes)
    else:
        value, without = METRICS[metric].of(y, p), np.empty(0)

    def cannot(reason: str) -> Interval:
        return Interval(value, groups=count, level=level, reason=reason)

    if math.isnan(value):
        return cannot(_one_class(y))
    if not METRICS[metric].smooth:
        return cannot(f"the {metric} is not smooth enough for a jackknife")
    if count < 2:
        return cannot("all clips are of one group: nothing says how another would differ")
    if scale == "logit" and value in (0.0, 1.0):
        return cannot(f"the {metric} is exactly {value:.0f}: nothing shows how it would vary")
    if metric != "AUC":
        without = _without(y, p, codes, metric)
    if np.isnan(without).any():
        return cannot(
            f"without group {names[np.flatnonzero(np.isnan(without))[0]]} one class is left"
        )
    if scale == "logit":
        # Without one group the rest may be ranked perfectly: half a pair keeps the logit finite.
        pairs = (y == 0).sum() * (y == 1).sum()
        without = (without * pairs + 0.5) / (pairs + 1)
    elif scale == "log" and min(value, without.min()) <= 0:
        return cannot(f"the {metric} is 0 without some group")
    half = jackknife_half(_TO[scale](without), level)
    if half == 0:
        return cannot("every group says exactly the same")
    middle = _TO[scale](value)
    low, high = (float(_FROM[scale](middle + side * half)) for side in (-1, 1))
    return Interval(value, low, high, count, level)


def _codes(groups: Any, sort: bool = False) -> tuple[np.ndarray, Any]:
    """A whole number for each clip's group, and the groups' names; refuses a missing group."""
    codes, names = pd.factorize(np.ravel(np.asarray(groups, dtype=object)), sort=sort)
    if (codes < 0).any():
        raise ValueError(
            f"{(codes < 0).sum()} clips have no group (rows {_rows(codes < 0, range(len(codes)))})"
        )
    return codes, names


def jackknife_error(without: np.ndarray) -> Any:
    """Return the standard error of values computed without each group in turn (lesson 09).

    `without` has a row a group, (groups,) or (groups, values); the answer is a number or (values,).
    """
    g = len(without)
    spread = np.sqrt((g - 1) / g * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return np.where(spread < 1e-12, 0.0, spread)[()]


def jackknife_half(without: np.ndarray, level: float = 0.95) -> Any:
    """Return half the width of an interval: Student's t times `jackknife_error`."""
    return stats.t.ppf((1 + level) / 2, len(without) - 1) * jackknife_error(without)


def _without(y: np.ndarray, p: np.ndarray, codes: np.ndarray, metric: str) -> np.ndarray:
    """Return the metric without each group in turn."""
    return np.array(
        [
            METRICS[metric].of(y[codes != g], p[codes != g]) if (codes != g).any() else math.nan
            for g in range(codes.max() + 1)
        ]
    )


def _wins(y: np.ndarray, p: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return, a group: pairs won by its reals, by its fakes, within it; its reals; its fakes."""
    count = codes.max() + 1
    fakes, of_fake = p[y == 1], codes[y == 1]

    def beaten(reals: np.ndarray, by: np.ndarray) -> np.ndarray:
        reals = np.sort(reals)
        return (np.searchsorted(reals, by, "left") + np.searchsorted(reals, by, "right")) / 2

    by_fake = np.bincount(of_fake, beaten(p[y == 0], fakes), count)
    by_real, inside = np.zeros(count), np.zeros(count)
    for g in range(count):
        reals = p[(y == 0) & (codes == g)]
        by_real[g] = beaten(reals, fakes).sum()
        inside[g] = beaten(reals, fakes[of_fake == g]).sum()
    return (
        by_real,
        by_fake,
        inside,
        np.bincount(codes[y == 0], minlength=count),
        np.bincount(of_fake, minlength=count),
    )


def _auc_without(y: np.ndarray, p: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the AUC, and it without each group in turn, from counted pairs instead of sorts."""
    by_real, by_fake, inside, reals, fakes = _wins(y, p, codes)
    pairs = (reals.sum() - reals) * (fakes.sum() - fakes)
    won = by_fake.sum() - by_real - by_fake + inside
    without = np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)
    return float(by_fake.sum() / (reals.sum() * fakes.sum())), without


def metrics(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return every metric of a verdicts table, with its interval over groups (lesson 09).

    Clips without `p_fake` cannot be scored and are counted in `unscored`. Index: the names of
    `METRICS`; columns `value`, `low`, `high`, `clips`, `unscored`, `groups`, `reason`.
    """
    labels, p, groups, unscored = _scored(table)
    rows = {}
    for name in METRICS:
        i = interval(labels, p, groups, name, level)
        rows[name] = {
            "value": i.value,
            "low": i.low,
            "high": i.high,
            "clips": len(p),
            "unscored": unscored,
            "groups": i.groups,
            "reason": i.reason,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


def _scored(table: pd.DataFrame) -> tuple[pd.Series, np.ndarray, pd.Series, int]:
    _require(table, ["clip", "label", "group", "p_fake"], "verdicts")
    have = table["p_fake"].notna()
    kept = table[have].set_index("clip")
    if kept.empty:
        raise ValueError("no clip has a score: there is nothing to evaluate")
    if kept["label"].isna().any():
        bad = kept["label"].isna()
        raise ValueError(
            f"{bad.sum()} clips have no label ({_rows(bad, list(kept.index))}): "
            "they can be judged but not evaluated"
        )
    p = _checked_p(kept["p_fake"], list(kept.index))
    return kept["label"], p, kept["group"], int((~have).sum())


def compare_aggregations(scores: pd.DataFrame, skipped: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the metrics of each rule of `AGGREGATIONS`, to choose one on validation clips."""
    tables = {how: verdicts(scores, skipped, how=how) for how in AGGREGATIONS}
    return pd.DataFrame({how: metrics(t)["value"] for how, t in tables.items()}).T.rename_axis(
        "aggregation"
    )


class Comparison(NamedTuple):
    """First model minus second: the difference, its interval over groups, and its p-value."""

    difference: Interval
    p_value: float
    first: float
    second: float
    metric: str


def compare(
    first: pd.DataFrame, second: pd.DataFrame, metric: str = "AUC", level: float = 0.95
) -> Comparison:
    """Test two models on the same clips, paired over groups (lesson 09).

    The difference of the metric is computed without each group in turn; its jackknife spread and
    Student's t with G - 1 degrees of freedom give interval and two-sided p-value.

    Raises
    ------
    ValueError
        When the tables do not judge the same clips with the same labels; it names the clips.
    """
    for table in (first, second):
        _require(table, ["clip", "label", "group", "p_fake"], "verdicts")
    both = first.merge(
        second[["clip", "label", "p_fake"]],
        on="clip",
        how="outer",
        suffixes=("", "_2"),
        indicator=True,
    )
    apart = both["_merge"] != "both"
    if apart.any():
        raise ValueError(
            f"{apart.sum()} clips are judged by one model only "
            f"({_rows(apart, list(both['clip']))}): compare on shared clips"
        )
    unscored = both["p_fake"].isna() | both["p_fake_2"].isna()
    if unscored.any():
        raise ValueError(
            f"{unscored.sum()} clips lack a score from one of the models "
            f"({_rows(unscored, list(both['clip']))}): leave them out of both"
        )
    y = binary(both["label"])
    other = y != binary(both["label_2"])
    if other.any():
        raise ValueError(f"the tables disagree on the label of {_rows(other, list(both['clip']))}")
    a, b = (_checked_p(both[c], list(both["clip"])) for c in ("p_fake", "p_fake_2"))
    codes, _ = _codes(both["group"])
    of = METRICS[metric].of
    value_a, value_b, count = of(y, a), of(y, b), codes.max() + 1
    value = value_a - value_b

    def cannot(reason: str) -> Comparison:
        return Comparison(
            Interval(value, groups=count, level=level, reason=reason),
            math.nan,
            value_a,
            value_b,
            metric,
        )

    if _one_class(y) and math.isnan(value):
        return cannot(_one_class(y))
    if count < 2:
        return cannot("all clips are of one group: nothing says how another would differ")
    if not METRICS[metric].smooth:
        return cannot(f"the {metric} is not smooth enough for a jackknife")
    without = _without(y, a, codes, metric) - _without(y, b, codes, metric)
    if np.isnan(without).any():
        return cannot("without some group one class is left")
    spread, half = jackknife_error(without), jackknife_half(without, level)
    if spread == 0:
        return cannot("the two models differ in no group, or in each by the same")
    p_value = float(2 * stats.t.sf(abs(value) / spread, count - 1))
    return Comparison(
        Interval(value, value - half, value + half, count, level), p_value, value_a, value_b, metric
    )


class Paired(NamedTuple):
    """First run minus second: the difference of each seed, and their mean with its interval."""

    per_seed: pd.Series
    mean: Interval


def compare_seeds(
    first: pd.DataFrame, second: pd.DataFrame, metric: str = "AUC", level: float = 0.95
) -> Paired:
    """Compare two recorded runs of several seeds, paired by seed and by clip (lesson 05).

    Both are scores tables with a column `seed`; each seed's clips are judged (`verdicts`) and
    compared. The mean over seeds is computed without each group in turn, as in `compare`: its
    interval is about other people. What another seed would do, the spread of `per_seed` shows.
    """
    seeds = sorted(set(first["seed"]))
    if seeds != sorted(set(second["seed"])):
        raise ValueError(f"seeds {seeds} cannot be paired with {sorted(set(second['seed']))}")
    values, without = [], []
    for seed in seeds:
        a, b = (verdicts(table[table["seed"] == seed]) for table in (first, second))
        found = compare(a, b, metric, level)  # which checks that the clips are the same
        p_2 = a["clip"].map(b.set_index("clip")["p_fake"]).to_numpy()
        y, codes = binary(a["label"]), _codes(a["group"], sort=True)[0]  # the same in each seed
        apart = [_without(y, p, codes, metric) for p in (a["p_fake"].to_numpy(), p_2)]
        values.append(found.difference.value)
        without.append(apart[0] - apart[1])
    value, count = float(np.mean(values)), len(without[0])
    half = jackknife_half(np.mean(without, axis=0), level) if METRICS[metric].smooth else math.nan
    per_seed = pd.Series(values, pd.Index(seeds, name="seed"))
    if not half > 0:
        reason = found.difference.reason or "every group says exactly the same"
        return Paired(per_seed, Interval(value, groups=count, level=level, reason=reason))
    return Paired(per_seed, Interval(value, value - half, value + half, count, level))


def simulate(
    groups: int,
    auc: float = 0.83,
    repeats: int = 1000,
    seed: int = 0,
    method: str = "jackknife",
    level: float = 0.95,
    reals: tuple[int, int] = (2, 4),
    fakes: tuple[int, int] = (6, 12),
) -> pd.Series:
    """Return how often an interval holds the true AUC, on made-up test sets (lesson 09).

    Each of a set's `groups` groups has from `reals[0]` to `reals[1]` REAL clips and from
    `fakes[0]` to `fakes[1]` FAKE ones. A clip's score is normal; a fifth of its variance is shared
    by its group, a fifth by its group and class. Two clips of different groups are ranked right
    with probability `auc`, the value an interval should hold.

    The jackknife's spread errs on the wide side: with 1-3 REAL and 2-7 FAKE clips in each of five
    groups it covers 97-98 % instead of 95 %.

    Parameters
    ----------
    method : "jackknife" (what `interval` does) or "bootstrap" (percentiles over 999 draws of
        groups), both over groups

    Returns
    -------
    Series with `covers` (share of the intervals that were given), `given` (share of all sets),
    `width` (mean), `repeats`.
    """
    if method not in ("jackknife", "bootstrap"):
        raise ValueError(f"no method {method!r}; there are jackknife and bootstrap")
    rng = np.random.default_rng(seed)
    shift = math.sqrt(2) * stats.norm.ppf(auc)
    hits, widths = 0, []
    for _ in range(repeats):
        n_real = rng.integers(reals[0], reals[1] + 1, groups)
        n_fake = rng.integers(fakes[0], fakes[1] + 1, groups)
        codes = np.concatenate(
            [np.repeat(np.arange(groups), n_real), np.repeat(np.arange(groups), n_fake)]
        )
        y = np.repeat([0, 1], [n_real.sum(), n_fake.sum()])
        score = (
            shift * y
            + rng.normal(0, math.sqrt(0.2), groups)[codes]
            + rng.normal(0, math.sqrt(0.2), (2, groups))[y, codes]
            + rng.normal(0, math.sqrt(0.6), len(y))
        )
        p = expit(score)
        if method == "jackknife":
            found = interval(y, p, codes, "AUC", level)
            low, high = found.low, found.high
        else:
            low, high = _bootstrap(y, p, codes, level, rng)
        if not math.isnan(low):
            hits += low <= auc <= high
            widths.append(high - low)
    given = len(widths)
    return pd.Series(
        {
            "covers": hits / given if given else math.nan,
            "given": given / repeats,
            "width": float(np.mean(widths)) if given else math.nan,
            "repeats": float(repeats),
        }
    )


def _bootstrap(
    y: np.ndarray,
    p: np.ndarray,
    codes: np.ndarray,
    level: float,
    rng: np.random.Generator,
    draws: int = 999,
) -> tuple[float, float]:
    """Return the percentile interval of the AUC over groups drawn with replacement."""
    count = codes.max() + 1
    won = np.zeros((count, count))
    for g in range(count):  # pairs won: rows are the group of the real, columns of the fake
        reals = np.sort(p[(y == 0) & (codes == g)])
        ranks = (
            np.searchsorted(reals, p[y == 1], "left") + np.searchsorted(reals, p[y == 1], "right")
        ) / 2
        won[g] = np.bincount(codes[y == 1], ranks, count)
    times = rng.multinomial(count, np.full(count, 1 / count), draws)
    pairs = (times @ np.bincount(codes[y == 0], minlength=count)) * (
        times @ np.bincount(codes[y == 1], minlength=count)
    )
    values = np.einsum("dg,gh,dh->d", times, won, times)[pairs > 0] / pairs[pairs > 0]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


# --- calibration --------------------------------------------------------------------------------


def _bins(p: np.ndarray, bins: int, strategy: str) -> np.ndarray:
    """Return each score's bin: of equal width over 0..1, or of equal count (ties together)."""
    if strategy == "width":
        return np.minimum((p * bins).astype(int), bins - 1)
    if strategy == "count":
        rank = stats.rankdata(p, "average") - 0.5
        return np.minimum((rank / len(p) * bins).astype(int), bins - 1)
    raise ValueError(f"no binning {strategy!r}; there are width and count")


def reliability(labels: Any, p_fake: Any, bins: int = 10, strategy: str = "count") -> pd.DataFrame:
    """Return the reliability diagram as a table, a row for each bin that holds a clip (lesson 09).

    `p_fake` is the bin's mean score, `share_fake` the share of its clips that are FAKE. Were the
    scores calibrated and the clips independent, that share would lie between `low` and `high` in
    95 of 100 sets (Bröcker & Smith 2007): fewer clips, wider.
    """
    y, p = _pair(labels, p_fake)
    frame = pd.DataFrame({"bin": _bins(p, bins, strategy), "p": p, "y": y})
    grouped = frame.groupby("bin")
    table = pd.DataFrame(
        {"p_fake": grouped["p"].mean(), "share_fake": grouped["y"].mean(), "clips": grouped.size()}
    )
    spread = stats.binom(table["clips"], table["p_fake"])
    table["low"] = spread.ppf(0.025) / table["clips"]
    table["high"] = spread.ppf(0.975) / table["clips"]
    return table.reset_index()


def calibration_error(labels: Any, p_fake: Any, bins: int = 10, strategy: str = "count") -> float:
    """Return the expected calibration error of the probability of FAKE (Naeini et al. 2015).

    The mean over clips of |mean score - share FAKE| of their bin: `bins` bins of equal count
    unless told "width". It depends on the binning and is biased upwards with few clips: name both
    beside it.
    """
    table = reliability(labels, p_fake, bins, strategy)
    gap = (table["p_fake"] - table["share_fake"]).abs()
    return float(np.average(gap, weights=table["clips"]))


TEMPERATURES = (0.05, 20.0)


def fit_temperature(labels: Any, p_fake: Any) -> float:
    """Return the temperature that minimizes the log-loss on validation clips (Guo et al. 2017).

    Above 1 the scores were too sure of themselves. It stays within `TEMPERATURES`: scores that
    separate validation perfectly ask for none at all, scores worse than chance for infinitely
    much, and a value at the border says so.
    """
    y, p = _pair(labels, p_fake)
    if _one_class(y):
        raise ValueError(f"no temperature can be fitted: {_one_class(y)}")
    z, sign = log_odds(p), 2 * y - 1

    def loss(log_t: float) -> float:
        return float(np.logaddexp(0, -sign * z * math.exp(-log_t)).mean())

    low, high = np.log(TEMPERATURES)
    found = optimize.minimize_scalar(
        loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6}
    )
    best = min((found.x, low, high), key=loss)
    return float(math.exp(best))


def apply_temperature(p_fake: Any, temperature: float) -> np.ndarray:
    """Return `p_fake` with its log-odds divided by the temperature; missing stays missing."""
    return expit(log_odds(p_fake) / temperature)


def correct_prior(p_fake: Any, trained: float, expected: float) -> np.ndarray:
    """Return `p_fake` for a share of fakes other than the one trained on (lesson 09).

    The odds are multiplied by the ratio of prior odds (Saerens et al. 2002). Training on balanced
    classes means `trained` is one half.
    """
    for name, value in (("trained", trained), ("expected", expected)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}, not a share between 0 and 1")
    return expit(log_odds(p_fake, 1e-12) + logit(expected) - logit(trained))


# --- unlike anything seen -----------------------------------------------------------------------


@dataclass(frozen=True)
class Outliers:
    """A distance from what a model was trained on, and how far is too far (lesson 09)."""

    mean: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)
    precision: np.ndarray  # (d, d), of the standardized features
    threshold: float
    rate: float

    def distance(self, features: Any) -> np.ndarray:
        """Return the Mahalanobis distance of each row of `features` (n, d), divided by sqrt(d)."""
        x = np.atleast_2d(np.asarray(features, dtype=np.float64))
        if x.shape[1] != len(self.mean):
            raise ValueError(f"{x.shape[1]} features a row, but {len(self.mean)} were fitted")
        z = (x - self.mean) / self.scale
        square = np.einsum("nd,de,ne->n", z, self.precision, z)
        return np.sqrt(np.maximum(square, 0) / len(self.mean))

    def far(self, features: Any) -> np.ndarray:
        """Return True where a row is farther than the threshold, or not a number."""
        return ~(self.distance(features) <= self.threshold)


def fit_outliers(training: Any, validation: Any, rate: float = 0.05) -> Outliers:
    """Fit a Mahalanobis distance to training clips, its threshold to validation clips (lesson 09).

    The covariance is shrunk towards a multiple of the identity (Ledoit & Wolf 2004), so it can be
    inverted with fewer clips than features. A clip like the validation clips is called far with
    chance at most `rate` (the conformal quantile of their distances).

    Parameters
    ----------
    training, validation : float arrays (clips, d); a clip's row is the mean over its faces
    """
    from sklearn.covariance import LedoitWolf

    train, valid = (np.asarray(a, dtype=np.float64) for a in (training, validation))
    for name, a in (("training", train), ("validation", valid)):
        if a.ndim != 2 or not len(a):
            raise ValueError(f"the {name} features have shape {a.shape}, not (clips, features)")
        if not np.isfinite(a).all():
            bad = np.asarray(~np.isfinite(a).all(axis=1))
            raise ValueError(
                f"{bad.sum()} rows of the {name} features are not finite "
                f"(rows {_rows(bad, range(len(a)))})"
            )
    if len(train) < 2:
        raise ValueError("one training clip has no spread to measure a distance by")
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.abs(mean) * 1e-2 + 1e-6)  # constant in training
    fitted = LedoitWolf(assume_centered=True).fit((train - mean) / scale)
    model = Outliers(mean, scale, fitted.precision_, math.inf, rate)
    threshold, reason = _upper_quantile(model.distance(valid), rate)
    if reason:
        raise ValueError(f"no threshold: {reason.replace('# ', '')}")
    return Outliers(mean, scale, fitted.precision_, threshold, rate)


# --- what a score is worth ----------------------------------------------------------------------


def rates(labels: Any, p_fake: Any, band: Band | tuple[float, float] = HALF) -> dict[str, float]:
    """Return `tpr` and `fpr`: the shares of FAKE and of REAL clips that are called fake."""
    y, p = _pair(labels, p_fake)
    called = p > band[1]
    return {
        name: float(called[y == k].mean()) if (y == k).any() else math.nan
        for name, k in (("tpr", 1), ("fpr", 0))
    }


def base_rates(
    tpr: float, fpr: float, prevalence: Sequence[float] = (0.5, 0.1, 0.01, 0.001)
) -> pd.DataFrame:
    """Return what a flag means where fakes are rare (lesson 09; Bayes' rule).

    Columns: `prevalence`, `flagged_of_1000` videos, `real_of_1000_flagged` (false alarms),
    `fake_of_1000_flagged`, `missed_of_1000_fakes`.
    """
    share = np.asarray(prevalence, dtype=float)
    for name, value in (("tpr", np.array([tpr])), ("fpr", np.array([fpr])), ("prevalence", share)):
        if not ((value >= 0) & (value <= 1)).all():
            raise ValueError(f"{name} is {value.tolist()}, not between 0 and 1")
    true, false = tpr * share, fpr * (1 - share)
    flagged = true + false
    wrong = np.divide(false, flagged, out=np.full(len(share), np.nan), where=flagged > 0)
    return pd.DataFrame(
        {
            "prevalence": share,
            "flagged_of_1000": 1000 * flagged,
            "real_of_1000_flagged": 1000 * wrong,
            "fake_of_1000_flagged": 1000 * (1 - wrong),
            "missed_of_1000_fakes": 1000 * (1 - tpr),
        }
    )


def slices(table: pd.DataFrame, by: str, metric: str = "AUC", level: float = 0.95) -> pd.DataFrame:
    """Return a metric for each value of a column, with interval and counts (lesson 09).

    Where a column describes fakes only (`method`, `strength`: missing for every REAL clip) each
    slice of fakes is set against all REAL clips. `note` marks slices too small to read;
    `attrs["warning"]` says how many intervals of so many are expected to miss by chance.
    """
    _require(table, [by], "verdicts")
    labels, p, groups, _ = _scored(table)
    value = table.loc[table["p_fake"].notna(), by].to_numpy()
    y = binary(labels)
    fakes_only = bool(pd.isna(value[y == 0]).all()) and (y == 0).any()
    known = pd.unique(pd.Series(value)[~pd.isna(value)])
    if not len(known):
        raise ValueError(f"the column {by} is empty: nothing to slice by")
    rows = []
    for name in sorted(known, key=lambda v: (isinstance(v, str), v)):
        take = (value == name) | ((y == 0) if fakes_only else False)
        take = np.asarray(take, dtype=bool)
        found = interval(y[take], p[take], groups.to_numpy()[take], metric, level)
        real, fake = int((y[take] == 0).sum()), int((y[take] == 1).sum())
        own = len(set(groups.to_numpy()[take & (value == name)]))
        small = own < SMALL_SLICE // 2 or min(real, fake) < SMALL_SLICE
        rows.append(
            {
                by: name,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "real": real,
                "fake": fake,
                "groups": own,
                "note": "; ".join(filter(None, ["small slice" if small else "", found.reason])),
            }
        )
    out = pd.DataFrame(rows)
    out.attrs["warning"] = (
        f"{len(out)} slices were compared: were they all alike, about "
        f"{len(out) * (1 - level):.1f} of {len(out)} intervals would still miss the common value "
        f"by chance; for all to hold together use level={1 - (1 - level) / len(out):.4g}"
        + (". The same REAL clips stand in every slice" if fakes_only else "")
    )
    return out


def baselines(training: Any, labels: Any) -> pd.DataFrame:
    """Return what constants score: the numbers to beat (lesson 09).

    Parameters
    ----------
    training, labels : labels of the training clips and of the clips evaluated
    """
    share = float(binary(training).mean())
    y = binary(labels)
    rows = {"majority class": float(share > 0.5), "base rate": share, "one half": 0.5}
    table = {}
    for name, p in rows.items():
        constant = np.full(len(y), p)
        right = (constant > 0.5) == y
        table[name] = {
            "p_fake": p,
            "accuracy": right.mean(),
            "log-loss": math.inf if p in (0, 1) and not right.all() else log_loss(y, constant),
            "Brier score": brier(y, constant),
            "AUC": auc(y, constant),
        }
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("baseline")
