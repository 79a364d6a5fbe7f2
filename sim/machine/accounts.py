"""How much CPU time the processes of a run have used."""

from collections.abc import Sequence
from typing import Protocol

from sim.connection import Peer
from sim.machine.process import Process
from twin.record.events import CpuUsed
from twin.record.record import Row, row


class Accounted(Protocol):
    """A node, as its CPU time is counted.

    Attributes:
        number: of the node.
        processes: that serve its connections.
    """

    number: int
    processes: list[Process]

    @property
    def state(self) -> str:
        """Where its process is in its life; `dead` if there is none."""
        ...

    @property
    def life(self) -> int:
        """How many of its processes have ended."""
        ...


def cpu_used(now: float, nodes: Sequence[Accounted], balancer: Sequence[Process], clients: Sequence[Peer]) -> list[Row]:
    """Return what each has used by a time in seconds: nodes that have not ended, the balancer, and all clients that
    share processes.

    Args:
        now: the time.
        nodes: all nodes.
        balancer: its process of each generation.
        clients: all clients.
    """
    swarm = {client.process for client in clients if isinstance(client.process, Process)}
    there = [node for node in nodes if node.life == 0 and node.state != "dead"]
    found = [row(now, "cpu_used", node=one.number, detail=_used("node", one.processes)) for one in there]
    found.append(row(now, "cpu_used", detail=_used("balancer", balancer)))
    return found + ([row(now, "cpu_used", detail=_used("clients", list(swarm)))] if swarm else [])


def _used(part: str, processes: Sequence[Process]) -> str:
    return CpuUsed.pack(part, round(1e6 * sum(process.used for process in processes)))
