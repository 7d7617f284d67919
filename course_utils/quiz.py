"""People's answers to the quiz of lesson 02: a file from which nothing is lost, and what it says.

A person's answers are one CSV file, a line for each clip, written as soon as it is given. `answers`
reads one such file or a room's, and joins the truth; lesson 09 sets people and models side by side
on these clips. 1 means FAKE: `p_fake` is what a person thinks the probability of FAKE is.
"""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from course_utils import datasets, evaluation
from course_utils.evaluation import Interval
from course_utils.settings import MINI_DFDC, ROOT, SEED

FILE = ROOT / "work" / "quiz" / "me.csv"
SAVED = ["clip", "says", "p_fake", "seconds", "cues"]
ANSWERS = ["person", "clip", "label", "says", "p_fake", "seconds", "cues", "group", "method"]
CUES = {
    "lip_sync": "mouth and sound do not fit",
    "skin_tone": "the face has another color than forehead or neck",
    "light": "the face is lit from another side than the head",
    "teeth": "the teeth are one white band",
    "iris": "the eyes reflect different lights",
    "glasses": "glasses or jewelry come and go",
    "fine_detail": "the face or its hairline is blurred",
    "edge_flicker": "the edge of the face trembles",
}
VISIBLE = 0.3  # a dial at least this far up counts as shown
COIN = 0.5
# Accuracy of people on video, from other studies: value, low, high (missing where none is given)
PUBLISHED = {
    "people, videos (Diel et al. 2024)": (0.573, 0.478, 0.666),
    "people, all media (Diel et al. 2024)": (0.555, 0.489, 0.621),
}


def clips(folder: str | Path = MINI_DFDC) -> pd.DataFrame:
    """The quiz's clips, one an actor, in an order that tells nothing: with label, group, dials."""
    table, _ = datasets.read(folder)
    table = table.merge(datasets.details(folder), on="clip")
    if "quiz" not in table or not table["quiz"].eq(True).any():
        raise ValueError(
            f"No clip of {folder} is marked `quiz` in metadata.json: the quiz needs the set that "
            "comes with the course."
        )
    return table[table["quiz"].eq(True)].sample(frac=1, random_state=SEED).reset_index(drop=True)


