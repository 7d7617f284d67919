"""Exercises of lesson 02, "Can you spot it? Can you measure what you saw?"."""

from __future__ import annotations

from typing import Any

from course_utils.exercises import Exercise, choice, number


def _dana(answer: Any) -> str | None:
    if number(answer, 0.5, "") is None:
        return "That is how often she is right; d′ compares two z values."
    if number(answer, 0.8, "") is None:
        return "That is the share of hits: what about the false alarms?"
    return number(answer, 0, "Work out z for the hits and z for the false alarms.", tolerance=1e-6)


def _tone(answer: Any) -> str | None:
    if number(answer, 15.8, "", tolerance=0.1) is None:
        return "That counts the lightness, which differs because the neck lies in the shade."
    if number(answer, 7, "") is None:
        return "The distance is the root of the sum of squares."
    return number(answer, 5, "a* differs by 3 and b* by 4.", tolerance=0.01)


def _noise(answer: Any) -> str | None:
    import numpy as np

    if not callable(answer):
        return "A function is asked for: `def noise(gray): ...`, then `answer = noise`."
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(120.0), 2 * np.arange(160.0))
    for spread in (1.0, 6.0):
        found = float(answer(ramp + rng.normal(0, spread, ramp.shape)))
        if found > 5 * spread:
            return (
                "The picture's own gradient counts too: take the diagonal detail, not the picture."
            )
        if not 0.85 * spread < found < 1.15 * spread:
            return f"Noise of {spread:g} comes out as {found:.2f}: mind the factors."
    edge = 200.0 * (np.add.outer(np.arange(120), np.arange(160)) > 131)
    found = float(answer(edge + rng.normal(0, 2.0, edge.shape)))
    if not 1.6 < found < 2.4:
        return f"A bright edge makes it {found:.2f} instead of 2: a median would not care."
    odd = float(answer(rng.normal(0, 2.0, (41, 63))))
    return None if 1.5 < odd < 2.5 else "With odd sides it gives something else."


def _crosstalk(answer: Any) -> str | None:
    from course_utils import cue_runs

    probes = cue_runs.read("cue_probes")
    others = probes[(probes["low"] > 0.5) & (probes["dial"] != probes["measure"])]
    counts = others["dial"].value_counts()
    answer = str(answer).strip().lower().replace(" ", "_")
    if answer not in set(probes["dial"]):
        return "Answer with the name of a dial, as it stands in the table."
    if counts.get(answer, 0) == counts.max():
        return None
    return f"This dial moves {counts.get(answer, 0)} other measures; another one moves more."


def _newsroom(answer: Any) -> str | None:
    known = {
        0.7: "That is the share of fakes that ring, not of ringing clips that are fake.",
        0.9: "That is the share of real clips that do not ring.",
        0.007: "That is the share of all clips that are fake and ring.",
        0.875: "That would hold if half of the clips were fake.",
    }
    wrong = known.get(
        answer, "Imagine 1,000 clips: how many ring of the 10 fakes, how many of the 990?"
    )
    return number(answer, 7 / 106, wrong, tolerance=0.004)


def _naive(gray: Any) -> float:
    """The spread of the whole picture: its content counts."""
    return float(gray.std())


def _without_median(gray: Any) -> float:
    """The diagonal detail's spread: an edge counts."""
    g = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2]
    return float(((g[::2, ::2] - g[::2, 1::2] - g[1::2, ::2] + g[1::2, 1::2]) / 2).std())


EXERCISES = {
    "02-dana": Exercise(
        check=_dana,
        hints=(
            'How often does she say "fake" to a fake, and how often to a real clip?',
            "8 of 10 hits and 8 of 10 false alarms: both z values are the same.",
        ),
        solution="answer = z(8, 10) - z(8, 10)",
        wrong=(0.8, 0.5, 1.7, "zero"),
        says="She says fake 80% of the time, whatever she sees.",
    ),
    "02-still": Exercise(
        check=lambda answer: choice(
            answer,
            "b",
            {
                "a": "Color and shading are there in one frame.",
                "c": "Teeth and highlights are there in one frame, if the picture is large enough.",
                "d": "Pores are there in one frame.",
            },
        ),
        hints=(
            "Which cues compare one moment with another?",
            "One of them also needs ears.",
        ),
        solution='answer = "b"',
        wrong=("a", "c", "d", "e"),
        says="A screenshot of a suspicious clip is not enough: ask for the file.",
    ),
    "02-tone": Exercise(
        check=_tone,
        hints=(
            "The neck lies in the shade: which of the three numbers says so, and should it count?",
            "The root of 3 squared plus 4 squared.",
        ),
        solution="answer = np.hypot(18 - 15, 20 - 16)",
        wrong=(7, 15.8, 250**0.5, 25),
        says="Matching lightness first would bring them nearer still.",
    ),
    "02-noise": Exercise(
        check=_noise,
        hints=(
            "`gray[::2, ::2]` is the upper left pixel of each block; the others begin at 1.",
            "Cut an odd row or column off first, or the four parts differ in size.",
            "`np.median(np.abs(d)) / 0.6745`, with `d = (a - b - c + d) / 2` of the four parts.",
        ),
        solution=(
            "def noise(gray):\n"
            "    g = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2]\n"
            "    a, b, c, d = g[::2, ::2], g[::2, 1::2], g[1::2, ::2], g[1::2, 1::2]\n"
            "    return np.median(np.abs(a - b - c + d) / 2) / 0.6745\n\n\n"
            "answer = noise"
        ),
        wrong=(6.0, _naive, _without_median, lambda gray: 2 * _without_median(gray)),
        says="`cues.noise` does the same; a part pasted from elsewhere has a noise of its own.",
    ),
    "02-crosstalk": Exercise(
        check=_crosstalk,
        hints=(
            "`probes['low'] > 0.5` is True where the whole interval lies above one half.",
            "Leave out the rows in which dial and measure are the same, then count by `dial`.",
        ),
        solution=(
            "others = probes[(probes['low'] > 0.5) & (probes['dial'] != probes['measure'])]\n"
            "answer = others['dial'].value_counts().index[0]"
        ),
        wrong=("iris", "all", 3),
        says="So its presence proves no single cue: several meters see one fault.",
    ),
    "02-newsroom": Exercise(
        check=_newsroom,
        hints=(
            "Take 1,000 clips: 10 are fake, 990 are real.",
            "7 fakes ring and 99 real clips ring.",
        ),
        solution="answer = 7 / (7 + 99)",
        wrong=(0.7, 0.9, 0.007, 0.875, 7 / 99),
        says="Fourteen of fifteen alarms are false. One cue on its own convicts nobody.",
    ),
}
