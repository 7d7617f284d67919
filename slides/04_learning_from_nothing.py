"""Figures of the deck of lesson 04; what they measure, the notebook derives."""

from collections.abc import Callable

import keras
import numpy as np
import pandas as pd

from course_utils import cue_detector, datasets, faces, models, plots, settings, training, video

RIGHT = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
AROUND = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    learned = cue_detector.coefficients()
    plots.differences(learned, "log-odds of FAKE for one standard deviation more")
    save("coefficients")

    few, labels = some_faces()
    gray = few[0].mean(axis=2) / 255
    kernels = {"right minus left": RIGHT, "below minus above": RIGHT.T, "minus neighbors": AROUND}
    answers = [convolve(gray, kernel) for kernel in kernels.values()]
    plots.activations({"a face": [few[0], *answers]}, ["the crop", *kernels])
    save("edges")

    relu = np.maximum(answers[0], 0)
    pooled = relu.reshape(48, 2, 48, 2).max(axis=(1, 3))
    plots.activations(
        {"right minus left": [answers[0], relu, pooled]}, ["answer", "ReLU", "pooled, 2 × 2"]
    )
    save("steps")

    small = np.stack([models.resize(rgb, 64) for rgb in few])
    training.prepare(settings.SEED)
    meso4 = models.meso4("random", 64)
    named = [layer for layer in meso4.layers if isinstance(layer, keras.layers.Conv2D)]
    inside = keras.Model(meso4.input, [layer.output for layer in named])
    maps = inside.predict(small[:1], verbose=0)
    plots.activations({f"convolution {k}": [each[0, :, :, m] for m in range(6)]
                       for k, each in enumerate(maps, 1)})  # fmt: skip
    save("untrained")

    run = training.recorded("meso4-grouped")
    name = f"Meso-4, {len(run.about['seeds'])} seeds"
    plots.curves({name: run.history}, {"knows nothing": np.log(2)})
    save("meso4")

    run = training.recorded("shallow-vgg16")
    constants = {"one half": np.log(2), "base-rate constant": run.about["base_rate_log_loss"]}
    plots.curves({"Shallow's VGG16": run.history}, constants)
    save("shallow")

    run = training.recorded("vgg16-scratch")
    name = f"VGG16, {len(run.about['seeds'])} seeds"
    plots.curves({name: run.history}, {"knows nothing": np.log(2)})
    save("patience")

    vgg16 = training.spreads(models.shallow_vgg16("random", 64), small, labels)
    meso = training.spreads(meso4, small, labels)
    plots.by_depth({"VGG16": vgg16["pull"], "Meso-4": meso["pull"]},
                   "gradient, in sizes of the kernel", "layer, counted from 0")  # fmt: skip
    save("pull")


def some_faces(count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Crops of 96 px, one each of as many clips to learn from; their labels."""
    clips, _ = datasets.read(settings.MINI_DFDC)
    clips = clips[clips["split"] == "train"].sort_values("label", ascending=False)
    some = pd.concat([clips.head(count // 2), clips.tail(count // 2)])
    crops = []
    for clip in some["clip"]:
        rgb = next(video.frames(settings.MINI_DFDC / clip, count=1)).rgb
        crops.append(faces.crop(rgb, faces.detect(rgb)[0].box, 1 / 3, size=96))
    return np.stack(crops), training.label_numbers(some)


def convolve(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The notebook's nine products and a sum."""
    height, width = picture.shape
    padded = np.pad(picture, 1)
    places = [(row, column) for row in range(3) for column in range(3)]
    return sum(kernel[row, column] * padded[row : row + height, column : column + width]
               for row, column in places)  # fmt: skip
