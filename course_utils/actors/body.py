"""An actor's shoulders and clothes, as meshes for :mod:`course_utils.actors.render`.

A torso is a grid of rings: columns run round the body from the middle of the back over the
viewer's left shoulder to the front, rows from the neck over the shoulders down. Its texture
coordinates are the grid's (column, row). A garment is the same surface lifted off the skin from its
neckline on, with folds; arms, collars, lapels, hoods and scarves are grids of their own. World
frame, centimeters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from .head import dot, sample, smoothstep, value
from .identity import Actor
from .parts import grid_triangles

COLUMNS, ROWS = 145, 84
GARMENTS = {  # by sex; how often
    False: {"tshirt": 4, "shirt": 4, "hoodie": 3, "blazer": 3, "sweater": 3, "scarf": 1, "polo": 2,
            "rollneck": 1, "jacket": 2},
    True: {"tshirt": 3, "blouse": 3, "hoodie": 2, "blazer": 3, "sweater": 3, "scarf": 2, "dress": 3,
           "rollneck": 2, "shirt": 2, "jacket": 1},
}  # fmt: skip
DYES = [  # linear RGB
    (0.60, 0.58, 0.54), (0.030, 0.032, 0.038), (0.045, 0.065, 0.13), (0.16, 0.16, 0.165),
    (0.28, 0.055, 0.05), (0.07, 0.13, 0.085), (0.22, 0.29, 0.40), (0.45, 0.36, 0.24),
    (0.36, 0.20, 0.06), (0.16, 0.06, 0.09), (0.10, 0.19, 0.21), (0.42, 0.22, 0.20),
    (0.30, 0.31, 0.22), (0.13, 0.085, 0.055), (0.38, 0.36, 0.42), (0.09, 0.12, 0.22),
]  # fmt: skip
SHIRTS = [
    (0.66, 0.66, 0.66),
    (0.40, 0.50, 0.64),
    (0.60, 0.48, 0.46),
    (0.05, 0.06, 0.09),
    (0.58, 0.56, 0.48),
]


@dataclass(frozen=True)
class Body:
    """Build and clothes of an actor."""

    seed: int
    garment: str
    dye: tuple[float, float, float]  # linear RGB
    second: tuple[float, float, float]  # of stripes, or of what is worn beneath
    pattern: str  # plain, heather, stripes, plaid, dots, knit, rib, twill
    shoulders: float  # half width, cm
    slope: float  # how far the shoulders fall, 1 is average
    depth: float  # of the chest, 1 is average
    female: bool
    folds: float  # how much the cloth folds, cm


def make_body(actor: Actor) -> Body:
    """The build and clothes of ``actor``."""
    rng = actor.rng("body")
    odds = GARMENTS[actor.female]
    weights = np.array(list(odds.values()), float)
    garment = str(rng.choice(list(odds), p=weights / weights.sum()))
    dye, second = (np.array(DYES[i]) for i in rng.choice(len(DYES), 2, replace=False))
    if garment in ("shirt", "blouse") and rng.random() < 0.6:
        dye = np.array(SHIRTS[rng.integers(len(SHIRTS))])
    if garment in ("blazer", "jacket"):
        second = np.array((SHIRTS + DYES)[rng.integers(len(SHIRTS) + 6)])
        dark = [1, 2, 3, 7, 13, 15, 5]
        dye = np.array(DYES[dark[rng.integers(len(dark))]])
    patterns = {
        "tshirt": ("plain", "plain", "stripes", "heather"),
        "polo": ("plain", "heather", "stripes"),
        "shirt": ("plain", "plaid", "pinstripes", "plain"),
        "blouse": ("plain", "dots", "pinstripes"),
        "hoodie": ("heather", "plain"),
        "sweater": ("knit", "rib", "stripes", "knit"),
        "rollneck": ("rib", "knit", "heather"),
        "blazer": ("plain", "twill", "plaid"),
        "jacket": ("twill", "plain"),
        "scarf": ("heather", "knit"),
        "dress": ("plain", "dots", "plain"),
    }[garment]
    sign = -1.0 if actor.female else 1.0
    folds = {"tshirt": 0.30, "shirt": 0.30, "blouse": 0.36, "hoodie": 0.5, "sweater": 0.36,
             "rollneck": 0.26, "blazer": 0.14, "jacket": 0.32, "scarf": 0.3, "dress": 0.2,
             "polo": 0.24}  # fmt: skip
    return Body(
        seed=actor.seed,
        garment=garment,
        dye=_color(rng, dye),
        second=_color(rng, second),
        pattern=str(rng.choice(patterns)),
        shoulders=18.6 + 1.5 * sign + 1.5 * actor.build + rng.normal(0, 0.5),
        slope=float(np.clip(rng.normal(1.0 - 0.05 * sign, 0.14), 0.7, 1.35)),
        depth=1.0 + 0.05 * sign + 0.17 * actor.build,
        female=actor.female,
        folds=folds[garment] * rng.uniform(0.8, 1.25),
    )


def _color(rng: np.random.Generator, dye: np.ndarray) -> tuple[float, float, float]:
    r, g, b = np.clip(dye * np.exp(rng.normal(0, 0.06, 3)), 0.01, 0.48)
    return float(r), float(g), float(b)


# -- the shape


@dataclass
class Sheet:
    """A grid of points with what its cloth is made of."""

    name: str
    points: np.ndarray  # (R, C, 3) at rest, world frame
    chart: np.ndarray  # (R, C, 2) across and down, cm along the cloth
    cloth: str  # "main", "second", "skin", "rib", or "cord"
    closed: bool = False  # the first and last column meet

    @cached_property
    def moves(self) -> tuple[np.ndarray, ...]:
        """Shares (R, C, 1) in which points follow the head's turn and its sway, and (R, C) in which
        the front and the shoulders rise with a breath.
        """
        y = self.points[..., 1:2]
        high = 0.55 * smoothstep(-17.5, -8.5, y)
        follow = 0.45 * smoothstep(-25.0, -17.0, y) + high
        front = np.exp(-(((y + 32) / 9) ** 2)) * (self.points[..., 2:] > -3)
        return follow, 0.45 + high, front[..., 0], smoothstep(-17, -22, y)[..., 0]

    @property
    def flat(self) -> bool:
        """Cut from flat panels, so that patterns run level across the chest."""
        return self.name in ("garment", "shirt")


def _profile(b: Body, neck: float, t: np.ndarray) -> tuple[np.ndarray, ...]:
    """Half width, height, front and back depth, and center z of the rings at ``t`` (0..1)."""
    from scipy.interpolate import PchipInterpolator

    s, k = b.shoulders, b.slope
    w0 = 5.3 * neck
    #     t     width        height         front        back   center
    rows = [
        (0.00, w0 - 0.25, -13.0, 4.3 * neck + 0.35, 5.8 * neck, -1.35),
        (0.10, w0 + 0.15, -15.0, 4.3 * neck + 1.05, 6.0 * neck, -1.75),
        (0.19, w0 + 1.6, -16.7, 4.5 * neck + 1.85, 6.5 * neck, -2.1),
        (0.28, w0 + 4.2, -17.9 - 0.4 * k, 7.4, 7.4, -2.4),
        (0.38, s - 6.2, -18.6 - 1.4 * k, 8.5, 8.4, -2.7),
        (0.48, s - 2.6, -19.3 - 2.4 * k, 9.2, 9.0, -2.9),
        (0.56, s - 0.7, -21.0 - 2.6 * k, 9.7, 9.4, -3.0),
        (0.63, s - 0.1, -23.6 - 2.6 * k, 10.0, 9.8, -3.0),
        (0.74, s - 0.6, -30.0 - 2.0 * k, 10.9 + 1.2 * b.female, 10.2, -3.0),
        (0.86, s - 1.8, -40.0, 10.4, 10.0, -2.8),
        (1.00, s - 2.6, -58.0, 10.2 * b.depth, 10.0 * b.depth, -2.6),
    ]
    x, *columns = np.array(rows).T
    return tuple(PchipInterpolator(x, c)(t) for c in columns)


def _torso(b: Body, neck: float, start: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Grid (rows, COLUMNS, 3) from ``t = start`` (COLUMNS,) to the hem, and its t."""
    angle = np.linspace(-np.pi, np.pi, COLUMNS)  # 0 is the front
    t = start + (1 - start) * (np.linspace(0, 1, rows)[:, None] ** 1.15)
    w, y, front, back, middle = _profile(b, neck, t)
    y = y + 2.1 * smoothstep(0.05, 0.2, t)
    deep = np.where(np.abs(angle) < np.pi / 2, front, back) * (
        1 + (b.depth - 1) * smoothstep(0.2, 0.6, t)
    )
    n = 2.1 + 0.75 * smoothstep(0.25, 0.6, t)
    sin, cos = np.sin(angle) + 0 * t, np.cos(angle) + 0 * t
    r = ((np.abs(sin) / w) ** n + (np.abs(cos) / deep) ** n) ** (-1 / n)
    x, z = r * sin, r * cos
    # the front falls away from the neck, the back rises to it
    slant = smoothstep(0.04, 0.30, t) * (1 - smoothstep(0.45, 0.85, t))
    y = y - slant * (2.6 * z / deep + 0.5)
    # the shoulder's ridge runs back: front of a ring near the arm is lower still
    z = z + middle
    # collar bones, the hollow between them, the muscle from ear to breastbone
    ax = np.abs(x)
    chest = (z > middle) * smoothstep(0.12, 0.2, t) * (1 - smoothstep(0.34, 0.44, t))
    bone = (
        np.exp(-(((y + 18.5 + 0.10 * ax) / 0.8) ** 2))
        * smoothstep(0.8, 2.2, ax)
        * smoothstep(15, 9, ax)
    )
    z = z + 0.45 * chest * bone
    z = z - 0.45 * np.exp(-((ax / 1.1) ** 2) - ((y + 18.0) / 1.1) ** 2) * (z > middle)
    if b.female:
        bust = np.exp(-(((ax - 7.6) / 4.6) ** 2) - ((y + 34.5) / 6.0) ** 2)
        z = z + 3.6 * bust * (z > middle)
    else:
        pec = np.exp(-(((ax - 7.5) / 6.0) ** 2) - ((y + 31.0) / 6.5) ** 2)
        z = z + 1.3 * pec * (z > middle)
    return np.stack([x, y, z], -1), t


