"""Compositing: geometry, masks, blending and dials; what must hold whatever the picture."""

import inspect

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_utils import forgery

# What may run on Colab: it measures, cuts out, recolors or blurs, but puts no face anywhere.
HARMLESS = {
    "to_lab",
    "refuse_on_colab", "composes", "five_points", "eye_distance", "umeyama", "align", "unalign",
    "jitter", "face_mask", "feather", "widen", "match_color", "resample", "Swap",
}  # fmt: skip


def sketch(size: int = 240, unit: float = 62.0, at=(120.0, 118.0), mouth: float = 0.2):
    """A drawn face of ``size`` pixels with its 68 points: enough structure for every function."""
    import cv2

    t = np.linspace(0, 1, 17)
    jaw = np.column_stack([-1.2 * np.cos(np.pi * t), 0.1 + 1.75 * np.sin(np.pi * t) ** 0.8])
    brow = np.column_stack([np.linspace(-0.85, -0.2, 5), -0.35 - 0.08 * np.sin(np.pi * t[:5] * 4)])
    brows = np.vstack([brow, brow[::-1] * (-1, 1)])
    nose = np.vstack(
        [
            np.column_stack([np.zeros(4), np.linspace(0.05, 0.62, 4)]),
            np.column_stack(
                [np.linspace(-0.25, 0.25, 5), 0.76 + 0.05 * np.array([0, 1, 1.4, 1, 0])]
            ),
        ]
    )
    eye = np.array([[-0.28, 0], [-0.1, -0.12], [0.1, -0.12], [0.28, 0], [0.1, 0.1], [-0.1, 0.1]])
    a = np.linspace(np.pi, 3 * np.pi, 12, endpoint=False)
    outer = np.column_stack([0.42 * np.cos(a), 1.12 + (0.14 + mouth / 2) * np.sin(a)])
    b = np.linspace(np.pi, 3 * np.pi, 8, endpoint=False)
    inner = np.column_stack([0.32 * np.cos(b), 1.12 + mouth / 2 * np.sin(b)])
    shape = np.vstack([jaw, brows, nose, eye + (-0.5, 0), eye + (0.5, 0), outer, inner])
    points = (shape * unit + at).astype(np.float32)

    rng = np.random.default_rng(1)
    rgb = np.full((size, size, 3), (70, 90, 120), np.uint8)
    whole = cv2.convexHull(np.vstack([points, points[17:27] - (0, 0.6 * unit)]).astype(np.int32))
    cv2.fillConvexPoly(rgb, whole, (196, 150, 128))
    for part, color in ((forgery.LIPS, (150, 70, 75)), (forgery.MOUTH, (40, 15, 15))):
        cv2.fillPoly(rgb, [points[part].astype(np.int32)], color)
    x, y = points[forgery.MOUTH].mean(0).astype(int)
    cv2.rectangle(rgb, (x - 12, y - 5), (x + 12, y - 1), (235, 228, 215), -1)
    rgb[y - 5 : y, x - 12 : x + 12 : 4] = (150, 140, 130)
    for e in forgery.EYES:
        cv2.fillPoly(rgb, [points[e].astype(np.int32)], (240, 238, 235))
        x, y = points[e].mean(0).astype(int)
        cv2.circle(rgb, (x, y), 6, (50, 35, 25), -1)
        rgb[y - 3 : y - 1, x + 1 : x + 3] = 255
        cv2.circle(rgb, (x, y + 3), 22, (20, 20, 20), 2)  # glasses
    noise = rng.normal(0, 6, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8), points


FACE, POINTS = sketch()
MASK = forgery.face_mask(POINTS, FACE.shape)


# Geometry


@given(
    st.floats(-3, 3), st.floats(0.3, 3), st.floats(-50, 50), st.floats(-50, 50), st.integers(0, 9)
)
def test_umeyama_finds_the_similarity(angle, scale, x, y, seed):
    points = np.random.default_rng(seed).normal(size=(12, 2)) * 20
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    truth = np.array([[c, -s, x], [s, c, y]])
    moved = points @ truth[:, :2].T + truth[:, 2]
    assert np.allclose(forgery.umeyama(points, moved), truth, atol=1e-6)


