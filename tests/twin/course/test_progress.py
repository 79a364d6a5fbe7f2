import inspect

import nbformat
import pytest
from nbclient import NotebookClient

from twin.course.progress import counted, progress


def test_outside_of_a_notebook_nothing_is_said(capsys):
    progress("hang")(1, 1)
    assert list(counted("hang", [3, 4])) == [3, 4]
    assert capsys.readouterr().out == ""


@pytest.mark.timeout(120)
def test_in_a_notebook_a_line_changes_and_its_end_stays():
    source = """
        from twin.course.progress import counted, progress
        note = progress("runs")
        for done in range(1, 101):
            note(done, 100)
        for _ in counted("variants", iter("abc")):
            pass
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(inspect.cleandoc(source))])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert [out.data["text/plain"] for out in notebook.cells[0].outputs] == ["runs: 100 of 100", "variants: 3 of 3"]
