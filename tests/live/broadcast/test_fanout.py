"""A node's fan-out without a network: who gets what, what a slow client costs, and when it acknowledges."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from live.broadcast import wire
from live.broadcast.broker import body
from live.broadcast.fanout import MOST_QUESTIONS, FanOut, Recipient
from twin.record.events import packed
from twin.rules.batching import Batcher
from twin.rules.delivery import Message, RecoveryAnswer
from twin.rules.slow_consumer import Outlet

LIMIT = 4096


class Bus:
    """The node's side of a bus that answers what the test says."""

    def __init__(self, found: RecoveryAnswer | None = None) -> None:
        self.said: list[tuple[object, ...]] = []
        self.asked: list[tuple[int, int]] = []
        self.found = found

    def say(self, *words: object) -> None:
        self.said.append(words)

    async def recover(self, epoch: int, version: int) -> RecoveryAnswer | None:
        self.asked.append((epoch, version))
        await asyncio.sleep(0)
        return self.found


class Line:
    """A connection whose bytes stay where they are."""

    def __init__(self) -> None:
        self.protocol = SimpleNamespace(state=State.OPEN, extensions=list[Any]())
        self.frames: list[bytes] = []
        self.waiting = 0
        self.aborted = False
        self.transport = SimpleNamespace(write=self.write, get_write_buffer_size=lambda: self.waiting, abort=self.abort)

    def write(self, data: bytes) -> None:
        self.frames.append(data)
        self.waiting += len(data)

    def abort(self) -> None:
        self.aborted = True


def frame(data: bytes) -> bytes:
    return Frame(Opcode.BINARY, data).serialize(mask=False, extensions=[])


def one(version: int, size: int = 10) -> bytes:
    return body(Message(5, version, version, bytes(size)))


@pytest.fixture
def node() -> Callable[..., tuple[FanOut, list[Line], Bus]]:
    """A node with three clients."""

    def make(policy: str = "close", scope: str = "node", found: RecoveryAnswer | None = None) -> Any:
        config = {
            **{"policy": policy, "limit_bytes": LIMIT, "scope": scope, "kind": "stream", "lease": 2.0},
            "address": {"host": "127.0.0.1", "port": 1},
            "topic": {"prefix": "t:", "max_length": 10, "window": 60.0},
            "retry": {"base": 0.01, "cap": 1.0, "retries": 10, "timeout": 5.0},
            **{"seed": 1, "replication": 0},
        }
        fan_out, lines, bus = FanOut(2, config), [Line() for _ in range(3)], Bus(found)
        fan_out.bus = bus  # type: ignore[assignment]
        for line in lines:
            fan_out.clients[line] = Recipient(line, Outlet(policy, LIMIT))  # type: ignore[index, arg-type]
        return fan_out, lines, bus

    async def enter(*args: Any, **options: Any) -> Any:
        return make(*args, **options)

    return lambda *args, **options: asyncio.run(enter(*args, **options))


def clients(fan_out: FanOut) -> list[Recipient]:
    return list(fan_out.clients.values())


def test_each_version_goes_once_to_each_connection_and_is_acknowledged_each_time(node: Any) -> None:
    fan_out, lines, bus = node()
    lines[2].protocol.state = State.CLOSING
    for version in (1, 2, 1):
        fan_out.take(one(version))
    assert lines[0].frames == lines[1].frames == [frame(one(1)), frame(one(2))]
    assert lines[2].frames == []
    assert bus.said == [("ack", 2, 5, 1), ("ack", 2, 5, 2), ("ack", 2, 5, 1)]
    assert [(event, version, packed(event, own)) for _, event, _, _, _, version, own in fan_out.events] == [
        ("received", 1, "5 1"),
        ("received", 2, "5 2"),
        ("received", 1, "5 1 duplicate"),
    ]


@pytest.mark.parametrize("policy", ["drop", "close", "coalesce"])
def test_a_client_that_does_not_read_never_has_more_than_the_limit_waiting(node: Any, policy: str) -> None:
    fan_out, lines, _ = node(policy)
    for version in range(1, 30):
        fan_out.take(one(version, 1000))
        for line in lines[1:]:
            line.waiting = 0
    assert lines[0].waiting <= LIMIT
    assert len(lines[0].frames) == 3
    assert lines[0].aborted == (policy == "close")
    assert all(len(line.frames) == 29 and not line.aborted for line in lines[1:])


def test_one_snapshot_of_the_newest_position_stands_for_all_that_was_not_sent(node: Any) -> None:
    fan_out, lines, _ = node("coalesce")
    for version in range(1, 10):
        fan_out.take(one(version, 1000))
    slow = clients(fan_out)[0]
    lines[0].waiting = LIMIT // 2 + 1
    fan_out.pay(slow)
    assert len(lines[0].frames) == 3
    lines[0].waiting = LIMIT // 2
    fan_out.pay(slow)
    fan_out.pay(slow)
    assert lines[0].frames[3:] == [frame(wire.answer(RecoveryAnswer(False, 5, 9)))]
    fan_out.take(one(10))
    assert lines[0].frames[4:] == [frame(one(10))]


def test_with_scope_client_a_node_acknowledges_when_its_clients_confirmed_or_left(node: Any) -> None:
    fan_out, _, bus = node(scope="client")
    first, second, third = clients(fan_out)
    fan_out.take(one(1))
    fan_out.take(one(2))
    fan_out.hear(first, wire.standing(5, 2))
    fan_out.hear(second, wire.standing(5, 1))
    assert bus.said == []
    fan_out.confirm(third, None)
    assert bus.said == [("ack", 2, 5, 1)]
    fan_out.take(one(2))
    assert bus.said == [("ack", 2, 5, 1)]
    fan_out.hear(second, wire.standing(5, 2))
    fan_out.take(one(2))
    assert bus.said == [("ack", 2, 5, 1), ("ack", 2, 5, 2), ("ack", 2, 5, 2)]


