"""From a table of crops to a trained model, its history and its scores.

A *crops table* is `extraction`'s: one row a face, with `crop` (its file, relative to `folder`),
`clip`, `label`, `group` and `split`. Everything that is random follows from the seed, the epoch and
the row, so a run that was killed goes on as if nothing had happened. Lesson 05 derives the cached
features and the two phases, lesson 07 reads the histories.

Training is Keras' own `fit`; nothing here takes a gradient by hand.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from course_utils import datasets, models, settings
from course_utils.quietly import keras

KEYS = ["crop", "clip", "frame", "time_s", "person", "label", "group", "method", "split"]
IN_MEMORY = 4 * 2**30  # bytes of decoded crops above which they are read anew in each epoch
START_RATE = {"meso4": 1e-3, "meso_inception4": 1e-3, "course_backbone": 1e-3}  # others: 1e-4
LAST_BLOCK = {  # where the second phase begins
    "vgg16": "block5_conv1",
    "inception_resnet_v2": "mixed_7a",
    "xception": "block13_sepconv1_act",
    "efficientnet_b4": "block7a_expand_conv",
    "shallow_vgg16": "block5_conv1",
    "course_backbone": "block5_conv",
    "meso4": "conv4",
    "meso_inception4": "conv4",
}

# ---------------------------------------------------------------------------------- checked tables


def check(crops: pd.DataFrame, folder: str | Path, leaky: bool = False) -> None:
    """Raise a ValueError that names the rows, unless a model can be trained on this table.

    Every crop needs a label and a file, training and validation both classes; no group may lie in
    two splits, unless `leaky` says that this is meant (lesson 07 does it on purpose).
    """
    needed = ["crop", "clip", "label", "group", "split"]
    if missing := [name for name in needed if name not in crops]:
        raise ValueError(f"The crops table has no column {', '.join(missing)}: see extraction.")
    unlabeled = ~crops["label"].isin(models.CLASSES)
    if unlabeled.any():
        raise ValueError(f"{_rows(crops, unlabeled)}: the label is neither REAL nor FAKE.")
    for split in ("train", "validation"):
        rows = crops["split"] == split
        labels = crops.loc[rows, "label"].unique()
        if not rows.any():
            there = ", ".join(sorted(crops["split"].dropna().astype(str).unique())) or "no split"
            raise ValueError(f"None of the {len(crops)} crops is for {split} (there are: {there}).")
        if len(labels) < 2:
            raise ValueError(
                f"All {rows.sum()} crops for {split} are {labels[0]}: both classes are needed "
                f"({_rows(crops, rows)})."
            )
    nowhere = crops["group"].isna()
    if nowhere.any() and not leaky:
        raise ValueError(
            f"{_rows(crops, nowhere)}: no group, so nothing says whom the splits share."
        )
    absent = ~crops["crop"].map(lambda name: (Path(folder) / name).is_file())
    if absent.any():
        raise ValueError(f"{_rows(crops, absent)}: no such file in {folder}.")
    if not leaky:
        splits = crops.groupby("group")["split"].nunique(dropna=False)
        divided = crops["group"].isin(splits.index[splits > 1])
        if divided.any():
            group = crops.loc[divided, "group"].iloc[0]
            raise ValueError(
                f"{_rows(crops, divided & (crops['group'] == group))}: group {group} lies in two "
                f"splits, as do {(splits > 1).sum()} in all: split by group (datasets.split)."
            )


def _rows(crops: pd.DataFrame, chosen: pd.Series) -> str:
    """The chosen rows in words: at most three by number and name, and how many more."""
    names = [f"{row} ({name})" for row, name in crops.loc[chosen, "crop"].items()]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"Row{'s' if len(names) > 1 else ''} {', '.join(names[:3])}{more}"


def split_crops(
    crops: pd.DataFrame, how: str = "grouped", seed: int = settings.SEED
) -> pd.DataFrame:
    """The table with a `split`: `"grouped"` by clip families, `"random"` as it should not be done.

    `"grouped"` keeps a split that the table has. `"random"` deals the same numbers of crops out
    without regard to clips, so that siblings end up on both sides (lesson 07).
    """
    crops = crops.copy()
    if "split" not in crops or not {"train", "validation"} <= set(crops["split"]):
        crops["split"] = datasets.split(crops, seed)
    if how == "random":
        rng = np.random.default_rng(seed)
        shuffled = crops["split"].to_numpy(object)
        for rows in crops.groupby("label").indices.values():
            shuffled[rows] = rng.permutation(shuffled[rows])
        crops["split"] = shuffled
    elif how != "grouped":
        raise ValueError(f'A split is "grouped" or "random", not {how!r}.')
    return crops


# ----------------------------------------------------------------------------------------- pixels


def read_crop(path: str | Path, size: int) -> np.ndarray:
    """One crop as the model takes it: RGB, uint8, (size, size, 3).

    Raises a ValueError naming the file when it is no whole picture.
    """
    import cv2

    data = np.fromfile(path, np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) and _whole(data) else None
    if bgr is None:
        raise ValueError(f"{path} is not a readable picture")
    return models.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), size)


def _whole(data: np.ndarray) -> bool:
    """A PNG or JPEG that ends as one must: decoders fill in a missing rest and say nothing."""
    start, end = data[:4].tobytes(), data[-64:].tobytes()
    if start == b"\x89PNG":
        return b"IEND" in end
    return b"\xff\xd9" in end if start[:2] == b"\xff\xd8" else True


def pixels(crops: pd.DataFrame, folder: str | Path, size: int) -> np.ndarray:
    """All crops of the table in memory, (n, size, size, 3) uint8, read once by several threads.

    Raises a ValueError that names the rows of corrupt pictures.
    """
    images = np.empty((len(crops), size, size, 3), np.uint8)
    corrupt = np.zeros(len(crops), bool)

    def read(row: int) -> None:
        try:
            images[row] = read_crop(Path(folder) / crops["crop"].iloc[row], size)
        except ValueError:
            corrupt[row] = True

    with ThreadPoolExecutor(settings.cores()) as pool:
        list(pool.map(read, range(len(crops))))
    if corrupt.any():
        bad = pd.Series(corrupt, crops.index)
        raise ValueError(f"{_rows(crops, bad)}: not a readable picture. Extract these crops again.")
    return images


class _Files:
    """Crops that do not fit in memory: indexed like `pixels`, read at each use."""

    def __init__(self, crops: pd.DataFrame, folder: str | Path, size: int) -> None:
        self.paths = [Path(folder) / name for name in crops["crop"]]
        self.shape = (len(crops), size, size, 3)
        self.dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([read_crop(self.paths[row], self.shape[1]) for row in rows])


Images = np.ndarray | _Files


def images_of(crops: pd.DataFrame, folder: str | Path, size: int) -> Images:
    """`pixels` where they fit in memory (`IN_MEMORY`), else an object that reads at each use."""
    if len(crops) * size * size * 3 <= IN_MEMORY:
        return pixels(crops, folder, size)
    for start in range(0, len(crops), 1000):  # every file once, so that a corrupt one stops us here
        pixels(crops.iloc[start : start + 1000], folder, 32)
    return _Files(crops, folder, size)


_SAME, _GRAY = np.eye(3), np.tile([0.299, 0.587, 0.114], (3, 1))


def augment(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The crop flipped, recolored, blurred, compressed and cut out, each by chance; uint8 RGB.

    What an upload does to a video should not decide: brightness, contrast and saturation change by
    up to 15 %, one crop in four is blurred (sigma up to 1.5 px), one in two goes through JPEG
    (quality 40-95), one in four loses a square of up to a third of its side (cut-out, DeVries &
    Taylor 2017).
    """
    import cv2

    size = rgb.shape[0]
    if rng.random() < 0.5:
        rgb = cv2.flip(rgb, 1)
    contrast, brightness, saturation = rng.uniform(0.85, 1.15, 3)
    shift = 255 * (brightness - 1) + 128 * (1 - contrast)
    # Color's distance from its own gray, scaled; then contrast and brightness: one matrix does all.
    matrix = np.full((3, 4), shift)
    matrix[:, :3] = contrast * (saturation * _SAME + (1 - saturation) * _GRAY)
    rgb = cv2.transform(rgb, matrix)
    blur, jpeg, cut = rng.random(3) < (0.25, 0.5, 0.25)
    if blur:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 1.5))
    if jpeg:  # the order of the channels is nothing to a coder that gets it back as it was
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
        rgb = np.asarray(cv2.imdecode(cv2.imencode(".jpg", rgb, quality)[1], cv2.IMREAD_COLOR))
    if cut:
        side = int(rng.uniform(0.1, 1 / 3) * size)
        top, left = rng.integers(0, size - side, 2)
        rgb = rgb.copy()
        rgb[top : top + side, left : left + side] = 128
    return rgb


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """In which order an epoch takes its `count` crops."""
    return np.random.default_rng((seed, epoch, count)).permutation(count)


