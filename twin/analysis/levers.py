"""The levers of a cluster: each setting one step either way, and what a step does to an objective.

A step halves or doubles a time or a size, changes a small count by one, and takes each other value of a choice. Where a
check (`twin.advice`) has found something about a setting, its steps are longer, too: what is wrong there may be wrong
by more than one. Nothing is simulated here; `sim.validation` does that, with the same random numbers on both sides.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, nan
from statistics import fmean
from typing import Any

import numpy as np

from twin.analysis.bands import quantiles
from twin.analysis.objectives import holds, shortfall, value_of
from twin.errors import ScenarioError
from twin.rules.backoff import uses_cap
from twin.rules.balancing import RULES
from twin.scenario.objectives import Objective
from twin.scenario.overrides import merge, nested
from twin.scenario.presets import spelled_out
from twin.scenario.scenario import Scenario

Values = Callable[[Any, Scenario], Sequence[Any]]
"""Gets the value of a setting and its scenario; returns the values that are one step away."""
Also = Callable[[Any, Scenario], Mapping[str, Any]]
"""Gets a new value and the scenario; returns what else has to change with it."""

FEW = 10
"""Up to so many nodes a step is one of them; from there on it is a tenth."""
LONGER_STEPS = (10.0, 0.1)
"""Factors of further steps of what a check has found something about."""
MILLI = 0.001
"""Factor of the further step of what may be meant in milliseconds."""


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


@dataclass(frozen=True)
class LeverStep:
    """One lever, moved by one step.

    Attributes:
        setting: path of the setting.
        before: its value.
        after: its new value.
        scenario: what is asked about, with the new value.
    """

    setting: str
    before: Any
    after: Any
    scenario: Scenario

    def __str__(self) -> str:
        return f"{self.setting} {spoken(self.before)} -> {spoken(self.after)}"


@dataclass(frozen=True)
class LeverEffect:
    """What a step does to an objective, in runs with the same random numbers as without it.

    Attributes:
        step: the lever and its step.
        runs: of each side.
        held_before: runs in which the objective holds without the step.
        held: runs in which it holds with it.
        median_before: of the objective's measure without the step; infinite if it was not reached.
        median: of the objective's measure with it.
        gain: by how much the measure is nearer to what is wanted, in its unit, mean of the runs; negative is worse.
    """

    step: LeverStep
    runs: int
    held_before: int
    held: int
    median_before: float
    median: float
    gain: float

    @property
    def rank(self) -> tuple[float, float]:
        """What effects are sorted by: in how many more runs the objective holds, then by how much it is nearer."""
        return float(self.held - self.held_before), self.gain

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; a median that was not reached is null."""
        known = {name: one if isfinite(one) else None for name, one in self._medians().items()}
        step = {"setting": self.step.setting, "before": self.step.before, "after": self.step.after}
        return step | {"runs": self.runs, "held_before": self.held_before, "held": self.held} | known

    def _medians(self) -> dict[str, float]:
        return {"median_before": self.median_before, "median": self.median, "gain": self.gain}


def spoken(value: Any) -> str:
    """Return a value of a setting as a table has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def scaled(on: float | None = None, factor: float = 2.0) -> Values:
    """Return steps by a factor, down and up; `on` is the one from 0, where there is one."""

    def values(value: Any, scenario: Scenario) -> Sequence[Any]:
        if not value:
            return [] if on is None else [on]
        return [_like(value, value / factor), _like(value, value * factor)]

    return values


def counted(value: Any, scenario: Scenario) -> Sequence[int]:
    """Return one fewer and one more."""
    return [value - 1, value + 1]


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


def _like(value: Any, number: float) -> Any:
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
    own = {name: rule for (kind, name), rule in RULES.items() if kind == scenario.balancer.kind and name != value}
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
    Lever("balancer.on_marked_down", among("none", "shutdown-sessions")),
    Lever("balancer.hard_stop_after", scaled(), applies=_reloads),
    Lever("balancer.slowstart", scaled()),
    Lever("balancer.max_fails", counted),
    Lever("balancer.fail_timeout", scaled()),
    Lever("nodes.count", tenths),
    Lever("nodes.backlog", scaled(factor=4.0)),
    Lever("nodes.workers.count", counted, applies=lambda s: s.nodes.runtime == "processes"),
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


def _of_faults(scenario: Scenario) -> Iterator[Lever]:
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


def value_at(scenario: Scenario, setting: str) -> Any:
    """Return the value of a setting; None if there is no such setting in this scenario, or its table is left out."""
    found: Any = scenario
    for part in setting.split("."):
        if isinstance(found, list):
            found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
        else:
            found = getattr(found, part, None)
    return found


def changed(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """Return a scenario with some settings changed.

    Raises:
        ScenarioError: a value is not allowed.
    """
    data = scenario.model_dump()
    for path, value in changes.items():
        data = merge(spelled_out(data), nested(path, value))
    return Scenario.parse(data, "levers")


def steps(scenario: Scenario, found: Collection[str] = (), milliseconds: Collection[str] = ()) -> list[LeverStep]:
    """Return each lever of a scenario one step either way; what is not allowed is left out.

    Args:
        scenario: what is asked about.
        found: settings about which a check has found something; their steps are longer, too.
        milliseconds: settings that may be meant in milliseconds.
    """
    made: list[LeverStep] = []
    for lever in (*LEVERS, *_of_faults(scenario)):
        before = value_at(scenario, lever.setting)
        if (before is None and not lever.setting.startswith("faults.")) or not lever.applies(scenario):
            continue
        values = list(lever.values(before, scenario))
        factors = [*(LONGER_STEPS if lever.setting in found else ()), *([MILLI] * (lever.setting in milliseconds))]
        if before and isinstance(before, int | float) and not isinstance(before, bool):
            values += [_like(before, before * factor) for factor in factors]
        for after in dict.fromkeys(values):
            if after == before:
                continue
            try:
                other = changed(scenario, {**lever.also(after, scenario), lever.setting: after})
            except ScenarioError:
                continue
            made.append(LeverStep(lever.setting, before, after, other))
    return made


def effect(
    step: LeverStep,
    objective: Objective,
    without: Sequence[Mapping[str, float]],
    with_it: Sequence[Mapping[str, float]],
) -> LeverEffect:
    """Return what a step does to an objective.

    Args:
        step: the lever.
        objective: what is asked.
        without: numbers of runs without the step (`twin.analysis.objectives.numbers_of`).
        with_it: those of runs with the same random numbers and with it.
    """
    pairs = [
        (a, b)
        for one, other in zip(without, with_it, strict=True)
        if (a := shortfall(objective, one)) is not None and (b := shortfall(objective, other)) is not None
    ]
    return LeverEffect(
        step,
        len(with_it),
        sum(holds(objective, one) is True for one in without),
        sum(holds(objective, one) is True for one in with_it),
        median_of(objective, without),
        median_of(objective, with_it),
        fmean(a - b for a, b in pairs) if pairs else nan,
    )


def median_of(objective: Objective, runs: Sequence[Mapping[str, float]]) -> float:
    """Return the median of an objective's measure over some runs, NaN if none says it."""
    known = [value for one in runs if (value := value_of(objective, one)) is not None]
    return quantiles(np.array(known, float), [0.5])[0] if known else nan


def ranked(effects: Sequence[LeverEffect]) -> list[LeverEffect]:
    """Return effects that are any, the best step first and the worst one last."""
    there = [one for one in effects if one.gain or one.held != one.held_before]
    return sorted((one for one in there if one.gain == one.gain), key=lambda one: one.rank, reverse=True)
