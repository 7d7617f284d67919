"""The rooms behind the actors: furniture as triangles, lamps, windows, and an out-of-focus lens.

Each room is a function that furnishes a :class:`_Set`; one renderer then lights it (lamps with soft
shadows, sun through window panes, ambient occlusion) and blurs it by depth as a wide aperture does.
Coordinates are those of :mod:`course_utils.actors.scene`: centimeters, the head at the origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

WOODS = [(0.30, 0.17, 0.085), (0.20, 0.105, 0.05), (0.45, 0.30, 0.17), (0.10, 0.055, 0.03)]
WALLS = [
    (0.62, 0.58, 0.50), (0.55, 0.56, 0.56), (0.42, 0.49, 0.45), (0.30, 0.38, 0.46),
    (0.60, 0.47, 0.36), (0.50, 0.36, 0.31), (0.20, 0.27, 0.29), (0.66, 0.62, 0.57),
    (0.36, 0.40, 0.31), (0.58, 0.52, 0.40),
]  # fmt: skip
CLOTHS = [
    (0.45, 0.40, 0.33), (0.12, 0.16, 0.24), (0.28, 0.10, 0.07), (0.09, 0.18, 0.14),
    (0.40, 0.24, 0.08), (0.20, 0.20, 0.21), (0.50, 0.47, 0.44), (0.16, 0.09, 0.15),
]  # fmt: skip
BOOKS = [
    (0.34, 0.06, 0.05), (0.06, 0.12, 0.24), (0.05, 0.16, 0.12), (0.50, 0.42, 0.28),
    (0.60, 0.58, 0.52), (0.40, 0.22, 0.05), (0.04, 0.04, 0.05), (0.20, 0.07, 0.14),
    (0.12, 0.24, 0.30), (0.55, 0.30, 0.10), (0.25, 0.25, 0.24), (0.62, 0.50, 0.14),
]  # fmt: skip
TUNGSTEN, DAYLIGHT, NEUTRAL = (1.0, 0.66, 0.36), (0.88, 0.98, 1.12), (1.0, 0.96, 0.90)


@dataclass(frozen=True)
class Mood:
    """What room and actor share: time of day, the side light comes from, how bright the room is."""

    day: bool
    side: int  # -1: window or lamp to the viewer's left of the actor, +1: right
    turn: float  # degrees the room is turned about the actor
    level: float  # median radiance of the room against a fully lit white surface


class _Set:
    """Triangles with color, glow and picture, and the lamps that light them."""

    def __init__(self, rng: np.random.Generator, mood: Mood):
        self.rng, self.mood = rng, mood
        self.corners: list[np.ndarray] = []  # (n, 3, 3)
        self.color: list[np.ndarray] = []  # (n, 3)
        self.glow: list[np.ndarray] = []  # (n, 3)
        self.uv: list[np.ndarray] = []  # (n, 3, 2)
        self.picture: list[np.ndarray] = []  # (n,) index into pictures, -1 none
        self.pictures: list[np.ndarray] = []  # (h, w, 3) linear, multiplies color and glow
        self.lamps: list[tuple] = []  # position, color, reach, whether it casts shadows
        self.sun: tuple | None = None  # direction, color, panes (u, v half widths), bars
        self.sky = np.array([0.30, 0.30, 0.30])
        self.ground = np.array([0.16, 0.14, 0.12])

    # -- primitives
    def add(self, corners, color, glow=(0, 0, 0), uv=None, picture=None) -> None:
        corners = np.asarray(corners, np.float64).reshape(-1, 3, 3)
        n = len(corners)
        self.corners.append(corners)
        self.color.append(np.broadcast_to(np.asarray(color, float), (n, 3)))
        self.glow.append(np.broadcast_to(np.asarray(glow, float), (n, 3)))
        self.uv.append(np.zeros((n, 3, 2)) if uv is None else np.asarray(uv, float))
        index = -1
        if picture is not None:
            self.pictures.append(picture.astype(np.float32))
            index = len(self.pictures) - 1
        self.picture.append(np.full(n, index))

    def quad(self, a, b, c, d, color, glow=(0, 0, 0), picture=None) -> None:
        """Corners anticlockwise from the lower left as the viewer sees it."""
        a, b, c, d = (np.asarray(p, float) for p in (a, b, c, d))
        # large ones in pieces: the rasterizer drops a triangle that reaches behind the camera
        long = max(np.linalg.norm(b - a), np.linalg.norm(d - a))
        n = 1 if long < 250 else 12
        grid = np.linspace(0, 1, n + 1)
        u, v = np.meshgrid(grid, grid)
        u, v = u[..., None], v[..., None]
        p = (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v
        corner = p[:-1, :-1], p[:-1, 1:], p[1:, 1:], p[1:, :-1]
        t = np.concatenate([u, 1 - v], -1)
        flat = t[:-1, :-1], t[:-1, 1:], t[1:, 1:], t[1:, :-1]
        tri, uv = (
            np.concatenate([np.stack([q[0], q[1], q[2]], 2), np.stack([q[0], q[2], q[3]], 2)])
            for q in (corner, flat)
        )
        self.add(tri.reshape(-1, 3, 3), color, glow, uv.reshape(-1, 3, 2), picture)

    def box(self, x, y, z, color, glow=(0, 0, 0), turn=0.0) -> None:
        """Box between the pairs ``x``, ``y``, ``z``, turned about its own vertical axis."""
        p = np.array([[x[i], y[j], z[k]] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
        if turn:
            middle = p.mean(0)
            p = (p - middle) @ _about_y(turn).T + middle
        faces = [(1, 5, 7, 3), (0, 1, 3, 2), (5, 4, 6, 7), (3, 7, 6, 2), (0, 4, 5, 1), (4, 0, 2, 6)]
        self.add(
            np.concatenate([[p[[a, b, c]], p[[a, c, d]]] for a, b, c, d in faces]), color, glow
        )

    def tube(self, x, z, y, r, color, glow=(0, 0, 0), sides=14, tilt=(0.0, 0.0)) -> None:
        """Cylinder or cone between heights ``y`` with radii ``r``, closed on top."""
        angle = np.linspace(0, 2 * np.pi, sides + 1)
        ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], 1)
        low = ring * r[0] + (x, y[0], z)
        high = ring * r[1] + (x + tilt[0], y[1], z + tilt[1])
        top = np.broadcast_to((x + tilt[0], y[1], z + tilt[1]), (sides, 3))
        side = (
            np.stack([low[:-1], low[1:], high[1:]], 1),
            np.stack([low[:-1], high[1:], high[:-1]], 1),
        )
        self.add(np.concatenate([*side, np.stack([high[:-1], high[1:], top], 1)]), color, glow)

    def ball(self, center, r, color, glow=(0, 0, 0), squash=1.0) -> None:
        a, b = np.meshgrid(np.linspace(0, 2 * np.pi, 15), np.linspace(0, np.pi, 9))
        p = np.stack([np.cos(a) * np.sin(b), np.cos(b) * squash, np.sin(a) * np.sin(b)], -1)
        p = p * r + np.asarray(center)
        q = [p[:-1, :-1], p[1:, :-1], p[1:, 1:], p[:-1, 1:]]
        tri = [np.stack([q[0], q[1], q[2]], -2), np.stack([q[0], q[2], q[3]], -2)]
        self.add(np.concatenate([t.reshape(-1, 3, 3) for t in tri]), color, glow)

    def lamp(self, position, color, power, reach=120.0, shadow=False) -> None:
        self.lamps.append((np.asarray(position, float), np.asarray(color) * power, reach, shadow))

    def pick(self, palette) -> np.ndarray:
        """A color of the palette, a little varied."""
        color = np.array(palette[self.rng.integers(len(palette))], float)
        color = color + 0.22 * (color.mean() - color)
        return np.clip(color * self.rng.normal(1, 0.05, 3) * self.rng.uniform(0.8, 1.15), 0.01, 0.8)

    # -- architecture
    def shell(self, back, left, right, floor, ceiling, wall, ground, side=None) -> None:
        """Back wall at z = -back, side walls, floor and ceiling, with a skirting board."""
        near = 40.0  # the camera stands behind this
        side = wall if side is None else side
        b = -back
        self.quad(
            (left, floor, b), (right, floor, b), (right, ceiling, b), (left, ceiling, b), wall
        )
        self.quad(
            (left, floor, near), (left, floor, b), (left, ceiling, b), (left, ceiling, near), side
        )
        self.quad(
            (right, floor, b),
            (right, floor, near),
            (right, ceiling, near),
            (right, ceiling, b),
            side,
        )
        self.quad(
            (left, floor, near), (right, floor, near), (right, floor, b), (left, floor, b), ground
        )
        self.quad(
            (left, ceiling, b), (right, ceiling, b), (right, ceiling, near), (left, ceiling, near),
            (0.7, 0.69, 0.66),
        )  # fmt: skip
        self.box((left, right), (floor, floor + 9), (b, b + 1.5), (0.6, 0.58, 0.54))

    def window(self, x, y, z, view, panes=(2, 2), frame=(0.62, 0.61, 0.58), sill=True) -> None:
        """A window in a wall at z; ``view`` is a glowing picture."""
        self.quad(
            (x[0], y[0], z + 2.5), (x[1], y[0], z + 2.5),
            (x[1], y[1], z + 2.5), (x[0], y[1], z + 2.5),
            (0, 0, 0), (1, 1, 1), view,
        )  # fmt: skip
        w = 2.6
        for k in range(panes[0] + 1):
            at = x[0] + (x[1] - x[0]) * k / panes[0]
            self.box((at - w, at + w), (y[0] - w, y[1] + w), (z + 0.5, z + 7), frame)
        for k in range(panes[1] + 1):
            at = y[0] + (y[1] - y[0]) * k / panes[1]
            self.box((x[0] - w, x[1] + w), (at - w, at + w), (z + 0.5, z + 7), frame)
        if sill:
            self.box((x[0] - 8, x[1] + 8), (y[0] - 6, y[0] - 2.5), (z, z + 16), frame)
        strength = float(view.mean())
        middle = ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, z + 40)
        self.lamp(middle, view.mean((0, 1)) / max(strength, 1e-6), 0.35 * strength, 160)

    def curtain(self, x, y, z, color, glow=0.0, depth=5.0) -> None:
        n = max(int((x[1] - x[0]) / 2), 6)
        u = np.linspace(x[0], x[1], n)
        phase = self.rng.uniform(0, 6) + np.cumsum(self.rng.uniform(0.5, 0.95, n))
        wave = z + depth * (1 + np.sin(phase))
        low = np.stack([u, np.full(n, y[0]), wave], 1)
        high = np.stack([u, np.full(n, y[1]), z + 0.5 * (wave - z)], 1)
        tri = [
            np.stack([low[:-1], low[1:], high[1:]], 1),
            np.stack([low[:-1], high[1:], high[:-1]], 1),
        ]
        self.add(np.concatenate(tri), color, np.asarray(color) * glow)

    # -- furniture
    def books(self, x, y, z, depth, height, fill=1.0) -> None:
        """A row of books standing on a board at height ``y``."""
        rng, at = self.rng, x[0] + 1
        while at < x[1] - 3:
            if rng.random() > fill:
                at += rng.uniform(6, 22)
                continue
            w, h = rng.uniform(1.6, 4.6), height * rng.uniform(0.62, 0.93)
            if at + w > x[1]:
                break
            d = depth * rng.uniform(0.7, 0.95)
            self.box((at, at + w * 0.94), (y, y + h), (z, z + d), self.pick(BOOKS))
            if rng.random() < 0.4:
                band = y + h * rng.uniform(0.55, 0.85)
                self.box(
                    (at, at + w * 0.94), (band, band + rng.uniform(0.8, 2)), (z, z + d + 0.15),
                    self.pick([(0.6, 0.55, 0.4), (0.6, 0.45, 0.12), (0.5, 0.5, 0.5)]),
                )  # fmt: skip
            at += w

    def shelf(self, x, y, z, depth, board, rows=None, fill=0.85) -> None:
        """A bookcase: boards, uprights, books and a few things between them."""
        rng = self.rng
        self.box(x, y, (z, z + 1.2), np.asarray(board) * 0.7)
        rows = rows or max(int((y[1] - y[0]) / 34), 1)
        heights = np.linspace(y[0], y[1], rows + 1)
        columns = max(int(round((x[1] - x[0]) / 75)), 1)
        uprights = np.linspace(x[0], x[1], columns + 1)
        for h in heights:
            self.box(x, (h - 1.4, h + 1.4), (z, z + depth), board)
        for u in uprights:
            self.box((u - 1.4, u + 1.4), y, (z, z + depth), board)
        for lower, upper in zip(heights[:-1], heights[1:], strict=True):
            for a, b in zip(uprights[:-1], uprights[1:], strict=True):
                room = upper - lower - 3
                what = rng.random()
                if what < 0.72:
                    split = a + (b - a) * rng.uniform(0.45, 1.0)
                    self.books((a + 2, split), lower + 1.4, z + 1.5, depth - 4, room, fill)
                    if b - split > 16:
                        self.thing((split + b) / 2, lower + 1.4, z + depth * 0.5, room)
                else:
                    for k in range(int(rng.integers(1, 4))):
                        self.thing(
                            a + (b - a) * (k + 0.6) / 3.2, lower + 1.4, z + depth * 0.5, room
                        )

    def thing(self, x, y, z, room) -> None:
        """A vase, box, globe, frame or small plant standing at (x, y, z)."""
        rng, kind = self.rng, self.rng.integers(6)
        h = room * rng.uniform(0.4, 0.8)
        color = self.pick(CLOTHS + BOOKS)
        if kind == 0:
            self.tube(x, z, (y, y + h * 0.7), (h * 0.16, h * 0.26), color)
            self.tube(x, z, (y + h * 0.7, y + h), (h * 0.26, h * 0.1), color)
        elif kind == 1:
            w = rng.uniform(6, 11)
            self.box(
                (x - w, x + w), (y, y + h * 0.6), (z - 8, z + 8), color, turn=rng.uniform(-15, 15)
            )
        elif kind == 2:
            self.ball((x, y + h * 0.5, z), h * 0.36, color)
            self.tube(x, z, (y, y + h * 0.2), (h * 0.2, h * 0.1), (0.1, 0.06, 0.03))
        elif kind == 3:
            w = h * rng.uniform(0.35, 0.6)
            self.box((x - w, x + w), (y, y + h), (z - 1, z + 1), (0.08, 0.06, 0.05))
            self.quad(
                (x - w + 1.5, y + 1.5, z + 1.2), (x + w - 1.5, y + 1.5, z + 1.2),
                (x + w - 1.5, y + h - 1.5, z + 1.2), (x - w + 1.5, y + h - 1.5, z + 1.2),
                (1, 1, 1), picture=_artwork(rng),
            )  # fmt: skip
        elif kind == 4:
            self.plant(x, y, z, h * 1.1)
        else:
            for k in range(int(rng.integers(2, 5))):
                w = rng.uniform(9, 13)
                self.box(
                    (x - w, x + w), (y + 3 * k, y + 3 * k + 2.8), (z - 8, z + 9), self.pick(BOOKS),
                    turn=rng.uniform(-12, 12),
                )  # fmt: skip

    def plant(self, x, y, z, height, pot=True, leaf=None) -> None:
        """A pot with arching leaves."""
        rng = self.rng
        if pot:
            r = 0.16 * height + 1.5
            glaze = self.pick([(0.5, 0.48, 0.45), (0.35, 0.14, 0.07), (0.12, 0.13, 0.14)])
            self.tube(x, z, (y, y + 0.3 * height), (0.75 * r, r), glaze)
        tint = np.array(
            leaf or self.pick([(0.05, 0.14, 0.035), (0.09, 0.17, 0.05), (0.04, 0.10, 0.05)])
        )
        base = np.array([x, y + 0.25 * height, z])
        fat = rng.uniform(0.035, 0.095)
        for _ in range(int(rng.integers(26, 60))):
            angle, out = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.55)
            length = height * rng.uniform(0.45, 0.95)
            along = np.linspace(0, 1, 6)
            radius = out * length * along**1.2
            rise = length * (along - 0.45 * out * along**2.2)
            spine = base + np.stack([radius * np.cos(angle), rise, radius * np.sin(angle)], 1)
            width = fat * length * np.sin(np.pi * np.clip(0.08 + 0.92 * along, 0, 1)) ** 0.7
            across = np.array([-np.sin(angle), 0.25, np.cos(angle)])
            a, b = spine + across * width[:, None], spine - across * width[:, None]
            tri = [np.stack([a[:-1], b[:-1], b[1:]], 1), np.stack([a[:-1], b[1:], a[1:]], 1)]
            self.add(np.concatenate(tri), tint * rng.uniform(0.6, 1.7))

    def artwork(self, x, y, z, w, h) -> None:
        """A framed picture on a wall at z, centered at (x, y)."""
        frame = self.pick(
            [(0.05, 0.045, 0.04), (0.30, 0.18, 0.09), (0.6, 0.58, 0.55), (0.35, 0.26, 0.1)]
        )
        self.box((x - w / 2, x + w / 2), (y - h / 2, y + h / 2), (z, z + 2.2), frame)
        m = 2.0
        self.quad(
            (x - w / 2 + m, y - h / 2 + m, z + 2.3), (x + w / 2 - m, y - h / 2 + m, z + 2.3),
            (x + w / 2 - m, y + h / 2 - m, z + 2.3), (x - w / 2 + m, y + h / 2 - m, z + 2.3),
            (1, 1, 1), picture=_artwork(self.rng),
        )  # fmt: skip

    def shade_lamp(self, x, y, z, size=16.0, power=1.2, stand=None, color=TUNGSTEN) -> None:
        """A lamp with a glowing cloth shade at height y; ``stand`` is where its foot is."""
        foot = y - 1.6 * size if stand is None else stand
        self.tube(x, z, (foot, y), (0.06 * size, 0.06 * size), (0.1, 0.08, 0.06))
        if stand is None:
            self.ball((x, foot + 0.4 * size, z), 0.42 * size, self.pick(CLOTHS))
        glow = np.array(color) * np.array([1.0, 0.92, 0.85]) * 1.7 * power
        self.tube(x, z, (y, y + 1.25 * size), (size, 0.68 * size), (0.6, 0.55, 0.45), glow)
        self.lamp((x, y + 0.5 * size, z + size * 1.1), color, power, 75)
        self.lamp((x, y + 2.4 * size, z + 2), color, 0.5 * power, 45)

    def sofa(self, x, y, z, color) -> None:
        """Seen from the front: seat at height ``y``, its back against z."""
        w = (x[1] - x[0]) / 2
        self.box(x, (y - 45, y), (z, z + 85), color)
        for k in range(2):
            a = x[0] + k * w
            self.box((a + 1, a + w - 1), (y, y + 42), (z + 4, z + 24), np.asarray(color) * 1.05)
        for a in (x[0] - 14, x[1]):
            self.box((a, a + 14), (y - 45, y + 18), (z, z + 85), color)
        for _ in range(int(self.rng.integers(1, 4))):
            a = self.rng.uniform(x[0] + 18, x[1] - 18)
            self.box(
                (a - 18, a + 18), (y + 2, y + 34), (z + 24, z + 33), self.pick(CLOTHS),
                turn=self.rng.uniform(-25, 25),
            )  # fmt: skip

    def chair(self, x, y, z, color) -> None:
        """An office chair's back: ``y`` is its top."""
        self.box((x - 23, x + 23), (y - 58, y), (z, z + 6), color, turn=self.rng.uniform(-50, 50))
        self.tube(x, z, (y - 110, y - 58), (3, 3), (0.05, 0.05, 0.05))

    def monitor(self, x, y, z, w=56.0, on=True, turn=0.0) -> None:
        """A screen whose lower edge is at ``y``."""
        h = 0.58 * w
        self.box((x - w / 2, x + w / 2), (y, y + h), (z - 2, z), (0.02, 0.02, 0.022), turn=turn)
        self.box((x - 3, x + 3), (y - 14, y), (z - 3, z - 1), (0.06, 0.06, 0.06))
        if on and abs(turn) < 60:
            a = _about_y(turn) @ np.array([w / 2 - 1.2, 0, 0])
            middle = np.array([x, 0, z - 1]) + _about_y(turn) @ np.array([0, 0, 1.4])
            corners = [
                middle + s * a + (0, yy, 0)
                for s, yy in ((-1, y + 1.2), (1, y + 1.2), (1, y + h - 1.2), (-1, y + h - 1.2))
            ]
            a, b, c, d = corners
            self.quad(a, b, c, d, (0, 0, 0), (0.55, 0.6, 0.68), _screen(self.rng))
            self.lamp((x, y + h / 2, z + 22), (0.7, 0.85, 1.1), 0.12, 50)


