"""Clients that send, and keep what they cannot send."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from live import measure
from live.machine.timing import Timers
from live.sending.outbox import Outbox, taker
from twin.measures import measure_record
from twin.record.events import packed
from twin.rules.offline import due_at
from twin.scenario.codec import Batching
from twin.scenario.scenario import Scenario
from twin.scenario.sending import Sends, frame_content

OFFLINE = {"messages": 2, "bytes": 1000, "overflow": "oldest"}


@pytest.mark.live
def test_what_is_kept_is_sent_first_and_in_order(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=4.0,
        clients={
            "sends": {"rate": 5.0, "payload_bytes": 20},
            "offline": {"messages": 4},
            "reconnect": {"policy": "fixed", "base": 1.5, "jitter": "none", "cap": 5.0},
        },
        balancer={"retries": 3, "redispatch": 1},
        faults=[{"at": 0.5, "kind": "kill", "node": 1}],
    )
    record = measure(scenario, 1)[0]
    away = record.select("disconnected")["client"].unique()
    assert len(away) == 10
    for client in range(20):
        mine = record.events[record.events["client"] == client]
        sent = mine[mine["event"] == "sent"]
        assert sent["version"].tolist() == sorted(sent["version"])
        flushed = sent[sent["detail"] == "flushed"]["version"].tolist()
        kept = mine[mine["event"] == "kept"]["version"].tolist()
        dropped = mine[mine["event"] == "discarded"]["version"].tolist()
        assert flushed == [n for n in kept if n not in dropped]
        assert len(flushed) == (4 if client in away else 0)
        arrived = mine[mine["event"] == "arrived"]["version"].tolist()
        assert set(flushed) <= set(arrived)
        assert arrived == sorted(arrived)
    found = measure_record(record)
    assert found["kept_messages"] == pytest.approx(1.5 * 5.0 / 2, rel=0.25)
    assert found["offline_bytes"] == 10 * 4 * 20
    assert found["dropped_messages"] > 0


class Line:
    """A connection that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def say(self, data: bytes) -> None:
        self.said.append(data)


def test_a_message_is_its_client_its_number_and_filling_and_a_node_takes_just_that() -> None:
    swarm: Any = SimpleNamespace(events=[])
    box, line = Outbox(swarm, 7, {"rate": 1.0, "payload_bytes": 12, "offline": OFFLINE}), Line()
    box.connected(line, 3)  # type: ignore[arg-type]
    box._send([258], flushed=False)
    assert line.said == [b"\0\0\0\x07\0\0\x01\x02\0\0\0\0"]
    assert [one[1:] for one in swarm.events] == [("sent", 7, 3, -1, 258, (False,))]
    taken: list[Any] = []
    take = taker(taken, 5)
    for data in (line.said[0], line.said[0][:8], line.said[0][:7], "words of a text frame"):
        take(data)
    assert [one[1:] for one in taken] == [("arrived", 7, 5, -1, 258, "")] * 2


def test_what_is_kept_goes_out_in_order_and_what_did_not_fit_is_noted() -> None:
    swarm: Any = SimpleNamespace(events=[])
    box = Outbox(swarm, 7, {"rate": 1.0, "payload_bytes": 12, "offline": OFFLINE})
    for n in (1, 2, 3):
        box._keep(n)
    line = Line()
    box.connected(line, 2)  # type: ignore[arg-type]
    box.disconnected()
    assert box.connection is None
    box.connected(line, 2)  # type: ignore[arg-type]
    assert [(event, client, node, n, packed(event, own)) for _, event, client, node, _, n, own in swarm.events] == [
        ("kept", 7, -1, 1, "12"),
        ("kept", 7, -1, 2, "24"),
        ("kept", 7, -1, 3, "24"),
        ("discarded", 7, -1, 1, "24"),
        ("sent", 7, 2, 2, "flushed"),
        ("sent", 7, 2, 3, "flushed"),
    ]
    assert len(line.said) == 2


