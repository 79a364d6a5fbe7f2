"""Many short live runs with random mechanisms and faults; the invariants are checked on every record.

Run number n of a seed is always the same scenario, so that a violation can be looked for again. Chance in the machine's
own timing stays: the same run may take another course.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from live.limits import check
from live.runs import ONCE_MORE, run
from twin.draws import Purpose, uniform
from twin.errors import ScenarioError
from twin.invariants import Audit, audit
from twin.measures import measure_record
from twin.scenario.scenario import Scenario
from twin.scenario.servers import Use, uses

MOST_RUNS = 10_000
NODES, CLIENTS, DURATION = 3, 24, 3.2
LAST_HEAL = 1.4
"""Seconds by which the faults are over, so that `reached` has its time to judge."""
MOST_FAULTS = 3
LATE = 0.006
"""Seconds after a message is due within which a kill or a hang comes: in the middle of its way through the nodes."""

BUSES = ("any", "stream", "pubsub")
"""What may be asked of the broadcast: over whichever bus, or none at all; over this one."""
ROOMY = 2**30
"""Bytes that no node of a campaign needs."""
OF_PROCESS = ("kill", "hang", "restart", "drain")
OF_MESSAGES = ("bus_cut", "partition", "delay", "stall")
"""Faults that are seen by what messages do."""
OF_NODE = frozenset({*OF_PROCESS, "blackhole", "join", "bus_cut", "partition", "delay"})
AT_ONCE = frozenset({"restart", "drain", "bus_cut", "join"})
"""Faults that have no duration."""
KINDS = (*OF_PROCESS, "blackhole", "join", *OF_MESSAGES, "bus_down", "store_down")


class _Dice:
    """The random numbers of one run, one after the other."""

    def __init__(self, seed: int, number: int) -> None:
        self.seed, self.number, self.n = seed, number, 0

    def between(self, low: float, high: float) -> float:
        """Return the next number in [low, high)."""
        self.n += 1
        return low + (high - low) * uniform(self.seed, self.number, 0, Purpose.CAMPAIGN, self.n - 1)

    def choose(self, *options: Any) -> Any:
        """Return one of the options."""
        return options[int(self.between(0, len(options)))]


def make(seed: int, number: int, bus: str = "any") -> Scenario:
    """Return the scenario of one run: mechanisms, their settings and up to three faults, at random.

    Args:
        seed: of the campaign.
        number: of the run, from 0.
        bus: kind of the bus over which something is broadcast, stream or pubsub; any: one of them, or nothing is.
    """
    dice = _Dice(seed, number)
    kind = dice.choose("stream", "pubsub", "none") if bus == "any" else bus
    data: dict[str, Any] = {
        "name": f"campaign-{bus}-{number}",
        "seed": seed,
        "duration": DURATION,
        "clients": _clients(dice),
        "balancer": {"kind": "haproxy", "retries": 0, "check": {"inter": 0.1, "fall": 2, "rise": 1, "timeout": 0.3}},
        "nodes": {"count": NODES},
        "bus": {
            "kind": "valkey" if kind == "none" else kind,
            "persist": dice.choose(True, False),
            "max_length": dice.choose(10_000, 10_000, 10),
            "lease": 0.6,
            "servers": dice.choose("one", "one", "several"),
            "retry": {"cap": 0.2, "timeout": dice.choose(0.5, 5.0)},
        },
        "sessions": _sessions(dice),
    }
    rate = dice.choose(10.0, 20.0, 40.0)
    if kind != "none":
        data |= _broadcast(dice, rate)
    if kind == "pubsub":  # without recovery a client shows what its node missed
        data["clients"]["recovery"]["recover"] = dice.choose(True, False)
    if dice.choose(True, False):
        data["nodes"]["lifetime"] = {"mean": dice.between(0.5, 2.0), "jitter": dice.between(0.0, 1.0)}
    if dice.choose(True, False):
        data |= _registry(dice)
    data["faults"] = _faults(dice, _kinds(data), rate)
    for fault in data["faults"]:
        if fault["kind"] == "bus_down" and data["bus"]["servers"] == "several":
            fault["server"] = dice.choose(*_uses(data))
    if dice.choose(True, False):
        data["nodes"] |= _handler(dice)
    _frames(dice, data)
    _add_pools(dice, data)
    _add_memory(dice, data)
    return Scenario.parse(data, f"campaign run {number}")


def _add_pools(dice: _Dice, data: dict[str, Any]) -> None:
    """Give the nodes pools in one run of three, and let their store die in some; drawn last, so that what was drawn
    before there were pools stays as it was.
    """
    pool = {
        "store": "redis",
        "size": dice.choose(2, 3, 10),
        "max_waiting": dice.choose(0, 2),
        "timeout": dice.choose(0.1, 0.5),
        "service": dice.choose(0.0, 0.01, 0.05),
        "leak": dice.choose(0.0, 0.0, 0.05),
        "handshake": dice.choose(True, False),
        "rate": dice.choose(2.0, 10.0),
    }
    there, dies = dice.choose(True, False, False), dice.choose(True, False)
    at, duration = dice.between(0.2, 0.7), dice.between(0.4, 0.7)
    if not there:
        return
    if pool["leak"]:  # a pool that is empty lets nobody in any more
        pool["handshake"] = False
    data["nodes"]["pool"] = pool
    if dies and len(data["faults"]) < MOST_FAULTS:
        data["faults"].append({"kind": "store_down", "at": at, "duration": duration})


def _add_memory(dice: _Dice, data: dict[str, Any]) -> None:
    """Give the nodes a limit of memory in one run of three, which none reaches: how much they have is the machine's."""
    if dice.choose(True, False, False) and data["nodes"].get("executor", {}).get("kind") != "thread_pool":
        data["nodes"] |= {"memory_limit": ROOMY, "memory_restart": dice.choose(0.0, 0.2)}


