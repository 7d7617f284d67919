"""Reading folders; groups and splits."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import datasets
from course_utils.settings import ROOT


def make_folder(folder: Path, metadata: object, files: list[str] | None = None) -> Path:
    """A DFDC folder: `metadata` as JSON (or as it stands, a string), and empty clips."""
    folder.mkdir(parents=True, exist_ok=True)
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    (folder / "metadata.json").write_text(text, encoding="utf-8")
    for name in metadata if files is None else files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def like_dfdc(seed: int = 0) -> dict[str, dict]:
    """Metadata built as DFDC's sample is: 400 clips, 77 REAL, 209 originals, 42 of them here."""
    rng = np.random.default_rng(seed)
    names = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 10)) for _ in range(567)]
    originals = [f"{name}.mp4" for name in names[:209]]
    alone, fakes = names[209:244], [f"{name}.mp4" for name in names[244:567]]
    of = originals + originals[:5] * 5 + list(rng.choice(originals[5:60], 89))  # 209 + 25 + 89
    real = originals[:42] + [f"{name}.mp4" for name in alone]
    rows = [(clip, {"label": "REAL", "split": "train", "original": None}) for clip in real]
    rows += [
        (clip, {"label": "FAKE", "split": "train", "original": original})
        for clip, original in zip(fakes, of, strict=True)
    ]
    return dict(rows[i] for i in rng.permutation(len(rows)))


# ------------------------------------------------------------------------------------ reading


def test_a_folder_like_dfdcs_sample(tmp_path):
    clips, skipped = datasets.read(make_folder(tmp_path, like_dfdc()))
    assert list(clips) == datasets.CLIPS
    assert clips.attrs["layout"] == "DFDC folder"
    assert clips["label"].value_counts().to_dict() == {"FAKE": 323, "REAL": 77}
    assert clips["original"].nunique() == 209
    assert clips["original"].dropna().drop_duplicates().isin(clips["clip"]).sum() == 42
    assert clips["group"].nunique() == 244
    assert clips["clip"].is_monotonic_increasing
    assert skipped.empty
    assert list(skipped) == ["clip", "frame", "reason"]


def test_dfdcs_own_sample_metadata(tmp_path):
    path = ROOT.parent / "shared" / "dfdc_train_sample_metadata.json"
    if not path.is_file():
        pytest.skip("DFDC's sample metadata is not here")
    clips, skipped = datasets.read(make_folder(tmp_path, json.loads(path.read_text())))
    assert (len(clips), clips["group"].nunique(), len(skipped)) == (400, 244, 0)
    clips["split"] = datasets.split(clips)
    shares = pd.crosstab(clips["split"], clips["label"], normalize="index")
    assert shares["FAKE"].between(0.78, 0.83).all()


def test_real_footage_folder(footage):
    clips, skipped = datasets.read(footage)
    assert clips["group"].tolist() == [*["004.mp4"] * 2, *["519.mp4"] * 2, "brtujopkby.mp4"]
    assert skipped.empty


def test_parts_of_dfdc_are_joined_under_names_from_the_root(tmp_path):
    for part in (0, 1):
        rows = {
            "same.mp4": {"label": "REAL", "split": "train"},
            "fake.mp4": {"label": "FAKE", "split": "train", "original": "same.mp4"},
        }
        make_folder(tmp_path / f"dfdc_train_part_{part}", rows)
    clips, skipped = datasets.read(tmp_path)
    assert clips.attrs["layout"] == "2 DFDC parts"
    assert clips["clip"].tolist() == [
        *("dfdc_train_part_0/fake.mp4", "dfdc_train_part_0/same.mp4"),
        *("dfdc_train_part_1/fake.mp4", "dfdc_train_part_1/same.mp4"),
    ]
    assert clips["original"][0] == "dfdc_train_part_0/same.mp4"
    assert clips["group"].nunique() == 2
    assert set(datasets.parts(clips)) == {"dfdc_train_part_0", "dfdc_train_part_1"}
    by_part = datasets.split(clips, by=datasets.parts(clips))
    assert by_part.groupby(datasets.parts(clips)).nunique().eq(1).all()
    assert skipped.empty


