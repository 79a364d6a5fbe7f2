"""What clients send, and what they do with it while they are away."""

from typing import Annotated

from pydantic import Field

from twin.rules.offline import Overflow
from twin.scenario.fields import Problem, Table

MOST_SENT = 200_000
"""Messages that the clients of one run may send."""


class Sends(Table):
    """What each client sends to its node, at even intervals; the clients' phases are drawn."""

    rate: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = Field(
        0.0, description="Messages a second of each client; 0 is none."
    )
    payload_bytes: Annotated[int, Field(ge=8, le=65_536)] = Field(64, description="Bytes of each payload.")


class Offline(Table):
    """What a client keeps of what it would have sent while it is not connected."""

    messages: Annotated[int, Field(ge=0, le=100_000)] = Field(
        100, description="Messages that a client keeps at most; 0 keeps none."
    )
    bytes: Annotated[int, Field(ge=0, le=2**30)] = Field(
        65_536, description="Bytes of their payloads at most; 0 is no bound."
    )
    overflow: Overflow = Field(
        "oldest", description="What is dropped when a message does not fit: the oldest ones, or the newest."
    )


def sending_problem(sends: Sends, clients: int, duration: float) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        sends: what the scenario asks for.
        clients: how many.
        duration: of a run, in seconds.
    """
    if not sends.rate:
        return None
    if sends.rate * clients * duration > MOST_SENT:
        return Problem("clients.sends.rate", f"{sends.rate:g}", f"such that at most {MOST_SENT} messages are sent")
    return None
