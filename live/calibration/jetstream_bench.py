"""The bench of a broadcast over a NATS server: a server, a publisher, two nodes, and a connection that does as it is
told.
"""

import json
import socket
import time

from live.broadcast.broadcast import Broadcast
from live.calibration.common import PUBLISHED, RATE
from live.calibration.workbench import Bench, at_rest
from live.control.messages import Listening
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.jetstream.nats import published
from live.jetstream.server import NatsServer
from live.jetstream.stream import Names, kept
from live.machine import placement
from live.node.kinds import RUNTIMES
from twin.costs.broadcast import SMALL_PAYLOAD
from twin.scenario.scenario import Scenario

ANSWERS = "plain.answers"
"""Subject to which the server answers the connection that does as it is told."""
LONG = 3600.0
"""Seconds that nothing of a bench lasts."""


class PlainNats:
    """A connection to a NATS server on which the caller writes the bytes, logged in.

    Raises:
        OSError: nobody answers, or it does not let us in.
    """

    def __init__(self, server: NatsServer) -> None:
        address = server.address
        self.link = socket.create_connection((address.host, address.port), 10.0)
        hello = {"verbose": False, "user": address.username, "pass": address.password, "headers": True}
        self.link.recv(1 << 16)
        self.send(b"CONNECT %b\r\nPING\r\n" % json.dumps(hello).encode())
        if not self.link.recv(1 << 16).startswith(b"PONG"):
            raise PermissionError("the NATS server does not let us in")

    def send(self, data: bytes) -> None:
        """Send bytes of the protocol."""
        self.link.sendall(data)

    def subscribe(self, subject: str, number: int = 1) -> None:
        """Subscribe, and wait until the server knows."""
        self.send(f"SUB {subject} {number}\r\nPING\r\n".encode())
        self.link.recv(1 << 16)

    def ask(self, subject: str, question: dict[str, object]) -> bytes:
        """Return the reply to a question."""
        self.drain()
        self.send(b"SUB plain.reply 9\r\n" + published(subject, json.dumps(question).encode(), "plain.reply"))
        found = self.link.recv(1 << 16)
        self.send(b"UNSUB 9\r\n")
        return found

    def drain(self) -> bytes:
        """Return what has come."""
        found = b""
        self.link.setblocking(False)
        try:
            while data := self.link.recv(1 << 20):
                found += data
        except BlockingIOError:
            pass
        self.link.setblocking(True)
        return found

    def close(self) -> None:
        """Close it."""
        self.link.close()


class JetstreamBench:
    """The processes of a broadcast over a NATS server, and a node, `silent`, that waits for its client's word before it
    says anything.

    Args:
        stage: where they run.
        scenario: says where processes run.
    """

    def __init__(self, stage: Stage, scenario: Scenario) -> None:
        self.scenario = scenario = scenario.vary(
            nodes={"count": 2},
            bus={
                "kind": "jetstream",
                "persist": True,
                "lease": LONG,
                "jetstream": {"ack_wait": LONG, "max_ack_pending": 100_000},
            },
            publisher={"rate": RATE, "messages": PUBLISHED, "ack_timeout": LONG},
            duration=60.0,
        )
        self.place = placement.placement(scenario)
        server_port, self.node_port, self.silent_port = placement.free_ports(3)
        self.bus = NatsServer(stage, server_port, self.place.cluster, scenario.bus)
        self.bus.wait_ready(READY_WITHIN)
        assert self.bus.part is not None
        self.server: ChildProcess = self.bus.part
        self.broadcast = Broadcast(stage, scenario, 0, self.bus, self.place.cluster)
        self.names = Names(self.broadcast.topic.prefix)
        self._wait_until_heard()
        self.node = self._start_node(stage, 1, self.node_port, "node")
        self.silent = self._start_node(stage, 2, self.silent_port, "client")
        self.broadcast.wait_ready()
        self.plain = PlainNats(self.bus)
        self.plain.subscribe(ANSWERS, 7)
        self.number = 1_000_000
        self.stored = 0
        self.stage = stage

    def _wait_until_heard(self) -> None:
        """Wait until the publisher listens: with a lease as long as here the nodes say but once that they are there."""
        deadline = time.monotonic() + READY_WITHIN
        while not any(self.names.acks in one.get("subscriptions_list", []) for one in self.bus.connections()):
            if time.monotonic() > deadline:
                raise self.broadcast.publisher.failure(f"did not subscribe within {READY_WITHIN:g} s")
            time.sleep(0.005)

    def _start_node(self, stage: Stage, number: int, port: int, scope: str) -> ChildProcess:
        broadcast = {**self.broadcast.for_node(number), "scope": scope}
        config = {"number": number, "port": port, "backlog": 100, "broadcast": broadcast}
        runtime = RUNTIMES[self.scenario.nodes.runtime]
        node = runtime.start(stage, f"node {number}", config, self.place.cluster[:1])
        node.hear(Listening)
        return node

    def _cpu(self) -> list[float]:
        parts = (self.node, self.server, self.broadcast.publisher, self.silent)
        return [0.0 if one.process.returncode is not None else one.cpu_ns() / 1e9 for one in parts]

    def _pids(self) -> list[int]:
        parts = (self.node, self.server, self.broadcast.publisher, self.silent)
        return [one.pid for one in parts if one.process.returncode is None]

    def settle(self) -> list[float]:
        """Wait until nobody has anything to do, and return the CPU seconds that all have used so far, 0 for a node that
        is gone; in the places of client and balancer of `DeliveryBench.cpu` stands 0.
        """
        return [0.0, 0.0, *at_rest(self._cpu, self._pids)]

    def resume(self, pid: int) -> None:
        """Let a stopped process go on, and wait until it has worked off what has gathered."""
        Bench.go_on(pid)
        self.settle()

    def message(self) -> bytes:
        """Return what has the stream keep one more message; `stored` is its version, if the publisher keeps none."""
        self.number += 1
        self.stored += 1
        headers = {"Nats-Msg-Id": str(self.number)}
        return published(self.names.log, kept(self.number, bytes(SMALL_PAYLOAD)), ANSWERS, headers)

    def serve(self, data: bytes) -> float:
        """Let the server read what has gathered; return its CPU seconds."""
        Bench.stop(self.server.pid)
        self.plain.send(data)
        before = self.settle()[3]
        Bench.go_on(self.server.pid)
        spent = self.settle()[3] - before
        self.plain.drain()
        return spent

    def close(self) -> None:
        """Give back what the stage does not."""
        self.plain.close()
        self.broadcast.close()