def save(path: str | Path, clip: str, says: str, sure: float, seconds: float, cues: Any) -> None:
    """Add one answer to a file: `says` is "REAL" or "FAKE", `sure` .5 (a guess) to 1 (certain).

    The line is on the disk when this returns. Raises OSError where it cannot be written.
    """
    if says not in datasets.LABELS or not 0.5 <= sure <= 1:
        raise ValueError(f"An answer is REAL or FAKE with .5 to 1, not {says!r} with {sure!r}.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    p_fake = sure if says == "FAKE" else 1 - sure
    whole = _whole_lines(path)
    with path.open("r+" if path.exists() else "w", newline="", encoding="utf-8") as file:
        file.truncate(len(whole.encode()))
        file.seek(0, os.SEEK_END)
        lines = csv.writer(file, lineterminator="\n")
        if not whole:
            lines.writerow(SAVED)
        lines.writerow([clip, says, f"{p_fake:.2f}", f"{seconds:.1f}", " ".join(cues)])
        file.flush()
        os.fsync(file.fileno())


def _whole_lines(path: Path) -> str:
    """The text of a file up to its last line break: what was cut off is no answer."""
    text = path.read_bytes().decode("utf-8") if path.exists() else ""  # Windows' line ends stay
    return text[: text.rfind("\n") + 1]


def saved(path: str | Path) -> pd.DataFrame:
    """The answers in one file as they were given (`SAVED`); none where there is no file.

    Of two answers to one clip the later counts. A last line that was cut off is left out; what else
    cannot be read raises ValueError with its line.
    """
    path = Path(path)
    rows: list[list] = []
    for number, line in enumerate(csv.reader(_whole_lines(path).splitlines()), 1):
        if number == 1:
            if line != SAVED:
                raise ValueError(f"{path.name} does not hold answers of the quiz: see its line 1.")
            continue
        try:
            clip, says, p_fake, seconds, cues = line
            share, time_s = float(p_fake), float(seconds)
            if says not in datasets.LABELS or not 0 <= share <= 1:
                raise ValueError(says)
        except ValueError:
            raise ValueError(
                f"Line {number} of {path.name} is no answer ({','.join(line)}): mend or delete it."
            ) from None
        rows.append([clip, says, share, time_s, cues])
    table = pd.DataFrame(rows, columns=SAVED).astype({"p_fake": float, "seconds": float})
    return table.drop_duplicates("clip", keep="last").reset_index(drop=True)


def answers(*paths: str | Path, folder: str | Path = MINI_DFDC) -> pd.DataFrame:
    """Everyone's answers with the truth beside them: the table that lesson 09 reads.

    Parameters
    ----------
    paths : files of the quiz, or folders of them; this machine's own (`FILE`) without any
    folder : the set that the quiz's clips come from

    Returns
    -------
    Table `ANSWERS`, one row an answer. `person` is the file's name without `.csv`; two files of one
    name raise ValueError, as do answers on clips that are not in the quiz.
    """
    files: list[Path] = []
    for path in map(Path, paths or (FILE,)):
        files += sorted(path.glob("*.csv")) if path.is_dir() else [path]
    names = [path.stem for path in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two files are called {twice[0]}.csv: rename one, a name a person.")
    parts = [saved(path).assign(person=path.stem) for path in files]
    given = pd.concat(parts) if parts else saved(FILE / "none").assign(person="")
    asked = clips(folder).set_index("clip")
    strange = given[~given["clip"].isin(asked.index)]
    if len(strange):
        row = strange.iloc[0]
        raise ValueError(
            f"{row['person']}.csv answers {row['clip']}, which is not in the quiz of this set: "
            "the file was made with another edition of it."
        )
    for column in ("label", "group", "method"):
        given[column] = given["clip"].map(asked[column])
    return given[ANSWERS].reset_index(drop=True)


# What the answers say -----------------------------------------------------------------------------


def accuracy(table: pd.DataFrame, level: float = 0.95) -> Interval:
    """Share of right answers, with an interval for other clips and, in a room, other people.

    Answers of one person resemble each other, and answers to one clip do: the variance of the mean
    is taken over clips and over people (Cameron, Gelbach & Miller 2011), the interval is Wilson's
    with as many answers as would give that variance if they were independent. Lesson 02.
    """
    right = (table["says"] == table["label"]).to_numpy(float)
    n, clip_count = len(right), table["clip"].nunique()
    if not n:
        return Interval(math.nan, level=level, reason="nobody has answered")
    value = float(right.mean())
    people = table["person"].nunique()
    over_clips = _variance(right, table["clip"])
    over_people = _variance(right, table["person"]) if people > 1 else 0.0
    if people > 1:
        both = over_clips + over_people - _variance(right, pd.Series(range(n)))
        variance = max(both, over_clips, over_people)
    else:
        variance = over_clips
    known = value * (1 - value) / variance if variance > 0 else clip_count
    low, high = _wilson(value, min(known, n), stats.t.ppf((1 + level) / 2, max(clip_count - 1, 1)))
    return Interval(value, low, high, clip_count, level)


def _variance(values: np.ndarray, by: pd.Series) -> float:
    """Variance of the mean of values that go together in clusters."""
    codes, names = pd.factorize(by)
    if len(names) < 2:
        return 0.0
    sums = np.bincount(codes, values - values.mean())
    return float((sums**2).sum() / len(values) ** 2 * len(names) / (len(names) - 1))


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a share among n."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


class Detection(NamedTuple):
    """How well REAL and FAKE were told apart, whatever the leaning; and the leaning itself."""

    hits: float  # share of FAKE clips called fake
    false_alarms: float  # share of REAL clips called fake
    d_prime: float  # 0: not at all; 1: 69% right without leaning; 2: 84%
    bias: float  # c: above 0 leans to "real", below 0 to "fake"


def sensitivity(labels: Any, says: Any) -> Detection:
    """Sensitivity d' and bias c of signal detection theory (Green & Swets 1966). Lesson 02.

    d' = z(hits) - z(false alarms), c = -(z(hits) + z(false alarms)) / 2. Half an answer is added to
    each count, so that a share of 0 or 1 stays finite (Hautus 1995); `hits` and `false_alarms` are
    the plain shares. All NaN unless there are answers to both REAL and FAKE clips.
    """
    truth, said = evaluation.binary(labels), evaluation.binary(says)
    fakes, reals = int((truth == 1).sum()), int((truth == 0).sum())
    if not fakes or not reals:
        return Detection(*[math.nan] * 4)
    hits, alarms = int(said[truth == 1].sum()), int(said[truth == 0].sum())
    z_hit = float(stats.norm.ppf((hits + 0.5) / (fakes + 1)))
    z_alarm = float(stats.norm.ppf((alarms + 0.5) / (reals + 1)))
    return Detection(hits / fakes, alarms / reals, z_hit - z_alarm, -(z_hit + z_alarm) / 2)


def people(table: pd.DataFrame) -> pd.DataFrame:
    """One row a person: `answers`, `accuracy`, and the fields of :class:`Detection`."""
    rows = {}
    for person, own in table.groupby("person"):
        share = (own["says"] == own["label"]).mean()
        told = sensitivity(own["label"], own["says"])
        rows[person] = {"answers": len(own), "accuracy": share, **told._asdict()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("person")


def confidence(table: pd.DataFrame) -> pd.DataFrame:
    """Calibration: for each confidence given, how often it was right. Lesson 02.

    Index `sure` (.5 to 1); columns `answers`, `right` (a share), `low`, `high` (Wilson, 95%).
    """
    sure = table["p_fake"].sub(0.5).abs().add(0.5).round(2)
    right = table["says"] == table["label"]
    rows = right.groupby(sure.rename("sure")).agg(answers="size", right="mean")
    ends = [_wilson(row.right, row.answers, 1.96) for row in rows.itertuples()]
    rows[["low", "high"]] = np.array(ends, float).reshape(-1, 2)
    return rows


def cues_seen(table: pd.DataFrame, folder: str | Path = MINI_DFDC) -> pd.DataFrame:
    """Which cues were shown, and which were seen: one row a cue.

    `shown`: answers to clips with its dial at `VISIBLE` or more; `seen`: those among them in which
    the person named it; `imagined`: answers that named it where the dial is 0.
    """
    dials = clips(folder).set_index("clip")
    named = table["cues"].fillna("").str.split()
    rows = {}
    for cue in CUES:
        dial = table["clip"].map(dials[f"cue_{cue}"]).to_numpy(float)
        here = named.map(lambda names, cue=cue: cue in names).to_numpy(bool)
        shown = dial >= VISIBLE
        rows[cue] = {
            "shown": int(shown.sum()),
            "seen": int((shown & here).sum()),
            "imagined": int(((dial == 0) & here).sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("cue")
