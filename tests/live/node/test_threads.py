"""A live node with a thread for each connection."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from live.control.messages import Done, Finish, Listening
from live.control.process import ChildProcess, Stage
from live.handler import wire
from live.machine import placement
from live.node.messages import Closed, Drained, Look, Seen, StartDrain
from twin.rules.handler import Demand

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]


def start(stage: Stage) -> tuple[ChildProcess, str]:
    (port,) = placement.free_ports(1)
    config: dict[str, Any] = {"number": 4, "port": port, "backlog": 100, "sends": {"codec": "none"}}
    config["handler"] = {"answer_bytes": 64, "executor": "loop", "size": 1}
    node = stage.python("node 4", "live.node.threads", config)
    node.hear(Listening)
    return node, f"ws://127.0.0.1:{port}/"


def opened(uri: str, count: int) -> list[Any]:
    links = [connect(uri, compression=None, proxy=None) for _ in range(count)]
    assert {link.response.headers["X-Node"] for link in links if link.response} == {"4"}
    return links


def test_a_thread_serves_each_client_and_one_that_waits_holds_up_only_its_own(stage: Stage, folder: Path) -> None:
    node, uri = start(stage)
    first, second = opened(uri, 2)
    node.tell(Look())
    assert node.hear(Seen).connections == 2
    began = time.monotonic()
    first.send(wire.request(1, 0, 0, Demand(0.0, 0.2, 0.2), 64))
    first.send(wire.request(1, 1, 0, Demand(0.0, 0.0, 0.0), 64))
    second.send(bytes([0, 0, 0, 5, 0, 0, 0, 9]))
    second.send(wire.request(2, 0, 0, Demand(0.001, 0.0, 0.0), 64))
    assert wire.read_answer(second.recv(10)) == (2, 0, 0)
    assert time.monotonic() - began < 0.3
    assert [wire.read_answer(first.recv(10)) for _ in range(2)] == [(1, 0, 0), (1, 1, 0)]
    assert time.monotonic() - began >= 0.4
    node.tell(Finish(str(folder / "events.json")))
    assert node.hear(Done).events > 5
    events = json.loads((folder / "events.json").read_text())
    assert [(event[2], event[5]) for event in events if event[1] == "arrived"] == [(5, 9)]
    assert any(event[1] == "loop_late" for event in events)
    for link in (first, second):
        link.close()


def test_the_check_is_answered_and_a_browser_s_page_is_not(stage: Stage) -> None:
    node, uri = start(stage)
    with pytest.raises(InvalidStatus, match="200"):
        connect(f"{uri}healthz", proxy=None)
    node.tell(Look())
    assert node.hear(Seen).checked > 0
    with pytest.raises(InvalidStatus, match="403"):
        connect(uri, origin="http://127.0.0.1", proxy=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("how", "code"), [("drain", "1012"), ("restart", "1001")])
def test_it_lets_its_clients_go_and_ends(how: str, code: str, stage: Stage) -> None:
    node, uri = start(stage)
    links = opened(uri, 6)
    began = time.monotonic()
    node.let_end()
    if how == "drain":
        node.tell(StartDrain(0.1, 0.0))
    else:
        node.signal(signal.SIGTERM)
    for link in links:
        with pytest.raises(ConnectionClosed, match=code):
            link.recv(10)
    if how == "drain":
        assert began + 0.1 < node.hear(Drained).at < time.monotonic()
    assert node.hear(Closed).cpu > 0
    assert node.wait(10)
