"""The set in the box: complete, small, honest, and without a shortcut from file to label."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from course_utils import datasets, evaluation, settings, training, video
from course_utils.actors import audit, casting
from course_utils.forgery import CUES

FOLDER = settings.MINI_DFDC


@pytest.fixture(scope="module")
def clips() -> pd.DataFrame:
    clips, skipped = datasets.read(FOLDER)
    assert skipped.empty, skipped.to_string()
    return clips.merge(datasets.details(FOLDER), on="clip")


def test_the_clips_are_those_that_the_plan_names_with_what_it_says_of_them(clips):
    plan = casting.plan().set_index("clip").loc[clips["clip"]].reset_index()
    for column in ("label", "split", "method", "target", "donor", "cast", "original"):
        assert clips[column].fillna("").tolist() == plan[column].fillna("").tolist()


def test_it_stays_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 50e6


def test_groups_lie_whole_in_the_fixed_split(clips):
    datasets.check_split(clips)
    assert set(clips["split"]) == {"train", "validation", "test"}


def test_every_clip_plays_for_six_seconds_with_sound_in_one_format(clips):
    facts = pd.DataFrame([video.facts(FOLDER / name) for name in clips["clip"]])
    assert (facts["frames"] / facts["fps"] >= 6).all()
    assert facts["fps"].between(12, 15).all()
    assert facts["audio"].all()
    assert facts[["fps", "width", "height", "frames"]].nunique().eq(1).all()


def test_fakes_match_their_originals_outside_the_mask_but_not_inside(clips):
    fakes = clips[(clips["label"] == "FAKE") & (clips["method"] != "animate")]
    for fake in fakes.sample(8, random_state=0).itertuples():
        masks = video.masks(FOLDER / "masks" / fake.clip.replace(".mp4", ".png"))
        a, b = (list(video.frames(FOLDER / name, 3)) for name in (fake.clip, fake.original))
        for x, y in zip(a, b, strict=True):
            mask = cv2.resize(masks[x.index].astype(np.uint8), x.rgb.shape[1::-1]) > 0
            far = cv2.dilate(mask.astype(np.uint8), np.ones((17, 17), np.uint8)) == 0
            assert 0.02 < mask.mean() < 0.5
            gap = np.abs(x.rgb.astype(float) - y.rgb)
            assert gap[far].mean() < 4, f"{fake.clip} differs from {fake.original} outside the mask"


def test_dials_are_told_for_every_fake(clips):
    cues = [f"cue_{cue}" for cue in CUES]
    assert clips[cues].notna().all(axis=None)
    assert clips.loc[clips["label"] == "FAKE", "strength"].notna().all()


def test_stills_are_lossless_pairs_that_differ_at_eyes_and_teeth_alone():
    names = {path.name.split("_fake")[0] for path in (FOLDER / "stills").glob("*_fake.png")}
    assert names
    for name in names:
        real, fake = (
            cv2.imread(str(FOLDER / "stills" / f"{name}_{k}.png")) for k in ("real", "fake")
        )
        changed = (real != fake).any(2)
        assert real.shape == (512, 512, 3) and 0 < changed.mean() < 0.02


def test_the_card_says_first_what_the_set_is_not():
    card = (FOLDER / "DATA_CARD.md").read_text()
    head = "\n".join(card.splitlines()[:12])
    assert "no neural generator made these clips" in head.lower()
    assert "says nothing about the deepfakes you meet" in re.sub(r"\s+", " ", head)


def test_the_card_says_how_difficult_the_set_is(clips):
    scores = training.recorded("meso4-cv").scores
    judged = [evaluation.verdicts(t, how="mean probability") for _, t in scores.groupby("seed")]
    assert len(judged) == 10 and all(len(table) == len(clips) for table in judged)
    fakes = clips[clips["label"] == "FAKE"].set_index("clip")
    third = pd.qcut(fakes["strength"].astype(float), 3, labels=False)

    def auc(names: pd.Index) -> list[float]:
        """Of each seed, from all REAL clips and these fakes."""
        chosen = [t[(t["label"] == "REAL") | t["clip"].isin(names)] for t in judged]
        return [evaluation.auc(t["label"], t["p_fake"]) for t in chosen]

    whole = auc(fakes.index)
    assert 0.80 <= np.median(whole) <= 0.95
    thirds = [np.median(auc(third.index[third == k])) for k in range(3)]
    assert thirds[0] < 0.80  # nobody has solved the weak ones
    numbers = [f"{value:.2f}" for value in (np.median(whole), min(whole), max(whole), *thirds)]
    numbers += [
        f"`{method}` {np.median(auc(part.index)):.2f} ({len(part)}"
        for method, part in fakes.groupby("method")
    ]
    card = (FOLDER / "DATA_CARD.md").read_text()
    told = card[
        card.index("**How difficult is it?**") : card.index("The same network on the fixed")
    ]
    assert not [number for number in numbers if number.replace("0.", ".") not in told]


def test_metadata_begins_with_dfdc_s_fields():
    entries = json.loads((FOLDER / "metadata.json").read_text())
    for entry in entries.values():
        assert list(entry)[:3] == ["label", "split", "original"]


def test_it_is_as_large_as_the_course_says(clips):
    assert clips["target"].nunique() >= 60
    assert (clips["label"] == "REAL").sum() >= 60 and (clips["label"] == "FAKE").sum() >= 120
    assert clips["group"].nunique() >= 30
    real = clips[clips["label"] == "REAL"]
    assert real["skin_tone"].value_counts().reindex(range(1, 11)).tolist() == [6] * 10
    assert len(list((FOLDER / "near_lossless").glob("*.mp4"))) == 10
    assert len(list((FOLDER / "stills").glob("*_fake.png"))) == 6
    masks = {path.stem for path in (FOLDER / "masks").glob("*.png")}
    assert masks == {Path(name).stem for name in clips.loc[clips["label"] == "FAKE", "clip"]}


@pytest.mark.slow
def test_nothing_but_the_forged_pixels_tells_real_from_fake():
    tables = audit.audit(FOLDER)
    faces = tables["faces"]["found"]
    assert faces.min() >= 0.98 and faces.max() - faces.min() <= 0.02, tables["faces"].to_string()
    for row in tables["shortcuts"].itertuples():
        assert row.low <= 0.5 <= row.high or row.high <= 0.65, tables["shortcuts"].to_string()
    assert (tables["outside"]["p"] > 0.01).all(), tables["outside"].to_string()
