"""Requests that make live nodes work."""

import asyncio
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from live import measure
from live.handler import wire
from live.handler.executors import OF_LOOP, executor
from live.handler.handler import attach
from live.handler.node import HandlerOfNode
from live.handler.requests import Requests
from live.handler.work import compute, do
from live.machine.timing import Timers
from twin.measures import measure_record
from twin.measures.handler import answer_times
from twin.rules.handler import LOOK_EVERY, Demand
from twin.scenario.scenario import Scenario

WORK = Demand(0.001, 0.002, 0.003)
NODE = {"answer_bytes": 20, "executor": "loop", "size": 1}


def test_a_request_says_what_it_takes_and_an_answer_which_request_it_is_of() -> None:
    data = wire.request(7, 258, 1, WORK, 64)
    assert len(data) == 64
    assert data[0] == wire.REQUEST
    assert wire.read_request(data) == ((7, 258, 1), WORK)
    said = wire.answer((7, 258, 1), 20)
    assert len(said) == 20
    assert wire.read_answer(said) == (7, 258, 1)


@pytest.mark.parametrize("seconds", [-1.0, 601.0, float("nan"), float("inf")])
def test_a_node_does_no_work_that_no_client_of_a_run_asks_for(seconds: float) -> None:
    with pytest.raises(ValueError, match="a request asks for"):
        wire.read_request(wire.request(0, 0, 0, Demand(0.0, seconds, 0.0), 64))
    with pytest.raises(ValueError, match="too short"):
        wire.read_request(b"Q" * 20)


def test_work_is_cpu_time_of_its_thread_and_then_a_blocking_call() -> None:
    began, cpu = time.monotonic(), time.thread_time()
    do(0.02, 0.03)
    assert 0.02 <= time.thread_time() - cpu < 0.025
    assert time.monotonic() - began >= 0.05


def test_who_computes_lets_other_threads_have_the_interpreter_lock() -> None:
    other = threading.Thread(target=compute, args=(0.2,))
    other.start()
    began = time.monotonic()
    for _ in range(3):
        time.sleep(0.001)
    assert other.is_alive()
    other.join()
    assert time.monotonic() - began >= 0.1


class Connection:
    """A connection that remembers what was written."""

    def __init__(self, waiting: int = 0) -> None:
        self.protocol = SimpleNamespace(state=State.OPEN)
        self.transport = self
        self.waiting = waiting
        self.written: list[bytes] = []
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True


def framed(name: tuple[int, int, int]) -> bytes:
    return bytes(Frame(Opcode.BINARY, wire.answer(name, 20)).serialize(mask=False, extensions=[]))


@pytest.mark.parametrize("kind", list(OF_LOOP))
def test_a_node_answers_when_the_work_is_done_whoever_does_it(kind: str) -> None:
    async def run() -> tuple[list[bytes], float]:
        part = HandlerOfNode(3, NODE | {"executor": kind, "size": 2})
        connection: Any = Connection()
        take = part.connected(connection)
        began = time.monotonic()
        take("words")
        take(b"R")
        for n in range(2):
            take(wire.request(7, n, 1, Demand(0.001, 0.01, 0.02), 64))
        while len(connection.written) < 2:
            await asyncio.sleep(0.001)
        took = time.monotonic() - began
        part.ended()
        for worker in getattr(part.executor, "workers", ()):
            worker.process.wait(10)
        assert part.under_way == 0
        return connection.written, took

    written, took = asyncio.run(run())
    assert sorted(written) == [framed((7, 0, 1)), framed((7, 1, 1))]
    assert took >= 0.031


def test_a_pool_takes_calls_in_order_and_does_as_many_at_a_time_as_it_has_processes() -> None:
    async def run() -> tuple[list[int], float]:
        pool = executor("process_pool", 2)
        done: list[int] = []
        began = time.monotonic()
        for n in range(4):
            pool.begin(0.0, 0.1, lambda n=n: done.append(n))  # type: ignore[misc]
        while len(done) < 4:
            await asyncio.sleep(0.001)
        took = time.monotonic() - began
        pool.close()
        for worker in pool.workers:  # type: ignore[attr-defined]
            worker.process.wait(10)
        return done, took

    done, took = asyncio.run(run())
    assert set(done[:2]) == {0, 1}
    assert took >= 0.2


def test_nobody_is_answered_who_is_gone_or_does_not_read() -> None:
    part = HandlerOfNode(3, NODE)
    gone: Any = Connection()
    gone.protocol.state = State.CLOSING
    part.answer(gone, (1, 2, 0))
    stalled: Any = Connection(waiting=2**20 + 1)
    part.answer(stalled, (1, 2, 0))
    assert (gone.written, gone.aborted, stalled.written, stalled.aborted) == ([], False, [], True)