def test_umeyama_never_mirrors_and_names_degenerate_points():
    points = np.random.default_rng(0).normal(size=(9, 2))
    assert np.linalg.det(forgery.umeyama(points, points * (-1, 1))[:, :2]) > 0
    with pytest.raises(ValueError, match="coincide"):
        forgery.umeyama(np.ones((5, 2)), points[:5])


def test_align_is_undone_by_unalign():
    import cv2

    calm = cv2.GaussianBlur(FACE, (0, 0), 2)
    face, matrix = forgery.align(calm, POINTS, 160)
    five = forgery.five_points(POINTS) @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(five - forgery.TEMPLATE * 160).max() < 8
    back = forgery.unalign(face, matrix, FACE.shape)
    inside = forgery.feather(MASK, 12) > 0.9
    assert np.abs(back.astype(int) - calm)[inside].mean() < 2


def test_jitter_scales_with_its_amount():
    move = [
        np.abs(forgery.jitter(POINTS, np.random.default_rng(3), a) - POINTS).mean()
        for a in (0, 0.25, 1)
    ]
    assert move[0] == 0 and 3 < move[2] / move[1] < 5


@pytest.mark.parametrize("smooth", [False, True])
def test_warp_puts_points_where_they_belong(smooth):
    target = POINTS + np.where(np.arange(68)[:, None] > 47, (3.0, 5.0), (0.0, 0.0))
    dot = np.zeros_like(FACE)
    x, y = POINTS[57].round().astype(int)
    dot[y - 1 : y + 2, x - 1 : x + 2] = 255
    out = forgery.warp(dot, POINTS, target, smooth=smooth).astype(float)[..., 0]
    ys, xs = np.mgrid[0 : out.shape[0], 0 : out.shape[1]]
    found = (out * xs).sum() / out.sum(), (out * ys).sum() / out.sum()
    assert np.hypot(found[0] - (x + 3), found[1] - (y + 5)) < 1.5


def test_warp_onto_itself_changes_nothing():
    for smooth in (False, True):
        out = forgery.warp(FACE, POINTS, POINTS, smooth=smooth)
        assert np.abs(out.astype(int) - FACE)[MASK > 0].max() <= 3


# Masks and blending


def test_face_mask_holds_the_landmarks_and_rises_with_the_forehead():
    x, y = np.clip(POINTS.round().astype(int), 0, 239).T
    assert (MASK[y, x] > 0).mean() > 0.85  # hull points sit on the edge
    areas = [forgery.face_mask(POINTS, FACE.shape, f).sum() for f in (0, 0.3, 0.6)]
    assert areas[0] < areas[1] < areas[2]
    ellipse = forgery.face_mask((60, 50, 180, 200), FACE.shape)
    assert ellipse.sum() == pytest.approx(np.pi * 60 * 75, rel=0.05)
    with pytest.raises(ValueError, match="68"):
        forgery.face_mask(POINTS[:5], FACE.shape)


@given(st.floats(0, 40))
@settings(max_examples=20)
def test_feather_only_fades_inwards(pixels):
    soft = forgery.feather(MASK, pixels)
    assert (soft[MASK == 0] == 0).all() and soft.max() <= 1 and (soft <= MASK + 1e-6).all()


@given(
    st.floats(-150, 300),
    st.floats(-150, 300),
    st.floats(15, 90),
    st.sampled_from(["feather", "poisson"]),
)
@example(0.0, -17.0, 15.0, "poisson")  # two rows of pixels are inside
@settings(max_examples=25, deadline=None)
def test_blend_never_fails_and_never_leaves_the_mask(x, y, unit, method):
    points = (POINTS - POINTS.mean(0)) * (unit / 62) + (x, y)  # partly or wholly outside
    mask = forgery.feather(forgery.face_mask(points, FACE.shape), 6)
    source = 255 - FACE
    out = forgery.blend(FACE, source, mask, method)
    assert (out[mask == 0] == FACE[mask == 0]).all()
    if (mask > 0).sum() > 200:
        assert (out != FACE).any()