def _clients(dice: _Dice) -> dict[str, Any]:
    sends = {"rate": dice.choose(2.0, 10.0), "payload_bytes": dice.choose(8, 4096)}
    return {
        "count": CLIENTS,
        "connect_rate": 200.0,
        "open_timeout": 1.0,
        "reconnect": {"base": 0.05, "cap": 0.2, "jitter": "full"},
        "heartbeat": dice.choose({"interval": 0.0}, {"interval": 0.3, "timeout": 0.3}),
        "recovery": {"timeout": 0.3},
        "sends": dice.choose({}, sends),
        "offline": {"messages": dice.choose(0, 3, 100), "overflow": dice.choose("oldest", "newest")},
    }


def _sessions(dice: _Dice) -> dict[str, Any]:
    return {
        "store": dice.choose("none", "memory", "redis"),
        "expiry": dice.choose(1800.0, 1.0),
        "refresh": dice.choose(True, False),
        "login_iterations": dice.choose(1_000, 1_000, 20_000),
        "when_down": dice.choose("refuse", "trust"),
        "on_refusal": dice.choose("login", "login", "stop"),
    }


def _broadcast(dice: _Dice, rate: float) -> dict[str, Any]:
    publisher = {
        "rate": rate,
        "payload_bytes": dice.choose(0, 64, 4096),
        "ack_timeout": 0.3,
        "threshold": dice.choose("all", "majority", 1),
        "scope": dice.choose("node", "node", "client"),
    }
    slow = {"policy": dice.choose("close", "coalesce"), "limit_bytes": dice.choose(2**20, 2**16)}
    return {"publisher": publisher, "slow_consumer": slow}


def _registry(dice: _Dice) -> dict[str, Any]:
    registry: dict[str, Any] = {"heartbeat": 0.1, "ttl": dice.choose(0.3, 0.8), "sync": 0.1}
    rebalance = {"pace": dice.choose(10.0, 50.0), "slack": 0.1}
    registry["rebalance"] = dice.choose(None, rebalance)
    target = dice.choose(5, 8, 12)  # one node more, as many as there are, one fewer
    scaling = {"target": target, "minimum": NODES - 1, "maximum": NODES + 2, "sync_period": 0.4, "lead": 0.2}
    scaling["down"] = {"window": 0.0, "policies": [{"kind": "pods", "value": 1, "period": 1.0}]}
    return {"registry": registry, "autoscaling": dice.choose(None, scaling)}


def _handler(dice: _Dice) -> dict[str, Any]:
    short = {"name": "short", "rate": dice.choose(20.0, 60.0), "cpu": 0.0002, "awaiting": dice.choose(0.0, 0.02)}
    long = {"name": "long", "rate": 10.0, "arrivals": "poisson", dice.choose("cpu", "blocking"): 0.01}
    executor = {"kind": dice.choose("loop", "thread_pool", "process_pool"), "size": 2}
    return {"handler": {"tasks": [short, long]}, "executor": executor}


def _frames(dice: _Dice, data: dict[str, Any]) -> None:
    """Decide how messages travel; in half of the runs they do so as ever."""
    if dice.choose(True, False):
        return
    batch = {"count": dice.choose(2, 5), "window": dice.choose(0.02, 0.1)}
    data["codec"] = dice.choose("none", "none", "json", "orjson", "msgpack", "protobuf")
    compression = {"window_bits": dice.choose(9, 12, 15), "takeover": dice.choose(True, False)}
    data["nodes"] |= {"compression": dice.choose(None, None, compression), "batch": dice.choose(None, None, batch)}
    if "publisher" in data:
        data["publisher"]["batch"] = dice.choose(None, None, batch)
    if data["clients"]["sends"]:
        data["clients"]["sends"]["batch"] = dice.choose(None, batch)


def _uses(data: dict[str, Any]) -> tuple[Use, ...]:
    """Return for what the mechanisms of a scenario share a server."""
    return uses("publisher" in data, data["sessions"]["store"] == "redis", "registry" in data)


def _kinds(data: dict[str, Any]) -> list[str]:
    """Return the kinds of fault that somebody sees in a scenario with these mechanisms."""
    kinds = [*OF_PROCESS, "blackhole"]
    if "publisher" in data:
        kinds += OF_MESSAGES
    if _uses(data):
        kinds.append("bus_down")
    if "registry" in data and data["autoscaling"] is None:
        kinds.append("join")
    return kinds


