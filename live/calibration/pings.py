"""What a ping and its pong cost the CPU of client, balancer and node.

The model takes pings as free (docs/model.md, part 2), so nothing of this goes into a prediction. It is measured to
weigh a heartbeat: the CPU time of a cluster whose clients ping, less that of the same cluster whose clients do not, all
of them idle otherwise. `python -m live.calibration.pings FILE` writes what it finds on this machine;
`records/ping-costs.json` is such a file.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from live.cluster import Cluster
from live.machine import placement
from twin.files.writing import write_text
from twin.scenario.scenario import Scenario

CLIENTS = 200
SECONDS = 4.0
"""How long a cluster is watched."""
SETTLED = 1.0
"""Seconds after the start of the run from which it is watched; every client pings by then."""
INTERVALS = (0.2, 1.0)


def spent(interval: float, clients: int, seconds: float) -> dict[str, float]:
    """Return the CPU seconds of each kind of process in `seconds` of an idle cluster; interval 0 is without pings."""
    beat = {"interval": interval, "timeout": 5.0}
    data = {"name": "pings", "duration": SETTLED + seconds, "clients": {"count": clients, "heartbeat": beat}}
    with Cluster(Scenario.parse(data), 0) as cluster:
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
    idle = spent(0.0, clients, seconds)
    found = {}
    for interval in intervals:
        busy = spent(interval, clients, seconds)
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
