"""A client's inbox without a network: what it notes, what it asks, and when it asks again."""

import asyncio
from types import SimpleNamespace
from typing import Any

from live.broadcast import wire
from live.broadcast.broker import body
from live.broadcast.inbox import MOST_KNOWN, Decoder, Inbox
from twin.record.events import packed
from twin.rules.delivery import Message, RecoveryAnswer

E = 1000


class Line:
    """A connection that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def say(self, data: bytes) -> None:
        self.said.append(data)


def one(version: int, epoch: int = E) -> bytes:
    return body(Message(epoch, version, version + 100, b"x"))


def play(*steps: Any, recover: bool = True, timeout: float = 60.0, confirm: bool = False) -> tuple[list[Any], Line]:
    """Let an inbox take frames, or do what a function says; return its notes without times, and its connection."""

    async def run() -> tuple[list[Any], Line]:
        swarm: Any = SimpleNamespace(events=[])
        config = {"recover": recover, "on_reconnect": True, "timeout": timeout, "confirm": confirm, "max_size": 9}
        inbox, line = Inbox(swarm, 7, config, Decoder()), Line()
        inbox.connected(line, 2)  # type: ignore[arg-type]
        for step in steps:
            if isinstance(step, bytes):
                inbox.take(step)
            elif isinstance(step, float):
                await asyncio.sleep(step)
            else:
                step(inbox, line)
        inbox.disconnected()
        return [(event, node, version, packed(event, own)) for _, event, _, node, _, version, own in swarm.events], line

    return asyncio.run(run())


def test_messages_in_order_are_delivered_and_nothing_is_asked() -> None:
    events, line = play(one(1), one(2))
    assert events == [("delivered", 2, 1, f"{E} 101"), ("delivered", 2, 2, f"{E} 102")]
    assert line.said == []


def test_a_hole_is_noted_asked_for_once_and_closed_by_the_answer() -> None:
    missing = tuple(Message(E, v, v + 100, b"x") for v in (2, 3))
    events, line = play(one(1), one(4), one(5), wire.answer(RecoveryAnswer(True, E, 5, missing)))
    assert line.said == [wire.question(E, 1)]
    assert [event[0] for event in events] == [
        *("delivered", "received", "gap", "received", "recovered"),
        *("delivered",) * 4,
    ]
    assert ("gap", 2, 2, f"{E} {E} 4") in events
    assert ("received", 2, 4, f"{E} 104 early") in events
    assert ("recovered", 2, 5, f"{E} replayed 2") in events
    assert [version for event, _, version, _ in events if event == "delivered"] == [1, 2, 3, 4, 5]


def test_a_snapshot_moves_the_client_and_a_duplicate_is_noted() -> None:
    events, _ = play(one(1), wire.answer(RecoveryAnswer(False, E, 9)), one(9), one(10))
    assert ("recovered", 2, 9, f"{E} snapshot") in events
    assert [version for event, _, version, _ in events if event == "delivered"] == [1, 10]
    assert [detail for event, _, _, detail in events if event == "received"] == [f"{E} 109 late"]


def test_a_client_that_does_not_recover_notes_the_gap_with_the_epoch_it_stood_in() -> None:
    events, line = play(one(1), one(3, E + 1), recover=False)
    assert events[1:] == [("gap", 2, 2, f"{E} {E + 1} 3"), ("delivered", 2, 3, f"{E + 1} 103")]
    assert line.said == []


def test_a_question_without_an_answer_is_asked_again() -> None:
    _, line = play(one(1), one(3), 0.1, timeout=0.03)
    assert len(line.said) >= 2
    assert set(line.said) == {wire.question(E, 1)}


def test_a_client_that_comes_back_asks_from_its_position() -> None:
    def come_back(inbox: Inbox, line: Line) -> None:
        inbox.disconnected()
        inbox.connected(line, 3)(one(3))  # type: ignore[arg-type]

    events, line = play(one(1), come_back)
    assert line.said == [wire.question(E, 1)]
    assert events[1:] == [("received", 3, 3, f"{E} 103 early")]


def test_a_client_that_confirms_tells_its_node_where_it_stands() -> None:
    _, line = play(one(1), one(1), one(2), confirm=True)
    assert line.said == [wire.standing(E, 1), wire.standing(E, 2)]


def test_a_decoder_knows_so_many_frames_and_then_forgets_them_all() -> None:
    decode = Decoder()
    first = decode(one(0))
    assert first == (Message(E, 0, 100, b"x"), (E, 100))
    for version in range(1, MOST_KNOWN):
        decode(one(version))
    assert decode(one(0)) is first
    assert len(decode.known) == MOST_KNOWN
    assert decode(one(MOST_KNOWN))[0].version == MOST_KNOWN
    assert list(decode.known) == [one(MOST_KNOWN)]


def test_an_answer_in_time_ends_the_asking() -> None:
    def answered(inbox: Inbox, line: Line) -> None:
        assert inbox._timer is not None
        inbox.take(wire.answer(RecoveryAnswer(True, E, 3, (Message(E, 2, 102, b"x"),))))
        assert inbox._timer is None

    _, line = play(one(1), one(3), answered)
    assert line.said == [wire.question(E, 1)]


def test_without_a_connection_nothing_is_asked_and_no_clock_is_left_running() -> None:
    def lose(inbox: Inbox, line: Line) -> None:
        inbox.disconnected()
        assert inbox._timer is None
        inbox.ask()
        assert inbox._timer is None

    _, line = play(one(1), one(3), lose)
    assert line.said == [wire.question(E, 1)]


def test_the_first_connection_asks_nothing_and_who_does_not_recover_never_does() -> None:
    def come_back(inbox: Inbox, line: Line) -> None:
        inbox.disconnected()
        inbox.connected(line, 3)  # type: ignore[arg-type]

    assert play()[1].said == []
    assert play(one(1), come_back, recover=False)[1].said == []


def test_an_answer_that_still_leaves_a_hole_is_followed_by_a_question() -> None:
    _, line = play(one(1), one(4), wire.answer(RecoveryAnswer(True, E, 5, (Message(E, 2, 102, b"x"),))))
    assert line.said == [wire.question(E, 1), wire.question(E, 2)]