# -- pictures


def _about_y(degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])


def _artwork(rng: np.random.Generator) -> np.ndarray:
    """An abstract painting, landscape or print, (72, 72, 3) linear."""
    n = 72
    kind = rng.integers(4)
    y, x = np.mgrid[0:n, 0:n] / n
    if kind == 0:  # a landscape of hills
        art = np.array([0.55, 0.62, 0.7]) * (0.6 + 0.5 * y[..., None])
        color = np.array([0.30, 0.36, 0.34])
        for k in range(4):
            ridge = 0.35 + 0.15 * k + 0.07 * np.sin(x * rng.uniform(4, 12) + rng.uniform(0, 6))
            art = np.where((y > ridge)[..., None], color, art)
            color = color * (0.55, 0.6, 0.5)
    elif kind == 1:  # color fields
        art = np.ones((n, n, 3)) * rng.uniform(0.3, 0.7, 3)
        for _ in range(rng.integers(3, 9)):
            a, b = rng.integers(0, n - 20, 2)
            h, w = rng.integers(10, 45, 2)
            art[a : a + h, b : b + w] = np.clip(rng.beta(0.8, 1.6, 3), 0.02, 0.75)
    elif kind == 2:  # a print on white paper
        art = np.ones((n, n, 3)) * (0.66, 0.64, 0.6)
        color = rng.uniform(0.02, 0.4, 3)
        for _ in range(rng.integers(1, 5)):
            c = tuple(int(v) for v in rng.integers(18, n - 18, 2))
            cv2.circle(art, c, int(rng.integers(5, 16)), color.tolist(), -1, cv2.LINE_AA)
            cv2.line(
                art, c, (int(rng.integers(10, 62)), 64), (color * 0.6).tolist(), 1, cv2.LINE_AA
            )
        art[:9] = art[-9:] = (0.7, 0.69, 0.66)
        art[:, :9] = art[:, -9:] = (0.7, 0.69, 0.66)
    else:  # a painting in strokes
        art = np.ones((n, n, 3)) * rng.uniform(0.1, 0.5, 3)
        base = rng.uniform(0.05, 0.6, (3, 3))
        for _ in range(90):
            p = rng.integers(0, n, 2)
            q = p + rng.integers(-18, 18, 2)
            color = base[rng.integers(3)] * rng.uniform(0.5, 1.5)
            cv2.line(
                art, tuple(map(int, p)), tuple(map(int, q)), color.tolist(),
                int(rng.integers(2, 7)), cv2.LINE_AA,
            )  # fmt: skip
    return np.clip(art, 0, 0.8)


