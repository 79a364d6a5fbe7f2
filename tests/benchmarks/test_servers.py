"""The fan-out of the lab's node beside that of other Python servers: what moving to one of them would gain.

Run with `-s` to see the figures; docs/runtimes.md has them, and what was decided.
"""

import selectors
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from live.calibration import rounds
from live.control.process import surroundings
from live.machine import placement
from tests.benchmarks.servers import KINDS
from tests.commands import ROOT

pytestmark = pytest.mark.live

CLIENTS, ROUNDS, REPEATS = 200, 200, 3
LEAST_OF_PICOWS = 0.5
"""Messages a CPU second of the node over those of picows: the price of a library in Python, see docs/runtimes.md."""
LEAST_OF_AIOHTTP = 0.9


@contextmanager
def reading(sockets: list[socket.socket]) -> Iterator[None]:
    """Read whatever comes over some sockets."""
    over = threading.Event()

    def read() -> None:
        with selectors.DefaultSelector() as selector:
            for one in sockets:
                selector.register(one, selectors.EVENT_READ)
            while not over.is_set():
                for key, _ in selector.select(0.05):
                    key.fileobj.recv(65_536)  # type: ignore[union-attr]

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measured(kind: str) -> tuple[float, float]:
    """Return the CPU seconds a recipient, and the resident bytes a connection."""
    command = [sys.executable, "-m", "tests.benchmarks.servers", kind]
    cpus = psutil.Process().cpu_affinity() or [0]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=surroundings()) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        psutil.Process(server.pid).cpu_affinity(cpus[:1])
        port = int(server.stdout.readline())

        def ask(messages: int) -> tuple[float, float, int]:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(f"{messages}\n")
            server.stdin.flush()
            each, size, count = server.stdout.readline().split()
            return float(each), float(size), int(count)

        with placement.pinned(cpus[-1:]):
            raw = rounds.upgrade(port, CLIENTS)
            _, few, _ = ask(0)
            raw += rounds.upgrade(port, CLIENTS)
            _, many, _ = ask(0)
            for one in raw[CLIENTS:]:
                one.close()
            with reading(raw[:CLIENTS]):
                ask(ROUNDS // 10)
                each, _, count = ask(ROUNDS)
        assert count == CLIENTS
        for one in raw[:CLIENTS]:
            one.close()
        server.stdin.close()
    return each, (many - few) / CLIENTS


def test_what_another_library_would_gain() -> None:
    found = {kind: list[tuple[float, float]]() for kind in KINDS}
    for _ in range(REPEATS):
        for kind in KINDS:
            found[kind].append(measured(kind))
    cpu = {kind: statistics.median(each for each, _ in repeats) for kind, repeats in found.items()}
    memory = {kind: statistics.median(each for _, each in repeats) for kind, repeats in found.items()}
    for kind in KINDS:
        print(f"\n{kind}: {1e6 * cpu[kind]:.1f} us a recipient, {memory[kind] / 1e3:.1f} kB a connection", end="")  # noqa: T201
    of = {kind: cpu[kind] / cpu["node"] for kind in KINDS}
    print(f"\nthroughput of the node: {of['picows']:.2f} of picows, {of['aiohttp']:.2f} of aiohttp")  # noqa: T201
    assert of["picows"] >= LEAST_OF_PICOWS
    assert of["aiohttp"] >= LEAST_OF_AIOHTTP
