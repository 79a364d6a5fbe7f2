"""The bench of a broadcast: one node, one balancer, one swarm, a bus and a publisher, to be told what to do."""

import time
from typing import Any, ClassVar

from live.balancer.balancer import start_balancer
from live.balancer.base import Balancer
from live.broadcast.broadcast import Broadcast
from live.broadcast.broker import SCRIPTS
from live.broadcast.bus import Bus, client_of, plain_link
from live.calibration.common import PAYLOAD, PUBLISHED, RATE, RUN_IN
from live.calibration.messages import AskMissed, OpenBatch, Opened
from live.calibration.workbench import Bench, at_rest, check_opened, client_config
from live.control.messages import Listening, Nothing, Ready
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.resp import encode
from live.machine import placement
from live.node.kinds import RUNTIMES
from twin.costs.broadcast import PAYLOADS
from twin.scenario.scenario import Scenario


class DeliveryBench:
    """The processes of a broadcast with one node, and another one, `silent`, that waits for its client's word before it
    says anything to the bus.

    Args:
        stage: where they run.
        scenario: names the balancer.
        largest: bytes of the largest message; twice as many may wait for a client.

    Attributes:
        program: of the clients' process.
    """

    program: ClassVar[str] = "live.calibration.bench"

    def __init__(self, stage: Stage, scenario: Scenario, largest: int = PAYLOADS[0]) -> None:
        scenario = scenario.vary(
            balancer=scenario.balancer.checked_every(3600.0),
            nodes={"count": 2},
            bus={"kind": "stream", "lease": 3600.0},
            publisher={"rate": RATE, "messages": PUBLISHED, "ack_timeout": 60.0},
            slow_consumer={"policy": "close", "limit_bytes": 2 * largest},
            duration=60.0,
        )
        self.limit = scenario.slow_consumer.limit_bytes
        self.runtime = RUNTIMES[scenario.nodes.runtime]
        self.place = place = placement.placement(scenario)
        self.port, self.node_port, self.silent_port, bus_port = placement.free_ports(4)
        began = time.monotonic()
        self.bus = Bus(stage, bus_port, place.cluster, None, scenario.bus)
        self.bus.wait_ready(READY_WITHIN)
        self.bus_start = time.monotonic() - began
        self.redis = client_of(self.bus.address)
        self.broadcast = Broadcast(stage, scenario, 0, self.bus, place.cluster)
        self.wait_until_heard(self.broadcast)
        self.node = self._start_node(stage, 1, self.node_port, "node")
        self.silent = self._start_node(stage, 2, self.silent_port, "client")
        self.broadcast.wait_ready()
        self.balancer = start_balancer(
            stage, scenario, self.port, [self.node_port], place.cluster, lambda t, e, n, d: None
        )
        self.balancer.wait_ready(READY_WITHIN)
        self.client = stage.python("bench", self.program, self._clients(scenario), place.clients)
        self.client.hear(Ready)
        assert self.bus.part is not None
        self.server: ChildProcess = self.bus.part
        for text in SCRIPTS.values():
            self.redis.script_load(text)
        self.number = 1_000_000
        self.open = self.made = 0

    def _clients(self, scenario: Scenario) -> dict[str, Any]:
        """Return the settings of the clients' process."""
        broadcast = {**self.broadcast.for_clients(), "max_size": 2**24}
        return client_config(scenario, self.port) | {"broadcast": broadcast}

    def _more(self, number: int, port: int) -> dict[str, Any]:
        """Return what the settings of a node have besides, whom the balancer reaches at a port."""
        return {}

    def wait_until_heard(self, broadcast: Broadcast) -> None:
        """Wait until a publisher listens: with a lease as long as here the nodes say but once that they are there."""
        deadline = time.monotonic() + READY_WITHIN
        while not self.redis.pubsub_numsub(broadcast.topic.acks)[0][1]:
            if time.monotonic() > deadline:
                raise broadcast.publisher.failure(f"did not subscribe within {READY_WITHIN:g} s")
            time.sleep(0.005)

    def _start_node(self, stage: Stage, number: int, port: int, scope: str) -> ChildProcess:
        """Start a node that acknowledges for itself (`node`) or when its clients have confirmed (`client`)."""
        broadcast = {**self.broadcast.for_node(number), "scope": scope}
        config = {"number": number, "port": port, "backlog": 4000, "broadcast": broadcast} | self._more(number, port)
        node = self.runtime.start(stage, f"node {number}", config, self.place.cluster[:1])
        node.hear(Listening)
        return node

    def close(self) -> None:
        """Give back what the stage does not."""
        self.redis.close()
        self.balancer.close()

    @property
    def _measured(self) -> "tuple[ChildProcess | Balancer, ...]":
        return self.client, self.balancer, self.node, self.server, self.broadcast.publisher, self.silent

    def cpu(self) -> list[float]:
        """Return the CPU seconds that client, balancer, node, bus, publisher and silent node have used so far."""
        return [part.cpu_ns() / 1e9 for part in self._measured]

    def pids(self) -> list[int]:
        """Return the processes that `cpu` is about."""
        return [one.forwarder() if isinstance(one, Balancer) else one.pid for one in self._measured]

    def settle(self) -> list[float]:
        """Wait until nobody has anything to do; return `cpu`."""
        return at_rest(self.cpu, self.pids)

    def resume(self, pid: int) -> None:
        """Let a stopped process go on, and wait until it has worked off what has gathered."""
        Bench.go_on(pid)
        self.settle()

    def connect(self, connections: int) -> None:
        """Have so many clients connected."""
        if connections > self.open:
            self.client.tell(OpenBatch(connections - self.open))
            check_opened(self.client.hear(Opened, 30))
            self.made += connections - self.open
            self.open = connections
        self.settle()

    def run_in(self) -> None:
        """Send messages until the kernel does not acknowledge them at once any more."""
        for _ in range(RUN_IN):
            self.publish(1)
            self.settle()

    def next_number(self) -> int:
        """Return a number that no message has had."""
        self.number += 1
        return self.number

    def publish(self, messages: int, payload: bytes = PAYLOAD) -> None:
        """Have the bus stamp messages."""
        with self.redis.pipeline(transaction=False) as pipeline:
            for _ in range(messages):
                stamp = self.broadcast.topic.stamp(self.next_number(), payload)
                pipeline.execute_command(*stamp)  # type: ignore[no-untyped-call]
            pipeline.execute()

    def fan_out(self, messages: int) -> tuple[float, float, float]:
        """Publish messages that gather before each process in turn; return the CPU seconds of node, balancer and
        client.
        """
        client, node, balancer = self.client.pid, self.node.pid, self.balancer.forwarder()
        Bench.stop(client, balancer, node)
        self.publish(messages)
        spent = [self.settle()]
        for pid in (node, balancer, client):
            Bench.go_on(pid)
            spent.append(self.settle())
        return spent[1][2] - spent[0][2], spent[2][1] - spent[1][1], spent[3][0] - spent[2][0]

    def ask(self) -> tuple[float, float]:
        """Let every client ask what it missed; return the CPU seconds of the clients, and of the node."""
        client, node, balancer = self.client.pid, self.node.pid, self.balancer.forwarder()
        Bench.stop(balancer, node)
        before = self.settle()
        self.client.tell(Nothing())
        idle = self.settle()
        self.client.tell(AskMissed())
        asked = self.settle()
        Bench.stop(client)
        Bench.go_on(balancer)
        relayed = self.settle()
        Bench.go_on(node)
        answered = self.settle()
        Bench.go_on(client)
        self.settle()
        return max(0.0, asked[0] - 2 * idle[0] + before[0]), answered[2] - relayed[2]

    def serve(self, commands: list[bytes]) -> float:
        """Let the bus do commands that have gathered; return its CPU seconds."""
        with plain_link(self.bus.address) as link:
            link.sendall(encode("PING"))
            link.recv(64)
            Bench.stop(self.server.pid)
            link.sendall(b"".join(commands))
            before = self.settle()
            Bench.go_on(self.server.pid)
            return self.settle()[3] - before[3]
