"""From an actor, a row of a performance and a scene to a picture (lesson 01 shows the steps).

1. The head's surface is deformed (:meth:`head.Head.deform`) and posed (:class:`Pose`).
2. Every mesh is rasterized once, at twice the size, into *coordinates*: each pixel learns which
   mesh it sees and where on it (:class:`Frame`: ``part``, ``coords``, ``depth``).
3. Each mesh's ``shade`` says, for its pixels, what is there: color, normal, gloss (:class:`Look`).
4. One lighting pass lights them all: shadow map of the key light, ambient occlusion from depth,
   wrapped diffuse light with a reddish fall-off on skin, two specular lobes.
5. Strands and lenses are drawn over it (``hair.draw``, ``wear.draw``), against the same depth.
6. The frame is averaged down, joined with the backdrop, and developed.

To add something: give ``meshes(frame) -> list[Mesh]`` and/or ``draw(frame) -> None`` in ``hair`` or
``wear``. Points are centimeters; *head frame* points go through ``frame.pose.apply``; *world*
points through ``frame.view.project``, which gives supersampled pixels and depth.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from . import head as hd
from . import parts, skin
from . import scene as stage
from .head import value
from .identity import Actor
from .scene import Scene, develop, expose_for

SUPER = 2  # samples along each side of a pixel
NEAR, FAR = 10.0, 1000.0  # cm from the camera's plane between which things are drawn


@dataclass
class View:
    """A pinhole camera: world (cm) -> supersampled pixels."""

    position: np.ndarray
    axes: np.ndarray  # (3, 3), rows: right, up, towards the camera
    focal: float  # pixels
    size: tuple[int, int]  # width, height in supersampled pixels

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) -> (..., 3): x, y in pixels (centers at +0.5), depth in cm."""
        points = np.asarray(points)
        kind = points.dtype if points.dtype == np.float32 else float
        p = (points - self.position.astype(kind)) @ self.axes.T.astype(kind)
        depth = np.maximum(-p[..., 2], 1e-3)
        x = self.size[0] / 2 + self.focal * p[..., 0] / depth
        y = self.size[1] / 2 - self.focal * p[..., 1] / depth
        return np.stack([x, y, depth], -1)

    def matrix(self) -> np.ndarray:
        m = np.eye(4)
        m[:3, :3] = self.axes
        m[:3, 3] = -self.axes @ self.position
        return m

    @property
    def position_distance(self) -> float:
        """From the camera to the world's origin, cm."""
        return float(np.linalg.norm(self.position))

    @property
    def fov(self) -> float:
        return 2 * float(np.arctan(self.size[1] / 2 / self.focal))


@dataclass
class Pose:
    """How the head stands in the world: turned about the middle between the ears, then shifted."""

    rotation: np.ndarray  # (3, 3)
    shift: np.ndarray  # (3,)

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Head frame -> world, for points (..., 3) fixed to the skull."""
        return points @ self.rotation.T.astype(points.dtype) + self.shift.astype(points.dtype)

    def turn(self, vectors: np.ndarray) -> np.ndarray:
        """Directions of the head frame in the world."""
        return vectors @ self.rotation.T.astype(vectors.dtype)

    def local(self, world: np.ndarray) -> np.ndarray:
        """World -> head frame, for points fixed to the skull."""
        return (world - self.shift) @ self.rotation


def make_pose(row) -> Pose:
    """The pose of a performance row: yaw > 0 turns to the viewer's right, pitch > 0 looks up,
    roll > 0 tips the crown to the viewer's right.
    """
    yaw, pitch, roll = (np.radians(value(row, k)) for k in ("yaw", "pitch", "roll"))
    cy, sy, cp, sp, cr, sr = (np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch),
                              np.cos(roll), np.sin(roll))  # fmt: skip
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    shift = np.array([value(row, "x"), value(row, "y"), value(row, "depth")])
    return Pose(tilt @ turn @ nod, shift)


@dataclass
class Look:
    """What is seen at N pixels of a mesh. Skin scatters light; cloth and teeth do less."""

    albedo: np.ndarray  # (N, 3) linear
    normal: np.ndarray  # (N, 3) world, with fine relief
    smooth: np.ndarray | None = None  # (N, 3) without it
    gloss: np.ndarray | float = 0.5  # strength of the specular lobe, 1 is skin-like
    rough: np.ndarray | float = 0.45
    scatter: np.ndarray | float = 0.0  # 0 stone .. 1 skin
    cavity: np.ndarray | float = 1.0  # 0 no light gets in .. 1 open
    wet: np.ndarray | float = 0.0  # 1: mirrors the lamps even in soft shadow, as eyes do


@dataclass
class Mesh:
    """A piece of the picture; ``shade(frame, coords (N, 2), world (N, 3))`` says how it looks."""

    name: str
    vertices: np.ndarray  # (V, 3) world
    triangles: np.ndarray  # (T, 3)
    coords: np.ndarray  # (V, 2) whatever ``shade`` wants interpolated
    shade: Callable[[Frame, np.ndarray, np.ndarray], Look]
    shadow: bool = True


class Frame:
    """All that drawing one frame needs; buffers are (H, W[, 3]) float32 at supersampled size."""

    actor: Actor
    head: hd.Head
    surface: hd.Surface  # expression applied, head frame
    world: np.ndarray  # (R, C, 3) posed surface points; the neck bends
    normals: np.ndarray  # (R, C, 3) posed normals
    pose: Pose
    view: View
    scene: Scene
    row: object
    meshes: list[Mesh]
    part: np.ndarray  # int: index into ``meshes``, -1 where empty
    coords: np.ndarray  # (H, W, 2)
    depth: np.ndarray  # cm from the camera's plane; FAR where empty
    radiance: np.ndarray  # linear light
    alpha: np.ndarray  # 1 where something is

    def key_shadow(self, world: np.ndarray) -> np.ndarray:
        """Share (N,) of the key light that reaches world points (N, 3)."""
        return self.shadow.lookup(world)

    def light(self, world: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Light (N, 3) on matt surfaces at these points: ambient and shadowed lamps."""
        out = self.scene.ambient(normals)
        for k, lamp in enumerate(self.scene.lights):
            facing = np.maximum(normals @ np.asarray(lamp.direction), 0)
            if k == 0:
                facing = facing * self.key_shadow(world)
            out = out + facing[:, None] * np.asarray(lamp.color)
        return out

    shadow: ShadowMap


