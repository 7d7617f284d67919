"""Hair, beards, brows, lashes, glasses and earrings of the virtual actors."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from course_utils.actors import hair, identity, wear
from course_utils.actors import head as hd

if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("building actors needs OpenCV 5", allow_module_level=True)

from course_utils.actors import render, scene

SIZE = (160, 160)


def person(seed: int = 3, **traits) -> identity.Actor:
    plain = {"glasses": "none", "earrings": "none", "beard": "none", "gray": 0.0}
    return replace(identity.make_actor(seed, tone=4, female=False), **(plain | traits))


def shaded(actor: identity.Actor, **row) -> render.Frame:
    frame = render.rasterize(actor, row, scene.make_scene(1), SIZE)
    render.shade(frame)
    return frame


def every_haircut() -> list[tuple[bool, str, str]]:
    return [(female, name, texture) for female, names in identity.HAIR.items() for name in names
            for texture in ("straight", "wavy", "curly", "coily")]  # fmt: skip


@pytest.mark.parametrize(("female", "name", "texture"), every_haircut())
def test_every_style_of_the_cast_is_known(female, name, texture):
    found = hair.style_name(person(female=female, hair=name, hair_texture=texture))
    assert found == "none" or found in hair.STYLES


@pytest.mark.parametrize("name", ["short", "long", "fringe", "bun", "waves"])
def test_hair_stays_off_the_skull(name):
    actor = person(hair=name, female=name != "short", hair_texture="straight")
    groups, _ = hair.grow(actor)
    skull = hair._Skull(hd.build(actor))
    for cards in groups:
        p = cards.points.reshape(-1, 3)
        p = p[p[:, 1] > 2]  # below, ears and neck are reached in other ways
        depth = skull.radius(p) - np.linalg.norm(p - hair.CENTER, axis=1)
        assert np.percentile(depth, 99) < 0.15, "hair runs through the skull"
        assert np.isfinite(cards.points).all()


@pytest.mark.parametrize("female", [False, True])
def test_a_fringe_leaves_the_eyes_free(female):
    actor = person(hair="fringe", female=female, hair_texture="straight")
    groups, _ = hair.grow(actor)
    p = np.concatenate([c.points.reshape(-1, 3) for c in groups])
    before_eyes = (np.abs(p[:, 0]) < 4.5) & (p[:, 2] > 7.5) & (np.abs(p[:, 1] - 1.0) < 1.2)
    assert before_eyes.mean() < 0.004


def test_hair_is_the_same_from_the_same_seed_and_another_from_another():
    one = hair.grow(person(7, hair="side_part"))[0][0].points
    hair.grow.cache_clear()
    again = hair.grow(person(7, hair="side_part"))[0][0].points
    other = hair.grow(person(8, hair="side_part"))[0][0].points
    assert np.array_equal(one, again)
    assert not np.allclose(one, other, atol=0.1)


def test_drawing_is_deterministic_and_covers_the_scalp_but_not_the_face():
    actor = person(hair="short", hair_texture="straight")
    frames = [shaded(actor) for _ in range(2)]
    for f in frames:
        hair.draw(f)
    assert np.array_equal(frames[0].radiance, frames[1].radiance)
    f = frames[0]
    assert np.isfinite(f.radiance).all() and (f.alpha <= 1.0001).all()
    nose = f.view.project(f.pose.apply(np.array([0.0, -2.0, 10.0])))
    scalp = cv2.remap(f.head.scalp, f.coords, None, cv2.INTER_LINEAR) * (f.part == 0)
    assert (scalp > 0.95).sum() > 200
    assert f.bare[scalp > 0.95].mean() < 0.25, "the scalp shows"
    y, x = np.round(nose[:2]).astype(int)[::-1]
    assert f.bare[y - 4 : y + 5, x - 4 : x + 5].mean() > 0.95, "hair over the nose"


def test_hair_follows_the_head():
    actor = person(hair="side_part")
    middles = []
    for yaw in (-35.0, 35.0):
        bald, f = shaded(actor, yaw=yaw), shaded(actor, yaw=yaw)
        hair.draw(f)
        gain = np.clip(f.alpha - bald.alpha, 0, 1)
        middles.append((gain * np.arange(gain.shape[1])).sum() / gain.sum())
    # The back of the head swings away from where the face looks.
    assert middles[0] > middles[1] + 3


def test_gray_hair_is_brighter():
    def brightness(gray: float) -> float:
        f = shaded(person(hair="short", hair_color=(0.012, 0.010, 0.009), gray=gray))
        hair.draw(f)
        return float(f.radiance[f.bare < 0.3].mean())

    assert brightness(0.9) > 2 * brightness(0.0)


@pytest.mark.parametrize("kind", ["stubble", "mustache", "goatee", "short", "full"])
def test_beards_grow_below_the_nose_and_leave_the_lips(kind):
    actor = person(beard=kind)
    found = hair.beard(actor)
    h = hd.build(actor)
    root = hd.sample(h.rest, found.uv)
    assert root[:, 1].max() < (0.6 if kind != "mustache" else -3.0)
    assert hd.sample(h.lips, found.uv).mean() < 0.06
    assert hair.beard(person(beard="none")) is None


def test_brows_follow_the_brow_mask_and_move_with_the_skin():
    actor = person()
    h = hd.build(actor)
    found = hair.brows(actor)
    assert hd.sample(h.brow, found.uv).mean() > 0.4
    calm, raised = (hd.sample(h.deform(row).points, found.uv)[:, 1] for row in ({}, {"brow": 1.0}))
    assert (raised - calm).mean() > 0.2


def test_lashes_go_down_with_the_lid():
    actor = person(hair="none")
    tops = []
    for blink in (0.0, 1.0):
        before, f = shaded(actor, blink=blink), shaded(actor, blink=blink)
        canvas = hair._Canvas(f)
        hair._lashes(canvas)
        changed = np.abs(f.radiance - before.radiance).sum(-1) > 1e-4
        assert changed.any()
        tops.append(np.flatnonzero(changed.any(1)).min())
    assert tops[1] > tops[0]


@pytest.mark.parametrize("kind", ["round", "square", "half"])
def test_glasses_stand_before_the_eyes_and_off_the_skin(kind):
    actor = person(glasses=kind)
    parts, lenses, _, _ = wear._glasses(actor)
    h = hd.build(actor)
    for center, ring in zip(h.eyes, lenses, strict=True):
        assert np.hypot(*(ring.mean(0)[:2] - center[:2])) < 0.6
        assert ring[:, 2].min() > center[2] + hd.EYE_R
    vertices = np.concatenate([p[0] for p in parts])
    assert np.isfinite(vertices).all()
    assert vertices[:, 2].min() < 0.5, "temples reach the ears"
    for v, t, m in parts:
        assert t.max() < len(v) == len(m)


@pytest.mark.parametrize("kind", ["stud", "hoop", "drop"])
def test_earrings_hang_at_the_lobes(kind):
    actor = person(earrings=kind)
    parts, _ = wear._earrings(actor)
    vertices = np.concatenate([p[0] for p in parts])
    for lobe in hd.build(actor).ears:
        near = np.linalg.norm(vertices - lobe, axis=1).min()
        assert near < 0.5


def test_lenses_change_light_only_round_the_eyes():
    actor = person(glasses="round")
    before, f = shaded(actor), shaded(actor)
    wear.draw(f)
    changed = np.abs(f.radiance - before.radiance).sum(-1) > 1e-5
    y, x = np.nonzero(changed)
    eyes = f.view.project(f.pose.apply(hd.build(actor).eyes))
    scale = f.view.focal / eyes[0, 2]
    assert changed.any()
    assert np.abs(y - eyes[:, 1].mean()).max() < 4 * scale
    assert np.abs(x - eyes[:, 0].mean()).max() < 8 * scale


def test_meshes_carry_shading_for_glasses_and_earrings():
    names = {m.name for m in shaded(person(glasses="square", earrings="hoop")).meshes}
    assert {"glasses", "earrings"} <= names
    assert not {"glasses", "earrings"} & {m.name for m in shaded(person()).meshes}
