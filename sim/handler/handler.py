"""The handlers of all nodes: they read requests, let an executor do the work, answer, and see how late loops are."""

from collections.abc import Sequence
from functools import partial

from sim.balancer.balancer import Balancer
from sim.client.client import Client
from sim.connection import Frame, Tunnel
from sim.handler.executors import EXECUTORS, PartCost
from sim.handler.requests import MECHANISM, Request, Requests
from sim.machine.process import Cost, Process
from sim.machine.timers import MILLISECOND
from sim.network.downlink import Downlink
from sim.network.uplink import Uplink
from sim.node.node import Node
from sim.ports import End, NodePart, Run, Work
from twin.record.handler_events import LoopLate
from twin.rules.handler import LOOK_EVERY, looks_missed
from twin.scenario.handler import HandlerSettings

_NOTHING = Cost.constant(0.0)
MICROSECOND = 1e-6


class Handlers:
    """The handlers of a run.

    Args:
        run: the replication.
        settings: what requests ask for.
        uplink: over which they come.
        balancer: through which the answers go.
        nodes: who does the work.
        clients: who asks.
        cost: of a part, nothing if the profile does not know it.
    """

    def __init__(
        self,
        run: Run,
        settings: HandlerSettings,
        uplink: Uplink,
        balancer: Balancer,
        nodes: Sequence[Node],
        clients: Sequence[Client],
        cost: PartCost,
    ) -> None:
        self.downlink = downlink = Downlink(run, uplink.loops, balancer, nodes, clients)
        self.of_node = [NodeHandler(run, node, downlink, cost) for node in nodes]
        self.of_client = [Requests(run, settings.tasks, uplink.say, downlink, client) for client in clients]
        uplink.receivers[MECHANISM] = self.arrived
        downlink.readers[MECHANISM] = self.answered

    def arrived(self, tunnel: Tunnel, frame: Frame, t: float) -> None:
        """A node has read a request."""
        assert isinstance(frame, Request)
        self.of_node[tunnel.server].begin(tunnel, frame)

    def answered(self, tunnel: Tunnel, frame: Frame, t: float) -> None:
        """A client has read an answer."""
        assert isinstance(frame.body, tuple)
        self.of_client[tunnel.client.number].answered(tunnel, *frame.body, t)


class NodeHandler(NodePart):
    """The handler of one node; a new process of the node begins a new `life`."""

    def __init__(self, run: Run, node: Node, downlink: Downlink, cost: PartCost) -> None:
        self.run = run
        self.env = run.env
        self.node = node
        self.downlink = downlink
        self.executor = EXECUTORS[run.scenario.nodes.runtime](run, node, cost)
        self.life = 0
        if node.state == "up":
            self._look()

    def begin(self, tunnel: Tunnel, request: Request) -> None:
        """Do the work of a request; what comes to the socket of a killed process nobody reads."""
        if self.node.standing.phase != "dead":
            self.executor.begin(tunnel, request.demand, partial(self.answer, self.life, tunnel, request))

    def answer(self, life: int, tunnel: Tunnel, request: Request) -> None:
        """The work is done: write the answer."""
        if life == self.life:
            self.downlink.say(tunnel, Frame(request.body, mechanism=MECHANISM))

    def _look(self) -> None:
        for process in self.node.runtime.lookers(self.node.processes):
            self.env.process(self.look(self.life, process))

    def look(self, life: int, process: Process) -> Work[None]:
        """See again and again how late a loop is."""
        begun, last = self.env.now, 0
        while life == self.life:
            wait = max(0.0, begun + (last + 1) * LOOK_EVERY - self.env.now)
            # a loop rounds to whole milliseconds; what is none by that it does at once, again and again
            yield process.sleep(wait) if round(wait / MILLISECOND) else self.env.timeout(wait)
            if life != self.life:
                return
            yield process.work(_NOTHING)
            now = self.env.now
            for place in looks_missed(last, now - begun):
                late = now - begun - place * LOOK_EVERY
                self.run.note("loop_late", node=self.node.number, detail=LoopLate.pack(round(late / MICROSECOND)))
                last = place

    def ended(self, how: End) -> None:
        """The node's process ends; one that was killed answers nothing more."""
        if how == "killed":
            self.gone()

    def gone(self) -> None:
        """The node's process is no more."""
        self.life += 1
        self.executor.clear()
        self.downlink.forget(self.node.number - 1)

    def started(self, healed: bool) -> None:
        """A new process listens."""
        self._look()
