"""Speech-like sound and the mouth that makes it, from one sequence of phonemes.

Nobody is recorded and nothing is said: syllables are drawn at random and spoken by a formant
synthesizer (source and filter after Klatt, "Software for a cascade/parallel formant synthesizer",
JASA 67, 1980; vowel formants after Peterson & Barney, JASA 24, 1952; glottal pulse after Rosenberg,
JASA 49, 1971). The mouth follows the *sounds*, each by its articulation, with coarticulation after
Cohen & Massaro, "Modeling coarticulation in synthetic visual speech", 1993: a loud [i] stays
narrow, a silent [p] closes the lips. Lesson 02 measures the lag between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

MOUTH_RATE = 100  # rows of a mouth table per second
MOUTH = ["jaw", "wide", "round", "press", "bite", "tongue"]
_STEP = 400  # control frames per second of the synthesizer


class Phone(NamedTuple):
    """How a phoneme sounds (formants of a man, Hz) and what the mouth does for it."""

    kind: str  # vowel, glide, nasal, stop, fricative, silence
    seconds: float
    formants: tuple[float, float, float]
    voice: float  # voicing, 0..1
    noise: str  # band of its noise, "" if none
    jaw: float
    wide: float
    round: float
    press: float = 0.0
    bite: float = 0.0
    tongue: float = 0.0
    lips: float = 1.0  # how firmly this phoneme holds its lip shape against its neighbors


PHONES = {
    "sil": Phone("silence", 0.3, (500, 1500, 2500), 0, "", 0.03, 0.0, 0.0, lips=0.6),
    "a": Phone("vowel", 0.135, (730, 1090, 2440), 1, "", 0.85, 0.05, 0.0),
    "ae": Phone("vowel", 0.130, (660, 1720, 2410), 1, "", 0.75, 0.40, 0.0),
    "e": Phone("vowel", 0.105, (530, 1840, 2480), 1, "", 0.52, 0.40, 0.0),
    "i": Phone("vowel", 0.105, (280, 2290, 3010), 1, "", 0.22, 0.80, 0.0),
    "ih": Phone("vowel", 0.080, (390, 1990, 2550), 1, "", 0.32, 0.40, 0.0),
    "o": Phone("vowel", 0.125, (500, 880, 2410), 1, "", 0.50, -0.40, 0.75),
    "u": Phone("vowel", 0.105, (310, 870, 2240), 1, "", 0.20, -0.75, 1.0),
    "uh": Phone("vowel", 0.085, (620, 1190, 2390), 1, "", 0.50, 0.0, 0.05),
    "er": Phone("vowel", 0.105, (490, 1350, 1690), 1, "", 0.30, -0.20, 0.40),
    "m": Phone("nasal", 0.075, (270, 1000, 2200), 0.8, "", 0.08, 0.0, 0.05, press=1),
    "n": Phone("nasal", 0.065, (270, 1600, 2600), 0.8, "", 0.18, 0.1, 0, tongue=0.85, lips=0.3),
    "p": Phone("stop", 0.105, (300, 850, 2250), 0, "flat", 0.06, 0.0, 0.05, press=1),
    "b": Phone("stop", 0.080, (280, 850, 2250), 0.12, "flat", 0.06, 0.0, 0.05, press=1),
    "t": Phone("stop", 0.100, (320, 1750, 2650), 0, "hiss", 0.14, 0.1, 0, tongue=0.9, lips=0.3),
    "d": Phone("stop", 0.070, (300, 1750, 2650), 0.12, "hiss", 0.18, 0.1, 0, tongue=0.9, lips=0.3),
    "k": Phone("stop", 0.105, (320, 1900, 2300), 0, "back", 0.22, 0.0, 0, lips=0.15),
    "g": Phone("stop", 0.075, (300, 1900, 2300), 0.12, "back", 0.22, 0.0, 0, lips=0.15),
    "f": Phone("fricative", 0.100, (320, 1100, 2200), 0, "flat", 0.14, 0.1, 0, bite=1),
    "v": Phone("fricative", 0.070, (300, 1100, 2200), 0.45, "flat", 0.14, 0.1, 0, bite=0.9),
    "s": Phone(
        "fricative", 0.110, (320, 1700, 2600), 0, "hiss", 0.08, 0.35, 0, tongue=0.3, lips=0.5
    ),
    "z": Phone(
        "fricative", 0.080, (300, 1700, 2600), 0.4, "hiss", 0.08, 0.35, 0, tongue=0.3, lips=0.5
    ),
    "sh": Phone("fricative", 0.115, (320, 1800, 2500), 0, "hush", 0.12, -0.35, 0.65, lips=1.2),
    "th": Phone(
        "fricative", 0.080, (320, 1500, 2600), 0.3, "flat", 0.20, 0.1, 0, tongue=0.7, lips=0.4
    ),
    "h": Phone("fricative", 0.060, (500, 1500, 2500), 0.15, "", 0.35, 0.0, 0, lips=0.1),
    "l": Phone("glide", 0.070, (360, 1150, 2700), 0.8, "", 0.36, 0.1, 0, tongue=1.0, lips=0.3),
    "r": Phone("glide", 0.070, (340, 1150, 1600), 0.8, "", 0.24, -0.2, 0.45, lips=0.7),
    "w": Phone("glide", 0.075, (310, 700, 2200), 0.8, "", 0.15, -0.8, 1.0, lips=1.3),
    "j": Phone("glide", 0.065, (280, 2200, 2950), 0.8, "", 0.18, 0.6, 0, tongue=0.3, lips=0.6),
}
_NOISE_BANDS = {
    "hiss": (3800, 7600),
    "hush": (1900, 5200),
    "flat": (900, 7200),
    "back": (1300, 3200),
}
_NOISE_GAIN = {"hiss": 0.16, "hush": 0.19, "flat": 0.065, "back": 0.22}
_ONSETS = (
    ("m", 7), ("b", 6), ("p", 6), ("n", 6), ("d", 6), ("t", 7), ("k", 5), ("g", 4), ("f", 4),
    ("v", 4), ("s", 6), ("z", 2), ("sh", 3), ("th", 4), ("h", 3), ("l", 5), ("r", 5), ("w", 5),
    ("j", 2), ("", 5),
)  # fmt: skip
_NUCLEI = (
    ("a", 6), ("ae", 5), ("e", 6), ("i", 6), ("ih", 6), ("o", 6), ("u", 5), ("uh", 6), ("er", 3),
    ("a ih", 4), ("a u", 3), ("e i", 3), ("o u", 4),
)  # fmt: skip
_CODAS = (
    ("", 16),
    ("n", 4),
    ("m", 3),
    ("t", 3),
    ("s", 3),
    ("l", 3),
    ("r", 2),
    ("k", 2),
    ("p", 1),
    ("f", 1),
)


@dataclass(frozen=True)
class Voice:
    """What stays the same when a person speaks twice."""

    pitch: float  # mean fundamental frequency, Hz
    tract: float  # formants relative to a man's
    breath: float  # share of breath noise in the voice
    open_quotient: float  # how long the glottis is open in a cycle
    rate: float  # speaking rate, 1 is ordinary
    effort: float  # how far the mouth moves


def make_voice(seed: int, kind: str | None = None) -> Voice:
    """Draw a voice; ``kind`` is ``"male"``, ``"female"``, ``"child"`` or None for any adult."""
    rng = np.random.default_rng([seed, 11])
    kind = kind or str(rng.choice(["male", "female"]))
    ranges = {
        "male": ((92, 138), (0.95, 1.06)),
        "female": ((165, 225), (1.12, 1.22)),
        "child": ((235, 300), (1.26, 1.38)),
    }
    if kind not in ranges:
        raise ValueError(f"no voice of kind {kind!r}: use one of {', '.join(ranges)}")
    pitch, tract = ranges[kind]
    return Voice(
        pitch=rng.uniform(*pitch),
        tract=rng.uniform(*tract),
        breath=rng.uniform(0.015, 0.06),
        open_quotient=rng.uniform(0.52, 0.68),
        rate=rng.uniform(0.9, 1.12),
        effort=rng.uniform(0.8, 1.2),
    )


def speak(
    seed: int, seconds: float, rate: int = 16000, voice: Voice | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Speak random syllables for ``seconds``.

    Returns mono float32 samples (peak below 1, equal loudness for every seed) and the mouth table,
    100 rows per second: ``time_s``, ``phoneme`` (the sound being heard), ``jaw``, ``wide``,
    ``round``, ``press``, ``bite``, ``tongue`` (ranges as in a performance table) and ``loudness``
    (0..1, of the sound). Lips run ahead of their sound by 60 to 100 ms, as people's do.
    """
    if seconds <= 0:
        raise ValueError(f"cannot speak for {seconds} seconds: ask for a positive length")
    voice = voice or make_voice(seed)
    rng = np.random.default_rng([seed, 12])
    segments = _write(rng, seconds, voice)
    samples = _synthesize(rng, segments, seconds, rate, voice)
    mouth = _articulate(rng, segments, seconds, voice)
    mouth["loudness"] = _loudness(samples, rate, mouth["time_s"].to_numpy())
    return samples, mouth


