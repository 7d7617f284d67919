"""What training costs, as ratios of two ways measured in turns on the same machine.

python tests/bench_training.py caching    # frozen VGG16: fit against cached features
python tests/bench_training.py input      # Meso-4 at 128 px: pipelines against a constant batch
python tests/bench_training.py meso       # Meso-4: images a second, by size, batch and threads
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def make_crops(folder: Path, count: int, size: int):
    """`count` pictures as crops are: smooth, with noise; and their table."""
    import cv2
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    rows = []
    for label in ("REAL", "FAKE"):
        (folder / label).mkdir(parents=True)
        for index in range(count // 2):
            coarse = rng.integers(40, 220, (8, 8, 3), dtype=np.uint8)
            rgb = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
            rgb = np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)
            name = f"{label}/{index}.png"
            cv2.imwrite(str(folder / name), rgb)
            row = {"crop": name, "clip": name, "label": label, "group": name}
            rows.append(row | {"split": "validation" if index % 5 == 0 else "train"})
    return pd.DataFrame(rows)


def caching(folder: Path) -> None:
    from course_utils import models, training

    crops = make_crops(folder, 200, 96)
    faces = training.read_faces(crops, folder, 96)
    seconds, losses = [], []
    for cached in (True, False):
        training.prepare(0)
        model = models.vgg16("random", 96)
        start = time.perf_counter()
        if cached:
            history = training.fit_head(model, faces, 20, progress=False)
        else:
            training.compiled(models.freeze(model))
            history = training.fit(model, faces, 20, augmented=False, progress=False)
        seconds.append(time.perf_counter() - start)
        losses.append(history["val_loss"].to_numpy())
    apart = abs(losses[0] - losses[1]).max()
    print(
        f"20 frozen epochs of VGG16, {len(crops)} crops of 96 px: fit {seconds[1]:.0f} s, cached "
        f"features {seconds[0]:.1f} s, {seconds[1] / seconds[0]:.1f} times as fast; "
        f"validation losses at most {apart:.1e} apart"
    )


def input_pipeline(folder: Path, turns: int = 24) -> None:
    import keras
    import numpy as np
    import pandas as pd
    import tensorflow as tf

    from course_utils import models, training

    count, batch = 512, 32
    crops = make_crops(folder, count, 160).assign(split="train")
    pixels = training.pixels(crops, folder, 128)
    labels = training.label_numbers(crops)
    weights = training.balance(labels)
    one = (pixels[:batch], labels[:batch], weights[:batch].astype("float32"))
    ways = {
        "constant batch in memory": tf.data.Dataset.from_tensors(one).repeat(),
        "the same again": tf.data.Dataset.from_tensors(one).repeat(),
        "batches": training.batches(pixels, labels, weights, batch, epochs=range(99)),
        "batches, augmented": training.batches(
            pixels, labels, weights, batch, augmented=True, epochs=range(99)
        ),
        "batches, read at each use": training.batches(
            training._Files(crops, folder, 128), labels, weights, batch, epochs=range(99)
        ),
        "image_dataset_from_directory": keras.utils.image_dataset_from_directory(
            folder, image_size=(128, 128), batch_size=batch, verbose=False
        ).repeat(),
    }
    model = training.compiled(models.meso4("random", 128))

    def rate(data: tf.data.Dataset, steps: int = 8) -> float:
        start = time.perf_counter()
        model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)
        return steps * batch / (time.perf_counter() - start)

    # A machine's own pace changes within seconds: many short turns, each in another order.
    rng = np.random.default_rng(0)
    for data in ways.values():
        rate(data)  # the first one traces the graph
    rates = pd.DataFrame(
        {name: rate(ways[name]) for name in rng.permutation(list(ways))} for _ in range(turns)
    )[list(ways)]
    ratios = rates.div(rates.iloc[:, 0], axis=0)
    draws = [rates.sample(turns, replace=True, random_state=k).median() for k in range(2000)]
    drawn = pd.DataFrame([draw / draw.iloc[0] for draw in draws])
    print(
        pd.DataFrame(
            {
                "images/s": rates.median(),
                "of the constant": rates.median() / rates.iloc[:, 0].median(),
                "low": drawn.quantile(0.025),
                "high": drawn.quantile(0.975),
                "median of pairs": ratios.median(),
            }
        )
        .round(3)
        .to_string()
    )


def meso() -> None:
    for threads, size, batch in [
        *((2, 128, 32), (1, 128, 32), (1, 128, 16), (1, 128, 64)),
        *((2, 96, 32), (1, 96, 32), (1, 96, 64)),
    ]:
        for jit in (False, True) if batch == 32 else (False,):
            command = [sys.executable, __file__, "one", str(threads), str(size), str(batch)]
            subprocess.run([*command, str(int(jit))], check=True)


def one_meso(threads: int, size: int, batch: int, jit: int) -> None:
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from course_utils import models, training

    model = models.meso4("random", size)
    training.compiled(model)
    model.jit_compile = bool(jit)
    count = 512
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    labels = np.arange(count) % 2
    data = training.batches(images, labels, np.ones(count), batch, epochs=range(999))
    rates = []
    for _ in range(4):
        start, cpu = time.perf_counter(), time.process_time()
        model.fit(data, steps_per_epoch=count // batch, shuffle=False, verbose=0)
        rates.append((count / (time.perf_counter() - start), time.process_time() - cpu))
    wall, cpu = max(rates[1:])[0], min(each for _, each in rates[1:])
    print(
        f"Meso-4, {size} px, batch {batch}, {threads} thread{'s' * (threads > 1)}"
        f"{', jit' * jit}: {wall:.0f} images/s, {1000 * cpu / count:.1f} ms of CPU an image",
        flush=True,
    )


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what == "one":
        one_meso(*map(int, sys.argv[2:]))
    elif what == "meso":
        meso()
    elif what in ("caching", "input"):
        with tempfile.TemporaryDirectory() as scratch:
            {"caching": caching, "input": input_pipeline}[what](Path(scratch) / "crops")
    else:
        sys.exit(__doc__)
