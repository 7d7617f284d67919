"""Figures of the deck of lesson 06. What they show, the notebook derives."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from course_utils import cue_detector, evaluation, plots, training

RUNS = {
    "Meso-4": "meso4-grouped",
    "VGG16": "vgg16-scratch",
    "Xception": "xception-scratch",
    "EfficientNet-B4": "efficientnet-b4-scratch",
    "InceptionResNetV2": "inception-resnet-v2-scratch",
}


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

    records = {name: training.recorded(run) for name, run in RUNS.items()}
    plots.intervals(aucs(records), "AUC over test clips (95% over casts)", chance=0.5)
    save("auc")

    seconds = {name: record.history["seconds"].median() for name, record in records.items()}
    plots.times(pd.Series(seconds), "seconds an epoch, 96 pixels, two cores")
    save("seconds")


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


def aucs(records: dict[str, training.Recorded]) -> pd.DataFrame:
    """AUC of each run's first seed over test clips, with its interval; the cue detector first."""
    judged = {"cue detector": cue_detector.scores("train").query("split == 'test'")}
    for name, record in records.items():
        scores = record.scores
        first = scores[(scores["split"] == "test") & (scores["seed"] == 0)]
        judged[name] = evaluation.verdicts(first)
    rows = {}
    for name, clips in judged.items():
        auc = evaluation.interval(clips["label"], clips["p_fake"], clips["group"])
        rows[name] = {"value": auc.value, "low": auc.low, "high": auc.high}
    return pd.DataFrame(rows).T
