"""Exercises of lesson 03, "How do you get from a video to faces a network can learn from?"."""

from __future__ import annotations

from typing import Any

from course_utils.exercises import Exercise, number


def _constant(answer: Any) -> str | None:
    if number(answer, 77 / 400, "", tolerance=0.005) is None:
        return "That is how often it is wrong."
    if number(answer, 0.8, "", tolerance=0.002) is None:
        return "Close: give it to two digits, from the counts."
    return number(answer, 323 / 400, "It is right on each FAKE clip.", tolerance=0.005)


def _margin(answer: Any) -> str | None:
    known = {
        120: "That is the longer side, without any margin.",
        160: "That is a margin on one side; a crop has two.",
        167: "The margin is measured by the longer side of the box, which is not its width.",
    }
    return number(answer, 200, known.get(answer, "Start from the box's longer side."))


def _pairs(answer: Any) -> str | None:
    if number(answer, 4 / 6, "", tolerance=0.005) is None:
        return "The tie of .5 and .5 counts half a pair."
    if number(answer, 4.5, "") is None:
        return "That is how many pairs are right; divide by how many there are."
    return number(answer, 0.75, "Write down all six pairs.", tolerance=0.005)


def _groups(answer: Any) -> str | None:
    known = {
        5: "That is what `original` alone gives: c also has Ben in it, and e has Dan.",
        7: "Those are the clips.",
        2: "Eve shares nothing with anyone, and is a group all the same.",
    }
    return number(answer, 3, known.get(answer, "Join c to everything it shares a name with."))


def _split(answer: Any) -> str | None:
    import pandas as pd

    if not (isinstance(answer, tuple) and len(answer) == 2):
        return "Two tables are asked for, in parentheses: (train, test)."
    train, test = answer
    if not all(isinstance(part, pd.DataFrame) and "group" in part for part in answer):
        return "Both parts must be tables with the columns of `crops`."
    if not len(train) or not len(test):
        return "One of the two tables is empty."
    shared = set(train["group"]) & set(test["group"])
    if shared:
        return f"{len(shared)} groups are in both tables: choose groups, then their crops."
    if train["crop"].duplicated().any() or test["crop"].duplicated().any():
        return "Some crops are there twice."
    rows = train.index.union(test.index)  # as `crops` numbers them, unless counted anew
    counted = pd.api.types.is_integer_dtype(rows) and len(rows) == len(train) + len(test)
    if counted and len(rows) <= max(rows):
        return f"At least {max(rows) + 1 - len(rows)} of the crops are in neither table."
    share = len(test) / (len(train) + len(test))
    if not 0.2 <= share <= 1 / 3:
        return f"{share:.0%} of the crops are in the test: a fifth to a third is asked for."
    return None


def _few_crops() -> tuple:
    """Tables that share a group, have no column `group`, are empty, or leave crops out."""
    import pandas as pd

    crops = pd.DataFrame({"crop": list("0123456789"), "group": list("aabbccddee")})
    return (
        (crops[:7], crops[7:]),
        (crops[["crop"]][:8], crops[["crop"]][8:]),
        (crops, crops[:0]),
        (crops[:4], crops[8:]),
    )


EXERCISES = {
    "03-constant": Exercise(
        check=_constant,
        hints=(
            "On which of the 400 clips is the answer FAKE right?",
            "323 of the 400 clips are FAKE.",
        ),
        solution="answer = 323 / 400",
        wrong=(77 / 400, 0.8, 0.5, 1, "81%"),
        says="Four in five right, without looking at a single pixel.",
    ),
    "03-margin": Exercise(
        check=_margin,
        hints=(
            "The box is 100 pixels wide and 120 high. Which is the longer side?",
            "A third of 120 is 40. It is added on the left and on the right.",
        ),
        solution="answer = 120 + 2 * 120 / 3",
        wrong=(120, 160, 167, 100 + 2 * 100 / 3),
        says="And 200 pixels high, for it is square.",
    ),
    "03-pairs": Exercise(
        check=_pairs,
        hints=(
            "Three FAKE and two REAL clips form six pairs.",
            ".4 beats .2 but not .5; .5 beats .2 and ties with .5; .9 beats both.",
        ),
        solution="answer = (1 + 0 + 1 + 0.5 + 1 + 1) / 6",
        wrong=(4 / 6, 5 / 6, 4.5, 0.5),
    ),
    "03-groups": Exercise(
        check=_groups,
        hints=(
            "Draw a dot for each clip, and a line between two that share a clip or a person.",
            "c hangs together with a (its original) and with b (Ben). What about e?",
        ),
        solution="answer = 3  # a-b-c, d-e-f, g",
        wrong=(5, 7, 2, 4),
        says="Each may go to either side of a split, but only whole.",
    ),
    "03-split": Exercise(
        check=_split,
        hints=(
            "Choose among the groups first: `crops['group'].unique()` lists them.",
            "`crops['group'].isin(some_groups)` is True for the crops that go to the test.",
            "Take every fourth group for the test: `crops['group'].unique()[::4]`.",
        ),
        solution=(
            "in_test = crops['group'].isin(crops['group'].unique()[::4])\n"
            "answer = (crops[~in_test], crops[in_test])"
        ),
        wrong=(0.2, *_few_crops()),
        says="No network can score here by remembering a face.",
    ),
}
