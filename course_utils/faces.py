"""Faces in a frame: where they are, who is who from frame to frame, and a crop around each.

Boxes are (left, top, right, bottom) in pixels of the frame they were found in; they may reach
beyond its border. Lesson 03 derives working size, threshold, margin and tracking.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
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
    lift: bool = False,
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
    lift : even out local contrast first (`lift_contrast`)

    Raises
    ------
    RuntimeError
        The CNN detector's weights are neither cached nor to be had.
    """
    height, width = rgb.shape[:2]
    scale = size / max(height, width) if size else 1.0
    image = rgb if scale == 1 else _resize(rgb, round(width * scale), round(height * scale))
    image = lift_contrast(image) if lift else np.ascontiguousarray(image)
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


# ------------------------------------------------------------------------------- who is who

AGREEMENT = 0.3  # least overlap (IoU) of a box with its track's box before or after it
FAINT = -0.4  # threshold inside a tracked region, where agreement with the track adds to the proof
LIFTED_SIZE = 960  # long side of the retry with lifted contrast
FACE_SIZE = 120  # a tracked region is resized so that the face it knows has this side
ALL_ROUND = 5  # every 5th frame is searched for newcomers, even where everybody known is found
PATIENCE = 5  # a region that was empty this often in a row is no longer searched by itself
WAITING_BYTES = 150_000_000  # frames without a face are kept for a look back up to this size


class Tracker:
    """Finds the faces of a clip's frames, given one after the other, and tells people apart.

    The region around each known face comes first; the whole frame is searched where that finds
    nobody, and now and then for newcomers. Lesson 03 shows the steps on a hard clip.
    """

    def __init__(self, detector: str = "hog") -> None:
        self.detector = detector
        self._boxes: list[Box] = []  # the last box of each person
        self._missed: list[int] = []  # frames since then
        self._frames = self._blanks = 0

    def update(self, rgb: np.ndarray) -> dict[int, Face]:
        """Faces of the next frame by person: people are numbered from 0 as they appear."""
        found: dict[int, Face] = {}
        for person, box in enumerate(self._boxes):
            face = near(rgb, box, self.detector) if self._missed[person] < PATIENCE else None
            if face and not _same(face, found.values()):
                found[person] = face
        if not found or self._frames % ALL_ROUND == 0:
            for face in self._search(rgb, bool(found)):
                if not _same(face, found.values()):
                    found[self._who(face.box, found)] = face
        self._frames += 1
        self._blanks += not found
        self._missed = [missed + 1 for missed in self._missed]
        for person, face in found.items():
            self._boxes[person], self._missed[person] = face.box, 0
        return found

    def _search(self, rgb: np.ndarray, found: bool) -> list[Face]:
        """Faces in the whole frame, with more and more effort where nobody is found."""
        faces = detect(rgb, detector=self.detector)
        if faces or found:
            return faces
        faces = detect(rgb, LIFTED_SIZE, detector=self.detector, lift=True)
        rarely = self._blanks & (self._blanks - 1) == 0  # the 1st, 2nd, 3rd, 5th, 9th, … time
        if not faces and not self._boxes and rarely and max(rgb.shape) > LIFTED_SIZE:
            largest = min(2 * LIFTED_SIZE, max(rgb.shape))
            faces = detect(rgb, largest, detector=self.detector, lift=True)
        return faces

    def _who(self, box: Box, taken: dict[int, Face]) -> int:
        """The person who was last seen nearby at about that size, or else a new one."""
        free = [person for person in range(len(self._boxes)) if person not in taken]
        near = [person for person in free if _reachable(self._boxes[person], box)]
        if near:
            return max(near, key=lambda person: overlap(self._boxes[person], box))
        self._boxes.append(box)
        self._missed.append(0)
        return len(self._boxes) - 1


def track(frames: Iterable, detector: str = "hog") -> Iterator[tuple]:
    """Every frame, in order, with its faces by person: `(frame, {person: Face})`.

    As a `Tracker` finds them, and where that finds nobody also by looking back: once a face shows
    up, the frames before it are searched where it was found.

    Parameters
    ----------
    frames : anything with a field `rgb`, like those of `video.frames`
    """
    tracker = Tracker(detector)
    waiting: list = []
    for frame in frames:
        found = tracker.update(frame.rgb)
        if found:
            yield from _look_back(waiting, found, detector)
            yield frame, found
            waiting = []
        else:
            waiting.append(frame)
            while sum(each.rgb.nbytes for each in waiting) > WAITING_BYTES:
                yield waiting.pop(0), {}
    yield from ((frame, {}) for frame in waiting)


