"""How messages come to the clients: over WebSockets, or by requests of HTTP."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from twin.rules.polling import Transport, polls_per_second
from twin.scenario.fields import Problem, Table

MOST_POLLS = 2_000_000
"""Requests that the clients of one run may make."""

NEED_CONNECTIONS = frozenset({"stall", "restart", "drain", "join"})
"""Faults that act on connections which stay, or on a process that lets its connections go: polls have none."""


class TransportSettings(Table):
    """How messages come to a client: whether it asks for them, how often, and what a request says."""

    kind: Transport = Field(
        "websocket",
        description="websocket: each message is sent over a connection that stays; poll: the client asks every "
        "`interval`; long_poll: it asks, and is answered when there is a message, or with nothing after `hold`.",
    )
    interval: Annotated[float, Field(ge=0.01, le=86_400, allow_inf_nan=False)] = Field(
        1.0, description="poll: seconds between two requests of a client; the clients' phases are drawn."
    )
    hold: Annotated[float, Field(ge=0.1, le=86_400, allow_inf_nan=False)] = Field(
        25.0,
        description="long_poll: seconds after which a node answers a request without a message. A balancer that waits "
        "for answers no longer than that cuts it (504).",
    )
    cursor: bool = Field(
        True,
        description="true: a request says up to which message its client is, and the answer has all that followed; "
        "false: a poll gets the newest message, a long poll the next one, and what else came is lost.",
    )

    @property
    def polls(self) -> bool:
        """Whether clients ask."""
        return self.kind != "websocket"

    @property
    def every(self) -> float:
        """Seconds between two requests of a client; 0 if the next one follows the answer."""
        return self.interval if self.kind == "poll" else 0.0

    @property
    def held(self) -> float:
        """Seconds for which a node holds a request that it has nothing to say to."""
        return self.hold if self.kind == "long_poll" else 0.0

    def requests(self, messages: float) -> float:
        """Return the requests a second of a client to which so many messages come a second."""
        return polls_per_second(self.kind, self.interval, self.hold, messages)


def transport_problem(
    transport: TransportSettings, requests: float, needs: Iterable[Problem], faults: Iterable[str]
) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        transport: what the scenario asks for.
        requests: of all clients in a run, about.
        needs: settings of the scenario that need a connection which stays.
        faults: the kinds of its faults, in order.
    """
    if not transport.polls:
        return None
    with_kind = f"with clients.transport.kind '{transport.kind}'"
    for one in needs:
        return one._replace(allowed=f"{one.allowed} {with_kind}")
    for i, kind in enumerate(faults):
        if kind in NEED_CONNECTIONS:
            return Problem(f"faults.{i}.kind", f"'{kind}'", f"a fault that needs no connection which stays {with_kind}")
    if requests > MOST_POLLS:
        field = "interval" if transport.kind == "poll" else "hold"
        value = transport.interval if transport.kind == "poll" else transport.hold
        return Problem(
            f"clients.transport.{field}", f"{value:g}", f"such that at most {MOST_POLLS} requests are made in a run"
        )
    return None
