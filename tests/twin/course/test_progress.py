import inspect

import nbformat
import pytest
from nbclient import NotebookClient

from twin.course import progress as module
from twin.course.progress import Progress


@pytest.fixture
def lines(monkeypatch):
    """What a cell would show, in order."""
    found = []
    monkeypatch.setattr(module, "_line", lambda: found.append)
    return found


def test_the_line_says_how_much_is_done_and_not_too_often(lines):
    progress = Progress("hang")
    for done in range(1, 201):
        progress(done, 200)
    assert lines[0] == "hang: 1 of 200"
    assert lines[-1] == "hang: 200 of 200"
    assert len(lines) < 100


def test_calls_of_a_function_are_counted(lines):
    twice = Progress("numbers").counting(lambda value, factor=2: factor * value, 2)
    assert [twice(1), twice(2, factor=3), twice(5)] == [2, 6, 10]
    assert lines[-1] == "numbers: 3 of 3"  # more calls than were announced


def test_outside_of_a_notebook_nothing_is_said(capsys):
    Progress("hang")(1, 1)
    assert capsys.readouterr().out == ""


@pytest.mark.timeout(120)
def test_in_a_notebook_one_line_changes_and_stays():
    source = """
        from twin.course.progress import Progress
        progress = Progress("runs")
        for done in range(1, 1001):
            progress(done, 1000)
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(inspect.cleandoc(source))])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert [out.data["text/plain"] for out in notebook.cells[0].outputs] == ["runs: 1,000 of 1,000"]
