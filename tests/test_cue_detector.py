"""The cue detector: out of fold, honest about what is missing, and readable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from course_utils import cue_detector, cue_runs, datasets, evaluation, settings


def made_up(groups: int = 12, shift: float = 2.0) -> pd.DataFrame:
    """Six clips a group: the cue `teeth` tells FAKE from REAL, `light` does not."""
    rng = np.random.default_rng(0)
    rows = []
    for group in range(groups):
        for k, label in enumerate(["REAL", "REAL", "FAKE", "FAKE", "FAKE", "FAKE"]):
            split = "train" if group < groups // 2 else "test"
            row = {"clip": f"{group}-{k}", "label": label, "group": group, "method": None}
            fake = label == "FAKE"
            row |= {"split": split, "teeth": rng.normal() + shift * fake, "light": rng.normal()}
            rows.append(row)
    return pd.DataFrame(rows)


def auc(scores: pd.DataFrame) -> float:
    return evaluation.auc(scores["label"], scores["p_fake"])


def test_measures_have_a_row_a_clip_and_only_cues_that_can_be_measured():
    table = cue_detector.measures()
    clips, _ = datasets.read(settings.MINI_DFDC)
    assert list(table["clip"]) == list(clips["clip"])
    assert list(table)[:5] == cue_detector.KEYS
    recorded = cue_runs.read("cue_clips").query("condition == 'as it is'").set_index("clip")
    for cue in list(table)[5:]:
        assert table[cue].notna().sum() >= cue_detector.FEW
        values = recorded.loc[recorded["cue"] == cue, "value"].loc[table["clip"]]
        np.testing.assert_array_equal(table[cue], values)


def test_learns_what_tells_and_not_what_does_not():
    table = made_up()
    assert auc(cue_detector.scores(measured=table)) == pytest.approx(0.92, abs=0.05)
    assert auc(cue_detector.scores(measured=made_up(shift=0.0))) < 0.7
    found = cue_detector.coefficients(table)
    assert found.loc["teeth", "low"] > 0
    assert found.loc["light", "low"] < 0 < found.loc["light", "high"]


def test_no_clip_is_scored_by_a_detector_that_knew_its_group():
    table = made_up()
    before = cue_detector.scores(measured=table).set_index("clip")["p_fake"]
    mine = table["group"] == 3
    turned = table.assign(label=table["label"].where(~mine, "REAL"))
    after = cue_detector.scores(measured=turned).set_index("clip")["p_fake"]
    np.testing.assert_allclose(before[mine.to_numpy()], after[mine.to_numpy()])
    assert not np.allclose(before[~mine.to_numpy()], after[~mine.to_numpy()])


def test_learned_from_a_split_scores_the_others():
    table = made_up()
    scores = cue_detector.scores("train", table)
    assert set(scores["split"]) == {"test"} and len(scores) == 36
    assert list(scores) == [*cue_detector.KEYS, "p_fake"]
    spoiled = table.copy()
    spoiled.loc[table["split"] == "test", "label"] = "REAL"
    np.testing.assert_array_equal(cue_detector.scores("train", spoiled)["p_fake"], scores["p_fake"])
    with pytest.raises(ValueError, match=r"split 'tain'; there are \['test', 'train'\]"):
        cue_detector.scores("tain", table)


def test_what_is_not_measurable_counts_as_the_median_and_is_told():
    table = made_up()
    rng = np.random.default_rng(1)
    table.loc[(table["label"] == "REAL") & (rng.random(len(table)) < 0.8), "light"] = np.nan
    found = cue_detector.coefficients(table)
    assert found.loc["light not measurable", "high"] < 0
    plain = cue_detector.build().fit(table[["teeth", "light"]], table["label"])
    lost = table[table["light"].isna()][:1][["teeth", "light"]]
    steps = plain[:-1].transform(lost)[0]
    seen = (table["light"] - table["light"].mean()) / table["light"].std(ddof=0)
    assert steps[1:] == pytest.approx([seen.median(), 1.0])


def test_models_stand_beside_what_needs_no_network():
    table = made_up(groups=20)
    knows = table.assign(p_fake=np.where(table["label"] == "FAKE", 0.8, 0.3))
    knows.loc[[0, 7], "p_fake"] = 0.8  # two of 120 clips are told wrongly
    found = cue_detector.beside({"knows": knows}, measured=table)
    assert list(found.index) == ["majority class", "base-rate constant", "cue detector", "knows"]
    assert found.loc["majority class", ["accuracy", "log-loss"]].tolist() == ["0.67", "infinite"]
    assert found.loc["base-rate constant"].tolist() == ["0.67", "0.64", "0.50"]
    assert found.loc["knows", "accuracy"].startswith("0.98 [0.")
    cues = cue_detector.scores(measured=table)
    given = evaluation.interval(cues["label"], cues["p_fake"], cues["group"])
    assert found.loc["cue detector", "AUC"] == str(given)
    some = knows[knows["split"] == "test"]
    found = cue_detector.beside({"knows": some}, "train", table)
    cues = cue_detector.scores("train", table)
    assert found.loc["cue detector", "AUC"] == str(
        evaluation.interval(cues["label"], cues["p_fake"], cues["group"])
    )
    assert found.loc["knows", "accuracy"] == "1.00 (no interval: all are alike)"


def test_accuracy_has_the_interval_that_its_groups_support():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 6)
    holds = 0
    for _ in range(300):
        skill = expit(1.0 + 0.7 * rng.normal(size=30))[groups]
        fake = np.tile([0, 0, 1, 1, 1, 1], 30)
        p_fake = np.where(rng.random(180) < skill, fake, 1 - fake) * 0.6 + 0.2
        labels = pd.Series(np.where(fake, "FAKE", "REAL"))
        found = cue_detector._accuracy(labels, pd.Series(p_fake), pd.Series(groups))
        holds += found.low <= 0.715 <= found.high  # the mean of expit(1 + .7 z)
    assert 0.91 <= holds / 300 <= 0.99


def test_equal_twice():
    pd.testing.assert_frame_equal(cue_detector.scores(), cue_detector.scores())
