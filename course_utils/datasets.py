"""A folder of videos or pictures, read into a table of clips; groups and splits of that table.

Whatever the layout, lessons meet the same columns (`CLIPS`). Lesson 03 derives groups and splits.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from course_utils.settings import SEED

CLIPS = [
    *("clip", "label", "original", "target", "donor", "method", "group", "split"),
    *("frames", "fps", "width", "height", "audio"),
]
SKIPPED = ["clip", "frame", "reason"]
LABELS = ("REAL", "FAKE")
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}

_VIDEOS = "3gp asf avi flv gif m2ts m4v mkv mov mp4 mpeg mpg mts ogv ts vob webm wmv"
_PICTURES = "bmp jpeg jpg png tif tiff webp"
_MEDIA = {f".{extension}" for extension in f"{_VIDEOS} {_PICTURES}".split()}

_LABEL_FOLDERS = {"real": "REAL", "fake": "FAKE"}
_SPLIT_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}

Row = dict[str, object]


# ------------------------------------------------------------------------------------ reading


def read(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table of the clips in `folder`, and a table of what was skipped and why.

    Understands a DFDC folder (`metadata.json` beside its clips, as DFDC's sample and the mini set
    have it), a folder of many DFDC parts, `real` and `fake` folders (in `train`, `validation` and
    `test`, or alone), and a folder of unlabeled files. `clips.attrs["layout"]` says which it was.

    Returns
    -------
    clips : DataFrame
        One row a clip, with the columns `CLIPS`. `clip` and `original` are relative to `folder`.
        No file is opened: frames, size and sound are known only where the metadata states them.
    skipped : DataFrame
        `clip`, `frame` (missing: the whole clip is meant), `reason`.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such folder, or a `metadata.json` in it is not one.
    """
    clips, skipped = _read(Path(folder))
    layout = clips.attrs["layout"]
    clips = clips.reindex(columns=CLIPS)
    counts = {name: "Int64" for name in ("frames", "width", "height")}
    clips = clips.astype({**counts, "fps": "Float64", "audio": "boolean"})
    clips.attrs["layout"] = layout
    return clips, skipped


def details(folder: str | Path) -> pd.DataFrame:
    """What the metadata of `folder` says beyond the columns `CLIPS`: a table to join by `clip`.

    The mini set's has cast, skin tone, light and the strength of each artifact.
    """
    clips, _ = _read(Path(folder))
    return clips[["clip", *(name for name in clips if name not in CLIPS)]]


