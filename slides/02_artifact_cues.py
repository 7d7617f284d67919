"""Figures of the deck of lesson 02; the notebook explains what they show."""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from course_utils import cue_runs, cues, datasets, plots, quiz, settings, video, widgets


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    rows = pd.DataFrame(quiz.PUBLISHED, index=["value", "low", "high"]).T
    low, high = binomtest(14, 20).proportion_ci(method="wilson")
    rows.loc["someone with 14 of 20 right"] = 14 / 20, low, high
    plots.intervals(rows, "share of right answers", chance=quiz.COIN)
    save("people")

    plots.frames([next(video.frames(widgets.DIALS_SHEET)).rgb], columns=1)
    save("dials")

    clips, _ = datasets.read(settings.MINI_DFDC)
    clips = clips.merge(datasets.details(settings.MINI_DFDC), on="clip")
    clips = clips[clips["quiz"].ne(True)]
    titles = ["REAL", "FAKE"]

    frames, marks = zip(*(middle(track) for track in pair(clips, "skin_tone", 2)), strict=True)
    plots.regions(frames, [skin(points) for points in marks], titles)
    save("skin")

    lags = np.linspace(-0.8, 0.8, 65)
    tracks = pair(clips, "lip_sync")
    plots.lips_and_sound({name: lips(t, lags) for name, t in zip(titles, tracks, strict=True)})
    save("lips")

    frames, _ = zip(*(middle(track) for track in pair(clips, "fine_detail")), strict=True)
    shown = [picture for rgb in frames for picture in (rgb, fine(rgb))]
    plots.maps(shown, ["REAL", "its fine detail", "FAKE", "its fine detail"], high=12)
    save("detail")

    plots.auc_grid(cue_runs.read("cue_probes"), rows="measure", columns="dial")
    save("circle")

    measured = cue_runs.read("cue_clips").merge(clips, on="clip")
    shares = cue_runs.false_alarms(measured, share=0.1)
    plots.dots(shares, "share of REAL clips above the threshold", line=0.1)
    save("alarms")


def pair(clips: pd.DataFrame, cue: str, rank: int = 0) -> list[cues.Track]:
    """The fake in which a cue's dial is highest (`rank` 0), after the clip it was made from."""
    methods = ["lipsync"] if cue == "lip_sync" else ["swap", "graphics"]
    fakes = clips[clips["original"].isin(clips["clip"]) & clips["method"].isin(methods)]
    fake = fakes.sort_values(f"cue_{cue}", ascending=False).iloc[rank]
    return [cues.follow(settings.MINI_DFDC / name) for name in (fake["original"], fake["clip"])]


def middle(track: cues.Track) -> tuple[np.ndarray, np.ndarray]:
    """The upright face and its landmarks half-way through."""
    pictures, points = track.upright
    k = len(points) // 2
    return pictures[k], points[k]


def skin(points: np.ndarray) -> dict[str, np.ndarray]:
    """Disks on cheeks, forehead and neck."""

    def disk(x: float, y: float) -> np.ndarray:
        rows, columns = np.mgrid[: cues.UPRIGHT[1], : cues.UPRIGHT[0]]
        return np.hypot(columns - x, rows - y) < 9

    left, right = (points[list(k)].mean(0) for k in ((40, 41, 31, 2), (46, 47, 35, 14)))
    brow, chin = points[[21, 22]].mean(0), points[8]
    return {
        "cheeks": disk(*left) | disk(*right),
        "forehead": disk(brow[0], brow[1] - 22),
        "neck": disk(chin[0], chin[1] + 16),
    }


def lips(track: cues.Track, lags: np.ndarray) -> dict[str, np.ndarray]:
    """Mouth and sound, band-passed, and their correlation at each lag."""
    times = np.arange(len(track.frames)) / track.fps
    mouth = cues.band_pass(np.nan_to_num(cues.mouth_opening(track)), track.fps)
    voices = [
        cues.band_pass(cues.loudness(*track.sound, times + lag, 1 / track.fps), track.fps)
        for lag in lags
    ]
    fit = np.array([np.corrcoef(mouth, voice)[0, 1] for voice in voices])
    sound = voices[int(np.abs(lags).argmin())]
    return {"time_s": times, "mouth": mouth, "sound": sound, "lag_s": lags, "fit": fit}


def fine(rgb: np.ndarray) -> np.ndarray:
    """Size of the fine detail of a picture in gray levels."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 1.0))
