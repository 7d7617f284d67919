"""Where a network looks: Grad-CAM, Grad-CAM++ and occlusion, and checks on them (lesson 08).

A *map* is float32 height x width, 0 and up: how much each pixel's surroundings speak for a class.
Gradients by hand live in this file alone, in `GradCAM`, so that the rest of the course runs on any
backend of Keras. A map shows what moved the model's score; whether that is the manipulated part is
what `mass_inside`, `pointing` and `repair_curve` ask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from course_utils import evaluation

if TYPE_CHECKING:
    import keras

CLASSES = ["REAL", "FAKE"]
METHODS = ("grad-cam", "grad-cam++")


# --- maps ---------------------------------------------------------------------------------------


def leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield the model's layers in order, those of nested models in place of the models."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def last_features(model: keras.Model) -> str:
    """Return the name of the layer Grad-CAM reads unless told: the last feature maps (lesson 08).

    These are the last that still have positions, before a pooling layer shrinks them.
    """
    import keras

    pooling = (
        keras.layers.MaxPooling2D,
        keras.layers.AveragePooling2D,
        keras.layers.Dropout,
        keras.layers.SpatialDropout2D,
    )
    convolved, found = False, ""
    for layer in leaves(model):
        convolved |= "Conv" in type(layer).__name__
        shape = getattr(layer.output, "shape", ())
        if convolved and len(shape) == 4 and not isinstance(layer, pooling):
            found = layer.name
    if not found:
        raise ValueError(f"the model {model.name} has no convolution: no layer has maps to weigh")
    return found


def _layer(model: keras.Model, name: str) -> keras.Layer:
    found = [layer for layer in leaves(model) if layer.name == name]
    if not found:
        raise ValueError(
            f"the model {model.name} has no layer {name}; it ends with "
            f"{', '.join(layer.name for layer in list(leaves(model))[-6:])}"
        )
    return found[0]


def _images(images: Any) -> np.ndarray:
    x = np.asarray(images)
    if x.ndim == 3:
        x = x[None]
    if x.ndim != 4 or x.shape[-1] != 3:
        raise ValueError(f"images have shape {x.shape}, not (number, height, width, 3)")
    return x.astype(np.float32)


def _class(label: str) -> int:
    if label not in CLASSES:
        raise ValueError(f"no class {label!r}; there are REAL and FAKE")
    return CLASSES.index(label)


class GradCAM:
    """Grad-CAM or Grad-CAM++ of one model, compiled once (lesson 08).

    Grad-CAM (Selvaraju et al., ICCV 2017): the feature maps A of one layer, each weighted by the
    mean over positions of the gradient of the class's score, added up, negative sums cut off.
    Grad-CAM++ (Chattopadhay et al., WACV 2018): the weights are sums of the positive gradients
    times alpha = g² / (2 g² + g³ ΣA), the paper's equations 10 and 19. The score is the one before
    softmax: a sure model's probability hardly moves, and its gradient vanishes.

    While TensorFlow traces the model for the first batch, the layer's output is intercepted: this
    reaches into nested backbones, copies no weights and leaves the model as it was. The model's
    weights may change afterwards; its layers may not.

    Parameters
    ----------
    model : takes (n, h, w, 3) RGB 0..255, ends in softmax [REAL, FAKE]
    layer : name of the layer, `last_features(model)` unless told
    method : "grad-cam" or "grad-cam++"
    """

    def __init__(self, model: keras.Model, layer: str | None = None, method: str = "grad-cam"):
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                "Grad-CAM's gradients are written for Keras on TensorFlow; set "
                "KERAS_BACKEND=tensorflow, or use occlusion, which needs none"
            )
        if method not in METHODS:
            raise ValueError(f"no method {method!r}; there are {' and '.join(METHODS)}")
        self.model = model
        self.layer = layer or last_features(model)
        self.method = method
        spec = [
            tf.TensorSpec((None, *model.input_shape[1:]), tf.float32),
            tf.TensorSpec((), tf.int32),
        ]
        self._maps = tf.function(self._trace, input_signature=spec)

    def _trace(self, images: Any, index: Any) -> Any:
        import tensorflow as tf

        target, last = _layer(self.model, self.layer), _last(self.model)
        seen: list[Any] = []
        call = target.call
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def watched(*args: Any, **kwargs: Any) -> Any:
                maps = call(*args, **kwargs)
                tape.watch(maps)
                seen.append(maps)
                return maps

            target.call = watched
            try:
                with _BeforeSoftmax(last):
                    scores = self.model(images, training=False)
            finally:
                del target.call  # the class's own method shows again
            score = tf.gather(scores, index, axis=1)
        gradient = tape.gradient(score, seen[0])
        if gradient is None:
            raise ValueError(f"the score does not depend on the layer {self.layer}")
        maps, gradient = tf.cast(seen[0], tf.float32), tf.cast(gradient, tf.float32)
        if self.method == "grad-cam":
            weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        else:
            total = tf.reduce_sum(maps, axis=(1, 2), keepdims=True)
            alpha = tf.math.divide_no_nan(gradient**2, 2 * gradient**2 + gradient**3 * total)
            weights = tf.reduce_sum(alpha * tf.nn.relu(gradient), axis=(1, 2), keepdims=True)
        return tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))

    def __call__(
        self, images: Any, label: str = "FAKE", batch: int = 32, resize: bool = True
    ) -> np.ndarray:
        """Return maps (n, h, w), or at the layer's own size with `resize=False`.

        A map that is 0 everywhere says that nothing in this layer speaks for the class.
        """
        x, index = _images(images), _class(label)
        if not len(x):
            raise ValueError("no image to explain")
        maps = np.concatenate(
            [self._maps(x[i : i + batch], index).numpy() for i in range(0, len(x), batch)]
        )
        return resized(maps, x.shape[1:3]) if resize else maps


def _last(model: keras.Model) -> keras.Layer:
    """Return the layer that gives the output."""
    import keras

    layer = model.layers[-1]
    return _last(layer) if isinstance(layer, keras.Model) else layer


class _BeforeSoftmax:
    """Within it, the last layer gives the score that goes into its softmax."""

    def __init__(self, layer: keras.Layer):
        import keras

        self.layer, self.linear = layer, keras.activations.linear
        self.whole = isinstance(layer, keras.layers.Softmax)
        self.activation = getattr(layer, "activation", None)
        if not self.whole and self.activation is not keras.activations.softmax:
            raise ValueError(
                f"the model's last layer, {layer.name}, is no softmax over REAL and "
                "FAKE: Grad-CAM needs the score before it"
            )

    def __enter__(self) -> None:
        if self.whole:
            self.layer.call = lambda inputs, **_: inputs
        else:
            self.layer.activation = self.linear

    def __exit__(self, *_: object) -> None:
        if self.whole:
            del self.layer.call
        else:
            self.layer.activation = self.activation


def occlusion(
    predict: Callable[[np.ndarray], np.ndarray],
    images: Any,
    label: str = "FAKE",
    patch: int = 24,
    stride: int = 12,
    batch: int = 32,
) -> np.ndarray:
    """Return maps of how much the score falls when a patch is covered (Zeiler & Fergus 2014).

    Independent of gradients and layers. A patch takes the image's mean color; a pixel's value is
    the mean drop of the log-odds over the patches that cover it, drops below 0 cut off.

    Parameters
    ----------
    predict : images (n, h, w, 3) -> p_fake (n,), such as a model's `predict(x)[:, 1]`
    patch, stride : pixels
    """
    x = _images(images)
    sign = 1 if _class(label) else -1
    h, w = x.shape[1:3]
    tops, lefts = (
        sorted({*range(0, size - patch + 1, stride), max(size - patch, 0)}) for size in (h, w)
    )
    places = [(top, left) for top in tops for left in lefts]
    before = evaluation.log_odds(predict(x))
    out = np.zeros(x.shape[:3], np.float32)
    for n, image in enumerate(x):
        color = image.mean(axis=(0, 1))
        drop, times = np.zeros((h, w)), np.zeros((h, w))
        for start in range(0, len(places), batch):
            some = places[start : start + batch]
            covered = np.repeat(image[None], len(some), axis=0)
            for one, (top, left) in zip(covered, some, strict=True):
                one[top : top + patch, left : left + patch] = color
            after = evaluation.log_odds(predict(covered))
            for (top, left), value in zip(some, sign * (before[n] - after), strict=True):
                drop[top : top + patch, left : left + patch] += value
                times[top : top + patch, left : left + patch] += 1
        out[n] = np.maximum(drop / np.maximum(times, 1), 0)
    return out


def resized(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return maps (n, h, w) at another size, bilinear, values kept between the old extremes."""
    import cv2

    return np.stack(
        [
            cv2.resize(
                np.asarray(m, np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR
            )
            for m in maps
        ]
    )


def scaled(heat: np.ndarray) -> np.ndarray:
    """Return the map divided by its maximum: 0..1; a map of zeros stays one."""
    top = float(np.max(heat))
    return np.asarray(heat, np.float32) / top if top > 0 else np.zeros_like(heat, np.float32)


def overlay(rgb: np.ndarray, heat: np.ndarray, strength: float = 0.6) -> np.ndarray:
    """Return the image with the map over it, uint8: the hotter, the less of the image shows.

    The map is scaled by its own maximum, so colors of two overlays are not the same amount.
    """
    import matplotlib

    heat = scaled(resized(np.asarray(heat)[None], rgb.shape[:2])[0])
    color = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    alpha = strength * np.sqrt(heat)[..., None]
    return np.clip(np.asarray(rgb) * (1 - alpha) + color * alpha, 0, 255).round().astype(np.uint8)


# --- maps that know nothing of the model ----------------------------------------------------------


def center_blob(shape: tuple[int, int], width: float = 0.2) -> np.ndarray:
    """Return a Gaussian in the middle; `width` is its standard deviation, as a share of the side.

    Faces are centered in their crops, so on whole-face swaps this map "finds" the fake.
    """
    y, x = np.indices(shape, dtype=np.float32)
    dy, dx = ((a - (n - 1) / 2) / (width * n) for a, n in ((y, shape[0]), (x, shape[1])))
    return np.exp(-(dx**2 + dy**2) / 2)


def edges(rgb: np.ndarray) -> np.ndarray:
    """Return the map of gray-level gradients (Sobel): an edge detector has learned nothing."""
    import cv2

    gray = cv2.cvtColor(np.asarray(rgb).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    gray = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1.5)
    return np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))


