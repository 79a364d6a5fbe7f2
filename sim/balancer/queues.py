"""HAProxy's limit of connections a server, and the queues in which requests wait for one."""

from collections import defaultdict
from collections.abc import Sequence

import simpy

from sim.balancer.balancer import Balancer
from sim.connection import Attempt, Tunnel
from sim.ports import BalancerPart, Run, Work
from twin.record.events import BalancerQueue
from twin.record.record import Row, row
from twin.rules.balancing import RULES
from twin.rules.maxconn import ANY, Places
from twin.scenario.balancer.haproxy import HAProxy

ANEW = -2
"""Told to who waited for a server that was marked down: it chooses anew."""


class ServerQueues(BalancerPart):
    """The places of the servers, and who waits for one.

    A client that leaves while its request waits keeps its place in the queue, and the request goes to a node
    nevertheless. Source: HAProxy 2.8 configuration manual, `option abortonclose` (off by default).

    Args:
        run: the replication.
        balancer: whose servers they are.
        settings: its settings, with a `server_maxconn`.

    Attributes:
        of: the places as each process of the balancer counts them, by its generation.
    """

    def __init__(self, run: Run, balancer: Balancer, settings: HAProxy) -> None:
        self.env = run.env
        self.balancer = balancer
        self.timeout = settings.queues_for
        self.when_full = RULES[settings.kind, settings.algorithm].when_full
        slots, limit = run.scenario.slots, settings.server_maxconn
        self.of: defaultdict[int, Places[simpy.Event]] = defaultdict(lambda: Places(slots, limit))

    def finish(self) -> list[Row]:
        """Note how many waited at most."""
        longest = max((places.longest for places in self.of.values()), default=0)
        return [row(self.env.now, "balancer_queue", detail=BalancerQueue.pack(longest))]

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """A connection of before the run has a place."""
        self.of[tunnel.generation].take(tunnel.server)

    def usable(self, servers: Sequence[bool]) -> Sequence[bool]:
        """Return those that have a place, where the choice rule gives a request to another server."""
        if self.when_full != "other":
            return servers
        places = self.of[self.balancer.generation]
        return [up and places.free(server) for server, up in enumerate(servers)]

    def place(self, attempt: Attempt, server: int) -> Work[int | str]:
        """Wait for a place of the server that was chosen, or of any."""
        places = self.of[attempt.generation]
        while True:
            if server >= 0 and places.free(server):
                places.take(server)
                return server
            if server < 0 and not any(self.balancer.up):
                return -1
            given: int = yield from self._wait(places, server if self.when_full == "server" else ANY)
            if given != ANEW:
                return given
            server = self.balancer.choose(attempt.client, attempt.tried)

    def _wait(self, places: Places[simpy.Event], server: int) -> Work[int]:
        """Wait in a queue; return the server that has a place now, `ANEW`, or -1 when the time is over."""
        turn = self.env.event()
        places.wait(turn, server)
        yield turn | self.env.timeout(self.timeout)
        if turn.triggered:
            assert isinstance(turn.value, int)
            return turn.value
        places.leave(turn)
        return -1

    def released(self, taken: Attempt | Tunnel) -> None:
        """A place is free: who is next gets it."""
        places = self.of[taken.generation]
        places.release(taken.server)
        self._give(places, taken.server)

    def _give(self, places: Places[simpy.Event], server: int) -> bool:
        turn = places.following(server, self.balancer.up[server])
        if turn is not None:
            turn.succeed(server)
        return turn is not None

    def marked(self, server: int, up: bool) -> None:
        """Give the places of a server that has come up; who waited for one that is down chooses anew."""
        places = self.of[self.balancer.generation]
        if not up:
            for turn in places.dissolve(server):
                turn.succeed(ANEW)
        while up and self._give(places, server):
            pass
