"""Exercises of lesson 06, "Is deeper better?"."""

from __future__ import annotations

import math
from typing import Any

from course_utils.exercises import Exercise, number


def _near(
    answer: Any, right: float, tolerance: float, known: dict[Any, str], else_: str
) -> str | None:
    """`number`, with a sentence for each of the `known` mistakes."""
    refused = number(answer, right, else_, tolerance)
    if refused:
        for wrong, why in known.items():
            if number(answer, wrong, "", tolerance) is None:
                return why
    return refused


def _factor(answer: Any) -> str | None:
    known = {
        9 / 25: "That is one 3 × 3 convolution; there are two.",
        7 / 25: "That is the share that is saved.",
        10 / 25: "That is 1 × 5 with 5 × 1, the other way of splitting.",
    }
    return _near(answer, 18 / 25, 0.005, known, "Count the numbers for one pair of maps.")


def _growth(answer: Any) -> str | None:
    known = {
        1.1**20: "A block adds to the variance, by the square of its scale.",
        3.0: "That adds the scales up; unrelated signals add up in their variance.",
        1.01**20: "That is the factor of the variance; the spread is its square root.",
        math.sqrt(1.2): "Close: each block is as strong as its input, which has grown by then.",
    }
    return _near(answer, 1.01**10, 0.006, known, "By what factor does one block move the variance?")


def _field(answer: Any) -> str | None:
    known = {
        8: "After the pooling, one step is two pixels of the picture.",
        9: "The pooling sees one position more than what comes before it.",
        12: "One step counts double from the pooling on, not from the start.",
        7: "The pooling looks at two positions, and after it one step is two pixels.",
    }
    return _near(answer, 10, 0, known, "Go through `field` by hand: pixels 1, apart 1.")


def _grid(answer: Any) -> str | None:
    known = {
        8: "That is how many there are across at 299 pixels.",
        64: "That is what 299 pixels leave.",
        9: "Three layers of stride 2 are not the last: `shrink` has seven steps.",
        16: "The last of the seven steps makes one of four.",
        4: "That is across, one step before the last.",
    }
    return _near(answer, 1, 0, known, "`shrink(96)` gives the positions across.")


def _underflow(answer: Any) -> str | None:
    known = {
        1: "1e-8 itself becomes 0.",
        2: "2e-8 is nearer to 0 than to the smallest number, 6e-8.",
        8: "That works, but a smaller one does too.",
        6: "Only powers of two are asked for: they change the exponent alone.",
    }
    return _near(answer, 4, 0, known, "Try 2, 4, 8, … with `np.float16`.")


def _beginning(answer: Any) -> str | None:
    known = {
        688: "Those are steps; an epoch has 17 of them.",
        40: "Close: after 40 epochs a little more than a thousandth is left.",
        4: "That is for averages that keep 90%.",
        28: "That is for less than a hundredth.",
    }
    return _near(answer, 41, 0, known, "After one step .99 is left, after two .99 times .99, …")


def _energy(answer: Any) -> str | None:
    known = {
        0.45: "That is one run.",
        9000: "Those are watt-hours.",
        540: "An hour has 60 minutes.",
        6: "A run takes an hour and a half.",
    }
    return _near(answer, 9, 0.005, known, "Kilowatts times hours, for all the runs.")


EXERCISES = {
    "06-factor": Exercise(
        check=_factor,
        hints=(
            "For one pair of maps, 5 × 5 has 25 numbers. How many have two kernels of 3 × 3?",
            "All maps are 64, so their number cancels: divide 2 × 9 by 25.",
        ),
        solution="answer = 2 * 9 / 25",
        wrong=(9 / 25, 7 / 25, 10 / 25, 18, "72%"),
        says="And between the two there is one more ReLU: it saves, and can do more.",
    ),
    "06-growth": Exercise(
        check=_growth,
        hints=(
            "What is added has a spread of .1 of the input, so a variance of .01 of it.",
            "One block multiplies the variance by 1.01. And twenty?",
            "The spread is the square root of the variance: 1.01 to the power of 10.",
        ),
        solution="answer = 1.01**10",
        wrong=(1.1**20, 3, 1.01**20, math.sqrt(1.2), 1024),
        says="A tenth more after twenty blocks: each one is a correction.",
    ),
    "06-field": Exercise(
        check=_field,
        hints=(
            "Two 3 × 3 convolutions see 5. The pooling looks at two neighbors of those.",
            "5 + 1 = 6. From here on neighbors are 2 pixels apart.",
            "The last convolution adds one neighbor on each side: `field` does the sum.",
        ),
        solution="answer = field([(3, 1), (3, 1), (2, 2), (3, 1)])",
        wrong=(8, 9, 12, 7, 5),
    ),
    "06-grid": Exercise(
        check=_grid,
        hints=(
            "The cell above has a function for it.",
            "`shrink(96)` ends in the number of positions across. Square it.",
        ),
        solution="answer = shrink(96)[-1] ** 2",
        wrong=(8, 64, 9, 16, 4),
        says="There is nothing left to average: one position has to say it all.",
    ),
    "06-underflow": Exercise(
        check=_underflow,
        hints=(
            "The smallest number of float16 is about 6e-8. What is below its half becomes 0.",
            "Its half is 3e-8. Which of 2e-8, 4e-8, 8e-8 is the first above that?",
        ),
        solution="answer = next(2**k for k in range(20) if np.float16(1e-8 * 2**k) > 0)",
        wrong=(1, 2, 8, 6, 1e-8),
        says="Keras begins with 32,768, and halves it whenever something becomes infinite.",
    ),
    "06-beginning": Exercise(
        check=_beginning,
        hints=(
            "After n epochs, .99 has been multiplied 17 × n times: 0.99 ** (17 * n).",
            "Try n = 10, 20, 40: .18, .03, and a little more than .001. A bit longer, then.",
        ),
        solution="answer = next(n for n in range(1, 100) if 0.99 ** (17 * n) < 0.001)",
        wrong=(688, 40, 4, 28, "41 epochs"),
        says="In Xception's record, validation accuracy leaves .500 in epoch 41.",
    ),
    "06-energy": Exercise(
        check=_energy,
        hints=(
            "300 watts are .3 kilowatts. How long do all the runs take together?",
            "20 runs of 1.5 hours are 30 hours. 30 hours times .3 kilowatts?",
        ),
        solution="answer = 20 * 1.5 * 0.3",
        wrong=(0.45, 9000, 540, 6, "9 kWh"),
        says="Reports name the run that worked. The twenty drew the power.",
    ),
}
