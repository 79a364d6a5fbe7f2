"""How clients log in, and where their sessions are kept."""

from typing import Annotated

from pydantic import Field

from twin.rules.session import OnRefusal, Store, WhenDown
from twin.scenario.buses import in_words, those
from twin.scenario.fields import Positive, Problem, Table

STORES = those(redis=True)
"""Kinds of bus whose server keeps sessions, too."""

HASH_UNIT = 10_000
"""Iterations of the password hash whose cost is calibrated."""


class Sessions(Table):
    """Sessions of the clients; every client has logged in before the run starts."""

    store: Store = Field(
        "none",
        description="none: no sessions, everybody may connect; memory: each node keeps those of its own clients; "
        "redis: all nodes share them on the bus's server.",
    )
    expiry: Positive = Field(1800.0, description="Seconds without use after which a session is gone (SETEX).")
    refresh: bool = Field(
        True,
        description="true: a connection counts as use, and its node refreshes the session three times an expiry; "
        "false: only a handshake does.",
    )
    token_lifetime: Positive = Field(
        86_400.0, description="Seconds for which a token is good; each handshake gives a new one."
    )
    login_iterations: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        600_000,
        description="Iterations of PBKDF2-HMAC-SHA256 that a node spends on the password of each login during the run. "
        "The default is that of OWASP's Password Storage Cheat Sheet.",
    )
    when_down: WhenDown = Field(
        "refuse",
        description="What a node does when the shared store does not answer: refuse (503) or trust a good token.",
    )
    on_refusal: OnRefusal = Field(
        "login", description="What a client does when its token gets a 401: log in again at once, or stop for good."
    )


def session_problem(sessions: Sessions, bus: str) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        sessions: what the scenario asks for.
        bus: its kind of bus.
    """
    if sessions.store == "redis" and bus not in STORES:
        needs = f"'redis' needs {in_words(STORES)}"
        return Problem("sessions.store", "'redis'", f"'none' or 'memory' with bus.kind '{bus}'; {needs}")
    return None
