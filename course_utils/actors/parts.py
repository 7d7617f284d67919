"""What a head holds besides skin: eyes, teeth, tongue, mouth, ears, as meshes in the head frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter1d

from . import head as hd
from .head import Head, smoothstep, value
from .identity import Actor


@lru_cache(maxsize=64)
def grid_triangles(rows: int, cols: int) -> np.ndarray:
    """Two triangles (T, 3) for each cell of a grid of rows x cols points."""
    i = np.arange(rows * cols).reshape(rows, cols)
    a, b, c, d = (i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel())
    return np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).astype(np.int32)


def gaze_rotation(row, side: int, distance: float = 110.0) -> np.ndarray:
    """Rotation (3, 3) of an eyeball: +-1 of gaze is 30 degrees."""
    yaw = np.radians(30 * value(row, "gaze_x") - side * np.degrees(np.arctan2(3.15, distance)))
    pitch = np.radians(-30 * value(row, "gaze_y"))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return turn @ nod


@lru_cache(maxsize=1)
def eyeball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Front of a unit eyeball looking along +z: points (N, 3), triangles, (x, y) as coordinates.

    The cornea bulges a little.
    """
    rings, spokes = 16, 33
    polar = np.linspace(0, 1.75, rings)[:, None]
    angle = np.linspace(0, 2 * np.pi, spokes)[None, :]
    r = 1 + 0.045 * smoothstep(0.62, 0.0, polar)
    p = np.stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle),
                  np.cos(polar) + 0 * angle], -1)  # fmt: skip
    flat = np.stack([polar * np.cos(angle), polar * np.sin(angle)], -1)
    return (p * r[..., None]).reshape(-1, 3), grid_triangles(rings, spokes), flat.reshape(-1, 2)