def _neckline(b: Body) -> np.ndarray:
    """Where a garment begins: ``t`` for each column."""
    angle = np.abs(np.linspace(-np.pi, np.pi, COLUMNS))
    front = np.cos(np.minimum(angle, np.pi / 2)) ** 2
    flat = {
        "tshirt": 0.205 + 0.035 * front, "sweater": 0.185 + 0.03 * front,
        "hoodie": 0.175 + 0.02 * front,
        "rollneck": 0.20 + 0.02 * front, "scarf": 0.19 + 0.02 * front,
        "shirt": 0.17 + 0.02 * front, "blouse": 0.17 + 0.02 * front, "polo": 0.17 + 0.02 * front,
    }  # fmt: skip
    if b.garment in flat:
        line = flat[b.garment]
    elif b.garment == "dress":
        line = 0.28 + 0.20 * smoothstep(0.95, 0.45, angle) + 0.04 * smoothstep(2.4, 3.0, angle)
    else:  # blazer, jacket: a V down to the first button
        line = (
            0.20
            + 0.55 * np.clip(1 - angle / (0.62 if b.garment == "blazer" else 0.40), 0, 1) ** 0.8
        )
    if b.garment in ("shirt", "blouse", "polo"):  # an open top button
        line = line + 0.16 * np.clip(1 - angle / 0.30, 0, 1)
    return line


