"""Answers survive whatever happens to their file, and the numbers made of them are right."""

from __future__ import annotations

import json
import math

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import datasets, quiz, settings
from course_utils.quiz import ANSWERS, CUES, SAVED


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    """A set whose metadata marks four quiz clips, two of them fake; no picture is needed."""
    folder = tmp_path_factory.mktemp("set")
    entries = {}
    for k in range(6):
        fake = k % 2 == 1
        dials = {f"cue_{cue}": 0.0 for cue in CUES}
        if fake:
            dials |= {"cue_teeth": 0.8, "cue_light": 0.2}
        entries[f"clip{k}.mp4"] = {
            "label": "FAKE" if fake else "REAL", "split": "test", "original": None,
            "method": "swap" if fake else None, "target": f"actor{k}", **dials, "quiz": k < 4,
        }  # fmt: skip
        (folder / f"clip{k}.mp4").write_bytes(b"")
    (folder / "metadata.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
def file(tmp_path):
    return tmp_path / "deep" / "ada.csv"


def table(says: list[str], labels: list[str], p_fake=None, person="ada") -> pd.DataFrame:
    p_fake = p_fake or [0.8 if s == "FAKE" else 0.2 for s in says]
    clips = [f"clip{k}" for k in range(len(says))]
    return pd.DataFrame(
        {"person": person, "clip": clips, "says": says, "label": labels, "p_fake": p_fake}
    )


def test_the_quiz_is_of_test_clips_one_an_actor_half_of_them_real():
    clips = quiz.clips()
    assert (clips["split"] == "test").all() and clips["target"].is_unique
    everyone = datasets.read(settings.MINI_DFDC)[0]
    assert set(clips["target"]) == set(everyone.loc[everyone["split"] == "test", "target"])
    assert abs((clips["label"] == "FAKE").mean() - 0.5) <= 0.5 / len(clips)
    assert clips["clip"].tolist() == quiz.clips()["clip"].tolist() != sorted(clips["clip"])


def test_a_set_without_quiz_clips_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "metadata.json").write_text('{"a.mp4": {"label": "REAL"}}')
    with pytest.raises(ValueError, match="No clip of .* is marked `quiz`"):
        quiz.clips(tmp_path)


def test_answers_come_back_with_the_truth_beside_them(file, small_set):
    quiz.save(file, "clip1.mp4", "FAKE", 0.9, 12.34, ["teeth", "light"])
    quiz.save(file, "clip0.mp4", "FAKE", 0.5, 3, [])
    given = quiz.answers(file, folder=small_set)
    assert list(given) == ANSWERS
    assert given["label"].tolist() == ["FAKE", "REAL"]
    assert given["p_fake"].tolist() == [0.9, 0.5]
    assert given.loc[0, ["person", "seconds", "cues", "method"]].tolist() == [
        "ada", 12.3, "teeth light", "swap"
    ]  # fmt: skip


def test_the_file_says_nothing_of_the_truth(file):
    quiz.save(file, "clip1.mp4", "REAL", 0.9, 1, ["teeth"])
    assert file.read_text().splitlines() == [",".join(SAVED), "clip1.mp4,REAL,0.10,1.0,teeth"]


@pytest.mark.parametrize(("says", "sure"), [("fake", 0.9), ("FAKE", 0.4), ("FAKE", 1.2), (None, 1)])
def test_an_answer_that_is_none_is_not_saved(file, says, sure):
    with pytest.raises(ValueError, match=r"REAL or FAKE with \.5 to 1"):
        quiz.save(file, "clip1.mp4", says, sure, 1, [])
    assert not file.exists()


def test_no_file_is_no_answer(file, small_set):
    assert quiz.saved(file).empty
    assert quiz.answers(file, folder=small_set).columns.tolist() == ANSWERS
    assert "nobody" in quiz.accuracy(quiz.answers(file, folder=small_set)).reason


def test_stopped_in_the_middle_of_a_line_the_rest_is_kept_and_goes_on(file):
    for clip in ("clip0.mp4", "clip1.mp4"):
        quiz.save(file, clip, "REAL", 0.7, 1, ["teeth"])
    whole = file.read_text()
    file.write_text(whole[:-9])  # the machine went down while the line was written
    assert quiz.saved(file)["clip"].tolist() == ["clip0.mp4"]
    quiz.save(file, "clip1.mp4", "REAL", 0.7, 1, ["teeth"])
    assert file.read_text() == whole


