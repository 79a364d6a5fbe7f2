"""Mechanisms of a node beside each other: each has what is its own, whatever else is attached."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.sync.client import connect

from live.broadcast import wire
from live.broadcast.broker import STAMP, Topic
from live.broadcast.bus import Bus, client_of
from live.control.messages import Done, Finish, Listening
from live.control.process import Stage
from live.machine import placement
from live.node.base import Node
from live.node.building import ROOMS
from live.node.part import TEXT, NodePart, Take
from live.sessions.accounts import Account
from live.sessions.messages import AskJoined, Joined

RETRY = {"base": 0.01, "cap": 0.05, "retries": 10, "timeout": 1.0}
REFUSAL: Any = object()


def test_each_room_can_be_attached() -> None:
    assert all(callable(import_module(module).attach) for module in ROOMS.values())


def request(path: str) -> Any:
    return SimpleNamespace(path=path)


class Guard(NodePart):
    """Answers each handshake with what it is told, at once or later."""

    def __init__(self, asked: list[str], name: str, answer: Any, later: bool) -> None:
        self.asked, self.name, self.answer, self.later = asked, name, answer, later

    def admit(self, connection: Any, request: Any) -> Any:
        self.asked.append(self.name)

        async def answer() -> Any:
            return self.answer

        return answer() if self.later else self.answer


@pytest.mark.parametrize(
    "later", [(False, False, False), (True, True, True), (True, False, True), (False, True, False)]
)
def test_parts_are_asked_in_order_and_the_first_refusal_counts(later: tuple[bool, ...]) -> None:
    async def ask(node: Node) -> Any:
        answer = node.on_request(None, request("/"))  # type: ignore[arg-type]
        return await answer if isinstance(answer, Awaitable) else answer

    for refusing, expected in ((1, ["0", "1"]), (2, ["0", "1", "2"]), (3, ["0", "1", "2"])):
        node, asked = Node(1), list[str]()
        for number, waits in enumerate(later):
            node.add(Guard(asked, str(number), REFUSAL if number == refusing else None, waits))
        assert asyncio.run(ask(node)) is (None if refusing == 3 else REFUSAL)
        assert asked == expected


class Taker(NodePart):
    """Keeps what it is given."""

    def __init__(self, *frames: int) -> None:
        self.frames = frozenset(frames)
        self.taken: list[str | bytes] = []

    def connected(self, connection: Any) -> Take:
        return self.taken.append


class Line:
    """A connection that has some frames to read."""

    def __init__(self, *frames: str | bytes) -> None:
        self.frames = list(frames)

    def __aiter__(self) -> "Line":
        return self

    async def __anext__(self) -> str | bytes:
        if not self.frames:
            raise StopAsyncIteration
        return self.frames.pop(0)


def served(*parts: NodePart) -> None:
    """Serve a connection at a node with these parts."""
    node, line = Node(1), Line(b"\x00a", b"Rb", "text", b"", b"?c")
    for part in parts:
        node.add(part)
    asyncio.run(node.serve_client(line))  # type: ignore[arg-type]


def test_the_only_part_that_takes_frames_takes_all_and_of_several_each_its_own() -> None:
    alone = Taker(0)
    served(NodePart(), alone)
    assert alone.taken == [b"\x00a", b"Rb", "text", b"", b"?c"]
    sends, broadcast, page = Taker(0), Taker(ord("R"), ord("A")), Taker(TEXT)
    served(page, sends, broadcast)
    assert (sends.taken, broadcast.taken, page.taken) == ([b"\x00a"], [b"Rb"], ["text"])


def test_what_a_part_has_seen_ends_although_another_part_fails() -> None:
    class Broken(NodePart):
        def connected(self, connection: Any) -> None:
            raise ValueError("broken")

    class Counting(NodePart):
        ended_count = 0

        def disconnected(self, connection: Any) -> None:
            self.ended_count += 1

    counting = Counting()
    with pytest.raises(ValueError, match="broken"):
        served(Broken(), counting)
    assert counting.ended_count == 1


@pytest.mark.live
def test_sessions_a_broadcast_sends_and_lifetimes_are_in_one_node_at_once(stage: Stage, tmp_path: Path) -> None:
    port, bus_port = placement.free_ports(2)
    bus, topic = Bus(stage, bus_port, []), Topic("t:", 100, 60.0)
    bus.wait_ready(10)
    access = {"address": asdict(bus.address), "topic": asdict(topic), "retry": RETRY, "seed": 1, "replication": 0}
    config = {
        **{"number": 7, "port": port, "backlog": 100, "sends": {"codec": "none"}},
        "broadcast": access | {"lease": 2.0, "kind": "stream", "scope": "node", "policy": "drop", "limit_bytes": 2**20},
        "sessions": {
            **{"secret": "2a" * 32, "expiry": 60.0, "refresh": True, "token_lifetime": 60.0, "when_down": "refuse"},
            **{"accounts": {"me": Account.of("right", [1]).as_config()}, "begin": 0.0, "store": access},
        },
        "lifetime": {"mean": 3.0, "jitter": 0.0, "seed": 1, "replication": 0},
    }
    part = stage.python("node 7", "live.node.node", config)
    part.hear(Listening)
    part.tell(AskJoined())
    part.hear(Joined)
    shown = {"Authorization": "Basic " + base64.b64encode(b"me:right").decode()}
    uri = f"ws://127.0.0.1:{port}/"
    with client_of(bus.address) as client:
        client.script_load(STAMP)
        with connect(uri, additional_headers=shown, compression=None, proxy=None) as link:
            assert link.response is not None
            assert link.response.headers["X-Node"] == "7"
            assert link.response.headers["X-Session"].endswith("started")
            link.send(bytes([0, 0, 0, 5, 0, 0, 0, 9]))  # message 9 of client 5
            link.send(wire.question(0, 0))
            answer = link.recv(10)
            assert isinstance(answer, bytes)
            assert answer[0] == wire.ANSWER
            client.execute_command(*topic.stamp(2**32, b"hello"))  # type: ignore[no-untyped-call]
            message = link.recv(10)
            assert isinstance(message, bytes)
            assert message.endswith(b"hello")
            began = time.monotonic()
            with pytest.raises(Exception, match="1012"):
                link.recv(10)
            assert time.monotonic() - began < 4.0
    part.tell(Finish(str(tmp_path / "events.json")))
    part.hear(Done)
    events = json.loads((tmp_path / "events.json").read_text())
    assert [(event[2], event[3], event[5]) for event in events if event[1] == "arrived"] == [(5, 7, 9)]
    assert [event[3] for event in events if event[1] == "received"] == [7]
