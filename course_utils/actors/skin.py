"""Skin as images over the head's grid: color, pores, wrinkles, marks (computed once per actor)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from . import head as hd
from .head import Head, bump, smoothstep
from .identity import Actor

SCALE = 4  # texels along each side of a grid cell


@dataclass
class Skin:
    """Images (SCALE*R, SCALE*C, ...) over the grid: sample with uv * SCALE + (SCALE - 1) / 2."""

    albedo: np.ndarray  # (.., 3) linear RGB
    relief: np.ndarray  # (.., 3): shift of the unit normal, head frame
    extra: np.ndarray  # (.., 3): gloss, roughness, cavity (0 deep .. 1 open)

    def sample(self, what: str, uv: np.ndarray) -> np.ndarray:
        return hd.sample(getattr(self, what), uv * SCALE + (SCALE - 1) / 2)


TILE = 512


@lru_cache(maxsize=64)
def _noise_tile(seed: int) -> np.ndarray:
    """Smooth noise of unit deviation that repeats; its features are 16 pixels wide."""
    rng = np.random.default_rng([seed, 1])
    tile = rng.normal(size=(TILE, TILE)).astype(np.float32)
    tile = gaussian_filter(tile, 5.0, mode="wrap")
    return _wrapped(tile / tile.std())


@lru_cache(maxsize=64)
def _spot_tile(seed: int) -> np.ndarray:
    """Distance, in cells of 16 pixels, to the nearest of one random point a cell; repeats."""
    rng = np.random.default_rng([seed, 2])
    n = TILE // 16
    points = (
        np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1) + rng.random((n, n, 2))
    ).reshape(-1, 2)
    grid = (np.stack(np.meshgrid(np.arange(TILE), np.arange(TILE)), -1).reshape(-1, 2) + 0.5) / 16
    return _wrapped(cKDTree(points, boxsize=n).query(grid % n)[0].reshape(TILE, TILE))


def _wrapped(tile: np.ndarray) -> np.ndarray:
    """A tile with its first row and column once more at its end, to be interpolated across it."""
    return np.pad(tile, ((0, 1), (0, 1)), mode="wrap").astype(np.float32)


def _lookup(tile: np.ndarray, chart: np.ndarray, size: float, seed: int) -> np.ndarray:
    m = (chart * (16.0 / size) + np.array([seed * 37 % TILE, seed * 91 % TILE])).astype(np.float32)
    return hd.sample(tile, (m % TILE).reshape(-1, 2)).reshape(chart.shape[:-1])


def noise(chart: np.ndarray, size: float, seed: int) -> np.ndarray:
    """Smooth noise, about -1..1, with features of ``size`` cm; ``chart`` (..., 2) in cm."""
    return 0.6 * _lookup(_noise_tile(seed % 5), chart, size, seed)


def spots(chart: np.ndarray, size: float, seed: int) -> np.ndarray:
    """Distance, in ``size``, to the nearest of scattered points: pores, freckles."""
    return _lookup(_spot_tile(seed % 5), chart, size, seed)


@lru_cache(maxsize=8)
def paint(actor: Actor) -> Skin:
    """The skin of ``actor`` (kept for the last few actors)."""
    h = hd.build(actor)
    return _paint(h)


def _up(grid: np.ndarray) -> np.ndarray:
    return cv2.resize(grid.astype(np.float32), None, fx=SCALE, fy=SCALE,
                      interpolation=cv2.INTER_LINEAR)  # fmt: skip


def _paint(h: Head) -> Skin:
    a = h.actor
    seed = a.seed % 99991
    p, chart = _up(h.rest), _up(h.chart)
    flat = _up(h.flat)
    x, y = flat[..., 0], flat[..., 1]
    ax = np.abs(x)
    face = _up(
        smoothstep(110, 85, np.degrees(np.abs(hd.AZIMUTH)))[None, :] + np.zeros((hd.ROWS, 1))
    )
    lips, brow, beard, stache, scalp = (
        _up(m) for m in (h.lips, h.brow, h.beard, h.mustache, h.scalp)
    )

    base = np.array(a.skin, np.float32)
    dark = float(np.interp(a.tone, [1, 10], [0, 1]))
    broad, mid, fine = (
        noise(chart, 2.6, seed),
        noise(chart, 0.9, seed + 1),
        noise(chart, 0.25, seed + 2),
    )
    mottle = 0.075 * broad + 0.075 * mid + 0.06 * fine
    # Blood: cheeks, nose, chin, ears' neighborhood; red in fair skin, deep warm in dark skin.
    nose = bump(x, y, 0, -2.3, 1.6, 1.3)
    cheeks = bump(ax, y, 4.0, -1.9, 2.0, 1.9)
    chin = 0.6 * bump(x, y, 0, -9.6, 1.8, 1.4)
    lid = bump(ax, y, h.lids["x"], 1.0, 2.0, 0.9)
    blood = a.blush * (
        0.8 * cheeks + 0.75 * nose + 0.5 * chin + 0.25 * lid + 0.16 * broad + 0.14 * mid
    )
    blood = np.clip(blood, -0.1, 1.2) * face
    absorb = np.array([0.06, 0.42, 0.36]) * (1 - 0.45 * dark)
    melanin = np.array([0.55, 0.85, 1.10])
    pigment = mottle * (0.6 + 0.6 * dark)
    # Darker: round the eyes, under the brow, forehead's sides in dark skin; lighter: cheek tops.
    ring = bump(ax, y, h.lids["x"] - 0.5, -0.15, 1.5, 0.55) * (
        0.18 + 0.20 * smoothstep(25, 70, np.array(a.age))
    )
    ring = ring + 0.18 * bump(ax, y, h.lids["x"] - 1.3, 1.2, 0.6, 0.6)
    pigment = (
        pigment
        + ring * (0.7 + 0.5 * dark)
        - 0.06 * cheeks
        + 0.10 * dark * bump(x, y, 0, -5.6, 3.6, 1.8)
    )
    freckle = 0.0
    if a.freckles > 0.05:
        d = spots(chart, 0.42, seed + 20)
        gate = smoothstep(-0.2, 0.5, noise(chart, 1.4, seed + 5) + 1.2 * (cheeks + nose) - 0.7)
        freckle = a.freckles * gate * smoothstep(0.34, 0.18, d)
    rng = a.rng("moles")
    mole = np.zeros_like(x)
    for _ in range(a.moles):
        at = np.array([rng.uniform(-6, 6), rng.uniform(-9.5, 6.0)])
        size = rng.uniform(0.07, 0.16)
        mole = np.maximum(mole, smoothstep(1.0, 0.6, np.hypot(x - at[0], y - at[1]) / size) * face)
    pigment = pigment + 0.55 * freckle + 0.9 * mole
    if a.age > 50:
        d = spots(chart, 1.1, seed + 30)
        pigment = pigment + 0.16 * (a.age - 50) / 30 * smoothstep(0.30, 0.16, d) * smoothstep(
            0, 0.4, noise(chart, 2, seed + 6)
        )
    color = base * np.exp(
        -pigment[..., None] * melanin - np.maximum(blood, -0.1)[..., None] * absorb
    )
    # Lips: more blood, less pigment.
    wet = 0.10 * fine + 0.08 * mid
    lip = base**0.85 * np.array([0.86, 0.50, 0.50]) * (1 - 0.15 * dark)
    lip = lip * np.array([1.0, 1.0 + 0.12 * dark, 1.0 + 0.10 * dark])
    if a.makeup:
        stick = np.array([0.42, 0.06, 0.075]) * (0.5 + 0.5 * base.mean() / 0.4)
        lip = lip + 0.65 * a.makeup * (stick - lip)
    color = color + lips[..., None] * 0.85 * (lip * np.exp(-wet[..., None]) - color)
    inner = _up(
        ((np.arange(hd.ROWS) > hd.MOUTH_ROW - 4) & (np.arange(hd.ROWS) < hd.MOUTH_ROW + 5))[:, None]
        * (np.abs(h.flat[..., 0]) < h.mouth["half"])
        * (np.abs(hd.AZIMUTH) < 1.2)[None, :]
        * 1.0
    )
    color = color * (1 - inner[..., None] * (1 - np.array([0.75, 0.50, 0.50])))
    # Hair roots seen through the skin.
    hair = np.array(a.hair_color, np.float32) * 0.8 + 0.01
    shade = 0.0
    if a.beard != "none" or not a.female:
        amount = {"none": 0.16, "stubble": 0.55, "mustache": 0.25, "goatee": 0.3}.get(a.beard, 0.5)
        dots = smoothstep(0.42, 0.25, spots(chart, 0.10, seed + 40))
        area = np.clip(beard + stache, 0, 1)
        shade = amount * area * (0.35 + 0.65 * dots)
    roots = np.clip(0.55 * brow * (0.5 + 0.5 * a.brows) + shade, 0, 0.9)
    color = color + roots[..., None] * (hair - color) * 0.75
    root = {"none": 0.35, "buzz": 0.8, "receding": 0.15}.get(a.hair, 0.7)
    if a.hair == "none":
        root = 0.10
    shown = hair * 1.2 * (1 - a.gray) + 0.45 * base * a.gray  # no dark ground under white hair
    color = color + (scalp * root)[..., None] * (shown - color)
    # Lid edges: pink, with the line of the lashes.
    q = np.full((hd.ROWS, 1), 9.0)
    q[: len(hd.ROW_Y), 0] = hd.ROW_Y - hd.EYE_Y
    span = np.zeros_like(h.flat[..., 0])
    for side in (-1, 1):
        s = h._lid_s(side)
        span = np.maximum(
            span, smoothstep(1.02, 0.92, np.abs(s)) * (np.sign(h.flat[..., 0]) == side)
        )
    line = _up(
        span
        * np.exp(-(((np.abs(q) - 0.10) / 0.05) ** 2))
        * (np.abs(q) > 0.05)
        * np.where(q > 0, 1, 0.45)
    )
    rim = _up(span * (np.abs(q) < 0.06))
    color = color * (1 - 0.45 * (0.6 + 0.5 * a.makeup) * line[..., None])
    color = color + rim[..., None] * 0.8 * (base * np.array([0.95, 0.62, 0.58]) - color)

    # Relief: pores, fine lines, wrinkles of age, lip grooves.
    d = spots(chart, 0.095, seed + 50)
    pores = -smoothstep(0.5, 0.1, d) * (0.55 + 0.6 * nose + 0.5 * cheeks) * (1 - lips)
    lines = noise(chart * (1, 2.2), 0.12, seed + 51)
    old = float(smoothstep(30, 78, np.array(a.age)))
    height = 0.0024 * pores + 0.0016 * lines + 0.0016 * noise(chart, 0.35, seed + 52)
    height = height + lips * 0.012 * noise(chart * (1, 0.22), 0.085, seed + 53)
    warp = 0.12 * noise(chart, 1.5, seed + 54)
    fore = smoothstep(3.9, 4.6, y) * smoothstep(7.0, 6.4, y) * smoothstep(5.0, 3.5, ax)
    wave = np.abs(np.sin((y + 2.2 * warp + 0.02 * x**2) * np.pi / 0.95))
    height = height - 0.016 * old * fore * smoothstep(0.45, 0.0, wave) * (0.6 + 0.4 * mid)
    crow_r = np.abs(np.sin(np.arctan2(y - 0.9, ax - 4.3) * 6.5 + warp * 4))
    crow = bump(ax, y, 5.75, 0.7, 0.75, 1.1) * smoothstep(0.4, 0, crow_r)
    height = height - 0.014 * old * crow
    under = np.abs(np.sin((y + 0.10 * (ax - 3) ** 2 + warp) * np.pi / 0.30))
    height = height - 0.012 * (0.25 + old) * bump(ax, y, 3.2, -0.05, 1.4, 0.45) * smoothstep(
        0.5, 0, under
    )
    height = height + 0.03 * mole
    relief = _relief(p, height.astype(np.float32)) * face[..., None]
    cavity = np.clip(
        1 + 14 * np.minimum(height - cv2.GaussianBlur(height.astype(np.float32), (0, 0), 6), 0),
        0.5,
        1,
    )
    nostril = bump(ax, y, 0.62 * (1 + 0.13 * a["nose_width"]), -3.24, 0.28, 0.15)
    cavity = cavity * (1 - 0.95 * np.clip(nostril * 1.6, 0, 1))
    slit = _up(
        np.exp(-(((np.abs(np.where(q < 9, q + hd.EYE_Y - hd.MOUTH_Y, 9))) / 0.26) ** 2))
        * (np.abs(h.flat[..., 0]) < h.mouth["half"] * 1.04)
        * (np.abs(hd.AZIMUTH) < 1.2)[None, :]
    )
    cavity = cavity * (1 - 0.65 * slit) * (1 - 0.5 * inner)
    tzone = (
        bump(x, y, 0, -1.5, 1.3, 3.5)
        + bump(x, y, 0, 5, 3.5, 1.6)
        + 0.6 * bump(x, y, 0, -9.6, 1.5, 1)
    )
    gloss = 0.55 + 0.55 * a.oil * np.clip(tzone + 0.35 * cheeks, 0, 1) + 0.15 * mid
    gloss = gloss * (1 + 0.5 * lips) * (1 - 0.5 * roots) * (1 - 0.85 * slit) * 0.85
    rough = 0.46 - 0.10 * a.oil * np.clip(tzone, 0, 1) - 0.12 * lips + 0.04 * mid
    extra = np.stack([gloss, rough, cavity], -1)
    return Skin(color.astype(np.float32), relief.astype(np.float32), extra.astype(np.float32))


def _relief(p: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Shift of the unit normal that a height (cm) over the surface points ``p`` makes."""
    du, dv = np.gradient(p, axis=1), np.gradient(p, axis=0)
    hu, hv = np.gradient(height, axis=1), np.gradient(height, axis=0)
    e, f, g = (du * du).sum(-1), (du * dv).sum(-1), (dv * dv).sum(-1)
    det = np.maximum(e * g - f * f, 1e-9)
    gu, gv = (g * hu - f * hv) / det, (e * hv - f * hu) / det
    out = -(gu[..., None] * du + gv[..., None] * dv)
    size = np.sqrt((out * out).sum(-1, keepdims=True))
    return out * np.minimum(1, 0.9 / np.maximum(size, 1e-6))
