"""How fast the cores are just now.

Neighbours on the same machine (the other thread of a core, other guests) make a core slower for a second or so at a
time. A fixed piece of work of the kind the cluster does, an opening handshake between two protocol objects over a pair
of sockets, takes more CPU time then; how much more is the core's slowness. Run as `python -m live.speed CPU SECONDS` it
prints a trace of that work's times.
"""

import contextlib
import json
import os
import socket
import sys
import time

from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

PERIOD = 0.04
"""Seconds between two samples of a trace."""
_ROUNDS = 4
_URI = parse_uri("ws://127.0.0.1/")


def sample() -> float:
    """Return the CPU seconds that a fixed number of opening handshakes takes this thread just now."""
    near, far = socket.socketpair()
    with near, far:
        _handshake(near, far)  # warms the caches
        began = time.thread_time_ns()
        for _ in range(_ROUNDS):
            _handshake(near, far)
        return (time.thread_time_ns() - began) / 1e9


def sample_on(cpu: int) -> float:
    """Return `sample` of one CPU; the calling thread may run on all of its own again afterwards."""
    if not hasattr(os, "sched_setaffinity"):
        return sample()
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [cpu])
    try:
        return sample()
    finally:
        os.sched_setaffinity(0, allowed)


def _handshake(near: socket.socket, far: socket.socket) -> None:
    client, server = ClientProtocol(_URI), ServerProtocol()
    client.send_request(client.connect())
    near.sendall(b"".join(client.data_to_send()))
    server.receive_data(far.recv(4096))
    request = server.events_received()[0]
    server.send_response(server.accept(request))  # type: ignore[arg-type]
    far.sendall(b"".join(server.data_to_send()))
    client.receive_data(near.recv(4096))


def trace(cpu: int, seconds: float) -> list[float]:
    """Return samples of one CPU, one each `PERIOD` for `seconds` seconds."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, [cpu])
    began = time.monotonic()
    samples = []
    for i in range(round(seconds / PERIOD)):
        time.sleep(max(0.0, began + i * PERIOD - time.monotonic()))
        samples.append(sample())
    return samples


if __name__ == "__main__":
    print(json.dumps(trace(int(sys.argv[1]), float(sys.argv[2]))))  # noqa: T201 (the answer to the lab)
