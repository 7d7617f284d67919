"""Profile, device and cache."""

from __future__ import annotations

import bz2
import functools
import hashlib
import http.server
import subprocess
import sys
import threading
import time

import pytest

from course_utils import settings


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    monkeypatch.setattr(settings, "_nvidia_gpu", lambda: None)


def test_importing_the_package_is_quick_and_light():
    code = (
        "import sys, course_utils, course_utils.settings as s; s.PROFILE, s.device();"
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_profile_is_quick_on_a_cpu_and_full_on_a_gpu(cpu, monkeypatch):
    assert settings.profile() == settings.PROFILE == "quick"
    monkeypatch.setattr(settings, "_nvidia_gpu", lambda: "NVIDIA T4")
    monkeypatch.setattr(settings, "_cuda", lambda: True)
    assert settings.profile() == "full"
    assert settings.device() == "GPU: NVIDIA T4"
    monkeypatch.setattr(settings, "_cuda", lambda: False)
    assert settings.profile() == "quick"
    assert "NVIDIA T4 is here" in settings.device()


def test_profile_obeys_the_environment(cpu, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert settings.profile() == settings.PROFILE == "full"
    monkeypatch.setenv("COURSE_PROFILE", "fast")
    with pytest.raises(ValueError, match='COURSE_PROFILE is \'fast\'; set it to "quick" or "full"'):
        settings.profile()


def test_paths_lie_in_the_repository():
    assert (settings.ROOT / "course_utils" / "settings.py").is_file()
    assert settings.MINI_DFDC.parent == settings.DATA


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """A shared cache and a user's own, both empty."""
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    monkeypatch.setenv("COURSE_CACHE", str(shared))
    monkeypatch.setattr(settings, "user_cache", lambda: own)
    return shared, own


def _publish(monkeypatch, name: str, content: bytes, url: str = "http://127.0.0.1:9/none") -> None:
    published = settings.Weights(url, hashlib.sha256(content).hexdigest(), "CC0-1.0")
    monkeypatch.setitem(settings.WEIGHTS, name, published)


def test_the_shared_cache_is_searched_first(caches):
    shared, own = caches
    assert settings.cache_file("a/b.h5") is None
    (own / "a").mkdir(parents=True)
    (own / "a" / "b.h5").touch()
    assert settings.cache_file("a/b.h5") == own / "a" / "b.h5"
    (shared / "a").mkdir()
    (shared / "a" / "b.h5").touch()
    assert settings.cache_file("a/b.h5") == shared / "a" / "b.h5"


def test_weights_come_from_the_cache_and_are_checked(caches, monkeypatch):
    shared, _ = caches
    _publish(monkeypatch, "net.h5", b"weights")
    (shared / "net.h5").write_bytes(b"weights")
    assert settings.weights("net.h5") == shared / "net.h5"
    (shared / "net.h5").write_bytes(b"other weights")
    with pytest.raises(RuntimeError, match="net.h5 is not the published file"):
        settings.weights("net.h5")


def test_packed_weights_are_unpacked_beside_or_into_the_own_cache(caches, monkeypatch):
    shared, own = caches
    packed = bz2.compress(b"detector")
    _publish(monkeypatch, "net.dat.bz2", packed)
    (shared / "net.dat.bz2").write_bytes(packed)
    plain = settings.weights("net.dat.bz2")
    assert plain == shared / "net.dat"
    assert plain.read_bytes() == b"detector"
    assert sorted(p.name for p in shared.iterdir()) == ["net.dat", "net.dat.bz2"]

    plain.unlink()
    plain.mkdir()  # nothing can be written there, not even by root
    assert settings.weights("net.dat.bz2") == own / "net.dat"
    assert (own / "net.dat").read_bytes() == b"detector"


def test_weights_that_cannot_be_had_say_what_to_do(caches, monkeypatch):
    _publish(monkeypatch, "net.h5", b"weights")
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="net.h5 is not in the cache .* set COURSE_CACHE"):
        settings.weights("net.h5")
    assert time.monotonic() - start < 60


def test_downloads_fill_the_shared_cache(caches, monkeypatch, http_folder):
    shared, _ = caches
    folder, address = http_folder
    (folder / "net.h5").write_bytes(b"weights")
    _publish(monkeypatch, "deep/net.h5", b"weights", f"{address}/net.h5")
    assert settings.weights("deep/net.h5") == shared / "deep" / "net.h5"
    assert (shared / "deep" / "net.h5").read_bytes() == b"weights"


def test_a_download_that_is_not_the_published_file_is_refused(caches, monkeypatch, http_folder):
    folder, address = http_folder
    (folder / "net.h5").write_bytes(b"something else")
    _publish(monkeypatch, "net.h5", b"weights", f"{address}/net.h5")
    with pytest.raises(RuntimeError, match="cannot be downloaded"):
        settings.weights("net.h5")
    assert settings.cache_file("net.h5") is None


@pytest.fixture
def http_folder(tmp_path):
    """A folder served on this machine, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
