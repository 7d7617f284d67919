"""From a folder of clips to face crops and their tables, in parallel, and resumable.

Each clip's crops are written to a folder of their own together with a record of how they were
made, and that folder gets its name only once it is complete. The tables are put together from the
records at the end, in the order of the clips, so they depend neither on the number of workers nor
on how often the run was interrupted. Lesson 03 walks through one clip by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
from joblib import Parallel, delayed

from course_utils import __version__, datasets, faces, video
from course_utils.settings import cores

CROPS = [
    *("crop", "clip", "frame", "time_s", "person", "left", "top", "right", "bottom"),
    *("detector", "confidence", "label", "group", "method", "split"),
]
MARGIN = 1 / 3
MAX_SIDE = 512  # pixels; a crop has its source's resolution up to here, and is shrunk beyond
FAINT_ALONE = 1.0  # a face seen in one frame only must be surer than this, or count as none

_RECORD = "clip.json"


def extract(
    folder: str | Path,
    out: str | Path,
    frames: int = 10,
    jobs: int | None = None,
    detector: str = "hog",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find and cut out the faces of every clip in `folder`; the same call again resumes.

    Writes `out/crops.csv`, `out/skipped.csv`, `out/clips.csv` (the clips with their frames, size
    and sound), and the crops as PNG in `out/crops`: JPEG would lay a second codec's traces over
    those that the course looks for.

    Parameters
    ----------
    folder : any layout that `datasets.read` knows
    out : a folder outside `folder`; clips that are finished there are done again only if they or
        the parameters changed
    frames : how many to sample from each clip, spread over it
    jobs : how many clips at a time; by default one for each core
    detector : "hog" or "cnn", as for `faces.detect`

    Returns
    -------
    crops : DataFrame
        One row a face, columns `CROPS`. `crop` is relative to `out`; `person` 0 is the one seen in
        most frames; box edges are pixels of the source.
    skipped : DataFrame
        `clip`, `frame` (missing: the whole clip is meant), `reason`. Every sampled frame without a
        face is here.

    Raises
    ------
    FileNotFoundError, ValueError, RuntimeError
        `folder` is missing or holds no clip, `out` lies in it, or `out` cannot be written to (a
        full disk: what is finished is kept).
    """
    folder, out = Path(folder), Path(out)
    clips, skipped = datasets.read(folder)
    if clips.empty and skipped.empty:
        raise ValueError(f"There is no video or picture in {folder}.")
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{out} lies in {folder}, whose clips are read: choose a folder outside.")
    if frames < 1:
        raise ValueError(f"{frames} frames of a clip cannot be sampled: ask for 1 or more.")
    try:
        records = _extract_all(clips["clip"], folder, out, frames, jobs, detector)
        return _write_tables(clips, skipped, records, out)
    except OSError as error:
        raise RuntimeError(
            f"{out} cannot be written to: {error.strerror}. Once that is mended, the same command "
            "goes on where it stopped."
        ) from error
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A worker process was killed, most likely for lack of memory: the same command goes on "
            "where it stopped; with --jobs 1 it needs least."
        ) from error


def _extract_all(
    clips: pd.Series, folder: Path, out: Path, frames: int, jobs: int | None, detector: str
) -> dict[str, dict]:
    from tqdm.auto import tqdm

    (out / "crops").mkdir(parents=True, exist_ok=True)
    (out / "crops.csv").unlink(missing_ok=True)  # until it is whole again
    for leftover in [*(out / "crops").glob("*.partial"), *out.glob("*.partial")]:
        if psutil.pid_exists(int(leftover.suffixes[-2][1:])):
            continue  # another run is at it
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    jobs = min(jobs or cores(), max(len(clips), 1))
    records = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_extract_clip)(clip, folder, out, frames, detector) for clip in clips
    )
    return {r["clip"]: r for r in tqdm(records, "faces", total=len(clips), unit="clip")}


