"""HAProxy's limit of the connections of a frontend."""

from collections import defaultdict

import simpy

from sim.balancer.balancer import Balancer
from sim.connection import Attempt, Tunnel
from sim.ports import BalancerPart, Run, Work


class FrontendLimit(BalancerPart):
    """The limit of connections of the frontend: further ones wait in the kernel's accept queue.

    Who has left meanwhile is accepted and found gone, which is taken to cost nothing. Source: HAProxy 2.8 configuration
    manual, `maxconn` of a proxy; src/listener.c (`listener_accept`, `dequeue_proxy_listeners`).

    Args:
        run: the replication.
        balancer: whose frontend it is.
        maxconn: connections that it has at once.
    """

    def __init__(self, run: Run, balancer: Balancer, maxconn: int) -> None:
        self.env = run.env
        self.balancer = balancer
        self.maxconn = maxconn
        self._inside: defaultdict[int, set[Attempt | Tunnel]] = defaultdict(set)
        self._waiting: dict[Attempt, simpy.Event] = {}

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """A connection of before the run is one of them."""
        self._inside[tunnel.generation].add(tunnel)

    def renewed(self) -> None:
        """The kernel's queue is the new process's, which has no connections yet."""
        self._accept()

    def accept(self, attempt: Attempt) -> Work[str | None]:
        """Wait until there is room."""
        turn = self._waiting[attempt] = self.env.event()
        self._accept()
        if not turn.triggered:
            yield turn
        return None

    def _accept(self) -> None:
        """Accept those who have waited longest, as long as there is room."""
        inside = self._inside[self.balancer.generation]
        while self._waiting and len(inside) < self.maxconn:
            attempt = next(iter(self._waiting))
            if not attempt.answer.triggered:
                inside.add(attempt)
            self._waiting.pop(attempt).succeed()

    def opened(self, attempt: Attempt, tunnel: Tunnel) -> None:
        """The connection goes on as a tunnel."""
        inside = self._inside[attempt.generation]
        inside.discard(attempt)
        inside.add(tunnel)

    def released(self, taken: Attempt | Tunnel) -> None:
        """A tunnel is over."""
        if isinstance(taken, Tunnel):
            self._left(taken)

    def over(self, attempt: Attempt) -> None:
        """A request is over, and its connection is closed."""
        self._left(attempt)

    def _left(self, taken: Attempt | Tunnel) -> None:
        for inside in self._inside.values():
            inside.discard(taken)
        self._accept()