def _screen(rng: np.random.Generator) -> np.ndarray:
    """What stands on a monitor: a page of text or a spreadsheet, (60, 100, 3)."""
    dark = rng.random() < 0.4
    page = np.ones((60, 100, 3)) * (0.06 if dark else 0.9)
    page[:5] = rng.uniform(0.1, 0.5, 3)
    page[5:, : rng.integers(6, 24)] *= 0.6
    for row in range(9, 56, 4):
        at = 27
        while at < 90:
            w = int(rng.integers(3, 14))
            page[row : row + 2, at : at + w] = rng.uniform(0.2, 0.9, 3) if dark else 0.35
            at += w + 2
    return page


def _city(rng: np.random.Generator, day: bool) -> np.ndarray:
    """A view over houses, (150, 200, 3): radiance."""
    h, w = 150, 200
    y = np.linspace(0, 1, h)[:, None, None]
    if day:
        view = (1 - y) * np.array([1.5, 2.1, 3.0]) + y * np.array([2.8, 2.9, 3.0])
    else:
        view = (1 - y) * np.array([0.010, 0.020, 0.055]) + y * np.array([0.10, 0.075, 0.085])
    view = np.broadcast_to(view, (h, w, 3)).copy()
    for layer in range(3):
        at = -10
        while at < w:
            bw = int(rng.integers(14, 38))
            top = int(h * (rng.uniform(0.25, 0.6) + 0.13 * layer))
            if day:
                wash = np.array(
                    [(0.9, 0.85, 0.8), (1.0, 0.72, 0.55), (0.7, 0.78, 0.85)][rng.integers(3)]
                )
                color = wash * rng.uniform(0.5, 1.3) * (1.3 - 0.25 * layer)
            else:
                color = np.array([0.03, 0.03, 0.045]) * rng.uniform(0.5, 1.2)
            a, b = max(at, 0), max(at + bw, 0)
            view[top:, a:b] = color
            for wy in range(top + 3, h - 3, 6):
                for wx in range(a + 2, b - 3, 5):
                    if day:
                        view[wy : wy + 3, wx : wx + 3] *= 0.7
                    elif rng.random() < 0.38:
                        tint = np.array(TUNGSTEN if rng.random() < 0.75 else DAYLIGHT)
                        view[wy : wy + 3, wx : wx + 3] = tint * rng.uniform(0.5, 3.0)
            at += bw + int(rng.integers(0, 6))
    return view


def _garden(rng: np.random.Generator, day: bool = True) -> np.ndarray:
    """Foliage against the sky, (300, 400, 3): radiance."""
    h, w = 300, 400
    y = np.linspace(0, 1, h)[:, None, None]
    view = (1 - y) * np.array([2.2, 2.7, 3.3]) + y * np.array([2.6, 2.6, 2.3])
    view = np.broadcast_to(view, (h, w, 3)).astype(np.float64).copy()
    lawn = int(h * rng.uniform(0.62, 0.8))
    view[lawn:] = np.array([0.50, 0.75, 0.28]) * np.linspace(1.1, 0.6, h - lawn)[:, None, None]
    for k in range(rng.integers(5, 9)):  # crowns, the far ones paler
        cx, cy = rng.uniform(0, w), rng.uniform(0.15, 0.6) * h
        spread = rng.uniform(30, 75)
        haze = 1 - k / 9
        tint = np.array([0.22, 0.46, 0.12]) * rng.uniform(0.5, 1.4) + 0.35 * haze
        trunk = (int(cx), int(cy)), (int(cx + rng.normal(0, 6)), lawn + 10)
        cv2.line(view, *trunk, (tint * 0.35).tolist(), int(rng.integers(3, 9)))
        for _ in range(700):
            px, py = rng.normal(cx, 0.55 * spread), rng.normal(cy, 0.42 * spread)
            lit = np.clip(1.1 + 0.6 * (cy - py) / spread + 0.5 * rng.normal(), 0.25, 2.6)
            spot = int(rng.integers(1, 5))
            cv2.circle(view, (int(px), int(py)), spot, (tint * lit).tolist(), -1)
    for _ in range(900):  # hedge and flowers
        px, py = rng.uniform(0, w), lawn + rng.normal(0, 7)
        tint = np.array([0.16, 0.34, 0.10]) * rng.uniform(0.4, 1.9)
        if rng.random() < 0.06:
            tint = rng.uniform(0.3, 1.6, 3)
        cv2.circle(view, (int(px), int(py)), int(rng.integers(1, 5)), tint.tolist(), -1)
    return view if day else view * np.array([0.02, 0.03, 0.06])


# -- the rooms; each sees about 150 x 200 cm of a back wall two to four meters behind the head


