from collections import Counter

import pytest

from sim.broadcast.fanout import Fanout
from sim.world import World
from tests.costs import cost_of
from tests.strategies import small, small_profile
from twin.costs.curve import PartCosts


def cluster(**parts):
    """Two clients of one node hear one message at 1 s over a stream; the given parts cost something else."""
    profile = small_profile()
    some = {name: PartCosts(levels=[16], values=[[seconds]]) for name, seconds in parts.items()}
    data = {"clients": {"count": 2}, "nodes": {"count": 1}, "bus": {"kind": "stream", "lease": 100.0}}
    scenario = small(**data, publisher={"start": 1.0, "messages": 1}, host={"cores": 8, "placement": "free"})
    one = World(scenario, 0, small_profile(parts=profile.by_name() | some))
    one.run()
    return {event: [t for t, name, client, *_ in one.rows if name == event and (event != "received" or client < 0)]
            for event in ("published", "received", "delivered", "acked", "consistent")}  # fmt: skip


MORE = 1e-3
ASKS_FIRST = cost_of("bus_read") - cost_of("node_ack")
"""Seconds that a word of a node waits while the bus reads the node's question for what follows."""
AT_THE_NODE = {"received": [1], "delivered": [1, 1], "acked": [1], "consistent": [1]}


@pytest.mark.parametrize(
    ("part", "later"),
    [
        ("publisher_send", AT_THE_NODE),
        ("publisher_answer", {}),
        ("bus_stamp", AT_THE_NODE),
        ("bus_publish", AT_THE_NODE | {"acked": [2], "consistent": [2]}),  # the word, too
        ("node_poll", AT_THE_NODE),
        ("node_receive", AT_THE_NODE),
        ("node_fanout", {"delivered": [2, 2], "acked": [2], "consistent": [2]}),
        ("node_ack", {"acked": [1 - ASKS_FIRST / MORE], "consistent": [1 - ASKS_FIRST / MORE]}),
        ("node_answer", {}),
        ("bus_command", {"acked": [1], "consistent": [1]}),
        ("publisher_ack", {"acked": [1], "consistent": [1]}),
        ("balancer_delivery", {"delivered": [2, 2]}),
        ("client_delivery", {"delivered": [1, 2]}),
    ],
)
def test_each_part_delays_what_comes_after_it_and_nothing_else(part, later):
    usual, then = cluster(), cluster(**{part: cost_of(part) + MORE})
    for event, times in usual.items():
        delays = [t - was for t, was in zip(then[event], times, strict=True)]
        assert delays == pytest.approx([MORE * often for often in later.get(event, [0] * len(times))], abs=1e-9)


def test_a_node_that_cuts_all_its_clients_in_one_fan_out_acknowledges_once(monkeypatch):
    said = Counter()
    acknowledge = Fanout.acknowledge
    monkeypatch.setattr(Fanout, "acknowledge", lambda *one: said.update([one[1:]]) or acknowledge(*one))
    scenario = small(  # clients give up while the node hangs; then a message is too large for every outlet
        duration=1.4,
        nodes={"count": 1},
        clients={"count": 3, "heartbeat": {"interval": 1.0, "timeout": 0.1, "close_timeout": 0.2}},
        bus={"kind": "pubsub"},
        publisher={"rate": 5.0, "start": 0.2, "payload_bytes": 20_000, "scope": "client"},
        slow_consumer={"policy": "close", "limit_bytes": 1024},
        faults=[{"at": 0.1, "kind": "hang", "node": 1, "duration": 0.8}],
    )
    one = World(scenario, 0, small_profile())
    one.run()
    assert any(row[1] == "received" and row[2] < 0 for row in one.rows)
    assert set(said.values()) == {1}
