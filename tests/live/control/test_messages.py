"""Messages between lab and parts: what is sent comes out the same, and anything else is refused in one sentence."""

import json
import sys
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

import live
from live.control.messages import (
    TYPE,
    ControlMessage,
    Done,
    Finish,
    Lateness,
    MessageError,
    Spread,
    Struct,
    decode,
    encode,
    plain,
    take,
)
from live.control.process import Stage
from live.machine import placement
from live.machine.speed import SpeedSettings
from live.node.messages import Look, StartDrain
from twin.errors import ClusterError
from twin.rules.backoff import Reconnect

FOLDER = Path(live.__file__).parent
ROOMS = sorted(FOLDER.glob("*/messages.py"))
for room in ROOMS:
    import_module(f"live.{room.parent.name}.messages")
KINDS = {name: kind for name, kind in ControlMessage.known.items() if kind.__module__.startswith("live.")}
PLAIN = {
    float: st.floats(allow_nan=False),
    int: st.integers(),
    str: st.text(),
    bool: st.booleans(),
    NoneType: st.none(),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of the type of a field."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return st.builds(lambda found: kind(**found), st.fixed_dictionaries(of_fields(kind)))
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return st.one_of([values(one) for one in inner])
    if origin is list:
        return st.lists(values(inner[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(st.text(), values(inner[1]), max_size=3)
    return PLAIN[kind]


def of_fields(kind: type[Struct]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: values(own) for name, own in kind.fields.items()}


def test_each_room_has_its_messages_and_no_message_is_elsewhere() -> None:
    assert {kind.__module__ for kind in KINDS.values()} == {f"live.{one.parent.name}.messages" for one in ROOMS}
    assert {"StartDrain", "SetStall", "HashFrom", "LookAt", "Publish", "Drop", "Report", "OpenBatch"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@given(data=st.data())
def test_a_message_comes_out_as_it_was_sent(kind: type[ControlMessage], data: st.DataObject) -> None:
    sent = data.draw(values(kind))
    line = encode(sent)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    got = decode(line, KINDS)
    assert got == sent
    assert repr(got) == repr(sent)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@given(data=st.data())
def test_a_field_too_many_or_too_few_or_of_another_type_is_named(
    kind: type[ControlMessage], data: st.DataObject
) -> None:
    found = json.loads(encode(data.draw(values(kind))))
    with pytest.raises(MessageError, match=rf"^{kind.__name__} has a field 'unheard'; allowed is "):
        decode(json.dumps(found | {"unheard": 1}).encode(), KINDS)
    for name, own in kind.fields.items():
        if not hasattr(kind, name):
            with pytest.raises(MessageError, match=rf"^{kind.__name__} lacks {name}$"):
                decode(json.dumps({key: one for key, one in found.items() if key != name}).encode(), KINDS)
        wrong = 1 if own is str else "one"
        with pytest.raises(MessageError, match=rf"^{kind.__name__}\.{name} is .*; allowed is "):
            decode(json.dumps(found | {name: wrong}).encode(), KINDS)


@given(JSON | st.dictionaries(st.sampled_from([TYPE, "path", "lead", "pace"]), JSON | st.sampled_from(list(KINDS))))
def test_whatever_comes_is_a_message_or_refused_in_one_sentence(found: Any) -> None:
    try:
        message = decode(json.dumps(found).encode(), KINDS)
    except MessageError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 (either is right)
    else:
        assert json.loads(encode(message)).items() >= found.items()


@given(st.binary())
def test_bytes_that_are_no_json_are_no_message(data: bytes) -> None:
    with pytest.raises(MessageError, match=r"is no message$|is unknown; allowed is "):
        decode(data, KINDS)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (float, True, "it is True; allowed is float"),
        (int, 1.0, "it is 1.0; allowed is int"),
        (int, True, "it is True; allowed is int"),
        (float | None, "x", "it is a str; allowed is float"),
        (int | list[int], "x", r"it is a str; allowed is int \| list\[int\]"),
        (list[int], [1, None], r"it\[1\] is None; allowed is int"),
        (tuple[int, str], [1], r"it is a list; allowed is tuple\[int, str\]"),
        (dict[str, bool], {"a": 1}, r"it\['a'\] is 1; allowed is bool"),
        (Literal["a", "b"], "c", r"it is a str; allowed is typing\.Literal\['a', 'b'\]"),
        (Literal[1], True, r"it is True; allowed is typing\.Literal\[1\]"),
        (Lateness | None, {"late": {"x": 1}, "stood_still": 0, "at": 0}, r"it\.late\['x'\] is 1; allowed is Spread"),
        (Reconnect, {"policy": "fixed"}, "it lacks base, factor, cap, jitter, first, max_attempts, stable_time"),
        (Reconnect, {"base": "secret"}, "it.base is a str; allowed is float"),
    ],
)
def test_a_value_of_another_type_is_refused_and_no_text_is_shown(kind: Any, value: Any, problem: str) -> None:
    with pytest.raises(MessageError, match=f"^{problem}$"):
        take(value, kind, "it")


def test_values_of_the_types_that_settings_have_are_taken() -> None:
    assert take(2, float, "it") == 2.0
    assert take([1, "a"], tuple[int, str], "it") == (1, "a")
    assert take([1, 2], tuple[int, ...], "it") == (1, 2)
    assert take(None, int | str | None, "it") is None
    assert take("b", int | Literal["a", "b"], "it") == "b"
    found = {"policy": "list", "base": 1, "factor": 2.0, "cap": 9.0, "jitter": "none", "first": "backoff"}
    found |= {"max_attempts": 0, "stable_time": 0.0, "delays": [1.0, [2.0, 3.0]]}
    assert take(found, Reconnect, "it").delays == [1.0, [2.0, 3.0]]


def test_a_message_is_made_as_a_dataclass_is_and_does_not_change() -> None:
    one = Done(3)
    assert (one.events, one.timers) == (3, None)
    assert one == Done(events=3)
    assert one != Done(4)
    assert StartDrain(1.0, 2.0) != SpeedSettings("trace", 2.0)
    assert len({Finish("a"), Finish("a"), Finish("b")}) == 2
    with pytest.raises(AttributeError):
        one.events = 4  # type: ignore[misc]
    for places, named in (((), {}), ((1, None, 2), {}), ((1,), {"events": 1}), ((1,), {"other": 1})):
        with pytest.raises(TypeError, match="Done takes events, timers"):
            Done(*places, **named)  # type: ignore[arg-type]


def test_a_name_is_that_of_one_message_only() -> None:
    with pytest.raises(TypeError, match=r"names a message Finish, as live\.control\.messages does"):
        type("Finish", (ControlMessage,), {"__module__": "elsewhere"})
    assert ControlMessage.known["Finish"] is Finish


def test_a_record_gets_the_lateness_as_json_has_it() -> None:
    spread = {"count": 1, "p50": 0.1, "p99": 0.2, "max": 0.3}
    one = Lateness({"ping": Spread(**spread)}, 0.5, 2.0)
    assert plain(one) == {"late": {"ping": spread}, "stood_still": 0.5, "at": 2.0}


@pytest.mark.live
@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (b'{"type": "Jump"}', r"the message 'Jump' is unknown; allowed is Finish, Look, StartDrain"),
        (
            b'{"type": "HashFrom", "begin": 1.0}',
            "the message 'HashFrom' is unknown; allowed is .*",
        ),
        (b'{"type": "Ready"}', r"the message 'Ready' is unknown; allowed is Finish, Look, StartDrain"),
        (b'{"type": "StartDrain", "lead": 1.0}', "StartDrain lacks pace"),
        (b"drain", "'drain' is no message"),
    ],
)
def test_an_order_that_a_node_does_not_know_ends_it_with_a_sentence(order: bytes, problem: str, stage: Stage) -> None:
    (port,) = placement.free_ports(1)
    part = stage.python("node 1", "live.node.node", {"number": 1, "port": port, "backlog": 100})
    assert part.hear(ControlMessage).__class__.__name__ == "Listening"
    part.tell(Look())
    assert part.hear(ControlMessage).__class__.__name__ == "Seen"
    assert part.process.stdin is not None
    part.process.stdin.write(order + b"\n")
    part.process.stdin.flush()
    with pytest.raises(ClusterError, match=rf"^node 1 ended with exit status 1: {problem}\.$"):
        part.hear(ControlMessage)
    assert len(part.log.read_text().splitlines()) == 1


@pytest.mark.live
@pytest.mark.parametrize(
    ("module", "settings", "problem"),
    [
        ("live.machine.canary", ["0"], r"the settings\[0\] is a str; allowed is int"),
        ("live.machine.speed", {"work": "sleep"}, r"the settings\.work is a str; allowed is .*'rival'.*"),
        ("live.broadcast.relay", {"port": 1, "to": {"host": "h"}}, r"the settings\.to lacks port"),
        ("live.network.blackhole", {"port": 1}, "the settings lacks host, to_port"),
    ],
)
def test_settings_of_another_type_end_a_part_with_a_sentence(
    module: str, settings: Any, problem: str, stage: Stage
) -> None:
    part = stage.python("part", module, settings)
    with pytest.raises(ClusterError, match=rf"^part ended with exit status 1: {problem}\.$"):
        part.hear(ControlMessage)


@pytest.mark.live
def test_a_node_does_not_load_what_makes_its_start_slower(stage: Stage) -> None:
    code = "import sys, live.node.node; print([m for m in ('msgspec', 'pydantic', 'twin.record') if m in sys.modules])"
    assert stage.start("loads", [sys.executable, "-P", "-c", code]).read_line(30.0) == b"[]"
