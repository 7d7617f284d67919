"""Exercises of lesson 08, "Where does the network look, and should you believe it?"."""

from __future__ import annotations

from typing import Any

from course_utils.exercises import Exercise, choice, number


def _paper(answer: Any) -> str | None:
    import numpy as np

    got = np.asarray(answer, float)
    if got.shape != (2, 2):
        return "Two rows of two numbers are asked for, as [[1, 2], [3, 4]]."
    known: list[tuple[list[list[float]], str]] = [
        ([[4, -1], [-2, 1.5]], "What speaks against FAKE is cut off: no value below 0."),
        ([[16, 0], [0, 6]], "The mean of the gradient is asked for, not its sum."),
        ([[4, 0], [4, 2]], "Average each gradient first: one number for each map."),
        ([[4, 1], [2, 2.5]], "The second map speaks against FAKE: its number is below 0."),
    ]
    for mistake, says in known:
        if np.allclose(got, mistake):
            return says
    right = np.allclose(got, np.array([[4, 0], [0, 1.5]]))
    return None if right else "Find the two numbers first: the mean of each gradient."


def _unaveraged(answer: Any) -> str | None:
    import numpy as np

    if not callable(answer):
        return "A function is asked for: answer = lambda maps, gradient: ..."
    rng = np.random.default_rng(0)
    maps, gradient = rng.uniform(0, 1, (4, 5, 3)), rng.normal(0, 1, (4, 5, 3))
    got = np.asarray(answer(maps.copy(), gradient.copy()), float)
    if got.shape != (4, 5):
        return f"From maps of 4 x 5 x 3 it makes {got.shape}: add up over the filters alone."
    contributions = (maps * gradient).sum(axis=-1)
    averaged = (maps * gradient.mean(axis=(0, 1))).sum(axis=-1)
    if np.allclose(got, np.maximum(averaged, 0)):
        return "That is Grad-CAM: it still averages the gradient over positions."
    if np.allclose(got, contributions):
        return "Right until the last step: what speaks against FAKE is not cut off."
    if np.allclose(got, np.maximum(maps * gradient, 0).sum(axis=-1)):
        return "Add up first, then cut off: a filter may outweigh another at the same place."
    right = np.allclose(got, np.maximum(contributions, 0))
    return None if right else "Multiply value by value, then add up over the filters."


def _mass(answer: Any) -> str | None:
    known = {
        0.8: "That is the map's mass inside; a uniform map has some, too.",
        0.36: "Turn the fraction round.",
        0.44: "That is what a uniform map has inside.",
        1.5: "Add up the values inside, do not count them.",
    }
    if isinstance(answer, (int, float)):
        for mistake, says in known.items():
            if abs(answer - mistake) < 0.006:
                return says
    return number(answer, 1.8, "Mass inside the mask by all mass, for both maps.", 0.01)


def _area(answer: Any) -> str | None:
    known = {
        -0.75: "The size is right; random order takes longer, so its area is the larger one.",
        1.5: "That is the gap at one half, where it is largest; how wide is the region?",
        0.5: "That is the area under the curve of random order alone.",
        -0.25: "That is the area under the curve of the map's order alone.",
    }
    if isinstance(answer, (int, float)) and answer in known:
        return known[answer]
    return number(answer, 0.75, "Draw both curves: the region between them is a triangle.", 0.005)


EXERCISES = {
    "08-paper": Exercise(
        check=_paper,
        hints=(
            "The mean of the first gradient is (1 + 3 - 2 + 2) / 4. And of the second?",
            "1 times the first map minus one half of the second, value by value.",
            "The upper right value is 0 - 2 / 2, which is below 0: cut it off.",
        ),
        solution="answer = [[4, 0], [0, 1.5]]",
        wrong=([[4, -1], [-2, 1.5]], [[16, 0], [0, 6]], [[4, 0], [4, 2]], [4, 0, 0, 1.5], 4),
        says="Lower left, the second map is strong, and speaks against FAKE.",
    ),
    "08-unaveraged": Exercise(
        check=_unaveraged,
        hints=(
            "Take the line of Grad-CAM, and leave the mean out.",
            "`(maps * gradient).sum(axis=-1)` adds up over the filters; then cut off at 0.",
        ),
        solution="answer = lambda maps, gradient: np.maximum((maps * gradient).sum(axis=-1), 0)",
        wrong=(
            1.5,
            lambda maps, gradient: maps * gradient,
            lambda maps, gradient: (maps * gradient).sum(axis=-1),
            lambda maps, gradient: (maps * gradient.mean(axis=(0, 1))).sum(axis=-1).clip(0),
            lambda maps, gradient: (maps * gradient).clip(0).sum(axis=-1),
        ),
        says="This map cannot be hot where the gradient is 0.",
    ),
    "08-mass": Exercise(
        check=_mass,
        hints=(
            "All values of the map add up to 10. What do the four inside the mask add up to?",
            "The map has 8 of 10 inside. A uniform map has 4 of 9.",
        ),
        solution="answer = (8 / 10) / (4 / 9)",
        wrong=(0.8, 4 / 9, 0.8 - 4 / 9, 1.5, "80%"),
        says="Now ask the same of a blob in the middle.",
    ),
    "08-blob": Exercise(
        check=lambda answer: choice(
            answer,
            "b",
            {
                "a": "The maps do as well on the masks of other clips, which they never saw.",
                "c": "Nothing here says how well it detects: a map is not a score.",
                "d": "The blob detects nothing: it is the same for REAL and FAKE.",
            },
        ),
        hints=(
            "Compare 70% with 69%: what do the maps know about their own clip?",
            "Masks of face swaps lie where faces lie, in the middle of the crop.",
        ),
        solution='answer = "b"',
        wrong=("a", "c", "d", "70%"),
        says="A map has to beat what knows nothing of the clip.",
    ),
    "08-area": Exercise(
        check=_area,
        hints=(
            "Both curves begin and end together; at one half they are 1.5 apart.",
            "Area of a triangle: half of its base, which is 1, times its height.",
        ),
        solution="answer = 1 * 1.5 / 2",
        wrong=(-0.75, 1.5, 0.5, -0.25, "large"),
        says="Above 0: the map's order was the faster one.",
    ),
    "08-random": Exercise(
        check=lambda answer: choice(
            answer,
            "c",
            {
                "a": "Noise has a similarity of 0, and shows nothing.",
                "b": "The test does not rank methods: what the lower layers pass on may remain.",
                "d": "The test is about the method of drawing; it asks no network for its score.",
            },
        ),
        hints=(
            "What similarity would two maps of noise have?",
            "Depending on the weights and being right are two things.",
        ),
        solution='answer = "c"',
        wrong=("a", "b", "d", ".05"),
        says="To expose a method it is good; to praise one it is not.",
    ),
}
