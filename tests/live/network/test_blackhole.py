"""A real link that drops every packet, and a killed node that is started again."""

import contextlib
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from live.control.messages import Listening
from live.control.process import ChildProcess, Stage
from live.machine import placement
from live.network.messages import Drop, LinkSettings
from live.runs import run
from twin.record.record import Record
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

COUNT = 30


@pytest.fixture
def link(stage: Stage) -> Iterator[tuple[ChildProcess, int]]:
    """A link to a server that echoes."""
    server = socket.create_server(("127.0.0.1", 0))

    def echo(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                one.sendall(data)
        one.close()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    (port,) = placement.free_ports(1)
    config = LinkSettings(port, "127.0.0.1", server.getsockname()[1])
    part = stage.python("link 1", "live.network.blackhole", config)
    part.hear(Listening)
    yield part, port
    server.close()


def ask(one: socket.socket, timeout: float) -> bytes:
    one.settimeout(timeout)
    one.sendall(b"hello")
    return one.recv(16)


def fails(act: Callable[[], object]) -> bool:
    """Tell whether something times out."""
    try:
        act()
    except TimeoutError:
        return True
    return False


def test_what_is_sent_waits_and_nothing_is_closed(link: tuple[ChildProcess, int]) -> None:
    part, port = link
    with socket.create_connection(("127.0.0.1", port), 5) as one:
        assert ask(one, 5) == b"hello"
        part.tell(Drop(True))
        assert any(fails(lambda: ask(one, 0.3)) for _ in range(10_000))  # when it has heard of it
        part.tell(Drop(False))
        one.settimeout(5)
        assert one.recv(16) == b"hello"


def test_no_syn_is_answered_and_the_kernel_sends_it_again(link: tuple[ChildProcess, int]) -> None:
    part, port = link
    for _ in range(2):  # also when it drops for the second time
        part.tell(Drop(True))
        deadline = time.monotonic() + 10
        while not fails(lambda: socket.create_connection(("127.0.0.1", port), 0.5).close()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with socket.socket() as one:
            one.setblocking(False)
            began = time.monotonic()
            one.connect_ex(("127.0.0.1", port))
            part.tell(Drop(False))
            one.settimeout(5)
            assert ask_when_connected(one) == b"hello"
            assert 0.8 < time.monotonic() - began < 3.5  # 1 s after the first SYN, or 3 s


def ask_when_connected(one: socket.socket) -> bytes:
    _, writable, _ = select.select([], [one], [], 5)
    assert writable
    return ask(one, 5)


def homes(record: Record) -> list[int]:
    last = record.select("connected", "disconnected").groupby("client").last()
    return sorted(last[last["event"] == "connected"].index)


def test_clients_of_a_dead_link_find_out_by_their_heartbeats_and_come_back(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=5.0,
        nodes={"count": 3},
        clients={"count": COUNT, "heartbeat": {"interval": 0.5, "timeout": 0.3}},
        balancer={"retries": 3, "redispatch": 1, "connect_timeout": 0.4, "check": {"inter": 0.3, "fall": 2, "rise": 1}},
        faults=[{"at": 0.5, "kind": "blackhole", "node": 2, "duration": 2.5}],
    )
    record = run(scenario, replication=1)
    lost = record.select("disconnected")
    assert len(lost) == COUNT // 3
    assert set(lost["detail"]) == {"heartbeat"}
    begun, over = (float(record.select(name)["t"].iloc[0]) for name in ("fault", "healed"))
    assert (lost["t"] - begun).between(0.25, 1.3).all()
    marks = record.select("marked_down", "marked_up")
    assert marks["event"].tolist() == ["marked_down", "marked_up"]
    assert set(marks["node"]) == {2}
    assert marks["t"].iloc[0] < over < marks["t"].iloc[1]
    during = record.select("connected").query("t > @begun and t < @over")
    assert len(during) == COUNT // 3
    assert 2 not in set(during["node"])
    assert homes(record) == list(range(COUNT))


def test_nginx_takes_out_a_node_whose_link_is_dead(small: Callable[..., Scenario], nginx: None) -> None:
    scenario = small(
        duration=3.5,
        nodes={"count": 3},
        clients={"count": COUNT, "heartbeat": {"interval": 0.5, "timeout": 0.3}},
        balancer={"kind": "nginx", "connect_timeout": 0.4},
        faults=[{"at": 0.5, "kind": "blackhole", "node": 2}],
    )
    record = run(scenario, replication=1)
    assert set(record.select("marked_down")["node"]) == {2}
    assert homes(record) == list(range(COUNT))


def test_a_killed_node_is_started_again(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=3.5,
        balancer={"retries": 3, "redispatch": 1},
        faults=[{"at": 0.5, "kind": "kill", "node": 1, "duration": 0.5}],
    )
    record = run(scenario)
    events = record.select("fault", "node_stopped", "node_started", "healed")
    assert events["event"].tolist() == ["fault", "node_stopped", "node_started", "healed"]
    assert set(events["node"]) == {1}
    begun, started = events["t"].iloc[0], events["t"].iloc[2]
    assert started > begun + 0.5
    assert homes(record) == list(range(20))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can limit another process")
def test_a_link_that_had_no_open_files_left_accepts_again(link: tuple[ChildProcess, int]) -> None:
    part, port = link
    files = len(psutil.Process(part.pid).open_files()) + len(psutil.Process(part.pid).net_connections())
    resource.prlimit(part.pid, resource.RLIMIT_NOFILE, (files + 40, files + 40))
    held = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(100)]

    def served(one: socket.socket) -> bool:
        with contextlib.suppress(OSError):
            return ask(one, 0.5) == b"hello"
        return False

    assert not all(served(one) for one in held)
    for one in held:
        one.close()
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as one:
            if ask(one, 1.0) == b"hello":
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)