def _living(s: _Set) -> None:
    rng, side = s.rng, s.mood.side
    b = rng.uniform(200, 300)
    s.shell(b, -330, 330, -115, 140, s.pick(WALLS), s.pick(WOODS))
    x = rng.uniform(-90, 10) * side
    s.sofa((x - 85, x + 85), -62, -b + 8, s.pick(CLOTHS))
    for k in range(int(rng.integers(1, 4))):
        s.artwork(
            x + (k - 1) * 62, rng.uniform(15, 32), -b, rng.uniform(36, 54), rng.uniform(40, 62)
        )
    s.shade_lamp(
        x - side * 118, rng.uniform(0, 14), -b + 40, 19, 0.9 if s.mood.day else 1.8, stand=-115
    )
    s.plant(x + side * 122, -112, -b + 45, rng.uniform(110, 150))
    a = x + side * 150
    view = _garden(rng, s.mood.day) if rng.random() < 0.5 else _city(rng, s.mood.day)
    lo, hi = sorted((a, a + side * 110))
    s.window((lo, hi), (-30, 95), -b, view)
    tint = s.pick(CLOTHS)
    s.curtain((lo - 28, lo + 6), (-112, 108), -b + 8, tint, 0.15 if s.mood.day else 0)
    s.curtain((hi - 6, hi + 28), (-112, 108), -b + 8, tint, 0.15 if s.mood.day else 0)
    s.lamp((150 * side, 110, -60), NEUTRAL if s.mood.day else TUNGSTEN, 1.0, 190, True)


def _bookcase(s: _Set) -> None:
    rng = s.rng
    b = rng.uniform(120, 210)
    wood = s.pick(WOODS + [(0.55, 0.54, 0.51), (0.06, 0.06, 0.07)])
    s.shell(b + 32, -330, 330, -115, 140, s.pick(WALLS), s.pick(WOODS))
    gap = rng.uniform(-60, 60)
    s.shelf((-230, gap - 40), (-114, 122), -b - 31, 30, wood)
    s.shelf((gap + 40, 230), (-114, 122), -b - 31, 30, wood)
    what = rng.integers(3)
    if what == 0:
        s.artwork(gap, 25, -b - 31, 52, 66)
        s.plant(gap, -112, -b, 110)
    elif what == 1:
        s.shelf((gap - 40, gap + 40), (-114, 122), -b - 31, 30, wood)
    else:
        s.shade_lamp(gap, 4, -b, 17, 1.2, stand=-115)
        s.artwork(gap + 5, 72, -b - 31, 44, 40)
    s.lamp((130 * s.mood.side, 115, 20), NEUTRAL if s.mood.day else TUNGSTEN, 1.0, 200, True)


def _bedroom(s: _Set) -> None:
    rng, side = s.rng, s.mood.side
    b = rng.uniform(200, 290)
    wall = s.pick(WALLS)
    s.shell(b, -300, 300, -105, 145, wall, s.pick(WOODS), np.minimum(wall * 1.2, 0.75))
    x = rng.uniform(-70, 70)
    cloth = s.pick(CLOTHS)
    for k in range(5):  # an upholstered headboard
        a = x - 90 + 36 * k
        s.box((a + 0.8, a + 35.2), (-60, 8), (-b + 2, -b + 13), cloth)
    for k in (-1, 1):
        s.box((x + k * 44 - 34, x + k * 44 + 34), (-52, -12), (-b + 14, -b + 34), (0.62, 0.6, 0.57))
        s.box((x + k * 40 - 24, x + k * 40 + 24), (-52, -20), (-b + 34, -b + 46), s.pick(CLOTHS))
        n = x + k * 122
        s.box((n - 24, n + 24), (-105, -42), (-b + 5, -b + 45), s.pick(WOODS))
        s.shade_lamp(n, -19.6, -b + 24, 14, 0.5 if s.mood.day else 1.6)
    s.box((x - 95, x + 95), (-75, -50), (-b + 12, 40), (0.55, 0.53, 0.5))
    s.artwork(x - 30, 52, -b, 46, 46)
    s.artwork(x + 30, 52, -b, 46, 46)
    a = x + side * 165
    lo, hi = sorted((a, a + side * 90))
    s.window((lo, hi), (-40, 100), -b, _garden(rng, s.mood.day))
    s.curtain(
        (lo - 20, hi + 10), (-104, 112), -b + 8, (0.62, 0.6, 0.56), 0.5 if s.mood.day else 0.0
    )
    s.lamp((120 * side, 80, -40), NEUTRAL if s.mood.day else TUNGSTEN, 0.8, 180, True)


def _office(s: _Set) -> None:
    rng = s.rng
    b = rng.uniform(420, 620)
    s.shell(b, -520, 520, -120, 165, s.pick(WALLS[:4] + WALLS[7:8]), (0.16, 0.17, 0.19))
    s.sky = np.array([0.42, 0.43, 0.45])
    for z in np.arange(-b + 60, -100, 130):  # ceiling panels
        for x in range(-390, 400, 195):
            s.box((x - 60, x + 60), (163, 166), (z - 15, z + 15), (0, 0, 0), (3.2, 3.3, 3.4))
    for z in np.arange(-b + 90, -140, 150):
        s.lamp((rng.uniform(-60, 60), 150, z), NEUTRAL, 0.8, 190, z > -300)
    for z in np.arange(-b + 110, -170, 150):
        for x in np.arange(-380, 390, 165) + rng.uniform(-40, 40):
            if rng.random() < 0.8:
                s.box((x - 72, x + 72), (-50, -46), (z - 35, z + 35), (0.55, 0.53, 0.48))
                s.monitor(x - 26, -32, z - 8, turn=rng.uniform(-20, 20))
                if rng.random() < 0.6:
                    s.monitor(x + 32, -32, z - 8, turn=rng.uniform(-20, 20))
                s.chair(x + rng.uniform(-25, 25), rng.uniform(-22, -8), z + 48, s.pick(CLOTHS[1:6]))
                s.thing(x + 62, -46, z, 28)
    view = _city(rng, s.mood.day)
    for k in range(5):
        s.window(
            (-450 + 180 * k, -290 + 180 * k),
            (-20, 135),
            -b,
            view,
            (1, 1),
            (0.25, 0.26, 0.28),
            False,
        )
    s.box((-520, 520), (-120, -30), (-b, -b + 4), (0.45, 0.45, 0.46))
    x = rng.choice([-1, 1]) * rng.uniform(90, 150)
    s.plant(x, -118, -rng.uniform(180, 260), rng.uniform(120, 170))


def _kitchen(s: _Set) -> None:
    rng, side = s.rng, s.mood.side
    b = rng.uniform(190, 270)
    s.shell(b, -320, 320, -130, 135, s.pick(WALLS), (0.3, 0.28, 0.25))
    front = s.pick(
        [(0.60, 0.59, 0.56), (0.10, 0.16, 0.15), (0.07, 0.10, 0.16), *WOODS[:3], (0.34, 0.40, 0.33)]
    )
    top = s.pick([(0.5, 0.48, 0.45), (0.06, 0.06, 0.065), (0.34, 0.22, 0.12)])
    tile = s.pick([(0.62, 0.62, 0.60), (0.20, 0.34, 0.36), (0.5, 0.44, 0.36), (0.35, 0.40, 0.38)])
    w, h = rng.choice([(15.0, 7.5), (11.0, 11.0), (20.0, 10.0)])
    s.quad((-320, -45, -b + 0.4), (320, -45, -b + 0.4), (320, 40, -b + 0.4), (-320, 40, -b + 0.4),
           np.asarray(tile) * 0.75)  # fmt: skip
    for j in range(int(85 / h)):
        for k in range(int(420 / w)):
            x, y = -210 + w * (k + 0.5 * (j % 2)), -45 + h * j
            s.quad(
                (x + 0.3, y + 0.3, -b + 0.8), (x + w - 0.3, y + 0.3, -b + 0.8),
                (x + w - 0.3, y + h - 0.3, -b + 0.8), (x + 0.3, y + h - 0.3, -b + 0.8),
                np.asarray(tile) * rng.uniform(0.85, 1.12),
            )  # fmt: skip
    gap = rng.uniform(40, 90) * side  # where the window or hood is
    for k in range(-5, 6):
        x = 62 * k
        s.box((x + 0.7, x + 61.3), (-130, -52), (-b, -b + 60), front)
        s.box((x + 8, x + 53), (-62, -60.5), (-b + 60, -b + 62), (0.4, 0.38, 0.34))
        if abs(x + 31 - gap) > 62:
            s.box((x + 0.7, x + 61.3), (32, 108), (-b, -b + 36), front)
            s.box((x + 50, x + 52), (36, 50), (-b + 36, -b + 38), (0.4, 0.38, 0.34))
    s.box((-320, 320), (-52, -47), (-b, -b + 63), top)
    if rng.random() < 0.6:
        s.window((gap - 52, gap + 52), (-18, 95), -b, _garden(rng, s.mood.day), (2, 1))
    else:
        s.box((gap - 32, gap + 32), (40, 60), (-b, -b + 50), (0.4, 0.4, 0.41))
        s.box((gap - 14, gap + 14), (60, 135), (-b, -b + 26), (0.4, 0.4, 0.41))
        s.lamp((gap, 34, -b + 30), NEUTRAL, 0.6, 50)
    for _ in range(int(rng.integers(5, 10))):
        x, z = rng.uniform(-190, 190), -b + rng.uniform(15, 45)
        kind, tint = rng.integers(4), s.pick(CLOTHS + BOOKS + [(0.6, 0.6, 0.58)])
        if kind == 0:
            s.tube(
                x,
                z,
                (-47, -26),
                (4, 4),
                s.pick([(0.03, 0.10, 0.04), (0.2, 0.1, 0.03), (0.4, 0.4, 0.36)]),
            )
            s.tube(x, z, (-26, -14), (3.4, 1.4), (0.05, 0.12, 0.05))
        elif kind == 1:
            s.tube(x, z, (-47, -30), (7, 8), tint)
            for _ in range(5):
                s.tube(
                    x,
                    z,
                    (-32, rng.uniform(-18, -8)),
                    (0.6, 1.4),
                    s.pick(WOODS),
                    tilt=rng.uniform(-6, 6, 2),
                )
        elif kind == 2:
            s.tube(x, z, (-47, -39), (7, 15), tint)
            for _ in range(6):
                place = x + rng.uniform(-9, 9), -37 + rng.uniform(0, 3), z + rng.uniform(-6, 6)
                fruit = s.pick([(0.5, 0.10, 0.03), (0.55, 0.30, 0.03), (0.25, 0.33, 0.06)])
                s.ball(place, 4.2, fruit)
        else:
            s.plant(x, -47, z, rng.uniform(26, 40))
    for x in (-95, 0, 95):
        s.lamp((x, 30, -b + 40), TUNGSTEN if rng.random() < 0.6 else NEUTRAL, 0.35, 60)
    s.lamp((100 * side, 120, -60), NEUTRAL, 0.9, 200, True)


