"""The builder goes on where it stopped, and names what it leaves out."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from course_utils import settings, video
from course_utils.actors import build, casting

CUES = ("skin_tone", "glasses")


@pytest.fixture
def studio(monkeypatch):
    """A builder that films nothing: `films` counts what it was asked for."""
    films = []

    def take(who, seconds=build.SECONDS, **changes):
        films.append((who.actor, tuple(changes)))
        if changes and who.actor == "actor_00":
            raise ValueError("A face was found in only 2 of 36 frames.")
        return who

    monkeypatch.setattr(build, "take", take)
    monkeypatch.setattr(build, "_probe", lambda path, *rest: path.write_bytes(b"clip"))
    return films


def who(number):
    return {"actor": f"actor_{number:02d}", "cast": "cast_00", "seed": 1}


def test_probes_come_in_pairs_in_files_that_exist(studio, tmp_path):
    table = build._probe_actor(tmp_path, who(1), CUES)
    assert table.groupby("cue")["dial"].apply(list).to_dict() == {cue: [0, 1] for cue in CUES}
    assert all((tmp_path / path).exists() for path in table["path"])


def test_a_lost_face_costs_one_cue_and_is_named(studio, tmp_path, capsys):
    table = build._probe_actor(tmp_path, who(0), CUES)
    assert set(table["cue"]) == {"skin_tone"}
    assert "actor_00, glasses: A face was found in only 2" in capsys.readouterr().out


def test_finished_probes_are_not_filmed_again(studio, tmp_path):
    first = build._probe_actor(tmp_path, who(0), CUES[:1])
    assert len(studio) == 1
    again = build._probe_actor(tmp_path, who(0), CUES)
    assert studio[1:] == [("actor_00", ("glasses", "hair"))]
    pd.testing.assert_frame_equal(first, again)
    build._probe_actor(tmp_path, who(0), CUES)
    assert len(studio) == 2


def test_an_upload_keeps_frames_and_sound_nearly_as_they_were(tmp_path):
    path, sound = tmp_path / "a.mp4", np.sin(np.arange(16000) / 9).astype(np.float32) / 2
    ramp = np.linspace(0, 255, 64).astype(np.uint8)[None, :, None].repeat(48, 0).repeat(3, 2)
    video.write(path, [ramp] * build.FPS, build.FPS, (sound, build.RATE))
    first = path.read_bytes()
    build.upload(path, 20)
    frames = list(video.frames(path, every=1))
    assert path.read_bytes() != first and len(frames) == build.FPS
    assert np.abs(frames[5].rgb.astype(int) - ramp).mean() < 3
    heard, rate = video.sound(path)
    assert rate == build.RATE and np.std(heard) == pytest.approx(np.std(sound), rel=0.1)


@pytest.mark.skipif(not hasattr(cv2, "triangleRasterize"), reason="filming needs OpenCV 5")
def test_the_box_holds_what_the_code_films():
    facts = json.loads((settings.MINI_DFDC / "metadata.json").read_text())
    people = {who.actor: who for who in casting.cast(casting.SEED).itertuples()}
    clips = sorted((settings.MINI_DFDC / "near_lossless").glob("*.mp4"))
    for clip in [clip for clip in clips if facts[clip.name]["label"] == "REAL"][:3]:
        who = people[facts[clip.name]["target"]]
        actor, scene, rows, *_ = build.stage(who)
        coded = [frame.rgb for frame in video.frames(clip, every=1)]
        filmed = build.draw(actor, scene, rows.iloc[50], who.seed)
        # Means of 8 x 8 pixels, in which grain and codec leave little.
        there, then, here = (
            cv2.resize(rgb.astype(np.float32), (40, 40), interpolation=cv2.INTER_AREA)
            for rgb in (coded[50], coded[51], filmed)
        )
        assert np.abs(here - there).max() < 6 < np.abs(here - then).max()
