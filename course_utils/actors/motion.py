"""How an actor moves: a performance table, one row a video frame.

Every movement is a function of continuous time, drawn once from the seed, so a clip at 12 frames
per second shows the same motion as one at 60. Turns follow minimum-jerk profiles (Flash & Hogan,
J. Neurosci. 5, 1985); eyes jump, fixate, and counter-rotate while the head turns; lids close faster
than they open. Lesson 02 looks for what a forger changes in such a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from course_utils.actors.speech import MOUTH, MOUTH_RATE

COLUMNS = [
    "time_s", "yaw", "pitch", "roll", "x", "y", "depth", "blink", "gaze_x", "gaze_y", "brow",
    "smile", *MOUTH, "breath", "camera_x", "camera_y", "camera_roll",
]  # fmt: skip
EYE_DEGREES = 30.0  # gaze of 1 turns the eye by this much


@dataclass(frozen=True)
class Manner:
    """What stays the same in a person's movements from clip to clip."""

    liveliness: float  # how often and how far the head turns
    side: float  # where the head likes to point, degrees of yaw
    chin: float  # how high the chin is carried, degrees of pitch
    tilt: float  # habitual roll, degrees
    beat: float  # degrees of nod on a stressed syllable
    blink_gap: float  # seconds between blinks
    shyness: float  # share of fixations away from the camera
    brows: float  # how often brows speak
    warmth: float  # resting smile
    breaths: float  # per second
    handheld: float  # camera shake in cm at the head; 0 is a tripod


def make_manner(seed: int) -> Manner:
    """Draw a person's manner of moving."""
    rng = np.random.default_rng([seed, 21])
    return Manner(
        liveliness=rng.uniform(0.85, 1.2),
        side=rng.normal(0, 3.0),
        chin=rng.normal(0, 1.5),
        tilt=rng.normal(0, 1.2),
        beat=rng.uniform(2.5, 6.0) * rng.choice([-1, 1], p=[0.7, 0.3]),
        blink_gap=rng.uniform(2.4, 4.6),
        shyness=rng.uniform(0.15, 0.42),
        brows=rng.uniform(0.3, 0.9),
        warmth=rng.uniform(-0.05, 0.28),
        breaths=rng.uniform(0.21, 0.33),
        handheld=0.0 if rng.random() < 0.35 else rng.uniform(0.08, 0.35),
    )


def perform(
    seed: int,
    seconds: float,
    fps: float,
    mouth: pd.DataFrame | None = None,
    manner: Manner | None = None,
) -> pd.DataFrame:
    """Performance table of ``round(seconds * fps)`` rows, columns ``COLUMNS``.

    Degrees: ``yaw`` > 0 turns to the viewer's right, ``pitch`` > 0 looks up, ``roll`` > 0 tips the
    crown to the viewer's right. Centimeters: ``x``, ``y``, ``depth`` (nearer), ``camera_x``,
    ``camera_y`` (what a handheld camera's aim wanders at the head). ``gaze_x`` > 0 looks to the
    viewer's right and ``gaze_y`` > 0 up, 1 being 30 degrees in the head. ``breath`` is -1 (out)
    to 1 (in). ``mouth`` is a mouth table of :func:`course_utils.actors.speech.speak`; without one
    the actor listens with lips closed.
    """
    if seconds <= 0 or fps <= 0:
        raise ValueError(f"cannot perform {seconds} s at {fps} frames per second: give both > 0")
    manner = manner or make_manner(seed)
    rng = np.random.default_rng([seed, 22])
    t = np.arange(int(round(seconds * fps))) / fps
    pauses = _pauses(mouth, rng, seconds)
    row = pd.DataFrame({"time_s": t})

    turns = _turns(rng, seconds, manner)
    start, duration = turns["time"].to_numpy(), turns["duration"].to_numpy()
    head = {name: _follow(t, start, turns[name].to_numpy(), duration) for name in _HEAD}
    for name, size in zip(_HEAD, (1.6, 1.1, 0.8), strict=True):
        head[name] = head[name] + size * _wander(rng, t, 0.1, 0.6) + 0.12 * _wander(rng, t, 3, 7)
    beats = _beats(mouth, t)
    head["pitch"] = head["pitch"] + manner.beat * beats + _nods(rng, t, seconds, manner)
    head["yaw"] = head["yaw"] + rng.uniform(-0.5, 0.5) * manner.beat * beats
    head["roll"] = head["roll"] + rng.uniform(-0.4, 0.4) * manner.beat * beats
    row["yaw"] = _soft_bound(head["yaw"], 26, 32)
    row["pitch"] = _soft_bound(head["pitch"], 9, 12)
    row["roll"] = _soft_bound(head["roll"], 6, 8)

    breath = 2 * np.pi * manner.breaths * t + rng.uniform(0, 2 * np.pi)
    row["breath"] = np.sin(breath + 0.45 * np.sin(breath))
    # the head turns about the neck, 9 cm below the ears, and the body sways
    row["x"] = 9 * np.sin(np.radians(row["roll"])) + 0.9 * _wander(rng, t, 0.05, 0.4)
    row["y"] = 0.25 * _wander(rng, t, 0.05, 0.4) + 0.12 * row["breath"]
    row["depth"] = -9 * np.sin(np.radians(row["pitch"])) + 1.1 * _wander(rng, t, 0.05, 0.35)

    row["blink"] = _blinks(rng, t, seconds, manner, turns)
    row["gaze_x"], row["gaze_y"] = _gaze(rng, t, seconds, manner, turns, row)
    row["brow"] = _brows(rng, t, pauses, manner)
    row["smile"] = _smiles(rng, t, pauses, manner)
    for name in MOUTH:
        row[name] = 0.0 if mouth is None else np.interp(t, mouth["time_s"], mouth[name])
    for name, size in (("camera_x", 1.0), ("camera_y", 0.8), ("camera_roll", 0.9)):
        slow, quick = _wander(rng, t, 0.15, 0.9), _wander(rng, t, 1.0, 4.0)
        row[name] = manner.handheld * size * (slow + 0.25 * quick)
    return row[COLUMNS]


