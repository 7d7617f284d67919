"""The measures rise with an effect planted in drawn faces, and say why where they cannot."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import cues, faces, forgery, video

SIDE, FPS, RATE = 240, 12, 8000


# A face drawn around 68 landmarks: nobody's likeness ----------------------------------------------


def layout(unit: float = 48.0, opening: float = 0.25) -> np.ndarray:
    """68 landmarks of a face that looks ahead, (68, 2): eyes `unit` apart, mouth open so far."""
    turn = np.linspace(np.pi, 0, 17)
    jaw = np.column_stack([-1.05 * np.cos(np.pi - turn), 1.55 * np.sin(turn) + 0.1])
    brow = np.column_stack([np.linspace(-0.3, 0.3, 5), [-0.28, -0.36, -0.38, -0.36, -0.30]])
    nose = [[0, y] for y in (0.05, 0.25, 0.45, 0.66)]
    nostrils = [[x, 0.78] for x in (-0.18, -0.09, 0, 0.09, 0.18)]
    eye = np.array([[-0.2, 0], [-0.08, -0.1], [0.08, -0.1], [0.2, 0], [0.08, 0.1], [-0.08, 0.1]])
    mouth = np.array([0, 1.06])
    round_ = np.arange(12) / 12 * 2 * np.pi + np.pi
    lips = np.column_stack([0.44 * np.cos(round_), (0.14 + opening / 2) * np.sin(round_)]) + mouth
    inner = np.arange(8) / 8 * 2 * np.pi + np.pi
    hole = np.column_stack([0.34 * np.cos(inner), opening / 2 * np.sin(inner)]) + mouth
    p = [jaw, brow - (0.5, 0), brow + (0.5, 0), nose, nostrils, eye - (0.5, 0), eye + (0.5, 0)]
    return (np.vstack([*p, lips, hole]) * unit + np.array([2.5, 2.0]) * unit).astype(np.float32)


def draw(points: np.ndarray, side: int = SIDE) -> np.ndarray:
    """A picture of that face with ears, neck, hair and texture, float32 (side, side, 3)."""
    unit = forgery.eye_distance(points)
    x, y = points[36:48].mean(0)
    rgb = np.full((side, side, 3), (90, 110, 120), np.float32)
    skin = (200, 150, 125)

    def oval(dx, dy, a, b, color):
        center = (round(float(x + dx * unit)), round(float(y + dy * unit)))
        cv2.ellipse(rgb, center, (round(a * unit), round(b * unit)), 0, 0, 360, color, -1)

    oval(0, -0.1, 1.4, 1.75, (60, 45, 35))  # hair
    oval(0, 1.8, 0.7, 1.2, skin)  # neck
    oval(-1.22, 0.3, 0.25, 0.4, skin)
    oval(1.22, 0.3, 0.25, 0.4, skin)
    oval(0, 0.2, 1.15, 1.5, skin)
    for eye in forgery.EYES:
        cv2.fillPoly(rgb, [np.round(points[eye]).astype(np.int32)], (235, 235, 235))
        center = tuple(int(v) for v in np.round(points[eye].mean(0)))
        cv2.circle(rgb, center, round(0.09 * unit), (50, 35, 30), -1)
    for brow in (slice(17, 22), slice(22, 27)):
        cv2.polylines(rgb, [np.round(points[brow]).astype(np.int32)], False, (60, 45, 35), 3)
    cv2.fillPoly(rgb, [np.round(points[48:60]).astype(np.int32)], (170, 90, 90))
    cv2.fillPoly(rgb, [np.round(points[60:]).astype(np.int32)], (40, 20, 20))
    texture = np.random.default_rng(0).normal(0, 5, (side, side))
    return np.clip(rgb + texture[..., None], 0, 255)


POINTS = layout()
FACE = draw(POINTS)
MASK = forgery.face_mask(POINTS, FACE.shape, 0.3)


def clip_of(pictures: list[np.ndarray], points: np.ndarray = POINTS, **changes) -> cues.Track:
    """A track of pictures of one face that keeps still, with a little noise of the camera's."""
    rng = np.random.default_rng(1)
    frames = [np.clip(p + rng.normal(0, 1, p.shape), 0, 255).astype(np.uint8) for p in pictures]
    n = len(frames)
    every = dict(fit=np.full(n, 0.02), yaw=np.zeros(n), fps=float(FPS)) | changes
    return cues.Track(np.stack(frames), np.repeat(points[None], n, 0), **every)


