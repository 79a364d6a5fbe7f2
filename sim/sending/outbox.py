"""What clients send to their nodes, and keep while they are away.

A message goes from the client's process through the balancer to the node. What is ready on one connection is read and
relayed together (`sim.machine.lane`), so a flush of kept messages costs the balancer little more than one message, but
client and node each of them.
"""

from collections.abc import Callable, Sequence
from functools import partial

from sim.balancer.balancer import Balancer
from sim.client.client import Client
from sim.connection import Attempt, Bundle, Frame, Tunnel
from sim.machine.lane import Lane, Relay
from sim.machine.own_loop import Loops
from sim.node.node import Node
from sim.ports import ClientPart, Run, Work
from twin.draws import Purpose
from twin.rules.offline import OfflineQueue, due_at


class Uplink:
    """The ways from all clients to all nodes."""

    def __init__(
        self,
        run: Run,
        balancer: Balancer,
        nodes: Sequence[Node],
        clients: Sequence[Client],
    ) -> None:
        cost = run.cost
        self.rows = run.rows
        self.idle = balancer.idle
        self.upstreams = nodes
        relay, more = cost("balancer_word"), cost("balancer_word_more")
        send, read = cost("client_send"), cost("node_read")
        self.balancer = Relay(balancer.worker, relay, more, self.relayed)
        self.swarms = Loops(run.env, clients).lanes(send, send, self.sent)
        self.nodes = [Lane(node.process, read, read, self.arrived) for node in nodes]
        self.lives = [node.life for node in nodes]
        self.outboxes = [Outbox(run, self.say, client) for client in clients]

    def say(self, tunnel: Tunnel, frame: Frame) -> None:
        """Let a client's process write a frame."""
        self.swarms.pass_on([(tunnel, [frame])])

    def sent(self, taken: list[Bundle], began: float, ended: float) -> None:
        """Client processes have written frames."""
        self.balancer.pass_on([(tunnel, frames) for tunnel, frames in taken if not tunnel.client_left])

    def relayed(self, taken: list[Bundle], began: float, ended: float) -> None:
        """The balancer has passed frames on; a node that is gone gets nothing."""
        for tunnel, frames in taken:
            self.idle.touch(tunnel)
            self.upstreams[tunnel.server].pass_on(partial(self.deliver, tunnel, frames))

    def deliver(self, tunnel: Tunnel, frames: list[Frame]) -> None:
        """Frames have come to a node's socket, if it is still open."""
        node, lane = self.upstreams[tunnel.server], self.nodes[tunnel.server]
        if tunnel.upstream_gone or tunnel not in node.tunnels:
            return
        if self.lives[tunnel.server] != node.life:  # a new process has forgotten what waited for the old one
            self.lives[tunnel.server] = node.life
            lane.clear()
        lane.pass_on([(tunnel, frames)])

    def arrived(self, taken: list[Bundle], began: float, ended: float) -> None:
        """A node has read frames, one connection after the other."""
        each = (ended - began) / sum(len(frames) for _, frames in taken)
        t = began
        for tunnel, frames in taken:
            for frame in frames:
                t += each
                assert isinstance(frame.body, tuple)
                client, number = frame.body
                self.rows.append((t, "arrived", client, tunnel.server + 1, -1, number, ""))


class Outbox(ClientPart):
    """One client's messages, across all its connections."""

    def __init__(self, run: Run, say: Callable[[Tunnel, Frame], None], client: Client) -> None:
        clients = run.scenario.clients
        self.run = run
        self.say = say
        self.client = client
        self.rate = clients.sends.rate
        self.size = clients.sends.payload_bytes
        self.queue = OfflineQueue(clients.offline.messages, clients.offline.bytes, clients.offline.overflow)
        run.env.process(self.send_all())

    def send_all(self) -> Work[None]:
        """Send or keep each message when it is due."""
        run, number, n = self.run, self.client.number, 0
        phase = run.draw(number, Purpose.SEND_PHASE, 0)
        while True:
            yield self.client.process.sleep(max(0.0, due_at(n, self.rate, phase) - run.env.now))
            if self.client.tunnel is not None and self.client.tunnel.opened:
                self._send(self.client.tunnel, n, "")
            else:
                self._keep(n)
            n += 1

    def connected(self, tunnel: Tunnel, attempt: Attempt) -> None:
        """Send what is kept over a new connection, in order."""
        for n, _ in self.queue.flush():
            self._send(tunnel, n, "flushed")

    def _send(self, tunnel: Tunnel, n: int, detail: str) -> None:
        number = self.client.number
        self.run.note("sent", number, tunnel.server + 1, version=n, detail=detail)
        self.say(tunnel, Frame((number, n)))

    def _keep(self, n: int) -> None:
        dropped = self.queue.offer(n, self.size)
        if n not in dropped:
            self.run.note("kept", self.client.number, version=n, detail=str(self.queue.held))
        for one in dropped:
            self.run.note("discarded", self.client.number, version=one, detail=str(self.queue.held))
