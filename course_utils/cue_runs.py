"""Recorded runs of lesson 02: the eight measures on many clips, which takes minutes of CPU.

    python -m course_utils.actors probes work/probes     pairs of clips that differ in one cue
    python -m course_utils.cue_runs probes work/probes   data/runs/cue_probes.csv
    python -m course_utils.cue_runs clips                data/runs/cue_clips.csv
    python -m course_utils.cue_runs pairs                data/runs/cue_pairs.csv
    python -m course_utils.cue_runs sheet                data/beforehand/dials.jpg

What is measured already is kept in `work/cues`: a run that was stopped goes on behind it. The first
lines of each CSV say how it was made; `read` leaves them out.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.metadata
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from course_utils import datasets, evaluation, settings
from course_utils.settings import MINI_DFDC, RUNS

COLUMNS = ["clip", "condition", "cue", "value", "reason"]
KEPT = settings.WORK / "cues"
CONDITIONS: dict[str, tuple[int | None, float]] = {  # CRF of a second coding, share of the light
    "as it is": (None, 1.0),
    "H.264 again, CRF 23": (23, 1.0),
    "H.264 again, CRF 40": (40, 1.0),
    "a quarter of the light": (23, 0.25),
}


def read(name: str) -> pd.DataFrame:
    """A recorded table by its name, as `cue_probes`; how it was made stands in its `.attrs`."""
    path = RUNS / f"{name}.csv"
    with path.open(encoding="utf-8") as file:
        head = [line[2:].strip() for line in file if line.startswith("# ")]
    table = pd.read_csv(path, comment="#", keep_default_na=True)
    table.attrs["made"] = dict(line.split(": ", 1) for line in head)
    return table


def write(table: pd.DataFrame, name: str) -> None:
    """Store a recorded table with the command, date, device and versions that made it."""
    versions = [f"{p} {importlib.metadata.version(p)}" for p in ("numpy", "dlib-bin")]
    import cv2

    command = " ".join(["python -m course_utils.cue_runs", *sys.argv[1:]])
    head = {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": f"CPU, {settings.cores()} cores",
        "versions": ", ".join(
            [f"python {sys.version.split()[0]}", f"opencv {cv2.__version__}", *versions]
        ),
        "seed": str(settings.SEED),
    }
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in head.items())
        table.to_csv(file, index=False, float_format="%.4g", lineterminator="\n")


# Measuring ----------------------------------------------------------------------------------------


def measures(paths: Iterable[Path], condition: str = "as it is", jobs: int = 1) -> pd.DataFrame:
    """The eight measures of each file under a condition: `path`, `cue`, `value`, `reason`.

    Files of equal content are measured once.
    """
    paths = list(paths)
    tasks = (joblib.delayed(_measure)(path, condition) for path in paths)
    found = joblib.Parallel(jobs, return_as="generator")(tasks)
    parts = []
    for number, (path, table) in enumerate(zip(paths, found, strict=True), 1):
        parts.append(table.assign(path=str(path)))
        if number % 20 == 0:
            print(f"{condition}: {number} of {len(paths)}", flush=True)
    return pd.concat(parts, ignore_index=True)


def _measure(path: Path, condition: str) -> pd.DataFrame:
    import cv2

    from course_utils import cues, faces, forgery, video

    cv2.setNumThreads(1)
    made_by = [cues.__file__, faces.__file__, forgery.__file__, video.__file__]
    made_by.append(str(settings.MODELS / "landmarks.dat"))
    code = b"".join(Path(each).read_bytes() for each in made_by) + condition.encode()
    key = hashlib.sha256(path.read_bytes() + code).hexdigest()[:20]
    kept = KEPT / f"{key}.csv"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            found = cues.measure(again(path, Path(folder) / "again.mp4", *CONDITIONS[condition]))
        KEPT.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{path.stem}.partial")
        found.to_csv(partial, index=False)
        partial.replace(kept)
    return pd.read_csv(kept, keep_default_na=True).fillna({"reason": ""})


def again(path: Path, out: Path, crf: int | None, light: float = 1.0) -> Path:
    """A clip coded once more, perhaps with less light (linear, before the codec); or itself."""
    from course_utils import video

    if crf is None:
        return path
    frames = [frame.rgb for frame in video.frames(path, every=1)]
    if light != 1:
        table = np.round(255 * (light * (np.arange(256) / 255) ** 2.2) ** (1 / 2.2)).astype(
            np.uint8
        )
        frames = [table[rgb] for rgb in frames]
    video.write(out, frames, video.facts(path)["fps"], video.sound(path), crf)
    return out


# The tables ---------------------------------------------------------------------------------------


def crosstalk(values: pd.DataFrame) -> pd.DataFrame:
    """AUC of every measure on every dial's probes, with its interval over casts.

    `values`: columns `dial_cue`, `dial` (0 or 1), `cast`, `cue`, `value`. One row for each dial and
    measure: `auc`, `low`, `high`, `pairs` (probes measured both with and without), and `reason`
    where there is none.
    """
    rows = []
    for (dial_cue, cue), part in values.groupby(["dial_cue", "cue"], sort=False):
        wide = part.pivot_table(index=["cast", "actor"], columns="dial", values="value")
        wide = wide.reindex(columns=[0, 1]).dropna()
        row: dict = {"dial": dial_cue, "measure": cue, "auc": np.nan, "low": np.nan, "high": np.nan}
        row |= {"pairs": len(wide), "reason": ""}
        if len(wide) < 10:
            row["reason"] = part.loc[part["value"].isna(), "reason"].mode().squeeze()
        else:
            casts = np.tile(wide.index.get_level_values("cast"), 2)
            labels = np.repeat([0, 1], len(wide))
            row |= _auc(labels, np.concatenate([wide[0], wide[1]]), casts)
        rows.append(row)
    return pd.DataFrame(rows)


def _auc(labels: np.ndarray, values: np.ndarray, groups: np.ndarray) -> dict[str, float | str]:
    """AUC with interval of any measure: only its ranks matter, so they are brought to 0..1."""
    ranks = pd.Series(values).rank().to_numpy() / (len(values) + 1)
    found = evaluation.interval(labels, ranks, groups)
    if not found.given and found.value in (0, 1):  # ranked without a mistake
        return {"auc": found.value, "low": found.value, "high": found.value}
    return {"auc": found.value, "low": found.low, "high": found.high, "reason": found.reason}


def compare_methods(measured: pd.DataFrame) -> pd.DataFrame:
    """AUC of every measure on the fakes of each method against all REAL clips, over casts.

    `measured`: columns `clip`, `label`, `method`, `cast`, `cue`, `value`. One row for each method
    and measure: `auc`, `low`, `high`, `fakes` (how many could be measured). Lesson 02.
    """
    known = measured.dropna(subset=["value"])
    rows = []
    for cue in measured["cue"].unique():
        of_cue = known[known["cue"] == cue]
        reals = of_cue[of_cue["label"] == "REAL"]
        for method in sorted(measured["method"].dropna().unique()):
            fakes = of_cue[of_cue["method"] == method]
            row = {"method": method, "measure": cue, "fakes": len(fakes)}
            row |= {"auc": np.nan, "low": np.nan, "high": np.nan}
            if len(fakes) >= 5 and len(reals) >= 5:
                both = pd.concat([reals, fakes])
                labels = (both["label"] == "FAKE").to_numpy(int)
                row |= _auc(labels, both["value"].to_numpy(), both["cast"].to_numpy())
            rows.append(row)
    return pd.DataFrame(rows)


def false_alarms(measured: pd.DataFrame, share: float = 0.1) -> pd.DataFrame:
    """Share of REAL clips above each measure's threshold, a column for each condition.

    The threshold lies where `share` of the REAL clips as they are lie above it. Missing where fewer
    than ten can be measured. Index: cues. Lesson 02.
    """
    reals = measured[measured["label"] == "REAL"].dropna(subset=["value"])
    rows = {}
    for cue, part in reals.groupby("cue", sort=False):
        usual = part.loc[part["condition"] == "as it is", "value"]
        limit = usual.quantile(1 - share)
        rang = part["value"].gt(limit).groupby(part["condition"], sort=False).agg(["mean", "size"])
        rows[cue] = rang["mean"].where(rang["size"] >= 10)
    return pd.DataFrame(rows).T.dropna(how="all").rename_axis("measure")


def probes(folder: Path, jobs: int) -> None:
    """Record `cue_probes.csv`: each measure on the probes of each dial."""
    listed = pd.read_csv(folder / "probes.csv").rename(columns={"cue": "dial_cue"})
    listed["path"] = [str(folder / path) for path in listed["path"]]
    found = measures(map(Path, listed["path"]), jobs=jobs)
    write(crosstalk(listed.merge(found, on="path")), "cue_probes")


def pairs(folder: Path, jobs: int) -> None:
    """Record `cue_pairs.csv`: near-lossless originals and fakes of them, and both coded again."""
    paths = sorted((folder / "near_lossless").glob("*.mp4"))
    parts = []
    for condition in list(CONDITIONS)[:3]:
        found = measures(paths, condition, jobs)
        found["clip"] = [Path(path).name for path in found["path"]]
        parts.append(found.assign(condition=condition)[COLUMNS])
    write(pd.concat(parts), "cue_pairs")


def clips(folder: Path, jobs: int) -> None:
    """Record `cue_clips.csv`: all clips of a set; and the REAL ones (no quiz) under conditions."""
    table, _ = datasets.read(folder)
    table = table.merge(datasets.details(folder)[["clip", "quiz"]], on="clip")
    parts = []
    for condition in CONDITIONS:
        some = table
        if condition != "as it is":
            some = table[(table["label"] == "REAL") & ~table["quiz"].eq(True)]
        found = measures([folder / clip for clip in some["clip"]], condition, jobs)
        found["clip"] = [Path(path).name for path in found["path"]]
        parts.append(found.assign(condition=condition)[COLUMNS])
    write(pd.concat(parts), "cue_clips")


# The sheet of dials -------------------------------------------------------------------------------


def sheet(folder: Path, out: Path) -> None:
    """The dials at 0, one half and 1 on one real clip: what the explorer shows on Colab."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from course_utils import cues, forgery, plots, widgets

    labels = datasets.read(folder)[0].set_index("clip")["label"]
    paths = [
        p for p in sorted((folder / "near_lossless").glob("*.mp4")) if labels[p.name] == "REAL"
    ]
    tracks = [cues.follow(path) for path in paths]
    track = max(tracks, key=lambda t: np.nan_to_num(-cues.glasses(t).value, nan=-9))
    still = cues.follow(sorted((folder / "stills").glob("*_real.png"))[0])
    columns: dict[str, list[np.ndarray]] = {}
    for cue in forgery.DIALS:
        shown = still if cue == "iris" else track
        k = widgets.opening_frame(shown)
        rgb, points = shown.frames[k], shown.points[k]
        mask = forgery.face_mask(points, rgb.shape, 0.3)
        made = [forgery.turn_dials(rgb, points, mask, {cue: dial}, 1, k) for dial in (0, 0.5, 1)]
        columns[cue] = [_close_up(image, points, cue) for image in made]
    plots.dials(columns, ["dial 0", "dial .5", "dial 1"])
    out.parent.mkdir(parents=True, exist_ok=True)
    plt.gcf().savefig(out, dpi=130, pil_kwargs={"quality": 88})


