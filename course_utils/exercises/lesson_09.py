"""Exercises of lesson 09, "How do many scores become one verdict?"."""

from __future__ import annotations

from typing import Any

from course_utils.exercises import Exercise, choice, number


def _cost(answer: Any) -> str | None:
    if number(answer, 6.9, "", tolerance=0.1) is None:
        return "That is what the one clip costs; how many of the others cost as much?"
    if number(answer, 900, "", tolerance=1) is None:
        return "Probabilities are not costs: take logarithms first."
    return number(answer, 65.6, "Divide the one cost by the other.", tolerance=0.7)


def _cool(answer: Any) -> str | None:
    if number(answer, 0.495, "", tolerance=0.006) is None:
        return "It is the log-odds that are halved, not the probability."
    if number(answer, 2.3, "", tolerance=0.03) is None:
        return "Those are the log-odds; turn them back into a probability."
    return number(answer, 0.909, "First the log-odds of .99.", tolerance=0.006)


def _enough(answer: Any) -> str | None:
    known = {
        20: "Count the new clip, too: it is one of those that may be the highest.",
        9: "That is for one in ten.",
        21: "Almost: the new clip comes on top of the validation clips.",
    }
    wrong = "Among n validation clips and a new one, each is the highest with equal chance."
    return number(answer, 19, known.get(answer, wrong) if isinstance(answer, int) else wrong)


def _flags(answer: Any) -> str | None:
    if not callable(answer):
        return "A function is asked for: `def real_share(tpr, fpr, prevalence): ...`."
    for tpr, fpr, prevalence in ((0.9, 0.15, 0.5), (0.9, 0.15, 0.001), (0.6, 0.02, 0.1)):
        flagged_fakes, flagged_reals = tpr * prevalence, fpr * (1 - prevalence)
        right = flagged_reals / (flagged_fakes + flagged_reals)
        got = answer(tpr, fpr, prevalence)
        case = f"tpr {tpr:g}, fpr {fpr:g} and prevalence {prevalence:g}"
        if number(got, 1 - right, "", tolerance=1e-6) is None:
            return f"With {case} it gives the share of fakes among those flagged."
        if problem := number(got, right, f"With {case} it gives another number.", tolerance=1e-6):
            return problem
    return None


_DROPOUT = {
    "a": "Three high logits against seventeen low ones: the mean stays far below 0.",
    "b": "It leaves out the four highest of twenty, and these three are among them.",
    "c": "Three of twenty vote FAKE: that is .15.",
}
_NARROWER = {
    "a": "Thirty frames of a clip are nearly copies of each other: no new person was filmed.",
    "b": "That answers what another training would give, not what other people would.",
    "c": "Clips of one cast resemble each other: that helps a little, and another answer more.",
}
_SLICES = {
    "a": "How many of 20 intervals of 95% miss when nothing is wrong with any room?",
    "c": "They can, if you count how many you look at.",
    "d": "A room is no person, and one slice of twenty proves little.",
}

EXERCISES = {
    "09-dropout": Exercise(
        check=lambda answer: choice(answer, "d", _DROPOUT),
        hints=(
            "Work out each rule: three faces of .95, seventeen of .1.",
            "The mean probability is .23. Which rule looks at single faces?",
        ),
        solution='answer = "d"',
        wrong=("a", "b", "c", 0.95),
        says="On a REAL clip it takes the worst face, too: the more faces, the more false alarms.",
    ),
    "09-cost": Exercise(
        check=_cost,
        hints=(
            "The cost of a FAKE clip is -log(p_fake), with the natural logarithm.",
            "One costs -log(.001) = 6.9, each of the others -log(.9) = .105.",
        ),
        solution="answer = round(np.log(0.001) / np.log(0.9))",
        wrong=(6.9, 900, 3, "66 clips"),
        says="One confident mistake eats what dozens of right answers saved.",
    ),
    "09-narrower": Exercise(
        check=lambda answer: choice(answer, "d", _NARROWER),
        hints=(
            "What is left out in turn: frames, clips, seeds or groups?",
            "The interval asks what other people would have given.",
        ),
        solution='answer = "d"',
        wrong=("a", "b", "c", 4),
        says="New people are what costs money, and what nothing else replaces.",
    ),
    "09-cool": Exercise(
        check=_cool,
        hints=(
            "The log-odds of .99 are log(.99 / .01).",
            "That is 4.6; divided by the temperature 2.3. Back: 1 / (1 + exp(-2.3)).",
        ),
        solution="answer = expit(logit(0.99) / 2)",
        wrong=(0.495, 2.3, 0.99, "91%"),
        says="One in a hundred wrong has become one in eleven.",
    ),
    "09-enough": Exercise(
        check=_enough,
        hints=(
            "With one validation clip, a new clip is above it half of the time.",
            "With n of them, a new clip is the highest of all n + 1 with chance 1 / (n + 1).",
        ),
        solution="answer = 19",
        wrong=(20, 9, 21, 5, "nineteen"),
        says="A promise of one in a hundred needs 99 REAL clips, and as many FAKE ones.",
    ),
    "09-flags": Exercise(
        check=_flags,
        hints=(
            "Of all videos, tpr * prevalence are fakes that are flagged.",
            "And fpr * (1 - prevalence) are real videos that are flagged. Which share are they?",
        ),
        solution=(
            "def answer(tpr, fpr, prevalence):\n"
            "    real, fake = fpr * (1 - prevalence), tpr * prevalence\n"
            "    return real / (real + fake)"
        ),
        wrong=(
            0.994,
            lambda tpr, fpr, prevalence: fpr / (fpr + tpr),
            lambda tpr, fpr, prevalence: tpr * prevalence / (tpr * prevalence + fpr * 0.5),
            lambda tpr, fpr, prevalence: (
                tpr * prevalence / (tpr * prevalence + fpr * (1 - prevalence))
            ),
        ),
        says="This is Bayes' rule; try it with the rates of a detector you have read about.",
    ),
    "09-slices": Exercise(
        check=lambda answer: choice(answer, "b", _SLICES),
        hints=(
            "A 95% interval lies wholly below the truth in one case of forty.",
            "She looked at 20 intervals, and at the one that stood out: how often is there one?",
        ),
        solution='answer = "b"',
        wrong=("a", "c", "d", 1),
        says="A reason to film more in room 14, and to decide beforehand what to look at.",
    ),
}