def test_a_file_that_a_spreadsheet_has_saved_goes_on(file):
    for clip in ("clip0.mp4", "clip1.mp4"):
        quiz.save(file, clip, "REAL", 0.7, 1, ["teeth"])
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    quiz.save(file, "clip2.mp4", "FAKE", 0.9, 2, [])
    assert quiz.saved(file)["clip"].tolist() == ["clip0.mp4", "clip1.mp4", "clip2.mp4"]


@hypothesis.settings(max_examples=20)
@given(cut=st.integers(0, 120))
def test_wherever_a_file_is_cut_whole_lines_count(tmp_path_factory, cut):
    file = tmp_path_factory.mktemp("cut") / "ada.csv"
    for k in range(3):
        quiz.save(file, f"clip{k}.mp4", "REAL", 0.7, 1, [])
    whole = file.read_bytes()
    file.write_bytes(whole[: max(0, len(whole) - cut)])
    lines = max(file.read_bytes().count(b"\n") - 1, 0)
    assert quiz.saved(file)["clip"].tolist() == [f"clip{k}.mp4" for k in range(lines)]
    quiz.save(file, "last.mp4", "REAL", 0.7, 1, [])
    assert len(quiz.saved(file)) == lines + 1


def test_the_later_of_two_answers_counts(file):
    quiz.save(file, "clip0.mp4", "REAL", 0.7, 1, [])
    quiz.save(file, "clip0.mp4", "FAKE", 0.7, 1, [])
    assert quiz.saved(file)["says"].tolist() == ["FAKE"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,age\nada,36\n", "does not hold answers"),
        (",".join(SAVED) + "\nclip0.mp4,MAYBE,0.5,1,\nclip1.mp4,REAL,0.1,1,\n", "Line 2 of"),
        (",".join(SAVED) + "\nclip0.mp4,REAL,1.5,1,\n", "Line 2 of"),
    ],
)
def test_a_file_that_holds_something_else_is_named(file, text, said):
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        quiz.saved(file)


def test_a_room_is_pooled_from_files_and_folders(tmp_path, small_set):
    for person in ("ada", "ben"):
        quiz.save(tmp_path / "room" / f"{person}.csv", "clip1.mp4", "FAKE", 0.9, 1, [])
    quiz.save(tmp_path / "late.csv", "clip0.mp4", "FAKE", 0.6, 1, [])
    room = quiz.answers(tmp_path / "room", tmp_path / "late.csv", folder=small_set)
    assert room["person"].tolist() == ["ada", "ben", "late"]
    quiz.save(tmp_path / "ada.csv", "clip0.mp4", "FAKE", 0.6, 1, [])
    with pytest.raises(ValueError, match="Two files are called ada.csv"):
        quiz.answers(tmp_path / "room", tmp_path / "ada.csv", folder=small_set)


def test_answers_of_another_edition_are_named(file, small_set):
    quiz.save(file, "clip5.mp4", "FAKE", 0.9, 1, [])
    with pytest.raises(ValueError, match=r"ada.csv answers clip5.mp4, which is not in the quiz"):
        quiz.answers(file, folder=small_set)


# Numbers ------------------------------------------------------------------------------------------


def test_d_prime_by_hand():
    labels = ["FAKE"] * 10 + ["REAL"] * 10
    says = ["FAKE"] * 8 + ["REAL"] * 2 + ["FAKE"] * 3 + ["REAL"] * 7
    told = quiz.sensitivity(labels, says)
    assert told[:2] == (0.8, 0.3)
    # z(8.5 / 11) = .748, z(3.5 / 11) = -.473
    assert told.d_prime == pytest.approx(1.221, abs=2e-3)
    assert told.bias == pytest.approx(-0.138, abs=2e-3)


