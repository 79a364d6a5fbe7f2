"""What a poll and its answer are on the wire, byte by byte.

A request names the position of its client in as many digits wherever that is, so all have the same length. The body of
an answer is that of a client's question over a WebSocket (`twin.rules.frames.answer_body`). Headers are the fewest: a
browser sends some hundred bytes more, cookies not counted.

Sources: RFC 9112, sections 3 and 4 (request line, status line); RFC 9110, section 5 (headers).
"""

from collections.abc import Sequence
from string import hexdigits

from twin.rules.frames import answer_body

PATH = "/messages"
DIGITS = 16
"""Of an epoch, and of a version, to the base of 16."""
SERVER = "stormlab"
DATE_BYTES = 29
"""Of a date as in `Sun, 06 Nov 1994 08:49:37 GMT`. RFC 9110, 5.6.7."""
HOST = "127.0.0.1:00000"
"""As long as the address of a balancer on loopback: ports for our own use have five digits."""


def target_of(position: tuple[int, int] | None, waits: bool) -> str:
    """Return the target of a request.

    Args:
        position: epoch and version at which the client stands, None if it does not say.
        waits: whether the node may hold the request.
    """
    after = "" if position is None else f"&after={position[0]:0{DIGITS}x}{position[1]:0{DIGITS}x}"
    return f"{PATH}?wait={int(waits)}{after}"


def position_of(text: str) -> tuple[int, int]:
    """Return the position that `after` of a target says.

    Raises:
        ValueError: it says none.
    """
    if len(text) != 2 * DIGITS or not set(text) <= set(hexdigits):
        raise ValueError(f"after is {text[:60]!r}; allowed is {2 * DIGITS} digits to the base of 16")
    return int(text[:DIGITS], 16), int(text[DIGITS:], 16)


def request_head(target: str, host: str = HOST) -> bytes:
    """Return the head of a request; there is nothing else."""
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def answer_head(node: int, body: int, date: str = "-" * DATE_BYTES) -> bytes:
    """Return the head of a node's answer with a body of so many bytes."""
    lines = [
        "HTTP/1.1 200 OK",
        f"X-Node: {node}",
        f"Server: {SERVER}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {body}",
        f"Date: {date}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def exchange_bytes(cursor: bool, payloads: Sequence[int], node: int = 1) -> int:
    """Return the bytes of a request and its answer.

    Args:
        cursor: whether the request says where its client is.
        payloads: bytes of each message of the answer.
        node: who answers; its number is in the answer.
    """
    body = answer_body(payloads)
    position = (0, 0) if cursor else None
    return len(request_head(target_of(position, waits=True))) + len(answer_head(node, body)) + body