_HEAD = ("yaw", "pitch", "roll")


def _ease(x: np.ndarray) -> np.ndarray:
    """Minimum-jerk step from 0 to 1."""
    x = np.clip(x, 0, 1)
    return x * x * x * (10 + x * (6 * x - 15))


def _soft_bound(x: np.ndarray, free: float, limit: float) -> np.ndarray:
    over = np.maximum(np.abs(x) - free, 0)
    room = limit - free
    return np.sign(x) * (np.minimum(np.abs(x), free) + room * np.tanh(over / room))


def _wander(rng: np.random.Generator, t: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth noise between two frequencies, standard deviation about 1: a sum of sinusoids."""
    count = 9
    f = low * (high / low) ** rng.random(count)
    size = rng.rayleigh(1, count)
    size *= np.sqrt(2 / np.sum(size**2))
    return np.sin(2 * np.pi * (f * t[:, None] + rng.random(count))) @ size


def _follow(t: np.ndarray, start: np.ndarray, target: np.ndarray, duration: np.ndarray):
    """Move to each target at its start, within its duration, by minimum-jerk steps."""
    steps = np.diff(target, prepend=target[0])
    return target[0] + _ease((t[:, None] - start) / duration) @ steps


def _turns(rng: np.random.Generator, seconds: float, manner: Manner) -> pd.DataFrame:
    rows, now, yaw = [], -3.0, 0.0
    while now < seconds + 1:
        if rng.random() < 0.45:
            goal = manner.side + rng.normal(0, 4)
        else:
            goal = manner.side + rng.choice([-1, 1]) * rng.uniform(9, 26) * manner.liveliness
        goal = float(np.clip(goal, -28, 28))
        quick = rng.uniform(0.8, 1.35)
        duration = (0.26 + 0.017 * abs(goal - yaw)) * quick
        pitch = manner.chin + rng.normal(0, 3.6)
        roll = manner.tilt + rng.normal(0, 1.9) + 0.10 * goal
        rows.append((now, duration, goal, pitch, roll))
        now += duration + rng.gamma(2.2, 0.42) / manner.liveliness
        yaw = goal
    return pd.DataFrame(rows, columns=["time", "duration", *_HEAD]).astype(float)


def _pauses(mouth: pd.DataFrame | None, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Times at which a phrase ends (or, for a listener, might have)."""
    if mouth is None:
        return np.cumsum(rng.uniform(1.2, 3.0, int(seconds) + 2))
    silent = (mouth["phoneme"] == "sil").to_numpy()
    ends = np.flatnonzero(silent[1:] & ~silent[:-1]) + 1
    return mouth["time_s"].to_numpy()[ends]


def _beats(mouth: pd.DataFrame | None, t: np.ndarray) -> np.ndarray:
    """Stressed syllables as small bumps, about -0.3..0.7: loudness against its own surroundings."""
    from scipy.ndimage import gaussian_filter1d

    if mouth is None:
        return np.zeros_like(t)
    loud = mouth["loudness"].to_numpy() ** 3
    fast = gaussian_filter1d(loud, 0.10 * MOUTH_RATE, mode="nearest")
    slow = gaussian_filter1d(loud, 0.50 * MOUTH_RATE, mode="nearest")
    return np.interp(t - 0.04, mouth["time_s"], -(fast - slow))


def _nods(rng: np.random.Generator, t: np.ndarray, seconds: float, manner: Manner) -> np.ndarray:
    nod = np.zeros_like(t)
    for _ in range(rng.poisson(0.16 * seconds * manner.liveliness)):
        start, length = rng.uniform(-0.5, seconds), rng.uniform(0.5, 0.9)
        size = rng.uniform(2.5, 6.0)
        x = np.clip((t - start) / length, 0, 1)
        nod -= size * np.sin(2 * np.pi * rng.choice([1, 2]) * x) * np.sin(np.pi * x)
    return nod


def _blinks(
    rng: np.random.Generator, t: np.ndarray, seconds: float, manner: Manner, turns: pd.DataFrame
) -> np.ndarray:
    lids = np.zeros_like(t)
    far = turns[turns["yaw"].diff().abs() > 14]["time"].to_numpy()
    now, last = rng.uniform(0.2, 2.5), -9.0
    while now < seconds:
        near = far[np.abs(far - now) < 0.7]  # people blink as they turn
        moment = float(near[0]) if len(near) and near[0] - last >= 2 else now
        length = rng.uniform(0.13, 0.25)
        x = (t - moment) / length
        lids = np.maximum(lids, np.where(x < 0.34, _ease(x / 0.34), 1 - _ease((x - 0.42) / 0.58)))
        last = moment
        now = last + float(np.clip(manner.blink_gap * rng.lognormal(0, 0.3), 2.0, 6.0))
    return 0.08 + 0.92 * lids  # eyes at rest are not wide open: that would be a stare


def _gaze(
    rng: np.random.Generator,
    t: np.ndarray,
    seconds: float,
    manner: Manner,
    turns: pd.DataFrame,
    row: pd.DataFrame,
) -> tuple[np.ndarray, np.ndarray]:
    rows, now = [], -2.0
    while now < seconds + 1:
        if rng.random() < manner.shyness:
            aim = (rng.normal(0, 13), rng.normal(-2, 7))
        else:
            aim = (rng.normal(0, 1.6), rng.normal(0, 1.2))  # the lens
        rows.append((now, *aim))
        now += rng.gamma(3.0, 0.28) + 0.12
    # before the head goes somewhere, the eyes are often there
    for turn in turns.to_dict("records"):
        if rng.random() < 0.4:
            rows.append((turn["time"] - rng.uniform(0.08, 0.2), turn["yaw"], turn["pitch"]))
    plan = np.array(sorted(rows))
    size = np.hypot(*np.diff(plan[:, 1:], axis=0, prepend=plan[:1, 1:]).T)
    duration = 0.022 + 0.0024 * size  # main sequence of saccades (Bahill et al. 1975)
    in_head = []
    for column, head, reach in ((1, row["yaw"], 0.85), (2, row["pitch"], 0.6)):
        world = _follow(t, plan[:, 0], plan[:, column], duration)
        eye = (world - 0.85 * head.to_numpy() + 0.4 * _wander(rng, t, 0.5, 3)) / EYE_DEGREES
        in_head.append(_soft_bound(eye, 0.7 * reach, reach))
    return in_head[0], in_head[1]


def _bumps(t, starts, sizes, rise, hold, fall):
    """Sum of eased bumps (N,); all arguments but ``t`` one a bump."""
    total = np.zeros_like(t)
    for start, size, up, stay, down in zip(starts, sizes, rise, hold, fall, strict=True):
        total += size * (_ease((t - start) / up) - _ease((t - start - up - stay) / down))
    return total


def _brows(rng, t: np.ndarray, pauses: np.ndarray, manner: Manner) -> np.ndarray:
    chosen = pauses[rng.random(len(pauses)) < manner.brows]
    count = len(chosen)
    starts = chosen + rng.uniform(-1.2, 0.3, count)
    raised = rng.uniform(0.3, 0.95, count)
    sizes = np.where(rng.random(count) < 0.75, raised, -0.8 * raised)
    bumps = _bumps(
        t, starts, sizes, rng.uniform(0.15, 0.3, count), rng.uniform(0.2, 0.9, count),
        rng.uniform(0.3, 0.6, count),
    )  # fmt: skip
    return np.clip(bumps + 0.07 * _wander(rng, t, 0.2, 1.5), -1, 1)


def _smiles(rng, t: np.ndarray, pauses: np.ndarray, manner: Manner) -> np.ndarray:
    chosen = np.append(pauses, -1.0)[rng.random(len(pauses) + 1) < 0.3 + manner.warmth]
    count = len(chosen)
    bumps = _bumps(
        t, chosen - rng.uniform(0.1, 0.9, count), rng.uniform(0.25, 0.8, count),
        rng.uniform(0.35, 0.7, count), rng.uniform(0.5, 1.8, count), rng.uniform(0.6, 1.1, count),
    )  # fmt: skip
    return 0.9 * np.tanh((manner.warmth + 0.05 * _wander(rng, t, 0.1, 0.6) + bumps) / 0.9)
