"""Films the cast and forges the fakes: ``data/mini_dfdc``, in DFDC's layout, from one seed.

    python -m course_utils.actors build data/mini_dfdc

One cast of two actors is filmed at a time, in memory: each actor's take, then the fakes made from
it frame by frame, then grain and codec, the same for all. A finished cast leaves a record in
``OUT/.build``; a build that was stopped goes on behind the last one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import joblib
import numpy as np
import pandas as pd

from course_utils import faces, video
from course_utils.forgery import CUES, face_mask, refuse_on_colab, turn_dials

from . import casting, fakes
from .identity import Actor, make_actor
from .motion import make_manner, perform
from .render import render
from .scene import Scene, film, make_scene
from .speech import Voice, make_voice, speak

SECONDS, FPS, SIDE = 6.0, 12, 320
RATE = 16000  # samples of sound a second
NEAR_LOSSLESS, NEAR_LOSSLESS_CRF = 10, 14
STILLS, STILL_SIDE = 6, 512
PROBE_SECONDS = 3.0  # of a probe for a cue that shows in single pictures


class Take(NamedTuple):
    """One actor filmed once: what a forger sees (``footage``) and what only the set knows."""

    actor: Actor
    scene: Scene
    performance: pd.DataFrame
    mouth: pd.DataFrame
    sound: np.ndarray
    footage: fakes.Footage


def draw(actor: Actor, scene: Scene, row: pd.Series, seed: int, side: int = SIDE) -> np.ndarray:
    """One frame as the camera records it, (side, side, 3) uint8; ``seed`` fixes its noise."""
    rng = np.random.default_rng([seed, round(1000 * row["time_s"])])
    return film(render(actor, row, scene, (side, side)).rgb, scene, rng)


def stage(who: Any, seconds: float = SECONDS, **changes: Any) -> tuple:
    """All that is filmed of a row of :func:`casting.cast`: the first five fields of a `Take`.

    ``changes`` replace traits of the actor.
    """
    actor = replace(make_actor(who.seed, who.skin_tone, who.female), **changes)
    sound, mouth = speak(who.seed, seconds, RATE, _voice(actor))
    performance = perform(who.seed, seconds, FPS, mouth, make_manner(who.seed))
    return actor, make_scene(who.seed), performance, mouth, sound


def _voice(actor: Actor) -> Voice:
    return make_voice(actor.seed, "female" if actor.female else "male")


def take(who: Any, seconds: float = SECONDS, **changes: Any) -> Take:
    """Film what :func:`stage` gives, whole."""
    actor, scene, performance, mouth, sound = stage(who, seconds, **changes)
    frames = [draw(actor, scene, row, who.seed) for _, row in performance.iterrows()]
    return Take(actor, scene, performance, mouth, sound, fakes.footage(np.stack(frames), FPS))


def forge(clip, target: Take, donor: Take) -> tuple[fakes.Fake, np.ndarray]:
    """The fake that a row of :func:`casting.plan` describes, and the sound that plays with it."""
    dials = {cue: float(getattr(clip, f"cue_{cue}")) for cue in CUES}

    def redraw(row: pd.Series) -> np.ndarray:
        return draw(target.actor, target.scene, row, clip.seed)

    if clip.method == "swap":
        return fakes.swap(target.footage, donor.footage, dials, clip.seed), target.sound
    if clip.method == "graphics":
        return fakes.graphics(target.footage, donor.footage, dials, clip.seed), target.sound
    if clip.method == "reenact":
        fake = fakes.reenact(
            target.footage, target.performance, donor.performance, redraw, dials, clip.seed
        )
        return fake, donor.sound
    if clip.method == "lipsync":
        sound, mouth = speak(clip.seed, SECONDS, RATE, _voice(target.actor))
        fake = fakes.lipsync(target.footage, target.performance, mouth, redraw, dials, clip.seed)
        return fake, sound
    if clip.method == "animate":
        still = int(np.random.default_rng(clip.seed).integers(len(target.footage.frames)))
        picture, points = target.footage.frames[still], target.footage.points[still]
        return fakes.animate(picture, points, donor.footage, dials, clip.seed), donor.sound
    raise ValueError(f"No method is called {clip.method}; there are {', '.join(fakes.METHODS)}.")


def grain(frames: np.ndarray, amount: float, seed: int) -> Iterator[np.ndarray]:
    """Frames with the last noise before the codec: Gaussian, ``amount`` gray levels."""
    rng = np.random.default_rng([seed, 5])
    for rgb in frames:
        noise = rng.normal(0, amount, rgb.shape[:2])[..., None]
        yield np.clip(np.round(rgb + noise), 0, 255).astype(np.uint8)


def upload(path: Path, qp: int) -> None:
    """Code a clip once more, as a platform does with what a camera has coded."""
    frames = [frame.rgb for frame in video.frames(path, every=1)]
    video.write(path, frames, FPS, video.sound(path), qp=qp)


def build(
    out: str | Path, seed: int = casting.SEED, jobs: int = 2, casts: int | None = None
) -> pd.DataFrame:
    """Make the set in ``out``; returns its plan. Finished casts of an earlier run are kept.

    ``casts`` makes a smaller set of so many casts, in which all three splits are present.
    Raises RuntimeError on Colab. Needs OpenCV 5 (``cv2.triangleRasterize``).
    """
    refuse_on_colab()
    out = Path(out)
    plan, actors = casting.plan(seed), casting.cast(seed)
    extras = _extras(plan)
    chosen = _spread(actors)[:casts]
    plan = plan[plan["cast"].isin(chosen)]
    for folder in (".build", "masks", "near_lossless", "stills"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    wanted = [cast for cast in chosen if not _record(out, cast).exists()]
    print(f"{len(wanted)} of {len(chosen)} casts to film", flush=True)
    tasks = (joblib.delayed(_film_cast)(out, cast, actors, plan, extras) for cast in wanted)
    done = joblib.Parallel(jobs, return_as="generator_unordered")(tasks)
    for number, (cast, seconds) in enumerate(done, 1):
        print(f"{cast}: {seconds:.0f} s ({number} of {len(wanted)})", flush=True)
    _write_metadata(out, plan)
    shutil.rmtree(out / ".build")
    return plan


def _spread(actors: pd.DataFrame) -> list[str]:
    """Casts in an order in which every beginning has its share of each split."""
    casts = actors.drop_duplicates("cast")
    place = casts.groupby("split").cumcount().add(0.5) / casts["split"].map(casting.SPLITS)
    return list(casts.assign(place=place).sort_values("place")["cast"])


def _extras(plan: pd.DataFrame) -> dict[str, list[str]]:
    """Which test clips also come near-lossless (originals with a fake of theirs), and as stills."""
    test = plan[(plan["split"] == "test") & ~plan["quiz"]]
    fakes_ = test[(test["label"] == "FAKE") & test["original"].isin(test["clip"])]
    fakes_ = fakes_[fakes_["method"] != "animate"].sort_values("strength", ascending=False)
    fakes_ = fakes_.drop_duplicates("original").head(NEAR_LOSSLESS // 2)
    stills = test.drop_duplicates("target")["target"].head(STILLS)
    return {"near_lossless": [*fakes_["clip"], *fakes_["original"]], "stills": list(stills)}


def _record(out: Path, cast: str) -> Path:
    return out / ".build" / f"{cast}.json"


def _film_cast(
    out: Path, cast: str, actors: pd.DataFrame, plan: pd.DataFrame, extras: dict[str, list[str]]
) -> tuple[str, float]:
    """Film, forge, code and record one cast; the record is written last."""
    cv2.setNumThreads(1)
    start = time.perf_counter()
    pair = actors[actors["cast"] == cast]
    takes = {who.actor: take(who) for who in pair.itertuples()}
    record = {}
    for clip in plan[plan["cast"] == cast].itertuples():
        target = takes[clip.target]
        frames, sound = target.footage.frames, target.sound
        if clip.label == "FAKE":
            fake, sound = forge(clip, target, takes[clip.donor])
            frames = fake.frames
            write_masks(out / "masks" / f"{Path(clip.clip).stem}.png", fake.masks)
        coded = np.stack(list(grain(frames, clip.grain, clip.seed)))
        video.write(out / clip.clip, coded, FPS, (sound, RATE), int(clip.crf))
        upload(out / clip.clip, int(clip.qp))
        if clip.clip in extras["near_lossless"]:
            path = out / "near_lossless" / clip.clip
            video.write(path, coded, FPS, (sound, RATE), NEAR_LOSSLESS_CRF)
        record[clip.clip] = {
            "light": target.scene.room,
            "frames_sha256": hashlib.sha256(coded.tobytes()).hexdigest(),
        }
    for name in set(pair["actor"]) & set(extras["stills"]):
        _write_stills(out / "stills", name, takes[name])
    partial = _record(out, cast).with_suffix(".partial")
    partial.write_text(json.dumps(record))
    partial.replace(_record(out, cast))
    return cast, time.perf_counter() - start


def write_masks(path: Path, masks: np.ndarray) -> None:
    """Masks (n, h, w) as a strip of bits, a quarter as wide, which :func:`video.masks` reads."""
    n, h, w = masks.shape
    small = masks.reshape(n, h // 4, 4, w // 4, 4).any((2, 4))
    strip = small.reshape(-1, small.shape[2]).astype(np.uint8) * 255
    ok, png = cv2.imencode(".png", strip, [cv2.IMWRITE_PNG_BILEVEL, 1])
    if not ok:
        raise OSError(f"{path} cannot be coded as PNG.")
    path.write_bytes(png.tobytes())


def _still(shot: Take) -> tuple[np.ndarray, np.ndarray]:
    """A lossless picture of an actor who faces the camera and smiles, and its landmarks."""
    calm = shot.performance[["yaw", "pitch", "blink", "gaze_x"]]
    row = shot.performance.loc[(calm / (10, 10, 0.2, 0.5)).pow(2).sum(axis=1).idxmin()].copy()
    row["blink"], row["jaw"], row["smile"] = 0.0, 0.25, 0.7
    camera = replace(shot.scene.camera, field=0.7 * shot.scene.camera.field)
    rgb = draw(shot.actor, replace(shot.scene, camera=camera), row, shot.actor.seed, STILL_SIDE)
    found = faces.detect(rgb)
    if not found:
        raise RuntimeError(f"No face is found in the still of seed {shot.actor.seed}: change it.")
    return rgb, faces.landmarks(rgb, found[0].box).points


def _write_stills(folder: Path, name: str, shot: Take) -> None:
    """A still of an actor, and the same with the highlights and teeth of a fake."""
    rgb, points = _still(shot)
    mask = np.ones(rgb.shape[:2], np.float32)
    forged = turn_dials(rgb, points, mask, {"iris": 0.9, "teeth": 0.9}, shot.actor.seed)
    for label, picture in (("real", rgb), ("fake", forged)):
        cv2.imwrite(str(folder / f"{name}_{label}.png"), picture[..., ::-1])


def _write_metadata(out: Path, plan: pd.DataFrame) -> None:
    """``metadata.json``: DFDC's three fields first, then what only this set knows."""
    facts: dict[str, dict] = {}
    for cast in plan["cast"].unique():
        facts |= json.loads(_record(out, cast).read_text())
    entries = {}
    for clip in plan.to_dict("records"):
        fake = clip["label"] == "FAKE"
        entries[clip["clip"]] = {
            "label": clip["label"],
            "split": clip["split"],
            "original": clip["original"] if fake else None,
            "method": clip["method"] if fake else None,
            "target": clip["target"],
            "donor": clip["donor"] if fake else None,
            "cast": clip["cast"],
            "skin_tone": int(clip["skin_tone"]),
            "light": facts[clip["clip"]]["light"],
            "strength": clip["strength"] if fake else None,
            **{f"cue_{cue}": clip[f"cue_{cue}"] for cue in CUES},
            "quiz": bool(clip["quiz"]),
            "frames_sha256": facts[clip["clip"]]["frames_sha256"],
        }
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    (out / "metadata.json").write_text("{\n" + text + "\n}\n")


