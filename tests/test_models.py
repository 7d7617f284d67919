"""The networks: what they answer, what they began with, and what is refused."""

from __future__ import annotations

import hashlib
import os
import socket
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import models, plots, settings

FACE = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
MESONET = {
    "meso4": "mesonet/Meso4_DF.h5",
    "meso_inception4": "mesonet/MesoInception_DF.h5",
}
CACHE = Path(os.environ.get("COURSE_CACHE", settings.ROOT.parent / "shared" / "cache"))


@pytest.fixture(autouse=True)
def no_weights_here(tmp_path, monkeypatch):
    """No test finds weights, or a network, that it was not given."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(settings, "user_cache", lambda: tmp_path / "user")

    def refuse(*_args, **_options):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path


@pytest.mark.parametrize("name", ["meso4", "meso_inception4", "shallow_vgg16", "course_backbone"])
def test_every_model_answers_two_probabilities_and_says_what_it_began_with(name, tmp_path):
    model = models.MODELS[name]("random", image_size=64)
    answer = model.predict(FACE, verbose=0)
    assert answer.shape == (2, 2)
    np.testing.assert_allclose(answer.sum(1), 1, atol=1e-6)
    assert models.weights_name(model) == "random"
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")  # plain Keras, no custom objects
    np.testing.assert_array_equal(again.predict(FACE, verbose=0), answer)
    assert models.weights_name(again) == "random"


def test_meso4_has_the_published_number_of_weights():
    published_with_one_output = 27977
    model = models.meso4()
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == published_with_one_output + 17
    model = models.shallow_vgg16(image_size=64)
    assert model.layers[-1].output.shape == (None, 2)
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [
        0.5
    ]
    dense = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert dense == [256, 2]
    assert model.get_layer("block1_conv1").trainable


def test_receptive_field_of_a_chain_of_branches_and_of_all():
    image = keras.Input((40, 40, 3))
    x = keras.layers.Conv2D(2, 3, name="three")(image)
    x = keras.layers.MaxPooling2D(2, name="pooled")(x)
    wide = keras.layers.Conv2D(2, 3, padding="same", dilation_rate=2, name="wide")(x)
    x = keras.layers.Concatenate(name="joined")([keras.layers.Conv2D(2, 1)(x), wide])
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D(name="everything")(x))
    seen = {name: models.receptive_field(model, name) for name in ("three", "pooled", "joined")}
    assert seen == {"three": 3, "pooled": 4, "joined": 12}
    assert models.receptive_field(model, "everything") == float("inf")
    assert models.receptive_field(models.vgg16("random", 64), "block5_pool") == 212
    with pytest.raises(ValueError, match="no layer 'four'"):
        models.receptive_field(model, "four")


def test_inception_resnet_v2_is_as_lesson_06_draws_it():
    model = models.inception_resnet_v2("random", 96)
    assert models.receptive_field(model, "conv_7b_ac") == 3039  # Araujo et al., Distill 2019
    scales = [each.scale for each in model.layers if type(each).__name__ == "CustomScaleLayer"]
    convolutions = [each for each in model.layers if isinstance(each, keras.layers.Conv2D)]
    there = {(each.kernel_size, each.filters) for each in convolutions}
    for size, count, scale, branches in plots.INCEPTION_BLOCKS.values():
        last = count == scales.count(scale) + (scale == 0.2)  # the last block C is not scaled
        assert last, (size, scale)
        for text in (text for branch in branches for text in branch):
            kernel, filters = text.split(", ")
            height, width = map(int, kernel.split("×"))
            assert ((height, width), int(filters)) in there
    assert len(convolutions) == 244


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _authors_meso4(file: Path, images: np.ndarray) -> np.ndarray:
    """P(real) as the 2018 network gives it, from the file's arrays and TensorFlow's operations."""
    arrays: dict[str, list[np.ndarray]] = {}
    with h5py.File(file) as source:
        for layer in source.attrs["layer_names"]:
            group = source[layer]
            arrays[_text(layer)] = [np.asarray(group[name]) for name in group.attrs["weight_names"]]
    weighty = [values for values in arrays.values() if values]
    convolutions = [values for values in weighty if values[0].ndim == 4]
    normalizations = [values for values in weighty if len(values) == 4]
    dense = [values for values in weighty if values[0].ndim == 2]
    x = tf.constant(images / 255.0, tf.float32)
    for (kernel, bias), norm, pool in zip(convolutions, normalizations, (2, 2, 2, 4), strict=True):
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
        gamma, beta, mean, variance = norm
        x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        x = tf.nn.max_pool2d(x, pool, pool, "SAME")
    x = tf.reshape(x, (len(images), -1)) @ dense[0][0] + dense[0][1]
    x = tf.where(x > 0, x, 0.1 * x)
    return tf.sigmoid(x @ dense[1][0] + dense[1][1]).numpy()[:, 0]


@pytest.mark.skipif(not (CACHE / "mesonet").is_dir(), reason="MesoNet's weights are not here")
@pytest.mark.parametrize("name", MESONET)
def test_mesonets_published_weights_answer_as_their_authors_network(name, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(CACHE))
    model = models.MODELS[name]("published")
    assert models.weights_name(model) == "published"
    images = np.random.default_rng(1).integers(0, 256, (4, 256, 256, 3), dtype=np.uint8)
    images[1] = 90
    images[2:] = np.linspace(0, 255, 256, dtype=np.uint8)[None, None, :, None]
    p_fake = models.predict(model, images)
    if name == "meso4":
        wanted = 1 - _authors_meso4(CACHE / MESONET[name], images)
        np.testing.assert_allclose(p_fake, wanted, atol=1e-5)
    # The head turns one sigmoid, 1 for real, into softmax [REAL, FAKE].
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(kernel[:, 0], -kernel[:, 1])
    np.testing.assert_allclose(bias[0], -bias[1])
    with h5py.File(CACHE / MESONET[name]) as source:
        last = _text(source.attrs["layer_names"][-1])
        theirs = [np.asarray(source[last][each]) for each in source[last].attrs["weight_names"]]
    np.testing.assert_allclose(kernel[:, 0] - kernel[:, 1], theirs[0][:, 0])
    assert np.ptp(p_fake) > 1e-4


def _stand_in(name: str, network, folder: Path, monkeypatch) -> Path:
    """A file as ImageNet's is, made from random weights, and course_utils told to expect it."""
    keras.utils.set_random_seed(3)
    url, _ = settings.IMAGENET[name]
    path = folder / url.rpartition("/")[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    base = network(weights=None, include_top=False, input_shape=(64, 64, 3))
    for layer in base.layers:
        if isinstance(layer, keras.layers.Normalization):  # as in the published file
            layer.adapt_mean.assign([0.485, 0.456, 0.406])
            layer.adapt_variance.assign([0.229, 0.224, 0.225])  # in truth standard deviations
            layer.finalize_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base.save(path)
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(settings.IMAGENET, name, settings.Pretrained(url, digest))
    return path


@pytest.mark.parametrize(
    ("name", "network", "preprocess"),
    [
        (
            "vgg16",
            keras.applications.VGG16,
            keras.applications.vgg16.preprocess_input,
        ),
        (
            "efficientnet_b4",
            keras.applications.EfficientNetB0,  # B4's little sister: the same code, in less time
            keras.applications.efficientnet.preprocess_input,
        ),
    ],
)
def test_imagenet_weights_give_the_features_that_keras_gives(
    name, network, preprocess, tmp_path, monkeypatch
):
    monkeypatch.setattr(keras.applications, "EfficientNetB4", keras.applications.EfficientNetB0)
    path = _stand_in(name, network, tmp_path / "cache" / "imagenet", monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error", models.MissingWeights)
        model = models.MODELS[name](image_size=64)
    assert models.weights_name(model) == "imagenet"
    # What Keras itself does with these weights when it looks them up on its own:
    module = __import__(network.__module__, fromlist=["file_utils"])
    monkeypatch.setattr(module.file_utils, "get_file", lambda *_args, **_options: str(path))
    theirs = network(weights="imagenet", include_top=False, pooling="avg", input_shape=(64, 64, 3))
    wanted = theirs(preprocess(FACE.astype("float32"))).numpy()
    ours = models.backbone(model)(FACE.astype("float32")).numpy()
    np.testing.assert_allclose(ours, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert np.abs(wanted).max() > 0


@pytest.mark.parametrize(("name", "size"), [("inception_resnet_v2", 75), ("xception", 71)])
def test_deeper_networks_center_their_pixels(name, size):
    model = models.MODELS[name]("random", image_size=size)
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling))
    scaled = np.asarray(first(np.array([[[[0.0, 127.5, 255.0]]]], "float32"))).ravel()
    np.testing.assert_allclose(scaled, [-1, 0, 1], atol=1e-6)
    assert model.get_layer("features").output.shape[-1] in (1536, 2048)


def test_absent_weights_are_said_in_one_sentence_and_the_model_says_random(tmp_path):
    with pytest.warns(models.MissingWeights) as caught:
        model = models.vgg16(image_size=64)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.count(".") == 1
    assert "random weights" in text
    assert caught[0].filename == "course_utils.models"  # a notebook shows no path of this machine
    assert models.weights_name(model) == "random"
    model.save(tmp_path / "model.keras")
    assert models.weights_name(models.load(tmp_path / "model.keras")) == "random"
    with pytest.warns(models.MissingWeights):
        assert models.weights_name(models.meso4("published")) == "random"


def test_a_borrowed_model_comes_with_a_sentence_that_names_what_it_began_with(
    tmp_path, monkeypatch
):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, said = models.borrowed("vgg16", image_size=64)
    assert models.weights_name(model) == "random" and models.image_size(model) == 64
    assert "RANDOM" in said and "ImageNet weights are not on this machine" in said
    _, said = models.borrowed("meso4", "random")
    assert said == "meso4 begins with random weights."
    network = keras.applications.VGG16
    _stand_in("vgg16", network, tmp_path / "cache" / "imagenet", monkeypatch)
    model, said = models.borrowed("vgg16", image_size=64)
    assert models.weights_name(model) == "imagenet"
    assert said == "vgg16 begins with ImageNet weights."


@pytest.mark.parametrize("where", ["cache/imagenet", "keras/models"])
def test_wrong_weights_are_refused_by_path_and_left_alone(where, tmp_path):
    path = tmp_path / where / settings.IMAGENET["vgg16"].url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"these are no weights")
    with pytest.raises(ValueError, match=str(path)):
        models.vgg16(image_size=64)
    assert path.read_bytes() == b"these are no weights"
    assert list(path.parent.iterdir()) == [path]