def _extract_clip(clip: str, folder: Path, out: Path, frames: int, detector: str) -> dict:
    """The record of one clip, made now or found: its facts, rows of crops, and rows of skipped."""
    place = out / "crops" / _folder_name(clip)
    try:
        stat = (folder / clip).stat()
        made_from = [stat.st_size, stat.st_mtime_ns]
    except OSError:
        made_from = []
    key = [*made_from, frames, detector, MARGIN, MAX_SIDE, __version__]
    if record := _read_record(place, key):
        return record
    partial = place.with_name(f"{place.name}.{os.getpid()}.partial")  # a killed run may have heirs
    shutil.rmtree(partial, ignore_errors=True)  # what bears this number was left by a killed run
    partial.mkdir()
    try:
        record = {"clip": clip, "key": key, **_faces_of(folder / clip, partial, frames, detector)}
        (partial / _RECORD).write_text(json.dumps(record), encoding="utf-8")
        if theirs := _read_record(place, key):
            return theirs  # another run was faster
        _remove(place)
        try:
            partial.rename(place)
        except OSError:
            if theirs := _read_record(place, key):
                return theirs  # another run was there a moment before
            raise
        return record
    except video.Unreadable as reason:
        _remove(place)
        return {"clip": clip, "facts": {}, "crops": [], "skipped": [(None, str(reason))]}
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _faces_of(path: Path, place: Path, count: int, detector: str) -> dict:
    """Write the crops of one clip into the folder `place`, and say what is to be recorded."""
    facts = video.facts(path)
    sampled = video.spread(facts["frames"], count)
    without = dict.fromkeys(sampled, "this frame cannot be decoded")
    rows = []
    for frame, found in faces.track(video.frames(path, count), detector):
        without[frame.index] = "no face found"
        for track, face in found.items():
            written = place / f"{frame.index:06d}-{track}.png"
            written.write_bytes(_png(faces.crop(frame.rgb, face.box, MARGIN)))
            rows.append((written, frame.index, round(frame.time_s, 4), track, face))
    person = _persons([(track, face) for *_, track, face in rows], len(sampled))
    crops = []
    for written, frame, time_s, track, face in rows:
        if track not in person:
            written.unlink()
            without[frame] = "a face that is faint and in no other frame"
            continue
        name = f"{frame:06d}_{person[track]}.png"
        written.rename(place / name)
        crops.append(
            [name, frame, time_s, person[track], *face.box, face.detector, face.confidence]
        )
    with_face = {frame for _, frame, *_ in crops}
    skipped: list[tuple[int | None, str]] = []
    if lost := facts.pop("lost"):
        n = facts["frames"]
        skipped.append((None, f"the file breaks off: {n} of its {n + lost} frames are there"))
    if not crops:
        skipped.append((None, f"no face in any of its {len(sampled)} sampled frames"))
    skipped += [(frame, reason) for frame, reason in without.items() if frame not in with_face]
    return {"facts": facts, "crops": sorted(crops), "skipped": skipped}


def _persons(sightings: list[tuple[int, faces.Face]], frames: int) -> dict[int, int]:
    """The number of each track's person: 0 for the most often seen, then the larger.

    A track that is a single faint find is nobody, unless there are few frames to be found in.
    """
    seen = Counter(track for track, _ in sightings)
    size = {track: face.box[2] - face.box[0] for track, face in sightings}
    surest = {track: face.confidence for track, face in sightings}
    tracks = [t for t in seen if seen[t] > 1 or frames < 5 or surest[t] >= FAINT_ALONE]
    ranked = sorted(tracks, key=lambda track: (-seen[track], -size[track], track))
    return {track: person for person, track in enumerate(ranked)}


def _png(rgb: np.ndarray) -> bytes:
    if len(rgb) > MAX_SIDE:
        rgb = cv2.resize(rgb, (MAX_SIDE, MAX_SIDE), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


# ------------------------------------------------------------------------- records and tables


def _folder_name(clip: str) -> str:
    """A folder name for a clip that is its own, harmless on every system, and no path."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", clip).lstrip(".")
    return safe if safe == clip else f"{safe[-60:]}-{hashlib.sha256(clip.encode()).hexdigest()[:8]}"


def _read_record(place: Path, key: list) -> dict | None:
    """The record of a clip that was made by the same `key`, if there is one."""
    try:
        record = json.loads((place / _RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none, or torn by a power failure
        return None
    return record if record["key"] == key else None


def _remove(place: Path) -> None:
    """Remove a clip's folder, its record first: without it, what is left never counts."""
    (place / _RECORD).unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def _write_tables(
    clips: pd.DataFrame, skipped: pd.DataFrame, records: dict[str, dict], out: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, skips = [], []
    for clip in clips["clip"]:
        record = records[clip]
        place = f"crops/{_folder_name(clip)}"
        rows += [[f"{place}/{name}", clip, *rest] for name, *rest in record["crops"]]
        skips += [[clip, frame, reason] for frame, reason in record["skipped"]]
    found = pd.DataFrame(rows, columns=CROPS[: CROPS.index("label")])
    crops = found.merge(clips[["clip", *CROPS[CROPS.index("label") :]]], on="clip", how="left")
    skipped = pd.DataFrame([*skipped.to_numpy().tolist(), *skips], columns=datasets.SKIPPED)
    skipped = skipped.astype({"frame": "Int64"})
    facts = pd.DataFrame([records[clip]["facts"] for clip in clips["clip"]], index=clips.index)
    clips = clips.assign(**facts.reindex(columns=["frames", "fps", "width", "height", "audio"]))
    for name, table in (("skipped", skipped), ("clips", clips), ("crops", crops)):
        partial = out / f"{name}.csv.{os.getpid()}.partial"
        table.to_csv(partial, index=False)
        partial.replace(out / f"{name}.csv")
    return crops, skipped
