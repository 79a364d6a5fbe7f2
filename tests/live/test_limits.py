"""What a live run allows, up to its bounds and not beyond them; nothing is started to find out."""

from collections.abc import Callable
from typing import Any

import pytest

from live import limits
from live.control.address import address_of
from live.limits import MOST_CLIENTS, MOST_DELIVERIES, MOST_NODES, check
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

Small = Callable[..., Scenario]


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]) -> list[Any]:
    """What the machine was asked for; it has everything."""
    found: list[Any] = []
    monkeypatch.setattr(limits.placement, "placement", lambda scenario: found.append("placement"))
    monkeypatch.setattr(limits.placement, "check_limits", lambda scenario: found.append("limits"))
    monkeypatch.setattr(limits, "binary", lambda kind: found.append(kind))
    monkeypatch.setattr(limits, "answers", lambda url: found.append(url))
    monkeypatch.setattr(limits, "check_permissions", lambda address, scenario: found.append(address))
    return found


def test_the_machine_is_asked_for_cores_program_and_files(small: Small, asked: list[Any]) -> None:
    check(small())
    assert asked == ["placement", "haproxy", "limits"]


def test_as_many_clients_and_nodes_as_allowed_and_not_one_more(small: Small) -> None:
    check(small(clients={"count": MOST_CLIENTS}, nodes={"count": MOST_NODES}))
    with pytest.raises(ScenarioError, match=r"^clients\.count is 5001; a live run allows at most 5000"):
        check(small(clients={"count": MOST_CLIENTS + 1}))
    with pytest.raises(ScenarioError, match=r"^nodes\.count is 17; a live run allows at most 16"):
        check(small(nodes={"count": MOST_NODES + 1}))


def test_nodes_that_join_count_too_and_are_named(small: Small) -> None:
    join = [{"at": 1.0, "kind": "join", "node": node} for node in (15, 16, 17)]
    check(small(nodes={"count": 14}, registry={}, faults=join[:2]))
    with pytest.raises(ScenarioError, match=r"^the number of nodes, with those that join, is 17"):
        check(small(nodes={"count": 14}, registry={}, faults=join))


def test_as_many_deliveries_as_a_run_may_note_and_not_one_message_more(small: Small) -> None:
    messages = MOST_DELIVERIES // 1000
    talk = {"clients": {"count": 1000}, "bus": {"kind": "stream"}, "duration": 30.0}
    check(small(**talk, publisher={"rate": 100.0, "messages": messages}))
    with pytest.raises(ScenarioError, match=r"^publisher\.rate gives 2001 messages for 1000 clients"):
        check(small(**talk, publisher={"rate": 100.0, "messages": messages + 1}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"duration": 3601.0}, r"^duration is 3601; a live run allows at most 3600 s\.$"),
        ({"host": {"placement": "separate"}}, r"^host\.placement is 'separate'"),
        ({"faults": [{"at": 1.0, "kind": "outage", "duration": 0.5}]}, r"^faults has an 'outage'"),
        ({"bus": {"kind": "kafka"}, "publisher": {"rate": 1.0}}, r"^bus\.kind is 'kafka'"),
    ],
)
def test_what_only_the_model_has_is_refused(small: Small, asked: list[Any], changes: Any, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        check(small(**changes))
    assert asked == []


def test_the_users_own_bus_must_answer_if_it_is_used_and_is_never_killed(small: Small, asked: list[Any]) -> None:
    none = {"bus": {"kind": "none"}}
    check(small(**none), "redis://one")
    assert "redis://one" not in asked
    check(small(**none, registry={}), "redis://two")
    check(small(bus={"kind": "valkey"}), "redis://three")
    two, three = (address_of(f"redis://{name}") for name in ("two", "three"))
    assert asked[-2:] == ["redis://three", three]
    assert [one for one in asked if "redis:" in str(one)] == ["redis://two", two, "redis://three", three]
    down = small(bus={"kind": "stream"}, publisher={}, faults=[{"at": 1.0, "kind": "bus_down", "duration": 0.5}])
    check(down)
    with pytest.raises(ScenarioError, match="'bus_down': the lab kills only its own bus"):
        check(down, "redis://four")
