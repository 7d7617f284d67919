"""Sampled frames and sound of any file FFmpeg reads, and H.264 files that a browser plays.

Lesson 03 first reads frames with OpenCV; this module adds what real files ask for: one pass without
seeking, rotation, variable frame rates, broken files, still pictures.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from course_utils.settings import cores

_MAX_THREADS = 4  # each decoding thread holds frames of its own: 16 of them at 4K fill a gigabyte


class Unreadable(Exception):
    """A file that gives no picture; the text is the reason, for a person to read."""


class Frame(NamedTuple):
    """A decoded frame: its place in the clip (from 0), its time, and its pixels."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody wants here
    time_s: float
    rgb: np.ndarray  # uint8, H x W x 3, upright


# ------------------------------------------------------------------------------------ reading


def facts(path: str | Path) -> dict:
    """Frames, frames per second, width and height as seen, and whether there is sound.

    Returns
    -------
    dict
        `frames` (those in the file), `lost` (how many more its head promises: it breaks off),
        `fps` (the average; nan for a picture), `width` and `height` (pixels, after rotation),
        `audio` (bool).

    Raises
    ------
    Unreadable
        The file gives no picture.
    """
    with _opened(path) as (container, stream):
        hidden = [packet.is_discard for packet in _packets(container, stream) if packet]
        n, lost = hidden.count(False), max(stream.frames - len(hidden), 0)
        rate, audio = stream.average_rate, bool(container.streams.audio)
    height, width = next(frames(path, every=1)).rgb.shape[:2]
    fps = float(rate) if rate and n > 1 else float("nan")
    return dict(frames=n, lost=lost, fps=fps, width=width, height=height, audio=audio)


def spread(frames: int, count: int) -> list[int]:
    """Places of `count` frames spread over a clip of `frames`: the middles of `count` equal parts.

    A clip with fewer frames gives them all. Lesson 03 derives it.
    """
    if frames <= count:
        return list(range(frames))
    return [int((i + 0.5) * frames / count) for i in range(count)]


def frames(path: str | Path, count: int = 10, every: int | None = None) -> Iterator[Frame]:
    """Frames of a video (or the one of a picture) in order: `count` spread over it, or every k-th.

    The file is decoded once from its start: seeking to ten frames of a DFDC clip takes four times
    as long. Frames that no other depends on (most B-frames of H.264) are decoded only when wanted.
    A frame that cannot be decoded is left out, and the rest of the clip goes on.

    Parameters
    ----------
    path : a file in any container that FFmpeg reads
    count : how many frames, as `spread` places them
    every : take the frames 0, k, 2k, … instead

    Raises
    ------
    Unreadable
        The file gives no picture.
    """
    with _opened(path) as (container, stream):
        timeline = _timeline(container, stream)
    n = len(timeline)
    wanted = set(range(0, n, every) if every else spread(n, count))
    orientation = None
    to_rgb = VideoReformatter()
    with _opened(path) as (container, stream):
        start_s = (container.start_time or 0) / av.time_base
        for index, frame in _decoded(container, stream, timeline, wanted):
            orientation = orientation or _orientation(frame)
            if frame.pts is None:
                time_s = index / stream.average_rate
            else:
                time_s = frame.pts * stream.time_base - start_s
            rgb = to_rgb.reformat(frame, format="rgb24").to_ndarray()
            yield Frame(index, float(time_s), _upright(rgb, orientation))
    if orientation is None:
        raise Unreadable("none of its frames can be decoded")


def sound(path: str | Path) -> tuple[np.ndarray, int] | None:
    """The sound of a file as (float32 mono samples in -1..1, samples a second), None without any.

    Sample 0 is heard at `time_s` 0 of the frames.
    """
    with _opened(path, picture=False) as (container, _):
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        mono = av.AudioResampler(format="flt", layout="mono")
        start_s, delay_s = (container.start_time or 0) / av.time_base, 0.0
        parts: list[np.ndarray] = []
        for packet in _packets(container, stream):
            with contextlib.suppress(av.FFmpegError):
                for frame in stream.decode(packet):
                    if not parts and frame.pts is not None:
                        delay_s = max(float(frame.pts * stream.time_base) - start_s, 0.0)
                    parts += [piece.to_ndarray()[0] for piece in mono.resample(frame)]
        parts += [piece.to_ndarray()[0] for piece in mono.resample(None)] if parts else []
        rate = stream.rate
    silence = np.zeros(round(delay_s * rate), np.float32)
    return np.concatenate([silence, *parts]), rate


@contextlib.contextmanager
def _opened(path: str | Path, picture: bool = True) -> Iterator[tuple]:
    """The container and its video stream (None where only sound is asked for and found).

    FFmpeg gets the open file, not its name: names with `%` or `:` mean other things to it, and a
    playlist dressed as a video could make it open further files or addresses.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise Unreadable("there is no such file") from None
    except PermissionError:
        raise Unreadable("this user may not read the file") from None
    except OSError as error:
        raise Unreadable(f"the file cannot be opened: {error.strerror}") from None
    with file:
        if not os.fstat(file.fileno()).st_size:
            raise Unreadable("the file is empty")
        head = file.read(12)
        file.seek(0)
        try:
            container = av.open(file, options={"protocol_whitelist": "none"})
        except (av.FFmpegError, OSError):
            if head[4:8] == b"ftyp":
                raise Unreadable("the video is cut off: its index (moov) is missing") from None
            raise Unreadable("FFmpeg finds neither video nor picture in it") from None
        with container:
            videos = [s for s in container.streams.video if s.codec_context and not _is_cover(s)]
            if picture and not videos:
                only = "it has sound but no picture" if container.streams.audio else None
                raise Unreadable(only or "it has no picture that FFmpeg can decode")
            yield container, videos[0] if videos else None


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether it is the cover picture of a sound file."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _packets(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator:
    """The stream's packets as far as the file goes, then None, which empties a decoder."""
    with contextlib.suppress(av.FFmpegError, OSError):
        yield from (packet for packet in container.demux(stream) if packet.size)
    yield None


