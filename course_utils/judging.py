"""From video files to verdicts with what a detector knows about itself; videos marked for eyes.

A *detector* is a folder: `model.keras`; `card.json`, which says what it was trained on, how faces
become a verdict (aggregation, temperature, band of "can't tell") and what it scored on validation;
and `outliers.npz`, the distance beyond which a clip is unlike anything in training. `export` writes
one; lesson 09 derives its parts. `python -m course_utils judge VIDEO` runs all of it.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from course_utils import evaluation, settings

if TYPE_CHECKING:
    import keras

SHIPPED = "detector"  # the folder in data/models
FRAMES = 20
PRACTICE = "practice model: out of scope"
COLUMNS = [*evaluation.VERDICT_COLUMNS, "scope", "calibrated"]


# --- detectors ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Detector:
    """A trained model and what its card says."""

    folder: Path
    model: keras.Model
    card: dict[str, Any]
    outliers: evaluation.Outliers

    @property
    def practice(self) -> bool:
        """Whether it was trained on the virtual actors only."""
        return bool(self.card["practice"])

    @property
    def band(self) -> evaluation.Band:
        """The scores between which it does not tell."""
        return evaluation.Band(**self.card["band"])


def load(path: str | Path | None = None) -> Detector:
    """Load a detector: a folder, its `model.keras`, the learner's newest run, else the shipped one.

    Raises
    ------
    ValueError
        There is none, or it lacks a part: the sentence names the file and what to run.
    """
    from course_utils import models

    folder = Path(path) if path else newest()
    folder = folder.parent if folder.suffix == ".keras" else folder
    if not (folder / "model.keras").is_file():
        raise ValueError(
            f"{folder} holds no model.keras: name a folder that "
            "`python -m course_utils train` or `export` has written."
        )
    missing = [name for name in ("card.json", "outliers.npz") if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} has a model but no {' and no '.join(missing)}, so nothing says "
            "how far to trust its scores: run `python -m course_utils export "
            f"{folder} CROPS_FOLDER`."
        )
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        parts = np.load(folder / "outliers.npz")
        outliers = evaluation.Outliers(
            parts["mean"].astype(float),
            parts["scale"].astype(float),
            parts["precision"].astype(float),
            card["outliers"]["threshold"],
            card["outliers"]["rate"],
        )
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(
            f"{folder} is not a whole detector ({type(error).__name__}: {error}): export it again."
        ) from error
    return Detector(folder, models.load(folder / "model.keras"), card, outliers)


def newest() -> Path:
    """Return the learner's newest run that has a card, else the detector that comes along."""
    places = {settings.WORK, Path("work").resolve()}
    runs = [
        card.parent
        for place in places
        for card in place.glob("*/card.json")
        if (card.parent / "model.keras").is_file()
    ]
    if runs:
        return max(runs, key=lambda run: ((run / "model.keras").stat().st_mtime, str(run)))
    return settings.MODELS / SHIPPED


