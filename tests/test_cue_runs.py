"""Recorded tables of lesson 02: right on values made up for it, resumed, and with their command."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from course_utils import cue_runs, cues, settings, video


def made_up(shift: dict[str, float], pairs: int = 40) -> pd.DataFrame:
    """Values of two measures on pairs of probes: the dial `a` moves each by its shift."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(pairs):
        for dial in (0, 1):
            for cue, by in shift.items():
                row = {"dial_cue": "a", "actor": f"actor{k}", "cast": f"cast{k // 2}"}
                value = rng.normal() + by * dial
                rows.append({**row, "dial": dial, "cue": cue, "value": value, "reason": ""})
    return pd.DataFrame(rows)


def test_crosstalk_tells_what_moves_from_what_does_not():
    table = cue_runs.crosstalk(made_up({"a": 2.0, "b": 0.0})).set_index("measure")
    assert table.loc["a", "auc"] == pytest.approx(0.92, abs=0.05) and table.loc["a", "low"] > 0.8
    assert table.loc["b", "low"] < 0.5 < table.loc["b", "high"]
    assert (table["pairs"] == 40).all()


def test_crosstalk_counts_pairs_that_could_be_measured_and_says_why_not():
    values = made_up({"a": 2.0, "b": 0.0})
    lost = (values["cue"] == "b") & (values["dial"] == 1)
    values.loc[lost, ["value", "reason"]] = np.nan, "too small"
    values.loc[(values["cue"] == "a") & (values["actor"] == "actor3"), "value"] = np.nan
    table = cue_runs.crosstalk(values).set_index("measure")
    assert table.loc["a", "pairs"] == 39
    assert table.loc["b", "reason"] == "too small" and np.isnan(table.loc["b", "auc"])


def test_a_measure_that_parts_all_pairs_has_its_auc_as_both_ends():
    table = cue_runs.crosstalk(made_up({"a": 50.0}))
    assert table[["auc", "low", "high"]].to_numpy().tolist() == [[1, 1, 1]]


def test_false_alarms_by_hand():
    clips = [f"c{k}" for k in range(20)]
    usual = pd.DataFrame({"clip": clips, "condition": "as it is", "value": np.arange(20.0)})
    dark = usual.assign(condition="dark", value=usual["value"] + 10)
    few = usual[:5].assign(condition="few")
    table = pd.concat([usual, dark, few]).assign(label="REAL", cue="a")
    table = pd.concat([table, usual.assign(label="FAKE", cue="a", value=1e9)])
    found = cue_runs.false_alarms(table, share=0.1).loc["a"]
    assert found["as it is"] == 0.1 and found["dark"] == 0.6  # 12 of 20 lie above 17.1
    assert np.isnan(found["few"])


def test_methods_are_compared_with_all_real_clips():
    rng = np.random.default_rng(0)
    rows = [
        {"clip": f"{method}{k}", "label": "FAKE" if method else "REAL", "method": method or None,
         "cast": f"cast{k}", "cue": "a", "value": rng.normal() + (method == "swap") * 3}
        for method in ("", "swap", "lipsync") for k in range(12)
    ]  # fmt: skip
    table = cue_runs.compare_methods(pd.DataFrame(rows)).set_index("method")
    assert table.loc["swap", "low"] > 0.5 and table.loc["lipsync", "low"] < 0.5
    assert (table["fakes"] == 12).all()


def test_a_file_is_measured_once_and_after_coding_again(film, tmp_path, monkeypatch):
    monkeypatch.setattr(cue_runs, "KEPT", tmp_path / "kept")
    path = film(tmp_path / "a.mp4", frames=6)
    first = cue_runs.measures([path])
    assert list(first["cue"]) == list(cues.MEASURES) and (first["path"] == str(path)).all()

    def twice(*_):
        raise AssertionError("measured twice")

    monkeypatch.setattr(cues, "measure", twice)
    copy = tmp_path / "b.mp4"
    copy.write_bytes(path.read_bytes())
    pd.testing.assert_frame_equal(cue_runs.measures([copy]).drop(columns="path"),
                                  first.drop(columns="path"))  # fmt: skip
    with pytest.raises(AssertionError, match="measured twice"):
        cue_runs.measures([path], "H.264 again, CRF 40")


def test_again_takes_bits_and_light_and_keeps_the_rest(film, tmp_path):
    path = film(tmp_path / "a.mp4", frames=6)
    dark = cue_runs.again(path, tmp_path / "dark.mp4", 23, 0.25)
    poor = cue_runs.again(path, tmp_path / "poor.mp4", 40)
    before, after = (next(video.frames(p, 1)).rgb.astype(float) for p in (path, dark))
    assert (after.mean() / before.mean()) ** 2.2 == pytest.approx(0.25, abs=0.05)
    assert poor.stat().st_size < path.stat().st_size
    assert video.facts(poor)["frames"] == 6 and cue_runs.again(path, dark, None) == path


def test_a_recorded_table_says_how_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr(cue_runs, "RUNS", tmp_path)
    cue_runs.write(pd.DataFrame({"cue": ["a"], "value": [1 / 3]}), "some")
    table = cue_runs.read("some")
    assert table["value"].tolist() == [0.3333]
    assert {"command", "date", "device", "versions", "seed"} <= set(table.attrs["made"])


@pytest.mark.parametrize("name", ["cue_probes", "cue_pairs", "cue_clips"])
def test_the_tables_of_the_lesson_are_there_with_their_command(name):
    made = cue_runs.read(name).attrs["made"]
    assert made["command"].startswith("python -m course_utils.cue_runs ")
    assert str(settings.ROOT) not in made["command"] and "/tmp" not in made["command"]


def test_the_probes_have_every_measure_on_every_dial_or_a_reason():
    table = cue_runs.read("cue_probes").set_index(["dial", "measure"])
    assert set(table.index) == {(dial, cue) for dial in cues.MEASURES for cue in cues.MEASURES}
    given = table["auc"].notna()
    assert (table.loc[given, "pairs"] >= 10).all() and table.loc[~given, "reason"].notna().all()
    ends = table.loc[given, ["low", "auc", "high"]].to_numpy()
    assert (np.diff(ends) >= 0).all() and ends.min() >= 0 and ends.max() <= 1


@pytest.mark.parametrize("cue", cues.MEASURES)
def test_every_measure_sees_its_own_dial(cue):
    own = cue_runs.read("cue_probes").set_index(["dial", "measure"]).loc[(cue, cue)]
    assert own["auc"] >= 0.8 and own["low"] >= 0.7
    assert own["pairs"] >= 40  # two actors of a cast at most: 20 casts