# Single-cue probes ------------------------------------------------------------------------------


def probes(out: str | Path, cues: Sequence[str] = CUES, jobs: int = 2) -> pd.DataFrame:
    """Pairs of clips alike in everything but one cue, at 0 and at 1: two targets of 22 casts a cue.

    Writes ``OUT/CUE/ACTOR_0.mp4`` and ``…_1.mp4`` (for ``iris`` 512 px PNG stills) and returns the
    table ``cue, actor, cast, dial, path``, which it also writes to ``OUT/probes.csv``. Started
    again, it films only what is missing. An actor whose face the detector loses under a cue is
    named and left out of that cue: there are four more of them than the 40 that are needed.
    """
    refuse_on_colab()
    out = Path(out)
    actors = casting.cast(casting.SEED + 1).head(44)  # nobody of the set itself
    tasks = (
        joblib.delayed(_probe_actor)(out, who, tuple(cues)) for who in actors.to_dict("records")
    )
    parts = []
    for part in joblib.Parallel(jobs, return_as="generator")(tasks):
        parts.append(part)
        print(f"{part['actor'].iloc[0]}: {len(part)} probes", flush=True)
    table = pd.concat(parts, ignore_index=True)
    table.to_csv(out / "probes.csv", index=False)
    return table


def _probe_actor(out: Path, who: dict[str, Any], cues: tuple[str, ...]) -> pd.DataFrame:
    """The probes of an actor; a finished cue leaves a table in ``OUT/.done``, perhaps empty."""
    cv2.setNumThreads(1)
    row = next(pd.DataFrame([who]).itertuples())
    parts, plain = [], None
    for cue in cues:
        record = out / ".done" / f"{row.actor}-{cue}.csv"
        if not record.exists():
            try:
                if cue == "glasses":
                    shot = take(row, PROBE_SECONDS, glasses="square", hair="short")
                else:
                    shot = plain = plain or take(row)
                table = _probe_pair(out, shot, row, cue)
            except ValueError as error:
                print(f"{row.actor}, {cue}: {error}", flush=True)
                table = pd.DataFrame(columns=["cue", "actor", "cast", "dial", "path"])
            record.parent.mkdir(exist_ok=True)
            partial = record.with_suffix(".partial")
            table.to_csv(partial, index=False)
            partial.replace(record)
        parts.append(pd.read_csv(record))
    return pd.concat([part for part in parts if len(part)])


