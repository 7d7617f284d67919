"""Each solution passes its check, each stub and each known mistake does not; solved lessons run."""

from __future__ import annotations

import pytest

from course_utils import exercises, lessons
from course_utils.exercises import Exercise

EVERY = {
    name: it for number in exercises.lessons() for name, it in exercises.lesson(number).items()
}
each_exercise = pytest.mark.parametrize("name", EVERY)


@each_exercise
def test_stub_and_known_mistakes_do_not_pass(name):
    exercise = EVERY[name]
    assert exercise.wrong, "name the mistakes you expect"
    for mistake in (..., None, "?", *exercise.wrong):
        problem = exercises.judge(exercise, mistake)
        assert problem and problem.endswith((".", "?")), (mistake, problem)


@each_exercise
def test_has_graded_hints_and_a_solution(name):
    exercise = EVERY[name]
    assert name[:2].isdigit() and len(exercise.hints) >= 2
    assert "answer" in exercise.solution
    assert all(line.endswith((".", "?", "`", ":")) for line in exercise.hints)


@pytest.mark.parametrize("number", exercises.lessons())
def test_solved_lesson_runs_and_every_solution_is_right(number):
    [path] = lessons.paths(number)
    done = lessons.run(lessons.solved(lessons.read(path)))
    verdicts = {
        lessons.exercise_of(cell): "".join(output.get("text", "") for output in cell.outputs)
        for cell in done.cells
        if lessons.exercise_of(cell)
    }
    assert sorted(verdicts) == sorted(exercises.lesson(number))
    assert not {name: said for name, said in verdicts.items() if exercises.RIGHT not in said}


@pytest.fixture
def seven(monkeypatch):
    """A small exercise that no lesson has."""
    exercise = Exercise(
        check=lambda answer: exercises.number(answer, 7, "It is odd.", tolerance=0.5),
        hints=("Odd.", "Between 6 and 8."),
        solution="answer = 7",
        says="It is prime.",
    )
    monkeypatch.setattr(exercises, "find", lambda name: exercise)
    monkeypatch.setattr(exercises, "_hints_shown", exercises.Counter())
    return "00-seven"


def test_check_speaks_in_sentences(seven, capsys):
    said = []
    for answer in (..., 5, "seven", [], 7.4):
        exercises.check(seven, answer)
        said.append(capsys.readouterr().out.strip())
    assert "Not answered yet" in said[0] and "hint(" in said[0]
    assert said[1].startswith("Not yet. It is odd.")
    assert "of type str" in said[2] and "of type list" in said[3]
    assert said[4] == "Right. It is prime."


def test_an_answer_of_any_kind_ends_in_a_sentence():
    def needs_a_table(answer):
        return None if answer.columns else "empty"

    problem = exercises.judge(Exercise(needs_a_table, (), ""), 3)
    assert problem is not None and "of type int" in problem


def test_hints_grow_and_then_point_to_the_solution(seven, capsys):
    for _ in range(3):
        exercises.hint(seven)
    exercises.solution(seven)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Hint 1 of 2: Odd.", "Hint 2 of 2: Between 6 and 8."]
    assert 'solution("00-seven")' in lines[2] and lines[3] == "answer = 7"


@pytest.mark.parametrize("name", ["99-none", "00-none", "", "none"])
def test_unknown_exercise_is_named(name):
    with pytest.raises(ValueError, match=f'There is no exercise "{name}"'):
        exercises.find(name)


def test_choice_names_the_letters():
    options = {"a": "Too early.", "c": "Too late."}
    assert exercises.choice(" B ", "b", options) is None
    assert exercises.choice("a", "b", options) == "Too early."
    assert exercises.choice("z", "b", options) == "Answer with one of the letters a, b, c."
