"""Checks of a built set: are faces found, and can anything but forged pixels tell REAL from FAKE?

``audit(folder)`` gives one table a check; the data card prints them. A detector that could read
the label off file sizes, sound or background would teach nothing (lesson 07 shows such leaks).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import fft, signal, stats
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_utils import datasets, evaluation, faces, video
from course_utils.forgery import widen

EVERY = 5  # frames are sampled this far apart
SIDE = 64  # crops are compared at this size
BLACK = (
    0.5,
    0.5,
    0.44,
    0.49,
)  # one ellipse for all crops: center x, y, radii, as shares of the side


def detections(folder: Path, clips: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Each sampled frame searched for itself with dlib's HOG; and crops (n, S, S, 3) of each clip.

    Columns ``clip``, ``frame``, ``found``, ``confidence`` and the box.
    """
    rows, crops = [], {}
    for clip in clips["clip"]:
        mine = []
        for frame in video.frames(folder / clip, every=EVERY):
            row = {"clip": clip, "frame": frame.index, "found": False}
            if found := faces.detect(frame.rgb):
                box = dict(zip(("left", "top", "right", "bottom"), found[0].box, strict=True))
                row |= {"found": True, "confidence": found[0].confidence, **box}
                mine.append(faces.crop(frame.rgb, found[0].box, size=SIDE))
            rows.append(row)
        crops[clip] = np.array(mine).reshape(-1, SIDE, SIDE, 3)
    return pd.DataFrame(rows), crops


