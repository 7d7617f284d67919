"""Faces in a frame: where they are, who is who from frame to frame, and a crop around each.

Boxes are (left, top, right, bottom) in pixels of the frame they were found in; they may reach
beyond its border. Lesson 03 derives working size, threshold, margin and tracking.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import dlib
import numpy as np

from course_utils import settings

Box = tuple[int, int, int, int]

WORKING_SIZE = 640  # long side in which a whole frame is searched: 6 times as fast as 1920


class Face(NamedTuple):
    """A detected face. `confidence` is the detector's own score: comparable only within one."""

    box: Box
    confidence: float
    detector: str


@functools.cache
def _hog() -> dlib.fhog_object_detector:
    return dlib.get_frontal_face_detector()


@functools.cache
def _cnn() -> dlib.cnn_face_detection_model_v1:
    path = settings.weights("dlib/mmod_human_face_detector.dat.bz2")
    return dlib.cnn_face_detection_model_v1(str(path))


def detect(
    rgb: np.ndarray,
    size: int | None = WORKING_SIZE,
    threshold: float = 0.0,
    detector: str = "hog",
) -> list[Face]:
    """Faces in one frame, the most confident first.

    Parameters
    ----------
    rgb : uint8, H x W x 3
    size : long side in pixels to which the frame is resized for the search; None searches it as it
        is. The HOG detector sees faces from about 80 pixels *in that size*.
    threshold : least confidence; below 0 finds harder faces and more that are none
    detector : "hog" (Dalal & Triggs 2005, as in dlib) or "cnn" (dlib's MMOD network: finds turned
        faces too, and takes seconds a frame on a CPU)

    Raises
    ------
    RuntimeError
        The CNN detector's weights are neither cached nor to be had.
    """
    height, width = rgb.shape[:2]
    scale = size / max(height, width) if size else 1.0
    image = rgb if scale == 1 else _resize(rgb, round(width * scale), round(height * scale))
    image = np.ascontiguousarray(image)
    if detector == "cnn":
        found = [(d.rect, d.confidence) for d in _cnn()(image) if d.confidence >= threshold]
    else:
        rectangles, scores, _ = _hog().run(image, 0, threshold)
        found = list(zip(rectangles, scores, strict=True))
    faces = [
        Face(
            (
                round(r.left() / scale),
                round(r.top() / scale),
                round((r.right() + 1) / scale),
                round((r.bottom() + 1) / scale),
            ),
            float(score),
            detector,
        )
        for r, score in found
    ]
    return sorted(faces, key=lambda face: -face.confidence)


def crop(rgb: np.ndarray, box: Box, margin: float = 1 / 3, size: int | None = None) -> np.ndarray:
    """A square around `box`, with `margin` of the box's longer side added on each side.

    What lies beyond the frame is black: squeezing or shifting would show the network another face.

    Parameters
    ----------
    size : side of the result in pixels; None keeps the source's resolution
    """
    left, top, right, bottom = box
    side = max(1, round(max(right - left, bottom - top) * (1 + 2 * margin)))
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    height, width = rgb.shape[:2]
    square = np.zeros((side, side, 3), np.uint8)
    x0, x1 = (min(max(edge, 0), width) for edge in (x, x + side))
    y0, y1 = (min(max(edge, 0), height) for edge in (y, y + side))
    square[y0 - y : y1 - y, x0 - x : x1 - x] = rgb[y0:y1, x0:x1]
    return _resize(square, size, size) if size else square


def _resize(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinks = width * height < rgb.shape[0] * rgb.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(rgb, (width, height), interpolation=how)


# Landmarks ----------------------------------------------------------------------------------------
# A cascade of regression trees (Kazemi & Sullivan 2014, dlib's shape predictor), trained on the
# course's own virtual actors by `python -m course_utils.actors landmarks`. It looks at a gray,
# upright patch of one size and one contrast, cut the same way in training.

PATCH = 192  # side of the face's square inside the patch
_AROUND = 0.35  # share of that side added on each side
MAX_YAW = 35.0  # degrees beyond which landmarks are not to be measured on
MAX_SPREAD = 0.07  # eye distances: predictions that differ more fit nothing


class Landmarks(NamedTuple):
    """The 68 points of a face, in the usual order, and whether to believe them.

    `points` (68, 2) float32: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth, from the
    viewer's left to right; pixel centers are whole numbers. `fit`: how far predictions from several
    placements of the box, and from the mirrored face, lie apart, in eye distances: 0.02 is good.
    `yaw`: degrees, above 0 turned to the viewer's right.
    """

    points: np.ndarray
    fit: float
    yaw: float

    @property
    def measurable(self) -> bool:
        """Whether a measure may rely on these points: they agree, and the face is not a profile."""
        return self.fit <= MAX_SPREAD and abs(self.yaw) <= MAX_YAW


@functools.cache
def _predictor() -> dlib.shape_predictor:
    path = settings.MODELS / "landmarks.dat"
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is missing from data/models; restore it from the repository or train it "
            "with `python -m course_utils.actors landmarks`."
        )
    return dlib.shape_predictor(str(path))