@lru_cache(maxsize=16)
def socket_back(actor: Actor, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A fleshy patch behind the corners of an eye, so that nothing shows through."""
    h = hd.build(actor)
    u, v = np.meshgrid(np.linspace(-1.2, 1.2, 13), np.linspace(-1, 1, 7))
    x = side * (h.lids["x"] + u * 1.5)
    y = hd.EYE_Y + 0.5 * v + h.lids["tilt"] * u * 1.4
    cols = np.interp(x, h.flat[hd.EYE_ROW, :, 0][60:-60], np.arange(60, hd.COLUMNS - 60))
    z = np.interp(cols, np.arange(hd.COLUMNS), h.neutral[hd.EYE_ROW, :, 2])
    z = z - 0.48 - 0.25 * (1 - v**2)
    p = np.stack([x, y, z + 0 * y], -1)
    return p.reshape(-1, 3), grid_triangles(7, 13), np.stack([u * side, v], -1).reshape(-1, 2)


def _arch(width: float, depth: float, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A dental arch: (x, z) for s in -1..1."""
    angle = s * 1.35
    return width * np.sin(angle), depth * np.cos(angle)


def teeth(h: Head, row, upper: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A row of teeth and gum: coordinates are (tooth number from the middle, 0 gum .. 1 edge)."""
    p, triangles, uv = _teeth(h.actor, upper)
    if not upper:
        p = (p - hd.JAW_PIVOT) @ hd.jaw_matrix(row).T + hd.JAW_PIVOT
    return p, triangles, uv


@lru_cache(maxsize=16)
def _teeth(actor: Actor, upper: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with the mouth shut."""
    h = hd.build(actor)
    rows, cols = 12, 121
    s = np.linspace(-1, 1, cols)[None, :]
    v = np.linspace(-0.8 if upper else -0.4, 1, rows)[:, None]
    width, depth = (2.5, 2.6) if upper else (2.35, 2.4)
    x, z = _arch(width, depth, s)
    edges = np.array([0, 0.86, 1.54, 2.32, 3.0, 3.7, 4.7, 5.7]) * (1 if upper else 0.72)
    if not upper:
        edges = np.array([0, 0.54, 1.12, 1.82, 2.5, 3.2, 4.3, 5.4])
    length = np.cumsum(np.hypot(np.diff(x[0], prepend=x[0, 0]), np.diff(z[0], prepend=z[0, 0])))
    length = length - length[cols // 2]
    number = np.sign(length) * np.interp(np.abs(length), edges, np.arange(len(edges)))
    within = np.abs(number) % 1.0
    rounded = np.clip(1 - np.abs(2 * within - 1) ** 4, 0, 1)
    tall = 0.92 if upper else 0.78
    if upper:
        tall = tall * (1 - 0.05 * ((np.abs(number) >= 1) & (np.abs(number) < 2)))
    radial = 0.14 * rounded + 0.10 * smoothstep(-0.15, -0.4, v) - 0.10 * smoothstep(0.6, 1, v)
    radial = np.where(v < 0, 0.12 + 0.05 * np.abs(v), radial)
    norm = np.hypot(x, z)
    x, z = x * (1 + radial / norm), z * (1 + radial / norm)
    drop = v * tall * np.where(v > 0.8, 0.93 + 0.07 * rounded, 1.0)
    y = (hd.MOUTH_Y + 0.76 - drop) if upper else (hd.MOUTH_Y - 0.80 + drop)
    gum = 0.0
    front = h.rest[hd.MOUTH_ROW - 6, hd.COLUMNS // 2, 2] - 0.70  # behind the upper lip
    p = np.stack([x + gum, y + 0 * x, z + front - depth - (0.0 if upper else 0.55)], -1)
    p = hd.stretch(p.reshape(-1, 3), h.actor)
    skin = h.rest[hd.MOUTH_ROW - 6, :, [0, 2]].T  # a narrow face's cheeks hold its teeth back
    skin = skin[np.abs(hd.AZIMUTH) < 1.3]
    p[:, 2] = np.minimum(p[:, 2], np.interp(p[:, 0], skin[:, 0], skin[:, 1]) - 0.70)
    uv = np.stack([number + 0 * v, v + 0 * number], -1).reshape(-1, 2)
    return p, grid_triangles(rows, cols), uv


def tongue(h: Head, row) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tongue's back and tip; ``tongue`` raises the tip to the teeth."""
    rows, cols = 13, 13
    u = np.linspace(-1, 1, cols)[None, :]
    v = np.linspace(0, 1, rows)[:, None]  # 0 in the throat .. 1 at the tip, then over the tip
    lift = value(row, "tongue")
    front = h.rest[hd.MOUTH_ROW - 6, hd.COLUMNS // 2, 2] - 1.25
    half = 1.75 * np.sqrt(np.clip(1 - 0.85 * v**3, 0, 1))
    x = u * half
    z = front - 4.2 * (1 - v) - 0.35 * u**2 * v + 0 * u
    y = hd.MOUTH_Y - 0.75 - 0.30 * np.abs(u) ** 2.5 + 0.10 * u**2 - 0.45 * v**6
    y = y + lift * 0.75 * smoothstep(0.45, 0.95, v) - 0.12 * np.exp(-((u / 0.12) ** 2))
    p = np.stack([x + 0 * v, y + 0 * u, z], -1).reshape(-1, 3)
    p = hd.stretch(p, h.actor)
    p = (p - hd.JAW_PIVOT) @ hd.jaw_matrix(row).T + hd.JAW_PIVOT
    return p, grid_triangles(rows, cols), np.stack([u + 0 * v, v + 0 * u], -1).reshape(-1, 2)


EAR_ROWS, EAR_COLS = 26, 49


def ear(h: Head, side: int) -> np.ndarray:
    """An outer ear (rows, cols, 3): rows run from the canal to the rim and round to its back."""
    a = h.actor
    size = 0.90 + 0.05 * a["ear"] + 0.002 * (a.age - 30)
    t = np.linspace(0, 2 * np.pi, EAR_COLS)[None, :]  # 0 at the top, growing backwards
    rho = np.linspace(0, 1.0, EAR_ROWS - 6)[:, None]
    # Outline in the ear's own plane: forward f, up u (cm).
    k = np.degrees(t[0])
    out_f = hd.curve(k, [(0, -0.2), (30, -1.15), (60, -1.75), (95, -1.9), (130, -1.55),
                         (160, -0.95), (180, -0.35), (200, 0.25), (225, 0.62), (260, 0.62),
                         (300, 0.85), (330, 0.55), (360, -0.2)])  # fmt: skip
    out_u = hd.curve(k, [(0, 3.0), (30, 2.75), (60, 1.95), (95, 0.5), (130, -1.1), (160, -2.45),
                         (180, -3.05), (200, -2.9), (225, -1.9), (260, -0.55), (300, 1.1),
                         (330, 2.3), (360, 3.0)])  # fmt: skip
    outline = gaussian_filter1d(np.stack([out_f, out_u])[:, :-1], 1.6, mode="wrap")
    f, u = (rho * np.append(line, line[0]) for line in outline)
    back = smoothstep(25, 70, k) * smoothstep(215, 165, k)  # where the rim stands free
    top = smoothstep(300, 345, k) + smoothstep(60, 20, k)
    free = np.clip(back + top, 0, 1)[None, :]
    lobe = smoothstep(145, 175, k) * smoothstep(215, 190, k)
    # Relief: bowl in the middle, antihelix ridge, groove, rolled helix rim.
    bowl = -0.75 * smoothstep(0.52, 0.18, rho)
    ridge = 0.30 * np.exp(-(((rho - 0.60) / 0.10) ** 2)) * free
    groove = -0.16 * np.exp(-(((rho - 0.80) / 0.07) ** 2)) * free * (1 - lobe)
    rim = 0.22 * np.exp(-(((rho - 0.95) / 0.08) ** 2)) * free
    tragus = 0.55 * hd.bump(f, u, 0.62, -0.35, 0.38, 0.5)
    stand = (0.35 - 0.42 * f) * free + 0.10 * (1 - free)
    w = bowl + ridge + groove + rim + tragus + stand * rho + 0.15 * lobe * rho
    # Behind the rim: fold back to the head.
    fold = np.linspace(0, 1, 7)[1:, None]
    f = np.concatenate([f, f[-1:] * (1 + 0.03 * np.sin(np.pi * fold)) + 0.55 * fold**2 * free])
    u = np.concatenate([u, u[-1:] * (1 + 0.03 * np.sin(np.pi * fold) - 0.08 * fold**2)])
    w = np.concatenate([w, w[-1:] - 0.16 * np.sin(np.pi * fold / 2) - 1.4 * fold**2])
    f, u, w = f * size, u * size, w * size
    tilt = np.radians(10)
    f, u = f * np.cos(tilt) - u * np.sin(tilt) * 1.0, u * np.cos(tilt) + f * np.sin(tilt)
    splay = np.radians(18 + 5 * a["ear"])
    out = w * np.cos(splay) - f * np.sin(splay)
    fwd = f * np.cos(splay) + w * np.sin(splay) * 0.3
    base = np.array([0.0, -0.55, 0.15])
    surface = np.interp(  # the head's half-width where the ear sits
        -0.5, -h.rest[: hd.JAW_ROW, _ear_column(side), 1][::1], np.abs(
            h.rest[: hd.JAW_ROW, _ear_column(side), 0]))  # fmt: skip
    x = side * (surface - 0.10 + out)
    return np.stack([x, base[1] + u, base[2] + fwd], -1)


def _ear_column(side: int) -> int:
    return int(np.argmin(np.abs(hd.AZIMUTH - side * np.pi / 2)))


def ear_lobes(h: Head) -> np.ndarray:
    """Middle of each ear lobe, (2, 3), viewer's left and right."""
    col = int(round((EAR_COLS - 1) * 178 / 360))
    return np.stack([ear(h, side)[int(0.86 * (EAR_ROWS - 6)), col] for side in (-1, 1)])
