"""What disturbs a run from outside its schedule: kind, target and time of each, drawn from (seed, number of the run).

A disturbance is nothing that the scenario orders: somebody kills a part, stops it, takes the cores away, fills the
disk. What must then come of the run is `live.disturbances.verdicts`, who does it is `live.disturbances.injector`.
Nothing here starts anything.
Source: Basiri et al., "Chaos Engineering", IEEE Software 33, 2016 (hypothesis, control group, varied real events).
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from twin.draws import Purpose, uniform
from twin.scenario.scenario import Scenario

Action = Literal["none", "kill", "term", "int", "hup", "stop", "starve", "outrank", "fill", "cut"]
"""What is done: nothing; SIGKILL, SIGTERM, SIGINT, SIGHUP; SIGSTOP, and SIGCONT later; programs that take the cores, of
the same or of a higher priority; a full disk; CLIENT KILL."""
When = Literal["start-up", "run", "finish", "saving"]
"""From when on `at` counts: the first start of a process, the start of the run, its end, or its record's first byte."""

DURATION = 3.0
CONTROL = 4
"""One run in so many is not disturbed."""
SHORT_STOP, LONG_STOP = 0.02, 3.0
"""Seconds for which a process is stopped; each order of magnitude is as likely."""
BURST = (1.5, 2.5)
"""Seconds for which other programs take the cores."""
TABLES: dict[str, dict[str, Any]] = {
    "failover": {"faults": [{"kind": "kill", "at": 0.8, "node": 1, "duration": 0.8},
                            {"kind": "restart", "at": 1.2, "node": 2}]},
    "hang": {"faults": [{"kind": "hang", "at": 0.7, "node": 1, "duration": 1.2}, {"kind": "reload", "at": 1.5}],
             "clients": {"heartbeat": {"interval": 0.5, "timeout": 0.3}}},
    "broadcast": {"bus": {"kind": "stream", "lease": 0.6, "retry": {"cap": 0.2}}, "publisher": {"rate": 20.0},
                  "faults": [{"kind": "partition", "at": 0.6, "node": 2, "duration": 0.5},
                             {"kind": "kill", "at": 1.002, "node": 1}]},
    "bus down": {"bus": {"kind": "stream", "persist": True, "retry": {"cap": 0.2}}, "publisher": {"rate": 20.0},
                 "faults": [{"kind": "bus_down", "at": 0.8, "duration": 0.6}]},
    "sessions": {"sessions": {"store": "redis", "login_iterations": 1000}, "bus": {"kind": "valkey"},
                 "faults": [{"kind": "kill", "at": 1.0, "node": 1}]},
    "registry": {"registry": {"ttl": 1.0, "heartbeat": 0.2, "sync": 0.1}, "bus": {"kind": "valkey"},
                 "faults": [{"kind": "join", "at": 0.8, "node": 4}, {"kind": "kill", "at": 1.2, "node": 1}]},
    "nginx": {"balancer": {"kind": "nginx"}, "faults": [{"kind": "kill", "at": 1.0, "node": 1}]},
    "blackhole": {"faults": [{"kind": "blackhole", "at": 0.8, "node": 1, "duration": 1.2}],
                  "clients": {"heartbeat": {"interval": 0.5, "timeout": 0.3}}},
    "plain": {},
    "own server": {"bus": {"kind": "stream"}, "publisher": {"rate": 20.0}},
}  # fmt: skip
"""What each cluster has beyond clients, balancer and three nodes; the last one's Redis is none that the lab starts."""
OWN = "own server"
SIGNALS: tuple[Action, ...] = ("kill", "term", "stop")
_SIGNALLED: tuple[tuple[str, str, tuple[Action, ...]], ...] = (
    ("failover", "node 3", SIGNALS),
    ("failover", "node 2", ("kill", "stop")),
    ("failover", "haproxy", SIGNALS),
    ("failover", "swarm 0", SIGNALS),
    ("plain", "canary", SIGNALS),
    ("plain", "awake", SIGNALS),
    ("plain", "guard", SIGNALS),
    ("hang", "node 2", ("kill", "stop")),
    ("hang", "haproxy", ("kill", "stop")),
    ("broadcast", "valkey", SIGNALS),
    ("broadcast", "publisher", SIGNALS),
    ("broadcast", "relay 2", SIGNALS),
    ("broadcast", "node 3", SIGNALS),
    ("bus down", "valkey", ("kill", "stop")),
    ("sessions", "valkey", SIGNALS),
    ("sessions", "node 2", ("kill",)),
    ("registry", "registrar", SIGNALS),
    ("registry", "node 2", SIGNALS),
    ("registry", "valkey", ("kill", "stop")),
    ("nginx", "nginx", SIGNALS),
    ("nginx", "nginx worker", SIGNALS),
    ("blackhole", "link 1", SIGNALS),
    (OWN, "server", ("kill", "stop")),
    ("failover", "lab", ("kill", "term", "int", "hup", "stop")),
    (OWN, "lab", ("kill", "int", "stop")),
)
_OTHERS: tuple[tuple[str, str, Action, When], ...] = (
    ("broadcast", "lab", "kill", "saving"),
    ("failover", "cores", "starve", "run"),
    ("failover", "cores", "outrank", "run"),
    ("plain", "disk of the records", "fill", "start-up"),
    ("broadcast", "disk of the run", "fill", "run"),
    (OWN, "keeper", "cut", "run"),
)


