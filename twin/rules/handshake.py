"""The opening handshake of a WebSocket, byte by byte: what a client asks, what a server answers, and what it refuses.

Nothing here is used by the lab's own nodes, which speak through `websockets`; it is what a reader takes apart, and the
tests hold it to that library.

Sources: RFC 6455, sections 1.3 (the key of the example, and its accept value), 4.1 (the client), 4.2 (the server),
10.2 (Origin); RFC 9110, section 15.5.22 (426).
"""

import base64
import binascii
import hashlib
from collections.abc import Collection
from dataclasses import dataclass

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server puts behind the key, so that nobody answers by accident who does not know WebSockets. RFC 6455, 1.3."""
VERSION = "13"
KEY_BYTES = 16
"""Bytes of the nonce that a key is the Base64 of. RFC 6455, 4.1."""
END = b"\r\n\r\n"
"""Ends the head of a request, and of an answer."""
MOST_HEAD = 8192
"""Bytes of a head that a server reads: whoever sends more without its end is refused."""


@dataclass(frozen=True)
class Head:
    """The head of a request or an answer: its first line, and its headers by name in lower case, those of one name
    joined by commas (RFC 9110, 5.2).
    """

    line: str
    headers: dict[str, str]


@dataclass(frozen=True)
class HandshakeRefusal:
    """Why a server refuses a handshake.

    Attributes:
        status: of HTTP.
        why: one sentence.
        headers: what the answer says besides.
    """

    status: int
    why: str
    headers: tuple[tuple[str, str], ...] = ()


def new_key(nonce: bytes) -> str:
    """Return the key of a nonce of `KEY_BYTES` random bytes.

    Raises:
        ValueError: it has another length.
    """
    if len(nonce) != KEY_BYTES:
        raise ValueError(f"nonce has {len(nonce)} bytes; allowed is {KEY_BYTES}")
    return base64.b64encode(nonce).decode("ascii")


def accept_value(key: str) -> str:
    """Return `Sec-WebSocket-Accept` for a key: the Base64 of the SHA-1 of key and GUID, as texts. It is no secret and
    protects nothing; it shows that the answer is one to this request, and from who speaks the protocol.
    """
    return base64.b64encode(hashlib.sha1((key + GUID).encode("ascii"), usedforsecurity=False).digest()).decode("ascii")


def request_of(host: str, path: str, key: str, origin: str | None = None) -> bytes:
    """Return a client's request. Only a browser sends an `origin`, and always does (RFC 6455, 4.1)."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {VERSION}",
    ]
    if origin is not None:
        lines.insert(2, f"Origin: {origin}")
    return "\r\n".join(lines).encode("ascii") + END


def answer_of(key: str) -> bytes:
    """Return the answer 101 to a request with this key; what follows it on the connection are frames."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_value(key)}",
    ]
    return "\r\n".join(lines).encode("ascii") + END


def read_head(data: bytes) -> tuple[Head, bytes] | None:
    """Return the head that bytes begin with and what follows it; None if its end has not come.

    Raises:
        ValueError: it is none.
    """
    end = data.find(END)
    if end < 0:
        if len(data) > MOST_HEAD:
            raise ValueError(f"the head has more than {MOST_HEAD} bytes")
        return None
    try:
        line, *rest = data[:end].decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise ValueError("the head is not ASCII") from None
    headers: dict[str, str] = {}
    for one in rest:
        name, colon, value = one.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError(f"a header is {one!r}; allowed is NAME: VALUE")
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    return Head(line, headers), data[end + len(END) :]


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")]


def refusal_of(head: Head, origins: Collection[str | None] | None = None) -> HandshakeRefusal | None:
    """Return why a server refuses a request; None for one that it answers with 101.

    Args:
        head: of the request.
        origins: the origins that it lets in, None among them for who sends none; None lets in anybody. A browser
            sends cookies to whatever a page of any site connects to, so a server that trusts cookies looks at this.
    """
    method, _, rest = head.line.partition(" ")
    version = rest.rpartition(" ")[2]
    if method != "GET":
        return HandshakeRefusal(405, f"the method is {method!r}; allowed is 'GET'.", (("Allow", "GET"),))
    if version != "HTTP/1.1":
        return HandshakeRefusal(400, f"the version of HTTP is {version!r}; allowed is 'HTTP/1.1'.")
    if not head.headers.get("host"):
        return HandshakeRefusal(400, "Host is missing.")
    upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
    for name, token in (("upgrade", "websocket"), ("connection", "upgrade")):
        if token not in _tokens(head.headers.get(name, "")):
            return HandshakeRefusal(426, f"{name.title()} does not name {token}.", upgrade)
    asked = head.headers.get("sec-websocket-version", "")
    if asked != VERSION:
        why = f"Sec-WebSocket-Version is {asked!r}; allowed is '{VERSION}'."
        return HandshakeRefusal(426, why, (("Sec-WebSocket-Version", VERSION),))
    key = head.headers.get("sec-websocket-key", "")
    if not is_key(key):
        return HandshakeRefusal(400, f"Sec-WebSocket-Key is {key[:60]!r}; allowed is the Base64 of {KEY_BYTES} bytes.")
    origin = head.headers.get("origin")
    if origins is not None and origin not in origins:
        return HandshakeRefusal(403, f"Origin is {origin!r}, which is not let in.")
    return None


def is_key(text: str) -> bool:
    """Tell whether a text is a key: the Base64 of `KEY_BYTES` bytes."""
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def is_answer_to(head: Head, key: str) -> bool:
    """Tell whether a client takes a head as the answer to its key, so that the connection is open (RFC 6455, 4.1)."""
    return (
        head.line.split(" ")[1:2] == ["101"]
        and head.headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in _tokens(head.headers.get("connection", ""))
        and head.headers.get("sec-websocket-accept") == accept_value(key)
    )


def cut_at(arrivals: list[tuple[float, int]], needed: int, deadline: float, idle: float = 0.0) -> float | None:
    """Return when a server cuts a connection that does not finish its handshake, in seconds after its opening; None for
    one that does.

    A timeout between two bytes does not help against who sends one now and then and so holds a connection for as long
    as it likes (the attack is called slowloris): only a deadline for the whole does.

    Args:
        arrivals: when bytes come, and how many, in order.
        needed: bytes of the whole.
        deadline: seconds for the whole; 0 is none.
        idle: seconds in which a byte has to come; 0 is none.
    """
    came, last = 0, 0.0
    for t, count in [*arrivals, (float("inf"), 0)]:
        ends = [last + idle] if idle > 0.0 else []
        ends += [deadline] if deadline > 0.0 else []
        if min(ends, default=float("inf")) < t:
            return min(ends)
        came, last = came + count, t
        if came >= needed:
            return None
    return None
