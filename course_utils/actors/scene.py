"""Where an actor is filmed: room, light and camera (lesson 02 asks what light betrays).

World frame: centimeters, origin midway between the ears of a head at rest, x to the viewer's right,
y up, z towards the camera. Light adds up linearly: a matt surface of albedo ``a`` and normal ``n``
sends ``a * (ambient(n) + sum(light.color * max(dot(n, light.direction), 0)))`` to the camera, and
:func:`develop` turns such radiance into sRGB pixels. A fully lit, frontal surface receives about 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from .rooms import DAYLIGHT, OUTDOORS, ROOMS, TUNGSTEN, Mood, paint


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
    room: str  # a name of rooms.ROOMS
    mood: Mood
    lights: tuple[Light, ...]  # key, fill, rim
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
    """The scene as lit and exposed for a face of mean linear albedo ``skin`` (3,).

    Photographers meter on the face: dark skin gets more light, bright skin less, each by a part of
    the difference, so that every tone keeps its depth and stays well visible. Half of it is
    exposure, which brightens the room too, and half is light on the person.
    """
    gain = float(np.clip((0.30 / max(float(np.mean(skin)), 0.02)) ** 0.42, 0.8, 1.75)) ** 0.5

    return replace(
        scene,
        lights=tuple(
            replace(lamp, color=_rgb(gain * np.array(lamp.color))) for lamp in scene.lights
        ),
        sky=_rgb(gain * np.array(scene.sky)),
        ground=_rgb(gain * np.array(scene.ground)),
        camera=replace(scene.camera, exposure=scene.camera.exposure * gain),
    )


def make_scene(seed: int, room: str | None = None) -> Scene:
    """Draw a room (or take the one named), its light and a camera.

    Rooms take turns, so that neighboring seeds see different ones. The key light comes from the
    side on which the room has its window or lamp, and has its color.
    """
    names = list(ROOMS)
    if room is not None and room not in ROOMS:
        raise ValueError(f"no room {room!r}: use one of {', '.join(names)}")
    rng = np.random.default_rng([seed, 41])
    room = room or names[seed % len(names)]
    day = bool(rng.random() < 0.62) and room != "evening window"
    side = int(rng.choice([-1, 1]))
    outdoors = room in OUTDOORS
    level = rng.uniform(0.10, 0.24) if day else rng.uniform(0.045, 0.11)
    mood = Mood(day, side, rng.uniform(-24, 24), level * (1.2 if outdoors and day else 1.0))

    distance = rng.uniform(68, 125)
    position = (rng.uniform(-0.10, 0.10) * distance, rng.uniform(-0.06, 0.15) * distance, distance)
    field = rng.uniform(31, 37)
    crown = 15 + rng.uniform(-0.8, 0.8)  # the frame ends here, over the hair
    camera = Camera(
        position=position,
        aim=(rng.uniform(-2.0, 2.0), crown - field / 2, 0.0),
        field=field,
        exposure=rng.uniform(0.92, 1.12),
        balance=_mean_one(np.exp(rng.normal(0, 0.02, 3))),
        softness=rng.uniform(0.3, 0.65),
        noise=rng.uniform(0.15, 0.45) if day else rng.uniform(0.3, 0.7),
        vignette=rng.uniform(0.03, 0.2),
        contrast=rng.uniform(1.0, 1.18),
        blur=rng.uniform(0.028, 0.06),
    )
    return _light(Scene(seed, room, mood, (), (0, 0, 0), (0, 0, 0), camera), rng)


def _light(scene: Scene, rng: np.random.Generator) -> Scene:
    """Key, fill and rim light that fit the room and flatter a face."""
    day, side, outdoors = scene.mood.day, scene.mood.side, scene.room in OUTDOORS
    tint = np.array(DAYLIGHT if day and not outdoors else TUNGSTEN)
    if outdoors and day:
        tint = np.array([1.05, 1.0, 0.92])
    seen = rng.uniform(0.25, 0.55)  # what white balance leaves of the lamp's color
    key_color = 1 + seen * (tint / tint.mean() - 1)
    style = rng.choice(["soft", "portrait", "side", "front"], p=[0.35, 0.3, 0.2, 0.15])
    azimuth = {"soft": (25, 50), "portrait": (35, 58), "side": (55, 75), "front": (5, 25)}[style]
    ratio = {
        "soft": (0.40, 0.60),
        "portrait": (0.22, 0.4),
        "side": (0.16, 0.30),
        "front": (0.3, 0.5),
    }
    height = rng.uniform(18, 46)
    key = Light(
        "key",
        _towards(side * rng.uniform(*azimuth), height),
        _rgb(key_color),
        rng.uniform(0.45, 0.95) if style == "soft" or day else rng.uniform(0.25, 0.7),
    )
    cool = 1 - 0.5 * (key_color - 1)  # shadows are lit by what the key is not
    fill_power = rng.uniform(*ratio[style])
    fill = Light(
        "fill", _towards(-side * rng.uniform(25, 65), rng.uniform(-5, 25)),
        _rgb(cool * fill_power), 1.0,
    )  # fmt: skip
    rim_tint = np.array(TUNGSTEN if rng.random() < 0.5 else DAYLIGHT)
    rim_power = rng.uniform(0.15, 0.9) if rng.random() < 0.75 else 0.0
    rim = Light(
        "rim", _towards(-side * rng.uniform(118, 155), rng.uniform(15, 50)),
        _rgb(rim_power * (1 + 0.45 * (rim_tint / rim_tint.mean() - 1))), 0.4,
    )  # fmt: skip
    soft = rng.uniform(0.24, 0.38) if day else rng.uniform(0.16, 0.28)
    sky = soft * (1 + 0.35 * (cool - 1)) * (np.array([0.90, 1.0, 1.12]) if outdoors else 1.0)
    bounce = np.array([0.9, 1.0, 0.75]) if scene.room == "park" else np.array([1.08, 1.0, 0.9])
    ground = soft * rng.uniform(0.35, 0.7) * bounce

    # a frontal surface receives about 1 in luminance, somewhat less where light is from the side
    front = 0.5 * (sky + ground)
    for lamp in (key, fill):
        front = front + np.array(lamp.color) * max(lamp.direction[2], 0)
    gain = rng.uniform(1.0, 1.2) / float(front @ [0.2126, 0.7152, 0.0722])
    lights = tuple(
        replace(lamp, color=_rgb(gain * np.array(lamp.color))) for lamp in (key, fill, rim)
    )
    return replace(
        scene,
        lights=lights,
        sky=_rgb(gain * sky),
        ground=_rgb(gain * ground),
    )


def _towards(azimuth: float, elevation: float) -> tuple[float, float, float]:
    a, e = np.radians(azimuth), np.radians(elevation)
    return float(np.sin(a) * np.cos(e)), float(np.sin(e)), float(np.cos(a) * np.cos(e))


def _mean_one(gains: np.ndarray) -> tuple[float, float, float]:
    return _rgb(gains / gains.mean())


def _rgb(color: np.ndarray) -> tuple[float, float, float]:
    r, g, b = color
    return float(r), float(g), float(b)


_MARGIN = 0.06  # of each side, painted beyond the frame for a camera that shakes


@lru_cache(maxsize=4)
def _plate(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    """The room's radiance with a margin; ``scene`` without lights and exposure of the person."""
    grown = (size[0] + 2 * _pad(size), size[1] + 2 * _pad(size))
    camera = scene.camera
    field = camera.field * min(grown) / min(size)
    blur = camera.blur * min(size) / min(grown)
    return paint(
        scene.room, scene.seed, scene.mood, camera.position, camera.aim, field, blur, grown
    )