def _look_back(waiting: list, found: dict[int, Face], detector: str) -> Iterator[tuple]:
    results = []
    for frame in reversed(waiting):
        earlier = {who: near(frame.rgb, face.box, detector) for who, face in found.items()}
        results.append((frame, {who: face for who, face in earlier.items() if face}))
        found = {**found, **results[-1][1]}
    yield from reversed(results)


def near(rgb: np.ndarray, box: Box, detector: str = "hog") -> Face | None:
    """The face that was in `box` a moment ago or later, if it is still thereabouts.

    Searches the box enlarged to 2.5 times its side, at a size that suits the detector, with a lower
    threshold: a faint find counts because it must also agree with `box`.
    """
    left, top, right, bottom = box
    x, y = (0.75 * side for side in (right - left, bottom - top))
    height, width = rgb.shape[:2]
    x0, x1 = (round(min(max(edge, 0), width)) for edge in (left - x, right + x))
    y0, y1 = (round(min(max(edge, 0), height)) for edge in (top - y, bottom + y))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    region = rgb[y0:y1, x0:x1]
    size = round(max(region.shape) * FACE_SIZE / max(right - left, bottom - top))
    faces = [
        face._replace(box=tuple(edge + (x0, y0)[i % 2] for i, edge in enumerate(face.box)))
        for face in detect(region, size, FAINT, detector)
    ]
    return next((face for face in faces if overlap(face.box, box) >= AGREEMENT), None)


def lift_contrast(rgb: np.ndarray) -> np.ndarray:
    """The picture with local contrast evened out (CLAHE): faces in the dark or against a window."""
    lightness, a, b = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB))
    lightness = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(lightness)
    return cv2.cvtColor(cv2.merge([lightness, a, b]), cv2.COLOR_LAB2RGB)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union (IoU) of two boxes: 0 apart, 1 the same."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (_area(one) + _area(other) - shared) if shared else 0.0


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _same(face: Face, others: Iterable[Face]) -> bool:
    return any(overlap(face.box, other.box) >= AGREEMENT for other in others)


def _reachable(before: Box, now: Box) -> bool:
    """Whether someone may have moved between the boxes: within one side, at about that size."""
    side = max(before[2] - before[0], now[2] - now[0])
    apart = (
        max(
            abs(before[0] + before[2] - now[0] - now[2]),
            abs(before[1] + before[3] - now[1] - now[3]),
        )
        / 2
    )
    return apart <= side and 0.4 <= _area(before) / _area(now) <= 2.5


# ------------------------------------------------------------------------------------ crops


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

