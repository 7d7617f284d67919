"""Compositing on arrays: how one face gets into another picture, and what it leaves behind.

Pictures are RGB uint8, height x width x 3. ``points`` are the 68 landmarks of
:func:`course_utils.faces.landmarks`, (68, 2) in pixels. A ``mask`` is float32, height x width,
0..1.
Nothing here reads a file or knows a model. Lesson 01 derives align, swap, color, mask and blend;
lesson 02 turns the dials. Whatever composes a fake declines on Colab (:func:`refuse_on_colab`).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np

# Where eyes, nose tip and mouth corners of an aligned face lie, as shares of its side. (68-point
# order: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth; "left" is the viewer's.)
TEMPLATE = np.array([[0.35, 0.36], [0.65, 0.36], [0.5, 0.565], [0.37, 0.662], [0.63, 0.662]])
BROWS = slice(17, 27)
EYES, LIPS, MOUTH = (slice(36, 42), slice(42, 48)), slice(48, 60), slice(60, 68)

_F = TypeVar("_F", bound=Callable[..., Any])


def refuse_on_colab() -> None:
    """Raise RuntimeError on Google Colab, whose terms forbid creating deepfakes."""
    if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
        raise RuntimeError(
            "Google Colab forbids creating deepfakes, so this step runs only on your own machine; "
            "the lesson goes on with pictures made beforehand."
        )


def composes(function: _F) -> _F:
    """Decorator of every public function that composes a fake: it declines on Colab first."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        refuse_on_colab()
        return function(*args, **kwargs)

    return guarded  # type: ignore[return-value]


# Geometry ---------------------------------------------------------------------------------------


def five_points(points: np.ndarray) -> np.ndarray:
    """Centers of the eyes, nose tip, mouth corners: (..., 68, 2) -> (..., 5, 2)."""
    p = np.asarray(points, np.float32)
    eyes = [p[..., e, :].mean(-2) for e in EYES]
    return np.stack([*eyes, p[..., 30, :], p[..., 48, :], p[..., 54, :]], -2)


