"""The course's networks: each takes RGB crops in 0-255 and answers softmax [REAL, FAKE].

Preprocessing is the first layer of every model, so that training and inference cannot differ.
All layers are Keras' own: a saved model opens with `keras.saving.load_model` alone. Lesson 04
builds Meso-4 and Shallow's VGG16, lesson 05 borrows VGG16, lesson 06 InceptionResNetV2.

Every model has a layer named `features`: what comes before it is the backbone, what follows the
head. Its name says what it began with, as in `vgg16-imagenet` (see `weights_name`).
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from course_utils import settings
from course_utils.quietly import keras

layers = keras.layers
CLASSES = ("REAL", "FAKE")
AVERAGING = 0.9  # share of the old batch statistics that each batch leaves in the average


class MissingWeights(UserWarning):
    """The weights asked for are not on this machine: the model has random ones instead."""


PUBLISHED = {  # keys of settings.WEIGHTS
    ("meso4", "published"): "mesonet/Meso4_DF.h5",
    ("meso4", "published-f2f"): "mesonet/Meso4_F2F.h5",
    ("meso_inception4", "published"): "mesonet/MesoInception_DF.h5",
    ("meso_inception4", "published-f2f"): "mesonet/MesoInception_F2F.h5",
}

# ------------------------------------------------------------------------------------- the models


def meso4(weights: str | Path = "random", image_size: int = 256) -> keras.Model:
    """Meso-4: four small convolutions, 27,994 weights at 256 px (Afchar et al., WIFS 2018).

    `weights="published"` are the authors' for Deepfakes, `"published-f2f"` those for Face2Face;
    both need 256 px. Lesson 04 builds it layer by layer. Its batch statistics are averaged over the
    last ten batches or so (Keras: a hundred), for runs of a few hundred batches.
    """
    image = _image(image_size)
    x = layers.Rescaling(1 / 255)(image)
    blocks = ((8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4))
    for block, (filters, kernel, pool) in enumerate(blocks, 1):
        name = f"conv{block}"
        x = layers.Conv2D(filters, kernel, padding="same", activation="relu", name=name)(x)
        x = layers.BatchNormalization(momentum=AVERAGING)(x)
        x = layers.MaxPooling2D(pool, padding="same")(x)
    return _start(_mesonet(image, x, "meso4"), weights)


def meso_inception4(weights: str | Path = "random", image_size: int = 256) -> keras.Model:
    """MesoInception-4: Meso-4 with two blocks of dilated convolutions (Afchar et al. 2018).

    Weights as for `meso4`.
    """
    image = _image(image_size)
    x = layers.Rescaling(1 / 255)(image)
    for branches in ((1, 4, 4, 2), (2, 4, 4, 2)):
        x = _inception(x, *branches)
        x = layers.BatchNormalization(momentum=AVERAGING)(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    for name, pool in (("conv3", 2), ("conv4", 4)):
        x = layers.Conv2D(16, 5, padding="same", activation="relu", name=name)(x)
        x = layers.BatchNormalization(momentum=AVERAGING)(x)
        x = layers.MaxPooling2D(pool, padding="same")(x)
    return _start(_mesonet(image, x, "meso_inception4"), weights)


def shallow_vgg16(weights: str | Path = "random", image_size: int = 224) -> keras.Model:
    """Shallow's network: VGG16 from random weights, Flatten, Dense(256), Dropout(.5), softmax.

    Its recipe (README and script of the project): SGD with learning rate .01 and Nesterov momentum
    .9, batches of 100, 20 epochs, categorical cross-entropy, 224 px. Pixels are scaled to 0-1; what
    its script did with them is not known. Lesson 04 finds out why its loss stays at .693.
    """
    image = _image(image_size)
    x = layers.Rescaling(1 / 255)(image)
    backbone = keras.applications.VGG16(weights=None, include_top=False, input_tensor=x)
    x = layers.Flatten(name="features")(backbone.output)
    x = layers.Dense(256, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    return _start(_answer(image, x, "shallow_vgg16"), weights)


def vgg16(weights: str | Path = "imagenet", image_size: int = 224) -> keras.Model:
    """VGG16 (Simonyan & Zisserman, ICLR 2015), averaged over positions, and a softmax.

    Its preprocessing is BGR minus the ImageNet means (lesson 05 compares it with `/255`).
    """
    image = _image(image_size)
    x = image[..., ::-1]
    x = layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])(x)
    file = _starting_file("vgg16", weights)
    return _borrow(keras.applications.VGG16, image, x, "vgg16", weights, file)


def inception_resnet_v2(weights: str | Path = "imagenet", image_size: int = 299) -> keras.Model:
    """InceptionResNetV2 (Szegedy et al., AAAI 2017), averaged, and a softmax (lesson 06)."""
    image = _image(image_size)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    name, network = "inception_resnet_v2", keras.applications.InceptionResNetV2
    file = _starting_file(name, weights)
    return _borrow(network, image, x, name, weights, file)


def xception(weights: str | Path = "imagenet", image_size: int = 299) -> keras.Model:
    """Xception (Chollet, CVPR 2017), averaged, and a softmax: FaceForensics++'s detector."""
    image = _image(image_size)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    file = _starting_file("xception", weights)
    return _borrow(keras.applications.Xception, image, x, "xception", weights, file)


