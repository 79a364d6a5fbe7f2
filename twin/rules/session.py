"""Whose session it is, and who is let in: what a node decides at a handshake, and a client when it is refused.

A client logs in once with its password and gets a token (`twin.rules.token`) that names its session. At every later
handshake it shows the token instead. The signature says that the token is real; whether the session still exists only
the store knows, which is the node's own memory or a server that all nodes share. Sources: RFC 6750, section 3.1 (a
token that is expired, unknown, malformed or forged is answered with 401 and `invalid_token`, a request that cannot be
read with 400 and `invalid_request`); RFC 9110, sections 15.5.2 and 15.5.4 (401 asks for other credentials, a request
that got a 403 should not be repeated with the same ones); Redis manual, SETEX.
"""

from dataclasses import dataclass
from typing import Literal

Store = Literal["none", "memory", "redis"]
WhenDown = Literal["refuse", "trust"]
OnRefusal = Literal["login", "stop"]
Next = Literal["retry", "login", "stop"]

REFUSED = {
    "missing": 401,
    "expired": 401,
    "unknown": 401,
    "password": 401,
    "malformed": 401,
    "forged": 401,
    "request": 400,
    "down": 503,
}
"""HTTP status for each reason to refuse a handshake: 400, never like this; 401, log in again; 503, later."""

REFRESHES_AN_EXPIRY = 3
"""Times that a node refreshes the sessions of its clients while one expiry passes, so that a lost one ends none."""


def after_refusal(status: int, with_token: bool, on_refusal: OnRefusal) -> Next:
    """Return what a client does whose handshake was refused.

    Args:
        status: of the answer.
        with_token: whether it showed a token, and not its password.
        on_refusal: what its library does about a 401: `login` forgets the token and logs in at once, `stop` takes it
            for final, as `websockets` does by default (`process_exception` in asyncio/client.py).
    """
    if status == 401 and with_token:
        return on_refusal
    return "stop" if status in (400, 401, 403) else "retry"


def without_store(when_down: WhenDown) -> str:
    """Return why a node refuses a client with a good token whose session it cannot look up; empty to let it in.

    `refuse` fails closed. `trust` lets in whoever has a token that is signed and not expired; it cannot know whether
    the session was ended or belongs to another node by now.
    """
    return "down" if when_down == "refuse" else ""


def refresh_interval(expiry: float) -> float:
    """Return the seconds between two refreshes of a session whose client stays connected."""
    return expiry / REFRESHES_AN_EXPIRY


@dataclass(frozen=True)
class Session:
    """One session: how often it has changed hands, the node that has it, and when it ends unless it is used."""

    generation: int
    owner: int
    expires: float


class SessionTable:
    """The sessions of a store, a node's memory or a shared server; each method is one atomic step.

    A session has one owner, the node to which its client connected last. Each take-over counts its generation up, so
    that an owner of old is told from the present one, and cannot keep the session alive. What has not been used for
    `expiry` seconds is gone.

    Args:
        expiry: seconds.
    """

    def __init__(self, expiry: float) -> None:
        self.expiry = expiry
        self._held: dict[str, Session] = {}

    def start(self, name: str, owner: int, now: float) -> int:
        """Begin a session (SETEX) and return its generation, 1."""
        self._forget_expired(now)
        self._put(name, 1, owner, now)
        return 1

    def take(self, name: str, owner: int, now: float) -> int | None:
        """Give a session to the node to which its client has come, refresh it, and return its generation; None when
        there is no such session (any more).
        """
        held = self.find(name, now)
        if held is None:
            return None
        self._put(name, held.generation + 1, owner, now)
        return held.generation + 1

    def refresh(self, name: str, owner: int, now: float) -> bool:
        """Put off the end of a session whose client is still connected; False when it is gone or another's."""
        held = self.find(name, now)
        if held is None or held.owner != owner:
            return False
        self._put(name, held.generation, owner, now)
        return True

    def find(self, name: str, now: float) -> Session | None:
        """Return a session that has not expired by `now`, in seconds."""
        held = self._held.get(name)
        return held if held is not None and held.expires > now else None

    def forget(self) -> None:
        """Lose everything, as a process does that dies without a disk."""
        self._held.clear()

    def __len__(self) -> int:
        return len(self._held)

    def _put(self, name: str, generation: int, owner: int, now: float) -> None:
        self._held.pop(name, None)  # who was used last stands last
        self._held[name] = Session(generation, owner, now + self.expiry)

    def _forget_expired(self, now: float) -> None:
        while self._held:
            oldest = next(iter(self._held))
            if self._held[oldest].expires > now:
                return
            del self._held[oldest]
