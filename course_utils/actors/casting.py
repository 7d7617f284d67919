"""Who plays in the data set, and who is forged how: tables drawn from one seed.

Nothing is rendered here. ``cast()`` names the actors, ``plan()`` the clips; ``build`` films them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from course_utils.forgery import CUES

from .identity import make_actor

SEED = 11
SPLITS = {"train": 15, "validation": 5, "test": 10}  # casts of two actors
METHODS = ("swap", "graphics", "reenact", "lipsync")
TEST_METHODS = (*METHODS, "animate")  # the last one is never trained on

# The artifacts each method can leave. The first is always there, for every method draws faces at a
# size of its own; which of the others a fake shows, and how much, is drawn.
LEAVES = {
    "swap": ("fine_detail", "skin_tone", "light", "edge_flicker", "teeth", "glasses", "iris"),
    "graphics": ("fine_detail", "skin_tone", "light", "edge_flicker", "glasses"),
    "reenact": ("fine_detail", "edge_flicker", "teeth", "iris", "lip_sync"),
    "lipsync": ("fine_detail", "lip_sync", "teeth", "skin_tone", "edge_flicker"),
    "animate": ("fine_detail", "edge_flicker", "teeth", "glasses", "lip_sync"),
}


def cast(seed: int = SEED) -> pd.DataFrame:
    """The actors, two a cast: ``actor, cast, split, skin_tone, female, seed``.

    A cast's two actors have neighboring skin tones and one sex, as a forger would choose them; tone
    pairs (1-2, 3-4, …, 9-10) and sexes are balanced within every split.
    """
    rng = np.random.default_rng([seed, 1])
    rows: list[dict] = []
    for split, casts in SPLITS.items():
        sexes = rng.permutation(np.arange(casts) % 2 == 0)
        for k in range(casts):
            for member in rng.permutation(2):
                number = len(rows)
                rows.append(
                    {
                        "actor": f"actor_{number:02d}",
                        "cast": f"cast_{number // 2:02d}",
                        "split": split,
                        "skin_tone": 2 * (k % 5) + 1 + int(member),
                        "female": bool(sexes[k]),
                        "seed": 1000 * seed + number,
                    }
                )
    return pd.DataFrame(rows)


def plan(seed: int = SEED) -> pd.DataFrame:
    """The clips: every actor's REAL one and two FAKE ones of it, by two different methods.

    Columns: ``clip``, ``label``, ``original``, ``method``, ``target``, ``donor``, ``cast``,
    ``split``, ``skin_tone``, ``strength`` (0..1, spread evenly within each method and split), a
    column ``cue_NAME`` for each of ``CUES`` (its dial; 0 on REAL clips), ``grain``, ``crf`` and
    ``qp`` (how the clip is coded: drawn for REAL and FAKE from one distribution; ``qp`` widely, so
    that the size of a file says little about what is in it), ``quiz`` and ``seed``.
    """
    rng = np.random.default_rng([seed, 2])
    actors = cast(seed)
    partner = actors.groupby("cast")["actor"].transform(lambda pair: list(pair)[::-1])
    actors = actors.assign(partner=partner)
    rows = []
    for split, group in actors.groupby("split", sort=False):
        methods = TEST_METHODS if split == "test" else METHODS
        for k, who in enumerate(group.sample(frac=1, random_state=rng).itertuples()):
            shared = {"target": who.actor, "cast": who.cast, "split": split}
            shared["skin_tone"] = who.skin_tone
            rows.append({**shared, "label": "REAL"})
            first = k % len(methods)
            second = (first + 1 + (k // len(methods)) % (len(methods) - 1)) % len(methods)
            for method in (methods[first], methods[second]):
                fake = {"label": "FAKE", "method": method, "donor": who.partner}
                rows.append({**shared, **fake})
    clips = pd.DataFrame(rows)
    clips["clip"] = _names(len(clips), rng)
    originals = clips[clips["label"] == "REAL"].set_index("target")["clip"]
    fake = clips["label"] == "FAKE"
    wearers = {who.actor for who in actors.itertuples() if _wears(who)}
    clips["original"] = clips["target"].map(originals).where(fake)
    clips["strength"] = _strengths(clips[fake], rng).reindex(clips.index)
    dials = [
        _dials(clip.method, clip.strength, clip.target in wearers, rng)
        for clip in clips[fake].itertuples()
    ]
    cues = pd.DataFrame(dials, index=clips.index[fake], columns=list(CUES))
    cues = cues.reindex(clips.index).fillna(0.0).round(3)
    clips = clips.join(cues.add_prefix("cue_"))
    clips["crf"] = rng.integers(22, 26, len(clips))
    clips["grain"] = rng.uniform(0.2, 0.8, len(clips)).round(3)
    clips["quiz"] = _quiz(clips, rng)
    clips["seed"] = rng.integers(2**31, size=len(clips))
    clips["qp"] = rng.integers(18, 29, len(clips))
    return clips.sort_values("clip", ignore_index=True)


def _names(count: int, rng: np.random.Generator) -> list[str]:
    """Names like DFDC's, ten letters that tell nothing."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    names: set[str] = set()
    while len(names) < count:
        names.add("".join(rng.choice(letters, 10)) + ".mp4")
    return list(rng.permutation(sorted(names)))


def _strengths(fakes: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Strengths evenly spread over 0..1 within each method and split, in random order."""
    parts = []
    for _, group in fakes.groupby(["split", "method"]):
        even = (rng.permutation(len(group)) + rng.uniform(size=len(group))) / len(group)
        parts.append(pd.Series(even.round(3), index=group.index))
    return pd.concat(parts)


def _wears(who) -> bool:
    """Whether an actor has glasses or jewelry that a forger could lose."""
    person = make_actor(who.seed, who.skin_tone, who.female)
    return person.glasses != "none" or person.earrings != "none"


def _dials(method: str, strength: float, wears: bool, rng: np.random.Generator) -> dict[str, float]:
    """``fine_detail`` and two to four more artifacts, each at about the fake's strength."""
    first, *others = [cue for cue in LEAVES[method] if wears or cue != "glasses"]
    more = rng.choice(others, size=rng.integers(2, min(4, len(others)) + 1), replace=False)
    shown = [first, *more]
    return {str(cue): float(np.clip(strength * rng.uniform(0.7, 1.1), 0, 1)) for cue in shown}


def _quiz(clips: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Lesson 02's clips, one for each test actor, half of them REAL: no other lesson shows them."""
    chosen = []
    actors = rng.permutation(clips.loc[clips["split"] == "test", "target"].unique())
    for k, actor in enumerate(actors):
        label = ("REAL", "FAKE")[k % 2]
        mine = clips[(clips["target"] == actor) & (clips["label"] == label)]
        chosen.append(mine.index[rng.integers(len(mine))])
    return pd.Series(clips.index.isin(chosen), index=clips.index)