def mouth_opening(mouth: pd.DataFrame) -> np.ndarray:
    """How far the lips are apart (N,), 0..1: what a viewer can see of a mouth table."""
    opening = mouth["jaw"] * (1 - mouth["press"]) * (1 - 0.5 * mouth["bite"])
    return opening.to_numpy() * (1 - 0.35 * mouth["round"].to_numpy())


def _draw(rng: np.random.Generator, weighted: tuple) -> str:
    names, weights = zip(*weighted, strict=True)
    return str(rng.choice(names, p=np.array(weights) / sum(weights)))


def _write(rng: np.random.Generator, seconds: float, voice: Voice) -> pd.DataFrame:
    """Phrases of syllables with pauses: one row a phoneme with times, stress, pitch, breath."""
    rows: list[dict] = []

    def add(name: str, length: float, **more: float) -> None:
        start = rows[-1]["end"] if rows else 0.0
        rows.append(dict(phoneme=name, start=start, end=start + length, **more))

    quiet = dict(stress=0.0, pitch=1.0, breath=0.0)
    add("sil", rng.uniform(0.08, 0.35), **quiet)
    while rows[-1]["end"] < seconds:
        count = int(rng.integers(4, 12))
        asks = rng.random() < 0.2
        previous = ""
        for k in range(count):
            stress = float(rng.random() < 0.42) * rng.uniform(0.6, 1.0)
            last = k == count - 1
            onset = _draw(rng, _ONSETS)
            while onset == previous:
                onset = _draw(rng, _ONSETS)
            coda = _draw(rng, _CODAS)
            nucleus = _draw(rng, _NUCLEI).split()
            fall = 1.13 - 0.26 * k / max(count - 1, 1)
            pitch = fall * (1 + 0.15 * stress) * (1.25 if asks and last else 1.0)
            pace = voice.rate * rng.normal(1.0, 0.06) / (1.35 if last else 1.0)
            for name in [onset, *nucleus, coda]:
                if name:
                    phone = PHONES[name]
                    length = phone.seconds / pace * rng.uniform(0.88, 1.15)
                    if phone.kind == "vowel":
                        length *= (0.85 + 0.4 * stress) * (0.72 if len(nucleus) == 2 else 1)
                    add(name, length, stress=stress, pitch=pitch, breath=0.0)
            previous = coda
        pause = rng.uniform(0.2, 0.6)
        add("sil", pause, stress=0.0, pitch=1.0, breath=float(pause > 0.36 and rng.random() < 0.7))
    table = pd.DataFrame(rows)
    # the last phrase ends before the track does: nothing is cut in the middle of a sound
    table = table[(table["end"] < seconds - 0.04) | (table.index == 0)].reset_index(drop=True)
    table.loc[0, "end"] = min(table.loc[0, "end"], seconds)
    return table


