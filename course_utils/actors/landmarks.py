"""Training the landmark model on virtual actors, whose every point the renderer knows.

What it must learn is *real* faces, so the actors are disturbed beyond what they look like: light,
lens, noise, shape, things in the way. `course_utils.faces` uses the model and cuts its patches.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import dlib
import numpy as np
from joblib import Parallel, delayed

from course_utils import faces, settings
from course_utils.actors import scene as stage
from course_utils.actors.identity import make_actor
from course_utils.actors.render import render

FIRST_SEED = 500_000  # actors of the training, none of whom plays in the data set
UNSEEN_SEED = 900_000
SIZE = 320


OPTIONS = dict(  # of dlib.train_shape_predictor; the model's size is depth x trees x 2^tree_depth
    cascade_depth=11,
    num_trees_per_cascade_level=32,
    tree_depth=4,
    nu=0.15,
    oversampling_amount=3,
    oversampling_translation_jitter=0.0,  # frames are misplaced by cut() already
    feature_pool_size=800,
    num_test_splits=150,
    lambda_param=0.1,
    num_threads=2,
)


class Shot(NamedTuple):
    """A rendered face, cut out: RGB uint8, its 68 points, its yaw in degrees."""

    rgb: np.ndarray
    points: np.ndarray
    yaw: float


def shoot(seed: int, count: int) -> list[Shot]:
    """``count`` pictures of the actor of ``seed``: random poses, expressions, light, rooms."""
    rng = np.random.default_rng([seed, 31])
    actor = make_actor(seed)
    shots = []
    for number in range(count):
        row = dict(
            yaw=float(rng.normal(0, 18) if rng.random() < 0.7 else rng.uniform(-70, 70)),
            pitch=rng.normal(0, 9),
            roll=rng.normal(0, 6),
            x=rng.normal(0, 1),
            y=rng.normal(0, 1),
            blink=rng.choice([0, 0, 0, rng.uniform(0, 1), 1]),
            gaze_x=rng.uniform(-0.9, 0.9),
            gaze_y=rng.uniform(-0.7, 0.7),
            brow=rng.uniform(-1, 1),
            smile=rng.uniform(-0.6, 1),
            jaw=rng.choice([0, rng.uniform(0, 0.3), rng.uniform(0, 1)]),
            wide=rng.uniform(-0.8, 0.9),
            round=rng.choice([0, 0, rng.uniform(0, 1)]),
            press=rng.choice([0, 0, 0, 1]),
            bite=rng.choice([0, 0, 0, rng.uniform(0, 1)]),
            tongue=rng.choice([0, 0, rng.uniform(0, 1)]),
        )
        if number % 3 == 0:  # a room takes as long to paint as a face
            scene = stage.make_scene(int(rng.integers(1 << 30)))
        made = render(actor, row, scene, (SIZE, SIZE))
        x, y, side, _ = faces._frame_around(made.points)
        left, top = max(int(x - 1.1 * side), 0), max(int(y - 1.1 * side), 0)
        cut = made.rgb[top : int(y + 1.1 * side), left : int(x + 1.1 * side)]
        shots.append(Shot(cut, made.points - (left, top), row["yaw"]))
    return shots


def disturb(shot: Shot, rng: np.random.Generator) -> Shot:
    """The shot as another camera, another light, another skull might have shown it."""
    rgb, points = shot.rgb, shot.points.astype(np.float32)
    unit = faces._eye_distance(points)
    # geometry: another build, within what the eye takes for a person
    stretch = np.diag(np.exp(rng.normal(0, 0.05, 2)))
    stretch[0, 1] = rng.normal(0, 0.03)
    matrix = np.column_stack([stretch, points.mean(0) - stretch @ points.mean(0)])
    height, width = rgb.shape[:2]
    rgb = cv2.warpAffine(rgb, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    points = points @ stretch.T + matrix[:, 2]
    rgb, points = _bend(rgb, points, rng, unit)
    picture = rgb.astype(np.float32) / 255
    # things in the way
    if rng.random() < 0.35:
        picture = _cover(picture, points, rng, unit)
    # light: a shadow from one side, a lamp of another color, another exposure
    if rng.random() < 0.6:
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        turn = rng.uniform(0, 2 * np.pi)
        along = (xs - points[30, 0]) * np.cos(turn) + 0.6 * (ys - points[30, 1]) * np.sin(turn)
        soft = rng.uniform(0.1, 1.2) * unit
        shade = 1 / (1 + np.exp(-(along + rng.normal(0, 0.5) * unit) / soft))
        picture = picture * (1 - rng.uniform(0.1, 0.75) * shade[..., None])
    picture = np.clip(picture * rng.uniform(0.5, 1.5) * rng.uniform(0.85, 1.15, 3), 0, 1)
    picture = picture ** np.exp(rng.normal(0, 0.25))
    # lens, sensor, codec
    unit_now = faces._eye_distance(points)
    if rng.random() < 0.7:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.06 * unit_now))
    if rng.random() < 0.4:  # a small face in a large picture
        small = np.clip(rng.uniform(18, 45) / unit_now, 0.1, 1)
        little = cv2.resize(picture, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(little, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = picture + rng.normal(0, rng.uniform(0, 0.05), picture.shape)
    rgb = np.clip(np.round(255 * picture), 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.integers(12, 70))
        coded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        rgb = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return Shot(rgb, points.astype(np.float32), shot.yaw)


def _bend(
    rgb: np.ndarray, points: np.ndarray, rng: np.random.Generator, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """A smooth random displacement of the picture, and of its points with it."""
    height, width = rgb.shape[:2]
    coarse = rng.normal(0, 0.035 * unit, (2, 6, 6)).astype(np.float32)
    dx, dy = (cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    bent = cv2.remap(rgb, xs + dx, ys + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = points.copy()
    for _ in range(4):  # q + d(q) = p, solved for q
        at = np.clip(moved, 0, (width - 1, height - 1)).astype(np.float32)
        d = [cv2.remap(m, at[:, :1], at[:, 1:], cv2.INTER_LINEAR)[:, 0] for m in (dx, dy)]
        moved = points - np.stack(d, 1)
    return bent, moved


def _cover(
    picture: np.ndarray, points: np.ndarray, rng: np.random.Generator, unit: float
) -> np.ndarray:
    """Something before the face: a fringe, a mustache, dark glasses' rims, a hand, a microphone."""
    out, what = picture.copy(), rng.integers(5)
    color = tuple(float(c) for c in rng.uniform(0, 0.6) * rng.uniform(0.7, 1.3, 3))
    height, width = picture.shape[:2]

    def at(point: np.ndarray) -> tuple[int, int]:
        return int(point[0]), int(point[1])

    if what == 0:  # fringe
        edge = int(points[17:27, 1].min() - rng.uniform(-0.05, 0.4) * unit)
        out[: max(edge, 0)] = np.array(color) * rng.uniform(0.7, 1.3, (max(edge, 0), width, 1))
    elif what == 1:  # mustache
        center = (points[33] + points[51]) / 2
        axes = (int(rng.uniform(0.3, 0.55) * unit), int(rng.uniform(0.06, 0.14) * unit))
        cv2.ellipse(out, at(center), axes, 0, 0, 360, color, -1)
    elif what == 2:  # rims
        for eye in (points[36:42], points[42:48]):
            axes = (int(rng.uniform(0.36, 0.5) * unit), int(rng.uniform(0.25, 0.4) * unit))
            thick = max(1, int(rng.uniform(0.02, 0.07) * unit))
            cv2.ellipse(out, at(eye.mean(0)), axes, 0, 0, 360, color, thick, cv2.LINE_AA)
    elif what == 3:  # a hand or a thing from below or the side
        center = points[rng.choice([2, 4, 6, 8, 10, 12, 14])] + rng.normal(0, 0.2, 2) * unit
        axes = (int(rng.uniform(0.2, 0.6) * unit), int(rng.uniform(0.2, 0.6) * unit))
        cv2.ellipse(out, at(center), axes, rng.uniform(0, 180), 0, 360, color, -1)
    else:  # beard: the lower face darkened
        ys = np.mgrid[0:height, 0:width][0].astype(np.float32)
        low = np.clip((ys - points[33, 1]) / (0.5 * unit), 0, 1)[..., None]
        hull = np.zeros((height, width), np.float32)
        cv2.fillPoly(hull, [points[:17].astype(np.int32)], 1.0)
        lips = np.zeros_like(hull)
        cv2.fillPoly(lips, [points[48:60].astype(np.int32)], 1.0)
        alpha = cv2.GaussianBlur(hull * (1 - lips), (0, 0), 0.04 * unit)[..., None] * low
        grain = rng.normal(1, 0.25, (height, width, 1))
        out = out * (1 - 0.75 * alpha) + 0.75 * alpha * np.array(color) * 0.6 * grain
    return cv2.GaussianBlur(out.astype(np.float32), (0, 0), 0.8)