def rises(measure, make, least: float, amounts=(0.0, 0.5, 1.0)) -> None:
    """Assert that a measure rises with the planted effect, by `least` at the end."""
    answers = [measure(make(amount)) for amount in amounts]
    assert not any(a.reason for a in answers), answers
    values = np.array([a.value for a in answers])
    assert (np.diff(values) > 0).all(), values
    assert values[-1] - values[0] > least, values


# Planted effects ----------------------------------------------------------------------------------


def test_skin_tone_rises_with_a_tint():
    def make(amount):
        lab = cv2.cvtColor(FACE.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        lab[..., 1] += 12 * amount * MASK
        return clip_of([255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)] * 2)

    rises(cues.skin_tone, make, 8)
    assert cues.skin_tone(make(0)).value < 3


def test_a_gray_collar_is_no_neck():
    dressed = FACE.copy()
    dressed[round(POINTS[8, 1]) + 4 :] = FACE[MASK > 0].mean() * np.array([0.97, 1.0, 1.06])
    assert cues.skin_tone(clip_of([FACE] * 3)).value < 5
    assert cues.skin_tone(clip_of([dressed] * 3)).value < 5


@pytest.mark.parametrize("side", [-1, 1])
def test_light_rises_with_light_from_another_side(side):
    slope = side * (np.arange(SIDE) - POINTS[30, 0]) / (1.3 * 48)

    def make(amount):
        shade = np.clip(1 + 0.6 * amount * slope[None, :] * MASK, 0.2, 2)
        return clip_of([FACE * (shade ** (1 / 2.2))[..., None]] * 2)

    rises(cues.light, make, 0.2)


def test_light_forgives_a_lamp_that_lights_the_whole_head():
    slope = (np.arange(SIDE) - POINTS[30, 0]) / (1.3 * 48)
    whole, inner = (
        np.clip(1 + 0.6 * slope[None, :] * where, 0.2, 2) ** (1 / 2.2) for where in (1, MASK)
    )
    lamp, faked = (
        cues.light(clip_of([FACE * shade[..., None]] * 2)).value for shade in (whole, inner)
    )
    assert lamp < 0.7 * faked


def test_light_is_measured_where_the_neck_is_the_only_skin_around():
    covered, bare_neck = FACE.copy(), FACE.copy()
    covered[MASK == 0] = (40, 60, 200)
    above = slice(None, round(POINTS[8, 1]) + 2)
    bare_neck[above] = covered[above]
    assert cues.light(clip_of([bare_neck] * 2)).reason == ""
    answer = cues.light(clip_of([covered] * 2))
    assert np.isnan(answer.value) and "neck" in answer.reason


def test_edge_flicker_rises_with_a_trembling_seam():
    edge = np.abs(cv2.GaussianBlur(MASK, (0, 0), 4) - 0.5) < 0.35
    ys, xs = np.mgrid[:SIDE, :SIDE] - POINTS.mean(0)[0]
    angle = np.arctan2(ys, xs)

    def make(amount):
        rng = np.random.default_rng(2)
        pictures = []
        for _ in range(12):
            wave = rng.normal() + rng.normal() * np.cos(2 * angle + rng.uniform(0, 6))
            pictures.append(FACE * (1 + 0.1 * amount * wave * edge)[..., None])
        return clip_of(pictures)

    rises(cues.edge_flicker, make, 0.7)


def test_edge_flicker_forgives_a_room_that_gets_darker():
    steady = cues.edge_flicker(clip_of([FACE] * 12)).value
    dimmed = cues.edge_flicker(clip_of([FACE * (1 - 0.02 * i) for i in range(12)])).value
    assert dimmed < steady + 0.5


