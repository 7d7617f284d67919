"""Eight artifact cues and a number for each, from pixels, sound and landmarks alone (lesson 02).

:func:`follow` reads a clip once; each measure takes its :class:`Track` and answers a
:class:`Measure`: the higher, the more like a fake, or NaN with the reason why it cannot be measured
here. No measure knows a model or a label. Lengths are in *eye distances*: the distance between the
centers of the eyes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from course_utils import faces, forgery, video

WORKING_SIZE = 400  # long side of a clip's frames in pixels; a still picture keeps its own
STILL_SIZE = 1600  # up to this
MAX_FRAMES = 180  # of a clip are followed
MIN_RATE, MAX_RATE = 8, 16  # frames a second: more are thinned out, with fewer speech is lost
STRIDE = 6  # every 6th frame the detector says where the face is; in between its landmarks do

Progress = Callable[[float, str], None]  # share done so far, 0..1, and what comes next


class Measure(NamedTuple):
    """A cue's value, higher is more like a fake; NaN with the reason where it says nothing."""

    value: float
    reason: str = ""


def _cannot(reason: str) -> Measure:
    return Measure(float("nan"), reason)


# The reading step -------------------------------------------------------------------------------

# An upright face: where eyes, nose tip and mouth corners come to lie, (x, y) in pixels
UNIT = 48  # the eye distance there
UPRIGHT = (224, 248)  # width and height
_CENTER = np.array([112, 100])
_PLACES = (forgery.TEMPLATE - (0.5, 0.36)) / 0.3 * UNIT + _CENTER


