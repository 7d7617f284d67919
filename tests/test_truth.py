"""Aligned crops of the mini set, the paired interval, and the record of a detector's maps."""

from __future__ import annotations

import math

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from course_utils import models, truth

SIZE = 48


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    """Two lip-syncs and two swaps, of validation and test casts."""
    clips = truth.fakes_with_masks()
    return clips.groupby("method").head(2).query("method in ('lipsync', 'swap')")


@pytest.fixture(scope="module")
def found(few) -> truth.Pairs:
    return truth.pairs(few, SIZE, count=2)


def test_fakes_are_aligned_and_none_was_trained_on():
    clips = truth.fakes_with_masks()
    assert set(clips["method"]) <= set(truth.ALIGNED)
    assert "train" not in set(clips["split"]) and (clips["label"] == "FAKE").all()


def test_fake_and_original_differ_most_inside_the_mask(few, found):
    assert len(found.table) == len(found.fakes) == 2 * len(few)
    gap = np.abs(found.fakes.astype(float) - found.originals).mean(axis=-1)
    for one, mask in zip(gap, found.masks, strict=True):
        assert 0 < mask.mean() < 0.8 and one[mask].mean() > 1.5 * one[~mask].mean()


def test_shifted_crops_move_the_masks(few):
    moved = truth.pairs(few, SIZE, count=2, shift=np.random.default_rng(0))
    rows = [np.argwhere(mask).mean(axis=0) for mask in moved.masks]
    plain = [np.argwhere(mask).mean(axis=0) for mask in truth.pairs(few, SIZE).masks]
    assert np.std(rows, axis=0).max() > np.std(plain, axis=0).max()


def test_paired_interval_is_over_groups():
    table = pd.DataFrame(
        {
            "clip": ["a", "a", "b", "c", "d"],
            "group": ["g", "g", "g", "h", "i"],
            "first": [1.0, 3.0, 4.0, 5.0, np.nan],
            "second": [0.0, 0.0, 0.0, 1.0, 1.0],
        }
    )
    got = truth.paired(table, "first", "second")  # clips 2 and 4 make group g's 3; h has 4
    half = stats.t.ppf(0.975, 1) * math.sqrt(0.5) / math.sqrt(2)
    assert (got.value, got.groups) == (3.5, 2)
    assert got.low == pytest.approx(3.5 - half) and got.high == pytest.approx(3.5 + half)
    assert "fewer than two" in truth.paired(table[:3], "first", "second").reason


def test_gaps_are_by_method_and_need_two_groups():
    rows = [("swap", "a", 3.0), ("swap", "b", 5.0), ("lipsync", "a", 1.0)]
    table = pd.DataFrame(rows, columns=["method", "group", "first"])
    table = table.assign(clip=["1", "2", "3"], second=1.0)
    got = truth.gaps(table, "first", "second")
    assert list(got.index) == ["swap, 2 groups"]
    assert got["value"].tolist() == [3] and (got["low"] < 3).all() and (got["high"] > 3).all()


def test_checks_of_a_map_that_is_the_mask(found, monkeypatch):
    """Were Grad-CAM the mask itself, it would have all its mass inside, and repair at once."""

    class Cheat:
        def __init__(self, model):
            self.known = model is network

        def __call__(self, images):
            noise = np.random.default_rng(1).uniform(size=found.masks.shape)
            return found.masks.astype(np.float32) if self.known else noise

    keras.utils.set_random_seed(0)
    network = models.meso4(image_size=SIZE)
    monkeypatch.setattr(truth.heatmaps, "GradCAM", Cheat)
    monkeypatch.setattr(truth, "DRAWS", 2)
    table = truth.checks(network, found)
    assert np.allclose(table["map"], 1) and (table["pointing"] == 1).all()
    assert (table["map"] > table[["other masks", "randomized", "uniform"]].max(axis=1)).all()
    assert table["similarity"].abs().max() < 0.2
    repairs = [name for name in table if name.startswith("repair")]
    assert len(repairs) == 5 and np.isfinite(table[repairs]).all(axis=None)
    assert "repair map" not in truth.checks(network, found, repair=False)