def test_fine_detail_rises_when_the_face_is_smoothed():
    soft = [FACE, *(cv2.GaussianBlur(FACE, (0, 0), s) for s in (0.8, 1.6))]
    pictures = {
        a: np.where(MASK[..., None] > 0, s, FACE) for a, s in zip((0, 0.5, 1), soft, strict=True)
    }
    rises(cues.fine_detail, lambda amount: clip_of([pictures[amount]] * 2), 0.3)


def test_glasses_rise_when_rims_come_and_go_and_bare_faces_say_so():
    rims = np.zeros((SIDE, SIDE), np.float32)
    for eye in forgery.EYES:
        x, y = POINTS[eye].mean(0)
        cv2.ellipse(rims, (round(x), round(y + 4)), (21, 19), 0, 0, 360, 1.0, 2)

    def make(amount):
        rng = np.random.default_rng(3)
        shown = 1 - amount * rng.uniform(0, 0.9, 12)
        return clip_of([FACE * (1 - 0.75 * s * rims)[..., None] for s in shown])

    rises(cues.glasses, make, 0.1)
    gone = cues.glasses(make(1.0)).value
    faint = [np.clip(s, 0.05, 0.3) for s in np.random.default_rng(4).uniform(0, 0.3, 12)]
    faint = cues.glasses(clip_of([FACE * (1 - 0.75 * s * rims)[..., None] for s in faint]))
    assert faint.reason == "" and faint.value > gone / 2  # rims all but gone still count
    bare = cues.glasses(clip_of([cv2.GaussianBlur(FACE, (0, 0), 2)] * 12))
    assert np.isnan(bare.value) and "glasses" in bare.reason


def mouth_with_teeth(gaps: float, light: float = 215.0, every: int = 5) -> np.ndarray:
    """The face with an upper row of teeth, the gaps between them so dark (1) or filled (0)."""
    x, y = POINTS[48:60].mean(0)
    picture = FACE.copy()
    top = slice(round(y) - 5, round(y) + 3)
    for left in range(round(x) - 13, round(x) + 13, every):
        picture[top, left : left + every] = light
        picture[top, left : left + 1] = light - 150 * gaps
    return picture


def test_teeth_rise_when_their_gaps_are_filled():
    rises(cues.teeth, lambda amount: clip_of([mouth_with_teeth(1 - amount)] * 2), 0.3)
    shut = layout(opening=0.01)
    answer = cues.teeth(clip_of([draw(shut)] * 2, shut))
    assert np.isnan(answer.value) and "open" in answer.reason


def test_an_open_mouth_without_teeth_gets_a_number_and_gray_teeth_are_no_white_band():
    none = cues.teeth(clip_of([FACE] * 2))
    assert none.reason == "" and none.value < 0.4
    gray = cues.teeth(clip_of([mouth_with_teeth(0, light=70.0)] * 2)).value
    white = cues.teeth(clip_of([mouth_with_teeth(0)] * 2)).value
    assert none.value < gray < 0.6 and white > 0.9


def test_teeth_follow_the_dial():
    def make(amount):
        picture = mouth_with_teeth(1).astype(np.uint8)
        return clip_of([forgery.teeth(picture, POINTS, MASK, amount)] * 2)

    rises(cues.teeth, make, 0.3)


def test_iris_rises_when_highlights_part_and_small_ones_are_left_alone():
    points = layout(unit=140.0)
    face = draw(points, 700)

    def make(amount):
        picture = face.copy()
        for side, eye in enumerate(forgery.EYES):
            x, y = points[eye].mean(0) + (6 * amount * (1 if side else -1), -2)
            cv2.circle(picture, (round(float(x)), round(float(y))), 4, (255, 255, 255), -1)
        return clip_of([picture], points)

    rises(cues.iris, make, 0.3)
    assert cues.iris(make(0)).value < 0.2
    answer = cues.iris(clip_of([FACE]))
    assert np.isnan(answer.value) and "too small to measure" in answer.reason
    answer = cues.iris(clip_of([face], points))
    assert np.isnan(answer.value) and "highlight" in answer.reason