def _smooth(track: np.ndarray, seconds: float, rate: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(track, seconds * rate, axis=0, mode="nearest")


def _synthesize(
    rng: np.random.Generator, segments: pd.DataFrame, seconds: float, rate: int, voice: Voice
) -> np.ndarray:
    from scipy import signal

    frames = int(np.ceil(seconds * _STEP)) + 1
    time = np.arange(frames) / _STEP
    voicing, aspiration, pitch, width = np.zeros((4, frames))
    width += 1.0
    pitch += 1.0
    noise = {band: np.zeros(frames) for band in _NOISE_BANDS}
    inhale = np.zeros(frames)
    formants = np.tile(np.array(PHONES["uh"].formants, float), (frames, 1))
    for i, s in enumerate(segments.to_dict("records")):
        phone = PHONES[s["phoneme"]]
        now = (time >= s["start"]) & (time < s["end"])
        pitch[now] = s["pitch"]
        if phone.kind == "silence":
            if s["breath"]:
                middle, spread = (
                    s["start"] + 0.6 * (s["end"] - s["start"]),
                    0.18 * (s["end"] - s["start"]),
                )
                inhale += np.exp(-(((time - middle) / spread) ** 2))
            continue
        target = np.array(phone.formants, float)
        following = segments["phoneme"].iloc[i + 1] if i + 1 < len(segments) else "sil"
        vowel = PHONES[following]
        if phone.kind in ("stop", "fricative") and vowel.kind in ("vowel", "glide"):
            share = 1.0 if s["phoneme"] == "h" else 0.45  # a locus, bent towards the vowel to come
            target[1:] += share * (np.array(vowel.formants[1:], float) - target[1:])
            target[0] = vowel.formants[0] if s["phoneme"] == "h" else target[0]
        formants[now] = target
        level = 0.75 + 0.4 * s["stress"]
        if phone.kind == "stop":
            burst = s["end"] - (0.012 if phone.voice else 0.040)
            voicing[(time >= s["start"]) & (time < burst)] = phone.voice
            noise[phone.noise] += 1.5 * level * ((time >= burst) & (time < burst + 0.010))
            if not phone.voice:
                aspiration[(time >= burst + 0.006) & (time < s["end"] + 0.012)] = 0.30
        else:
            voicing[now] = phone.voice * level * (0.42 if phone.kind == "nasal" else 1)
            if phone.kind == "nasal":
                width[now] = 2.2
            if phone.kind == "fricative":
                if phone.noise:
                    noise[phone.noise][now] = level * (0.6 if phone.voice else 1)
                else:
                    aspiration[now] = 0.35

    formants = _smooth(formants, 0.017, _STEP) * voice.tract
    voicing = np.maximum(_smooth(voicing, 0.007, _STEP), 0)
    voicing[voicing < 0.004] = 0
    aspiration = _smooth(aspiration, 0.006, _STEP)
    noise = {b: _smooth(n, 0.003 if b == "back" else 0.005, _STEP) for b, n in noise.items()}
    drift = _smooth(rng.normal(size=frames), 0.08, _STEP)
    pitch = _smooth(pitch, 0.045, _STEP) * (1 + 0.02 * drift / (drift.std() + 1e-9))

    count = int(round(seconds * rate))
    at = np.arange(count) / rate

    def up(track: np.ndarray) -> np.ndarray:
        return np.interp(at, time, track)

    source = _glottis(rng, up(pitch) * voice.pitch, up(voicing), rate, voice)
    hiss = rng.normal(size=count)
    source += up(aspiration) * 0.12 * hiss
    spoken = _vocal_tract(source, formants, width, rate, voice.tract)
    spoken /= np.sqrt(np.mean(spoken[up(voicing) > 0.5] ** 2)) + 1e-9 if voicing.max() > 0.5 else 1
    for band, (low, high) in _NOISE_BANDS.items():
        high = min(high * voice.tract**0.3, 0.47 * rate)
        sos = signal.butter(2, (low, high), "bandpass", fs=rate, output="sos")
        shaped = signal.sosfilt(sos, rng.normal(size=count))
        spoken += up(noise[band]) * _NOISE_GAIN[band] * 2.6 * shaped / (shaped.std() + 1e-9)
    sos = signal.butter(1, (500, 3000), "bandpass", fs=rate, output="sos")
    spoken += up(inhale) * 0.05 * signal.sosfilt(sos, rng.normal(size=count))

    # a small furnished room, then a quiet microphone
    tail = np.arange(int(0.22 * rate)) / rate
    room = rng.normal(size=len(tail)) * np.exp(-tail / rng.uniform(0.025, 0.05))
    room *= 0.10 / np.sqrt(np.sum(room**2))
    room[0] = 1.0
    spoken = signal.fftconvolve(spoken, room)[:count]
    spoken = signal.sosfilt(signal.butter(2, 70, "highpass", fs=rate, output="sos"), spoken)
    active = spoken[up(_smooth(voicing, 0.05, _STEP)) > 0.1]
    level = np.sqrt(np.mean(active**2)) if len(active) else 1.0
    spoken = 0.085 * spoken / level + 10 ** (-66 / 20) * rng.normal(size=count)
    return (0.9 * np.tanh(spoken / 0.9)).astype(np.float32)


def _glottis(
    rng: np.random.Generator, pitch: np.ndarray, level: np.ndarray, rate: int, voice: Voice
) -> np.ndarray:
    """Derivative of Rosenberg's glottal flow with jitter, shimmer and breath, (N,)."""
    from scipy import signal

    fine = 4  # drawn four times finer: closing glottises are sharp and would alias
    slow = np.repeat(pitch, fine) / (rate * fine)
    cycles = np.floor(np.cumsum(slow)).astype(int)
    jitter = rng.normal(1, 0.008, cycles[-1] + 2)
    shimmer = rng.normal(1, 0.04, cycles[-1] + 3)
    phase = np.cumsum(slow * jitter[cycles])
    cycle = np.minimum(np.floor(phase).astype(int), len(shimmer) - 1)
    x = phase - np.floor(phase)
    rising, closing = 0.66 * voice.open_quotient, voice.open_quotient
    flow = np.where(
        x < rising,
        0.5 * (1 - np.cos(np.pi * x / rising)),
        np.where(x < closing, np.cos(0.5 * np.pi * (x - rising) / (closing - rising)), 0.0),
    )
    flow *= shimmer[cycle]
    pulse = np.diff(flow, prepend=flow[0]) * rate * fine / 2000
    pulse = signal.resample_poly(pulse, 1, fine)[: len(level)]
    breathing = np.interp(np.arange(len(level)), np.arange(len(flow)) / fine, flow)
    breathy = rng.normal(size=len(level)) * voice.breath * (0.3 + breathing)
    return level * (pulse + breathy)


def _vocal_tract(
    source: np.ndarray, formants: np.ndarray, width: np.ndarray, rate: int, tract: float
) -> np.ndarray:
    """Five resonators in cascade; their poles move every 2.5 ms while their memory stays."""
    from scipy import signal

    out = np.empty_like(source)
    memory = np.zeros((5, 2))
    fixed = np.array([3450.0, 4300.0]) * tract
    band = np.array([75.0, 95.0, 140.0, 220.0, 300.0])
    edges = np.round(np.arange(len(formants) + 1) / _STEP * rate).astype(int)
    for k in range(len(formants)):
        a, b = edges[k], min(edges[k + 1], len(source))
        if a >= b:
            break
        f = np.minimum(np.concatenate([formants[k], fixed]), 0.46 * rate)
        radius = np.exp(-np.pi * band * width[k] / rate)
        cosine = 2 * radius * np.cos(2 * np.pi * f / rate)
        sos = np.zeros((5, 6))
        sos[:, 0] = 1 - cosine + radius**2
        sos[:, 3], sos[:, 4], sos[:, 5] = 1, -cosine, radius**2
        out[a:b], memory = signal.sosfilt(sos, source[a:b], zi=memory)
    return out


def _articulate(
    rng: np.random.Generator, segments: pd.DataFrame, seconds: float, voice: Voice
) -> pd.DataFrame:
    rows = int(np.ceil(seconds * MOUTH_RATE)) + 1
    time = np.arange(rows) / MOUTH_RATE
    phones = [PHONES[p] for p in segments["phoneme"]]
    start, end = segments["start"].to_numpy(), segments["end"].to_numpy()
    silent = np.array([p.kind == "silence" for p in phones])
    lead = rng.uniform(0.06, 0.09)
    # dominance: every phoneme pulls towards its target, most at its center, less further off
    center = 0.5 * (start + end) - lead
    reach = np.maximum(0.5 * (end - start), 0.03)
    distance = np.maximum(np.abs(time[:, None] - center) - 0.5 * reach * (1 + silent), 0)
    pull = np.exp(-((distance / (0.55 * reach + 0.022)) ** 1.5))
    scale = voice.effort * (0.82 + 0.36 * segments["stress"].to_numpy())
    scale *= rng.normal(1, 0.08, len(phones))
    firm = {
        "jaw": np.array([1.0 if p.kind != "stop" else 0.8 for p in phones]),
        "wide": np.array([p.lips for p in phones]),
        "round": np.array([p.lips for p in phones]),
        "tongue": np.ones(len(phones)),
    }
    mouth = pd.DataFrame({"time_s": time})
    index = np.clip(np.searchsorted(start, time, "right") - 1, 0, len(start) - 1)
    heard = segments["phoneme"].to_numpy()[index].astype(object)
    heard[time >= end[-1]] = "sil"
    mouth["phoneme"] = heard
    rest = {"jaw": PHONES["sil"].jaw, "wide": 0.0, "round": 0.0, "tongue": 0.0}
    for name, weight in firm.items():
        target = np.array([getattr(p, name) for p in phones]) * (1 if name == "tongue" else scale)
        if name == "jaw":
            breath = segments["breath"].to_numpy()
            target = np.where(silent, rest["jaw"] + 0.16 * breath * rng.uniform(0.5, 1), target)
        share = pull * weight
        nobody = 0.02  # where nothing pulls, the mouth rests
        value = (share @ target + nobody * rest[name]) / (share.sum(1) + nobody)
        mouth[name] = _smooth(value, 0.014, MOUTH_RATE)
    for name in ("press", "bite"):
        value = np.zeros(rows)
        for p, a, b in zip(phones, start, end, strict=True):
            if getattr(p, name):
                # shut a little before the sound stops, open as it bursts
                release = b - (0.035 if p.kind == "stop" and not p.voice else 0.010)
                rise = _ease((time - (a - 0.085)) / 0.075)
                fall = 1 - _ease((time - (release - 0.012)) / 0.060)
                value = np.maximum(value, getattr(p, name) * np.minimum(rise, fall))
        mouth[name] = value
    mouth["jaw"] *= 1 - 0.85 * mouth["press"]
    mouth["jaw"] = mouth["jaw"] * (1 - 0.6 * mouth["bite"]) + 0.12 * 0.6 * mouth["bite"]
    low = {"wide": -1.0}
    for name in MOUTH:
        mouth[name] = mouth[name].clip(low.get(name, 0.0), 1.0)
    return mouth[["time_s", "phoneme", *MOUTH]]


def _ease(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * x * (10 + x * (6 * x - 15))


def _loudness(samples: np.ndarray, rate: int, time: np.ndarray) -> np.ndarray:
    """Level of the sound around each time, 0 (50 dB below the loudest) .. 1."""
    half = int(0.0125 * rate)
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    middle = np.round(time * rate).astype(int)
    a, b = np.clip(middle - half, 0, len(samples)), np.clip(middle + half, 0, len(samples))
    level = np.sqrt((energy[b] - energy[a]) / np.maximum(b - a, 1))
    decibel = 20 * np.log10(level / (level.max() + 1e-12) + 1e-6)
    return np.clip(1 + decibel / 50, 0, 1)
