"""What a ping and its pong cost the CPU of client, balancer and node; run with `-s` to see it.

The difference between a cluster whose clients ping and the same one whose clients do not, both idle otherwise.
"""

import sys
import time

from live.world import Cluster
from twin.scenario import Scenario

CLIENTS = 200
SECONDS = 4.0
MOST = 1e-3
"""Seconds that a ping may cost one process; far more than it does."""


def spent(interval: float) -> dict[str, float]:
    """Return the CPU seconds of each kind of process in `SECONDS` of an idle cluster."""
    beat = {"interval": interval, "timeout": 5.0}
    data = {"name": "pings", "duration": 10.0, "clients": {"count": CLIENTS, "heartbeat": beat}}
    with Cluster(Scenario.parse(data), 0) as cluster:
        start = cluster.warm_up()
        time.sleep(max(0.0, start + 1.0 - time.monotonic()))  # every client pings by now

        def read() -> dict[str, int]:
            return {
                "client": sum(part.cpu_ns() for part in cluster.swarm),
                "balancer": cluster.balancer.cpu_ns(),
                "nodes": sum(part.cpu_ns() for part in cluster.nodes),
            }

        before = read()
        time.sleep(SECONDS)
        return {name: (ns - before[name]) / 1e9 for name, ns in read().items()}


def test_a_ping_costs_a_fraction_of_a_millisecond() -> None:
    found = {}
    for interval in (0.2, 1.0):
        idle, busy = spent(0.0), spent(interval)
        pings = CLIENTS * SECONDS / interval
        found[interval] = {name: (busy[name] - idle[name]) / pings for name in busy}
        cost = ", ".join(f"{name} {1e6 * each:.0f} us" for name, each in found[interval].items())
        sys.stdout.write(f"\n{CLIENTS / interval:.0f} pings a second: {cost} a ping\n")
    assert all(0.0 < each < MOST for one in found.values() for each in one.values())
