"""Verdicts and metrics: equal to their definitions, and silent where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.special import expit, logit
from sklearn import metrics as sk

from course_utils import evaluation as ev


def made(groups: int = 8, seed: int = 0, gain: float = 1.5) -> pd.DataFrame:
    """A verdicts table of made-up clips, one REAL to three FAKE, some of it hard."""
    rng = np.random.default_rng(seed)
    y = np.tile([0, 0, 1, 1, 1, 1, 1, 1], groups)
    group = np.repeat(np.arange(groups), 8)
    z = gain * (y - 0.5) + rng.normal(0, 0.7, len(y)) + rng.normal(0, 0.5, groups)[group]
    method = np.where(y == 1, np.tile(["", "", *["swap", "lipsync"] * 3], groups), None)
    return pd.DataFrame(
        {
            "clip": [f"{i:03}.mp4" for i in range(len(y))],
            "label": np.array(["REAL", "FAKE"])[y],
            "group": [f"g{g}" for g in group],
            "method": method,
            "split": "test",
            "p_fake": expit(z),
        }
    )


def scores_of(**clips: list[float]) -> pd.DataFrame:
    rows = [
        {
            "clip": clip,
            "frame": i,
            "person": 0,
            "label": "FAKE",
            "group": clip,
            "method": "swap",
            "split": "test",
            "p_fake": p,
        }
        for clip, ps in clips.items()
        for i, p in enumerate(ps)
    ]
    return pd.DataFrame(rows)


# --- scores to verdicts


def test_aggregations_by_hand():
    p = [0.2, 0.4, 0.6, 0.8, 1.0]
    assert ev.aggregate(p, "mean probability") == pytest.approx(0.6)
    assert ev.aggregate(p, "trimmed mean") == pytest.approx(0.6)
    assert ev.aggregate([0, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 0], "trimmed mean") == pytest.approx(0.75)
    assert ev.aggregate(p, "maximum") == 1
    assert ev.aggregate(p, "share above half") == pytest.approx(0.6)
    weighted = (0.2 * 0.6 + 0.4 * 0.2 + 0.6 * 0.2 + 0.8 * 0.6 + 1) / (0.6 + 0.2 + 0.2 + 0.6 + 1)
    assert ev.aggregate(p, "confidence-weighted") == pytest.approx(weighted)
    assert ev.aggregate([0.5, 0.5], "confidence-weighted") == 0.5
    mean = logit([0.2, 0.9]).mean()
    assert ev.aggregate([0.2, 0.9], "mean logit") == pytest.approx(expit(mean))


@given(hnp.arrays(float, st.integers(1, 12), elements=st.floats(0, 1)))
def test_aggregations_stay_in_range_and_ignore_order(p):
    for how in ev.AGGREGATIONS:
        value = ev.aggregate(p, how)
        assert 0 <= value <= 1
        assert ev.aggregate(p[::-1], how) == pytest.approx(value)


def test_verdicts_count_faces_frames_and_reasons():
    scores = scores_of(a=[0.9, 0.8], b=[0.1])
    skipped = pd.DataFrame(
        {
            "clip": ["a", "b", "c", "c", "d"],
            "frame": [2, 1, 0, 1, None],
            "reason": ["no face"] * 4 + ["the file is empty"],
        }
    )
    table = ev.verdicts(scores, skipped, how="mean probability").set_index("clip")
    assert list(table.columns) == ev.VERDICT_COLUMNS[1:]
    assert table["p_fake"].dropna().to_dict() == pytest.approx({"a": 0.85, "b": 0.1})
    assert table["verdict"].to_dict() == {
        "a": "fake",
        "b": "real",
        "c": "can't tell",
        "d": "can't tell",
    }
    assert table.loc["a", ["n_faces", "frames_sampled", "frames_without_face"]].tolist() == [
        2,
        3,
        1,
    ]
    assert table.loc["c", ["n_faces", "frames_sampled", "frames_without_face"]].tolist() == [
        0,
        2,
        2,
    ]
    assert table["reason"].to_dict() == {
        "a": "",
        "b": "",
        "c": "no face found",
        "d": "the file is empty",
    }
    assert table.loc["a", "label"] == "FAKE" and pd.isna(table.loc["c", "label"])


def test_clip_that_was_never_scored_is_not_dropped():
    clips = pd.DataFrame(
        {
            "clip": ["a", "z"],
            "label": ["FAKE", "REAL"],
            "group": ["a", "z"],
            "method": ["swap", None],
            "split": "test",
        }
    )
    table = ev.verdicts(scores_of(a=[0.9]), clips=clips).set_index("clip")
    assert table.loc["z", "verdict"] == "can't tell" and "no reason" in table.loc["z", "reason"]
    assert table.loc["z", "label"] == "REAL"


def test_second_person_can_be_the_fake_one_but_a_flicker_is_not():
    scores = scores_of(a=[0.1] * 9 + [0.99] * 3)
    scores["frame"] = [*range(9), 0, 1, 2]
    scores["person"] = [0] * 9 + [1] * 3
    assert ev.verdicts(scores)["p_fake"][0] == pytest.approx(0.99)
    assert ev.verdicts(scores.iloc[:-1])["p_fake"][0] == pytest.approx(0.1)
    assert ev.verdicts(scores)["n_faces"][0] == 12
    assert ev.verdicts(scores)["frames_sampled"][0] == 9


def test_bad_scores_are_named():
    scores = scores_of(a=[0.9, 0.8, 0.7])
    scores.loc[1, "p_fake"] = np.nan
    with pytest.raises(ValueError, match=r"1 of 3 scores are missing .*rows 1\)"):
        ev.verdicts(scores)
    scores.loc[1, "p_fake"] = 1.2
    with pytest.raises(ValueError, match="outside 0..1"):
        ev.verdicts(scores)
    with pytest.raises(ValueError, match="lacks the column p_fake"):
        ev.verdicts(scores.drop(columns="p_fake"))
    with pytest.raises(ValueError, match="no aggregation 'median'"):
        ev.verdicts(scores_of(a=[0.5]), how="median")
    with pytest.raises(ValueError, match="no face"):
        ev.aggregate([])


def test_decide_with_band_and_unlike():
    table = ev.verdicts(scores_of(a=[0.1], b=[0.4], c=[0.6], d=[0.95]))
    out = ev.decide(table, ev.Band(0.2, 0.6), unlike=[False, False, False, True])
    assert out["verdict"].tolist() == ["real", "can't tell", "can't tell", "can't tell"]
    assert out["reason"][3] == ev.UNLIKE and out["reason"][0] == ""
    assert "0.2" in out["reason"][1] and "0.6" in out["reason"][2]
    assert out["p_fake"].tolist() == table["p_fake"].tolist()


# --- metrics


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn(seed):
    table = made(seed=seed)
    table["p_fake"] = table["p_fake"].round(1 + seed)  # ties
    y, p = ev.binary(table["label"]), table["p_fake"].to_numpy()
    expected = {
        "log-loss": sk.log_loss(y, p),
        "Brier score": sk.brier_score_loss(y, p),
        "AUC": sk.roc_auc_score(y, p),
        "average precision": sk.average_precision_score(y, p),
        "balanced accuracy": sk.balanced_accuracy_score(y, p > 0.5),
    }
    got = ev.metrics(table)
    for name, value in expected.items():
        assert got.loc[name, "value"] == pytest.approx(value, abs=1e-9)
        assert ev.METRICS[name].of(table["label"], p) == pytest.approx(value, abs=1e-9)
    assert list(got.index) == list(ev.METRICS)
    assert (got["clips"] == 64).all() and (got["groups"] == 8).all()


def test_one_confident_mistake_costs_the_most():
    y, p = np.array([0] * 50 + [1] * 50), np.array([0.1] * 50 + [0.9] * 50)
    before = ev.log_loss(y, p)
    p[0] = 1 - 1e-9
    assert ev.log_loss(y, p) > 2.5 * before


def test_equal_error_rate():
    assert ev.equal_error_rate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == 0
    assert ev.equal_error_rate([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2]) == 1
    assert ev.equal_error_rate([0, 0, 1, 1], [0.5] * 4) == pytest.approx(0.5)
    assert ev.equal_error_rate([0, 0, 1, 1], [0.1, 0.7, 0.6, 0.9]) == pytest.approx(0.5)
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [20000, 30000])
    p = expit(rng.normal(2 * y, 1))
    assert ev.equal_error_rate(y, p) == pytest.approx(stats.norm.cdf(-1), abs=0.005)


def test_unscored_clips_are_counted():
    table = made()
    table.loc[[0, 5], "p_fake"] = np.nan
    got = ev.metrics(table)
    assert (got["unscored"] == 2).all() and (got["clips"] == 62).all()
    table["p_fake"] = np.nan
    with pytest.raises(ValueError, match="no clip has a score"):
        ev.metrics(table)


# --- intervals


def test_interval_is_the_jackknife():
    table = made(6)
    y, p, g = ev.binary(table["label"]), table["p_fake"].to_numpy(), table["group"].to_numpy()
    for metric, to, back in (("AUC", logit, expit), ("log-loss", np.log, np.exp)):
        of = {"AUC": sk.roc_auc_score, "log-loss": sk.log_loss}[metric]
        without = np.array([of(y[g != k], p[g != k]) for k in np.unique(g)])
        if metric == "AUC":
            pairs = (y == 0).sum() * (y == 1).sum()
            without = (without * pairs + 0.5) / (pairs + 1)
        without = to(without)
        half = stats.t.ppf(0.975, 5) * np.sqrt(5 / 6 * ((without - without.mean()) ** 2).sum())
        got = ev.interval(y, p, g, metric)
        assert got.value == pytest.approx(of(y, p), abs=1e-12)
        assert got.low == pytest.approx(back(to(of(y, p)) - half), abs=1e-12)
        assert got.high == pytest.approx(back(to(of(y, p)) + half), abs=1e-12)


@pytest.mark.parametrize("groups", [5, 8, 12, 20, 30])
def test_interval_covers(groups):
    found = ev.simulate(groups, repeats=1500, seed=1)
    assert 0.93 <= found["covers"] <= 0.97
    assert found["given"] > 0.99


def test_bootstrap_over_few_groups_does_not_cover():
    short = ev.simulate(5, repeats=300, method="bootstrap")
    assert short["covers"] < 0.9
    assert ev.simulate(30, repeats=300, method="bootstrap")["covers"] > short["covers"]
    with pytest.raises(ValueError, match="no method"):
        ev.simulate(5, method="wald")


def test_simulated_scores_have_the_auc_they_claim():
    """The value intervals are asked to hold is that of a very large set."""
    wide = ev.simulate(800, auc=0.7, repeats=3, level=0.999)
    assert wide["covers"] == 1 and wide["width"] < 0.1


CANNOT = {
    "one class": (["FAKE"] * 4, [0.1, 0.2, 0.3, 0.4], list("aabb"), "all 4 clips are FAKE"),
    "one clip": (["REAL"], [0.1], ["a"], "all 1 clips are REAL"),
    "one group": (["REAL", "FAKE"] * 3, [0.1, 0.9, 0.8, 0.7, 0.3, 0.2], ["a"] * 6, "one group"),
    "perfect": (["REAL", "FAKE"] * 2, [0.1, 0.9, 0.2, 0.8], list("aabb"), "exactly 1"),
    "hopeless": (["REAL", "FAKE"] * 2, [0.9, 0.1, 0.8, 0.2], list("aabb"), "exactly 0"),
    "only group with reals": (
        ["REAL", "FAKE", "FAKE", "REAL"],
        [0.1, 0.9, 0.05, 0.2],
        list("abba"),
        "without group",
    ),
}


@pytest.mark.parametrize("case", CANNOT)
def test_interval_that_cannot_be_given_says_why(case):
    labels, p, groups, why = CANNOT[case]
    got = ev.interval(labels, p, groups)
    assert not got.given and why in got.reason
    assert math.isnan(got.low) and math.isnan(got.high)
    assert why in str(got)
    table = pd.DataFrame(
        {"clip": [str(i) for i in range(len(p))], "label": labels, "group": groups, "p_fake": p}
    )
    row = ev.metrics(table).loc["AUC"]
    assert why in row["reason"] and math.isnan(row["low"])


def test_single_class_groups_are_no_obstacle():
    y = [0, 0, 0, 1, 1, 1, 1, 0]
    got = ev.interval(y, [0.1, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9, 0.2], list("abcdefgh"))
    assert got.given and got.low < got.value < got.high


def test_interval_prints_only_supported_digits():
    assert str(ev.Interval(0.8312, 0.7123, 0.9034, 8)) == "0.83 [0.71, 0.90]"
    assert str(ev.Interval(0.8312, 0.8263, 0.8357, 200)) == "0.831 [0.826, 0.836]"


def test_missing_group_or_label_is_named():
    with pytest.raises(ValueError, match="1 clips have no group"):
        ev.interval([0, 1], [0.1, 0.2], ["a", None])
    with pytest.raises(ValueError, match="neither REAL nor FAKE"):
        ev.interval(["REAL", "fake"], [0.1, 0.2], ["a", "b"])
    table = made()
    table.loc[3, "label"] = None
    with pytest.raises(ValueError, match="003.mp4"):
        ev.metrics(table)
    with pytest.raises(ValueError, match="lacks the column group"):
        ev.metrics(made().drop(columns="group"))
    with pytest.raises(ValueError, match="3 labels but 2 scores"):
        ev.auc([0, 1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="empty"):
        ev.auc([], [])


# --- comparison


def test_compare_sees_a_better_model_and_is_paired():
    good, bad = made(12, gain=3.0), made(12, gain=0.3)
    found = ev.compare(good, bad.sample(frac=1, random_state=0))
    assert found.difference.value == pytest.approx(found.first - found.second)
    assert found.difference.low > 0 and found.p_value < 0.01
    swapped = ev.compare(bad, good)
    assert swapped.difference.value == pytest.approx(-found.difference.value)
    assert swapped.p_value == pytest.approx(found.p_value)


def test_compare_rejects_no_more_than_it_says():
    rng = np.random.default_rng(0)
    table = made(10)
    y, rejected = ev.binary(table["label"]), 0
    for _ in range(200):
        one, two = (table.assign(p_fake=expit(y + rng.normal(0, 1, len(y)))) for _ in range(2))
        rejected += ev.compare(one, two, "Brier score").p_value < 0.05
    assert rejected <= 20


def test_runs_of_several_seeds_are_paired_by_seed():
    def run(gains):
        tables = [made(12, gain=gain).assign(seed=seed) for seed, gain in enumerate(gains)]
        return pd.concat(tables, ignore_index=True)

    first, second = run([3.0, 2.0, 1.0]), run([0.3, 0.3, 1.0])
    found = ev.compare_seeds(first, second.sample(frac=1, random_state=0))
    shuffled = ev.compare_seeds(first.sample(frac=1, random_state=1), second)
    assert (shuffled.mean.low, shuffled.mean.high) == pytest.approx(
        (found.mean.low, found.mean.high)
    )
    alone = [ev.compare(*(t[t["seed"] == seed] for t in (first, second))) for seed in range(3)]
    assert found.per_seed.tolist() == pytest.approx([each.difference.value for each in alone])
    assert found.per_seed[2] == 0 and found.mean.value == pytest.approx(found.per_seed.mean())
    single = ev.compare_seeds(*(t[t["seed"] == 1] for t in (first, second))).mean
    assert (single.low, single.high) == pytest.approx(
        (alone[1].difference.low, alone[1].difference.high)
    )
    assert not ev.compare_seeds(first, first).mean.given
    with pytest.raises(ValueError, match=r"seeds \[0, 1, 2\] cannot be paired with \[0, 1\]"):
        ev.compare_seeds(first, second[second["seed"] < 2])


def test_compare_refuses_what_does_not_match():
    a = made()
    with pytest.raises(ValueError, match="1 clips are judged by one model only .*000.mp4"):
        ev.compare(a, a.iloc[1:])
    flipped = a.assign(label=["FAKE", *a["label"][1:]])
    with pytest.raises(ValueError, match="disagree on the label of 000.mp4"):
        ev.compare(a, flipped)
    holes = a.assign(p_fake=[np.nan, *a["p_fake"][1:]])
    with pytest.raises(ValueError, match="lack a score"):
        ev.compare(a, holes)
    groupless = a.assign(group=a["group"].where(a["group"] != a["group"].iloc[0]))
    with pytest.raises(ValueError, match="clips have no group"):
        ev.compare(groupless, a)
    same = ev.compare(a, a)
    assert math.isnan(same.p_value) and "differ in no group" in same.difference.reason
    one = a[a["group"] == "g0"]
    assert "one group" in ev.compare(one, one.assign(p_fake=0.4)).difference.reason
    fakes = a[a["label"] == "FAKE"]
    assert "all 48 clips are FAKE" in ev.compare(fakes, fakes).difference.reason


# --- calibration


def test_temperature_recovers_overconfidence():
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1.5, 20000)
    y = (rng.random(len(z)) < expit(z)).astype(int)
    t = ev.fit_temperature(y, expit(3 * z))
    assert t == pytest.approx(3, rel=0.05)
    calibrated = ev.apply_temperature(expit(3 * z), t)
    assert ev.calibration_error(y, calibrated) < 0.02 < ev.calibration_error(y, expit(3 * z))
    assert ev.auc(y, calibrated) == pytest.approx(ev.auc(y, expit(3 * z)), abs=1e-4)


def test_temperature_at_its_borders():
    assert ev.fit_temperature([0, 0, 1, 1], [0.4, 0.3, 0.6, 0.7]) == pytest.approx(0.05)
    assert ev.fit_temperature([0, 0, 1, 1], [0.6, 0.7, 0.4, 0.3]) == pytest.approx(20)
    with pytest.raises(ValueError, match="both classes"):
        ev.fit_temperature([1, 1], [0.4, 0.9])
    assert np.isnan(ev.apply_temperature([np.nan], 2.0)).all()


def test_reliability_by_hand():
    y = [0, 0, 1, 1, 1, 1]
    p = [0.05, 0.15, 0.15, 0.95, 0.85, 1.0]
    table = ev.reliability(y, p, bins=10, strategy="width")
    assert table["bin"].tolist() == [0, 1, 8, 9]
    assert table["clips"].tolist() == [1, 2, 1, 2]
    assert table["share_fake"].tolist() == [0, 0.5, 1, 1]
    error = (1 * 0.05 + 2 * 0.35 + 1 * 0.15 + 2 * 0.025) / 6
    assert ev.calibration_error(y, p, 10, "width") == pytest.approx(error)
    by_count = ev.reliability(y, p, bins=3)
    assert by_count["clips"].tolist() == [1, 3, 2]  # the two of 0.15 stay together
    with pytest.raises(ValueError, match="no binning"):
        ev.reliability(y, p, strategy="quantile")


def test_reliability_band_holds_for_calibrated_scores():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(60):
        p = rng.random(200)
        table = ev.reliability((rng.random(200) < p).astype(int), p)
        inside += (
            (table["share_fake"] >= table["low"]) & (table["share_fake"] <= table["high"])
        ).tolist()
    assert np.mean(inside) > 0.93


@given(st.floats(0.01, 0.99), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_prior_correction_is_bayes(p, trained, expected):
    ratio = p / trained * expected, (1 - p) / (1 - trained) * (1 - expected)
    got = ev.correct_prior([p], trained, expected)[0]
    assert got == pytest.approx(ratio[0] / sum(ratio))
    assert ev.correct_prior([got], expected, trained)[0] == pytest.approx(p)


def test_prior_out_of_range():
    with pytest.raises(ValueError, match="trained is 0"):
        ev.correct_prior([0.5], 0, 0.5)


# --- not telling


def test_band_keeps_its_error_rates():
    rng = np.random.default_rng(0)
    wrong = {0: [], 1: []}
    for _ in range(300):
        y = np.repeat([0, 1], 40)
        p = expit(rng.normal(1.2 * (2 * y - 1), 1.5))
        band = ev.choose_band(y, p, 0.1)
        assert band.low <= band.high
        new = rng.permutation(80)
        q = expit(rng.normal(1.2 * (2 * y - 1), 1.5))[new]
        wrong[0].append((q[y[new] == 0] > band.high).mean())
        wrong[1].append((q[y[new] == 1] < band.low).mean())
    for errors in wrong.values():
        assert 0.05 < np.mean(errors) < 0.115


def test_band_closes_for_a_perfect_detector_and_stays_open_for_few_clips():
    y = np.repeat([0, 1], 20)
    band = ev.choose_band(y, np.where(y, 0.9, 0.2) + np.arange(40) / 1000)
    assert band.low == band.high and 0.25 < band.low < 0.9
    few = ev.choose_band([0] * 4 + [1] * 20, np.linspace(0, 1, 24), 0.1)
    assert few.high == 1.0 and "4 REAL" in few.reason and "needs 9" in few.reason
    table = pd.DataFrame({"clip": ["a"], "p_fake": [1.0], "reason": [""]})
    assert ev.decide(table, few)["verdict"][0] == "can't tell"
    with pytest.raises(ValueError, match="error_rate"):
        ev.choose_band([0, 1], [0.2, 0.8], 0.7)


def test_risk_coverage():
    table = ev.risk_coverage([1, 0, 1, 0], [0.99, 0.1, 0.4, 0.55])
    assert table["coverage"].tolist() == [0.25, 0.5, 0.75, 1]
    assert table["risk"].tolist() == pytest.approx([0, 0, 1 / 3, 0.5])
    ties = ev.risk_coverage([1, 0, 1, 0], [0.9, 0.9, 0.9, 0.6])
    assert ties["coverage"].tolist() == [0.75, 1]


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(1, 12), st.integers(0, 100))
def test_outliers_hold_their_rate_and_see_far_things(n, d, seed):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d))
    train, valid = (rng.normal(size=(k, d)) @ mix for k in (n, 40))
    model = ev.fit_outliers(train, valid, 0.1)
    assert model.far(valid).mean() <= 0.1
    assert model.far(train.mean(0) + 1e4 * np.ones((1, d)) * np.abs(mix).sum()).all()
    assert model.far(np.full((1, d), np.nan)).all()


def test_outliers_constant_feature_that_moves_is_far():
    rng = np.random.default_rng(0)
    train, valid = rng.normal(size=(50, 3)), rng.normal(size=(40, 3))
    train[:, 1] = valid[:, 1] = 2.0
    model = ev.fit_outliers(train, valid)
    new = rng.normal(size=(1, 3)) * 0.1
    assert not model.far(np.where([0, 1, 0], 2.0, new)).any()
    assert model.far(np.where([0, 1, 0], 3.0, new)).all()


def test_outliers_refuse():
    x = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(ValueError, match="10 validation clips are too few"):
        ev.fit_outliers(x, x[:10], 0.05)
    with pytest.raises(ValueError, match="one training clip"):
        ev.fit_outliers(x[:1], x)
    with pytest.raises(ValueError, match="shape"):
        ev.fit_outliers(x[0], x)
    bad = x.copy()
    bad[4] = np.nan
    with pytest.raises(ValueError, match=r"1 rows .*rows 4"):
        ev.fit_outliers(bad, x)
    with pytest.raises(ValueError, match="2 features a row"):
        ev.fit_outliers(x, x).far(x[:, :2])


# --- what a score is worth


def test_base_rates_by_hand():
    table = ev.base_rates(0.9, 0.1, [0.5, 0.01])
    assert table["real_of_1000_flagged"].tolist() == pytest.approx([100, 1000 * 0.099 / 0.108])
    assert table["flagged_of_1000"].tolist() == pytest.approx([500, 108])
    assert table["missed_of_1000_fakes"].tolist() == pytest.approx([100, 100])
    assert math.isnan(ev.base_rates(0, 0, [0.5])["real_of_1000_flagged"][0])
    with pytest.raises(ValueError, match="tpr is"):
        ev.base_rates(90, 0.1)


def test_rates():
    labels = ["REAL"] * 4 + ["FAKE"] * 2
    assert ev.rates(labels, [0.1, 0.2, 0.6, 0.9, 0.7, 0.95]) == {"tpr": 1.0, "fpr": 0.5}
    assert ev.rates(labels, [0.1, 0.2, 0.6, 0.9, 0.7, 0.95], (0.2, 0.8)) == {
        "tpr": 0.5,
        "fpr": 0.25,
    }


def test_slices_of_fakes_stand_against_all_reals():
    table = made(10)
    out = ev.slices(table, "method").set_index("method")
    assert list(out.index) == ["lipsync", "swap"]
    assert (out["real"] == 20).all() and (out["fake"] == 30).all() and (out["groups"] == 10).all()
    keep = (table["label"] == "REAL") | (table["method"] == "swap")
    assert out.loc["swap", "value"] == pytest.approx(
        ev.auc(table.loc[keep, "label"], table.loc[keep, "p_fake"])
    )
    assert "2 slices" in out.attrs["warning"] and "0.1 of 2" in out.attrs["warning"]
    assert "0.975" in out.attrs["warning"]


def test_slices_of_clips_and_small_ones():
    table = made(10).assign(tone=np.repeat([1, 2], [64, 16]))
    out = ev.slices(table, "tone").set_index("tone")
    assert out.loc[1, "real"] == 16 and out.loc[2, "real"] == 4
    assert out.loc[1, "note"] == "" and "small slice" in out.loc[2, "note"]
    one = ev.slices(table.assign(tone=table["label"]), "tone").set_index("tone")
    assert "all 60 clips are FAKE" in one.loc["FAKE", "note"]
    with pytest.raises(ValueError, match="lacks the column light"):
        ev.slices(table, "light")


def test_baselines():
    out = ev.baselines(["FAKE"] * 8 + ["REAL"] * 2, ["FAKE"] * 323 + ["REAL"] * 77)
    assert out.loc["majority class", "accuracy"] == pytest.approx(323 / 400)
    assert out.loc["one half", "log-loss"] == pytest.approx(math.log(2))
    own = ev.baselines(["FAKE"] * 323 + ["REAL"] * 77, ["FAKE"] * 323 + ["REAL"] * 77)
    assert own.loc["base rate", "log-loss"] == pytest.approx(0.490, abs=5e-4)
    assert (own["AUC"] == 0.5).all()


def test_compare_aggregations():
    table = ev.compare_aggregations(
        pd.concat(
            [
                scores_of(a=[0.9, 0.2], b=[0.7, 0.8]),
                scores_of(c=[0.1, 0.6], d=[0.3, 0.2]).assign(label="REAL"),
            ]
        )
    )
    assert list(table.index) == list(ev.AGGREGATIONS) and list(table.columns) == list(ev.METRICS)
    assert table.loc["maximum", "AUC"] == 1


def test_needs_no_tensorflow():
    import subprocess
    import sys

    code = "import sys, course_utils.evaluation; assert not {'tensorflow','cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
