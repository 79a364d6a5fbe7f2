"""What a NATS server with JetStream is told of the stream of messages, and of the nodes that consume it."""

from typing import Annotated, Literal

from pydantic import Field

from twin.rules.jetstream import AckPolicy
from twin.scenario.buses import BusKind
from twin.scenario.fields import Positive, Problem, Table, show


class JetStream(Table):
    """The stream and its consumers: a durable push consumer for each node."""

    replicas: Literal[1, 3] = Field(
        1, description="Servers that keep the stream and the consumers; of three, two have what is acknowledged."
    )
    ack_policy: AckPolicy = Field(
        "explicit",
        description="explicit: a node acknowledges each message that it has fanned out; all: every commit_interval it "
        "acknowledges all up to the newest; none: a message counts as acknowledged when it is sent, so at most once.",
    )
    ack_wait: Positive = Field(
        30.0, description="Seconds without an acknowledgement until a message is delivered to the node again."
    )
    max_ack_pending: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="Messages that may wait for a node's acknowledgement; further ones are held back."
    )


def jetstream_problem(settings: JetStream, kind: BusKind, commit_interval: float) -> Problem | None:
    """Return what does not fit, or None; the field is one of the bus.

    Args:
        settings: of the stream and its consumers.
        kind: of the bus.
        commit_interval: seconds between two acknowledgements of all.
    """
    if kind != "jetstream":
        usual = JetStream()
        changed = [name for name in JetStream.model_fields if getattr(settings, name) != getattr(usual, name)]
        if not changed:
            return None
        return Problem(f"jetstream.{changed[0]}", show(getattr(settings, changed[0])), "only with kind 'jetstream'")
    if settings.ack_policy == "all" and commit_interval >= settings.ack_wait:
        allowed = f"less than jetstream.ack_wait, {settings.ack_wait:g} s, with ack_policy 'all'"
        return Problem("commit_interval", f"{commit_interval:g}", allowed)
    return None
