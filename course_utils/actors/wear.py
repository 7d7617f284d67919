"""What an actor wears on the head: glasses and earrings, as tubes and sheets in the head frame."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from . import head as hd
from .identity import Actor
from .parts import grid_triangles

METALS = ((0.60, 0.44, 0.20), (0.55, 0.55, 0.56), (0.55, 0.36, 0.28), (0.10, 0.10, 0.11))
PLASTICS = ((0.012, 0.012, 0.013), (0.050, 0.020, 0.010), (0.020, 0.028, 0.050), (0.16, 0.07, 0.03),
            (0.030, 0.010, 0.012))  # fmt: skip
GOLD, SILVER = (0.75, 0.52, 0.22), (0.66, 0.66, 0.67)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.sqrt(np.maximum((v * v).sum(-1, keepdims=True), 1e-12))


def tube(line: np.ndarray, wide: float, high: float, sides: int = 7, closed: bool = False):
    """A tube round a line (P, 3): vertices, triangles, and the middle line of each vertex.

    ``wide`` and ``high`` are its half-axes, across the line in the plane of x and y, and along z.
    """
    if closed:
        line = np.concatenate([line, line[:1]])
        along = np.roll(line[:-1], -1, 0) - np.roll(line[:-1], 1, 0)
        along = np.concatenate([along, along[:1]])
    else:
        along = np.gradient(line, axis=0)
    along = _unit(along)
    up = np.where(np.abs(along[:, 2:3]) > 0.8, np.array([0, 1.0, 0]), np.array([0, 0, 1.0]))
    side = _unit(np.cross(along, up))
    up = np.cross(side, along)
    a = np.linspace(0, 2 * np.pi, sides)
    ring = line[:, None] + wide * np.cos(a)[None, :, None] * side[:, None] + (
        high * np.sin(a)[None, :, None] * up[:, None])  # fmt: skip
    middle = np.broadcast_to(line[:, None], ring.shape)
    return ring.reshape(-1, 3), grid_triangles(len(line), sides), middle.reshape(-1, 3)


def _rim(kind: str, n: int = 41) -> np.ndarray:
    """The outline of a lens (n, 2), half-width about 2.3 cm; x grows outwards."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    if kind == "round":
        return np.stack([2.25 * np.cos(t), 2.15 * np.sin(t)], -1)
    power = 0.52 if kind == "square" else 0.72
    c, s = np.cos(t), np.sin(t)
    x = 2.45 * np.sign(c) * np.abs(c) ** power
    y = 1.72 * np.sign(s) * np.abs(s) ** power
    return np.stack([x * (1 + 0.05 * s), y + 0.10 * (y > 0) * c], -1)


@lru_cache(maxsize=8)
def _glasses(actor: Actor):
    """Frame parts [(vertices, triangles, middles)], lens outlines (2, n, 3), color, metal."""
    h = hd.build(actor)
    rng = actor.rng("glasses")
    metal = bool(rng.random() < (0.7 if actor.glasses != "square" else 0.3))
    color = METALS[rng.integers(len(METALS))] if metal else PLASTICS[rng.integers(len(PLASTICS))]
    thick = 0.085 if metal else 0.17
    size = rng.uniform(0.94, 1.06)
    x0 = 3.25 + 0.08 * actor["eye_gap"]
    rest = h.rest
    # As far forward as brow, cheek and the bridge of the nose allow.
    mid = hd.COLUMNS // 2
    bridge = float(np.interp(-0.9, -rest[: hd.JAW_ROW, mid, 1], rest[: hd.JAW_ROW, mid, 2]))
    near = (np.abs(np.abs(rest[..., 0]) - x0) < 2.2) & (np.abs(rest[..., 1] - 1.0) < 2.0)
    z0 = max(float(np.percentile(rest[..., 2][near], 97)) + 0.35, bridge - 0.4)
    outline = _rim(actor.glasses) * size
    lenses, parts = [], []
    for side in (-1, 1):
        x = side * (x0 + outline[:, 0])
        y = 0.75 + outline[:, 1]
        z = z0 - 0.022 * (np.abs(x) - 2.0) ** 2 * (np.abs(x) > 2.0) - 0.10 * (outline[:, 1] < 0) * (
            outline[:, 1] / 2) ** 2  # fmt: skip
        ring = np.stack([x, y, z], -1)
        lenses.append(ring)
        if actor.glasses == "half":
            top = np.flatnonzero(outline[:, 1] > -0.25)
            order = top[np.argsort(outline[top, 0])]
            parts.append(tube(ring[order], thick * 1.25, thick))
            parts.append(tube(ring, thick * 0.45, thick * 0.45, closed=True))  # the wire below
        else:
            parts.append(tube(ring, thick, thick * 0.9, closed=True))
        # The temple: from the hinge over the ear and down behind it.
        hinge = ring[np.argmax(side * ring[:, 0] + 0.25 * ring[:, 1])]
        ear = np.abs(rest[int(np.argmin(np.abs(hd.ROW_Y - 1.6))), _side_column(side), 0]) + 0.28
        ear_z = -0.2
        points = np.array([
            hinge, [side * (abs(hinge[0]) + 0.35), hinge[1] + 0.05, hinge[2] - 0.7],
            [side * max(ear, abs(hinge[0]) + 0.1), 1.9, 4.0], [side * ear, 2.0, ear_z + 0.6],
            [side * (ear - 0.05), 1.3, ear_z - 1.1], [side * (ear - 0.35), -0.6, ear_z - 2.2],
        ])  # fmt: skip
        t = np.linspace(0, len(points) - 1, 26)
        bar = np.stack([np.interp(t, np.arange(len(points)), points[:, k]) for k in range(3)], -1)
        bar[1:-1] = 0.25 * bar[:-2] + 0.5 * bar[1:-1] + 0.25 * bar[2:]
        parts.append(tube(bar, 0.055 if metal else 0.10, 0.075 if metal else 0.22))
    inner = lenses[0][np.argmax(lenses[0][:, 0] + 0.3 * lenses[0][:, 1])]
    u = np.linspace(-1, 1, 11)
    span = np.stack([inner[0] * -u, inner[1] + 0.28 * (1 - u**2),
                     inner[2] + 0.18 * (1 - u**2)], -1)  # fmt: skip
    parts.append(tube(span, thick * 0.95, thick * 0.9))
    return parts, np.stack(lenses), np.array(color), metal