def _probe_pair(out: Path, shot: Take, who: Any, cue: str) -> pd.DataFrame:
    rows = []
    for dial in (0, 1):
        path = out / cue / f"{who.actor}_{dial}{'.png' if cue == 'iris' else '.mp4'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        _probe(path, shot, cue, dial)
        place = path.relative_to(out).as_posix()
        rows.append({"cue": cue, "actor": who.actor, "cast": who.cast, "dial": dial, "path": place})
    return pd.DataFrame(rows)


def _probe(path: Path, shot: Take, cue: str, dial: int) -> None:
    """One probe: the mouth redrawn from its track for lip_sync, else the dial on REAL frames."""
    seed, footage = shot.actor.seed, shot.footage
    if cue == "iris":
        rgb, points = _still(shot)
        mask = np.ones(rgb.shape[:2], np.float32)
        forged = turn_dials(rgb, points, mask, {cue: dial}, seed)
        cv2.imwrite(str(path), forged[..., ::-1])
        return
    if cue == "lip_sync":

        def redraw(row: pd.Series) -> np.ndarray:
            place = round(row["time_s"] * FPS)
            if np.allclose(row, shot.performance.iloc[place]):  # nothing has moved
                return footage.frames[place]
            return draw(shot.actor, shot.scene, row, seed)

        frames = fakes.lipsync(
            footage, shot.performance, shot.mouth, redraw, {cue: dial}, seed
        ).frames
    else:
        shown = slice(round(PROBE_SECONDS * FPS))
        pictures, points = footage.frames[shown], footage.points[shown]
        frames = np.stack(
            [
                turn_dials(rgb, at, face_mask(at, rgb.shape, 0.3), {cue: dial}, seed, i)
                for i, (rgb, at) in enumerate(zip(pictures, points, strict=True))
            ]
        )
    sound = shot.sound[: round(len(frames) / FPS * RATE)]
    video.write(path, grain(frames, 0.8, seed), FPS, (sound, RATE))
