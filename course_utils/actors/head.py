"""An actor's head as a mesh: profiles turned round an axis, features on top, expressions as shifts.

Head frame: centimeters, origin midway between the ears, x to the viewer's right when the actor
faces the camera, y up, z towards the camera. An average head: chin y = -11, crown y = +11.5, eyes
at y = +1, x = +-3.2, nose tip z = +11.5, neck down to y = -18.

The surface is one grid of points: columns run round the head (dense in front), rows from the
crown over the face, under the jaw and down the neck. A vertex's (column, row) is its *texture
coordinate*, called ``uv`` everywhere: all that is known of the surface (rest position, normal,
color, masks) is an image over this grid, and a renderer only has to find uv for each pixel. Eyes
and mouth are slits: quads left out between two rows, whose edges move apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from .identity import Actor

COLUMNS = 301
EYE_Y, MOUTH_Y = 1.0, -5.6  # heights of the two slits on the grid
EYE_X, EYE_Z, EYE_R = 3.15, 6.62, 1.22  # eyeball's center and radius
JAW_PIVOT = np.array([0.0, -0.6, 1.2])
UNDER, NECK = 20, 16  # rows below the jaw's edge, and of the neck


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between (``low > high`` turns it round)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(x, y, x0, y0, rx, ry):
    """A smooth hill of height 1 at (x0, y0)."""
    return np.exp(-(((x - x0) / rx) ** 2) - ((y - y0) / ry) ** 2)


def smooth_max(a, b, k):
    """Max(a, b), rounded where the two are within ``k`` of each other."""
    h = np.clip(0.5 + 0.5 * (a - b) / k, 0, 1)
    return b + (a - b) * h + k * h * (1 - h)


def curve(x, knots):
    """A smooth curve through (x, value) knots, sorted by x."""
    line = _interpolator(tuple(knots))
    return line(np.clip(x, line.x[0], line.x[-1]))


@lru_cache(maxsize=64)
def _interpolator(knots: tuple[tuple[float, float], ...]):
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(*np.array(knots, float).T, extrapolate=False)


def _rows() -> tuple[np.ndarray, int, int, int]:
    """Nominal height of each row of the face; the row above each slit; the jaw edge's row."""
    eye = np.array([0.09, 0.03])  # lid edge, and the thickness of the lid
    lips = np.array([0.20, 0.14, 0.08, 0.03])  # lip edge, and the inside of the lip
    crown = 11.5 - 7.5 * np.linspace(0, 1, 46)[:-1] ** 1.5
    parts = [
        crown,
        np.arange(4.0, 2.6, -0.10),
        np.arange(2.6, EYE_Y + 0.12, -0.065),
        EYE_Y + eye,
        EYE_Y - eye[::-1],
        np.arange(EYE_Y - 0.15, -0.4, -0.07),
        np.arange(-0.4, -2.0, -0.12),
        np.arange(-2.0, -4.0, -0.08),
        np.arange(-4.0, MOUTH_Y + 0.23, -0.075),
        MOUTH_Y + lips,
        MOUTH_Y - lips[::-1],
        np.arange(MOUTH_Y - 0.26, -7.4, -0.075),
        np.linspace(-7.4, -11.0, 26),
    ]
    y = np.concatenate(parts)
    eye_row = int(np.flatnonzero(y > EYE_Y)[-1])
    mouth_row = int(np.flatnonzero(y > MOUTH_Y)[-1])
    return y, eye_row, mouth_row, len(y) - 1


ROW_Y, EYE_ROW, MOUTH_ROW, JAW_ROW = _rows()
ROWS = len(ROW_Y) + UNDER + NECK
_S = np.linspace(-1, 1, COLUMNS)
AZIMUTH = np.pi * (0.38 * _S + 0.62 * _S**3)  # of each column; 0 in front, + to the viewer's right


@dataclass
class Surface:
    """The head with an expression, in the head frame: points and unit normals (R, C, 3)."""

    points: np.ndarray
    normals: np.ndarray


