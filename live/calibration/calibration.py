"""Measure what the parts cost on this machine, each in isolation, and write a host profile.

Costs are CPU times (`live.calibration.costs`), orders of work are ratios of times (`live.calibration.rounds`), the
speed of the cores is a series of samples (`live.machine.speed`). No run of a scenario is looked at, and nothing that a
comparison judges is measured here.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import log2
from statistics import median

from live.balancer.balancer import KINDS as KINDS_OF_PROGRAMS
from live.balancer.balancer import binary
from live.calibration import (
    codecs,
    costs,
    deliveries,
    disk,
    handler,
    jetstream,
    memory,
    payloads,
    pings,
    pools,
    registry,
    relay,
    rounds,
    runtimes,
)
from live.calibration.delivery_bench import DeliveryBench
from live.calibration.polls import measure_polls
from live.calibration.sessions import measure_sessions
from live.calibration.starts import measure_starts
from live.calibration.workbench import CHECK_INTER, Bench, MeasuredCosts
from live.control import interrupt
from live.control.supervisor import watched
from live.machine import placement
from live.machine.messages import Growths, PaceRead, ReadPace, Samples, Stretches
from live.machine.speed import SpeedSettings
from live.node.messages import Look, Seen
from twin.costs.curve import PartCosts
from twin.costs.layout import VERSION, laid_out
from twin.costs.memory import USUAL_START
from twin.costs.parts import LONE_OF_BROADCAST, LONE_OF_DISK, LONE_OF_MEMORY
from twin.costs.profile import HostProfile
from twin.scenario.balancer.kinds import DEFAULT, KINDS
from twin.scenario.runtimes import RUNTIME
from twin.scenario.scenario import Scenario

REPEATS = 4
OF_RUNTIMES = 2
"""Repeats of the parts of nodes of another runtime, at most: each takes a minute and a half."""
LOOK = 3.0
"""Seconds for which the speed of the cores is sampled at a time."""
ROUNDS = 11
"""How often a core's pace is read alone and beside the others."""
SETTLES = 0.005
"""Seconds that stopped processes are given to leave their cores, and others to fill their caches."""
STRETCH = 0.2
"""Seconds for which two processes compete for a core, to see how long one keeps it."""
LOOKS_APART = 3.5
"""Intervals of HAProxy's checks between two looks at when the last one came; a half, so that what a period is longer
than its interval does not change how many lie in between.
"""
TIME_SLICE = 0.0007
"""Linux's base time slice for one core in seconds; it grows with 1 + log2(cores). Source: kernel/sched/fair.c,
sysctl_sched_base_slice (0.70 ms since Linux 6.12). It decides only how the processes of one core interleave."""

Progress = Callable[[float, str], None]


