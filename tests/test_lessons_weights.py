"""Lessons 04 and 05 where the published weights are at hand: a stand-in of random ones does.

Everything else runs the lessons without them, as a fresh clone does.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import pytest

from course_utils import lessons, models, settings

# Run by IPython in the kernel before the first cell: expect these files instead of the published
# ones, and note which were asked for.
STARTUP = """
import json
from dataclasses import replace
from pathlib import Path
from course_utils import models, settings

digests, used = json.loads(Path({digests!r}).read_text()), Path({used!r})
for name, digest in digests["published"].items():
    settings.WEIGHTS[name] = replace(settings.WEIGHTS[name], sha256=digest)
for name, digest in digests["imagenet"].items():
    settings.IMAGENET[name] = settings.IMAGENET[name]._replace(digest="sha256:" + digest)

def noted(find):
    def found(name):
        path = find(name)
        with used.open("a") as list_:
            print(path.name, file=list_)
        return path
    return found

models.imagenet_file, settings.weights = noted(models.imagenet_file), noted(settings.weights)
"""


def _saved(model: keras.Model, path: Path) -> str:
    """Save in the old format of the published files; the file's SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[dict[str, str], Path]:
    """Variables of an environment with stand-ins prepared in COURSE_CACHE, and the list of uses."""
    folder = tmp_path_factory.mktemp("prepared")
    keras.utils.set_random_seed(3)
    mesonet = models.meso4("random", 256)
    real = keras.layers.Dense(1, activation="sigmoid")(mesonet.layers[-2].output)
    authors = keras.Model(mesonet.input, real)
    vgg16 = keras.applications.VGG16(weights=None, include_top=False)
    notop = settings.IMAGENET["vgg16"].url.rpartition("/")[2]
    digests = {
        "published": {
            name: _saved(authors, folder / "cache" / name)
            for name in ("mesonet/Meso4_DF.h5", "mesonet/Meso4_F2F.h5")
        },
        "imagenet": {"vgg16": _saved(vgg16, folder / "cache" / "imagenet" / notop)},
    }
    (folder / "digests.json").write_text(json.dumps(digests))
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    used = folder / "used.txt"
    text = STARTUP.format(digests=str(folder / "digests.json"), used=str(used))
    (startup / "stand_in.py").write_text(text)
    places = {"COURSE_CACHE": str(folder / "cache"), "IPYTHONDIR": str(folder / "ipython")}
    return os.environ | places, used


@pytest.mark.parametrize(
    ("lesson", "wanted"),
    [
        ("04", {"Meso4_DF.h5"}),
        ("05", {"Meso4_DF.h5", settings.IMAGENET["vgg16"].url.rpartition("/")[2]}),
    ],
)
def test_lessons_are_green_with_the_published_weights_at_hand(lesson, wanted, prepared):
    environment, used = prepared
    used.write_text("")
    (path,) = lessons.paths(lesson)
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", path]
    done = subprocess.run(
        command, env=environment, cwd=path.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert wanted <= set(used.read_text().split())