def crop_statistics(images: np.ndarray) -> np.ndarray:
    """Return (n, 15) features of RGB crops (n, size, size, 3) to measure distances in (lesson 09).

    Mean and spread of brightness and of both color differences, and the log of how much detail
    each has at three scales: what camera, light and codec leave in a picture. A network's own
    first layers were tried: those of four seeds let one of five real clips pass as familiar, a
    network being free to forget what did not help it tell REAL from FAKE.
    """
    import cv2

    rows = []
    for rgb in images:
        picture = cv2.cvtColor(np.asarray(rgb, np.float32) / 255, cv2.COLOR_RGB2YCrCb)
        row = [*picture.mean(axis=(0, 1)), *picture.std(axis=(0, 1))]
        for _ in range(3):
            smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
            row += [*np.log((picture - smooth).std(axis=(0, 1)) + 1e-5)]
            picture = cv2.resize(smooth, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        rows.append(row)
    return np.array(rows, dtype=np.float64)


def clip_features(features: np.ndarray, clips: pd.Series | Sequence[str]) -> pd.DataFrame:
    """Return one row a clip: the mean over its faces."""
    return pd.DataFrame(features).groupby(np.asarray(clips), sort=False).mean()


def export(
    folder: str | Path,
    model: keras.Model,
    scores: pd.DataFrame,
    training: pd.DataFrame,
    validation: pd.DataFrame,
    data: str,
    practice: bool,
    command: str = "",
    how: str | None = None,
    error_rate: float = 0.1,
    notes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a detector's folder, everything in it chosen on validation clips (lesson 09).

    Parameters
    ----------
    model : takes RGB crops 0..255, answers softmax [REAL, FAKE]
    scores : scores table of the validation crops
    training, validation : `clip_features` of `crop_statistics`, one row a clip, index `clip`
    data : what it was trained on, in words a person understands
    practice : whether that was the virtual actors: judgments of other footage then say so
    command : that trained it
    how : aggregation; by default the one with the least log-loss on the validation clips, but not
        the maximum: it grows with the number of faces, and `judge` looks at more than training did
    notes : more for the card

    Returns
    -------
    The card, as written to `card.json`. `CARD.md` says the same to a reader.
    """
    import keras

    folder = Path(folder)
    if how is None:
        losses = evaluation.compare_aggregations(scores)["log-loss"]
        how = str(losses.drop("maximum").idxmin())
    table = evaluation.verdicts(scores, how=how)
    labels, raw = table["label"], table["p_fake"]
    temperature = evaluation.fit_temperature(labels, raw)
    p = evaluation.apply_temperature(raw, temperature)
    band = evaluation.choose_band(labels, p, error_rate)
    rate = max(0.05, 1 / (len(validation) + 1))  # the least that so few clips support
    outliers = evaluation.fit_outliers(training, validation, rate)
    judged = evaluation.decide(table.assign(p_fake=p), band)
    told = judged[judged["verdict"] != evaluation.CANNOT_TELL]
    wrong = (told["verdict"] == evaluation.FAKE) != (told["label"] == "FAKE")
    card = {
        "format": 1,
        "model": model.name,
        "trained_on": data,
        "practice": practice,
        "command": command,
        "aggregation": how,
        "temperature": temperature,
        "band": band._asdict(),
        "outliers": {
            "threshold": outliers.threshold,
            "rate": outliers.rate,
            "features": len(outliers.mean),
        },
        "training_clips": sorted(map(str, training.index)),
        "validation": {
            "clips": len(table),
            "groups": int(table["group"].nunique()),
            **{
                name: str(evaluation.interval(labels, p, table["group"], name))
                for name in evaluation.METRICS
            },
            "calibration error (10 bins of equal count)": round(
                evaluation.calibration_error(labels, p), 4
            ),
            "told": len(told),
            "told wrongly": int(wrong.sum()),
        },
        **(notes or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    bare = keras.Model(model.inputs, model.outputs, name=model.name)  # without the optimizer
    partial = folder / "partial.keras"
    bare.save(partial)
    partial.replace(folder / "model.keras")
    np.savez_compressed(
        folder / "outliers.npz",
        mean=outliers.mean.astype(np.float32),
        scale=outliers.scale.astype(np.float32),
        precision=outliers.precision.astype(np.float32),
    )
    (folder / "CARD.md").write_text(_card_text(card), encoding="utf-8")
    (folder / "card.json").write_text(
        json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return card


def export_run(
    run: str | Path,
    crops_folder: str | Path,
    out: str | Path | None = None,
    error_rate: float = 0.1,
) -> dict[str, Any]:
    """Make a detector of a run that `train` left: `export` into the run itself, or into `out`.

    Reads the run's `model.keras` and `scores.csv`, and the crops it was trained on again.
    """
    from course_utils import models, training

    run, crops_folder = Path(run), Path(crops_folder)
    for path in (run / "model.keras", run / "scores.csv", crops_folder / "crops.csv"):
        if not path.is_file():
            raise ValueError(
                f"There is no {path}: name the folder of a finished run, and the "
                "folder of crops that it was trained on."
            )
    model = models.load(run / "model.keras")
    scores = pd.read_csv(run / "scores.csv")
    about = json.loads((run / "run.json").read_text()) if (run / "run.json").is_file() else {}
    if about.get("split") == "random":
        raise ValueError(
            f"{run} was trained on a random split: no clip is held out as a whole, so nothing can "
            "be chosen on validation clips. Train it with --split grouped."
        )
    crops = pd.read_csv(crops_folder / "crops.csv")
    held_out = set(scores["clip"])
    crops["part"] = np.where(crops["clip"].isin(held_out), "", "train")
    crops.loc[crops["clip"].isin(scores.loc[scores["split"] == "validation", "clip"]), "part"] = (
        "validation"
    )
    features = {}
    for part in ("train", "validation"):
        some = crops[crops["part"] == part]
        features[part] = clip_features(
            crop_statistics(training.pixels(some, crops_folder, models.image_size(model))),
            some["clip"],
        )
    practice = _is_mini(crops["clip"])
    n, g = features["train"].shape[0], crops.loc[crops["part"] == "train", "group"].nunique()
    data = (
        f"the course's virtual actors (mini_dfdc): {n} clips in {g} groups"
        if practice
        else f"{crops_folder.name}: {n} clips in {g} groups"
    )
    notes = {key: about[key] for key in ("date", "device", "versions", "seed") if key in about}
    return export(
        out or run,
        model,
        scores[scores["split"] == "validation"],
        features["train"],
        features["validation"],
        data,
        practice,
        about.get("command", ""),
        error_rate=error_rate,
        notes=notes,
    )


def refusals(
    runs: Sequence[str | Path],
    crops_folder: str | Path,
    other_folder: str | Path,
    out: str | Path,
    command: str = "",
) -> pd.DataFrame:
    """Judge the test clips and clips of other footage by several detectors: who refuses what?

    What a network says of footage unlike its training is chance, and another seed's chance is
    another: lesson 09 shows it, and that the distance from training does not depend on the seed.

    Parameters
    ----------
    runs : detectors' folders, `train`ed and `export`ed, one a seed
    crops_folder : crops of the clips they come from; those of the split `test` are judged
    other_folder : crops of any other footage, whose clips are numbered instead of named
    out : a `.csv`; a `.json` beside it says what made it

    Returns
    -------
    One row a run and clip: `run`, `seed`, `footage` ("test" or "other"), `clip`, `p_fake`,
    `distance`, `threshold`, `verdict`, `reason`.
    """
    from course_utils import models, training

    folders = {"test": Path(crops_folder), "other": Path(other_folder)}
    tables = {name: training.read_table(folder) for name, folder in folders.items()}
    tables["test"] = tables["test"][tables["test"]["split"] == "test"]
    parts, trained_by = [], []
    for run in map(Path, runs):
        detector = load(run)
        trained_by.append(detector.card["command"])
        size = models.image_size(detector.model)
        for name, crops in tables.items():
            images = training.pixels(crops, folders[name], size)
            scores = crops.assign(p_fake=models.predict(detector.model, images))
            table = evaluation.verdicts(scores, how=detector.card["aggregation"])
            table["p_fake"] = evaluation.apply_temperature(
                table["p_fake"].astype(float), detector.card["temperature"]
            )
            features = clip_features(crop_statistics(images), crops["clip"]).loc[table["clip"]]
            table["distance"] = detector.outliers.distance(features.to_numpy())
            far = detector.outliers.far(features.to_numpy())
            table = evaluation.decide(table, detector.band, far)
            table["threshold"] = detector.outliers.threshold
            table["run"], table["seed"] = run.name, detector.card.get("seed")
            table["footage"] = name
            if name == "other":
                table["clip"] = [f"other clip {k}" for k in range(1, len(table) + 1)]
            parts.append(table)
    columns = ["run", "seed", "footage", "clip", "p_fake", "distance", "threshold"]
    told = pd.concat(parts, ignore_index=True)[[*columns, "verdict", "reason"]]
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    told.round(4).to_csv(out, index=False)
    about = {"command": command, "trained by": trained_by, **training.machine()}
    out.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return told


def _is_mini(clips: pd.Series) -> bool:
    """Whether all these clips are the mini set's."""
    path = settings.MINI_DFDC / "metadata.json"
    if not path.is_file():
        return False
    names = set(json.loads(path.read_text(encoding="utf-8")))
    return bool(clips.map(lambda c: c in names).all())


def _card_text(card: dict[str, Any]) -> str:
    band, checks = card["band"], card["validation"]
    lines = [
        f"# {card['model']}: model card",
        "",
        f"**Trained on** {card['trained_on']}.",
        "",
    ]
    if card["practice"]:
        lines += [
            "**A practice model.** No neural generator made the clips it learned from, and "
            "their artifacts were chosen for this course. Of any other footage its judgment "
            f'is marked "{PRACTICE}", and its score there is not a calibrated probability. '
            "Do not use it to decide anything about a real person.",
            "",
        ]
    else:
        lines += [
            "Its scores are calibrated for clips like its validation clips, and for no others.",
            "",
        ]
    if card["command"]:
        lines += [
            f"**Made by** `{card['command']}`"
            + (f" on {card['date']}" if "date" in card else "")
            + ".",
            "",
        ]
    lines += [
        "**From faces to a verdict.** " + f"Aggregation: {card['aggregation']}. Temperature: "
        f"{card['temperature']:.3g}. Can't tell between {band['low']:.3g} and {band['high']:.3g}, "
        f"chosen on validation clips so that at most {band['error_rate']:.0%} of either class are "
        "told wrongly" + (f" ({band['reason']})" if band["reason"] else "") + ". Can't tell, "
        "either, of a clip farther from its training clips than all but "
        f"{card['outliers']['rate']:.0%} of the validation clips are.",
        "",
        "| on validation | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in checks.items()),
        "",
        "Chosen and measured on the same validation clips: expect somewhat worse of new ones.",
    ]
    return "\n".join(lines) + "\n"


# --- judging ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgment:
    """What was found in the files: a verdict a file, a score a face."""

    verdicts: pd.DataFrame  # columns COLUMNS; index: the files as named
    scores: pd.DataFrame  # crops' columns and p_fake, after temperature
    detector: Detector


def judge(files: Sequence[str | Path], detector: Detector, frames: int = FRAMES) -> Judgment:
    """Judge video files and pictures (lesson 09).

    A file that cannot be read, or shows no face, gets "can't tell" and the reason, no score.
    `p_fake` is a probability only where `calibrated` is true; `scope` says why it is not.
    """
    rows: list[pd.DataFrame] = []
    lost: list[dict[str, Any]] = []
    distances: dict[str, np.ndarray] = {}
    for file in dict.fromkeys(map(str, files)):
        with tempfile.TemporaryDirectory() as place:
            found, without = _faces(Path(file), Path(place), frames)
            lost += [{"clip": file, "frame": frame, "reason": why} for frame, why in without]
            if found.empty:
                continue
            images = _images(found, Path(place), detector)
        rows.append(found.assign(clip=file, p_fake=_p_fake(detector, images)).drop(columns="crop"))
        distances[file] = crop_statistics(images).mean(axis=0)
    scores = (
        pd.concat(rows, ignore_index=True)
        if rows
        else pd.DataFrame({"clip": [], "frame": [], "person": [], "p_fake": []})
    )
    skipped = pd.DataFrame(lost, columns=["clip", "frame", "reason"])
    table = evaluation.verdicts(scores, skipped, how=detector.card["aggregation"])
    table = table.set_index("clip").loc[list(dict.fromkeys(map(str, files)))].reset_index()
    temperature = detector.card["temperature"]
    table["p_fake"] = evaluation.apply_temperature(table["p_fake"].astype(float), temperature)
    if len(scores):
        scores["p_fake"] = evaluation.apply_temperature(scores["p_fake"], temperature)
    far = [
        clip in distances and bool(detector.outliers.far(distances[clip])[0])
        for clip in table["clip"]
    ]
    table = evaluation.decide(table, detector.band, far)
    known = [_scope(Path(clip), detector) for clip in table["clip"]]
    scored = table["p_fake"].notna()
    table["scope"] = [note if has else "" for (note, _), has in zip(known, scored, strict=True)]
    table["calibrated"] = [
        ok and has and not out for (_, ok), has, out in zip(known, scored, far, strict=True)
    ]
    return Judgment(table[COLUMNS], scores, detector)


def _faces(file: Path, place: Path, frames: int) -> tuple[pd.DataFrame, list[tuple[Any, str]]]:
    """Write one file's crops to `place`, as extraction does for training; its table and losses."""
    from course_utils import extraction, video

    columns = extraction.CROPS[: extraction.CROPS.index("label")]
    try:
        if file.is_dir():
            raise video.Unreadable("it is a folder: name the videos in it")
        record = extraction._faces_of(file, place, frames, "hog")
    except video.Unreadable as reason:
        return pd.DataFrame(columns=columns), [(None, str(reason))]
    rows = [[name, str(file), *rest] for name, *rest in record["crops"]]
    lost = [(frame, why) for frame, why in record["skipped"]]
    if not rows:  # evaluation then says "no face found"
        lost = [(frame, why) for frame, why in lost if frame is not None]
    return pd.DataFrame(rows, columns=columns), lost


def _images(found: pd.DataFrame, place: Path, detector: Detector) -> np.ndarray:
    from course_utils import models, training

    return training.pixels(found, place, models.image_size(detector.model))


def _p_fake(detector: Detector, images: np.ndarray) -> np.ndarray:
    from course_utils import models

    return models.predict(detector.model, images)


def _scope(file: Path, detector: Detector) -> tuple[str, bool]:
    """Return what to say beside the score, and whether the calibration may hold for this file."""
    mini = _mini_clip(file)
    name = mini if detector.practice else file.name
    seen = name in detector.card["training_clips"]
    if seen and (mini or not detector.practice):
        return "it learned from this very clip: its answer shows nothing", False
    if not detector.practice:
        return f"trained on {detector.card['trained_on']}", True
    return ("one of the course's clips", True) if mini else (PRACTICE, False)


def _mini_clip(file: Path) -> str | None:
    """Return the name of the mini set's clip that has the same content, wherever the file lies."""
    with contextlib.suppress(OSError):
        size = file.stat().st_size
        for other in sorted(settings.MINI_DFDC.rglob("*.mp4")):
            if other.stat().st_size == size and filecmp.cmp(file, other, shallow=False):
                return other.relative_to(settings.MINI_DFDC).as_posix()
    return None


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def to_json(found: Judgment) -> str:
    """Return the verdicts for machines: a list of objects, null where a value is missing."""
    rows = []
    for row in _records(found.verdicts.drop(columns=evaluation.CLIP_COLUMNS[1:])):
        row["p_fake"] = None if math.isnan(row["p_fake"]) else round(row["p_fake"], 6)
        row["model"] = found.detector.model.name
        rows.append({key: v.item() if isinstance(v, np.generic) else v for key, v in row.items()})
    return json.dumps(rows, indent=1, ensure_ascii=False)


def to_text(found: Judgment) -> str:
    """Return the verdicts for eyes: a block a file."""
    blocks = [
        f"detector: {found.detector.model.name}, trained on {found.detector.card['trained_on']}"
    ]
    for row in _records(found.verdicts):
        number = ""
        if not math.isnan(row["p_fake"]):
            number = (
                f"p_fake {row['p_fake']:.2f}"
                if row["calibrated"]
                else (f"score {row['p_fake']:.2f}, not a calibrated probability")
            )
        notes = "; ".join(filter(None, [row["reason"], row["scope"]]))
        lines = [row["clip"], f"  verdict  {row['verdict']}" + (f"  ({number})" if number else "")]
        lines += [f"  because  {notes}"] if notes else []
        if row["frames_sampled"]:
            lines.append(
                f"  seen     {row['n_faces']} faces in {row['frames_sampled']} frames, "
                f"{row['frames_without_face']} without a face"
            )
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


# --- videos for eyes ----------------------------------------------------------------------------

_COLORS = {  # Okabe & Ito, as in plots, light enough for a dark ground
    evaluation.FAKE: (240, 122, 50),
    evaluation.REAL: (86, 180, 233),
    evaluation.CANNOT_TELL: (214, 214, 214),
}
_INK, _FAINT, _GROUND = (255, 255, 255), (176, 182, 190), (16, 19, 24)


def annotate(found: Judgment, folder: str | Path) -> list[Path]:
    """Write a copy of each readable file with box, score over time and verdict on it.

    A video becomes H.264 that browsers play, as long and as upright as it was, with its sound; a
    picture becomes a PNG. Returns the files written.
    """
    from PIL import Image

    from course_utils import video

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for row in _records(found.verdicts):
        file = Path(row["clip"])
        if not row["frames_sampled"]:
            continue
        facts = video.facts(file)
        still = facts["frames"] == 1
        name, count = f"{file.stem}-judged", 1
        while (folder / f"{name}{'.png' if still else '.mp4'}") in written:
            count += 1
            name = f"{file.stem}-judged-{count}"
        out = folder / f"{name}{'.png' if still else '.mp4'}"
        marked = _marked(file, row, found, facts)
        if still:
            Image.fromarray(next(marked)).save(out)
        else:
            video.write(out, marked, facts["fps"], video.sound(file))
        written.append(out)
    return written


def _marked(
    file: Path, row: dict[str, Any], found: Judgment, facts: dict[str, Any]
) -> Iterator[np.ndarray]:
    """Yield every frame of the file with the marks on it."""
    from course_utils import video

    scores = found.scores[found.scores["clip"] == row["clip"]]
    boxes = _boxes(file, scores, facts)
    panel = _Panel(row, scores, found.detector, facts)
    for frame in video.frames(file, every=1):
        rgb = frame.rgb.copy()
        for person, path in boxes.items():
            box = _box_at(path, frame.index)
            if box is not None:
                panel.draw_box(rgb, box, _score_at(scores, person, frame.index))
        yield panel.draw(rgb, frame.time_s)


def _boxes(file: Path, scores: pd.DataFrame, facts: dict[str, Any]) -> dict[int, pd.DataFrame]:
    """Return each scored person's boxes, by frame, found often enough to follow a moving head."""
    from course_utils import faces, video

    rate = facts["fps"] if facts["fps"] == facts["fps"] else 1.0
    rows = []
    for frame, people in faces.track(video.frames(file, every=max(1, round(rate / 6)))):
        rows += [(frame.index, who, *face.box) for who, face in people.items()]
    names = ["frame", "track", "left", "top", "right", "bottom"]
    tracks = pd.DataFrame(rows, columns=names)
    out = {}
    for person in sorted(set(scores["person"])):
        own = scores.loc[scores["person"] == person, ["frame", *names[2:]]]
        hits = {track: _agreements(path, own) for track, path in tracks.groupby("track")}
        best = max(hits, key=lambda track: hits[track]) if hits else None
        if best is not None and hits[best]:
            own = pd.concat([tracks.loc[tracks["track"] == best, own.columns], own])
        out[int(person)] = own.drop_duplicates("frame").sort_values("frame")
    return out


def _agreements(path: pd.DataFrame, own: pd.DataFrame) -> int:
    """Return how many of a person's boxes lie where the track is at that time."""
    from course_utils import faces

    places = [(box, _box_at(path, frame)) for frame, *box in own.to_numpy(int).tolist()]
    return sum(
        there is not None and faces.overlap(tuple(box), tuple(there)) >= faces.AGREEMENT
        for box, there in places
    )


def _box_at(path: pd.DataFrame, frame: int) -> np.ndarray | None:
    """Return the box at a frame, between its neighbors in time; None far from any."""
    at = path["frame"].to_numpy()
    i = int(np.searchsorted(at, frame))
    before, after = max(i - 1, 0), min(i, len(at) - 1)
    gap = np.median(np.diff(at)) * 3 if len(at) > 1 else 1
    if min(abs(frame - at[before]), abs(frame - at[after])) > gap:
        return None
    corners = path[["left", "top", "right", "bottom"]].to_numpy(float)
    return np.array([np.interp(frame, at, c) for c in corners.T]).round().astype(int)


def _score_at(scores: pd.DataFrame, person: int, frame: int) -> float:
    mine = scores[scores["person"] == person]
    nearest = (mine["frame"] - frame).abs().to_numpy().argmin()
    return float(mine["p_fake"].iloc[nearest])


class _Panel:
    """Draws on a clip's frames: what does not move is drawn once."""

    def __init__(
        self, row: dict[str, Any], scores: pd.DataFrame, detector: Detector, facts: dict[str, Any]
    ) -> None:
        self.width, self.height = facts["width"], facts["height"]
        self.scale = max(min(self.width, self.height), 160) / 720
        self.color = _COLORS[row["verdict"]]
        self.word = "p_fake" if row["calibrated"] else "score"
        timed = facts["fps"] == facts["fps"] and len(scores)
        self.length_s = facts["frames"] / facts["fps"] if timed else 0.0
        self.tags: dict[str, np.ndarray] = {}
        # The strip lies below, or above where the faces are rather down there.
        middle = scores[["top", "bottom"]].mean(axis=1).median() if len(scores) else 0
        self.above = bool(middle > 0.65 * self.height)
        self._build(row, scores, detector)

    def _font(self, size: float, bold: bool = False) -> Any:
        import matplotlib
        from PIL import ImageFont

        name = f"fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf"
        path = Path(matplotlib.get_data_path()) / name
        return ImageFont.truetype(str(path), max(8, round(size * self.scale)))

    def _build(self, row: dict[str, Any], scores: pd.DataFrame, detector: Detector) -> None:
        """Draw the strip: the verdict, and beside or below it the scores over time."""
        from PIL import Image, ImageDraw

        s, wide = self.scale, self.width >= self.height
        pad = round(18 * s)
        notes = [note for note in (row["reason"], row["scope"]) if note]
        text_width = round(self.width * 0.40) - 2 * pad if wide else self.width - 2 * pad
        small = self._font(17)
        ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        lines = [line for note in notes for line in _wrapped(note, small, text_width, ruler)]
        title = {
            evaluation.FAKE: "FAKE",
            evaluation.REAL: "REAL",
            evaluation.CANNOT_TELL: "CAN'T TELL",
        }[row["verdict"]]
        number = "" if math.isnan(row["p_fake"]) else f"{self.word} {row['p_fake']:.2f}"
        text_height = round((66 + 23 * len(lines)) * s)
        graph_height = max(round(112 * s), text_height if wide else 0)
        height = (graph_height if wide else text_height + round(16 * s) + graph_height) + 2 * pad
        height = min(height, self.height)
        image = Image.new("RGB", (self.width, height), _GROUND)
        draw = ImageDraw.Draw(image)
        edge = max(2, round(3 * s))
        draw.rectangle(
            (0, height - edge, self.width, height) if self.above else (0, 0, self.width, edge),
            fill=self.color,
        )
        draw.text((pad, pad - round(5 * s)), title, font=self._font(34, True), fill=self.color)
        y = pad + round(41 * s)
        draw.text((pad, y), number or "no score", font=self._font(19, True), fill=_INK)
        y += round(3 * s)
        for line in lines:
            y += round(23 * s)
            draw.text((pad, y), line, font=small, fill=_FAINT)
        left = (round(self.width * 0.40) if wide else pad) + round(66 * s)
        top = pad + round(6 * s) + (0 if wide else text_height + round(16 * s))
        bottom = max(top + 1, height - pad - round(22 * s))
        self.graph = (left, top, self.width - pad - round(8 * s), bottom)
        if len(scores):
            self._graph(draw, scores, detector)
        self.strip = np.asarray(image)

    def _graph(self, draw: Any, scores: pd.DataFrame, detector: Detector) -> None:
        x0, y0, x1, y1 = self.graph
        s, small, band = self.scale, self._font(14), detector.band
        draw.rectangle((x0, self._y(band.high), x1, self._y(band.low)), fill=_mixed(0.16))
        for value, name in ((1.0, "1 fake"), (0.5, "0.5"), (0.0, "0 real")):
            y = self._y(value)
            draw.line((x0, y, x1, y), fill=_mixed(0.2 if value == 0.5 else 0.4), width=1)
            draw.text((x0 - round(8 * s), y), name, font=small, fill=_FAINT, anchor="rm")
        label = f"{self.word} over {self.length_s:.1f} s" if self.length_s else self.word
        if band.high > band.low:
            label += "; gray: can't tell"
        draw.text((x0, y1 + round(6 * s)), label, font=small, fill=_FAINT)
        for person in sorted(set(scores["person"]), reverse=True):
            mine = scores[scores["person"] == person]
            dots = [
                (self._x(t), self._y(p))
                for t, p in zip(mine["time_s"], mine["p_fake"], strict=True)
            ]
            if len(dots) > 1:
                draw.line(dots, fill=_mixed(0.65), width=max(1, round(2 * s)), joint="curve")
            r = max(1.5, 3.5 * s)
            for x, y in dots:
                draw.ellipse(
                    (x - r, y - r, x + r, y + r), fill=_INK if person == 0 else _mixed(0.65)
                )

    def _x(self, time_s: float) -> float:
        x0, _, x1, _ = self.graph
        return x0 + (x1 - x0) * min(max(time_s / self.length_s, 0), 1) if self.length_s else x0

    def _y(self, value: float) -> float:
        _, y0, _, y1 = self.graph
        return y1 - (y1 - y0) * value

    def draw(self, rgb: np.ndarray, time_s: float) -> np.ndarray:
        """Put strip and playhead on a frame."""
        import cv2

        base = 0 if self.above else len(rgb) - len(self.strip)
        part = rgb[base : base + len(self.strip)]
        part[:] = cv2.addWeighted(part, 0.08, self.strip, 0.92, 0)
        if self.length_s:
            x = round(self._x(time_s))
            ends = [(x, base + round(self._y(v))) for v in (1.0, 0.0)]
            cv2.line(rgb, ends[0], ends[1], self.color, max(1, round(2 * self.scale)), cv2.LINE_AA)
        return rgb

    def draw_box(self, rgb: np.ndarray, box: np.ndarray, score: float) -> None:
        """Draw a face's box: whole, with strong corners, and its score above it."""
        import cv2

        left, top, right, bottom = (int(v) for v in box)
        thin, thick = max(1, round(1.5 * self.scale)), max(2, round(4 * self.scale))
        for width, color in ((thin + 2, _GROUND), (thin, self.color)):
            cv2.rectangle(rgb, (left, top), (right, bottom), color, width, cv2.LINE_AA)
        reach = max(4, (right - left) // 6)
        for x, dx in ((left, 1), (right, -1)):
            for y, dy in ((top, 1), (bottom, -1)):
                cv2.line(rgb, (x, y), (x + dx * reach, y), self.color, thick, cv2.LINE_AA)
                cv2.line(rgb, (x, y), (x, y + dy * reach), self.color, thick, cv2.LINE_AA)
        tag = self._tag(f"{self.word} {score:.2f}")
        h, w = tag.shape[:2]
        y = top - h - round(6 * self.scale)
        y = y if y >= 0 else min(top + round(6 * self.scale), len(rgb) - h)
        x = min(max(left, 0), rgb.shape[1] - w)
        if x < 0 or y < 0:
            return  # a frame smaller than the tag
        alpha = tag[..., 3:].astype(np.float32) / 255
        part = rgb[y : y + h, x : x + w]
        part[:] = (part * (1 - alpha) + tag[..., :3] * alpha).astype(np.uint8)

    def _tag(self, text: str) -> np.ndarray:
        from PIL import Image, ImageDraw

        if text not in self.tags:
            font, pad = self._font(18, True), round(7 * self.scale) + 1
            box = font.getbbox(text)
            size = (round(box[2] - box[0]) + 2 * pad, round(box[3] - box[1]) + 2 * pad)
            image = Image.new("RGBA", size, (0, 0, 0, 0))
            draw = ImageDraw.Draw(image)
            draw.rounded_rectangle(
                (0, 0, size[0] - 1, size[1] - 1), radius=pad, fill=(*_GROUND, 225)
            )
            draw.text((pad - box[0], pad - box[1]), text, font=font, fill=(*self.color, 255))
            self.tags[text] = np.asarray(image)
        return self.tags[text]


def _mixed(share: float) -> tuple[int, ...]:
    """Return that much of the ink on the ground."""
    return tuple(round(g + share * (i - g)) for i, g in zip(_INK, _GROUND, strict=True))


def _wrapped(text: str, font: Any, width: float, ruler: Any) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and ruler.textlength(longer, font=font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


# --- the command --------------------------------------------------------------------------------


def command(
    files: Sequence[str],
    model: str | None = None,
    as_json: bool = False,
    annotated: str | None = None,
) -> int:
    """Run `python -m course_utils judge`; 0 when every file could be read, else 1."""
    import sys

    with contextlib.suppress(ImportError):
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # how often it traces a model is nobody's concern here
    found = judge(files, load(model))
    print(to_json(found) if as_json else to_text(found))
    if annotated:
        for path in annotate(found, annotated):
            print(f"wrote {path}", file=sys.stderr)
    return 0 if (found.verdicts["frames_sampled"] > 0).all() else 1