def _side_column(side: int) -> int:
    return int(np.argmin(np.abs(hd.AZIMUTH - side * np.pi / 2)))


@lru_cache(maxsize=8)
def _earrings(actor: Actor):
    """[(vertices, triangles, middles)] and color."""
    lobes = hd.build(actor).ears
    rng = actor.rng("earrings")
    gold = rng.random() < 0.6
    size = rng.uniform(0.8, 1.2)
    parts = []
    for side, lobe in zip((-1, 1), lobes, strict=True):
        if actor.earrings == "stud":
            parts.append(_ball(lobe + [side * 0.12, 0.0, 0.16], 0.20 * size))
            continue
        if actor.earrings == "hoop":
            t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
            r = 1.15 * size
            ring = np.stack([side * (0.12 + 0.16 * np.cos(t)), r * np.sin(t) - r + 0.05,
                             r * np.cos(t)], -1)  # fmt: skip
            parts.append(tube(lobe + ring, 0.055, 0.055, closed=True))
            continue
        line = np.linspace(0, 1, 6)[:, None] * np.array([side * 0.10, -0.9 * size, 0.0])
        parts.append(tube(lobe + [side * 0.12, -0.1, 0.12] + line, 0.03, 0.03))
        parts.append(_ball(lobe + [side * 0.12, 0.0, 0.16], 0.12))
        drop = _ball(np.zeros(3), 1.0)
        shape = drop[0] * [0.24, 0.42, 0.24] * size
        shape[:, [0, 2]] *= 1 - 0.45 * (shape[:, 1:2] / 0.42)
        at = lobe + [side * 0.22, -1.30 * size, 0.12]
        parts.append((shape + at, drop[1], np.broadcast_to(at, shape.shape)))
    return parts, np.array(GOLD if gold else SILVER)


def _ball(center: np.ndarray, radius: float):
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, 9), np.linspace(0, 2 * np.pi, 13), indexing="ij"
    )
    p = np.stack([np.sin(polar) * np.cos(turn), np.cos(polar), np.sin(polar) * np.sin(turn)], -1)
    p = p.reshape(-1, 3) * radius + center
    return p, grid_triangles(9, 13), np.broadcast_to(center, p.shape)


def meshes(frame) -> list:
    """Frames of glasses, and earrings, for :func:`render.rasterize`."""
    from .render import Look, Mesh

    a = frame.actor
    made = []
    groups = []
    if a.glasses != "none":
        parts, _, color, metal = _glasses(a)
        groups.append(("glasses", parts, color, metal))
    if a.earrings != "none":
        parts, color = _earrings(a)
        groups.append(("earrings", parts, color, True))
    for name, parts, color, metal in groups:
        vertices = np.concatenate([p[0] for p in parts])
        middles = np.concatenate([p[2] for p in parts])
        start = np.cumsum([0] + [len(p[0]) for p in parts[:-1]])
        triangles = np.concatenate([p[1] + s for p, s in zip(parts, start, strict=True)])
        world = frame.pose.apply(vertices)
        normal = frame.pose.turn(_unit(vertices - middles))
        # Two numbers carry a unit normal: octahedral coordinates (Cigolle et al. 2014).
        made.append(Mesh(name, world, triangles, _pack(normal), _shader(Look, color, metal)))
    return made


