"""Exercises of lesson 07, "What do the curves say, and what do they hide?"."""

from __future__ import annotations

import math
from typing import Any

from course_utils.exercises import Exercise, number


def _stop(answer: Any) -> str | None:
    if not (isinstance(answer, tuple | list) and len(answer) == 2):
        return "Two numbers are asked for, in parentheses: (stops after, weights of)."
    last, kept = answer
    if problem := number(kept, 5, "Which is the lowest loss that training lives to see?"):
        return problem
    return number(last, 8, "Count three epochs after the one whose weights are taken.")


def _base_rate(answer: Any) -> str | None:
    known = {
        0.693: "That is what a shrug costs, on any set.",
        0.49: "That is DFDC's sample; here nine in ten are fake.",
        0.105: "That is what a FAKE clip costs; one in ten is REAL.",
        0.9: "That is the accuracy of always answering FAKE, or the constant itself.",
        2.303: "That is what a REAL clip costs; nine in ten are FAKE.",
    }
    for near, words in known.items():
        if number(answer, near, "", tolerance=0.006) is None:
            return words
    right = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    otherwise = "Nine times the cost of a FAKE, once that of a REAL, divided by ten."
    return number(answer, right, otherwise, tolerance=0.006)


def _lucky(answer: Any) -> str | None:
    from course_utils import evaluation, training

    scores = training.recorded("meso4-grouped").scores.query("split == 'test'")
    clips = scores.groupby(["seed", "clip", "label"], as_index=False)["p_fake"].mean()
    aucs = [evaluation.auc(one["label"], one["p_fake"]) for _, one in clips.groupby("seed")]
    mean, best, worst = sum(aucs) / len(aucs), max(aucs), min(aucs)
    if number(answer, best, "", 0.0001) is None:
        return "That is lab B's AUC; how far is it above lab A's?"
    if number(answer, best - worst, "", 0.0001) is None:
        return "That is the best minus the worst; lab A expects the mean."
    otherwise = "Take the highest of `per_seed` and the mean of all."
    return number(answer, best - mean, otherwise, tolerance=0.006)


def _people(answer: Any) -> str | None:
    import pandas as pd

    from course_utils import datasets, settings

    if not (isinstance(answer, pd.DataFrame) and {"clip", "target", "donor"} <= set(answer)):
        return "A table is asked for: rows of `clips`, with their columns."
    clips, _ = datasets.read(settings.MINI_DFDC)
    clips["split"] = datasets.split(clips, by=clips["original"].fillna(clips["clip"]))
    train, test = (clips[clips["split"] == name] for name in ("train", "test"))
    people = set(test["target"]) | set(test["donor"].dropna())
    chosen = clips[clips["clip"].isin(answer["clip"])]
    if not set(chosen["clip"]) <= set(train["clip"]):
        return "Some of these clips are not of the split train."
    shared = chosen["target"].isin(people) | chosen["donor"].isin(people)
    if shared.any():
        return f"{shared.sum()} of these clips still show somebody who is in the test."
    alone = train[~train["target"].isin(people) & ~train["donor"].isin(people)]
    lost = len(alone) - len(chosen)
    return f"{lost} clips are dropped that share nobody with the test." if lost else None


def _matrix(answer: Any) -> str | None:
    letters = {letter for letter in str(answer).lower() if letter.isalpha()}
    if not isinstance(answer, str) or not letters or letters - set("abcde"):
        return 'Answer with letters from a to e, as "ac".'
    about = {
        "a": "Add up each row, and compare with 759 and 2,986.",
        "b": "Add up all four numbers: how many crops are that?",
        "c": "Divide the two numbers on the diagonal by all four.",
        "d": "3,745 crops come from 400 clips; see lesson 03.",
        "e": "What share of the crops does a constant get?",
    }
    wrong = [letter for letter in about if (letter in letters) != (letter in "abd")]
    return f"Look again at {wrong[0]}. {about[wrong[0]]}" if wrong else None


def _mistaken_tables() -> tuple:
    """A table without people, and one that no split of the set is."""
    import pandas as pd

    return pd.DataFrame({"clip": ["a.mp4"]}), pd.DataFrame(
        {"clip": [], "target": [], "donor": []}, dtype=object
    )


EXERCISES = {
    "07-stop": Exercise(
        check=_stop,
        hints=(
            "Go through the list and write down the lowest loss so far after each epoch.",
            "The lowest falls in epochs 1, 2, 3 and 5. Three epochs without a lower one follow.",
        ),
        solution="answer = (8, 5)",
        wrong=((9, 9), (5, 5), (8, 8), (6, 3), (5, 8), 8),
        says="Epoch 9 would have been the best of all: patience is a bet.",
    ),
    "07-base-rate": Exercise(
        check=_base_rate,
        hints=(
            "The constant is .9. What does one FAKE clip cost, and what one REAL clip?",
            "A FAKE costs -log .9 = .105, a REAL -log .1 = 2.303. Weigh them 90 to 10.",
        ),
        solution="answer = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))",
        wrong=(0.693, 0.49, 0.105, 0.9, 2.303, ".325"),
        says="The rarer the other class, the lower the number that says nothing.",
    ),
    "07-lucky": Exercise(
        check=_lucky,
        hints=(
            "`per_seed` holds an AUC a seed. Which one does lab B report?",
            "`per_seed.max()` is lab B's; lab A can expect `per_seed.mean()`.",
        ),
        solution="answer = per_seed.max() - per_seed.mean()",
        wrong=(0, 0.5, 1, "lab B"),
        says="The same network, the same data: all of it is choosing on the test.",
    ),
    "07-people": Exercise(
        check=_people,
        hints=(
            "Collect the people of the test first: `set(test['target'])` and its donors.",
            "Keep the rows of train whose target is not among them, and whose donor is not either.",
            "`isin(people)` is False for a missing donor, so REAL clips need no special care.",
        ),
        solution=(
            "tested = clips[clips['split'] == 'test']\n"
            "people = set(tested['target']) | set(tested['donor'].dropna())\n"
            "shared = clips['target'].isin(people) | clips['donor'].isin(people)\n"
            "answer = clips[(clips['split'] == 'train') & ~shared]"
        ),
        wrong=(0.5, *_mistaken_tables()),
        says="What is left is the price of a split that was not made by people from the start.",
    ),
    "07-matrix": Exercise(
        check=_matrix,
        hints=(
            "Add up the rows, then all four numbers, and compare with what the report says it has.",
            "The row called real has 2,986 crops. All four numbers make 3,745.",
            "A constant gets 2,986 of 3,745. And d was a part of lesson 03.",
        ),
        solution='answer = "abd"',
        wrong=("a", "ab", "b", "abcd", "abde", "c", 3, "x"),
        says="Both mistakes are real, and both were published.",
    ),
}
