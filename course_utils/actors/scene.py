"""Where an actor is filmed: the room, its light, and the camera (lesson 02 asks what light betrays).

World frame: centimeters, origin midway between the ears of a head at rest, x to the viewer's right,
y up, z towards the camera. Light adds up linearly: a matt surface of albedo ``a`` and normal ``n``
sends ``a * (ambient(n) + sum(light.color * max(dot(n, light.direction), 0)))`` to the camera, and
:func:`develop` turns such radiance into sRGB pixels. A fully lit, frontal surface receives about 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Light:
    """A distant lamp or window: unit ``direction`` towards it, linear RGB ``color`` times power."""

    name: str  # "key", "fill" or "rim"
    direction: tuple[float, float, float]
    color: tuple[float, float, float]
    softness: float  # 0 a bare bulb .. 1 a wide window: how far light wraps, how soft shadows are


@dataclass(frozen=True)
class Camera:
    """A pinhole looking from ``position`` at ``aim`` (world frame, cm).

    The shorter side of the frame spans ``field`` cm at the plane z = 0.
    """

    position: tuple[float, float, float]
    aim: tuple[float, float, float]
    field: float
    exposure: float  # multiplies radiance before the tone curve
    balance: tuple[float, float, float]  # white-balance gains, linear RGB, mean 1
    softness: float  # lens blur in pixels of a 360-pixel frame
    noise: float  # 0.5 a good sensor in daylight .. 2 a cheap one in the evening
    vignette: float  # light lost in the corners, 0..0.35
    contrast: float  # 0.9 flat .. 1.15 contrasty
    blur: float  # depth of field: diameter of background blur, share of the shorter side


@dataclass(frozen=True)
class Scene:
    """A room with its light and camera. ``sky`` and ``ground`` are soft light from above, below."""

    seed: int
    room: str
    lights: tuple[Light, ...]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    camera: Camera

    def ambient(self, normals: np.ndarray) -> np.ndarray:
        """Soft light (..., 3) that reaches surfaces with these unit ``normals`` (..., 3)."""
        up = 0.5 + 0.5 * normals[..., 1:2]
        return np.asarray(self.ground) * (1 - up) + np.asarray(self.sky) * up


def develop(radiance: np.ndarray, scene: Scene) -> np.ndarray:
    """Radiance (H, W, 3), linear -> sRGB uint8, with the scene's exposure and white balance."""
    camera = scene.camera
    x = np.maximum(radiance * (camera.exposure * np.asarray(camera.balance)), 0)
    knee = 0.55  # straight below, a soft shoulder above: highlights never clip hard
    over = np.maximum(x - knee, 0)
    x = np.minimum(x, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    return np.round(255 * encode(x)).astype(np.uint8)


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear 0..1 -> sRGB 0..1."""
    x = np.clip(linear, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-6) ** (1 / 2.4) - 0.055)


def decode(srgb: np.ndarray) -> np.ndarray:
    """SRGB 0..1 -> linear 0..1."""
    x = np.asarray(srgb)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def expose_for(scene: Scene, skin: np.ndarray) -> Scene:
    """The scene as its camera exposes for a face of mean linear albedo ``skin`` (3,).

    Cameras meter on the face: dark skin gets more light, bright skin less, each by a part of the
    difference, so that every tone keeps its depth and stays well visible.
    """
    gain = float(np.clip((0.30 / max(float(np.mean(skin)), 0.02)) ** 0.45, 0.8, 1.9))
    return replace(scene, camera=replace(scene.camera, exposure=scene.camera.exposure * gain))
