"""Run the lessons' notebooks and store their outputs; solve their exercises. For maintainers.

python -m course_utils.lessons           all of notebooks/
python -m course_utils.lessons 03 04     some (also: make lessons NAMES="03 04")
python -m course_utils.lessons solved 03 run lesson 03 with every stub solved; store nothing
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from course_utils import exercises
from course_utils.settings import ROOT

NOTEBOOKS = ROOT / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
Notebook = Any  # nbformat's NotebookNode
Cell = Any


def paths(*names: str) -> list[Path]:
    """Notebooks whose names begin with one of `names`; all of them without one."""
    found = [
        path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.name.startswith(names or "")
    ]
    if not found:
        raise SystemExit(f"No notebook in notebooks/ begins with {' or '.join(names)}.")
    return found


def read(path: Path) -> Notebook:
    """A notebook as nbformat's nested dictionaries, in format 4.5."""
    import nbformat

    return nbformat.read(path, as_version=4)


def write(notebook: Notebook, path: Path) -> None:
    """Write a notebook the one way that keeps diffs small."""
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def run(notebook: Notebook, timeout: int = 1200) -> Notebook:
    """A copy, run top to bottom in a clean kernel that starts in `notebooks/`."""
    import nbformat
    from nbclient import NotebookClient

    done = copy.deepcopy(notebook)
    for cell in code_cells(done):
        cell.outputs, cell.execution_count = [], None
    done.metadata = nbformat.from_dict(METADATA)
    place = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(done, timeout=timeout, startup_timeout=300, resources=place)
    client.execute()
    return done


def normalize(notebook: Notebook) -> Notebook:
    """A copy without what changes from run to run, or from machine to machine."""
    import nbformat

    plain = nbformat.from_dict(copy.deepcopy(notebook))
    plain.metadata, plain.nbformat, plain.nbformat_minor = nbformat.from_dict(METADATA), 4, 5
    seen: set[str] = set()
    for cell in plain.cells:
        if "colab" in tags(cell):
            cell.source = colab_cell()
        cell.source = cell.source.strip("\n")
        cell.metadata = nbformat.from_dict({"tags": sorted(tags(cell))} if tags(cell) else {})
        cell.id = _cell_id(cell.source, seen)
    for count, cell in enumerate(code_cells(plain), start=1):
        cell.execution_count = count
        cell.outputs = [_plain_output(output, count) for output in _merged(cell.outputs)]
    return plain


def solved(notebook: Notebook) -> Notebook:
    """A copy in which the solution of each exercise stands in the place of its stub."""
    filled = copy.deepcopy(notebook)
    for cell in filled.cells:
        if name := exercise_of(cell):
            stub = re.search(rf"^{re.escape(exercises.STUB)}.*$", cell.source, flags=re.M)
            if not stub:
                raise ValueError(f'The cell of "{name}" has no line "{exercises.STUB}".')
            cell.source = cell.source.replace(stub[0], exercises.find(name).solution, 1)
    return filled


def exercise_of(cell: Cell) -> str | None:
    """Name of the exercise that a cell checks, if it is an exercise cell."""
    called = re.search(r'^check\("([^"]+)", answer\)', cell.source, flags=re.M)
    return called[1] if called and cell.cell_type == "code" else None


def code_cells(notebook: Notebook) -> list[Cell]:
    """The cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: Cell) -> list[str]:
    """The tags of a cell, which tell nbval what to compare."""
    return list(cell.metadata.get("tags", []))


def colab_cell() -> str:
    """The second cell of every lesson (tags `colab`, `nbval-skip`): on Colab, fetch the course.

    The repository's address is taken from pyproject.toml, where alone it is written.
    """
    return "\n".join(
        [
            "import sys",
            'if "google.colab" in sys.modules:  # on Colab: fetch the course, and what Colab lacks',
            f"    !git clone -q --depth 1 {repository()} /content/course",
            "    %pip install -q --no-deps av -e /content/course",
            '    sys.path.insert(0, "/content/course")',
            "    %cd -q /content/course/notebooks",
        ]
    )


def colab_badge(name: str) -> str:
    """Address of a notebook on Colab, for README's lesson table."""
    where = repository().removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{where}/blob/main/notebooks/{name}"


def repository() -> str:
    """Address of the course's repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def _cell_id(source: str, seen: set[str]) -> str:
    """An id that stays as long as the cell's text does."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    name, copies = digest, 1
    while name in seen:
        copies += 1
        name = f"{digest}-{copies}"
    seen.add(name)
    return name


def _merged(outputs: list) -> list:
    """Outputs with neighboring pieces of one stream joined: where they break is chance."""
    joined: list = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _plain_output(output: Any, count: int) -> Any:
    if "metadata" in output:
        output.metadata = {}
    if output.output_type == "execute_result":
        output.execution_count = count
    return output


def main(arguments: list[str]) -> None:
    """Run the lessons named (all when none is), and store them unless `solved` comes first."""
    solve = arguments[:1] == ["solved"]
    for path in paths(*arguments[solve:]):
        started = time.monotonic()
        notebook = read(path)
        done = run(solved(notebook) if solve else normalize(notebook))
        if not solve:
            write(normalize(done), path)
        print(f"{path.name}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
