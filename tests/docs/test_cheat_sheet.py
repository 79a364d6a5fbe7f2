"""docs/cheat-sheet.md: each number computed, and some of its rules held to recorded runs."""

import re
from statistics import median

import pytest

from tests.commands import ROOT
from tests.docs.rules_of_thumb import RULES, blind_time, lease, logins, silence
from tests.docs.translations import untranslated, words_in
from tests.files import files
from twin.measures import measure_record
from twin.record.record import Record

SHEETS = {language: ROOT / "docs" / f"cheat-sheet{end}.md" for language, end in (("en", ""), ("zh", ".zh"))}
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \| \[(\d\d)\]\((\.\./notebooks/\S+)\) \|$", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


def rows(language):
    return ROW.findall(SHEETS[language].read_text(encoding="utf-8"))


def numbers(text):
    return [one.rstrip(",") for one in NUMBER.findall(text)]


def as_written(value, written):
    """Return a number with as many decimals as it is written with."""
    decimals = len(written.partition(".")[2])
    return f"{value:,.{decimals}f}"


@pytest.mark.parametrize("language", SHEETS)
def test_each_number_of_an_example_is_what_its_rule_computes(language):
    found = rows(language)
    assert [int(number) for number, *_ in found] == list(range(1, len(RULES) + 1))
    for (number, _, _, example, *_), rule in zip(found, RULES, strict=True):
        written, computed = numbers(example), rule()
        assert len(written) == len(computed), number
        left = list(written)
        for value in computed:
            fitting = [one for one in left if one == as_written(value, one)]
            assert fitting, f"rule {number}: {value} is not in '{example}'"
            left.remove(fitting[0])


def test_a_number_that_is_off_by_its_last_digit_is_noticed():
    assert as_written(2.25, "2.25") == "2.25"
    assert as_written(2.26, "2.25") != "2.25"
    assert numbers("99 % of 100,000 within 60 s: 3.3, so 4 nodes, U(0, 1)") == [
        "99",
        "100,000",
        "60",
        "3.3",
        "4",
        "0",
        "1",
    ]


def test_both_sheets_have_the_same_rules_of_the_same_labs():
    english, chinese = rows("en"), rows("zh")
    assert [(row[0], row[4], row[5]) for row in english] == [(row[0], row[4], row[5]) for row in chinese]
    assert [sorted(numbers(row[3])) for row in english] == [sorted(numbers(row[3])) for row in chinese]
    names = re.compile(r"[a-z_]{4,}")
    for one, other in zip(english, chinese, strict=True):
        assert set(re.findall("[·√≤≥<]", one[2])) == set(re.findall("[·√≤≥<]", other[2])), one[0]
        assert {name.rstrip("s") for name in names.findall(other[2])} <= {
            name.rstrip("s") for name in names.findall(one[2])
        }


def test_the_glossarys_words_have_its_translation_in_each_rule():
    found = list(zip(rows("en"), rows("zh"), strict=True))
    for one, other in found:
        assert untranslated(f"{one[1]} {one[3]}", f"{other[1]} {other[3]}") == [], one[0]
    assert len({word.name for one, _ in found for word in words_in(one[1])}) > 10


def test_every_lab_has_a_rule_and_every_link_leads_to_a_file():
    labs = {path.name[:2] for path in files(ROOT / "notebooks", "*.ipynb")}
    assert labs - {"00"} == {row[4] for row in rows("en")}
    for language, path in SHEETS.items():
        assert all((path.parent / row[5]).is_file() for row in rows(language))
        for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).is_file(), link


def test_the_sheet_fits_on_two_pages():
    """A page of A4 has some 60 lines of 100 characters in a small type; a row wraps at that width."""
    for path in SHEETS.values():
        shown = re.sub(r"\[(\d\d)\]\([^)]*\)", r"\1", path.read_text(encoding="utf-8"))
        lines = [line for line in shown.splitlines() if not re.fullmatch(r"[|-]+", line)]
        assert sum(1 + len(line) // 100 for line in lines) <= 120


@pytest.mark.parametrize(
    ("pattern", "measure", "rule"),
    [
        ("failover-*.parquet", "mark_down_delay", lambda: blind_time()[2:4]),
        ("registry-death-*.parquet", "mark_down_delay", lambda: lease()[3:5]),
        ("hang-*.parquet", "notice_p99", lambda: silence()[2:4]),
    ],
)
def test_recorded_runs_lie_within_the_bounds_of_the_rule(pattern, measure, rule):
    low, high = rule()
    for path in files(ROOT / "records", pattern):
        assert (
            low - 0.02 <= measure_record(Record.load(path))[measure] <= high + 0.05
        )  # s, for the close and the notice


def test_recorded_logins_take_about_as_long_as_their_hashes():
    """In the median of the runs: a core is faster at one hour than at another."""
    runs = [measure_record(Record.load(path)) for path in files(ROOT / "records", "sessions-memory-*.parquet")]
    assert median(run["reconnect_p99"] for run in runs) == pytest.approx(logins()[2], rel=0.2)
