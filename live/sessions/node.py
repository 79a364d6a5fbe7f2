"""A node that lets in who has logged in: it checks token or password at the handshake, and keeps or asks for sessions.

A client shows `Authorization: Basic` with its name and password once, and `Authorization: Bearer` with its token from
then on. The answer's header `X-Session` has the token for the next time, the generation of the session, and whether it
was `started` or `resumed`; a refusal says why in its text, and in `WWW-Authenticate` as `twin.rules.credentials` has
it. The hash of the password is computed in the node's only thread, as in a server that has one.
"""

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from live.broadcast.link import keep_alive
from live.control.messages import on
from live.control.noted import Event
from live.control.stdio import say
from live.node.part import Admission, NodePart
from live.sessions.accounts import Account, Accounts
from live.sessions.messages import AskJoined, HashFrom, Joined
from live.sessions.store import SessionStore, StoreDownError
from twin.rules.credentials import challenge, name_and_password, shown_credentials
from twin.rules.session import REFUSED, SessionTable, refresh_interval, without_store
from twin.rules.token import make_token, token_problem

if TYPE_CHECKING:
    from live.node.base import Node

_GRANT = "session_grant"
"""Attribute of a connection: what its handshake is answered with."""
_NAME = "session_name"
"""Attribute of a connection: the session it belongs to."""


class NodeSessions(NodePart):
    """The sessions of a node.

    Args:
        number: of the node.
        events: where what happens is noted.
        config: of the lab: secret (hex), expiry, refresh, token_lifetime, when_down; `accounts` by user's name, of
            whose hashes the cheap one is for logins before `begin` (on the monotonic clock); `store` with the access to
            the shared server, None for sessions in this process's memory.
    """

    def __init__(self, number: int, events: list[Event], config: dict[str, Any]) -> None:
        self.place = number
        self.events = events
        self.orders = on(HashFrom, self._begin) | on(AskJoined, self._join)
        self.secret = bytes.fromhex(config["secret"])
        self.lifetime: float = config["token_lifetime"]
        self.expiry: float = config["expiry"]
        self.when_down = config["when_down"]
        self.accounts = Accounts({name: Account.of_config(one) for name, one in config["accounts"].items()})
        self.begin: float = config["begin"]
        self.table = SessionTable(self.expiry)
        self.store: SessionStore | None = None
        if config["store"] is not None:
            self.store = SessionStore(config["store"], number, self.expiry, self._note)
        self.mine: dict[ServerConnection, str] = {}
        self.refreshing: bool = config["refresh"]

    def _note(self, event: str, detail: str) -> None:
        self.events.append((time.monotonic(), event, -1, self.place, -1, -1, detail))

    def started(self) -> None:
        """Connect to the shared server, and refresh sessions from now on."""
        if self.store is not None:
            self.store.begin()
        if self.refreshing:
            self._refreshes = keep_alive(self._refresh())

    def _begin(self, order: HashFrom) -> None:
        self.begin = order.begin

    async def _join(self, order: AskJoined) -> None:
        """Wait until the shared server answers, and say so."""
        if self.store is not None:
            await self.store.up.wait()
        say(Joined(time.monotonic()))

    # The handshake

    def admit(self, connection: ServerConnection, request: Request) -> Admission:
        """Refuse a handshake without a good token or password."""
        if "Origin" in request.headers:  # which is refused: nobody is logged in for it
            return None
        try:
            scheme, shown = shown_credentials(request.headers.get_all("Authorization"))
            if scheme == "basic":
                return self.log_in(connection, *name_and_password(shown))
        except ValueError as error:
            return self.deny(connection, "request", str(error))
        return self.resume(connection, shown)

    def log_in(self, connection: ServerConnection, user: str, password: str) -> Admission:
        """Check a password and begin a session."""
        iterations = self.accounts.cheap if time.monotonic() < self.begin else self.accounts.full
        if not self.accounts.authenticate(user, password, iterations):
            return self.deny(connection, "password")
        name = uuid4().hex
        if self.store is not None:
            return self._start_shared(connection, name)
        self.grant(connection, name, self.table.start(name, self.place, time.monotonic()), "started")
        return None

    async def _start_shared(self, connection: ServerConnection, name: str) -> Response | None:
        assert self.store is not None
        try:
            generation = await self.store.start(name)
        except StoreDownError:
            return self.deny(connection, "down")
        self.grant(connection, name, generation, "started")
        return None

    def resume(self, connection: ServerConnection, token: str) -> Admission:
        """Look up the session of a token."""
        problem = token_problem(self.secret, token, time.time())
        if problem:
            return self.deny(connection, problem)
        name = token.partition(".")[0]
        if self.store is not None:
            return self._take_shared(connection, name, token)
        generation = self.table.take(name, self.place, time.monotonic())
        if generation is None:
            return self.deny(connection, "unknown")
        self.grant(connection, name, generation, "resumed")
        return None

    async def _take_shared(self, connection: ServerConnection, name: str, token: str) -> Response | None:
        assert self.store is not None
        try:
            generation = await self.store.take(name)
        except StoreDownError:
            reason = without_store(self.when_down)
            if reason:
                return self.deny(connection, reason)
            setattr(connection, _GRANT, f"{token} -1 resumed")
            return None
        if generation is None:
            return self.deny(connection, "unknown")
        self.grant(connection, name, generation, "resumed")
        return None

    def grant(self, connection: ServerConnection, name: str, generation: int, how: str) -> None:
        """Let a client in with a new token."""
        token = make_token(self.secret, name, time.time() + self.lifetime)
        setattr(connection, _GRANT, f"{token} {generation} {how}")
        setattr(connection, _NAME, name)

    def deny(self, connection: ServerConnection, reason: str, text: str = "") -> Response:
        """Refuse a client; `text` is what a person reads."""
        response = connection.respond(HTTPStatus(REFUSED[reason]), f"{text or reason}\n")
        asked = challenge(reason, basic=True)
        if asked:
            response.headers["WWW-Authenticate"] = asked
        return response

    def accepted(self, connection: ServerConnection, response: Response) -> None:
        """Tell the client its session."""
        granted = getattr(connection, _GRANT, "")
        if granted:
            response.headers["X-Session"] = granted

    # While clients stay

    def connected(self, connection: ServerConnection) -> None:
        """Keep the session of a connection until it closes."""
        name = getattr(connection, _NAME, "")
        if name:
            self.mine[connection] = name

    def disconnected(self, connection: ServerConnection) -> None:
        """Keep it no longer."""
        self.mine.pop(connection, None)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(refresh_interval(self.expiry))
            names = list(self.mine.values())
            if self.store is not None:
                await self.store.refresh(names)
            else:
                for name in names:
                    self.table.refresh(name, self.place, time.monotonic())


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add them to a node."""
    node.add(NodeSessions(node.number, node.events, config["sessions"]))
