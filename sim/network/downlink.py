"""The ways from all nodes to all clients, for frames that go to one client each.

A frame goes from the node's process through the balancer to the client. What is ready on one connection is written,
relayed and read together (`sim.machine.lane`). What comes to a client that does not read waits until it does.
"""

from collections.abc import Callable, Sequence
from functools import partial

from sim.balancer.balancer import Balancer
from sim.client.client import Client
from sim.connection import Bundle, Frame, Tunnel
from sim.machine.lane import Relay
from sim.machine.own_loop import Loops
from sim.node.node import Node
from sim.ports import Run

Reader = Callable[[Tunnel, Frame, float], None]
"""Takes a frame of a mechanism at its client, which has read it by a time in seconds."""


class Downlink:
    """What nodes say to their clients, one by one.

    Args:
        run: the replication.
        loops: which loop has the frames of a client.
        balancer: through which the frames go.
        nodes: who sends them.
        clients: who reads them.

    Attributes:
        readers: who takes the frames of a mechanism, by its name.
    """

    def __init__(
        self, run: Run, loops: Loops, balancer: Balancer, nodes: Sequence[Node], clients: Sequence[Client]
    ) -> None:
        cost = run.cost
        self.frontend = balancer
        self.nodes = nodes
        self.clients = clients
        self.readers: dict[str, Reader] = {}
        self.held: dict[Tunnel, list[Frame]] = {}
        write, more = cost("node_word"), cost("node_word_more")
        self.lanes = [Relay(node.loop_of, write, more, self.written) for node in nodes]
        self.balancer = Relay(balancer.worker, cost("balancer_word"), cost("balancer_word_more"), self.relayed)
        self.swarms = loops.lanes(cost("client_word"), cost("client_word_more"), self.read)

    def say(self, tunnel: Tunnel, frame: Frame) -> None:
        """Let a connection's node write a frame, unless the connection is over."""
        if tunnel in self.nodes[tunnel.server].tunnels and not tunnel.closing:
            self.lanes[tunnel.server].pass_on([(tunnel, [frame])])

    def forget(self, server: int) -> None:
        """The process of a node is gone, and what it had not written."""
        self.lanes[server].clear()

    def written(self, taken: list[Bundle], began: float, ended: float) -> None:
        """A node has written frames: over a dead link they pass when it is back."""
        self.nodes[taken[0][0].server].pass_on(partial(self.pass_on, taken))

    def pass_on(self, taken: list[Bundle]) -> None:
        """Frames have come to the balancer, as far as its process and the connections live."""
        self.balancer.pass_on([one for one in taken if not self.frontend.lost(one[0])])

    def relayed(self, taken: list[Bundle], began: float, ended: float) -> None:
        """The balancer has passed frames on: let the clients have them that read."""
        ready: list[Bundle] = []
        for tunnel, frames in taken:
            if tunnel.client_left:
                continue
            self.frontend.idle.touch(tunnel)
            if self.clients[tunnel.client.number].stall.on or tunnel in self.held:
                self.held.setdefault(tunnel, []).extend(frames)
            else:
                ready.append((tunnel, frames))
        self.swarms.pass_on(ready)

    def release(self, tunnel: Tunnel) -> None:
        """Let a client read what has gathered on its connection."""
        if tunnel in self.held:
            self.swarms.pass_on([(tunnel, self.held.pop(tunnel))])

    def over(self, tunnel: Tunnel) -> None:
        """A connection is over: nobody reads what has gathered on it."""
        self.held.pop(tunnel, None)

    def read(self, taken: list[Bundle], began: float, ended: float) -> None:
        """Client processes have read frames, one connection after the other."""
        each = (ended - began) / sum(len(frames) for _, frames in taken)
        t = began
        for tunnel, frames in taken:
            current = self.clients[tunnel.client.number].tunnel is tunnel
            for frame in frames:
                t += each
                if current:
                    self.readers[frame.mechanism](tunnel, frame, t)
