"""Heatmaps: equal to their definitions, to another implementation, and honest when empty."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from course_utils import heatmaps


def small(nested: bool = False, hidden: bool = False, seed: int = 0) -> keras.Model:
    """Two convolutions, then averages or a hidden layer, then softmax; random weights."""
    keras.utils.set_random_seed(seed)
    inside = [
        keras.Input((16, 16, 3)),
        keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="second"),
    ]
    head = (
        [
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="relu"),
        ]
        if hidden
        else [keras.layers.GlobalAveragePooling2D()]
    )
    head = [*head, keras.layers.Dense(2, activation="softmax")]
    if nested:
        backbone = keras.Sequential(inside, name="backbone")
        image = keras.Input((16, 16, 3))
        x = backbone(keras.layers.Rescaling(1 / 255)(image), training=False)
        for layer in head:
            x = layer(x)
        return keras.Model(image, x)
    return keras.Sequential([inside[0], keras.layers.Rescaling(1 / 255), *inside[1:], *head])


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3)).astype(np.float32)


def by_hand(kind: str):
    """One image of 2 x 2, two channels, Flatten and two classes: every number on paper."""
    image = keras.Input((2, 2, 3))
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="maps")(image)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(x))
    # Channel 0 is red, channel 1 is red - green.
    model.get_layer("maps").set_weights([np.array([[[[1, 1], [0, -1], [0, 0]]]], np.float32)])
    fake = np.array([[1, 3], [-2, 0], [0, 1], [1, 0]], np.float32)  # position, channel
    kernel = np.stack([np.zeros(8), fake.ravel()], axis=1)
    model.layers[-1].set_weights([kernel.astype(np.float32), np.zeros(2, np.float32)])
    red, green = np.array([[1, 2], [3, 4.0]]), np.array([[0, 3], [1, 1.0]])
    rgb = np.stack([red, green, np.zeros((2, 2))], axis=-1)[None]
    a = np.stack([red, red - green], axis=-1)  # [[1,1],[2,-1]], [[3,2],[4,3]]
    if kind == "grad-cam":
        weights = fake.mean(axis=0)  # 0 and 1
        assert weights.tolist() == [0, 1]
        expected = np.array([[1, 0], [2, 3.0]])
    else:
        # sum A = 10 and 5. alpha = g^2 / (2 g^2 + 10 g^3): g = 1 -> 1/12, -2 -> 4/(8-80), 0 -> 0
        # channel 0: positive gradients 1, 0, 0, 1 -> 1/12 + 1/12 = 1/6
        # channel 1: g = 3 -> 9/(18+135) * 3 = 3/17, g = 1 -> 1/(2+5) * 1 = 1/7
        w0, w1 = 1 / 6, 3 / 17 + 1 / 7
        expected = np.maximum(w0 * a[..., 0] + w1 * a[..., 1], 0)
    return model, rgb, expected


@pytest.mark.parametrize("method", heatmaps.METHODS)
def test_definition_by_hand(method):
    model, rgb, expected = by_hand(method)
    got = heatmaps.GradCAM(model, "maps", method)(rgb)
    np.testing.assert_allclose(got[0], expected, atol=1e-5)


def test_sure_model_still_has_a_map():
    """The score before softmax has a gradient where the probability has none."""
    model, rgb, expected = by_hand("grad-cam")
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + np.array([0, 60], np.float32)])
    assert model.predict(rgb, verbose=0)[0, 1] == 1
    np.testing.assert_allclose(heatmaps.GradCAM(model, "maps")(rgb)[0], expected, atol=1e-5)


@pytest.mark.parametrize("label", ["REAL", "FAKE"])
@pytest.mark.parametrize("hidden", [False, True])
def test_agrees_with_tf_keras_vis(images, label, hidden):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    flat = small(hidden=hidden)
    functional = keras.Model(flat.inputs, flat.outputs)
    theirs = Gradcam(functional, model_modifier=ReplaceToLinear(), clone=True)(
        CategoricalScore([heatmaps.CLASSES.index(label)] * len(images)),
        images,
        penultimate_layer="second",
        expand_cam=False,
        normalize_cam=False,
    )
    ours = heatmaps.GradCAM(flat, "second")(images, label, resize=False)
    assert ours.max() > 0
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("method", heatmaps.METHODS)
def test_nested_backbone_gives_the_same_map(images, method):
    flat, nested = small(), small(nested=True)
    nested.set_weights(flat.get_weights())
    a, b = (heatmaps.GradCAM(m, method=method)(images) for m in (flat, nested))
    assert a.shape == (5, 16, 16) and a.max() > 0
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_batches_agree_and_model_is_left_alone(images):
    model = small(nested=True)
    before = model.predict(images, verbose=0)
    cam = heatmaps.GradCAM(model)
    np.testing.assert_allclose(cam(images, batch=2), cam(images, batch=32), atol=1e-6)
    np.testing.assert_allclose(model.predict(images, verbose=0), before, atol=1e-6)
    for layer in heatmaps.leaves(model):
        assert "call" not in vars(layer)
        assert layer.output is not None  # no second node: layer.output would raise
    assert model.layers[-1].activation is keras.activations.softmax


def test_map_follows_new_weights(images):
    model = small()
    cam = heatmaps.GradCAM(model)
    before = cam(images)
    model.set_weights([-w for w in model.get_weights()])
    assert not np.allclose(cam(images), before)


def test_map_is_not_the_weights_of_the_class_alone(images):
    model = small(hidden=True)
    real, fake = (heatmaps.GradCAM(model)(images, label) for label in heatmaps.CLASSES)
    assert not np.allclose(real, fake)


def test_refusals(images):
    with pytest.raises(ValueError, match="no layer wrong"):
        heatmaps.GradCAM(small(), "wrong")(images)
    with pytest.raises(ValueError, match="neither|no class"):
        heatmaps.GradCAM(small())(images, "fake")
    with pytest.raises(ValueError, match="no method"):
        heatmaps.GradCAM(small(), method="score-cam")
    with pytest.raises(ValueError, match="shape"):
        heatmaps.GradCAM(small())(images[..., 0])
    dense = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    with pytest.raises(ValueError, match="no convolution"):
        heatmaps.GradCAM(dense)
    sigmoid = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(2, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    with pytest.raises(ValueError, match="no softmax"):
        heatmaps.GradCAM(sigmoid)(images)


def bright_corner(images):
    """A detector whose p_fake rises with the red of the upper left quarter."""
    return 1 / (1 + np.exp(-(images[:, :8, :8, 0].mean(axis=(1, 2)) - 60) / 20))


def corner_image():
    image = np.full((16, 16, 3), 20, np.float32)
    image[:8, :8] = 200
    return image


def test_occlusion_finds_what_the_score_depends_on():
    heat = heatmaps.occlusion(bright_corner, corner_image(), patch=4, stride=2)[0]
    mask = np.zeros((16, 16), bool)
    mask[:8, :8] = True
    assert heatmaps.mass_inside(heat, mask) > 0.8
    assert heatmaps.pointing(heat, mask) == 1
    assert heatmaps.occlusion(bright_corner, corner_image(), "REAL", 4, 2).max() < heat.max()


def test_occlusion_covers_every_pixel():
    def all_matter(x):
        return 1 / (1 + np.exp(-x.std(axis=(1, 2, 3)) / 50))

    noise = np.random.default_rng(0).integers(0, 256, (1, 17, 13, 3))
    assert (heatmaps.occlusion(all_matter, noise, patch=5, stride=4) > 0).all()


def test_mass_and_pointing_on_known_maps():
    mask = np.zeros((10, 10), bool)
    mask[:5, :4] = True
    assert heatmaps.mass_inside(np.ones((10, 10), np.float32), mask) == pytest.approx(0.2)
    assert heatmaps.pointing(np.ones((10, 10), np.float32), mask) == pytest.approx(0.2)
    one = np.zeros((10, 10), np.float32)
    one[2, 2] = 3
    assert heatmaps.mass_inside(one, mask) == heatmaps.pointing(one, mask) == 1
    assert heatmaps.pointing(one.T[::-1], mask) == 0
    assert math.isnan(heatmaps.mass_inside(one * 0, mask))
    assert math.isnan(heatmaps.pointing(one * 0, mask))
    picture = mask.astype(np.uint8) * 255
    assert heatmaps.mass_inside(one, picture) == 1
    with pytest.raises(ValueError, match="empty"):
        heatmaps.mass_inside(one, mask & False)
    with pytest.raises(ValueError, match="shape"):
        heatmaps.mass_inside(one, mask[:5])


def test_center_blob_wins_on_central_masks_and_not_when_shifted():
    mask = heatmaps.center_blob((96, 96)) > 0.6
    blob = heatmaps.center_blob((96, 96))
    assert heatmaps.mass_inside(blob, mask) > 2 * mask.mean()
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(50):
        (window,) = heatmaps.shifted([mask], 56, rng)
        if window.any():
            inside.append(
                heatmaps.mass_inside(heatmaps.center_blob((56, 56)), window) / window.mean()
            )
    assert np.mean(inside) < heatmaps.mass_inside(blob, mask) / mask.mean()


def test_shifted_keeps_alignment():
    image = np.arange(20 * 20).reshape(20, 20)
    a, b = heatmaps.shifted([image, image * 2], 12, np.random.default_rng(0))
    assert a.shape == (12, 12) and (b == 2 * a).all()
    with pytest.raises(ValueError, match="no common window"):
        heatmaps.shifted([image, image[:5]], 4, np.random.default_rng(0))


def test_against_masks_tells_this_clip_from_any_clip():
    rng = np.random.default_rng(0)
    masks = np.zeros((6, 20, 20), bool)
    for i, (y, x) in enumerate(rng.integers(0, 14, (6, 2))):
        masks[i, y : y + 6, x : x + 6] = True
    images = rng.integers(0, 256, (6, 20, 20, 3)).astype(np.uint8)
    clips = list("aabbcc")
    right = heatmaps.against_masks(masks.astype(np.float32), masks, images, clips)
    assert (right["map"] == 1).all() and (right["other masks"] < 1).all()
    np.testing.assert_allclose(right["uniform"], 36 / 400)
    expected = np.mean([(masks[0] & masks[j]).sum() / 36 for j in range(2, 6)])
    assert right["other masks"][0] == pytest.approx(expected)
    empty = heatmaps.against_masks(masks * 0.0, masks, images, clips)
    assert empty["empty"].all() and empty["map"].isna().all()
    with pytest.raises(ValueError, match="one clip"):
        heatmaps.against_masks(masks * 1.0, masks, images, list("aaaaaa"))


def test_repair_curve_from_fake_to_original():
    fake, original = corner_image(), np.full((16, 16, 3), 20, np.float32)
    heat = np.zeros((16, 16), np.float32)
    heat[:8, :8] = 1
    curves = {
        order: heatmaps.repair_curve(
            bright_corner, fake, original, heat, order, np.random.default_rng(0), cells=4, steps=8
        )
        for order in heatmaps.ORDERS
    }
    for curve in curves.values():
        assert curve["repaired"].iloc[[0, -1]].tolist() == [0, 1]
        ends = bright_corner(np.stack([fake, original]))
        np.testing.assert_allclose(curve["p_fake"].iloc[[0, -1]], ends)
    areas = {order: heatmaps.area(curve) for order, curve in curves.items()}
    assert areas["map"] < areas["random"] < areas["reverse"]
    assert areas["map"] < areas["center-out"]
    assert areas["random"] - areas["map"] > 0.1
    quarter = curves["map"].set_index("repaired")["p_fake"][0.25]
    assert quarter == pytest.approx(curves["map"]["p_fake"].iloc[-1])
    with pytest.raises(ValueError, match="not aligned"):
        heatmaps.repair_curve(
            bright_corner, fake, original[:8], heat, "map", np.random.default_rng(0)
        )


def test_repaired_puts_the_hottest_cells_back_first():
    fake, original = np.zeros((8, 8, 3)), np.full((8, 8, 3), 9)
    heat = np.arange(64.0).reshape(8, 8)
    rng = np.random.default_rng(0)
    pictures, shares = heatmaps.repaired(fake, original, heat, "map", rng, cells=4, steps=4)
    assert shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (pictures[1][6:] == 9).all() and (pictures[1][:6] == 0).all()
    assert (pictures[4] == 9).all() and pictures.shape == (5, 8, 8, 3)


def test_constant_map_repairs_in_random_order():
    flat = np.ones((16, 16), np.float32)
    order = heatmaps.order_of_cells(flat, "map", 4, np.random.default_rng(0))
    assert sorted(order) == list(range(16)) and list(order) != list(range(16))


def test_randomized_leaves_the_model_and_changes_the_map(images):
    model = small()
    weights = [w.copy() for w in model.get_weights()]
    other = heatmaps.randomized(model, np.random.default_rng(0))
    assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True))
    assert not np.allclose(model.predict(images, verbose=0), other.predict(images, verbose=0))
    last = heatmaps.randomized(model, np.random.default_rng(0), layers=1)
    same = [np.array_equal(a, b) for a, b in zip(weights, last.get_weights(), strict=True)]
    assert same[:4] == [True] * 4 and not same[4]


def test_similarity():
    a = np.arange(12.0).reshape(3, 4)
    assert heatmaps.similarity(a, a**2) == pytest.approx(1)
    assert heatmaps.similarity(a, -a) == pytest.approx(-1)
    assert math.isnan(heatmaps.similarity(a, a * 0))


def test_broken_recipe_is_broken(images):
    """Two models that compute the same function: an explanation of it may not differ."""
    model = small(hidden=True)
    other = heatmaps.permute_hidden(model, np.random.default_rng(0))
    np.testing.assert_allclose(
        model.predict(images, verbose=0), other.predict(images, verbose=0), atol=1e-6
    )
    np.testing.assert_allclose(
        heatmaps.GradCAM(model)(images), heatmaps.GradCAM(other)(images), atol=1e-5
    )
    broken = [heatmaps.dense_weight_map(m, images) for m in (model, other)]
    assert broken[0].shape == (5, 16, 16)
    assert not np.allclose(*broken, atol=1e-2)


def test_overlay_keeps_the_image_where_the_map_is_cold():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    heat = np.zeros((16, 16), np.float32)
    assert (heatmaps.overlay(image, heat) == image).all()
    heat[:4, :4] = 7
    out = heatmaps.overlay(image, heat)
    assert out.dtype == np.uint8 and (out[8:, 8:] == image[8:, 8:]).all()
    assert (out[:4, :4] != image[:4, :4]).any()
