"""What goes on beside everything else, evenly and all the time: pings with their pongs, and the balancer's checks.

Each takes some tens of microseconds, at times that are spread evenly. So they are no events of the model, but a share
of the core of each process that they take part in: whatever the process does besides takes as much longer
(1 / (1 - share)). That is exact for a queue in which the others take their time from the server in small pieces
(Kleinrock, Queueing Systems 2, 1976, section 4.4: processor sharing), and holds as long as the connections are spread
over the nodes as they are at the start.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.scenario.scenario import Scenario

PING_PARTS = {
    "client_ping": "client: send a ping and read its pong",
    "balancer_ping": "balancer: relay a client's ping and the pong",
    "node_ping": "node: read a client's ping and answer it",
    "client_pong": "client: read a node's ping and answer it",
    "balancer_pong": "balancer: relay a node's ping and the pong",
    "node_pong": "node: send a ping and read its pong",
}

CHECK_PARTS = {"balancer_check": "balancer: check one server"}

RARE_PARTS = {f"{name}_rare": f"{what}, which it does now and then" for name, what in PING_PARTS.items()}
"""What finds its code and data in no cache: each wakes a process up that has been asleep."""

BACKGROUND_PARTS = PING_PARTS | CHECK_PARTS | RARE_PARTS
"""A profile without them is a good one: they then cost nothing, and rare pings what frequent ones cost."""

OFTEN, SELDOM = 0.0025, 0.02
"""Seconds between two pings of a process of clients at which the frequent ones and the rare ones are measured."""

MOST_BUSY = 0.9
"""Share of a core from which on what goes on in the background leaves too little for a prediction."""


def rates(scenario: "Scenario") -> dict[str, float]:
    """Return how often a second each part of the background is done by one process of its room.

    A client process has as many clients as the scenario says, a node its share of all of them.
    """
    clients, nodes = scenario.clients, scenario.nodes
    apart = scenario.host.placement == "separate"
    connections = {
        "client": 1 if apart else min(clients.count, clients.per_process),
        "balancer": clients.count,
        "node": clients.count / nodes.count,
    }
    found: dict[str, float] = {}
    for name, interval in (("ping", clients.heartbeat.interval), ("pong", nodes.ping_interval)):
        if interval:
            found |= {f"{room}_{name}": count / interval for room, count in connections.items()}
    every = scenario.balancer.check_interval
    if every and scenario.registry is None:
        found["balancer_check"] = nodes.count / every
    return found


def rareness(rate: float) -> float:
    """Return how much of what a rare one costs more than a frequent one is paid by each of `rate` a second: from 0
    where they are as close together as `OFTEN` to 1 where they are as far apart as `SELDOM`.
    """
    return min(1.0, max(0.0, (1 / rate - OFTEN) / (SELDOM - OFTEN)))