def _read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """As `read`, with every column that the metadata has."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: check the path.")
    rows: list[Row] = []
    skips: list[Row] = []
    if found := [path.parent for path in _metadata_files(folder)]:
        layout = "DFDC folder" if found == [folder] else f"{len(found)} DFDC parts"
        for part in found:
            some, other = _read_part(part, "" if part == folder else f"{_relative(part, folder)}/")
            rows += some
            skips += other
    else:
        labeled = any(_words(path, folder, _LABEL_FOLDERS) for path in _files(folder))
        layout = "folders named real and fake" if labeled else "folder of unlabeled files"
        rows, skips = _read_files(folder, labeled)
    columns = dict.fromkeys([*CLIPS, *(name for row in rows for name in row)])
    clips = pd.DataFrame(rows, columns=list(columns))
    clips = clips.sort_values("clip", ignore_index=True)
    clips["group"] = groups(clips)
    clips.attrs["layout"] = layout
    skipped = pd.DataFrame(skips, columns=SKIPPED).sort_values("clip", ignore_index=True)
    return clips, skipped.astype({"frame": "Int64"})


def _metadata_files(folder: Path) -> list[Path]:
    """`metadata.json` of the folder itself, or else those of its parts, up to two levels down."""
    own = folder / "metadata.json"
    if own.is_file():
        return [own]
    return sorted([*folder.glob("*/metadata.json"), *folder.glob("*/*/metadata.json")])


def _files(folder: Path) -> list[Path]:
    """The files in `folder`, at any depth, but for hidden ones (`.DS_Store` and the like)."""
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(path for path in paths if "/." not in f"/{_relative(path, folder)}")


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _plain(name: str) -> str:
    """One spelling of a path: no `./`, and accents as one character each (macOS uses two)."""
    return unicodedata.normalize("NFC", PurePosixPath(name).as_posix())


def _read_part(folder: Path, prefix: str) -> tuple[list[Row], list[Row]]:
    """Rows of one folder with a `metadata.json`; `prefix` leads from the root to it."""
    media = {_plain(_relative(path, folder)): path for path in _files(folder) if _is_media(path)}
    rows: list[Row] = []
    skips: list[Row] = []
    entries = _entries(folder / "metadata.json")
    for name, found in entries.items():
        if problem := _problem(name, found, name in media):
            skips.append({"clip": prefix + name, "reason": problem})
            continue
        row = {**found[0], "clip": prefix + _relative(media[name], folder)}
        if row.get("original"):
            row["original"] = prefix + _plain(str(row["original"]))
        rows.append(row)
    homes = {folder, *(path.parent for name, path in media.items() if name in entries)}
    for name, path in media.items():
        if name not in entries and path.parent in homes:
            skips.append({"clip": prefix + name, "reason": "metadata.json does not name it"})
    return rows, skips


def _problem(name: str, entries: list, present: bool) -> str | None:
    """Why the entries of one clip in a `metadata.json` cannot be used; None when they can."""
    entry = entries[0]
    if len(entries) > 1:
        return f"metadata.json has {len(entries)} entries for it: keep the right one"
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return "its name in metadata.json leads out of the folder"
    if not isinstance(entry, dict):
        return f"its entry in metadata.json is {entry!r}, not an object with a label"
    if entry.get("label") not in (*LABELS, None):
        return f"its label in metadata.json is {entry['label']!r}, neither REAL nor FAKE"
    if not present:
        return "metadata.json names it, but there is no such video or picture"
    return None


class _Repeated(list):
    """The values of a name that a JSON object has more than once."""


def _entries(path: Path) -> dict[str, list]:
    """Clip names of a `metadata.json`, each with all its entries: JSON permits a name twice."""

    def keep_all(pairs: list[tuple[str, object]]) -> dict[str, object]:
        values: dict[str, list] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        return {name: v[0] if len(v) == 1 else _Repeated(v) for name, v in values.items()}

    try:
        clips = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=keep_all)
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(clips, dict):
        raise ValueError(f"{path} does not map clip names to labels, as DFDC's metadata.json does.")
    entries: dict[str, list] = {}
    for name, entry in clips.items():
        entries.setdefault(_plain(name), []).extend(
            entry if isinstance(entry, _Repeated) else [entry]
        )
    return entries


def _is_media(path: Path) -> bool:
    return path.suffix.lower() in _MEDIA


def _words(path: Path, folder: Path, meaning: dict[str, str]) -> str | None:
    """What the folders between `folder` and `path` mean, the innermost that means something."""
    names = [meaning.get(name.lower()) for name in path.relative_to(folder).parts[:-1]]
    return next((name for name in reversed(names) if name), None)


def _read_files(folder: Path, labeled: bool) -> tuple[list[Row], list[Row]]:
    """Rows of a folder without metadata: labels and splits, if any, are its folders' names."""
    rows: list[Row] = []
    skips: list[Row] = []
    for path in _files(folder):
        label = _words(path, folder, _LABEL_FOLDERS)
        row = {"clip": _relative(path, folder), "label": label}
        if not _is_media(path):
            skips.append({**row, "reason": "its name does not end as a video's or picture's does"})
        elif labeled and not label:
            skips.append({**row, "reason": "it lies in no folder named real or fake"})
        else:
            rows.append({**row, "split": _words(path, folder, _SPLIT_FOLDERS)})
    return rows, skips


# ------------------------------------------------------------------------------ groups and splits


