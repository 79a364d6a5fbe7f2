import pytest

from sim.world import World
from tests.strategies import COST, small, small_profile
from twin.cost import Part


def cluster(**parts):
    """Two clients of one node hear one message at 1 s over a stream; every part costs `COST` but those given."""
    profile = small_profile()
    some = {name: Part(levels=[16], values=[[seconds]]) for name, seconds in parts.items()}
    data = {"clients": {"count": 2}, "nodes": {"count": 1}, "bus": {"kind": "stream", "lease": 100.0}}
    scenario = small(**data, publisher={"start": 1.0, "messages": 1}, host={"cores": 8, "placement": "free"})
    one = World(scenario, 0, small_profile(parts=profile.parts | some))
    one.run()
    return {event: [t for t, name, client, *_ in one.rows if name == event and (event != "received" or client < 0)]
            for event in ("published", "received", "delivered", "acked", "consistent")}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "later"),
    [
        ("node_poll", {"received", "delivered", "acked", "consistent"}),
        ("node_receive", {"received", "delivered", "acked", "consistent"}),
        ("node_fanout", {"delivered", "acked", "consistent"}),
        ("node_ack", {"acked", "consistent"}),
        ("node_answer", set()),
        ("bus_command", {"acked", "consistent"}),
        ("publisher_ack", {"acked", "consistent"}),
        ("balancer_delivery", {"delivered"}),
        ("client_delivery", {"delivered"}),
    ],
)
def test_each_part_delays_what_comes_after_it_and_nothing_else(part, later):
    usual, then = cluster(), cluster(**{part: 11 * COST})
    assert {event for event in usual if then[event] != pytest.approx(usual[event], abs=COST / 10)} == later
    for event in later:
        assert min(then[event]) >= min(usual[event]) + 9 * COST