def efficientnet_b4(weights: str | Path = "imagenet", image_size: int = 380) -> keras.Model:
    """EfficientNet-B4 (Tan & Le, ICML 2019), averaged, and a softmax: DFDC winners' backbone.

    Keras' network scales pixels itself, but its own ImageNet weights hold the standard deviation
    where the variance belongs. Keras corrects that only for weights it downloads by itself, so the
    same correction stands here in front of it: (x / 255 - mean) / sd in the end.
    """
    image = _image(image_size)
    file = _starting_file("efficientnet_b4", weights)
    x = layers.Rescaling(1.0)(image)
    if file and _is_imagenet("efficientnet_b4", weights, file):
        mean = np.array([0.485, 0.456, 0.406])
        root = np.sqrt([0.229, 0.224, 0.225])
        offset = 255 * mean * (1 - 1 / root)
        x = layers.Rescaling((1 / root).tolist(), offset=offset.tolist())(image)
    return _borrow(keras.applications.EfficientNetB4, image, x, "efficientnet_b4", weights, file)


def course_backbone(weights: str | Path = "course", image_size: int = 96) -> keras.Model:
    """The course's own small network, about 160,000 weights in under 1 MB.

    `weights="course"` are those in `data/models/`, trained on another task than telling REAL from
    FAKE (`training.train_backbone`): what transfer brings can be measured offline, in a minute.
    Lesson 05 does so.
    """
    image = _image(image_size)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    for block, filters in enumerate((16, 32, 64, 96, 96), 1):
        name = f"block{block}_conv"
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=AVERAGING)(x)
        x = layers.ReLU()(x)
        if block < 5:
            x = layers.MaxPooling2D(2)(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    model = _answer(image, x, "course_backbone")
    if weights == "course":
        load_backbone(model, settings.MODELS / "course_backbone.weights.h5")
        return _named(model, "course")
    return _start(model, weights)


MODELS: dict[str, Callable[..., keras.Model]] = {
    "meso4": meso4,
    "meso_inception4": meso_inception4,
    "shallow_vgg16": shallow_vgg16,
    "vgg16": vgg16,
    "inception_resnet_v2": inception_resnet_v2,
    "xception": xception,
    "efficientnet_b4": efficientnet_b4,
    "course_backbone": course_backbone,
}

# ------------------------------------------------------------------------------------ what is it?


def weights_name(model: keras.Model) -> str:
    """What it began with: `"imagenet"`, `"random"`, `"published"`, `"course"`, or a file's name.

    Figures and tables show it; nothing that began with `"random"` is called transfer learning. It
    is part of the model's name, so it is saved with the model.
    """
    _, _, weights = model.name.partition("-")
    return weights or "unknown"


def borrowed(
    name: str, weights: str = "imagenet", image_size: int | None = None
) -> tuple[keras.Model, str]:
    """The model with these weights or with random ones, and a sentence that says which (lesson 05).

    Lessons run either way: they print the sentence, in place of the warning `MissingWeights`.
    """
    size = {"image_size": image_size} if image_size else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingWeights)
        model = MODELS[name](weights, **size)
    kind = {"imagenet": "ImageNet", "published": "its authors' published"}.get(weights, weights)
    if weights_name(model) != "random" or weights == "random":
        return model, f"{name} begins with {kind} weights."
    return model, (
        f"{name} begins with RANDOM weights: {kind} weights are not on this machine. "
        "Nothing that it shows is transfer learning."
    )


