"""How much CPU time the processes of a run have used."""

from collections.abc import Mapping, Sequence
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


def cpu_used(
    now: float,
    nodes: Sequence[Accounted],
    balancer: Sequence[Process],
    clients: Sequence[Peer],
    busy: Mapping[str, Sequence[float]],
) -> list[Row]:
    """Return what each has used by a time in seconds: nodes that have not ended, the balancer, and all clients that
    share processes.

    Args:
        now: the time.
        nodes: all nodes.
        balancer: its process of each generation.
        clients: all clients.
        busy: room -> share of the core that the background takes, at each level of speed (`sim.machine.machine`).
    """
    swarm = {client.process for client in clients if isinstance(client.process, Process)}
    there = [node for node in nodes if node.life == 0 and node.state != "dead"]
    share = {room: shares[len(shares) // 2] if shares else 0.0 for room, shares in busy.items()}

    def used(part: str, processes: Sequence[Process], background: float, count: int = 1) -> str:
        """What is done beside the background takes longer for it, so that has had its share of this time already."""
        seconds = sum(process.used for process in processes)
        return CpuUsed.pack(part, round(1e6 * (seconds + background * max(0.0, count * now - seconds))))

    found = [row(now, "cpu_used", node=one.number, detail=used("node", one.processes, share["node"])) for one in there]
    found.append(row(now, "cpu_used", detail=used("balancer", balancer, share["balancer"])))
    if swarm:
        found.append(row(now, "cpu_used", detail=used("clients", list(swarm), share["client"], len(swarm))))
    return found
