"""Exercises of lesson 05, "What can be borrowed?"."""

from __future__ import annotations

import functools
from typing import Any

from course_utils.exercises import Exercise, choice, number


def _cache(answer: Any) -> str | None:
    known = {
        600.0: "That is what `fit` on the frozen network takes, in seconds.",
        32.0: "That is what the cached way takes, in seconds.",
        20.0: "That forgets the head: its 20 epochs cost the same in both ways.",
        20.1: "The backbone runs once in the cached way, too: 30 seconds.",
    }
    for wrong, words in known.items():
        if number(answer, wrong, "", tolerance=0.06) is None:
            return words
    otherwise = "Write down the seconds of both ways: the backbone's, and the head's."
    return number(answer, 602 / 32, otherwise, tolerance=0.2)


@functools.cache
def _seeds_won() -> int:
    """In how many of the recorded seeds frozen beats its control."""
    from course_utils import evaluation, training

    first, second = (training.recorded(f"course-backbone-{way}").scores.query("split == 'test'")
                     for way in ("frozen", "random-frozen"))  # fmt: skip
    return int((evaluation.compare_seeds(first, second).per_seed > 0).sum())


def _seeds(answer: Any) -> str | None:
    if number(answer, 0, "") is None:
        return "That is against `random`, which learns as a whole: take the column `random-frozen`."
    otherwise = "Compare the columns `frozen` and `random-frozen` of `aucs`, row by row."
    return number(answer, _seeds_won(), otherwise)


def _range(answer: Any) -> str | None:
    import numpy as np

    numbers = np.asarray(answer, float).ravel()
    if numbers.shape != (3,):
        return "Three numbers are asked for, in the order in which they reach the network."
    right = np.array([-103.939, -116.779, 255 - 123.68])
    if np.allclose(numbers, right, atol=0.6):
        return None
    if np.allclose(numbers, right[::-1], atol=0.6):
        return "The numbers are right; VGG16 wants them as blue, green, red."
    if np.allclose(numbers, [255 - 103.939, -116.779, -123.68], atol=0.6):
        return "Turn the colors round first, then subtract: red has a mean of 123.68."
    if np.abs(numbers).max() <= 1:
        return "That is a pixel divided by 255, which is what VGG16 never met."
    return "Turn red, green, blue round, then subtract each color's mean from it."


def _unfreeze(answer: Any) -> str | None:
    known = {
        5_899_776: "Those are block 4's alone: all that follows learns too, and so does the head.",
        12_979_200: "The head learns too: 512 features, two answers.",
        7_080_450: "That is from block 5 on.",
        14_715_714: "That is all of it.",
    }
    otherwise = "Count what `learns` counts, after `unfreeze_from` with block 4's first layer."
    return number(answer, 12_980_226, known.get(answer, otherwise))


_COMPANY = {
    "a": "Its kernels are frozen, and its answer changed all the same.",
    "c": "The head came with the crop in both cases, and learned nothing in between.",
    "d": "Dropout would do that, but this network has none.",
}

EXERCISES = {
    "05-seeds": Exercise(
        check=_seeds,
        hints=(
            "`aucs` has a row a seed and a column a way of training.",
            "`aucs['frozen'] > aucs['random-frozen']` is True for some seeds; count them.",
        ),
        solution="answer = int((aucs['frozen'] > aucs['random-frozen']).sum())",
        wrong=(0, -1, 11, 0.5, "half"),
        says="A coin would do as well. And ten seeds on the same ten casts are not ten witnesses.",
    ),
    "05-range": Exercise(
        check=_range,
        hints=(
            "A red pixel in the order blue, green, red is (0, 0, 255).",
            "The means in that order are 103.939, 116.779 and 123.68: subtract.",
        ),
        solution="answer = (0 - 103.939, 0 - 116.779, 255 - 123.68)",
        wrong=((131.32, -116.779, -103.939), (151.061, -116.779, -123.68), (1, 0, 0), 131.32),
        says="Negative numbers, and none of them between 0 and 1.",
    ),
    "05-cache": Exercise(
        check=_cache,
        hints=(
            "600 crops at 50 ms are 30 seconds for each time the backbone runs over all of them.",
            "`fit` on the frozen network: 20 times 30 seconds, and 20 times the head's 0.1.",
            "Cached: once 30 seconds, and 20 times 0.1. Divide the one by the other.",
        ),
        solution="answer = (20 * 30 + 20 * 0.1) / (30 + 20 * 0.1)",
        wrong=(20, 600, 32, 602 / 30, 1),
        says="Nearly as many times as there are epochs, as long as the head is cheap.",
    ),
    "05-unfreeze": Exercise(
        check=_unfreeze,
        hints=(
            "VGG16's blocks begin with layers named `block4_conv1`, `block5_conv1` and so on.",
            "`learns(models.unfreeze_from(vgg16, 'block4_conv1'))` counts it.",
        ),
        solution="answer = learns(models.unfreeze_from(vgg16, 'block4_conv1'))",
        wrong=(5_899_776, 12_979_200, 7_080_450, 14_715_714, "88%"),
        says="Seven in eight of its numbers, for six of its thirteen convolutions.",
    ),
    "05-batchnorm": Exercise(
        check=lambda answer: choice(answer, "b", _COMPANY),
        hints=(
            "Its kernels did not move, so the same crop gives the same convolutions.",
            "What else does a network compute from a batch, when it is told that it is training?",
        ),
        solution='answer = "b"',
        wrong=("a", "c", "d", "e"),
        says="And while it does so, the running averages drift toward your batches.",
    ),
}
