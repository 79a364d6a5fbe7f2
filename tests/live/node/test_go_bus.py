"""The node in Go on the bus: it hands on, acknowledges, answers, comes back. Where there is no Go these are skipped."""

import time
from dataclasses import asdict

import pytest
from websockets.sync.client import ClientConnection

from live.broadcast import wire
from live.broadcast.broker import SCRIPTS, Topic, message
from live.broadcast.bus import Bus, client_of
from live.control.collecting import collect
from live.control.messages import Listening
from live.control.process import Stage
from live.machine import placement
from live.node.messages import Closed
from tests.gonodes import GoNode
from twin.rules.delivery import Message, RecoveryAnswer

RETRY = {"base": 0.01, "cap": 0.05, "retries": 3, "timeout": 1.0}


class Bench:
    """A bus with one node in Go, and what the node says over it."""

    def __init__(self, stage: Stage, kind: str, scope: str) -> None:
        (port,) = placement.free_ports(1)
        bus = Bus(stage, port, [])
        bus.wait_ready(10)
        self.redis = client_of(bus.address)
        self.topic = Topic("t:", 100, 60.0)
        for script in SCRIPTS.values():
            self.redis.script_load(script)
        self.said = self.redis.pubsub(ignore_subscribe_messages=True)
        self.said.subscribe(self.topic.acks)
        config = {"address": asdict(bus.address), "topic": asdict(self.topic), "retry": RETRY, "kind": kind}
        config |= {"seed": 1, "replication": 0, "lease": 3600.0, "scope": scope, "policy": "drop", "limit_bytes": 2**20}
        config["scripts"] = {"read": SCRIPTS["read"]}
        self.node = GoNode(stage, broadcast=config)
        self.node.part.hear(Listening)
        assert self.heard() == "alive 3"

    def heard(self, within: float = 5.0) -> str:
        """Return the next word of the node, empty if none comes."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            found = self.said.get_message(timeout=left)
            if found is not None:
                return str(found["data"].decode())
        return ""

    def publish(self, number: int) -> None:
        self.redis.execute_command(*self.topic.stamp(number, b"payload"))

    def cut(self) -> None:
        for one in self.redis.client_list():
            if one["name"].endswith(("reader", "again")):
                self.redis.client_kill_filter(_id=one["id"])


def message_in(client: ClientConnection) -> Message:
    data = client.recv(5)
    assert isinstance(data, bytes)
    return message(data)


def answer_in(client: ClientConnection) -> RecoveryAnswer:
    data = client.recv(5)
    assert isinstance(data, bytes)
    return wire.read_answer(data)


@pytest.mark.live
@pytest.mark.patient
@pytest.mark.parametrize("kind", ["pubsub", "stream"])
def test_it_hands_on_what_the_bus_has_acknowledges_and_answers(go: None, stage: Stage, kind: str) -> None:
    bench = Bench(stage, kind, "node")
    with bench.node.client() as client:
        assert bench.node.seen().connections == 1
        for number in (5, 6, 7):
            bench.publish(number)
        found = [message_in(client) for _ in range(3)]
        assert [(one.version, one.key, one.payload) for one in found] == [(n, 4 + n, b"payload") for n in (1, 2, 3)]
        epoch = found[0].epoch
        assert [bench.heard() for _ in range(3)] == [f"ack 3 {epoch} {n}" for n in (1, 2, 3)]
        client.send(wire.question(epoch, 1))
        answer = answer_in(client)
        assert answer.recovered
        assert [one.version for one in answer.messages] == [2, 3]
        client.send(wire.question(epoch - 1, 1))
        assert answer_in(client) == RecoveryAnswer(False, epoch, 3)
    rows = [row[1:] for row in collect(stage, bench.node.part, 0.0)]
    assert [row[:5] for row in rows] == [("received", -1, 3, -1, n) for n in (1, 2, 3)]


@pytest.mark.live
@pytest.mark.parametrize("kind", ["pubsub", "stream"])
def test_it_joins_the_bus_again_when_its_connection_is_cut(go: None, stage: Stage, kind: str) -> None:
    bench = Bench(stage, kind, "node")
    with bench.node.client() as client:
        assert bench.node.seen().connections == 1
        bench.cut()
        deadline = time.monotonic() + 5
        roles = ("reader", "again") if kind == "stream" else ("reader",)
        while sum(one["name"].endswith(roles) for one in bench.redis.client_list()) < len(roles):
            assert time.monotonic() < deadline
        bench.redis.ping()
        time.sleep(0.1)
        bench.publish(1)
        assert message_in(client).version == 1
    events = [row[1] for row in collect(stage, bench.node.part, 0.0)]
    assert events[:2] == ["bus_lost", "bus_joined"]


@pytest.mark.live
def test_with_the_scope_client_it_waits_for_the_clients_word_or_their_end(go: None, stage: Stage) -> None:
    bench = Bench(stage, "stream", "client")
    with bench.node.client() as first, bench.node.client() as second:
        while bench.node.seen().connections < 2:
            time.sleep(0.01)
        bench.publish(1)
        found = message_in(first)
        message_in(second)
        first.send(wire.standing(found.epoch, 1))
        assert bench.heard(0.3) == ""
        second.close()
        assert bench.heard() == f"ack 3 {found.epoch} 1"


@pytest.mark.live
def test_a_node_that_ends_says_goodbye_to_the_bus(go: None, stage: Stage) -> None:
    bench = Bench(stage, "stream", "node")
    bench.node.part.process.terminate()
    assert bench.heard() == "bye 3"
    bench.node.part.hear(Closed)