def _brick(s: _Set) -> None:
    rng, side = s.rng, s.mood.side
    b = rng.uniform(170, 270)
    base = s.pick([(0.30, 0.11, 0.07), (0.36, 0.17, 0.11), (0.56, 0.54, 0.51), (0.24, 0.14, 0.10)])
    s.shell(b, -340, 340, -115, 170, np.asarray(base) * 0.4 + 0.14, s.pick(WOODS), s.pick(WALLS))
    w, h = 23.0, 7.2
    for j in range(int(285 / h)):
        for k in range(-12, 12):
            x, y = w * (k + 0.5 * (j % 2)) + rng.normal(0, 0.2), -115 + h * j
            if abs(x) > 240:
                continue
            z = -b + rng.uniform(0.5, 1.9)
            c = np.clip(np.asarray(base) * rng.normal(1, 0.22) * rng.normal(1, 0.05, 3), 0.02, 0.7)
            s.box((x + 0.5, x + w - 0.5), (y + 0.5, y + h - 0.5), (-b, z), c)
    x = rng.uniform(-90, 90)
    for k in range(int(rng.integers(1, 3))):
        s.artwork(x + k * 75, rng.uniform(10, 40), -b + 2, rng.uniform(45, 70), rng.uniform(45, 80))
    s.shade_lamp(-x - 30, 10, -b + 40, 17, 1.4, stand=-115)
    if rng.random() < 0.6:
        s.sofa((-x - 130, -x + 40), -70, -b + 10, s.pick([(0.22, 0.10, 0.05), *CLOTHS]))
    else:
        s.shelf((-x - 120, -x - 20), (-114, -10), -b + 2, 32, s.pick(WOODS))
        s.plant(-x - 70, -9, -b + 18, 60)
    s.box((-340, 340), (104, 109), (-b + 12, -b + 17), (0.06, 0.06, 0.06))  # a pipe
    for k in range(int(rng.integers(2, 5))):
        bulb = (
            -120 + 80 * k + rng.uniform(-15, 15),
            rng.uniform(40, 75),
            -b + rng.uniform(50, 110),
        )
        s.ball(bulb, 4.5, (0, 0, 0), np.array(TUNGSTEN) * 9)
        s.tube(bulb[0], bulb[2], (bulb[1] + 4, 170), (0.4, 0.4), (0.02, 0.02, 0.02))
        s.lamp(bulb, TUNGSTEN, 0.5, 50)
    s.lamp((160 * side, 110, -20), NEUTRAL if s.mood.day else TUNGSTEN, 1.0, 190, True)


def _cafe(s: _Set) -> None:
    rng = s.rng
    b = rng.uniform(330, 470)
    s.shell(
        b,
        -420,
        420,
        -120,
        180,
        s.pick([WALLS[6], WALLS[5], (0.10, 0.12, 0.10), WALLS[4]]),
        WOODS[1],
    )
    s.shelf((-170, 170), (-45, 85), -b + 2, 30, s.pick(WOODS), 3, 0.1)
    for j in range(3):  # bottles
        for x in np.arange(-160, 165, 9.5):
            if rng.random() < 0.75:
                tint = s.pick(
                    [(0.03, 0.11, 0.04), (0.25, 0.10, 0.02), (0.45, 0.45, 0.42), (0.3, 0.05, 0.03)]
                )
                y = -43.6 + 43.3 * j
                r = rng.uniform(2.8, 4.0)
                z = -b + 20 + rng.uniform(-4, 4)
                s.tube(x, z, (y, y + 18), (r, r), tint)
                s.tube(x, z, (y + 18, y + rng.uniform(24, 31)), (r, 1.2), tint)
        s.lamp((rng.uniform(-100, 100), -23 + 43 * j, -b + 50), TUNGSTEN, 0.7, 60)
    s.box((-260, 260), (-120, -50), (-b + 95, -b + 145), s.pick(WOODS))
    s.box((-265, 265), (-50, -45), (-b + 90, -b + 152), s.pick([WOODS[3], (0.5, 0.48, 0.45)]))
    for _ in range(int(rng.integers(6, 11))):
        s.thing(rng.uniform(-230, 230), -45, -b + 120, 40)
    for _ in range(int(rng.integers(4, 8))):  # pendants
        x, z, y = rng.uniform(-200, 200), rng.uniform(-b + 60, -190), rng.uniform(12, 55)
        shade = s.pick([(0.04, 0.04, 0.04), (0.35, 0.2, 0.05), (0.08, 0.14, 0.12)])
        s.tube(x, z, (y, y + 17), (17, 4), shade)
        s.ball((x, y - 1, z), 6.5, (0, 0, 0), np.array(TUNGSTEN) * 10)
        s.tube(x, z, (y + 17, 180), (0.5, 0.5), (0.02, 0.02, 0.02))
        s.lamp((x, y - 6, z), TUNGSTEN, 0.9, 80)
    for _ in range(4):
        x, z = rng.uniform(-250, 250), rng.uniform(-250, -170)
        s.tube(x, z, (-58, -55), (36, 36), s.pick(WOODS), sides=24)
        s.chair(x + 48, rng.uniform(-50, -38), z, s.pick(WOODS))
    for k in range(9):  # a string of bulbs
        s.ball(
            (-200 + 50 * k, 70 - 9 * np.sin(np.pi * (k % 3) / 2), -b + 150),
            3,
            (0, 0, 0),
            np.array(TUNGSTEN) * 8,
        )
    s.lamp((120 * s.mood.side, 130, -120), TUNGSTEN, 0.7, 220, True)


def _corridor(s: _Set) -> None:
    rng = s.rng
    b = rng.uniform(600, 900)
    wall = s.pick(WALLS)
    left, right = -rng.uniform(90, 130), rng.uniform(90, 130)
    s.shell(
        b, left, right, -150, 115, wall, s.pick([(0.3, 0.28, 0.25), (0.14, 0.15, 0.17), *WOODS])
    )
    s.window((left + 25, right - 25), (-80, 90), -b, _garden(rng, s.mood.day), (2, 2))
    door = s.pick([*WOODS, (0.5, 0.5, 0.48), (0.12, 0.2, 0.25)])
    for z in np.arange(-b + 110, -80, 170):
        for x, out in ((left, 1), (right, -1)):
            if rng.random() < 0.75:
                a, c = sorted((x, x + 3.5 * out))
                s.box((a, c), (-150, 58), (z - 50, z + 50), np.asarray(door) * 1.2)
                a, c = sorted((x, x + 5.0 * out))
                s.box((a, c), (-150, 52), (z - 43, z + 43), door)
            else:
                a, c = sorted((x, x + 3 * out))
                s.box((a, c), (-15, 38), (z - 32, z + 32), s.pick(BOOKS))
        s.box((-22, 22), (113, 116), (z - 55, z + 15), (0, 0, 0), (4.0, 3.9, 3.6))
        s.lamp((0, 98, z - 20), NEUTRAL, 0.8, 130, z > -400)
    s.plant(rng.choice([left + 28, right - 28]), -148, -rng.uniform(190, 300), 140)


def _evening(s: _Set) -> None:
    rng, side = s.rng, s.mood.side
    b = rng.uniform(210, 300)
    s.shell(b, -340, 340, -115, 140, s.pick(WALLS), s.pick(WOODS), s.pick(WALLS))
    x = side * rng.uniform(20, 70)
    s.window((x - 85, x + 85), (-40, 92), -b, _city(rng, False), (3, 1), (0.06, 0.06, 0.065))
    tint = s.pick(CLOTHS)
    s.curtain((x - 125, x - 78), (-114, 112), -b + 8, tint)
    s.curtain((x + 78, x + 125), (-114, 112), -b + 8, tint)
    s.shade_lamp(x - side * 135, rng.uniform(-8, 16), -b + 50, 19, 2.0, stand=-115)
    s.sofa((x - side * 80 - 80, x - side * 80 + 80), -66, -b + 40, s.pick(CLOTHS))
    s.shelf(
        (-x - 120, -x - 50) if side > 0 else (-x + 50, -x + 120),
        (-114, 85),
        -b + 2,
        30,
        s.pick(WOODS),
    )
    s.plant(x + side * 110, -112, -b + 60, 135)
    s.lamp((140 * side, 70, -90), TUNGSTEN, 0.7, 140, True)


