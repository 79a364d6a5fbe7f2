import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.messages import good_end, good_rows
from tests.messages import record as good_record
from tests.old_records import saved_as
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.files.reading import (
    CONFIGURATION,
    LOG,
    MOST_DEPTH,
    MOST_NAMES,
    MOST_VALUES,
    PROFILE,
    SCENARIO,
    Kind,
    check_json,
    read_text,
    toml,
)
from twin.record.record import Record
from twin.scenario.scenario import Scenario

LOADERS = {"scenario file": Scenario.load, "host profile": HostProfile.load, "record": Record.load}
"""What a file is called, and who reads it."""


@pytest.fixture
def large(tmp_path):
    """A file of more bytes than any may have, which takes no room on the disk."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(5 * 2**30)
    return path


@pytest.mark.parametrize("name", LOADERS)
def test_what_is_no_regular_file_of_a_bounded_size_is_refused_before_it_is_read(name, tmp_path, large):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    said = {"/dev/zero": "no regular file", fifo: "no regular file", tmp_path: "a folder", large: "5,368,709,120 bytes"}
    for path, words in said.items():
        with pytest.raises(ScenarioError, match=words) as caught:
            LOADERS[name](str(path))
        assert name in str(caught.value)


def test_a_file_that_says_it_is_empty_is_read_no_further_than_its_bound():
    """As those of /proc do."""
    with pytest.raises(ScenarioError, match=r"/proc/self/status: is too large; a scrap may have at most 10 bytes\.$"):
        read_text("/proc/self/status", Kind("scrap", 10))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"name = 'a'\0", r"is not text \(byte 11 is NUL\)\.$"),
        (b"\xff\xfe{\0", r"is not text \(byte 4 is NUL\)\.$"),
        (b"name = '\xff'", r"is not text in UTF-8 \(byte 9 is not\)\.$"),
    ],
)
@pytest.mark.parametrize("kind", [SCENARIO, PROFILE, CONFIGURATION, LOG], ids=lambda kind: kind.name)
def test_what_is_no_text_is_refused_by_the_first_byte_that_is_not(kind, data, said, tmp_path):
    path = tmp_path / "odd"
    path.write_bytes(data)
    with pytest.raises(ScenarioError, match=said):
        read_text(path, kind)


@pytest.mark.parametrize("kind", [SCENARIO, PROFILE, CONFIGURATION, LOG], ids=lambda kind: kind.name)
def test_every_kind_of_text_has_its_bound_and_may_not_be_a_pipe(kind, tmp_path):
    path, fifo = tmp_path / "text", tmp_path / "fifo"
    os.mkfifo(fifo)
    with path.open("wb") as file:
        file.truncate(kind.most_bytes + 1)
    for one, said in {
        path: f"a {kind.name} may have at most",
        fifo: "is no regular file",
        "/dev/zero": "is no",
    }.items():
        with pytest.raises(ScenarioError, match=said):
            read_text(one, kind)


def test_many_tables_and_lists_of_numbers_are_no_long_key():
    assert toml("\n".join(f"[a{i}.b]\nc.d = [{'0.5, ' * 20}]" for i in range(300)))
    assert toml("x = " + '"' + "a.b c. " * 100 + '"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 10**6, "brackets are nested too deeply"),
        ('{"a":' * 10**6, "brackets are nested too deeply"),
        ("[" * 40 + "]" * 40, "brackets are nested too deeply; allowed is 32 levels"),
        ("9" * 5000, "a number has too many digits"),
        ("", r"it is not JSON \(expecting value at line 1, column 1\)"),
        ('{"a": 1,\n "b"}', r"it is not JSON \(expecting ':' delimiter at line 2, column 5\)"),
        ("{" + ",".join(f'"a{i}": 1' for i in range(MOST_NAMES + 1)) + "}", "there are more than 10,000 names"),
        ("[" + "1," * (MOST_VALUES + 1) + "1]", "there are more than 300,000 values"),
    ],
)
def test_a_json_text_that_takes_a_validator_long_is_refused(text, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        check_json(text)


def test_as_much_json_as_is_allowed_passes():
    check_json("[" * 32 + "]" * 32)
    check_json("{" + ",".join(f'"a{i}": 1' for i in range(MOST_NAMES)) + "}")
    check_json("[" + "1," * MOST_VALUES + "1]")


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    path = tmp_path / "marked.toml"
    path.write_bytes(b"\xef\xbb\xbfname = 'marked'\n")
    assert Scenario.load(path).name == "marked"
    assert read_text(path, SCENARIO).startswith("name")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = " + "[" * 5000, "brackets are nested too deeply"),
        ("x = " + "[" * 5000 + "]" * 5000, "brackets are nested too deeply"),
        ("x = " + "{x = " * 5000, "brackets are nested too deeply"),
        ("x = " + "9" * 5000, "a number has too many digits"),
        (".".join("x" * 5000) + " = 1", "tables are nested too deeply"),
        (f"[{'.'.join('x' * 5000)}]", "tables are nested too deeply"),
        (".".join("x" * 32_000) + " = 1", "tables are nested too deeply"),
        ("[[ " + " . ".join(["x", '"y.z"', "'='"] * 3_000) + "]]", "tables are nested too deeply"),
    ],
)
def test_what_breaks_the_parser_is_refused_in_one_sentence(text, said, tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=rf"odd.toml: is not TOML \({said}.*\)\.$") as caught:
        Scenario.load(path)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000, "{x = " * 5000])
def test_an_override_that_breaks_the_parser_is_refused_in_one_sentence(value):
    with pytest.raises(ScenarioError, match=r"^--set seed=.{40,60}: .* (deeply|digits)\.$"):
        Scenario.parse({"name": "good"}).override([f"seed={value}"])


@pytest.mark.parametrize(
    "text", ["seed=5\nclients.count=3", "clients.count=5\r\n[nodes]", "seed=\n5", "seed=5\u2028x=1"]
)
def test_an_override_of_more_than_one_line_is_refused(text):
    with pytest.raises(ScenarioError, match=r"^--set .*: give one line, as in clients.count=500; .*\.$"):
        Scenario.parse({"name": "good"}).override([text])


@pytest.mark.parametrize("place", ["²", "٣", "1e1", "9" * 5000])
def test_only_plain_digits_are_the_place_of_an_entry(place):
    with pytest.raises(ScenarioError, match=r"faults is \{.*; allowed is a list\.$"):
        Scenario.parse({"name": "good"}).override([f"faults.{place}.at=1.0"])


def test_as_many_tables_as_are_allowed_may_be_nested():
    assert toml("[" + ".".join("x" * MOST_DEPTH) + "]")
    with pytest.raises(ValueError, match="nested too deeply"):
        toml("[" + ".".join("x" * (MOST_DEPTH + 1)) + "]")


def spoilt_record(path, columns=None, **provenance):
    """Write a record in which some columns (None: leave it out) or fields are not what they should be."""
    good = good_record(good_rows() + good_end())
    spoilt = Record.of_frame(good.events, {**good.provenance, **provenance})
    read = pq.read_table(saved_as(spoilt, path) if "detail" in (columns or {}) else spoilt.save(path))
    for name, value in (columns or {}).items():
        place = read.schema.get_field_index(name)
        read = read.remove_column(place) if value is None else read.set_column(place, name, pa.array(value(read)))
    pq.write_table(read, path)
    return path


def last(column, value):
    """Return how a column becomes one with another last entry."""
    return lambda table: [*table[column].to_pylist()[:-1], value]


def replaced(column, text, other):
    """Return how a column becomes one in which another text stands in the place of one."""
    return lambda table: [other if one == text else one for one in table[column].to_pylist()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": {"event": last("event", "exploded")}}, "event is 'exploded'; allowed is one of the vocabulary"),
        ({"columns": {"t": last("t", float("nan"))}}, "t is nan; allowed is from -1,000,000 to 1,000,000"),
        ({"columns": {"t": last("t", float("inf"))}}, "t is inf; allowed is from"),
        ({"columns": {"client": last("client", 10**12)}}, "client is 1000000000000; allowed is from -1 to"),
        ({"columns": {"node": last("node", -2)}}, "node is -2; allowed is from -1 to"),
        ({"columns": {"version": last("version", 2**62)}}, "version is 4611686018427387904; allowed is from -1 to"),
        ({"columns": {"attempt": last("attempt", -(2**62))}}, "attempt is -4611686018427387904; allowed is from -1"),
        (
            {"columns": {"client": lambda table: [-1] * len(table)}},
            "client is -1 of the event attempt_connect; allowed is a client's number",
        ),
        (
            {"columns": {"detail": last("detail", "x")}},
            "detail is 'x' of the event server_connections; allowed is count",
        ),
        ({"columns": {"detail": last("detail", "9" * 30)}}, "of the event server_connections; allowed is count"),
        (
            {"columns": {"detail": last("detail", "²")}},
            "of the event server_connections; allowed is count .a whole number",
        ),
        (
            {"columns": {"detail": replaced("detail", "1 1", "1 ²")}},
            "detail is '1 ²' of the event .*; allowed is epoch .a whole number of at most 18 digits., key",
        ),
        (
            {"columns": {"detail": replaced("detail", "1 1", f"1 {10**30}")}},
            "of the event .*; allowed is epoch .a whole number of at most 18 digits., key",
        ),
        ({"columns": {"count": last("count", -5)}}, "count is -5 of the event server_connections; allowed is count"),
        ({"columns": {"count": last("count", -1)}}, "count is -1 of the event server_connections; allowed is count"),
        ({"columns": {"count": None}}, "count is -1 of the event server_connections; allowed is count"),
        ({"columns": {"count": last("count", 10**18)}}, "count is 10{18} of the event server_connections; allowed is"),
        (
            {"columns": {"outcome": replaced("outcome", "acknowledged", "x y")}},
            "epoch is 1, key is 1, outcome is 'x y', registered is 3 of the event published; allowed is epoch",
        ),
        ({"columns": {"count": lambda table: ["many"] * len(table)}}, "is not a Parquet record of this lab"),
        ({"columns": {"t": last("t", None)}}, "is not a Parquet record of this lab"),
        ({"columns": {"detail": None}}, "is not a Parquet record of this lab"),
        ({"columns": {"t": lambda table: ["soon"] * len(table)}}, "is not a Parquet record of this lab"),
        ({"replication": "first"}, "replication is 'first'; allowed is a whole number from 0"),
        ({"scenario": {"name": "x", "duration": -1}}, "scenario: duration is -1; allowed is more than 0"),
        ({"scenario": None}, "scenario: it is None; allowed is a table of settings"),
        ({"host": "busy"}, "host is 'busy'; allowed is a table"),
    ],
)
def test_a_table_that_is_no_record_of_the_lab_is_refused_by_what_is_wrong(changes, said, tmp_path):
    path = spoilt_record(tmp_path / "odd.parquet", **changes)
    with pytest.raises(ScenarioError, match=rf"odd.parquet: .*{said}.*\.$"):
        Record.load(path)


def test_the_record_that_is_spoilt_above_is_a_good_one(tmp_path):
    assert len(Record.load(spoilt_record(tmp_path / "good.parquet")).events)