def test_four_folders_of_real_and_fake(tmp_path):
    for name in ("train/real/a.mp4", "train/fake/b.mp4", "validation/Real/c.png", "val/FAKE/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "stray.mp4").touch()
    clips, skipped = datasets.read(tmp_path)
    assert clips.attrs["layout"] == "folders named real and fake"
    assert clips.set_index("clip")[["label", "split"]].T.to_dict("list") == {
        "train/fake/b.mp4": ["FAKE", "train"],
        "train/real/a.mp4": ["REAL", "train"],
        "val/FAKE/d.jpg": ["FAKE", "validation"],
        "validation/Real/c.png": ["REAL", "validation"],
    }
    assert skipped["clip"].tolist() == ["stray.mp4"]


def test_a_folder_of_unlabeled_files(tmp_path):
    for name in ("my holiday.MOV", "été.mp4", "a..b.mp4", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).touch()
    clips, skipped = datasets.read(tmp_path)
    assert clips.attrs["layout"] == "folder of unlabeled files"
    assert set(clips["clip"]) == {"my holiday.MOV", "été.mp4", "a..b.mp4"}
    assert clips["label"].isna().all()
    assert skipped["clip"].tolist() == ["notes.txt"]


def test_what_metadata_says_beyond_dfdc_is_in_details(tmp_path):
    rows = {
        "a.mp4": {"label": "REAL", "split": "test", "cast": "c1", "skin_tone": 3, "frames": 90},
        "b.mp4": {"label": "FAKE", "original": "a.mp4", "cast": "c1", "strengths": {"blend": 0.4}},
        "c.mp4": {"label": "FAKE", "original": "z.mp4", "cast": "c1"},
    }
    folder = make_folder(tmp_path, rows)
    clips, _ = datasets.read(folder)
    assert list(clips) == datasets.CLIPS
    assert clips["frames"].tolist() == [90, pd.NA, pd.NA]
    assert clips["group"].tolist() == ["a.mp4"] * 3  # one cast
    details = datasets.details(folder)
    assert list(details) == ["clip", "cast", "skin_tone", "strengths"]
    assert details["strengths"][1] == {"blend": 0.4}
    assert len(clips.merge(details, on="clip")) == 3


BAD = """{
  "good.mp4": {"label": "REAL"},
  "../secret.mp4": {"label": "REAL"},
  "/etc/passwd.mp4": {"label": "REAL"},
  "sub/inside.mp4": {"label": "FAKE"},
  "absent.mp4": {"label": "FAKE"},
  "maybe.mp4": {"label": "MAYBE"},
  "lower.mp4": {"label": "fake"},
  "nothing.mp4": null,
  "twice.mp4": {"label": "REAL"},
  "twice.mp4": {"label": "FAKE"},
  "./once.mp4": {"label": "REAL"},
  "once.mp4": {"label": "REAL"}
}"""


def test_bad_metadata_is_skipped_with_reasons(tmp_path):
    folder = tmp_path / "set"
    names = ["good", "sub/inside", "maybe", "lower", "nothing", "twice", "once", "unnamed"]
    make_folder(folder, BAD, [f"{name}.mp4" for name in names])
    (tmp_path / "secret.mp4").touch()
    clips, skipped = datasets.read(folder)
    assert clips["clip"].tolist() == ["good.mp4", "sub/inside.mp4"]
    assert skipped["frame"].isna().all()
    assert dict(zip(skipped["clip"], skipped["reason"], strict=True)) == {
        "../secret.mp4": "its name in metadata.json leads out of the folder",
        "/etc/passwd.mp4": "its name in metadata.json leads out of the folder",
        "absent.mp4": "metadata.json names it, but there is no such video or picture",
        "lower.mp4": "its label in metadata.json is 'fake', neither REAL nor FAKE",
        "maybe.mp4": "its label in metadata.json is 'MAYBE', neither REAL nor FAKE",
        "nothing.mp4": "its entry in metadata.json is None, not an object with a label",
        "once.mp4": "metadata.json has 2 entries for it: keep the right one",
        "twice.mp4": "metadata.json has 2 entries for it: keep the right one",
        "unnamed.mp4": "metadata.json does not name it",
    }


def test_accents_may_be_spelled_in_two_ways(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "été.mp4") for form in ("NFC", "NFD"))
    folder = make_folder(tmp_path, {composed: {"label": "REAL"}}, [decomposed])
    clips, skipped = datasets.read(folder)
    assert (folder / clips["clip"][0]).is_file()
    assert skipped.empty


@pytest.mark.parametrize("text", ["{", "[1, 2]", '"text"', "\xff\xfe"])
def test_metadata_that_is_no_such_thing_stops_with_a_sentence(tmp_path, text):
    make_folder(tmp_path, text, [])
    with pytest.raises(ValueError, match="metadata.json (is not valid JSON|does not map clip)"):
        datasets.read(tmp_path)


def test_a_missing_folder_stops_with_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder .*nowhere"):
        datasets.read(tmp_path / "nowhere")


def test_an_empty_folder_is_an_empty_table(tmp_path):
    clips, skipped = datasets.read(tmp_path)
    assert clips.empty
    assert skipped.empty
    assert list(clips) == datasets.CLIPS


# ------------------------------------------------------------------------------ groups and splits


