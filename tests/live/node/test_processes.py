"""A live node of several processes on one port."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from live.control.messages import Done, Finish, Listening
from live.control.process import ChildProcess, Stage
from live.handler import wire
from live.machine import placement
from live.node.messages import Drained, Look, Seen, StartDrain
from twin.rules.handler import Demand

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]
HANDLER = {"answer_bytes": 64, "executor": "loop", "size": 1}


def start(stage: Stage) -> tuple[ChildProcess, str]:
    (port,) = placement.free_ports(1)
    config: dict[str, Any] = {"number": 4, "port": port, "backlog": 100, "handler": HANDLER}
    config["workers"] = {"count": 3}
    node = stage.python("node 4", "live.node.processes", config)
    node.hear(Listening)
    return node, f"ws://127.0.0.1:{port}/"


def opened(uri: str, count: int) -> list[Any]:
    links = [connect(uri, compression=None, proxy=None) for _ in range(count)]
    assert {link.response.headers["X-Node"] for link in links if link.response} == {"4"}
    return links


def by_worker(node: ChildProcess) -> list[int]:
    """Return how many connections each worker has, the one with fewest first."""
    workers = psutil.Process(node.pid).children()
    count = Counter({one.pid: 0 for one in workers})
    for one in workers:
        count[one.pid] += sum(link.status == psutil.CONN_ESTABLISHED for link in one.net_connections())
    return sorted(count.values())


def test_several_processes_serve_one_port_and_answer_as_one(stage: Stage, folder: Path) -> None:
    node, uri = start(stage)
    links = opened(uri, 24)
    node.tell(Look())
    assert node.hear(Seen).connections == 24
    shares = by_worker(node)
    assert sum(shares) == 24
    assert shares[0] > 0
    links[0].send(wire.request(1, 2, 0, Demand(0.001, 0.0, 0.0), 64))
    assert wire.read_answer(links[0].recv(10)) == (1, 2, 0)
    node.tell(Finish(str(folder / "events.json")))
    assert node.hear(Done).events > 0
    assert {event[1] for event in json.loads((folder / "events.json").read_text())} == {"loop_late"}
    for link in links:
        link.close()


def test_what_stops_a_node_stops_all_its_processes(stage: Stage, until: Callable[..., None]) -> None:
    node, _ = start(stage)
    everybody = [psutil.Process(node.pid), *psutil.Process(node.pid).children()]
    for number, states in ((signal.SIGSTOP, {psutil.STATUS_STOPPED}), (signal.SIGCONT, {psutil.STATUS_SLEEPING})):
        node.signal(number)
        until(lambda states=states: {one.status() for one in everybody} == states)
    node.signal(signal.SIGKILL)
    until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in everybody))


def test_workers_end_when_the_process_that_started_them_is_gone(stage: Stage, until: Callable[..., None]) -> None:
    node, _ = start(stage)
    workers = psutil.Process(node.pid).children()
    psutil.Process(node.pid).kill()
    until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in workers))


def test_all_processes_of_a_node_drain_and_then_it_ends(stage: Stage) -> None:
    node, uri = start(stage)
    links = opened(uri, 6)
    began = time.monotonic()
    node.let_end()
    node.tell(StartDrain(0.1, 0.0))
    for link in links:
        with pytest.raises(ConnectionClosed, match="1012"):
            link.recv(10)
    assert began + 0.1 < node.hear(Drained).at < time.monotonic()
    assert node.wait(10)
