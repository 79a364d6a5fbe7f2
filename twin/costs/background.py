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

BACKGROUND_PARTS = PING_PARTS | CHECK_PARTS
"""A profile without them is a good one: they then cost nothing."""

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
