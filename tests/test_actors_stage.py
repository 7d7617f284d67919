"""Speech, motion, rooms, light, film and clothes of the virtual actors."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from course_utils.actors import motion, scene, speech

needs_opencv5 = pytest.mark.skipif(
    not hasattr(cv2, "triangleRasterize"), reason="painting rooms needs OpenCV 5"
)
SEEDS = range(8)


@pytest.fixture(scope="module")
def spoken():
    return [speech.speak(seed, 8.0) for seed in SEEDS]


def _level(samples, rate, start, end):
    part = samples[int(start * rate) : int(end * rate)]
    return 20 * np.log10(np.sqrt(np.mean(part**2)) + 1e-9)


# -- speech


def test_speech_repeats_from_its_seed_and_differs_between_seeds():
    first, table = speech.speak(3, 2.0)
    again, same = speech.speak(3, 2.0)
    assert np.array_equal(first, again)
    pd.testing.assert_frame_equal(table, same)
    assert not np.array_equal(first, speech.speak(4, 2.0)[0])


def test_speech_has_the_asked_form(spoken):
    for samples, mouth in spoken:
        assert samples.dtype == np.float32
        assert len(samples) == 8 * 16000
        assert np.abs(samples).max() < 1
        assert list(mouth.columns) == ["time_s", "phoneme", *speech.MOUTH, "loudness"]
        assert np.allclose(np.diff(mouth["time_s"]), 0.01)
        assert mouth["wide"].between(-1, 1).all()
        others = [c for c in (*speech.MOUTH, "loudness") if c != "wide"]
        assert mouth[others].ge(0).all().all() and mouth[others].le(1).all().all()
        assert not mouth.isna().any().any()


def test_every_speaker_is_equally_loud(spoken):
    levels = []
    for samples, mouth in spoken:
        voiced = np.repeat(mouth["loudness"].to_numpy()[:-1] > 0.7, 160)
        levels.append(20 * np.log10(np.sqrt(np.mean(samples[: len(voiced)][voiced] ** 2))))
    assert np.ptp(levels) < 4


def _runs(mouth):
    """Each phoneme heard: name, start, end."""
    change = (mouth["phoneme"] != mouth["phoneme"].shift()).cumsum()
    groups = mouth.groupby(change)
    return [(g["phoneme"].iloc[0], g["time_s"].iloc[0], g["time_s"].iloc[-1]) for _, g in groups]


def test_lips_are_shut_and_the_sound_is_low_in_closures(spoken):
    gaps, pressed = [], []
    for samples, mouth in spoken:
        loud = _level(samples, 16000, 0, 8)
        for name, start, end in _runs(mouth):
            if name == "p" and end - start > 0.075:
                gaps.append(loud - _level(samples, 16000, start + 0.02, end - 0.045))
            if name in "mbp" and start > 0.1:
                inside = mouth["time_s"].between(start, end - 0.045)
                pressed.append(mouth.loc[inside, "press"].min())
    assert len(gaps) > 5 and np.median(gaps) > 20
    assert len(pressed) > 20 and np.min(pressed) > 0.95


def test_pauses_are_silent_and_of_natural_length(spoken):
    lengths = []
    for samples, mouth in spoken:
        loud = _level(samples, 16000, 0, 8)
        runs = _runs(mouth)
        for name, start, end in runs[1:-1]:
            if name == "sil":
                lengths.append(end - start)
                assert loud - _level(samples, 16000, start + 0.08, start + 0.12) > 25
    assert len(lengths) > 8
    assert min(lengths) > 0.15 and max(lengths) < 0.65


def test_vowels_have_their_formants():
    """[i] rings near 2290 Hz, [a] near 1090 Hz: where Peterson and Barney measured their F2."""
    voice = replace(speech.make_voice(1, "male"), pitch=100, tract=1.0, breath=0.0)
    difference = {}
    for name in ("i", "a"):
        row = dict(phoneme=name, start=0.0, end=1.0, stress=0.5, pitch=1.0, breath=0.0)
        samples = speech._synthesize(
            np.random.default_rng(0), pd.DataFrame([row]), 1.0, 16000, voice
        )
        f, power = signal.welch(samples[3000:13000], 16000, nperseg=1024)
        high, low = (power[np.abs(f - at) < 150].mean() for at in (2290, 1090))
        difference[name] = 10 * np.log10(high / low)
    assert difference["i"] > 3 and difference["a"] < -10


def test_mouth_moves_with_the_sound_at_its_natural_lag_only(spoken):
    band = signal.butter(2, (2, 7), "bandpass", fs=100, output="sos")
    lags = np.arange(-60, 61)
    curves = []
    for samples, mouth in spoken:
        envelope = np.sqrt(np.convolve(samples**2, np.ones(800) / 800, "same"))[::160]
        n = min(len(envelope), len(mouth))
        lips = signal.sosfiltfilt(band, speech.mouth_opening(mouth)[:n])[60:-60]
        sound = signal.sosfiltfilt(band, envelope[:n])
        curves.append([np.corrcoef(lips, sound[60 + k : n - 60 + k])[0, 1] for k in lags])
    curves = np.array(curves)
    natural = curves[:, (lags >= 4) & (lags <= 11)].max(1)
    far = np.abs(curves[:, np.abs(lags) > 25])
    assert 4 <= lags[np.argmax(curves.mean(0))] <= 11  # lips lead by 40 to 110 ms
    assert natural.mean() > 0.45
    assert (natural > far.mean(1) + 0.15).all()
    assert natural.mean() > curves.mean(0)[np.abs(lags) > 25].max() + 0.3


def test_mouth_is_not_loudness(spoken):
    """A loud [i] opens the mouth far less than an [a] as loud."""
    # the mouth of the sound heard now was seen 80 ms ago
    everything = pd.concat(
        [mouth.assign(**mouth[speech.MOUTH].shift(8, fill_value=0)) for _, mouth in spoken]
    )
    shapes = everything.groupby("phoneme")[["jaw", "wide", "round", "loudness"]].mean()
    assert shapes.loc["a", "jaw"] > 1.5 * shapes.loc["i", "jaw"]
    assert abs(shapes.loc["a", "loudness"] - shapes.loc["i", "loudness"]) < 0.15
    assert shapes.loc["i", "wide"] > 0.2 > shapes.loc["u", "wide"]
    assert shapes.loc["u", "round"] > 0.5 > shapes.loc["e", "round"]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), seconds=st.floats(0.3, 3), rate=st.sampled_from([16000, 22050]))
def test_any_length_and_rate_can_be_spoken(seed, seconds, rate):
    samples, mouth = speech.speak(seed, seconds, rate)
    assert len(samples) == round(seconds * rate)
    assert np.isfinite(samples).all()
    assert mouth["time_s"].iloc[-1] >= seconds - 0.011


def test_wrong_requests_say_what_to_do():
    with pytest.raises(ValueError, match="positive length"):
        speech.speak(0, 0)
    with pytest.raises(ValueError, match="male, female, child"):
        speech.make_voice(0, "robot")
    with pytest.raises(ValueError, match="give both"):
        motion.perform(0, 5, 0)
    with pytest.raises(ValueError, match="no room"):
        scene.make_scene(0, "igloo")


# -- motion


def _mouths():
    """Mouth tables for forty clips: five speeches, cut differently."""
    tables = [speech.speak(seed, 8)[1] for seed in range(5)]
    return [tables[k % 5].assign(loudness=np.roll(tables[k % 5]["loudness"], k)) for k in range(40)]


@pytest.fixture(scope="module")
def performances():
    return [motion.perform(seed, 6, 13, mouth) for seed, mouth in enumerate(_mouths())]


def test_heads_turn_enough_and_stay_in_bounds(performances):
    everything = pd.concat(performances)
    assert list(everything.columns) == motion.COLUMNS
    assert everything["yaw"].std() >= 10
    assert everything["yaw"].abs().max() <= 32
    assert everything["yaw"].abs().lt(25).mean() > 0.9
    assert everything["pitch"].abs().max() <= 12
    assert everything["roll"].abs().max() <= 8
    assert len(performances[0]) == 78
    assert (
        everything[["blink", "breath", "brow", "smile", "gaze_x", "gaze_y"]].abs().max().max() <= 1
    )


def test_the_motion_is_the_same_at_any_frame_rate():
    mouth = speech.speak(5, 4)[1]
    coarse = motion.perform(5, 4, 12, mouth)
    fine = motion.perform(5, 4, 60, mouth)
    assert np.allclose(coarse, fine.iloc[::5])


def test_blinks_come_every_few_seconds_and_close_faster_than_they_open():
    gaps, lengths = [], []
    for seed in range(6):
        lids = motion.perform(seed, 30, 500)["blink"].to_numpy()
        shut = np.flatnonzero((lids[1:] > 0.5) & (lids[:-1] <= 0.5))
        gaps += list(np.diff(shut) / 500)
        for at in shut[1:-1]:
            window = lids[at - 100 : at + 150]
            moving = np.flatnonzero(window > 0.10)  # 0.08 is an eye at rest
            closing = np.argmax(window) - moving[0]
            lengths.append(len(moving) / 500)
            assert closing < moving[-1] - np.argmax(window)
    assert min(gaps) >= 1.9 and max(gaps) <= 7.5 and 2 < np.median(gaps) < 5
    assert min(lengths) >= 0.1 and max(lengths) <= 0.25


def test_eyes_jump_and_counter_rotate():
    row = motion.perform(3, 30, 100)
    speed = np.abs(np.diff(row["gaze_x"])) * motion.EYE_DEGREES * 100
    assert np.median(speed) < 25 and speed.max() > 150
    together = np.corrcoef(row["gaze_x"], row["yaw"])[0, 1]
    assert together < -0.2


def test_a_silent_performance_keeps_the_mouth_shut():
    row = motion.perform(1, 3, 12)
    assert (row[speech.MOUTH] == 0).all().all()


def test_people_move_differently():
    a, b = (motion.perform(seed, 3, 12) for seed in (1, 2))
    assert not np.allclose(a["yaw"], b["yaw"], atol=1)


# -- scenes


def test_sixty_scenes_show_every_room_in_balance():
    rooms = pd.Series([scene.make_scene(seed).room for seed in range(60)]).value_counts()
    assert len(rooms) >= 10
    assert rooms.max() == rooms.min()


def test_light_flatters_a_frontal_face():
    for seed in range(60):
        s = scene.make_scene(seed)
        assert [lamp.name for lamp in s.lights] == ["key", "fill", "rim"]
        for lamp in s.lights:
            assert np.isclose(np.linalg.norm(lamp.direction), 1)
        assert np.sign(s.lights[0].direction[0]) == s.mood.side
        normal = np.array([[0.0, 0.0, 1.0]])
        light = s.ambient(normal)[0]
        for lamp in s.lights:
            light = light + np.array(lamp.color) * max(normal[0] @ np.array(lamp.direction), 0)
        assert 0.9 < light @ [0.2126, 0.7152, 0.0722] < 1.3
        assert light.max() / light.min() < 1.7


def test_metering_keeps_every_tone_visible_and_apart():
    s = scene.make_scene(0)
    seen = []
    for albedo in (0.03, 0.1, 0.25, 0.5):
        lit = scene.expose_for(s, np.full(3, albedo))
        radiance = albedo * lit.sky[1] / s.sky[1]
        seen.append(scene.develop(np.full((1, 1, 3), radiance), lit).mean())
    assert np.all(np.diff(seen) > 15)
    assert seen[0] > 55 and seen[-1] < 235


def test_develop_is_monotone_and_inverts_no_color():
    s = scene.make_scene(1)
    ramp = np.repeat(np.linspace(0, 8, 200)[None, :, None], 3, 2)
    out = scene.develop(ramp, s).astype(int)
    assert (np.diff(out, axis=1) >= 0).all()
    assert np.allclose(scene.decode(scene.encode(np.linspace(0, 1, 50))), np.linspace(0, 1, 50))


@needs_opencv5
def test_a_backdrop_is_a_blurred_room_and_repeats():
    s = scene.make_scene(16)
    size = (160, 120)
    room = scene.backdrop(s, size)
    assert room.shape == (120, 160, 3) and room.dtype == np.uint8
    assert np.array_equal(room, scene.backdrop(s, size))
    scene._plate.cache_clear()
    scene._developed.cache_clear()
    assert np.array_equal(room, scene.backdrop(s, size))
    gray = room.mean(-1)
    assert gray.std() > 8  # neither flat …
    assert np.abs(np.diff(gray, axis=1)).mean() < 8  # … nor noise


@needs_opencv5
def test_a_shaking_camera_moves_the_room_the_right_way():
    s = scene.make_scene(1)
    still = scene.backdrop(s, (160, 120)).astype(float)
    right = scene.backdrop(s, (160, 120), (5 / 120, 0, 0)).astype(float)
    up = scene.backdrop(s, (160, 120), (0, 5 / 120, 0)).astype(float)
    assert np.abs(right[:, :-5] - still[:, 5:]).mean() < 1  # aim right: the room goes left
    assert np.abs(up[5:] - still[:-5]).mean() < 1  # aim up: the room goes down


@needs_opencv5
@pytest.mark.parametrize("room", sorted(scene.ROOMS))
def test_every_room_can_be_painted_by_day_and_night(room):
    for seed in (2, 3):
        s = scene.make_scene(seed, room)
        picture = scene.backdrop(s, (96, 72))
        assert picture.std() > 4
        assert 5 < picture.mean() < 245


@needs_opencv5
def test_nothing_beside_the_camera_streaks_across_the_picture():
    """A wall that runs past the camera shows as if it ended in front of it."""
    from course_utils.actors import rooms

    look, _ = rooms._look_at(np.array([0, 0, 80.0]), np.zeros(3))
    back = np.array([[-400, -400, -200], [400, -400, -200], [0, 800, -200.0]])
    beside = np.array([[60, -50, 90], [60, -50, -150], [60, 50, 90.0]])
    alone, _ = rooms._rasterize(back[None], look, 0.5, (64, 48))
    both, _ = rooms._rasterize(np.stack([back, beside]), look, 0.5, (64, 48))
    assert (alone == 0).all()
    assert np.array_equal(alone, both)


def test_film_adds_noise_of_the_same_kind_every_time():
    s = scene.make_scene(0)
    flat = np.full((120, 160, 3), 120, np.uint8)
    a, b = (scene.film(flat, s, np.random.default_rng(k)).astype(float) for k in (1, 2))
    assert a.shape == flat.shape
    assert not np.array_equal(a, b)
    assert 0.3 < (a - b).std() < 8
    assert abs(a.mean() - b.mean()) < 0.5
    center, corner = a[50:70, 70:90].mean(), a[:15, :15].mean()
    assert center >= corner
    same = scene.film(flat, s, np.random.default_rng(1)).astype(float)
    assert np.array_equal(a, same)


def test_film_noise_grows_with_light_and_sensor():
    s = scene.make_scene(0)
    quiet = replace(s, camera=replace(s.camera, noise=0.5, vignette=0.0))
    loud = replace(s, camera=replace(s.camera, noise=2.0, vignette=0.0))
    flat = np.full((100, 100, 3), 90, np.uint8)
    spread = [scene.film(flat, c, np.random.default_rng(0)).std() for c in (quiet, loud)]
    assert spread[1] > 1.5 * spread[0]


# -- clothes


def _actors(count):
    from course_utils.actors import identity

    return [identity.make_actor(300 + k) for k in range(count)]


def test_people_wear_different_things():
    from course_utils.actors import body

    worn = pd.Series([body.make_body(a).garment for a in _actors(120)]).value_counts()
    assert set(worn.index) == {g for odds in body.GARMENTS.values() for g in odds}
    assert worn.max() < 40


def test_a_torso_stands_under_the_head_and_faces_outwards():
    from course_utils.actors import body

    for actor in _actors(14):
        sheets = body.build(actor)
        assert sheets[0].name == "chest" and sheets[1].name == "garment"
        for sheet in sheets:
            assert np.isfinite(sheet.points).all() and np.isfinite(sheet.chart).all(), sheet.name
        everything = np.concatenate([s.points.reshape(-1, 3) for s in sheets])
        assert everything[:, 1].max() < -7 and everything[:, 1].min() < -50
        assert everything[everything[:, 2] > 3.5, 1].max() < -12.5  # the chin stays free
        assert 15 < everything[:, 0].max() < 32
        assert abs(everything[:, 0].max() + everything[:, 0].min()) < 2.5
        chest = sheets[0].points
        normals = body.grid_normals(chest, True)
        outwards = chest - chest.mean(1, keepdims=True)
        assert ((normals * outwards).sum(-1)[5:-5] > 0).mean() > 0.95


def test_cloth_keeps_to_possible_colors():
    from course_utils.actors import body

    u, v = np.meshgrid(np.linspace(-20, 20, 40), np.linspace(0, 40, 40))
    chart = np.stack([u, v], -1).reshape(-1, 2)
    for actor in _actors(40):
        color, height, sheen = body.fabric(body.make_body(actor), "main", chart)
        assert color.shape == (1600, 3) and color.min() > 0 and color.max() < 0.8
        assert np.abs(height).max() < 0.2 and (sheen >= 0).all()


def test_shoulders_stay_while_the_head_turns_and_the_chest_breathes():
    from types import SimpleNamespace

    from course_utils.actors import body, render

    sheet = body.build(_actors(1)[0])[0]
    points = sheet.points

    def moved(**row):
        frame = SimpleNamespace(row=row, pose=render.make_pose(row))
        return body._move(sheet, frame)

    still, turned, full = moved(), moved(yaw=25), moved(breath=1.0)
    assert np.allclose(still, points)
    low = points[..., 1] < -27
    assert np.abs(turned - points)[low].max() < 0.3
    assert np.abs(turned - points)[points[..., 1] > -15].max() > 1
    rise = (full - points)[..., 2]
    assert 0.1 < rise.max() < 1
