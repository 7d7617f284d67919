"""Check, hint and solution of each exercise. Lesson 00 shows a learner how to use them.

An exercise cell of a notebook holds a stub and its check, and runs to its end unsolved:

    answer = ...
    check("03-pairs", answer)

How to write one. The exercises of lesson 03 stand in `course_utils/exercises/lesson_03.py`, in a
dictionary `EXERCISES` whose keys begin with the lesson's number:

    EXERCISES = {
        "03-pairs": Exercise(
            check=lambda answer: number(answer, 12, "Each FAKE clip meets each REAL one."),
            hints=("How many pairs does one FAKE clip form?", "Four clips, three partners each."),
            solution="answer = 4 * 3",
            wrong=(7, "12 pairs"),
        ),
    }

- `check` returns None for a right answer, and else one sentence that helps: what the answer has
  got wrong, never the answer. An exception it raises is turned into such a sentence.
- `hints` run from a nudge to almost there: at least two.
- `solution` is code that takes the place of the line `answer = ...`; it may use whatever the
  cells above it have defined, and must itself define `answer`.
- `wrong` are answers that must not pass: the mistakes you expect.
- `says`, if given, is printed with a right answer: what it means.

Import what is heavy inside the check. `tests/test_exercises.py` tries every exercise: the stub and
the wrong answers fail, the solution passes in its notebook, and the solved notebook runs.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

STUB = "answer = ..."
RIGHT = "Right."
_hints_shown: Counter[str] = Counter()


@dataclass(frozen=True)
class Exercise:
    """One exercise; the fields are explained at the top of this module."""

    check: Callable[[Any], str | None]
    hints: tuple[str, ...]
    solution: str
    wrong: tuple = ()
    says: str = ""


def check(name: str, answer: Any) -> None:
    """Print whether `answer` solves the exercise `name`, and if not, what to look at."""
    exercise = find(name)
    if answer is ...:
        print(f'Not answered yet: replace the dots, run the cell again. hint("{name}") helps.')
        return
    problem = judge(exercise, answer)
    if problem is None:
        print(f"{RIGHT} {exercise.says}".strip())
    else:
        print(f'Not yet. {problem} hint("{name}") helps.')


def hint(name: str) -> None:
    """Print the next hint of the exercise `name`; each call says a little more."""
    hints = find(name).hints
    shown = _hints_shown[name]
    _hints_shown[name] += 1
    if shown < len(hints):
        print(f"Hint {shown + 1} of {len(hints)}: {hints[shown]}")
    else:
        print(f'That was the last hint. solution("{name}") shows one way to do it.')


def solution(name: str) -> None:
    """Print code that solves the exercise `name`, to take the place of its `answer = ...`."""
    print(find(name).solution)


def find(name: str) -> Exercise:
    """The exercise `name`; a ValueError lists the lesson's exercises when there is none."""
    if name[:2] not in lessons():
        raise ValueError(f'There is no exercise "{name}": a name begins with its lesson, as "03".')
    known = lesson(name[:2])
    if name not in known:
        raise ValueError(f'There is no exercise "{name}"; this lesson has {", ".join(known)}.')
    return known[name]


def lessons() -> list[str]:
    """Numbers of the lessons that have exercises: "00", "03", ..."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.removeprefix("lesson_") for name in names if name.startswith("lesson_"))


def lesson(number: str) -> dict[str, Exercise]:
    """The exercises of a lesson, by name; `number` is "00" to "11"."""
    return importlib.import_module(f"course_utils.exercises.lesson_{number}").EXERCISES


def judge(exercise: Exercise, answer: Any) -> str | None:
    """None when `answer` is right, otherwise the sentence that says what is not."""
    if answer is ...:
        return "The dots are still there."
    try:
        return exercise.check(answer)
    except Exception as error:  # a learner's answer may be anything at all
        kind = type(answer).__name__
        return f"This answer, of type {kind}, cannot be checked ({error}): compare the question."


# ------------------------------------------------------------------------- for writing checks


def number(answer: Any, right: float, otherwise: str, tolerance: float = 0) -> str | None:
    """None when `answer` is a number within `tolerance` of `right`; else a sentence."""
    if isinstance(answer, bool) or not isinstance(answer, Real):
        return f"A number is asked for, and this is of type {type(answer).__name__}."
    if math.isnan(answer) or abs(float(answer) - right) > tolerance:
        return otherwise
    return None


def choice(answer: Any, right: str, options: dict[str, str]) -> str | None:
    """None when `answer` is the letter `right`; `options` says why each other letter is not."""
    letter = str(answer).strip().strip("()").lower()
    if letter == right:
        return None
    letters = ", ".join(sorted({*options, right}))
    return options.get(letter, f"Answer with one of the letters {letters}.")
