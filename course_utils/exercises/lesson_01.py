"""Exercises of lesson 01, "What is a deepfake, and why should anyone care?"."""

from __future__ import annotations

from typing import Any

from course_utils.exercises import Exercise, choice, number


def _growth(answer: Any) -> str | None:
    if number(answer, 14678 / 7964, "", tolerance=0.01) is None:
        return "That is how many times as many there were; by what share did the number grow?"
    if number(answer, 84.3, "", tolerance=0.7) is None:
        return "In percent that is right; a share is a number like 0.5."
    return number(answer, 14678 / 7964 - 1, "Divide the later number by the earlier.", 0.01)


def _flagged(answer: Any) -> str | None:
    known = {
        0.99: "That is the share of the fakes that are flagged; here the flagged ones are all.",
        990: "That is how many fakes are flagged; how many real ones are?",
        0.5: "Count both kinds of flagged videos before you divide.",
    }
    if number(answer, 9990 / 10980, "", tolerance=0.005) is None:
        return "That is the share of false alarms among the flagged."
    right = 990 / (990 + 9990)
    return number(answer, right, known.get(answer, "Count fake and real among the flagged."), 0.005)


def _scale(answer: Any) -> str | None:
    if number(answer, 66 / 38.4, "", tolerance=0.02) is None:
        return "That enlarges; the face has to shrink."
    if number(answer, 38.4, "", tolerance=0.5) is None:
        return "So many pixels are between the eyes afterwards; how many were there before?"
    return number(answer, 38.4 / 66, "How far apart are the eyes in the square?", tolerance=0.01)


def _other_way(answer: Any) -> str | None:
    return choice(
        answer,
        "b",
        {
            "a": "That puts B's face on A: it is what the cell above does.",
            "c": "That draws B as B: the picture comes back as it was, a little softer.",
            "d": "That draws A as A: nothing of B is in it.",
        },
    )


def _traces(answer: Any) -> str | None:
    letters = str(answer).lower().translate(str.maketrans("", "", " ,()"))
    if len(letters) != 4 or set(letters) != set("abcd"):
        return "Four letters are asked for, each once, as in 'abcd'."
    why = {
        "c": "Trace 1 is a matter of tint: which step handles tints?",
        "b": "Trace 2 is what remains when a face comes from an average of many: who draws it?",
        "a": "Trace 3 changes from frame to frame; which step starts anew in each frame?",
        "d": "Trace 4 is about where the new face ends: which step decides that?",
    }
    return next((why[r] for r, given in zip("cbad", letters, strict=True) if r != given), None)


def _absence(answer: Any) -> str | None:
    return choice(
        answer,
        "c",
        {
            "a": "Most real videos carry none either.",
            "b": "A file without credentials never had any, or lost them; nothing tells which.",
            "d": "New cameras, too, make files that lose their credentials on the way.",
        },
    )


EXERCISES = {
    "01-growth": Exercise(
        check=_growth,
        hints=(
            "How many times as many were there in September 2019?",
            "14,678 / 7,964 is 1.84. No growth at all would be 1.",
        ),
        solution="answer = 14678 / 7964 - 1",
        wrong=(14678 / 7964, 84.3, 7964 / 14678, "84%"),
        says="In nine months. What the company counted is what it could find.",
    ),
    "01-flagged": Exercise(
        check=_flagged,
        hints=(
            "How many of the 1,000 fakes are flagged, and how many of the 999,000 real videos?",
            "990 fakes, and 9,990 real ones. What share of all the flagged are fakes?",
        ),
        solution="answer = 990 / (990 + 9990)",
        wrong=(0.99, 990, 0.5, 9990 / 10980),
        says="Ten of eleven people accused have done nothing. Lesson 09 returns to this.",
    ),
    "01-absence": Exercise(
        check=_absence,
        hints=(
            "Look at the line that the cell above printed for the picture saved again.",
            "Would a real video, sent through a messenger, have looked any different?",
        ),
        solution='answer = "c"',
        wrong=("a", "b", "d", "e"),
        says="Absence proves nothing. Presence proves who says so, no more.",
    ),
    "01-scale": Exercise(
        check=_scale,
        hints=(
            "In the square the eyes are at .35 and .65 of its 128 pixels.",
            "They are 38.4 pixels apart there, and 66 in the frame.",
        ),
        solution="answer = (0.65 - 0.35) * 128 / 66",
        wrong=(66 / 38.4, 38.4, 0.3, 128 / 66),
        says="What is lost in shrinking does not come back when the face returns to its frame.",
    ),
    "01-other-way": Exercise(
        check=_other_way,
        hints=(
            "Whose movements are wanted? They are in the code.",
            "B moves, so the code is B's. Whose face is drawn?",
        ),
        solution='answer = "b"',
        wrong=("a", "c", "d", "B's"),
        says="One encoder and two decoders serve both directions.",
    ),
    "01-traces": Exercise(
        check=_traces,
        hints=(
            "Begin with the tint: one step is there for nothing else.",
            "The border trembles because the landmarks of each frame are found anew.",
            "1 is c, and 3 is a.",
        ),
        solution='answer = "cbad"',
        wrong=("abcd", "cbda", "cb", 3),
        says="Lesson 02 measures all four.",
    ),
}
