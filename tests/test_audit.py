"""The audit must find a shortcut that is there, and none where there is none."""

import numpy as np
import pandas as pd
import pytest

from course_utils.actors import audit


@pytest.fixture
def clips() -> pd.DataFrame:
    """Thirty groups of two REAL and four FAKE clips."""
    rows = [(f"{g}_{k}.mp4", "REAL" if k < 2 else "FAKE", g, 1 + g % 10)
            for g in range(30) for k in range(6)]  # fmt: skip
    return pd.DataFrame(rows, columns=["clip", "label", "group", "skin_tone"])


def test_noise_is_no_shortcut(clips):
    features = np.random.default_rng(0).normal(size=(len(clips), 6))
    table = audit.shortcut(features, clips)
    assert ((table["low"] < 0.5) & (table["high"] > 0.5)).all()


def test_a_planted_shortcut_is_found(clips):
    features = np.random.default_rng(0).normal(size=(len(clips), 6))
    features[:, 2] += 2.0 * (clips["label"] == "FAKE")
    table = audit.shortcut(features, clips)
    assert (table["low"] > 0.65).all()


def test_who_it_is_tells_nothing_out_of_fold(clips):
    """Features of the group alone, as a room is: known groups are useless in new ones."""
    room = np.random.default_rng(1).normal(size=(30, 5))[clips["group"]]
    table = audit.shortcut(room, clips)
    assert (table["AUC"] < 0.65).all()


def test_blacked_out_crops_keep_their_corners_alone():
    crops = np.full((2, audit.SIDE, audit.SIDE, 3), 200, np.uint8)
    black = audit.black_out(crops)
    assert black[:, 0, 0].min() == 200
    assert black[:, audit.SIDE // 2, audit.SIDE // 2].max() == 0
    assert 0.1 < (black > 0).mean() < 0.5


def test_faces_are_counted_for_pairs_of_tones_on_real_clips_alone(clips):
    frames = [(c.clip, f, c.skin_tone <= 2 or f > 0) for c in clips.itertuples() for f in range(4)]
    found = pd.DataFrame(frames, columns=["clip", "frame", "found"])
    table = audit.found_by_tone(found, clips).set_index("skin tones")
    assert list(table["frames"]) == [6 * 2 * 4] * 5
    assert table.loc["Monk 1-2", "found"] == 1 and table.loc["Monk 9-10", "found"] == 0.75


def test_what_lies_outside_is_measured_where_it_should_be():
    rng = np.random.default_rng(0)
    calm = np.full((80, 80, 3), 120, np.uint8)
    noisy = np.clip(calm + rng.normal(0, 8, calm.shape), 0, 255).astype(np.uint8)
    left = np.zeros((80, 80), bool)
    left[:, :40] = True
    half = calm.copy()
    half[:, 50:] = noisy[:, 50:]
    assert np.allclose(audit._outside(half, left), audit._outside(calm, left))
    assert audit._outside(noisy, left)[0] > audit._outside(calm, left)[0] + 1