def ask(fan_out: FanOut, *asking: Recipient, at: int = 0) -> None:
    async def run() -> None:
        for client in asking:
            fan_out.hear(client, wire.question(5, at))
        await asyncio.sleep(0.01)

    asyncio.run(run())


def test_clients_at_one_place_share_an_answer_of_the_broker(node: Any) -> None:
    found = RecoveryAnswer(True, 5, 2, (Message(5, 1, 1), Message(5, 2, 2)))
    fan_out, lines, bus = node(found=found)
    ask(fan_out, *clients(fan_out)[:2])
    assert bus.asked == [(5, 0)]
    assert lines[0].frames == lines[1].frames == [frame(wire.answer(found))]
    assert lines[2].frames == []
    ask(fan_out, clients(fan_out)[2])
    assert bus.asked == [(5, 0), (5, 0)]


def test_an_answer_that_does_not_fit_is_nothing_but_the_head(node: Any) -> None:
    large = RecoveryAnswer(True, 5, 3, tuple(Message(5, v, v, bytes(1000)) for v in (1, 2, 3)))
    fan_out, lines, _ = node(found=large)
    ask(fan_out, clients(fan_out)[0])
    assert lines[0].frames == [frame(wire.answer(RecoveryAnswer(False, 5, 3)))]


def test_without_an_answer_of_the_broker_the_client_hears_nothing(node: Any) -> None:
    fan_out, lines, bus = node()
    ask(fan_out, clients(fan_out)[0])
    assert bus.asked == [(5, 0)]
    assert lines[0].frames == []


def test_a_client_that_asks_on_and_on_has_so_many_questions_waiting_and_no_more(node: Any) -> None:
    found = RecoveryAnswer(True, 5, 2, ())
    fan_out, lines, bus = node(found=found)
    flooding, other, _ = clients(fan_out)

    async def run() -> None:
        for at in range(3 * MOST_QUESTIONS):
            fan_out.hear(flooding, wire.question(5, at))
        fan_out.hear(other, wire.question(5, 0))
        await asyncio.sleep(0.01)

    asyncio.run(run())
    assert len(bus.asked) == MOST_QUESTIONS
    assert lines[1].frames == [frame(wire.answer(found))]
    assert fan_out.asked == {}
    before = len(lines[0].frames)
    ask(fan_out, flooding)  # who has been answered may ask again
    assert len(lines[0].frames) == before + 1
    fan_out.bus.found = None
    ask(fan_out, flooding)  # nor does a question that nobody answers count for ever
    assert flooding.questions == 0


def test_who_compresses_gets_a_frame_of_its_own_and_all_bytes_are_counted(node: Any) -> None:
    fan_out, lines, _ = node()
    fan_out.counted = True
    shared, own = frame(one(1, 400)), PerMessageDeflate(False, False, 12, 12)
    lines[1].protocol.extensions.append(PerMessageDeflate(False, False, 12, 12))
    fan_out.take(one(1, 400))
    message = Frame(Opcode.BINARY, one(1, 400))
    assert [line.frames for line in lines] == [[shared], [message.serialize(mask=False, extensions=[own])], [shared]]
    _, event, _, number, _, _, count = fan_out.finish()[-1]
    assert (event, number, count) == ("node_written", 2, (2 * len(shared) + len(lines[1].frames[0]), 3))


def test_what_is_not_sent_is_not_compressed_so_that_the_next_is_understood(node: Any) -> None:
    fan_out, lines, _ = node("drop")
    lines[0].protocol.extensions.append(PerMessageDeflate(False, False, 12, 12))
    for version, waiting in ((1, 0), (2, LIMIT), (3, 0)):
        lines[0].waiting = waiting
        fan_out.take(one(version, 400))
    reader = PerMessageDeflate(False, False, 12, 12)
    assert len(lines[0].frames) == 2
    read = [reader.decode(Frame(Opcode.BINARY, data[2:], rsv1=True)).data for data in lines[0].frames]
    assert [bytes(data) for data in read] == [one(1, 400), one(3, 400)]


def test_a_node_that_gathers_hands_on_all_at_once_and_acknowledges_then(node: Any) -> None:
    fan_out, lines, bus = node()

    async def gather() -> None:
        fan_out.batcher = Batcher[bytes](3, 0.02)
        for version in (1, 2, 2):
            fan_out.take(one(version))
        assert (lines[0].frames, bus.said) == ([], [])  # the second word about message 2 waits, too
        fan_out.take(one(3))
        assert lines[0].frames == [frame(one(1)), frame(one(2)), frame(one(3))]
        assert bus.said == [("ack", 2, 5, 1), ("ack", 2, 5, 2), ("ack", 2, 5, 3)]
        fan_out.take(one(2))
        assert bus.said[-1] == ("ack", 2, 5, 2)
        fan_out.take(one(4))
        while len(lines[0].frames) < 4:
            await asyncio.sleep(0.001)
        assert bus.said[-1] == ("ack", 2, 5, 4)

    asyncio.run(gather())


def test_a_node_that_ends_lets_go_of_what_it_has_gathered(node: Any) -> None:
    fan_out, lines, bus = node()

    async def end() -> None:
        fan_out.batcher = Batcher[bytes](3, 0.01)
        bus.leave = lambda: bus.said.append(("left",))
        fan_out.take(one(1))
        fan_out.ended()
        await asyncio.sleep(0.05)

    asyncio.run(end())
    assert (lines[0].frames, bus.said) == ([], [("left",)])
