"""Two faults on one real node: the record tells the same story as the model's, and every client comes back."""

from collections.abc import Callable

import pytest

import sim
from live.runs import run
from tests.stories import connected, told
from tests.strategies import small_profile
from twin.invariants import audit
from twin.measures.witness import unwitnessed
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

HANG, KILL, DARK = ({"kind": kind, "duration": 1.5} for kind in ("hang", "kill", "blackhole"))
DRAIN = {"kind": "drain", "lead": 0.2, "pace": 10.0}
RESTART, GONE = {"kind": "restart"}, {"kind": "kill"}


CASES = {
    "killed while it hangs": (HANG, KILL),
    "killed twice": (GONE, KILL),
    "killed, then restarted": (GONE, RESTART),
    "drained while it hangs": (HANG, DRAIN),
    "hangs while it drains": (DRAIN, HANG),
    "hangs longer": (HANG, HANG),
    "hangs within a hang": (HANG, {"kind": "hang", "duration": 0.2}),
    "restarted while it drains": (DRAIN, RESTART),
    "drained twice": (DRAIN, DRAIN),
    "killed behind a dead link": (DARK, KILL),
}
PAIRS = list(zip(list(CASES)[::2], list(CASES)[1::2], strict=True))


@pytest.mark.parametrize("names", PAIRS, ids=", another ".join)
def test_both_worlds_tell_the_same_of_two_faults_on_one_node(
    names: tuple[str, str], small: Callable[..., Scenario]
) -> None:
    """Two cases a run, each on a node of its own; two more nodes are left to the clients."""
    cases = [(node, *CASES[name]) for node, name in enumerate(names, 1)]
    scenario = small(
        duration=9.0,
        nodes={"count": 4},
        clients={"count": 40, "heartbeat": {"interval": 0.4, "timeout": 0.3}},
        balancer={"retries": 3, "redispatch": 1, "connect_timeout": 0.5, "check": {"timeout": 0.4}},
        faults=[
            {"at": at, "node": node} | fault
            for node, *faults in cases
            for at, fault in zip((0.5, 1.2), faults, strict=True)
        ],
    )
    record, model = run(scenario, replication=1), sim.simulate(scenario, 1, small_profile())
    for node in (1, 2):
        assert told(record, node) == told(model, node), names[node - 1]
    assert connected(record) == list(range(40))
    assert not unwitnessed(record)
    assert not audit(record).violations


def test_partitions_and_delays_of_one_link_end_one_by_one(small: Callable[..., Scenario]) -> None:
    """A partition that ends within another ends nothing, and the end of a delay does not open a link that is cut."""
    node = {"node": 1}
    scenario = small(
        duration=7.0,
        bus={"kind": "stream"},
        publisher={"rate": 20.0, "stop": 5.0},
        faults=[
            {"at": 1.0, "kind": "partition", "duration": 2.0} | node,
            {"at": 1.2, "kind": "partition", "duration": 0.3} | node,
            {"at": 1.3, "kind": "delay", "delay": 0.05, "duration": 0.5} | node,
            {"at": 1.4, "kind": "stall", "client": 2, "duration": 1.6},
            {"at": 1.5, "kind": "stall", "client": 2, "duration": 0.3},
        ],
    )
    record = run(scenario)
    over = record.select("healed")
    assert over["detail"].tolist() == ["delay", "partition", "stall"] or over["detail"].tolist() == [
        *("delay", "stall", "partition")
    ]
    begun = record.select("fault")["t"].iloc[0]
    received = record.select("received")
    cut = received[(received["node"] == 1) & (received["client"] < 0) & received["t"].between(begun + 0.25, 3.0)]
    assert not len(cut)
    stalled = record.select("delivered").query("client == 2 and 1.8 < t < 3.0")
    assert not len(stalled)
    assert not unwitnessed(record)
    assert not audit(record).violations