def _timeline(container: av.container.InputContainer, stream: av.VideoStream) -> list[int | None]:
    """Time stamps of all frames in the order they are shown; all None where they are not known.

    Counted from the packets, without decoding: file heads lie about broken or trimmed clips.
    """
    stamps = [
        packet.pts for packet in _packets(container, stream) if packet and not packet.is_discard
    ]
    if None in stamps or len(set(stamps)) < len(stamps):
        return [None] * len(stamps)
    return sorted(stamps)


def _decoded(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    timeline: list[int | None],
    wanted: set[int],
) -> Iterator[tuple[int, av.VideoFrame]]:
    """The wanted frames with their places, in one pass that ends at the last of them."""
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = min(cores(), _MAX_THREADS)
    known = None not in timeline
    place = {stamp: index for index, stamp in enumerate(timeline)}
    last, count = max(wanted, default=-1), 0
    for packet in _packets(container, stream):
        if known and packet:
            needed = place.get(packet.pts) in wanted
            stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        try:
            frames = stream.decode(packet)
        except (av.FFmpegError, OSError):
            continue
        for frame in frames:
            index = place.get(frame.pts, -1) if known else count
            count += 1
            if index in wanted:
                yield index, frame
            if index >= last:
                return


def _orientation(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """How the file asks its pictures to be turned or mirrored (phones film sideways and say so).

    (a, b, c, d) of x' = a x + c y, y' = b x + d y. Ask once a file: a frame whose side data were
    looked at is kept alive until Python collects its garbage, and at 4K that is 12 MB each.
    """
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV 18 does not know all side data of a photograph
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[frame.rotation // 90]
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from("<5i", bytes(matrix))  # each -1, 0 or 1 times 65536
    return a, b, c, d


def _upright(rgb: np.ndarray, orientation: tuple[int, int, int, int]) -> np.ndarray:
    a, b, c, d = orientation
    if a == 0 and d == 0:
        rgb, a, d = rgb.swapaxes(0, 1), c, b
    return np.ascontiguousarray(rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


# ------------------------------------------------------------------------------------ writing


def masks(path: str | Path) -> np.ndarray:
    """Masks of a clip's manipulated pixels, bool (frames, height / 4, width / 4), from their PNG.

    The mini set stores them as one strip, frame under frame, each a quarter as wide as its clip
    and, as the clips are, square. A bit is set where any of its sixteen pixels was changed.
    """
    import cv2

    strip = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if strip is None:
        raise Unreadable(f"{path} is missing or no picture")
    return strip.reshape(-1, strip.shape[1], strip.shape[1]) > 0


def write(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float,
    audio: tuple[np.ndarray, int] | None = None,
    crf: int = 20,
    qp: int | None = None,
) -> None:
    """Write RGB frames, and sound if there is any, as an MP4 that browsers play.

    H.264 (yuv420p, BT.709) with AAC, its index in front. An odd width or height is
    made even by repeating the last column or row, since yuv420p has one color for two by two
    pixels. `path` appears only once the file is complete.

    Parameters
    ----------
    frames : uint8 arrays H x W x 3, all of one size
    audio : (float samples in -1..1, mono, samples a second)
    crf : 18 is hardly distinguishable from the original, 40 is bad
    qp : a constant quantizer instead of `crf`: no part of a picture gets more bits than another

    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.mp4")
    try:
        with av.open(str(partial), "w", options={"movflags": "+faststart"}) as container:
            _write_streams(
                container,
                iter(frames),
                Fraction(fps).limit_denominator(1001),
                audio,
                {"crf": str(crf)} if qp is None else {"qp": str(qp)},
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_streams(
    container: av.container.OutputContainer,
    frames: Iterator[np.ndarray],
    rate: Fraction,
    audio: tuple[np.ndarray, int] | None,
    options: dict[str, str],
) -> None:
    first = next(frames, None)
    if first is None:
        raise ValueError("There are no frames to write.")
    height, width = first.shape[:2]
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    stream.codec_context.colorspace = stream.codec_context.color_primaries = 1  # BT.709
    stream.codec_context.color_trc = stream.codec_context.color_range = 1
    voice = container.add_stream("aac", rate=audio[1], layout="mono") if audio else None
    if voice and audio:
        voice.bit_rate = 2 * audio[1]
    for rgb in chain([first], frames):
        even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
    container.mux(stream.encode())
    if audio and voice:
        samples = np.ascontiguousarray(audio[0], np.float32)[None]
        heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        heard.sample_rate, heard.pts = audio[1], 0
        container.mux(voice.encode(heard))
        container.mux(voice.encode())