def _classroom(s: _Set) -> None:
    rng, side = s.rng, s.mood.side
    b = rng.uniform(300, 420)
    s.shell(b, -420, 420, -125, 170, s.pick(WALLS), (0.28, 0.23, 0.17))
    x = rng.uniform(-60, 60)
    board = s.pick([(0.035, 0.075, 0.055), (0.66, 0.67, 0.68), (0.05, 0.055, 0.06)])
    s.box((x - 170, x + 170), (-40, 88), (-b, -b + 3), (0.35, 0.25, 0.15))
    s.box((x - 165, x + 165), (-36, 84), (-b + 3, -b + 3.6), board)
    chalk = (0.55, 0.55, 0.52) if board.mean() < 0.3 else (0.05, 0.08, 0.25)
    for row in range(int(rng.integers(4, 8))):
        at, y = x - 150 + rng.uniform(0, 40), 70 - 14 * row
        while at < x + rng.uniform(20, 150):
            w = rng.uniform(2, 12)
            s.box((at, at + w), (y, y + rng.uniform(0.8, 4)), (-b + 3.6, -b + 3.9), chalk)
            at += w + rng.uniform(1, 5)
    s.box((x - 160, x + 160), (-42, -39), (-b, -b + 10), (0.3, 0.2, 0.1))
    for k in (-1, 1):
        a = x + k * 215
        s.artwork(a, 40, -b, 56, 80)
        s.artwork(a + rng.uniform(-10, 10), -35, -b, 50, 40)
    s.box((x - 90, x + 70), (-55, -50), (-b + 90, -b + 150), s.pick(WOODS))
    s.thing(x - 50, -50, -b + 120, 40)
    s.books((x, x + 40), -50, -b + 110, 18, 28)
    for z in (-b + 80, -b + 240):
        for k in (-150, 150):
            s.box((k - 60, k + 60), (167, 171), (z - 15, z + 15), (0, 0, 0), (3, 3, 3))
            s.lamp((k, 140, z), NEUTRAL, 0.6, 160)
    a = 420 * side
    near, far = (a, -20, -80), (a, -20, -b + 40)
    view = _garden(rng, s.mood.day)
    s.quad(near, far, (a, 130, -b + 40), (a, 130, -80), (0, 0, 0), (0.9, 0.9, 0.9), view)
    s.lamp((380 * side, 60, -b / 2), DAYLIGHT if s.mood.day else NEUTRAL, 1.0, 280, True)


def _plaster(s: _Set) -> None:
    """A plain wall in sunlight that falls through a window out of view."""
    rng, side = s.rng, s.mood.side
    b = rng.uniform(110, 190)
    s.shell(b, -300, 300, -115, 150, s.pick(WALLS), s.pick(WOODS), s.pick(WALLS))
    x = -side * rng.uniform(30, 80)
    if rng.random() < 0.6:
        s.artwork(x, rng.uniform(10, 30), -b, rng.uniform(42, 64), rng.uniform(50, 80))
    else:
        for j in range(2):
            y = -20 + 52 * j
            s.box((x - 55, x + 55), (y - 3, y), (-b, -b + 22), s.pick(WOODS))
            s.books((x - 50, x + rng.uniform(-20, 20)), y, -b + 2, 17, 29)
            s.thing(x + 38, y, -b + 11, 40)
    s.plant(side * rng.uniform(70, 105), rng.uniform(-110, -80), -b + 40, rng.uniform(120, 165))
    s.box((-x - 60, -x + 60), (-115, -48), (-b, -b + 42), s.pick(WOODS + [(0.55, 0.54, 0.51)]))
    s.thing(-x - 30, -48, -b + 20, 44)
    s.shade_lamp(-x + 34, -27.2, -b + 22, 13, 0.8)
    direction = np.array([side * rng.uniform(0.9, 1.5), rng.uniform(0.35, 0.7), 1.0])
    s.sun = (
        direction / np.linalg.norm(direction),
        np.array([1.5, 1.3, 1.0]),
        rng.uniform(30, 48),
        rng.uniform(42, 60),
    )
    s.lamp((170 * side, 70, 20), NEUTRAL, 0.9, 220, True)


def _studio(s: _Set) -> None:
    """A home studio: acoustic panels, a keyboard of shelves, colored light strips."""
    rng = s.rng
    b = rng.uniform(160, 240)
    wall = s.pick([(0.10, 0.11, 0.13), (0.16, 0.13, 0.17), (0.20, 0.22, 0.24), (0.30, 0.29, 0.28)])
    s.shell(b, -320, 320, -115, 140, wall, s.pick(WOODS))
    hue = [(0.15, 0.45, 1.6), (1.4, 0.25, 0.8), (0.2, 1.1, 0.9), (1.5, 0.55, 0.15)][rng.integers(4)]
    x = rng.uniform(-70, 70)
    panel = s.pick([(0.05, 0.05, 0.055), (0.25, 0.23, 0.2), (0.12, 0.15, 0.2)])
    for j in range(3):
        for k in range(3):
            a, y = x - 75 + 52 * k, -35 + 45 * j
            for g in range(4):
                turn = 0 if (j + k) % 2 else 90
                lo, hi = (a + 11.5 * g, a + 11.5 * g + 10), (float(y), y + 41.0)
                if turn:
                    lo, hi = (float(a), a + 46.0), (y + 10.4 * g, y + 10.4 * g + 9)
                s.box(lo, hi, (-b, -b + 5 + 3 * (g % 2)), np.asarray(panel) * rng.uniform(0.9, 1.1))
    for y in (-38, 102):
        s.box((x - 80, x + 85), (y, y + 1.6), (-b, -b + 3), (0, 0, 0), np.array(hue) * 3.5)
        s.lamp((x, y, -b + 25), hue, 0.8, 70)
    side = s.mood.side
    s.shelf((x - side * 190 - 45, x - side * 190 + 45), (-114, 70), -b + 2, 32, s.pick(WOODS))
    s.monitor(x + side * 130, -38, -b + 40, 60, turn=-20 * side)
    s.box((x + side * 130 - 70, x + side * 130 + 70), (-58, -54), (-b + 5, -b + 70), s.pick(WOODS))
    s.thing(x + side * 82, -54, -b + 40, 36)
    s.shade_lamp(x + side * 185, -34.8, -b + 30, 12, 1.0)
    s.lamp((130 * side, 90, 10), NEUTRAL if s.mood.day else TUNGSTEN, 0.7, 170, True)


def _balcony(s: _Set) -> None:
    """A wide window over the town, plants on its sill."""
    rng = s.rng
    b = rng.uniform(150, 240)
    s.shell(b, -360, 360, -110, 150, s.pick(WALLS), s.pick(WOODS))
    view = _city(rng, s.mood.day) if rng.random() < 0.5 else _garden(rng, s.mood.day)
    if s.mood.day:
        view = view * 0.6
    x = rng.uniform(-40, 40)
    s.window(
        (x - 150, x + 150),
        (-34, 108),
        -b,
        view,
        (3, 1),
        s.pick([(0.6, 0.59, 0.57), (0.06, 0.06, 0.065), WOODS[1]]),
    )
    for _ in range(int(rng.integers(3, 7))):
        s.plant(x + rng.uniform(-140, 140), -36, -b + 12, rng.uniform(24, 60))
    s.books((x - 120, x - 70), -36, -b + 4, 12, 26)
    s.curtain((x - 190, x - 138), (-110, 122), -b + 12, s.pick(CLOTHS + [(0.6, 0.58, 0.55)]), 0.2)
    s.curtain((x + 138, x + 190), (-110, 122), -b + 12, s.pick(CLOTHS + [(0.6, 0.58, 0.55)]), 0.2)
    s.sofa((x - 70, x + 90), -72, -b + 30, s.pick(CLOTHS))
    s.lamp((140 * s.mood.side, 90, -30), NEUTRAL if s.mood.day else TUNGSTEN, 0.8, 190, True)


def _park(s: _Set) -> None:
    """Outdoors: a lawn, trunks and foliage, the sky between leaves."""
    rng = s.rng
    ground = np.array([0.14, 0.21, 0.05]) * rng.uniform(0.7, 1.2)
    s.quad((-3000, -155, 200), (3000, -155, 200), (3000, -150, -3000), (-3000, -150, -3000), ground)
    path = s.pick([(0.42, 0.37, 0.30), (0.3, 0.29, 0.28)])
    x = rng.uniform(-300, 300)
    s.quad(
        (x - 90, -154, 100),
        (x + 90, -154, 100),
        (x + 30, -149, -2500),
        (x - 140, -149, -2500),
        path,
    )
    dusk = not s.mood.day
    high, low = (
        ((0.9, 1.3, 2.0), (2.0, 2.1, 2.1)) if not dusk else ((0.25, 0.30, 0.50), (1.3, 0.75, 0.42))
    )
    y = np.linspace(0, 1, 64)[:, None, None]
    sky = np.broadcast_to((1 - y) * np.array(high) + y * np.array(low), (64, 4, 3))
    s.quad(
        (-4000, -200, -3000),
        (4000, -200, -3000),
        (4000, 1500, -3000),
        (-4000, 1500, -3000),
        (0, 0, 0),
        (1, 1, 1),
        sky,
    )
    for _ in range(int(rng.integers(14, 24))):
        z = -rng.uniform(500, 2600)
        at = rng.uniform(-0.75, 0.75) * (-z + 100)
        trunk = s.pick([(0.08, 0.055, 0.035), (0.13, 0.10, 0.075)])
        r = rng.uniform(9, 22)
        top = rng.uniform(150, 420)
        s.tube(at, z, (-152, top), (r, r * 0.6), trunk, tilt=rng.uniform(-40, 40, 2))
        leaf = (
            np.array([0.07, 0.15, 0.03])
            * rng.uniform(0.6, 1.6)
            * (1 + np.array([0.5, 0.1, 0]) * rng.random())
        )
        crown = rng.uniform(120, 260)
        n = 900
        spot = rng.normal(0, 1, (n, 3)) * np.array([crown, crown * 0.55, crown]) * 0.6 + (
            at,
            top,
            z,
        )
        size = rng.uniform(5, 15, (n, 1, 1))
        leaves = spot[:, None, :] + size * rng.normal(0, 1, (n, 3, 3))
        shade = np.clip(0.55 + 0.5 * (spot[:, 1] - top) / crown, 0.2, 1.5) * rng.uniform(
            0.5, 1.6, n
        )
        sunny = (
            (rng.random(n) < 0.12)[:, None] * np.array([0.5, 0.5, 0.16]) * (0.4 if dusk else 1.0)
        )
        s.add(leaves, leaf * shade[:, None], sunny)
    for _ in range(10):  # shrubs
        z = -rng.uniform(350, 1500)
        at = rng.uniform(-0.8, 0.8) * (-z + 100)
        n = 420
        spot = np.abs(rng.normal(0, 1, (n, 3))) * (1, 55, 40) + (at, -152, z)
        spot[:, 0] += rng.normal(0, 80, n)
        leaves = spot[:, None, :] + 7 * rng.normal(0, 1, (n, 3, 3))
        s.add(leaves, np.array([0.06, 0.13, 0.03]) * rng.uniform(0.5, 1.8, (n, 1)))
    if rng.random() < 0.6:
        z = -rng.uniform(400, 700)
        for j in range(4):
            at = rng.uniform(-60, 60)
            s.box((at - 80, at + 80), (-108 + 14 * j, -100 + 14 * j), (z, z + 6), s.pick(WOODS))
    s.lamp(
        (900 * s.mood.side, 900, 300),
        (1.3, 1.2, 1.0) if not dusk else (1.2, 0.7, 0.4),
        1.4,
        4000,
        True,
    )
    s.sky, s.ground = np.array([0.45, 0.52, 0.62]), np.array([0.12, 0.15, 0.06])


