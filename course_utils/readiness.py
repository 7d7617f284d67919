"""Is this machine ready for the course? What `python -m course_utils check` and lesson 00 ask."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from course_utils import settings

_INSTALL = "run `make lab` again, or `pip install -e .` in the course's folder"
_LIGHT = {  # module to import: package to install
    **{name: name for name in ("numpy", "pandas", "scipy", "matplotlib", "seaborn", "joblib")},
    **{"sklearn": "scikit-learn", "ipywidgets": "ipywidgets", "pooch": "pooch", "tqdm": "tqdm"},
}


class Check(NamedTuple):
    """One thing that was looked at: `status` is ok, warn or fail; `text` says what to do."""

    status: str
    text: str


def checks() -> Iterator[Check]:
    """Look at everything the lessons need, quickest first. A check that breaks down is a fail."""
    every: list[Callable[[], Iterator[Check]]] = [
        *(_python, _packages, _opencv, _dlib, _video, _space),
        *(_box, _weights, _jupyter, _tensorflow),
    ]
    for check in every:
        try:
            yield from check()
        except Exception as error:
            what = check.__name__.strip("_")
            yield Check("fail", f"{what}: {type(error).__name__}: {error}; {_INSTALL}")


def _python() -> Iterator[Check]:
    version = sys.version.split()[0]
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield (
        Check("ok", f"Python {version}")
        if good
        else Check("fail", f"Python {version}: install 3.11, 3.12 or 3.13; TensorFlow has no other")
    )


def _packages() -> Iterator[Check]:
    found = []
    for module, package in _LIGHT.items():
        try:
            importlib.import_module(module)
            found.append(f"{package} {metadata.version(package)}")
        except ImportError as error:
            yield Check("fail", f"{package} cannot be imported ({error}); {_INSTALL}")
    yield Check("ok", ", ".join(found))


def _opencv() -> Iterator[Check]:
    import cv2

    yield Check("ok", f"OpenCV {cv2.__version__}")
    names = {(d.metadata["Name"] or "").lower() for d in metadata.distributions()}
    both = sorted(name for name in names if name.startswith("opencv-"))
    if len(both) > 1 and "google.colab" not in sys.modules:
        yield Check(
            "warn",
            f"{' and '.join(both)} share one folder: if pictures fail, uninstall all of them "
            "and install opencv-python-headless",
        )


def _dlib() -> Iterator[Check]:
    import dlib
    import numpy as np

    dlib.get_frontal_face_detector()(np.zeros((120, 120, 3), np.uint8))
    yield Check("ok", f"dlib {dlib.__version__} finds faces")


def _video() -> Iterator[Check]:
    import av
    import numpy as np

    from course_utils import video

    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ramp.mp4"
        video.write(path, [ramp] * 3, fps=10)
        back = next(video.frames(path, every=1)).rgb
    same = np.abs(back.astype(int) - ramp).mean() < 3
    yield (
        Check("ok", f"FFmpeg in PyAV {av.__version__} writes and reads H.264")
        if same
        else Check("fail", f"PyAV {av.__version__} does not read back what it wrote; {_INSTALL}")
    )


def _space() -> Iterator[Check]:
    free = shutil.disk_usage(settings.ROOT).free / 1e9
    status = "ok" if free > 5 else "warn" if free > 1 else "fail"
    advice = "" if status == "ok" else ": free some, lessons write up to 2 GB"
    yield Check(status, f"{free:.0f} GB of free disk{advice}")
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        enough = memory > 3.5
        advice = "" if enough else ": close other programs; lessons 05 and 06 need 4 GB"
        yield Check("ok" if enough else "warn", f"{memory:.0f} GB of memory{advice}")


def _box() -> Iterator[Check]:
    from course_utils import datasets

    clips, skipped = datasets.read(settings.MINI_DFDC)
    again = "get the course again (git clone)"
    if clips.empty or len(skipped):
        yield Check("fail", f"data/mini_dfdc has {len(clips)} clips, lacks {len(skipped)}: {again}")
    else:
        yield Check("ok", f"data/mini_dfdc: {len(clips)} clips")
    landmarks = settings.MODELS / "landmarks.dat"
    if not landmarks.is_file():
        yield Check("fail", f"data/models/landmarks.dat is missing: {again}")
    dfdc = datasets.find_dfdc()
    yield Check("ok", f"DFDC's sample: {dfdc}" if dfdc else "DFDC's sample: not here, not needed")


def _weights() -> Iterator[Check]:
    files = {name: settings.cache_file(name) for name in settings.WEIGHTS}
    files |= {f"imagenet/{model}": settings.imagenet_here(model) for model in settings.IMAGENET}
    there = [name for name, file in files.items() if file]
    missing = [name for name, file in files.items() if not file]
    if there:
        yield Check("ok", f"in the cache: {', '.join(there)}")
    if missing:
        yield Check(
            "warn",
            f"not in the cache: {', '.join(missing)}; lessons go on without and say so, "
            "`python -m course_utils fetch` gets them",
        )


def _jupyter() -> Iterator[Check]:
    from jupyter_client.kernelspec import KernelSpecManager

    kernels = KernelSpecManager().find_kernel_specs()
    if "python3" in kernels:
        yield Check("ok", f"JupyterLab {metadata.version('jupyterlab')} with a Python kernel")
    else:
        yield Check("fail", f"Jupyter has no Python kernel; {_INSTALL}")


def _tensorflow() -> Iterator[Check]:
    """In a process of its own: on a processor it is not made for, TensorFlow takes Python along."""
    code = (
        "import tensorflow as t; print(t.__version__, len(t.config.list_physical_devices('GPU')))"
    )
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=quiet)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        yield Check("fail", f"TensorFlow cannot be imported ({last}); {_INSTALL}")
        return
    version, gpus = done.stdout.split()[-2:]
    yield Check("ok", f"TensorFlow {version} on {settings.device()}, profile {settings.profile()}")
    if int(gpus) == 0 and settings.device().startswith("GPU"):
        yield Check("warn", "TensorFlow does not see the GPU: set COURSE_PROFILE=quick")