def eye_distance(points: np.ndarray) -> float:
    """Distance between the centers of the eyes in pixels: the unit of length on a face."""
    left, right = five_points(points)[:2]
    return float(max(np.hypot(*(right - left)), 1.0))


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity (2, 3) that takes points ``source`` closest to ``target``, both (n, 2).

    Least squares over rotation, scale and shift, without mirroring (Umeyama 1991). Lesson 01.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    ca, cb = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((b - cb).T @ (a - ca) / len(a))
    d = np.array([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    variance = ((a - ca) ** 2).sum(1).mean()
    if variance < 1e-12:
        raise ValueError("All source points coincide, so no similarity is defined: pass landmarks.")
    linear = (s * d).sum() / variance * (u * d) @ vt
    return np.column_stack([linear, cb - linear @ ca])


def align(rgb: np.ndarray, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The upright face, size x size, and the similarity (2, 3) from picture to face. Lesson 01."""
    matrix = umeyama(five_points(points), TEMPLATE * size)
    shrink = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if shrink > 1.5:  # many pixels into one: average first, or edges alias
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.4 * shrink)
    face = cv2.warpAffine(
        rgb, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return face, matrix


def unalign(face: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An aligned face (or mask) back in its place in a picture of ``shape`` (height, width)."""
    return cv2.warpAffine(
        face,
        matrix,
        (shape[1], shape[0]),
        flags=cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE if face.ndim == 3 else cv2.BORDER_CONSTANT,
    )


def jitter(points: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Landmarks misplaced as a whole: shifted, turned and scaled at random, 0 not at all .. 1.

    At 1 the shift has a standard deviation of 4 % of the eye distance, the turn of 2 degrees, the
    scale of 3 %.
    """
    p = np.asarray(points, np.float32)
    shift, turn, scale = rng.normal(size=2), rng.normal(), rng.normal()
    angle, gain = amount * np.deg2rad(2.0) * turn, 1 + amount * 0.03 * scale
    c, s = gain * np.cos(angle) - 1, gain * np.sin(angle)
    change = (p - p.mean(0)) @ _floats([[c, s], [-s, c]])
    return (p + change + amount * 0.04 * eye_distance(p) * shift).astype(np.float32)


@composes
def warp(
    rgb: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    shape: tuple[int, ...] | None = None,
    smooth: bool = False,
) -> np.ndarray:
    """The picture bent so that its points ``source`` (n, 2) come to lie on ``target`` (n, 2).

    Piecewise affine over the Delaunay triangles of ``target`` (as FaceSwap does), or ``smooth``:
    a thin-plate spline (Bookstein 1989). ``shape`` (height, width) of the answer, the picture's
    own by default; beyond the points the bend fades out to a similarity.
    """
    from scipy.interpolate import RBFInterpolator
    from scipy.spatial import Delaunay

    height, width = (shape or rgb.shape)[:2]
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    back = umeyama(target, source)
    sides = (0.0, 0.5, 1.0)
    corners = np.array([[x, y] for x in sides for y in sides if (x, y) != (0.5, 0.5)])
    low, high = target.min(0), target.max(0)
    frame = (low + high) / 2 + (corners - 0.5) * 3 * (high - low)
    knots = np.vstack([target, frame])
    values = np.vstack([source, frame @ back[:, :2].T + back[:, 2]])
    # distinct knots only: two landmarks on one spot span no triangle
    _, first = np.unique(np.round(knots, 2), axis=0, return_index=True)
    knots, values = knots[first], values[first]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    if smooth:  # worked out on a grid, filled in between
        step = max(2, round(float((high - low).max()) / 24))
        gx, gy = np.arange(0, width + step, step), np.arange(0, height + step, step)
        grid = np.stack(np.meshgrid(gx, gy), -1).reshape(-1, 2).astype(float)
        spline = RBFInterpolator(knots, values, kernel="thin_plate_spline", smoothing=1e-3)
        moves = (spline(grid) - grid).reshape(len(gy), len(gx), 2).astype(np.float32)
        maps = cv2.remap(moves, xs / step, ys / step, cv2.INTER_LINEAR) + np.stack([xs, ys], -1)
    else:  # each pixel by its triangle's own affine map; triangle 0 is everywhere else
        triangles = Delaunay(knots).simplices
        corners_in = np.concatenate([knots, np.ones((len(knots), 1))], 1)[triangles]
        affine = np.linalg.solve(corners_in, values[triangles])  # (t, 3, 2)
        affine = np.concatenate([np.vstack([back[:, :2].T, back[:, 2]])[None], affine])
        label = np.zeros((height, width), np.int32)
        outlines = np.round(knots[triangles] * 16).astype(np.int32)
        for k, outline in enumerate(outlines, 1):
            cv2.fillConvexPoly(label, outline, k, cv2.LINE_8, 4)
        a = affine.astype(np.float32)[label]
        maps = xs[..., None] * a[..., 0, :] + ys[..., None] * a[..., 1, :] + a[..., 2, :]
    return cv2.remap(
        rgb, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


# Masks ------------------------------------------------------------------------------------------


def face_mask(
    face: np.ndarray | tuple[float, float, float, float],
    shape: tuple[int, ...],
    forehead: float = 0.45,
) -> np.ndarray:
    """A face's mask, float32 of ``shape`` (height, width): 1 inside, 0 outside.

    From 68 landmarks: their convex hull, raised above the brows by ``forehead`` eye distances.
    From a box (left, top, right, bottom): the ellipse inside it.
    """
    mask = np.zeros(shape[:2], np.float32)
    if np.size(face) == 4:
        left, top, right, bottom = (float(v) for v in np.ravel(np.asarray(face)))
        center = (round((left + right) / 2), round((top + bottom) / 2))
        axes = (max(round((right - left) / 2), 1), max(round((bottom - top) / 2), 1))
        cv2.ellipse(mask, center, axes, 0, 0, 360, 1.0, -1)
        return mask
    p = np.asarray(face, np.float32)
    if p.shape != (68, 2):
        raise ValueError(f"A face is 68 points (68, 2) or a box of 4 numbers, not {p.shape}.")
    five = five_points(p)
    up = five[:2].mean(0) - five[3:].mean(0)
    up /= max(float(np.hypot(*up)), 1e-6)
    arch = np.sin(np.linspace(0.15, 0.85, 10) * np.pi)[:, None].astype(np.float32)
    raised = p[BROWS] + forehead * eye_distance(p) * arch * up
    hull = cv2.convexHull(np.vstack([p, raised]))
    cv2.fillConvexPoly(mask, np.round(hull * 16).astype(np.int32), 1.0, cv2.LINE_8, 4)
    return mask


def feather(mask: np.ndarray, pixels: float) -> np.ndarray:
    """The mask with an edge that fades over ``pixels`` *inwards*: 0 outside stays 0."""
    if pixels < 0.5:
        return mask.astype(np.float32)
    binary = np.pad((mask > 0).astype(np.uint8), 1)
    depth = cv2.distanceTransform(binary, cv2.DIST_L2, 5)[1:-1, 1:-1]
    ramp = np.clip(depth / (pixels + 1), 0, 1)
    return (mask * ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def widen(mask: np.ndarray, share: float = 0.08) -> np.ndarray:
    """Where a forger may have touched the picture: the mask grown by ``share`` of its size. Bool.

    Outside it every function here leaves each pixel exactly as it was.
    """
    pixels = max(2, round(share * float(np.sqrt((mask > 0).sum()))))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate((mask > 0).astype(np.uint8), disk) > 0


# Color, resolution, blending --------------------------------------------------------------------


def match_color(
    source: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    strength: float = 1.0,
    reference_mask: np.ndarray | None = None,
) -> np.ndarray:
    """``source`` with the colors of ``reference``: mean and spread of L*, a*, b* under the masks.

    Reinhard et al. 2001, in CIE Lab, the change of spread bounded. ``strength`` 0 changes nothing,
    1 matches fully. Lesson 01.
    """
    here, there = mask > 0.5, (mask if reference_mask is None else reference_mask) > 0.5
    if not here.any() or not there.any() or strength == 0:
        return source.copy()
    lab, ref = to_lab(source), to_lab(reference)
    a, b = lab[here], ref[there]
    spread = b.std(0) / np.maximum(a.std(0), 1e-3)
    gain = np.clip(spread, (0.5, 0.7, 0.7), (1.8, 1.2, 1.2))  # chroma stretched far turns eyes blue
    matched = (lab - a.mean(0)) * gain + b.mean(0)
    return _rgb(lab + strength * (matched - lab))


def resample(rgb: np.ndarray, factor: float) -> np.ndarray:
    """The picture shrunk ``factor`` times (1 or more) and enlarged again: fine detail is gone."""
    if factor <= 1:
        return rgb.copy()
    height, width = rgb.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    little = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(little, (width, height), interpolation=cv2.INTER_LINEAR)


@composes
def blend(
    target: np.ndarray, source: np.ndarray, mask: np.ndarray, method: str = "feather"
) -> np.ndarray:
    """``source`` set into ``target`` under the mask; where the mask is 0 the target is untouched.

    ``"feather"`` mixes by the mask's value. ``"poisson"`` keeps the source's gradients and the
    target's colors along the seam (Perez et al. 2003, ``cv2.seamlessClone``). Lesson 01.
    """
    if method == "poisson":
        source = _poisson(target, source, mask)
    elif method != "feather":
        raise ValueError(f'Blend by "feather" or "poisson", not {method!r}.')
    return _mix(target, source, mask)


def _poisson(target: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``seamlessClone`` in place, on a padded crop, so that a mask at the border cannot fail."""
    core = mask > 0.25 * mask.max()  # the seam lies where the blend still fades
    box = _box(core, 0)
    if box is None:
        return target
    pad = 4
    edges = (pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    crop = [cv2.copyMakeBorder(v[box], *edges) for v in (source, target)]
    inside = cv2.copyMakeBorder(
        core[box].astype(np.uint8) * 255, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0
    )
    if not cv2.erode(inside, np.ones((3, 3), np.uint8)).any():  # all seam, which OpenCV refuses
        return source
    x, y, w, h = cv2.boundingRect(inside)
    center = (x + w // 2, y + h // 2)
    cloned = cv2.seamlessClone(crop[0], crop[1], inside, center, cv2.NORMAL_CLONE)
    out = target.copy()
    out[box] = cloned[pad:-pad, pad:-pad]
    return out


# The linear swap --------------------------------------------------------------------------------


class Swap(NamedTuple):
    """A shared encoder and a decoder for each of two people."""

    shape: tuple[int, ...]  # of a face: (size, size, 3)
    mean: np.ndarray  # (2, features): what each person's codes are measured from
    basis: np.ndarray  # (features, codes): the shared encoder
    decoder: np.ndarray  # (2, codes + 1, size * size * 3)
    reach: np.ndarray  # (2, codes): how far each person's own codes go


def fit_swap(
    faces_a: np.ndarray, faces_b: np.ndarray, components: int = 60, ridge: float = 0.1
) -> Swap:
    """Learn to draw either of two people from one shared code. Lesson 01 derives it.

    The idea of the first Deepfakes, made linear: *one* encoder (the principal components of both
    people's faces, each seen from their own average) and a decoder *for each* (ridge regression
    from code to face). A code keeps pose, expression and gaze; a decoder adds the person.

    ``faces_a``, ``faces_b``: at least 8 aligned faces each, (n, size, size, 3) uint8.
    """
    refuse_on_colab()
    people = [np.asarray(faces_a), np.asarray(faces_b)]
    if min(len(f) for f in people) < 8:
        raise ValueError("A swap is learned from at least 8 aligned faces of each person.")
    seen = [_seen(f) for f in people]
    mean = np.stack([s.mean(0) for s in seen])
    centered = [s - m for s, m in zip(seen, mean, strict=True)]
    _, _, vt = np.linalg.svd(np.vstack(centered), full_matrices=False)
    basis = vt[:components].T
    decoder, reach = [], []
    for faces, looks in zip(people, centered, strict=True):
        reach.append(np.quantile(np.abs(looks @ basis), 0.9, axis=0))
        codes = np.column_stack([looks @ basis, np.ones(len(looks), np.float32)])
        penalty = ridge * (codes[:, :-1] ** 2).sum(0).mean() * np.eye(codes.shape[1])
        penalty[-1, -1] = 0  # the average face is not shrunk
        pixels = faces.reshape(len(faces), -1).astype(np.float32)
        decoder.append(np.linalg.solve(codes.T @ codes + penalty, codes.T @ pixels))
    return Swap(people[0].shape[1:], mean, basis, np.stack(decoder), np.stack(reach))


@composes
def swap_faces(model: Swap, faces: np.ndarray, into: int = 1) -> np.ndarray:
    """Faces (n, size, size, 3) of one person drawn by the decoder of the other.

    ``into=1`` turns faces of person a into b, ``into=0`` faces of b into a. A decoder is asked for
    nothing it has not seen: codes end where the other person's own end.
    """
    codes = (_seen(np.asarray(faces)) - model.mean[1 - into]) @ model.basis
    codes = np.clip(codes, -model.reach[into], model.reach[into])
    codes = np.column_stack([codes, np.ones(len(codes), np.float32)])
    return _bytes(codes @ model.decoder[into]).reshape(-1, *model.shape)


def _seen(faces: np.ndarray) -> np.ndarray:
    """What the encoder sees: 48 x 48 gray, evenly lit, most of all eyes and mouth; (n, 2304)."""
    small = [cv2.resize(f, (48, 48), interpolation=cv2.INTER_AREA) for f in faces]
    gray = np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in small]).astype(np.float32)
    gray -= np.stack([cv2.GaussianBlur(g, (0, 0), 9) for g in gray])
    ys, xs = np.mgrid[0:1:48j, 0:1:48j]
    face = np.clip(4 - 4 * np.hypot((xs - 0.5) / 0.36, (ys - 0.54) / 0.45), 0, 1)
    eyes = np.exp(-(((np.abs(xs - 0.5) - 0.15) / 0.09) ** 2) - ((ys - 0.36) / 0.06) ** 2)
    mouth = np.exp(-(((xs - 0.5) / 0.14) ** 2) - ((ys - 0.67) / 0.09) ** 2)
    gray *= face * (1 + eyes + mouth)
    return (gray / np.maximum(gray.std((1, 2), keepdims=True), 1)).reshape(len(gray), -1)


# Self-blended images ----------------------------------------------------------------------------


@composes
def self_blend(
    rgb: np.ndarray, points: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A pseudo-fake of one real picture, and its mask: the picture blended with itself.

    Shiohara & Yamasaki 2022: one of two copies is recolored and resampled or sharpened, the source
    copy shifted and scaled a little, the landmarks' hull deformed and blurred at random, the blend
    scaled by a ratio drawn from (.25, .5, .75, 1, 1, 1). All a detector can learn from the pair is
    the blend itself.
    """
    source, target = rgb.copy(), rgb.copy()
    if rng.random() < 0.5:
        source = _augment(source, rng)
    else:
        target = _augment(target, rng)
    height, width = rgb.shape[:2]
    unit = eye_distance(points)
    x, y = (float(v) for v in np.mean(points, 0))
    move = cv2.getRotationMatrix2D((x, y), 0, rng.uniform(0.95, 1 / 0.95))
    move[:, 2] = move[:, 2] + rng.uniform(-0.06, 0.06, 2) * unit
    source = cv2.warpAffine(source, move, (width, height), borderMode=cv2.BORDER_REFLECT_101)

    mask = face_mask(points, rgb.shape, forehead=rng.uniform(0.0, 0.6))
    coarse = rng.normal(size=(2, 7, 7)).astype(np.float32) * 0.12 * unit
    dx, dy = (cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    mask = cv2.remap(mask, xs + dx, ys + dy, cv2.INTER_LINEAR)
    for _ in range(2):
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.02, 0.14) * unit + 0.3)
        mask = np.clip((mask - 0.1) / 0.9, 0, 1) if rng.random() < 0.5 else mask
    ratio = rng.choice([0.25, 0.5, 0.75, 1, 1, 1])
    mask = np.where(mask < 1 / 255, 0, mask * ratio).astype(np.float32)
    return _mix(target, source, mask), mask


def _augment(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    lab = to_lab(rgb)
    lab[..., 0] = (lab[..., 0] - 50) * rng.uniform(0.9, 1.1) + 50 + rng.uniform(-6, 6)
    lab[..., 1:] = lab[..., 1:] * rng.uniform(0.8, 1.2) + rng.uniform(-5, 5, 2)
    out = _rgb(lab)
    if rng.random() < 0.5:
        return resample(out, rng.choice([2.0, 4.0]))
    soft = cv2.GaussianBlur(out, (0, 0), 1.0)
    return cv2.addWeighted(out, 1.5, soft, -0.5, 0)


# The dials --------------------------------------------------------------------------------------
# dial(rgb, points, mask, amount, seed, frame): a composite in, the same with one artifact of
# strength `amount` (0 none .. 1 glaring) out. `seed` fixes what stays the same through a clip,
# `frame` what changes from frame to frame. No dial touches a pixel outside widen(mask).


@composes
def skin_tone(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    amount: float,
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """A donor's tint left on the inner face: a*, b* shifted by up to 13 units, lightness kept."""
    box = _box(mask > 0, 0)
    if amount <= 0 or box is None:
        return rgb.copy()
    angle = _rng(seed, "skin_tone").uniform(-np.pi / 3, np.pi * 5 / 6)  # pink .. red .. olive
    alpha = feather(mask[box], 0.12 * eye_distance(points))
    lab = to_lab(rgb[box])
    lab[..., 1:] += 13 * amount * alpha[..., None] * _floats([np.cos(angle), np.sin(angle)])
    out = rgb.copy()
    out[box] = np.where(alpha[..., None] > 0, _rgb(lab), rgb[box])
    return out


@composes
def edge_flicker(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    amount: float,
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """A seam that trembles: in a ring along the mask's edge, shift and gain change every frame."""
    box = _box(widen(mask), 1)
    if amount <= 0 or box is None:
        return rgb.copy()
    rng = _rng(seed, "edge_flicker", frame)
    inside, allowed = mask[box] > 0, widen(mask)[box]
    width = 0.10 * eye_distance(points)
    ring = np.exp(-((_signed_distance(inside) / width) ** 2))
    margin = cv2.distanceTransform(np.pad(allowed.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    ring = ring * np.clip(margin / 3, 0, 1)
    ys, xs = np.mgrid[0 : ring.shape[0], 0 : ring.shape[1]].astype(np.float32)
    center = np.asarray(points).mean(0) - (box[1].start, box[0].start)
    theta = np.arctan2(ys - center[1], xs - center[0])
    wave = (
        0.6 * rng.normal()
        + sum(rng.normal() * np.cos(k * theta + rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 5))
        / 2
    )
    dx, dy = rng.normal(size=2) * 0.035 * eye_distance(points) * amount
    moved = cv2.remap(
        rgb[box],
        (xs + dx * ring).astype(np.float32),
        (ys + dy * ring).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    gain = 1 + np.clip(0.13 * amount * wave, -0.3, 0.3) * ring
    out = rgb.copy()
    touched = _bytes(moved * gain[..., None])
    out[box] = np.where((ring > 1 / 255)[..., None], touched, rgb[box])
    return out


@composes
def fine_detail(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    amount: float,
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """Pores and strands lost: the inner face resampled up to 3.2 times, the hairline smeared."""
    allowed = widen(mask)
    box = _box(allowed, 1)
    if amount <= 0 or box is None:
        return rgb.copy()
    part, unit = rgb[box], eye_distance(points)
    alpha = feather(mask[box], 0.10 * unit)
    out = _mix(part, resample(part, 1 + 2.2 * amount), alpha * min(1.0, 2 * amount))
    # the hairline: the upper edge of the mask, inside and out, smeared upwards
    five = five_points(points) - (box[1].start, box[0].start)
    up = five[:2].mean(0) - five[3:].mean(0)
    up /= max(float(np.hypot(*up)), 1e-6)
    ys, xs = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
    brow = (np.asarray(points)[BROWS] - (box[1].start, box[0].start)) @ up
    above = np.clip((xs * up[0] + ys * up[1] - brow.max()) / (0.2 * unit), 0, 1)
    edge = np.exp(-((_signed_distance(mask[box] > 0) / (0.12 * unit)) ** 2)) * above
    margin = cv2.distanceTransform(np.pad(allowed[box].astype(np.uint8), 1), cv2.DIST_L2, 5)
    edge = edge * np.clip(margin[1:-1, 1:-1] / 3, 0, 1)
    steps = np.linspace(-0.16, 0.16, 9) * unit * amount
    smear = np.mean(
        [
            cv2.warpAffine(
                out,
                _floats([[1, 0, s * up[0]], [0, 1, s * up[1]]]),
                part.shape[1::-1],
                borderMode=cv2.BORDER_REPLICATE,
            ).astype(np.float32)
            for s in steps
        ],
        axis=0,
    )
    whole = rgb.copy()
    whole[box] = _mix(out, _bytes(smear), np.where(edge > 1 / 255, edge, 0))
    return whole


@composes
def glasses(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    amount: float,
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """Frames of glasses and jewelry that fade and come back: thin lines filled in now and then."""
    allowed = widen(mask)
    box = _box(allowed, 1)
    if amount <= 0 or box is None:
        return rgb.copy()
    part, unit = rgb[box], eye_distance(points)
    p = np.asarray(points) - (box[1].start, box[0].start)
    lines = _thin_lines(part, unit) * _glasses_zone(p, part.shape, unit)
    lines = lines * allowed[box]
    if lines.max() < 0.2:
        return rgb.copy()
    hole = cv2.dilate((lines > 0.25).astype(np.uint8), np.ones((3, 3), np.uint8)) * allowed[box]
    filled = cv2.inpaint(part, hole.astype(np.uint8), max(2.0, 0.06 * unit), cv2.INPAINT_TELEA)
    rng = _rng(seed, "glasses", frame)
    patches = cv2.resize(rng.uniform(0.35, 1.4, (3, 5)).astype(np.float32), part.shape[1::-1])
    alpha = np.clip(amount * patches, 0, 1) * cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 0.8)
    out = rgb.copy()
    out[box] = _mix(part, filled, alpha * hole)
    return out


@composes
def teeth(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    amount: float,
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """Teeth as one white blob without gaps, in the upper part of an open mouth."""
    p, unit = np.asarray(points, np.float32), eye_distance(points)
    lips = p[MOUTH]  # 60-64 the upper edge of the opening, 65-67 the lower one
    opening, blob = (np.zeros(rgb.shape[:2], np.float32) for _ in range(2))
    cv2.fillPoly(opening, [np.round(lips * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    lower = lips[[3, 2, 1]] + 0.65 * (lips[[5, 6, 7]] - lips[[3, 2, 1]])
    outline = np.vstack([lips[:5], lower])
    cv2.fillPoly(blob, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    opening *= mask > 0
    box = _box(opening > 0, 1)
    if amount <= 0 or box is None or opening.sum() < 0.01 * unit**2:
        return rgb.copy()
    here, lab = opening[box] > 0, to_lab(rgb[box])
    lightness = max(np.percentile(lab[here][:, 0], 97), 0.95 * _skin_lightness(rgb, p, unit))
    white = np.broadcast_to(_floats([min(lightness, 88), 2, 7]), lab.shape)
    alpha = amount * here * cv2.GaussianBlur(blob[box], (0, 0), max(0.6, 0.012 * unit))
    out = rgb.copy()
    out[box] = _mix(rgb[box], _rgb(white), alpha)
    return out


@composes
def light(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    amount: float,
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """The inner face lit from another side than the head: shading of an egg, mean unchanged."""
    box = _box(mask > 0, 0)
    if amount <= 0 or box is None:
        return rgb.copy()
    p, unit = np.asarray(points) - (box[1].start, box[0].start), eye_distance(points)
    rng = _rng(seed, "light")
    angle = rng.choice([0, np.pi]) + rng.uniform(-0.5, 0.5)
    five = five_points(p)
    center, up = five.mean(0), five[:2].mean(0) - five[3:].mean(0)
    up /= max(float(np.hypot(*up)), 1e-6)
    across = _floats([-up[1], up[0]])
    ys, xs = np.mgrid[0 : mask[box].shape[0], 0 : mask[box].shape[1]].astype(np.float32)
    dx, dy = xs - center[0], ys - center[1]
    u = np.clip((dx * across[0] + dy * across[1]) / (1.35 * unit), -1, 1)
    v = np.clip((dx * up[0] + dy * up[1]) / (1.7 * unit), -1, 1)
    slope = u * np.cos(angle) + 0.6 * v * np.sin(angle)
    alpha = feather(mask[box], 0.15 * unit)
    shade = 1 + 0.9 * amount * (slope - np.average(slope, weights=alpha + 1e-9)) * alpha
    linear = (rgb[box].astype(np.float32) / 255) ** 2.2 * np.clip(shade, 0.1, 2.5)[..., None]
    lit = np.round(255 * np.clip(linear, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    out = rgb.copy()
    out[box] = np.where(alpha[..., None] > 0, lit, rgb[box])
    return out


@composes
def iris(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    amount: float,
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """Highlights that disagree: each eye's is moved, by up to its iris radius, opposite ways."""
    if amount <= 0 or not (mask > 0).any():
        return rgb.copy()
    p, out = np.asarray(points, np.float32), rgb.copy()
    turn = _rng(seed, "iris").uniform(0, 2 * np.pi)
    for side, eye in enumerate(EYES):
        outline = p[eye]
        width = float(np.hypot(*(outline[3] - outline[0])))
        opening = np.zeros(rgb.shape[:2], np.float32)
        cv2.fillPoly(opening, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
        opening *= mask > 0
        box = _box(opening > 0, 2)
        if box is None or opening.sum() < 0.06 * width**2:  # shut, or too narrow to see
            continue
        part, here = rgb[box].astype(np.float32), opening[box] > 0
        gray = part.mean(2)
        size = max(3, round(0.2 * width)) | 1
        calm = cv2.morphologyEx(
            part, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        )
        calm = np.minimum(calm, part)
        shine = np.clip((part - calm).mean(2) - 10, 0, None) * here
        # the iris: the darkest disk inside the opening
        soft = cv2.GaussianBlur(gray + 255 * (1 - here), (0, 0), 0.14 * width)
        soft[~here] = np.inf
        cy, cx = np.unravel_index(int(soft.argmin()), soft.shape)
        ys, xs = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
        radius = 0.22 * width
        near = np.exp(-((((xs - cx) ** 2 + (ys - cy) ** 2) / (1.3 * radius) ** 2) ** 4))
        layer = (part - calm) * (near * here * (shine > 0))[..., None]
        sign = 1 if side == 0 else -1
        dx, dy = (sign * amount * 0.8 * radius * f(turn) for f in (np.cos, np.sin))
        if layer.max() < 40:  # no highlight in this eye: one is painted where none can be
            spot = np.exp(-((((xs - cx) ** 2 + (ys - cy) ** 2) / (0.3 * radius) ** 2) ** 2))
            layer_new = amount * 170 * spot[..., None] * np.ones(3, np.float32)
            layer = np.zeros_like(part)
        else:
            layer_new = layer
        moved = cv2.warpAffine(layer_new, _floats([[1, 0, dx], [0, 1, dy]]), part.shape[1::-1])
        fixed = _bytes(part - layer + moved)
        out[box] = np.where(here[..., None], fixed, out[box])
    return out


DIALS: dict[str, Callable[..., np.ndarray]] = {
    "skin_tone": skin_tone,
    "light": light,
    "teeth": teeth,
    "iris": iris,
    "glasses": glasses,
    "fine_detail": fine_detail,
    "edge_flicker": edge_flicker,
}
CUES = ("lip_sync", *DIALS)  # lip_sync moves the mouth in time: course_utils.actors.fakes


@composes
def turn_dials(
    rgb: np.ndarray,
    points: np.ndarray,
    mask: np.ndarray,
    strengths: dict[str, float],
    seed: int = 0,
    frame: int = 0,
) -> np.ndarray:
    """The composite with every dial of ``strengths`` applied, in a fixed order; lesson 02.

    Raises KeyError for a cue that is not in ``CUES``; ``lip_sync`` is no matter of one picture and
    is left to whoever picks the frames.
    """
    unknown = set(strengths) - set(CUES)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise KeyError(f"No dial is called {names}; the cues are {', '.join(CUES)}.")
    out = rgb.copy()
    for cue, dial in DIALS.items():
        if strengths.get(cue, 0) > 0:
            out = dial(out, points, mask, float(strengths[cue]), seed, frame)
    return out


# Inner helpers ----------------------------------------------------------------------------------


def _floats(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


def _bytes(values: Any) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _rng(seed: int, cue: str, frame: int | None = None) -> np.random.Generator:
    """A stream of its own for each dial, so that turning one never changes another's draw."""
    key = [seed, sum(ord(c) * 31**i for i, c in enumerate(cue)) % 2**31]
    return np.random.default_rng(key if frame is None else [*key, frame])


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """Colors (..., 3) uint8 as L*a*b* float32: L* 0 to 100."""
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _rgb(lab: np.ndarray) -> np.ndarray:
    back = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.round(255 * np.clip(back, 0, 1)).astype(np.uint8)


def _mix(target: np.ndarray, source: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = alpha[..., None].astype(np.float32)
    mixed = np.round(target * (1 - a) + source * a).astype(np.uint8)
    return np.where(a > 0, mixed, target)


def _skin_lightness(rgb: np.ndarray, points: np.ndarray, unit: float) -> float:
    """Median L* of both cheeks."""
    cheeks = np.zeros(rgb.shape[:2], np.uint8)
    for eye in five_points(points)[:2]:
        x, y = (round(float(v)) for v in eye + (0, 0.55 * unit))
        cv2.circle(cheeks, (x, y), max(1, round(0.12 * unit)), 1, -1)
    skin = rgb[cheeks > 0]
    return float(np.median(to_lab(skin[None])[..., 0])) if len(skin) else 60.0


def _box(where: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    """The smallest rectangle of rows and columns that holds all True, or None."""
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    if not len(rows):
        return None
    ends = ((int(v[0]), int(v[-1])) for v in (rows, columns))
    high, wide = (slice(max(a - margin, 0), b + margin + 1) for a, b in ends)
    return high, wide


def _signed_distance(inside: np.ndarray) -> np.ndarray:
    """Pixels to the edge: positive inside, negative outside."""
    a = np.pad(inside.astype(np.uint8), 1)
    within = cv2.distanceTransform(a, cv2.DIST_L2, 5)[1:-1, 1:-1]
    beyond = cv2.distanceTransform(1 - a, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return within - beyond


def _thin_lines(rgb: np.ndarray, unit: float) -> np.ndarray:
    """How much a pixel belongs to a thin line darker or brighter than what surrounds it, 0..1."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    size = max(3, round(0.16 * unit)) | 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    dark = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, disk).astype(np.float32)
    bright = cv2.morphologyEx(gray, cv2.MORPH_TOPHAT, disk).astype(np.float32)
    return np.clip((np.maximum(dark, 0.8 * bright) - 14) / 20, 0, 1)


def _glasses_zone(points: np.ndarray, shape: tuple[int, ...], unit: float) -> np.ndarray:
    """Where rims, bridge and temples sit: around the eyes, without eyes and brows themselves."""
    zone = np.zeros(shape[:2], np.uint8)
    for eye in EYES:
        outer = np.ascontiguousarray(points[eye], np.float32)
        x, y = (round(float(v)) for v in outer.mean(0) + (0, 0.06 * unit))
        cv2.ellipse(zone, (x, y), (round(0.58 * unit), round(0.46 * unit)), 0, 0, 360, 1, -1)
    for x, y in points[[0, 1, 15, 16]]:  # temples and ears
        cv2.circle(zone, (round(float(x)), round(float(y))), round(0.16 * unit), 1, -1)
    for eye in EYES:
        hull = cv2.convexHull(np.round(points[eye]).astype(np.int32))
        cv2.fillConvexPoly(zone, hull, 0)
        cv2.polylines(zone, [hull], True, 0, max(1, round(0.10 * unit)))
    for brow in (slice(17, 22), slice(22, 27)):
        line = np.round(points[brow]).astype(np.int32)
        cv2.polylines(zone, [line], False, 0, max(1, round(0.12 * unit)))
    return zone.astype(np.float32)
