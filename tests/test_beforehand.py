"""What lesson 01 shows on Colab, which forbids making deepfakes: kept, read, and complete."""

from __future__ import annotations

import os

import numpy as np
import pytest

from course_utils import beforehand, lessons

(LESSON,) = lessons.paths("01")


def test_may_make_here_and_says_nothing(monkeypatch, capsys):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    assert beforehand.may_make()
    assert capsys.readouterr().out == ""


def test_may_not_on_colab_and_says_why(monkeypatch, capsys):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    assert not beforehand.may_make()
    said = capsys.readouterr().out
    assert "Colab forbids" in said and said.count("\n") == 1


def test_what_is_kept_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setattr(beforehand, "FOLDER", tmp_path)
    soft = np.linspace(0, 255, 3 * 40, dtype=np.uint8).reshape(1, 40, 3).repeat(40, 0)
    for name, picture in {"one": soft, "row": np.stack([soft, soft[:, ::-1], soft])}.items():
        beforehand.keep(name, picture)
        back = beforehand.read(name)
        assert back.shape == picture.shape
        assert np.abs(back.astype(int) - picture).mean() < 4


def test_a_missing_picture_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(beforehand, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="course_utils.beforehand"):
        beforehand.read("nothing")


def test_the_lesson_finds_all_its_pictures():
    names = beforehand.names(LESSON)
    assert {"drawn", "fake"} <= set(names)
    for name in names:
        assert beforehand.read(name).dtype == np.uint8


def test_the_lesson_runs_where_no_fake_may_be_made(monkeypatch):
    """On Colab every step that makes a fake declines in one sentence, and the lesson goes on."""
    monkeypatch.setitem(os.environ, "COLAB_RELEASE_TAG", "release-colab")
    notebook = lessons.read(LESSON)
    done = lessons.run(notebook)
    making = [c for c in lessons.code_cells(done) if "may_make()" in c.source]
    assert len(making) >= 6
    for cell in making:
        text = "".join(o.text for o in cell.outputs if o.output_type == "stream")
        assert text.count("Colab forbids") == 1, cell.source
