"""Mechanisms of a client beside each other, and what the client does for them."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response

from live.client import client as module
from live.client.building import ROOMS, equip
from live.client.client import Client, Swarm
from live.client.connection import Inlet, taker
from live.client.messages import SetStall
from live.client.part import TEXT, ClientPart, Next, Take
from twin.scenario.settings import Clients

CLIENTS = Clients(reconnect={"policy": "fixed", "base": 0.01, "jitter": "none", "cap": 0.01})  # type: ignore[arg-type]
SETTINGS: dict[str, Any] = {
    **{"port": 1, "seed": 1, "replication": 0, "first": 0, "count": 2, "open_timeout": 1.0, "addresses": 1},
    "reconnect": CLIENTS.reconnect.model_dump(),
    "heartbeat": CLIENTS.heartbeat.model_dump(),
}


def test_each_room_can_be_attached() -> None:
    assert all(callable(import_module(name).attach) for name in ROOMS.values())


class Taker(ClientPart):
    """Keeps what it is given."""

    def __init__(self, *frames: int) -> None:
        self.frames = frozenset(frames)
        self.taken: list[bytes | str] = []

    def connected(self, connection: Any, node: int) -> Take:
        return self.taken.append


@pytest.mark.parametrize("alone", [True, False])
def test_each_part_takes_its_own_frames_and_one_that_is_alone_takes_all(alone: bool) -> None:
    parts = [Taker(7)] if alone else [Taker(7), Taker(8, TEXT)]
    take = taker([(part, part.connected(None, 1)) for part in parts])
    for data in (b"\7a", b"\x08b", "words", b"\x09c", b"", ""):
        take(data)
    if alone:
        assert parts[0].taken == [b"\7a", b"\x08b", "words", b"\x09c", b"", ""]
    else:
        assert [part.taken for part in parts] == [[b"\7a"], [b"\x08b", "words"]]


def test_what_comes_before_the_client_has_taken_over_is_kept() -> None:
    inlet, heard = Inlet.__new__(Inlet), list[bytes | str]()
    inlet.kept = []
    inlet.take = inlet.kept.append
    frames = [Frame(Opcode.BINARY, b"\1x"), Frame(Opcode.TEXT, b"words"), Frame(Opcode.BINARY, b"\2y")]
    for frame in frames[:2]:
        inlet.process_event(frame)
    assert heard == []
    inlet.hand_over(heard.append)
    inlet.process_event(frames[2])
    assert heard == [b"\1x", "words", b"\2y"]


class Line:
    """A connection that remembers whether it is read."""

    def __init__(self) -> None:
        self.reading, self.closing = True, False
        self.transport = SimpleNamespace(
            is_closing=lambda: self.closing, pause_reading=lambda: self.read(False), resume_reading=lambda: self.read()
        )

    def read(self, on: bool = True) -> None:
        self.reading = on


def client_of(*parts: ClientPart) -> Client:
    """Return a client without a network that has these parts."""
    client = Swarm({**SETTINGS, "count": 1}).clients[0]
    for part in parts:
        client.add(part)
    return client


def test_a_stalled_client_reads_nothing_on_this_connection_nor_on_the_next() -> None:
    client, first, second = client_of(), Line(), Line()
    client._opened(first, 1)  # type: ignore[arg-type]
    client.swarm.orders[SetStall](SetStall(0, True))
    assert not first.reading
    client._opened(second, 1)  # type: ignore[arg-type]
    assert not second.reading
    client.swarm.orders[SetStall](SetStall(1, False))  # somebody else
    assert not second.reading
    client.swarm.orders[SetStall](SetStall(0, False))
    assert second.reading


def test_a_connection_that_closes_is_not_told_to_read_or_to_stop() -> None:
    client, line = client_of(), Line()
    client.stall(True)
    client.stall(False)  # without a connection nobody is told
    client._opened(line, 1)  # type: ignore[arg-type]
    line.closing = True
    client.stall(True)
    assert client.stalled
    assert line.reading


class Noting(ClientPart):
    """Notes what it sees, and decides what it is told to."""

    def __init__(self, seen: list[str], name: str, then: Next | None = None) -> None:
        self.seen, self.name, self.then = seen, name, then
        self.options = {"max_size": len(name)}

    def before_connect(self, headers: dict[str, str]) -> None:
        headers[self.name] = "yes"

    def refused(self, response: Response) -> Next | None:
        self.seen.append(f"{self.name} {response.status_code}")
        return self.then

    async def run(self) -> None:
        self.seen.append(f"{self.name} runs")


@pytest.mark.parametrize(
    ("decisions", "seen", "tries", "wait"),
    [
        ([None, None], ["a 401", "bb 401"], 1, 0.01),
        ([None, "stop"], ["a 401", "bb 401"], 1, None),
        (["stop", "retry"], ["a 401"], 1, None),
        (["retry", "stop"], ["a 401"], 1, 0.01),
        (["at once", "stop"], ["a 401"], 2, 0.01),
    ],
)
def test_the_first_part_that_decides_after_a_refusal_counts(
    decisions: list[Next | None],
    seen: list[str],
    tries: int,
    wait: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    async def refuse(uri: str, **options: Any) -> Any:
        asked.append(options)
        if len(asked) == 2:
            raise ConnectionRefusedError
        raise InvalidStatus(Response(401, "Unauthorized", Headers()))

    monkeypatch.setattr(module, "connect", refuse)
    heard: list[str] = []
    client = client_of(*(Noting(heard, name, then) for name, then in zip(("a", "bb"), decisions, strict=True)))
    assert asyncio.run(client.attempt()) is None
    assert heard == seen
    assert len(asked) == tries
    assert client.next_wait(None) == wait
    assert all(one["additional_headers"] == {"a": "yes", "bb": "yes"} and one["max_size"] == 2 for one in asked)


def test_a_mechanism_is_given_to_every_client_also_to_later_ones() -> None:
    heard: list[str] = []

    def attach(swarm: Any, config: dict[str, Any]) -> None:
        swarm.equip(lambda client: Noting(heard, f"{config['word']}{client.number}"))

    swarm = Swarm(SETTINGS)
    equip(swarm, {"word": "n"}, [attach])
    swarm.make([5])
    swarm.make([6])

    async def work() -> None:
        await asyncio.gather(*swarm.work())

    asyncio.run(work())
    assert sorted(heard) == ["n0 runs", "n1 runs", "n5 runs", "n6 runs"]
    assert [client.number for client in swarm.clients] == [0, 1, 5, 6]
    assert all(client.part(Noting) is client.parts[0] and client.part(Taker) is None for client in swarm.clients)


def test_a_client_without_a_mechanism_has_nothing_to_ask() -> None:
    client = client_of(ClientPart())
    hooks: list[Callable[..., Any]] = [
        *client._before_connect,
        *(connected for _, connected in client._connected),
        *client._refused,
        *client._disconnected,
    ]
    assert hooks == []
    assert client.swarm.work() == []
    assert Inlet not in client.options.values()
