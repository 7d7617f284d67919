"""Figures of the deck of lesson 03. The simulation is the one the notebook explains."""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from course_utils import datasets, faces, plots, settings, video


def draw(save: Callable[[str], None]) -> None:
    """Draw the deck's figures."""
    plots.steps(
        ["videos", "clips", "crops", "split", "scores"],
        [
            "a folder and\nmetadata.json",
            "a row a video",
            "a row a face",
            "by group",
            "AUC and its\ninterval",
        ],
    )
    save("steps")

    clips, _ = datasets.read(settings.MINI_DFDC)
    counts = pd.DataFrame({"DFDC's sample": {"REAL": 77, "FAKE": 323}}).T
    counts.loc["this course's set"] = clips["label"].value_counts()
    plots.label_counts(counts)
    save("imbalance")

    ways = {"seek to each frame": 8200, "read every frame": 2450, "grab, convert the wanted": 1950}
    plots.times(pd.Series({**ways, "the same with PyAV": 1850}), "milliseconds for 10 frames")
    save("seeking")

    shown = clips[(clips["label"] == "REAL") & (clips["split"] == "train")]
    path = settings.MINI_DFDC / shown["clip"].iloc[0]
    rgb = list(video.frames(path, count=10))[4].rgb
    plots.frames([rgb[..., ::-1], rgb], titles=["as OpenCV reads it", "swapped"], columns=2)
    save("colors")

    box = faces.detect(rgb)[0].box
    hard = harder(rgb, box)
    boxes = [[face.box for face in faces.detect(image)] for image in hard.values()]
    plots.frames(list(hard.values()), boxes, list(hard))
    save("hard")

    margins = {"no margin": 0, "a third": 1 / 3, "one box": 1.0}
    plots.crops([faces.crop(rgb, box, m, size=256) for m in margins.values()], list(margins))
    save("margins")

    plots.pairs(real=[0.1, 0.3, 0.6], fake=[0.2, 0.4, 0.7, 0.9])
    save("pairs")

    plots.coverage(*studies(), xlabel="AUC")
    save("coverage")

    plots.shares(met(clips), "share of the test whose clip or people were in training")
    save("met")


def harder(rgb: np.ndarray, box: tuple[int, int, int, int]) -> dict[str, np.ndarray]:
    """The frame as it may come: far away, dark, lying down, half of the face covered."""
    left, top, right, bottom = box
    height, width = rgb.shape[0] // 6, rgb.shape[1] // 6
    far = np.zeros_like(rgb)
    far[:height, :width] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    covered = rgb.copy()
    covered[(top + bottom) // 2 : bottom, left:right] = 128
    lying = np.ascontiguousarray(np.rot90(rgb)[: rgb.shape[0]])
    dark = (rgb * 0.1).astype("uint8")
    return {"far away": far, "in the dark": dark, "lying down": lying, "half covered": covered}


def studies() -> tuple[pd.DataFrame, float]:
    """Twenty imagined studies with their intervals over crops and over groups; the true AUC."""
    many = imagine(5000, np.random.default_rng(1))
    rows = []
    for seed in range(20):
        study = imagine(20, np.random.default_rng(seed))
        for unit, crops in (("crops", 1), ("groups", 30)):
            low, high = interval(*study, crops)
            rows.append({"unit": f"drawing {unit}", "low": low, "high": high})
    return pd.DataFrame(rows), auc(*many)


def imagine(groups: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`fake` and `score` of 30 crops a group, from a detector whose skill differs by group."""
    clip = np.repeat(np.arange(3 * groups), 10)
    fake = clip % 3 > 0
    skill = rng.normal(1, 1, groups)
    score = skill[clip // 3] * fake + rng.normal(0, 1, 3 * groups)[clip]
    return fake, score + rng.normal(0, 0.3, 30 * groups)


def interval(fake: np.ndarray, score: np.ndarray, crops: int) -> np.ndarray:
    """Percentile bootstrap that draws blocks of so many crops."""
    rng = np.random.default_rng(0)
    blocks = np.arange(len(fake)).reshape(-1, crops)
    draws = (blocks[rng.integers(len(blocks), size=len(blocks))].ravel() for _ in range(200))
    return np.quantile([auc(fake[rows], score[rows]) for rows in draws], [0.025, 0.975])


def auc(fake: np.ndarray, score: np.ndarray) -> float:
    """Share of pairs ranked right, from the mean rank of the fakes (Hanley & McNeil 1982)."""
    n = fake.sum()
    return float((rankdata(score)[fake].mean() - (n + 1) / 2) / (len(fake) - n))


def met(clips: pd.DataFrame) -> pd.Series:
    """Share of a random test fifth that training has met, by what is drawn: four crops a clip."""
    rng = np.random.default_rng(settings.SEED)
    crops = clips.loc[clips.index.repeat(4)].reset_index(drop=True)
    shares = {}
    for name, table, unit in [
        ("split over crops", crops, "clip"),
        ("split over clips", clips, "group"),
    ]:
        in_test = rng.permutation(len(table)) < len(table) / 5
        shares[name] = table.loc[in_test, unit].isin(table.loc[~in_test, unit]).mean()
    return pd.Series({**shares, "split over groups": 0.0})