def found_by_tone(found: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Share of REAL frames in which the face was found, for each pair of neighboring skin tones."""
    real = clips[clips["label"] == "REAL"]
    table = found.merge(real[["clip", "skin_tone"]], on="clip")
    pair = (table["skin_tone"].astype(int) - 1) // 2
    names = pair.map(lambda k: f"Monk {2 * k + 1}-{2 * k + 2}").rename("skin tones")
    return table.groupby(names)["found"].agg(frames="size", found="mean").reset_index()


def file_facts(folder: Path, clips: pd.DataFrame) -> np.ndarray:
    """Bytes, bits a second, seconds, frames, frame size of each file: (clips, 6)."""
    rows = []
    for clip in clips["clip"]:
        facts, size = video.facts(folder / clip), (folder / clip).stat().st_size
        seconds = facts["frames"] / facts["fps"]
        rows.append((size, 8 * size / seconds, seconds, facts["frames"],
                     facts["width"], facts["height"]))  # fmt: skip
    return np.array(rows, float)


def sound_features(folder: Path, clips: pd.DataFrame) -> np.ndarray:
    """Mean and spread over time of 20 mel-cepstral coefficients and of loudness: (clips, 42)."""
    rows = []
    for clip in clips["clip"]:
        heard = video.sound(folder / clip)
        if heard is None:
            raise ValueError(f"{clip} has no sound: every clip of the set must have it.")
        samples, rate = heard
        _, _, power = signal.spectrogram(samples, rate, nperseg=512, noverlap=256)
        edges = np.geomspace(1, power.shape[0] - 1, 41).round().astype(int)
        bands = np.log([power[a : max(b, a + 1)].mean(0) + 1e-10
                        for a, b in zip(edges[:-1], edges[1:], strict=True)])  # fmt: skip
        cepstrum = fft.dct(bands, axis=0, norm="ortho")[:20]
        frames = np.vstack([cepstrum, np.log(power.mean(0) + 1e-10)])
        rows.append(np.concatenate([frames.mean(1), frames.std(1)]))
    return np.array(rows)


def box_features(found: pd.DataFrame, clips: pd.DataFrame) -> np.ndarray:
    """Mean, spread and frame-to-frame change of face boxes and the detector's confidence."""
    table = found.assign(
        width=found["right"] - found["left"],
        x=(found["left"] + found["right"]) / 2,
        y=(found["top"] + found["bottom"]) / 2,
    )
    columns = ["confidence", "width", "x", "y"]
    groups = table.groupby("clip")[columns]
    change = table[columns].diff().abs().groupby(table["clip"]).mean()
    parts = [groups.mean(), groups.std(), change, table.groupby("clip")[["found"]].mean()]
    return pd.concat(parts, axis=1).loc[clips["clip"]].fillna(0).to_numpy(float)


def black_out(crops: np.ndarray) -> np.ndarray:
    """Crops with one and the same ellipse blacked out: what is left was touched by no forger."""
    shape = np.zeros((SIDE, SIDE), np.uint8)
    x, y, rx, ry = (round(SIDE * share) for share in BLACK)
    cv2.ellipse(shape, (x, y), (rx, ry), 0, 0, 360, 1, -1)
    return np.where(shape[..., None] > 0, np.uint8(0), crops)


def surround_features(crops: dict[str, np.ndarray], clips: pd.DataFrame) -> np.ndarray:
    """What surrounds the face: mean blacked-out crop at 16 px, and its fine grain, a clip a row."""
    rows = []
    for clip in clips["clip"]:
        black = black_out(crops[clip]).astype(np.float32)
        gray = black.mean(-1)
        grain = np.abs(gray - np.array([cv2.GaussianBlur(g, (0, 0), 1) for g in gray]))
        moved = np.abs(np.diff(gray, axis=0)).mean(0) if len(gray) > 1 else np.zeros((SIDE, SIDE))
        small = [cv2.resize(m, (16, 16), interpolation=cv2.INTER_AREA)
                 for m in (black.mean(0), grain.mean(0), moved)]  # fmt: skip
        rows.append(np.concatenate([part.ravel() for part in small]))
    return np.array(rows)


def shortcut(features: np.ndarray, clips: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """AUC, out of fold over casts, of two classifiers of REAL against FAKE on these features."""
    y = (clips["label"] == "FAKE").to_numpy(int)
    models: dict[str, Callable] = {
        "logistic regression": lambda: make_pipeline(
            StandardScaler(),
            PCA(0.99),
            LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000),
        ),
        "random forest": lambda: RandomForestClassifier(
            300, min_samples_leaf=3, class_weight="balanced", random_state=seed
        ),
    }
    rows = []
    for name, make in models.items():
        p = np.zeros(len(y))
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for train, test in folds.split(features, y, clips["group"]):
            p[test] = make().fit(features[train], y[train]).predict_proba(features[test])[:, 1]
        auc = evaluation.interval(y, p, clips["group"])
        rows.append({"classifier": name, "AUC": auc.value, "low": auc.low, "high": auc.high})
    return pd.DataFrame(rows)


def outside_mask(folder: Path, clips: pd.DataFrame) -> pd.DataFrame:
    """Paired test of each fake against its original, outside the widened mask: noise, blur, color.

    Columns ``measure``, ``pairs``, ``difference`` (mean of FAKE minus REAL, in standard deviations
    of the differences) and ``p`` of a sign-flipping permutation test.
    """
    fakes = clips[(clips["label"] == "FAKE") & (clips["method"] != "animate")]
    differences = []
    for fake in fakes.itertuples():
        masks = video.masks(folder / "masks" / Path(fake.clip).with_suffix(".png").name)
        pair = (video.frames(folder / name, every=EVERY) for name in (fake.clip, fake.original))
        values = []
        for a, b in zip(*pair, strict=True):
            h, w = a.rgb.shape[:2]
            mask = cv2.resize(masks[a.index].astype(np.float32), (w, h))
            far = widen((mask > 0).astype(np.float32), 0.2) == 0
            values.append(_outside(a.rgb, far) - _outside(b.rgb, far))
        differences.append(np.mean(values, axis=0))
    d = np.array(differences)
    rows = []
    for k, name in enumerate(_MEASURES):
        test = stats.permutation_test((d[:, k],), np.mean, permutation_type="samples",
                                      n_resamples=9999, random_state=0)  # fmt: skip
        rows.append({"measure": name, "pairs": len(d), "difference": d[:, k].mean() / d[:, k].std(),
                     "p": test.pvalue})  # fmt: skip
    return pd.DataFrame(rows)


_MEASURES = ("noise", "blur", "red", "green", "blue")


def _outside(rgb: np.ndarray, where: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    residue = gray - cv2.medianBlur(gray.astype(np.uint8), 3)
    edges = cv2.Laplacian(cv2.GaussianBlur(gray, (0, 0), 1), cv2.CV_32F)
    noise, blur = residue[where].std(), np.log(edges[where].var() + 1e-6)
    return np.array([noise, blur, *rgb[where].mean(0)])


def audit(folder: str | Path) -> dict[str, pd.DataFrame]:
    """Every check of the set in ``folder``: names to tables."""
    folder = Path(folder)
    clips, _ = datasets.read(folder)
    clips = clips.merge(datasets.details(folder), on="clip")
    found, crops = detections(folder, clips)
    features = {
        "file facts": file_facts(folder, clips),
        "sound alone": sound_features(folder, clips),
        "boxes and confidence": box_features(found, clips),
        "around the face": surround_features(crops, clips),
    }
    tables = [shortcut(x, clips).assign(reads=name) for name, x in features.items()]
    shortcuts = pd.concat(tables, ignore_index=True)
    return {
        "faces": found_by_tone(found, clips),
        "shortcuts": shortcuts[["reads", "classifier", "AUC", "low", "high"]],
        "outside": outside_mask(folder, clips),
    }
