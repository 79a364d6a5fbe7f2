"""Every lever: the settings of a scenario that an operator can change, and the values that are one step away."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, get_args

from twin.rules.backoff import uses_cap
from twin.rules.balancing import RULES
from twin.scenario.scenario import Scenario

Values = Callable[[Any, Scenario], Sequence[Any]]
"""Gets the value of a setting and its scenario; returns the values that are one step away."""
Also = Callable[[Any, Scenario], Mapping[str, Any]]
"""Gets a new value and the scenario; returns what else has to change with it."""

FEW = 10
"""Up to so many nodes a step is one of them; from there on it is a tenth."""
HANDFUL = 4
"""Up to so many a step of another count is one; from there on it is half, or twice."""


@dataclass(frozen=True)
class Lever:
    """A setting that can be changed.

    Attributes:
        setting: its path.
        values: the values one step away from its own one.
        also: what else has to change.
        applies: whether it does anything in a scenario.
    """

    setting: str
    values: Values
    also: Also = lambda value, scenario: {}
    applies: Callable[[Scenario], bool] = lambda scenario: True


def scaled(on: float | None = None, factor: float = 2.0) -> Values:
    """Return steps by a factor, down and up; `on` is the one from 0, where there is one."""

    def values(value: Any, scenario: Scenario) -> Sequence[Any]:
        if not value:
            return [] if on is None else [on]
        return [like(value, value / factor), like(value, value * factor)]

    return values


def counted(value: Any, scenario: Scenario) -> Sequence[int]:
    """Return one fewer and one more, or half and twice of what is more than `HANDFUL`."""
    return [value - 1, value + 1] if value <= HANDFUL else [round(value / 2), value * 2]


def tenths(value: Any, scenario: Scenario) -> Sequence[int]:
    """Return one fewer and one more of a few, or a tenth of many."""
    step = 1 if value <= FEW else ceil(value / FEW)
    return [value - step, value + step]


def growth(value: Any, scenario: Scenario) -> Sequence[float]:
    """Return half and twice of what a factor is above 1."""
    return [1.0 + (value - 1.0) / 2, 1.0 + (value - 1.0) * 2]


def among(*choices: Any) -> Values:
    """Return every other one of some values."""
    return lambda value, scenario: [one for one in choices if one != value]


def like(value: Any, number: float) -> Any:
    """Return a number that is whole where a setting's value is."""
    return round(number) if isinstance(value, int) else number


def _at_least_one_retry(value: Any, scenario: Scenario) -> Mapping[str, Any]:
    return {"balancer.retries": max(1, getattr(scenario.balancer, "retries", 0))} if value else {}


def _target_of(metric: Any, scenario: Scenario) -> Mapping[str, Any]:
    """Return a target in the unit of the autoscaler's metric: the clients of a node, or half a core."""
    return {"autoscaling.target": ceil(scenario.clients.count / scenario.nodes.count) if metric != "cpu" else 50}


def _talks(scenario: Scenario) -> bool:
    return scenario.publisher is not None


def _stays(scenario: Scenario) -> bool:
    return not scenario.clients.transport.polls


def _polls(scenario: Scenario) -> bool:
    return scenario.clients.transport.polls


def _has_sessions(scenario: Scenario) -> bool:
    return scenario.sessions.store != "none"


def _grows(scenario: Scenario) -> bool:
    return scenario.clients.reconnect.policy == "exponential"


def _waits(scenario: Scenario) -> bool:
    return scenario.clients.reconnect.policy in ("exponential", "fixed")


def _reloads(scenario: Scenario) -> bool:
    return scenario.registry is not None or any(fault.kind == "reload" for fault in scenario.faults)


def _caps(scenario: Scenario) -> bool:
    policy = scenario.clients.reconnect
    return uses_cap(policy.policy, policy.jitter)


def _rules(value: Any, scenario: Scenario) -> Sequence[str]:
    """Return the other choice rules of a balancer; one that looks at addresses only if there are some for each node."""
    balancer = scenario.balancer
    names = get_args(type(balancer).model_fields["algorithm"].annotation)
    own = {name: RULES[balancer.kind, name] for name in names if name != value}
    few = scenario.clients.addresses < 2 * scenario.nodes.count
    return [name for name, rule in own.items() if not rule.hashes_names and not (rule.hashes_address and few)]


