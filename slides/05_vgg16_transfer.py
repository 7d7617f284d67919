"""Figures of the deck of lesson 05: the recorded runs, and how much of VGG16 learns."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from course_utils import evaluation, models, plots, training

WAYS = {
    "frozen": ["kept"] * 5 + ["learns"],
    "fine-tuned": ["kept"] * 4 + ["gently", "learns"],
    "random": ["learns"] * 6,
    "random-frozen": ["random"] * 5 + ["learns"],
}


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    plots.steps(
        ["pixels", "backbone", "features", "head", "answer"],
        ["96 × 96 × 3", "convolutions:\nborrowed", "96 numbers", "194 numbers:\nnew", "p_fake"],
    )
    save("parts")

    seconds = {"fit on the frozen network": 602, "features cached": 32}
    plots.times(pd.Series(seconds), "seconds for 20 epochs of 600 crops")
    save("caching")

    plots.ways(WAYS, [f"block {k}" for k in range(1, 6)] + ["head"])
    save("ways")

    runs = {way: training.recorded(f"course-backbone-{way}").scores for way in WAYS}
    tests = {way: scores[scores["split"] == "test"] for way, scores in runs.items()}
    plots.repeats(
        {way: aucs(scores) for way, scores in tests.items()},
        "AUC over the test clips, a tick for each seed",
        0.5,
    )
    save("seeds")

    pairs = [("frozen", "random-frozen"), ("frozen", "random"), ("fine-tuned", "random"),
             ("fine-tuned", "frozen")]  # fmt: skip
    found = {f"{a} minus {b}": evaluation.compare_seeds(tests[a], tests[b]).mean for a, b in pairs}
    table = pd.DataFrame([vars(interval) for interval in found.values()], list(found))
    plots.differences(table, "difference in AUC, mean of ten seeds, with its interval over casts")
    save("pairs")

    vgg16 = models.vgg16("random", 64)
    shares = {"the head alone": learns(models.freeze(vgg16))}
    for block, words in [(5, "block 5 too"), (3, "block 3 and on"), (1, "everything")]:
        shares[words] = learns(models.unfreeze_from(vgg16, f"block{block}_conv1"))
    plots.shares(pd.Series(shares) / vgg16.count_params(), "share of VGG16's numbers that learn")
    save("learns")


def aucs(scores: pd.DataFrame) -> list[float]:
    """The AUC over clips of each seed."""
    judged = [evaluation.verdicts(some) for _, some in scores.groupby("seed")]
    return [evaluation.auc(clips["label"], clips["p_fake"]) for clips in judged]


def learns(model) -> int:
    """How many numbers of the model learn."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
