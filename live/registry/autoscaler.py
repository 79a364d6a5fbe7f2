"""A live cluster that changes its size: nodes that join, the registrar, the autoscaler."""

import time
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

import redis

from live.broadcast.base import BusServer
from live.broadcast.broker import run_prefix
from live.broadcast.bus import client_of
from live.broadcast.leftovers import first_life
from live.broadcast.server import server_of
from live.control.address import Address
from live.control.collecting import collect
from live.control.process import ChildProcess
from live.machine.timing import ScheduledAction
from live.node import lives
from live.node.base import FENCED
from live.ports import ClusterPart
from live.registry.messages import LookAt, SignAt, Synced
from live.registry.scripts import SCRIPTS, Slots, alive
from twin.draws import Purpose, stratified, uniform
from twin.errors import ClusterError
from twin.record.events import Scaled
from twin.record.record import Row, row
from twin.rules.controller import Replica, forgets, to_end, to_start
from twin.rules.faults import Standing
from twin.rules.registry import Registration

if TYPE_CHECKING:
    from live.ports import Cluster

LONG_AGO = 86_400.0
"""Seconds before the run in which the first nodes count as started, as if the cluster had run for long."""


class Elastic(ClusterPart):
    """What a cluster with a registry has beside balancer, nodes and clients.

    Args:
        cluster: the cluster; its nodes may not have been started yet.
        bus: where the registry is.
        reach: returns the address at which a node reaches it; the server's own by default.
        standing: what acts on the server; by default nothing does.

    Attributes:
        wanted: nodes that the autoscaler wants.
        replicas: the nodes that it knows, by number.
    """

    def __init__(
        self,
        cluster: "Cluster",
        bus: BusServer,
        reach: Callable[[int], Address] | None = None,
        standing: Standing | None = None,
    ) -> None:
        assert cluster.scenario.registry is not None
        self.cluster = cluster
        self.scenario = cluster.scenario
        self.settings = cluster.scenario.registry
        self.bus = bus
        self.reach = reach or (lambda number: bus.address)
        self.slots = Slots(f"{run_prefix()}registry:", cluster.scenario.slots, self.settings.ttl, first_life(bus))
        self.standing = standing or Standing()
        self.logged: list[tuple[float, str, int, str]] = []
        self.last = "-"
        self.wanted = self.scenario.nodes.count
        self.replicas: dict[int, Replica] = {}
        scaling = self.scenario.autoscaling
        self.controller = scaling.controller(self.settings.heartbeat) if scaling is not None else None
        self.client = client_of(bus.address, socket_timeout=2.0, retry=None)
        self.registrar: ChildProcess | None = None

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know, as a table of its settings."""
        return {"registry": self.for_node(number)}

    def of_clients(self) -> dict[str, Any]:
        """Return that clients say who they are, as a balancer of a gray release wants to know."""
        return {"named": True}

    def node_started(self, number: int, part: ChildProcess) -> None:
        """Expect that a node ends whose slot is somebody else's."""
        part.may_end.add(FENCED)

    def for_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know of the registry."""
        rebalance = self.settings.rebalance
        return {
            "address": vars(self.reach(number)),
            "slots": vars(self.slots),
            "own": f"127.0.0.1:{self.cluster.port_of(number)}",
            "version": self.settings.version(number),
            "heartbeat": self.settings.heartbeat,
            "rebalance": rebalance.model_dump() if rebalance is not None else None,
        }

    def wait_ready(self) -> None:
        """Start the registrar, and wait until all nodes are in rotation."""
        for text in SCRIPTS.values():
            self._ask("script_load", text)
        balancer = self.cluster.balancer
        config: dict[str, Any] = {
            "address": vars(self.bus.address),
            "slots": vars(self.slots),
            "sync": self.settings.sync,
            "expect": self.scenario.nodes.count,
            "balancer": balancer.kind,
            "members": balancer.members(self.settings.following),
        }
        self.registrar = self.cluster.stage.python(
            "registrar", "live.registry.registrar", config, self.cluster.place.cluster
        )
        balancer.trust(self.registrar.pid)
        self.registrar.hear(Synced)

    def warm_up(self, start: float) -> None:
        """Tell nodes and registrar in which phases they stand when the run starts."""
        assert self.registrar is not None
        scenario, replication = self.scenario, self.cluster.replication
        for number, part in enumerate(self.cluster.nodes, 1):
            phase = uniform(scenario.seed, replication, number, Purpose.MEMBER_PHASE)
            part.tell(SignAt(start + phase * self.settings.heartbeat))
            self.replicas[number] = Replica(start - LONG_AGO)
        phase = stratified(scenario.seed, replication, 0, Purpose.SYNC_PHASE)
        self.registrar.tell(LookAt(start + phase * self.settings.sync))

    def steps(self) -> list[ScheduledAction]:
        """Return the autoscaler's decisions as steps of the run, with times in seconds after its start."""
        scaling = self.scenario.autoscaling
        if scaling is None:
            return []
        count = ceil(self.scenario.duration / scaling.sync_period)
        times = [k * scaling.sync_period for k in range(1, count)]  # none at the end, as in the model
        return [ScheduledAction(at, "a decision of the autoscaler", self.decide) for at in times]

    def members(self) -> dict[int, Registration] | None:
        """Return who is alive, with times on the monotonic clock; None if a fault has ended the server.

        Raises:
            ClusterError: the registry does not answer, and nothing in the lab had ordered it.
        """
        found = self._ask("execute_command", *self.slots.members())
        return None if found is None else alive(found, time.monotonic())

    def _ask(self, command: str, *arguments: Any) -> Any:
        """Return what the server answers, None if it does not because a fault has ended it."""
        if self.standing.phase == "dead":
            return None
        try:
            try:
                return getattr(self.client, command)(*arguments)
            except redis.exceptions.NoScriptError:  # it has just been started anew
                for text in SCRIPTS.values():
                    self.client.script_load(text)
                return getattr(self.client, command)(*arguments)
        except redis.RedisError as error:
            if self.standing.phase != "up":
                return None
            raise ClusterError(f"the registry at {self.bus.url} does not answer: {error}.") from None

    def decide(self) -> None:
        """Let the autoscaler decide once, and do it."""
        assert self.controller is not None
        now = time.monotonic()
        decision = self.controller.decide(self.wanted, self.replicas, self.members(), now)
        if decision.replicas != self.wanted:
            self.cluster.note(now, "scaled", detail=Scaled.pack(self.wanted, decision.replicas, decision.reason))
            self.wanted = decision.replicas
        self.reconcile()

    def reconcile(self) -> None:
        """Start the nodes that lack, and let those drain that are too many."""
        for number in to_start(self.wanted, self.replicas):
            self.replicas[number] = Replica(time.monotonic())
            lives.join(self.cluster, number)
        for number in to_end(self.wanted, self.replicas):
            self._end(number)

    def _end(self, number: int) -> None:
        scaling, standing = self.scenario.autoscaling, self.cluster.standings[number - 1]
        assert scaling is not None
        self.replicas[number].deleting = True
        told = standing.order
        standing.leave()
        if standing.absent:  # its process is gone, or about to be
            if number not in self.cluster.killed:
                del self.replicas[number]
        elif not told:
            lives.drain(self.cluster, number, scaling.lead, scaling.pace)

    def node_gone(self, number: int) -> None:
        """Replace a node that ended for good, if it is wanted."""
        replica, standing = self.replicas.get(number), self.cluster.standings[number - 1]
        if standing.phase != "dead" or self.controller is None:  # another fault has started a new process already
            return
        if replica is not None and forgets(replica, standing.returns):
            del self.replicas[number]
            self.reconcile()

    @property
    def leaving(self) -> list[ChildProcess]:
        """The nodes that are about to end."""
        return [self.cluster.node(number) for number, replica in self.replicas.items() if replica.deleting]

    def may_be_gone(self, part: ChildProcess) -> bool:
        """Tell whether a node was told to end, or has lost its slot."""
        return part in self.leaving or part.status == FENCED

    def read_log(self) -> None:
        """Keep what the registry has logged since this was done last; times are those of the monotonic clock."""
        clock = self._ask("time")
        entries = self._ask("xrange", self.slots.log, self.last) if clock is not None else None
        if entries is None:
            return
        offset = time.monotonic() - (clock[0] + clock[1] / 1e6)
        for number, fields in entries:
            kind, slot, generation = (fields[name].decode() for name in (b"kind", b"slot", b"generation"))
            self.logged.append((int(fields[b"at"]) / 1e6 + offset, kind, int(slot), generation))
            self.last = f"({number.decode()}"

    def finish(self, start: float) -> list[Row]:
        """Return what registrar and registry have noted since the start; times become seconds since then."""
        assert self.registrar is not None
        self.read_log()
        rows = collect(self.cluster.stage, self.registrar, start)
        rows += [row(t - start, kind, node=slot, detail=generation) for t, kind, slot, generation in self.logged]
        return [one for one in rows if one[0] >= 0.0]

    def close(self) -> None:
        """Leave nothing behind in the user's own server."""
        self.bus.forget_all(self.slots.prefix)
        self.client.close()


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster with a registry."""
    if cluster.scenario.registry is not None:
        server = server_of(cluster, "registry")
        one = Elastic(cluster, server.bus, server.reach, server.standing)
        server.before_loss.append(one.read_log)
        server.keeper.keys += [one.slots.generations, one.slots.log]
        cluster.add(one)
