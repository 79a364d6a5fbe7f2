"""A live cluster that changes its size: nodes that join, the registrar, the autoscaler."""

import contextlib
import threading
import time
from math import ceil
from typing import TYPE_CHECKING, Any

import redis

from live.broadcast.broadcast import collect
from live.broadcast.broker import run_prefix
from live.broadcast.bus import Bus, client_of
from live.broadcast.leftovers import first_life
from live.control.process import READY_WITHIN, ChildProcess
from live.machine.timing import ScheduledAction
from live.registry.scripts import SCRIPTS, Slots, alive
from twin.draws import Purpose, stratified, uniform
from twin.errors import ClusterError
from twin.record.record import Row, row
from twin.rules.controller import Replica, to_end, to_start
from twin.rules.registry import Registration

if TYPE_CHECKING:
    from live.ports import Cluster

LONG_AGO = 86_400.0
"""Seconds before the run in which the first nodes count as started, as if the cluster had run for long."""


class Elastic:
    """What a cluster with a registry has beside balancer, nodes and clients.

    Args:
        cluster: the cluster; its nodes may not have been started yet.
        bus: where the registry is.

    Attributes:
        extra: nodes above `nodes.count`, by number.
        wanted: nodes that the autoscaler wants.
        replicas: the nodes that it knows, by number.
    """

    def __init__(self, cluster: "Cluster", bus: Bus) -> None:
        assert cluster.scenario.registry is not None
        self.cluster = cluster
        self.scenario = cluster.scenario
        self.settings = cluster.scenario.registry
        self.bus = bus
        self.slots = Slots(f"{run_prefix()}registry:", cluster.scenario.slots, self.settings.ttl, first_life(bus))
        self.extra: dict[int, ChildProcess] = {}
        self.starting: list[threading.Thread] = []
        self.wanted = self.scenario.nodes.count
        self.replicas: dict[int, Replica] = {}
        scaling = self.scenario.autoscaling
        self.controller = scaling.controller(self.settings.heartbeat) if scaling is not None else None
        self.client = client_of(bus.address, socket_timeout=2.0)
        self.registrar: ChildProcess | None = None

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know of the registry."""
        rebalance = self.settings.rebalance
        return {
            "address": vars(self.bus.address),
            "slots": vars(self.slots),
            "own": f"127.0.0.1:{self.cluster.node_ports[number - 1]}",
            "version": self.settings.version(number),
            "heartbeat": self.settings.heartbeat,
            "rebalance": rebalance.model_dump() if rebalance is not None else None,
        }

    def start(self) -> None:
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
        self.registrar.hear()

    def begin(self, start: float) -> None:
        """Tell nodes and registrar in which phases they stand when the run starts."""
        assert self.registrar is not None
        scenario, replication = self.scenario, self.cluster.replication
        for number, part in enumerate(self.cluster.nodes, 1):
            phase = uniform(scenario.seed, replication, number, Purpose.MEMBER_PHASE)
            part.tell(grid=start + phase * self.settings.heartbeat)
            self.replicas[number] = Replica(start - LONG_AGO)
        phase = stratified(scenario.seed, replication, 0, Purpose.SYNC_PHASE)
        self.registrar.tell(look=start + phase * self.settings.sync)

    def steps(self) -> list[ScheduledAction]:
        """Return the autoscaler's decisions as steps of the run, with times in seconds after its start."""
        scaling = self.scenario.autoscaling
        if scaling is None:
            return []
        count = ceil(self.scenario.duration / scaling.sync_period)
        times = [k * scaling.sync_period for k in range(1, count)]  # none at the end, as in the model
        return [ScheduledAction(at, "a decision of the autoscaler", self.decide) for at in times]

    def members(self) -> dict[int, Registration]:
        """Return who is alive, with times on the monotonic clock.

        Raises:
            ClusterError: the registry does not answer.
        """
        return alive(self._ask("execute_command", *self.slots.members()), time.monotonic())

    def _ask(self, command: str, *arguments: Any) -> Any:
        try:
            return getattr(self.client, command)(*arguments)
        except redis.RedisError as error:
            raise ClusterError(f"the registry at {self.bus.url} does not answer: {error}.") from None

    def decide(self) -> None:
        """Let the autoscaler decide once, and do it."""
        assert self.controller is not None
        now = time.monotonic()
        decision = self.controller.decide(self.wanted, self.replicas, self.members(), now)
        if decision.replicas != self.wanted:
            detail = f"{self.wanted} to {decision.replicas}: {decision.reason}"
            self.cluster.note(now, "scaled", detail=detail)
            self.wanted = decision.replicas
        self.reconcile()

    def reconcile(self) -> None:
        """Start the nodes that lack, and let those drain that are too many."""
        scaling = self.scenario.autoscaling
        assert scaling is not None
        for number in to_start(self.wanted, self.replicas):
            self.replicas[number] = Replica(time.monotonic())
            self.join(number)
        for number in to_end(self.wanted, self.replicas):
            self.replicas[number].deleting = True
            self.part(number).let_end()
            self.part(number).tell(drain=scaling.lead, pace=scaling.pace)

    def part(self, number: int) -> ChildProcess:
        """Return the process of a node."""
        return self.extra[number] if number in self.extra else self.cluster.nodes[number - 1]

    def join(self, number: int) -> None:
        """Start the process of a node that is new, was killed or has ended."""
        cluster = self.cluster
        cluster.note(time.monotonic(), "node_starting", number)
        life = cluster.standings[number - 1].boots()
        part = cluster.start_node(number)
        if number <= len(cluster.nodes):
            cluster.nodes[number - 1] = part
        else:
            self.extra[number] = part
        self.starting.append(threading.Thread(target=self._listens, args=(number, part, life), daemon=True))
        self.starting[-1].start()

    def _listens(self, number: int, part: ChildProcess, life: int) -> None:
        with contextlib.suppress(ClusterError, ValueError, OSError):
            listening = float(part.hear(READY_WITHIN + self.scenario.duration)["listening"])  # it may be made to hang
            if self.cluster.standings[number - 1].listens(life):
                self.cluster.note(listening, "node_started", number)

    @property
    def leaving(self) -> list[ChildProcess]:
        """The nodes that are about to end."""
        return [self.part(number) for number, replica in self.replicas.items() if replica.deleting]

    def attend(self) -> None:
        """See which nodes have drained and ended."""
        for number, replica in list(self.replicas.items()):
            part = self.part(number)
            if not replica.deleting or part.running:
                continue
            self.cluster.note(time.monotonic(), "node_stopped", number)
            self.cluster.standings[number - 1].ended()
            with contextlib.suppress(ClusterError, KeyError):
                self.cluster.note(float(part.hear()["drained"]), "drained", number)
            del self.replicas[number]
            self.reconcile()

    def finish(self, start: float) -> list[Row]:
        """Return what registrar and registry have noted since the start; times become seconds since then."""
        assert self.registrar is not None
        for helper in self.starting:
            helper.join(READY_WITHIN)
        rows = [one for one in collect(self.cluster.stage, self.registrar, start) if one[0] >= 0.0]
        clock = self._ask("time")
        offset = time.monotonic() - (clock[0] + clock[1] / 1e6)
        for _, fields in self._ask("xrange", self.slots.log):
            t = int(fields[b"at"]) / 1e6 + offset - start
            kind, slot, generation = (fields[name].decode() for name in (b"kind", b"slot", b"generation"))
            if t >= 0.0:
                rows.append(row(t, kind, node=int(slot), detail=generation))
        return rows

    def close(self) -> None:
        """Leave nothing behind in the user's own server."""
        self.bus.forget_all(self.slots.prefix)
        self.client.close()