LEVERS: tuple[Lever, ...] = (
    Lever("clients.heartbeat.interval", scaled(on=20.0), applies=_stays),
    Lever("clients.heartbeat.timeout", scaled(), applies=_stays),
    Lever("clients.heartbeat.close_timeout", scaled(), applies=_stays),
    Lever("clients.reconnect.policy", among("exponential"), lambda value, s: {"clients.reconnect.jitter": "full"}),
    Lever("clients.reconnect.base", scaled(), applies=_waits),
    Lever("clients.reconnect.cap", scaled(), applies=_caps),
    Lever("clients.reconnect.factor", growth, applies=_grows),
    Lever("clients.reconnect.jitter", among("none", "full", "equal"), applies=_waits),
    Lever("clients.reconnect.first", among("backoff", "immediate", "jittered")),
    Lever("clients.reconnect.max_attempts", lambda value, scenario: [0, 2 * value] if value else []),
    Lever("clients.reconnect.then", among("repeat"), applies=lambda s: s.clients.reconnect.policy == "list"),
    Lever("clients.reconnect.stable_time", scaled(on=5.0)),
    Lever("clients.open_timeout", scaled()),
    Lever("clients.transport.interval", scaled(), applies=_polls),
    Lever("clients.transport.hold", scaled(), applies=_polls),
    Lever("clients.transport.cursor", among(True, False), applies=_polls),
    Lever("clients.recovery.recover", among(True, False), applies=lambda s: _talks(s) and _stays(s)),
    Lever("clients.offline.messages", scaled(), applies=lambda s: s.clients.sends.rate > 0),
    Lever("clients.offline.bytes", scaled(), applies=lambda s: s.clients.sends.rate > 0),
    Lever("balancer.algorithm", _rules),
    Lever("balancer.check.inter", scaled()),
    Lever("balancer.check.fall", counted),
    Lever("balancer.check.rise", counted),
    Lever("balancer.check.timeout", scaled()),
    Lever("balancer.retries", counted),
    Lever("balancer.redispatch", lambda value, scenario: [0 if value else 1], _at_least_one_retry),
    Lever("balancer.connect_timeout", scaled()),
    Lever("balancer.tunnel_timeout", scaled(), applies=_stays),
    Lever("balancer.read_timeout", scaled()),
    Lever("balancer.server_timeout", scaled(), applies=_polls),
    Lever("balancer.maxconn", scaled()),
    Lever("balancer.server_maxconn", scaled()),
    Lever("balancer.queue_timeout", scaled()),
    Lever("balancer.session_rate", scaled()),
    Lever("balancer.limit_conn", scaled()),
    Lever("balancer.worker_connections", scaled()),
    Lever("balancer.on_marked_down", among("none", "shutdown-sessions")),
    Lever("balancer.hard_stop_after", scaled(), applies=_reloads),
    Lever("balancer.slowstart", scaled()),
    Lever("balancer.max_fails", counted),
    Lever("balancer.fail_timeout", scaled()),
    Lever("nodes.count", tenths),
    Lever("nodes.backlog", scaled(factor=4.0)),
    Lever("nodes.workers.count", counted),
    Lever("nodes.ping_interval", scaled()),
    Lever("nodes.ping_timeout", scaled(), applies=lambda s: s.nodes.ping_interval > 0),
    Lever("nodes.read_deadline", scaled()),
    Lever("nodes.write_deadline", scaled()),
    Lever("nodes.lifetime.mean", scaled()),
    Lever("nodes.lifetime.jitter", scaled(on=0.1)),
    Lever("nodes.memory_limit", scaled()),
    Lever("nodes.memory_restart", scaled()),
    Lever("nodes.executor.size", scaled(), applies=lambda s: s.nodes.handler is not None),
    Lever("nodes.batch.window", scaled()),
    Lever("nodes.pool.size", scaled()),
    Lever("nodes.pool.min_size", scaled()),
    Lever("nodes.pool.timeout", scaled()),
    Lever("nodes.pool.max_waiting", scaled()),
    Lever("bus.kind", lambda value, s: among("pubsub", "stream")(value, s) if value in ("pubsub", "stream") else [],
          applies=_talks),
    Lever("bus.max_length", scaled(factor=4.0), applies=_talks),
    Lever("bus.idempotency_window", scaled(), applies=_talks),
    Lever("bus.retry.base", scaled(), applies=_talks),
    Lever("bus.retry.cap", scaled(), applies=_talks),
    Lever("bus.retry.timeout", scaled(), applies=_talks),
    Lever("publisher.ack_timeout", scaled(), applies=_talks),
    Lever("publisher.max_resends", counted, applies=_talks),
    Lever("slow_consumer.limit_bytes", scaled(factor=4.0), applies=_talks),
    Lever("registry.ttl", scaled()),
    Lever("registry.heartbeat", scaled()),
    Lever("registry.sync", scaled()),
    Lever("autoscaling.metric", among("connections", "cpu"), _target_of),
    Lever("autoscaling.target", scaled()),
    Lever("autoscaling.minimum", counted),
    Lever("autoscaling.maximum", counted),
    Lever("autoscaling.down.window", scaled()),
    Lever("autoscaling.lead", scaled(on=2.0)),
    Lever("autoscaling.pace", scaled()),
    Lever("sessions.refresh", among(True, False), applies=_has_sessions),
    Lever("sessions.expiry", scaled(), applies=_has_sessions),
    Lever("sessions.on_refusal", among("login"), applies=_has_sessions),
)  # fmt: skip
"""Every lever. A setting that a scenario does not have, or whose table it does not have, is none of its levers."""


def levers_of_faults(scenario: Scenario) -> Iterator[Lever]:
    """Yield what an operator does himself: how a node is drained."""
    for i, fault in enumerate(scenario.faults):
        if fault.kind == "drain":
            yield Lever(f"faults.{i}.lead", _steps_of_lead)
            yield Lever(f"faults.{i}.pace", _steps_of_pace)


def _steps_of_lead(value: Any, scenario: Scenario) -> Sequence[float]:
    known = scenario.balancer.unready_within or 1.0
    return [value / 2, value * 2] if value else [known]


def _steps_of_pace(value: Any, scenario: Scenario) -> Sequence[float]:
    of_node = scenario.clients.count / scenario.nodes.count
    return [value / 2, value * 2] if value else [of_node / 10]