def _street(s: _Set) -> None:
    """A street at dusk or by day: house fronts, shop windows, lamps and cars far behind."""
    rng, day = s.rng, s.mood.day
    s.quad(
        (-3000, -160, 200),
        (3000, -160, 200),
        (3000, -160, -4000),
        (-3000, -160, -4000),
        (0.13, 0.13, 0.14),
    )
    y = np.linspace(0, 1, 64)[:, None, None]
    high, low = (
        ((1.0, 1.4, 2.1), (2.2, 2.2, 2.2)) if day else ((0.05, 0.08, 0.20), (0.55, 0.36, 0.34))
    )
    sky = np.broadcast_to((1 - y) * np.array(high) + y * np.array(low), (64, 4, 3))
    s.quad(
        (-4000, -200, -4000),
        (4000, -200, -4000),
        (4000, 1800, -4000),
        (-4000, 1800, -4000),
        (0, 0, 0),
        (1, 1, 1),
        sky,
    )
    for out in (-1, 1):
        z, x = -250.0, out * rng.uniform(260, 420)
        while z > -3500:
            length, height = rng.uniform(350, 700), rng.uniform(700, 1500)
            front = s.pick(WALLS + [(0.3, 0.13, 0.09), (0.36, 0.2, 0.13)])
            a, c = sorted((x, x + out * 500))
            s.box((a, c), (-160, height), (z - length, z), front)
            e = x - out * 2
            for fy in np.arange(180, height - 80, 190):
                for fz in np.arange(z - length + 60, z - 50, 130):
                    lit = rng.random() < (0.05 if day else 0.45)
                    glow = np.array(TUNGSTEN) * rng.uniform(0.6, 2.2) if lit else (0.02, 0.03, 0.04)
                    if day and not lit:
                        glow = np.array([0.25, 0.3, 0.36]) * rng.uniform(0.4, 1.5)
                    p = [
                        (e, fy, fz - 35),
                        (e, fy, fz + 35),
                        (e, fy + 110, fz + 35),
                        (e, fy + 110, fz - 35),
                    ]
                    s.quad(p[0], p[1], p[2], p[3], (0.02, 0.02, 0.02), glow)
            tint = np.array([TUNGSTEN, NEUTRAL, (0.5, 0.9, 1.2), (1.2, 0.5, 0.5)][rng.integers(4)])
            glow = tint * rng.uniform(0.8, 2.2) * (0.3 if day else 1)
            p = [
                (e, -120, z - length + 40),
                (e, -120, z - 40),
                (e, 90, z - 40),
                (e, 90, z - length + 40),
            ]
            s.quad(p[0], p[1], p[2], p[3], (0.03, 0.03, 0.03), glow)
            awning = s.pick(
                [(0.4, 0.05, 0.04), (0.05, 0.16, 0.10), (0.08, 0.12, 0.3), (0.5, 0.42, 0.3)]
            )
            s.quad(
                (x - out * 90, 80, z - length + 30),
                (x - out * 90, 80, z - 30),
                (x, 130, z - 30),
                (x, 130, z - length + 30),
                awning,
            )
            if not day:
                s.lamp((e - out * 60, 20, z - length / 2), tint, 0.8, 200)
            z -= length + float(rng.choice([0, 0, 150]))
    for z in range(-500, -3200, -420):
        for out in (-1, 1):
            x = out * 215
            s.tube(x, z, (-160, 260), (7, 5), (0.05, 0.05, 0.05))
            s.ball((x, 270, z), 19, (0, 0, 0), np.array(TUNGSTEN) * (0.6 if day else 11))
            if not day:
                s.lamp((x, 240, z), TUNGSTEN, 1.1, 220)
    for _ in range(8):
        x, z = rng.choice([-150, 120]) + rng.uniform(-20, 20), -rng.uniform(700, 3000)
        tint = s.pick(BOOKS + [(0.5, 0.5, 0.5), (0.03, 0.03, 0.03)])
        s.box((x - 85, x + 85), (-140, -75), (z - 200, z + 200), tint)
        s.box((x - 68, x + 68), (-75, -20), (z - 110, z + 110), np.asarray(tint) * 0.3)
        for k2 in (-62, 62):
            glow = (9, 8, 6) if x < 0 else (6, 0.5, 0.3)
            s.ball((x + k2, -105, z + 202), 11, (0, 0, 0), np.array(glow) * (0.3 if day else 1))
    if day:
        s.lamp((900 * s.mood.side, 1500, 500), (1.2, 1.15, 1.05), 1.3, 5000, True)
    s.sky = np.array([0.5, 0.55, 0.62]) * (1 if day else 0.12)
    s.ground = np.array([0.2, 0.19, 0.18]) * (1 if day else 0.2)


ROOMS: dict[str, Callable[[_Set], None]] = {
    "living room": _living, "bookcase": _bookcase, "bedroom": _bedroom, "office": _office,
    "kitchen": _kitchen, "brick loft": _brick, "cafe": _cafe, "corridor": _corridor,
    "evening window": _evening, "classroom": _classroom, "sunlit wall": _plaster,
    "home studio": _studio, "balcony window": _balcony, "park": _park, "street": _street,
}  # fmt: skip
OUTDOORS = ("park", "street")


# -- light and lens


def paint(
    room: str,
    seed: int,
    mood: Mood,
    position: tuple[float, float, float],
    aim: tuple[float, float, float],
    field: float,
    blur: float,
    size: tuple[int, int],
) -> np.ndarray:
    """Radiance (H, W, 3) float32 of the blurred room, seen by the scene's camera.

    ``field`` is the cm that the shorter side of ``size`` (width, height) spans at z = 0, ``blur``
    the diameter of the blur at infinity as a share of the shorter side.
    """
    if not hasattr(cv2, "triangleRasterize"):
        raise RuntimeError("painting a room needs OpenCV 5 (cv2.triangleRasterize): install it")
    s = _Set(np.random.default_rng([seed, 31]), mood)
    ROOMS[room](s)
    turn = np.radians(mood.turn)
    spin = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    corners = np.concatenate(s.corners) @ spin.T
    color, glow = np.concatenate(s.color), np.concatenate(s.glow)
    w, h = size
    camera = np.asarray(position, float)
    look, axes = _look_at(camera, np.asarray(aim, float))
    distance = float(np.linalg.norm(camera - np.asarray(aim)))
    fov = 2 * np.arctan(0.5 * field * (h / min(w, h)) / distance)
    index, depth = _rasterize(corners, look, fov, (w, h))
    seen = index >= 0

    v, u = np.mgrid[0:h, 0:w].astype(np.float64)
    tangent = np.tan(fov / 2)
    ray = np.stack([(u + 0.5 - w / 2), -(v + 0.5 - h / 2), np.full((h, w), -h / 2 / tangent)], -1)
    ray = ray * (tangent / (h / 2)) @ axes  # length along the view axis is 1
    points = camera + ray * np.where(seen, depth, 4000.0)[..., None]

    edge = corners[:, 1:] - corners[:, :1]
    normal = np.cross(edge[:, 0], edge[:, 1])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    n = normal[index]
    n = np.where((n * ray).sum(-1, keepdims=True) > 0, -n, n)
    albedo, shine = color[index], glow[index]
    albedo, shine = _pictures(s, index, points, corners, albedo, shine)
    albedo = albedo * _grain(points, n)[..., None]

    up = 0.5 + 0.5 * n[..., 1:2]
    dark = _occlusion(points, n, depth)[..., None]
    light = (s.sky * up + s.ground * (1 - up)) * dark**1.4
    for where, tint, reach, casts in s.lamps:
        where = spin @ where
        to = where - points
        far = np.linalg.norm(to, axis=-1)
        facing = np.clip((n * to).sum(-1) / (far + 1e-9) * 0.85 + 0.15, 0, None)
        fall = facing / (0.25 + (far / reach) ** 2)
        if casts:
            fall = fall * (0.25 + 0.75 * _shadow(corners, where, points, n))
        light += fall[..., None] * tint * (0.4 + 0.6 * dark)
    if s.sun is not None:
        light += _sunbeam(s.sun, points, n)
    radiance = (albedo * light + shine).astype(np.float32)
    radiance[~seen] = 0.5
    return _lens(radiance, np.where(seen, depth, 4000.0), distance, blur * min(w, h), mood.level)