@dataclass
class Rendered:
    """A frame and what is known about it, at the frame's own size."""

    rgb: np.ndarray  # (H, W, 3) uint8
    alpha: np.ndarray  # (H, W) float32: 1 on the actor, 0 on the backdrop
    frame: Frame

    @cached_property
    def points(self) -> np.ndarray:
        """Landmarks (68, 2) float32 in iBUG order, pixel centers at whole numbers."""
        return landmarks(self.frame)

    @cached_property
    def mask(self) -> np.ndarray:
        """(H, W) uint8: 255 on face skin (forehead to chin, with eyes and mouth)."""
        return face_mask(self.frame, self.rgb.shape[1::-1])


def _settings(shading: int) -> cv2.TriangleRasterizeSettings:
    s = cv2.TriangleRasterizeSettings()
    s.setShadingType(shading)
    s.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    return s


def surfaces() -> cv2.TriangleRasterizeSettings:
    """For shaded triangles and depth from :func:`to_buffer`, which OpenCV else converts twice."""
    s = _settings(cv2.RASTERIZE_SHADING_SHADED)
    s.setGlCompatibleMode(cv2.RASTERIZE_COMPAT_INVDEPTH)
    return s


def to_buffer(depth: np.ndarray) -> np.ndarray:
    """Depth in cm as ``cv2.triangleRasterize`` keeps it: 0 at NEAR .. 1 at FAR, float32."""
    span = FAR - NEAR
    return np.float32(FAR / span) + np.float32(-NEAR * FAR / span) / depth


def from_buffer(near: np.ndarray) -> np.ndarray:
    """The way back, rounded as OpenCV rounds it: cm, float32."""
    return np.float32(1) / ((1 - near) * np.float32(1 / NEAR) + near * np.float32(1 / FAR))


class ShadowMap:
    """Depth as the key light sees it, and soft lookups in it."""

    SIZE = 320

    def __init__(self, light, vertices: np.ndarray, triangles: np.ndarray):
        direction = np.asarray(light.direction, float)
        center = np.array([0.0, -2.0, 0.0])
        up = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.95 else np.array([0.0, 0.0, -1.0])
        right = np.cross(up, direction)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(direction, right), direction])
        self.softness = float(light.softness)
        self.view = View(center + direction * 400, axes, self.SIZE * 400 / 52, (self.SIZE,) * 2)
        depth = np.full((self.SIZE, self.SIZE), FAR, np.float32)
        self.depth = depth
        cv2.triangleRasterizeDepth(
            vertices, triangles, depth, self.view.matrix(), self.view.fov, 300.0, FAR,
            _settings(cv2.RASTERIZE_SHADING_FLAT),
        )  # fmt: skip

    def lookup(self, world: np.ndarray) -> np.ndarray:
        x, y, depth = np.ascontiguousarray(self.view.project(np.asarray(world, np.float32)).T)
        lit = np.zeros(len(world), np.float32)
        m = np.empty((len(world), 2), np.float32)
        radius = 1.8 + 6.0 * self.softness
        taps = 8
        k = np.arange(taps)
        r = radius * np.sqrt((k + 0.5) / taps)
        for dx, dy, rr in zip(r * np.cos(2.4 * k), r * np.sin(2.4 * k), r, strict=True):
            np.add(x, np.float32(dx - 0.5), out=m[:, 0])
            np.add(y, np.float32(dy - 0.5), out=m[:, 1])
            d = hd.sample(self.depth, m)
            d -= depth
            d += np.float32(0.25 + 0.10 * rr)
            d /= 0.25
            d += 1
            lit += np.clip(d, 0, 1, out=d)
        return lit / taps


