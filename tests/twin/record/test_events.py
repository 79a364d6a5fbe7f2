import ast
import dataclasses
from inspect import getdoc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import simulate
from tests.commands import ROOT
from tests.strategies import small, small_profile
from tests.twin.record import vocabulary
from twin.record.columns import Events
from twin.record.events import COUNTS, EVENTS, MESSAGE_EVENTS, OF_CLIENTS, TYPES, Delivered, Recovered, Scaled
from twin.record.record import Record, row
from twin.record.typed import COMMON, Event, event, own

VALUES = {
    "number": st.integers(-1, 10**18 - 1),
    "text": st.text("ab-1", max_size=4),
    "flag": st.booleans(),
}
LAST = st.text(max_size=20)
"""A text that is the last column may have anything in it."""


@st.composite
def some_event(draw):
    """An event of any type, with values that it may have."""
    of = draw(st.sampled_from(sorted(TYPES.values(), key=lambda one: one.name)))
    values = [draw(VALUES[column.sort]) for column in of.columns]
    if of.columns and of.columns[-1].sort == "text":
        values[-1] = draw(LAST)
    if of.is_count():
        values[0] = max(0, values[0])
    return of(*values)


@given(some_event())
def test_what_is_packed_is_unpacked_as_it_was(one):
    assert type(one).says(one.detail)
    assert type(one).of(row(1.0, one.name, detail=one.detail)) == one
    assert type(one).pack(*dataclasses.astuple(one)) == one.detail


@given(st.sampled_from(sorted(EVENTS)), st.text("1 2-:toxsnaphreyd²", max_size=12))
def test_a_text_of_a_stranger_is_unpacked_or_is_none_of_the_event(name, detail):
    of = TYPES[name]
    values = of.unpack(detail)
    assert len(values) == len(of.columns)
    if of.says(detail):
        assert of(*values).detail == detail
    else:
        with pytest.raises(ValueError, match=f"is no {name} with "):
            of.of(row(0.0, name, detail=detail))


@pytest.mark.parametrize(
    ("one", "detail"),
    [
        (Scaled(3, 4, "cpu above target: 80 %"), "3 to 4: cpu above target: 80 %"),
        (Delivered(1, 7), "1 7"),
        (Recovered(2, "snapshot"), "2 snapshot"),
        (Recovered(2, "replayed", 0), "2 replayed 0"),
        (TYPES["published"](0, 3, "unknown", 2), "0 3 unknown 2"),
        (TYPES["received"](1, 7), "1 7"),
        (TYPES["received"](1, 7, "late"), "1 7 late"),
        (TYPES["gap"](0, 1, 5), "0 1 5"),
        (TYPES["session_resumed"]("s-1", True), "s-1 trusted"),
        (TYPES["session_resumed"]("s-1"), "s-1"),
        (TYPES["session_lost"]("s-1", "expired"), "s-1 expired"),
        (TYPES["sent"](), ""),
        (TYPES["sent"](True), "flushed"),
        (TYPES["server_connections"](0), "0"),
        (TYPES["node_stopped"](), ""),
    ],
)
def test_details_are_those_that_records_have_always_had(one, detail):
    assert one.detail == detail


def test_the_row_of_another_event_is_refused():
    with pytest.raises(ValueError, match="fault 'kill' is no scaled"):
        Scaled.of(row(0.0, "fault", node=1, detail="kill"))


