"""The host profile: what the parts cost on a machine, measured one by one by `./lab calibrate`."""

import hashlib
import json
import os
import warnings
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from twin.costs.broadcast import (
    BROADCAST_PARTS,
    DISK_PARTS,
    PAYLOAD_PARTS,
    PAYLOADS,
    SMALL_PAYLOAD,
    of_payload,
    payload_part,
)
from twin.costs.curve import Curve, PartCosts, quantile
from twin.costs.lacking import check_background
from twin.costs.layout import room_of
from twin.costs.measured import Measured
from twin.costs.memory import asks_memory, check_memory
from twin.costs.parts import PARTS
from twin.costs.polls import OF_POLLS
from twin.costs.sessions import SESSION_PARTS
from twin.costs.starts import GONE
from twin.errors import ProfileWarning, ScenarioError
from twin.files.places import DATA
from twin.files.reading import PROFILE, check_json, read_text
from twin.files.writing import write_text
from twin.scenario.balancer.kinds import DEFAULT, KINDS
from twin.scenario.overrides import explain
from twin.scenario.runtimes import COSTS_AS, RUNTIME

if TYPE_CHECKING:
    from twin.scenario.scenario import Scenario

REFERENCE = Path(__file__).with_name("reference_host.json")
CALIBRATED = DATA / "host.json"

FIRST_TABLE = 256
"""Open files that a new process has room for; the table doubles from there. Source: FDSize in /proc/PID/status of a
node."""

PACE_STEP = 0.04
"""Seconds between two samples of a core's speed."""

LEVELS_OF_PACE = 11
"""Speed levels of a core: level k has the quantile k / 10 of the samples of the cores' speed."""

FASTEST, SLOWEST = 0.025, 0.975
"""Quantiles of the samples that stand for the first and the last level, in the middle of what these hold."""

READING_ERROR = 0.13
"""Relative error of a pace, the mean of two readings, one before and one after a measurement. Readings 0.05 s apart
correlate with 0.3 only, at a standard deviation of 0.2; those of different minutes differ as much again."""

LEAST_POWER, MOST_POWER = 0.75, 1.25
"""Powers of the pace that costs may go to; what measurements say beyond them is taken for noise."""

Need = str
"""What a profile may have to know beyond connections through the default balancer: another kind, `broadcast`,
`sessions`, `polls` or `memory`."""


def needs_of(scenario: "Scenario") -> tuple[Need, ...]:
    """Return what a profile has to know for a scenario beyond connections through the default balancer."""
    sessions, kind = scenario.sessions.store, scenario.balancer.kind
    needs: dict[Need, bool] = {
        kind: kind != DEFAULT,
        "broadcast": scenario.talks or sessions == "redis",
        "sessions": sessions != "none" or scenario.nodes.pool is not None,
        "polls": scenario.clients.transport.polls,
        "memory": asks_memory(scenario),
    }
    return tuple(name for name, needed in needs.items() if needed)


def _without(asked: str, what: str) -> ScenarioError:
    """Return the error about something that a scenario has and a profile does not know."""
    return ScenarioError(f"{asked}; this host profile was calibrated without {what}: run ./lab calibrate again.")


