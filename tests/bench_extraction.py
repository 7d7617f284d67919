"""How fast and how large an extraction is. Prints ratios; asserts nothing.

python tests/bench_extraction.py FOOTAGE     speed on real clips, brought to 1080p
python tests/bench_extraction.py memory      peak memory on 4K, 8K and a clip of ten minutes

Run it on a machine that does nothing else. Wall-clock seconds, CPU seconds in brackets.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import cv2
import dlib
import numpy as np

from course_utils import extraction, faces, video
from course_utils.settings import cores

FRAMES = 10


@contextmanager
def timed(what: str) -> Iterator[SimpleNamespace]:
    taken = SimpleNamespace(wall=0.0, cpu=0.0)
    wall, cpu = time.monotonic(), os.times()
    yield taken
    taken.wall = time.monotonic() - wall
    taken.cpu = sum(os.times()[:4]) - sum(cpu[:4])
    print(f"{what:45} {taken.wall:7.2f} s  ({taken.cpu:.2f} s)", flush=True)


def bring_to_1080p(source: Path, target: Path) -> None:
    """The first 300 frames of a clip at 1920 x 1080; a clip of that size as it is."""
    facts = video.facts(source)
    if {facts["width"], facts["height"]} == {1920, 1080}:
        target.write_bytes(source.read_bytes())
        return
    first = islice(video.frames(source, every=1), 300)
    larger = (cv2.resize(f.rgb, (1920, 1080), interpolation=cv2.INTER_CUBIC) for f in first)
    video.write(target, larger, facts["fps"])


def plain(path: Path) -> int:
    """The recipe that this replaces: read everything, detect on the full-size frame."""
    detector = dlib.get_frontal_face_detector()
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        ok, bgr = capture.read()
        if not ok:
            break
        frames.append(bgr if len(frames) % 30 == 15 else None)
    sampled = [frame for frame in frames if frame is not None][:FRAMES]
    return sum(bool(detector(cv2.cvtColor(f, cv2.COLOR_BGR2RGB), 0)) for f in sampled)


def speed(footage: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "clips"
        folder.mkdir()
        for clip in sorted(footage.glob("*.mp4")):
            bring_to_1080p(clip, folder / clip.name)
        clips = sorted(folder.iterdir())
        extraction.extract(folder, Path(name) / "warm", 1)  # workers started, libraries loaded
        with timed("plain recipe, one process") as recipe:
            hits = sum(plain(clip) for clip in clips)
        with timed("decoding and detecting alone, one process") as alone:
            for clip in clips:
                for _ in faces.track(video.frames(clip, FRAMES)):
                    pass
        with timed("extract --jobs 1") as one:
            crops, _ = extraction.extract(folder, Path(name) / "one", FRAMES, jobs=1)
        with timed(f"extract --jobs {cores()}") as many:
            extraction.extract(folder, Path(name) / "many", FRAMES)
    found = crops.drop_duplicates(["clip", "frame"]).shape[0]
    print(f"frames with a face: plain {hits}, extract {found}, of {FRAMES * len(clips)}")
    for what, taken in (("--jobs 1", one), (f"--jobs {cores()}", many)):
        print(f"{what}: {recipe.wall / taken.wall:.2f} times as fast as the plain recipe", end="")
        print(f" (CPU: {recipe.cpu / taken.cpu:.2f})")
    print(f"--jobs 1 takes {one.wall / alone.wall:.2f} times decoding and detecting alone", end="")
    print(f" (CPU: {one.cpu / alone.cpu:.2f})")


PEAK = """
import re, sys
from course_utils.extraction import extract
extract(sys.argv[1], sys.argv[2], frames=int(sys.argv[3]), jobs=1)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""  # the process's own peak: getrusage's starts from that of the process that started it


def memory() -> None:
    """Peak memory of a worker, by Linux's account, on what holds most: frames without a face."""
    rng = np.random.default_rng(0)
    kinds = {
        "4K, 40 frames": ((3840, 2160), 40, 30, (10, 40)),
        "8K still": ((7680, 4320), 1, 30, (10,)),
        "180p, ten minutes": ((320, 180), 9000, 15, (10, 100)),
    }
    with tempfile.TemporaryDirectory() as name:
        for kind, ((width, height), n, fps, samples) in kinds.items():
            folder = Path(name) / kind
            folder.mkdir()
            grain = rng.integers(0, 255, (height // 8 + 16, width // 8 + 16, 3), np.uint8)
            room = cv2.resize(cv2.GaussianBlur(grain, (0, 0), 2), (width + 64, height + 64))
            shots = (room[i % 64 :][:height, i % 64 :][:, :width] for i in range(n))
            if n == 1:
                cv2.imwrite(str(folder / "a.png"), next(shots))
            else:
                video.write(folder / "a.mp4", shots, fps=fps, crf=35)
            for frames in samples:
                out = str(Path(name) / f"out {kind} {frames}")
                command = [sys.executable, "-c", PEAK, str(folder), out, str(frames)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                print(f"{kind}, {frames} sampled: peak {done.stdout.strip()} MB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["memory"]:
        memory()
    else:
        speed(Path(sys.argv[1]))
