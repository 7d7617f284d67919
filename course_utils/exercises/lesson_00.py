"""Exercises of lesson 00, "Is this machine ready?"."""

from __future__ import annotations

from typing import Any

from course_utils.exercises import Exercise, number


def _share(answer: Any) -> str | None:
    from course_utils import datasets, settings

    clips, _ = datasets.read(settings.MINI_DFDC)
    share = (clips["label"] == "FAKE").mean()
    if number(answer, len(clips) * share, "") is None:
        return "That is how many are fake; divide by the number of clips."
    if number(answer, 1 - share, "", tolerance=0.005) is None:
        return "That is the share of the real ones."
    return number(answer, share, "Count the rows that say FAKE and divide by all.", tolerance=0.005)


EXERCISES = {
    "00-kernel": Exercise(
        check=lambda answer: number(
            answer,
            12,
            "What was run before does not matter once `faces_seen = 10` has run again.",
        ),
        hints=(
            "The kernel keeps one value for the name; each run starts from the value it has now.",
            "After `faces_seen = 10` the value is 10. What is it after one run of the other cell?",
        ),
        solution="answer = 10 + 1 + 1",
        wrong=(11, 13, 14, "12"),
        says="The order of the runs decides, not the order on the page.",
    ),
    "00-share": Exercise(
        check=_share,
        hints=(
            'The comparison clips["label"] == "FAKE" gives True or False for each row.',
            "The mean of True and False is the share of True: a column has a method `.mean()`.",
        ),
        solution='answer = (clips["label"] == "FAKE").mean()',
        wrong=(0.5, 1.0, "two thirds"),
        says="Whoever always answers FAKE is right this often: the first baseline to beat.",
    ),
}
