"""What waits at a node and on the bus, seen at real processes and in the model."""

from types import SimpleNamespace

import pytest

import sim
from live.broadcast.buffers import BufferWatch
from live.broadcast.bus import Bus
from live.runs import run
from tests.strategies import small
from twin.costs.profile import HostProfile
from twin.measures import measure_record
from twin.record.record import row

pytestmark = pytest.mark.live


OF_THE_CONNECTION = 4_160_000.0
"""Bytes that a connection over loopback holds by Linux's defaults (`tcp_wmem`), which the reference does not know."""


class Client:
    """Stands in for a connection to a server that is asked for its clients."""

    def __init__(self, *looks):
        self.looks = list(looks)

    def client_list(self, _type):
        assert _type == "pubsub"
        return self.looks.pop(0)

    def close(self):
        assert not self.looks


def test_the_most_that_was_counted_for_each_node_is_kept():
    client = Client(
        [{"name": "run:node-1-reader", "omem": 50}, {"name": "run:node-1-again", "omem": "7"}],
        [{"name": "run:node-2-reader", "omem": 9}, {"name": "other:node-2-reader", "omem": 999}],
        [{"name": "run:node-1-reader", "omem": 20}, {"name": "run:publisher-acks", "omem": 999}],
    )
    watch = BufferWatch(SimpleNamespace(part=None), "run:")
    with Bus.counting(SimpleNamespace(client=lambda: client), "run:") as count:
        for _ in range(3):
            watch.look(count())
    found = watch.finish(0.0)
    assert [one[1:] for one in found] == [
        row(0.0, "bus_buffer", node=1, detail="57")[1:],
        row(0.0, "bus_buffer", node=2, detail="9")[1:],
    ]


def stalled(**more):
    """One client of two does not read for two seconds, and large messages come."""
    return small(
        **{
            "duration": 4.0,
            "clients": {"count": 2},
            "nodes": {"count": 1},
            "bus": {"kind": "pubsub"},
            "publisher": {"rate": 20.0, "payload_bytes": 500_000, "stop": 2.5},
            "slow_consumer": {"policy": "drop", "limit_bytes": 4_000_000},
            "faults": [{"at": 0.2, "kind": "stall", "client": 1, "duration": 2.5}],
            **more,
        }
    )


def test_what_waits_for_a_client_that_does_not_read_is_told_by_both_worlds():
    scenario = stalled()
    found, predicted = (measure_record(one) for one in (run(scenario), sim.simulate(scenario)))
    for one in (found, predicted):
        assert 3_400_000 < one["node_buffer_peak"] <= 4_000_000  # as many as fit below the limit


def test_what_waits_for_a_node_that_is_cut_off_is_told_by_both_worlds():
    scenario = stalled(
        publisher={"rate": 400.0, "payload_bytes": 15_000, "stop": 2.0, "max_resends": 0},
        bus={"kind": "pubsub", "output_buffer": {"hard_bytes": 0, "soft_bytes": 0}},
        duration=6.0,
        faults=[{"at": 0.2, "kind": "hang", "node": 1, "duration": 4.0}],
    )
    host = HostProfile.load("reference").model_copy(update={"bus_path_bytes": [OF_THE_CONNECTION]})
    found, predicted = (measure_record(one) for one in (run(scenario), sim.simulate(scenario, 0, host)))
    due = 15_000 * 400 * 1.8
    for one in (found, predicted):
        assert 0.2 * due < one["bus_buffer_peak"] < 1.1 * due  # the connection holds the rest
    assert predicted["bus_buffer_peak"] == pytest.approx(found["bus_buffer_peak"], rel=0.4)