def image_size(model: keras.Model) -> int:
    """Side of the square crops that the model takes, in pixels."""
    return int(model.input_shape[1])


def receptive_field(model: keras.Model, layer: str) -> float:
    """How many pixels across one value of `layer` can depend on; infinite where all can matter.

    Lesson 06 derives it for a chain. Where branches meet, the one that sees farthest counts (Araujo
    et al., Distill 2019).
    """
    seen: dict[str, tuple[float, int]] = {}  # pixels seen, and pixels from one value to the next
    for step in model.operations:
        inputs = [] if isinstance(step, layers.InputLayer) else keras.tree.flatten(step.input)
        before = [seen[each._keras_history.operation.name] for each in inputs]
        pixels, apart = map(max, zip(*before, strict=True)) if before else (1, 1)
        kernel = getattr(step, "kernel_size", None) or getattr(step, "pool_size", None) or (1,)
        dilation = getattr(step, "dilation_rate", (1,))
        pixels += (kernel[0] - 1) * dilation[0] * apart
        if type(step).__name__.startswith("Global") or isinstance(step, layers.Flatten):
            pixels = math.inf
        seen[step.name] = pixels, apart * (getattr(step, "strides", None) or (1,))[0]
        if step.name == layer:
            return pixels
    raise ValueError(f"{model.name} has no layer {layer!r}.")


def load(path: str | Path) -> keras.Model:
    """A model saved as `.keras`.

    Raises
    ------
    ValueError
        There is no such file, or it is no Keras model.
    """
    try:
        return keras.saving.load_model(path)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"{path} cannot be read as a Keras model ({_first_line(error)})."
        ) from error


def predict(model: keras.Model, images: np.ndarray, batch: int = 32) -> np.ndarray:
    """Probability of FAKE, shape (n,), float64, for what the model takes: (n, size, size, 3)."""
    return model.predict(images, batch_size=batch, verbose=0)[:, 1].astype(float)


def resize(rgb: np.ndarray, size: int) -> np.ndarray:
    """The picture at size x size: by area when it gets smaller, linear when larger."""
    import cv2

    if rgb.shape[:2] == (size, size):
        return rgb
    how = cv2.INTER_AREA if min(rgb.shape[:2]) > size else cv2.INTER_LINEAR
    return cv2.resize(rgb, (size, size), interpolation=how)


# ----------------------------------------------------------------------------- freezing, unfreezing


def backbone(model: keras.Model) -> keras.Model:
    """The part of the model from the picture to the layer `features`; weights are shared."""
    return keras.Model(
        model.input, model.get_layer("features").output, name=f"{model.name}-backbone"
    )


def head(model: keras.Model) -> keras.Model:
    """The part of the model that follows `features`; layers are shared with the model."""
    features = keras.Input(model.get_layer("features").output.shape[1:])
    x = features
    for layer in _head_layers(model):
        x = layer(x)
    return keras.Model(features, x, name=model.name)


def freeze(model: keras.Model) -> keras.Model:
    """Freeze the backbone; the head stays trainable. Compile afterwards.

    Frozen batch normalization uses its stored statistics, in training too (Keras' rule).
    """
    model.trainable = True
    rest = _head_layers(model)
    for layer in model.layers:
        layer.trainable = layer in rest
    return model


