"""Exercises of lesson 04, "What does a network learn from nothing?"."""

from __future__ import annotations

import math
from typing import Any

from course_utils.exercises import Exercise, choice, number


def _odds(answer: Any) -> str | None:
    odds = 2 * math.exp(0.7 * 2)
    for value, says in {
        odds: "Those are the odds of FAKE; a probability is odds / (1 + odds).",
        math.exp(1.4) / (1 + math.exp(1.4)): "The clip starts at odds of 2 to 1, not 1 to 1.",
        2 * math.exp(0.7) / (1 + 2 * math.exp(0.7)): "That is one standard deviation: it is two.",
    }.items():
        if number(answer, value, "", tolerance=0.005) is None:
            return says
    return number(answer, odds / (1 + odds), "Start from the odds, not from 2/3.", tolerance=0.005)


def _kernel(answer: Any) -> str | None:
    import numpy as np

    kernel = np.asarray(answer, dtype=float)
    if kernel.shape != (3, 3):
        return f"A kernel of shape (3, 3) is asked for, and this one has {kernel.shape}."
    uniform, across = kernel.sum(), (kernel[:, 2] - kernel[:, 0]).sum()
    down = (kernel[2] - kernel[0]).sum()
    if abs(uniform) > 1e-9:
        return "On a uniform picture it does not answer 0: what must the nine numbers add up to?"
    if abs(across) > 1e-9:
        return "It answers to a picture that gets brighter to the right."
    if down <= 0:
        return "Where it gets brighter downwards the answer is not above 0."
    return None


def _softmax(answer: Any) -> str | None:
    for value, says in {
        3.2 / 4.2: "Softmax takes exponentials first, and then shares.",
        1 / (1 + math.exp(2.2)): "That is the probability of REAL.",
        2.2: "That is the difference, the log-odds of FAKE: turn it into a probability.",
    }.items():
        if number(answer, value, "", tolerance=0.005) is None:
            return says
    otherwise = "Only the difference of the two counts."
    return number(answer, 1 / (1 + math.exp(-2.2)), otherwise, tolerance=0.005)


def _numbers(answer: Any) -> str | None:
    known = {
        1600: "The biases are missing.",
        208: "A kernel looks at all 8 maps, each with numbers of its own.",
        200: "A kernel looks at all 8 maps, each with numbers of its own; and biases are missing.",
        1664: "One bias for each kernel, not for each pair of kernel and map.",
    }
    return number(answer, 1608, known.get(answer, "How many numbers has one of the 8 kernels?"))


def _plateau(answer: Any) -> str | None:
    for value, says in {
        0.5: "Answering one half costs log 2 = .693 on any set.",
        0.637: "That is the loss. Which constant costs so much when two in three are FAKE?",
        1 / 3: "That is the share of REAL; p_fake is the probability of FAKE.",
        1: "Certainty would cost an infinite loss on the first REAL clip.",
    }.items():
        if number(answer, value, "", tolerance=0.005) is None:
            return says
    return number(answer, 2 / 3, "What would you answer without looking?", tolerance=0.01)


def _steps(answer: Any) -> str | None:
    known = {
        312280: "That is how many pictures it saw; a step takes a batch of them.",
        157: "That is one epoch.",
        156: "That is one epoch.",
    }
    return number(
        answer, 3130, known.get(answer, "How many batches has an epoch?"), tolerance=11
    )  # 156.14 batches: 157 with the rest


EXERCISES = {
    "04-odds": Exercise(
        check=_odds,
        hints=(
            "A coefficient is added to the log-odds; adding there is multiplying the odds.",
            "Two standard deviations add 2 × 0.7 = 1.4, which multiplies the odds by e^1.4 = 4.06.",
            "The odds are 2 × 4.06 = 8.1 to 1. The probability is odds / (1 + odds).",
        ),
        solution=("odds = 2 * np.exp(2 * 0.7)\nanswer = odds / (1 + odds)"),
        wrong=(2 * math.exp(1.4), 0.8, 0.667, "89%"),
        says="From 67% to 89%, by one cue that stands out.",
    ),
    "04-kernel": Exercise(
        check=_kernel,
        hints=(
            "The lesson's first kernel does this for brighter to the right. Turn it.",
            "The lower row counts positive, the upper row negative, the middle row not at all.",
        ),
        solution="answer = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]",
        wrong=(
            [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
            [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
            [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
            [[-1, -1], [1, 1]],
        ),
        says="Any rows that rise and cancel will do; a network finds its own.",
    ),
    "04-softmax": Exercise(
        check=_softmax,
        hints=(
            "Only the difference counts: 3.2 − 1.0.",
            "p_fake = 1 / (1 + e^(−2.2)), and e^(−2.2) is 0.11.",
        ),
        solution="answer = softmax([1.0, 3.2])[1]",
        wrong=(3.2 / 4.2, 0.1, 2.2, 3.2),
        says="And (11.0, 13.2) would say the same.",
    ),
    "04-numbers": Exercise(
        check=_numbers,
        hints=(
            "One kernel has 5 × 5 numbers for each of the 8 maps that it looks at.",
            "That is 200 numbers a kernel, and there are 8 kernels, each with one bias.",
        ),
        solution="answer = 8 * (5 * 5 * 8 + 1)",
        wrong=(1600, 208, 200, 1664),
        says="A dense layer between the same maps would need millions: places share kernels.",
    ),
    "04-plateau": Exercise(
        check=_plateau,
        hints=(
            "An AUC of .50 over all clips: it ranks nothing, so it answers a constant.",
            "Which constant has the lowest log-loss when two in three are FAKE?",
            "−(2/3 log p + 1/3 log(1 − p)) is lowest, at .637, where p is the share of FAKE.",
        ),
        solution="answer = 2 / 3",
        wrong=(0.5, 0.637, 1 / 3, 1),
        says="The base-rate constant: it has learned how many are fake, and not which.",
    ),
    "04-steps": Exercise(
        check=_steps,
        hints=(
            "One step for each batch: 15,614 / 100 batches an epoch, the last one not full.",
            "157 batches an epoch, 20 epochs.",
        ),
        solution="answer = 157 * 20",
        wrong=(15614 * 20, 157, 2000, 20),
        says="Three thousand small steps may leave a plateau that a hundred do not.",
    ),
    "04-claim": Exercise(
        check=lambda answer: choice(
            answer,
            "b",
            {
                "a": "Pixels change how hard the task is, not whether the answer was remembered.",
                "c": "Long training on a fair split would be no reason for doubt.",
                "d": "It is named: half are fake, so a constant gets 50%.",
            },
        ),
        hints=(
            "Lesson 03 split the same crops in three ways. What changed between them?",
            "Which fact tells a network that has learned fakes from one that has learned people?",
        ),
        solution='answer = "b"',
        wrong=("a", "c", "d", 99),
        says="Whoever has met the person, the room or the source can be right for another reason.",
    ),
}
