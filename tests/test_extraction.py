"""From a folder of clips to crops: tables, bad input, interruption."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from course_utils import datasets, extraction, faces, video
from course_utils.extraction import extract


@pytest.fixture(scope="module")
def clips(tmp_path_factory, film) -> Path:
    """A DFDC folder of four clips: two whole, one with blank frames, one with none but blank."""
    folder = tmp_path_factory.mktemp("clips")
    film(folder / "a.mp4")
    film(folder / "b.mp4", frames=20)
    film(folder / "gaps.mp4", without=range(4, 8))
    film(folder / "blank.mp4", without=range(12))
    labels = {"a": "REAL", "b": "FAKE", "gaps": "FAKE", "blank": "REAL"}
    metadata = {f"{k}.mp4": {"label": v, "split": "train"} for k, v in labels.items()}
    metadata["b.mp4"]["original"] = "a.mp4"
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


@pytest.fixture(scope="module")
def done(clips, tmp_path_factory):
    """The clips, extracted once: (folder, crops, skipped)."""
    out = tmp_path_factory.mktemp("done") / "out"
    return out, *extract(clips, out, frames=6, jobs=1)


def contents(out: Path) -> dict[str, bytes]:
    """Every table and crop under `out`, byte for byte."""
    paths = [*out.glob("*.csv"), *out.glob("crops/*/*.png")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def skips(skipped: pd.DataFrame, clip: str) -> dict[object, str]:
    rows = skipped[skipped["clip"] == clip]
    frames = [None if pd.isna(frame) else int(frame) for frame in rows["frame"]]
    return dict(zip(frames, rows["reason"], strict=True))


# ------------------------------------------------------------------------------------ tables


def test_crops_table(done):
    out, crops, _ = done
    assert list(crops) == extraction.CROPS
    assert crops["clip"].unique().tolist() == ["a.mp4", "b.mp4", "gaps.mp4"]
    assert crops[crops["clip"] == "b.mp4"]["frame"].tolist() == video.spread(20, 6)
    assert set(crops["person"]) == {0}
    assert crops.loc[crops["clip"] == "b.mp4", "label"].unique().tolist() == ["FAKE"]
    assert crops.loc[crops["clip"] == "b.mp4", "group"].unique().tolist() == ["a.mp4"]
    assert crops["time_s"].tolist() == pytest.approx((crops["frame"] / 12).tolist(), abs=1e-3)
    left = crops.loc[crops["clip"] == "b.mp4", "left"]
    assert left.is_monotonic_increasing  # the face wanders to the right
    stored = pd.read_csv(out / "crops.csv")
    pd.testing.assert_frame_equal(stored, crops, check_dtype=False)


def test_crops_are_the_pixels_of_their_boxes(done, clips):
    out, crops, _ = done
    for row in crops.itertuples():
        rgb = cv2.imread(str(out / row.crop))[..., ::-1]
        box = (row.left, row.top, row.right, row.bottom)
        frame = next(f for f in video.frames(clips / row.clip, every=1) if f.index == row.frame)
        np.testing.assert_array_equal(rgb, faces.crop(frame.rgb, box, extraction.MARGIN))


def test_every_frame_without_a_face_is_a_row(done):
    _, crops, skipped = done
    assert skips(skipped, "gaps.mp4") == {5: "no face found", 7: "no face found"}
    assert skips(skipped, "blank.mp4") == {
        None: "no face in any of its 6 sampled frames",
        **dict.fromkeys(video.spread(12, 6), "no face found"),
    }
    for clip in ("a.mp4", "b.mp4", "gaps.mp4", "blank.mp4"):
        frames = {*crops[crops["clip"] == clip]["frame"], *skips(skipped, clip)} - {None}
        assert len(frames) == 6


def test_clips_table_has_the_facts(done):
    clips = pd.read_csv(done[0] / "clips.csv")
    assert list(clips) == datasets.CLIPS
    assert clips["frames"].tolist() == [12, 20, 12, 12]
    assert clips["width"].unique().tolist() == [640]
    assert clips["fps"].unique().tolist() == [12]


def test_the_number_of_workers_changes_nothing(done, clips, tmp_path):
    extract(clips, tmp_path / "out", frames=6, jobs=2)
    assert contents(tmp_path / "out") == contents(done[0])


def test_large_faces_are_stored_at_512_pixels(tmp_path, scene):
    (tmp_path / "in").mkdir()
    big = scene((500, 100, 800), size=(1920, 1080))
    cv2.imwrite(str(tmp_path / "in" / "a.png"), big[..., ::-1])
    crops, _ = extract(tmp_path / "in", tmp_path / "out", jobs=1)
    assert (crops["right"] - crops["left"]).item() > 512
    assert cv2.imread(str(tmp_path / "out" / crops["crop"].item())).shape == (512, 512, 3)


def test_people_are_numbered_by_how_long_they_are_seen():
    def face(side: int, confidence: float = 1.5) -> faces.Face:
        return faces.Face((0, 0, side, side), confidence, "hog")

    seen = [(0, face(90)), (1, face(60)), (1, face(60)), (2, face(80)), (2, face(80))]
    assert extraction._persons(seen, 10) == {2: 0, 1: 1, 0: 2}
    faint = [*seen, (3, face(70, 0.2))]
    assert 3 not in extraction._persons(faint, 10)
    assert extraction._persons([(3, face(70, 0.2))], 3) == {3: 0}


# ------------------------------------------------------------------------------------ bad input


def test_bad_input_is_skipped_with_reasons_and_the_run_goes_on(tmp_path, film):
    folder, out = tmp_path / "in", tmp_path / "out"
    film(folder / "good.mp4")
    whole = (folder / "good.mp4").read_bytes()
    film(folder / "with space.mp4")
    film(folder / "été à Noël.mp4")
    film(folder / "sub" / "a..b.mp4")
    film(folder / "no face.mp4", without=range(12))
    film(folder / "locked.mp4")
    film(folder / "unnamed.mp4")
    film(folder / "twice.mp4")
    film(folder / "maybe.mp4")
    film(tmp_path / "outside.mp4")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video")
    (folder / "short.mp4").write_bytes(whole[: len(whole) * 9 // 10])
    (folder / "headless.mp4").write_bytes(whole[: whole.index(b"moov")])
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.mp4"))
    entries = [(name, {"label": "REAL"}) for name in names if name != "unnamed.mp4"]
    entries += [("twice.mp4", {"label": "FAKE"}), ("absent.mp4", {"label": "FAKE"})]
    entries += [("../outside.mp4", {"label": "FAKE"}), ("/etc/passwd.mp4", {"label": "FAKE"})]
    entries = [(n, {"label": "MAYBE"} if n == "maybe.mp4" else e) for n, e in entries]
    pairs = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries)
    (folder / "metadata.json").write_text(f"{{{pairs}}}")

    class Locked:  # root may read everything: have the file refuse by itself
        real = open

        def __call__(self, path, *rest, **options):
            if str(path).endswith("locked.mp4"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return Locked.real(path, *rest, **options)

    video.open = Locked()
    try:
        crops, skipped = extract(folder, out, frames=3, jobs=1)
    finally:
        del video.open
    good = ["good.mp4", "short.mp4", "sub/a..b.mp4", "with space.mp4", "été à Noël.mp4"]
    assert crops["clip"].unique().tolist() == good
    assert all((out / crop).resolve().is_relative_to(out.resolve()) for crop in crops["crop"])
    assert all((out / crop).is_file() for crop in crops["crop"])
    reasons = {clip: skips(skipped, clip).get(None) for clip in skipped["clip"]}
    assert reasons == {
        "../outside.mp4": "its name in metadata.json leads out of the folder",
        "/etc/passwd.mp4": "its name in metadata.json leads out of the folder",
        "absent.mp4": "metadata.json names it, but there is no such video or picture",
        "empty.mp4": "the file is empty",
        "headless.mp4": "the video is cut off: its index (moov) is missing",
        "locked.mp4": "this user may not read the file",
        "maybe.mp4": "its label in metadata.json is 'MAYBE', neither REAL nor FAKE",
        "no face.mp4": "no face in any of its 3 sampled frames",
        "short.mp4": reasons["short.mp4"],
        "text.mp4": "FFmpeg finds neither video nor picture in it",
        "twice.mp4": "metadata.json has 2 entries for it: keep the right one",
        "unnamed.mp4": "metadata.json does not name it",
    }
    assert "the file breaks off: " in reasons["short.mp4"]
    assert not (tmp_path / "passwd.mp4").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out", "outside.mp4"]


def test_a_clip_that_vanishes_after_the_table_was_read(tmp_path, film, monkeypatch):
    film(tmp_path / "in" / "a.mp4")
    read = datasets.read

    def read_then_lose(folder):
        tables = read(folder)
        (tmp_path / "in" / "a.mp4").unlink()
        return tables

    monkeypatch.setattr(datasets, "read", read_then_lose)
    crops, skipped = extract(tmp_path / "in", tmp_path / "out", jobs=1)
    assert crops.empty
    assert skipped["reason"].tolist() == ["there is no such file"]
    assert list(pd.read_csv(tmp_path / "out" / "crops.csv")) == extraction.CROPS


def test_frames_that_cannot_be_decoded_are_rows(clips, tmp_path, monkeypatch):
    decoded = video.frames
    monkeypatch.setattr(
        video, "frames", lambda p, n=10, **k: (f for f in decoded(p, n, **k) if f.index != 7)
    )
    _, skipped = extract(clips, tmp_path / "out", frames=6, jobs=1)
    assert skips(skipped, "a.mp4") == {7: "this frame cannot be decoded"}


def test_what_stops_an_extraction_says_so_in_a_sentence(tmp_path, clips):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        extract(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="There is no video or picture in"):
        extract(tmp_path / "nothing", tmp_path / "out")
    for out in (clips, clips / "out"):
        with pytest.raises(ValueError, match="choose a folder outside"):
            extract(clips, out)
    with pytest.raises(ValueError, match="0 frames"):
        extract(clips, tmp_path / "out", frames=0)
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeError, match="file cannot be written to"):
        extract(clips, tmp_path / "file")


# ------------------------------------------------------------------------------------ resuming


@pytest.fixture
def worked(monkeypatch) -> list[str]:
    """Names of the clips that are really worked on."""
    names: list[str] = []
    faces_of = extraction._faces_of

    def spy(path, *rest):
        names.append(path.name)
        return faces_of(path, *rest)

    monkeypatch.setattr(extraction, "_faces_of", spy)
    return names


def test_finished_clips_are_not_done_again(tmp_path, film, worked):
    folder, out = tmp_path / "in", tmp_path / "out"
    film(folder / "a.mp4")
    film(folder / "b.mp4")
    first = extract(folder, out, frames=3, jobs=1)
    assert worked == ["a.mp4", "b.mp4"]
    again = extract(folder, out, frames=3, jobs=1)
    assert worked == ["a.mp4", "b.mp4"]
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
    film(folder / "c.mp4")
    extract(folder, out, frames=3, jobs=1)
    assert worked == ["a.mp4", "b.mp4", "c.mp4"]


def test_changed_clips_and_settings_are_noticed(tmp_path, film, worked):
    folder, out = tmp_path / "in", tmp_path / "out"
    film(folder / "a.mp4")
    film(folder / "b.mp4")
    extract(folder, out, frames=3, jobs=1)
    worked.clear()
    os.utime(folder / "a.mp4", (1, 1))
    extract(folder, out, frames=3, jobs=1)
    assert worked == ["a.mp4"]
    worked.clear()
    crops, _ = extract(folder, out, frames=4, jobs=1)
    assert worked == ["a.mp4", "b.mp4"]
    assert len(crops) == 8
    assert len(list(out.glob("crops/*/*.png"))) == 8


def test_a_mended_clip_is_done_and_a_broken_one_forgotten(tmp_path, film):
    folder, out = tmp_path / "in", tmp_path / "out"
    path = film(folder / "a.mp4")
    film(folder / "b.mp4")
    content, times = path.read_bytes(), path.stat()
    path.write_bytes(b"")
    assert extract(folder, out, frames=3, jobs=1)[0]["clip"].unique().tolist() == ["b.mp4"]
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(extract(folder, out, frames=3, jobs=1)[0]) == 6
    path.write_bytes(b"")
    extract(folder, out, frames=3, jobs=1)
    assert len(list(out.glob("crops/*/*.png"))) == 3


def test_labels_come_from_the_metadata_of_the_last_run(tmp_path, film, worked):
    folder, out = tmp_path / "in", tmp_path / "out"
    film(folder / "a.mp4")
    (folder / "metadata.json").write_text('{"a.mp4": {"label": "REAL"}}')
    extract(folder, out, frames=3, jobs=1)
    (folder / "metadata.json").write_text('{"a.mp4": {"label": "FAKE"}}')
    crops, _ = extract(folder, out, frames=3, jobs=1)
    assert worked == ["a.mp4"]
    assert set(crops["label"]) == {"FAKE"}


def test_a_full_disk_stops_with_a_sentence_and_a_later_run_resumes(done, clips, tmp_path):
    out, room = tmp_path / "out", iter(range(9))
    write = Path.write_bytes

    def write_while_there_is_room(path, data):
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_while_there_is_room)
        with pytest.raises(RuntimeError, match="No space left on device.*goes on where it stopped"):
            extract(clips, out, frames=6, jobs=1)
    assert not (out / "crops.csv").exists()
    assert [path.name for path in (out / "crops").iterdir()] == ["a.mp4"]
    extract(clips, out, frames=6, jobs=1)
    assert contents(out) == contents(done[0])


def entries(folder) -> int:
    """How many files and folders there are, while they come and go."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def test_killed_at_ten_moments_the_result_is_the_same(done, clips, tmp_path):
    """`kill -9`, each time somewhere else: in the middle of writing crops, records, tables."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "course_utils", "extract", str(clips), str(out)]
    command += ["--frames", "6", "--jobs"]
    rng = np.random.default_rng(0)
    killed = 0
    for moment in range(10):
        run = subprocess.Popen(
            [*command, str(1 + moment % 2)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        goal = entries(out) + int(rng.integers(1, 8))
        while run.poll() is None and entries(out) < goal:
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.03)))
        killed += run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
        if moment == 5:  # begin anew, so that early moments come again
            for record in out.glob("crops/*/clip.json"):
                record.unlink()
    assert killed >= 5
    subprocess.run([*command, "1"], check=True, capture_output=True)
    assert contents(out) == contents(done[0])
    assert list(out.rglob("*.partial")) == []


def test_two_runs_at_once_do_not_disturb_each_other(done, clips, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "course_utils", "extract", str(clips), str(out)]
    command += ["--frames", "6", "--jobs", "1"]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for run in runs:
        _, said = run.communicate()
        assert run.returncode == 0, said.decode()[-2000:]
    assert contents(out) == contents(done[0])
    assert list(out.rglob("*.partial")) == []


def test_a_run_that_is_there_a_moment_before_is_believed(done, clips, tmp_path, monkeypatch):
    out = tmp_path / "out"
    remove = extraction._remove

    def remove_and_be_overtaken(place):
        remove(place)
        monkeypatch.setattr(extraction, "_remove", remove)
        shutil.copytree(done[0] / "crops" / place.name, place)

    monkeypatch.setattr(extraction, "_remove", remove_and_be_overtaken)
    extract(clips, out, frames=6, jobs=1)
    assert contents(out) == contents(done[0])
    assert list(out.rglob("*.partial")) == []


def test_what_a_killed_run_of_the_same_number_left_is_replaced(done, clips, tmp_path):
    out = tmp_path / "out"
    for place in sorted((done[0] / "crops").iterdir()):  # in a container numbers come again
        (out / "crops" / f"{place.name}.{os.getpid()}.partial").mkdir(parents=True)
    extract(clips, out, frames=6, jobs=1)
    assert contents(out) == contents(done[0])
    assert list(out.rglob("*.partial")) == []


# ------------------------------------------------------------------------------------ footage


def test_real_footage(footage, tmp_path):
    crops, skipped = extract(footage, tmp_path / "out", frames=20)
    main = crops[crops["person"] == 0]
    per_clip = main.groupby("clip")["frame"].nunique()
    assert per_clip.sum() >= 95
    assert per_clip.min() >= 18
    assert len(per_clip) == 5
    assert len(main) + skipped["frame"].notna().sum() == 100