def unfreeze_from(model: keras.Model, layer: str) -> keras.Model:
    """Make `layer` and all that follow trainable, save batch normalization. Compile afterwards.

    A borrowed network's batch normalization keeps the statistics it came with: a small batch of
    faces would overwrite them (lesson 05).
    """
    names = [each.name for each in model.layers]
    if layer not in names:
        raise ValueError(f"{model.name} has no layer {layer!r}; its last ones are {names[-12:]}.")
    first, rest = names.index(layer), _head_layers(model)
    for index, each in enumerate(model.layers):
        normalizes = isinstance(each, layers.BatchNormalization)
        each.trainable = each in rest or (index >= first and not normalizes)
    return model


def _head_layers(model: keras.Model) -> list[keras.Layer]:
    names = [layer.name for layer in model.layers]
    if "features" not in names:
        raise ValueError(f"{model.name} has no layer named features, where its head would begin.")
    return model.layers[names.index("features") + 1 :]


# ------------------------------------------------------------------------------------------ parts


def _image(size: int) -> keras.KerasTensor:
    return keras.Input((size, size, 3), name="rgb")


def _answer(image: keras.KerasTensor, x: keras.KerasTensor, name: str) -> keras.Model:
    """Softmax in float32, also where the rest computes in float16."""
    x = layers.Dense(2, activation="softmax", dtype="float32", name="real_fake")(x)
    return keras.Model(image, x, name=name)


