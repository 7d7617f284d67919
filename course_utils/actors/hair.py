"""Hair, beards, brows and lashes of a virtual actor.

Hair is made once per actor as *cards*: some hundred curved ribbons, each the width of a lock, grown
from roots on the scalp along a flow (a parting, a whorl, a knot) with gravity, and kept off the
skull. What is on a card, fine strands with gaps and thinning tips, is a small texture. A frame
poses the cards, lights their vertices as hair (Kajiya and Kay 1989: the highlight runs across the
strands; Marschner et al. 2003: a white one towards the root and a tinted one towards the tip) and
rasterizes them in layers from the scalp outwards. Single strands (hairline, flyaways, beard, brows,
lashes) are antialiased lines. Points are in the head frame (cm), see :mod:`head`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from . import head as hd
from .head import Head, smoothstep, value
from .identity import Actor

LAYERS = 3
CENTER = np.array([0.0, 1.0, -0.3])
GRAY = np.array([0.26, 0.255, 0.25], np.float32)
CARD_ROWS = 128  # rows of a card's texture
VARIANTS, TEXELS = 16, 48


@dataclass(frozen=True)
class Style:
    """How a haircut grows; lengths in cm for the top, the sides and the back of the head."""

    top: float
    side: float
    back: float
    flow: str  # "whorl", "part", "back", "out", "knot", "none"
    lift: float = 0.5  # how steeply hair leaves the scalp
    volume: float = 0.9  # height of the outer layer over the scalp, cm
    gravity: float = 0.25
    cut: float = -40.0  # no hair below this height (a bob's line)
    fringe: float | None = None  # height at which hair over the forehead ends
    part: float = 2.6  # x of the parting
    width: float = 0.85  # of a card, cm
    cards: int = 150  # in each layer
    points: int = 11  # along a card
    sweep: float = 0.0  # how far hair over the forehead is brushed to a side


STYLES = {
    "buzz": Style(0.45, 0.35, 0.4, "whorl", cards=0),
    "short": Style(4.2, 2.0, 2.2, "whorl", 0.75, 0.8, 0.15, width=0.55, cards=345, points=6),
    "receding": Style(3.0, 1.9, 2.0, "back", 0.4, 0.4, 0.2, width=0.5, cards=295, points=6),
    "side_part": Style(7.0, 2.4, 2.4, "part", 0.85, 1.2, 0.2, width=0.6, cards=310, points=8),
    "quiff": Style(5.6, 1.7, 1.9, "quiff", 1.3, 1.2, 0.05, width=0.6, cards=310, points=8),
    "fringe": Style(9.0, 4.0, 3.5, "whorl", 0.35, 1.2, 0.25, fringe=4.25,
                    width=0.6, cards=295, points=9),
    "curls": Style(7.0, 4.0, 4.0, "whorl", 1.2, 2.0, 0.12, fringe=4.9,
                   width=0.7, cards=170, points=14),
    "afro": Style(5.2, 4.6, 4.8, "out", 2.0, 4.0, 0.0, width=1.3, cards=520, points=4),
    "long": Style(30, 27, 26, "part", 0.55, 1.6, 0.30, part=0.6, cards=120, points=14),
    "waves": Style(27, 24, 23, "part", 0.9, 1.8, 0.28, part=2.2, width=1.15, cards=120, points=22),
    "bob": Style(24, 22, 18, "part", 0.8, 1.5, 0.30, cut=-8.8, part=1.8, cards=135, points=14),
    "bangs": Style(28, 25, 24, "whorl", 0.3, 1.2, 0.3, fringe=4.2,
                   width=0.75, cards=130, points=14),
    "lob": Style(25, 22, 20, "part", 0.9, 1.5, 0.30, cut=-12.5, part=2.8, cards=130, points=16),
    "ringlets": Style(19, 17, 16, "part", 1.2, 2.0, 0.2, cut=-13.0,
                      width=0.8, cards=105, points=30),
    "bun": Style(20, 20, 20, "knot", 0.2, 0.45, 0.0, cards=135, points=12),
    "ponytail": Style(20, 20, 20, "knot", 0.2, 0.45, 0.0, cards=135, points=12),
    "crop": Style(1.9, 0.9, 1.0, "out", 2.0, 1.3, 0.0, width=0.9, cards=560, points=3),
    "flattop": Style(4.6, 0.8, 0.9, "out", 2.0, 3.6, 0.0, width=1.1, cards=520, points=4),
    "round": Style(7.0, 7.2, 7.0, "out", 2.0, 5.0, 0.25, width=1.5, cards=560, points=4),
    "locs": Style(27, 24, 23, "part", 0.7, 1.4, 0.35, part=0.8, width=0.85, cards=145, points=14),
}  # fmt: skip
KNOTS = {"bun": np.array([0.0, 9.6, -8.2]), "ponytail": np.array([0.0, 6.6, -10.6])}
_FEMALE = {"fringe": "bangs", "side_part": "lob", "curls": "ringlets"}
_COILY = {"short": "crop", "side_part": "crop", "fringe": "afro", "curls": "afro",
          "quiff": "flattop",
          "bob": "round", "long": "locs", "waves": "locs", "bangs": "round", "lob": "round",
          "ringlets": "round"}  # fmt: skip


def style_name(a: Actor) -> str:
    """The haircut an actor's style becomes with this sex and texture of hair."""
    name = _FEMALE.get(a.hair, a.hair) if a.female else a.hair
    if a.female and name == "short":
        name = "fringe"
    if a.hair_texture == "coily":
        return _COILY.get(name, name)
    return "curls" if name == "afro" else name


@dataclass
class Cards:
    """N ribbons of P points: what a frame poses and lights."""

    points: np.ndarray  # (N, P, 3) middle line
    across: np.ndarray  # (N, P, 3) half the width, as a vector
    normal: np.ndarray  # (N, P, 3) away from the head
    open: np.ndarray  # (N, P) how much light gets in, 0..1
    layer: np.ndarray  # (N,) 0 at the scalp .. LAYERS - 1
    shade: np.ndarray  # (N,) brightness of the lock
    variant: np.ndarray  # (N,) column of the texture
    stiff: np.ndarray  # (N, P) 1 goes with the skull .. 0 rests on the shoulders


@dataclass
class Strands:
    """M single hairs of Q points in the head frame."""

    points: np.ndarray  # (M, Q, 3)
    normal: np.ndarray  # (M, 3)
    shade: np.ndarray  # (M,)
    gray: np.ndarray  # (M,) bool
    stiff: np.ndarray  # (M, Q)


@dataclass
class Rooted:
    """M short hairs that follow the skin."""

    uv: np.ndarray  # (M, 2) roots
    offsets: np.ndarray  # (M, Q, 3) from the root, head frame
    normal: np.ndarray  # (M, 3)
    shade: np.ndarray  # (M,)
    gray: np.ndarray  # (M,) bool


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.sqrt(np.maximum((v * v).sum(-1, keepdims=True), 1e-12))


# ---- the skull that hair lies on ---------------------------------------------------------------


