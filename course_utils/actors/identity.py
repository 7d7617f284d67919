"""Who an actor is: plain parameters drawn from a seed (lesson 01 introduces the cast).

Everything that is drawn of an actor (:mod:`head`, :mod:`skin`, :mod:`hair`, ...) is a function of
one :class:`Actor`. The same seed gives the same person on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Linear RGB albedo of facial skin at the ten tones of the Monk Skin Tone Scale (Ellis Monk, 2022).
# Lightness follows the scale's swatches; hue is warmer than theirs: lit skin has blood in it.
SKIN = (
    (0.640, 0.475, 0.395), (0.600, 0.435, 0.350), (0.550, 0.395, 0.305), (0.490, 0.340, 0.248),
    (0.410, 0.268, 0.182), (0.320, 0.197, 0.124), (0.225, 0.130, 0.080), (0.148, 0.084, 0.053),
    (0.096, 0.056, 0.037), (0.066, 0.040, 0.028),
)  # fmt: skip

HAIR_COLORS = {  # linear RGB
    "black": (0.012, 0.010, 0.009),
    "dark": (0.030, 0.019, 0.013),
    "brown": (0.075, 0.040, 0.022),
    "chestnut": (0.110, 0.050, 0.025),
    "blond": (0.330, 0.220, 0.105),
    "red": (0.250, 0.080, 0.025),
    "gray": (0.300, 0.290, 0.280),
    "white": (0.600, 0.590, 0.570),
}

EYE_COLORS = {  # linear RGB of the iris
    "dark": (0.035, 0.018, 0.010),
    "brown": (0.090, 0.042, 0.018),
    "hazel": (0.130, 0.085, 0.035),
    "green": (0.110, 0.130, 0.070),
    "gray": (0.170, 0.200, 0.220),
    "blue": (0.100, 0.190, 0.300),
}

# What a face's shape is made of; each about normal(0, 1) over the cast (0 the average head).
SHAPE = (
    "width", "length", "jaw_width", "jaw_length", "chin", "cheekbone", "cheek", "brow_ridge",
    "forehead", "eye_size", "eye_gap", "eye_tilt", "eye_depth", "lid_fold", "nose_width",
    "nose_length", "nose_bridge", "nose_hump", "nose_tip", "lip_upper", "lip_lower",
    "mouth_width", "mouth_height", "barrel", "ear", "neck", "asym_x", "asym_y", "asym_mouth",
)  # fmt: skip


@dataclass(frozen=True)
class Actor:
    """A person who does not exist. Colors are linear RGB."""

    seed: int
    female: bool
    age: float  # years, 18..80
    tone: int  # Monk scale 1..10
    build: float  # -1 thin .. 1 heavy
    shape: tuple[float, ...]  # one number for each name in SHAPE
    skin: tuple[float, float, float]  # mean albedo of the face
    blush: float  # 0..1: how ruddy cheeks, nose and ears are
    freckles: float  # 0..1
    moles: int
    oil: float  # 0 matt .. 1 shiny
    eye_color: tuple[float, float, float]
    hair_color: tuple[float, float, float]
    gray: float  # 0..1: share of gray strands
    hair: str  # a style that hair.py knows, or "none"
    hair_texture: str  # "straight", "wavy", "curly", "coily"
    beard: str  # "none", "stubble", "mustache", "goatee", "short", "full"
    brows: float  # 0 thin .. 1 bushy
    glasses: str  # "none", or a frame that wear.py knows
    earrings: str  # "none", "stud", "hoop", "drop"
    makeup: float  # 0..1: lipstick, eye line

    def __getitem__(self, name: str) -> float:
        """The shape parameter called ``name``."""
        return self.shape[SHAPE.index(name)]

    def rng(self, what: str) -> np.random.Generator:
        """A generator of its own for each feature, so that features stay put when one changes."""
        return np.random.default_rng([self.seed, *what.encode()])


HAIR = {  # styles by sex; hair.py draws them
    False: ("none", "buzz", "short", "side_part", "quiff", "fringe", "curls", "afro", "receding",
            "long"),
    True: ("bob", "long", "fringe", "bun", "ponytail", "curls", "afro", "short", "side_part",
           "waves"),
}  # fmt: skip


def make_actor(seed: int, tone: int | None = None, female: bool | None = None) -> Actor:
    """The person of ``seed``; ``tone`` (Monk 1-10) and sex can be chosen, the rest is drawn."""
    rng = np.random.default_rng([seed, 20])
    female = bool(rng.random() < 0.5) if female is None else (rng.random(), female)[1]
    tone = int(rng.integers(1, 11)) if tone is None else (rng.integers(1, 11), int(tone))[1]
    age = float(np.clip(rng.gamma(2.2, 8.0) + 19, 19, 78))
    build = float(np.clip(rng.normal(0, 0.45), -1, 1))
    s = dict(zip(SHAPE, rng.normal(0, 0.8, len(SHAPE)).clip(-1.8, 1.8), strict=True))

    # Shape runs along ancestry as loosely as it does among people: a shift, then wide overlap.
    broad = np.interp(tone, [1, 4, 7, 10], [-0.4, 0.0, 0.4, 0.9]) + rng.normal(0, 0.4)
    s["nose_width"] += 0.9 * broad
    s["nose_bridge"] -= 0.8 * broad
    s["lip_upper"] += 0.7 * broad
    s["lip_lower"] += 0.7 * broad
    s["barrel"] += 0.5 * broad
    east = tone <= 6 and rng.random() < 0.3
    if east:
        s["lid_fold"] = 1.6 + 0.3 * s["lid_fold"]
        s["nose_bridge"] -= 0.9
        s["eye_depth"] -= 1.0
        s["cheekbone"] += 0.6
        s["brow_ridge"] -= 0.5
    else:
        s["lid_fold"] = min(s["lid_fold"], 0.6)
    sign = -1.0 if female else 1.0
    s["brow_ridge"] += 1.0 * sign
    s["jaw_width"] += 0.8 * sign + 0.6 * build
    s["jaw_length"] += 1.1 * sign
    s["length"] += 0.6 * sign
    s["nose_width"] += 0.45 * sign
    s["mouth_width"] += 0.4 * sign
    s["width"] += 0.1 * sign
    s["cheek"] -= 0.4 * sign
    s["chin"] += 0.4 * sign
    s["eye_size"] -= 1.0 * sign
    s["neck"] += 1.6 * sign + 0.6 * build
    s["nose_length"] += 0.9 * sign
    s["lip_upper"] -= 0.5 * sign
    s["lip_lower"] -= 0.5 * sign
    s["width"] += 0.5 * build
    s["cheek"] += 0.9 * build

    skin = np.array(SKIN[tone - 1]) * np.exp(rng.normal(0, 0.03, 3)) * np.exp(rng.normal(0, 0.05))

    fair = tone <= 4 and not east
    dark = "black" if tone >= 7 or east else "dark"
    names = ("brown", "chestnut", "blond", "red", "dark") if fair else (dark, dark, "black", "dark")
    hair_color = np.array(HAIR_COLORS[names[rng.integers(len(names))]])
    hair_color = hair_color * np.exp(rng.normal(0, 0.15))
    gray = float(np.clip((age - 42) / 30 + rng.normal(0, 0.2), 0, 1)) if age > 38 else 0.0
    gray *= float(np.interp(tone, [5, 8], [1.0, 0.4]))  # white on dark skin hides faces from HOG
    eyes = ("blue", "gray", "green", "hazel", "brown") if fair else ("dark", "brown", "dark")
    eye = np.array(EYE_COLORS[eyes[rng.integers(len(eyes))]]) * np.exp(rng.normal(0, 0.15))
    texture = "straight"
    if tone >= 7:
        texture = ("coily", "coily", "curly")[rng.integers(3)]
    elif not east:
        texture = ("straight", "wavy", "wavy", "curly")[rng.integers(4)]
    styles = HAIR[female]
    hair = styles[rng.integers(len(styles))]
    if hair in ("none", "receding") and age < 32:
        hair = "short"
    beards = ("none", "none", "stubble", "stubble", "mustache", "goatee", "short", "full")
    beard = beards[rng.integers(len(beards))]
    frames = ("none",) * 5 + ("round", "square", "half")
    glasses = frames[rng.integers(len(frames))]
    rings = ("none", "stud", "hoop", "drop") if female else ("none",) * 7 + ("stud",)
    earrings = rings[rng.integers(len(rings))]
    return Actor(
        seed=seed,
        female=female,
        age=age,
        tone=tone,
        build=build,
        shape=tuple(float(np.clip(s[name], -2.0, 2.0)) for name in SHAPE),
        skin=tuple(float(v) for v in skin),  # type: ignore[arg-type]
        blush=float(rng.uniform(0.3, 1.0)),
        freckles=float(np.clip(rng.normal(-0.2, 0.45), 0, 1)) if tone <= 5 else 0.0,
        moles=int(rng.poisson(3)),
        oil=float(rng.uniform(0.2, 0.9)),
        eye_color=tuple(float(v) for v in eye),  # type: ignore[arg-type]
        hair_color=tuple(float(v) for v in hair_color),  # type: ignore[arg-type]
        gray=gray,
        hair=hair,
        hair_texture=texture,
        beard="none" if female else beard,
        brows=float(np.clip(rng.normal(0.35 if female else 0.65, 0.2), 0, 1)),
        glasses=glasses,
        earrings=earrings,
        makeup=float(rng.uniform(0.2, 1.0)) if female and rng.random() < 0.6 else 0.0,
    )