def _folds(b: Body, chart: np.ndarray, points: np.ndarray, size: float) -> np.ndarray:
    """Height (R, C) of the cloth's folds, cm: drapes from shoulder and armpit, crumples between."""
    rng = np.random.default_rng([b.seed, 51])
    tile = [_tile(int(rng.integers(1 << 30))) for _ in range(4)]

    def noise(k: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        x = ((u * 8 + 40 * k) % 255).astype(np.float32)
        y = ((v * 8 + 90 * k) % 255).astype(np.float32)
        return cv2.remap(tile[k], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

    u, v = chart[..., 0], chart[..., 1]
    ax, y = np.abs(points[..., 0]), points[..., 1]
    warp = 2.5 * noise(0, u / 14, v / 14)
    drape = noise(1, (u + warp) / 4.6, (v + 0.5 * ax) / 19)
    drape = 1 - 2 * np.abs(np.tanh(1.4 * drape))  # ridges, as cloth has
    # from the armpit towards the chest
    armpit = np.hypot(ax - 16, y + 30)
    fan = noise(2, np.arctan2(y + 30, ax - 16 + 1e-3) * 3.2, armpit / 22)
    fan = (1 - 2 * np.abs(np.tanh(1.6 * fan))) * np.exp(-armpit / 9)
    crumple = noise(3, u / 3.2, v / 4.2)
    loose = smoothstep(2.0, 12.0, v)
    return size * (
        0.85 * drape * loose + 1.3 * fan * loose + 0.30 * crumple * (0.25 + 0.75 * loose)
    )


@lru_cache(maxsize=16)
def _tile(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(256, 256)).astype(np.float32)
    wide = np.pad(noise, 48, mode="wrap")
    smooth = cv2.GaussianBlur(wide, (0, 0), 8)[48:-48, 48:-48]
    return smooth / smooth.std()


def _chart(points: np.ndarray) -> np.ndarray:
    """Across and down along the cloth (cm), across from the middle column, down from the top."""
    right = np.linalg.norm(np.diff(points, axis=1), axis=-1).mean(0)
    across = np.concatenate([[0], np.cumsum(right)])
    across -= across[points.shape[1] // 2]
    step = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    down = np.concatenate([np.zeros((1, points.shape[1])), np.cumsum(step, axis=0)])
    return np.stack([np.broadcast_to(across, down.shape), down], -1)


def grid_normals(p: np.ndarray, closed: bool) -> np.ndarray:
    """Unit normals (R, C, 3) of a grid whose columns run anticlockwise seen from above."""
    q = np.concatenate([p[:, -2:-1], p, p[:, 1:2]], 1) if closed else p
    right = np.gradient(q, axis=1)
    right = right[:, 1:-1] if closed else right
    return _unit(np.cross(np.gradient(p, axis=0), right), 1e-9)


def _unit(v: np.ndarray, least: float) -> np.ndarray:
    """Vectors (..., 3) of length 1, channel by channel; shorter ones than ``least`` stay short."""
    x, y, z = (v[..., k] for k in range(3))
    length = np.maximum(np.sqrt(x * x + y * y + z * z), least)
    return np.stack([x / length, y / length, z / length], -1)


@lru_cache(maxsize=8)
def build(actor: Actor) -> list[Sheet]:
    """All sheets of an actor's shoulders and clothes, at rest."""
    b = make_body(actor)
    neck = 1 + 0.045 * actor["neck"]
    rng = np.random.default_rng([b.seed, 52])
    top = np.zeros(COLUMNS)
    skin, _ = _torso(b, neck, top, 56)
    sheets = [Sheet("chest", skin, _chart(skin), "skin", True)]
    line = _neckline(b)
    cloth, t = _torso(b, neck, line, ROWS)
    normal = grid_normals(cloth, True)
    chart = _chart(cloth)
    thick = {"hoodie": 0.55, "sweater": 0.5, "rollneck": 0.4, "blazer": 0.6, "jacket": 0.7,
             "dress": 0.14, "scarf": 0.45}.get(b.garment, 0.26)  # fmt: skip
    edge = smoothstep(-0.2, 0.5, chart[..., 1])  # the hem rolls in
    lift = thick * edge + _folds(b, chart, cloth, b.folds) * smoothstep(0.3, 4.0, chart[..., 1])
    if b.garment in ("tshirt", "sweater", "hoodie"):  # a ribbed band round the neck
        lift = lift + 0.16 * smoothstep(2.3, 2.0, chart[..., 1]) * edge
    if b.garment in ("blazer", "jacket"):  # shoulder pads
        pad = np.exp(-(((np.abs(cloth[..., 0]) - b.shoulders + 3) / 4) ** 2)) * (normal[..., 1] > 0)
        lift = lift + 0.5 * pad
    garment = cloth + normal * np.maximum(lift, 0.06)[..., None]
    sheets.append(Sheet("garment", garment, chart, "main", True))
    if b.garment in ("blazer", "jacket"):
        sheets += _beneath(b, neck, rng)
    if b.garment in ("blazer",):
        sheets += _lapels(b, neck, garment)
    if b.garment in ("shirt", "blouse", "polo", "jacket"):
        jacket = b.garment == "jacket"
        sheets += _collar(b, neck, 1.35 if jacket else 1.0, "main", 0.30 if jacket else 0.16)
    if b.garment == "hoodie":
        sheets += _hood(b, neck, rng)
    if b.garment == "rollneck":
        sheets += _roll(b, neck)
    if b.garment == "scarf":
        sheets += _scarf(b, neck, rng)
    sheets += _arms(b)
    return sheets


def _arms(b: Body) -> list[Sheet]:
    """Upper arms, in sleeves (bare from the shoulder in a dress)."""
    out = []
    rows, columns = 46, 33
    for side in (-1, 1):
        t = np.linspace(0, 1, rows)[:, None]
        angle = np.linspace(-np.pi, np.pi, columns)[None, :] * -side
        y0 = -18.5 - 2.3 * b.slope
        x = side * (b.shoulders - 4.2 + 5.2 * t**1.1)
        y = y0 - 38 * t
        z = -3.2 + 1.5 * t
        bulk = 0.92 + 0.12 * (b.depth - 0.95) / 0.17 + (0.0 if b.female else 0.08)
        r = bulk * (
            5.0 * np.sin(np.pi * np.clip(0.02 + 2.2 * t, 0, 0.5)) ** 0.6 + 0.25 * np.sin(np.pi * t)
        )
        loose = {"hoodie": 0.8, "sweater": 0.6, "blazer": 0.9, "jacket": 0.9, "dress": 0.0}.get(
            b.garment, 0.35
        )
        r = r * (1 + 0.09 * loose) + 0.12
        p = np.stack(
            [
                x + r * np.sin(angle),
                y + 0 * angle + 0.5 * r * (1 - t) * np.abs(np.cos(angle)) * 0,
                z + r * 1.08 * np.cos(angle),
            ],
            -1,
        )
        chart = _chart(p)
        n = grid_normals(p, True)
        if (n[20, columns // 2] @ (p[20, columns // 2] - p[20].mean(0))) < 0:
            n = -n
        if b.garment != "dress":
            p = p + n * (0.9 * _folds(b, chart + (side * 31.0, 0), p, b.folds))[..., None]
        out.append(Sheet("arm", p, chart, "skin" if b.garment == "dress" else "main", True))
    return out


def _ring(b: Body, neck: float, t: float, columns: int = 97, cut: float = np.pi):
    """Points and outward directions (C, 3) round the neck at ``t``; angle 0 is the front."""
    base, _ = _torso(b, neck, np.full(COLUMNS, t), 2)
    angle = np.linspace(-np.pi, np.pi, COLUMNS)
    wanted = np.linspace(-cut, cut, columns)
    p = np.stack([np.interp(wanted, angle, base[0, :, k]) for k in range(3)], -1)
    out = np.stack([np.sin(wanted), 0 * wanted, np.cos(wanted)], -1)
    return p, out, wanted


def _collar(b: Body, neck: float, size: float, cloth: str, opening: float = 0.16) -> list[Sheet]:
    """A collar: a stand round the neck, folded over into leaves with points in front."""
    p, out, angle = _ring(b, neck, 0.175 if opening < 0.5 else 0.215, 161, np.pi)
    ends = np.abs(angle)
    forward = 0.5 + 0.5 * np.cos(angle)
    point = np.exp(-(((ends - opening) / 0.34) ** 2))  # leaves are longest at their points
    rows = np.linspace(0, 1, 30)[:, None]
    s = np.clip(rows / 0.35, 0, 1)  # up the stand
    f = np.clip((rows - 0.35) / 0.65, 0, 1)  # down the leaf
    stand = size * (2.9 - 1.3 * forward**2)  # lower in front, where it opens
    fall = size * (3.7 + 2.2 * point)
    high = stand * s - fall * f**1.15 + 0.25 * size * np.sin(np.pi * np.minimum(f * 3, 1))
    # the leaf lies on the shoulder: it runs out as the shoulder does
    wide = (
        (0.55 if opening < 0.5 else 1.15)
        + 0.15 * s
        + 0.42 * np.sin(np.pi * np.minimum(f * 2.2, 1)) * size
    )
    wide = wide + size * f**1.6 * (2.7 - 0.9 * forward + 0.9 * point)
    grid = p + wide[..., None] * out
    grid[..., 1] += high - 0.9
    grid[..., 2] += 0.45 * np.cos(angle) * s + 0.9 * f**1.3 * forward**4
    sheets = []
    for side in (-1, 1):
        own = (ends > opening) & (np.sign(angle) == side)
        part = grid[:, own].copy()
        # the front edges part downwards, and the points swing out
        near = np.exp(-(((ends[own] - opening) / 0.35) ** 2))
        part[..., 0] += side * near * (0.25 + 1.5 * f**1.2)
        sheets.append(Sheet("collar", part, _chart(part), cloth))
    return sheets


def _beneath(b: Body, neck: float, rng: np.random.Generator) -> list[Sheet]:
    """What is worn under a jacket: a T-shirt, or a shirt with a collar."""
    angle = np.abs(np.linspace(-np.pi, np.pi, COLUMNS))
    shirt = b.garment == "blazer" and (not b.female or rng.random() < 0.4)
    front = np.cos(np.minimum(angle, np.pi / 2)) ** 2
    line = 0.17 + 0.02 * front + (0.14 * np.clip(1 - angle / 0.28, 0, 1) if shirt else 0.05 * front)
    p, _ = _torso(b, neck, line, 40)
    chart = _chart(p)
    p = p + grid_normals(p, True) * (0.2 + 0.5 * _folds(b, chart, p, 0.2))[..., None]
    sheets = [Sheet("shirt", p, chart, "second", True)]
    if shirt:
        sheets += _collar(b, neck, 0.74, "second")
    return sheets


def _lapels(b: Body, neck: float, garment: np.ndarray) -> list[Sheet]:
    """The fronts of a blazer, folded back along its V, and the collar above their notch."""
    from scipy.interpolate import LinearNDInterpolator

    angle = np.linspace(-np.pi, np.pi, COLUMNS)
    front = np.abs(angle) < 1.5
    surface = cv2.GaussianBlur(garment[:, front].astype(np.float32), (0, 0), 2).reshape(-1, 3)
    height = LinearNDInterpolator(surface[:, :2], surface[:, 2])
    sheets = []
    for side in (-1, 1):
        at = np.flatnonzero((np.sign(angle) == side) & (np.abs(angle) < 0.66))
        at = at if side > 0 else at[::-1]  # from the button up to the neck
        edge = garment[0, at]
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(edge, axis=0), axis=1))])
        s = np.linspace(0, 0.86, 40)
        line = np.stack([np.interp(s * length[-1], length, edge[:, k]) for k in range(3)], -1)
        peak = 0.66
        width = np.where(s < peak, 0.5 + 6.0 * (s / peak), 6.5 - 4.4 * (s - peak) / (0.86 - peak))
        rise = np.where(s < peak, 0.0, 0.9 * (s - peak) / (0.86 - peak))
        rows = np.linspace(0, 1, 10)[:, None]
        x = line[:, 0] + side * rows * width
        y = line[:, 1] - rows * (0.10 * width + rise)
        z = height(x, y)
        z = (
            np.where(np.isfinite(z), z, line[:, 2])
            + 0.34
            + 0.30 * np.sin(np.pi * np.minimum(1.3 * rows, 1))
        )
        z = np.where(rows == 1, z - 0.34, z)
        grid = np.stack([x, y, z], -1)
        sheets.append(Sheet("lapel", grid, _chart(grid), "main"))
    return sheets + _collar(b, neck, 0.85, "main", 0.56)


def _hood(b: Body, neck: float, rng: np.random.Generator) -> list[Sheet]:
    """A hood lying on the back and round the neck, and its cords."""
    p, out, angle = _ring(b, neck, 0.20, 121, np.pi)
    back = smoothstep(0.25, 2.4, np.abs(angle))
    turn = np.linspace(-0.35 * np.pi, 1.35 * np.pi, 24)[:, None]
    radius = 1.0 + 2.0 * back
    wrinkle = 0.22 * np.sin(7 * angle + rng.uniform(0, 6)) * back + 0.12 * np.sin(17 * angle)
    r = radius + wrinkle * np.sin(turn)
    wide = 1.1 * radius + r * np.cos(turn) * (0.8 + 0.5 * back)
    high = 0.55 * radius - 0.6 + r * np.sin(turn) * (1.0 + 0.25 * back)
    grid = p + wide[..., None] * out + high[..., None] * np.array([0.0, 1.0, 0.0])
    grid[..., 1] -= 0.9 * smoothstep(0.5, 0.0, np.abs(angle))
    grid = grid[::-1]
    sheets = [Sheet("hood", grid, _chart(grid), "main", True)]
    for side in (-1, 1):  # cords
        x0 = side * rng.uniform(3.0, 3.8)
        t = np.linspace(0, 1, 20)
        chest, _ = _torso(b, neck, np.full(COLUMNS, 0.26), 60)
        front = chest[:, COLUMNS // 2 + side * 8]
        y = -20.6 - rng.uniform(9, 14) * t
        z = np.interp(-y, -front[:, 1], front[:, 2]) + 1.35
        x = x0 + side * (0.5 * t + 0.25 * np.sin(5 * t + rng.uniform(0, 6)))
        around = np.linspace(-np.pi, np.pi, 9)[None, :]
        cord = np.stack(
            [
                x[:, None] + 0.28 * np.sin(around),
                y[:, None] + 0 * around,
                z[:, None] + 0.28 * np.cos(around),
            ],
            -1,
        )
        sheets.append(Sheet("cord", cord, _chart(cord), "cord", True))
    return sheets


def _roll(b: Body, neck: float) -> list[Sheet]:
    """The folded tube of a rollneck."""
    p, out, angle = _ring(b, neck, 0.10, 97, np.pi)
    rows = np.linspace(0, 1, 26)[:, None]
    up = np.clip(rows / 0.3, 0, 1)
    down = np.clip((rows - 0.3) / 0.7, 0, 1)
    high = 1.2 * np.sin(0.5 * np.pi * up) - 5.4 * down
    wide = (
        0.75 + 0.15 * np.sin(np.pi * up) + 0.75 * np.sin(np.pi * np.minimum(1.6 * down, 1)) ** 0.7
    )
    wide = wide + (0.9 + 1.7 * np.abs(np.sin(angle))) * down**2
    wide = wide + 0.10 * np.sin(3 * angle + 9 * down + b.seed) * np.sin(np.pi * down)
    grid = p + wide[..., None] * out
    grid[..., 1] += high + 0.5 - 0.5 * np.cos(angle)
    return [Sheet("roll", grid, _chart(grid), "rib", True)]


def _scarf(b: Body, neck: float, rng: np.random.Generator) -> list[Sheet]:
    """Two loose loops of wool round the neck."""
    sheets = []
    for k, (t0, thick, spread) in enumerate(((0.17, 2.3, 1.5), (0.09, 1.9, 1.1))):
        p, out, angle = _ring(b, neck, t0, 121, np.pi)
        turn = np.linspace(-np.pi, np.pi, 26)[:, None]
        phase = rng.uniform(0, 6, 3)
        r = thick * (1 + 0.10 * np.sin(2 * angle + phase[0]) + 0.06 * np.sin(5 * angle + phase[1]))
        r = r * (
            1
            + 0.13 * np.sin(5 * turn + 3 * np.sin(angle + phase[2]))
            + 0.05 * np.sin(11 * turn + 2 * angle)
        )
        drop = 1.5 * smoothstep(1.2, 0.0, np.abs(angle + 0.3 * (1 - 2 * k)))
        wide = spread + 0.8 * r * np.cos(turn) + 0.5 * drop
        high = 0.9 * r * np.sin(turn) - drop + 0.4 * np.sin(angle + phase[1])
        grid = p + wide[..., None] * out + high[..., None] * np.array([0.0, 1.0, 0.0])
        sheets.append(Sheet("scarf", grid[::-1], _chart(grid[::-1]), "second", True))
    return sheets


# -- the cloth


def fabric(b: Body, cloth: str, chart: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Color (N, 3), height (N,) of the weave in cm, and sheen (N,) at ``chart`` (N, 2) in cm."""
    u, v = chart[:, 0], chart[:, 1]
    first, second = np.array(b.dye), np.array(b.second)
    pattern = b.pattern
    if cloth == "second":
        first, second = second, 0.5 * second + 0.2
        pattern = "knit" if b.garment == "scarf" else "plain"
    if cloth == "rib":
        pattern = "rib"
    if cloth == "cord":
        first = 0.5 * first + 0.25
    seed = b.seed % 9973
    mottle = _grain(u, v, 6.0, seed)
    color = np.broadcast_to(first, (len(u), 3)) * (1 + 0.05 * mottle)[:, None]
    height = 0.004 * _grain(u, v, 0.35, seed + 1)
    sheen = np.full(len(u), 0.25)

    def mix(share: np.ndarray, other) -> np.ndarray:
        return color + share[:, None] * (np.asarray(other) - color)

    rng = np.random.default_rng([b.seed, 53])
    if pattern == "stripes":
        period = rng.uniform(2.2, 6.5)
        low, high = (0.12, 0.20) if rng.random() < 0.5 else (0.30, 0.24)
        share = smoothstep(low, high, np.abs((v / period) % 1 - 0.5))
        color = mix(share, second)
        if b.garment == "sweater":
            pattern = "knit"
    elif pattern == "pinstripes":
        period = rng.uniform(0.9, 1.8)
        share = smoothstep(0.16, 0.08, np.abs((u / period) % 1 - 0.5))
        color = mix(0.55 * share, 0.5 * second if first.mean() > 0.25 else 0.5 * first + 0.25)
    elif pattern == "plaid":
        period = rng.uniform(3.2, 6.5) if b.garment != "blazer" else rng.uniform(4, 7)
        strong = 0.55 if b.garment != "blazer" else 0.22
        across, down = (np.abs((a / period) % 1 - 0.5) for a in (u, v))
        color = mix(strong * (0.5 * (across < 0.22) + 0.5 * (down < 0.22)), second)
        thin = np.maximum(
            smoothstep(0.03, 0.01, np.abs(across - 0.38)),
            smoothstep(0.03, 0.01, np.abs(down - 0.38)),
        )
        color = mix(0.5 * strong * thin, 0.4 * second + 0.25)
    elif pattern == "dots":
        period = rng.uniform(1.5, 2.8)
        row = np.floor(v / period)
        d = np.hypot(((u / period + 0.5 * (row % 2)) % 1) - 0.5, (v / period) % 1 - 0.5)
        color = mix(0.9 * smoothstep(0.24, 0.19, d), np.clip(0.2 + 0.6 * second, 0, 0.65))
    elif pattern == "heather":
        color = color * (1 + 0.09 * _grain(u * 1.6, v, 0.2, seed + 2))[:, None]
    elif pattern == "twill":
        line = np.sin(2 * np.pi * (u + v) / 0.3)
        color = color * (1 + 0.04 * line + 0.05 * _grain(u, v * 0.5, 0.25, seed + 2))[:, None]
        height = height + 0.002 * line
    if pattern == "knit":
        cell_u, cell_v = u / 0.62, v / 0.50
        slant = np.abs((cell_u % 1) - 0.5)
        loop = np.abs(((cell_v + 1.1 * slant) % 1) - 0.5)
        stitch = (
            smoothstep(0.5, 0.1, loop) * smoothstep(0.0, 0.12, slant) * smoothstep(0.5, 0.38, slant)
        )
        height = height + 0.045 * stitch
        color = color * (0.80 + 0.24 * stitch)[:, None]
        sheen = sheen + 0.35
    if pattern == "rib":
        wave = np.cos(2 * np.pi * u / 0.75)
        height = height + 0.05 * wave
        color = color * (0.88 + 0.12 * wave)[:, None]
        sheen = sheen + 0.3
    return np.clip(color, 0.004, 0.75), height, sheen


def _grain(u: np.ndarray, v: np.ndarray, size: float, seed: int) -> np.ndarray:
    """Noise fixed to the cloth, about normal, with spots of ``size`` cm."""
    tile = _tile(seed % 7)
    points = np.empty((len(u), 2), np.float32)
    points[:, 0] = _modulo(u / size * 16 + 31 * (seed % 13), 254)
    points[:, 1] = _modulo(v / size * 16 + 17 * (seed % 11), 254)
    return sample(tile, points)


def _modulo(x: np.ndarray, period: float) -> np.ndarray:
    """The same as ``x % period``, in a quarter of its time."""
    return x - period * np.floor(x / period)


# -- for the renderer


def _panel(points: np.ndarray) -> np.ndarray:
    """Across and down (N, 2), cm, on a front cut from one flat piece."""
    x, y, z = points.T
    return np.stack([x + 0.3 * np.sign(x) * np.maximum(np.abs(x) - 10, 0), -y + 0.5 * z - 14], -1)


def _shirt_details(b: Body, sheet: Sheet, chart, points) -> tuple[np.ndarray, np.ndarray]:
    """Height and darkness of seams, plackets, buttons, zips on a garment's front."""
    x, y = points[:, 0], points[:, 1]
    front = points[:, 2] > -2
    height, dark = np.zeros(len(x)), np.zeros(len(x))
    if sheet.name == "garment" and b.garment in ("tshirt", "sweater", "hoodie", "polo"):
        v = chart[:, 1]
        seam = np.exp(-(((v - 2.2) / 0.10) ** 2))
        dark += 0.35 * seam
        rib = (v < 2.1) * np.cos(2 * np.pi * chart[:, 0] / 0.42)
        height += 0.02 * rib
    shirt = sheet.name == ("shirt" if b.garment == "blazer" else "garment")
    if shirt and b.garment in ("shirt", "blouse", "polo", "blazer"):
        edge = np.exp(-(((x - 1.5) / 0.09) ** 2)) + 0.7 * np.exp(-(((x + 1.5) / 0.09) ** 2))
        dark += 0.4 * edge * front
        height += 0.10 * smoothstep(1.6, 1.45, np.abs(x)) * front
        button = np.hypot(x, (y + 27.0 + 4.0) % 8.0 - 4.0)
        dark += 0.30 * smoothstep(0.62, 0.52, button) * front
        height += 0.08 * smoothstep(0.62, 0.45, button) * front
    if sheet.name == "garment":  # the seam where the sleeve is set in
        hole = b.shoulders - 2.2 - 2.4 * np.sin(np.pi * np.clip((-20 - y) / 16, 0, 1))
        seam = np.abs(np.abs(x) - hole) + 100 * (y < -35)
        dark += 0.16 * np.exp(-((seam / 0.14) ** 2))
        height -= 0.06 * np.exp(-((seam / 0.35) ** 2))
    return height, np.clip(dark, 0, 0.8)


def meshes(frame) -> list:
    """Shoulders and clothes for one frame: the renderer's hook."""
    from .render import Mesh

    body = make_body(frame.actor)
    out = []
    for sheet in build(frame.actor):
        world = _move(sheet, frame).astype(np.float32)
        triangles, coords = _grid(*world.shape[:2])
        normals = _normals(sheet, world)
        out.append(
            Mesh(
                "body", world.reshape(-1, 3), triangles, coords,
                _shader(body, sheet, normals),
            )
        )  # fmt: skip
    return out


def _move(sheet: Sheet, frame) -> np.ndarray:
    """The neck's foot goes half along with the head, shoulders stay; the chest breathes."""
    follow, sway, front, shoulders = sheet.moves
    turned = frame.pose.apply(sheet.points) - frame.pose.shift
    moved = sheet.points + follow * (turned - sheet.points) + sway * frame.pose.shift
    breath = value(frame.row, "breath")
    forward = breath * 0.30 * front
    moved[..., 1] += forward * 0.3
    moved[..., 1] += breath * 0.14 * shoulders
    moved[..., 2] += forward
    return moved


def _normals(sheet: Sheet, world: np.ndarray) -> np.ndarray:
    return grid_normals(world, sheet.closed).astype(np.float32)


@lru_cache(maxsize=32)
def _grid(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) of a grid, and column and row (N, 2) of each of its points."""
    c, r = np.meshgrid(np.arange(columns), np.arange(rows))
    coords = np.stack([c, r], -1).reshape(-1, 2).astype(np.float32)
    return grid_triangles(rows, columns), coords


def _shader(body: Body, sheet: Sheet, normals: np.ndarray):
    def shade(frame, coords: np.ndarray, world: np.ndarray):
        from .render import Look

        n = sample(normals, coords)
        n /= np.sqrt(dot(n, n))[:, None] + np.float32(1e-9)
        facing = dot(n, _unit(frame.view.position - world, 0.0))
        n[facing < 0] *= -1
        if sheet.cloth == "skin":
            return _bare(frame, body, sheet, coords, n)
        chart = sample(sheet.chart, coords)
        rest = sample(sheet.points, coords)
        color, height, sheen = fabric(body, sheet.cloth, _panel(rest) if sheet.flat else chart)
        if sheet.name == "garment" and body.garment in ("tshirt", "sweater"):
            band = chart[:, 1] < 2.15
            color[band] = 0.92 * np.array(body.second if body.pattern == "stripes" else body.dye)
        more, dark = _shirt_details(body, sheet, chart, rest)
        color = color * (1 - dark[:, None])
        relief = _slope(frame, world, height + more, n)
        n2 = _unit(n + relief, 0.0)
        fuzz = sheen * (1 - np.clip(np.abs(facing), 0, 1)) ** 3
        color = color * (1 + 0.8 * fuzz[:, None]) + 0.02 * fuzz[:, None]
        satin = body.garment in ("blouse", "dress") and body.pattern == "plain"
        return Look(
            color.astype(np.float32), n2.astype(np.float32), n.astype(np.float32),
            0.55 if satin else 0.16, 0.42 if satin else 0.8, 0.12,
            (1 - 0.4 * dark).astype(np.float32),
        )  # fmt: skip

    return shade


def _slope(frame, world: np.ndarray, height: np.ndarray, n: np.ndarray) -> np.ndarray:
    """How a height known at scattered pixels tilts the normal: by differences along the pixels.

    Neighbors in the list are neighbors in a row of pixels, which gives the slope along that row.
    """
    step = np.diff(world, axis=0, append=world[-1:])
    rise = np.diff(height, append=height[-1:])
    length2 = dot(step, step)
    near = (length2 < 0.09) & (length2 > 1e-8)
    slope = -np.where(near, rise / np.where(near, length2, 1), 0)
    away = dot(step, n)
    tilts = [slope * (step[:, k] - away * n[:, k]) for k in range(3)]
    return np.clip(np.stack(tilts, -1), -0.45, 0.45)


def _bare(frame, body: Body, sheet: Sheet, coords: np.ndarray, n: np.ndarray):
    """Skin of neck, chest and arms: the color of the head's own neck."""
    from .render import Look

    color = _neck_skin(frame.actor)
    # towards the neck the light turns over softly, as if the two were one piece
    rest = sample(sheet.points, coords)
    level = np.stack([rest[:, 0], np.full(len(rest), 0.6), rest[:, 2] + 1.5], -1)
    level /= np.linalg.norm(level, axis=1, keepdims=True)
    near = smoothstep(-22.3, -16.5, rest[:, 1:2]) * (sheet.name == "chest")
    n = n + near * (level @ frame.pose.rotation.T - n)
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    chart = sample(sheet.chart, coords)
    mottle = 0.05 * _grain(chart[:, 0], chart[:, 1], 2.2, frame.actor.seed) + 0.03 * _grain(
        chart[:, 0], chart[:, 1], 0.5, frame.actor.seed + 1
    )
    albedo = color * np.exp(-mottle[:, None] * np.array([0.55, 0.85, 1.1]))
    return Look(albedo.astype(np.float32), n.astype(np.float32), None, 0.5, 0.48, 1.0, 1.0)


@lru_cache(maxsize=8)
def _neck_skin(actor: Actor) -> np.ndarray:
    """Mean albedo of the last rows of the head's mesh."""
    from . import head, skin

    painted = skin.paint(actor)
    rows, columns = head.ROWS, head.COLUMNS
    at = np.stack([np.linspace(columns * 0.3, columns * 0.7, 200), np.full(200, rows - 2.0)], -1)
    return painted.sample("albedo", at.astype(np.float32)).mean(0)