PATCH = 144  # side of the face's square inside the patch
_AROUND = 0.35  # share of that side added on each side
_WHOLE = round(PATCH * (1 + 2 * _AROUND))  # side of the whole patch
MAX_YAW = 35.0  # degrees beyond which landmarks are not to be measured on
MAX_SPREAD = 0.05  # eye distances: predictions that differ more fit nothing


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
    until it moves no more, at most twice, and the answer is the median of eight slightly different
    placements, half of them mirrored. So it depends little on the detector's box. Always answers:
    ask `measurable` before measuring.
    """
    left, top, right, bottom = box
    side = float(max(right - left, bottom - top))
    frame: _Frame = ((left + right) / 2, (top + bottom) / 2, side, 0.0)
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    for _ in range(3):
        before, frame = frame, _frame_around(np.median(_votes(gray, frame, _NUDGES[::3]), 0))
        if _settled(before, frame):
            break
    votes = _votes(gray, frame, _NUDGES)
    points = np.median(votes, 0).astype(np.float32)
    apart = np.linalg.norm(votes - points, axis=-1).mean()
    return Landmarks(points, float(apart / _eye_distance(points)), estimate_yaw(points))


def box_around(points: np.ndarray) -> Box:
    """The box a detector would draw around these 68 landmarks."""
    x, y, side, _ = _frame_around(np.asarray(points))
    half = side / 2
    return round(x - half), round(y - half), round(x + half), round(y + half)


def estimate_yaw(points: np.ndarray) -> float:
    """Degrees by which a face is turned, from 68 landmarks: how far the bridge of the nose
    runs ahead of the eyes, and the jaw behind them.
    """
    p = np.asarray(points, np.float64)
    left, right, mouth = p[36:42].mean(0), p[42:48].mean(0), p[48:60].mean(0)
    down = mouth - (left + right) / 2
    height = max(float(np.hypot(*down)), 1e-6)
    down /= height
    across = np.array([down[1], -down[0]])
    middle = (left + right) / 2

    def lead(points: np.ndarray) -> float:
        return float(((points - middle) @ across).mean()) / height

    bridge, jaw = lead(p[27:29]), lead(p[[2, 14]])
    return float(np.degrees(np.arctan(_YAW[0] * bridge + _YAW[1] * jaw)))


_YAW = (2.5, -0.3)  # fitted on the virtual actors

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


def _settled(before: _Frame, after: _Frame) -> bool:
    """Whether two frames of a face are the same to within less than a nudge."""
    (x, y, side, roll), (to_x, to_y, to_side, to_roll) = before, after
    moved = max(abs(to_x - x), abs(to_y - y), abs(to_side - side))
    return moved < 0.02 * side and abs(to_roll - roll) < 2


def _patch(gray: np.ndarray, x: float, y: float, side: float, roll: float, mirror: bool):
    """The normalized patch around a face, and the (2, 3) map from picture to patch."""
    zoom = PATCH / side
    matrix = _placement(x, y, side, roll, mirror)
    reach = int(side * (0.75 + _AROUND)) + 4
    x0, y0 = max(int(x) - reach, 0), max(int(y) - reach, 0)
    part = gray[y0 : max(int(y) + reach, y0 + 1), x0 : max(int(x) + reach, x0 + 1)]
    if part.size == 0:
        part, x0, y0 = gray, 0, 0
    if zoom < 0.7:
        part = cv2.GaussianBlur(part, (0, 0), 0.4 / zoom)
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ (x0, y0)
    cut = cv2.warpAffine(
        part.astype(np.float32),
        local,
        (_WHOLE, _WHOLE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    patch = np.asarray(cv2.GaussianBlur(cut, (5, 5), PATCH / 90), np.float32)
    patch -= _broad(patch)
    spread = np.sqrt(_broad(patch * patch)) + 4
    return np.clip(128 + 45 * patch / spread, 0, 255).astype(np.uint8), matrix


def _placement(x: float, y: float, side: float, roll: float, mirror: bool) -> np.ndarray:
    """The map (2, 3) from picture to patch that puts this square where patches have their face."""
    zoom = PATCH / side
    c, s = zoom * np.cos(np.radians(roll)), zoom * np.sin(np.radians(roll))
    linear = np.array([[c, s], [-s, c]])
    if mirror:
        linear[0] *= -1
    return np.column_stack([linear, (_WHOLE - 1) / 2 - linear @ (x, y)])


def _broad(patch: np.ndarray) -> np.ndarray:
    """Blurred over a fifth of the face, by way of a small copy."""
    small = cv2.resize(patch, (30, 30), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 30 / (1 + 2 * _AROUND) / 5)
    return cv2.resize(small, patch.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _square() -> dlib.rectangle:
    edge = round(PATCH * _AROUND)
    return dlib.rectangle(edge, edge, edge + PATCH - 1, edge + PATCH - 1)


_MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)


def _votes(gray: np.ndarray, frame: _Frame, nudges: Sequence) -> np.ndarray:
    """What the model says of a face on nudged placements of its frame, (k, 68, 2) in the picture.

    The patch is cut and normalized once: moved within itself, it shows what a nudged cut would.
    """
    patch, straight = _patch(gray, *frame, False)
    back = cv2.invertAffineTransform(straight)
    matrices = np.stack([_placement(*_nudge(frame, *nudge)) for nudge in nudges])
    votes = []
    for nudge, matrix, inverse in zip(
        nudges, matrices, np.linalg.inv(matrices[..., :2]), strict=True
    ):
        if any(nudge[:4]):
            move = matrix[:, :2] @ back
            move[:, 2] += matrix[:, 2]
            view = cv2.warpAffine(patch, move, (_WHOLE, _WHOLE), borderMode=cv2.BORDER_REPLICATE)
        else:  # not moved: the patch itself, or its mirror image
            view = np.ascontiguousarray(patch[:, ::-1]) if nudge[4] else patch
        parts = [*map(_predictor()(view, _square()).part, range(68))]
        found = np.array([[part.x for part in parts], [part.y for part in parts]]).T
        points = (found - matrix[:, 2]) @ inverse.T
        votes.append(points[_MIRROR] if nudge[4] else points)
    return np.stack(votes)
