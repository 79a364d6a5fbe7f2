"""Hypothesis strategies over scenarios with any set of mechanisms and faults at once."""

from hypothesis import strategies as st

from tests.strategies import balancers, reconnects, seconds, small
from twin.errors import ScenarioError
from twin.scenario.faults import Fault

OF_ALL = ("broadcast", "sessions", "sends", "lifetime", "pings", "heartbeat", "frames")
ELASTIC = ("registry", "autoscaling", "rebalance", "canary")
KINDS = (
    *("kill", "hang", "blackhole", "restart", "drain", "join", "reload", "outage"),
    *("bus_down", "bus_cut", "stall", "partition", "delay"),
)
RECOVERY = st.sampled_from([(True, True), (True, True), (True, False), (False, False)])
BATCHES = st.fixed_dictionaries({"count": st.sampled_from([1, 2, 5]), "window": st.sampled_from([0.02, 0.3])})
CODECS = st.sampled_from(["none", "none", "json", "orjson", "msgpack", "protobuf"])
COMPRESSIONS = st.fixed_dictionaries({"window_bits": st.sampled_from([9, 15]), "takeover": st.booleans()})
ENDLESS = ("restart", "drain", "join", "reload", "bus_cut")
OF_NO_NODE = ("reload", "outage", "bus_down", "stall")


@st.composite
def any_faults(draw, nodes, clients, duration):
    """One fault of any kind; whether a scenario allows it is another question."""
    kind = draw(st.sampled_from(KINDS))
    lasts = seconds(0.05, 2.0) if kind != "kill" else st.none() | seconds(0.05, 2.0)
    return Fault(
        at=draw(seconds(0.0, duration)),
        kind=kind,
        pace=draw(st.none() | st.sampled_from([5.0, 50.0])) if kind == "drain" else None,
        lead=draw(st.none() | seconds(0.0, 1.0)) if kind == "drain" else None,
        node=None if kind in OF_NO_NODE else draw(st.integers(1, nodes + (2 if kind == "join" else 0))),
        client=draw(st.integers(0, clients - 1)) if kind == "stall" else None,
        delay=draw(seconds(0.001, 0.5)) if kind == "delay" else None,
        server=draw(st.none() | st.sampled_from(["messages", "sessions", "registry"])) if kind == "bus_down" else None,
        duration=None if kind in ENDLESS else draw(lasts),
    )


def _broadcast(draw, nodes, duration):
    start = draw(seconds(0.0, duration / 2))
    return {
        "rate": draw(st.sampled_from([2.0, 10.0, 20.0])),
        "payload_bytes": draw(st.sampled_from([0, 64, 2000])),
        "start": start,
        "stop": draw(st.none() | seconds(start, duration)),
        "ack_timeout": draw(seconds(0.05, 1.0)),
        "max_resends": draw(st.integers(0, 3)),
        "threshold": draw(st.sampled_from(["all", "majority"]) | st.integers(1, nodes)),
        "scope": draw(st.sampled_from(["node", "client"])),
        "batch": draw(st.none() | BATCHES),
    }


def _sends(draw):
    return {"rate": draw(st.sampled_from([1.0, 5.0])), "batch": draw(st.none() | BATCHES)}


def _sessions(draw):
    return {
        "store": draw(st.sampled_from(["memory", "redis"])),
        "expiry": draw(st.sampled_from([1.0, 1800.0])),
        "refresh": draw(st.booleans()),
        "token_lifetime": draw(st.sampled_from([1.0, 86_400.0])),
        "login_iterations": draw(st.sampled_from([1, 10_000, 100_000])),
        "when_down": draw(st.sampled_from(["refuse", "trust"])),
        "on_refusal": draw(st.sampled_from(["login", "stop"])),
    }


def _registry(draw, on, nodes):
    ttl = draw(seconds(0.3, 2.0))
    found = {"ttl": ttl, "heartbeat": ttl / draw(st.sampled_from([1.5, 4.0])), "sync": draw(seconds(0.05, 0.5))}
    if "rebalance" in on:
        found["rebalance"] = {"pace": draw(st.sampled_from([2.0, 50.0])), "slack": draw(st.sampled_from([0.0, 0.2]))}
    if "canary" in on and nodes > 1:
        found["canary"] = {"nodes": [nodes], "share": draw(st.sampled_from([0.1, 0.5]))}
    return found


