"""How much of a score is memory: one small classifier, split by crops or by people (lesson 07).

Nothing here needs a network or a GPU: 256 numbers a crop and a logistic regression. Lesson 07
derives each function in plain code.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
from scipy import stats

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


def out_of_fold(
    x: np.ndarray, fake: pd.Series | np.ndarray, units: pd.Series, seed: int = 0, folds: int = 5
) -> np.ndarray:
    """`p_fake` of each row, by a logistic regression that has not met the row's unit.

    `units` says what a fold never divides: crops, clips, families or casts. Each fifth of the
    units is scored by what the other four taught; `seed` deals them out.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    deal = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    small = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    out = cross_val_predict(small, x, fake, groups=units, cv=deal, method="predict_proba")
    return out[:, 1]


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
    count = len(total)
    spread = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    half = stats.t.ppf((1 + level) / 2, count - 1) * spread
    value, apart_auc = apart.mean(), auc.difference
    rows = {
        "accuracy": [right[0].mean(), right[1].mean(), value, value - half, value + half],
        "AUC": [auc.first, auc.second, apart_auc.value, apart_auc.low, apart_auc.high],
    }
    columns = ["first", "second", "value", "low", "high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
