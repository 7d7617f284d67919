"""Reading and writing files, good and bad. Every file is made here."""

from __future__ import annotations

import gc
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import video

GRAY = 8  # frame i of a counted clip is painted 8 i + 20


def counted(n: int = 24, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    return [np.full((size[1], size[0], 3), GRAY * i + 20, np.uint8) for i in range(n)]


def number(rgb: np.ndarray) -> int:
    return round((float(rgb.mean()) - 20) / GRAY)


def moving(n: int = 30) -> list[np.ndarray]:
    """Frames in which something moves, so that an encoder uses B-frames with references."""
    rng = np.random.default_rng(0)
    room = cv2.GaussianBlur(rng.integers(0, 255, (96, 128 + 4 * n, 3), np.uint8), (0, 0), 3)
    return [room[:, 4 * i : 4 * i + 128] for i in range(n)]


def encode(path: Path, frames, codec: str = "libx264", pix_fmt="yuv420p", times=None, **options):
    """A file in any container and codec; `times` in hundredths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if times:
            stream.codec_context.time_base = Fraction(1, 100)
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            if times:
                frame.pts, frame.time_base = times[i], stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


# ------------------------------------------------------------------------------------ sampling


@given(st.integers(0, 1000), st.integers(1, 50))
def test_spread_covers_the_clip_evenly(frames, count):
    places = video.spread(frames, count)
    assert len(places) == min(frames, count)
    assert places == sorted(set(places))
    assert all(0 <= place < frames for place in places)
    if frames > count:
        steps = np.diff([-places[0] - 1, *places, 2 * frames - places[-1]])  # mirrored at both ends
        assert steps.max() - steps.min() <= 2


def test_ten_frames_are_the_ones_they_say(tmp_path):
    video.write(tmp_path / "a.mp4", counted(24), fps=12)
    frames = list(video.frames(tmp_path / "a.mp4", count=6))
    assert [f.index for f in frames] == [2, 6, 10, 14, 18, 22]
    assert [number(f.rgb) for f in frames] == [2, 6, 10, 14, 18, 22]
    assert [f.time_s for f in frames] == pytest.approx([i / 12 for i in (2, 6, 10, 14, 18, 22)])
    assert frames[0].rgb.shape == (48, 64, 3)
    assert frames[0].rgb.dtype == np.uint8


def test_every_kth_frame(tmp_path):
    video.write(tmp_path / "a.mp4", counted(24), fps=12)
    frames = list(video.frames(tmp_path / "a.mp4", every=7))
    assert [(f.index, number(f.rgb)) for f in frames] == [(i, i) for i in (0, 7, 14, 21)]


def test_skipping_frames_changes_no_pixel(tmp_path):
    path = encode(tmp_path / "a.mp4", moving(), bf="3", **{"b-pyramid": "normal"})
    with av.open(str(path)) as container:
        kinds = [int(frame.pict_type) for frame in container.decode(video=0)]
    assert kinds.count(3) > 10  # B-frames
    whole = {f.index: f.rgb for f in video.frames(path, every=1)}
    assert sorted(whole) == list(range(30))
    for count in (1, 4, 9):
        for frame in video.frames(path, count):
            np.testing.assert_array_equal(frame.rgb, whole[frame.index])


def test_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 10, 15, 40, 42, 90, 91, 200]
    encode(tmp_path / "a.mkv", counted(8), times=times)
    frames = list(video.frames(tmp_path / "a.mkv", every=1))
    assert [f.time_s for f in frames] == pytest.approx([t / 100 for t in times], abs=0.002)
    assert [number(f.rgb) for f in frames] == list(range(8))


CONTAINERS = [
    ("a.mkv", "libx264", "yuv420p"),
    ("a.mov", "libx264", "yuv444p"),
    ("a.avi", "mpeg4", "yuv420p"),
    ("a.ts", "libx264", "yuv420p"),
    ("a.webm", "libvpx-vp9", "yuv420p"),
    ("a.mpg", "mpeg2video", "yuv420p"),
    ("a.mp4", "libx265", "yuv420p10le"),
    ("a.gif", "gif", "rgb8"),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), CONTAINERS)
def test_any_container(tmp_path, name, codec, pix_fmt):
    path = encode(tmp_path / name, counted(20, (160, 120)), codec, pix_fmt)
    facts = video.facts(path)
    assert (facts["frames"], facts["width"], facts["height"]) == (20, 160, 120)
    assert facts["fps"] == pytest.approx(10, rel=0.1) or name == "a.mpg"
    frames = list(video.frames(path, count=5))
    assert [f.index for f in frames] == video.spread(20, 5)
    assert [f.rgb.mean() for f in frames] == pytest.approx([36, 68, 100, 132, 164], abs=12)


# ------------------------------------------------------------------------- upright and in color

CORNERS = np.zeros((48, 64, 3), np.uint8)
CORNERS[:24, :32], CORNERS[:24, 32:], CORNERS[24:, :32] = (
    (250, 20, 20),
    (20, 250, 20),
    (20, 20, 250),
)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """A clip of CORNERS with this display matrix (a, b, c, d) written into its head."""
    video.write(path, [CORNERS] * 3, fps=10, crf=10)
    content = bytearray(path.read_bytes())
    a, b, c, d = (65536 * value for value in matrix)
    at = content.index(b"tkhd") + 44
    struct.pack_into(">9i", content, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), CORNERS),
        ((0, 1, -1, 0), np.rot90(CORNERS, -1)),  # a quarter turn clockwise
        ((-1, 0, 0, -1), np.rot90(CORNERS, 2)),
        ((0, -1, 1, 0), np.rot90(CORNERS)),
        ((-1, 0, 0, 1), CORNERS[:, ::-1]),  # mirrored, as front cameras do
        ((1, 0, 0, -1), CORNERS[::-1]),
    ],
)
def test_a_turned_or_mirrored_clip_is_put_upright(tmp_path, matrix, expected):
    path = turned(tmp_path / "a.mp4", matrix)
    rgb = next(video.frames(path)).rgb
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).mean() < 6
    facts = video.facts(path)
    assert (facts["height"], facts["width"]) == expected.shape[:2]


def test_frames_that_were_read_do_not_stay_in_memory(tmp_path):
    video.write(tmp_path / "a.mp4", [CORNERS] * 60, fps=10)
    gc.collect()
    gc.disable()  # what waits for the collector may be gigabytes of pixels
    try:
        for _ in video.frames(tmp_path / "a.mp4", every=1):
            alive = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
            assert alive < 30
    finally:
        gc.enable()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_still_pictures(tmp_path, suffix):
    path = tmp_path / f"50% of a:b{suffix}"
    cv2.imwrite(str(path), CORNERS[..., ::-1])
    facts = video.facts(path)
    assert (facts["frames"], facts["width"], facts["height"], facts["audio"]) == (1, 64, 48, False)
    (frame,) = video.frames(path)
    assert (frame.index, frame.time_s) == (0, 0.0)
    assert np.abs(frame.rgb.astype(int) - CORNERS).mean() < 12


def test_a_photograph_taken_sideways(tmp_path):
    jpeg = cv2.imencode(".jpg", CORNERS[..., ::-1])[1].tobytes()
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)  # orientation 6: turn clockwise
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + b"\0\0\0\0"
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    (frame,) = video.frames(path)
    assert frame.rgb.shape == (64, 48, 3)
    assert np.abs(frame.rgb.astype(int) - np.rot90(CORNERS, -1)).mean() < 12


# ------------------------------------------------------------------------------------ bad files


def reason(path: Path) -> str:
    with pytest.raises(video.Unreadable) as caught:
        video.facts(path)
    with pytest.raises(video.Unreadable, match=".") as again:
        list(video.frames(path))
    assert str(again.value) == str(caught.value)
    return str(caught.value)


def test_missing_empty_and_text_files(tmp_path):
    assert reason(tmp_path / "none.mp4") == "there is no such file"
    (tmp_path / "empty.mp4").touch()
    assert reason(tmp_path / "empty.mp4") == "the file is empty"
    (tmp_path / "text.mp4").write_text("This is no video.\n" * 100)
    assert reason(tmp_path / "text.mp4") == "FFmpeg finds neither video nor picture in it"
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    assert "FFmpeg" in reason(tmp_path / "noise.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert reason(tmp_path / "folder.mp4").startswith("the file cannot be opened")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_file_this_user_may_not_read(tmp_path):
    path = tmp_path / "a.mp4"
    video.write(path, counted(3), fps=10)
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # nobody: root may read everything
    try:
        assert reason(path) == "this user may not read the file"
    finally:
        if root:
            os.seteuid(0)


def test_sound_without_picture(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert reason(path) == "it has sound but no picture"
    samples, rate = video.sound(path)
    assert (rate, len(samples) / rate) == (16000, pytest.approx(1, abs=0.1))


def test_no_frame_at_all(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode())
    assert reason(path)


def test_a_playlist_dressed_as_a_video_opens_no_other_file(tmp_path):
    encode(tmp_path / "secret.ts", counted(5))
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", "secret.ts", "#EXT-X-ENDLIST", ""]
    for name in ("list.mp4", "list.m3u8"):
        (tmp_path / name).write_text("\n".join(lines))
        assert reason(tmp_path / name)
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile secret.ts\n")
    assert reason(tmp_path / "concat.mp4")


def test_a_clip_without_its_index(tmp_path):
    path = encode(tmp_path / "a.mp4", moving())  # plain MP4 has its index at the end
    path.write_bytes(path.read_bytes()[:-2000])
    assert reason(path) == "the video is cut off: its index (moov) is missing"


def test_a_clip_that_breaks_off_gives_what_is_there(tmp_path):
    path = tmp_path / "a.mp4"
    video.write(path, moving(), fps=10)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 9 // 10])
    facts = video.facts(path)
    assert 5 < facts["frames"] < 30
    assert facts["frames"] + facts["lost"] == 30
    assert len(list(video.frames(path, count=5))) >= 4


def test_a_damaged_clip_gives_the_rest(tmp_path):
    path = tmp_path / "a.mp4"
    video.write(path, moving(60), fps=10)
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(content)
    assert video.facts(path)["frames"] == 60
    assert len(list(video.frames(path, every=1))) >= 40


# ------------------------------------------------------------------------------------ writing


def test_what_is_written_plays_in_a_browser(tmp_path):
    path = tmp_path / "a.mp4"
    video.write(path, counted(5, (65, 47)), fps=29.97, audio=(np.zeros(8000, np.float32), 16000))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, picture.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (picture.width, picture.height) == (66, 48)
        assert float(picture.average_rate) == pytest.approx(29.97)
        assert (sound.codec_context.name, sound.rate) == ("aac", 16000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_colors_survive(tmp_path):
    path = tmp_path / "a.mp4"
    colors = [(200, 30, 40), (30, 180, 60), (40, 60, 220), (224, 172, 140), (92, 60, 44)]
    stripes = np.repeat(np.array(colors, np.uint8), 32, axis=0)[None].repeat(48, 0)
    video.write(path, [stripes] * 3, fps=10, crf=10)
    rgb = next(video.frames(path)).rgb
    for i, color in enumerate(colors):
        assert rgb[24, 32 * i + 16].tolist() == pytest.approx(color, abs=4)


def test_a_constant_quantizer_sets_the_size_of_the_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)
    sizes = []
    for qp in (18, 24, 30):
        video.write(tmp_path / "a.mp4", noise, fps=10, qp=qp)
        sizes.append((tmp_path / "a.mp4").stat().st_size)
    assert sizes[0] > 1.2 * sizes[1] > 1.4 * sizes[2]


def test_sound_stays_in_step(tmp_path):
    clicks = np.zeros(32000, np.float32)
    for second in (0.25, 0.5, 1.5):
        clicks[int(16000 * second) :][:160] = 0.8
    path = tmp_path / "a.mp4"
    video.write(path, counted(20), fps=10, audio=(clicks, 16000))
    samples, rate = video.sound(path)
    assert rate == 16000
    assert samples.dtype == np.float32
    for second in (0.25, 0.5, 1.5):
        near = slice(int(rate * (second - 0.1)), int(rate * (second + 0.1)))
        heard = near.start + np.abs(samples[near]).argmax()
        assert heard / rate == pytest.approx(second, abs=0.015)
    assert video.facts(path)["audio"]


def test_no_sound_is_none(tmp_path):
    video.write(tmp_path / "a.mp4", counted(3), fps=10)
    assert video.sound(tmp_path / "a.mp4") is None


def test_a_broken_off_writing_leaves_no_file(tmp_path):
    def frames():
        yield from counted(3)
        raise KeyError("the renderer stumbles")

    with pytest.raises(KeyError):
        video.write(tmp_path / "a.mp4", frames(), fps=10)
    with pytest.raises(ValueError, match="no frames to write"):
        video.write(tmp_path / "a.mp4", [], fps=10)
    assert list(tmp_path.iterdir()) == []


def test_real_footage(footage):
    for clip, size in {"004.mp4": (1280, 720, 309), "brtujopkby.mp4": (1080, 1920, 300)}.items():
        facts = video.facts(footage / clip)
        assert (facts["width"], facts["height"], facts["frames"]) == size
    frames = list(video.frames(footage / "519.mp4", count=3))
    assert [f.index for f in frames] == video.spread(751, 3)
    assert [f.time_s for f in frames] == pytest.approx([f.index / 25 for f in frames])
