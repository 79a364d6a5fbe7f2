import inspect
import re
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.files import files

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = files(FOLDER, "*.ipynb")
CLAIMS = Path(__file__).parent / "claims"
"""What the text of a notebook says of its own figures and tables, as statements that follow its last cell."""
BOUND = 90.0
"""Seconds that a notebook may take with its short settings, on two cores that do nothing else."""
BUSY = 2.5
"""How much longer it may take here, where other tests run beside it."""
STEPS = [
    "\n## 1. The scenario",
    "\n## 2. Your prediction, by hand",
    "\n## 3. Simulate",
    "\n## 4. Measure",
    "\n## 5. Compare",
    "\n## 6. Explain",
    "\n## 7. Transfer",
]


def pictures(notebook):
    """Return how many outputs of a notebook hold a picture."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return sum("image/png" in out.get("data", {}) for out in outputs)


def execute(notebook):
    """Execute a notebook in a clean kernel, and return how many seconds that took; no cell may fail."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}, record_timing=False
    )
    began = time.monotonic()
    client.execute()
    errors = [out for cell in notebook.cells for out in cell.get("outputs", []) if out.output_type == "error"]
    assert not errors
    return time.monotonic() - began


@pytest.mark.timeout(BOUND * BUSY + 30)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_a_clean_kernel_in_time_and_shows_its_figures(path, monkeypatch):
    monkeypatch.delenv("STORMLAB_LIVE", raising=False)
    monkeypatch.setenv("STORMLAB_SHORT", "1")  # smaller sizes where a notebook offers them
    notebook = nbformat.read(path, as_version=4)
    if (claims := CLAIMS / f"{path.stem}.py").exists():
        notebook.cells.append(nbformat.v4.new_code_cell(claims.read_text(encoding="utf-8")))
    took = execute(notebook)
    sys.stdout.write(f"{path.stem}: {took:.0f} s\n")  # `pytest -s` or `-rP` shows it
    assert took < BOUND * BUSY, f"{path.stem} took {took:.0f} s"
    assert pictures(notebook) >= 2


@pytest.mark.live
@pytest.mark.patient
@pytest.mark.timeout(180)
def test_the_first_notebook_measures_on_this_machine_when_it_is_told_to(monkeypatch):
    """Up to its comparison, with one measured run in place of five."""
    monkeypatch.setenv("STORMLAB_LIVE", "1")
    monkeypatch.setenv("STORMLAB_SHORT", "1")
    notebook = nbformat.read(FOLDER / "01-failover.ipynb", as_version=4)
    (last,) = [i for i, cell in enumerate(notebook.cells) if cell.source.startswith("comparison.plot()")]
    notebook.cells = notebook.cells[: last + 1]
    (measuring,) = [cell for cell in notebook.cells if "records = measure(" in cell.source]
    assert "runs=5" in measuring.source
    measuring.source = measuring.source.replace("runs=5", "runs=1")
    execute(notebook)
    said = "".join(out.text for out in measuring.outputs if out.output_type == "stream")
    assert "measured on this machine just now" in said
    assert "run 0:" in said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_was_executed_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert pictures(notebook) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_of_a_notebook_names_a_file_of_the_machine_on_which_it_ran(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for out in cell.get("outputs", []):
            texts = [out.get("text", ""), *(text for kind, text in out.get("data", {}).items() if "image" not in kind)]
            for text in map(str, texts):
                assert not re.search(r"ipykernel_|/tmp/|/home/|/root/|/Users/|site-packages|[A-Z]:\\\\", text), text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_stored_output_is_a_warning(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for out in cell.get("outputs", []):
            assert "Warning" not in str(out.get("text", ""))


def texts(notebook):
    """Return what the cells of a notebook show in words: text that they print, and tables."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return [str(out.get("text", out.get("data", {}).get("text/plain", ""))) for out in outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_written_as_people_write_it(path):
    """No number is in exponents, as 1.3e+05, and no sentence behind a bracket begins with a small letter."""
    for text in texts(nbformat.read(path, as_version=4)):
        assert not re.search(r"\de[+-]\d\d", text), text
        assert not re.search(r"\)\. [a-z]", text), text


OF_BANDS = re.compile(r"\b(inside|outside|beside (?:its|their) bands?)\b")


def outside(table):
    """Return how many measured values of a comparison's table lie outside of their bands, and how many there are."""
    counts = [(int(inside), int(runs)) for inside, runs in re.findall(r"<td>(\d+)/(\d+)</td>", table)]
    return sum(runs - inside for inside, runs in counts), sum(runs for _, runs in counts)


def comparisons(cells):
    """Yield (values outside of their bands, values, the text of the next three cells of text) of each comparison."""
    for place, cell in enumerate(cells):
        following = [one.source for one in cells[place:] if one.cell_type == "markdown"][:3]
        for out in cell.get("outputs", []):
            if "<th>inside</th>" in (table := out.get("data", {}).get("text/html", "")):
                yield *outside(table), "\n".join(following)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_more_values_outside_of_their_bands_than_luck_explains_are_talked_of(path):
    """A band of 95 % leaves out one value in twenty; where more lie outside, the text behind the table says why."""
    for missed, values, following in comparisons(nbformat.read(path, as_version=4).cells):
        assert missed <= values / 20 or OF_BANDS.search(following), (missed, values)


def test_the_comparisons_of_the_labs_are_found():
    found = [one for path in NOTEBOOKS for one in comparisons(nbformat.read(path, as_version=4).cells)]
    assert len(found) >= 10
    assert any(missed > values / 20 for missed, values, _ in found)


@pytest.mark.timeout(120)
def test_in_a_notebook_only_a_warning_of_the_lab_is_one_sentence():
    source = """
        import warnings
        import twin
        from twin.errors import EngineWarning
        warnings.warn("It takes long.", EngineWarning)
        warnings.warn("other", UserWarning)
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(inspect.cleandoc(source))])
    execute(notebook)
    said = "".join(out.text for out in notebook.cells[0].outputs if out.output_type == "stream")
    first, *others = said.splitlines()
    assert first == "Warning: It takes long."
    assert "UserWarning: other" in "".join(others)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_the_seven_steps_in_their_order(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    places = [text.find(step) for step in STEPS]
    assert -1 not in places
    assert places == sorted(places)
    assert cells[-1].source.startswith("### To take home")


def test_claims_are_those_of_a_notebook():
    assert {path.stem for path in files(CLAIMS, "*.py")} <= {path.stem for path in NOTEBOOKS}


def test_the_syllabus_lists_every_notebook_with_the_time_that_it_says_itself():
    assert NOTEBOOKS
    syllabus = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        (line,) = [line for line in syllabus.splitlines() if f"]({path.name})" in line]
        minutes = re.search(r"\| (\d+) min \|", line)
        assert minutes
        assert f"Time: about {minutes[1]} minutes." in nbformat.read(path, as_version=4).cells[0].source
