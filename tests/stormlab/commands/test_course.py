"""`./lab course` and `./lab grade`: what a class is given, and what it hands in."""

import csv
import io
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from stormlab.commands import course as module
from tests.commands import lab as command
from tests.commands import lab_in_process
from tests.strategies import small
from twin.course.answers import Answer
from twin.course.explanations import OfRecord, source_of
from twin.course.sheet import Sheet
from twin.errors import LabError
from twin.files.places import RECORDS
from twin.record.record import Record

READY = (
    "00-when-a-comparison-fails",
    "01-failover",
    "02-broadcast",
    "03-backoff-storms",
    "04-sizing",
    "05-heartbeats",
    "06-balancing",
    "07-sessions",
    "08-registry",
    "09-autoscaling",
    "10-drain",
    "11-whole",
    "12-transports",
    "13-stalls",
)
"""Labs whose step 2 has placeholders."""


@pytest.fixture
def lab(monkeypatch, capsys):
    """Run a command in this process: exit status, what it printed, and the lines of its errors."""
    run = lab_in_process(monkeypatch, capsys)
    return run


def test_both_editions_are_written_and_what_is_not_ready_is_said(lab, tmp_path):
    status, _, said = lab("course", tmp_path / "class")
    assert status == 0
    written = {path.relative_to(tmp_path / "class").as_posix() for path in (tmp_path / "class").rglob("*.ipynb")}
    assert written == {f"{edition}/{name}.ipynb" for edition in ("student", "teacher") for name in READY}
    assert len(said) == len(list(module.NOTEBOOKS.glob("*.ipynb"))) - len(READY)
    assert all("is left out: its step 2 has no placeholders yet." in line for line in said)
    assert (tmp_path / "class" / "scenarios" / "failover.toml").exists()
    assert (tmp_path / "class" / "records" / "failover-0.parquet").exists()
    assert {path.stem for path in (tmp_path / "class" / "slides").glob("*.html")} == set(READY)
    assert (tmp_path / "class" / "docs" / "glossary.md").exists()
    assert (tmp_path / "class" / "figures" / "zoo.png").exists()
    for name in READY:
        teacher = nbformat.read(tmp_path / "class" / "teacher" / f"{name}.ipynb", as_version=4)
        assert teacher == nbformat.read(module.NOTEBOOKS / f"{name}.ipynb", as_version=4)


def test_the_labs_own_folder_is_not_written_over(lab):
    status, _, said = lab("course", module.NOTEBOOKS)
    assert status == 2
    assert "where the labs themselves are" in said[-1]


def test_an_installation_without_notebooks_says_so(tmp_path):
    with pytest.raises(LabError, match="this installation has none"):
        module.editions(tmp_path / "nowhere", tmp_path)


def filled(notebook, numbers):
    """Put numbers into the placeholders of a student's notebook, in their order."""
    left = iter(numbers)
    for cell in notebook.cells:
        cell.source = re.sub(r"None(?=,?  # your number)", lambda _: next(left), cell.source)
    assert next(left, None) is None
    return notebook


def begun(notebook):
    """Return a notebook up to step 3, where what takes long begins."""
    first = next(i for i, cell in enumerate(notebook.cells) if "sheet.predict(" in cell.source)
    notebook.cells = notebook.cells[: first + 1]
    return notebook


def executed(notebook, folder):
    """Execute a notebook in its folder, and return what its cells print and the errors that they may have."""
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [out.get("text", out.get("evalue")) for cell in notebook.cells for out in cell.get("outputs", [])]


