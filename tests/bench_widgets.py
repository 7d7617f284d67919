"""How fast the artifact explorer answers: python tests/bench_widgets.py

Prints the time from a dial's move to its picture (200 ms are allowed) and to the last of its eight
values, the median of several moves of each dial, and of the whole clip's measures (2 s).
"""

from __future__ import annotations

import statistics
import time

from course_utils import cues, datasets, settings, widgets


def main() -> None:
    labels = datasets.read(settings.MINI_DFDC)[0].set_index("clip")["label"]
    paths = sorted((settings.MINI_DFDC / "near_lossless").glob("*.mp4"))
    path = next(p for p in paths if labels[p.name] == "REAL")
    start = time.perf_counter()
    explorer = widgets.Explorer(path)
    print(f"opened in {time.perf_counter() - start:.1f} s")
    shown: list[float] = []
    explorer.picture.observe(lambda _: shown.append(time.perf_counter()), names="value")
    for cue, dial in [*explorer.dials.items(), ("all at once", None)]:
        pictures, values = [], []
        for amount in (0.3, 0.6, 0.9):
            shown.clear()
            start = time.perf_counter()
            if dial is None:
                explorer.turn({cue: amount for cue in explorer.dials})
            else:
                dial.value = amount
            values.append(time.perf_counter() - start)
            pictures += [moment - start for moment in shown[:1]]
        explorer.turn({})
        first = f"{1000 * statistics.median(pictures):4.0f}" if pictures else "   -"
        print(f"{cue:14} picture {first} ms, values {1000 * statistics.median(values):4.0f} ms")
    start = time.perf_counter()
    cues.measure(path)
    print(f"measures of the whole clip {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
