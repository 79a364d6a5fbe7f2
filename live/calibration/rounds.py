"""How a process takes its turns when many items are ready at once: what comes out first, and when.

A process is stopped (SIGSTOP) while the items gather. A round of its event loop does the first part of all of them
before it finishes one, so the time to the first result over the time to the last is the share of the first part.
"""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import TypeVar

from live.calibration.messages import AllLost, AwaitLoss, OpenBatch, Opened, Span
from live.calibration.workbench import Bench
from live.machine import placement
from twin.errors import ClusterError

SomeSpan = TypeVar("SomeSpan", bound=Span)

SIZE = 128
"""Items that are ready at once."""
LARGEST_SHARE = 0.95

CLIENT = ("client_dial", "client_request", "client_refused", "client_open", "client_closed")
Shares = dict[str, list[float]]
"""Repeated measurements for the node, the balancer's kind and the names in CLIENT."""

_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def measure(bench: Bench, shares: Shares) -> None:
    """Measure each process once and append the shares; the client has one for each kind of item."""
    raw = upgrade(bench.node_port, SIZE, answer=False, stop=bench.node.pid)
    with placement.pinned(bench.place.clients):
        shares["node"].append(share(raw, b"HTTP/1.1 101", bench.node.pid))
    raw = upgrade(bench.port, SIZE)
    bench.settle()
    forwarder = bench.balancer.forwarder()
    os.kill(forwarder, signal.SIGSTOP)
    os.kill(bench.node.pid, signal.SIGKILL)
    bench.reap()
    with placement.pinned(bench.place.clients):
        shares[bench.kind].append(share(raw, b"", forwarder))
    bench.replace()
    with placement.pinned(bench.place.cluster):
        dial, request = _dial(bench)
    shares["client_dial"].append(dial)
    shares["client_request"].append(request)
    shares["client_refused"].append(_answers(bench, bench.refusing_port, bench.refusing.forwarder(), opened=False))
    shares["client_open"].append(_answers(bench, bench.port, bench.node.pid, opened=True))
    shares["client_closed"].append(_losses(bench))


def upgrade(port: int, count: int, answer: bool = True, stop: int = 0) -> list[socket.socket]:
    """Open raw connections and send the opening handshake on each; `answer` waits for the 101, `stop` stops a process
    before the requests go out.
    """
    raw = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    time.sleep(0.05)
    if stop:
        os.kill(stop, signal.SIGSTOP)
    for one in raw:
        one.sendall(_REQUEST)
        if answer and not one.recv(4096).startswith(b"HTTP/1.1 101"):
            raise ClusterError("calibration: a handshake failed.")
    return raw


def share(raw: list[socket.socket], expected: bytes, stopped: int) -> float:
    """Let a stopped process go on and return time to the first answer over time to the last."""
    with selectors.DefaultSelector() as selector:
        for one in raw:
            selector.register(one, selectors.EVENT_READ)
        began = time.monotonic()
        os.kill(stopped, signal.SIGCONT)
        times: list[float] = []
        while selector.get_map():
            ready = selector.select(10.0)
            if not ready:
                raise ClusterError("calibration: a raw connection got no answer.")
            times += [time.monotonic() - began] * len(ready)
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if not key.fileobj.recv(4096).startswith(expected):
                    raise ClusterError("calibration: a raw connection got an unexpected answer.")
                selector.unregister(key.fileobj)
    for one in raw:
        one.close()
    return min(LARGEST_SHARE, times[0] / times[-1])


def _dial(bench: Bench) -> tuple[float, float]:
    """Let the clients dial a bare socket, and see when their connections and when their requests arrive.

    Returns:
        Which share of opening a connection and sending the request comes before the first request (the dialling of
        all), and which share of the requests' time comes before the first of them is out.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=SIZE) as server, selectors.DefaultSelector() as selector:
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ)
        bench.client.tell(OpenBatch(SIZE, server.getsockname()[1]))
        dialled: list[float] = []
        sent: list[float] = []
        raw: list[socket.socket] = []
        while len(sent) < SIZE:
            ready = selector.select(10.0)
            if not ready:
                raise ClusterError("calibration: a client did not send its request.")
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is server:
                    raw.append(server.accept()[0])
                    selector.register(raw[-1], selectors.EVENT_READ)
                    dialled.append(time.monotonic())
                else:
                    selector.unregister(key.fileobj)
                    sent.append(time.monotonic())
    for one in raw:
        one.close()
    bench.client.hear(Opened, 30)
    bench.settle()
    dialling = (dialled[-1] - dialled[0]) * SIZE / (SIZE - 1)
    sending = max(1e-9, sent[-1] - dialled[-1])
    first = max(0.0, sent[0] - dialled[-1])
    return dialling / (dialling + sending), min(LARGEST_SHARE, first / sending)


def _answers(bench: Bench, port: int, answering: int, opened: bool) -> float:
    """Hold back the answers to many requests, let them reach the client at once, and return the share."""

    def gather() -> None:
        os.kill(answering, signal.SIGSTOP)
        bench.client.tell(OpenBatch(SIZE, port))
        time.sleep(0.02)
        bench.settle()
        os.kill(bench.client.pid, signal.SIGSTOP)
        os.kill(answering, signal.SIGCONT)
        time.sleep(0.1)

    answer, share = _gathered(bench, gather, lambda: None, Opened)
    if (answer.opened if opened else answer.failed) != SIZE:
        raise ClusterError("calibration: a handshake did not end as it should.")
    bench.settle()
    return share


def _losses(bench: Bench) -> float:
    """Let the connections that are open break while the client is stopped, and return the share."""

    def gather() -> None:
        os.kill(bench.client.pid, signal.SIGSTOP)
        os.kill(bench.node.pid, signal.SIGKILL)
        bench.reap()
        time.sleep(0.02)

    _, share = _gathered(bench, gather, lambda: bench.client.tell(AwaitLoss()), AllLost)
    bench.replace()
    return share


def _gathered(
    bench: Bench, gather: Callable[[], None], ask: Callable[[], None], kind: type[SomeSpan]
) -> tuple[SomeSpan, float]:
    """Let items gather before the stopped client, let it go on, and return its answer and the share."""
    gather()
    began = time.monotonic()
    os.kill(bench.client.pid, signal.SIGCONT)
    ask()
    answer = bench.client.hear(kind, 30)
    share = (answer.first - began) / (answer.last - began)
    return answer, min(LARGEST_SHARE, max(0.0, share))
