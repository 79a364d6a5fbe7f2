"""How long the SimPy model will take: told before it starts, so that nobody waits for days without knowing.

Its time grows with the clients. Two short runs with few of them give the time of one, on this machine and for this
scenario; nothing that was measured on another machine is in it. A storm that a core limits takes longer than that.
"""

import time
from collections.abc import Sequence

from sim.engines import uncovered
from sim.run import simulate
from twin.costs.profile import HostProfile
from twin.scenario.scenario import Scenario

FEW, MORE = 100, 400
"""Clients of the two runs."""
WORTH_A_PROBE = 3e6
"""Seconds of connections, each message counted as one, from which the two runs take little beside what is asked."""
LONG = 60.0
"""Seconds from which it is told."""


def work(scenario: Scenario) -> float:
    """Return how much there is to simulate in one run: seconds of connections, each message counted as one."""
    publisher = scenario.publisher
    rate = scenario.clients.sends.rate + (publisher.rate if publisher is not None else 0.0)
    if scenario.nodes.handler is not None:
        rate += sum(task.rate for task in scenario.nodes.handler.tasks) / scenario.clients.count
    return scenario.clients.count * (scenario.duration * (1.0 + rate) + scenario.warm_up)


def seconds(scenario: Scenario, profile: HostProfile) -> float:
    """Return how long one run takes the SimPy model on one core of this machine, in seconds."""
    stalled = [fault.client + 1 for fault in scenario.faults if fault.client is not None]
    count = scenario.clients.count
    few, more = (min(count, max([clients, *stalled])) for clients in (FEW, MORE))
    _timed(scenario, few, profile)  # the first one also makes the tables of the costs
    first = _timed(scenario, few, profile)
    if count == few:
        return first
    then = _timed(scenario, more, profile) if more > few else first
    each = max(0.0, (then - first) / (more - few)) if more > few else first / few
    return then + each * (count - more)


def _timed(scenario: Scenario, clients: int, profile: HostProfile) -> float:
    """Return how long a run with so many clients takes; they have as long to connect as all have."""
    rate = scenario.clients.connect_rate * clients / scenario.clients.count
    smaller = scenario.vary(clients={"count": clients, "connect_rate": rate})
    began = time.perf_counter()
    simulate(smaller, 0, profile, engine="simpy")
    return time.perf_counter() - began


def announcement(runs: Sequence[tuple[Scenario, int]], profile: HostProfile, cores: int) -> str:
    """Return how long some runs of the SimPy model will take and what would be faster, in a sentence; nothing if they
    are soon done.

    Args:
        runs: scenarios, and how many replications of each.
        profile: costs of the host.
        cores: how many work side by side.
    """
    total = sum(work(scenario) * count for scenario, count in runs)
    if total < WORTH_A_PROBE:
        return ""
    largest = max((scenario for scenario, _ in runs), key=work)
    replications = sum(count for _, count in runs)
    took = seconds(largest, profile) / work(largest) * total / min(cores, replications)
    if took < LONG:
        return ""
    covered = not any(uncovered(scenario) for scenario, _ in runs)
    faster = "the compiled engine (--engine compiled), " if covered else ""
    return (
        f"The SimPy model will take about {spoken(took)} for {replications:,} runs with {largest.clients.count:,} "
        f"clients, by a short run with few of them; faster are {faster}fewer --replications or a smaller clients.count."
    )


def spoken(took: float) -> str:
    """Return a time as one says it."""
    for unit, length in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if took >= 2 * length:
            return f"{took / length:,.0f} {unit}"
    return f"{took:.0f} seconds"