def _autoscaling(draw, nodes):
    policies = [{"kind": "pods", "value": draw(st.integers(1, 4)), "period": 1.0}]
    return {
        "metric": draw(st.sampled_from(["connections", "cpu"])),
        "target": draw(st.sampled_from([2, 5, 40])),
        "minimum": draw(st.integers(1, nodes)),
        "maximum": draw(st.integers(nodes, nodes + 3)),
        "sync_period": draw(seconds(0.3, 2.0)),
        "up": {"window": 0.0, "policies": policies},
        "down": {"window": draw(st.sampled_from([0.0, 1.0])), "policies": policies},
        "cpu_initialization": 0.0,
        "initial_readiness": 0.0,
        "lead": draw(seconds(0.0, 0.5)),
        "pace": draw(st.sampled_from([5.0, 100.0])),
    }


@st.composite
def mixtures(draw):
    """Small clusters with any set of mechanisms, and those of some faults that they allow: at most 15 clients, 9 s."""
    duration = draw(seconds(2.0, 9.0))
    nodes, clients = draw(st.integers(1, 4)), draw(st.integers(2, 15))
    on = draw(st.sets(st.sampled_from(OF_ALL), min_size=2))
    if draw(st.booleans()):
        on |= draw(st.sets(st.sampled_from(ELASTIC), min_size=1))
    kinds = [("pubsub", "stream")] if "broadcast" in on else [("none", "valkey"), ("valkey", "stream")]
    sessions = _sessions(draw) if "sessions" in on else {}
    shared = sessions.get("store") == "redis"
    heartbeat = {"interval": draw(st.sampled_from([0.3, 1.0])), "timeout": draw(seconds(0.05, 1.0))}
    balancer = draw(balancers())
    if balancer.kind == "nginx":
        on.discard("canary")
    changes = {
        "seed": draw(st.integers(0, 2**63 - 1)),
        "duration": duration,
        "codec": draw(CODECS) if "frames" in on else "none",
        "clients": {
            "count": clients,
            "per_process": draw(st.sampled_from([4, 2000])),
            "open_timeout": draw(seconds(0.3, 5.0)),
            "reconnect": draw(reconnects(calm=True)).model_dump(),
            "heartbeat": heartbeat if "heartbeat" in on else {},
            "recovery": dict(zip(("recover", "on_reconnect"), draw(RECOVERY), strict=True)) | {"timeout": 0.5},
            "sends": _sends(draw) if "sends" in on else {},
            "offline": {"messages": draw(st.sampled_from([0, 3, 100]))},
        },
        "balancer": balancer.model_dump(),
        "nodes": {
            "count": nodes,
            "backlog": draw(st.sampled_from([1, 1000, 1000])),
            "ping_interval": draw(seconds(0.3, 1.0)) if "pings" in on else 0.0,
            "ping_timeout": draw(seconds(0.1, 1.0)),
            "lifetime": {"mean": draw(seconds(0.5, 4.0)), "jitter": 0.3} if "lifetime" in on else None,
            "compression": draw(COMPRESSIONS) if "frames" in on else None,
            "batch": draw(st.none() | BATCHES) if "frames" in on else None,
        },
        "bus": {
            "kind": draw(st.sampled_from(kinds[-1 if shared else 0])),
            "servers": draw(st.sampled_from(["one", "several"])),
            "persist": draw(st.booleans()),
            "max_length": draw(st.sampled_from([1, 10, 10_000])),
            "lease": draw(seconds(0.3, 2.0)),
            "retry": {"timeout": draw(st.sampled_from([0.3, 5.0])), "retries": draw(st.sampled_from([1, 10]))},
        },
        "sessions": sessions,
        "slow_consumer": {"policy": draw(st.sampled_from(["drop", "coalesce", "close"])), "limit_bytes": 4096},
        "host": {"placement": draw(st.sampled_from(["pinned", "free"])), "cores": draw(st.integers(1, 4))},
    }
    if "broadcast" in on:
        changes["publisher"] = _broadcast(draw, nodes, duration)
    if on & {"registry", "autoscaling", "rebalance", "canary"}:
        changes["registry"] = _registry(draw, on, nodes)
    if "autoscaling" in on:
        changes["autoscaling"] = _autoscaling(draw, nodes)
    return with_faults(small(**changes), draw(st.lists(any_faults(nodes, clients, duration), min_size=1, max_size=4)))


def with_faults(scenario, happens):
    """Return a scenario with those of some faults that it allows."""
    kept = []
    for fault in happens:
        try:
            scenario = scenario.vary(faults=[*kept, fault.model_dump(exclude_none=True)])
        except ScenarioError:
            continue
        kept.append(fault.model_dump(exclude_none=True))
    return scenario
