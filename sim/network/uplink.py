"""The ways from all clients to all nodes: one WebSocket carries the frames of every mechanism.

A frame goes from the client's process through the balancer to the node. What is ready on one connection is read and
relayed together (`sim.machine.lane`), whichever mechanism it belongs to: a question beside a flush of kept messages
costs the balancer little more than the question alone, but client and node each frame.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

from sim.balancer.balancer import Balancer
from sim.client.client import Client
from sim.connection import Bundle, Frame, Tunnel
from sim.machine.lane import Relay
from sim.machine.own_loop import Loops
from sim.network.nagle import Nagle
from sim.node.node import Node
from sim.ports import Run

Receiver = Callable[[Tunnel, Frame, float], None]
"""Takes a frame of a mechanism at its node, which has read it by a time in seconds."""


class Uplink:
    """What clients say to their nodes.

    Args:
        run: the replication.
        balancer: through which the frames go.
        nodes: who reads them.
        clients: who sends them.

    Attributes:
        loops: which loop has the frames of a client.
        receivers: who takes the frames of a mechanism, by its name.
        listeners: who is told that something has come over a connection to its node.
        passed: called with each connection over which the balancer passes something on to its node.
        write: lets the balancer have what clients have written.
    """

    def __init__(self, run: Run, balancer: Balancer, nodes: Sequence[Node], clients: Sequence[Client]) -> None:
        cost = run.cost
        self.frontend = balancer
        self.nodes = nodes
        self.receivers: dict[str, Receiver] = {}
        self.listeners: list[Callable[[Tunnel], None]] = []
        relay, more = cost("balancer_word"), cost("balancer_word_more")
        send, read = cost("client_send"), cost("node_read")
        self.balancer = Relay(balancer.worker, relay, more, self.relayed)
        self.loops = Loops(run.env, clients)
        self.swarms = self.loops.lanes(send, send, self.sent, attrgetter("writing"))
        self.lanes = [Relay(node.reader_of, read, read, self.arrived, attrgetter("reading")) for node in nodes]
        self.lives = [node.life for node in nodes]
        self.passed: list[Callable[[Tunnel], None]] = []
        self.nagle = None if run.scenario.clients.nodelay else Nagle(run.env, self.balancer.pass_on)
        self.write = self.balancer.pass_on if self.nagle is None else self.nagle.send

    def say(self, tunnel: Tunnel, frame: Frame) -> None:
        """Let the process of a connection's client write a frame."""
        self.swarms.pass_on([(tunnel, [frame])])

    def sent(self, taken: list[Bundle], began: float, ended: float) -> None:
        """Client processes have written frames: they reach the balancer where its process and the connection live."""
        frontend = self.frontend
        self.write(
            [(tunnel, frames) for tunnel, frames in taken if not tunnel.client_left and not frontend.lost(tunnel)]
        )

    def relayed(self, taken: list[Bundle], began: float, ended: float) -> None:
        """The balancer has passed frames on; over a dead link they come when it is back."""
        for tunnel, frames in taken:
            self.frontend.idle.touch(tunnel)
            for passed in self.passed:
                passed(tunnel)
            self.nodes[tunnel.server].pass_on(partial(self.deliver, tunnel, frames))

    def deliver(self, tunnel: Tunnel, frames: list[Frame]) -> None:
        """Frames have come to a node's socket, if it is still open."""
        node, lane = self.nodes[tunnel.server], self.lanes[tunnel.server]
        if tunnel.upstream_gone or tunnel not in node.tunnels:
            return
        if self.lives[tunnel.server] != node.life:  # a new process has forgotten what waited for the old one
            self.lives[tunnel.server] = node.life
            lane.clear()
        lane.pass_on([(tunnel, frames)])
        for listener in self.listeners:
            listener(tunnel)

    def arrived(self, taken: list[Bundle], began: float, ended: float) -> None:
        """A node has read frames, one connection after the other."""
        each = (ended - began) / sum(len(frames) for _, frames in taken)
        t = began
        for tunnel, frames in taken:
            for frame in frames:
                t += each
                self.receivers[frame.mechanism](tunnel, frame, t)