class HostProfile(Measured):
    """What one machine costs."""

    def curves(
        self,
        name: str,
        balancer: str = DEFAULT,
        contention_steps: int = 0,
        payload: int = 0,
        runtime: str = RUNTIME,
        busy: tuple[float, ...] = (),
    ) -> list[Curve]:
        """Return the cost of a part at each of the `LEVELS_OF_PACE` speed levels of a core, the fastest first.

        First come those of a core while no other works; then, in `contention_steps` steps, the same while more and more
        do. The parts were measured one by one, the looks at the cores with all of them at work. A message has a
        `payload` of so many bytes. At each of the levels the background takes a share `busy` of the core, see
        `twin.costs.background`; empty is none.

        Raises:
            ScenarioError: the profile was made without this kind of balancer, and the part is the balancer's.
        """
        part, larger = self._part(name, balancer, runtime), payload_part(name) if payload > SMALL_PAYLOAD else None
        key = (name, balancer, runtime, contention_steps, payload if larger is not None else 0, busy)
        if key not in self._curves:
            who = balancer if name.startswith("balancer") else name.split("_")[0]
            own = self.wake.get(f"{who}_{runtime}") if who == "node" else None
            wake = median(own or self.wake.get(who, [0.0]))
            slow = self.slowness(who)
            paces = self.paces_at(contention_steps)
            curves = [part.at(pace, slow, wake) for pace in paces]
            if larger is not None:
                of_bytes = self._part(larger, balancer, runtime)
                more = [of_payload(payload, of_bytes.costs_at(pace, slow)) for pace in paces]
                curves = [curve.plus(seconds) for curve, seconds in zip(curves, more, strict=True)]
            if busy:
                curves = [curve.slowed(share) for curve, share in zip(curves, busy, strict=True)]
            self._curves[key] = curves
        return self._curves[key]

    def paces_at(self, contention_steps: int) -> list[float]:
        """Return the pace of a core at each of the speed levels in seconds of the fixed piece of work, first while no
        other works, then in steps while more and more do; see `curves`.
        """
        contended = median(self.crowding) if self.crowding else 1.0
        slower = [1.0 + (contended - 1.0) * step / max(1, contention_steps) for step in range(contention_steps + 1)]
        return [pace / contended * more for more in slower for pace in self.speeds]

    def _part(self, name: str, balancer: str, runtime: str = RUNTIME) -> PartCosts:
        room = room_of(name)
        if room != "balancer":
            return self.of(room, COSTS_AS.get(runtime, runtime) if room == "node" else "")[name]
        first = name.split("_", 1)[0]
        known = self.of(room, first if first in KINDS else balancer)
        if name not in known:
            raise ScenarioError(f"balancer.kind is '{balancer}'; this host profile was calibrated without {balancer}.")
        return known[name]

    @cached_property
    def _curves(self) -> dict[tuple[str, str, str, int, int, tuple[float, ...]], list[Curve]]:
        return {}

    def slowness(self, who: str) -> float:
        """Return the power of the core's pace to which the costs of a process go: `client`, `node`, `haproxy`, ...

        It is fitted to the measurements of large batches, without those of polls, which may be of another time. As a
        pace is read with an error, plain regression would give too small a power; the error's part of the spread is
        taken out. Where there is little besides, the power stays near 1: the process slows down as the fixed piece of
        work does. Sources: regression with errors in the variable, Fuller, "Measurement Error Models", 1987, section
        1.2; ridge regression, Hoerl and Kennard, Technometrics 12, 1970.
        """
        if who not in self._slowness:
            paces, costs = list[float](), list[float]()
            kinds = [(kind, parts) for of_room in self.parts.values() for kind, parts in of_room.items()]
            for kind, parts in kinds:
                for name, part in parts.items():
                    whose = kind if name.startswith("balancer") else name.split("_")[0]
                    if who == whose and name not in PAYLOAD_PARTS and name not in OF_POLLS:
                        some, others = part.scatter()
                        paces += some
                        costs += others
            hold = READING_ERROR**2 * max(1, len(paces))
            both = sum(pace * cost for pace, cost in zip(paces, costs, strict=True))
            spread = max(hold, sum(pace * pace for pace in paces))  # the error taken out, and the hold on 1 put in
            self._slowness[who] = min(MOST_POWER, max(LEAST_POWER, (both + hold) / spread))
        return self._slowness[who]

    @cached_property
    def _slowness(self) -> dict[str, float]:
        return {}

    @cached_property
    def _smooth(self) -> list[list[list[float]]]:
        """The looks of `speed`; the median of three neighbours stands for a sample, so that an interrupt does not pass
        for a slow core.
        """
        return [
            [[sorted(series[max(0, i - 1) : i + 2])[-2] for i in range(len(series))] for series in look]
            for look in self.speed
        ]

    @cached_property
    def _samples(self) -> list[float]:
        return sorted(sample for look in self._smooth for series in look for sample in series)

    @cached_property
    def speeds(self) -> list[float]:
        """The pace of a core at each of the levels, in seconds of the fixed piece of work, the fastest first."""
        top = LEVELS_OF_PACE - 1
        return [quantile(self._samples, min(SLOWEST, max(FASTEST, k / top))) for k in range(top + 1)]

    @cached_property
    def paces(self) -> list[list[list[int]]]:
        """The looks of `speed` as levels from 0, the fastest: the rank of each sample among all of them."""
        ranked, top = self._samples, LEVELS_OF_PACE - 1
        return [
            [[round(top * bisect_left(ranked, sample) / len(ranked)) for sample in series] for series in look]
            for look in self._smooth
        ]

    def first(self, name: str, u: float) -> float:
        """Return the share of the first part for a name in `first_part` at quantile `u` of its repeats."""
        return quantile(sorted(self.first_part[name]), u)

    def start(self, balancer: str, u: float) -> float:
        """Return how long a balancer takes to start, in seconds, at quantile `u` of its repeats."""
        return quantile(sorted(self.balancer_start[balancer]), u)

    def lone(self, name: str, u: float) -> float:
        """Return a figure that is not a part (`node_stop`, `table_growth`, ...) at quantile `u` of its repeats."""
        return quantile(sorted(getattr(self, name)), u)

    def path(self, payload: int, u: float) -> float:
        """Return how many bytes the way to a client holds that has read messages with `payload` bytes, at quantile `u`
        of the repeats.
        """
        small, large = (quantile(sorted(repeats), u) for repeats in (self.path_bytes, self.path_bytes_large))
        share = (payload - PAYLOADS[0]) / (PAYLOADS[-1] - PAYLOADS[0])
        return small + (large - small) * min(1.0, max(0.0, share))

    def bus_path(self, payload: int, u: float) -> float:
        """Return how many bytes a connection to the bus holds, at quantile `u` of the repeats; of a profile that does
        not know it, what the way to a client holds.
        """
        return quantile(sorted(self.bus_path_bytes), u) if self.bus_path_bytes else self.path(payload, u)

    @property
    def knows_disk(self) -> bool:
        """Whether it was calibrated what the log of a bus that persists costs; if not, it costs nothing."""
        return set(DISK_PARTS) <= set(self.of("bus")) and bool(self.disk_wait and self.disk_wait_in_a_row)

    def knows_parts(self, names: Iterable[str], balancer: str = DEFAULT) -> bool:
        """Tell whether some parts were calibrated, those of the balancer with this kind of it."""
        return set(names) <= set(self.by_name(balancer))

    def once(self, name: str, u: float) -> float:
        """Return the cost of a part that is kept without a pace, in seconds, at quantile `u` of its repeats."""
        return quantile(sorted(value for repeats in self._part(name, DEFAULT).values for value in repeats), u)

    def must_know(self, scenario: "Scenario") -> None:
        """Make sure that everything that a scenario needs was calibrated.

        Raises:
            ScenarioError: something was not.
        """
        kind, sessions = scenario.balancer.kind, scenario.sessions.store
        self._part("balancer_close", kind)
        if not self.knows(kind):
            raise ScenarioError(f"balancer.kind is '{kind}'; this host profile was calibrated without {kind}.")
        runtime = COSTS_AS.get(scenario.nodes.runtime, scenario.nodes.runtime)
        known = self.of("node", runtime)
        if not known or (scenario.talks and "node_read" in self.by_name() and "node_read" not in known):
            raise ScenarioError(f"nodes.runtime is '{runtime}'; this host profile was calibrated without {runtime}.")
        check_background(self, scenario)
        check_memory(self, scenario)
        if scenario.talks:
            self.must_know_broadcast(kind)
        if sessions != "none":
            self.must_know_sessions(kind, sessions == "redis")
        if scenario.nodes.pool is not None and not self.knows_sessions(kind):
            raise _without("nodes.pool is given", "sessions, whose refusals cost the same")
        if scenario.clients.transport.polls and not self.knows_polls(kind):
            raise _without(f"clients.transport.kind is '{scenario.clients.transport.kind}'", "polls")

    def must_know_broadcast(self, balancer: str = DEFAULT) -> None:
        """Make sure that the parts of a broadcast were calibrated.

        Raises:
            ScenarioError: the profile was made before there were broadcasts, or without them.
        """
        if not self.knows_broadcast(balancer):
            raise _without("publisher, clients.sends or nodes.handler is given", "a broadcast")

    def knows_broadcast(self, balancer: str = DEFAULT) -> bool:
        """Tell whether the parts of a broadcast through this kind of balancer were calibrated."""
        here = self.by_name() | self.of("balancer", balancer)
        relayed = "balancer_delivery_bytes" in self.of("balancer", balancer)
        return bool(relayed and set(BROADCAST_PARTS) <= set(here) and self.bus_start and self.path_bytes_large)

    def must_know_sessions(self, balancer: str, shared: bool) -> None:
        """Make sure that the parts of sessions were calibrated, and of a bus if they are `shared`.

        Raises:
            ScenarioError: the profile was made before there were sessions.
        """
        if not self.knows_sessions(balancer) or (shared and not self.knows_broadcast()):
            raise _without("sessions.store is not 'none'", "sessions")

    def knows_sessions(self, balancer: str = DEFAULT) -> bool:
        """Tell whether the parts of sessions through this kind of balancer were calibrated."""
        relayed = "balancer_denied" in self.of("balancer", balancer)
        return relayed and set(SESSION_PARTS) <= set(self.by_name())

    def knows_polls(self, balancer: str = DEFAULT) -> bool:
        """Tell whether the parts of polls through this kind of balancer were calibrated."""
        relayed = "balancer_get" in self.of("balancer", balancer)
        return relayed and set(self.by_name()) >= OF_POLLS

    def knows(self, balancer: str) -> bool:
        """Tell whether the profile was calibrated with this kind of balancer."""
        return balancer in self.balancer_start

    @cached_property
    def named(self) -> dict[str, Any]:
        """What names this profile in a provenance: when and where it was made, and a SHA-256 of its content."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        return {"made": self.made, "machine": self.machine, "digest": digest}

    def save(self, path: Path | None = None) -> Path:
        """Write the profile as JSON, in place of this machine's own by default.

        Raises:
            ScenarioError: the file cannot be written.
        """
        path = path or CALIBRATED
        write_text(path, json.dumps(self.model_dump(), indent=1) + "\n")
        return path

    @classmethod
    def load(cls, name: str = "calibrated") -> "HostProfile":
        """Read a profile: `calibrated` is this machine's own, `reference` the one that ships with the lab, else a path.

        Raises:
            ScenarioError: there is no such profile, or it is not one.
        """
        path = {"calibrated": CALIBRATED, "reference": REFERENCE}.get(name, Path(name))
        if not os.path.exists(path):  # also one of a name that no system takes
            hint = "run ./lab calibrate first" if name == "calibrated" else "give calibrated, reference or a path"
            raise ScenarioError(f"host.profile is '{name}': there is no such profile; {hint}.")
        try:
            text = read_text(path, PROFILE)
            check_json(text)
            profile = cls.model_validate_json(text)
        except ValidationError as error:
            if not {one["loc"] for one in error.errors()} <= GONE:
                reason = explain(error).removesuffix(".")
                raise ScenarioError(f"host.profile is '{name}': {path.name} is not a host profile: {reason}.") from None
            profile = None
        except ValueError as error:
            raise ScenarioError(f"host.profile is '{name}': {path.name} is not a host profile: {error}.") from None
        needed = set(PARTS) - set(BROADCAST_PARTS) - set(SESSION_PARTS) - OF_POLLS
        if profile is None or not needed <= set(profile.by_name()):
            raise ScenarioError(
                f"host.profile is '{name}': {path.name} was made by an older version of the lab; "
                "run ./lab calibrate again."
            )
        return profile

    @classmethod
    def for_scenario(cls, scenario: "Scenario") -> "HostProfile":
        """Return the profile that a scenario names, for a prediction; nothing is calibrated for it.

        Where that is this machine's own, and it has none that knows what the scenario needs, see `for_this_machine`.

        Raises:
            ScenarioError: there is no such profile, or the file is not one.
        """
        if scenario.host.profile != "calibrated":
            return cls.load(scenario.host.profile)
        return cls.for_this_machine(*needs_of(scenario))

    @classmethod
    def for_this_machine(cls, *needs: Need) -> "HostProfile":
        """Return this machine's own profile; without one that knows what is needed, warn and return the reference one.

        Args:
            needs: what the profile has to know beyond connections through the default balancer.

        Raises:
            ScenarioError: the file that should be the profile is not one.
        """
        has = "no profile yet"
        if CALIBRATED.exists():
            own = cls.load("calibrated")
            kind = next((need for need in needs if need in KINDS), DEFAULT)
            broadcast, sessions = own.knows_broadcast(kind), own.knows_sessions(kind)
            known = {kind: own.knows(kind), "broadcast": broadcast, "sessions": sessions}
            known |= {"polls": own.knows_polls(kind), "memory": bool(own.memory)}
            missing = [need for need in needs if not known[need]]
            if not missing:
                return own
            has = f"a profile without {' and '.join(missing)}"
        warnings.warn(
            f"This machine has {has}, so the reference machine's is used and times that CPU drives may be off; "
            "run ./lab calibrate.",
            ProfileWarning,
            stacklevel=2,
        )
        return cls.load("reference")