def groups(clips: pd.DataFrame) -> pd.Series:
    """The group of each clip: all clips that share an original, target or donor, or do so in turn.

    A group is named after its first clip. Where a table also has `cast` (one name a clip, or a
    list), clips of one cast are one group too. Lesson 03 derives it.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    columns = [c for c in ("clip", "original", "target", "donor", "cast") if c in clips]
    table = clips[columns].astype(object).reset_index(drop=True)
    links = pd.concat([table[column].explode() for column in columns])
    links = links[links.notna() & (links != "")].astype(str)
    names, known = pd.factorize(links)
    n = len(clips)
    graph = coo_array((np.ones(len(links)), (links.index, n + names)), shape=[n + len(known)] * 2)
    _, component = connected_components(graph, directed=False)
    return clips["clip"].groupby(component[:n]).transform("min").rename("group")


def split(
    clips: pd.DataFrame,
    seed: int = SEED,
    shares: dict[str, float] = SHARES,
    by: pd.Series | None = None,
) -> pd.Series:
    """Assign whole groups to train, validation and test; equal seeds give equal splits.

    Groups go, largest first, to the split that is then nearest to its share of REAL and of FAKE
    clips. Lesson 03 counts what goes wrong when clips are assigned one by one.

    Parameters
    ----------
    clips : table with `group` and `label`
    shares : the share of all clips that each split is to have
    by : what must not be divided, instead of `clips["group"]`: `parts(clips)` for the whole of
        DFDC, which names no actors but keeps each to one part.
    """
    group = clips["group"] if by is None else by
    counts = pd.crosstab(group, clips["label"].fillna("unknown"))
    order = np.random.default_rng(seed).permutation(len(counts))  # among groups of one size
    counts = counts.iloc[order[np.argsort(-counts.sum(axis=1).to_numpy()[order], kind="stable")]]
    goal = np.outer(list(shares.values()), counts.sum()) / sum(shares.values())
    have = np.zeros_like(goal)
    place = {}
    for name, count in zip(counts.index, counts.to_numpy(), strict=True):
        # How much nearer to its goal each split would come, large and small splits alike.
        gain = ((goal - have) ** 2 - (goal - have - count) ** 2) / goal
        best = int(np.argmax(gain.sum(axis=1)))
        have[best] += count
        place[name] = list(shares)[best]
    chosen = group.map(place).rename("split")
    check_split(pd.DataFrame({"group": group, "split": chosen}))
    return chosen


def check_split(table: pd.DataFrame) -> None:
    """Raise a ValueError unless every row has a split and no group of `table` is divided."""
    missing = table["split"].isna() | table["group"].isna()
    if missing.any():
        raise ValueError(f"{missing.sum()} of {len(table)} rows have no group or no split.")
    splits = table.groupby("group")["split"].unique()
    divided = splits[splits.map(len) > 1]
    if len(divided):
        raise ValueError(
            f"{len(divided)} of {len(splits)} groups are divided: {divided.index[0]!r} is in "
            f"{' and '.join(sorted(divided.iloc[0]))}. Split by group, as datasets.split does."
        )


def parts(clips: pd.DataFrame) -> pd.Series:
    """The part of DFDC that each clip lies in: the folder in front of its name."""
    return clips["clip"].str.rpartition("/")[0].rename("part")


# ------------------------------------------------------------------------------------------- DFDC

_KAGGLE = Path("/kaggle/input")
_COMPETITION = "deepfake-detection-challenge"


def find_dfdc() -> Path | None:
    """DFDC's sample on this machine: under Kaggle's input path, or downloaded before; else None."""
    for root in (_KAGGLE, _KAGGLE / "competitions", _downloads()):
        folder = root / _COMPETITION / "train_sample_videos"
        if (folder / "metadata.json").is_file():
            return folder
    return None


def _downloads() -> Path:
    """Where kagglehub keeps the competitions it has downloaded."""
    from kagglehub.config import get_cache_folder

    return Path(get_cache_folder()) / "competitions"


def download_dfdc_sample() -> Path:
    """Download DFDC's 400 sample clips (about 4 GB) with the person's own Kaggle account.

    A download that breaks off goes on where it stopped when it is called again.

    Raises
    ------
    RuntimeError
        Kaggle refused: the sentence says which two things it asks for.
    """
    import kagglehub
    from tqdm.auto import tqdm

    folder = "train_sample_videos"
    try:
        first = kagglehub.competition_download(_COMPETITION, f"{folder}/metadata.json")
        names = json.loads(Path(first).read_text(encoding="utf-8"))
        for name in tqdm(names, desc="DFDC sample", unit="clip"):
            kagglehub.competition_download(_COMPETITION, f"{folder}/{name}")
    except Exception as error:  # kagglehub's own, requests' and the disk's
        raise RuntimeError(
            f"Kaggle did not give DFDC's sample ({type(error).__name__}: {error}). It asks each "
            f"person to accept the rules at https://www.kaggle.com/c/{_COMPETITION}/rules and to "
            "log in: kagglehub.login(), or the file ~/.kaggle/kaggle.json."
        ) from error
    return Path(first).parent