def _close_up(rgb: np.ndarray, points: np.ndarray, cue: str, side: int = 220) -> np.ndarray:
    """Where a cue is to be seen: the face, the mouth, or one eye above the other."""
    from course_utils import faces

    def around(part: np.ndarray, margin: float) -> np.ndarray:
        (left, top), (right, bottom) = part.min(0).astype(int), part.max(0).astype(int)
        return faces.crop(rgb, (left, top, right, bottom), margin, side)

    if cue == "iris":
        eyes = [around(points[eye], 0.15) for eye in (slice(36, 42), slice(42, 48))]
        return np.vstack([eye[side // 4 : side // 4 * 3] for eye in eyes])
    if cue == "teeth":
        return around(points[48:], 0.15)
    return faces.crop(rgb, faces.box_around(points), 0.1, side)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.cue_runs", description="Record the measures of lesson 02."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("probes", help="the 8 x 8 table, from what `actors probes` made")
    one.add_argument("folder", type=Path)
    one.add_argument("--jobs", type=int, default=2)
    for name, does in (
        ("clips", "the measures of every clip of a set"),
        ("pairs", "those of its near-lossless pairs, coded again"),
    ):
        one = commands.add_parser(name, help=does)
        one.add_argument("folder", type=Path, nargs="?", default=MINI_DFDC)
        one.add_argument("--jobs", type=int, default=2)
    one = commands.add_parser("sheet", help="the picture of all dials")
    one.add_argument("folder", type=Path, nargs="?", default=MINI_DFDC)
    args = parser.parse_args()
    if args.command == "sheet":
        from course_utils.widgets import DIALS_SHEET

        sheet(args.folder, DIALS_SHEET)
    else:
        {"probes": probes, "pairs": pairs, "clips": clips}[args.command](args.folder, args.jobs)


if __name__ == "__main__":
    main()
