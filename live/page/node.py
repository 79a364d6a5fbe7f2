"""What a node does for the page of `./lab serve`: it lets in who has a token, and takes text besides the binary frames.

The token is in the address (`token`), as a browser cannot give a WebSocket a header, or in `Authorization: Bearer`.
A browser cannot send pings and does not see the headers of the handshake. So the node says hello with its number,
answers the page's own heartbeat, and publishes what the page says, all as JSON in text frames:

* to the page: `{"hello": NODE}`, `{"pong": N}`, `{"said": KEY, "version": VERSION}`, `{"failed": KEY}`.
* from the page: `{"ping": N}`, `{"say": TEXT, "key": KEY}`; KEY is the idempotency key, so that saying it again after a
  reconnect publishes it once.
"""

import asyncio
import json
import time
from collections.abc import Coroutine
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.protocol import State

from live.broadcast.broker import stamped
from live.broadcast.link import Access, Caller, UnansweredError
from live.node.connection import BoundedConnection
from live.node.part import TEXT, Admission, NodePart, Take
from live.page.access import WHERE
from twin.rules.credentials import challenge, shown_credentials
from twin.rules.session import REFUSED
from twin.rules.token import token_problem

if TYPE_CHECKING:
    from live.node.base import Node

MOST_TEXT = 2000
"""Bytes of a text that may be said."""
LARGEST_KEY = 2**53 - 1
"""Largest whole number that a browser and Lua both know exactly."""
MOST_SAYING = 100
"""Texts of one node that may be under way to the bus."""


class PagePart(NodePart):
    """Asks for a token, and echoes by HTTP.

    Args:
        number: of the node.
        page: `secret` (hex) and `origins` of `./lab serve`.
    """

    def __init__(self, number: int, page: dict[str, Any]) -> None:
        self.number = number
        self.secret = bytes.fromhex(page["secret"])
        self.origins = page["origins"]
        self.options = {"origins": self.origins}

    def admit(self, connection: ServerConnection, request: Request) -> Admission:
        """Answer `/echo`; refuse a handshake without a good token."""
        try:
            parts = urlsplit(request.path)
            words = parse_qs(parts.query, max_num_fields=10)
            token = shown_token(words.get("token", []), request.headers.get_all("Authorization"))
        except ValueError:
            return refuse(connection, "request", "the request cannot be read")
        origins = request.headers.get_all("Origin")
        origin = origins[0] if len(origins) == 1 and origins[0] in self.origins else ""
        problem = token_problem(self.secret, token, time.time())
        if problem:
            response = refuse(connection, problem, f"the token is {problem}; {WHERE}")
            if origin:  # or else a browser does not let the page see that it was a 401
                response.headers["Access-Control-Allow-Origin"] = origin
            return response
        if not origin:
            return connection.respond(HTTPStatus.FORBIDDEN, "this page may not connect\n")
        if parts.path != "/echo":
            return None
        text = words.get("text", [""])[0][:MOST_TEXT]
        response = connection.respond(HTTPStatus.OK, text)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Node"] = str(self.number)
        return response


def shown_token(in_address: list[str], authorization: list[str]) -> str:
    """Return the one token that a request shows, an empty text when it shows none.

    Raises:
        ValueError: it shows several, or none that can be read (RFC 6750, section 2: one way at a time).
    """
    scheme, in_header = shown_credentials(authorization)
    shown = in_address + ([in_header] if scheme in ("bearer", "token") else [])
    if len(shown) > 1:
        raise ValueError("more than one token")
    return shown[0] if shown else ""


def refuse(connection: ServerConnection, reason: str, text: str) -> Response:
    """Return the answer to a request without a good token."""
    response = connection.respond(HTTPStatus(REFUSED[reason]), f"{text}\n")
    response.headers["WWW-Authenticate"] = challenge(reason)
    return response


class Chat(NodePart):
    """Lets the clients of a node publish text.

    Args:
        number: of the node.
        config: of the broadcast, from the lab.
    """

    frames = frozenset({TEXT})

    def __init__(self, number: int, config: dict[str, Any]) -> None:
        self.number = number
        access = Access.of(config, number)
        self.topic = access.topic
        self.caller = Caller(access, "saying")
        self._saying: set[asyncio.Task[None]] = set()

    def connected(self, connection: ServerConnection) -> Take:
        """Say hello, and listen."""
        page = cast("BoundedConnection", connection)
        tell(page, hello=self.number)
        return partial(self.hear, page)

    def hear(self, connection: BoundedConnection, text: str | bytes) -> None:
        """Take a text frame; what is none of ours is ignored."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        if "ping" in message:
            tell(connection, pong=message["ping"])
            return
        said, key = message.get("say"), message.get("key")
        text_ok = isinstance(said, str) and 0 < len(said.encode(errors="replace")) <= MOST_TEXT
        key_ok = isinstance(key, int) and 2**32 <= key <= LARGEST_KEY
        if text_ok and key_ok and len(self._saying) < MOST_SAYING:
            self._start(self._publish(connection, str(said), int(str(key))))
        else:
            tell(connection, failed=key)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def _publish(self, connection: BoundedConnection, said: str, key: int) -> None:
        try:
            (reply,) = await self.caller.ask([self.topic.stamp(key, said.encode(errors="replace"))])
        except UnansweredError:
            tell(connection, failed=key)
            return
        tell(connection, said=key, version=stamped(reply, key, b"").message.version)


def tell(connection: BoundedConnection, **message: Any) -> None:
    """Send a page something, unless it does not read: it asks again, or says again what it has said."""
    if connection.protocol.state is State.OPEN and not connection.paused:
        connection.protocol.send_text(json.dumps(message).encode())
        connection.send_data()


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add both to a node; without a broadcast nothing can be said."""
    node.add(PagePart(node.number, config["page"]))
    if "broadcast" in config:
        node.add(Chat(node.number, config["broadcast"]))
