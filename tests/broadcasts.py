"""Hypothesis strategies over the space of scenarios with a publisher."""

from hypothesis import strategies as st

from tests.strategies import apart, balancers, reconnects, seconds, small, unbounded
from twin.scenario.broadcast import Publisher, Recovery
from twin.scenario.faults import Fault
from twin.scenario.servers import OF_SERVER


@st.composite
def broadcast_faults(draw, nodes, clients, duration, of_bus=("bus_down", "bus_cut", "stall", "partition", "delay")):
    """One fault that messages can feel: what happens to connections, and what happens to the bus and the readers."""
    kind = draw(st.sampled_from(["kill", "hang", "restart", "drain", *of_bus]))
    lasting = kind in ("hang", "stall", "partition", "delay", *OF_SERVER)
    return Fault(
        at=draw(seconds(0.0, duration)),
        kind=kind,
        pace=draw(st.none() | st.sampled_from([5.0, 50.0])) if kind == "drain" else None,
        lead=draw(st.none() | seconds(0.0, 1.0)) if kind == "drain" else None,
        node=None if kind in ("stall", *OF_SERVER) else draw(st.integers(1, nodes)),
        client=draw(st.integers(0, clients - 1)) if kind == "stall" else None,
        delay=draw(seconds(0.001, 0.5)) if kind == "delay" else None,
        duration=draw(seconds(0.05, 2.0)) if lasting else None,
    )


@st.composite
def broadcasts(draw, kinds=("pubsub", "stream", "kafka")):
    """Scenarios with a publisher, but small: at most 20 clients, 6 s and 300 messages."""
    duration = draw(seconds(1.0, 6.0))
    nodes, clients = draw(st.integers(1, 4)), draw(st.integers(1, 20))
    start = draw(seconds(0.0, duration / 2))
    publisher = Publisher(
        rate=draw(st.sampled_from([5.0, 20.0, 50.0])),
        payload_bytes=draw(st.sampled_from([0, 64, 2000])),
        start=start,
        stop=draw(st.none() | seconds(start, duration)),
        messages=draw(st.sampled_from([0, 1, 30])),
        ack_timeout=draw(seconds(0.05, 1.0)),
        max_resends=draw(st.integers(0, 3)),
        threshold=draw(st.sampled_from(["all", "majority"]) | st.integers(1, nodes)),
        scope=draw(st.sampled_from(["node", "client"])),
    )
    return small(
        seed=draw(st.integers(0, 2**63 - 1)),
        duration=duration,
        clients={
            "count": clients,
            "recovery": Recovery(recover=draw(st.booleans()), on_reconnect=draw(st.booleans()), timeout=0.5),
        },
        nodes={"count": nodes},
        bus={
            "kind": draw(st.sampled_from(kinds)),
            "persist": draw(st.booleans()),
            "max_length": draw(st.sampled_from([1, 10, 10_000])),
            "commit_interval": draw(seconds(0.1, 2.0)),
            "lease": draw(seconds(0.3, 2.0)),
        },
        publisher=publisher,
        slow_consumer={"policy": draw(st.sampled_from(["drop", "coalesce", "close"])), "limit_bytes": 4096},
        faults=draw(st.lists(broadcast_faults(nodes, clients, duration), max_size=3)),
    )


@st.composite
def talks(draw):
    """Broadcasts over the whole space of both engines: any reconnects, balancers, heartbeats, limits and placements."""
    scenario = draw(broadcasts())
    nodes, clients, duration = scenario.nodes.count, scenario.clients.count, scenario.duration
    happens = list(scenario.faults) + draw(st.lists(broadcast_faults(nodes, clients, duration), max_size=3))
    if draw(st.booleans()):
        happens.append(Fault(at=draw(seconds(0.0, duration)), kind="reload"))
    hard = draw(st.sampled_from([0, 300, 40_000, 2**20]))
    talk = scenario.vary(
        clients={
            "per_process": draw(st.sampled_from([1, 3, 2000])),
            "connect_rate": draw(st.sampled_from([50.0, 800.0])),
            "open_timeout": draw(seconds(0.2, 10.0)),
            "addresses": draw(st.integers(1, 5)),
            "reconnect": draw(reconnects(calm=True)).model_dump(),
            "heartbeat": {
                "interval": draw(st.sampled_from([0.0, 0.3, 1.0, 20.0])),
                "timeout": draw(seconds(0.05, 1.0)),
                "close_timeout": draw(st.sampled_from([0.0, 0.2])),
            },
            "recovery": {"timeout": draw(seconds(0.05, 2.0))},
        },
        balancer=draw(balancers(covered=True)).model_dump(),
        publisher={"payload_bytes": draw(st.sampled_from([64, 2000, 20_000]))},
        bus={
            "idempotency_window": draw(st.sampled_from([0.1, 60.0])),
            "output_buffer": {
                "hard_bytes": hard,
                "soft_bytes": draw(st.sampled_from([0, 200, 20_000])),
                "soft_seconds": draw(st.sampled_from([0, 1])),
            },
            "retry": {
                "base": draw(st.sampled_from([0.01, 0.1])),
                "retries": draw(st.sampled_from([0, 1, 10])),
                "timeout": draw(st.sampled_from([0.01, 0.3, 5.0])),
            },
        },
        slow_consumer={"limit_bytes": draw(st.sampled_from([1024, 4096, 20_000]))},
        nodes={"backlog": draw(st.sampled_from([1, 3, 1000]))},
        host={"placement": draw(st.sampled_from(["pinned", "free"])), "cores": draw(st.integers(1, 5))},
        faults=[fault.model_dump(exclude_none=True) for fault in apart(happens)],
    )
    return unbounded(draw, talk) if draw(st.integers(0, 3)) == 3 else talk
