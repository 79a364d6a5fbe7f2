"""Three NATS servers that keep one stream: what is acknowledged is on two of them, and the death of the leader is
followed by an election.

Everybody is connected to one of the servers, node n and the publisher (0) to number n modulo 3, and goes to the next
one when that is gone. What has nothing to do with the stream passes between the servers that are left; who asks a
stream without a leader is told at once that nobody listens. Each consumer has a leader of its own and is paused without
one. Source: nats-server, server/raft.go, server/jetstream_cluster.go; the rule `twin.rules.raft`.
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
        self.leader: int | None = self._drawn(0)
        self.process = self.servers[self.leader]
        followers = [one for one in self.servers if one is not self.process]
        self.replication = Replication(self.process, followers, cost("bus_replicate"), cost("bus_follow"))
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
        """Deliver what is due to a node, if its consumer has a leader."""
        if self.leaders.get(number) is not None:
            super().deliver(number)

    def acknowledged(self, number: int, epoch: int, version: int) -> None:
        """A node's acknowledgement has come; without a leader of the consumer it is lost."""
        if self.leaders.get(number) is not None:
            super().acknowledged(number, epoch, version)

    # Deaths and elections

    def kill(self, replica: Replica | None = None) -> None:
        """SIGKILL to the leader of the stream, or to the first of its followers."""
        others = [server for server in range(SERVERS) if self.alive[server] and server != self.leader]
        victim = others[0] if replica == "follower" or self.leader is None else self.leader
        self.alive[victim] = False
        self.servers[victim].clear()
        self.hung_until.pop(self.servers[victim], None)
        if victim == self.leader:
            self.leader = None
            self.replication.lose()
            self.process = next(self.servers[server] for server in range(SERVERS) if self.alive[server])
            self._elect(0)
        elif self.servers[victim] in self.replication.followers:
            self.replication.followers.remove(self.servers[victim])
        for number in [number for number, leader in self.leaders.items() if leader == victim]:
            self.leaders[number] = None
            self._elect(number)
        for number in [number for number in self.links if self.home(number) == victim]:
            self._disconnect(number)

    def hang(self, seconds: float, replica: Replica | None = None) -> None:
        """SIGSTOP to the leader of the stream, or to the first of its followers, and SIGCONT before anybody stands for
        election (`twin.scenario.jetstream`).
        """
        others = [server for server in range(SERVERS) if self.alive[server] and server != self.leader]
        of_leader = replica != "follower" and self.leader is not None
        self._hang(self.process if of_leader else self.servers[others[0]], seconds)

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
            followers = [other for other in range(SERVERS) if self.alive[other] and other != server]
            self.replication.followers = [self.servers[other] for other in followers]

    def start(self) -> "simpy.events.ProcessGenerator":
        """Start again what was killed: it follows."""
        yield self.env.timeout(self.start_time)
        for server in range(SERVERS):
            if not self.alive[server]:
                self.alive[server] = True
                if self.leader is not None:
                    self.replication.followers.append(self.servers[server])


def of_replicas(world: "Run", *rest: Any) -> Bus:
    """Return a bus on one NATS server, or on several; the arguments are those of `Bus`."""
    kind = JetStream if world.scenario.bus.jetstream.replicas == 1 else JetStreamCluster
    return kind(world, *rest)