def calibrate(
    progress: Progress | None = None,
    repeats: int = REPEATS,
    kinds: Sequence[str] = tuple(KINDS),
    broadcast: bool = True,
    sessions: bool = True,
    further: bool = True,
    polls: bool = True,
) -> HostProfile:
    """Measure this machine and return its profile.

    Args:
        progress: receives the part done (0 to 1) and what is being measured.
        repeats: measurements of each part; the spread between them goes into the predictions.
        kinds: balancers to measure; one that is not installed is left out, but not the default kind.
        broadcast: measure the parts of a broadcast, too.
        sessions: measure the parts of sessions, too.
        further: measure nodes of other runtimes that can be started here, too.
        polls: measure the parts of polls, too.

    Raises:
        HostError: the default kind, or all that is to be measured, is missing, or too few files may be open.
        ClusterError: a process failed.
    """
    chosen_kinds = [kind for kind in kinds if kind == DEFAULT or installed(kind)]
    for kind in chosen_kinds or kinds:
        binary(kind)
    scenario = Scenario.parse({"name": "calibration", "clients": {"count": 2000}})
    placement.check_limits(scenario)
    placement.warn_if_busy()
    tell = progress or (lambda share, what: None)
    others = runtimes.further() if further else []
    figures = Figures(chosen_kinds, others)
    fewer = min(repeats, OF_RUNTIMES)
    steps = len(chosen_kinds) * repeats + len(others) * fewer + 1
    place = placement.placement(scenario)
    with interrupt.remembered(), watched() as waking:
        placement.keep_awake(waking, place.all)
        for k, kind in enumerate(chosen_kinds):
            chosen = scenario.vary(balancer=KINDS[kind].plain())
            for i in range(repeats):
                of_all = partial(_tell, tell, f"{i + 1} of {repeats}", k * repeats + i, steps)
                _repeat(figures, chosen, of_all, broadcast, sessions, polls)
                figures.lone["crowding"] += crowding(place.all)
        for k, runtime in enumerate(others):
            chosen = scenario.vary(balancer=KINDS[chosen_kinds[0]].plain(), nodes={"runtime": runtime})
            wakes = figures.wakes[f"node_{runtime}"]
            for i in range(fewer):
                done = len(chosen_kinds) * repeats + k * fewer + i
                tell(done / steps, f"nodes of the runtime {runtime}, {i + 1} of {fewer}")
                runtimes.measure(chosen, figures.of_runtimes[runtime], wakes, broadcast, figures.memory)
        tell(1 - 1 / steps, "how the kernel shares a core")
        tick = stretch(place.cluster[0], STRETCH)
        figures.lone["table_growth"] = table_growths(place.cluster[0])
    tell(1.0, "done")
    return figures.profile(tick)


class Figures:
    """What was measured so far.

    Args:
        kinds: balancers that are measured; what does not hang on the balancer is measured with the first.
        runtimes: further runtimes of nodes.
    """

    def __init__(self, kinds: Sequence[str], runtimes: Sequence[str] = ()) -> None:
        self.kinds = kinds
        self.of_runtimes = {name: MeasuredCosts() for name in runtimes}
        self.found = {kind: MeasuredCosts() for kind in kinds}
        self.wakes: dict[str, list[float]] = {name: [] for name in ("client", "node", *kinds)}
        self.wakes |= {f"node_{name}": [] for name in runtimes}
        self.first: rounds.Shares = {name: [] for name in ("node", *kinds, *rounds.CLIENT)}
        self.starts: dict[str, list[float]] = {kind: [] for kind in kinds}
        lone = ("node_stop", "check_overhead", *LONE_OF_BROADCAST, "crowding", *LONE_OF_DISK, *LONE_OF_MEMORY)
        self.lone: dict[str, list[float]] = {name: [] for name in lone}
        self.store_start: pools.Starts = {}
        self.speed: list[list[list[float]]] = []
        self.codecs = codecs.nothing()
        self.memory: memory.Footprints = {}

    def profile(self, tick: float) -> HostProfile:
        """Return the profile of this machine; `tick` is that at which the kernel takes a core from a process, in s."""
        return HostProfile(
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=placement.machine(),
            version=VERSION,
            parts=self._by_kind(),
            time_slice=TIME_SLICE * (1 + min(3, int(log2(os.cpu_count() or 1)))),
            tick=tick,
            first_part={name: shares for name, shares in self.first.items() if shares and name != "client_dial"},
            wake=self.wakes,
            balancer_start=self.starts,
            store_start=self.store_start,
            speed=self.speed,
            warm_paces=True,
            memory=self.memory,
            **self.lone,
        )

    def _by_kind(self) -> dict[str, dict[str, dict[str, PartCosts]]]:
        """Return the parts as a profile has them: each balancer's own, and everybody else's from the first bench."""
        measured = {kind: laid_out(_parts(costs, self.first), kind) for kind, costs in self.found.items()}
        balancers = {kind: parts["balancer"][kind] for kind, parts in measured.items()}
        parts = measured[self.kinds[0]] | codecs.parts_of(self.codecs) | {"balancer": balancers}
        for name, found in self.of_runtimes.items():
            parts["node"][name] = laid_out(_parts(found, self.first))["node"][RUNTIME]
        return parts


