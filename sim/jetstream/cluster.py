"""Three NATS servers that keep one stream: what is acknowledged is on two of them, and the death of the leader is
followed by an election.

Everybody is connected to one of the servers, node n and the publisher (0) to number n modulo 3, and goes to the next
one when that is gone. What has nothing to do with the stream passes between the servers that are left; who asks a
stream without a leader is told at once that nobody listens. Each consumer has a leader of its own and is paused without
one.

A server that is cut off from the others keeps its connections: what its processes ask, and what is for them, waits
until it reaches the others again. Source: nats-server, server/raft.go, server/jetstream_cluster.go; the rule
`twin.rules.raft`.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import simpy

from sim.broadcast.bus import Bus, answered
from sim.broadcast.link import Act, Link, Subscription
from sim.jetstream.replication import Replication
from sim.jetstream.server import JetStream
from sim.machine.process import Cost, Process
from twin.draws import Purpose
from twin.rules.raft import elected
from twin.scenario.faults import Replica

if TYPE_CHECKING:
    from sim.ports import Run

SERVERS = 3


class JetStreamCluster(JetStream):
    """The servers; the arguments are those of `Bus`.

    Attributes:
        servers: their processes.
        alive: whether each is there.
        leader: number of the one that leads the stream; None while nobody does.
        leaders: the same of each consumer, by the number of its node.
        alone: the one that does not reach the others; None if all do.
        homes: to which server each process is connected, by the number of the node, 0 for the publisher.
    """

    def __init__(
        self,
        world: "Run",
        process: Process,
        cost: Callable[[str], Cost],
        start: float,
        room: float,
        disk: tuple[float, float] | None = None,
        asking: int = 0,
    ) -> None:
        super().__init__(world, process, cost, start, room, disk, asking)
        self.servers = [process, *(Process(process.cores) for _ in range(SERVERS - 1))]
        self.alive = [True] * SERVERS
        self.leaders: dict[int, int | None] = {}
        self.homes: dict[int, int] = {}
        self.elections = 0
        self.alone: int | None = None
        self.apart: list[Link] = []
        self.unheard: list[tuple[int, int, int]] = []
        self.leader: int | None = self._drawn(0)
        self.process = self.servers[self.leader]
        self.replication = Replication(self.process, self._followers(), cost("bus_replicate"), cost("bus_follow"))
        self.disk = self.replication

    def _drawn(self, number: int) -> int:
        """Return which server leads the stream (0), or a node's consumer, when it is new."""
        there = [server for server in range(SERVERS) if self.alive[server]]
        return there[int(self.world.draw(number, Purpose.RAFT_LEADER, 0) * len(there))]

    def home(self, number: int) -> int:
        """Return the server to which a process is connected."""
        return self.homes.setdefault(number, number % SERVERS)

    # What needs a leader

    def _arrive(self, link: Link, cost: Cost, reply: simpy.Event, execute: Act) -> None:
        """Take a command in; one for a stream without a leader is answered at once: nobody listens."""
        if self.leader is None and cost in (self.costs.stamp, self.costs.read):
            link.carry(lambda: answered(reply, (False, [])), False)
        else:
            super()._arrive(link, cost, reply, execute)

    def subscribe(self, link: Link, take: Callable[[Any], None], lost: Callable[[str], None]) -> Subscription:
        """Subscribe the process at the end of a link."""
        if link.number and link.number not in self.leaders:
            self.leaders[link.number] = self._drawn(link.number)
        return super().subscribe(link, take, lost)

    def deliver(self, number: int) -> None:
        """Deliver what is due to a node, if its consumer has a leader, and that has what the stream has."""
        leader = self.leaders.get(number)
        if leader is not None and (self.alone is None or self.alone not in (leader, self.leader)):
            super().deliver(number)

    def acknowledged(self, number: int, epoch: int, version: int) -> None:
        """A node's acknowledgement has come; without a leader of the consumer it is lost, and to one that is cut off it
        comes later.
        """
        leader = self.leaders.get(number)
        if leader is not None and leader == self.alone and self.home(number) != leader:
            self.unheard.append((number, epoch, version))
        elif leader is not None:
            super().acknowledged(number, epoch, version)

    # Deaths and elections

    def kill(self, replica: Replica | None = None) -> None:
        """SIGKILL to the leader of the stream, or to the first of its followers."""
        victim = self._named(replica)
        self.alive[victim] = False
        self.servers[victim].clear()
        self.hung_until.pop(self.servers[victim], None)
        if victim == self.leader:
            self.leader = None
            self.replication.lose()
            self.process = next(self.servers[server] for server in range(SERVERS) if self.alive[server])
            self._elect(0)
        else:
            self.replication.followers = self._followers()
        for number in [number for number, leader in self.leaders.items() if leader == victim]:
            self.leaders[number] = None
            self._elect(number)
        for number in [number for number in self.links if self.home(number) == victim]:
            self._disconnect(number)

    def hang(self, seconds: float, replica: Replica | None = None) -> None:
        """SIGSTOP to the leader of the stream, or to the first of its followers, and SIGCONT before anybody stands for
        election (`twin.scenario.jetstream`).
        """
        self._hang(self.servers[self._named(replica)], seconds)

    def cut_off(self, replica: Replica | None = None) -> None:
        """Nothing passes between the leader of the stream, or the first of its followers, and the others, until
        `let_in`: before anybody stands for election (`twin.scenario.jetstream`).
        """
        self.alone = self._named(replica)
        self.apart = [link for number, links in self.links.items() if self.home(number) == self.alone for link in links]
        for link in self.apart:
            link.cuts += 1
        self.replication.followers = self._followers()

    def let_in(self) -> None:
        """All servers reach each other again, and what waits for that goes on."""
        self.alone = None
        self.replication.reach(self._followers())
        unheard, self.unheard = self.unheard, []
        for one in unheard:
            self.acknowledged(*one)
        for link in self.apart:
            link.restore()
        for number in self.leaders:
            self.deliver(number)

    def _named(self, replica: Replica | None) -> int:
        """Return the leader of the stream, or the first of its followers."""
        others = [server for server in range(SERVERS) if self.alive[server] and server != self.leader]
        return others[0] if replica == "follower" or self.leader is None else self.leader

    def _followers(self) -> list[Process]:
        """Return the servers that the leader of the stream reaches."""
        there = [server for server in range(SERVERS) if self.alive[server] and server not in (self.leader, self.alone)]
        return [] if self.leader is None or self.leader == self.alone else [self.servers[one] for one in there]

    def _disconnect(self, number: int) -> None:
        """The server to which a process is connected is gone: it goes to the next."""
        while not self.alive[self.home(number)]:
            self.homes[number] = (self.homes[number] + 1) % SERVERS
        for reply, link in list(self.asking.items()):
            if link.number == number:
                del self.asking[reply]
                link.carry(partial(answered, reply, (False, [])), False)
        self.leave(number, "closed")

    def _elect(self, number: int) -> None:
        """Have the stream (0) or a node's consumer elect a leader among those that are there."""
        self.elections += 1
        there = [server for server in range(SERVERS) if self.alive[server]]
        drawn = {server: self.world.draw(server, Purpose.ELECTION, self.elections) for server in there}
        server, when = elected(drawn, self.env.now, self.env.now)
        self.env.timeout(when - self.env.now).callbacks.append(partial(self._elected, number, server))

    def _elected(self, number: int, server: int, _: simpy.Event) -> None:
        if not self.alive[server]:
            self._elect(number)
        elif number:
            self.leaders[number] = server
            self.deliver(number)
        else:
            self.leader = server
            self.process = self.replication.leader = self.servers[server]
            self.replication.followers = self._followers()

    def start(self) -> "simpy.events.ProcessGenerator":
        """Start again what was killed: it follows."""
        yield self.env.timeout(self.start_time)
        for server in range(SERVERS):
            self.alive[server] = True
        self.replication.followers = self._followers()


def of_replicas(world: "Run", *rest: Any) -> Bus:
    """Return a bus on one NATS server, or on several; the arguments are those of `Bus`."""
    kind = JetStream if world.scenario.bus.jetstream.replicas == 1 else JetStreamCluster
    return kind(world, *rest)
