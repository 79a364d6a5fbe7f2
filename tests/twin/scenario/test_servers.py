"""Which shared servers there are, and what a fault says about them."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError

SESSIONS = {"sessions": {"store": "redis"}}
BOTH = SESSIONS | {"registry": {}}


def down(**more):
    return {"faults": [{"at": 1.0, "kind": "bus_down", **more}]}


def test_a_server_is_there_for_what_a_scenario_has():
    assert small().uses == ()
    assert small(registry={}).uses == ("registry",)
    assert small(**BOTH).uses == ("sessions", "registry")
    assert small(sessions={"store": "memory"}).uses == ()
    assert small(bus={"kind": "stream"}, publisher={"rate": 1.0}).uses == ("messages",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (down(), "faults.0.kind is 'bus_down'; allowed is only in a scenario with a [publisher], a [registry] or"),
        (SESSIONS | down(server="registry"), "faults.0.server is 'registry'; allowed is what a server is there for:"),
        (
            BOTH | {"bus": {"servers": "several"}} | down(),
            "faults.0.server is missing; allowed is 'sessions' or 'registry' with bus.servers 'several'",
        ),
        (
            {"registry": {}, "faults": [{"at": 1.0, "kind": "kill", "node": 1, "server": "registry"}]},
            "faults.0.server is 'registry'; allowed is only with kind 'bus_down'",
        ),
        ({"faults": [{"at": 1.0, "kind": "partition", "node": 1}]}, "faults.0.kind is 'partition'; allowed is only in"),
        ({"bus": {"servers": "two"}}, "bus.servers is 'two'"),
    ],
)
def test_what_names_no_server_is_told_in_one_sentence(changes, sentence):
    with pytest.raises(ScenarioError) as caught:
        small(**changes)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        BOTH | down(),
        BOTH | down(server="sessions"),
        BOTH | {"bus": {"servers": "several"}} | down(server="registry"),
        {"registry": {}, "bus": {"servers": "several"}} | down(),
    ],
)
def test_with_one_server_there_is_nothing_to_say(changes):
    assert small(**changes).faults[0].kind == "bus_down"