def _repeat(
    figures: Figures,
    scenario: Scenario,
    tell: Callable[[str, float], None],
    broadcast: bool,
    sessions: bool,
    polls: bool,
) -> None:
    """Measure everything once with the balancer of a scenario; `tell` takes what comes and the share that is done."""
    kind = scenario.balancer.kind
    found, again = figures.found[kind], kind != figures.kinds[0]
    tell(kind, 0.0)
    figures.speed.append(trace(scenario))  # before and after: a shared machine may be another one in half a minute
    with watched() as stage, watched() as refusing_stage:
        bench = Bench(stage, refusing_stage, scenario)
        figures.starts[kind].append(bench.balancer_start)
        _measure(bench, found, figures.wakes, figures.lone, figures.first)
    if not again:
        measure_starts(scenario, found, figures.memory)
        figures.lone["place_bytes"].append(memory.place_bytes(placement.placement(scenario).cluster[:1]))
        figures.lone["connection_bytes"].append(figures.memory[RUNTIME][USUAL_START].connection[-1])
        relay.measure(scenario, found)
        handler.measure(scenario, found)
        codecs.measure(scenario, figures.codecs, figures.lone, found)
        tell("pools of connections", 0.3)
        pools.measure(scenario, found, figures.store_start)
        jetstream.measure(scenario, found, figures.store_start)
    tell(f"pings and checks of {kind}", 0.35)
    pings.measure(scenario, found, again)
    registry.measure(scenario, found, again)
    if broadcast:
        tell(f"a broadcast through {kind}", 0.5)
        measure_broadcast(scenario, found, figures.first, figures.lone, again)
    if sessions:
        tell(f"sessions behind {kind}", 0.75)
        measure_sessions(scenario, found, again)
    if polls:
        tell(f"polls through {kind}", 0.9)
        measure_polls(scenario, found, figures.first, again)
    figures.speed.append(trace(scenario))


def _tell(tell: Progress, which: str, done: int, steps: int, what: str, share: float) -> None:
    """Say what is measured, which of the repeats it is, and the part of all steps that is done."""
    tell((done + share) / steps, f"{what}, {which}")


def installed(kind: str) -> bool:
    """Tell whether a balancer's program is there."""
    return KINDS_OF_PROGRAMS[kind].installed()


def _measure(
    bench: Bench,
    found: MeasuredCosts,
    wakes: dict[str, list[float]],
    lone: dict[str, list[float]],
    first: rounds.Shares,
) -> None:
    """Measure everything once at a bench and append the figures."""
    try:
        if bench.checks:
            lone["check_overhead"].append(_check_overhead(bench))
        bench.warm()
        costs.measure(bench, found, wakes)
        lone["node_stop"].append(bench.terminate()[1])
        rounds.measure(bench, first)
    finally:
        bench.balancer.close()
        bench.refusing.close()


def measure_broadcast(
    scenario: Scenario,
    found: MeasuredCosts,
    first: rounds.Shares,
    lone: dict[str, list[float]],
    of_balancer: bool = False,
) -> None:
    """Measure the parts of a broadcast once, with processes of their own, and append the figures; only what hangs on
    the balancer if `of_balancer`.
    """
    with watched() as stage:
        bench = DeliveryBench(stage, scenario)
        try:
            lone["bus_start"].append(bench.bus_start)
            deliveries.measure(bench, found, first, lone, of_balancer)
        finally:
            bench.close()
    payloads.measure(scenario, found, lone["path_bytes_large"], of_balancer)
    if not of_balancer:
        disk.measure(scenario, found, lone)


def _check_overhead(bench: Bench) -> float:
    """Return the seconds by which the period of a balancer's checks exceeds its interval, `CHECK_INTER`."""
    seen = []
    for _ in range(2):
        time.sleep(LOOKS_APART * CHECK_INTER)
        bench.node.tell(Look())
        seen.append(bench.node.hear(Seen).checked)
    return max(0.0, (seen[1] - seen[0]) / round((seen[1] - seen[0]) / CHECK_INTER) - CHECK_INTER)


