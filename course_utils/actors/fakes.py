"""Five ways to fake a clip of a virtual actor, each named by what it takes from whom.

========== ============================ ========================== =========================
method     the target keeps             taken from another         after
========== ============================ ========================== =========================
swap       head, pose, expression, gaze the face's identity        Deepfakes (2017)
graphics   head, pose, face outline     a frame's face pixels,     FaceSwap (M. Kowalski)
                                        with light, gaze, teeth
reenact    everything but expression    the expression             Face2Face (Thies 2016)
lipsync    all above the mouth          the mouth, from a track    Wav2Lip (Prajwal 2020)
animate    one still                    every movement             Siarohin et al. 2019
========== ============================ ========================== =========================

A forger sees what a forger has: frames, and the landmarks :mod:`course_utils.faces` finds in them.
``reenact`` and ``lipsync`` also get ``draw``, which films the target under another row of a
performance table: it stands in for the networks that redraw a face.

Every method works frame by frame on frames that have seen neither noise nor codec, and leaves every
pixel outside ``forgery.widen(mask)`` as it was. ``strengths`` turns the dials of
:data:`course_utils.forgery.CUES`; with all at 0 a fake is as clean as its method can make it.
Lesson 01 builds ``swap`` by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from course_utils import faces, forgery

METHODS = ("swap", "graphics", "reenact", "lipsync", "animate")
EXPRESSION = ("brow", "smile", "jaw", "wide", "round", "press", "bite", "tongue")
MOUTH = EXPRESSION[2:]
LAG_S = 0.45  # how far a lip_sync dial at 1 moves the mouth against the sound, either way

Strengths = Mapping[str, float]
Draw = Callable[[pd.Series], np.ndarray]


class Footage(NamedTuple):
    """A clip as a forger sees it."""

    frames: np.ndarray  # (n, height, width, 3) uint8
    points: np.ndarray  # (n, 68, 2) float32, steady over time
    fps: float


class Fake(NamedTuple):
    """A forged clip and where it was touched."""

    frames: np.ndarray  # (n, height, width, 3) uint8
    masks: np.ndarray  # (n, height, width) bool: every changed pixel, and the blend's area


def footage(frames: np.ndarray, fps: float) -> Footage:
    """Find the face in every frame and its landmarks, and steady them.

    A frame in which no face is found borrows its neighbors' landmarks. Raises ValueError when that
    is more than a quarter of the frames.
    """
    found: list[np.ndarray | None] = []
    for rgb in frames:
        best = faces.detect(rgb)[:1]
        found.append(faces.landmarks(rgb, best[0].box).points if best else None)
    known = [i for i, p in enumerate(found) if p is not None]
    if len(known) < 0.75 * len(found):
        raise ValueError(
            f"A face was found in only {len(known)} of {len(found)} frames; "
            "choose a clip in which the face stays in view."
        )
    stack = np.stack([p for p in found if p is not None]).reshape(len(known), -1)
    whole = np.stack([np.interp(np.arange(len(found)), known, c) for c in stack.T], 1)
    return Footage(np.asarray(frames), steady(whole.reshape(-1, 68, 2)), fps)


def steady(points: np.ndarray, reach: float = 1.2) -> np.ndarray:
    """Landmarks (n, 68, 2) without the detector's tremble, with what really moves kept sharp.

    A bilateral filter over time: a neighboring frame counts by its distance in frames (``reach``)
    and, point by point, by how far the point has moved (2.5 % of the eye distance).
    """
    p = np.asarray(points, np.float64)
    unit = np.median([forgery.eye_distance(q) for q in p])
    total, weight = np.zeros_like(p), np.zeros((*p.shape[:2], 1))
    for step in range(-4, 5):
        other = p[np.clip(np.arange(len(p)) + step, 0, len(p) - 1)]
        moved = np.linalg.norm(other - p, axis=-1, keepdims=True) / (0.025 * unit)
        w = np.exp(-0.5 * ((step / reach) ** 2 + moved**2))
        total, weight = total + w * other, weight + w
    return (total / weight).astype(np.float32)


# The methods ------------------------------------------------------------------------------------


def swap(target: Footage, donor: Footage, strengths: Strengths, seed: int, size: int = 96) -> Fake:
    """The donor's face on the target's head, moving as the target does (after Deepfakes).

    Every face of both clips is brought to one common shape by its landmarks, ``size`` pixels wide;
    a shared encoder and two decoders (:func:`course_utils.forgery.fit_swap`) are fitted; each
    target face is encoded and drawn by the donor's decoder, matched in color and broad shading,
    bent back to the target's landmarks (brows, nose and mouth placed as the donor's), and blended.
    """
    forgery.refuse_on_colab()
    rng = np.random.default_rng([seed, 1])
    means = [_even(np.mean([_shape(p) for p in c.points], 0)) for c in (target, donor)]
    common = (means[0] + means[1]) / 2
    ours, theirs = (_to_shape(c, common * size, size) for c in (target, donor))
    model = forgery.fit_swap(_with_mirrored(ours), _with_mirrored(theirs))
    drawn = forgery.swap_faces(model, _late_mouths(ours, target.fps, strengths, seed))
    skin = forgery.face_mask(common * size, (size, size), 0.2)
    skin = (forgery.feather(skin, 0.1 * size) > 0.9).astype(np.float32)  # no hair, no background
    build = (means[1] - means[0]) * np.where(np.arange(68) < 17, 0, 0.7)[:, None]
    method = str(rng.choice(["feather", "poisson"]))
    forehead, soft = rng.uniform(0.2, 0.45), rng.uniform(0.14, 0.26)
    frames, masks = [], []
    for i, (rgb, points) in enumerate(zip(target.frames, target.points, strict=True)):
        face = forgery.match_color(_sharpen(drawn[i]), ours[i], skin)
        face = _match_shading(face, ours[i], skin)
        to_frame = forgery.umeyama(forgery.TEMPLATE, forgery.five_points(points))[:, :2]
        places = points + build @ to_frame.T
        layer = forgery.warp(face, common * size, places, rgb.shape)
        layer = _keep_lines(rgb, layer, points)
        shape = forgery.face_mask(points, rgb.shape, forehead)
        frame, mask = _compose(rgb, layer, points, shape, soft, method, strengths, seed, i)
        frames.append(frame)
        masks.append(mask)
    return Fake(np.stack(frames), np.stack(masks))


def graphics(target: Footage, donor: Footage, strengths: Strengths, seed: int) -> Fake:
    """Pixels of the donor's frames bent onto the target's landmarks (after FaceSwap).

    For each target frame the donor frame of the most similar pose and expression is taken, without
    hasty cuts; its light, gaze and teeth come along.
    """
    forgery.refuse_on_colab()
    rng = np.random.default_rng([seed, 2])
    method = str(rng.choice(["feather", "poisson"]))
    soft = rng.uniform(0.12, 0.22)
    chosen = _closest_frames(target, donor, strengths, seed)
    frames, masks = [], []
    for i, (rgb, points) in enumerate(zip(target.frames, target.points, strict=True)):
        k = chosen[i]
        layer = forgery.warp(donor.frames[k], donor.points[k], points, rgb.shape)
        shape = forgery.face_mask(points, rgb.shape, forehead=0.12)
        inner = forgery.feather(shape, 0.4 * forgery.eye_distance(points))
        layer = forgery.match_color(layer, rgb, inner, 0.85)
        frame, mask = _compose(rgb, layer, points, shape, soft, method, strengths, seed, i)
        frames.append(frame)
        masks.append(mask)
    return Fake(np.stack(frames), np.stack(masks))


def reenact(
    target: Footage,
    performance: pd.DataFrame,
    driver: pd.DataFrame,
    draw: Draw,
    strengths: Strengths,
    seed: int,
) -> Fake:
    """The target's whole face redrawn with another performance's expression (after Face2Face).

    Pose, gaze, blinks and light stay the target's; brows, smile and mouth come from ``driver``,
    read at the same times. ``draw`` films the target under a changed row.
    """
    forgery.refuse_on_colab()
    rng = np.random.default_rng([seed, 3])
    soft, loss = rng.uniform(0.12, 0.22), rng.uniform(1.1, 1.5)
    rows = _with_columns(performance, driver, EXPRESSION, _lag(strengths, seed))
    new = [draw(row) for _, row in rows.iterrows()]
    moved = _follow(new, target)
    frames, masks = [], []
    for i, (rgb, points) in enumerate(zip(target.frames, target.points, strict=True)):
        shape = np.maximum(
            forgery.face_mask(points, rgb.shape, 0.35), forgery.face_mask(moved[i], rgb.shape, 0.35)
        )
        layer = forgery.resample(new[i], loss)
        frame, mask = _compose(rgb, layer, moved[i], shape, soft, "feather", strengths, seed, i)
        frames.append(frame)
        masks.append(mask)
    return Fake(np.stack(frames), np.stack(masks))


def lipsync(
    target: Footage,
    performance: pd.DataFrame,
    speech: pd.DataFrame,
    draw: Draw,
    strengths: Strengths,
    seed: int,
    size: int = 96,
) -> Fake:
    """The lower half of the face redrawn, ``size`` pixels wide, to say ``speech`` (after Wav2Lip).

    ``speech`` is the mouth table of the track that plays (``time_s`` and the mouth's columns at any
    rate). In sync unless the ``lip_sync`` dial says otherwise.
    """
    forgery.refuse_on_colab()
    rng = np.random.default_rng([seed, 4])
    soft = rng.uniform(0.10, 0.20)
    rows = _with_columns(performance, speech, MOUTH, _lag(strengths, seed))
    new = [draw(row) for _, row in rows.iterrows()]
    moved = _follow(new, target)
    frames, masks = [], []
    for i, (rgb, points) in enumerate(zip(target.frames, target.points, strict=True)):
        face, matrix = forgery.align(new[i], points, size)
        layer = forgery.unalign(face, matrix, rgb.shape)
        shape = np.maximum(_lower_half(points, rgb.shape), _lower_half(moved[i], rgb.shape))
        frame, mask = _compose(rgb, layer, moved[i], shape, soft, "feather", strengths, seed, i)
        frames.append(frame)
        masks.append(mask)
    return Fake(np.stack(frames), np.stack(masks))


def animate(
    still: np.ndarray, points: np.ndarray, driver: Footage, strengths: Strengths, seed: int
) -> Fake:
    """One still of the target moved by a driver's landmarks (after talking-head animation).

    The driver's motion since its most similar frame is carried over in units of the face; the
    picture is bent along a thin-plate spline that is fixed at its borders. What the still does not
    show (an opened mouth) is painted in. Masks: where a frame differs from the still.
    """
    forgery.refuse_on_colab()
    height, width = still.shape[:2]
    motion = _carry_over(points, driver)
    step = _lag(strengths, seed) * driver.fps
    late = np.clip(np.arange(len(motion)) - step, 0, len(motion) - 1)
    low, high = np.floor(late).astype(int), np.ceil(late).astype(int)
    share = (late - low)[:, None, None]
    mouths = motion[low] * (1 - share) + motion[high] * share
    motion[:, 48:] += (mouths - motion)[:, 48:] - (mouths - motion)[:, 27:36].mean(1, keepdims=True)
    edge = np.linspace(0, 1, 5)
    border = np.array([(x, y) for x in edge for y in edge if x in (0, 1) or y in (0, 1)])
    border = (border * (width - 1, height - 1)).astype(np.float32)
    frames, masks = [], []
    for i, moved in enumerate(motion):
        source, target = np.vstack([points, border]), np.vstack([moved, border])
        frame = forgery.warp(still, source, target, smooth=True)
        frame = _open_mouth(frame, points, moved)
        shape = forgery.face_mask(moved, still.shape, 0.35)
        frame = forgery.turn_dials(frame, moved, shape, dict(strengths), seed, i)
        frames.append(frame)
        touched = (frame != still).any(2).astype(np.uint8)
        masks.append(cv2.morphologyEx(touched, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)) > 0)
    return Fake(np.stack(frames), np.stack(masks))


# Shared steps -----------------------------------------------------------------------------------


def _compose(
    rgb: np.ndarray,
    layer: np.ndarray,
    points: np.ndarray,
    shape: np.ndarray,
    soft: float,
    method: str,
    strengths: Strengths,
    seed: int,
    index: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Blend a layer into the target's frame, turn the dials, say which pixels were touched."""
    alpha = forgery.feather(shape, soft * forgery.eye_distance(points))
    frame = forgery.blend(rgb, layer, alpha, method)
    frame = forgery.turn_dials(frame, points, shape, dict(strengths), seed, index)
    return frame, (alpha > 0.02) | (frame != rgb).any(2)