@st.composite
def clip_tables(draw):
    """Clips with few names for originals, targets and donors, so that they meet in all ways."""
    n = draw(st.integers(1, 20))
    names = st.none() | st.sampled_from([f"v{i}" for i in range(12)])
    table = pd.DataFrame({"clip": [f"v{i}" for i in range(n)]})
    for column in ("original", "target", "donor"):
        table[column] = draw(st.lists(names, min_size=n, max_size=n))
    labels = st.sampled_from(["REAL", "FAKE", None])
    table["label"] = draw(st.lists(labels, min_size=n, max_size=n))
    return table.astype(object)


@settings(max_examples=50)
@given(clip_tables())
def test_groups_are_what_hangs_together_and_nothing_else(table):
    group = datasets.groups(table)
    known: list[set[str]] = []  # families of names, joined clip by clip
    for row in table.itertuples():
        names = {name for name in row[1:5] if isinstance(name, str)}  # clip to donor
        joined = names.union(*(family for family in known if family & names))
        known = [family for family in known if not family & names] + [joined]
    family = table["clip"].map(lambda clip: next(i for i, f in enumerate(known) if clip in f))
    assert table.groupby(family)["clip"].transform("min").equals(group.rename("clip"))


@settings(max_examples=50)
@given(clip_tables(), st.integers(0, 5))
def test_splits_divide_no_group_and_depend_on_seed_alone(table, seed):
    table["group"] = datasets.groups(table)
    split = datasets.split(table, seed)
    assert split.isin(["train", "validation", "test"]).all()
    datasets.check_split(table.assign(split=split))
    shuffled = table.sample(frac=1, random_state=1)
    assert datasets.split(shuffled, seed).sort_index().equals(split)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=30, max_size=80))
def test_splits_are_stratified_when_groups_are_small(sizes):
    rows = [
        {"group": f"g{i}", "label": label}
        for i, counts in enumerate(sizes)
        for label, count in zip(("REAL", "FAKE"), counts, strict=True)
        for _ in range(count)
    ]
    table = pd.DataFrame([*rows, {"group": "one", "label": "REAL"}])
    counts = pd.crosstab(datasets.split(table), table["label"])
    goals = np.outer(list(datasets.SHARES.values()), table["label"].value_counts()[counts.columns])
    counts = counts.reindex(datasets.SHARES, fill_value=0)
    assert (np.abs(counts - goals) <= 4.5).all(axis=None)


def test_another_seed_gives_another_split(tmp_path):
    clips, _ = datasets.read(make_folder(tmp_path, like_dfdc()))
    assert not datasets.split(clips, 0).equals(datasets.split(clips, 1))


def test_a_divided_group_is_noticed():
    table = pd.DataFrame({"group": ["a", "a", "b"], "split": ["train", "test", "test"]})
    with pytest.raises(ValueError, match="1 of 2 groups are divided: 'a' is in test and train"):
        datasets.check_split(table)
    with pytest.raises(ValueError, match="1 of 3 rows have no group or no split"):
        datasets.check_split(table.assign(split=["train", "train", None]))


# ------------------------------------------------------------------------------------------- DFDC


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_KAGGLE", tmp_path / "kaggle")
    monkeypatch.setattr(datasets, "_downloads", lambda: tmp_path / "downloads")
    return tmp_path


@pytest.mark.parametrize("root", ["kaggle", "kaggle/competitions", "downloads"])
def test_dfdc_is_found_where_kaggle_puts_it(nowhere, root):
    assert datasets.find_dfdc() is None
    folder = nowhere / root / "deepfake-detection-challenge" / "train_sample_videos"
    make_folder(folder, {}, [])
    assert datasets.find_dfdc() == folder


def test_the_sample_is_downloaded_clip_by_clip(tmp_path, monkeypatch):
    asked = []

    def download(handle, path):
        asked.append((handle, path))
        target = tmp_path / path
        make_folder(target.parent, {"a.mp4": {"label": "REAL"}, "b.mp4": {"label": "REAL"}}, [])
        return str(target)

    monkeypatch.setattr("kagglehub.competition_download", download)
    assert datasets.download_dfdc_sample() == tmp_path / "train_sample_videos"
    assert [os.path.basename(path) for _, path in asked] == ["metadata.json", "a.mp4", "b.mp4"]
    assert {handle for handle, _ in asked} == {"deepfake-detection-challenge"}


def test_kaggles_refusal_says_what_it_asks_for(monkeypatch):
    def refuse(*_):
        raise PermissionError("403")

    monkeypatch.setattr("kagglehub.competition_download", refuse)
    with pytest.raises(RuntimeError, match=r"PermissionError: 403.*accept the rules.*kaggle.json"):
        datasets.download_dfdc_sample()