@dataclass(frozen=True)
class Track:
    """One face through a clip.

    `frames` (n, height, width, 3) uint8; `points` (n, 68, 2) float32, NaN where there is no face;
    `fit` and `yaw` (n,), see :class:`faces.Landmarks`; `fps` of these frames (NaN for a single
    one); `sound` (float32 mono samples, samples a second) or None.
    """

    frames: np.ndarray
    points: np.ndarray
    fit: np.ndarray
    yaw: np.ndarray
    fps: float
    sound: tuple[np.ndarray, int] | None = None

    @functools.cached_property
    def measurable(self) -> np.ndarray:
        """Which frames may be measured: a face, landmarks that fit, turned by 35 degrees at most.

        (n,) bool.
        """
        return (np.nan_to_num(self.fit, nan=np.inf) <= faces.MAX_SPREAD) & (
            np.abs(np.nan_to_num(self.yaw, nan=90.0)) <= faces.MAX_YAW
        )

    @functools.cached_property
    def indices(self) -> np.ndarray:
        """The numbers of the measurable frames."""
        return np.flatnonzero(self.measurable)

    @functools.cached_property
    def steady(self) -> np.ndarray:
        """Landmarks of the measurable frames, smoothed over neighbors in time, (m, 68, 2)."""
        p = self.points[self.indices].astype(np.float64)
        out = p.copy()
        for step in (-1, 1):
            other = np.arange(len(p)) + step
            good = (other >= 0) & (other < len(p))
            here, there = np.flatnonzero(good), other[good]
            near = np.abs(self.indices[there] - self.indices[here]) == 1
            out[here[near]] += 0.5 * (p[there[near]] - p[here[near]])
        # in the end a quarter of each neighbor and half of the frame itself
        return ((out + p) / 2).astype(np.float32)

    @functools.cached_property
    def upright(self) -> tuple[np.ndarray, np.ndarray]:
        """The measurable frames' faces, upright and of one size, and the landmarks in them.

        (m, 248, 224, 3) uint8 and (m, 68, 2) float32; the eyes lie 48 pixels apart.
        """
        pictures, landmarks = [], []
        for index, points in zip(self.indices, self.steady, strict=True):
            matrix = forgery.umeyama(forgery.five_points(points), _PLACES)
            rgb, zoom = self.frames[index], np.sqrt(abs(np.linalg.det(matrix[:, :2])))
            if zoom < 0.67:
                rgb = cv2.GaussianBlur(rgb, (0, 0), 0.4 / zoom)
            pictures.append(cv2.warpAffine(rgb, matrix, UPRIGHT, borderMode=cv2.BORDER_REPLICATE))
            landmarks.append(points @ matrix[:, :2].T + matrix[:, 2])
        if not pictures:
            return np.zeros((0, *UPRIGHT[::-1], 3), np.uint8), np.zeros((0, 68, 2), np.float32)
        return np.stack(pictures), np.stack(landmarks).astype(np.float32)

    @functools.cached_property
    def eye_distance(self) -> float:
        """Median eye distance of the measurable frames, in pixels of `frames`."""
        return float(np.median([forgery.eye_distance(p) for p in self.points[self.indices]]))

    @functools.cached_property
    def colorless(self) -> bool:
        """Whether the upright pictures have no hue: their channels are all but the same."""
        pictures = self.upright[0]
        return float(np.ptp(pictures[:: max(1, len(pictures) // 4)], axis=-1).mean()) < 1


def follow(path: str | Path, progress: Progress | None = None) -> Track:
    """Read a clip or picture once and follow its most prominent face. Lesson 02.

    Frames are reduced to 400 pixels on the long side and to at most 16 a second, the first 180 of
    them; of a larger clip only what surrounds the face is kept; a picture keeps its size. The
    detector looks at every 6th frame, the landmarks lead from there to the next. Raises
    :class:`video.Unreadable` where there is no picture.
    """
    facts = video.facts(path)
    fps, whole = facts["fps"], (facts["height"], facts["width"])
    every = max(1, int(np.ceil(fps / MAX_RATE))) if np.isfinite(fps) else 1
    size = WORKING_SIZE if facts["frames"] > 1 else STILL_SIZE
    n = min(-(-facts["frames"] // every), MAX_FRAMES)
    region = _surroundings(path, progress) if n > 1 and max(whole) > WORKING_SIZE else None
    frames: list[np.ndarray] = []
    for frame in islice(video.frames(path, every=every), n):
        rgb = frame.rgb[region] if region and frame.rgb.shape[:2] == whole else frame.rgb
        frames.append(_reduced(rgb, size, frames[0].shape if frames else None))
        if progress:
            progress(0.1 + 0.1 * len(frames) / n, "reading")
    sound = video.sound(path) if facts["audio"] else None
    return track(np.stack(frames), fps / every, sound, progress)


def _surroundings(path: str | Path, progress: Progress | None) -> tuple[slice, slice] | None:
    """Rows and columns in which a clip's most prominent face stays, with what is beside it.

    Ten frames spread over the clip are searched as for an extraction; None without a face.
    """
    boxes: dict[int, list[faces.Box]] = {}
    for looked, (_, found) in enumerate(faces.track(video.frames(path, 10)), 1):
        for person, face in found.items():
            boxes.setdefault(person, []).append(face.box)
        if progress:
            progress(0.01 * looked, "looking for the face")
    if not boxes:
        return None
    each = [np.array(person) for person in boxes.values()]
    box = max(each, key=lambda b: float((b[:, 2] - b[:, 0]).sum()))
    beside = 0.8 * float(np.median(box[:, 2] - box[:, 0]))
    left, top = np.maximum(box[:, :2].min(0) - beside, 0).astype(int)
    right, bottom = (box[:, 2:].max(0) + beside).astype(int)
    return slice(top, bottom), slice(left, right)


def track(
    frames: np.ndarray,
    fps: float,
    sound: tuple[np.ndarray, int] | None = None,
    progress: Progress | None = None,
) -> Track:
    """Follow the most prominent face through frames (n, height, width, 3) that are at hand.

    Lesson 02.
    """
    n = len(frames)
    points = np.full((n, 68, 2), np.nan, np.float32)
    fit, yaw = np.full((2, n), np.nan)
    tracker = faces.Tracker()
    with ThreadPoolExecutor(1) as pool:  # the detector runs ahead, outside Python's lock
        looks = [pool.submit(tracker.update, frames[index]) for index in range(0, n, STRIDE)]
        # Until all is seen, the largest face of the first frame with one stands for the clip's.
        first = next((look.result() for look in looks if look.result()), {})
        who = max(first, key=lambda person: _area(first[person]), default=None)
        marks = _lead(frames, looks, who, progress)
        seen = [look.result() for look in looks]
    areas = {p: sum(_area(found[p]) for found in seen if p in found) for p in set().union(*seen)}
    most = max(areas, key=lambda person: areas[person], default=None)
    if most != who:
        marks = _lead(frames, looks, most, progress)
    for index, mark in marks.items():
        points[index], fit[index], yaw[index] = mark
    return Track(frames, points, fit, yaw, fps if n > 1 else float("nan"), sound)


def _area(face: faces.Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def _lead(
    frames: np.ndarray, looks: list, who: int | None, progress: Progress | None
) -> dict[int, faces.Landmarks]:
    """The landmarks of one person by frame, from each look of the detector on to the next."""
    marks, box = {}, None
    for index, rgb in enumerate(frames if who is not None else []):
        if index % STRIDE == 0 and who in (found := looks[index // STRIDE].result()):
            box = found[who].box
        if box is None:
            continue
        mark = faces.landmarks(rgb, box)
        if mark.fit <= 2 * faces.MAX_SPREAD:
            marks[index], box = mark, faces.box_around(mark.points)
        else:
            box = None
        if progress:
            progress(0.2 + 0.5 * (index + 1) / len(frames), "following the face")
    return marks


def _reduced(rgb: np.ndarray, size: int, shape: tuple[int, ...] | None) -> np.ndarray:
    """A frame at the working size, or in the shape of those before it: some clips change theirs."""
    scale = min(size / max(rgb.shape[:2]), 1)
    height, width = shape[:2] if shape else (max(1, round(side * scale)) for side in rgb.shape[:2])
    if (height, width) == rgb.shape[:2]:
        return rgb
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def _missing(track: Track, frames: int, eyes: int = 10) -> str:
    """Why a measure that needs so many measurable frames cannot be taken; empty if it can.

    `eyes`: the eye distance in pixels that it needs.
    """
    n, found = len(track.frames), np.isfinite(track.fit).sum()
    if len(track.indices) >= frames:
        if track.eye_distance >= eyes:
            return ""
        return f"the face is too small: its eyes lie less than {eyes} pixels apart"
    if found == 0:
        return "no face is found"
    if len(track.indices) == 0:
        return "the face is turned too far away, or its landmarks do not fit, in every frame"
    if n < frames:
        return f"needs {frames} frames, and there {'is 1' if n == 1 else f'are {n}'}"
    return f"needs {frames} frames with a face to measure, and {len(track.indices)} of {n} have one"


def _some(track: Track, count: int) -> np.ndarray:
    """Places of `count` measurable frames spread over the clip (in `upright` and `indices`)."""
    return np.array(video.spread(len(track.indices), count))


# Lip-sync ---------------------------------------------------------------------------------------

LAGS_S = (-0.04, 0.20)  # how far the sound may come after the mouth and still be in sync
_SURROGATES = 200


def mouth_opening(track: Track) -> np.ndarray:
    """How far the lips are apart in each frame, in eye distances (n,); NaN without a face.

    Lesson 02.
    """
    p = track.points
    gap = np.linalg.norm(p[:, [61, 62, 63]] - p[:, [67, 66, 65]], axis=-1).mean(1)
    eyes = np.linalg.norm(p[:, 36:42].mean(1) - p[:, 42:48].mean(1), axis=-1)
    return np.where(track.measurable, gap / np.maximum(eyes, 1), np.nan)


def loudness(samples: np.ndarray, rate: int, times: np.ndarray, window_s: float) -> np.ndarray:
    """Envelope of a sound: its root mean square around each of `times`, compressed (power 0.5).

    Lesson 02.
    """
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    ends = [
        np.clip(np.round((times + side * window_s / 2) * rate), 0, len(samples)).astype(int)
        for side in (-1, 1)
    ]
    mean = (power[ends[1]] - power[ends[0]]) / np.maximum(ends[1] - ends[0], 1)
    return np.maximum(mean, 0) ** 0.25


def band_pass(signal: np.ndarray, fps: float) -> np.ndarray:
    """The part of a signal (n,) between 2 and 7 Hz (or 0.48 of the frame rate), syllables' rate.

    The gain of a Butterworth filter of second order run forward and backward, so that nothing is
    delayed; the ends are mirrored. After Chandrasekaran et al. 2009. Lesson 02.
    """
    low, high = 2.0, min(7.0, 0.48 * fps)
    pad = min(len(signal) - 1, round(2 * fps))
    longer = np.pad(signal, pad, mode="reflect", reflect_type="odd")
    f = np.fft.rfftfreq(len(longer), 1 / fps)
    away = (f**2 - low * high) / np.maximum((high - low) * f, 1e-9)
    kept = np.fft.irfft(np.fft.rfft(longer) / (1 + away**4), len(longer))
    return kept[pad : pad + len(signal)]


def lip_sync(track: Track) -> Measure:
    """Sound that does not fit the lips: minus the z-score of their best agreement. Lesson 02.

    Mouth opening and loudness, both band-passed (:func:`band_pass`), are correlated with the sound
    from 40 ms before to 200 ms after the mouth. The best of these is compared with the best ones of
    surrogates: the same two signals shifted in time against each other. 0 is what chance gives,
    strongly negative is in sync. After Chandrasekaran et al. 2009 (PLOS Comput. Biol. 5:e1000436).
    """
    if track.sound is None or not len(track.sound[0]):
        return _cannot("the clip has no sound")
    if len(track.frames) > 1 and track.fps < MIN_RATE:
        return _cannot(f"{track.fps:.0f} frames a second are too few to follow speech")
    if reason := _missing(track, 24):
        return _cannot(reason)
    if len(track.indices) / track.fps < 2.5:
        return _cannot("less than 2.5 s of the face can be measured")
    if track.measurable.mean() < 0.6:
        return _cannot("the face can be measured in too few frames on end")
    samples, rate = track.sound
    if samples.std() < 1e-4:
        return _cannot("the sound is silent")
    fine = 8  # steps a frame
    n = len(track.frames)
    opening = np.interp(np.arange(n), track.indices, mouth_opening(track)[track.indices])
    mouth = band_pass(opening, track.fps) * track.measurable
    if mouth.std() < 1e-4:
        return _cannot("the mouth does not move")
    times = np.arange(-fine * n // 4, fine * n * 5 // 4) / (fine * track.fps)
    # the envelope is smoothed as a frame's exposure would, then read at fractions of a frame
    voice = loudness(samples, rate, times, 1.0 / track.fps)
    voice = np.stack([band_pass(v, track.fps) for v in voice.reshape(-1, fine).T], 1).ravel()
    first = fine * (n // 4)
    spectrum = np.conj(np.fft.fft(mouth - mouth.mean()))
    # correlation at every circular shift of whole frames, for each fraction of a frame
    table = np.empty((n, fine))
    for part in range(fine):
        v = voice[first + part : first + part + fine * n : fine]
        scale = n * max(float(v.std()) * float(mouth.std()), 1e-12)
        table[:, part] = np.fft.ifft(np.fft.fft(v - v.mean()) * spectrum).real / scale
    r = table.ravel()  # r[k]: the sound comes k / fine frames after the mouth
    low, high = (round(lag * fine * track.fps) for lag in LAGS_S)
    window = np.arange(low, high + 1)
    best = r[window % len(r)].max()
    clear = round((LAGS_S[1] + 0.25) * fine * track.fps)
    shifts = np.linspace(clear, len(r) - clear, _SURROGATES).astype(int)
    chance = r[(shifts[:, None] + window) % len(r)].max(1)
    return Measure(float(-(best - chance.mean()) / max(chance.std(), 1e-6)))


def open_closures(track: Track, times_s: np.ndarray) -> Measure:
    """Share of the sounds m, b, p at `times_s` (seconds) at which the lips stay open. Lesson 02.

    Whoever says them closes the lips (Agarwal et al. 2020); shut is a third of the usual opening.
    The times come from a transcript: sound alone does not give them.
    """
    if reason := _missing(track, 12):
        return _cannot(reason)
    opening = mouth_opening(track)
    shut = np.nanmin(opening) + (np.nanmedian(opening) - np.nanmin(opening)) / 3
    open_ = []
    for time in np.asarray(times_s):
        near = np.abs(np.arange(len(opening)) / track.fps - time) <= 0.08
        if near.any() and np.isfinite(opening[near]).any():
            open_.append(np.nanmin(opening[near]) > shut)
    if len(open_) < 4:
        return _cannot("fewer than four m, b or p fall on frames that can be measured")
    return Measure(float(np.mean(open_)))


# Regions of an upright face ---------------------------------------------------------------------


def _distance(points: np.ndarray, forehead: float = 0.35) -> np.ndarray:
    """Eye distances to the edge of the face on an upright picture, positive inside."""
    inside = (forgery.face_mask(points, UPRIGHT[::-1], forehead) > 0).astype(np.uint8)
    within, beyond = (cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (inside, 1 - inside))
    return (within - beyond) / UNIT


def _features(points: np.ndarray) -> np.ndarray:
    """Eyes, brows, nostrils and mouth of an upright face with what surrounds them, bool."""
    out = np.zeros(UPRIGHT[::-1], np.uint8)
    p = np.round(points).astype(np.int32)
    for part in (*forgery.EYES, forgery.LIPS):
        cv2.fillConvexPoly(out, cv2.convexHull(p[part]), 1)
    for part in (slice(17, 22), slice(22, 27), slice(31, 36)):
        cv2.polylines(out, [p[part]], False, 1, 5)
    return cv2.dilate(out, np.ones((9, 9), np.uint8)) > 0


def _cheeks(points: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Upper cheeks and the nose's flanks: below the eyes, above beards, well inside. Bool.

    `d`: what :func:`_distance` gives for these points.
    """
    ys = np.arange(UPRIGHT[1])[:, None]
    low = points[33, 1] + 0.1 * UNIT
    high = points[[40, 41, 46, 47], 1].mean() + 0.12 * UNIT
    return (d > 0.16) & ~_features(points) & (ys > high) & (ys < low)


def _around(points: np.ndarray, d: np.ndarray) -> dict[str, np.ndarray]:
    """Where skin outside the face may be seen on an upright picture: ears, forehead, neck. Bool.

    `d`: what :func:`_distance` gives for these points.
    """
    ys, xs = np.mgrid[: UPRIGHT[1], : UPRIGHT[0]]
    beyond = (d < -0.06) & (d > -0.5)
    eyes, chin = points[36:48, 1].mean(), points[8, 1]
    level = (ys > eyes - 0.2 * UNIT) & (ys < points[33, 1] + 0.5 * UNIT)
    brow = points[forgery.BROWS, 1].min()
    middle = (xs > points[36, 0]) & (xs < points[45, 0])
    return {
        "forehead": (d < -0.03) & (d > -0.4) & middle & (ys < brow),
        "neck": (d < -0.1) & (ys > chin) & (ys < chin + 0.7 * UNIT) & middle,
        "left": beyond & level & (xs < points[36, 0]),
        "right": beyond & level & (xs > points[45, 0]),
    }


# Skin tone --------------------------------------------------------------------------------------


def skin_shift(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What separates the face's hue from that of the skin around it, on one upright picture.

    One row a region in which skin is seen: difference in a* and b* (cheeks minus region) at the
    region's own lightness, and its number of pixels; (k, 3). The regions are forehead and neck;
    the ears, beside which a wall may pass for skin, only where neither shows. Lesson 02.
    """
    lab = cv2.GaussianBlur(forgery.to_lab(rgb), (0, 0), 1.5)
    d = _distance(points)
    cheeks = lab[_cheeks(points, d)]
    if len(cheeks) < 100:
        return np.zeros((0, 3))
    low, high = np.percentile(cheeks[:, 0], [2, 98])
    # hue depends on lightness: a straight line through the cheeks, for a* and for b*
    slope, level = np.polyfit(cheeks[:, 0], cheeks[:, 1:], 1)
    spread = np.clip(slope, -0.5, 0.5)
    level = np.median(cheeks[:, 1:] - cheeks[:, :1] * spread, 0)
    rows: list = []
    for name, region in _around(points, d).items():
        if rows and name in ("left", "right"):
            continue
        there = lab[region]
        there = there[(there[:, 0] > low - 8) & (there[:, 0] < high + 8)]
        there = there[(there[:, 1:] > 0).all(1)]  # no skin is greenish or bluish: a collar is
        apart = level + there[:, :1] * spread - there[:, 1:]
        apart = apart[np.linalg.norm(apart, axis=1) < 32]  # what differs more is no skin
        if len(apart) >= 40:
            rows.append([*np.median(apart, 0), len(apart)])
    return np.array(rows).reshape(-1, 3)


def skin_tone(track: Track) -> Measure:
    """A face of another hue than the skin around it: a*b* difference, CIE Lab units. Lesson 02.

    :func:`skin_shift` over ten frames; the value is the length of the geometric median of what the
    regions say, weighted by their pixels.
    """
    if reason := _missing(track, 1):
        return _cannot(reason)
    pictures, points = track.upright
    if track.colorless:
        return _cannot("the picture is black and white")
    rows = np.vstack([skin_shift(pictures[i], points[i]) for i in _some(track, 10)])
    if len(rows) < min(3, len(track.indices)):
        return _cannot("too little skin is to be seen around the face: no ear, forehead or neck")
    middle = np.median(rows[:, :2], 0)
    for _ in range(30):  # Weiszfeld's steps to the geometric median
        weight = rows[:, 2] / np.maximum(np.linalg.norm(rows[:, :2] - middle, axis=1), 0.5)
        middle = (rows[:, :2] * weight[:, None]).sum(0) / weight.sum()
    return Measure(float(np.hypot(*middle)))


# Light ------------------------------------------------------------------------------------------


def harmonics(normals: np.ndarray) -> np.ndarray:
    """The first four spherical harmonics (constant, x, y, z; unscaled) of normals (n, 3): (n, 4).

    A matte surface reflects little more of its surroundings (Johnson & Farid 2007). Lesson 02.
    """
    return np.column_stack([np.ones(len(normals)), normals])


def head_normals(points: np.ndarray) -> np.ndarray:
    """Normals of an egg-shaped head on an upright picture: x right, y up, z to the viewer.

    (height, width, 3) float32. Beyond the head they lie in the picture's plane. Lesson 02.
    """
    ys, xs = np.mgrid[: UPRIGHT[1], : UPRIGHT[0]].astype(np.float32)
    sides, chin = points[[0, 16], 0], points[8, 1]
    brow = points[forgery.BROWS, 1].min()
    x = (xs - sides.mean()) / (0.56 * max(float(np.ptp(sides)), 1.0))
    top = brow - 0.9 * UNIT
    y = -(ys - (top + chin) / 2) / (0.55 * max(chin - top, 1.0))
    length = np.sqrt(x * x + y * y)
    beyond = np.maximum(length, 1)
    x, y = x / beyond, y / beyond
    return np.dstack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))])


_LINEAR = (np.arange(256, dtype=np.float32) / 255) ** 2.2  # light that a gray level stands for
NECK_TURNS = 0.03  # by which the neck's step changes with each degree that the head is turned


def light_difference(rgb: np.ndarray, points: np.ndarray, yaw: float = 0.0) -> float:
    """How differently the inner face and the skin around it are lit, on one upright picture.

    The slope of the log light from the viewer's left to right over the inner face, minus the slope
    of the step that it takes at the outline: from each skin pixel around to the nearest one of the
    inner face, across the neck and between the two sides of the head. Per eye distance; 0 where the
    light goes on over the outline and comes from the front; `yaw` in degrees, since a turned head
    shades the neck. NaN where skin is seen neither below nor on both sides. Lesson 02.
    """
    lab = cv2.GaussianBlur(forgery.to_lab(rgb), (0, 0), 1.5)
    red, green, blue = cv2.split(cv2.LUT(cv2.GaussianBlur(rgb, (0, 0), 1.5), _LINEAR))
    bright = (red + green + blue) / 3
    d, log = _distance(points), np.log(bright + 0.01)
    core = (d > 0.18) & (d < 0.5) & ~_features(points)
    if core.sum() < 300:
        return float("nan")
    hue, mean = np.median(lab[core][:, 1:], 0), float(bright[core].mean())
    a, b = lab[..., 1] - hue[0], lab[..., 2] - hue[1]
    skin = (np.sqrt(a * a + b * b) < 12) & (bright > 0.08 * mean)
    core &= skin
    _, label = cv2.distanceTransformWithLabels(
        (~core).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(int(label.max()) + 1, np.float32)
    nearest[label[core]] = log[core]
    step = log - nearest[label]
    x = np.broadcast_to((np.arange(UPRIGHT[0]) - points[27:31, 0].mean()) / UNIT, log.shape)
    around = {name: region & skin for name, region in _around(points, d).items()}
    slopes = []
    if around["neck"].sum() > 150:
        slope = np.polyfit(x[around["neck"]], step[around["neck"]], 1)[0]
        slopes.append(slope + NECK_TURNS * yaw)
    left, right = around["left"], around["right"]
    if min(left.sum(), right.sum()) >= 15:
        rise = np.median(step[right]) - np.median(step[left])
        slopes.append(rise / (np.median(x[right]) - np.median(x[left])))
    if not slopes:
        return float("nan")
    return float(np.polyfit(x[core], log[core], 1)[0] - np.mean(slopes))


def light(track: Track) -> Measure:
    """An inner face lit from another side than the head: log of brightness, per eye distance.

    The size of :func:`light_difference`, the median of ten frames. After Johnson & Farid 2007 and
    Kee & Farid 2010, who compare the light that parts of a picture tell of. Lesson 02.
    """
    if reason := _missing(track, 1):
        return _cannot(reason)
    pictures, points = track.upright
    if track.colorless:
        return _cannot("the picture is black and white: skin is not to be told from a wall")
    yaw = track.yaw[track.indices]
    found = np.array([light_difference(pictures[i], points[i], yaw[i]) for i in _some(track, 10)])
    if not np.isfinite(found).any():
        return _cannot("skin is to be seen neither on the neck nor on both sides of the face")
    return Measure(float(abs(np.nanmedian(found))))


# Edge flicker -----------------------------------------------------------------------------------


def edge_flicker(track: Track) -> Measure:
    """A seam that trembles: change on the face's boundary over that beside it, log. Lesson 02.

    Each frame is compared with the mean of its two neighbors, both brought to it by optical flow
    (DIS), in brightness averaged over sectors of three rings: on the boundary, inside it and
    outside it. A moving edge cancels out; what changes from frame to frame for no reason stays.
    """
    if reason := _missing(track, 8):
        return _cannot(reason)
    inside_run = np.diff(track.indices) == 1
    middle = 1 + np.flatnonzero(inside_run[:-1] & inside_run[1:])
    if len(middle) < 5:
        return _cannot("needs frames in a row in which the face can be measured")
    middle = middle[np.linspace(0, len(middle) - 1, min(len(middle), 48)).astype(int)]
    pictures, points = track.upright
    half = (UPRIGHT[0] // 2, UPRIGHT[1] // 2)
    changes = []
    gray: dict[int, np.ndarray] = {}
    for i in np.unique(middle[:, None] + [-1, 0, 1]):
        small = cv2.resize(pictures[i], half, interpolation=cv2.INTER_AREA)
        gray[i] = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    for i in middle:
        before, after = (_brought(flow, gray[i], gray[j]) for j in (i - 1, i + 1))
        change = np.log(gray[i] + 8.0) - np.log((before + after) / 2 + 8.0)
        ring, sector = _sectors(points[i])
        changes.append([_means(change[ring == k], sector[ring == k]) for k in (1, 2, 3)])
    size = np.median(np.abs(np.array(changes)), axis=(0, 2)) + 1e-4
    return Measure(float(np.log(size[1] / np.sqrt(size[0] * size[2]))))


def _brought(flow: cv2.DISOpticalFlow, gray: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Another frame brought to this one along the optical flow, float32."""
    ys, xs = np.mgrid[: gray.shape[0], : gray.shape[1]].astype(np.float32)
    places = flow.calc(gray, other, None) + np.dstack([xs, ys])
    moved = cv2.remap(other, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.float32)


def _means(values: np.ndarray, sector: np.ndarray) -> np.ndarray:
    """Mean value of each of 16 sectors; 0 where there is none."""
    return np.bincount(sector, values, 16) / np.maximum(np.bincount(sector, minlength=16), 1)


def _sectors(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rings (1 inside, 2 on, 3 outside the boundary, else 0) and 16 sectors, at half size."""
    d = _distance(points)[::2, ::2]
    ring = np.where(np.abs(d) < 0.11, 2, 0)
    ring[(d > 0.22) & (d < 0.5)] = 1
    ring[(d < -0.22) & (d > -0.5)] = 3
    ys, xs = np.mgrid[: d.shape[0], : d.shape[1]] * 2.0
    x, y = points.mean(0)
    return ring, ((np.arctan2(ys - y, xs - x) / np.pi + 1) * 7.999).astype(int)


# Fine detail ------------------------------------------------------------------------------------


def _bands(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The finest detail of a picture, and that of twice to three times its size (float32)."""
    first, second = (cv2.GaussianBlur(gray, (0, 0), sigma) for sigma in (1.0, 2.5))
    return gray - first, first - second


def detail_lost(rgb: np.ndarray, points: np.ndarray) -> float:
    """How much less fine detail the face has than what surrounds it, for its coarser detail; log.

    Contrast cancels: both are ratios of neighboring bands of detail. A face computed at a lower
    resolution has edges, but no fine ones. NaN where too little of either is seen. Lesson 02.
    """
    unit = forgery.eye_distance(points)
    box = _part(points, rgb.shape, unit)
    gray = cv2.cvtColor(rgb[box], cv2.COLOR_RGB2GRAY).astype(np.float32)
    mask = forgery.face_mask(points - (box[1].start, box[0].start), gray.shape, 0.3)
    inside = (mask > 0).astype(np.uint8)
    within, beyond = (cv2.distanceTransform(m, cv2.DIST_L2, 5) / unit for m in (inside, 1 - inside))
    fine, coarse = _bands(gray)
    levels = []
    for region in (within > 0.15, (beyond > 0.25) & (beyond < 0.8)):
        if region.sum() < 200:
            return float("nan")
        power = [float((band[region] ** 2).mean()) for band in (fine, coarse)]
        if power[1] < 0.5:
            return float("nan")
        levels.append(0.5 * np.log(power[0] / power[1]))
    return float(levels[1] - levels[0])


def _part(points: np.ndarray, shape: tuple[int, ...], unit: float) -> tuple[slice, slice]:
    """Rows and columns of the head in a picture: the landmarks and an eye distance around them."""
    low = np.maximum(points.min(0) - 1.2 * unit, 0).astype(int)
    high = np.minimum(points.max(0) + 0.9 * unit, shape[1::-1]).astype(int) + 1
    return slice(low[1], high[1]), slice(low[0], high[0])


def noise(rgb: np.ndarray) -> float:
    """Standard deviation of a picture's noise in gray levels, from its finest diagonal detail.

    Median absolute value of the first diagonal wavelet band (Haar) over 0.6745 (Donoho & Johnstone
    1994), as Mahdian & Saic 2009 map it; a pasted part has noise of its own. Lesson 02.
    """
    gray = rgb.astype(np.float32).mean(2) if rgb.ndim == 3 else rgb.astype(np.float32)
    g = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2]
    diagonal = (g[::2, ::2] - g[1::2, ::2] - g[::2, 1::2] + g[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal)) / 0.6745)


def interpolated(rgb: np.ndarray, rounds: int = 5) -> np.ndarray:
    """The probability map of Popescu & Farid 2005: how far each pixel follows from its neighbors.

    A linear rule is fitted to the pixels that obey it, and again (expectation-maximization); an
    enlarged picture obeys in a regular grid, whose spectrum has peaks. Float32 0..1, a pixel less
    on each side. Shows on lossless pictures; H.264 wipes it out. Lesson 02.
    """
    gray = rgb.astype(np.float64).mean(2) if rgb.ndim == 3 else rgb.astype(np.float64)
    h, w = gray.shape
    steps = [(y, x) for y in (0, 1, 2) for x in (0, 1, 2) if (y, x) != (1, 1)]
    around = np.stack([gray[y : y + h - 2, x : x + w - 2].ravel() for y, x in steps], 1)
    value = gray[1:-1, 1:-1].ravel()
    weight, sigma = np.ones(len(value)), 5.0
    for _ in range(rounds):
        weighted = around * weight[:, None]
        rule = np.linalg.lstsq(weighted.T @ around, weighted.T @ value, rcond=None)[0]
        error = value - around @ rule
        likely = np.exp(-(error**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
        weight = likely / (likely + 1 / 256)
        sigma = float(np.sqrt((weight * error**2).sum() / weight.sum())) + 1e-3
    return weight.reshape(h - 2, w - 2).astype(np.float32)


def hairline_streaks(rgb: np.ndarray, points: np.ndarray) -> float:
    """How much more the structure runs up and down along the upper edge of the face than beside it.

    From the structure tensor on an upright picture: log of its power across over along, on the edge
    (where a blend smears strands) minus above and below it. Lesson 02.
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, along = (cv2.Sobel(gray, cv2.CV_32F, *step) ** 2 for step in ((1, 0), (0, 1)))
    d = _distance(points, 0.3)
    ys, xs = np.mgrid[: UPRIGHT[1], : UPRIGHT[0]]
    upper = ys < points[forgery.BROWS, 1].min() - 0.12 * UNIT
    upper &= (xs > points[17, 0]) & (xs < points[26, 0])
    logs = []
    for region in (np.abs(d) < 0.08, (d < -0.2) & (d > -0.45)):
        there = upper & region
        if there.sum() < 60:
            return float("nan")
        logs.append(np.log((across[there].mean() + 20) / (along[there].mean() + 20)))
    return float(logs[0] - logs[1])


def fine_detail(track: Track) -> Measure:
    """Pores and strands lost: fine detail around the face over that in it, log. Lesson 02.

    The median of :func:`detail_lost` over eight frames. :func:`hairline_streaks`, :func:`noise` and
    :func:`interpolated` look at the same loss; in small H.264 frames hair styles differ more in the
    first than fakes do, and the codec has taken what the other two need, so the value leaves them
    out.
    """
    if reason := _missing(track, 1, eyes=24):
        return _cannot(reason)
    some = _some(track, 8)
    lost = [detail_lost(track.frames[track.indices[i]], track.steady[i]) for i in some]
    lost = [v for v in lost if np.isfinite(v)]
    if not lost:
        return _cannot("face or surroundings are too smooth to compare")
    return Measure(float(np.median(lost)))


# Glasses and jewelry ----------------------------------------------------------------------------

LINE = 20  # gray levels: a fainter line is skin
_CELL = 8  # side in pixels of the cells in which lines are followed


def thin_lines(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Strength of thin lines, dark or bright, where rims, bridge and earrings sit; upright picture.

    Black-hat and top-hat in gray levels, the strongest of each cell of 8 x 8 pixels, 0 elsewhere.
    Lesson 02.
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    dark = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, disk)
    bright = cv2.morphologyEx(gray, cv2.MORPH_TOPHAT, disk)
    zone, p = np.zeros_like(gray), np.round(points).astype(int)
    for eye in forgery.EYES:
        x, y = np.round(points[eye].mean(0) + (0, 0.08 * UNIT)).astype(int)
        cv2.ellipse(zone, (int(x), int(y)), (int(0.6 * UNIT), int(0.46 * UNIT)), 0, 0, 360, 1, -1)
    for i in (0, 1, 15, 16):
        cv2.circle(zone, (int(p[i, 0]), int(p[i, 1])), int(0.16 * UNIT), 1, -1)
    for eye in forgery.EYES:  # lids and brows are lines too
        hull = cv2.convexHull(p[eye].astype(np.int32))
        cv2.fillConvexPoly(zone, hull, 0)
        cv2.polylines(zone, [hull], True, 0, 8)
    for brow in (slice(17, 22), slice(22, 27)):
        cv2.polylines(zone, [p[brow].astype(np.int32)], False, 0, 10)
    lines = np.maximum(dark, bright) * zone
    h, w = (side // _CELL * _CELL for side in lines.shape)
    cells = lines[:h, :w].reshape(h // _CELL, _CELL, w // _CELL, _CELL)
    return cells.max((1, 3)).astype(np.float32)


def glasses(track: Track) -> Measure:
    """Rims and jewelry that come and go: change of their lines over their strength. Lesson 02.

    Cells in which a line was ever to be seen are followed (:func:`thin_lines`: above 20 in one
    frame of fifty), so that rims which fade count too; each frame is compared with the mean of its
    neighbors, so that a turning head does not count.
    """
    if reason := _missing(track, 8):
        return _cannot(reason)
    pictures, points = track.upright
    lines = np.stack([thin_lines(*pair) for pair in zip(pictures, points, strict=True)])
    worn = np.percentile(lines, 98, axis=0) > LINE
    if worn.sum() < 16:
        return _cannot("no thin lines like those of glasses or jewelry are to be seen")
    run = np.diff(track.indices) == 1
    middle = 1 + np.flatnonzero(run[:-1] & run[1:])
    if len(middle) < 5:
        return _cannot("needs frames in a row in which the face can be measured")
    strength = lines[:, worn]
    change = np.abs(strength[middle] - (strength[middle - 1] + strength[middle + 1]) / 2)
    return Measure(float(np.median(change.mean(1)) / strength.mean()))


# Teeth ------------------------------------------------------------------------------------------


def white_band(rgb: np.ndarray, points: np.ndarray) -> float:
    """Lightness that a quarter of the open mouth has without a gap, as a share of the skin's.

    Each pixel counts as its darkest neighbor within a tooth's width (3 x 13 pixels where the eyes
    lie 96 apart), so teeth are as dark as the gaps between them, a white band keeps its lightness,
    and a mouth in which no teeth are to be seen is dark. NaN where it is shut. `points` in the
    picture given, which is looked at upright. Lesson 02.
    """
    matrix = 2 * forgery.umeyama(forgery.five_points(points), _PLACES)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    corner = moved[48:].mean(0) - (64, 96)
    matrix[:, 2] -= corner
    cut = cv2.warpAffine(rgb, matrix, (128, 144), borderMode=cv2.BORDER_REPLICATE)
    lightness = forgery.to_lab(cut)[..., 0]
    inner = np.zeros(lightness.shape, np.uint8)
    outline = np.round((moved[forgery.MOUTH] - corner) * 16).astype(np.int32)
    cv2.fillPoly(inner, [outline], 1, cv2.LINE_8, 4)
    if inner.any(1).sum() < 0.09 * 2 * UNIT or inner.sum() < 150:
        return float("nan")
    skin = np.median(lightness[:64])  # the upper lip and what lies beside the nose
    darkest = cv2.erode(lightness, np.ones((3, 13), np.uint8))
    return float(np.percentile(darkest[inner > 0], 75) / max(skin, 5))


def teeth(track: Track) -> Measure:
    """Teeth without gaps: how light a band of the open mouth is, next to the skin. Lesson 02.

    :func:`white_band`, the median of the up to 24 frames in which the mouth is widest open: 1 is
    as light as skin. After the observation of Matern et al. 2019 that faked teeth are one white
    blob.
    """
    if reason := _missing(track, 1, eyes=24):
        return _cannot(reason)
    widest = track.indices[np.argsort(-mouth_opening(track)[track.indices])][:24]
    found = [white_band(track.frames[i], track.points[i]) for i in widest]
    found = [v for v in found if np.isfinite(v)]
    if not found:
        return _cannot("the mouth is never open far enough to show teeth")
    return Measure(float(np.median(found)))


# Iris -------------------------------------------------------------------------------------------

MIN_IRIS = 18  # pixels across: below, a highlight is one or two pixels


def iris_disk(rgb: np.ndarray, outline: np.ndarray) -> np.ndarray | None:
    """An eye's iris in gray levels, of radius 12 in the middle of 32 x 32 pixels; NaN off the eye.

    `outline`: the eye's six landmarks; beyond their opening and beyond two thirds of the radius,
    where the white of the eye begins, the answer is NaN. None where the eye is shut. Lesson 02.
    """
    width = float(np.hypot(*(outline[3] - outline[0])))
    radius = 0.22 * width
    opening = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillPoly(opening, [np.round(outline * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    if opening.sum() < 0.08 * width**2:
        return None
    x0, y0 = np.maximum(outline.min(0) - width / 2, 0).astype(int)
    x1, y1 = (outline.max(0) + width / 2).astype(int) + 1
    part = rgb[y0:y1, x0:x1].astype(np.float32)
    gray, red = part.mean(2), part[..., 0]
    lids = cv2.dilate(opening, np.ones((max(3, round(0.08 * width)) | 1, 1), np.uint8))
    here = lids[y0:y1, x0:x1] > 0
    size = max(3, round(0.25 * width)) | 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    calm = np.minimum(cv2.morphologyEx(red, cv2.MORPH_OPEN, disk), red)
    # the iris: the darkest disk in red light, in which lids and corners shine; no highlights
    soft = cv2.GaussianBlur(np.where(here, calm, 255).astype(np.float32), (0, 0), 0.6 * radius)
    soft[~here] = np.inf
    cy, cx = np.unravel_index(int(soft.argmin()), soft.shape)
    zoom = 12 / radius
    move = np.array([[zoom, 0, 16 - zoom * cx], [0, zoom, 16 - zoom * cy]])
    if zoom < 0.8:
        gray = cv2.GaussianBlur(gray, (0, 0), 0.4 / zoom)
    out = cv2.warpAffine(gray, move, (32, 32))
    seen = cv2.warpAffine(opening[y0:y1, x0:x1] * 255, move, (32, 32)) > 128
    ys, xs = np.mgrid[:32, :32] - 16
    out[~seen | (np.hypot(xs, ys) > 8)] = np.nan
    return out


def iris_match(one: np.ndarray, other: np.ndarray, reach: int = 4) -> float:
    """How alike two irises (32, 32) are: their correlation at the best shift within `reach`.

    From -1 to 1; the shift, a third of an iris at most, forgives where the irises were taken to be.
    NaN where the lids hide too much of either. Lesson 02.
    """
    best = float("nan")
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            moved = np.roll(other, (dy, dx), (0, 1))
            both = np.isfinite(one) & np.isfinite(moved)
            if both.sum() >= 60:
                a, b = (disk[both] - disk[both].mean() for disk in (one, moved))
                best = np.fmax(best, (a @ b) / max(float(np.sqrt((a @ a) * (b @ b))), 1e-6))
    return float(best)


def iris(track: Track) -> Measure:
    """Highlights that differ between the eyes: 1 minus the irises' correlation. Lesson 02.

    Both eyes see the same lamps (Hu, Li & Lyu 2021, who compare where the highlights overlap; a
    highlight of two or three pixels seldom overlaps with its twin, so whole irises are compared
    here, pupil included). Needs an iris of 18 pixels, that is a close or large picture; at a
    video's size the cue cannot be measured.
    """
    if reason := _missing(track, 1):
        return _cannot(reason)
    p = track.points[track.indices]
    widths = [np.linalg.norm(p[:, eye][:, 3] - p[:, eye][:, 0], axis=1) for eye in forgery.EYES]
    across = 0.38 * float(np.median(widths))
    if across < MIN_IRIS:
        return _cannot(f"too small to measure: the iris is {across:.0f} pixels wide")
    matches, shining = [], False
    for i in _some(track, 8):
        index = track.indices[i]
        one, other = (
            iris_disk(track.frames[index], track.points[index, eye]) for eye in forgery.EYES
        )
        if one is not None and other is not None:
            shining |= any(np.nanmax(disk) - np.nanmedian(disk) > 25 for disk in (one, other))
            matches.append(iris_match(one, other))
    matches = [m for m in matches if np.isfinite(m)]
    if not matches:
        return _cannot("an eye is shut, or its lids hide the iris")
    if not shining:
        return _cannot("no highlight is to be seen in either eye")
    return Measure(float(1 - np.median(matches)))


# All of them ------------------------------------------------------------------------------------

MEASURES: dict[str, Callable[[Track], Measure]] = {
    "lip_sync": lip_sync,
    "skin_tone": skin_tone,
    "light": light,
    "teeth": teeth,
    "iris": iris,
    "glasses": glasses,
    "fine_detail": fine_detail,
    "edge_flicker": edge_flicker,
}


def measure(clip: str | Path | Track, progress: Progress | None = None) -> pd.DataFrame:
    """All eight measures of a clip: one row a cue, with `cue`, `value` and `reason`.

    A file that gives no picture raises :class:`video.Unreadable`. Lesson 02.
    """
    if not isinstance(clip, Track):
        clip = follow(clip, progress)
    rows = []
    _ = clip.upright  # once, before they share it
    with ThreadPoolExecutor(2) as pool:  # most of their time is OpenCV's, outside Python's lock
        answers = pool.map(lambda function: function(clip), MEASURES.values())
        for done, (cue, answer) in enumerate(zip(MEASURES, answers, strict=True), 1):
            rows.append({"cue": cue, **answer._asdict()})
            if progress:
                progress(0.7 + 0.3 * done / len(MEASURES), f"measured {cue}")
    if progress:
        progress(1.0, "done")
    return pd.DataFrame(rows)


# Two more looks at a picture --------------------------------------------------------------------


def power_spectrum(rgb: np.ndarray) -> np.ndarray:
    """Mean log power by spatial frequency: what upsampling leaves in generated pictures. Lesson 02.

    Azimuthal average of the spectrum (Durall et al. 2020) of the largest central square, windowed
    (Hann); entry k is the frequency of k cycles across the square, up to half its side. Natural
    pictures fall off as a straight line over log k; so does a codec, which bends it too.
    """
    gray = rgb.astype(np.float64).mean(2) if rgb.ndim == 3 else rgb.astype(np.float64)
    side = min(gray.shape) // 2 * 2
    top, left = ((length - side) // 2 for length in gray.shape)
    square = gray[top : top + side, left : left + side]
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = np.abs(np.fft.fftshift(np.fft.fft2((square - square.mean()) * window))) ** 2
    ys, xs = np.mgrid[:side, :side] - side // 2
    ring = np.round(np.hypot(xs, ys)).astype(int).ravel()
    mean = np.bincount(ring, power.ravel()) / np.maximum(np.bincount(ring), 1)
    return np.log10(mean[: side // 2] + 1e-9)


def error_level(rgb: np.ndarray, quality: int = 90) -> np.ndarray:
    """What a picture loses when saved as JPEG once more: gray levels, float32 (height, width).

    Error-level analysis (Krawetz 2007): parts saved more often lose less. It shows edges and
    texture first of all, and says nothing after a second save of the whole. Lesson 02.
    """
    ok, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"A picture of shape {rgb.shape} cannot be saved as JPEG.")
    again = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    return np.abs(rgb.astype(np.float32) - again).mean(2)