def _pack(n: np.ndarray) -> np.ndarray:
    """Unit normals (N, 3) to (N, 2); those that look away fold onto the rim, unseen."""
    p = n / np.abs(n).sum(1, keepdims=True)
    xy = p[:, :2].copy()
    away = p[:, 2] < 0
    size = np.maximum(np.abs(xy[away]).sum(1, keepdims=True), 1e-6)
    xy[away] = xy[away] / size
    return xy


def _unpack(xy: np.ndarray) -> np.ndarray:
    z = 1 - np.abs(xy).sum(1, keepdims=True)
    return _unit(np.concatenate([xy, np.maximum(z, 0.02)], 1))


def _shader(look, color: np.ndarray, metal: bool):
    def shader(frame, coords: np.ndarray, world: np.ndarray):
        normal = _unpack(coords).astype(np.float32)
        eye = _unit(frame.view.position - world)
        mirror = 2 * (normal * eye).sum(1, keepdims=True) * normal - eye
        if metal:  # what it mirrors: bright above, dark at the horizon, the floor below
            up = mirror[:, 1:2]
            room = 0.25 + 0.75 * hd.smoothstep(0.0, 0.7, up) - 0.18 * np.exp(-((up / 0.16) ** 2))
            room = room + 0.9 * hd.smoothstep(0.55, 0.9, mirror @ np.asarray(
                frame.scene.lights[0].direction))[:, None]  # fmt: skip
            albedo = color * room
        else:
            albedo = np.broadcast_to(color, (len(world), 3))
        return look(albedo.astype(np.float32), normal, None, 3.0 if metal else 1.6,
                    0.22 if metal else 0.28, 0.0, 1.0)  # fmt: skip

    return shader


def draw(frame) -> None:
    """Lenses: a faint tint, a shadow of the rim, and what they mirror of sky and lamp."""
    if frame.actor.glasses == "none":
        return
    _, lenses, _, _ = _glasses(frame.actor)
    view, scene = frame.view, frame.scene
    height, width = frame.depth.shape
    for side, ring in zip((-1, 1), lenses, strict=True):
        world = frame.pose.apply(ring)
        p = view.project(world)
        x0, y0 = np.maximum(np.floor(p[:, :2].min(0)).astype(int) - 2, 0)
        x1, y1 = np.minimum(np.ceil(p[:, :2].max(0)).astype(int) + 3, [width, height])
        if x1 - x0 < 3 or y1 - y0 < 3:
            continue
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        corners = np.round((p[:, :2] - [x0, y0] - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
        box = (slice(y0, y1), slice(x0, x1))
        inside = mask.astype(np.float32) / 255 * (frame.depth[box] > p[:, 2].mean() - 0.6)
        if not inside.any():
            continue
        # Normal of the bulging glass over the lens: from its middle outwards.
        center = world.mean(0)
        c = view.project(center)
        yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32) + 0.5
        scale = view.focal / c[2]
        u, v = (xx - c[0]) / scale, (c[1] - yy) / scale
        axis = frame.pose.turn(np.array([side * 0.10, -0.08, 1.0]))
        n = axis + 0.055 * (u[..., None] * view.axes[0] + v[..., None] * view.axes[1])
        n = _unit(n)
        eye = _unit(view.position - center)
        cosine = np.abs(n @ eye)
        mirror = 2 * (n @ eye)[..., None] * n - eye
        share = 0.045 + 0.6 * (1 - cosine) ** 5
        light = scene.ambient(mirror) * 0.8
        for lamp in scene.lights:
            d = np.asarray(lamp.direction)
            width_ = 0.02 + 0.10 * lamp.softness  # a window is a wide patch, a bulb a point
            hit = hd.smoothstep(1 - 2.2 * width_, 1 - 0.8 * width_, mirror @ d)
            light = light + (2.2 * hit)[..., None] * np.asarray(lamp.color)
        edge = cv2.GaussianBlur(inside, (0, 0), 0.12 * scale)
        shade = 1 - inside * (0.05 + 0.16 * (1 - edge))
        view_ = frame.radiance[box]
        view_ *= shade[..., None]
        view_ += (inside * share)[..., None] * light
        hit = (inside * share)[..., None]
        frame.alpha[box] = np.maximum(
            frame.alpha[box], np.where(frame.alpha[box] < 0.5, hit[..., 0], 0)
        )