def test_an_event_is_frozen_and_small():
    one = Delivered(1, 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.key = 8
    assert not hasattr(one, "__dict__")


def test_the_vocabulary_is_made_of_the_types():
    assert {one.name for events in vocabulary.LISTS for one in events} == EVENTS
    assert sum(map(len, vocabulary.LISTS)) == len(EVENTS)
    assert {"received", "published"} < MESSAGE_EVENTS
    assert "received" not in OF_CLIENTS
    assert {"delivered", "sent", "connected"} < OF_CLIENTS
    assert {"server_connections", "kept"} < COUNTS


@pytest.mark.parametrize("of", TYPES.values(), ids=TYPES)
def test_every_event_says_what_it_and_its_columns_mean(of):
    assert not getdoc(of).startswith(of.__name__)
    assert getdoc(of).endswith(".")
    assert all(column.meaning and not column.meaning.endswith(".") for column in of.columns)
    assert not {column.name for column in of.columns} & {"t", "event", "detail", *COMMON}


def test_columns_of_one_name_are_of_one_sort():
    sorts = {(column.name, column.sort) for of in TYPES.values() for column in of.columns}
    assert len(dict(sorts)) == len(sorts)


def test_the_tables_of_the_manual_are_those_of_the_types():
    assert vocabulary.written() == vocabulary.tables(), "python -m tests.twin.record.vocabulary"


def test_an_event_is_declared_with_the_columns_it_may_have():
    @event("client node?")
    class LostTrack(Event):
        """An event of a mechanism to come."""

        count: int = own("how many", "1")

    assert (LostTrack.name, LostTrack.required, LostTrack.optional) == ("lost_track", {"client"}, {"node"})
    assert LostTrack(3).detail == "3"
    with pytest.raises(AssertionError):
        event("clients")(type("Wrong", (Event,), {}))


@pytest.mark.parametrize(
    "scenario",
    [
        small(faults=[{"at": 1.0, "kind": "kill", "node": 1, "duration": 0.3}]),
        small(
            bus={"kind": "stream"},
            publisher={"rate": 5.0},
            faults=[{"at": 1.0, "kind": "bus_down", "duration": 0.3}, {"at": 1.5, "kind": "hang", "node": 1}],
        ),
        small(
            sessions={"store": "memory"},
            clients={"sends": {"rate": 2.0, "payload_bytes": 40}},
            faults=[{"at": 1.0, "kind": "kill", "node": 1}],
        ),
    ],
    ids=["kill", "broadcast", "sessions"],
)
def test_events_of_the_model_have_the_columns_that_their_types_say(scenario):
    events = simulate(scenario, profile=small_profile()).columns
    for name in events.names():
        of, mine = TYPES[name], events.of(name)
        assert all(of.says(mine.detail.texts[place]) for place in mine.detail.used()), name
        for column in COMMON:
            values = getattr(mine, column)
            assert column not in of.required or (values >= 0).all(), (name, column)
            assert column in of.required | of.optional or (values == -1).all(), (name, column)


MIXED = [
    row(0.0, "fault", node=1, detail="kill"),
    row(0.5, "disconnected", 1, 1, detail="1006"),
    row(1.0, "delivered", 1, 2, version=7, detail="2 7"),
    row(1.5, "received", 1, 2, version=7, detail="2 7 late"),
    row(2.0, "sent", 1, 2, version=0, detail="flushed"),
    row(2.5, "node_stopped", node=1),
]


def test_own_columns_of_a_mixture_do_not_apply_to_the_others():
    events = Events.of_rows(MIXED)
    assert events.numbers("key").tolist() == [-1, -1, 7, 7, -1, -1]
    assert events.words("kind").spelled().tolist() == ["kill", "", "", "", "", ""]
    assert events.words("how").isin("late").tolist() == [False, False, False, True, False, False]
    assert events.flags("flushed").tolist() == [False, False, False, False, True, False]
    assert events.own("received").values("epoch").tolist() == [2]
    for wrong in (lambda: events.numbers("kind"), lambda: events.words("colour"), lambda: events.flags("key")):
        with pytest.raises(KeyError, match="no event has a column"):
            wrong()


def test_selected_events_have_their_own_columns_behind_those_of_all():
    record = Record.of(MIXED, {})
    found = record.select("received", "delivered")
    assert list(found.columns) == [*record.events.columns, "epoch", "key", "how"]
    assert found["how"].tolist() == ["", "late"]
    assert found["key"].tolist() == [7, 7]
    assert found.index.tolist() == [2, 3]
    assert list(record.select("node_stopped").columns) == list(record.events.columns)
    assert list(record.select("scaled").columns)[-3:] == ["before", "after", "reason"]
    with pytest.raises(KeyError, match="exploded"):
        record.select("exploded")


PARTS = {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "removeprefix", "removesuffix"}
"""What takes a text apart."""


def reads_words(node):
    """Tell whether a piece of code takes a detail apart, or looks for one in the column of all events."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PARTS:
        return any(named(one) for one in ast.walk(node.func.value))
    if isinstance(node, ast.Attribute) and node.attr in ("str", "isin", "eq", "spelled", "counts"):
        return any(named(one) for one in ast.walk(node.value) if not isinstance(one, ast.Name))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("int", "float"):
        return any(named(one) for one in ast.walk(node))
    return False


def named(node):
    """Tell whether a piece of code is a detail: a name, an attribute, or a column by its name."""
    if isinstance(node, ast.Name):
        return node.id in ("detail", "details")
    if isinstance(node, ast.Attribute):
        return node.attr in ("detail", "details")
    return isinstance(node, ast.Constant) and node.value == "detail"


def found_in(text, judge):
    """Return the lines of a piece of code that are judged to be wrong."""
    return sorted({node.lineno for node in ast.walk(ast.parse(text)) if judge(node)})


@pytest.mark.parametrize("code", ["detail.split()", "str(detail).endswith('x')", "events.detail.isin('hang')",
                                  "table['detail'].str.extract('(.)')", "table['detail'].eq('x')", "int(detail)",
                                  "[float(one.detail)]", "name, _, how = detail.partition(' ')"])  # fmt: skip
def test_code_that_reads_words_is_seen(code):
    assert found_in(code, reads_words) == [1]


@pytest.mark.parametrize("package", ["twin", "sim", "live", "stormlab"])
def test_nobody_else_takes_a_detail_apart(package):
    files = [file for file in sorted((ROOT / package).rglob("*.py")) if "record" not in file.parts[len(ROOT.parts) :]]
    assert len(files) > 10
    said = {str(file.relative_to(ROOT)): found_in(file.read_text(encoding="utf-8"), reads_words) for file in files}
    assert {file: lines for file, lines in said.items() if lines} == {}


def formats(node):
    """Tell whether a piece of code puts a text together that is noted as an event's detail."""
    if isinstance(node, ast.Assign) and any(named(one) for one in node.targets):
        return put_together(node.value)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        said = [one.value for one in node.keywords if one.arg == "detail"]
        return any(map(put_together, said + (node.args[1:] if name in ("note", "_note", "row") else [])))
    is_row = isinstance(node, ast.Tuple) and len(node.elts) == len(Events.of_rows([]).columns())
    return is_row and put_together(node.elts[-1])


def put_together(node):
    """Tell whether a value is an f-string, the text of something, or a sum or choice of such."""
    if isinstance(node, ast.BinOp | ast.IfExp):
        return any(put_together(one) for one in ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "str"
    return isinstance(node, ast.JoinedStr)


@pytest.mark.parametrize(
    "code",
    [
        "run.note('acked', node=1, detail=f'{epoch} {key}')",
        "self.note(now, 'consistent', 3, f'{epoch} {key}')",
        "row(1.0, 'server_connections', detail=str(3))",
        "detail = name if good else f'{name} trusted'",
        "rows.append((t, 'gap', number, node, -1, version, f'{epoch} {other}'))",
        "run.note('received', detail=said + f' {kind}')",
    ],
)
def test_code_that_formats_words_is_seen(code):
    assert found_in(code, formats) == [1]


@pytest.mark.parametrize("package", ["twin", "sim", "live", "stormlab"])
def test_nobody_else_puts_a_detail_together(package):
    files = [file for file in sorted((ROOT / package).rglob("*.py")) if "record" not in file.parts[len(ROOT.parts) :]]
    said = {str(file.relative_to(ROOT)): found_in(file.read_text(encoding="utf-8"), formats) for file in files}
    assert {file: lines for file, lines in said.items() if lines} == {}