def _to_shape(clip: Footage, shape: np.ndarray, size: int) -> np.ndarray:
    """A clip's faces bent to one shape (68, 2): pictures (n, size, size, 3)."""
    pairs = zip(clip.frames, clip.points, strict=True)
    return np.stack([forgery.warp(f, p, shape, (size, size)) for f, p in pairs])


def _even(shape: np.ndarray) -> np.ndarray:
    """A shape in units of the aligned face, averaged with its mirror image."""
    return (shape + shape[faces._MIRROR] * (-1, 1) + (1, 0)) / 2


def _with_mirrored(aligned: np.ndarray) -> np.ndarray:
    return np.concatenate([aligned, aligned[:, :, ::-1]])


def _lag(strengths: Strengths, seed: int) -> float:
    """Seconds by which the mouth comes late (or, for half of all seeds, early)."""
    sign = 1 if np.random.default_rng([seed, 9]).random() < 0.5 else -1
    return sign * LAG_S * float(strengths.get("lip_sync", 0))


def _late_mouths(aligned: np.ndarray, fps: float, strengths: Strengths, seed: int) -> np.ndarray:
    """Aligned faces whose lower half comes from another moment, as the lip_sync dial says."""
    lag = _lag(strengths, seed)
    if lag == 0:
        return aligned
    size = aligned.shape[1]
    other = np.clip(np.arange(len(aligned)) - round(lag * fps), 0, len(aligned) - 1)
    y = np.arange(size) / size
    low = np.clip((y - 0.55) / 0.08, 0, 1)[None, :, None, None]
    return np.round(aligned * (1 - low) + aligned[other] * low).astype(np.uint8)


