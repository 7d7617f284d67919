"""Content Credentials: signed, changed, stripped, forged, and what the check says of each."""

from __future__ import annotations

import builtins
import importlib.util

import cv2
import numpy as np
import pytest

from course_utils import provenance

SAYS = "filmed by our reporter"


def png(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".png", rgb)[1].tobytes()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def newsroom() -> provenance.Certificate:
    return provenance.certificate("Example Newsroom")


@pytest.fixture(scope="module")
def signed(picture, newsroom) -> bytes:
    return provenance.sign(png(picture), newsroom, SAYS)


def test_signing_leaves_the_picture_as_it_was(picture, signed):
    opened = cv2.imdecode(np.frombuffer(signed, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(opened, picture)


def test_intact_and_on_the_list(signed, newsroom):
    report = provenance.verify(signed, trusted=newsroom)
    assert report == ("intact, signer on the list", "Example Newsroom", SAYS)
    assert str(report) == provenance.WOULD_SAY["signed"]


def test_nobody_is_trusted_without_a_list(signed):
    assert provenance.verify(signed).state == "intact, signer not on the list"


def test_a_changed_picture_with_the_old_note_is_found_out(picture, signed, newsroom):
    changed = provenance.transplant(signed, png(picture[:, ::-1]))
    opened = cv2.imdecode(np.frombuffer(changed, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(opened, picture[:, ::-1])
    report = provenance.verify(changed, trusted=newsroom)
    assert str(report) == provenance.WOULD_SAY["changed"]


def test_the_same_picture_with_its_own_note_is_not(picture, signed, newsroom):
    """Or else `transplant` itself, and not the change, would be what the check finds."""
    again = provenance.transplant(signed, png(picture))
    assert provenance.verify(again, trusted=newsroom).state == "intact, signer on the list"


def test_one_changed_byte_is_found_out(signed, newsroom):
    damaged = bytearray(signed)
    damaged[-200] ^= 1
    assert provenance.verify(bytes(damaged), trusted=newsroom).state == "changed after signing"


def test_saving_again_loses_the_note_and_no_pixel(picture, signed, newsroom):
    opened = cv2.imdecode(np.frombuffer(signed, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(opened, picture)
    assert str(provenance.verify(png(opened), trusted=newsroom)) == provenance.WOULD_SAY["saved"]


def test_the_same_name_from_a_stranger_is_not_on_the_list(picture, newsroom):
    stranger = provenance.certificate("Example Newsroom")
    forged = provenance.sign(png(picture), stranger, SAYS)
    report = provenance.verify(forged, trusted=newsroom)
    assert str(report) == provenance.WOULD_SAY["forged"]


def test_what_cannot_be_transplanted_says_why(picture, signed):
    with pytest.raises(ValueError, match="no credentials to take"):
        provenance.transplant(png(picture), signed)
    with pytest.raises(ValueError, match="no PNG file"):
        provenance.transplant(signed, b"JPEG")
    damaged = bytearray(png(picture))
    damaged[60] ^= 1
    with pytest.raises(ValueError, match="damaged"):
        provenance.transplant(signed, bytes(damaged))


def test_says_so_where_the_package_is_missing(monkeypatch, capsys):
    assert provenance.installed()
    assert capsys.readouterr().out == ""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "c2pa" else find(name)
    )
    assert not provenance.installed()
    assert "c2pa-python is not installed" in capsys.readouterr().out


def test_importing_needs_no_package(monkeypatch):
    real_import = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] in ("c2pa", "cryptography"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    importlib.reload(provenance)