# --- checks against masks -------------------------------------------------------------------------


def _mask(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.shape != heat.shape:
        raise ValueError(f"the mask has shape {mask.shape} but the map {heat.shape}")
    mask = mask > 0 if mask.dtype == bool else mask > (127 if mask.max(initial=0) > 1 else 0.5)
    if not mask.any():
        raise ValueError("the mask is empty: no pixel of this image was manipulated")
    return mask


def mass_inside(heat: np.ndarray, mask: np.ndarray) -> float:
    """Return the share of the map's sum that lies inside the mask; NaN for a map of zeros."""
    inside = _mask(heat, mask)
    total = float(np.sum(heat, dtype=np.float64))
    return float(np.sum(heat[inside], dtype=np.float64)) / total if total > 0 else math.nan


def pointing(heat: np.ndarray, mask: np.ndarray) -> float:
    """Return 1.0 if the map's maximum lies inside the mask (Zhang et al. 2018), else 0.0.

    Where several pixels share the maximum, the share of them inside; NaN for a map of zeros.
    """
    inside = _mask(heat, mask)
    top = np.max(heat)
    return float(inside[heat == top].mean()) if top > 0 else math.nan


def against_masks(
    maps: np.ndarray, masks: np.ndarray, images: np.ndarray, clips: Sequence[str]
) -> pd.DataFrame:
    """Return, an image a row, the mass inside its mask of its map and of maps to beat (lesson 08).

    Columns: `clip`, `map`, `other masks` (the same map, mean over the masks of other clips),
    `uniform`, `center blob`, `edge map`, `pointing`, `empty` (the map is 0 everywhere, its values
    NaN). A map that is good for any clip's mask shows where faces have mouths, not where this one
    was changed. Average over the crops of a clip, then over groups.
    """
    names = np.asarray(clips)
    if not len(maps) == len(masks) == len(images) == len(clips):
        raise ValueError(
            f"{len(maps)} maps, {len(masks)} masks, {len(images)} images and "
            f"{len(clips)} clips: one of each is needed for every row"
        )
    inside = np.stack([_mask(h, m) for h, m in zip(maps, masks, strict=True)])
    flat = np.asarray(maps, np.float64).reshape(len(maps), -1)
    total = flat.sum(axis=1)
    shares = np.divide(
        flat, total[:, None], out=np.full_like(flat, np.nan), where=total[:, None] > 0
    )
    on = shares @ inside.reshape(len(masks), -1).T.astype(np.float64)  # map i, mask j
    apart = names[:, None] != names[None, :]
    if not apart.any(axis=1).all():
        raise ValueError("all rows are of one clip: there is no other clip's mask to compare with")
    rows = []
    for i, (heat, mask, image) in enumerate(zip(maps, inside, images, strict=True)):
        rows.append(
            {
                "clip": names[i],
                "map": on[i, i],
                "other masks": on[i][apart[i]].mean(),
                "uniform": mask.mean(),
                "center blob": mass_inside(center_blob(heat.shape), mask),
                "edge map": mass_inside(edges(image), mask),
                "pointing": pointing(heat, mask),
                "empty": not total[i] > 0,
            }
        )
    return pd.DataFrame(rows)


def shifted(images: Sequence[np.ndarray], size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the same random window of `size` pixels from each of several aligned images.

    Fake, original and mask move together, and the face no longer sits in the middle, where a blob
    would find it.
    """
    h, w = images[0].shape[:2]
    if any(i.shape[:2] != (h, w) for i in images) or size > min(h, w):
        raise ValueError(
            f"images of {[i.shape[:2] for i in images]} have no common window of {size} pixels"
        )
    top, left = (int(rng.integers(0, n - size + 1)) for n in (h, w))
    return [i[top : top + size, left : left + size] for i in images]


# --- checks by repair -----------------------------------------------------------------------------


ORDERS = ("map", "reverse", "random", "center-out")


def order_of_cells(
    heat: np.ndarray, order: str, cells: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the cells of a `cells` x `cells` grid, as flat indices, in the order of repair."""
    if order not in ORDERS:
        raise ValueError(f"no order {order!r}; there are {', '.join(ORDERS)}")
    if order == "random":
        return rng.permutation(cells * cells)
    if order == "center-out":
        heat = center_blob(heat.shape)
    labels = _cells(heat.shape, cells)
    mean = np.bincount(labels.ravel(), np.asarray(heat, np.float64).ravel(), cells**2) / (
        np.bincount(labels.ravel(), minlength=cells**2)
    )
    ties = rng.random(len(mean))  # equal cells in random order, not in reading order
    return np.lexsort((ties, mean if order == "reverse" else -mean))


def _cells(shape: tuple[int, ...], cells: int) -> np.ndarray:
    if cells > min(shape):
        raise ValueError(f"{cells} cells a side do not fit into {shape} pixels")
    y, x = (np.arange(n) * cells // n for n in shape)
    return y[:, None] * cells + x[None, :]


def repaired(
    fake: np.ndarray,
    original: np.ndarray,
    heat: np.ndarray,
    order: str,
    rng: np.random.Generator,
    cells: int = 12,
    steps: int = 12,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fake while its cells are put back from another picture, step by step (lesson 08).

    Parameters
    ----------
    fake, original : aligned, (h, w, 3)
    heat : map (h, w)
    order : one of `ORDERS`: most heat first, least first, random, from the center outwards

    Returns
    -------
    Pictures (steps + 1, h, w, 3), and for each the share of the cells put back, 0..1.
    """
    fake, original = np.asarray(fake, np.float32), np.asarray(original, np.float32)
    if fake.shape != original.shape or fake.shape[:2] != heat.shape:
        raise ValueError(
            f"fake {fake.shape}, original {original.shape} and map {heat.shape} are not aligned"
        )
    rank = np.empty(cells * cells, int)
    rank[order_of_cells(heat, order, cells, rng)] = np.arange(cells * cells)
    place = rank[_cells(heat.shape, cells)]
    counts = np.unique(np.linspace(0, cells * cells, steps + 1).round().astype(int))
    pictures = np.stack([np.where((place < n)[..., None], original, fake) for n in counts])
    return pictures, counts / cells**2


def repair_curve(
    predict: Callable[[np.ndarray], np.ndarray],
    fake: np.ndarray,
    original: np.ndarray,
    heat: np.ndarray,
    order: str,
    rng: np.random.Generator,
    cells: int = 12,
    steps: int = 12,
) -> pd.DataFrame:
    """Return the scores of the pictures of `repaired`: columns `repaired`, `p_fake`, `log_odds`.

    With the aligned original as `original`, the picture stays a face all along; with a gray one,
    the borders of the gray cells are a forgery cue of their own, which lesson 08 shows.
    `predict` : images (n, h, w, 3) -> p_fake (n,).
    """
    pictures, shares = repaired(fake, original, heat, order, rng, cells, steps)
    p = np.asarray(predict(pictures), np.float64)
    return pd.DataFrame({"repaired": shares, "p_fake": p, "log_odds": evaluation.log_odds(p)})


def area(curve: pd.DataFrame, column: str = "p_fake") -> float:
    """Return the area under a repair curve: the lower, the sooner the fake looked real."""
    return float(np.trapezoid(curve[column], curve["repaired"]))


# --- checks on the method -------------------------------------------------------------------------


def randomized(
    model: keras.Model, rng: np.random.Generator, layers: int | None = None
) -> keras.Model:
    """Return a copy whose weights are drawn at random (Adebayo et al. 2018; lesson 08).

    Kernels are drawn from a normal distribution with their own mean and spread; biases and
    batch-normalization statistics are shuffled. A map that stays the same did not come from what
    the model learned. That is all the test says: it does not rank methods (Binder et al. 2023).

    Parameters
    ----------
    layers : how many layers with weights, counted from the output; all unless told
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    weighty = [layer for layer in leaves(copy) if layer.get_weights()]
    for layer in weighty if layers is None else weighty[len(weighty) - layers :]:
        layer.set_weights(
            [
                rng.normal(w.mean(), w.std(), w.shape).astype(w.dtype)
                if w.ndim > 1
                else rng.permutation(w)
                for w in layer.get_weights()
            ]
        )
    return copy


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps, -1..1; NaN when one is constant."""
    from scipy.stats import rankdata

    a, b = (rankdata(np.ravel(m)) for m in (first, second))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def dense_weight_map(model: keras.Model, images: Any, label: str = "FAKE") -> np.ndarray:
    """Return the broken map of an older project: dense-layer weights over convolution channels.

    Class-activation maps (Zhou et al. 2016) weigh channel k with the last layer's weight for k,
    which is right when that layer sees the channels' means and nothing stands between. This recipe
    uses it on models with Flatten and a hidden Dense layer: row k of the last kernel belongs to
    hidden unit k, which has nothing to do with channel k. `permute_hidden` proves it: the model
    answers the same, the map changes. Do not use it; lesson 08 shows why.
    """
    import keras

    kernel = _last(model).get_weights()[0]
    features = keras.Model(model.inputs, model.get_layer(last_features(model)).output)
    maps = np.asarray(features.predict(_images(images), verbose=0))
    count = min(maps.shape[-1], len(kernel))
    maps = maps[..., :count] @ kernel[:count, _class(label)]
    return resized(np.maximum(maps, 0), model.input_shape[1:3])


def permute_hidden(model: keras.Model, rng: np.random.Generator) -> keras.Model:
    """Return a copy with the units of its last hidden Dense layer in another order.

    The copy computes the same function, so a method that explains the model must give the same
    map.
    """
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    dense = [layer for layer in leaves(copy) if isinstance(layer, keras.layers.Dense)]
    if len(dense) < 2:
        raise ValueError(f"the model {model.name} has no hidden Dense layer to reorder")
    (kernel, bias), (after, last_bias) = (layer.get_weights() for layer in dense[-2:])
    order = rng.permutation(len(bias))
    dense[-2].set_weights([kernel[:, order], bias[order]])
    dense[-1].set_weights([after[order], last_bias])
    return copy
