"""Detection, tracking and crops, on drawn faces and on real footage."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import faces, settings, video
from course_utils.settings import ROOT


def frames(*pictures: np.ndarray) -> list[SimpleNamespace]:
    return [SimpleNamespace(index=i, rgb=rgb) for i, rgb in enumerate(pictures)]


def inside(box: faces.Box, place: tuple[int, int, int]) -> bool:
    """Whether the middle of a box lies in the middle half of a drawn face."""
    left, top, side = place
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return abs(x - left - side / 2) < side / 4 and abs(y - top - side / 2) < side / 4


# ------------------------------------------------------------------------------------ detection


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (1080, 1920), (320, 240)])
def test_boxes_are_in_pixels_of_the_source(scene, size):
    side = max(size) // 4
    place = (size[0] // 3, size[1] // 4, side)
    found = faces.detect(scene(place, size=size))
    assert len(found) == 1
    box, confidence, detector = found[0]
    assert inside(box, place)
    assert 0.5 * side < box[2] - box[0] < 1.1 * side
    assert confidence > 0
    assert detector == "hog"


def test_faces_come_the_surest_first_and_above_the_threshold(scene):
    rgb = scene((40, 60, 200), (330, 80, 160))
    found = faces.detect(rgb)
    assert len(found) == 2
    assert found[0].confidence > found[1].confidence
    between = (found[0].confidence + found[1].confidence) / 2
    assert faces.detect(rgb, threshold=between) == found[:1]


def test_a_room_without_a_face(scene):
    assert faces.detect(scene()) == []


@pytest.fixture
def cnn(tmp_path, monkeypatch):
    """The CNN detector's weights, copied from the cache or from one beside the checkout."""
    name = "dlib/mmod_human_face_detector.dat.bz2"
    found = settings.cache_file(name) or ROOT.parent / "shared" / "cache" / name
    if not found.is_file():
        pytest.skip("the CNN detector's weights are not in the cache")
    (tmp_path / "dlib").mkdir()
    shutil.copy(found, tmp_path / name)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


def test_the_cnn_detector_when_asked_for(cnn, footage):
    frame = next(video.frames(footage / "004.mp4"))
    (expected,) = faces.detect(frame.rgb)
    found = faces.near(frame.rgb, expected.box, "cnn")
    assert found.detector == "cnn"
    assert faces.overlap(found.box, expected.box) > 0.5


# ------------------------------------------------------------------------------------ tracking


def test_a_face_keeps_its_person(scene):
    places = [(100 + 20 * i, 90, 160) for i in range(8)]
    for (_, found), place in zip(
        faces.track(frames(*(scene(place) for place in places))), places, strict=True
    ):
        assert list(found) == [0]
        assert inside(found[0].box, place)


def test_a_leap_keeps_its_person_when_nobody_else_could_be_meant(scene):
    tracker = faces.Tracker()
    assert list(tracker.update(scene((100, 90, 160)))) == [0]
    assert list(tracker.update(scene((185, 90, 160)))) == [0]
    assert list(tracker.update(scene((450, 90, 160)))) == [1]  # farther than anybody walks


def test_two_people_are_told_apart(scene):
    left, right = (60, 90, 160), (380, 100, 180)
    results = [found for _, found in faces.track(frames(*[scene(left, right)] * 7))]
    people = [{who: inside(face.box, left) for who, face in found.items()} for found in results]
    assert all(found == people[0] for found in people)
    assert sorted(people[0].values()) == [False, True]


def test_a_newcomer_is_noticed_within_five_frames(scene):
    alone, both = scene((60, 90, 160)), scene((60, 90, 160), (380, 100, 180))
    results = [found for _, found in faces.track(frames(*[alone] * 2, *[both] * 5))]
    assert [len(found) for found in results[:2]] == [1, 1]
    assert len(results[-1]) == 2


def faint(scene, place, strength=0.16):
    """A face that fades into the room: found where it is expected, not in the whole frame."""
    room = scene().astype(float)
    return np.uint8(room + strength * (scene(place) - room))