def test_d_prime_stays_finite_and_asks_for_both_classes():
    perfect = quiz.sensitivity(["REAL", "FAKE"] * 5, ["REAL", "FAKE"] * 5)
    assert 1.9 < perfect.d_prime < 4 and perfect.bias == pytest.approx(0)
    assert math.isnan(quiz.sensitivity(["FAKE"] * 5, ["FAKE"] * 5).d_prime)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_sensitivity_and_bias_turn_round_with_the_answers(pairs):
    names = np.array(["REAL", "FAKE"])
    labels, says = (names[[int(p[k]) for p in pairs]] for k in (0, 1))
    told = quiz.sensitivity(labels, says)
    other = quiz.sensitivity(labels, np.where(says == "REAL", "FAKE", "REAL"))
    if not math.isnan(told.d_prime):
        assert other.d_prime == pytest.approx(-told.d_prime)
        assert other.bias == pytest.approx(-told.bias)
        swapped = quiz.sensitivity(says, labels)  # hits and misses change places, not the sign
        assert math.isnan(swapped.d_prime) or swapped.d_prime * told.d_prime >= -1e-9


def test_accuracy_of_one_person_is_wilsons():
    found = quiz.accuracy(table(["FAKE"] * 20, ["FAKE"] * 14 + ["REAL"] * 6))
    assert found.value == 0.7 and found.groups == 20
    assert found.low == pytest.approx(0.46, abs=0.03) and found.high == pytest.approx(
        0.87, abs=0.03
    )
    all_right = quiz.accuracy(table(["FAKE"] * 20, ["FAKE"] * 20))
    assert all_right.value == all_right.high == 1 and 0.75 < all_right.low < 0.9


def test_a_room_of_copies_knows_no_more_than_one():
    one = table(["FAKE"] * 20, ["FAKE"] * 14 + ["REAL"] * 6)
    room = pd.concat([one.assign(person=str(k)) for k in range(10)])
    alone, together = quiz.accuracy(one), quiz.accuracy(room)
    assert together.low == pytest.approx(alone.low, abs=0.01)
    assert together.high == pytest.approx(alone.high, abs=0.01)


def test_intervals_keep_their_promise_for_rooms():
    """Clips differ in how hard they are, people in how well they see: 95% holds for new ones."""
    rng, inside = np.random.default_rng(0), 0
    logits = rng.normal(0.8, 1.0, 4000), rng.normal(0, 0.5, 4000)
    truth = (1 / (1 + np.exp(-(logits[0][:, None] + logits[1][None])))).mean()
    for _ in range(200):
        clips, people = rng.choice(logits[0], 20), rng.choice(logits[1], 8)
        right = rng.random((8, 20)) < 1 / (1 + np.exp(-(clips[None] + people[:, None])))
        room = table(["FAKE"] * 160, np.where(right.ravel(), "FAKE", "REAL").tolist())
        room["clip"], room["person"] = list(range(20)) * 8, np.repeat(range(8), 20)
        found = quiz.accuracy(room)
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / 200 <= 0.99


def test_people_are_counted_apart():
    both = pd.concat(
        [table(["FAKE", "REAL"], ["FAKE", "REAL"]),
         table(["FAKE", "FAKE"], ["FAKE", "REAL"], person="ben")]
    )  # fmt: skip
    rows = quiz.people(both)
    assert rows["accuracy"].tolist() == [1, 0.5]
    assert rows.loc["ben", "bias"] < 0 < rows.loc["ada", "d_prime"]


def test_confidence_counts_each_level():
    says = ["FAKE", "REAL", "FAKE", "FAKE"]
    rows = quiz.confidence(table(says, ["FAKE", "REAL", "REAL", "FAKE"], [0.9, 0.1, 0.9, 0.5]))
    assert rows.index.tolist() == [0.5, 0.9]
    assert rows["answers"].tolist() == [1, 3]
    assert rows["right"].tolist() == [1, pytest.approx(2 / 3)]
    assert ((rows["low"] <= rows["right"]) & (rows["right"] <= rows["high"])).all()


def test_cues_shown_seen_and_imagined(file, small_set):
    quiz.save(file, "clip1.mp4", "FAKE", 0.9, 1, ["teeth", "light", "iris"])
    quiz.save(file, "clip3.mp4", "FAKE", 0.9, 1, [])
    quiz.save(file, "clip0.mp4", "FAKE", 0.9, 1, ["teeth"])
    seen = quiz.cues_seen(quiz.answers(file, folder=small_set), small_set)
    assert seen.loc["teeth"].tolist() == [2, 1, 1]
    assert seen.loc["light"].tolist() == [0, 0, 0], "at .2 it is neither shown nor absent"
    assert seen.loc["iris"].tolist() == [0, 0, 1]
