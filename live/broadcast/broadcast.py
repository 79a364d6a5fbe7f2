"""The parts of a cluster that are there only when something is broadcast: publisher, relays, and what all are told."""

import json
from dataclasses import asdict
from typing import Any

from live.broadcast import wire
from live.broadcast.broker import Topic, run_prefix
from live.broadcast.buffers import BufferWatch
from live.broadcast.bus import Bus
from live.broadcast.leftovers import first_life
from live.control.address import Address
from live.control.process import READY_WITHIN, ChildProcess, Stage
from twin.errors import ClusterError
from twin.record.record import Row
from twin.scenario.faults import through_relay
from twin.scenario.scenario import Scenario


class Broadcast:
    """The broadcast of one run.

    Args:
        stage: where its processes run.
        scenario: with a publisher.
        replication: which random numbers to use.
        bus: the server, which need not answer yet.
        cpus: where its processes run.
        ports: free ones, one for each node that `relayed` names.
    """

    def __init__(
        self, stage: Stage, scenario: Scenario, replication: int, bus: Bus, cpus: list[int], ports: list[int]
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
        self.relays: dict[int, ChildProcess] = {}
        self.ports = dict(zip(relayed(scenario), ports, strict=True))
        for node, port in self.ports.items():
            config = {"port": port, "to": bus.address.way}
            self.relays[node] = stage.python(f"relay {node}", "live.broadcast.relay", config, cpus)
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
            "threshold": publisher.threshold,
            "ack_timeout": publisher.ack_timeout,
            "max_resends": publisher.max_resends,
        }
        return self.stage.python("publisher", "live.broadcast.publisher", config, self.cpus)

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know."""
        address = self.bus.address
        if number in self.ports:
            address = address.through(self.ports[number])
        return {
            **self._access(address),
            "kind": self.scenario.bus.kind,
            "scope": self.settings.scope,
            "policy": self.scenario.slow_consumer.policy,
            "limit_bytes": self.scenario.slow_consumer.limit_bytes,
        }

    def of_clients(self) -> dict[str, Any]:
        """Return what the clients have to know."""
        recovery = self.scenario.clients.recovery
        largest = max(self.scenario.slow_consumer.limit_bytes, self.settings.payload_bytes + wire.LARGEST_HEADER)
        return {**recovery.model_dump(), "confirm": self.settings.scope == "client", "max_size": largest}

    def wait_ready(self) -> None:
        """Wait until every node is registered with the publisher, and the relays pass everything on.

        Raises:
            ClusterError: that took too long.
        """
        for relay in self.relays.values():
            relay.hear()
        try:
            self.publisher.hear(READY_WITHIN)
        except ClusterError:
            raise self.publisher.failure(f"did not hear of all nodes over the bus within {READY_WITHIN:g} s") from None

    def cut(self, node: int) -> int:
        """Let the bus close the connections over which a node reads; return how many there were."""
        name = f"{self.topic.prefix}node-{node}-"
        return self.bus.cut(name + "reader") + self.bus.cut(name + "again")

    def close(self) -> None:
        """Leave nothing behind in the user's own server."""
        self.buffers.close()
        self.bus.forget_all(self.topic.prefix)


def relayed(scenario: Scenario) -> list[int]:
    """Return the nodes that reach the bus through a relay, because a fault of the scenario acts on their link."""
    return through_relay(scenario.faults, scenario.host.placement)


def collect(stage: Stage, part: ChildProcess, start: float) -> list[Row]:
    """Ask a part for its events, and note on it how late its timers were; times become seconds since `start`.

    Raises:
        ClusterError: it does not answer.
    """
    path = stage.folder / f"events-{part.pid}.json"
    part.tell(finish=str(path))
    message = part.hear(60.0)
    while "done" not in message:
        message = part.hear(60.0)
    part.timers = message.get("timers", {})
    return [(t - start, *rest) for t, *rest in json.loads(path.read_text())]
