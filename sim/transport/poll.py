"""A request of a client that polls: on its way through balancer and node it is an attempt that gets no connection.

So the balancer's choice rule, retries, checks and reloads act on it as on a handshake. It differs in that connections
are kept for the next request on both sides of the balancer, and in that a node may take long to answer.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import simpy

from sim.connection import Attempt, Peer
from twin.rules.delivery import RecoveryAnswer

ANSWERED = "200"
CLOSED = "closed"
"""What a client sees whose connection has ended without an answer."""
BAD_GATEWAY = "502"


class Proxy(Protocol):
    """The balancer, as a request sees it."""

    @property
    def keeps_upstream(self) -> bool:
        """Whether it keeps connections to nodes for further requests."""
        ...

    def overdue(self, attempt: Attempt) -> None:
        """A node has not answered a request in time."""
        ...


class Living(Protocol):
    """A node, as a pool of connections sees it."""

    @property
    def life(self) -> int:
        """How many of its processes have ended."""
        ...


class KeptConnections:
    """The balancer's idle connections to nodes, which end with the process of their node.

    What the balancer closes because it has more than it needs is left out. Source: HAProxy 2.8 configuration manual,
    `http-reuse` (safe, the default: the first request of a client's connection goes over a new one, others over
    whichever is idle).
    """

    def __init__(self) -> None:
        self._idle: Counter[tuple[int, int]] = Counter()

    def take(self, node: int, life: int) -> bool:
        """Take an idle connection to a node in its present life, if there is one."""
        if self._idle[node, life] == 0:
            return False
        self._idle[node, life] -= 1
        return True

    def give_back(self, node: int, life: int) -> None:
        """A request over a connection has been answered."""
        self._idle[node, life] += 1


class Poll(Attempt):
    """One request, or one try of it.

    Args:
        env: the simulation.
        client: who asks.
        proxy: whom it asks.
        pool: the idle connections of that.
        nodes: all nodes.
        position: (epoch, version) at which the client stands, None if it does not say.
        waits: whether the node may hold it.
        first: whether it is the first one on the client's connection.
        timeout: seconds for which the client waits.
        answer_timeout: seconds for which the balancer waits for a node.

    Attributes:
        told: what the node has answered.
    """

    __slots__ = ("first", "nodes", "pool", "position", "proxy", "sent", "told", "wait", "waits")

    def __init__(
        self,
        env: simpy.Environment,
        client: Peer,
        proxy: Proxy,
        pool: KeptConnections,
        nodes: Sequence[Living],
        position: tuple[int, int] | None,
        waits: bool,
        first: bool,
        timeout: float,
        answer_timeout: float,
    ) -> None:
        super().__init__(env, client, timeout)
        self.proxy = proxy
        self.pool = pool
        self.nodes = nodes
        self.position = position
        self.waits = waits
        self.first = first
        self.wait = answer_timeout
        self.sent = 0
        self.told = RecoveryAnswer(True, 0, 0)

    def reuses(self, node: int) -> bool:
        """Take an idle connection to a node, unless the client's own has just been opened."""
        return self.proxy.keeps_upstream and not self.first and self.pool.take(node, self.nodes[node - 1].life)

    def forwarded(self) -> None:
        """Begin to wait for the answer."""
        self.sent += 1
        number = self.sent

        def due(_: simpy.Event) -> None:
            if self.sent == number:
                self.proxy.overdue(self)

        self.answer.env.timeout(self.wait).callbacks.append(due)

    def fail(self, reason: str) -> None:
        """Answer with an error. Where the node has ended with the request before it, HAProxy says so only on a
        connection that has had no other request, and else closes it, so that the client asks again. Source: HAProxy
        2.8, `http_wait_for_response` in src/http_ana.c (`abort_keep_alive`).
        """
        if reason == BAD_GATEWAY and self.proxy.keeps_upstream and not self.first:
            reason = CLOSED
        super().fail(reason)
