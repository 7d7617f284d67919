"""How long Grad-CAM of a batch takes, beside a training step of the same batch.

python tests/bench_heatmaps.py [MODEL [SIZE]]   e.g. course_backbone, meso4, vgg16 96
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from course_utils import heatmaps, models, training

BATCH = 32
ROUNDS = 7


def seconds(*jobs: Callable[[], object]) -> list[float]:
    """The median time of each job; they take turns, so that the machine's moods meet all alike."""
    for job in jobs:
        job()  # traced and compiled
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS):
        for job, mine in zip(jobs, times, strict=True):
            start = time.perf_counter()
            job()
            mine.append(time.perf_counter() - start)
    return [statistics.median(mine) for mine in times]


def bench(name: str, size: int | None) -> None:
    """Print times and their ratios: at most .6 of a training step is the bar for Grad-CAM."""
    model = models.MODELS[name](weights="random", **({"image_size": size} if size else {}))
    training.compiled(model)
    rng = np.random.default_rng(0)
    size = models.image_size(model)
    crops = rng.integers(0, 256, (BATCH, size, size, 3)).astype(np.float32)
    labels = np.arange(BATCH) % 2
    cam, plus = (heatmaps.GradCAM(model, method=method) for method in heatmaps.METHODS)
    step, one, other = seconds(
        lambda: model.train_on_batch(crops, labels), lambda: cam(crops), lambda: plus(crops)
    )
    print(
        f"{name} at {size} px, {BATCH} crops: training step {step:.3f} s, Grad-CAM {one:.3f} s "
        f"({one / step:.2f}), Grad-CAM++ {other:.3f} s ({other / step:.2f})",
        flush=True,
    )


if __name__ == "__main__":
    chosen = [(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)] * (len(sys.argv) > 1)
    for name, size in chosen or [("course_backbone", None), ("meso4", 128), ("vgg16", 96)]:
        bench(name, size)
