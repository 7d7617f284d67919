"""The renderer: geometry of heads, signs of poses, landmarks, masks, determinism."""

from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "triangleRasterize"):
    pytest.skip("building actors needs OpenCV 5", allow_module_level=True)

from course_utils.actors import head as hd  # noqa: E402
from course_utils.actors import render as rd  # noqa: E402
from course_utils.actors.identity import SHAPE, make_actor  # noqa: E402
from course_utils.actors.scene import make_scene  # noqa: E402

SIZE = (200, 200)


@pytest.fixture(scope="module")
def actor():
    return replace(make_actor(3, tone=5, female=False), glasses="none", beard="none")


@pytest.fixture(scope="module")
def average(actor):
    return hd.build(replace(actor, shape=(0.0,) * len(SHAPE)))


@pytest.fixture(scope="module")
def scene():
    s = make_scene(1)
    camera = replace(s.camera, position=(0.0, 0.0, 100.0), aim=(0.0, -2.0, 0.0))
    return replace(s, camera=camera)


def draw(actor, scene, **row):
    return rd.render(actor, row, scene, SIZE)


def test_average_head_has_the_measures_of_a_head(average):
    p = average.rest
    middle = hd.COLUMNS // 2
    profile = p[: hd.JAW_ROW + 1, middle]
    assert abs(p[..., 1].max() - 11.5) < 0.3  # crown
    assert -11.3 < profile[-1, 1] < -10.3  # chin
    tip = profile[np.argmax(profile[:, 2])]
    assert abs(tip[2] - 11.5) < 0.5 and -3.3 < tip[1] < -2.2
    assert np.ptp(average.eyes[:, 0]) == pytest.approx(6.3, abs=0.2)  # between the pupils
    wide = p[np.abs(p[..., 1]) < 1.5][:, 0]
    assert 13.0 < np.ptp(wide) < 15.6  # across the cheekbones
    assert 4.4 < 2 * average.mouth["half"] < 5.6
    assert np.allclose(np.linalg.norm(average.normals, axis=-1), 1, atol=1e-3)


def test_normals_point_outwards(average):
    center = np.array([0, 2.0, 0])
    p, n = average.rest, average.normals
    skull = p[..., 1] > 4
    assert ((p - center) * n).sum(-1)[skull].min() > 0


def test_jaw_opens_the_mouth_and_lids_shut_the_eyes(average):
    middle = hd.COLUMNS // 2
    lips = slice(hd.MOUTH_ROW - 3, hd.MOUTH_ROW + 5)

    def gap(**row):
        y = average.deform(row).points[lips, middle, 1]
        return y[0] - y[-1]

    assert gap(jaw=1.0) > gap() + 1.5
    upper, lower = hd.lid_edges(average, np.zeros(1), {})
    assert 0.8 < (upper - lower)[0] < 1.3
    upper, lower = hd.lid_edges(average, np.zeros(1), {"blink": 1.0})
    assert abs(upper - lower)[0] < 0.05
    up = average.deform({"smile": 1.0}).points - average.rest
    corner = average.locate(np.array([[average.mouth["half"], hd.MOUTH_Y + 0.35, 8.0]]))[0].astype(
        int
    )
    assert up[corner[1], corner[0], 1] > 0.2 and up[corner[1], corner[0], 0] > 0.2


def test_locate_and_sample_agree(average):
    uv = np.array([[120.0, 60.0], [150.0, 100.0]], np.float32)
    points = average.sample(average.rest, uv)
    assert np.allclose(average.locate(points), uv)


def test_signs_of_the_pose(actor, scene):
    center = draw(actor, scene).points
    nose, eyes = center[30], center[36:48].mean(0)
    assert (draw(actor, scene, yaw=25).points[30] - nose)[0] > 5  # viewer's right
    assert (draw(actor, scene, pitch=15).points[30] - nose)[1] < -2  # looks up
    tilted = draw(actor, scene, roll=15).points[36:48].mean(0)
    assert tilted[0] >= eyes[0]  # crown to the viewer's right
    assert (draw(actor, scene, x=3.0).points[:, 0] - center[:, 0]).mean() > 5


def test_landmarks_are_in_the_usual_order_and_on_the_face(actor, scene):
    r = draw(actor, scene, yaw=10)
    p = r.points
    assert p.shape == (68, 2) and p.dtype == np.float32
    assert np.all(np.diff(p[:17, 0]) > 0)  # the outline runs from left to right
    assert p[8, 1] == pytest.approx(p[:17, 1].max(), abs=3)  # the chin is lowest
    assert np.all(np.diff(p[27:31, 1]) > 0)  # down the bridge of the nose
    assert p[36, 0] < p[39, 0] < p[42, 0] < p[45, 0]
    assert p[37, 1] < p[41, 1] and p[51, 1] < p[57, 1]
    inside = p[17:].round().astype(int)
    assert (r.mask[inside[:, 1], inside[:, 0]] > 0).mean() > 0.8
    assert p[21, 1] < p[39, 1] and p[48, 0] < p[54, 0]


def test_mask_and_alpha(actor, scene):
    r = draw(actor, scene)
    assert r.mask.shape == r.alpha.shape == SIZE[::-1] and r.mask.dtype == np.uint8
    assert np.all(r.alpha[r.mask > 250] > 0.95)
    assert r.mask[:5].max() == 0 and 0.03 < (r.mask > 127).mean() < 0.5


def test_same_bytes_on_repeat(actor, scene):
    first = draw(actor, scene, yaw=12, smile=0.5, jaw=0.2)
    for cached in (hd.build, rd.skin.paint):
        cached.cache_clear()
    again = draw(actor, scene, yaw=12, smile=0.5, jaw=0.2)
    assert np.array_equal(first.rgb, again.rgb) and np.array_equal(first.points, again.points)


def test_every_tone_is_darker_than_the_one_before(actor, scene):
    level = [np.mean(make_actor(7, tone=tone).skin) for tone in range(1, 11)]
    assert np.all(np.diff(level) < 0)


def test_actors_differ():
    a, b = make_actor(1), make_actor(2)
    assert a != b and a == make_actor(1)
    assert hd.build(a).rest.std() > 0 and np.abs(hd.build(a).rest - hd.build(b).rest).max() > 0.2


def test_depth_goes_to_the_rasterizer_and_back_as_opencv_itself_takes_it():
    depth = np.random.default_rng(0).uniform(rd.NEAR, rd.FAR, (64, 64)).astype(np.float32)
    corners = np.array([[-50, -40, -500], [60, -30, -90], [0, 50, -30]], np.float32)
    args = (corners, np.array([[0, 1, 2]], np.int32), corners, np.zeros((64, 64, 3), np.float32))
    camera = (np.eye(4), 1.0, rd.NEAR, rd.FAR)
    plain = rd._settings(cv2.RASTERIZE_SHADING_SHADED)
    _, expected = cv2.triangleRasterize(*args, depth.copy(), *camera, plain)
    assert (expected < depth).mean() > 0.2
    unit = rd._settings(cv2.RASTERIZE_SHADING_SHADED)
    unit.setGlCompatibleMode(cv2.RASTERIZE_COMPAT_INVDEPTH)
    _, drawn = cv2.triangleRasterize(*args, rd.to_buffer(depth), *camera, unit)
    assert np.array_equal(rd.from_buffer(drawn), expected)