@dataclass(frozen=True)
class DisturbanceKind:
    """One kind of disturbance.

    Attributes:
        cluster: one of `TABLES`.
        target: a part by its name, or what else is meant.
        action: what is done to it.
        when: None if drawn.
    """

    cluster: str
    target: str
    action: Action
    when: When | None = None


CASES = (
    *(DisturbanceKind(cluster, target, action) for cluster, target, actions in _SIGNALLED for action in actions),
    *(DisturbanceKind(cluster, target, action, when) for cluster, target, action, when in _OTHERS),
)


@dataclass(frozen=True)
class Disturbance:
    """What disturbs one run.

    Attributes:
        number: of the run.
        cluster: one of `TABLES`.
        target: what it acts on; empty for a run that is not disturbed.
        action: what is done.
        when: from when on `at` counts.
        at: seconds.
        length: seconds until it is over; None: never.
    """

    number: int
    cluster: str
    target: str
    action: Action
    when: When
    at: float
    length: float | None

    @property
    def kind(self) -> str:
        """Action and target in a few words, without the number of a part."""
        if self.action == "none":
            return "undisturbed"
        return f"{self.action} {self.target.rstrip(' 0123456789')}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as it appears in JSON."""
        return {"kind": self.kind, **asdict(self)}


def draw(seed: int, number: int) -> Disturbance:
    """Return what disturbs run `number` of a seed: always the same.

    Of each four runs one is the control; the others go through all cases in an order drawn anew for each round, so that
    4/3 as many runs as there are cases have met every one.
    """
    block, place = divmod(number, CONTROL)
    control = int(CONTROL * _uniform(seed, block, 0))
    if place == control:
        cluster = tuple(TABLES)[int(len(TABLES) * _uniform(seed, number, 1))]
        return Disturbance(number, cluster, "", "none", "run", 0.0, None)
    index = block * (CONTROL - 1) + place - (place > control)
    one = CASES[_order(seed, index // len(CASES))[index % len(CASES)]]
    when = one.when or _when(_uniform(seed, number, 2))
    return Disturbance(
        number, one.cluster, one.target, one.action, when, _at(when, seed, number), _length(one.action, seed, number)
    )


def _when(u: float) -> When:
    """Most come within the run."""
    return "run" if u < 0.8 else "start-up" if u < 0.9 else "finish"


def _at(when: When, seed: int, number: int) -> float:
    low, high = {"start-up": (0.05, 0.8), "run": (0.1, DURATION - 0.3), "finish": (0.0, 0.1), "saving": (0.0, 0.0)}[
        when
    ]
    return low + (high - low) * _uniform(seed, number, 3)


def _length(action: Action, seed: int, number: int) -> float | None:
    if action not in ("stop", "starve", "outrank"):
        return None
    low, high = (SHORT_STOP, LONG_STOP) if action == "stop" else BURST
    return float(low * (high / low) ** _uniform(seed, number, 4))


def _order(seed: int, turn: int) -> list[int]:
    keys = [uniform(seed, turn, 1, Purpose.DISTURBANCE, n) for n in range(len(CASES))]
    return sorted(range(len(CASES)), key=keys.__getitem__)


def _uniform(seed: int, number: int, n: int) -> float:
    return uniform(seed, number, 0, Purpose.DISTURBANCE, n)


def scenario_of(disturbance: Disturbance, seed: int) -> Scenario:
    """Return the scenario of a run: small, with faults that the schedule orders, which void nothing."""
    data: dict[str, Any] = {
        "name": f"disturbed-{disturbance.cluster.replace(' ', '-')}",
        "seed": seed,
        "duration": DURATION,
        "clients": {
            "count": 24,
            "connect_rate": 100.0,
            "open_timeout": 1.0,
            "reconnect": {"base": 0.05, "cap": 0.4, "jitter": "full"},
        },
        "balancer": {"kind": "haproxy", "retries": 0, "check": {"inter": 0.2, "fall": 2, "rise": 1, "timeout": 0.5}},
        "nodes": {"count": 3},
    }
    for name, table in TABLES[disturbance.cluster].items():
        new = name == "balancer" or not isinstance(table, dict)  # another kind of balancer has other settings
        data[name] = table if new else {**data.get(name, {}), **table}
    return Scenario.parse(data, f"disturbed run {disturbance.number}")