def make_view(scene: Scene, row, size: tuple[int, int]) -> View:
    """The scene's camera for a picture of ``size``, with the row's hand-held shake."""
    c = scene.camera
    position = np.asarray(c.position, float)
    aim = np.asarray(c.aim, float) + [value(row, "camera_x"), value(row, "camera_y"), 0]
    back = position - aim
    distance = float(np.linalg.norm(back))
    back /= distance
    right = np.cross([0, 1, 0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    roll = np.radians(value(row, "camera_roll"))
    right, up = right * np.cos(roll) + up * np.sin(roll), up * np.cos(roll) - right * np.sin(roll)
    w, h = size[0] * SUPER, size[1] * SUPER
    return View(position, np.stack([right, up, back]), min(w, h) * distance / c.field, (w, h))


def _optional(name: str):
    """A sibling module, or None while it does not exist."""
    try:
        return importlib.import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"{__package__}.{name}":
            return None
        raise


def neck_weight(y: np.ndarray) -> np.ndarray:
    """How much a head-frame height goes along with the head: 1 above the neck, less at its foot."""
    return 0.45 + 0.55 * hd.smoothstep(-17.5, -8.5, y)


def render(actor: Actor, row, scene: Scene, size: tuple[int, int] = (320, 320)) -> Rendered:
    """One frame of ``actor`` under one ``row`` of a performance table, filmed in ``scene``.

    Parameters
    ----------
    row : mapping with the columns of a performance table; missing ones count as 0.
    size : width and height of the frame in pixels.
    """
    frame = rasterize(actor, row, scene, size)
    shade(frame)
    for name in ("hair", "wear"):
        module = _optional(name)
        if module is not None and hasattr(module, "draw"):
            module.draw(frame)
    return finish(frame, size)


def rasterize(actor: Actor, row, scene: Scene, size: tuple[int, int]) -> Frame:
    """Steps 1 and 2: geometry, and the buffers that say what each pixel sees."""
    f = Frame()
    row = dict(row)
    f.actor, f.row = actor, row
    f.scene = expose_for(scene, np.asarray(actor.skin))
    f.head = hd.build(actor)
    f.surface = f.head.deform(row)
    f.pose = make_pose(row)
    f.view = make_view(scene, row, size)
    p = f.surface.points
    weight = neck_weight(p[..., 1:2]).astype(np.float32)
    turned = f.pose.apply(p)
    turned -= p
    turned *= weight
    turned += p
    f.world = turned
    f.normals = f.pose.turn(f.surface.normals).astype(np.float32)
    f.meshes = _head_meshes(f)
    for name in ("body", "hair", "wear"):
        module = _optional(name)
        if module is not None and hasattr(module, "meshes"):
            f.meshes += module.meshes(f)

    w, h = f.view.size
    color = np.zeros((h, w, 3), np.float32)
    near = np.ones((h, w), np.float32)
    ends = np.cumsum([len(mesh.vertices) for mesh in f.meshes])
    v, coords = np.empty((2, ends[-1], 3), np.float32)
    triangles = []
    for k, (mesh, end) in enumerate(zip(f.meshes, ends, strict=True)):
        own = slice(end - len(mesh.vertices), end)
        v[own], coords[own, :2], coords[own, 2] = mesh.vertices, mesh.coords, k + 1
        triangles.append(mesh.triangles + np.int32(own.start))
    cv2.triangleRasterize(  # draws into color and near
        v, np.concatenate(triangles), coords, color, near, f.view.matrix(), f.view.fov,
        NEAR, FAR, surfaces(),
    )  # fmt: skip
    *coords, part = cv2.split(color)
    f.part = np.rint(part).astype(np.int32) - 1
    f.coords, f.depth = cv2.merge(coords), from_buffer(near)
    f.alpha = (f.part >= 0).astype(np.float32)
    caster = np.concatenate([t for t, m in zip(triangles, f.meshes, strict=True) if m.shadow])
    f.shadow = ShadowMap(scene.lights[0], v, caster)
    return f


def occlusion(depth: np.ndarray, scale: float) -> np.ndarray:
    """Ambient occlusion (H, W) from depth: dark where opposite neighbors both stand nearer.

    ``scale``: pixels per cm.
    """
    small = cv2.resize(depth, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST)
    total = np.zeros_like(small)
    for radius, strength in ((0.45, 0.55), (1.3, 0.75), (3.2, 0.7)):
        pixels = max(1, round(radius * scale / 2))
        padded = cv2.copyMakeBorder(small, pixels, pixels, pixels, pixels, cv2.BORDER_REPLICATE)
        h, w = small.shape
        acc = np.zeros_like(small)
        directions = 4
        for k in range(directions):
            angle = np.pi * k / directions + radius
            dx, dy = round(pixels * np.cos(angle)), round(pixels * np.sin(angle))
            a = padded[pixels + dy : pixels + dy + h, pixels + dx : pixels + dx + w]
            b = padded[pixels - dy : pixels - dy + h, pixels - dx : pixels - dx + w]
            behind = np.zeros_like(small)
            for near in (a, b):
                deeper = small - near
                deeper /= radius
                behind += np.clip(deeper, -1, 1.2, out=deeper)
            behind *= 0.5
            behind -= 0.06
            acc += np.clip(behind, 0, 1, out=behind)
        total = total + np.float32(strength / directions) * acc
    total = cv2.GaussianBlur(total, (0, 0), max(0.6, 0.10 * scale))
    ao = np.exp(-1.5 * total)
    return cv2.resize(ao, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _samples(f: Frame) -> tuple[np.ndarray, ...]:
    """Where to shade: once a pixel inside smooth surfaces, once a sample elsewhere.

    Gives ``coarse``, a mask (H/2, W/2) of pixels whose four samples see one smooth surface, and for
    all points to shade (those pixels first, then single samples) x and y in samples, depth, part,
    coordinates; last the flat indices of the single samples.
    """
    h, w = f.depth.shape
    quad, deep = (
        [np.ascontiguousarray(values[i::2, j::2]) for i in (0, 1) for j in (0, 1)]
        for values in (f.part, f.depth)
    )
    first = quad[0]
    same = (quad[1] == first) & (quad[2] == first) & (quad[3] == first)
    step = 0.008 * f.view.position_distance
    apart = np.maximum.reduce([np.abs(other - deep[0]) for other in deep[1:]])
    flat = apart < max(0.25, step * 600 / f.view.focal)
    fine_parts = np.array([m.name in ("eye", "mouth") for m in f.meshes] + [False])
    coarse = same & flat & (first >= 0) & ~fine_parts[first]
    single = f.part >= 0
    single &= cv2.resize((~coarse).view(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
    index = np.flatnonzero(single.ravel())
    cy, cx = np.nonzero(coarse)
    half = (w // 2, h // 2)
    depth = np.concatenate([cv2.resize(f.depth, half, interpolation=cv2.INTER_AREA)[coarse],
                            f.depth.ravel()[index]])  # fmt: skip
    coords = np.concatenate([cv2.resize(f.coords, half, interpolation=cv2.INTER_AREA)[coarse],
                             f.coords.reshape(-1, 2)[index]])  # fmt: skip
    part = np.concatenate([first[coarse], f.part.ravel()[index]])
    x = np.concatenate([2 * cx + 1.0, index % w + 0.5]).astype(np.float32)
    y = np.concatenate([2 * cy + 1.0, index // w + 0.5]).astype(np.float32)
    return coarse, x, y, depth, part, coords, index


def shade(f: Frame) -> None:
    """Steps 3 and 4: what each pixel shows, and the light on it."""
    h, w = f.depth.shape
    coarse, x, y, depth, part, coords, index = _samples(f)
    n = len(x)
    if not n:
        f.radiance = np.zeros((h, w, 3), np.float32)
        return
    world = _unproject(f, x, y, depth)
    albedo, normal, smooth = (np.zeros((n, 3), np.float32) for _ in range(3))
    gloss, rough, scatter, cavity, wet = (np.zeros(n, np.float32) for _ in range(5))
    for k, mesh in enumerate(f.meshes):
        own = np.flatnonzero(part == k)
        if not len(own):
            continue
        look = mesh.shade(f, coords[own], world[own])
        albedo[own], normal[own] = look.albedo, look.normal
        smooth[own] = look.normal if look.smooth is None else look.smooth
        gloss[own], rough[own] = look.gloss, look.rough
        scatter[own], cavity[own], wet[own] = look.scatter, look.cavity, look.wet
    eye = _unit(f.view.position.astype(np.float32) - world)
    ao = occlusion(f.depth, f.view.focal / f.view.position_distance)
    at = (np.minimum(y, h - 1).astype(np.intp), np.minimum(x, w - 1).astype(np.intp))
    shadow = f.shadow.lookup(world)
    light = illuminate(
        f.scene, albedo, normal, smooth, gloss, rough, scatter, ao[at] * cavity, shadow, eye, wet
    )
    many = n - len(index)
    small = np.zeros((h // 2, w // 2, 3), np.float32)
    small[coarse] = light[:many]
    f.radiance = np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST))
    f.radiance.reshape(-1, 3)[index] = light[many:]


def illuminate(
    scene, albedo, normal, smooth, gloss, rough, scatter, ao, shadow, eye, wet
) -> np.ndarray:
    """Light (N, 3) that surfaces send to the camera.

    Skin scatters: red light travels farthest under it, so red uses the smoothest normals, wraps
    farthest round the terminator and bleeds into shadows.
    """
    wrap, mix, bleed = (0.40, 0.16, 0.10), (0.75, 0.40, 0.22), (0.45, 0.12, 0.0)
    through = (0.17, 0.05, 0.03)  # what seeps through flesh into full shadow
    bounce = (0.55, 0.25, 0.20)  # light bounces in hollows: bright skin shades itself less, redder
    # Channel by channel: numpy is slow over a last axis of three.
    n, e = np.ascontiguousarray(normal.T), np.ascontiguousarray(eye.T)
    facing = np.clip(hd.dot(normal, eye), 0.02, 1)
    f0 = np.float32(0.032)
    log_ao = np.log(np.clip(ao, 1e-3, 1))
    log_shadow = np.log(np.clip(shadow, 1e-3, 1))
    open_ = [np.exp(log_ao * (1 - bounce[c] * scatter * np.sqrt(albedo[:, c]))) for c in range(3)]
    diffuse = [ambient * o for ambient, o in zip(_ambient(scene, n[1]), open_, strict=True)]
    half_open = [0.5 + 0.5 * o for o in open_]
    grazing = f0 + (np.maximum(1 - rough, f0) - f0) * (1 - facing) ** 5
    grazing *= gloss
    grazing *= ao
    spec = [grazing * ambient for ambient in _ambient(scene, 2 * facing * n[1] - e[1])]
    for k, lamp in enumerate(scene.lights):
        if not any(lamp.color):
            continue
        direction = np.asarray(lamp.direction, np.float32)
        color = np.asarray(lamp.color, np.float32)
        sharp, round_ = normal @ direction, smooth @ direction
        for c in range(3):
            w = wrap[c] * scatter + np.float32(0.12 * lamp.softness)
            lit = np.clip((sharp + scatter * mix[c] * (round_ - sharp) + w) / (1 + w), 0, 1)
            if k == 0:
                s = np.exp(log_shadow * (1 - bleed[c] * scatter))
                lit = lit * (s + (1 - s) * through[c] * scatter)
            diffuse[c] += lit * color[c] * half_open[c]
        visible = shadow * np.clip(1.7 * ao, 0, 1) if k == 0 else ao
        visible = np.maximum(visible, wet)
        near = np.flatnonzero((sharp > 0) & (gloss > 0))
        toward = [e[c][near] for c in range(3)]
        half = [toward[c] + direction[c] for c in range(3)]
        length = np.sqrt(np.maximum(sum(h * h for h in half), 1e-12))
        half = [h / length for h in half]
        nh = sum(half[c] * n[c][near] for c in range(3))
        nl, ve, r0 = sharp[near], facing[near], rough[near]
        eh = sum(toward[c] * half[c] for c in range(3))
        fresnel = f0 + (1 - f0) * (1 - np.clip(eh, 0, 1)) ** 5
        wide = r0 + np.float32(0.25 * lamp.softness) * (1 - r0)
        total = np.zeros(len(near), np.float32)
        for r, share in ((wide, 0.65), (0.55 * wide, 0.35)):
            a2 = np.maximum(r * r, 0.003) ** 2
            d = a2 / (nh * nh * (a2 - 1) + 1) ** 2
            total += share * d * 0.25 / (0.25 + 0.75 * np.maximum(nl, 0.05) * ve + 0.2 * r)
        shine = gloss[near] * fresnel * total * nl * visible[near]
        for c in range(3):
            spec[c][near] += shine * color[c]
    return np.stack([albedo[:, c] * diffuse[c] + spec[c] for c in range(3)], -1)


def _ambient(scene: Scene, level: np.ndarray) -> list[np.ndarray]:
    """What :meth:`Scene.ambient` gives for normals of this y, as three arrays (N,) float32."""
    up = 0.5 + 0.5 * level
    pairs = zip(np.asarray(scene.ground), np.asarray(scene.sky), strict=True)
    return [(ground * (1 - up) + sky * up).astype(np.float32) for ground, sky in pairs]


def _unproject(f: Frame, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """World points (N, 3) seen at x, y (in samples) at these depths."""
    h, w = f.depth.shape
    px = (x - w / 2) * depth / np.float32(f.view.focal)
    py = (h / 2 - y) * depth / np.float32(f.view.focal)
    camera = np.stack([px, py, -depth], -1).astype(np.float32)
    return camera @ f.view.axes.astype(np.float32) + f.view.position.astype(np.float32)


def finish(f: Frame, size: tuple[int, int]) -> Rendered:
    """Step 6: down to the frame's size, over the backdrop."""
    w, h = size
    weight = cv2.resize(f.alpha, size, interpolation=cv2.INTER_AREA)
    covered = f.radiance * cv2.merge([f.alpha] * 3)
    light = cv2.resize(covered, size, interpolation=cv2.INTER_AREA)
    light /= cv2.merge([np.maximum(weight, 1e-4)] * 3)
    c = f.scene.camera
    shake = (value(f.row, "camera_x") / c.field, value(f.row, "camera_y") / c.field,
             value(f.row, "camera_roll"))  # fmt: skip
    behind = stage.backdrop(f.scene, size, shake)
    front = np.zeros((h, w, 3), np.uint8)
    shown = weight > 0
    front[shown] = develop(light[shown], f.scene)
    a = cv2.merge([weight] * 3)
    rgb = np.clip(np.rint(front * a + behind * (1 - a)), 0, 255).astype(np.uint8)
    return Rendered(rgb, weight, f)


def face_mask(f: Frame, size: tuple[int, int]) -> np.ndarray:
    """255 on the skin of the face (and eyes and mouth within it), where nothing hides it."""
    own = np.isin(f.part, [k for k, m in enumerate(f.meshes) if m.name in ("eye", "mouth")])
    on_head = f.part == 0
    area = cv2.remap(  # type: ignore[call-overload]
        _face_area(f.actor), f.coords, None, cv2.INTER_LINEAR
    )
    inside = (on_head & (area > 0.5)) | own
    inside = inside * np.clip(f.alpha, 0, 1) * getattr(f, "bare", 1.0)
    return np.rint(255 * cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_AREA)
                   ).astype(np.uint8)  # fmt: skip


@lru_cache(maxsize=8)
def _face_area(actor: Actor) -> np.ndarray:
    h = hd.build(actor)
    deg = np.degrees(np.abs(hd.AZIMUTH))[None, :]
    rows = np.arange(hd.ROWS)[:, None]
    return ((1 - h.scalp) * (deg < 82) * (rows < hd.JAW_ROW + 3)).astype(np.float32)


def landmarks(f: Frame) -> np.ndarray:
    """The 68 landmarks (68, 2) float32, pixel centers at whole numbers."""
    outline, inner = _landmark_uv(f.actor)
    points = f.view.project(hd.sample(f.world, inner.reshape(-1, 2))).reshape(-1, 3)[:, :2]
    # The outline slides: on each level the point that stands out farthest on that side.
    level = f.view.project(hd.sample(f.world, outline.reshape(-1, 2))).reshape(17, -1, 3)
    chosen = np.empty((17, 2))
    axis = f.pose.rotation[:, 0] @ f.view.axes.T[:, :2]
    axis = axis / max(np.linalg.norm(axis), 1e-6) * [1, -1]
    for k in range(17):
        out = level[k, :, :2] @ axis * np.sign(k - 8 + 1e-9)
        chosen[k] = level[k, int(np.argmax(out)), :2] if k != 8 else level[k, 0, :2]
    everything = np.concatenate([chosen, points]) / SUPER - 0.5
    return everything.astype(np.float32)


@lru_cache(maxsize=8)
def _landmark_uv(actor: Actor) -> tuple[np.ndarray, np.ndarray]:
    """Where on the grid: the outline's candidates (17, 30, 2) and of points 18-68 (51, 2)."""
    h = hd.build(actor)
    az = np.degrees(hd.AZIMUTH)

    def column(deg: float) -> float:
        return float(np.interp(deg, az, np.arange(hd.COLUMNS)))

    # Outline: from ear to chin, each on its own level, at most as far back as the jaw's edge.
    names = np.arange(9)
    back = np.interp(names, [0, 2, 4, 6, 8], [82, 80, 68, 36, 0])
    heights = np.interp(
        names, [0, 1, 2, 3, 4, 5, 6, 7, 8], [0.4, -1.6, -3.6, -5.4, -7.3, -8.9, -10.0, -10.7, -11.0]
    )
    outline = np.empty((17, 30, 2), np.float32)
    for k in range(9):
        degs = np.linspace(back[k], max(0.0, back[k] - 38), 30)
        for side, slot in ((-1, k), (1, 16 - k)):
            for i, deg in enumerate(degs):
                c = column(side * deg)
                col = h.rest[: hd.JAW_ROW + 3, int(round(c)), 1]
                r = np.interp(-heights[k], -col, np.arange(len(col)))
                outline[slot, i] = (c, r)
    q = h.mouth["half"]
    e = h.lids

    def at(x: float, y: float) -> tuple[float, float]:
        r = float(np.interp(-y, -hd.ROW_Y, np.arange(len(hd.ROW_Y))))
        line = h.flat[int(round(r)), 40:-40, 0]
        return float(np.interp(x, line, np.arange(40, hd.COLUMNS - 40))), r

    points: list[tuple[float, float]] = []
    brow = h.brow
    for side in (-1, 1):
        us = np.array([1.0, 0.76, 0.5, 0.26, 0.03])
        xs = [(e["x"] - 1.75) + 3.6 * u for u in us]
        found = []
        for x in xs:
            c = at(side * x, 3.0)[0]
            strip = brow[: len(hd.ROW_Y), int(round(c))]
            if strip.sum() > 0.3:
                rows = np.flatnonzero(strip > 0.4 * strip.max())
                r = rows[0] + 0.25 * (rows[-1] - rows[0])
            else:
                r = at(x, 2.75)[1]
            found.append((c, float(r)))
        points += found if side < 0 else found[::-1]
    for y in (1.1, -0.1, -1.3, -2.5):
        points.append(at(0, y))
    for x in (-1.05, -0.55, 0, 0.55, 1.05):
        points.append(at(x * (1 + 0.13 * h.actor["nose_width"]), -3.45 if abs(x) < 1 else -3.35))
    up, low = float(hd.EYE_ROW - 1), float(hd.EYE_ROW + 2)

    def eye(side: int, s: float) -> float:
        x = e["x"] + (s * e["outer"] if s > 0 else s * e["inner"])
        return at(side * x, hd.EYE_Y)[0]

    mid = hd.EYE_ROW + 0.5
    points += [(eye(-1, 1.0), mid), (eye(-1, 0.36), up), (eye(-1, -0.36), up), (eye(-1, -1.0), mid),
               (eye(-1, -0.36), low), (eye(-1, 0.36), low)]  # fmt: skip
    points += [(eye(1, -1.0), mid), (eye(1, -0.36), up), (eye(1, 0.36), up), (eye(1, 1.0), mid),
               (eye(1, 0.36), low), (eye(1, -0.36), low)]  # fmt: skip

    def lip(x: float, q_row: float) -> tuple[float, float]:
        return at(x * q, q_row)

    m = hd.MOUTH_Y
    top, bottom = m + 0.93, m - 0.93
    points += [lip(-0.98, m), lip(-0.55, top), lip(-0.18, top), lip(0, top), lip(0.18, top),
               lip(0.55, top), lip(0.98, m), lip(0.55, bottom), lip(0.2, bottom), lip(0, bottom),
               lip(-0.2, bottom), lip(-0.55, bottom)]  # fmt: skip
    a, b = m + 0.20, m - 0.20
    points += [lip(-0.88, m), lip(-0.4, a), lip(0, a), lip(0.4, a), lip(0.88, m), lip(0.4, b),
               lip(0, b), lip(-0.4, b)]  # fmt: skip
    return outline, np.array(points, np.float32)


# ---- the head's own meshes -------------------------------------------------------------------


def _head_meshes(f: Frame) -> list[Mesh]:
    h = f.head
    uv = h.uv.reshape(-1, 2)
    meshes = [Mesh("head", f.world.reshape(-1, 3), h.triangles, uv, _shade_head)]

    def rigid(name, made, shader, shadow=False):
        p, t, c = made
        meshes.append(Mesh(name, f.pose.apply(p), t, c, shader, shadow))

    ball, triangles, flat = parts.eyeball()
    for side, center in zip((-1, 1), h.eyes, strict=True):
        turn = parts.gaze_rotation(f.row, side)
        rigid("eye", (center + hd.EYE_R * ball @ turn.T, triangles, flat), _eye_shader(side, turn))
        rigid("eye", parts.socket_back(f.actor, side), _shade_canthus)
    if value(f.row, "jaw") > 0.01 or any(
        value(f.row, k) for k in ("smile", "wide", "round", "bite")
    ):
        rigid("mouth", parts.teeth(h, f.row, True), _shade_teeth)
        rigid("mouth", parts.teeth(h, f.row, False), _shade_teeth)
        rigid("mouth", parts.tongue(h, f.row), _shade_tongue)
    for side in (-1, 1):
        grid = _ear(f.actor, side)
        rigid("ear", (grid.reshape(-1, 3), parts.grid_triangles(*grid.shape[:2]),
                      _ear_coords(grid)), _ear_shader(side), True)  # fmt: skip
    return meshes


@lru_cache(maxsize=16)
def _ear(actor: Actor, side: int) -> np.ndarray:
    return parts.ear(hd.build(actor), side)


@lru_cache(maxsize=16)
def _ear_normals(actor: Actor, side: int) -> np.ndarray:
    return (_grid_normal(_ear(actor, side)) * -side).astype(np.float32)


def _ear_coords(grid: np.ndarray) -> np.ndarray:
    c, r = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[0]))
    return np.stack([c, r], -1).reshape(-1, 2)


def _grid_normal(p: np.ndarray) -> np.ndarray:
    down, right = np.gradient(p, axis=0), np.gradient(p, axis=1)
    n = np.cross(down, right)
    return n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-6)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.sqrt(np.maximum(np.einsum("...j,...j->...", v, v), 1e-12))[..., None]


def _shade_head(f: Frame, uv: np.ndarray, world: np.ndarray) -> Look:
    s = skin.paint(f.actor)
    smooth = _unit(hd.sample(f.normals, uv))
    relief = f.pose.turn(s.sample("relief", uv)).astype(np.float32)
    extra, albedo = s.sample("extra", uv), s.sample("albedo", uv)
    # Seen from behind, it is the inside of the mouth.
    inside = hd.dot(f.view.position - world, smooth) < -0.2 * f.view.position_distance
    folds = (np.abs(uv[:, 1] - hd.EYE_ROW) < 10) | (np.abs(uv[:, 1] - hd.MOUTH_ROW) < 12)
    inside &= ~(folds & (np.abs(uv[:, 0] - hd.COLUMNS / 2) < hd.COLUMNS / 3))
    albedo[inside] = (0.10, 0.025, 0.02)
    extra[inside] = (0.0, 0.6, 0.45)
    return Look(albedo, _unit(smooth + relief), smooth, extra[:, 0], extra[:, 1], 1.0, extra[:, 2])


def _ear_shader(side: int):
    def shader(f: Frame, coords: np.ndarray, world: np.ndarray) -> Look:
        grid = _ear(f.actor, side)
        normal = _unit(f.pose.turn(hd.sample(_ear_normals(f.actor, side), coords)))
        flip = ((f.view.position - world) * normal).sum(1) < 0
        normal[flip] *= -1
        normal = normal.astype(np.float32)
        rho = np.clip(coords[:, 1] / (len(grid) - 7), 0, 1)
        base = np.asarray(f.actor.skin, np.float32)
        dark = (f.actor.tone - 1) / 9
        red = np.exp(-np.array([0.05, 0.34, 0.30]) * (1 - 0.5 * dark) * f.actor.blush)
        cavity = 0.25 + 0.75 * hd.smoothstep(0.1, 0.55, rho)
        return Look(
            np.broadcast_to(base * red, (len(coords), 3)), normal, None, 0.6, 0.45, 1.0, cavity
        )

    return shader


def _flat_normal(f: Frame, world: np.ndarray) -> np.ndarray:
    """Normals towards the viewer, tilted up a little: for soft things deep inside."""
    n = f.view.position - world + np.array([0, 30.0, 0])
    return _unit(n).astype(np.float32)


def _shade_canthus(f: Frame, coords: np.ndarray, world: np.ndarray) -> Look:
    """Pink flesh at the inner corner of the eye, shaded white at the outer one."""
    outer = hd.smoothstep(-0.4, 0.6, coords[:, :1])
    level = 0.35 + 0.9 * float(np.mean(f.actor.skin))
    albedo = level * (np.array([0.62, 0.30, 0.27]) + outer * np.array([0.0, 0.14, 0.12]))
    return Look(albedo, _flat_normal(f, world), None, 0.7, 0.3, 0.7, 0.42)


def _shade_tongue(f: Frame, coords: np.ndarray, world: np.ndarray) -> Look:
    albedo = np.array([0.42, 0.16, 0.15]) * (0.7 + 0.6 * float(np.mean(f.actor.skin)))
    deep = 0.04 + 0.5 * hd.smoothstep(0.3, 1.0, coords[:, 1])
    return Look(np.broadcast_to(albedo, (len(coords), 3)), _flat_normal(f, world), None, 0.9, 0.35,
                0.7, deep)  # fmt: skip


def _shade_teeth(f: Frame, coords: np.ndarray, world: np.ndarray) -> Look:
    number, v = coords[:, 0], coords[:, 1]
    within = np.abs(number) % 1.0
    a = f.actor
    white = np.array([0.72, 0.66, 0.56]) * (1.04 - 0.0035 * (a.age - 18))
    edge = np.minimum(within, 1 - within)
    gap = hd.smoothstep(0.0, 0.07, edge)
    gumline = 0.02 + 0.22 * (2 * within - 1) ** 2
    gum = hd.smoothstep(0.05, -0.05, v - gumline)
    albedo = white * (0.35 + 0.65 * gap)[:, None] * (1 - 0.12 * (np.abs(number) > 2))[:, None]
    pink = np.array([0.45, 0.17, 0.16]) * (0.6 + 0.6 * np.mean(a.skin))
    albedo = albedo + gum[:, None] * (pink - albedo)
    angle = number / 6.0 * 1.35
    bulge = (within - 0.5) * 0.9 * np.sign(number)
    n = np.stack([np.sin(angle + bulge), -0.15 + 0.25 * (0.5 - v), np.cos(angle + bulge)], -1)
    normal = f.pose.turn(_unit(n)).astype(np.float32)
    depth = np.exp(-0.32 * np.maximum(np.abs(number) - 1.5, 0))
    open_ = 0.12 + 0.60 * min(1.0, 2.0 * value(f.row, "jaw") + 0.4 * max(value(f.row, "smile"), 0))
    return Look(albedo, normal, None, 1.2 * open_, 0.25, 0.5, open_ * depth)


@lru_cache(maxsize=8)
def _iris(actor: Actor) -> np.ndarray:
    """Iris color in polar form (radius 64 x angle 256, 3): fibers, collarette, limbal ring."""
    rng = actor.rng("iris")
    color = np.array(actor.eye_color)
    rays = cv2.GaussianBlur(rng.normal(0, 1, (64, 256)).astype(np.float32), (0, 0), sigmaX=0.9,
                            sigmaY=9, borderType=cv2.BORDER_REFLECT)  # fmt: skip
    rays = rays / rays.std()
    r = np.linspace(0, 1, 64)[:, None]
    shade = np.exp(0.28 * rays)
    collar = np.exp(-(((r - 0.45 - 0.03 * rays) / 0.12) ** 2))
    warm = color * np.array([1.5, 1.1, 0.65])
    out = color * shade[..., None] * 1.15 + collar[..., None] * 0.5 * (warm - color)
    ring = hd.smoothstep(0.74, 1.0, r + 0 * rays)
    out = out * (1 - 0.75 * ring[..., None])
    return np.clip(out, 0.002, 1).astype(np.float32)


def _eye_shader(side: int, turn: np.ndarray):
    def shader(f: Frame, coords: np.ndarray, world: np.ndarray) -> Look:
        a = f.actor
        polar = np.hypot(coords[:, 0], coords[:, 1])
        angle = np.arctan2(coords[:, 1], coords[:, 0])
        iris_r, pupil_r = 0.50, 0.20
        direction = np.stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle),
                              np.cos(polar)], -1)  # fmt: skip
        rotation = f.pose.rotation @ turn
        ball = (direction @ rotation.T).astype(np.float32)
        # Sclera: never white; pinker to the corners, with veins.
        s = coords[:, 0] * side
        out = np.clip((polar - 0.5) / 0.8, 0, 1)
        vein = skin.noise(coords[None] * (2.2, 5), 0.35, a.seed % 9973 + side)[0]
        vein = np.exp(-((vein / 0.07) ** 2)) * out
        white = np.array([0.52, 0.48, 0.44]) * (
            1 - 0.06 * (a.tone - 1) * np.array([0.8, 0.9, 1.05])
        )
        color = white * np.exp(
            -(0.30 * out**1.5 + 0.18 * vein)[:, None] * np.array([0.35, 1.0, 1.0])
        )
        corner = hd.smoothstep(-0.68, -1.05, s)[:, None]
        color = color + corner * (np.array([0.50, 0.22, 0.20]) * (0.5 + np.mean(a.skin)) - color)
        r = np.clip((polar - pupil_r) / (iris_r - pupil_r), 0, 1)
        table = _iris(a)
        m = np.stack([(angle / (2 * np.pi) % 1.0) * 255, r * 63], -1).astype(np.float32)
        iris = hd.sample(table, m)
        # Light refracted by the cornea brightens the iris on the side away from the lamp.
        lamp = np.asarray(f.scene.lights[0].direction) @ rotation
        lamp = lamp / max(np.linalg.norm(lamp), 1e-6)
        across = -(direction[:, 0] * lamp[0] + direction[:, 1] * lamp[1]) / 0.48
        iris = iris * (0.85 + 0.55 * np.clip(across, -0.6, 1) * r)[:, None]
        iris = iris * hd.smoothstep(pupil_r - 0.02, pupil_r + 0.03, polar)[:, None] + 0.002
        inside = hd.smoothstep(iris_r + 0.035, iris_r - 0.035, polar)[:, None]
        color = color + inside * (iris - color)
        # The lids shade the ball.
        h = f.head
        local = f.pose.local(world)
        center = h.eyes[0 if side < 0 else 1]
        dx = side * (local[:, 0] - center[0])
        sl = np.where(dx < 0, dx / h.lids["inner"], dx / h.lids["outer"])
        upper, lower = hd.lid_edges(h, sl, f.row)
        y = local[:, 1] - center[1]
        shade_up = hd.smoothstep(-0.05, 0.34, upper - y)
        shade_low = hd.smoothstep(-0.08, 0.14, y - lower)
        cavity = (
            (0.30 + 0.70 * shade_up)
            * (0.55 + 0.45 * shade_low)
            * (1 - 0.35 * np.abs(np.clip(sl, -1, 1)) ** 3)
        )
        # The cornea mirrors: its normals spread more than the ball's.
        bulge = np.where(polar < 0.62, 1.35, 1.0)
        pol2 = np.where(polar < 0.62, polar * bulge, polar + 0.217)
        cornea = np.stack(
            [np.sin(pol2) * np.cos(angle), np.sin(pol2) * np.sin(angle), np.cos(pol2)], -1
        )
        cornea = (cornea @ rotation.T).astype(np.float32)
        wet = hd.smoothstep(0.75, 0.5, polar)
        return Look(
            color.astype(np.float32),
            cornea,
            ball,
            0.6 + 1.6 * wet,
            0.22 - 0.12 * wet,
            1.0,
            cavity.astype(np.float32),
            0.85,
        )

    return shader