def trace(scenario: Scenario, progress: Callable[[float], None] | None = None) -> list[list[float]]:
    """Return how long a fixed piece of work takes the cores on which a scenario runs: one series a core.

    A series has one sample for each `PACE_STEP` of work in `LOOK` seconds of work and rest; see
    `live.machine.speed.trace`.

    Args:
        scenario: where it places its processes.
        progress: receives about ten times a second the share of the time that has passed.

    Raises:
        HostError: the scenario asks for more cores than there are.
    """
    place = placement.placement(scenario)
    with watched() as stage:
        placement.keep_awake(stage, place.all)
        tracers = [
            stage.python(f"speed {cpu}", "live.machine.speed", SpeedSettings("trace", LOOK), [cpu]) for cpu in place.all
        ]
        began = time.monotonic()
        while progress is not None and (passed := time.monotonic() - began) < LOOK:
            interrupt.check()
            progress(passed / LOOK)
            time.sleep(0.1)
        return [tracer.hear(Samples, LOOK + 20.0).samples for tracer in tracers]


def crowding(cpus: Sequence[int]) -> list[float]:
    """Return for each CPU how many times as long a fixed piece of work takes it while the others do such work, too.

    Cores share caches, and often execution units: simultaneous multithreading. The two paces are read by turns, so that
    what else slows the core slows both. Empty if there is one CPU.
    """
    found = []
    for cpu in cpus if len(cpus) > 1 else ():
        with watched() as stage:
            rivals = [
                stage.python(f"rival {other}", "live.machine.speed", SpeedSettings("rival"), [other])
                for other in cpus
                if other != cpu
            ]
            reader = stage.python(f"reader {cpu}", "live.machine.speed", SpeedSettings("asked"), [cpu])
            ratios = []
            for _ in range(ROUNDS + 1):
                paces = []
                for number in (signal.SIGSTOP, signal.SIGCONT):
                    for rival in rivals:
                        rival.signal(number)
                    time.sleep(SETTLES)
                    reader.tell(ReadPace())
                    paces.append(reader.hear(PaceRead).pace)
                ratios.append(paces[1] / paces[0])
            found.append(median(ratios[1:]))  # the rivals were still starting in the first
    return found


def stretch(cpu: int, seconds: float) -> float:
    """Return how long one of two busy processes keeps a CPU at a time, in seconds: the tick at which they change."""
    with watched() as stage:
        config = SpeedSettings("busy", seconds)
        rivals = [stage.python(f"rival {i}", "live.machine.speed", config, [cpu]) for i in range(2)]
        kept = [run for rival in rivals for run in rival.hear(Stretches, seconds + 20.0).stretches]
    return median(kept) if kept else 0.0


def table_growths(cpu: int) -> list[float]:
    """Return how long a process waited each time that its table of open files doubled, in seconds."""
    with watched() as stage:
        return stage.python("files", "live.machine.speed", SpeedSettings("grow"), [cpu]).hear(Growths, 30.0).growths


def _parts(found: MeasuredCosts, first: rounds.Shares) -> dict[str, PartCosts]:
    """Return the parts of a profile; the client's time before the answer is split into dialling and the request."""
    dialling = median(first["client_dial"])
    shares = {"client_dial": dialling, "client_request": 1 - dialling}
    split = {name: name for name in found}
    if "client_request" in found:
        split["client_dial"] = "client_request"
    parts = {}
    for name, measured in split.items():
        levels = sorted(found[measured])
        values = [[shares.get(name, 1.0) * v for v in found[measured][level]] for level in levels]
        paces = [found.paces[measured][level] for level in levels] if measured in found.paces else []
        parts[name] = PartCosts(levels=levels, values=values, paces=paces)
    return parts