def _look_at(camera: np.ndarray, aim: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    back = camera - aim
    back /= np.linalg.norm(back)
    right = np.cross((0, 1, 0), back)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(back, right), back])
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = -axes @ camera
    return matrix, axes


def _rasterize(corners, look, fov, size) -> tuple[np.ndarray, np.ndarray]:
    """Index of the triangle seen (H, W), -1 for none, and its distance along the view axis."""
    w, h = size
    far = 9000.0
    # what stands beside or behind the camera would be drawn as streaks across the picture
    local = corners @ look[:3, :3].T + look[:3, 3]
    reach = np.tan(fov / 2) * max(w / h, 1.0) * np.maximum(-local[..., 2], 0)
    limit = 1.5 * reach[..., None] + 30
    aside = (local[..., :2] > limit).all(1) | (local[..., :2] < -limit).all(1)
    keep = (local[..., 2] < -16).all(1) & ~aside.any(1)
    number = np.flatnonzero(keep) + 1
    corners = corners[keep]
    count = len(corners)
    code = np.stack([number % 256, number // 256 % 256, number // 65536], 1) / 255.0
    image = np.zeros((h, w, 3), np.float32)
    depth = np.full((h, w), far, np.float32)
    settings = cv2.TriangleRasterizeSettings()
    settings = settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    settings = settings.setShadingType(cv2.RASTERIZE_SHADING_FLAT)
    cv2.triangleRasterize(
        corners.reshape(-1, 3).astype(np.float32),
        np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
        np.repeat(code, 3, 0).astype(np.float32),
        image, depth, look.astype(np.float32), float(fov), 8.0, far, settings,
    )  # fmt: skip
    code = np.round(image * 255).astype(np.int64)
    return code[..., 0] + 256 * code[..., 1] + 65536 * code[..., 2] - 1, depth


def _pictures(s: _Set, index, points, corners, albedo, shine):
    """Multiply color and glow by the picture a triangle carries."""
    picture = np.concatenate(s.picture)
    uv = np.concatenate(s.uv)
    for k, image in enumerate(s.pictures):
        rows, columns = np.nonzero((picture == k)[index] & (index >= 0))
        if not len(rows):
            continue
        tri = index[rows, columns]
        a, e1, e2 = (
            corners[tri, 0],
            corners[tri, 1] - corners[tri, 0],
            corners[tri, 2] - corners[tri, 0],
        )
        p = points[rows, columns] - a
        d11, d12, d22 = (e1 * e1).sum(1), (e1 * e2).sum(1), (e2 * e2).sum(1)
        p1, p2 = (p * e1).sum(1), (p * e2).sum(1)
        det = d11 * d22 - d12**2 + 1e-12
        b1, b2 = (d22 * p1 - d12 * p2) / det, (d11 * p2 - d12 * p1) / det
        at = (
            uv[tri, 0]
            + b1[:, None] * (uv[tri, 1] - uv[tri, 0])
            + b2[:, None] * (uv[tri, 2] - uv[tri, 0])
        )
        h, w = image.shape[:2]
        x = (at[:, 0] * (w - 1)).astype(np.float32)
        y = (at[:, 1] * (h - 1)).astype(np.float32)
        sampled = _bilinear(image, x, y)
        albedo[rows, columns] *= sampled
        shine[rows, columns] *= sampled
    return albedo, shine


def _bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    x, y = np.clip(x, 0, w - 1.001), np.clip(y, 0, h - 1.001)
    i, j = x.astype(int), y.astype(int)
    fx, fy = (x - i)[:, None], (y - j)[:, None]
    top = image[j, i] * (1 - fx) + image[j, i + 1] * fx
    low = image[j + 1, i] * (1 - fx) + image[j + 1, i + 1] * fx
    return top * (1 - fy) + low * fy


def _grain(points: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Unevenness of plaster, wood and cloth: smooth noise fixed to the surface."""
    noise = np.random.default_rng(7).normal(size=(256, 256)).astype(np.float32)
    wide = np.pad(noise, 64, mode="wrap")  # so that the tile has no seams
    noise = sum(
        k * r * cv2.GaussianBlur(wide, (0, 0), r)[64:-64, 64:-64]
        for k, r in ((0.5, 1.0), (0.7, 4.0), (0.8, 12.0))
    )
    noise = np.pad(noise, ((0, 1), (0, 1)), mode="wrap")
    a = np.where(np.abs(n[..., 0]) > 0.7, points[..., 2], points[..., 0])
    b = np.where(np.abs(n[..., 1]) > 0.7, points[..., 2], points[..., 1])
    x, y = (a * 0.9 % 256).astype(np.float32), (b * 0.9 % 256).astype(np.float32)
    return 1 + 0.07 * np.clip(cv2.remap(noise, x, y, cv2.INTER_LINEAR), -2.5, 2.5)


def _occlusion(points: np.ndarray, n: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """How open a point is to the room, 0..1: corners, and gaps between books, are darker."""
    h, w = depth.shape
    step = 2
    p = points[::step, ::step].astype(np.float32)
    m = n[::step, ::step].astype(np.float32)
    blocked = np.zeros(p.shape[:2], np.float32)
    count = 20
    for k in range(count):
        angle, r = k * 2.399963, 1.5 + 0.055 * h / step * ((k + 0.5) / count) ** 1.5
        dx, dy = int(round(r * np.cos(angle))), int(round(r * np.sin(angle)))
        q = np.roll(p, (dy, dx), (0, 1)) - p
        far = np.sqrt((q * q).sum(-1)) + 1e-6
        rise = np.clip((q * m).sum(-1) / far - 0.06, 0, None)
        blocked += rise / (1 + (far / 22) ** 2)
    open_ = np.clip(1 - 2.1 * blocked / count, 0.12, 1)
    open_ = cv2.GaussianBlur(open_, (0, 0), 1.2)
    return cv2.resize(open_, (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float64)


def _shadow(corners, lamp: np.ndarray, points: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Share of the lamp (0..1) that reaches each point, from a depth map with soft edges."""
    size = 512
    middle = np.median(points.reshape(-1, 3)[::97], axis=0)
    look, axes = _look_at(lamp, middle + 1e-3)
    _, depth = _rasterize(corners, look, np.radians(115), (size, size))
    local = (points + n * 2.0 - lamp) @ axes.T
    z = np.maximum(-local[..., 2], 1e-3)
    scale = size / 2 / np.tan(np.radians(57.5))
    x = (local[..., 0] / z * scale + size / 2).astype(np.float32)
    y = (-local[..., 1] / z * scale + size / 2).astype(np.float32)
    lit = np.zeros(z.shape)
    taps = 10
    for k in range(taps):
        r, angle = 7.0 * np.sqrt((k + 0.5) / taps), k * 2.399963
        near = cv2.remap(
            depth, x + np.float32(r * np.cos(angle)), y + np.float32(r * np.sin(angle)),
            cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=9e3,
        )  # fmt: skip
        lit += near > z - 3 - 0.01 * z
    return np.where(-local[..., 2] > 0, lit / taps, 1.0)


def _sunbeam(sun, points: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Sunlight through two casements with glazing bars, standing out of view."""
    direction, color, half_w, half_h = sun
    # where the ray from each point to the sun crosses the plane 150 cm out to the sun's side
    out = 150.0 * np.sign(direction[0])
    t = (out - points[..., 0]) / direction[0]
    y, z = points[..., 1] + t * direction[1], points[..., 2] + t * direction[2]
    y0, z0 = 60.0, 15.0

    def inside(x: np.ndarray, half: float) -> np.ndarray:
        return np.clip((half - np.abs(x)) / 5 + 0.5, 0, 1)

    bars = 1 - np.maximum(inside(z - z0, 2.5), inside(y - y0 - 0.2 * half_h, 2.5))
    beam = inside(y - y0, half_h) * inside(z - z0, half_w) * bars
    return (beam * np.clip(n @ direction, 0, None))[..., None] * color


def _disk(radius: float) -> np.ndarray:
    r = int(np.ceil(radius + 0.5))
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    disk = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return disk / disk.sum()


def _lens(radiance, depth, focus: float, blur: float, level: float) -> np.ndarray:
    """Bring the room to its level, then blur every point by its distance behind the focus."""
    bright = radiance.mean(-1)
    radiance = radiance * (level / (np.exp(np.mean(np.log(bright + 0.01))) + 1e-6))
    radiance = np.minimum(radiance, 12.0)
    radius = np.maximum(0.5 * blur * (1 - focus / depth), 0.3).astype(np.float32)
    radius = cv2.GaussianBlur(radius, (0, 0), 1.5)
    steps = np.linspace(float(np.percentile(radius, 1)), float(radius.max()), 5)
    out, weight = np.zeros_like(radiance), np.zeros(radius.shape, np.float32)
    gap = max(float(steps[1] - steps[0]), 1e-3)
    for r in steps:
        share = np.clip(1 - np.abs(radius - r) / gap, 0, 1)
        if r == steps[0]:
            share = np.maximum(share, (radius < r).astype(np.float32))
        if share.max() > 0:
            blurred = cv2.filter2D(radiance, -1, _disk(float(r)), borderType=cv2.BORDER_REFLECT)
            out += blurred * share[..., None]
            weight += share
    out /= weight[..., None]
    # a little veiling glare round lamps and windows
    glare = cv2.GaussianBlur(np.minimum(out, 4), (0, 0), 0.05 * min(out.shape[:2]))
    return 0.94 * out + 0.06 * glare