def test_a_faint_face_is_found_by_looking_around_it_and_back(scene, monkeypatch):
    place = (220, 90, 160)
    clear, hidden, empty = scene(place), scene((220, 92, 160)), scene()
    searched = faces.detect

    def detect(rgb, size=faces.WORKING_SIZE, threshold=0.0, detector="hog", lift=False):
        if np.array_equal(rgb, hidden):
            return []  # as if it were missed in the whole frame
        return searched(rgb, size, threshold, detector, lift)

    monkeypatch.setattr(faces, "detect", detect)
    results = list(faces.track(frames(hidden, empty, hidden, clear, hidden, empty)))
    assert [frame.index for frame, _ in results] == list(range(6))
    assert [list(found) for _, found in results] == [[0], [], [0], [0], [0], []]


def test_a_find_that_does_not_agree_with_its_track_is_none(scene):
    rgb = scene((300, 90, 160))
    box = faces.detect(rgb)[0].box
    side = box[2] - box[0]
    assert faces.near(rgb, box) is not None
    assert (
        faces.near(rgb, tuple(edge + side * 7 // 10 * (i % 2 == 0) for i, edge in enumerate(box)))
        is None
    )
    assert faces.near(rgb, (-400, -400, -300, -300)) is None


def test_waiting_frames_do_not_fill_the_memory(scene, monkeypatch):
    empty = scene()
    monkeypatch.setattr(faces, "WAITING_BYTES", 3 * empty.nbytes)
    results = faces.track(frames(*[empty] * 8))
    first, _ = next(results)
    assert first.index == 0
    assert len(list(results)) == 7


def test_lifted_contrast_finds_a_face_in_the_dark(scene):
    dark = np.round(scene((220, 90, 160)) * 0.04).astype(np.uint8)
    assert faces.detect(dark) == faces.detect(dark, faces.LIFTED_SIZE) == []
    assert list(faces.Tracker().update(dark)) == [0]


boxes = st.tuples(*[st.integers(-50, 150)] * 2, *[st.integers(1, 120)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(boxes, boxes)
def test_overlap_is_the_share_of_common_pixels(one, other):
    canvas = np.zeros((2, 400, 400), bool)
    for layer, (left, top, right, bottom) in zip(canvas, (one, other), strict=True):
        layer[top + 60 : bottom + 60, left + 60 : right + 60] = True
    assert faces.overlap(one, other) == pytest.approx(
        (canvas[0] & canvas[1]).sum() / canvas.any(0).sum()
    )


# ------------------------------------------------------------------------------------ crops


@given(boxes, st.floats(0, 1), st.tuples(st.integers(1, 90), st.integers(1, 90)))
def test_a_crop_is_square_centered_and_never_squeezed(box, margin, shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 1
    rgb = np.stack([columns, rows, np.full(shape, 255)], -1).astype(np.uint8)
    square = faces.crop(rgb, box, margin)
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * margin)
    assert square.shape == (square.shape[0], square.shape[0], 3)
    assert abs(square.shape[0] - side) <= 0.5
    inside = square[..., 2] == 255
    left, top = (box[0] + box[2] - len(square)) / 2, (box[1] + box[3] - len(square)) / 2
    y, x = np.nonzero(inside)
    assert np.all(np.abs(square[y, x, 0] - 1 - x - left) <= 0.5)  # each pixel where it was
    assert np.all(np.abs(square[y, x, 1] - 1 - y - top) <= 0.5)
    assert not square[~inside].any()


def test_a_crop_can_have_a_fixed_size(scene):
    rgb = scene((220, 90, 160))
    assert faces.crop(rgb, (220, 90, 380, 250), size=224).shape == (224, 224, 3)
    assert faces.crop(rgb, (220, 90, 380, 250), size=96).shape == (96, 96, 3)
    assert faces.crop(rgb, (0, 0, 0, 0)).shape == (1, 1, 3)


# ------------------------------------------------------------------------------------ footage


def test_real_faces_are_followed(footage):
    """At least 95 % of all sampled frames, 90 % of every clip's; boxes agree with neighbors."""
    found_in, sampled = 0, 0
    for path in sorted(footage.glob("*.mp4")):
        results = list(faces.track(video.frames(path, count=20)))
        boxes = [found[0].box for _, found in results if 0 in found]
        assert len(boxes) >= 0.9 * len(results), path.name
        steps = [faces.overlap(one, other) for one, other in zip(boxes, boxes[1:], strict=False)]
        assert min(steps) >= 0.3, path.name
        found_in += len(boxes)
        sampled += len(results)
    assert found_in >= 0.95 * sampled
