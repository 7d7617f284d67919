"""How long the measures of a whole clip take, and what the time goes to. Prints; asserts nothing.

python tests/bench_cues.py            four clips of the set in the box (6 s, 12 a second, 320 x 320)
python tests/bench_cues.py FOLDER     the videos of another folder

Run it on a machine that does nothing else. Seconds, and ratios to the clip's decoding alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from course_utils import cues, settings, video


def seconds(job: Callable[[], object], times: int = 1) -> float:
    """Wall-clock time of the quickest run."""
    taken = []
    for _ in range(times):
        start = time.monotonic()
        job()
        taken.append(time.monotonic() - start)
    return min(taken)


def times(clip: Path) -> dict[str, float]:
    """Seconds of each step for one clip."""
    decode = seconds(lambda: sum(1 for _ in video.frames(clip, every=1)), 3)
    cpu = time.process_time()
    measure = seconds(lambda: cues.measure(clip, lambda share, what: None), 3)
    cpu = (time.process_time() - cpu) / 3
    track = cues.follow(clip)
    taken = {"frames": len(track.frames), "decode": decode, "measure": measure}
    taken["measure, CPU"] = cpu
    taken |= {"measure / decode": measure / decode, "follow": seconds(lambda: cues.follow(clip))}
    taken["upright"] = seconds(lambda: track.upright)
    for cue, function in cues.MEASURES.items():
        taken[cue] = seconds(lambda function=function: function(track))
    return taken


def main(clips: list[Path]) -> None:
    cues.measure(clips[0])  # libraries and models loaded
    table = pd.DataFrame({clip.stem: times(clip) for clip in clips})
    print(table.map("{:.3f}".format).to_string())


if __name__ == "__main__":
    videos = sorted(Path(sys.argv[1]).glob("*.mp4")) if sys.argv[1:] else None
    main(videos or sorted(settings.MINI_DFDC.glob("*.mp4"))[:4])