def test_each_message_is_sent_when_it_is_due_and_kept_while_there_is_no_connection() -> None:
    async def run() -> tuple[list[Any], float]:
        start = time.monotonic()
        swarm: Any = SimpleNamespace(events=[], start=start, timers=Timers(), draw=lambda number, purpose, n: 0.5)
        box = Outbox(swarm, 7, {"rate": 50.0, "payload_bytes": 8, "offline": OFFLINE})
        sending = asyncio.ensure_future(box.run())
        while len(swarm.events) < 2:
            await asyncio.sleep(0.001)
        box.connected(Line(), 1)  # type: ignore[arg-type]
        while len(swarm.events) < 6:
            await asyncio.sleep(0.001)
        sending.cancel()
        return swarm.events, start

    events, start = asyncio.run(run())
    assert [(event, n, packed(event, own)) for _, event, _, _, _, n, own in events[:6]] == [
        ("kept", 0, "8"),
        ("kept", 1, "16"),
        ("sent", 0, "flushed"),
        ("sent", 1, "flushed"),
        ("sent", 2, ""),
        ("sent", 3, ""),
    ]
    for when, n in ((events[0][0], 0), (events[1][0], 1), (events[4][0], 2), (events[5][0], 3)):
        assert when - start >= due_at(n, 50.0, 0.5)


def test_a_node_ends_a_connection_with_more_messages_than_clients_can_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("live.sending.outbox.MOST_ARRIVED", 2)
    events: list[Any] = []
    take = taker(events, 1)
    for _ in range(2):
        take(bytes(8))
    with pytest.raises(OverflowError, match="more than 2 messages"):
        take(bytes(8))
    assert len(events) == 2


def boxed(**changes: Any) -> tuple[Outbox, Line, list[Any]]:
    """Return an outbox with a connection, the connection, and the events that it notes."""
    swarm: Any = SimpleNamespace(events=[])
    config = {"rate": 1.0, "payload_bytes": 12, "offline": OFFLINE} | changes
    box, line = Outbox(swarm, 7, config), Line()
    box.connected(line, 3)  # type: ignore[arg-type]
    return box, line, swarm.events


@pytest.mark.parametrize("codec", ["none", "json", "protobuf"])
def test_a_batch_is_one_frame_and_the_node_notes_each_of_its_messages(codec: str) -> None:
    box, line, events = boxed(codec=codec, batch={"count": 3, "window": 5.0})

    async def gather() -> None:
        for n in (40, 41, 42, 43):
            box._gather(n)

    asyncio.run(gather())
    assert [event for _, event, *_ in events] == ["batched"] * 3 + ["sent"] * 3 + ["batched"]
    (data,) = line.said
    assert len(data) <= frame_content(Sends(rate=1.0, payload_bytes=12, batch=Batching()), 3, codec)  # numbers vary
    taken: list[Any] = []
    taker(taken, 5, codec, 12)(data)
    assert [one[1:] for one in taken] == [("arrived", 7, 5, -1, n, "") for n in (40, 41, 42)]


def test_a_batch_leaves_at_the_end_of_its_window() -> None:
    box, line, events = boxed(batch={"count": 9, "window": 0.02})

    async def gather() -> None:
        box._gather(1)
        box._gather(2)
        assert line.said == []
        while not line.said:
            await asyncio.sleep(0.001)

    asyncio.run(gather())
    assert [one[1] for one in events] == ["batched", "batched", "sent", "sent"]


def test_what_has_not_left_is_kept_and_sent_later_in_batches_without_holes() -> None:
    box, line, _ = boxed(batch={"count": 2, "window": 5.0}, offline=OFFLINE | {"messages": 9})

    async def gather() -> None:
        box._gather(1)
        box.disconnected()
        for n in (2, 3, 5):
            box._keep(n)
        box.connected(line, 4)  # type: ignore[arg-type]

    asyncio.run(gather())
    taken: list[Any] = []
    for data in line.said:
        taker(taken, 4, batch_of=12)(data)
    assert [one[-2] for one in taken] == [1, 2, 3, 5]
    assert [len(data) for data in line.said] == [8 + 24, 8 + 12, 8 + 12]


def test_a_node_does_not_take_what_its_codec_does_not_know() -> None:
    with pytest.raises(ValueError):
        taker([], 1, "json")(bytes(8) + b"[1")
