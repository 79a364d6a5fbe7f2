"""How the lab sees that a node's process has ended, and starts a new one in its place."""

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from live.control.messages import Listening
from live.control.process import READY_WITHIN, ChildProcess
from live.node.base import FENCED
from live.node.messages import Drained, StartDrain
from twin.errors import ClusterError

if TYPE_CHECKING:
    from live.ports import Cluster


def attend(cluster: "Cluster") -> None:
    """See which nodes are gone, and start those again that ended for a restart or a drain and do not leave for good."""
    for number in list(cluster.killed):
        if not cluster.node(number).running:
            cluster.killed.remove(number)
            _gone(cluster, number)
    for number in list(cluster.restarting):
        part, standing = cluster.node(number), cluster.standings[number - 1]
        if part.running:
            continue
        cluster.restarting.remove(number)
        kind, leaves = standing.order, standing.leaving
        standing.ended(returns=True)
        if kind == "drain":
            with contextlib.suppress(ClusterError):  # one that was killed meanwhile says nothing
                cluster.note(part.hear(Drained).at, "drained", number)
        _gone(cluster, number)
        if not leaves:
            start(cluster, number, kind)
    for number, standing in enumerate(cluster.standings, 1):  # whose slot somebody else has taken
        if standing.phase != "dead" and cluster.node(number).status == FENCED:
            standing.leave()
            standing.ended()
            _gone(cluster, number)


def _gone(cluster: "Cluster", number: int) -> None:
    cluster.note(time.monotonic(), "node_stopped", number)
    for part in cluster.parts:
        part.node_gone(number)


def see_off(cluster: "Cluster", number: int) -> None:
    """Wait until a node that was killed is gone, its port free."""
    if number in cluster.killed:
        cluster.node(number).wait(READY_WITHIN)
        cluster.attend()


def drain(cluster: "Cluster", number: int, lead: float, pace: float) -> None:
    """Let a node drain and end (`live.node.drain`); a new process takes its place unless it leaves for good."""
    cluster.node(number).let_end()
    cluster.node(number).tell(StartDrain(lead, pace))
    cluster.restarting.add(number)


def join(cluster: "Cluster", number: int) -> None:
    """Start the process of a node that is new, was killed or has ended."""
    cluster.note(time.monotonic(), "node_starting", number)
    start(cluster, number)


def start(cluster: "Cluster", number: int, heals: str = "") -> None:
    """Start a new process, and note when it listens, unless another fault ends it before.

    Args:
        cluster: the cluster.
        number: of the node.
        heals: the fault that is over then, empty if none is.
    """
    life = cluster.standings[number - 1].boots()
    process = cluster.renew_node(number)
    cluster.helpers.append(threading.Thread(target=_listens, args=(cluster, number, process, life, heals), daemon=True))
    cluster.helpers[-1].start()


def _listens(cluster: "Cluster", number: int, process: ChildProcess, life: int, heals: str) -> None:
    with contextlib.suppress(ClusterError, ValueError, OSError):
        listening = process.hear(Listening, READY_WITHIN + cluster.scenario.duration).at  # it may be made to hang
        if cluster.standings[number - 1].listens(life):
            cluster.note(listening, "node_started", number)
            if heals:
                cluster.note(listening, "healed", number, heals)
