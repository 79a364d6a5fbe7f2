"""What a NATS server with JetStream is told of the stream of messages, and of the nodes that consume it."""

from collections.abc import Sequence
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from twin.rules.jetstream import AckPolicy
from twin.rules.raft import LEAST_ELECTION_TIMEOUT, MOST_ELECTION_TIMEOUT
from twin.scenario.buses import BusKind
from twin.scenario.faults import LINK_FAULTS, Fault
from twin.scenario.fields import Positive, Problem, Table, show
from twin.scenario.servers import IN_WORDS, OF_SERVER


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


def replica_problem(fault: Fault, others: Sequence[Fault], settings: JetStream) -> Problem | None:
    """Return what does not fit a fault of one or several servers of the bus, or None; the field is one of the fault.

    Of several servers one may fail at a time, so that two are left, and a leader can be told from a follower.

    Args:
        fault: what the scenario asks for.
        others: what it asks for besides.
        settings: of the stream.
    """
    several = settings.replicas > 1
    if fault.replica is not None and not (several and fault.kind in OF_SERVER):
        return Problem("replica", f"'{fault.replica}'", f"only with kind {IN_WORDS} and bus.jetstream.replicas 3")
    if fault.kind == "bus_partition" and not several:
        return Problem("kind", "'bus_partition'", "only with bus.jetstream.replicas 3")
    if several and fault.kind in LINK_FAULTS:
        return Problem("kind", f"'{fault.kind}'", "not with bus.jetstream.replicas 3")
    if not (several and _of_bus(fault)):
        return None
    if fault.kind != "bus_down" and (fault.duration or 0.0) >= LEAST_ELECTION_TIMEOUT:
        allowed = f"less than the {LEAST_ELECTION_TIMEOUT:g} s after which servers elect another leader"
        return Problem("duration", f"{fault.duration:g}", allowed)
    free = max((_over(one) for one in others if _of_bus(one) and one.at <= fault.at), default=0.0)
    if fault.at < free:
        when = f"{free:g} or later" if free < inf else "before it"
        return Problem("at", f"{fault.at:g}", f"{when}: until then another server fails, or a leader is elected")
    return None


def _of_bus(fault: Fault) -> bool:
    """Tell whether a fault acts on a server of the messages."""
    return fault.kind in OF_SERVER and fault.server in (None, "messages")


def _over(fault: Fault) -> float:
    """Return when a fault is over, and a leader that it has killed has a successor, in seconds; infinite if never."""
    elects = MOST_ELECTION_TIMEOUT if fault.kind == "bus_down" and fault.replica != "follower" else 0.0
    return fault.at + max(inf if fault.duration is None else fault.duration, elects)
