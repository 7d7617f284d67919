"""The commands, as a person runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

import course_utils
from course_utils import readiness, settings
from course_utils.__main__ import main


@pytest.mark.parametrize("command", ["check", "fetch", "extract"])
def test_each_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as leaving:
        main([command, "--help"])
    assert leaving.value.code == 0
    assert f"example: python -m course_utils {command}" in " ".join(capsys.readouterr().out.split())


def test_help_loads_nothing_heavy():
    code = "import sys; from course_utils.__main__ import main\ntry: main(['--help'])\nfinally: "
    code += "print([m for m in ('tensorflow', 'cv2', 'pandas', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_extract_ends_with_one_line(tmp_path, film, capsys):
    film(tmp_path / "in" / "a.mp4")
    film(tmp_path / "in" / "gaps.mp4", without=range(4, 8))
    film(tmp_path / "in" / "blank.mp4", without=range(12))
    (tmp_path / "in" / "empty.mp4").touch()
    arguments = ["extract", str(tmp_path / "in"), str(tmp_path / "out"), "--frames", "6"]
    assert main([*arguments, "--jobs", "1"]) == 0
    line = capsys.readouterr().out.strip()
    expected = r"4 clips, 18 frames, 10 crops, 8 frames without a face, 2 clips skipped, [\d.]+ s"
    assert re.fullmatch(expected, line)


def test_a_missing_folder_is_one_sentence(tmp_path, capsys):
    assert main(["extract", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"There is no folder {tmp_path / 'nowhere'}: check the path.\n"


def test_fetch_says_what_failed_and_why(tmp_path, monkeypatch, capsys):
    def no_network(name):
        raise RuntimeError(f"{name}: no network")

    here = settings.Weights("http://127.0.0.1:9/a", settings._sha256(_file(tmp_path / "a.h5")), "")
    monkeypatch.setattr(settings, "WEIGHTS", {"a.h5": here, "b.h5": here})
    monkeypatch.setattr(settings, "IMAGENET", {"vgg16": None})
    models = SimpleNamespace(imagenet_file=no_network)
    monkeypatch.setitem(sys.modules, "course_utils.models", models)
    monkeypatch.setattr(course_utils, "models", models, raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert main(["fetch"]) == 1
    good, bad, imagenet = capsys.readouterr().out.splitlines()
    assert good == f"ok    {tmp_path / 'a.h5'}"
    assert bad.startswith("fail  b.h5 is not in the cache and cannot be downloaded from http://127")
    assert imagenet == "fail  vgg16: no network"


def _file(path):
    path.write_bytes(b"weights")
    return path


# ------------------------------------------------------------------------------------ check


def only(monkeypatch, *checks):
    """Leave `checks` alone, so that a test need not import TensorFlow."""

    def results():
        for check in checks:
            yield from check()

    monkeypatch.setattr(readiness, "checks", results)


def test_check_passes_where_all_is_well(monkeypatch, capsys):
    checks = (readiness._python, readiness._packages, readiness._dlib, readiness._video)
    only(monkeypatch, *checks, readiness._space, readiness._jupyter)
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "This machine is ready."
    assert all(re.match("ok    |warn  ", line) for line in lines[:-1])


def test_check_names_the_weights_that_are_here_and_that_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(settings, "user_cache", lambda: tmp_path / "nothing")
    (tmp_path / "imagenet").mkdir()
    name = settings.IMAGENET["vgg16"].url.rpartition("/")[2]
    (tmp_path / "imagenet" / name).write_bytes(b"weights")
    here, missing = readiness._weights()
    assert here == readiness.Check("ok", "in the cache: imagenet/vgg16")
    assert missing.status == "warn" and "imagenet/xception" in missing.text
    assert "mesonet/Meso4_DF.h5" in missing.text and "imagenet/vgg16" not in missing.text


def test_check_fails_when_the_data_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(settings, "MINI_DFDC", tmp_path)
    only(monkeypatch, readiness._box)
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "fail  data/mini_dfdc has 0 clips" in out
    assert "Not ready" in out


def test_a_check_that_breaks_down_is_a_failure_not_a_crash(monkeypatch):
    def _video():
        raise OSError("libx264 is missing")
        yield

    for name in ("_python", "_packages", "_opencv", "_dlib", "_space", "_box", "_weights"):
        monkeypatch.setattr(readiness, name, lambda: iter(()))
    monkeypatch.setattr(readiness, "_jupyter", lambda: iter(()))
    monkeypatch.setattr(readiness, "_tensorflow", lambda: iter(()))
    monkeypatch.setattr(readiness, "_video", _video)
    (result,) = readiness.checks()
    assert result.status == "fail"
    assert "video: OSError: libx264 is missing" in result.text


def test_check_names_weights_that_are_not_cached(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(settings, "user_cache", lambda: tmp_path / "own")
    (result,) = readiness._weights()
    assert result.status == "warn"
    assert "mesonet/Meso4_DF.h5" in result.text
    assert "fetch" in result.text


def test_check_sees_a_broken_tensorflow(monkeypatch, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('DLL load failed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (result,) = readiness._tensorflow()
    assert result.status == "fail"
    assert "DLL load failed" in result.text