def batches(
    images: Images,
    labels: np.ndarray,
    weights: np.ndarray,
    batch: int = 32,
    seed: int = settings.SEED,
    augmented: bool = False,
    epochs: range = range(1),
):
    """A `tf.data.Dataset` of (images, labels, weights) that runs through `epochs` one by one.

    The order of an epoch, and what happens to a crop in it, follow from (seed, epoch, row) alone:
    epoch 7 is the same whether the run began at epoch 0 or resumed there. Where Keras runs on
    another backend than TensorFlow, the same batches come from a `keras.utils.PyDataset`.
    """

    def fetch(epoch: int, rows: np.ndarray) -> np.ndarray:
        chosen = images[rows]
        if augmented:
            for place, row in enumerate(rows):
                rng = np.random.default_rng((seed, int(epoch), int(row)))
                chosen[place] = augment(chosen[place], rng)
        return chosen

    labels, weights = labels.astype(np.int32), weights.astype(np.float32)
    if keras.backend.backend() != "tensorflow":
        return _Turns(fetch, labels, weights, batch, seed, epochs.start)
    import tensorflow as tf

    kind = tf.as_dtype(images.dtype)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.numpy_function(
            lambda epoch: order(seed, int(epoch), len(labels)), [epoch], tf.int64, stateful=False
        )
        shuffled.set_shape((len(labels),))
        rows = tf.data.Dataset.from_tensor_slices(shuffled).batch(batch)
        return rows.map(lambda rows: (epoch, rows))

    def load(epoch: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        chosen = tf.numpy_function(fetch, [epoch, rows], kind, stateful=False)
        chosen.set_shape((None, *images.shape[1:]))
        return chosen, tf.gather(all_labels, rows), tf.gather(all_weights, rows)

    with tf.device("cpu:0"):
        all_labels, all_weights = tf.constant(labels), tf.constant(weights)
        turns = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
        return turns.map(load, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class _Turns(keras.utils.PyDataset):
    """`batches` without TensorFlow: one epoch long, and on to the next when it ends."""

    def __init__(
        self,
        fetch: Callable[[int, np.ndarray], np.ndarray],
        labels: np.ndarray,
        weights: np.ndarray,
        batch: int,
        seed: int,
        epoch: int,
    ) -> None:
        super().__init__()
        self.fetch, self.labels, self.weights = fetch, labels, weights
        self.batch, self.seed, self.epoch = batch, seed, epoch
        self.rows = order(seed, epoch, len(labels))

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self.rows[index * self.batch : (index + 1) * self.batch]
        return self.fetch(self.epoch, rows), self.labels[rows], self.weights[rows]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.rows = order(self.seed, self.epoch, len(self.labels))


# --------------------------------------------------------------------------- classes and the prior


def balance(labels: np.ndarray) -> np.ndarray:
    """A weight for each crop, so that REAL and FAKE weigh the same; their mean is 1."""
    counts = np.bincount(labels, minlength=2)
    return (len(labels) / (2 * np.maximum(counts, 1)))[labels]


def restore_prior(model: keras.Model, fake: float) -> None:
    """Turn balanced probabilities into those for a share `fake` of FAKE, in the model itself.

    Trained on balanced classes, a model answers as if one crop in two were fake. By Bayes' rule the
    odds are off by the factor `fake / (1 - fake)`; its logarithm is added to the last bias, so no
    uncorrected probability is ever saved or shown (lesson 07).
    """
    last = model.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel, bias + np.log([2 * (1 - fake), 2 * fake]).astype("float32")])


# -------------------------------------------------------------------------------------- recording