PLAUSIBLE = {
    "00-when-a-comparison-fails": ["2", "1.5", "1.1", "1", "0.5", "2"],
    "01-failover": ["1.4", "2", "5"],
    "02-broadcast": ["0.05", "1", "0.1", "0", "0.4"],
    "03-backoff-storms": ["3", "6", "90", "5", "1", "6", "30", "8"],
    "04-sizing": ["4", "60", "50", "90"],
    "05-heartbeats": ["2", "3", "100", "4", "0.03"],
    "06-balancing": ["1.2", "1.4", "1.9", "80"],
    "07-sessions": ["1", "0.3", "2", "3", "1", "20_000", "100"],
    "08-registry": ["1.8", "2.5", "5"],
    "09-autoscaling": ["0.2", "3", "0.9", "30"],
    "10-drain": ["30", "50", "75", "20", "20", "25", "5", "0"],
    "11-whole": ["100", "0.4", "0.04"],
    "12-transports": ["0.4", "0.8", "90", "150", "300", "400", "0.5"],
    "13-stalls": ["60", "10", "2", "50", "8", "30"],
}
IMPLAUSIBLE = {
    "00-when-a-comparison-fails": [("2", "1.5", "1.1", "1", "-0.5", "2"), ("2", "'much'", "1", "1", "1", "1")],
    "01-failover": [("None", "2", "5"), ("-1", "2", "5"), ("1.4", "99", "5"), ("'soon'", "2", "5")],
    "02-broadcast": [("3.3", "1", "0.1", "0", "0.4"), ("0.05", "1", "0.1", "0", "None")],
    "03-backoff-storms": [
        ("3", "6", "None", "5", "1", "6", "30", "8"),
        ("99", "6", "90", "5", "1", "6", "30", "8"),
        ("3", "6", "90", "5", "-1", "6", "30", "8"),
    ],
    "04-sizing": [("4", "60", "50", "None"), ("-4", "60", "50", "90"), ("4", "'long'", "50", "90")],
    "05-heartbeats": [("2", "3", "100", "4", "3.2"), ("12", "3", "100", "4", "0.03"), ("2", "3", "None", "4", "0.03")],
    "06-balancing": [("None", "1.4", "1.9", "80"), ("1.2", "1.4", "-2", "80"), ("1.2", "1.4", "1.9", "'all'")],
    "07-sessions": [
        ("1.5", "0.3", "2", "3", "1", "20_000", "100"),
        ("1", "0.3", "2", "3", "1", "20_000", "None"),
        ("1", "0.3", "99", "3", "1", "20_000", "100"),
    ],
    "08-registry": [("1.8", "2.5", "..."), ("60", "2.5", "5")],
    "09-autoscaling": [("0", "3", "0.9", "float('inf')"), ("0", "3", "-0.1", "30"), ("None", "3", "1", "30")],
    "10-drain": [
        ("30", "50", "75", "20", "20", "25", "99", "0"),
        ("30", "50", "75", "20", "20", "25", "5", "2"),
        ("30", "50", "75", "20", "20", "None", "5", "0"),
    ],
    "11-whole": [("100", "0.4", "1.5"), ("100", "None", "0.04")],
    "12-transports": [
        ("0.4", "11", "90", "150", "300", "400", "0.5"),
        ("0.4", "0.8", "90", "150", "300", "400", "1.5"),
        ("0.4", "0.8", "90", "None", "300", "400", "0.5"),
    ],
    "13-stalls": [("60", "10", "2", "-50", "8", "30"), ("60", "'soon'", "2", "50", "8", "30")],
}


@pytest.fixture(scope="session")
def student(tmp_path_factory):
    """The folder of the student's edition."""
    folder = tmp_path_factory.mktemp("course")
    done = command("course", folder)
    assert done.returncode == 0, done.stderr
    return folder / "student"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", READY)
def test_a_students_notebook_goes_on_only_with_predictions(name, student):
    text = (student / f"{name}.ipynb").read_text()

    def edition(numbers):
        return filled(begun(nbformat.reads(text, as_version=4)), numbers)

    # one kernel for all: what it is given, what nobody would expect, and what one may
    whole = edition(PLAUSIBLE[name])
    asking = whole.cells.pop()
    odd = [edition(numbers).cells[-1] for numbers in (["None"] * len(PLAUSIBLE[name]), *IMPLAUSIBLE[name])]
    for place, cell in enumerate(odd):
        cell.metadata["tags"] = ["raises-exception"]
        cell.id += f"-{place}"
    whole.cells += [*odd, asking, nbformat.v4.new_code_cell("print('went on')")]
    assert executed(whole, student)[-1] == "went on\n"
    errors = [out.get("evalue", "") for cell in odd for out in cell.outputs]
    assert len(errors) == len(odd)
    assert all(error.startswith("First your own numbers: ") for error in errors), errors


def test_a_folder_of_sheets_becomes_a_table(lab, tmp_path):
    for name, right in (("ada", True), ("ben", False)):
        sheet = Sheet("01-failover", 1)
        sheet.predict(small(), {"reconnect_p50": 1.5})
        sheet.answered(Answer(right, "so", 2.0, 1.5), inter=0.45, fall=2)
        sheet.save(name, tmp_path)
    status, table, _ = lab("grade", tmp_path)
    assert status == 0
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["name"], row["verdict"], row["error"]) for row in rows] == [
        ("ada", "right", "0.25"),
        ("ben", "not yet", "0.25"),
    ]
    (tmp_path / "odd.json").write_text("{}")
    status, _, said = lab("grade", tmp_path, "--output", tmp_path / "out" / "grades.csv")
    assert (status, said[-1]) == (2, "1 of 3 files is no answer sheet; see `problem`.")
    assert len((tmp_path / "out" / "grades.csv").read_text().splitlines()) == 4


def test_again_looks_up_the_client_that_a_sheet_calls_right(lab, tmp_path):
    sheet = Sheet("01-failover", 1)
    sheet.predict(small(), {"reconnect_p50": 1.5})
    record = Record.load(RECORDS / "failover-0.parquet")
    sheet.chosen("a wait that outlives the mark-down", OfRecord(True, "so", source=source_of(record)), 199)
    sheet.save("ada", tmp_path)
    _, table, _ = lab("grade", tmp_path, "--again")
    (row,) = csv.DictReader(io.StringIO(table))
    assert row["choices"] == "a wait that outlives the mark-down: client 199 right"
    assert row["choices_asked_again"] == "a wait that outlives the mark-down: client 199 not yet"
    _, table, _ = lab("grade", tmp_path)
    (row,) = csv.DictReader(io.StringIO(table))
    assert row["choices_asked_again"] == ""


def test_a_folder_without_sheets_says_so(lab, tmp_path):
    assert lab("grade", tmp_path)[2][-1].endswith("has no answer sheets (*.json).")
    assert "no such folder" in lab("grade", Path("nowhere"))[2][-1]