def test_poisson_stays_in_place_and_takes_the_targets_color():
    assert np.abs(forgery.blend(FACE, FACE, MASK, "poisson").astype(int) - FACE).max() <= 2
    tinted = np.clip(FACE.astype(int) + (30, 0, -30), 0, 255).astype(np.uint8)
    out = forgery.blend(FACE, tinted, MASK, "poisson")
    assert np.abs(out.astype(int) - FACE)[MASK > 0].mean() < 4
    with pytest.raises(ValueError, match="feather"):
        forgery.blend(FACE, FACE, MASK, "glue")


def test_match_color_meets_mean_and_spread():
    source = np.clip(FACE * (0.6, 0.8, 1.0) + 20, 0, 255).astype(np.uint8)
    there = MASK > 0.5
    gap = [
        np.abs(
            forgery.match_color(source, FACE, MASK, k)[there].mean(0) - FACE[there].mean(0)
        ).max()
        for k in (0, 0.5, 1)
    ]
    assert gap[0] > gap[1] > gap[2] and gap[2] < 3
    empty = forgery.match_color(source, FACE, MASK * 0)
    assert (empty == source).all()


def test_resample_takes_fine_detail():
    def energy(rgb):
        return np.abs(np.diff(rgb.astype(float), axis=1)).mean()

    kept = [energy(forgery.resample(FACE, f)) for f in (1, 2, 4)]
    assert kept[0] == energy(FACE) and kept[0] > 1.5 * kept[1] > kept[2]


# Swap


def test_swap_draws_the_other_person_with_the_same_expression():
    opens = np.linspace(0.05, 0.5, 24)
    a = np.stack([forgery.align(*sketch(mouth=m), 64)[0] for m in opens])
    b = a[:, :, :, ::-1][np.random.default_rng(0).permutation(24)]  # "another person": blue skin
    model = forgery.fit_swap(a, b)
    drawn = forgery.swap_faces(model, a).astype(float)
    wanted = a[:, :, :, ::-1].astype(float)
    assert np.abs(drawn - wanted).mean() < 8 < np.abs(drawn - a).mean()
    own = [np.abs(drawn[i] - wanted).mean((1, 2, 3)).argmin() for i in range(24)]
    assert np.corrcoef(own, np.arange(24))[0, 1] > 0.9
    with pytest.raises(ValueError, match="at least 8"):
        forgery.fit_swap(a[:3], b)


# Self-blended images


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_self_blend_changes_only_its_mask(seed):
    out, mask = forgery.self_blend(FACE, POINTS, np.random.default_rng(seed))
    assert out.dtype == np.uint8 and out.shape == FACE.shape and mask.max() > 0.2
    again, _ = forgery.self_blend(FACE, POINTS, np.random.default_rng(seed))
    assert (out == again).all()


def test_self_blend_leaves_a_trace_under_the_mask():
    where = []
    for seed in range(20):
        out, mask = forgery.self_blend(FACE, POINTS, np.random.default_rng(seed))
        change = np.abs(out.astype(float) - FACE).mean(2)
        where.append(change[mask > 0.2].mean() - change[mask == 0].mean())
    assert np.mean(where) > 0.5


# Dials


@pytest.mark.parametrize("cue", forgery.DIALS)
def test_dial_at_zero_changes_nothing_and_at_one_something(cue):
    dial = forgery.DIALS[cue]
    assert (dial(FACE, POINTS, MASK, 0.0) == FACE).all()
    change = [np.abs(dial(FACE, POINTS, MASK, k).astype(int) - FACE).sum() for k in (0.3, 1.0)]
    assert 0 < change[0] < change[1]


