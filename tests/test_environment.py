"""One environment: what pyproject.toml allows, requirements.txt pins, and environment.yml uses."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import bootstrap
from course_utils.settings import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [
    Requirement(line)
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
PYTHONS = [f"{major}.{minor}" for major, minor in bootstrap.SUPPORTED]


def pinned(wanted: Requirement, python: str, system: str) -> str:
    """The version of `wanted` that the lock gives this Python on this system."""
    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": system}
    found = [
        str(pin.specifier).removeprefix("==")
        for pin in PINS
        if pin.name.lower() == wanted.name.lower() and (not pin.marker or pin.marker.evaluate(here))
    ]
    assert len(found) == 1, f"{wanted.name} is pinned {len(found)} times for Python {python}"
    return found[0]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_lock_is_within_the_bounds_of_pyproject(python, system):
    extras = PROJECT["optional-dependencies"]
    for line in PROJECT["dependencies"] + extras["dev"] + extras["provenance"]:
        wanted = Requirement(line)
        version = pinned(wanted, python, system)
        assert wanted.specifier.contains(version, prereleases=True), f"{line}: {version} is locked"


def test_conda_uses_the_lock_and_the_same_pythons():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == (f"python {PROJECT['requires-python']}", "pip")
    assert packages == {"pip": ["-r requirements.txt", "-e ."]}
    assert environment["channels"] == ["conda-forge"]


def test_supported_pythons_are_named_once():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in allowed] == PYTHONS
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS


def test_no_registry_is_named():
    for name in ("requirements.txt", "environment.yml", "package-lock.json", ".npmrc", "Makefile"):
        lines = (ROOT / name).read_text().splitlines()
        assert not [line for line in lines if "index-url" in line or '"resolved"' in line], name


def test_gpu_is_an_extra_and_never_locked():
    assert not [pin.name for pin in PINS if pin.name.startswith("nvidia")]
    assert any("and-cuda" in line for line in PROJECT["optional-dependencies"]["gpu"])


@pytest.fixture
def stopped(capsys):
    """Calls a function that must stop with one sentence, and gives that sentence."""

    def call(function) -> str:
        with pytest.raises(SystemExit) as stop:
            function()
        return str(stop.value.code).strip()

    return call


@pytest.mark.parametrize("version", [(3, 10, 4), (3, 14, 0)])
def test_wrong_python_is_told_what_to_do(monkeypatch, stopped, version):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    said = stopped(bootstrap.check_python)
    assert f"Python {version[0]}.{version[1]}" in said and "3.11, 3.12 or 3.13" in said


def test_wrong_python_hands_over_to_a_right_one(monkeypatch, stopped):
    calls = []
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command: calls.append(command) or 0)
    assert stopped(bootstrap.check_python) == "0"
    assert calls == [["/bin/python3.13", *sys.argv]]


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A checkout without an environment, in which no command runs for real."""
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    venv = tmp_path / ".venv"
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(bootstrap, "STAMP", venv / "course-stamp")
    commands = []

    def run(*command, hint=None):
        venv.mkdir(exist_ok=True)
        commands.append([str(part) for part in command])

    monkeypatch.setattr(bootstrap, "run", run)
    monkeypatch.setattr(bootstrap, "check_network", lambda: None)
    monkeypatch.setattr(bootstrap, "works", lambda python: venv.exists())
    return commands


def test_second_time_does_nothing_until_a_pin_changes(bare):
    bootstrap.make_environment()
    assert [command[2] for command in bare] == ["venv", "pip", "pip"]
    bootstrap.make_environment()
    assert len(bare) == 3
    with (bootstrap.ROOT / "requirements.txt").open("a") as file:
        file.write("# newer\n")
    bootstrap.make_environment()
    assert len(bare) == 6


def test_an_interrupted_installation_is_done_again(bare, monkeypatch):
    monkeypatch.setattr(bootstrap, "check_network", lambda: bootstrap.stop("no network"))
    with pytest.raises(SystemExit):
        bootstrap.make_environment()
    monkeypatch.setattr(bootstrap, "check_network", lambda: None)
    bootstrap.make_environment()
    assert [command[2] for command in bare] == ["venv", "venv", "pip", "pip"]


def test_full_disk_is_told_before_anything_is_made(bare, monkeypatch, stopped):
    usage = type("Usage", (), {"free": 2e9})
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda path: usage)
    assert "this disk has 2.0 GB left" in stopped(bootstrap.make_environment)
    assert not bare


def test_missing_venv_module_is_told(bare, monkeypatch, stopped):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "install its venv module" in stopped(bootstrap.make_environment)


def test_missing_network_is_told(monkeypatch, stopped):
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda *arguments, **options: 1)
    assert "check the network" in stopped(bootstrap.check_network)


@pytest.mark.parametrize("command", ["test", "slides"])
def test_missing_node_is_told(monkeypatch, stopped, command):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", command])
    assert "Node.js" in stopped(bootstrap.main)


def test_missing_browser_is_told(monkeypatch, stopped):
    monkeypatch.setattr(bootstrap, "find_browser", lambda: None)
    monkeypatch.setattr(bootstrap, "check_node", lambda: None)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "test"])
    assert "Chromium" in stopped(bootstrap.main)


def test_importing_the_package_is_light():
    heavy = (
        "import course_utils, sys; print([m for m in ('tensorflow', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
