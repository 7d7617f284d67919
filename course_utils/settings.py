"""Profile, paths, cache and seed: what the rest of the course asks about this machine.

Lesson 00 shows all of it. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import bz2
import ctypes.util
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
MINI_DFDC = DATA / "mini_dfdc"
MODELS = DATA / "models"
RUNS = DATA / "runs"
WORK = ROOT / "work"  # what lessons and commands make on this machine; git ignores it
SEED = 0

PROFILE: str  # computed on first use, by __getattr__


def __getattr__(name: str) -> str:
    if name == "PROFILE":
        return profile()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ------------------------------------------------------------------------------ profile and device


def profile() -> str:
    """`"quick"` on a CPU, `"full"` where TensorFlow can use a GPU; `COURSE_PROFILE` overrides it.

    A profile changes image sizes, crops and epochs, never which code runs (lesson 00).
    """
    wanted = os.environ.get("COURSE_PROFILE")
    if not wanted:
        return "full" if _usable_gpu() else "quick"
    if wanted not in ("quick", "full"):
        raise ValueError(f'COURSE_PROFILE is {wanted!r}; set it to "quick" or "full", or unset it.')
    return wanted


def device() -> str:
    """What the course computes on, in words: `"GPU: NVIDIA T4"` or `"CPU, 2 cores"`."""
    if _usable_gpu():
        return f"GPU: {_nvidia_gpu()}"
    cpu = f"CPU, {cores()} core{'s' if cores() > 1 else ''}"
    if _nvidia_gpu():
        cpu += f" (a {_nvidia_gpu()} is here, but not CUDA's libraries: pip install '.[gpu]')"
    return cpu


def cores() -> int:
    """The CPU cores this process may use, which in a container are fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _nvidia_gpu() -> str | None:
    """Name of the first NVIDIA GPU the driver lists, without waking TensorFlow for it."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    names = answer.stdout.strip().splitlines()
    return names[0] if names else None


def _usable_gpu() -> bool:
    return _nvidia_gpu() is not None and _cuda()


def _cuda() -> bool:
    """Whether cuDNN, which TensorFlow needs, is in the system (Colab) or in the `gpu` extra."""
    wheels = importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.cudnn")
    return bool(wheels or ctypes.util.find_library("cudnn"))


# ------------------------------------------------------------------------------- published weights


@dataclass(frozen=True)
class Weights:
    """A published file of weights: where it comes from, and how to know that it is the one."""

    url: str
    sha256: str
    license: str


_MESONET = "https://github.com/DariusAf/MesoNet/raw/2144d56a30e48cdcac1976ff13a1c5cdc86376c6/"
_DLIB = "https://github.com/davisking/dlib-models/raw/fd81b6308a6a73d4ce08859eb2f4b628a21e27a2/"

WEIGHTS = {
    "mesonet/Meso4_DF.h5": Weights(
        _MESONET + "weights/Meso4_DF.h5",
        "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5",
        "Apache-2.0",
    ),
    "mesonet/Meso4_F2F.h5": Weights(
        _MESONET + "weights/Meso4_F2F.h5",
        "bcfda015d217b9f8d6557693edbdf9f4e79cfd22672541968dd0e2954462b5d7",
        "Apache-2.0",
    ),
    "mesonet/MesoInception_DF.h5": Weights(
        _MESONET + "weights/MesoInception_DF.h5",
        "234586d40058e76ef8b6f27ca4b63c06e31c2a5a69c0d8ba6f30b1468ab7bafa",
        "Apache-2.0",
    ),
    "mesonet/MesoInception_F2F.h5": Weights(
        _MESONET + "weights/MesoInception_F2F.h5",
        "d4533ac8a3197dc35c47405d23d99e888c1d0135e267e03540c7451feaccff3f",
        "Apache-2.0",
    ),
    "dlib/mmod_human_face_detector.dat.bz2": Weights(
        _DLIB + "mmod_human_face_detector.dat.bz2",
        "db9e9e40f092c118d5eb3e643935b216838170793559515541c56a2b50d9fc84",
        "CC0-1.0",
    ),
}


class Pretrained(NamedTuple):
    """A published file of ImageNet weights without the classification head."""

    url: str
    digest: str  # "algorithm:hexadecimal"


# MD5, because that is what Keras publishes for these files (keras/src/applications).
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_NOTOP = "weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET = {
    "vgg16": Pretrained(f"{_KERAS}vgg16/vgg16_{_NOTOP}", "md5:6d6bbae143d832006294945121d1f1fc"),
    "inception_resnet_v2": Pretrained(
        f"{_KERAS}inception_resnet_v2/inception_resnet_v2_{_NOTOP}",
        "md5:d19885ff4a710c122648d3b5c3b684e4",
    ),
    "xception": Pretrained(
        f"{_KERAS}xception/xception_{_NOTOP}", "md5:b0042744bf5b25fce3cb969f33bebb97"
    ),
    "efficientnet_b4": Pretrained(
        "https://storage.googleapis.com/keras-applications/efficientnetb4_notop.h5",
        "md5:ebc24e6d6c33eaebbd558eafbeedf1ba",
    ),
}


def user_cache() -> Path:
    """The course's folder among this user's caches."""
    import pooch

    return Path(pooch.os_cache("deepfake-detection-course"))


def cache_file(relative: str) -> Path | None:
    """The cached file of this relative name, in `COURSE_CACHE` or else the user's own cache."""
    folders = [Path(os.environ["COURSE_CACHE"])] if os.environ.get("COURSE_CACHE") else []
    found = (folder / relative for folder in [*folders, user_cache()])
    return next((path for path in found if path.is_file()), None)