def landmarks(rgb: np.ndarray, box: Box) -> Landmarks:
    """The 68 landmarks of the face in `box`; lesson 02 measures on them.

    The first guess comes from the box; the patch is then cut anew, upright and around that guess,
    and the answer is the median of eight slightly different cuts, half of them mirrored. So it
    depends little on the detector's box. Always answers: ask `measurable` before measuring.
    """
    left, top, right, bottom = box
    frame = ((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top), 0.0)
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    guess = np.median([_predict(gray, _nudge(frame, *n)) for n in _NUDGES[::3]], 0)
    for _ in range(2):
        guess = np.median([_predict(gray, _nudge(_frame_around(guess), *n)) for n in _NUDGES[::3]], 0)
    frame = _frame_around(guess)
    votes = np.stack([_predict(gray, _nudge(frame, *n)) for n in _NUDGES])
    points = np.median(votes, 0).astype(np.float32)
    apart = np.linalg.norm(votes - points, axis=-1).mean()
    return Landmarks(points, float(apart / _eye_distance(points)), estimate_yaw(points))


def box_around(points: np.ndarray) -> Box:
    """The box a detector would draw around these 68 landmarks."""
    x, y, side, _ = _frame_around(np.asarray(points))
    half = side / 2
    return round(x - half), round(y - half), round(x + half), round(y + half)


def estimate_yaw(points: np.ndarray) -> float:
    """Degrees by which a face is turned, from 68 landmarks: how far nose and jaw lead the eyes."""
    p = np.asarray(points, np.float64)
    left, right, mouth = p[36:42].mean(0), p[42:48].mean(0), p[48:60].mean(0)
    down = mouth - (left + right) / 2
    height = max(float(np.hypot(*down)), 1e-6)
    down /= height
    across = np.array([down[1], -down[0]])
    middle = (left + right) / 2

    def lead(points: np.ndarray) -> float:
        return float(((points - middle) @ across).mean()) / height

    nose, jaw, corner = lead(p[29:34]), lead(p[[2, 14]]), lead(p[[36, 45]])
    return float(np.degrees(np.arctan(_YAW[0] * nose + _YAW[1] * jaw + _YAW[2] * corner)))


_YAW = (1.6, 0.0, 0.0)  # fitted on the virtual actors

# shifts and log-scale as shares of the box, turn in degrees, mirrored
_NUDGES = (
    (0.0, 0.0, 0.0, 0.0, False),
    (0.03, 0.02, 0.05, 3.0, True),
    (-0.03, 0.02, -0.05, -3.0, False),
    (0.02, -0.03, -0.05, 3.0, True),
    (-0.02, -0.03, 0.05, -3.0, False),
    (0.0, 0.0, 0.0, 0.0, True),
    (0.0, 0.03, -0.03, 2.0, False),
    (0.0, -0.02, 0.03, -2.0, True),
)
_Frame = tuple[float, float, float, float]  # center x, y, side, degrees of roll


def _eye_distance(points: np.ndarray) -> float:
    return max(float(np.hypot(*(points[42:48].mean(0) - points[36:42].mean(0)))), 1.0)


def _frame_around(points: np.ndarray) -> _Frame:
    """The square of a face, upright in the face's own sense, where dlib's HOG would put it."""
    eyes = (points[36:42].mean(0) + points[42:48].mean(0)) / 2
    across = points[42:48].mean(0) - points[36:42].mean(0)
    down = points[[48, 54]].mean(0) - eyes
    side = 1.62 * float(np.sqrt((across**2).sum() + (down**2).sum()))
    x, y = eyes + 0.38 * down
    return float(x), float(y), max(side, 4.0), float(np.degrees(np.arctan2(across[1], across[0])))


def _nudge(frame: _Frame, dx: float, dy: float, scale: float, turn: float, mirror: bool):
    x, y, side, roll = frame
    return x + dx * side, y + dy * side, side * np.exp(scale), roll + turn, mirror


def _patch(gray: np.ndarray, x: float, y: float, side: float, roll: float, mirror: bool):
    """The normalized patch around a face, and the (2, 3) map from picture to patch."""
    zoom = PATCH / side
    c, s = zoom * np.cos(np.radians(roll)), zoom * np.sin(np.radians(roll))
    linear = np.array([[c, s], [-s, c]])
    if mirror:
        linear[0] *= -1
    whole = round(PATCH * (1 + 2 * _AROUND))
    center = (whole - 1) / 2
    matrix = np.column_stack([linear, center - linear @ (x, y)])
    reach = int(side * (0.75 + _AROUND)) + 4
    x0, y0 = max(int(x) - reach, 0), max(int(y) - reach, 0)
    part = gray[y0 : max(int(y) + reach, y0 + 1), x0 : max(int(x) + reach, x0 + 1)]
    if part.size == 0:
        part, x0, y0 = gray, 0, 0
    if zoom < 0.7:
        part = cv2.GaussianBlur(part, (0, 0), 0.4 / zoom)
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ (x0, y0)
    patch = cv2.warpAffine(
        part, local, (whole, whole), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    patch = cv2.GaussianBlur(patch, (0, 0), PATCH / 90)
    broad = cv2.GaussianBlur(patch, (0, 0), PATCH / 5)
    patch -= broad
    spread = np.sqrt(cv2.GaussianBlur(patch * patch, (0, 0), PATCH / 4)) + 4
    return np.clip(128 + 45 * patch / spread, 0, 255).astype(np.uint8), matrix


def _square() -> dlib.rectangle:
    edge = round(PATCH * _AROUND)
    return dlib.rectangle(edge, edge, edge + PATCH - 1, edge + PATCH - 1)


_MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)


def _predict(gray: np.ndarray, cut: tuple[float, float, float, float, bool]) -> np.ndarray:
    patch, matrix = _patch(gray, *cut)
    found = _predictor()(patch, _square())
    points = np.array([(p.x, p.y) for p in found.parts()], np.float64)
    points = (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    return points[_MIRROR] if cut[4] else points
