from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

from tests.files import files
from twin.course.editions import has_placeholders, student
from twin.errors import LabError

FOLDER = Path(__file__).parents[3] / "notebooks"


def notebook(*sources, **metadata):
    """Return a notebook of code cells, each with an output."""
    cells = [nbformat.v4.new_code_cell(source, execution_count=i) for i, source in enumerate(sources, 1)]
    for cell in cells:
        cell.outputs = [nbformat.v4.new_output("stream", text="seen")]
        cell.metadata["execution"] = {"iopub.status.busy": "2026"}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("mine = 1.5  # solution", "mine = None  # your number"),
        ("mine = 1.5  # solution: seconds", "mine = None  # your number: seconds"),
        ('    "lost_share": 0.033,  # solution', '    "lost_share": None,  # your number'),
        ("    cap=f(1, 2),  # solution", "    cap=None,  # your number"),
        ("other = 2  # no solution", "other = 2  # no solution"),
    ],
)
def test_a_marked_value_becomes_a_placeholder(line, left):
    (cell,) = student(notebook(line)).cells
    assert cell.source == left
    assert has_placeholders(notebook(line)) is (line != left)


def test_a_mark_where_no_value_is_given_is_an_error():
    with pytest.raises(LabError, match="marked as a solution"):
        student(notebook("print(mine)  # solution"))


def test_a_student_gets_no_output_and_no_solution_and_the_source_stays():
    source = notebook("mine = 1  # solution", "print(mine)", "print('at the edge: 0.45')", widgets={"state": {}})
    source.cells[2].metadata["tags"] = ["solution"]
    before = deepcopy(source)
    found = student(source)
    assert source == before
    assert [cell.source for cell in found.cells] == ["mine = None  # your number", "print(mine)"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in found.cells)
    assert "execution" not in found.cells[0].metadata
    assert "widgets" not in found.metadata
    nbformat.validate(found)


@pytest.mark.parametrize("path", files(FOLDER, "*.ipynb"), ids=lambda path: path.stem)
def test_no_number_of_a_solution_is_left_in_a_students_notebook(path):
    source = nbformat.read(path, as_version=4)
    found = student(source)
    nbformat.validate(found)
    text = "\n".join(cell.source for cell in found.cells)
    assert "# solution" not in text
    assert "Worked solution" not in text
    if has_placeholders(source):
        solutions = [cell for cell in source.cells if "solution" in cell.metadata.get("tags", [])]
        assert solutions
        assert all(cell.source not in text for cell in solutions)