@pytest.mark.parametrize("cue", forgery.DIALS)
@given(
    st.floats(0, 1), st.integers(0, 99), st.integers(0, 99), st.floats(-60, 300), st.floats(15, 90)
)
@settings(max_examples=12, deadline=None)
def test_dial_is_exactly_zero_outside_the_widened_mask(cue, amount, seed, frame, x, unit):
    points = (POINTS - POINTS.mean(0)) * (unit / 62) + (x, 110)
    mask = forgery.face_mask(points, FACE.shape)
    out = forgery.DIALS[cue](FACE, points, mask, amount, seed, frame)
    assert out.dtype == np.uint8
    outside = ~forgery.widen(mask)
    assert (out[outside] == FACE[outside]).all()


def test_dials_are_independent_draws():
    """What a dial does never depends on the others: alone or after another's zero, the same."""
    for cue, dial in forgery.DIALS.items():
        alone = dial(FACE, POINTS, MASK, 0.7, 5, 3)
        others = dict.fromkeys(forgery.CUES, 0.0) | {cue: 0.7}
        assert (forgery.turn_dials(FACE, POINTS, MASK, others, 5, 3) == alone).all(), cue
    with pytest.raises(KeyError, match="shine"):
        forgery.turn_dials(FACE, POINTS, MASK, {"shine": 1.0})


def test_only_the_flickering_dials_change_from_frame_to_frame():
    for cue, dial in forgery.DIALS.items():
        first, second = (dial(FACE, POINTS, MASK, 1.0, 5, f) for f in (0, 1))
        assert (first != second).any() == (cue in {"edge_flicker", "glasses"}), cue


def test_dials_do_what_they_are_called():
    def lab(rgb):
        return forgery.to_lab(rgb)

    inner = forgery.feather(MASK, 20) > 0.9
    tinted = lab(forgery.skin_tone(FACE, POINTS, MASK, 1.0)) - lab(FACE)
    assert np.hypot(*tinted[inner][:, 1:].mean(0)) > 8 and abs(tinted[inner][:, 0].mean()) < 1.5
    lit = lab(forgery.light(FACE, POINTS, MASK, 1.0)) - lab(FACE)
    halves = [lit[..., 0][inner & side].mean() for side in (_left(), ~_left())]
    assert abs(halves[0] - halves[1]) > 6
    x, y = POINTS[forgery.MOUTH].mean(0).astype(int)
    row = np.s_[y - 4 : y - 1, x - 10 : x + 10]
    flat = forgery.teeth(FACE, POINTS, MASK, 1.0)[row].astype(float)
    assert flat.std(axis=(0, 1)).mean() < 0.5 * FACE[row].astype(float).std(axis=(0, 1)).mean()


def _left():
    return np.broadcast_to(np.arange(240) < POINTS[30, 0], (240, 240))


# The guard


def _public(module):
    return {
        name: f
        for name, f in vars(module).items()
        if inspect.isfunction(f) and not name.startswith("_") and f.__module__ == module.__name__
    }


def _refuses(function) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
        needed = [p for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD]
        function(*[None] * len(needed))
    except RuntimeError as error:
        return "Colab" in str(error)
    except Exception:  # it went to work, on nonsense
        return False
    return False


@pytest.mark.parametrize("name", sorted(set(_public(forgery)) - HARMLESS))
def test_every_composing_function_declines_on_colab(name, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab-20260819")
    assert _refuses(_public(forgery)[name]), (
        f"{name} neither calls refuse_on_colab nor is listed as harmless"
    )


def test_the_guard_speaks_one_sentence_and_only_on_colab(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    forgery.refuse_on_colab()
    monkeypatch.setitem(__import__("sys").modules, "google.colab", object())
    with pytest.raises(RuntimeError, match="own machine") as caught:
        forgery.refuse_on_colab()
    assert str(caught.value).count(".") == 1