class _Skull:
    """Distance of the head's surface (with ears) from :data:`CENTER`, by direction."""

    ROWS, COLS = 120, 240

    def __init__(self, h: Head):
        from scipy.spatial import cKDTree

        rest = h.rest.reshape(-1, 3)
        out = rest - CENTER
        r = np.linalg.norm(out, axis=1)
        keep = ~((np.abs(rest[:, 0]) < 3) & (rest[:, 1] < 3) & (rest[:, 1] > -7) & (rest[:, 2] > 5))
        tree = cKDTree(_unit(out)[keep])
        polar = np.pi * (np.arange(self.ROWS) + 0.5) / self.ROWS
        turn = 2 * np.pi * (np.arange(self.COLS) + 0.5) / self.COLS - np.pi
        d = np.stack(
            [np.sin(polar)[:, None] * np.sin(turn), np.cos(polar)[:, None] + 0 * turn,
             np.sin(polar)[:, None] * np.cos(turn)], -1)  # fmt: skip
        found = tree.query(d.reshape(-1, 3), k=4)[1]
        table = r[keep][found].mean(1).reshape(self.ROWS, self.COLS)
        at = CENTER + d * table[..., None]
        ear = hd.bump(at[..., 1], at[..., 2], -0.6, -0.6, 2.6, 1.9) * (np.abs(at[..., 0]) > 5)
        table = table + 0.75 * ear
        self.table = cv2.GaussianBlur(table.astype(np.float32), (0, 0), 1.2)

    def radius(self, points: np.ndarray) -> np.ndarray:
        out = points - CENTER
        r = np.maximum(np.linalg.norm(out, axis=-1), 1e-6)
        polar = np.arccos(np.clip(out[..., 1] / r, -1, 1))
        turn = np.arctan2(out[..., 0], out[..., 2])
        u = (turn + np.pi) / (2 * np.pi) * self.COLS - 0.5
        v = polar / np.pi * self.ROWS - 0.5
        uv = np.stack([np.clip(u, 0, self.COLS - 1), v], -1).reshape(-1, 2)
        return hd.sample(self.table, uv).reshape(points.shape[:-1])

    def keep_off(self, points: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Points pushed out to at least ``height`` over the surface."""
        out = points - CENTER
        r = np.maximum(np.linalg.norm(out, axis=-1), 1e-6)
        need = self.radius(points) + height
        return CENTER + out * (np.maximum(r, need) / r)[..., None]


def _away(points: np.ndarray) -> np.ndarray:
    """Directions away from the head's axis: spherical over the skull, level below."""
    y = points[..., 1]
    core = np.stack([0 * y, np.clip(y, -30, 2.5), 0 * y - 0.8], -1)
    return _unit(points - core)


def hairline(h: Head) -> np.ndarray:
    """Where hair grows (R, C), 0..1: the scalp, drawn back on a receding head."""
    if h.actor.hair != "receding":
        return h.scalp
    p = h.rest
    back = smoothstep(4.0, 0.0, p[..., 2] - 1.2 + 0.12 * (np.abs(p[..., 0]) - 3) ** 2 * 0)
    low = smoothstep(7.2, 5.6, p[..., 1])
    return h.scalp * np.maximum(np.clip(back, 0, 1) * 0.9, low)


def _cells(h: Head, mask: np.ndarray) -> np.ndarray:
    """Weight (R, C) of each grid point: mask times area."""
    du = np.linalg.norm(np.gradient(h.rest, axis=1), axis=-1)
    dv = np.linalg.norm(np.gradient(h.rest, axis=0), axis=-1)
    return mask * du * dv


def _roots(h: Head, weight: np.ndarray, n: int, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uv (n, 2), points and normals (n, 3) drawn over the surface, evenly spread by weight."""
    w = weight.ravel().astype(np.float64)
    total = np.cumsum(w)
    pick = np.searchsorted(total, (np.arange(n) + rng.random(n)) / n * total[-1])
    pick = np.minimum(pick, len(w) - 1)
    uv = np.stack([pick % hd.COLUMNS, pick // hd.COLUMNS], -1) + rng.uniform(-0.5, 0.5, (n, 2))
    uv = np.clip(uv, 0, [hd.COLUMNS - 1, hd.ROWS - 1]).astype(np.float32)
    return uv, hd.sample(h.rest, uv), _unit(hd.sample(h.normals, uv))


# ---- growing -----------------------------------------------------------------------------------


def _flow(style: Style, p: np.ndarray, root: np.ndarray, knot: np.ndarray | None) -> np.ndarray:
    """The direction (N, 3) in which hair at ``p`` is combed."""
    crown = np.array([0.9, 11.0, -4.5])
    down = np.array([0.0, -1.0, 0.0])
    if style.flow == "knot":
        return _unit(knot - p)
    if style.flow == "out":
        return _away(p)
    whorl = _unit(p - crown)
    if style.flow == "whorl":
        aside = style.sweep * smoothstep(0.0, 7.0, p[:, 2:3]) * np.array([1.0, 0, 0])
        return _unit(whorl + 0.35 * down + aside)
    if style.flow in ("back", "quiff"):
        front = smoothstep(0.0, 6.0, root[:, 2:3]) * smoothstep(4.5, 7.5, root[:, 1:2])
        side = smoothstep(7.0, 4.0, root[:, 1:2])
        back = np.stack([0.06 * p[:, 0], 0 * p[:, 0] - 0.05, 0 * p[:, 0] - 1.0], -1)
        if style.flow == "quiff":
            up = np.array([0.12, 0.9, 0.25]) * smoothstep(6.5, 10.5, p[:, 2:3])
            back = back + front * up * 1.2
        return _unit(back * (1 - 0.7 * side) + side * (whorl * 0.4 + down * 0.8))
    across = np.where(root[:, 0] > style.part, 1.0, -1.0)
    top = smoothstep(2.0, 7.0, root[:, 1])
    x = across * (0.35 + 0.65 * top)
    z = np.where(root[:, 2] > 2, 0.10, -0.10) - 0.35 * smoothstep(3, 7, root[:, 2])
    comb = np.stack([x, -0.35 - 0.5 * (1 - top), z], -1)
    behind = smoothstep(-1.0, -6.0, root[:, 2:3])
    return _unit(comb * (1 - 0.75 * behind) + whorl * 0.9 * behind)


def _grow(h: Head, skull: _Skull, style: Style, root, normal, rank, length, rng, points, spread):
    """Lines (N, points, 3) from their roots. ``rank`` 0..1: how far out in the hair each lies."""
    n = len(root)
    steps = 3 * (points - 1)
    ds = (length / steps)[:, None]
    knot = KNOTS.get(h.actor.hair)
    p = root + normal * 0.05
    if style.flow in ("part", "whorl"):  # roots start a little behind, so that partings close
        back = _flow(style, root, root, knot)
        p = p - 0.45 * _unit(back - (back * normal).sum(1, keepdims=True) * normal)
        p = skull.keep_off(p, np.full(n, 0.05))
    path = [p]
    start = _flow(style, p, root, knot)
    v = _unit(normal * np.clip(0.35 / ds, 0.2, 1.2) + start)
    jitter = rng.normal(0, spread, (n, 3))
    bangs = np.zeros(n, bool)
    if style.fringe is not None:
        bangs = (root[:, 2] > 2.5) & (root[:, 1] > 5.8) & (np.abs(root[:, 0]) < 6.2)
    cap = rng.uniform(2.0, 4.6, n)
    shoulder = rng.uniform(0, 1, n)
    steep = 0.30 + 0.70 * smoothstep(3.0, 7.5, root[:, 1:2])
    for k in range(steps):
        t = k / steps
        s = t * length
        f = _flow(style, p, root, knot)
        out = _away(p)
        f = f - 0.75 * (f * out).sum(1, keepdims=True) * out * (style.flow != "out")
        lift = style.lift * np.exp(-s / (0.55 * style.volume + 0.35))[:, None] * steep
        pull = style.gravity * np.clip(s / 3.0, 0, 2.5)[:, None] * np.array([0, -1.0, 0])
        hang = smoothstep(6.0, 1.0, p[:, 1:2]) * (style.gravity > 0.22)
        hang = hang * (1 - 0.8 * smoothstep(4.5, 7.5, p[:, 2:3]))
        f = f * (1 - 0.85 * hang) + hang * np.array([0, -1.0, 0]) * 1.2
        want = f + out * lift + pull + jitter * (1.0 - 0.5 * hang)
        want[bangs] = (want + np.array([0, -0.75, 0.25]))[bangs]
        v = _unit(0.62 * v + 0.38 * _unit(want))
        p = p + v * ds
        thick = 0.06 + style.volume * rank * np.minimum(1, 0.12 + s / 3.5)
        thick = np.where(bangs, np.minimum(thick, 0.15 + 0.5 * rank), thick)
        if style.flow == "knot":
            thick = 0.05 + style.volume * rank * np.minimum(1, s / 2.0)
        thick = np.minimum(thick, 0.15 + 0.8 * s)
        p = skull.keep_off(p, thick)
        if style.gravity > 0.1:  # and not far above what lies below
            out = p - CENTER
            r = np.linalg.norm(out, axis=1)
            excess = np.maximum(r - skull.radius(p) - thick - 0.1, 0) * smoothstep(-7, -1, p[:, 1])
            p = p - out * (0.30 * excess / r)[:, None]
        if style.flow == "part" or style.fringe is not None:
            # Framing the face: below the temples hair stays behind a plane.
            limit = cap + np.maximum(p[:, 1] - 2.5, 0) * 1.25
            low = (p[:, 1] < 6.8) & ~bangs & (np.abs(root[:, 0]) > -1)
            over = np.where(low, np.maximum(p[:, 2] - limit, 0), 0)
            p = p - np.stack([0 * over, 0 * over, 0.35 * over], -1)
            face = low & (p[:, 1] < 6.2) & (p[:, 1] > -9) & (p[:, 2] > 1.5)
            narrow = np.where(face, np.maximum(6.9 - np.abs(p[:, 0]), 0), 0)
            p[:, 0] += 0.45 * narrow * np.sign(root[:, 0] - style.part * (style.flow == "part"))
        if style.gravity > 0.22:
            # Shoulders: hair parts before and behind them.
            rest = smoothstep(-13.5, -18.0, p[:, 1])
            p[:, 2] += ds[:, 0] * rest * np.where(shoulder < 0.4, 0.55, -0.45)
        path.append(p)
    line = np.stack(path, 1)
    for _ in range(3):
        line[:, 1:-1] += 0.25 * (line[:, :-2] - 2 * line[:, 1:-1] + line[:, 2:])
    # Cut it: to its length, to the style's line, to the fringe's.
    y = line[..., 1]
    floor = np.full(n, style.cut) + rng.normal(0, 0.28, n)
    if style.fringe is not None:
        floor = np.where(bangs, style.fringe + rng.normal(0.1, 0.28, n), floor)
    below = y < floor[:, None]
    end = np.where(below.any(1), below.argmax(1), steps).astype(float)
    if style.flow == "knot":
        far = np.linalg.norm(line - knot, axis=-1)
        near = far < 1.3
        end = np.where(near.any(1), near.argmax(1), far.argmin(1)).astype(float)
    end = np.maximum(end, 3)
    at = np.linspace(0, 1, points)[None, :] * end[:, None]
    i = np.minimum(at.astype(int), steps - 1)
    w = (at - i)[..., None]
    rows = np.arange(n)[:, None]
    return line[rows, i] * (1 - w) + line[rows, i + 1] * w


def _curl(a: Actor, line: np.ndarray, name: str, phase: np.ndarray, rng) -> np.ndarray:
    """Waves or curls along lines (N, P, 3); ``phase`` (N,) is shared by neighbors."""
    kind = a.hair_texture
    if name == "waves" and kind == "straight":
        kind = "wavy"
    if name in ("curls", "ringlets") and kind != "coily":
        kind = "curly"
    size, turn = {"wavy": (0.30, 5.5), "curly": (0.55, 3.8)}.get(kind, (0.0, 1.0))
    if name == "waves":
        size = max(size, 0.5)
    if name in ("bun", "ponytail", "quiff"):
        size *= 0.3
    if not size:
        return line
    n, _ = line.shape[:2]
    step = np.linalg.norm(np.diff(line, axis=1), axis=-1)
    s = np.concatenate([np.zeros((n, 1)), np.cumsum(step, 1)], 1)
    tangent = _unit(np.gradient(line, axis=1))
    out = _away(line)
    side = _unit(np.cross(tangent, out))
    out = np.cross(side, tangent)
    own = rng.normal(0, 0.3 if kind == "wavy" else 1.4, n)
    angle = 2 * np.pi * s / (turn * rng.uniform(0.85, 1.2, (n, 1))) + (phase + own)[:, None]
    grow = size * smoothstep(0.2, 3.0, s) * rng.uniform(0.7, 1.25, (n, 1))
    depth = 0.35 if kind == "wavy" else 0.8
    return line + (side * np.cos(angle)[..., None] + depth * out * (1 + np.sin(angle))[..., None]
                   ) * grow[..., None]  # fmt: skip


def _lengths(style: Style, root: np.ndarray, rng) -> np.ndarray:
    top = smoothstep(4.2, 7.2, root[:, 1])
    back = smoothstep(-1.0, -5.0, root[:, 2])
    length = style.top * top + (1 - top) * (style.side * (1 - back) + style.back * back)
    if style.side < 2.5:  # sides are cut shorter towards the neck and the ears
        length = length * (1 - 0.45 * (1 - top) * smoothstep(3.0, -4.0, root[:, 1]))
    return length * rng.uniform(0.85, 1.1, len(root))


def _ribbons(a: Actor, line, width, rank, layer, rng, twist=0.35) -> Cards:
    n, points = line.shape[:2]
    tangent = _unit(np.gradient(line, axis=1))
    out = _away(line)
    side = _unit(np.cross(tangent, out + 1e-4))
    up = np.cross(side, tangent)
    tilt = rng.normal(0, twist, (n, 1, 1))
    side, up = side * np.cos(tilt) + up * np.sin(tilt), up * np.cos(tilt) - side * np.sin(tilt)
    t = np.linspace(0, 1, points)[None, :]
    taper = (0.75 + 0.25 * smoothstep(0, 0.2, t)) * (1 - 0.35 * smoothstep(0.55, 1.0, t))
    half = 0.5 * width[:, None] * taper
    light = (0.42 + 0.58 * rank[:, None]) * (0.62 + 0.38 * smoothstep(0.0, 0.35, t))
    return Cards(
        line, side * half[..., None], _unit(0.55 * up + out), light, layer,
        np.exp(rng.normal(0, 0.16, n)), rng.integers(0, VARIANTS, n), _stiffness(line),
    )  # fmt: skip


def _stiffness(line: np.ndarray) -> np.ndarray:
    return 0.45 + 0.55 * smoothstep(-17.5, -6.0, line[..., 1])


def _join(parts: list[Cards]) -> Cards:
    return Cards(
        *(np.concatenate([getattr(p, k) for p in parts]) for k in Cards.__dataclass_fields__)
    )


@lru_cache(maxsize=8)
def grow(actor: Actor) -> tuple[list[Cards], Strands | None]:
    """All hair of an actor at rest: :class:`Cards` by number of points, and fine strands."""
    name = style_name(actor)
    if name == "none":
        return [], None
    h = hd.build(actor)
    rng = actor.rng("hair")
    style = STYLES[name]
    side = rng.choice([-1.0, 1.0])
    sweep = side * rng.uniform(0.1, 0.9) * (0.35 if style.fringe else 1.0)
    style = replace(style, part=side * style.part, sweep=sweep)
    skull = _Skull(h)
    mask = hairline(h)
    weight = _cells(h, (mask > 0.5) + 0.0)
    groups: list[Cards] = []
    spread = {"straight": 0.07, "wavy": 0.10, "curly": 0.16, "coily": 0.14}[actor.hair_texture]
    if style.flow == "out":
        spread = 0.22
    if name == "locs":
        spread = 0.10
    if style.flow == "out":
        groups.append(_tufts(actor, h, style, weight, rng))
    elif style.cards:
        parts = []
        for layer in range(LAYERS):
            n = style.cards
            _, root, normal = _roots(h, weight, n, rng)
            rank = np.clip((layer + rng.uniform(-0.2, 0.6, n)) / (LAYERS - 0.6), 0, 1)
            length = _lengths(style, root, rng)
            line = _grow(h, skull, style, root, normal, rank, length, rng, style.points, spread)
            phase = (
                1.2 * np.sin(root[:, 0] * 0.5 + 1)
                + 1.5 * np.sin(root[:, 1] * 0.35)
                + root[:, 2] * 0.2
            )
            line = _curl(actor, line, name, phase, rng)
            width = style.width * rng.uniform(0.75, 1.3, n) * (1.35 if layer == 0 else 1.0)
            parts.append(_ribbons(actor, line, width, rank, np.full(n, layer), rng))
        groups.append(_join(parts))
        if name in KNOTS:
            groups.append(_tail(actor, name, rng))
    return groups, _fine(actor, h, skull, style, name, mask, rng, spread)


def _tufts(actor: Actor, h: Head, style: Style, weight: np.ndarray, rng) -> Cards:
    """Coily hair: a cloud of small curled tufts, in shells from the scalp to the outline."""
    parts = []
    for layer in range(LAYERS):
        n = int(style.cards * (0.75 + 0.40 * layer))
        _, root, normal = _roots(h, weight, n, rng)
        rank = (layer + rng.uniform(0.35, 1.0, n)) / LAYERS
        rank = 0.25 + 0.75 * rank * (
            1 - 0.06 * np.sin(root[:, 0] * 2.1) * np.sin(root[:, 1] * 1.9 + 1)
        )
        length = _lengths(style, root, rng)
        out = _unit(0.5 * normal + 0.5 * _away(root) + rng.normal(0, 0.10, root.shape))
        drop = style.gravity * np.array([0, -1.0, 0]) * (length * rank)[:, None]
        middle = root + out * (length * rank)[:, None] + drop
        size = (
            rng.uniform(0.7, 1.15, n)
            * np.clip(0.30 * length + 0.35, 0.5, 1.5)
            * (1.30 - 0.15 * layer)
        )
        d = _unit(rng.normal(0, 1, (n, 3)) + 0.25 * out)
        bend = np.cross(out, d) * rng.normal(0, 0.5, (n, 1))
        t = np.linspace(-0.5, 0.5, style.points)[None, :, None]
        line = (
            middle[:, None]
            + (d[:, None] * t + bend[:, None] * (t**2 - 0.1)) * (1.7 * size)[:, None, None]
        )
        cards = _ribbons(actor, line, 1.15 * size, rank, np.full(n, layer), rng)
        cards.across = _unit(np.cross(d, out))[:, None] * np.linalg.norm(
            cards.across, axis=-1, keepdims=True
        )
        cards.normal = _unit(
            np.broadcast_to(out[:, None], line.shape) + rng.normal(0, 0.25, (n, 1, 3))
        )
        ends = np.interp(np.linspace(-1, 1, style.points), [-1, -0.3, 0.3, 1], [0.55, 1, 1, 0.55])
        cards.across = cards.across * ends[None, :, None]
        cards.shade = np.exp(rng.normal(0, 0.07, n))
        cards.open = np.broadcast_to((0.30 + 0.70 * rank**1.3)[:, None], line.shape[:2]).copy()
        parts.append(cards)
    return _join(parts)


def _tail(actor: Actor, name: str, rng) -> Cards:
    """The bun or the tail that the hair is drawn into."""
    knot = KNOTS[name] + [0, 0.3, -0.6]
    coily = actor.hair_texture == "coily"
    n = 150
    layer = np.arange(n) % LAYERS
    rank = (layer + 0.5) / LAYERS
    if coily:  # a puff
        d = _unit(rng.normal(0, 1, (n, 3)) + [0, 0.4, -0.7])
        t = np.linspace(0, 1, 7)[None, :, None]
        reach = (1.2 + 2.8 * rank)[:, None, None]
        e = np.cross(d, rng.normal(0, 1, (n, 3)))
        line = knot + d[:, None] * reach + (t - 0.5) * 2.0 * _unit(e)[:, None]
        width = rng.uniform(1.3, 1.8, n)
    elif name == "bun":
        angle = rng.uniform(0, 2 * np.pi, (n, 1))
        turn = angle + np.linspace(0, 1, 13)[None, :] * rng.uniform(1.6, 3.2, (n, 1))
        roll = rng.uniform(0, 2 * np.pi, (n, 1)) + np.linspace(0, 1, 13)[None, :] * 1.5
        r = 0.9 + 0.5 * rank[:, None]
        ring = 1.35 + r * np.cos(roll)
        axis = _unit(np.array([0, 0.55, -0.85]))
        e1 = np.array([1.0, 0, 0])
        e2 = np.cross(axis, e1)
        line = knot + axis * (0.6 + r * np.sin(roll))[..., None] + ring[..., None] * (
            np.cos(turn)[..., None] * e1 + np.sin(turn)[..., None] * e2)  # fmt: skip
        width = rng.uniform(0.6, 1.0, n)
    else:
        points = 16
        length = rng.uniform(13, 18, n)
        v = _unit(np.array([0, 0.25, -1.0]) + rng.normal(0, 0.12, (n, 3)))
        p = knot + [0, -0.3, 0.7] + rng.normal(0, 0.30, (n, 3))
        path = [p]
        swing = rng.normal(0, 0.05, (n, 3))
        for k in range(points - 1):
            bow = np.array([0, -1.0, 0.10 * np.sin(k / 3)])
            v = _unit(0.72 * v + 0.28 * _unit(bow + swing))
            p = p + v * (length / points)[:, None]
            path.append(p)
        line = np.stack(path, 1)
        line = _curl(actor, line, "tail", line[:, 0, 0], rng)
        width = rng.uniform(0.6, 1.0, n)
    cards = _ribbons(actor, line, width, rank, layer, rng, 0.6)
    if name != "ponytail" or coily:
        out = _unit(line - knot)
        cards.normal = _unit(out + 0.2 * cards.normal)
        cards.across = _unit(np.cross(np.gradient(line, axis=1), out)) * np.linalg.norm(
            cards.across, axis=-1, keepdims=True)  # fmt: skip
    return cards


def _fine(actor, h, skull, style, name, mask, rng, spread) -> Strands:
    """Single hairs: along the hairline, and flying off the outline."""
    edge = (mask > 0.06) & (mask < 0.75) & (h.rest[..., 1] > -5)
    buzz = name == "buzz"
    out = style.flow == "out"
    if out:
        edge = edge & (h.rest[..., 1] > 2.5)
    lines, normals = [], []
    kinds: tuple = ((edge, 420, 0.45), ((mask > 0.5) + 0.0, 260, 1.0)) if not buzz else ()
    kinds = kinds[:1] if out or name in KNOTS else kinds
    points = 8 if style.top < 10 else 18
    for where, n, long in kinds:
        _, root, normal = _roots(h, _cells(h, where), n, rng)
        length = _lengths(style, root, rng) * rng.uniform(0.5, 1.0, n) * long
        if long < 1:
            length = np.minimum(length, 4.0 if style.top < 10 else 2.5)
        if out:
            length = (
                _lengths(style, root, rng) * rng.uniform(0.2, 0.45, n)
                if long < 1
                else length * 1.12
            )
        rank = rng.uniform(0.0, 0.5, n) if long < 1 else rng.uniform(0.6, 1.05, n)
        wild = 1.8 if style.top < 10 or long == 1 else 1.0
        line = _grow(h, skull, style, root, normal, rank, length, rng, points, spread * wild)
        line = _curl(actor, line, name, 3 * root[:, 0], rng)
        if actor.hair_texture in ("coily", "curly") and name not in KNOTS:
            line = line + np.cumsum(rng.normal(0, 0.07, line.shape), 1) * 1.6
        lines.append(line)
        normals.append(_away(line[:, points // 2]))
    if out:  # loose curls on the outline
        n = 520
        _, root, normal = _roots(h, _cells(h, mask > 0.5), n, rng)
        away = _unit(0.5 * normal + 0.5 * _away(root))
        reach = _lengths(style, root, rng) * rng.uniform(0.92, 1.10, n)
        drop = style.gravity * np.array([0, -1.0, 0]) * reach[:, None]
        e1 = _unit(rng.normal(0, 1, (n, 3)))
        e2 = _unit(np.cross(e1, rng.normal(0, 1, (n, 3))))
        turn = np.linspace(0, 1, points)[None, :] * rng.uniform(3, 8, (n, 1)) + rng.uniform(
            0, 6, (n, 1)
        )
        size = rng.uniform(0.10, 0.30, n)[:, None, None]
        curl = np.cos(turn)[..., None] * e1[:, None] + np.sin(turn)[..., None] * e2[:, None]
        curl = curl + np.linspace(0, 2, points)[None, :, None] * away[:, None]
        lines.append((root + away * reach[:, None] + drop)[:, None] + size * curl)
        normals.append(away)
    if buzz or style.side < 1.2:
        n = 3400 if buzz else 1500
        area = (mask > 0.4) if buzz else (mask > 0.4) & (h.rest[..., 1] < 7)
        fade = smoothstep(-5.0, 3.0, h.rest[..., 1]) * 0.6 + 0.4
        _, root, normal = _roots(h, _cells(h, area * fade), n, rng)
        d = _unit(
            normal * 0.9
            + 0.8 * _flow(STYLES["short"], root, root, None)
            + rng.normal(0, 0.2, root.shape)
        )
        t = np.linspace(0, 1, points)[None, :, None]
        size = (0.18 + 0.30 * smoothstep(0.0, 8.0, root[:, 1])) * rng.uniform(0.7, 1.2, n)
        lines.append(root[:, None] + d[:, None] * t * size[:, None, None])
        normals.append(normal)
    line = np.concatenate(lines)
    n = len(line)
    return Strands(line, np.concatenate(normals), np.exp(rng.normal(0, 0.22, n)),
                   rng.random(n) < actor.gray, _stiffness(line))  # fmt: skip


# ---- what is on a card ---------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _texture(kind: str) -> list[np.ndarray]:
    """Strands on a strip of cards, smaller and smaller: (rows, VARIANTS * width, 4) of
    (cover, shade, gleam, random) in 0..1, all but the first multiplied with the first.
    """
    rng = np.random.default_rng([7, *kind.encode()])
    big = 4
    w, rows = TEXELS * big, CARD_ROWS * big
    sway, count, wave = {"straight": (0.05, 46, 0.0), "wavy": (0.08, 42, 0.02),
                         "curly": (0.10, 38, 0.07)}.get(kind, (0, 0, 0.0))  # fmt: skip
    tiles = []
    v = np.linspace(0, 1, 65)
    for _ in range(VARIANTS):
        tile = np.zeros((rows, w, 4), np.uint8)
        middle = rng.normal(0, 0.03) * np.sin(v * rng.uniform(2, 5))
        if kind == "locs":
            tiles.append(_rope(w, rows, rng))
            continue
        if kind == "coily":
            _coils(tile, rng)
            tiles.append(tile)
            continue
        for k in range(count):
            u0 = 0.5 + 0.45 * np.clip(rng.normal(0, 0.6), -1, 1)
            clump = 0.5 + (u0 - 0.5) * (1 - 0.35 * v**2)
            drift = np.cumsum(rng.normal(0, 1, len(v))) / len(v) ** 0.5
            drift = cv2.GaussianBlur(drift[None].astype(np.float32), (0, 0), 6)[0]
            u = clump + middle + sway * drift * v
            if wave:
                turns = rng.uniform(4, 7)
                u = u + wave * rng.uniform(0.5, 1.2) * np.sin(
                    2 * np.pi * (turns * v + rng.random())
                )
            stop = 1 - abs(rng.normal(0, 0.18)) - 0.35 * abs(u0 - 0.5)
            start = abs(rng.normal(0, 0.012))
            keep = (v >= start) & (v <= stop)
            if keep.sum() < 2:
                continue
            xy = np.stack([u * w, v * rows], -1)[keep]
            low = k / count  # later ones lie on top and are lighter
            shade = np.clip(0.22 + 0.42 * low + rng.normal(0, 0.11), 0.08, 1)
            gleam = np.clip(0.25 + 0.4 * low + rng.normal(0, 0.2), 0, 1)
            color = (255, 255 * shade, 255 * gleam, 255 * rng.random())
            cv2.polylines(tile, [np.round(xy * 16).astype(np.int32)], False, color,
                          int(rng.integers(3, 7)), cv2.LINE_AA, 4)  # fmt: skip
        tiles.append(tile)
    full = np.concatenate(tiles, 1).astype(np.float32) / 255
    levels = []
    for k in (1, 2, 4, 8):
        size = (VARIANTS * TEXELS // k, CARD_ROWS // k)
        levels.append(cv2.resize(full, size, interpolation=cv2.INTER_AREA))
    return levels


def _coils(tile: np.ndarray, rng) -> None:
    """A tuft of tight coils, loose at its rim."""
    rows, w = tile.shape[:2]
    angle = np.linspace(0, 2 * np.pi, 17)
    along = np.linspace(0, 1, 17)
    count = 170
    for k in range(count):
        u0, v0 = 0.5 + 0.36 * rng.uniform(-1, 1, 2)
        size = rng.uniform(0.05, 0.11)
        drift = rng.normal(0, 0.05, 2)
        phase = angle * rng.uniform(0.8, 2.0) + rng.uniform(0, 6.3)
        u = u0 + size * np.cos(phase) + drift[0] * along
        v = v0 + 0.7 * size * np.sin(phase) + drift[1] * along
        low = k / count
        shade = np.clip(0.16 + 0.42 * low + rng.normal(0, 0.10), 0.08, 1)
        color = (
            255,
            255 * shade,
            255 * np.clip(0.4 * low + rng.normal(0, 0.2), 0, 1),
            255 * rng.random(),
        )
        xy = np.stack([u * w, v * rows], -1)
        thick = int(rng.integers(3, 6))
        cv2.polylines(
            tile, [np.round(xy * 16).astype(np.int32)], False, color, thick, cv2.LINE_AA, 4
        )


def _rope(w: int, rows: int, rng) -> np.ndarray:
    """A lock twisted into a rope."""
    u = (np.arange(w)[None, :] + 0.5) / w * 2 - 1 + 0 * np.arange(rows)[:, None]
    v = (np.arange(rows)[:, None] + 0.5) / rows + 0 * u
    edge = 0.55 + 0.05 * np.sin(40 * v + rng.uniform(0, 6)) + 0.03 * np.sin(93 * v)
    cover = smoothstep(1.0, 0.85, np.abs(u) / edge) * smoothstep(1.0, 0.97, v)
    fray = cv2.GaussianBlur(
        rng.normal(0, 1, (rows, w)).astype(np.float32), (0, 0), sigmaX=1.5, sigmaY=5
    )
    fray /= fray.std()
    twist = np.sin(2 * np.pi * (26 * v + 0.55 * u + rng.random()))
    round_ = np.sqrt(np.clip(1 - (u / edge) ** 2, 0, 1))
    shade = np.clip(round_ * (0.55 + 0.18 * twist + 0.08 * fray), 0.03, 1)
    gleam = np.clip(round_**3 * (0.4 + 0.3 * twist + 0.15 * fray), 0, 1)
    mix = np.full_like(u, rng.random())
    return (255 * cover[..., None] * np.stack([np.ones_like(u), shade, gleam, mix], -1)).astype(
        np.uint8
    )


# ---- light ---------------------------------------------------------------------------------------


def _light(frame, world, tangent, normal, gleam: float) -> tuple[np.ndarray, np.ndarray]:
    """Light (N, 3) on strands as matt things, and what they mirror (N,), by direction."""
    eye = _unit(frame.view.position - world)
    soft = frame.scene.ambient(normal)
    shine = np.zeros(len(world))
    for k, lamp in enumerate(frame.scene.lights):
        if not any(lamp.color):
            continue
        d = np.asarray(lamp.direction)
        color = np.asarray(lamp.color)
        facing = np.clip((normal @ d + 0.30) / 1.30, 0, 1)
        along = tangent @ d
        if k == 0:
            facing = facing * (0.12 + 0.88 * frame.key_shadow(world))
        soft = (
            soft + (facing * (0.40 + 0.60 * np.sqrt(np.clip(1 - along**2, 0, 1))))[:, None] * color
        )
        half = _unit(eye + d)
        th = (tangent * half).sum(1)
        first = np.clip(1 - (th + 0.10) ** 2, 0, 1) ** 45
        second = np.clip(1 - (th - 0.16) ** 2, 0, 1) ** 12
        shine = shine + facing * (0.65 * first + 0.35 * second) * color.mean()
    return soft, gleam * shine


def _pose(frame, points: np.ndarray, stiff: np.ndarray) -> np.ndarray:
    moved = frame.pose.apply(points)
    return points + stiff[..., None] * (moved - points)


# ---- drawing -------------------------------------------------------------------------------------


def draw(frame) -> None:
    """Draw lashes, brows, beard, then hair over the frame's buffers (see :mod:`render`)."""
    canvas = _Canvas(frame)
    _face_hair(canvas)
    groups, fine = grow(frame.actor)
    if groups:
        _cards(canvas, groups)
    if fine is not None:
        _strands(canvas, fine)
    canvas.finish()


class _Canvas:
    """The frame's buffers, and ``lay``: paint with cover."""

    def __init__(self, frame):
        self.frame = frame
        self.depth = frame.depth
        self.cover = np.zeros_like(frame.depth)
        self.scale = frame.view.focal / float(np.linalg.norm(frame.view.position))  # pixels per cm

    def lay(self, at: np.ndarray, color: list[np.ndarray], cover: np.ndarray) -> None:
        """Lay ``color`` (three channels, premultiplied by ``cover``) over pixels of the frame.

        ``at`` counts them row by row.
        """
        f = self.frame
        below = f.alpha.ravel()[at] * (1 - cover)
        alpha = cover + below
        for channel, new in zip(f.radiance.reshape(-1, 3).T, color, strict=True):
            channel[at] = (new + channel[at] * below) / alpha
        f.alpha.reshape(-1)[at] = alpha

    def finish(self) -> None:
        f = self.frame
        f.bare = getattr(f, "bare", 1.0) * (1 - self.cover)


def _box(xy: np.ndarray, shape, pad: int = 3) -> tuple[slice, slice] | None:
    low = np.floor(xy.reshape(-1, 2).min(0)).astype(int) - pad
    high = np.ceil(xy.reshape(-1, 2).max(0)).astype(int) + pad
    x0, y0 = np.maximum(low, 0)
    x1, y1 = min(high[0], shape[1]), min(high[1], shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _texture_kind(a: Actor) -> str:
    name = style_name(a)
    if name == "locs":
        return name
    return "curly" if name in KNOTS and a.hair_texture == "coily" else a.hair_texture


@lru_cache(maxsize=16)
def _paint(actor: Actor, level: int, under: bool) -> np.ndarray:
    """The texture in this actor's use: (rows, width, 4) of cover, and times cover: dark share of
    light, share of gray, gleam. ``under`` is for the layer on the scalp, which has no gaps.
    """
    tile = _texture(_texture_kind(actor))[level]
    cover, shade, gleam, mix = cv2.split(tile)
    own = np.maximum(cover, 0.02)
    shade, gleam, mix = 2.0 * shade / own, 2.0 * gleam / own, mix / own
    full = np.clip(1.25 * cover, 0, 1)
    if under:
        v = np.linspace(0, 1, tile.shape[0])[:, None]
        body = smoothstep(0.0, 0.03, v) * smoothstep(1.0, 0.75, v)
        if _texture_kind(actor) == "coily":  # a round tuft, not a strip
            u = np.linspace(0, VARIANTS, tile.shape[1], endpoint=False)[None, :] % 1.0
            body = smoothstep(0.92, 0.70, ((2 * u - 1) ** 4 + (2 * v - 1) ** 4) ** 0.25)
        full = np.clip(1.8 * cover + 0.7 * body, 0, 1)
        shade = shade * np.minimum(cover * 1.2, 1) + 0.40 * (1 - np.minimum(cover * 1.2, 1))
    soft = 0.45 if actor.hair_texture == "coily" else 0.08  # coils are finer than a texel
    white = smoothstep(soft, -soft, mix - actor.gray) if actor.gray > 0 else 0 * mix
    out = np.stack([full, full * shade * (1 - white), full * shade * white, full * gleam], -1)
    return np.ascontiguousarray(out, np.float32)


def _cards(canvas: _Canvas, groups: list[Cards]) -> None:
    from .render import FAR, NEAR, from_buffer, surfaces, to_buffer

    f, a = canvas.frame, canvas.frame.actor
    view = f.view
    shine = {"straight": 0.11, "wavy": 0.09, "curly": 0.06, "coily": 0.012}[a.hair_texture]
    shine *= 0.6 + 3.0 * float(np.mean(a.hair_color)) ** 0.5
    coily = _texture_kind(a) == "coily"
    facing = _texture_kind(a) in ("curly", "coily")
    height, wide = f.depth.shape
    vertices: Any = []
    values: Any = []
    corners: Any = []
    layers: Any = []
    lengths: Any = []
    tables = []
    widest = max(g.points.shape[1] for g in groups)
    first = count = 0
    for g in groups:
        n, p = g.points.shape[:2]
        world = _pose(f, g.points, g.stiff)
        tangent = _unit(np.gradient(world, axis=1))
        normal = f.pose.turn(g.normal)
        across = f.pose.turn(g.across)
        if facing:
            half = np.linalg.norm(g.across, axis=-1, keepdims=True)
            across = _unit(np.cross(tangent, f.view.position - world)) * half
        at, along, up = (x.reshape(-1, 3) for x in (world, tangent, normal))
        soft, gleam = _light(f, at, along, up, shine)
        open_ = g.open.reshape(-1) * np.repeat(g.shade, p)
        table = np.zeros((n, widest, 4), np.float32)
        table[:, :p, :3] = (soft * open_[:, None]).reshape(n, p, 3)
        table[:, :p, 3] = (gleam * open_).reshape(n, p)
        table[:, p:] = table[:, p - 1 : p]
        tables.append(table)
        vertices.append(np.stack([world - across, world + across], 2).reshape(-1, 3))
        v = np.broadcast_to(np.arange(p)[None, :, None] / (p - 1), (n, p, 2))
        # Which texture and where across, how far along, which card (whole numbers stay whole).
        u = g.variant[:, None, None] + np.array([0.02, 0.98])[None, None, :] + np.zeros((n, p, 1))
        card = np.broadcast_to((count + np.arange(n))[:, None, None], (n, p, 2))
        values.append(np.stack([u, v, card], -1).reshape(-1, 3))
        i = first + (np.arange(n)[:, None] * p + np.arange(p - 1)[None, :]) * 2
        corners.append(np.stack([i, i + 1, i + 2, i + 3], -1).reshape(-1, 4))
        layers.append(np.repeat(g.layer, p - 1))
        lengths.append(np.full(n, p - 1, np.float32))
        first += n * p * 2
        count += n
    vertices = np.concatenate(vertices).astype(np.float32)
    values = np.concatenate(values).astype(np.float32)
    corners, layers = np.concatenate(corners), np.concatenate(layers)
    table, lengths = np.concatenate(tables), np.concatenate(lengths)
    seen = view.project(vertices)
    xi = np.clip(seen[:, 0].astype(int), 0, wide - 1)
    yi = np.clip(seen[:, 1].astype(int), 0, height - 1)
    inside = (np.abs(seen[:, 0] / wide - 0.5) < 0.53) & (np.abs(seen[:, 1] / height - 0.5) < 0.53)
    per_card = canvas.scale * STYLES[style_name(a)].width / TEXELS
    level = int(np.clip(np.round(np.log2(1 / max(per_card, 1e-3))), 0, 3))
    base = np.asarray(a.hair_color, np.float32)
    tint = 0.55 + 0.45 * base / max(float(base.max()), 1e-3)
    depth = f.depth.copy()
    total, *light = np.zeros((4, depth.size), np.float32)
    matrix, settings = view.matrix(), surfaces()
    reach = to_buffer(depth)
    color = np.empty((height, wide, 3), np.float32)
    for layer in range(LAYERS):
        # Leave out what lies behind, or outside the picture.
        shown = inside & (depth[yi, xi] > seen[:, 2] - 0.3)
        quads = corners[(layers == layer)]
        quads = quads[shown[quads].any(1)]
        if not len(quads):
            continue
        triangles = np.concatenate([quads[:, :3], quads[:, 1:][:, [0, 2, 1]]]).astype(np.int32)
        after = reach.copy()
        cv2.triangleRasterize(  # draws into color and after
            vertices, triangles, values, color, after, matrix, view.fov, NEAR, FAR, settings
        )
        at = np.flatnonzero(after < reach)
        u, v, card = np.ascontiguousarray(color.reshape(-1, 3)[at].T)
        card = np.rint(card)
        tile = _paint(a, level, layer == 0 or (layer == 1 and coily))
        uv = np.stack([u * (tile.shape[1] / VARIANTS) - 0.5, v * (tile.shape[0] - 1)], -1)
        cover, dark, white, gleam = np.ascontiguousarray(hd.sample(tile, uv).T)
        row = np.stack([v * lengths[card.astype(np.int32)], card], -1)
        *lit, mirror = np.ascontiguousarray(hd.sample(table, row).T)
        gleam = gleam * mirror
        rest = 1 - cover
        for k in range(3):
            value_ = lit[k] * (base[k] * dark + GRAY[k] * white)
            light[k][at] = light[k][at] * rest + value_ + tint[k] * gleam
        total[at] = total[at] * rest + cover
        solid = at[cover > 0.5]
        depth.reshape(-1)[solid] = from_buffer(after.reshape(-1)[solid])
        reach.reshape(-1)[solid] = to_buffer(depth.reshape(-1)[solid])
    cover = total.reshape(depth.shape)
    _contact(canvas, cover)
    at = np.flatnonzero(total > 0.004)
    canvas.lay(at, [channel[at] for channel in light], total[at])
    f.depth[...] = depth
    np.maximum(canvas.cover, cover, out=canvas.cover)


def _contact(canvas: _Canvas, cover: np.ndarray) -> None:
    """Hair keeps light from the skin beside it, and from the scalp under it."""
    f = canvas.frame
    s = canvas.scale
    small = cv2.resize(cover, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    dark = 1 - 0.34 * cv2.GaussianBlur(small, (0, 0), max(0.5, 0.28 * s))
    dark -= 0.22 * cv2.GaussianBlur(small, (0, 0), max(0.5, 0.08 * s))
    dark = cv2.resize(dark, cover.shape[::-1])
    head = f.part == 0
    if head.any() and f.actor.hair != "receding":
        rows, columns = (slice(*np.flatnonzero(head.any(k))[[0, -1]] + (0, 1)) for k in (1, 0))
        at = f.coords[rows, columns]
        scalp = cv2.remap(f.head.scalp, at, None, cv2.INTER_LINEAR) * head[rows, columns]
        dark[rows, columns] *= 1 - 0.85 * scalp
    f.radiance *= cv2.merge([dark, dark, dark])


def _lines(canvas: _Canvas, world, normal, shade, gray, base, opacity=1.0, thick=1, gleam=0.05,
           slack=0.15, order=True):  # fmt: skip
    """Antialiased lines (M, Q, 3) in the world, each of one color, back to front."""
    f = canvas.frame
    m, q = world.shape[:2]
    p = f.view.project(world)
    h, w = f.depth.shape
    xi = np.clip(p[..., 0].astype(int), 0, w - 1)
    yi = np.clip(p[..., 1].astype(int), 0, h - 1)
    visible = f.depth[yi, xi] > p[..., 2] - slack
    share = visible.mean(1) > 0.45
    if not share.any():
        return
    index = np.flatnonzero(share)
    mid = world[index, q // 2]
    tangent = _unit(world[index, -1] - world[index, 0])
    soft, shine = _light(f, mid, tangent, normal[index], gleam)
    albedo = np.where(gray[index, None], GRAY, base) * shade[index, None]
    color = np.sqrt(np.clip(soft * albedo + shine[:, None], 0, 4) / 4)
    xy = p[index, :, :2]
    box = _box(xy, f.depth.shape)
    if box is None:
        return
    origin = np.array([box[1].start, box[0].start])
    sheet = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start, 4), np.uint8)
    fixed = np.round((xy - origin - 0.5) * 16).astype(np.int32)
    rank = np.argsort(-p[index].mean(1)[:, 2]) if order else np.arange(len(index))
    paint = np.concatenate([np.round(color * 255), np.full((len(index), 1), 255)], 1).tolist()
    for k in rank:
        cv2.polylines(sheet, [fixed[k]], False, paint[k], thick, cv2.LINE_AA, 4)
    cover = sheet[..., 3].astype(np.float32) / 255
    canvas.cover[box] = np.maximum(canvas.cover[box], 0.6 * opacity * cover)
    rows, columns = np.nonzero(cover)
    drawn = sheet[rows, columns, :3].astype(np.float32).T / 255
    cover = cover[rows, columns]
    rgb = 4 * (drawn / cover) ** 2
    cover = cover * opacity
    at = (rows + box[0].start) * w + columns + box[1].start
    canvas.lay(at, list(rgb * cover), cover)


def _strands(canvas: _Canvas, s: Strands) -> None:
    f = canvas.frame
    world = _pose(f, s.points, s.stiff)
    fineness = float(np.clip(canvas.scale / 26, 0.35, 0.9))
    _lines(canvas, world, f.pose.turn(s.normal), s.shade, s.gray, np.asarray(f.actor.hair_color),
           fineness, slack=0.25)  # fmt: skip


# ---- brows, beard, lashes ------------------------------------------------------------------------


def _skin_hairs(h: Head, where, n, rng, aim, length, stand, bend, gray, points=4) -> Rooted:
    """Short hairs on the skin. ``aim(points)`` (N, 3) is the direction they are combed."""
    uv, root, normal = _roots(h, _cells(h, where), n, rng)
    d = aim(root)
    d = _unit(d - (d * normal).sum(1, keepdims=True) * normal)
    side = np.cross(normal, d)
    d = _unit(d + side * rng.normal(0, bend, n)[:, None])
    t = np.linspace(0, 1, points)[None, :, None]
    size = (length(root) * rng.uniform(0.65, 1.2, n))[:, None, None]
    up = stand * np.sin(t * np.pi * 0.75)
    curve = rng.normal(0, 0.12, (n, 1, 1)) * t**2
    offsets = size * (d[:, None] * t + side[:, None] * curve) + normal[:, None] * (
        up * size + 0.015
    )
    return Rooted(uv, offsets, normal, np.exp(rng.normal(0, 0.2, n)), rng.random(n) < gray)


@lru_cache(maxsize=8)
def brows(actor: Actor) -> Rooted:
    """Hairs of both brows: upright near the nose, then sweeping outwards."""
    h = hd.build(actor)
    rng = actor.rng("brows")
    n = int(230 + 330 * actor.brows)

    def aim(p):
        u = np.clip((np.abs(p[:, 0]) - 1.2) / 3.8, 0, 1)
        angle = np.radians(np.interp(u, [0, 0.15, 0.45, 0.8, 1.0], [82, 58, 26, -2, -22]))
        middle = np.sign(p[:, 1] - np.interp(u, [0, 0.6, 1], [2.55, 3.05, 2.75]))
        angle = angle - 0.22 * middle  # upper hairs lie down, lower ones rise
        return np.stack([np.sign(p[:, 0]) * np.cos(angle), np.sin(angle), 0.25 * np.cos(angle)], -1)

    size = 0.42 + 0.22 * actor.brows
    return _skin_hairs(h, h.brow, n, rng, aim, lambda p: size + 0 * p[:, 0], 0.10, 0.18,
                       0.2 * actor.gray)  # fmt: skip


@lru_cache(maxsize=8)
def beard(actor: Actor) -> Rooted | None:
    """Hairs of the beard, if there is one."""
    if actor.beard == "none":
        return None
    h = hd.build(actor)
    rng = actor.rng("beard")
    p = h.rest
    chin = smoothstep(3.6, 2.6, np.abs(p[..., 0])) * smoothstep(-6.4, -7.2, p[..., 1])
    where = {
        "mustache": h.mustache * (p[..., 1] > hd.MOUTH_Y - 0.2),
        "goatee": np.maximum(h.mustache, h.beard * chin),
    }.get(actor.beard, np.maximum(h.beard, h.mustache))
    n, size, stand = {
        "stubble": (2200, 0.14, 0.3), "mustache": (520, 0.75, 0.35), "goatee": (1100, 0.85, 0.4),
        "short": (1900, 0.62, 0.42), "full": (2300, 1.35, 0.45),
    }[actor.beard]  # fmt: skip

    def aim(q):
        x = np.abs(q[:, 0])
        lip = (q[:, 1] > -6.0) & (x < 2.6)
        out = np.where(
            lip, 0.75 * np.clip(x / 1.4, 0.1, 1), 0.15 - 0.1 * smoothstep(-8, -11, q[:, 1])
        )
        return np.stack([np.sign(q[:, 0]) * out, -1 + 0 * x, np.where(lip, 0.2, 0.12)], -1)

    def length(q):
        low = 0.55 + 0.45 * smoothstep(-4.0, -9.0, q[:, 1])
        lip = (q[:, 1] > -6.0) & (np.abs(q[:, 0]) < 2.6)
        return size * np.where(lip, min(1.0, 0.75 / size), low)

    wild = 0.45 if actor.hair_texture in ("curly", "coily") else 0.28
    out = _skin_hairs(h, where, n, rng, aim, length, stand, wild, 0.55 * actor.gray,
                      points=4 if actor.beard != "stubble" else 2)  # fmt: skip
    if wild > 0.4 and size > 0.4:
        out.offsets[:, 1:] += np.cumsum(rng.normal(0, 0.05, out.offsets[:, 1:].shape), 1)
    return out


def _rooted(canvas: _Canvas, r: Rooted, base, opacity, gleam=0.04) -> None:
    f = canvas.frame
    root = hd.sample(f.world, r.uv)
    world = root[:, None] + f.pose.turn(r.offsets)
    _lines(
        canvas, world, f.pose.turn(r.normal), r.shade, r.gray, base, opacity, gleam=gleam, slack=0.3
    )


@lru_cache(maxsize=8)
def _lash_plan(actor: Actor) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
    """For each lid edge: place along it, length and fan of each lash; and if it is an upper."""
    rng = actor.rng("lashes")
    plan = []
    thick = 1.25 if actor.female else 1.0
    thick += 0.5 * actor.makeup
    for _ in range(2):
        for upper in (True, False):
            n = int((60 if upper else 26) * thick)
            s = np.sort((np.arange(n) + rng.uniform(0.1, 0.9, n)) / n)
            s = 0.06 + 0.92 * s
            size = np.interp(s, [0, 0.2, 0.7, 0.92, 1], [0.30, 0.50, 0.80, 0.85, 0.6])
            size = size * (1 if upper else 0.45) * rng.uniform(0.75, 1.15, n)
            size = size * (0.75 + 0.2 * thick)
            fan = np.interp(s, [0, 0.35, 1], [-0.35, 0.05, 0.80]) + rng.normal(0, 0.10, n)
            plan.append((s, size, fan, upper))
    return plan


def _lashes(canvas: _Canvas) -> None:
    f, a = canvas.frame, canvas.frame.actor
    blink = value(f.row, "blink")
    base = np.minimum(np.asarray(a.hair_color) * (0.35 - 0.15 * a.makeup), 0.03)
    edges = [e for pair in f.head.lashes for e in pair]
    t = np.linspace(0, 1, 5)[None, :, None]
    for k, (edge, (s, size, fan, upper)) in enumerate(zip(edges, _lash_plan(a), strict=True)):
        side = -1.0 if k < 2 else 1.0
        along = s if side > 0 else 1 - s  # columns run from the viewer's left
        at = along * (len(edge) - 1)
        i = np.minimum(at.astype(int), len(edge) - 2)
        uv = edge[i] + (edge[i + 1] - edge[i]) * (at - i)[:, None].astype(np.float32)
        root = hd.sample(f.world, uv.astype(np.float32))
        lift = 0.30 - 0.95 * blink if upper else -0.75
        curl = 0.95 if upper else -0.25
        d0 = np.stack(
            [side * fan, np.full(len(s), lift - 0.35 if upper else lift), 0 * s + 0.95], -1
        )
        d1 = d0 + np.array([0, curl, -0.35])
        d0, d1 = _unit(d0), _unit(d1)
        shape = d0[:, None] * t + (d1 - d0)[:, None] * t**2 * 0.75
        world = root[:, None] + f.pose.turn(shape * size[:, None, None])
        normal = f.pose.turn(_unit(d1 + [0, 0.5, 0.5]))
        _lines(canvas, world, normal, np.ones(len(s)), np.zeros(len(s), bool), base,
               (0.95 if upper else 0.45) * float(np.clip(canvas.scale / 18, 0.5, 1)), gleam=0.01,
               slack=0.5, order=False)  # fmt: skip


def _face_hair(canvas: _Canvas) -> None:
    a = canvas.frame.actor
    dark = np.asarray(a.hair_color) * (0.8 if np.mean(a.hair_color) < 0.1 else 0.5)
    _lashes(canvas)
    _rooted(canvas, brows(a), dark, float(np.clip(canvas.scale / 22, 0.45, 0.8)))
    hairs = beard(a)
    if hairs is not None:
        soft = 0.55 if a.beard == "stubble" else 0.8
        _rooted(canvas, hairs, dark * 1.1, soft * float(np.clip(canvas.scale / 18, 0.6, 1)))