def test_wrong_published_weights_are_refused_by_path_and_left_alone(tmp_path):
    path = tmp_path / "cache" / "mesonet" / "Meso4_DF.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"these are no weights")
    with pytest.raises(ValueError, match=str(path)):
        models.meso4("published")
    assert path.read_bytes() == b"these are no weights"


def test_a_file_of_ones_own_is_loaded_and_named_or_refused_by_path(tmp_path):
    trained = models.meso4(image_size=64)
    (tmp_path / "run7").mkdir()
    trained.save(tmp_path / "run7" / "model.keras")
    again = models.meso4(tmp_path / "run7" / "model.keras", image_size=64)
    np.testing.assert_array_equal(again.predict(FACE, verbose=0), trained.predict(FACE, verbose=0))
    assert models.weights_name(again) == "run7"
    with pytest.raises(ValueError, match=r"run7.*does not fit meso4"):
        models.meso4(tmp_path / "run7" / "model.keras", image_size=128)
    (tmp_path / "torn.keras").write_bytes(b"PK torn")
    with pytest.raises(ValueError, match=r"torn\.keras"):
        models.load(tmp_path / "torn.keras")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        models.vgg16(tmp_path / "nowhere.keras")
    with pytest.raises(ValueError, match="no imagenet weights for meso4"):
        models.meso4("imagenet")


def test_freezing_leaves_the_head_and_unfreezing_leaves_batch_normalization():
    model = models.course_backbone("random", image_size=32)
    models.freeze(model)
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {"real_fake"}
    models.unfreeze_from(model, "block4_conv")
    trainable = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert trainable == {"block4_conv", "block5_conv", "real_fake"}
    with pytest.raises(ValueError, match="no layer 'block9'"):
        models.unfreeze_from(model, "block9")


def test_frozen_batch_normalization_keeps_its_statistics_in_training():
    model = models.course_backbone("random", image_size=32)
    models.unfreeze_from(model, "block1_conv")
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [layer.moving_mean.numpy() for layer in norms]
    model.compile("sgd", "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    model.fit(images, np.arange(8) % 2, verbose=0)
    for layer, mean in zip(norms, before, strict=True):
        np.testing.assert_array_equal(layer.moving_mean.numpy(), mean)


def test_backbone_and_head_make_up_the_model():
    model = models.meso4(image_size=64)
    parts = models.head(model)(models.backbone(model)(FACE.astype("float32")))
    np.testing.assert_allclose(parts, model(FACE.astype("float32")), atol=1e-6)
