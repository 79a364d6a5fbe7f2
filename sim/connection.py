"""What lies between a client and a node: an attempt to connect, and the tunnel that it becomes."""

from typing import TYPE_CHECKING

import simpy

if TYPE_CHECKING:
    from sim.client.client import Client
    from sim.machine.lane import Frame
    from sim.ports import Run
    from sim.sessions.sessions import Grant, Ticket
    from twin.rules.slow_consumer import Outlet


class Tunnel:
    """An established connection from a client through the balancer to a node.

    Attributes:
        in_flight: bytes of messages that were sent and that the client has not read.
        order: how many tunnels the balancer had made before it.
        standing: epoch and version that the client has told the node it stands at.
        held: frames that wait for a client that does not read.
        closing: code of the close frame that the node has sent; empty before that.
        ended: the client's half has ended, and the balancer has passed that on.
        half_closed: life of the node in which it ended its half and began to wait for the client's; -1 before that.
        outlet: the node's bound for a client that does not keep up.
        pinged_at: when the node sent the ping from which it counts the others, if that was not one interval after the
            handshake, see `sim.node.pings`; 0 else.
        told: the node has sent its close frame.
        opened_at, touched: when it was opened and when anything but a ping last passed, kept for `sim.balancer.idle`.
    """

    __slots__ = (
        *("client", "client_left", "closing", "ended", "generation", "half_closed", "held", "in_flight", "lost"),
        *("opened", "opened_at", "order", "outlet", "pinged_at", "server", "standing", "told", "touched"),
        "upstream_gone",
    )

    def __init__(self, env: simpy.Environment, client: "Client", server: int, generation: int, order: int) -> None:
        self.client = client
        self.order = order
        self.server = server
        self.generation = generation
        self.lost = env.event()
        self.opened = False
        self.opened_at = self.touched = 0.0
        self.client_left = False
        self.ended = False
        self.half_closed = -1
        self.closing = ""
        self.told = False
        self.pinged_at = 0.0
        self.upstream_gone = False
        self.in_flight = 0
        self.standing = (0, 0)
        self.held: list[Frame] = []
        self.outlet: Outlet | None = None


class Attempt:
    """One try of a client to connect; `answer` becomes a Tunnel or the reason of the failure.

    Attributes:
        ticket: the session that the client shows, if there are sessions and it has one.
        grant: what the node has answered about it.
        reason: why the node refused it.
    """

    __slots__ = ("answer", "client", "generation", "grant", "reason", "server", "ticket", "tried")

    def __init__(self, world: "Run", client: "Client") -> None:
        self.client = client
        self.server = -1
        self.generation = -1
        self.tried: list[int] = []
        self.ticket: Ticket | None = None
        self.grant: Grant | None = None
        self.reason = ""
        self.answer = world.env.event()
        timeout = world.scenario.clients.open_timeout
        if world.env.now + timeout < world.scenario.duration:  # else the run ends before
            world.env.timeout(timeout).callbacks.append(self._expire)

    def _expire(self, _: simpy.Event) -> None:
        self.fail("timeout")

    def fail(self, reason: str) -> None:
        """Answer with a failure, unless there is an answer already."""
        if not self.answer.triggered:
            self.answer.succeed(reason)
