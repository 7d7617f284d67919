"""The five methods on drawn faces: what each takes from whom, and that it stays within its mask."""

import inspect

import numpy as np
import pandas as pd
import pytest
from test_forgery import _refuses, sketch

from course_utils import forgery
from course_utils.actors import fakes

HARMLESS = {"Footage", "Fake", "footage", "steady"}
FPS = 8.0
N = 12


def clip(tint=(1.0, 1.0, 1.0), phase: float = 0.0) -> fakes.Footage:
    """A drawn face that sways and talks."""
    frames, points = [], []
    for i in range(N):
        mouth = 0.08 + 0.3 * np.sin(0.9 * i + phase) ** 2
        rgb, p = sketch(mouth=mouth, at=(120 + 3 * np.sin(0.5 * i), 118))
        frames.append(np.clip(rgb * tint, 0, 255).astype(np.uint8))
        points.append(p)
    return fakes.Footage(np.stack(frames), np.stack(points), FPS)


TARGET, DONOR = clip(), clip((0.8, 0.9, 1.15), phase=1.0)
ROWS = pd.DataFrame({"time_s": np.arange(N) / FPS, "jaw": 0.0, "smile": 0.0, "gaze_x": 0.3})
OTHER = pd.DataFrame({"time_s": np.arange(0, 2, 0.01)}).assign(jaw=lambda t: t["time_s"], smile=1.0)


def draw(row) -> np.ndarray:
    """The target filmed with another mouth."""
    i = round(row["time_s"] * FPS)
    return sketch(mouth=0.1 + 0.3 * row["jaw"], at=(120 + 3 * np.sin(0.5 * i), 118))[0]


@pytest.fixture(autouse=True)
def known_points(monkeypatch):
    """Redrawn frames' landmarks without the model, which knows no drawings."""
    monkeypatch.setattr(fakes, "_follow", lambda frames, target: target.points)


def make(method: str, strengths=None, seed: int = 3) -> fakes.Fake:
    strengths = strengths or {}
    if method in ("swap", "graphics"):
        return getattr(fakes, method)(TARGET, DONOR, strengths, seed)
    if method in ("reenact", "lipsync"):
        return getattr(fakes, method)(TARGET, ROWS, OTHER, draw, strengths, seed)
    return fakes.animate(TARGET.frames[0], TARGET.points[0], DONOR, strengths, seed)


@pytest.mark.parametrize("method", fakes.METHODS)
@pytest.mark.parametrize("amount", [0.0, 0.8])
def test_a_fake_is_a_manipulation_within_its_mask(method, amount):
    fake = make(method, dict.fromkeys(forgery.CUES, amount))
    original = TARGET.frames if method != "animate" else np.stack([TARGET.frames[0]] * N)
    assert fake.frames.shape == original.shape and fake.frames.dtype == np.uint8
    assert fake.masks.shape == original.shape[:3] and fake.masks.dtype == bool
    changed = (fake.frames != original).any(3)
    assert (changed <= fake.masks).all()
    assert changed.any((1, 2)).mean() > 0.9  # also with every dial at 0
    if method != "animate":
        for mask, points in zip(fake.masks, TARGET.points, strict=True):
            face = forgery.face_mask(points, mask.shape, 0.6)
            assert not (mask & ~forgery.widen(face, 0.12)).any()


@pytest.mark.parametrize("method", fakes.METHODS)
def test_same_seed_same_fake(method):
    a, b = make(method, {"edge_flicker": 0.5}), make(method, {"edge_flicker": 0.5})
    assert (a.frames == b.frames).all() and (a.masks == b.masks).all()


def test_swap_takes_the_identity_and_keeps_the_expression():
    """The drawn donor differs by tint alone: the tint is the identity."""
    common = fakes._even(fakes._shape(TARGET.points[0])) * 64
    ours, theirs = (fakes._to_shape(c, common, 64) for c in (TARGET, DONOR))
    model = forgery.fit_swap(ours, theirs)
    drawn = forgery.swap_faces(model, ours).astype(float)
    skin = np.s_[:, 30:40, 26:38]
    assert abs(drawn[skin].mean() - theirs[skin].mean()) < 4
    gape = np.s_[:, 38:48, 28:36]
    ours_dark, drawn_dark = (-f[gape].mean((1, 2, 3)) for f in (ours.astype(float), drawn))
    assert np.corrcoef(ours_dark, drawn_dark)[0, 1] > 0.8


def test_graphics_uses_frames_of_like_expression():
    path = fakes._closest_frames(TARGET, DONOR, {}, 0)

    def opening(points):
        return points[66, 1] - points[62, 1]

    wanted = [opening(p) for p in TARGET.points]
    got = [opening(DONOR.points[k]) for k in path]
    assert np.corrcoef(wanted, got)[0, 1] > 0.7


def test_lip_sync_dial_moves_the_mouth_in_time():
    seeds = range(8)
    lags = {round(fakes._lag({"lip_sync": 1.0}, s), 2) for s in seeds}
    assert lags == {-fakes.LAG_S, fakes.LAG_S}
    assert all(fakes._lag({"lip_sync": 0.0}, s) == 0 for s in seeds)
    late = fakes._with_columns(ROWS, OTHER, ("jaw",), 0.25)["jaw"].to_numpy()
    assert np.allclose(late, np.clip(ROWS["time_s"] - 0.25, 0, None), atol=0.011)
    assert (fakes._with_columns(ROWS, OTHER, ("jaw",), 0)["gaze_x"] == 0.3).all()


def test_lipsync_leaves_the_upper_face_alone():
    fake = make("lipsync", {"lip_sync": 1.0})
    for frame, original, points in zip(fake.frames, TARGET.frames, TARGET.points, strict=True):
        above = slice(0, int(points[30, 1]) - 6)
        assert (frame[above] == original[above]).all()


def test_steady_takes_tremble_and_keeps_motion():
    rng = np.random.default_rng(0)
    still = np.repeat(sketch()[1][None], 30, 0)
    trembling = still + rng.normal(0, 0.4, still.shape)
    rest = fakes.steady(trembling)
    assert np.diff(rest, axis=0).std() < 0.5 * np.diff(trembling, axis=0).std()
    jump = still.copy()
    jump[15:, 60:68, 1] += 12  # a mouth that opens within a frame
    assert np.abs(fakes.steady(jump) - jump).max() < 0.5


def test_every_method_declines_on_colab(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "x")
    public = {
        n: f
        for n, f in vars(fakes).items()
        if inspect.isfunction(f) and f.__module__ == fakes.__name__ and not n.startswith("_")
    }
    assert set(fakes.METHODS) <= set(public)
    for name in set(public) - HARMLESS:
        assert _refuses(public[name]), name