def _faults(dice: _Dice, kinds: list[str], rate: float) -> list[dict[str, Any]]:
    nodes = list(range(1, NODES + 1))
    faults = []
    for _ in range(int(dice.between(1, MOST_FAULTS + 1))):
        kind = dice.choose(*kinds)
        if kind in ("kill", "bus_down", "stall", "join"):
            kinds.remove(kind)  # two nodes stay alive, and the bus goes down once
        at = dice.between(0.2, 0.8)
        if kind in ("kill", "hang"):
            at = round(at * rate) / rate + dice.between(0.0, LATE)
        fault: dict[str, Any] = {"kind": kind, "at": at}
        if kind == "join":
            fault["node"] = NODES + 1
        elif kind in OF_NODE:
            fault["node"] = nodes.pop(int(dice.between(0, len(nodes))))
        if kind == "stall":
            fault["client"] = int(dice.between(0, CLIENTS))
        if kind == "delay":
            fault["delay"] = dice.between(0.02, 0.2)
        if kind == "drain":
            fault |= {"lead": dice.between(0.0, 0.3), "pace": dice.choose(20.0, 100.0)}
        if kind not in AT_ONCE and not (kind == "kill" and dice.choose(True, False)):
            fault["duration"] = dice.between(0.4, LAST_HEAL - at)  # longer than what a witness leaves out
        faults.append(fault)
    return faults


def _names(scenario: Scenario) -> list[str]:
    return [fault.kind for fault in scenario.faults]


def _publishes_batches(scenario: Scenario) -> bool:
    return scenario.publisher is not None and scenario.publisher.batch is not None


def mechanisms(scenario: Scenario) -> list[str]:
    """Return what a run has beside clients, balancer and nodes, in a few words."""
    registry = scenario.registry
    there = {
        f"broadcast over {scenario.bus.kind}": scenario.publisher is not None,
        f"sessions in {scenario.sessions.store}": scenario.sessions.store != "none",
        "sends": scenario.clients.sends.rate > 0,
        f"handler in {scenario.nodes.executor.kind}": scenario.nodes.handler is not None,
        f"codec {scenario.codec}": scenario.codec != "none",
        "compression": scenario.nodes.compression is not None,
        "batches": any((scenario.nodes.batch, scenario.clients.sends.batch, _publishes_batches(scenario))),
        "lifetimes": scenario.nodes.lifetime is not None,
        "registry": registry is not None,
        "rebalancing": registry is not None and registry.rebalance is not None,
        "autoscaling": scenario.autoscaling is not None,
        "pools": scenario.nodes.pool is not None,
    }
    return [name for name, is_there in there.items() if is_there]


@dataclass(frozen=True)
class Outcome:
    """One run of a campaign.

    Attributes:
        number: of the run.
        audit: what the invariants say about its record.
        lost_share: see the measure; on a stream, what a client did not apply but a snapshot told it of.
    """

    number: int
    audit: Audit
    lost_share: float

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as it appears in JSON, with its scenario's mechanisms and faults."""
        record = self.audit.record
        faults = [fault.model_dump(exclude_none=True) for fault in record.scenario.faults]
        found = self.audit.as_dict()
        found["void"] = record.void
        what = mechanisms(record.scenario)
        return {"run": self.number, "mechanisms": what, "faults": faults, "lost_share": self.lost_share, **found}


def campaign(
    runs: int,
    seed: int,
    first: int = 0,
    bus: str = "any",
    progress: Callable[[float, str], None] | None = None,
) -> Iterator[Outcome]:
    """Do the runs `first` to `first + runs - 1` of a seed, one after the other, and yield what came of each.

    A run that was disturbed is made anew, `ONCE_MORE` times at most.

    Args:
        runs: how many.
        seed: of all random numbers.
        first: number of the first run.
        bus: kind of the bus over which something is broadcast: stream, pubsub, or any (also none).
        progress: told how far the campaign is, as a share, and what is going on.

    Raises:
        ScenarioError: `runs` or `bus` is not allowed.
        HostError: this machine cannot do it.
        ClusterError: a process failed; everything was stopped.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise ScenarioError(f"runs is {runs}; allowed is 1 to {MOST_RUNS}.")
    if bus not in BUSES:
        raise ScenarioError(f"bus is '{bus}'; allowed is 'any', 'stream' or 'pubsub'.")
    scenarios = [make(seed, number, bus) for number in range(first, first + runs)]
    check(scenarios[0])
    for i, scenario in enumerate(scenarios):
        number = first + i
        if progress is not None:
            progress(i / runs, f"run {number}: {', '.join([*mechanisms(scenario), *_names(scenario)])}")
        for _ in range(1 + ONCE_MORE):
            record = run(scenario, number)
            if not record.disturbed:
                break
        yield Outcome(number, audit(record), measure_record(record).get("lost_share", 0.0))
