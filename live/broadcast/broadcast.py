"""The parts of a cluster that are there only when something is broadcast: the publisher, and what all are told."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from live.broadcast import wire
from live.broadcast.broker import SCRIPTS, Topic, run_prefix
from live.broadcast.buffers import BufferWatch
from live.broadcast.bus import Bus, ClientKill
from live.broadcast.leftovers import first_life
from live.broadcast.messages import Publish
from live.broadcast.server import server_of
from live.control.address import Address
from live.control.collecting import collect
from live.control.messages import Ready
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.ports import ClusterPart
from twin.errors import ClusterError
from twin.record.record import Row
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from live.ports import Cluster


class Broadcast(ClusterPart):
    """The broadcast of one run.

    Args:
        stage: where its processes run.
        scenario: with a publisher.
        replication: which random numbers to use.
        bus: the server, which need not answer yet.
        cpus: where its processes run.
        reach: returns the address at which a node reaches the server; the server's own by default.
    """

    nodes_tell = True

    def __init__(
        self,
        stage: Stage,
        scenario: Scenario,
        replication: int,
        bus: Bus,
        cpus: list[int],
        reach: Callable[[int], Address] | None = None,
    ) -> None:
        assert scenario.publisher is not None
        self.stage = stage
        self.scenario = scenario
        self.replication = replication
        self.bus = bus
        self.cpus = cpus
        self.settings = scenario.publisher
        self.topic = Topic(run_prefix(), scenario.bus.max_length, scenario.bus.idempotency_window, first_life(bus))
        self.buffers = BufferWatch(bus, self.topic.prefix)
        self.reach = reach or (lambda number: bus.address)
        self.publisher = self._start_publisher()

    def _access(self, address: Address) -> dict[str, Any]:
        return {
            "address": asdict(address),
            "topic": asdict(self.topic),
            "retry": self.scenario.bus.retry.model_dump(),
            "seed": self.scenario.seed,
            "replication": self.replication,
            "lease": self.scenario.bus.lease,
        }

    def _start_publisher(self) -> ChildProcess:
        publisher, scenario = self.settings, self.scenario
        config = {
            **self._access(self.bus.address),
            "nodes": scenario.nodes.count,
            "rate": publisher.rate,
            "start": publisher.start,
            "stop": scenario.duration if publisher.stop is None else min(publisher.stop, scenario.duration),
            "messages": publisher.messages,
            "payload_bytes": publisher.payload_bytes,
            "codec": scenario.codec,
            "batch": publisher.batch.model_dump() if publisher.batch else None,
            "threshold": publisher.threshold,
            "ack_timeout": publisher.ack_timeout,
            "max_resends": publisher.max_resends,
        }
        return self.stage.python("publisher", "live.broadcast.publisher", config, self.cpus)

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know, as a table of its settings."""
        return {"broadcast": self.for_node(number)}

    def of_clients(self) -> dict[str, Any]:
        """Return what the clients have to know, as a table of their settings."""
        return {"broadcast": self.for_clients()}

    def for_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know."""
        return {
            **self._access(self.reach(number)),
            "kind": self.scenario.bus.kind,
            "scope": self.settings.scope,
            "policy": self.scenario.slow_consumer.policy,
            "limit_bytes": self.scenario.slow_consumer.limit_bytes,
            "scripts": {"read": SCRIPTS["read"]},  # for nodes that are not in Python
            "batch": self.scenario.nodes.batch.model_dump() if self.scenario.nodes.batch else None,
            "counted": self.scenario.counts_bytes,
        }

    def for_clients(self) -> dict[str, Any]:
        """Return what the clients have to know."""
        recovery = self.scenario.clients.recovery
        largest = max(self.scenario.slow_consumer.limit_bytes, self.scenario.largest_payload + wire.LARGEST_HEADER)
        confirm = self.settings.scope == "client"
        return {**recovery.model_dump(), "confirm": confirm, "max_size": largest, "codec": self.scenario.codec}

    def wait_ready(self) -> None:
        """Wait until every node is registered with the publisher.

        Raises:
            ClusterError: that took too long.
        """
        try:
            self.publisher.hear(Ready, READY_WITHIN)
        except ClusterError:
            raise self.publisher.failure(f"did not hear of all nodes over the bus within {READY_WITHIN:g} s") from None

    def client_kill(self, node: int) -> ClientKill:
        """Return what lets the bus close the connections over which a node reads."""
        name = f"{self.topic.prefix}node-{node}-"
        return ClientKill(self.bus, name + "reader", name + "again")

    def begin(self, start: float) -> None:
        """Let the publisher begin, and look at what waits on the bus."""
        self.publisher.tell(Publish(start))
        self.buffers.begin()

    def finish(self, start: float) -> list[Row]:
        """Return what has waited on the bus, and what the publisher has noted; times become seconds since `start`."""
        return self.buffers.finish(start) + collect(self.stage, self.publisher, start)

    def timed(self) -> list[ChildProcess]:
        """Return the publisher."""
        return [self.publisher]

    def close(self) -> None:
        """Leave nothing behind in the user's own server."""
        self.buffers.close()
        self.bus.forget_all(self.topic.prefix)


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster in which something is broadcast."""
    scenario = cluster.scenario
    if scenario.publisher is not None:
        server = server_of(cluster, "messages")
        one = Broadcast(cluster.stage, scenario, cluster.replication, server.bus, cluster.place.cluster, server.reach)
        server.keeper.keys += [one.topic.head, one.topic.log]
        cluster.add(one)
