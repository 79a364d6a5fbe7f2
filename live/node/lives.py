"""How the lab sees that a node's process has ended, and starts a new one in its place."""

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from live.control.process import READY_WITHIN, ChildProcess
from twin.errors import ClusterError

if TYPE_CHECKING:
    from live.ports import Cluster


def attend(cluster: "Cluster") -> None:
    """See which killed nodes are gone, and start those again that ended for a restart or a drain."""
    for number in list(cluster.killed):
        if not cluster.nodes[number - 1].running:
            cluster.note(time.monotonic(), "node_stopped", number)
            cluster.killed.remove(number)
    for number in list(cluster.restarting):
        part, standing = cluster.nodes[number - 1], cluster.standings[number - 1]
        if part.running:
            continue
        cluster.note(time.monotonic(), "node_stopped", number)
        cluster.restarting.remove(number)
        kind = standing.order
        if kind == "drain":
            with contextlib.suppress(ClusterError, KeyError):  # one that was killed meanwhile says nothing
                cluster.note(float(part.hear()["drained"]), "drained", number)
        standing.ended()
        replace(cluster, number, kind)


def replace(cluster: "Cluster", number: int, kind: str) -> None:
    """Start a new process in place of a node's that is gone, and note when it listens: `healed` of `kind`."""
    life = cluster.standings[number - 1].boots()
    part = cluster.nodes[number - 1] = cluster.start_node(number)
    cluster.helpers.append(threading.Thread(target=_welcome, args=(cluster, number, part, life, kind), daemon=True))
    cluster.helpers[-1].start()


def _welcome(cluster: "Cluster", number: int, part: ChildProcess, life: int, kind: str) -> None:
    with contextlib.suppress(ClusterError, ValueError, OSError):
        listening = float(part.hear(READY_WITHIN + cluster.scenario.duration)["listening"])  # it may be made to hang
        if cluster.standings[number - 1].listens(life):
            cluster.note(listening, "node_started", number)
            cluster.note(listening, "healed", number, kind)