def _sharpen(face: np.ndarray) -> np.ndarray:
    """An unsharp mask against the softness of an average of many faces."""
    return cv2.addWeighted(face, 1.6, cv2.GaussianBlur(face, (0, 0), 1.2), -0.6, 0)


def _match_shading(face: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The face with the broad light and shade (not the features) of a reference, in Lab."""
    weight = (mask > 0.5).astype(np.float32)
    sigma = 0.14 * face.shape[0]
    under = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)[..., None]
    pair = (f.astype(np.float32) / 255 for f in (face, reference))
    lab, ref = (cv2.cvtColor(f, cv2.COLOR_RGB2LAB) for f in pair)
    broad = cv2.GaussianBlur((ref - lab) * weight[..., None], (0, 0), sigma) / under
    back = cv2.cvtColor((lab + broad).astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.round(255 * np.clip(back, 0, 1)).astype(np.uint8)


def _closest_frames(target: Footage, donor: Footage, strengths: Strengths, seed: int) -> np.ndarray:
    """For each target frame a donor frame: like in pose and expression, seldom far from the last.

    The cheapest path through all donor frames (Viterbi): shape distance plus a price on jumps.
    """
    ours, theirs = (np.stack([_shape(p) for p in c.points]) for c in (target, donor))
    ours, theirs = ours - ours.mean(0), theirs - theirs.mean(0)  # pose and expression, not build
    late = np.arange(len(ours)) - round(_lag(strengths, seed) * target.fps)
    ours[:, 48:] = ours[np.clip(late, 0, len(ours) - 1), 48:]
    weight = np.ones(68)
    weight[48:] = 4
    gap = (((ours[:, None] - theirs[None]) ** 2).sum(-1) * weight).sum(-1)
    there = np.arange(len(theirs))
    price = 0.05 * np.minimum(np.abs(there[:, None] - there[None] - 1), 6)
    cost, back = gap[0], []
    for row in gap[1:]:
        total = cost[:, None] + price.T * np.median(gap) * 2
        back.append(total.argmin(0))
        cost = total.min(0) + row
    path = [int(cost.argmin())]
    for pointer in back[::-1]:
        path.append(int(pointer[path[-1]]))
    return np.array(path[::-1])


def _shape(points: np.ndarray) -> np.ndarray:
    """Landmarks in the aligned face's own units: pose and expression without place and size."""
    matrix = forgery.umeyama(forgery.five_points(points), forgery.TEMPLATE)
    return points @ matrix[:, :2].T + matrix[:, 2]


def _with_columns(
    performance: pd.DataFrame, other: pd.DataFrame, columns: tuple[str, ...], lag: float
) -> pd.DataFrame:
    """The performance with some columns replaced by another table's, read ``lag`` seconds late."""
    changed = performance.copy()
    when = performance["time_s"].to_numpy() - lag
    for name in columns:
        if name in other:
            changed[name] = np.interp(when, other["time_s"].to_numpy(), other[name].to_numpy())
    return changed


def _follow(frames: list[np.ndarray], target: Footage) -> np.ndarray:
    """Landmarks of redrawn frames, found where the target's face is."""
    found = [
        faces.landmarks(rgb, faces.box_around(points)).points
        for rgb, points in zip(frames, target.points, strict=True)
    ]
    return steady(np.stack(found))


def _lower_half(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """From the nose's foot down, between the cheeks: what Wav2Lip redraws."""
    outline = np.vstack([points[3:14], points[31:36][::-1]])
    mask = np.zeros(shape[:2], np.float32)
    hull = cv2.convexHull(np.round(outline * 16).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1.0, cv2.LINE_8, 4)
    return mask


def _keep_lines(rgb: np.ndarray, layer: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The target's glasses laid over the new face: thin lines around the eyes stay its own."""
    unit = forgery.eye_distance(points)
    zone = forgery._glasses_zone(points, rgb.shape, unit)
    lines = cv2.GaussianBlur(forgery._thin_lines(rgb, unit) * zone, (0, 0), 0.8)
    lines = np.clip(1.6 * lines, 0, 1) if (lines > 0.5).sum() > 0.2 * unit**2 else lines * 0
    return forgery.blend(layer, rgb, lines.astype(np.float32))


def _carry_over(points: np.ndarray, driver: Footage) -> np.ndarray:
    """The still's landmarks moved as the driver's move, from the driver frame most like it.

    Shift, turn and size come along by two thirds; of the change of shape, what lids, brows and lips
    do among themselves comes whole, and the rest (the head's turning, which one still cannot
    follow) by a third.
    """
    own = _shape(points)
    shapes = np.stack([_shape(p) for p in driver.points])
    start = int(((shapes - own) ** 2).sum((1, 2)).argmin())
    change = shapes - shapes[start]
    turning = change.copy()
    for part in (slice(17, 22), slice(22, 27), slice(36, 42), slice(42, 48), slice(48, 68)):
        turning[:, part] = change[:, part].mean(1, keepdims=True)
    change = change - turning + turning / 3
    frame = forgery.umeyama(forgery.TEMPLATE, forgery.five_points(points))
    first = driver.points[start]
    to_still = forgery.umeyama(forgery.five_points(first), forgery.five_points(points))[:, :2]
    moved = []
    for p, c in zip(driver.points, change, strict=True):
        whole = forgery.umeyama(forgery.five_points(first), forgery.five_points(p))
        drift = (first @ whole[:, :2].T + whole[:, 2] - first) @ to_still.T
        moved.append(points + 2 / 3 * drift + c @ frame[:, :2].T)
    return np.stack(moved).astype(np.float32)


def _open_mouth(rgb: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Dark between the lips, where they have opened farther than in the still."""
    unit = forgery.eye_distance(after)

    def gap(points: np.ndarray) -> float:
        return float(np.linalg.norm(points[62] - points[66])) / unit

    opened = gap(after) - gap(before)
    if opened < 0.02:
        return rgb
    inside = np.zeros(rgb.shape[:2], np.float32)
    cv2.fillPoly(inside, [np.round(after[60:68] * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    dark = np.broadcast_to(np.array([58, 24, 22], np.uint8), rgb.shape)
    alpha = cv2.GaussianBlur(inside, (0, 0), 0.02 * unit + 0.4) * min(1.0, opened / 0.12) * 0.9
    return forgery.blend(rgb, dark, np.where(alpha > 0.02, alpha, 0).astype(np.float32))