class _Recorder(keras.callbacks.Callback):
    """Validates after each epoch, keeps the history and the best weights, stops early, resumes."""

    def __init__(
        self,
        validation: tuple[Images, np.ndarray, np.ndarray],
        phase: str,
        seed: int,
        batch: int,
        patience: int | None,
        rate: Callable[[int], float] | None,
        run: Path | None,
    ) -> None:
        super().__init__()
        self.validation, self.phase, self.seed, self.batch = validation, phase, seed, batch
        self.patience, self.rate, self.run = patience, rate, run
        self.rows: list[dict] = []
        self.best: list[np.ndarray] | None = None
        self.began = 0.0

    def resume(self) -> int:
        """Load what an earlier, unfinished run left; the number of epochs it had done."""
        if self.run is None or not (self.run / f"{self.phase}.csv").is_file():
            return 0
        rows = pd.read_csv(self.run / f"{self.phase}.csv")
        self.rows = rows.to_dict("records")
        self.model.optimizer.build(self.model.trainable_variables)
        self.model.load_weights(self.run / f"{self.phase}-best.weights.h5")
        self.best = self.model.get_weights()
        self.model.load_weights(self.run / f"{self.phase}-{len(rows):03d}.weights.h5")
        return len(rows)

    def over(self) -> bool:
        """Whether no epoch since the best one, `patience` ago, was better; or the loss is lost."""
        losses = [row["val_loss"] for row in self.rows]
        if losses and not np.isfinite(losses[-1]):
            return True
        return bool(
            self.patience and losses and len(losses) - 1 - np.argmin(losses) >= self.patience
        )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.began = time.perf_counter()
        if self.rate:
            self.model.optimizer.learning_rate = self.rate(epoch)
        # Keras saves no state of dropout's generators: each epoch sets them from seed and epoch.
        random = [layer for layer in self.model.layers if getattr(layer, "seed_generator", None)]
        for index, layer in enumerate(random):
            key = np.random.SeedSequence((self.seed, epoch, index)).generate_state(2)
            layer.seed_generator.state.assign(key)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        images, labels, weights = self.validation
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"phase": self.phase, "epoch": epoch + 1, **(logs or {})}
        row |= validate(predict(self.model, images, self.batch), labels, weights)
        row |= {"learning_rate": rate, "seconds": time.perf_counter() - self.began}
        best = not self.rows or row["val_loss"] < min(each["val_loss"] for each in self.rows)
        self.rows.append(row)
        if best:
            self.best = self.model.get_weights()
        if self.run:
            self._save(self.run, best)
        if logs is not None:
            logs.update({name: row[name] for name in row if name.startswith("val_")})
        self.model.stop_training = self.over()

    def history(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

    def _save(self, run: Path, best: bool) -> None:
        """Weights first, then the table that counts them: a kill in between costs one epoch."""
        done = len(self.rows)
        for name in [f"{done:03d}"] + ["best"] * best:
            path = run / f"{self.phase}-{name}.weights.h5"
            partial = path.with_name(f"partial-{path.name}")
            self.model.save_weights(partial)
            partial.replace(path)
        _write_csv(self.history(), run / f"{self.phase}.csv")
        (run / f"{self.phase}-{done - 1:03d}.weights.h5").unlink(missing_ok=True)


class _Progress(keras.callbacks.Callback):
    """One bar over all epochs, in a notebook or a terminal."""

    def __init__(self, epochs: int, done: int, phase: str) -> None:
        from tqdm.auto import tqdm

        super().__init__()
        self.bar = tqdm(total=epochs, initial=done, desc=phase, unit="epoch")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        shown = {
            name: f"{(logs or {})[name]:.3f}"
            for name in ("loss", "val_loss")
            if name in (logs or {})
        }
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.bar.close()


def validate(p_fake: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """`val_loss` (log-loss), `val_accuracy` and `val_auc` of scores.

    With `balance`d weights chance is .693, .5 and .5. The AUC is over crops; verdicts on clips are
    `evaluation`'s.
    """
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

    if not np.isfinite(p_fake).all():
        return {"val_loss": math.nan, "val_accuracy": math.nan, "val_auc": math.nan}
    p = np.clip(p_fake, 1e-7, 1 - 1e-7)
    return {
        "val_loss": float(log_loss(labels, p, sample_weight=weights, labels=[0, 1])),
        "val_accuracy": float(accuracy_score(labels, p > 0.5, sample_weight=weights)),
        "val_auc": float(roc_auc_score(labels, p)) if len(set(labels)) == 2 else math.nan,
    }


def predict(model: keras.Model, images: Images, batch: int = 32) -> np.ndarray:
    """`models.predict` on images in memory or on disk."""
    if isinstance(images, np.ndarray):
        return models.predict(model, images, batch)
    starts = range(0, len(images), 8 * batch)
    rows = [np.arange(start, min(start + 8 * batch, len(images))) for start in starts]
    return np.concatenate([models.predict(model, images[some], batch) for some in rows])


# --------------------------------------------------------------------------------------- training


def prepare(seed: int = settings.SEED, mixed: bool | None = None) -> None:
    """Call before a model is built: seeds, and with TensorFlow on a GPU memory growth and float16.

    Equal seeds then give equal histories on one machine; on a GPU this also asks TensorFlow for
    deterministic kernels (with JAX on a GPU, two runs differed a little). `mixed` (float16
    arithmetic, float32 weights) is left out on a CPU, and on Keras' other backends, unless asked
    for.
    """
    keras.utils.set_random_seed(seed)
    gpus = []
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            try:
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:  # already in use: the setting was made, or it is too late for it
                break
        if gpus:
            tf.config.experimental.enable_op_determinism()
    mixed = bool(gpus) if mixed is None else mixed
    keras.config.set_dtype_policy("mixed_float16" if mixed else "float32")


def compiled(
    model: keras.Model, rate: float = 1e-3, optimizer: keras.optimizers.Optimizer | None = None
) -> keras.Model:
    """The model with Adam (or `optimizer`), cross-entropy, and accuracy weighted as the loss is."""
    model.compile(
        optimizer=optimizer or keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    return model


def cosine(rate: float, epochs: int) -> Callable[[int], float]:
    """Learning rate by epoch: from `rate` to nearly nothing along half a cosine."""
    return lambda epoch: rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


class Faces(NamedTuple):
    """Training and validation crops of a table, read once for all that is done with them."""

    train: Images
    train_labels: np.ndarray
    validation: Images
    validation_labels: np.ndarray


def read_faces(crops: pd.DataFrame, folder: str | Path, size: int, leaky: bool = False) -> Faces:
    """`check` the table and read its training and validation crops."""
    check(crops, folder, leaky)
    train, validation = (crops[crops["split"] == split] for split in ("train", "validation"))
    return Faces(
        images_of(train, folder, size),
        label_numbers(train),
        images_of(validation, folder, size),
        label_numbers(validation),
    )


def label_numbers(crops: pd.DataFrame) -> np.ndarray:
    """1 for FAKE, 0 for REAL."""
    return (crops["label"] == "FAKE").to_numpy(np.int32)


def fit(
    model: keras.Model,
    faces: Faces,
    epochs: int,
    batch: int = 32,
    seed: int = settings.SEED,
    augmented: bool = True,
    balanced: bool = True,
    patience: int | None = None,
    rate: Callable[[int], float] | None = None,
    run: Path | None = None,
    phase: str = "all layers",
    progress: bool = True,
) -> pd.DataFrame:
    """Train a compiled model; it ends with the weights of its best epoch on the validation groups.

    Parameters
    ----------
    faces : from `read_faces`
    augmented : `augment` each crop anew in each epoch
    balanced : REAL and FAKE weigh the same, in training and validation; `restore_prior` afterwards
    patience : stop after so many epochs without a lower `val_loss`
    rate : learning rate by epoch (from 0), such as `cosine(1e-3, epochs)`
    run : a folder for checkpoints; a second call with the same arguments goes on from there

    Returns
    -------
    DataFrame
        One row an epoch: `phase`, `epoch` (from 1), `loss`, `accuracy`, `val_loss`, `val_accuracy`,
        `val_auc`, `learning_rate`, `seconds`.
    """
    images, labels, others, other_labels = faces
    even = balance if balanced else lambda labels: np.ones(len(labels))
    validation = (others, other_labels, even(other_labels))
    if run:
        run.mkdir(parents=True, exist_ok=True)
    recorder = _Recorder(validation, phase, seed, batch, patience, rate, run)
    recorder.set_model(model)
    done = recorder.resume()
    if done < epochs and not recorder.over():
        data = batches(images, labels, even(labels), batch, seed, augmented, range(done, epochs))
        callbacks = [recorder] + ([_Progress(epochs, done, phase)] if progress else [])
        model.fit(
            data,
            steps_per_epoch=math.ceil(len(labels) / batch),
            initial_epoch=done,
            epochs=epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    if recorder.best:
        model.set_weights(recorder.best)
    return recorder.history()


def cached_features(model: keras.Model, images: Images, batch: int = 32) -> np.ndarray:
    """What the backbone makes of each image, (n, features) float32: it runs once for all epochs."""
    body = models.backbone(model)
    starts = range(0, len(images), 8 * batch)
    rows = [np.arange(start, min(start + 8 * batch, len(images))) for start in starts]
    parts = [body.predict(images[some], batch_size=batch, verbose=0) for some in rows]
    return np.concatenate(parts).astype(np.float32)


def fit_head(
    model: keras.Model, faces: Faces, epochs: int, rate: float = 1e-3, batch: int = 32, **options
) -> pd.DataFrame:
    """Train the head of a frozen model on cached features: `fit`'s result, many times faster.

    The backbone is frozen first. Crops are not augmented, for then nothing could be cached.
    `options` are `fit`'s.
    """
    models.freeze(model)
    top = compiled(models.head(model), rate)
    cached = faces._replace(
        train=cached_features(model, faces.train, batch),
        validation=cached_features(model, faces.validation, batch),
    )
    options = {"phase": "frozen", **options, "augmented": False}
    return fit(top, cached, epochs, batch, **options)


def fine_tune(
    model: keras.Model,
    faces: Faces,
    epochs: tuple[int, int] = (20, 10),
    rate: float = 1e-3,
    layer: str | None = None,
    batch: int = 32,
    **options,
) -> pd.DataFrame:
    """First the head alone on cached features, then everything from `layer` at a tenth of the rate.

    `layer` is by default the beginning of the model's last block (`LAST_BLOCK`). `options` are
    `fit`'s. The weights kept are those of the second phase's best epoch. Returns both phases'
    histories in one table; `epoch` counts on.
    """
    first = fit_head(model, faces, epochs[0], rate, batch, **options)
    models.unfreeze_from(model, layer or LAST_BLOCK[model.name.partition("-")[0]])
    compiled(model, rate / 10)
    options = {"phase": "fine-tuned", "rate": cosine(rate / 10, epochs[1]), **options}
    second = fit(model, faces, epochs[1], batch, **options)
    second["epoch"] += len(first)
    return pd.concat([first, second], ignore_index=True)


def score(
    model: keras.Model, crops: pd.DataFrame, folder: str | Path, batch: int = 32
) -> pd.DataFrame:
    """The scores table: the crops' keys and `p_fake`."""
    images = images_of(crops, folder, models.image_size(model))
    scores = crops[[name for name in KEYS if name in crops]].copy()
    scores["p_fake"] = predict(model, images, batch)
    return scores


def spreads(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """How far the picture comes forward and the error back, layer by layer (lesson 04).

    A row a layer with a kernel, from the picture on: `signal` (root mean square of its outputs),
    `apart` (that of their distance from the mean over the images: all that tells one image from
    another), `pull` (root mean square of the loss's gradient, in those of the kernel). All as in
    training: normalization goes by this batch. The gradient is read off one step of plain descent
    at rate 1, which is then taken back. Compile the model afterwards.
    """
    named = [layer for layer in model.layers if hasattr(layer, "kernel")]
    inside = keras.Model(model.input, [layer.output for layer in named])
    before = model.get_weights()
    answers = keras.tree.flatten(inside(images, training=True))
    outputs = [keras.ops.convert_to_numpy(each) for each in answers]
    kernels = [layer.get_weights()[0] for layer in named]
    model.compile(keras.optimizers.SGD(1.0), loss="sparse_categorical_crossentropy")
    model.train_on_batch(images, labels)
    steps = [old - layer.get_weights()[0] for old, layer in zip(kernels, named, strict=True)]
    model.set_weights(before)

    def size(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.square(values, dtype=float))))

    return pd.DataFrame(
        {
            "signal": [size(each) for each in outputs],
            "apart": [size(each - each.mean(axis=0)) for each in outputs],
            "pull": [size(step) / size(old) for step, old in zip(steps, kernels, strict=True)],
        },
        index=pd.Index([layer.name for layer in named], name="layer"),
    )


# ------------------------------------------------------------------------------- cross-validation


def cross_validate(
    crops: pd.DataFrame,
    folder: str | Path,
    build: Callable[[], keras.Model],
    folds: int = 5,
    seeds: Sequence[int] = range(10),
    epochs: int = 25,
    batch: int = 32,
    how: str = "grouped",
    augmented: bool = False,
    out: str | Path | None = None,
    jobs: int | None = None,
) -> pd.DataFrame:
    """Score every crop by models that did not train on its group, once for each seed.

    Each seed divides the groups (or, `how="random"`, the crops: lesson 07's leak) anew into
    `folds`, and trains one model per fold for a fixed number of epochs: nothing is chosen on
    held-out crops.

    Parameters
    ----------
    build : makes a compiled model; called anew, after seeding, for each fold
    out : a folder that keeps each fold's scores, so that a second call goes on from there
    jobs : folds trained at once, one thread each: on a CPU one per core (small networks gain more
        from that than from threads), on a GPU one

    Returns
    -------
    DataFrame
        The crops' keys, `seed`, `fold`, `p_fake`: `len(crops) * len(seeds)` rows.
    """
    import joblib

    if out:
        Path(out).mkdir(parents=True, exist_ok=True)
    places = {seed: _folds(crops, folds, how, seed) for seed in seeds}
    tasks = [(seed, fold) for seed in seeds for fold in range(folds)]
    if jobs is None:
        jobs = 1 if settings.device().startswith("GPU") else settings.cores()
    size = models.image_size(build())
    images = images_of(crops, folder, size)
    one = functools.partial(
        _one_fold, images, label_numbers(crops), build, epochs, batch, augmented, out, jobs > 1
    )
    work = (joblib.delayed(one)(places[seed] == fold, seed, fold) for seed, fold in tasks)
    results = joblib.Parallel(n_jobs=jobs, return_as="generator")(work)
    from tqdm.auto import tqdm

    tables = []
    for (seed, fold), p_fake in zip(
        tasks, tqdm(results, total=len(tasks), unit="model"), strict=True
    ):
        table = crops.loc[places[seed] == fold, [name for name in KEYS if name in crops]]
        tables.append(table.assign(seed=seed, fold=fold, p_fake=p_fake))
    return pd.concat(tables, ignore_index=True)


def _folds(crops: pd.DataFrame, folds: int, how: str, seed: int) -> np.ndarray:
    """The fold of each crop."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitters = {"grouped": StratifiedGroupKFold, "random": StratifiedKFold}
    if how not in splitters:
        raise ValueError(f'A split is "grouped" or "random", not {how!r}.')
    if how == "grouped" and crops["group"].nunique() < folds:
        raise ValueError(f"{crops['group'].nunique()} groups cannot be divided into {folds} folds.")
    place = np.empty(len(crops), int)
    splitter = splitters[how](folds, shuffle=True, random_state=seed)
    groups = crops["group"] if how == "grouped" else None
    for fold, (_, held_out) in enumerate(splitter.split(crops, crops["label"], groups)):
        place[held_out] = fold
    return place


def _one_fold(
    images: Images,
    labels: np.ndarray,
    build: Callable[[], keras.Model],
    epochs: int,
    batch: int,
    augmented: bool,
    out: str | Path | None,
    single: bool,
    held_out: np.ndarray,
    seed: int,
    fold: int,
) -> np.ndarray:
    """Train on the other folds; `p_fake` of the crops held out."""
    file = Path(out) / f"seed{seed:02d}-fold{fold}.npy" if out else None
    if file and file.is_file():
        return np.load(file)
    if single and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:  # this worker has trained a fold before: the setting was made then
            pass
    prepare(seed * 1000 + fold)
    model = build()
    rows = np.flatnonzero(~held_out)
    train = images[rows]
    weights = balance(labels[rows])
    data = batches(train, labels[rows], weights, batch, seed, augmented, range(epochs))
    steps = math.ceil(len(rows) / batch)
    model.fit(data, steps_per_epoch=steps, epochs=epochs, shuffle=False, verbose=0)
    restore_prior(model, labels[rows].mean())
    p_fake = predict(model, images[np.flatnonzero(held_out)], batch)
    keras.backend.clear_session()
    if file:
        partial = file.with_name(f"partial-{os.getpid()}-{file.name}")
        np.save(partial, p_fake)
        partial.replace(file)
    return p_fake


# ------------------------------------------------------------------------------ the course backbone


def train_backbone(
    crops: pd.DataFrame,
    folder: str | Path,
    targets: Sequence[str],
    out: str | Path,
    epochs: int = 40,
    batch: int = 32,
    image_size: int = 96,
    seed: int = settings.SEED,
    command: str = "",
) -> pd.DataFrame:
    """Train `models.course_backbone` to tell `targets` (skin tone, pose, mouth), not the label.

    Each target is a column of the crops table: words become a softmax over them, numbers a
    standardized value; a missing one is left out of the loss. Only crops of the split `train` are
    learned from: the backbone has met no validation or test group when lesson 05 borrows it.

    Leaves the backbone's weights in `out` (`.weights.h5`), and beside it, in `.json`, what made it
    and how well each target is told on the validation crops, next to a constant answer: accuracy
    beside the commonest word's share, R squared beside 0. Returns that table.
    """
    if missing := [name for name in targets if name not in crops]:
        raise ValueError(f"The crops table has no column {', '.join(missing)}.")
    if forbidden := {"label", "method"} & set(targets):
        raise ValueError(f"{', '.join(forbidden)} would tell REAL from FAKE: take other targets.")
    check(crops, folder)
    prepare(seed)
    learned, held_out = (crops[crops["split"] == split] for split in ("train", "validation"))
    coded = {name: _coded(crops[name], learned[name]) for name in targets}
    model = models.course_backbone("random", image_size)
    features = model.get_layer("features").output
    outputs, losses = [], []
    for name, (_, words) in coded.items():
        kind = {"units": words, "activation": "softmax"} if words else {"units": 1}
        outputs.append(keras.layers.Dense(**kind, dtype="float32", name=f"target_{name}")(features))
        losses.append("sparse_categorical_crossentropy" if words else "mse")
    many = keras.Model(model.input, outputs)
    many.compile(keras.optimizers.Adam(1e-3), loss=losses)
    rate = cosine(1e-3, epochs)
    many.fit(
        pixels(learned, folder, image_size),
        [values[learned.index].fillna(0).to_numpy() for values, _ in coded.values()],
        sample_weight=[
            values[learned.index].notna().to_numpy(float) for values, _ in coded.values()
        ],
        batch_size=batch,
        epochs=epochs,
        callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch, _: rate(epoch))],
        verbose=0,
    )
    told = many.predict(pixels(held_out, folder, image_size), verbose=0)
    rows = []
    for (name, (values, words)), answer in zip(
        coded.items(), told if len(targets) > 1 else [told], strict=True
    ):
        truth = values[held_out.index]
        rows.append({"target": name, **_told(answer, truth.to_numpy(), bool(words))})
    table = pd.DataFrame(rows)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    models.backbone(model).save_weights(out)
    _write_json(
        out.with_name(out.name.removesuffix(".weights.h5") + ".json"),
        {
            **{"command": command, "epochs": epochs, "seed": seed, "image_size": image_size},
            **{"date": datetime.date.today().isoformat(), "device": settings.device()},
            **{"crops": {"train": len(learned), "validation": len(held_out)}},
            **{"targets": table.to_dict("records")},
        },
    )
    return table


def _coded(values: pd.Series, learned: pd.Series) -> tuple[pd.Series, int]:
    """A target as numbers, by what training rows know of it, and how many words it has (or 0)."""
    if pd.api.types.is_numeric_dtype(values):
        return (values - learned.mean()) / (learned.std() or 1.0), 0
    words = sorted(learned.dropna().unique())
    return values.map({word: place for place, word in enumerate(words)}), len(words)


def _told(answer: np.ndarray, truth: np.ndarray, words: bool) -> dict:
    """How well a target is told where it is known, and how well a constant would tell it."""
    known = ~np.isnan(truth)
    answer, truth = answer[known], truth[known]
    if words:
        right = float(np.mean(answer.argmax(1) == truth))
        constant = float(np.bincount(truth.astype(int)).max() / len(truth))
        return {"measure": "accuracy", "validation": right, "constant": constant}
    error, spread = np.mean((answer[:, 0] - truth) ** 2), np.mean((truth - truth.mean()) ** 2)
    return {"measure": "R squared", "validation": float(1 - error / spread), "constant": 0.0}


# --------------------------------------------------------------------------------------- whole runs


def train(
    crops_folder: str | Path,
    run_folder: str | Path,
    model: str = "meso4",
    weights: str = "random",
    split: str = "grouped",
    image_size: int | None = None,
    epochs: int = 20,
    batch: int = 32,
    seed: int = settings.SEED,
    patience: int | None = None,
    augmented: bool = True,
    command: str = "",
) -> pd.DataFrame:
    """Train a model on `crops_folder/crops.csv`; the same call resumes a run that was killed.

    From random or published weights, all layers are trained (`shallow_vgg16` by its own recipe:
    SGD .01, Nesterov momentum .9, no augmentation). From borrowed weights, the head alone for
    `epochs`, then the last block for half as many (`fine_tune`).

    Leaves in `run_folder` `history.csv`, `run.json` (what made it), `model.keras`, and `scores.csv`
    (every validation and test crop). Returns the history.
    """
    folder, run = Path(crops_folder), Path(run_folder)
    began = time.time()
    crops = split_crops(read_table(folder), split, seed)
    prepare(seed)
    network = build(model, weights, image_size)
    image_size = models.image_size(network)
    asked = {
        **{"model": model, "weights": str(weights), "weights_name": models.weights_name(network)},
        **{"split": split, "image_size": image_size},
        **{"epochs": epochs, "batch": batch, "seed": seed, "patience": patience},
        **{"augmented": augmented and model != "shallow_vgg16", "crops_table": _digest(crops)},
    }
    run.mkdir(parents=True, exist_ok=True)
    about = _same_run(run, asked)
    if about.get("finished"):
        return pd.read_csv(run / "history.csv")
    _write_json(run / "run.json", asked)
    faces = read_faces(crops, folder, image_size, leaky=split == "random")
    options: dict[str, Any] = {"seed": seed, "patience": patience, "run": run / "checkpoints"}
    options["augmented"] = asked["augmented"]
    borrowed = models.weights_name(network) not in ("random", "published", "published-f2f")
    if borrowed:
        history = fine_tune(network, faces, (epochs, max(1, epochs // 2)), batch=batch, **options)
    elif model == "shallow_vgg16":
        compiled(network, optimizer=keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True))
        history = fit(network, faces, epochs, batch, balanced=False, **options)
    else:
        rate = float(compiled(network, START_RATE.get(model, 1e-4)).optimizer.learning_rate)
        history = fit(network, faces, epochs, batch, rate=cosine(rate, epochs), **options)
    if history["val_loss"].isna().all():
        raise RuntimeError(
            "The loss was lost in the first epoch, so there is nothing to keep: try another seed, "
            f"in another folder than {run}."
        )
    if model != "shallow_vgg16":
        restore_prior(network, float(faces.train_labels.mean()))
    held_out = crops[crops["split"].isin(["validation", "test"])]
    network.save(run / "model.keras")
    _write_csv(score(network, held_out, folder, batch), run / "scores.csv")
    _write_csv(history, run / "history.csv")
    about = describe(network, crops, command, time.time() - began)
    _write_json(run / "run.json", asked | about | {"finished": True})
    _remove(run / "checkpoints")
    return history


WAYS = ("frozen", "fine-tuned", "random", "random-frozen")


def run_transfer(
    crops_folder: str | Path,
    run_folder: str | Path,
    way: str,
    image_size: int = 96,
    epochs: int = 20,
    batch: int = 32,
    seeds: int = 10,
    command: str = "",
) -> pd.DataFrame:
    """Train the course backbone one `way`, once for each seed; the same call resumes (lesson 05).

    `"frozen"` trains the head on the borrowed features; `"fine-tuned"` does so for half of the
    epochs, then the last block too; `"random"` trains all layers from random weights;
    `"random-frozen"` the head on features of a network that has learned nothing. All ways meet the
    same crops as often, without augmentation, and end with their best epoch on validation groups
    (`"fine-tuned"` with that of its second phase).

    Leaves `run_folder/history.csv`, `scores.csv` (every validation and test crop for each seed) and
    `run.json`. Returns the scores.
    """
    if way not in WAYS:
        raise ValueError(f"There is no way {way!r}; there are {', '.join(WAYS)}.")
    folder, run = Path(crops_folder), Path(run_folder)
    began = time.time()
    crops = split_crops(read_table(folder))
    start = "random" if way.startswith("random") else "course"
    asked = {
        **{"model": "course_backbone", "weights": start, "weights_name": start, "way": way},
        **{"split": "grouped", "image_size": image_size, "epochs": epochs, "batch": batch},
        **{"seeds": seeds, "augmented": False, "crops_table": _digest(crops)},
    }
    run.mkdir(parents=True, exist_ok=True)
    if _same_run(run, asked).get("finished"):
        return pd.read_csv(run / "scores.csv")
    _write_json(run / "run.json", asked)
    faces = read_faces(crops, folder, image_size)
    held_out = crops[crops["split"].isin(["validation", "test"])]
    images = images_of(held_out, folder, image_size)
    keys = held_out[[name for name in KEYS if name in held_out]]
    (run / "checkpoints").mkdir(exist_ok=True)
    files = [run / "checkpoints" / f"seed{seed:02d}.csv" for seed in range(seeds)]
    for seed, file in enumerate(files):
        if file.is_file():
            continue
        network, history = _one_way(way, start, faces, image_size, epochs, batch, seed)
        restore_prior(network, float(faces.train_labels.mean()))
        p_fake = predict(network, images, batch)
        _write_csv(history.assign(seed=seed), file.with_name(f"history-{file.name}"))
        _write_csv(keys.assign(seed=seed, p_fake=p_fake), file)
    history = pd.concat(pd.read_csv(file.with_name(f"history-{file.name}")) for file in files)
    scores = pd.concat(pd.read_csv(file) for file in files)
    _write_csv(history, run / "history.csv")
    _write_csv(scores, run / "scores.csv")
    about = describe(build("course_backbone", start, image_size), crops, command, 0)
    about["seconds"] = round(time.time() - began, 1)
    _write_json(run / "run.json", asked | about | {"finished": True})
    _remove(run / "checkpoints")
    return scores.reset_index(drop=True)


def _one_way(
    way: str, start: str, faces: Faces, image_size: int, epochs: int, batch: int, seed: int
) -> tuple[keras.Model, pd.DataFrame]:
    """A network trained one of the `WAYS`, and its history."""
    prepare(seed)
    network = models.course_backbone(start, image_size)
    options: dict[str, Any] = {"batch": batch, "seed": seed, "augmented": False, "progress": False}
    if way.endswith("frozen"):
        return network, fit_head(network, faces, epochs, 1e-2, **options)
    if way == "fine-tuned":
        first = epochs // 2
        return network, fine_tune(network, faces, (first, epochs - first), 1e-2, **options)
    compiled(network, 1e-3)
    return network, fit(network, faces, epochs, rate=cosine(1e-3, epochs), **options)


def run_cross_validation(
    crops_folder: str | Path,
    run_folder: str | Path,
    model: str = "meso4",
    weights: str = "random",
    split: str = "grouped",
    image_size: int | None = None,
    epochs: int = 25,
    batch: int = 32,
    seeds: int = 10,
    folds: int = 5,
    jobs: int | None = None,
    command: str = "",
) -> pd.DataFrame:
    """`cross_validate` the crops of a folder, all layers trained; the same call resumes.

    Leaves `run_folder/scores.csv`, every crop once for each seed, and `run.json`. Returns scores.
    """
    folder, run = Path(crops_folder), Path(run_folder)
    began = time.time()
    crops = read_table(folder)
    network = build(model, weights, image_size)
    image_size = models.image_size(network)
    asked = {
        **{"model": model, "weights": str(weights), "weights_name": models.weights_name(network)},
        **{"split": split, "image_size": image_size, "epochs": epochs, "batch": batch},
        **{"seeds": seeds, "folds": folds, "crops_table": _digest(crops)},
    }
    run.mkdir(parents=True, exist_ok=True)
    if _same_run(run, asked).get("finished"):
        return pd.read_csv(run / "scores.csv")
    _write_json(run / "run.json", asked)
    scores = cross_validate(
        crops,
        folder,
        functools.partial(_compiled, model, weights, image_size),
        folds,
        range(seeds),
        epochs,
        batch,
        split,
        out=run / "checkpoints",
        jobs=jobs,
    )
    _write_csv(scores, run / "scores.csv")
    seconds = time.time() - began
    about = describe(network, crops.assign(split="validation"), command, seconds)
    _write_json(run / "run.json", asked | about | {"finished": True})
    _remove(run / "checkpoints")
    return scores


# ------------------------------------------------------------------------------------ recorded runs


class Recorded(NamedTuple):
    """A run of `data/runs`, of one seed or several."""

    history: pd.DataFrame  # `fit`'s columns and `seed`; empty for a cross-validation
    scores: pd.DataFrame  # clip, frame, label, group, method, split, seed, p_fake (and fold)
    about: dict  # run.json: commands, date, device, versions, weights, reductions, baselines


def recorded(name: str) -> Recorded:
    """A run that is stored with the course, by the name of its folder in `data/runs`."""
    folder = settings.RUNS / name
    if not (folder / "run.json").is_file():
        there = sorted(path.parent.name for path in settings.RUNS.glob("*/run.json"))
        raise ValueError(f"There is no recorded run {name!r}; there are {', '.join(there)}.")
    history = folder / "history.csv"
    return Recorded(
        pd.read_csv(history) if history.is_file() else pd.DataFrame(),
        pd.read_csv(folder / "scores.csv"),
        json.loads((folder / "run.json").read_text()),
    )


def record(runs: Sequence[str | Path], name: str) -> Recorded:
    """Store finished runs that differ in their seed alone as one in `data/runs/NAME`.

    Kept are histories, scores (of person 0, four digits) and what made them; not the models.
    Raises a ValueError where runs are unfinished or differ in more than their seed.
    """
    abouts, histories, scores = [], [], []
    for run in map(Path, runs):
        about = json.loads((run / "run.json").read_text()) if (run / "run.json").is_file() else {}
        if not about.get("finished"):
            raise ValueError(f"{run} holds no finished run: `train` or `cross_validate` it first.")
        seed = {} if "seeds" in about else {"seed": about["seed"]}
        if (run / "history.csv").is_file():
            histories.append(pd.read_csv(run / "history.csv").assign(**seed))
        table = pd.read_csv(run / "scores.csv").assign(**seed)
        scores.append(table[table["person"] == 0] if "person" in table else table)
        abouts.append(about)
    keys = ("model", "weights", "way", "split", "image_size", "epochs", "batch", "patience")
    same = [*keys, "augmented", "precision", "crops"]
    differing = [key for key in same if any(a.get(key) != abouts[0].get(key) for a in abouts)]
    if differing:
        raise ValueError(f"These runs differ in {', '.join(differing)}: record them apart.")
    own = ("finished", "command", "crops_table")
    about = {key: value for key, value in abouts[0].items() if key not in own}
    about["commands"] = [each["command"] for each in abouts]
    if "seed" in about:
        about["seeds"] = [each["seed"] for each in abouts]
        del about["seed"]
    about["seconds"] = round(sum(each["seconds"] for each in abouts), 1)
    folder = settings.RUNS / name
    folder.mkdir(parents=True, exist_ok=True)
    if histories:
        _write_csv(pd.concat(histories).round(5), folder / "history.csv")
    kept = pd.concat(scores)
    wanted = ["clip", "frame", "label", "group", "method", "split", "seed", "fold", "p_fake"]
    kept = kept[[column for column in wanted if column in kept]]
    _write_csv(kept.assign(p_fake=kept["p_fake"].round(4)), folder / "scores.csv")
    _write_json(folder / "run.json", about)
    return recorded(name)


def _compiled(model: str, weights: str, image_size: int) -> keras.Model:
    return compiled(build(model, weights, image_size), START_RATE.get(model, 1e-4))


def throughput(
    run_folder: str | Path,
    model: str = "inception_resnet_v2",
    image_size: int | None = None,
    batch: int = 32,
    steps: int = 20,
    command: str = "",
) -> pd.DataFrame:
    """Images a second in training and scoring, in float32 and in mixed precision (lesson 06).

    Noise from memory, `batch * steps` pictures: neither disk nor augmentation is timed. The weights
    are random, for any take as long. Leaves `run_folder/rates.csv` and `run.json`, and returns the
    rates: a row a precision.
    """
    before = keras.config.dtype_policy().name
    try:
        rows, size = _timed(model, image_size, batch, steps)
    finally:
        keras.config.set_dtype_policy(before)
    run = Path(run_folder)
    run.mkdir(parents=True, exist_ok=True)
    rates = pd.DataFrame(rows)
    asked = {"model": model, "image_size": size, "batch": batch, "steps": steps}
    _write_json(run / "run.json", {"command": command, **asked, **machine()})
    _write_csv(rates.round(2), run / "rates.csv")
    return rates


def _timed(
    model: str, image_size: int | None, batch: int, steps: int
) -> tuple[list[dict[str, Any]], int]:
    """`throughput`'s rows, and the image size they were timed at."""
    rows = []
    for mixed in (False, True):
        prepare(mixed=mixed)
        network = compiled(build(model, "random", image_size))
        size, count = models.image_size(network), batch * steps
        images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        labels = np.arange(count) % 2
        row: dict[str, Any] = {"precision": "mixed_float16" if mixed else "float32"}
        for name, work in (
            ("training", functools.partial(network.fit, images, labels, shuffle=False)),
            ("scoring", functools.partial(network.predict, images)),
        ):
            work(batch_size=batch, verbose=0)  # the first time builds the graph
            start = time.perf_counter()
            work(batch_size=batch, verbose=0)
            row[name] = count / (time.perf_counter() - start)
        rows.append(row)
    return rows, size


def _digest(crops: pd.DataFrame) -> str:
    """Changes with the table: a run is not resumed with other crops."""
    return hashlib.sha256(crops.to_csv(index=False).encode()).hexdigest()[:16]


def read_table(folder: Path) -> pd.DataFrame:
    """The crops table of a folder that `extract` made."""
    if not (folder / "crops.csv").is_file():
        raise FileNotFoundError(f"There is no crops.csv in {folder}: run `extract` first.")
    return pd.read_csv(folder / "crops.csv")


def build(model: str, weights: str, image_size: int | None = None) -> keras.Model:
    """A model by its name, at its own image size or another."""
    if model not in models.MODELS:
        raise ValueError(f"There is no model {model!r}; there are {', '.join(models.MODELS)}.")
    size = {"image_size": image_size} if image_size else {}
    return models.MODELS[model](weights, **size)


def describe(network: keras.Model, crops: pd.DataFrame, command: str, seconds: float) -> dict:
    """What made a run, and what constant answers would score on its validation crops."""
    held_out = label_numbers(crops[crops["split"] == "validation"])
    learned = label_numbers(crops[crops["split"] == "train"])
    share = float((learned if len(learned) else held_out).mean())
    losses = -np.log(np.where(held_out == 1, share, 1 - share))
    name = network.name.partition("-")[0]
    native = {"meso4": 256, "meso_inception4": 256, "shallow_vgg16": 224, "vgg16": 224}
    native |= {"inception_resnet_v2": 299, "xception": 299, "efficientnet_b4": 380}
    size = models.image_size(network)
    reductions = [f"{size} px instead of {native[name]}"] if size < native.get(name, 0) else []
    return {
        "command": command,
        **machine(),
        "precision": network.dtype_policy.name,
        "reductions": reductions,
        "crops": {key: int(count) for key, count in crops["split"].value_counts().items()},
        "share_of_fake": share,
        "majority_class_accuracy": float(max(held_out.mean(), 1 - held_out.mean())),
        "base_rate_log_loss": float(losses.mean()),
        "seconds": round(seconds, 1),
    }


def machine() -> dict:
    """When and on what something was measured: part of every `run.json`."""
    import sklearn

    backend = keras.backend.backend()
    return {
        "date": datetime.date.today().isoformat(),
        "device": settings.device(),
        "profile": settings.profile(),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": backend,
            backend: sys.modules[backend].__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def _same_run(run: Path, asked: dict) -> dict:
    """The `run.json` there is, which must have been made by the same settings."""
    path = run / "run.json"
    if not path.is_file():
        return {}
    about = json.loads(path.read_text())
    differing = [name for name in asked if about.get(name) != asked[name]]
    if differing:
        raise ValueError(
            f"{run} holds a run with other settings ({', '.join(differing)}): take another folder."
        )
    return about


def _remove(checkpoints: Path) -> None:
    for file in checkpoints.iterdir():
        file.unlink()
    checkpoints.rmdir()


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    partial = path.with_name(f"partial-{path.name}")
    table.to_csv(partial, index=False)
    partial.replace(path)


def _write_json(path: Path, content: dict) -> None:
    partial = path.with_name(f"partial-{path.name}")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(path)


def command_line() -> str:
    """The command that is running, as it was typed."""
    return "python -m course_utils " + shlex.join(sys.argv[1:])