def imagenet_here(model: str) -> Path | None:
    """The file of ImageNet weights of a model of `IMAGENET`: the course's, else Keras' own copy."""
    name = IMAGENET[model].url.rpartition("/")[2]
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    theirs = keras_home / "models" / name
    return cache_file(f"imagenet/{name}") or (theirs if theirs.is_file() else None)


def weights(name: str) -> Path:
    """Path of the published weights `name` (a key of `WEIGHTS`), downloaded when not yet cached.

    A name that ends in `.bz2` gives the unpacked file. Downloads go to `COURSE_CACHE` where that
    is set, so that one machine can prepare the folder a whole room then works from.

    Raises
    ------
    RuntimeError
        The file can be neither found nor downloaded, or is not the published one.
    """
    published = WEIGHTS[name]
    path = cache_file(name) or _download(name)
    if _sha256(path) != published.sha256:
        raise RuntimeError(
            f"{path} is not the published file (its SHA-256 differs): delete it, "
            "then run `python -m course_utils fetch`."
        )
    return _unpacked(name, path) if name.endswith(".bz2") else path


def _download(name: str) -> Path:
    import pooch

    path = Path(os.environ.get("COURSE_CACHE") or user_cache()) / name
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(WEIGHTS[name].url, WEIGHTS[name].sha256, path.name, path.parent)
    except (OSError, ValueError) as error:  # a failed request, or a wrong checksum
        raise RuntimeError(
            f"{name} is not in the cache and cannot be downloaded from {WEIGHTS[name].url} "
            f"({type(error).__name__}): run `python -m course_utils fetch` where there is a "
            "network, or set COURSE_CACHE to a folder that has it."
        ) from error
    return path


def _unpacked(name: str, path: Path) -> Path:
    """`path` without its `.bz2`: beside it, or in the user's cache where that is read-only."""
    plain = name.removesuffix(".bz2")
    if found := cache_file(plain):
        return found
    for folder in (path.parent, (user_cache() / plain).parent):
        target = folder / Path(plain).name
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(bz2.decompress(path.read_bytes()))
            partial.replace(target)
            return target
        except OSError as error:
            partial.unlink(missing_ok=True)
            reason = error.strerror
    raise RuntimeError(f"{path} cannot be unpacked: {reason}. Set COURSE_CACHE to another folder.")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
