"""The order of the labs: one table says what each needs, the labs say the same, and the syllabus keeps it."""

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from tests.benchmarks.notebooks import LONGEST, with_time
from tests.files import files

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = {path.name[:2]: path for path in files(FOLDER, "*.ipynb")}
TABLE = (FOLDER / "README.md").read_text(encoding="utf-8")
SYLLABUS = (FOLDER / "SYLLABUS.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d\d) \| \[[^|]*\| ([^|]*) \| (\d+) min \| ([^|]*) \| ", re.MULTILINE)
NEEDS = {number: set(re.findall(r"\d\d", needs)) for number, needs, _, _ in ROW.findall(TABLE)}
"""What each lab needs, as the table of notebooks/README.md has it."""
MINUTES = {number: int(minutes) for number, _, minutes, _ in ROW.findall(TABLE)}


def before(number):
    """Return every lab that a lab needs, those that these need included."""
    return {lab for one in NEEDS[number] for lab in (one, *before(one))}


@cache
def cells_of(number):
    return nbformat.read(NOTEBOOKS[number], as_version=4).cells


def text_of(number):
    return "\n".join(cell.source for cell in cells_of(number) if cell.cell_type == "markdown")


def shown(number):
    """Return a lab's text as a reader sees it, without where its links lead."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text_of(number))


def test_the_table_has_every_lab_and_needs_only_labs_before_it():
    assert list(NEEDS) == sorted(NOTEBOOKS)
    assert all(number not in before(number) for number in NEEDS)  # recursion would not end in a circle
    assert {one for needs in NEEDS.values() for one in needs} <= set(NEEDS)


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_lab_says_itself_what_it_needs(number):
    said = re.findall(r"You need notebooks? (\d\d(?:(?:, | and |\s+)+\d\d)*)", " ".join(shown(number).split()))
    assert {one for names in said for one in re.findall(r"\d\d", names)} == NEEDS[number]
    assert len(said) == bool(NEEDS[number])


def test_the_sum_of_the_sittings_is_what_the_readme_says():
    times = sorted(MINUTES.values())
    hours = f"{sum(times) / 60:.1f}"
    sentence = f"{len(times)} sittings of {times[0]} to {times[-1]} minutes, {hours} hours in all."
    assert sentence in TABLE


def test_each_execution_in_the_table_was_measured_and_is_short_enough():
    for number, _, _, execution in ROW.findall(TABLE):
        measured = re.fullmatch(r"(\d+) s", execution)
        assert measured, f"lab {number}: python -m tests.benchmarks.notebooks {number} --write"
        assert int(measured[1]) <= LONGEST


def test_a_measured_time_goes_into_its_own_row_only():
    written = with_time(TABLE, "01", 12.4)
    assert {number: execution for number, _, _, execution in ROW.findall(written)}["01"] == "12 s"
    own, other = written.splitlines(), TABLE.splitlines()
    assert len(own) == len(other)
    assert all(one.startswith("| 01 |") for one, old in zip(own, other, strict=True) if one != old)
    with pytest.raises(LookupError):
        with_time(TABLE, "99", 1.0)


def test_the_syllabus_has_each_lab_once_after_what_it_needs_and_an_outcome_of_each():
    weeks = re.findall(r"^\| (\d+) \| (\d\d|none) \|", SYLLABUS, re.MULTILINE)
    assert [int(week) for week, _ in weeks] == list(range(1, len(weeks) + 1))
    order = [lab for _, lab in weeks if lab != "none"]
    assert sorted(order) == sorted(NOTEBOOKS)
    assert all(before(lab) <= set(order[:place]) for place, lab in enumerate(order))
    assert re.findall(r"^\| (\d\d) \| [^|]+ \|$", SYLLABUS, re.MULTILINE) == order


def test_the_shorter_course_of_the_syllabus_is_whole():
    (short,) = re.findall(r"\n(\d\d(?:, \d\d)* and \d\d with \d\d) make half a term", SYLLABUS)
    labs = set(re.findall(r"\d\d", short))
    assert all(before(lab) <= labs for lab in labs)


def test_the_syllabus_links_to_files():
    links = re.findall(r"\]\(([^)#]+)", SYLLABUS)
    assert links
    assert all((FOLDER / link).is_file() for link in links)
