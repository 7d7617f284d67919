"""Figures of the deck of lesson 06. What they show, the notebook derives."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from course_utils import cue_detector, evaluation, plots, settings, training

RUNS = {
    "Meso-4, 14,010": "meso4-grouped",
    "course backbone, 163,122": "course-backbone-random",
    "VGG16, 14,715,714": "vgg16-scratch",
    "Xception, 20,865,578": "xception-scratch",
    "InceptionResNetV2, 54,339,810": "inception-resnet-v2-scratch",
}
EPOCHS = [1, 5, 10, 20, 30, 40, 60, 80]


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    plots.steps(
        ["crop", "stem", "A, 10 times", "B, 20 times", "C, 10 times", "average"],
        ["299 × 299 × 3", "35 × 35 × 320", "35 × 35 × 320", "17 × 17 × 1088", "8 × 8 × 2080",
         "1536 features"],
    )  # fmt: skip
    save("steps")

    plots.inception_blocks()
    save("blocks")

    plots.shares(kept_by_one_pair(), "kept by one pair of thin kernels")
    save("separable")

    curves = {
        f"times {scale:g}{', block normalized' * even}": spreads(scale, even)
        for scale in (1, 0.17)
        for even in (False, True)
    }
    plots.by_depth(curves, "spread of the signal")
    save("growth")

    plots.times(training_rates(), "crops a second in training, one large GPU")
    save("rates")

    records = {name: training.recorded(run) for name, run in RUNS.items()}
    plots.repeats(aucs(records), "AUC over test clips, a tick for each seed", chance=0.5)
    save("auc")

    shown = {name.split(",")[0]: records[name].history for name in list(RUNS)[2:4]}
    plots.curves(shown, {"one half": float(np.log(2))})
    save("curves")

    lines = {f"averages keep {kept:.0%} in a step": line for kept, line in arrivals().items()}
    plots.by_depth(lines, "highest minus lowest p_fake", "epochs of 17 steps", EPOCHS)
    save("averages")


def kept_by_one_pair() -> pd.Series:
    """The share of five kernels that the best column times row keeps."""
    kernels = {
        "blur": np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]),
        "vertical edge": np.outer([1, 2, 1], [-1, 0, 1]),
        "bright spot": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        "diagonal line": np.eye(5),
        "chance, 7 x 7": np.random.default_rng(0).normal(size=(7, 7)),
    }
    strengths = {name: np.linalg.svd(k, compute_uv=False) ** 2 for name, k in kernels.items()}
    return pd.Series({name: values[0] / values.sum() for name, values in strengths.items()})


def spreads(scale: float, normalized: bool, blocks: int = 20, width: int = 200) -> list[float]:
    """Spread of a signal to which random blocks add, after each of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, width))
    result = [x.std()]
    for _ in range(blocks):
        block = x @ rng.normal(size=(width, width)) / np.sqrt(width)
        x = x + scale * (block / block.std() if normalized else block)
        result.append(x.std())
    return result


def training_rates() -> pd.Series:
    """Crops a second in training, of two networks at their own picture size, as recorded."""
    rates = {}
    for name, run in {"VGG16": "gpu-rates-vgg16", "InceptionResNetV2": "gpu-rates"}.items():
        table = pd.read_csv(settings.RUNS / run / "rates.csv", index_col=0)
        for precision, words in {"float32": "float32", "mixed_float16": "mixed"}.items():
            rates[f"{name}, {words}"] = table.loc[precision, "training"]
    return pd.Series(rates)


def aucs(records: dict[str, training.Recorded]) -> dict[str, list[float]]:
    """AUC over test clips of the cue detector, and of each seed of each run."""
    judged = {"cue detector": [cue_detector.scores("train").query("split == 'test'")]}
    for name, record in records.items():
        test = record.scores.query("split == 'test'")
        judged[name] = [evaluation.verdicts(mine) for _, mine in test.groupby("seed")]
    return {
        name: [evaluation.auc(clips["label"], clips["p_fake"]) for clips in each]
        for name, each in judged.items()
    }


def arrivals() -> dict[float, list[float]]:
    """How far an untrained Xception's answers to 16 faces are apart, by epoch.

    Nothing changes but its running averages; a line for each share that they keep in a step.
    """
    from course_utils import extraction, models

    crops, _ = extraction.extract(settings.MINI_DFDC, settings.WORK / "mini_dfdc", frames=6)
    some = crops[crops["split"] == "train"].groupby("label").sample(8, random_state=settings.SEED)
    few = training.pixels(some, settings.WORK / "mini_dfdc", 96).astype("float32")
    training.prepare(settings.SEED)
    network = models.xception("random", 96)
    norms = [each for each in network.layers if type(each).__name__ == "BatchNormalization"]
    for norm in norms:
        norm.momentum = 0.99  # Keras' own, as in the first records
    network(few, training=True)
    true = [(np.array(n.moving_mean) / 0.01, (np.array(n.moving_variance) - 0.99) / 0.01)
            for n in norms]  # fmt: skip

    def apart(left: float) -> float:
        for norm, (mean, variance) in zip(norms, true, strict=True):
            norm.moving_mean.assign((1 - left) * mean)
            norm.moving_variance.assign(left + (1 - left) * variance)
        return float(np.ptp(models.predict(network, few)))

    return {kept: [apart(kept ** (17 * epoch)) for epoch in EPOCHS] for kept in (0.99, 0.9)}
