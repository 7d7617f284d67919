"""How much of a score is memory: one small classifier, split by crops or by people (lesson 07).

Nothing here needs a network or a GPU: 256 numbers a crop and a logistic regression. Lesson 07
derives each function in plain code.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
from scipy.special import expit

from course_utils import evaluation

SIDE = 128  # pixels of a crop's side that `features` takes


def features(images: np.ndarray) -> np.ndarray:
    """256 numbers a crop, (n, 256), of (n, 128, 128, 3) uint8: 8 x 8 colors, 64 roughnesses.

    Color is 0 to 1. Roughness of a tile is the logarithm of the mean square of what a blur of
    1 pixel takes away. Together they know rooms, shirts and a clip's grain.
    """
    rows = []
    for image in images:
        small = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA) / 255
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        rough = (gray - cv2.GaussianBlur(gray, (0, 0), 1)) ** 2
        tiles = rough.reshape(8, SIDE // 8, 8, SIDE // 8).mean((1, 3))
        rows.append(np.r_[small.ravel(), np.log(tiles + 0.01).ravel()])
    return np.array(rows)


def held_out(crops: pd.DataFrame, x: np.ndarray, unit: str, seed: int = 0) -> pd.DataFrame:
    """A random third of the units with `p_fake`, by a logistic regression on the other two thirds.

    `unit` is the column that the split never divides: `crop`, `clip`, `family` or `group`. `x` has
    a row of `features` for each row of `crops`; `seed` draws the third.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    units = crops[unit].unique()
    drawn = np.random.default_rng(seed).permutation(units)[: len(units) // 3]
    aside = crops[unit].isin(drawn).to_numpy()
    small = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    small.fit(x[~aside], crops["label"][~aside] == "FAKE")
    return crops[aside].assign(p_fake=small.predict_proba(x[aside])[:, 1])


def descend(
    x: np.ndarray, fake: np.ndarray, split: np.ndarray, rate: float, epochs: int = 200
) -> pd.DataFrame:
    """Logistic regression by gradient descent on the rows of `split` train: loss by epoch.

    Columns `epoch`, `loss`, `val_loss` (mean log-loss over the rows of train and of validation),
    as `plots.curves` takes them. Each epoch is one step along the slope over all rows.
    """
    train, validation = split == "train", split == "validation"
    z = (x - x[train].mean(0)) / x[train].std(0)
    w, b, rows = np.zeros(x.shape[1]), 0.0, []
    for epoch in range(1, epochs + 1):
        off = expit(z @ w + b) - fake
        w, b = w - rate * off[train] @ z[train] / train.sum(), b - rate * off[train].mean()
        cost = np.logaddexp(0, np.where(fake, -1, 1) * (z @ w + b))
        means = {"loss": cost[train].mean(), "val_loss": cost[validation].mean()}
        rows.append({"epoch": epoch, **means})
    return pd.DataFrame(rows)


def shuffle_labels(crops: pd.DataFrame, seed: int) -> pd.Series:
    """The crops' labels, dealt anew among the clips of each `family`: it keeps its number of fakes.

    All crops of a clip get the same label: a control, for nothing is left to learn (lesson 07).
    """
    rng = np.random.default_rng(seed)
    clips = crops.drop_duplicates("clip").set_index("clip")
    return crops["clip"].map(clips.groupby("family")["label"].transform(rng.permutation))


def gap(first: pd.DataFrame, second: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """First minus second, on the same clips: rows `accuracy` and `AUC`, with intervals over groups.

    Both tables have a row a clip (`clip`, `label`, `group`, `p_fake`). Columns `first`, `second`,
    `value` (their difference), `low`, `high`: a jackknife over groups, as `evaluation.compare`.
    """
    auc = evaluation.compare(first, second, "AUC", level)
    both = first.merge(second[["clip", "p_fake"]], on="clip", suffixes=("", "_second"))
    fake = both["label"] == "FAKE"
    right = [(both[column] > 0.5) == fake for column in ("p_fake", "p_fake_second")]
    apart = right[0].astype(float) - right[1].astype(float)
    total = apart.groupby(both["group"]).agg(["sum", "count"])
    without = (apart.sum() - total["sum"]) / (len(apart) - total["count"])
    half = evaluation.jackknife_half(without.to_numpy(), level)
    value, apart_auc = apart.mean(), auc.difference
    rows = {
        "accuracy": [right[0].mean(), right[1].mean(), value, value - half, value + half],
        "AUC": [auc.first, auc.second, apart_auc.value, apart_auc.low, apart_auc.high],
    }
    columns = ["first", "second", "value", "low", "high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