def _detection(points: np.ndarray) -> dlib.full_object_detection:
    return dlib.full_object_detection(
        faces._square(), [dlib.point(int(round(x)), int(round(y))) for x, y in points]
    )


def cut(shot: Shot, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A patch as the model will see it, its frame misplaced at random, and the points in it."""
    nudge = (*rng.normal(0, 0.045, 2), rng.normal(0, 0.06), rng.normal(0, 6), rng.random() < 0.5)
    gray = cv2.cvtColor(shot.rgb, cv2.COLOR_RGB2GRAY)
    patch, matrix = faces._patch(gray, *faces._nudge(faces._frame_around(shot.points), *nudge))
    points = shot.points @ matrix[:, :2].T + matrix[:, 2]
    return patch, points[faces._MIRROR] if nudge[4] else points


def gather(first: int, actors: int, each: int, jobs: int = 2) -> list[Shot]:
    """Shots of ``actors`` actors from seed ``first`` on, ``each`` of every one."""
    sets = Parallel(n_jobs=jobs)(delayed(shoot)(first + i, each) for i in range(actors))
    return [shot for group in sets for shot in group]


def fit(shots: list[Shot], out: Path, seed: int = settings.SEED, copies: int = 4) -> None:
    """Train the predictor on disturbed cuts of the shots and write it to ``out``."""
    rng = np.random.default_rng([seed, 33])
    patches, truths = [], []
    for shot in shots:
        for k in range(copies):
            patch, points = cut(disturb(shot, rng) if k else shot, rng)
            patches.append(patch)
            truths.append([_detection(points)])
    options = dlib.shape_predictor_training_options()
    options.random_seed = str(seed)
    for name, value in OPTIONS.items():
        setattr(options, name, value)
    predictor = dlib.train_shape_predictor(patches, truths, options)
    predictor.save(str(out))


def train(
    out: Path = settings.MODELS / "landmarks.dat",
    actors: int = 110,
    each: int = 10,
    seed: int = settings.SEED,
) -> None:
    """Render, train, write ``out``, and print what its card states."""
    fit(gather(FIRST_SEED, actors, each), Path(out), seed)
    faces._predictor.cache_clear()
    print(f"{Path(out).stat().st_size / 1e6:.1f} MB")
    print(measure(gather(UNSEEN_SEED, 24, 4)))


def measure(shots: list[Shot]) -> dict[str, float]:
    """How well the model does on shots: mean error in eye distances, and the yaw's error."""
    errors, turns = [], []
    for shot in shots:
        if abs(shot.yaw) > 35:
            continue
        found = faces.landmarks(shot.rgb, faces.box_around(shot.points))
        error = np.linalg.norm(found.points - shot.points, axis=1).mean()
        errors.append(error / faces._eye_distance(shot.points))
        turns.append(abs(found.yaw - shot.yaw))
    return {
        "mean_error": float(np.mean(errors)),
        "worst_tenth": float(np.quantile(errors, 0.9)),
        "yaw_error": float(np.mean(turns)),
        "faces": len(errors),
    }
