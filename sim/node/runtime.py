"""What every runtime of a node does in the model: what its work costs, and what bounds it.

What a kind does otherwise is in a module of its own beside this one; `sim.node.kinds` lists them.
"""

from abc import ABC
from collections.abc import Callable
from typing import ClassVar

from sim.machine.process import Cost, Process, Scheduler
from twin.scenario.settings import Nodes


class NodeCosts:
    """What a node does, and what it costs; `start` names the part that its start is.

    The kernel closes the connections of a killed process one after the other, with no reading before. Source: Linux,
    `task_work_run` in kernel/task_work.c.
    """

    def __init__(self, cost: Callable[[str], Cost], start: str) -> None:
        self.accept = cost("node_accept")
        self.handshake = cost("node_handshake")
        self.exit_delay = cost("exit_delay")
        self.exit = cost("node_exit").in_one_step()
        self.goodbye = cost("node_goodbye")
        self.leave = cost("node_leave")
        self.forget = cost("node_forget")
        self.abandoned = cost("node_abandoned")
        self.start = cost(start)


class Runtime(ABC):
    """The runtime of the nodes of a run.

    Args:
        cost: of a part.
        start: name of the part that the start of a node is.
        settings: of the nodes.

    Attributes:
        accepts: connections that a node takes out of its accept queue in one round of its loop.
        own_files: files that a node has open besides its connections.
        close_timeout: seconds for which it waits for the answer to a close frame.
        further_threads: threads besides the one that serves, which the kernel kills with it.
        compiled: whether the compiled engine has this kind.
    """

    accepts: ClassVar[int]
    own_files: ClassVar[int]
    close_timeout: ClassVar[float]
    further_threads: ClassVar[int]
    compiled: ClassVar[bool] = False

    def __init__(self, cost: Callable[[str], Cost], start: str, settings: Nodes) -> None:
        self.costs = self.costs_of(cost, start)
        self.settings = settings

    @property
    def sockets(self) -> int:
        """On how many sockets a node listens."""
        return 1

    def socket_of(self, u: float) -> int:
        """Return which socket gets a connection whose hash, in [0, 1), is `u`."""
        return 0

    def serving(self, processes: list[Process], worker: int) -> int:
        """Return the place of who serves a connection that a worker has accepted, by default the same."""
        return worker

    def reader(self, processes: list[Process], worker: int) -> Process:
        """Return who reads a connection that is served at a place."""
        return processes[worker]

    def leaders(self, processes: list[Process]) -> list[Process]:
        """Return those that start and end as processes of the system do."""
        return processes

    def leader(self, processes: list[Process], worker: int) -> Process:
        """Return the one of them to which a place belongs."""
        return processes[worker]

    def lookers(self, processes: list[Process]) -> list[Process]:
        """Return who sees how late its timers are."""
        return processes

    def processes(self, cores: Scheduler) -> list[Process]:
        """Return what serves a node's connections on some cores: one process, unless a kind says otherwise."""
        return [self.process(cores)]

    def process(self, cores: Scheduler) -> Process:
        """Return one process that serves connections: with one thread, unless a kind says otherwise.

        What a handler does runs beside it in whatever the executor of the runtime makes (`sim.ports.TaskExecutor`),
        which finds the cores, or what stands before them, as `node.process.cores`.
        """
        return Process(cores)

    @classmethod
    def costs_of(cls, cost: Callable[[str], Cost], start: str) -> NodeCosts:
        """Return what a node of this kind does, and what it costs."""
        return NodeCosts(cost, start)