def _mesonet(image: keras.KerasTensor, x: keras.KerasTensor, name: str) -> keras.Model:
    x = layers.Flatten(name="features")(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(16)(x)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.Dropout(0.5)(x)
    return _answer(image, x, name)


def _inception(x: keras.KerasTensor, a: int, b: int, c: int, d: int) -> keras.KerasTensor:
    def conv(x: keras.KerasTensor, filters: int, size: int, dilation: int = 1) -> keras.KerasTensor:
        options = {"dilation_rate": dilation, "padding": "same", "activation": "relu"}
        return layers.Conv2D(filters, size, **options)(x)

    first = conv(x, a, 1)
    plain = conv(conv(x, b, 1), b, 3)
    wide = conv(conv(x, c, 1), c, 3, dilation=2)
    wider = conv(conv(x, d, 1), d, 3, dilation=3)
    return layers.Concatenate()([first, plain, wide, wider])


# ---------------------------------------------------------------------------------------- weights


def _borrow(
    network: Callable[..., keras.Model],
    image: keras.KerasTensor,
    x: keras.KerasTensor,
    name: str,
    weights: str | Path,
    file: Path | None,
) -> keras.Model:
    """A network of keras.applications on `x`, with average pooling and a softmax.

    Its batch statistics are averaged over 10 batches as in the other models, not over 100: with a
    few hundred crops, 17 batches an epoch, 100 would be half a training.
    """
    notop = file if file and re.search(r"(?<!\.weights)\.h5$", file.name) else None
    try:
        base = network(weights=str(notop) if notop else None, include_top=False, input_tensor=x)
    except (ValueError, OSError, KeyError, IndexError) as error:
        if notop is None:
            raise
        raise ValueError(
            f"{notop} does not hold weights of {name} without its head ({_first_line(error)})."
        ) from error
    for layer in base.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = AVERAGING
    model = _answer(image, layers.GlobalAveragePooling2D(name="features")(base.output), name)
    if file and file != notop:
        return _start(model, file)
    return _named(model, _name_of(weights) if notop else "random")


def _start(model: keras.Model, weights: str | Path) -> keras.Model:
    """Fill the model with the weights asked for, and name it after them."""
    file = _starting_file(model.name, weights)
    if file is None:
        return _named(model, "random")
    try:
        if file.name.endswith(".weights.h5"):
            model.load_weights(file)
        elif file.suffix == ".h5":
            _load_mesonet(model, file)
        else:
            model.set_weights(load(file).get_weights())
    except (ValueError, OSError, KeyError, IndexError) as error:
        raise ValueError(
            f"{file} does not fit {model.name} at {image_size(model)} px ({_first_line(error)})."
        ) from error
    return _named(model, _name_of(weights))


def _starting_file(model: str, weights: str | Path) -> Path | None:
    """The file to load, or None for random weights."""
    if weights == "random":
        return None
    if weights == "imagenet" and model in settings.IMAGENET:
        return _or_warn(functools.partial(imagenet_file, model), model, "ImageNet")
    if (model, str(weights)) in PUBLISHED:
        return _or_warn(
            functools.partial(settings.weights, PUBLISHED[model, str(weights)]),
            model,
            "published",
            settings.cache_file(PUBLISHED[model, str(weights)]) is not None,
        )
    if weights in ("imagenet", "published", "published-f2f", "course"):
        raise ValueError(f"There are no {weights} weights for {model}.")
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of weights {path}.")
    return path


def _or_warn(find: Callable[[], Path], model: str, name: str, here: bool = False) -> Path | None:
    try:
        return find()
    except RuntimeError as error:
        if here:  # the file is at hand and wrong
            raise ValueError(str(error)) from error
        # With a name for a file: a warning in a notebook then shows no path of this machine.
        warnings.warn_explicit(
            f"The {name} weights of {model} are not on this machine and cannot be downloaded: "
            "it goes on with random weights, and this is not transfer learning.",
            MissingWeights,
            "course_utils.models",
            0,
        )
        return None


def imagenet_file(model: str) -> Path:
    """Path of the ImageNet weights: from the course's cache, else Keras' cache, else downloaded.

    Keras is handed the path: its own look-up deletes a file that it does not know. Raises a
    ValueError when the file there is another, a RuntimeError when there is none to be had.
    """
    url, digest = settings.IMAGENET[model]
    path = settings.imagenet_here(model)
    if path:
        if not _matches(path, digest):
            raise ValueError(
                f"{path} is not the published file of ImageNet weights for {model} (its "
                f"{digest.partition(':')[0].upper()} differs): move it away; it was left as is."
            )
        return path
    import pooch

    folder = Path(os.environ.get("COURSE_CACHE") or settings.user_cache()) / "imagenet"
    downloader = pooch.HTTPDownloader(timeout=10)
    try:
        pooch.get_logger().setLevel("WARNING")
        name = url.rpartition("/")[2]
        return Path(pooch.retrieve(url, digest, name, folder, downloader=downloader))
    except (
        OSError,
        ValueError,
    ) as error:  # requests' errors are OSErrors; a wrong hash a ValueError
        raise RuntimeError(_first_line(error)) from error


def _is_imagenet(model: str, weights: str | Path, file: Path) -> bool:
    return weights == "imagenet" or file.name == settings.IMAGENET[model].url.rpartition("/")[2]


def _matches(path: Path, digest: str) -> bool:
    algorithm, _, wanted = digest.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == wanted


def _load_mesonet(model: keras.Model, path: Path) -> None:
    """MesoNet's file: its one sigmoid says REAL; here it becomes softmax [REAL, FAKE].

    sigmoid(z) = exp(z/2) / (exp(z/2) + exp(-z/2)), so REAL gets z/2 and FAKE -z/2.
    """
    body = model.layers[-2].output
    authors = keras.Model(model.input, layers.Dense(1, activation="sigmoid")(body))
    authors.load_weights(path)
    kernel, bias = authors.layers[-1].get_weights()
    half = np.array([0.5, -0.5], "float32")
    model.layers[-1].set_weights([kernel * half, bias * half])


def load_backbone(model: keras.Model, path: str | Path) -> keras.Model:
    """Fill the model's backbone, and only that, with weights of `training.train_backbone`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file of weights {path}.")
    try:
        backbone(model).load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{path} does not fit {model.name} ({_first_line(error)}).") from error
    return model


def _named(model: keras.Model, weights: str) -> keras.Model:
    base, _, _ = model.name.partition("-")
    model.name = f"{base}-{weights}"
    return model


def _name_of(weights: str | Path) -> str:
    """A name for figures: the word, or the file's name (or its folder's, for a run's `model`)."""
    path = Path(weights)
    plain = path.name.removesuffix(".weights.h5").removesuffix(path.suffix)
    if plain == "model" and path.parent.name:
        plain = path.parent.name
    return re.sub(r"[^A-Za-z0-9_.-]", "_", plain)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:150]}"