def talking(seed: int, seconds: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Syllables: how far the mouth is open at every frame, and the sound that goes with it."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.uniform(0.18, 0.45, 40))
    gains = rng.uniform(0.4, 1.0, 40)

    def level(times):
        bumps = np.exp(-(((times[:, None] - starts) / 0.06) ** 2)) * gains
        return bumps.sum(1)

    sound = level(np.arange(round(seconds * RATE)) / RATE) ** 2
    sound *= rng.normal(0, 0.2, len(sound))
    return level(np.arange(round(seconds * FPS)) / FPS), sound.astype(np.float32)


def talker(opening: np.ndarray, sound: np.ndarray | None, fps: float = FPS) -> cues.Track:
    n = len(opening)
    points = np.stack([layout(opening=float(0.02 + 0.2 * o)) for o in opening])
    heard = None if sound is None else (sound, RATE)
    frames = np.zeros((n, 4, 4, 3), np.uint8)
    return cues.Track(frames, points, np.full(n, 0.02), np.zeros(n), fps, heard)


@pytest.mark.parametrize("seed", range(4))
def test_lip_sync_rises_when_the_sound_is_another(seed):
    opening, own = talking(seed)
    _, other = talking(100 + seed)
    together = cues.lip_sync(talker(opening, own)).value
    mixed = cues.lip_sync(talker(opening, own + 1.5 * other)).value
    apart = cues.lip_sync(talker(opening, other)).value
    late = cues.lip_sync(talker(opening, np.roll(own, round(0.45 * RATE)))).value
    assert together < -2 and together < mixed < max(apart, late)
    assert min(apart, late) > together + 1.5


@pytest.mark.parametrize(("hertz", "least", "most"), [(0.3, 0, 0.1), (4, 0.9, 1.1), (14, 0, 0.1)])
def test_band_pass_keeps_the_rate_of_syllables_in_its_place(hertz, least, most):
    wave = np.sin(2 * np.pi * hertz * np.arange(120) / 30)
    kept = cues.band_pass(wave, 30.0)[30:90]
    assert least <= kept.std() / wave[30:90].std() <= most
    if least:
        assert np.corrcoef(kept, wave[30:90])[0, 1] > 0.99


@given(st.floats(0.05, 20), st.integers(0, 20))
@settings(max_examples=10)
def test_lip_sync_does_not_depend_on_the_volume(volume, seed):
    opening, sound = talking(seed)
    quiet, loud = (cues.lip_sync(talker(opening, s)).value for s in (sound, volume * sound))
    assert loud == pytest.approx(quiet, abs=1e-3)


def test_sound_that_comes_150_ms_after_the_mouth_is_in_sync_and_450_ms_is_not():
    opening, sound = talking(1)
    values = [
        cues.lip_sync(talker(opening, np.roll(sound, round(lag * RATE)))).value
        for lag in (0.0, 0.15, 0.45)
    ]
    assert values[0] < -2 and values[1] < -2 and values[2] > max(values[:2]) + 1


def test_lips_that_stay_open_at_m_b_p_are_counted():
    opening = np.ones(72)
    opening[::8] = 0
    times = np.arange(72)[::8] / FPS
    assert cues.open_closures(talker(opening, None), times).value == 0
    assert cues.open_closures(talker(opening, None), times + 4 / FPS).value == 1
    assert "fewer than four" in cues.open_closures(talker(opening, None), times[:2]).reason


# Reasons ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cue", cues.MEASURES)
def test_every_measure_says_when_there_is_no_face_and_when_it_is_turned_away(cue):
    nothing = clip_of([FACE] * 2, np.full((68, 2), np.nan), fit=np.full(2, np.nan))
    away = clip_of([FACE] * 2, yaw=np.full(2, 60.0))
    loose = clip_of([FACE] * 2, fit=np.full(2, 0.3))
    for answer in map(cues.MEASURES[cue], (nothing, away, loose)):
        assert np.isnan(answer.value)
        assert answer.reason and (cue == "lip_sync" or "face" in answer.reason)


def test_measures_of_motion_need_more_than_a_frame():
    for measure in (cues.edge_flicker, cues.glasses):
        assert measure(clip_of([FACE])).reason == "needs 8 frames, and there is 1"


def test_lip_sync_says_what_is_missing():
    opening, sound = talking(0)
    assert "no sound" in cues.lip_sync(talker(opening, None)).reason
    assert "silent" in cues.lip_sync(talker(opening, 0 * sound)).reason
    assert "frames" in cues.lip_sync(talker(opening[:12], sound)).reason
    assert "2.5 s" in cues.lip_sync(talker(opening[:26], sound)).reason
    assert "few to follow" in cues.lip_sync(talker(opening, sound, fps=5.0)).reason
    assert "not move" in cues.lip_sync(talker(0 * opening, sound)).reason


@pytest.mark.parametrize("cue", [cue for cue in cues.MEASURES if cue != "lip_sync"])
def test_no_measure_is_taken_of_a_face_of_a_few_pixels(cue):
    points = layout(unit=6.0)
    answer = cues.MEASURES[cue](clip_of([draw(points, 32)] * 12, points))
    assert np.isnan(answer.value) and "too small" in answer.reason


def test_black_and_white_has_no_skin_tone():
    gray = np.repeat(FACE.mean(2, keepdims=True), 3, 2)
    frames = np.repeat(gray[None].astype(np.uint8), 2, 0)
    clip = cues.Track(frames, np.repeat(POINTS[None], 2, 0), np.full(2, 0.02), np.zeros(2), FPS)
    for measure in (cues.skin_tone, cues.light):
        answer = measure(clip)
        assert np.isnan(answer.value) and "black and white" in answer.reason


def test_the_names_are_those_of_the_dials():
    assert tuple(cues.MEASURES) == forgery.CUES


# From a file --------------------------------------------------------------------------------------


def test_a_clip_gives_eight_rows_and_reports_progress(film, tmp_path):
    path = film(tmp_path / "silent.mp4", frames=9)
    steps: list[float] = []
    table = cues.measure(path, lambda share, what: steps.append(share))
    assert list(table.columns) == ["cue", "value", "reason"]
    assert list(table["cue"]) == list(forgery.CUES)
    assert ((table["reason"] == "") == table["value"].notna()).all()
    assert table.set_index("cue").loc["lip_sync", "reason"] == "the clip has no sound"
    assert steps == sorted(steps) and steps[-1] == 1.0
    assert len(steps) == 9 + 9 + 9 + 8 + 1  # frames searched, read, followed; measures; the end


def test_a_clip_without_a_face_and_a_picture_get_words(film, tmp_path):
    empty = cues.measure(film(tmp_path / "empty.mp4", frames=3, without=range(3)))
    assert empty["value"].isna().all() and (empty["reason"] != "").all()
    assert set(empty["reason"]) == {"no face is found", "the clip has no sound"}
    cv2.imwrite(str(tmp_path / "one.png"), np.full((60, 80, 3), 120, np.uint8))
    assert cues.measure(tmp_path / "one.png")["value"].isna().all()
    with pytest.raises(video.Unreadable):
        cues.measure(tmp_path / "absent.mp4")


def test_large_frames_are_reduced_and_many_are_thinned_out(film, tmp_path):
    empty = film(tmp_path / "large.mp4", frames=4, without=range(4))
    assert cues.follow(empty).frames.shape[1:] == (225, 400, 3)
    path = tmp_path / "fast.mp4"
    video.write(path, [np.full((64, 64, 3), i, np.uint8) for i in range(30)], fps=30)
    followed = cues.follow(path)
    assert len(followed.frames) == 15 and followed.fps == pytest.approx(15)
    assert not followed.measurable.any()


def test_frames_that_change_their_size_midway_keep_the_first_one(film, tmp_path, monkeypatch):
    path, read = film(tmp_path / "a.mp4", frames=8), video.frames

    def turning(*args, **options):
        for frame in read(*args, **options):
            yield frame if frame.index < 4 else frame._replace(rgb=frame.rgb.swapaxes(0, 1))

    monkeypatch.setattr(video, "frames", turning)
    followed = cues.follow(path)
    assert len(followed.frames) == 8


def test_of_a_large_clip_the_face_is_kept_at_its_resolution(scene, tmp_path):
    room = scene((900, 300, 150), size=(1600, 900))
    video.write(tmp_path / "room.mp4", [room] * 10, fps=10, crf=18)
    followed = cues.follow(tmp_path / "room.mp4")
    height, width = followed.frames.shape[1:3]
    assert 250 < width <= 400 and 250 < height <= 400
    (face,) = faces.detect(followed.frames[5])
    assert 0.6 * 150 < face.box[2] - face.box[0] < 1.1 * 150


@pytest.mark.slow
def test_real_clips_run(footage):
    tones = {}
    for path in sorted(footage.glob("*.mp4")):
        table = cues.measure(path)
        assert ((table["reason"] == "") == table["value"].notna()).all()
        tones[path.name] = table.set_index("cue").loc["skin_tone"]
    turned = [name for name, tone in tones.items() if "turned too far" in tone["reason"]]
    assert set(turned) <= {"brtujopkby.mp4"}
    assert all(pd.notna(tone["value"]) for name, tone in tones.items() if name not in turned)


# Spectrum and error level -------------------------------------------------------------------------


@given(st.integers(4, 60))
@settings(max_examples=15)
def test_power_spectrum_peaks_at_the_frequency_of_a_wave(cycles):
    wave = 128 + 100 * np.sin(2 * np.pi * cycles * np.arange(128) / 128)
    picture = np.repeat(wave[None], 128, 0).astype(np.uint8)
    assert abs(int(cues.power_spectrum(picture).argmax()) - cycles) <= 1


def test_error_level_shows_where_a_picture_was_not_saved_before():
    flat = np.full((64, 64, 3), 128, np.uint8)
    assert cues.error_level(flat).max() == 0
    rng = np.random.default_rng(0)
    flat[16:48, 16:48] = rng.integers(0, 255, (32, 32, 3))
    loss = cues.error_level(flat)
    assert loss[16:48, 16:48].mean() > 10 * max(loss[:12].mean(), 0.1)


def test_noise_is_measured_in_gray_levels():
    rng = np.random.default_rng(0)
    for sigma in (2.0, 8.0):
        assert cues.noise(rng.normal(128, sigma, (200, 200))) == pytest.approx(sigma, rel=0.1)


def test_enlarging_leaves_a_periodic_probability_map():
    rng = np.random.default_rng(0)
    plain = rng.normal(128, 20, (96, 96))
    enlarged = cv2.resize(rng.normal(128, 20, (48, 48)), (96, 96), interpolation=cv2.INTER_LINEAR)

    def peak(picture):
        p = cues.interpolated(picture)
        power = np.abs(np.fft.fft2(p - p.mean()))
        return power.max() / np.median(power)

    assert peak(enlarged) > 2 * peak(plain)


def test_who_is_seen_most_is_followed_though_somebody_else_came_first(monkeypatch):
    boxes = [{0: (0, 0, 50, 50)}, *[{0: (0, 0, 50, 50), 1: (60, 0, 120, 60)}] * 3]
    looks = iter([{p: faces.Face(box, 1.0, "hog") for p, box in look.items()} for look in boxes])
    monkeypatch.setattr(faces.Tracker, "update", lambda self, rgb: next(looks))
    asked = []

    def landmarks(rgb, box):
        asked.append(box)
        return faces.Landmarks(np.full((68, 2), box[0], np.float32), 0.0, 0.0)

    monkeypatch.setattr(faces, "landmarks", landmarks)
    monkeypatch.setattr(faces, "box_around", lambda points: (int(points[0, 0]), 0, 1, 1))
    track = cues.track(np.zeros((4 * cues.STRIDE, 64, 128, 3), np.uint8), 12.0)
    assert np.isnan(track.points[: cues.STRIDE]).all()
    assert (track.points[cues.STRIDE :] == 60).all()
