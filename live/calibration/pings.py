"""What a ping and its pong cost the CPU of client, balancer and node, and a check the balancer's.

It is the CPU time of a cluster whose clients ping, less that of the same cluster whose clients do not, all of them idle
otherwise; and likewise with pings of the nodes, and with checks. `measure` does so for a host profile.
`python -m live.calibration.pings FILE` writes what the clients' pings cost at several intervals on this machine;
`records/ping-costs.json` is such a file, by which a notebook weighs a heartbeat.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from live.calibration.common import LEAST
from live.calibration.workbench import MeasuredCosts, mean_pace, pace_of
from live.cluster import Cluster
from live.machine import placement
from twin.costs.background import BACKGROUND_PARTS, OFTEN, SELDOM
from twin.costs.lacking import ROOMS
from twin.costs.starts import LEVEL
from twin.files.writing import write_text
from twin.scenario.scenario import Scenario

CLIENTS = 200
SECONDS = 4.0
"""How long a cluster is watched."""
SETTLED = 1.0
"""Seconds after the start of the run from which it is watched; every client pings by then."""
INTERVALS = (0.2, 1.0)


NODES = 2
PINGING = 100
"""Connections over which pings are sent, when they are measured for a profile."""
RATE = 100.0
"""Connections a second that are opened before: a bench is in no hurry, and a busy machine may be late."""
CHECKED = 0.05
"""Seconds between two checks of each node."""
WATCHED = 2.0
"""Seconds for which each of the clusters is watched."""
UNCHECKED = 2.0
"""The same where they are not measured: a balancer has to see once that its nodes are there."""


def measure(scenario: Scenario, costs: MeasuredCosts, of_balancer: bool = False) -> None:
    """Measure pings, pongs and checks once, with clusters that do nothing else, and append the figures.

    Args:
        scenario: says which balancer, and on what nodes run.
        costs: gets the parts.
        of_balancer: keep only those of the balancer.
    """
    place = placement.placement(scenario)
    beat = {"interval": 0.0, "timeout": 5.0}
    quiet: dict[str, Any] = {"clients": {"count": PINGING, "connect_rate": RATE, "heartbeat": beat}}
    quiet |= {
        "name": "pings",
        "duration": SETTLED + WATCHED,
        "nodes": {"count": NODES, "runtime": scenario.nodes.runtime},
    }
    usual = scenario.balancer.checked_every(UNCHECKED) | {"kind": scenario.balancer.kind}
    still = Scenario.parse(quiet).vary(balancer=usual)
    busy, per_second = dict[str, Scenario](), {"check": NODES * (1 / CHECKED - 1 / UNCHECKED)}
    for end, apart in (("", OFTEN), ("_rare", SELDOM)):
        every, per_second[f"ping{end}"], per_second[f"pong{end}"] = apart * PINGING, 1 / apart, 1 / apart
        busy[f"ping{end}"] = still.vary(clients={"heartbeat": {"interval": every}})
        busy[f"pong{end}"] = still.vary(nodes={"ping_interval": every, "ping_timeout": 5.0})
    if scenario.balancer.check_interval is not None:
        busy["check"] = still.vary(balancer=scenario.balancer.checked_every(CHECKED))
    paces = [pace_of(place)]
    idle = spent(still, WATCHED)
    for name, one in busy.items():
        found = spent(one, WATCHED)
        paces.append(pace_of(place))
        for room in ROOMS if not of_balancer else ("balancer",):
            if f"{room}_{name}" in BACKGROUND_PARTS:
                each = (found[room] - idle[room]) / (WATCHED * per_second[name])
                costs.add(f"{room}_{name}", LEVEL, max(LEAST, each), mean_pace(paces))


def pinging(interval: float, clients: int, seconds: float) -> Scenario:
    """Return a scenario whose clients ping; interval 0 is without pings."""
    beat = {"interval": interval, "timeout": 5.0}
    data = {"name": "pings", "duration": SETTLED + seconds, "clients": {"count": clients, "heartbeat": beat}}
    return Scenario.parse(data)


def spent(scenario: Scenario, seconds: float) -> dict[str, float]:
    """Return the CPU seconds of each kind of process in `seconds` of a cluster on which nothing acts."""
    with Cluster(scenario, 0) as cluster:
        start = cluster.warm_up()
        time.sleep(max(0.0, start + SETTLED - time.monotonic()))

        def read() -> dict[str, int]:
            return {
                "client": sum(part.cpu_ns() for part in cluster.swarm),
                "balancer": cluster.balancer.cpu_ns(),
                "node": sum(part.cpu_ns() for part in cluster.nodes),
            }

        before = read()
        time.sleep(seconds)
        return {name: (ns - before[name]) / 1e9 for name, ns in read().items()}


def ping_costs(
    intervals: Sequence[float] = INTERVALS, clients: int = CLIENTS, seconds: float = SECONDS
) -> dict[float, dict[str, float]]:
    """Return what one ping and its pong cost each kind of process, in seconds of CPU, at each interval.

    Args:
        intervals: seconds between two pings of a client; up to `SETTLED`.
        clients: how many ping.
        seconds: how long a cluster is watched.

    Raises:
        HostError: HAProxy is missing, or too few files may be open.
        ClusterError: a process failed.
    """
    idle = spent(pinging(0.0, clients, seconds), seconds)
    found = {}
    for interval in intervals:
        busy = spent(pinging(interval, clients, seconds), seconds)
        found[interval] = {name: (busy[name] - idle[name]) * interval / (clients * seconds) for name in busy}
    return found


def recorded(path: Path) -> dict[float, dict[str, float]]:
    """Return what `main` has written, as `ping_costs` gives it."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {float(interval): parts for interval, parts in data["seconds"].items()}


def main(path: Path) -> None:
    """Measure on this machine, and write interval by interval what a ping costs, in seconds, and where that was."""
    found = {"machine": placement.machine(), "clients": CLIENTS, "seconds": ping_costs()}
    write_text(path, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
