"""How fast the cores are just now.

Neighbours on the same machine (the other thread of a core, other guests) make a core slower for a second or so at a
time. A fixed piece of work of the kind the cluster does, an opening handshake between two protocol objects over a pair
of sockets, takes longer then; how much longer is the core's slowness. Beside a measurement of CPU time it is read in
CPU time, in a record of the cores by the clock. Run as `python -m live.machine.speed` it reads its settings
(`SpeedSettings`) and says a series of that work's times, how long it keeps a core that others want, or how long
it waits for a larger table of open files; or it reads the pace when it is asked, or works for ever as a rival of one
that does.
"""

import os
import resource
import socket
import threading
import time
from typing import Literal

from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from live.control.given import configuration
from live.control.messages import Struct, on
from live.control.stdio import obey_waiting, say
from live.machine.messages import Growths, PaceRead, ReadPace, Samples, Stretches
from twin.costs.profile import FIRST_TABLE, PACE_STEP

GAP = 0.0003
"""Seconds without the core that end a stretch; interrupts take less."""
BURST, REST = 10, 0.2
"""Samples that are taken in a row, and the seconds of rest before them."""
MOST_FILES = 1100
READINGS = 40
"""Samples of which the middle one is a core's pace beside others at work."""
WARMING, READ = 3, 13
"""Samples before the caches are warm, and samples of which the middle one is a pace beside a measurement."""
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


def _handshake(near: socket.socket, far: socket.socket) -> None:
    client, server = ClientProtocol(_URI), ServerProtocol()
    client.send_request(client.connect())
    near.sendall(b"".join(client.data_to_send()))
    server.receive_data(far.recv(4096))
    request = server.events_received()[0]
    server.send_response(server.accept(request))  # type: ignore[arg-type]
    far.sendall(b"".join(server.data_to_send()))
    client.receive_data(near.recv(4096))


def reading() -> float:
    """Return the pace of this thread's core just now: the middle one of some samples in a row over one pair of sockets,
    once the caches are warm, as the looks at the cores (`trace`) have them.

    Samples on a cold core, as a process that has just waited for others finds it, are slower by a tenth and more, so
    that a part that was measured beside one would pass for that much faster than it is.
    """
    near, far = socket.socketpair()
    samples = []
    with near, far:
        for i in range(WARMING + READ):
            began = time.thread_time_ns()
            for _ in range(_ROUNDS):
                _handshake(near, far)
            if i >= WARMING:
                samples.append((time.thread_time_ns() - began) / 1e9)
    return sorted(samples)[READ // 2]


def trace(seconds: float) -> list[float]:
    """Return how long `sample`'s work takes on the core this process is bound to, the mean of each `PACE_STEP`.

    By the clock, not in CPU time: a virtual core that is wanted may be away, with another guest, and what a process
    does takes longer by that, too. As its host takes a core away only from who wants it, the core works all the time
    but for a rest before each burst, as it has one before a storm.

    Args:
        seconds: of work and rest together.
    """
    near, far = socket.socketpair()
    samples = []
    with near, far:
        for _ in range(round(seconds / (BURST * PACE_STEP + REST))):
            time.sleep(REST)
            _handshake(near, far)  # warms the caches
            for _ in range(BURST):
                began, rounds = time.monotonic(), 0
                while (passed := time.monotonic() - began) < PACE_STEP:
                    for _ in range(_ROUNDS):
                        _handshake(near, far)
                    rounds += 1
                samples.append(passed / rounds)
    return samples


def rival() -> None:
    """Do the same work for ever, as a core that others share is asked to."""
    while True:
        sample()


def answer_readings() -> None:
    """Answer each `ReadPace` with the pace of this core."""
    obey_waiting(on(ReadPace, lambda order: say(PaceRead(sorted(sample() for _ in range(READINGS))[READINGS // 2]))))


def stretches(seconds: float) -> list[float]:
    """Keep busy for `seconds` seconds and return how long each stretch lasted in which nobody else had the core."""
    began = last = start = time.monotonic()
    found = []
    while last - began < seconds:
        now = time.monotonic()
        if now - last > GAP:
            found.append(last - start)
            start = now
        last = now
    return found[1:]


def growths() -> list[float]:
    """Return how long this process waits each time that its table of open files doubles, in seconds.

    A process of several threads waits until no core reads the old table any more. Source: Linux, `expand_fdtable` in
    fs/file.c (synchronize_rcu).
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    longest: dict[int, float] = {}
    for _ in range(MOST_FILES):
        began = time.monotonic()
        number = os.dup(0)
        size = 1 << number.bit_length()
        longest[size] = max(longest.get(size, 0.0), time.monotonic() - began)
    return [longest[size] for size in sorted(longest) if size > FIRST_TABLE]


class SpeedSettings(Struct):
    """What the process does.

    Attributes:
        work: `trace` says `Samples` of so many seconds, `busy` their `Stretches`, `grow` says `Growths`; `asked`
            answers each `ReadPace`; `rival` works for ever.
        seconds: of `trace` and `busy`.
    """

    work: Literal["trace", "busy", "grow", "asked", "rival"]
    seconds: float = 0.0


def main(settings: SpeedSettings) -> None:
    """Do it."""
    match settings.work:
        case "trace":
            say(Samples(trace(settings.seconds)))
        case "busy":
            say(Stretches(stretches(settings.seconds)))
        case "grow":
            say(Growths(growths()))
        case "asked":
            answer_readings()
        case "rival":
            rival()


if __name__ == "__main__":
    main(configuration(SpeedSettings))