@lru_cache(maxsize=4)
def _developed(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    plain = replace(
        scene, lights=(), sky=(0, 0, 0), ground=(0, 0, 0),
        camera=replace(scene.camera, exposure=1.0, balance=(1.0, 1.0, 1.0)),
    )  # fmt: skip
    return develop(_plate(plain, size), scene).astype(np.float32)


def _pad(size: tuple[int, int]) -> int:
    return int(np.ceil(_MARGIN * min(size)))


def backdrop(
    scene: Scene, size: tuple[int, int], shake: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> np.ndarray:
    """The blurred room (H, W, 3), sRGB uint8, for a frame of ``size`` (width, height).

    ``shake``: how far the camera's aim has wandered right and up (shares of the shorter side) and
    its roll in degrees, as the columns ``camera_x / field``, ``camera_y / field``, ``camera_roll``
    of a performance table say.
    """
    plate = _developed(scene, tuple(size))
    w, h = size
    pad, short = _pad(size), min(size)
    move = cv2.getRotationMatrix2D((pad + w / 2 - 0.5, pad + h / 2 - 0.5), -shake[2], 1.0)
    move[0, 2] += -shake[0] * short - pad
    move[1, 2] += shake[1] * short - pad
    moved = cv2.warpAffine(
        plate, move, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.round(moved).astype(np.uint8)


def film(frame: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """What the camera makes of a frame (H, W, 3) uint8: the last step for REAL and FAKE alike.

    A little lens blur, darker corners, shot and read noise (Poisson-Gaussian after Foi et al., IEEE
    TIP 17, 2008) that the camera's own smoothing has spread, and a tone curve.
    """
    camera = scene.camera
    h, w = frame.shape[:2]
    light = np.asarray(cv2.LUT(frame, _DECODE), np.float32)
    sigma = camera.softness * max(min(h, w) / 360, 0.6)
    light = cv2.GaussianBlur(light, (0, 0), sigma)
    light *= cv2.merge([1 - camera.vignette * _radius2(h, w)] * 3)
    shot, read = 0.00014 * camera.noise, 0.0015 * camera.noise
    noise = rng.standard_normal((h, w, 3), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.55) * 1.6
    noise += cv2.merge([0.5 * (noise[..., 0] + noise[..., 1] + noise[..., 2]) / 3] * 3)
    light += noise * np.sqrt(shot * light + read * read)
    tone = encode(light)
    tone = tone + 2 * (camera.contrast - 1) * tone * (1 - tone) * (2 * tone - 1)
    return np.round(255 * np.clip(tone, 0, 1)).astype(np.uint8)


@lru_cache(maxsize=4)
def _radius2(h: int, w: int) -> np.ndarray:
    """Squared distance of each pixel from the middle; 1 in the corners."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    return ((x - w / 2) ** 2 + (y - h / 2) ** 2) / (0.25 * (w * w + h * h))


_DECODE = decode(np.arange(256) / 255).astype(np.float32)
