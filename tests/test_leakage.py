"""The small classifier of lesson 07: what it sees, whom it has not met, and what a gap is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from course_utils import evaluation, leakage


def made_up(casts: int = 12, crops: int = 4) -> pd.DataFrame:
    """A cast has two families, a family a REAL and two FAKE clips."""
    rows = []
    for clip in range(6 * casts):
        family = f"{clip // 3 * 3:03d}"
        label = "FAKE" if clip % 3 else "REAL"
        row = {"clip": f"{clip:03d}", "family": family, "group": clip // 6, "label": label}
        rows += [{**row, "crop": f"{clip:03d}-{k}"} for k in range(crops)]
    return pd.DataFrame(rows)


def by_clip(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.groupby(["clip", "label", "group"], as_index=False)["p_fake"].mean()


def auc(table: pd.DataFrame) -> float:
    return evaluation.auc(table["label"], table["p_fake"])


def test_features_are_a_thumbnail_and_the_roughness_of_tiles():
    flat = np.full((128, 128, 3), (255, 0, 51), np.uint8)
    rough = flat.copy()
    rough[:16, 16:32] = np.random.default_rng(0).integers(0, 256, (16, 16, 1))
    smooth, noisy = leakage.features(np.stack([flat, rough]))
    assert smooth.shape == (256,)
    np.testing.assert_allclose(smooth[:192].reshape(8, 8, 3)[3, 5], [1, 0, 0.2])
    np.testing.assert_allclose(smooth[192:], np.log(0.01), atol=1e-3)
    tiles = (noisy - smooth)[192:].reshape(8, 8)
    assert tiles.argmax() == 1 and tiles.max() > 8
    assert (tiles[4:] == 0).all()


def test_units_held_out_were_not_learned_from():
    """Each clip has a look of its own and nothing else: crops are recalled, people are not."""
    crops = made_up()
    rng = np.random.default_rng(0)
    look = rng.normal(size=(crops["clip"].nunique(), 200))[pd.factorize(crops["clip"])[0]]
    x = look + rng.normal(0, 0.3, look.shape)
    over = {}
    for unit in ("crop", "clip", "family", "group"):
        tables = [leakage.held_out(crops, x, unit, seed) for seed in range(6)]
        for table in tables:
            assert table[unit].nunique() == crops[unit].nunique() // 3
            rest = crops[~crops["crop"].isin(table["crop"])]
            assert not set(rest[unit]) & set(table[unit])
        over[unit] = np.mean([auc(by_clip(table)) for table in tables])
    assert over.pop("crop") > 0.9
    assert all(abs(value - 0.5) < 0.15 for value in over.values())


def test_held_out_follows_from_the_seed():
    crops = made_up()
    x = np.random.default_rng(0).normal(size=(len(crops), 5))
    first, again, other = (leakage.held_out(crops, x, "group", seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert set(first["group"]) != set(other["group"])


def test_descent_ends_where_logistic_regression_is():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    fake = rng.random(300) < expit(x @ [1.5, -1, 0])
    split = np.where(np.arange(300) < 200, "train", "validation")
    history = leakage.descend(x, fake, split, 0.5, 400)
    assert list(history["epoch"]) == list(range(1, 401))
    assert history["loss"].is_monotonic_decreasing
    best = LogisticRegression(C=1e6).fit(x[:200], fake[:200])
    for column, part in [("loss", slice(0, 200)), ("val_loss", slice(200, 300))]:
        goal = evaluation.log_loss(fake[part].astype(int), best.predict_proba(x[part])[:, 1])
        assert history[column].iloc[-1] == pytest.approx(goal, abs=1e-3)
    assert leakage.descend(x, fake, split, 0.0, 1)["loss"][0] == pytest.approx(np.log(2))


def test_shuffled_labels_keep_families_and_clips_whole():
    crops = made_up()
    dealt = crops.assign(label=leakage.shuffle_labels(crops, 5))
    assert dealt.groupby("clip")["label"].nunique().max() == 1
    fakes = dealt[dealt["label"] == "FAKE"].groupby("family")["clip"].nunique()
    assert (fakes == 2).all() and len(fakes) == crops["family"].nunique()
    assert 0.2 < (dealt["label"] != crops["label"]).mean() < 0.7
    assert dealt["label"].equals(leakage.shuffle_labels(crops, 5))
    assert not dealt["label"].equals(leakage.shuffle_labels(crops, 6))


def test_gap_is_that_of_evaluation_and_narrow_where_the_groups_agree():
    crops = made_up(crops=1)
    rng = np.random.default_rng(0)
    fake = (crops["label"] == "FAKE").to_numpy()
    weak = by_clip(crops.assign(p_fake=expit(fake * 0.5 + rng.normal(size=len(crops)))))
    clear = np.where(fake, 0.9, 0.1) + rng.uniform(-0.05, 0.05, len(crops))
    strong = by_clip(crops.assign(p_fake=clear))
    table = leakage.gap(strong, weak)
    auc_gap = evaluation.compare(strong, weak, "AUC").difference
    assert tuple(table.loc["AUC", ["value", "low", "high"]]) == (
        auc_gap.value, auc_gap.low, auc_gap.high
    )  # fmt: skip
    right = ((weak["p_fake"] > 0.5) == (weak["label"] == "FAKE")).mean()
    assert table.loc["accuracy", "first"] == 1 and table.loc["accuracy", "second"] == right
    each = 1 - ((weak["p_fake"] > 0.5) == (weak["label"] == "FAKE")).groupby(weak["group"]).mean()
    half = 2.201 * each.std(ddof=1) / len(each) ** 0.5  # equal groups: Student's t of their means
    assert table.loc["accuracy", "high"] - table.loc["accuracy", "value"] == pytest.approx(
        half, rel=1e-3
    )


def test_gap_wants_the_same_clips():
    clips = by_clip(made_up().assign(p_fake=0.5))
    with pytest.raises(ValueError, match="one model only"):
        leakage.gap(clips, clips[1:])
