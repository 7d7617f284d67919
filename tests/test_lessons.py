"""Every notebook keeps the course's rules for a lesson. Their outputs are nbval's concern.

Conventions, which these tests read:

- First cell: `# NN · Title as a question?`; three to five bullets of objectives; a line
  `**Minutes**: … teach, … practice, … run` and a line `**Needs**: …`.
- Second cell: fetches the course on Colab. `make lessons` fills it in where a code cell has the
  tags `colab` and `nbval-skip`.
- `## ` headings end in `(core, 8 min)` or `(optional, 5 min)`; only the last three do not:
  `## Recap`, `## Quiz` (answers folded in `<details>`), `## Further reading`.
- An exercise cell has the line `answer = ...` and the line `check("NN-name", answer)`; the
  exercise itself stands in `course_utils/exercises/lesson_NN.py`.
- A cell that fits, or that names profile, device or weights, has the tag `nbval-ignore-output`
  if it has any output; the cell after it asserts what must hold everywhere.
- A cell that shows a picture is followed by a Markdown cell that says what it shows.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from course_utils import exercises, lessons
from course_utils.settings import ROOT

PATHS = lessons.paths()
PICTURES = {"image/png", "image/jpeg", "image/svg+xml"}
each_lesson = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


def text(cells) -> str:
    return "\n\n".join(cell.source for cell in cells)


def prose(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def headings(notebook) -> list[str]:
    return re.findall(r"^## (.+)$", text(prose(notebook)), flags=re.M)


@each_lesson
def test_opens_with_question_objectives_minutes_and_needs(path):
    first = lessons.read(path).cells[0]
    assert first.cell_type == "markdown"
    assert re.match(rf"# {path.name[:2]} · .+\?\n", first.source), "the title is a question"
    assert 3 <= len(re.findall(r"^- ", first.source, flags=re.M)) <= 5, "objectives"
    assert re.search(r"\*\*Minutes\*\*:.*teach.*practice.*run", first.source)
    assert "**Needs**:" in first.source


@each_lesson
def test_second_cell_fetches_the_course_on_colab(path):
    second = lessons.read(path).cells[1]
    assert second.cell_type == "code"
    assert {"colab", "nbval-skip"} <= set(lessons.tags(second))
    assert second.source == lessons.colab_cell()
    assert len(second.source.splitlines()) <= 6


@each_lesson
def test_core_path_is_marked_and_fits_a_lesson(path):
    *parts, recap, quiz, reading = headings(lessons.read(path))
    assert (recap, quiz, reading) == ("Recap", "Quiz", "Further reading")
    marks = [re.search(r"\((core|optional), (\d+) min\)$", part) for part in parts]
    assert all(marks), f"core or optional, and minutes: {parts}"
    core = sum(int(mark[2]) for mark in marks if mark and mark[1] == "core")
    assert core <= 50 and (core >= 30 or path.name.startswith("00"))


@each_lesson
def test_quiz_answers_are_folded(path):
    quiz = text(prose(lessons.read(path))).split("## Quiz")[1].split("## Further reading")[0]
    assert 3 <= quiz.count("<details>") <= 5
    assert quiz.count("<details>") == quiz.count("</details>") == quiz.count("<summary>")


@each_lesson
def test_exercises_are_those_of_the_lesson_and_unsolved(path):
    cells = [cell for cell in lessons.read(path).cells if lessons.exercise_of(cell)]
    names = [lessons.exercise_of(cell) for cell in cells]
    assert names and sorted(names) == sorted(exercises.lesson(path.name[:2]))
    for cell in cells:
        assert len(re.findall(r"^answer = \.\.\.", cell.source, flags=re.M)) == 1
        assert "Not answered yet" in text_of(cell)
        assert not {"nbval-skip", "nbval-ignore-output"} & set(lessons.tags(cell))


def text_of(cell) -> str:
    """What a cell printed or showed as text."""
    shown = [output.get("text", "") for output in cell.outputs]
    shown += [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "\n".join(shown)


@each_lesson
def test_stored_as_make_lessons_stores_it(path, tmp_path):
    copy = tmp_path / path.name
    lessons.write(lessons.normalize(lessons.read(path)), copy)
    assert copy.read_text() == path.read_text(), "run `make lessons`"


@each_lesson
def test_code_cells_are_short(path):
    long = [c.source for c in lessons.code_cells(lessons.read(path)) if c.source.count("\n") >= 12]
    assert not long


@each_lesson
def test_outputs_hold_no_errors_addresses_or_machine_paths(path):
    machine = rf"0x[0-9a-f]{{6,}}|/home/|/root/|/tmp/|/Users/|C:\\|{re.escape(str(ROOT))}"
    for cell in lessons.code_cells(lessons.read(path)):
        kinds = {(output.output_type, output.get("name")) for output in cell.outputs}
        assert ("stream", "stderr") not in kinds, cell.source
        errors = [kind for kind, _ in kinds if kind == "error"]
        assert not errors or "raises-exception" in lessons.tags(cell), cell.source
        assert not re.search(machine, text_of(cell)), cell.source


@each_lesson
def test_what_differs_between_machines_is_not_compared(path):
    volatile = r"\bPROFILE\b|\bprofile\(|\bdevice\(|\bweights\b|\.fit\("
    code = lessons.code_cells(lessons.read(path))
    for cell in code:
        if cell.outputs and re.search(volatile, cell.source):
            assert {"nbval-ignore-output", "nbval-skip"} & set(lessons.tags(cell)), cell.source
    ignored = [cell for cell in code if "nbval-ignore-output" in lessons.tags(cell)]
    assert len(ignored) <= len(code) / 4, "strict is the rule"


@each_lesson
def test_every_picture_is_followed_by_words(path):
    cells = lessons.read(path).cells
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        shown = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        if shown & PICTURES:
            assert following is not None and following.cell_type == "markdown", cell.source
            assert re.match(r"[^#\s]", following.source), "a sentence, then headings"


@each_lesson
def test_virtual_actors_come_with_their_warning(path):
    notebook = lessons.read(path)
    if "MINI_DFDC" in text(lessons.code_cells(notebook)):
        assert "no neural generator made these clips" in text(prose(notebook)).lower()


@each_lesson
def test_light_enough_for_bad_wifi(path):
    assert path.stat().st_size < 3_000_000


@each_lesson
def test_words(path):
    belittling = re.findall(
        r"\b(simply|just|obviously|easy)\b", text(prose(lessons.read(path))), re.I
    )
    assert not belittling


def test_american_spelling():
    """The three words the course fixed, wherever a reader may meet them."""
    listed = ["git", "ls-files", "--", "*.md", "*.py", "*.ipynb", "*.css"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    british = re.compile("art" + "efact|col" + "our|normal" + "is[ei]", re.I)
    found = {name: british.findall((ROOT / name).read_text()) for name in files.split()}
    assert not {name: words for name, words in found.items() if words}


def test_readme_lists_the_lessons_that_exist():
    readme = (ROOT / "README.md").read_text()
    assert re.findall(r"\]\(notebooks/([\w.]+)\)", readme) == [path.name for path in PATHS]
    for path in PATHS:
        assert lessons.read(path).cells[0].source.splitlines()[0].split(" · ")[1] in readme
        assert f"{lessons.colab_badge(path.name)}" in readme