@dataclass
class Head:
    """What is known of an actor's head at rest, as images over the grid (R rows, C columns)."""

    actor: Actor
    rest: np.ndarray  # (R, C, 3) points
    normals: np.ndarray  # (R, C, 3)
    flat: np.ndarray  # (R, C, 3): skull, jaw and neck before features
    scalp: np.ndarray  # masks (R, C), 0..1
    brow: np.ndarray
    beard: np.ndarray
    mustache: np.ndarray
    lips: np.ndarray
    triangles: np.ndarray  # (T, 3)
    shapes: dict[str, np.ndarray]  # expression -> shift of every point (R, C, 3)
    jaw_weight: np.ndarray  # (R, C)
    eyes: np.ndarray  # (2, 3) eyeball centers: viewer's left, right
    lids: dict[str, float]
    mouth: dict[str, float]
    open: np.ndarray  # (R-1, C-1): quads that exist; False in the slits
    neutral: np.ndarray  # (R, C, 3): points at rest, before the lids are set

    @cached_property
    def uv(self) -> np.ndarray:
        """(R, C, 2): column and row of each point."""
        c, r = np.meshgrid(np.arange(COLUMNS, dtype=np.float32), np.arange(ROWS, dtype=np.float32))
        return np.stack([c, r], -1)

    def sample(self, grid: np.ndarray, uv: np.ndarray) -> np.ndarray:
        """Values (N, K) of an image over the grid (R, C, K) at uv (N, 2), bilinear."""
        return sample(grid, uv)

    def locate(self, points: np.ndarray) -> np.ndarray:
        """The uv (N, 2) of the surface points at rest nearest to ``points`` (N, 3)."""
        from scipy.spatial import cKDTree

        index = cKDTree(self.rest.reshape(-1, 3)).query(points)[1]
        return np.stack([index % COLUMNS, index // COLUMNS], -1).astype(np.float32)

    @cached_property
    def lashes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each eye (viewer's left, right): uv polylines (N, 2) of upper and lower lid edge."""
        found = []
        for side in (-1, 1):
            s = self._lid_s(side)[EYE_ROW]
            near = (np.sign(AZIMUTH) == side) & (np.abs(AZIMUTH) < 1.2)
            cols = np.flatnonzero((np.abs(s) < 1) & near)
            upper = np.stack([cols, np.full(len(cols), EYE_ROW - 1)], -1).astype(np.float32)
            lower = np.stack([cols, np.full(len(cols), EYE_ROW + 2)], -1).astype(np.float32)
            found.append((upper, lower))
        return found

    @property
    def ears(self) -> np.ndarray:
        """(2, 3): the ear lobes, viewer's left and right."""
        from .parts import ear_lobes

        return ear_lobes(self)

    @property
    def chart(self) -> np.ndarray:
        """(R, C, 2): the surface unrolled, in cm: round the head, and down from the eyes."""
        step = np.linalg.norm(np.diff(self.flat, axis=0), axis=-1)
        down = np.concatenate([np.zeros((1, COLUMNS)), np.cumsum(step, axis=0)])
        down = down - down[EYE_ROW]
        return np.stack([np.broadcast_to(AZIMUTH * 8.4, down.shape), down], -1)

    def _lid_s(self, side: int) -> np.ndarray:
        """-1 at an eye's inner corner, 1 at its outer one (whole grid)."""
        dx = side * (self.flat[..., 0] - side * self.lids["x"])
        return np.where(dx < 0, dx / self.lids["inner"], dx / self.lids["outer"])

    def deform(self, row) -> Surface:
        """The surface under one row of a performance table (a mapping with its columns)."""
        return _deform(self, row)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Dot products (N,) of vectors (N, 3); numpy is slow over a last axis of three."""
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def sample(grid: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Values (N, K) of an image (R, C, K) at uv (N, 2), bilinear."""
    n = len(uv)
    if not n:
        return np.zeros((0, *grid.shape[2:]), np.float32)
    width = min(n, 1024)  # remap takes no image of 32,768 columns
    m = np.empty((-(-n // width) * width, 2), np.float32)
    m[:n], m[n:] = uv, uv[-1]
    grid = np.asarray(grid, np.float32)
    out = cv2.remap(  # type: ignore[call-overload]
        grid, m.reshape(-1, width, 2), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return out.reshape(-1, *grid.shape[2:])[:n]


def _base(a: Actor, x_az: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance from the axis at azimuth and height: the skull and jaw without features."""
    w = curve(y, [(-11.6, 2.6 + 0.25 * a["jaw_width"]), (-10.3, 3.5 + 0.3 * a["jaw_width"]),
                  (-9, 4.25 + 0.3 * a["jaw_width"]), (-7, 5.15 + 0.3 * a["jaw_width"]),
                  (-5, 5.8 + 0.22 * a["jaw_width"] + 0.1 * a["cheek"]),
                  (-3, 6.4 + 0.15 * a["cheek"]), (-1, 6.85 + 0.18 * a["cheekbone"]),
                  (1, 7.05 + 0.1 * a["cheekbone"]), (3, 7.2), (5, 7.3), (7, 6.85), (9, 5.5),
                  (10.5, 3.6), (11.2, 1.9), (11.5, 0.02)])  # fmt: skip
    w = w * (1 + 0.022 * a["width"])
    f = curve(y, [(-11.6, 7.2), (-11, 7.95 + 0.15 * a["chin"]), (-9.8, 8.6 + 0.2 * a["chin"]),
                  (-8, 8.55), (-6, 8.75), (-4, 8.85), (-2, 8.8), (0, 8.75), (1.7, 8.95),
                  (3, 9.3 + 0.12 * a["brow_ridge"]), (4.5, 9.4 + 0.1 * a["forehead"]),
                  (6, 9.15 + 0.15 * a["forehead"]), (7.5, 8.4 + 0.12 * a["forehead"]), (9, 6.85),
                  (10.3, 4.5), (11.2, 2.0), (11.5, 0.02)])  # fmt: skip
    b = curve(y, [(-11.6, 6.1), (-7, 6.3), (-5, 6.9), (-3, 7.9), (-1, 8.8), (1, 9.4), (3, 9.7),
                  (5, 9.6), (7, 8.9), (9, 7.0), (10.5, 4.3), (11.2, 2.2),
                  (11.5, 0.02)])  # fmt: skip
    n = curve(y, [(-11.6, 2.2), (-9, 2.1), (-6, 2.05), (-2, 2.12), (2, 2.2), (4, 2.15), (6, 2.1),
                  (9, 2.1), (11.5, 2.0)])  # fmt: skip
    depth = np.where(np.cos(x_az) > 0, f, b)
    sin, cos = np.abs(np.sin(x_az)), np.abs(np.cos(x_az))
    return ((sin / w) ** n + (cos / depth) ** n) ** (-1 / n)


def _skeleton(a: Actor) -> np.ndarray:
    """The grid (R, C, 3) of skull, jaw and neck, before any feature."""
    az = AZIMUTH[None, :]
    deg = np.degrees(np.abs(az))
    edge = curve(deg, [(0, -11.0), (14, -10.95), (30, -10.35), (48, -8.7), (63, -7.2), (78, -6.2),
                       (95, -5.0), (115, -4.0), (180, -4.0)])  # fmt: skip
    edge = np.where(edge < -6, edge - 0.15 * a["jaw_length"], edge)
    top = -4.6  # rows above stay level; below they close in on the jaw's edge
    level = ROW_Y[:, None]
    t = np.clip((top - level) / (top + 11.0), 0, 1)
    k = np.linspace(1e-3, 30, 500)  # how fast, so that the spacing of rows does not jump
    k = np.interp((top + 11.0) / (top - edge), k / (1 - np.exp(-k)), k)
    y = np.where(level > top, level, top + (edge - top) * (1 - np.exp(-k * t)) / (1 - np.exp(-k)))
    side = smoothstep(60, 100, deg)  # behind, rows stay level from further up
    y = y * (1 - side) + side * np.where(level > 2, level, 2 + (level - 2) * (edge - 2) / -13.0)
    r = _base(a, az + 0 * y, y)
    # A neck: an ellipse, leaning forward to the top, widening into the shoulders.
    thick = 1 + 0.055 * a["neck"]
    wn, fn, bn = 5.4 * thick, 4.4 * thick, 6.0 * thick

    def neck(level):
        flare = smoothstep(-12.5, -19.5, level)
        w = wn + 3.0 * flare * np.sin(az) ** 2
        d = np.where(np.cos(az) > 0, fn + 0.3 * flare, bn + 0.4 * flare)
        rad = ((np.abs(np.sin(az)) / w) ** 2.1 + (np.abs(np.cos(az)) / d) ** 2.1) ** (-1 / 2.1)
        return rad

    t = np.linspace(0, 1, UNDER + 1)[1:, None]
    y_top = edge
    y_neck = curve(deg, [(0, -12.0), (40, -11.4), (70, -9.5), (100, -8), (180, -8)])
    r_edge, r_neck = r[-1:], neck(y_neck)
    ease = t**0.85
    r_under = r_edge + (r_neck - r_edge) * ease
    y_under = y_top + (y_neck - y_top) * (0.35 * t + 0.65 * t**3)
    t = np.linspace(0, 1, NECK + 1)[1:, None]
    y_col = y_neck + (-18.5 - y_neck) * t
    r_col = neck(y_col) + 0 * az
    y = np.concatenate([y + 0 * az, y_under, y_col])
    r = np.concatenate([r, r_under, r_col])
    # Neck muscles from behind the ears to the pit of the throat, and the larynx between them.
    gate = smoothstep(-10.5, -13.0, y)
    line = np.interp(-y, [9.0, 13.0, 18.5], [74.0, 48.0, 13.0])
    cord = np.exp(-(((deg - line) / 10.0) ** 2)) - 0.5 * np.exp(-(((deg - line + 17) / 9.0) ** 2))
    r = r + gate * (0.30 - 0.12 * max(a.build, 0)) * cord
    larynx = 0.15 if a.female else 0.38
    r = r + larynx * np.exp(-(((y + 13.6) / 0.9) ** 2) - (deg / 9.0) ** 2) * (y < -11.5)
    # Round off the jaw's edge and the throat: blur along rows, below the mouth only.
    soft = smoothstep(-7.6, -9.6, np.concatenate([ROW_Y, np.full(UNDER + NECK, -12.0)]))[:, None]
    soft = np.maximum(soft, smoothstep(50, 80, deg) * (np.arange(ROWS) > MOUTH_ROW)[:, None])
    for _ in range(2):
        r += soft * (gaussian_filter1d(r, 2.6, axis=0, mode="nearest") - r)
        y += soft * (gaussian_filter1d(y, 2.6, axis=0, mode="nearest") - y)
    lean = -0.7 * smoothstep(-9, -17, y)
    return np.stack([r * np.sin(az), y, r * np.cos(az) + lean], -1)


def _nose(a: Actor, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the nose over the face, in cm (y already relative to an average nose)."""
    ax = np.abs(x)
    w, bridge = 1 + 0.13 * a["nose_width"], 0.16 * a["nose_bridge"]
    ridge = curve(y, [(-4.3, 0), (-3.75, 0.12), (-3.45, 0.55), (-3.2, 1.55), (-2.85, 2.25),
                      (-2.4, 2.42 + 0.5 * bridge), (-1.8, 2.15 + bridge),
                      (-0.7, 1.55 + bridge + 0.12 * a["nose_hump"]),
                      (0.4, 0.88 + bridge + 0.08 * a["nose_hump"]), (1.3, 0.4 + 0.7 * bridge),
                      (2.0, 0.22 + 0.3 * bridge), (3.0, 0.0)])  # fmt: skip
    half = curve(y, [(-4, 0.6), (-3.3, 0.85), (-2.4, 1.0), (-1.2, 0.98), (0.3, 0.82), (1.4, 0.85),
                     (2.5, 1.3)]) * (0.75 + 0.25 * w)  # fmt: skip
    s = ax / half
    h = ridge * np.exp(-0.95 * s**2.2) + 0.10 * ridge * np.exp(-((s - 1.1) ** 2) * 2)
    # Tip: a ball; wings: two more beside it.
    tip_r = 0.88 * (0.8 + 0.2 * w) + 0.05 * a["nose_tip"]
    d2 = (ax / tip_r) ** 2 + ((y + 2.50) / 0.72) ** 2
    ball = (2.70 + 0.1 * bridge) * np.exp(-0.42 * d2**1.15)
    h = smooth_max(h, ball, np.minimum(0.35, 0.01 + np.maximum(h, ball)))
    wx = 1.16 * w
    d2 = ((ax - wx) / 0.56) ** 2 + ((y + 2.78) / 0.58) ** 2
    wing = 1.20 * np.exp(-0.85 * d2**1.2)
    h = smooth_max(h, wing, np.minimum(0.45, 0.01 + np.maximum(h, wing)))
    # Below, everything ends at the base of the nose.
    h = h * smoothstep(-3.72, -3.22, y + 0.10 * ax)
    # The groove behind the wing.
    h -= 0.10 * bump(ax, y, wx + 0.66, -2.75, 0.24, 0.6)
    return np.maximum(h, -0.2)


def _features(a: Actor, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shifts along z of face features over the skeleton; and the nose's share of them."""
    x, y = p[..., 0], p[..., 1]
    ax = np.abs(x)
    z = np.zeros_like(x)
    ex = EYE_X * (1 + 0.025 * a["eye_gap"])
    depth = 1 + 0.16 * a["eye_depth"]
    z -= 0.62 * depth * bump(ax, y, ex, 0.95, 1.75, 1.05)
    z -= 0.62 * depth * bump(ax, y, 1.75, 1.0, 0.62, 0.95)  # beside the root of the nose
    z -= 0.25 * depth * bump(ax, y, ex + 0.3, 2.0, 1.6, 0.5)
    z += 0.20 * bump(ax, y, 2.9, 3.05, 2.0, 0.75) * (1 + 0.5 * a["brow_ridge"])
    z += 0.12 * a["brow_ridge"] * bump(ax, y, 0, 2.9, 1.4, 0.7)
    z -= 0.12 * bump(ax, y, 0, 2.2, 1.1, 0.5)
    z -= 0.45 * bump(ax, y, 6.3, 3.0, 1.3, 1.8)  # temple
    z += (0.42 + 0.14 * a["cheekbone"]) * bump(ax, y, 4.7, -1.3, 1.7, 1.25)
    z += (0.12 + 0.16 * a["cheek"]) * bump(ax, y, 3.6, -3.4, 1.7, 1.8)
    z -= (0.22 - 0.12 * a["cheek"]) * bump(ax, y, 5.0, -5.0, 1.5, 1.7)
    z += (0.50 + 0.13 * a["barrel"]) * bump(ax, y, 0, -5.2, 2.5, 2.0)
    z += (0.42 + 0.12 * a["chin"]) * bump(ax, y, 0, -9.75, 1.7, 1.15)
    z -= 0.30 * bump(ax, y, 0, -7.65, 1.9, 0.55)
    fold = 1.75 + (3.25 - 1.75) * (y + 2.8) / (-5.9 + 2.8)  # nasolabial line
    age = 0.02 + 0.14 * smoothstep(28, 75, np.array(a.age)) + 0.02 * max(a["cheek"], 0)
    gate = smoothstep(-2.5, -3.4, y) * smoothstep(-6.9, -5.6, y)
    d = ax - fold
    z += age * gate * (-np.exp(-((d / 0.34) ** 2)) + 0.8 * np.exp(-(((d - 0.8) / 0.7) ** 2)))
    bag = smoothstep(30, 75, np.array(a.age))
    z -= (0.03 + 0.12 * bag) * bump(ax, y, 2.5, -0.6, 1.2, 0.22)
    z += 0.09 * bag * bump(ax, y, 2.9, -0.15, 1.1, 0.35)
    jowl = smoothstep(40, 80, np.array(a.age)) * (0.25 + 0.15 * max(a["cheek"], 0))
    z += jowl * bump(ax, y, 4.3, -8.6, 1.1, 1.1)
    # Philtrum: two ridges and a groove.
    gate = smoothstep(-3.2, -3.9, y) * smoothstep(-5.3, -4.4, y)
    z += gate * (0.02 * np.exp(-(((ax - 0.48) / 0.26) ** 2)) - 0.04 * np.exp(-((x / 0.3) ** 2)))
    nose = _nose(a, x, y)
    return z, nose


def _lip_profile(t: np.ndarray, s: np.ndarray, upper: bool, full: float) -> np.ndarray:
    """How far a lip stands out: t is 0 at the slit .. 1 at the lip's border, s -1..1 across."""
    a = (0.24 if upper else 0.30) * (1 + 0.25 * full)
    across = np.clip(1 - np.abs(s) ** 2.2, 0, 1) ** 0.7
    body = a * np.sin(np.pi * np.clip(0.80 * t + 0.16, 0, 1)) ** 1.1
    if upper:
        body = body * (1 + 0.18 * np.exp(-((s / 0.22) ** 2))
                       - 0.1 * np.exp(-(((s - 0.4) / 0.25) ** 2))
                       - 0.1 * np.exp(-(((s + 0.4) / 0.25) ** 2)))  # fmt: skip
    else:
        body = body * (1 - 0.16 * np.exp(-((s / 0.2) ** 2)))
    recess = 0.26 * np.clip(1 - t / 0.30, 0, 1) ** 2
    rim = 0.025 * np.exp(-(((t - 1.0) / 0.12) ** 2))
    return (body + rim) * across - recess * (0.25 + 0.75 * across) * smoothstep(
        1.15, 0.85, np.abs(s)
    )


@lru_cache(maxsize=8)
def build(actor: Actor) -> Head:
    """The head of ``actor`` at rest (kept for the last few actors)."""
    a = actor
    p = _skeleton(a)
    front = smoothstep(100, 70, np.degrees(np.abs(AZIMUTH)))[None, :]
    below = np.zeros((ROWS, 1))
    below[JAW_ROW + 6 :] = 1
    front = front * (1 - gaussian_filter1d(below, 3, axis=0, mode="nearest"))
    flat = p.copy()
    x, y = p[..., 0].copy(), p[..., 1].copy()
    shift, nose = _features(a, p)
    p[..., 2] += front * shift
    # The nose overhangs: its tip hangs a little lower than where it stands.
    p[..., 2] += front * nose
    lift = smoothstep(0.8, 2.2, nose) * smoothstep(-1.6, -2.8, y)
    p[..., 1] -= front * (0.22 - 0.10 * a["nose_tip"]) * lift
    # Nostrils: pits in the underside.
    pit = bump(np.abs(x), y, 0.62 * (1 + 0.13 * a["nose_width"]), -3.25, 0.32, 0.17)
    p[..., 2] -= front * 0.55 * pit
    p[..., 1] += front * 0.22 * pit

    mouth = {
        "half": 2.45 + 0.14 * a["mouth_width"],
        "upper": 0.62 + 0.13 * a["lip_upper"],
        "lower": 0.80 + 0.15 * a["lip_lower"],
    }
    eye_size = 1 + 0.05 * a["eye_size"]
    lids = {
        "x": EYE_X * (1 + 0.025 * a["eye_gap"]),
        "inner": 1.58 * eye_size,
        "outer": 1.62 * eye_size,
        "upper": 0.49 * eye_size - 0.05 * max(a["lid_fold"], 0),
        "lower": -0.54 * eye_size + 0.02 * max(a["lid_fold"], 0),
        "tilt": 0.07 + 0.05 * a["eye_tilt"] + 0.05 * max(a["lid_fold"], 0),
        "fold": a["lid_fold"],
        "sag": float(smoothstep(40, 80, np.array(a.age))),
    }
    p, red = _mouth(p, mouth, a)
    p = stretch(p, a)
    # Ordinary lopsidedness.
    gate = front * smoothstep(3, -4, y)
    p[..., 0] += 0.09 * a["asym_x"] * gate * smoothstep(-1, -8, y)
    p[..., 1] += gate * 0.10 * a["asym_y"] * np.tanh(x / 3)

    head = Head(
        actor=a, rest=p, normals=np.zeros_like(p), flat=flat,
        scalp=_zero(), brow=_zero(), beard=_zero(), mustache=_zero(), lips=red.astype(np.float32),
        triangles=np.zeros((0, 3), np.int32), shapes={}, jaw_weight=_zero(),
        eyes=np.array([[-lids["x"], EYE_Y, EYE_Z - 0.1 * a["eye_depth"]],
                       [lids["x"], EYE_Y, EYE_Z - 0.1 * a["eye_depth"]]]),
        lids=lids, mouth=mouth, open=np.ones((ROWS - 1, COLUMNS - 1), bool),
        neutral=p.astype(np.float32),
    )  # fmt: skip
    head.triangles = _triangles(head)
    head.jaw_weight = _jaw_weight(head)
    head.shapes = _shapes(head)
    _masks(head)
    rest = head.deform({})
    head.rest, head.normals = rest.points, rest.normals
    return head


def stretch(p: np.ndarray, a: Actor) -> np.ndarray:
    """Move nose base, mouth and chin up or down, and the crown; eyes stay where they are."""
    nose = -0.20 * a["nose_length"]
    mouth = nose - 0.14 * a["mouth_height"]
    chin = 0.35 + nose - 0.32 * a["jaw_length"] - 0.08 * a["chin"]
    y = p[..., 1]
    shift = curve(y, [(-19, 0), (-15, 0.3 * chin), (-10.9, chin), (-8.5, 0.5 * (chin + mouth)),
                      (-6.2, mouth), (-5.0, mouth), (-3.3, nose), (-0.5, 0), (4, 0),
                      (11.6, 0.16 * a["length"])])  # fmt: skip
    out = p.copy()
    out[..., 1] = y + shift
    return out


def _zero() -> np.ndarray:
    return np.zeros((ROWS, COLUMNS), np.float32)


def _mouth(p: np.ndarray, m: dict[str, float], a: Actor) -> tuple[np.ndarray, np.ndarray]:
    """Shape the lips: rows beside the slit become lip, the ones inside it roll inwards.

    Also says where lips are red.
    """
    x = p[..., 0]
    s = x / m["half"]
    inside = np.clip(1 - np.abs(s), 0, 1)
    q = np.full((ROWS, 1), 9.0)
    q[: JAW_ROW + 1, 0] = ROW_Y - MOUTH_Y
    corner = smoothstep(1.35, 0.98, np.abs(s)) * (np.abs(AZIMUTH) < 1.2)  # fades outwards
    slit = MOUTH_Y + 0.06 * np.cos(np.clip(s, -1, 1) * np.pi * 2) * inside - 0.05 * np.abs(s) ** 2
    slit = slit + 0.05 * np.exp(-((s / 0.12) ** 2)) * -1 + 0.04 * a["asym_mouth"] * s
    edge, border = 0.20, 0.95
    shape = np.clip(1 - np.abs(s) ** 1.9, 0, 1)
    bow = 1 - 0.16 * np.exp(-((s / 0.10) ** 2)) + 0.06 * np.exp(-(((np.abs(s) - 0.17) / 0.1) ** 2))
    up = m["upper"] * shape**0.85 * bow
    low = m["lower"] * np.clip(1 - np.abs(s) ** 2.4, 0, 1) ** 0.9
    least = 0.36  # rows never close up, or their normals would fan out from the corner
    red = np.zeros_like(x)
    y, z = p[..., 1].copy(), p[..., 2].copy()
    for sign, height, upper in ((1, up, True), (-1, low, False)):
        full = a["lip_upper"] if upper else a["lip_lower"]
        qs = q * sign
        t = (qs - edge) / (border - edge)
        reach = 1.9
        shown, height = height, smooth_max(height, least, 0.2)
        part = (qs > 0) & (np.abs(s) < 1.2) & (np.abs(AZIMUTH) < 1.2)
        inside_red = smoothstep(0.10, -0.10, np.clip(t, 0, 3) * height - shown - 0.02)
        red = np.where(part, inside_red * smoothstep(1.04, 0.94, np.abs(s)), red)
        target = np.where(
            t <= 1,
            slit - 0.04 * upper + sign * np.clip(t, 0, 1) * (height + 0.04 * upper),  # overlap
            slit + sign * (height + (reach - height) * (qs - border) / (reach - border)),
        )
        part = (qs > edge - 1e-6) & (qs < reach)
        part = part & np.ones_like(x, bool)
        z_lip = _lip_profile(np.clip(t, 0, 1), s, upper, full)
        fade = np.where(t <= 1, 1.0, np.exp(-(((t - 1) / 0.22) ** 2)))
        z_lip = z_lip - 0.10 * (not upper) * np.clip(1 - t / 0.22, 0, 1) * inside**0.3
        z = np.where(part, z + corner * z_lip * fade, z)
        y = np.where(part, y + corner * (target - y), y)
        # Inside: roll back behind the edge.
        roll = (qs > 0) & (qs < edge - 1e-6) & np.ones_like(x, bool)
        depth = np.clip((edge - qs) / edge, 0, 1)
        z_edge = z[np.argmin(np.abs(q[:, 0] - sign * edge))]
        thick = 0.30 * np.sin(np.pi * np.clip(depth, 0, 1) * 0.5)
        w = np.clip(inside * 4, 0, 1)
        z = np.where(roll, z + corner * (z_edge - 0.75 * depth**1.2 * w - z), z)
        y = np.where(roll, y + corner * (slit + sign * (0.02 + thick * w * 0.8) - y), y)
    out = p.copy()
    out[..., 1], out[..., 2] = y, z
    return out, red


def _triangles(h: Head) -> np.ndarray:
    """Two triangles for each quad of the grid, but for the slits of eyes and mouth."""
    keep = np.ones((ROWS - 1, COLUMNS - 1), bool)
    x = h.flat[..., 0]
    mid = 0.5 * (x[MOUTH_ROW, 1:] + x[MOUTH_ROW, :-1])
    front = np.abs(AZIMUTH[1:]) < 1.2
    keep[MOUTH_ROW] &= ~((np.abs(mid) < h.mouth["half"] * 0.99) & front)
    mid = np.abs(0.5 * (x[EYE_ROW, 1:] + x[EYE_ROW, :-1]))
    lo, hi = h.lids["x"] - 0.99 * h.lids["inner"], h.lids["x"] + 0.99 * h.lids["outer"]
    keep[EYE_ROW] &= ~((mid > lo) & (mid < hi) & front)
    h.open = keep
    i = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = i[:-1, :-1][keep], i[:-1, 1:][keep], i[1:, :-1][keep], i[1:, 1:][keep]
    return np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).astype(np.int32)


def _jaw_weight(h: Head) -> np.ndarray:
    """How much each point goes along with the jaw."""
    x, y = h.flat[..., 0], h.flat[..., 1]
    row = np.arange(ROWS)[:, None]
    s = np.abs(x) / h.mouth["half"]
    width = 0.02 + 2.4 * np.clip(s - 0.80, 0, 1.2)
    w = smoothstep(0, 1, 0.5 + (MOUTH_Y - y) / (2 * width))
    w = np.where((s < 0.97), np.where(row > MOUTH_ROW, np.maximum(w, 0.5), np.minimum(w, 0.5)), w)
    deg = np.degrees(np.abs(AZIMUTH))[None, :]
    w = w * smoothstep(100, 62, deg)
    under = np.clip((row - JAW_ROW - 3) / (UNDER - 3), 0, 1)
    return (w * (1 - smoothstep(0, 1, under))).astype(np.float32)


def _shapes(h: Head) -> dict[str, np.ndarray]:
    """Each expression at strength 1, as a shift of every point (cm)."""
    x, y = h.flat[..., 0], h.flat[..., 1]
    ax, sx = np.abs(x), np.sign(x)
    front = smoothstep(95, 65, np.degrees(np.abs(AZIMUTH)))[None, :]
    row = np.arange(ROWS)[:, None]
    top = (row <= MOUTH_ROW) + 0.0
    half = h.mouth["half"]
    lip = bump(x, y, 0, MOUTH_Y, half * 1.05, 1.5)
    corner = bump(ax, y, half, MOUTH_Y, 1.25, 1.25)
    age = float(smoothstep(25, 70, np.array(h.actor.age)))

    def shift(dx, dy, dz):
        full = np.broadcast_arrays(dx, dy, dz, x)[:3]
        return (np.stack(full, -1) * front[..., None]).astype(np.float32)

    s = np.clip(ax / half, 0, 1.4)
    pull = bump(ax, y, half, MOUTH_Y, 1.7, 1.6) * np.clip(ax / half, 0, 1)
    cheek = bump(ax, y, 4.0, -2.2, 1.5, 1.5)
    d = ax - (1.9 + 1.75 * (y + 2.6) / (-5.9 + 2.6))
    fold = smoothstep(-2.2, -3.3, y) * smoothstep(-6.8, -5.4, y)
    crease = fold * (-np.exp(-((d / 0.24) ** 2)) + 0.9 * np.exp(-(((d - 0.6) / 0.5) ** 2)))
    crow = bump(ax, y, 5.6, 0.9, 0.7, 0.9) * np.sin((y - 0.9 - 0.25 * (ax - 5)) * 9)
    smile = shift(
        sx * (0.62 * pull),
        0.60 * pull * smoothstep(0.2, 1.0, s) + 0.30 * cheek - 0.06 * lip * (1 - s),
        -0.42 * pull + 0.30 * cheek + (0.22 + 0.12 * age) * crease + 0.05 * age * crow - 0.1 * lip,
    )
    wide = shift(sx * 0.42 * pull, 0.02 * pull, -0.25 * pull)
    tight = np.clip(ax / half, 0, 1.3)
    near = bump(x, y, 0, MOUTH_Y, half * 1.15, 1.7)
    round_ = shift(
        -sx * 0.95 * tight * bump(ax, y, half * 0.7, MOUTH_Y, 1.7, 1.6),
        (0.10 * top - 0.06 * (1 - top)) * lip,
        0.60 * near,
    )
    lipband = np.exp(-(((y - MOUTH_Y) / 0.9) ** 2)) * smoothstep(1.25, 0.8, ax / half)
    press = shift(0 * x, -0.42 * (y - MOUTH_Y) * lipband, -0.16 * lipband)
    low = (1 - top) * np.exp(-(((y - MOUTH_Y) / 0.8) ** 2)) * smoothstep(1.1, 0.5, ax / half)
    bite = shift(0 * x, 0.28 * low, -0.42 * low)
    lines = np.sin(np.clip(y - 3.6, 0, 3.4) / 3.4 * np.pi * 3.999) * smoothstep(5.0, 3.0, ax)
    lines = lines * (smoothstep(3.4, 3.9, y) * smoothstep(7.2, 6.6, y))
    brow_y = bump(ax, y, 3.2, 3.1, 2.6, 1.15)
    up = shift(0 * x, 0.48 * brow_y + 0.18 * bump(ax, y, 3, 5, 4, 1.5),
               (0.02 + 0.06 * age) * lines + 0.05 * brow_y)  # fmt: skip
    glabella = bump(ax, y, 0.62, 2.7, 0.22, 0.6)
    inner = bump(ax, y, 1.8, 2.7, 1.2, 0.8)
    frown = shift(-sx * 0.26 * inner, -0.30 * inner - 0.10 * brow_y,
                  0.10 * inner - (0.10 + 0.10 * age) * glabella)  # fmt: skip
    # Skin drawn up under the eye and round the lips when the mouth opens.
    sad = shift(0 * x, -0.34 * corner - 0.05 * lip * (1 - s), 0.05 * corner)
    return {"smile": smile, "sad": sad, "wide": wide, "narrow": -0.8 * wide, "round": round_,
            "press": press, "bite": bite, "raise": up, "frown": frown}  # fmt: skip


def value(row, name: str) -> float:
    """A column of a performance row; 0 where the table has no such column."""
    try:
        return float(row[name])
    except (KeyError, IndexError):
        return 0.0


def jaw_matrix(row) -> np.ndarray:
    """Rotation (3, 3) of the jaw about :data:`JAW_PIVOT`."""
    angle = np.radians(19.0 * value(row, "jaw"))
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _deform(h: Head, row) -> Surface:
    p = h.neutral.copy()
    smile, wide, brow = (value(row, k) for k in ("smile", "wide", "brow"))
    weights = {
        "smile": max(smile, 0), "sad": max(-smile, 0), "wide": max(wide, 0),
        "narrow": max(-wide, 0), "round": value(row, "round"), "press": value(row, "press"),
        "bite": value(row, "bite"), "raise": max(brow, 0), "frown": max(-brow, 0),
    }  # fmt: skip
    for name, weight in weights.items():
        if weight:
            p += np.float32(weight) * h.shapes[name]
    jaw = value(row, "jaw")
    if jaw:
        rotation = jaw_matrix(row).astype(np.float32)
        pivot = JAW_PIVOT.astype(np.float32)
        rows = slice(MOUTH_ROW - 30, None)
        q = p[rows]
        turned = (q - pivot) @ rotation.T + pivot
        q += h.jaw_weight[rows, :, None] * (turned - q)
    _lids(h, p, row)
    return Surface(p, grid_normals(p, h.open))


def lid_edges(h: Head, s: np.ndarray, row) -> tuple[np.ndarray, np.ndarray]:
    """Heights (relative to the eye's center) of upper and lower lid edge at s = -1..1."""
    lids = h.lids
    blink, smile = value(row, "blink"), max(value(row, "smile"), 0)
    gaze, brow = value(row, "gaze_y"), value(row, "brow")
    sc = np.clip(s, -1, 1)
    line = lids["tilt"] * sc * 1.4 + np.where(sc < -0.75, -0.22 * (sc + 0.75), 0) * -1.0
    up = lids["upper"] + 0.22 * min(gaze, 0.0) + 0.10 * max(gaze, 0.0) + 0.03 * brow
    up = up * (1 - 0.12 * smile)
    low = lids["lower"] + 0.16 * smile + 0.10 * min(gaze, 0.0) * -1 * 0.3
    arch = np.clip(1 - np.abs(sc + 0.10 * (1 - sc**2)) ** 2.3, 0, 1) ** 0.85
    bowl = np.clip(1 - np.abs(sc - 0.12 * (1 - sc**2)) ** 2.2, 0, 1) ** 0.9
    droop = lids["sag"] * 0.10 * smoothstep(-0.2, 1.0, sc)
    upper, lower = line + up * arch - droop * arch, line + low * bowl
    lower = lower + blink * 0.10 * bowl
    upper = upper + blink * (lower + 0.015 - upper)
    return upper, lower


def _lids(h: Head, p: np.ndarray, row) -> None:
    """Open or shut the lids: rows beside each eye slit slide over the eyeball."""
    rows = slice(EYE_ROW - 34, EYE_ROW + 26)
    q = (ROW_Y - EYE_Y)[rows, None].astype(np.float32)
    blink = value(row, "blink")
    fold = max(h.lids["fold"], 0.0)
    for side, center in zip((-1, 1), h.eyes, strict=True):
        x0, x1 = sorted((side * 0.9, side * 6.3))
        line = h.flat[EYE_ROW, :, 0]
        cols = np.flatnonzero((line > x0) & (line < x1) & (np.abs(AZIMUTH) < 1.2))
        first, last = int(cols[0]), int(cols[-1]) + 1
        patch = p[rows, first:last]
        x = h.flat[rows, first:last, 0]
        dx = side * (x - center[0])
        s = np.where(dx < 0, dx / h.lids["inner"], dx / h.lids["outer"])
        upper, lower = lid_edges(h, s, row)
        edge = 0.09
        y_flat = ROW_Y[rows, None] + 0 * x
        moved = patch[..., 1] - h.neutral[rows, first:last, 1]
        span = 1.55
        tu = np.clip((q - edge) / (span - edge), 0, 1) + 0 * x
        tl = np.clip((-q - edge) / (span - edge), 0, 1) + 0 * x
        power = 1 + 0.45 * (1 - blink)
        y_up = EYE_Y + upper + (span - upper) * tu**power
        y_low = EYE_Y + lower + (-span - lower) * tl
        inner = np.abs(q) < edge - 1e-3
        y = np.where(q > 0, y_up, y_low)
        y = np.where(inner & (q > 0), EYE_Y + upper - 0.015, y)
        y = np.where(inner & (q < 0), EYE_Y + lower + 0.015, y)
        lateral = smoothstep(1.75, 1.05, np.abs(s))
        fade = lateral * smoothstep(span, span - 0.35, np.abs(q))
        y = y_flat + fade * (y - y_flat)
        # Skin depth at the new height, then pushed out by the eyeball.
        index = np.interp(-y, -ROW_Y, np.arange(len(ROW_Y))).astype(np.float32)
        c = np.broadcast_to(np.arange(first, last, dtype=np.float32), x.shape)
        depth = np.ascontiguousarray(h.neutral[..., 2])
        z = cv2.remap(depth, np.ascontiguousarray(c), index, cv2.INTER_LINEAR)
        dy = y - EYE_Y
        d2 = dx**2 + dy**2
        radius = EYE_R + 0.10
        ball = center[2] + np.sqrt(np.maximum(radius**2 - d2, 0.02)) - 2.5 * np.maximum(
            d2 - radius**2 + 0.02, 0)  # fmt: skip
        z = smooth_max(z, ball, 0.30)
        z_in = center[2] + np.sqrt(np.maximum((EYE_R - 0.02) ** 2 - d2, 0.01))
        tucked = np.where(d2 < EYE_R**2, np.minimum(z - 0.05, z_in), z - 0.2)
        z = np.where(inner, z + smoothstep(1.12, 1.0, np.abs(s)) * (tucked - z), z)
        # The crease above the upper lid, and the fold of skin hanging over it.
        qc = 0.46 - 0.18 * fold
        open_ = (1 - blink) * lateral * smoothstep(-1.15, -0.6, s) * smoothstep(1.35, 0.7, s)
        above = q - edge
        z = z - 0.13 * open_ * np.exp(-(((above - qc) / 0.10) ** 2)) * (q > 0)
        hang = 0.10 + 0.05 * fold + 0.08 * h.lids["sag"]
        z = z + hang * open_ * np.exp(-(((above - qc - 0.32) / 0.22) ** 2)) * (q > 0)
        below = -q - edge
        z = z - 0.035 * lateral * np.exp(-(((below - 0.42) / 0.12) ** 2)) * (q < 0)
        dz = patch[..., 2] - h.neutral[rows, first:last, 2]
        patch[..., 1] = y + moved * (1 - smoothstep(1.3, 0.3, np.abs(q)) * lateral)
        patch[..., 2] = z + dz * (1 - smoothstep(1.0, 0.4, np.abs(q)) * lateral)


def grid_normals(p: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Unit normals (R, C, 3) of a grid, not mixing across slits (``keep`` (R-1, C-1))."""
    row, column = np.nonzero(~keep)
    d, r = [], []
    for q in cv2.split(np.asarray(p, np.float32)):  # numpy is slow over a last axis of three
        step = q[1:] - q[:-1]
        step[row, column] = step[row, column + 1] = 0
        down = np.zeros_like(q)
        down[:-1] += step
        down[1:] += step
        right = np.empty_like(q)
        right[:, 1:-1] = q[:, 2:] - q[:, :-2]
        right[:, 0] = right[:, -1] = q[:, 1] - q[:, -2]
        d.append(down)
        r.append(right)
    x, y, z = d[1] * r[2] - d[2] * r[1], d[2] * r[0] - d[0] * r[2], d[0] * r[1] - d[1] * r[0]
    length = np.sqrt(np.maximum(x * x + y * y + z * z, 1e-12))
    return cv2.merge([x / length, y / length, z / length])


def _masks(h: Head) -> None:
    """Where hair, brows, beard grow, and where lips are red."""
    a = h.actor
    x, y = h.flat[..., 0], h.flat[..., 1]
    ax = np.abs(x)
    deg = np.degrees(np.abs(AZIMUTH))[None, :] + 0 * x
    row = np.arange(ROWS)[:, None]
    # Hairline: forehead, temple, sideburn, behind the ear, nape.
    line = curve(deg, [(0, 7.1), (25, 7.0), (42, 6.4), (55, 4.6), (66, 3.0), (76, 1.5), (86, 0.5),
                       (96, 1.5), (108, 0.5), (125, -4.0), (145, -6.2), (180, -6.6)])  # fmt: skip
    h.scalp = smoothstep(-0.25, 0.35, y - line).astype(np.float32)
    ex = h.lids["x"]
    u = (ax - (ex - 1.75)) / 3.6  # along the brow, from the nose outwards
    arch = 2.55 + 0.55 * np.sin(np.clip(u, 0, 1) * np.pi * 0.72) - 0.10 * (1 - u)
    arch = arch + 0.12 * a["brow_ridge"] * -0.3
    thick = (0.22 + 0.16 * a.brows) * (1 - 0.75 * smoothstep(0.45, 1.05, u))
    h.brow = (smoothstep(1.25, 0.55, np.abs(y - arch) / thick) * smoothstep(-0.06, 0.06, u)
              * smoothstep(1.04, 0.92, u) * (deg < 80)).astype(np.float32)  # fmt: skip
    cheek = curve(deg, [(0, -7.2), (12, -7.0), (20, -6.6), (35, -5.9), (55, -3.8), (72, -1.2),
                        (84, 0.2), (90, 0.2)])  # fmt: skip
    jaw = smoothstep(0.5, -0.6, y - cheek) * smoothstep(92, 84, deg)
    jaw = jaw * (1 - smoothstep(JAW_ROW + 8, JAW_ROW + 22, row + 0 * x))
    h.beard = (jaw * (1 - h.lips)).astype(np.float32)
    stache = smoothstep(-3.55, -3.95, y) * smoothstep(-6.6, -6.0, y) * smoothstep(3.3, 2.6, ax)
    stache = stache * (row <= MOUTH_ROW - 4) + (
        smoothstep(3.5, 3.0, ax)
        * smoothstep(2.5, 2.9, ax)
        * smoothstep(-7.6, -6.6, y)
        * (y < MOUTH_Y + 0.5)
    )
    h.mustache = (np.clip(stache, 0, 1) * (1 - h.lips) * (deg < 60)).astype(np.float32)
