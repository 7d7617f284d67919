"""The landmark model: its geometry, its honesty, and its error on actors and on real frames."""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from course_utils import faces, settings, video

TABLE = Path(__file__).with_name("landmarks_footage.csv")
FOOTAGE = Path(os.environ.get("COURSE_FOOTAGE", settings.ROOT.parent / "shared" / "footage"))
MARKED = [36, 39, 42, 45, 30, 48, 54]  # eye corners, nose tip, mouth corners
needs_footage = pytest.mark.skipif(not FOOTAGE.is_dir(), reason="no real footage beside checkout")
needs_renderer = pytest.mark.skipif(
    not hasattr(cv2, "triangleRasterize"), reason="rendering actors needs OpenCV 5"
)


@pytest.fixture(scope="module")
def unseen():
    """Pictures of actors who were not in training."""
    from course_utils.actors import landmarks

    return landmarks.gather(landmarks.UNSEEN_SEED, actors=6, each=4, jobs=1)


def test_model_is_small_and_has_a_card():
    assert (settings.MODELS / "landmarks.dat").stat().st_size <= 5_000_000
    card = (settings.MODELS / "landmarks.md").read_text()
    assert "python -m course_utils.actors landmarks" in card


def test_mirroring_names_each_point_twice():
    mirror = faces._MIRROR
    assert sorted(mirror) == list(range(68)) and (mirror[mirror] == np.arange(68)).all()
    assert mirror[36] == 45 and mirror[48] == 54 and mirror[30] == 30 and mirror[0] == 16


def test_patch_maps_where_it_says():
    gray = np.zeros((200, 300), np.uint8)
    gray[96:105, 146:155] = 255
    for cut in ((150, 100, 90, 0, False), (140, 90, 60, 20, False), (155, 104, 80, -15, True)):
        patch, matrix = faces._patch(gray, *cut)
        y, x = np.unravel_index(cv2.GaussianBlur(patch, (0, 0), 4).argmax(), patch.shape)
        where = matrix[:, :2] @ (150, 100) + matrix[:, 2]
        assert np.hypot(*(where - (x, y))) < 3


def test_patch_does_not_care_for_exposure():
    rng = np.random.default_rng(0)
    gray = cv2.GaussianBlur(rng.uniform(60, 200, (240, 240)).astype(np.float32), (0, 0), 3)
    bright = np.clip(gray * 3 - 250, 0, 255)
    a, _ = faces._patch(bright.astype(np.uint8), 120, 120, 100, 0, False)
    b, _ = faces._patch((bright * 0.5 + 20).astype(np.uint8), 120, 120, 100, 0, False)
    assert np.abs(a.astype(int) - b).mean() < 8


@pytest.mark.parametrize("corner", [(-200, -200), (0, 0), (310, 200), (900, 900)])
def test_any_box_gets_an_answer(corner):
    rgb = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    found = faces.landmarks(rgb, (*corner, corner[0] + 80, corner[1] + 80))
    assert found.points.shape == (68, 2) and np.isfinite(found.points).all()
    assert not found.measurable  # there is no face


@needs_renderer
def test_error_on_unseen_actors(unseen):
    from course_utils.actors import landmarks

    result = landmarks.measure(unseen)
    assert result["faces"] > 12
    assert result["mean_error"] <= 0.04, result
    assert result["yaw_error"] <= 6, result


@needs_renderer
def test_answer_depends_little_on_the_box_and_mirrors(unseen):
    moved, mirrored = [], []
    for shot in unseen[::3]:
        left, top, right, bottom = faces.box_around(shot.points)
        side = right - left
        unit = faces._eye_distance(shot.points)
        found = faces.landmarks(shot.rgb, (left, top, right, bottom))
        off = faces.landmarks(
            shot.rgb,
            (left + side // 12, top - side // 14, right + side // 12, bottom - side // 14),
        )
        moved.append(np.linalg.norm(found.points - off.points, axis=1).mean() / unit)
        width = shot.rgb.shape[1]
        flipped = np.ascontiguousarray(shot.rgb[:, ::-1])
        other = faces.landmarks(flipped, (width - right, top, width - left, bottom))
        back = other.points[faces._MIRROR] * (-1, 1) + (width - 1, 0)
        mirrored.append(np.linalg.norm(found.points - back, axis=1).mean() / unit)
        if found.measurable and other.measurable:
            assert abs(found.yaw + other.yaw) < 6
    assert np.median(moved) < 0.02 and np.median(mirrored) < 0.03


@needs_renderer
def test_a_poor_fit_says_so(unseen):
    rng = np.random.default_rng(0)
    good = [
        faces.landmarks(s.rgb, faces.box_around(s.points)).fit for s in unseen if abs(s.yaw) < 30
    ]
    none = []
    for shot in unseen:
        noise = rng.integers(0, 255, shot.rgb.shape, dtype=np.uint8)
        noise = cv2.GaussianBlur(noise, (0, 0), 3)
        none.append(faces.landmarks(noise, faces.box_around(shot.points)).fit)
    assert np.quantile(good, 0.9) < faces.MAX_SPREAD < np.quantile(none, 0.1)


@pytest.fixture(scope="module")
def real():
    """Every frame of the table: its row, and what the model says."""
    table = pd.read_csv(TABLE)
    rows = []
    for clip, part in table.groupby("clip"):
        wanted = part.set_index("frame")
        for frame in video.frames(FOOTAGE / str(clip), every=1):
            if frame.index in wanted.index:
                row = wanted.loc[frame.index]
                box = tuple(int(row[k]) for k in ("left", "top", "right", "bottom"))
                rows.append((row, faces.landmarks(frame.rgb, box)))
    assert len(rows) == len(table)
    return rows


@needs_footage
def test_error_on_real_frames(real):
    errors = []
    for row, found in real:
        marks = row.iloc[5:].to_numpy(float).reshape(7, 2)
        if np.isnan(marks).any():  # a profile
            continue
        unit = np.hypot(*((marks[2] + marks[3] - marks[0] - marks[1]) / 2))
        errors.append(np.linalg.norm(found.points[MARKED] - marks, axis=1) / unit)
    errors = np.array(errors)
    assert len(errors) == 32
    parts = {"eyes": errors[:, :4], "nose": errors[:, 4], "mouth": errors[:, 5:]}
    for name, part in parts.items():
        assert part.mean() <= 0.10, (name, part.mean())


@needs_footage
def test_real_profiles_are_not_measurable(real):
    answers = [found.measurable for row, found in real if np.isnan(row["nose_tip_x"])]
    assert len(answers) == 8 and np.mean(answers) <= 0.25
    frontal = [found.measurable for row, found in real if not np.isnan(row["nose_tip_x"])]
    assert np.mean(frontal) >= 0.8
