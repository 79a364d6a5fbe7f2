"""Connections that say nothing, held open straight on one node: how much memory it takes.

There is no balancer between: it would need two open files a connection, and the limit of open files would be its own.
The connections are raw ones of this process.
"""

import resource
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime

from live.calibration import rounds
from live.control import interrupt
from live.control.messages import Listening
from live.control.supervisor import watched
from live.control.usage import connections_to, resident_bytes
from live.machine import placement
from live.node.kinds import RUNTIMES
from twin.errors import ClusterError, HostError, ScenarioError
from twin.record.events import NodeMemory
from twin.record.record import Record, row
from twin.rules.usage import BEFORE_END
from twin.scenario.scenario import Scenario

MOST_IDLE = 10_000
"""Connections that are held; a node takes some more (`live.node.asyncio_runtime.MOST_CONNECTIONS`)."""
SPARE_FILES = 100
"""Open files of node and lab besides the connections."""
LOT = 250
"""Connections that are opened before anybody looks whether the user has had enough."""
SETTLES = 0.5
"""Seconds that a node has for its tasks after its start and after the last handshake."""
LEAST_SHARE = 0.999
"""Share of the connections that the node must still have at the end."""

Tell = Callable[[int], None]
"""Receives how many connections are open."""


def check(scenario: Scenario) -> None:
    """See whether a scenario has a node with nothing but connections, and raise the soft limit of open files for them.

    Raises:
        ScenarioError: it has more, or too many of them.
        HostError: too few files may be open, or the runtime is not there.
    """
    nodes, count = scenario.nodes, scenario.clients.count
    if nodes.count != 1 or scenario.slots != 1:
        raise ScenarioError(f"nodes.count is {scenario.slots}; idle connections are held on 1 node.")
    for name, used in (("publisher", scenario.publisher), ("nodes.handler", nodes.handler)):
        if used is not None:
            raise ScenarioError(f"{name} is given; allowed is none, as idle connections say nothing.")
    if scenario.clients.sends.rate or scenario.clients.transport.polls or nodes.compression is not None:
        raise ScenarioError("clients send or poll, or nodes.compression is given; idle connections do nothing of that.")
    if count > MOST_IDLE:
        raise ScenarioError(f"clients.count is {count}; at most {MOST_IDLE} idle connections are held.")
    RUNTIMES[nodes.runtime].check()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = count + SPARE_FILES
    if hard != resource.RLIM_INFINITY and need > hard:
        raise HostError(f"clients.count is {count}: {need} files must be open at a time and the limit is {hard}.")
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def hold(scenario: Scenario, replication: int = 0, tell: Tell = lambda done: None) -> Record:
    """Open a scenario's connections on a node, look at its memory, and return a record with its `node_memory`.

    Args:
        scenario: with one node; see `check`.
        replication: number of the record.
        tell: told how many connections are open.

    Raises:
        ScenarioError, HostError: see `check`.
        ClusterError: the node does not listen, or loses connections.
    """
    check(scenario)
    place, nodes, count = placement.placement(scenario), scenario.nodes, scenario.clients.count
    (port,) = placement.free_ports(1)
    config = {"number": 1, "port": port, "backlog": nodes.backlog, "workers": nodes.workers.model_dump()}
    began, raw = datetime.now(UTC), list[socket.socket]()
    with interrupt.remembered(), watched() as stage:
        node = RUNTIMES[nodes.runtime].start(stage, "node", config, place.cluster[:1])
        try:
            node.hear(Listening)
            time.sleep(SETTLES)
            before = resident_bytes(node.pid)
            while len(raw) < count:
                interrupt.check()
                raw += rounds.upgrade(port, min(LOT, count - len(raw)))
                tell(len(raw))
            time.sleep(SETTLES)
            after, there = resident_bytes(node.pid), connections_to(node.pid, port)
        finally:
            for one in raw:
                one.close()
        stage.end(node)
    if there < LEAST_SHARE * count:
        raise ClusterError(f"{there} of {count} idle connections were left on the node at the end.")
    names = ("attempt_connect", "connected")
    rows = [
        row(-BEFORE_END, name, client, 1 if name == "connected" else -1, 1) for client in range(count) for name in names
    ]
    rows.append(
        row(scenario.duration - BEFORE_END, "node_memory", node=1, detail=NodeMemory.pack(before, after, there))
    )
    provenance = {
        "world": "live",
        "engine": "processes",
        "scenario": scenario.model_dump(exclude_none=True),
        "seed": scenario.seed,
        "replication": replication,
        "start": began.isoformat(),
        "machine": placement.machine(),
        "versions": RUNTIMES[nodes.runtime].versions(),
    }
    return Record.of(rows, provenance)
