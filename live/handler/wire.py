"""Requests and answers as binary WebSocket frames; the first byte says what it is.

* "Q", a request: number of the client, number of the request among those of its task, place of the task in the
  scenario, and the seconds that it takes: of CPU time, in a blocking call, of awaiting. So a node draws nothing.
* "P", the answer: the same three numbers.

Filling follows, up to the size that the scenario says. Numbers are big-endian, as RFC 6455 has them.
"""

import struct

from twin.rules.handler import Demand

REQUEST, ANSWER = 81, 80
_REQUEST = struct.Struct(">BBIIddd")
_ANSWER = struct.Struct(">BBII")
MOST_SECONDS = 600.0
"""Seconds of each kind that a node does for one request at most: ten times the largest mean of a scenario."""


def request(client: int, number: int, place: int, demand: Demand, size: int) -> bytes:
    """Return a request of `size` bytes."""
    head = _REQUEST.pack(REQUEST, place, client, number, demand.cpu, demand.blocking, demand.awaiting)
    return head.ljust(size, b"\0")


def read_request(data: bytes) -> tuple[tuple[int, int, int], Demand]:
    """Return what names a request (client, number, place of its task), and what it takes.

    Raises:
        ValueError: it is none that a client of a run makes.
    """
    try:
        _, place, client, number, *seconds = _REQUEST.unpack_from(data)
    except struct.error:
        raise ValueError("a request is too short") from None
    if not all(0.0 <= one <= MOST_SECONDS for one in seconds):
        raise ValueError(f"a request asks for {seconds}; allowed is 0 to {MOST_SECONDS:g} s of each kind")
    return (client, number, place), Demand(*seconds)


def answer(name: tuple[int, int, int], size: int) -> bytes:
    """Return the answer of `size` bytes to a request (client, number, place of its task)."""
    client, number, place = name
    return _ANSWER.pack(ANSWER, place, client, number).ljust(size, b"\0")


def read_answer(data: bytes) -> tuple[int, int, int]:
    """Return which request a frame answers: client, number, place of its task."""
    _, place, client, number = _ANSWER.unpack_from(data)
    return client, number, place