def test_too_much_work_at_a_time_ends_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.handler.node.MOST_UNDER_WAY", 2)
    part = HandlerOfNode(3, NODE)
    monkeypatch.setattr(part.executor, "begin", lambda cpu, blocking, then: None)
    take = part.connected(Connection())  # type: ignore[arg-type]
    for n in range(2):
        take(wire.request(0, n, 0, WORK, 64))
    with pytest.raises(OverflowError, match="more than 2 requests"):
        take(wire.request(0, 2, 0, WORK, 64))


def test_a_loop_that_stood_still_notes_each_look_that_it_missed() -> None:
    async def run() -> list[Any]:
        part = HandlerOfNode(3, NODE)
        part.listening()
        while len(part.events) < 2:
            await asyncio.sleep(0.001)
        time.sleep(5 * LOOK_EVERY)
        while len(part.events) < 7:
            await asyncio.sleep(0.001)
        return part.finish()

    late = [own[0] / 1e6 for *_, own in asyncio.run(run())]
    assert late[2:6] == pytest.approx([late[2] - n * LOOK_EVERY for n in range(4)], abs=1e-5)
    assert late[2] > 4 * LOOK_EVERY


def test_each_request_is_made_when_it_is_due_if_the_client_is_there() -> None:
    class Line:
        said: list[bytes] = []  # noqa: RUF012
        protocol = SimpleNamespace(state=State.OPEN)

        def say(self, data: bytes) -> None:
            self.said.append(data)

    async def run() -> tuple[list[Any], float]:
        start = time.monotonic()
        swarm: Any = SimpleNamespace(events=[], start=start, timers=Timers(), draw=lambda number, purpose, n: 0.5)
        task = [50.0, "even", ["fixed", 0.1], ["fixed", 0.0], ["uniform", 2.0]]
        requests = Requests(swarm, 1, {"tasks": [["short", *task]], "clients": 2, "payload_bytes": 64})
        asking = asyncio.ensure_future(requests.run())
        await asyncio.sleep(0.05)
        line: Any = Line()
        take = requests.connected(line, 4)
        while len(swarm.events) < 2:
            await asyncio.sleep(0.001)
        take(wire.answer((1, 1, 0), 20))
        take(b"?")
        requests.disconnected()
        await asyncio.sleep(0.05)
        asking.cancel()
        return swarm.events, start

    events, start = asyncio.run(run())
    assert [one[1:] for one in events] == [
        ("requested", 1, 4, -1, 1, "short"),
        ("requested", 1, 4, -1, 2, "short"),
        ("answered", 1, 4, -1, 1, "short"),
    ]
    for (when, *_), n in zip(events[:2], (1, 2), strict=True):
        assert when - start >= (2 * n + 1.5) / 50.0
    assert [wire.read_request(data) for data in Line.said] == [((1, n, 0), Demand(0.1, 0.0, 2.0)) for n in (1, 2)]


def test_a_cluster_tells_nodes_and_clients_what_each_has_to_know(small: Callable[..., Scenario]) -> None:
    parts: list[Any] = []
    scenario = small(nodes={"handler": {"tasks": [{"rate": 3.0, "cpu": 0.1}]}, "executor": {"kind": "thread_pool"}})
    attach(SimpleNamespace(scenario=scenario, add=parts.append))  # type: ignore[arg-type]
    assert parts[0].of_node(1) == {"handler": {"answer_bytes": 64, "executor": "thread_pool", "size": 4}}
    task = ["short", 3.0, "even", ("fixed", 0.1), ("fixed", 0.0), ("fixed", 0.0)]
    assert parts[0].of_clients() == {"handler": {"tasks": [task], "clients": 20, "payload_bytes": 64}}


@pytest.mark.live
def test_short_requests_wait_for_long_ones_in_a_live_loop(small: Callable[..., Scenario]) -> None:
    tasks = [{"rate": 60.0, "cpu": 0.0002}, {"name": "long", "rate": 2.0, "cpu": 0.1}]
    record = measure(small(duration=3.0, nodes={"count": 1, "handler": {"tasks": tasks}}, bus={"kind": "none"}), 1)[0]
    asked, took = answer_times(record, "short")
    assert len(asked) == pytest.approx(180, abs=2 if record.counts else 60)
    assert not np.isnan(took[asked < 2.5]).any()
    found = measure_record(record)
    assert found["unanswered_share"] == 0.0
    assert found["long_answer_p50"] >= 0.1
    assert found["short_answer_p99"] > 0.05
    assert found["loop_late_p99"] > 0.05
    if record.counts:
        assert found["short_answer_p50"] < 0.05
