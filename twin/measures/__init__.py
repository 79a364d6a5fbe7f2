"""Named numbers out of a record; each is defined once, here, for both worlds. See docs/measures.md."""

from twin.measures.accounts import ACCOUNTS, measure_accounts
from twin.measures.arrivals import ARRIVALS, measure_arrivals
from twin.measures.base import Measure
from twin.measures.broadcast import BROADCAST, latency_quantiles, measure_broadcast, staleness_curves
from twin.measures.censoring import NOT_WITHIN, split
from twin.measures.codec import CODEC, measure_codec
from twin.measures.connection import (
    CONNECTION,
    CURVE_STEP,
    PEAK_WINDOW,
    Course,
    attempt_counts,
    connected_curve,
    course,
    curve_step,
    curve_times,
    marks,
    reconnect_times,
)
from twin.measures.handler import HANDLER, answer_times, measure_handler
from twin.measures.losses import LOSSES, measure_losses
from twin.measures.memory import MEMORY, measure_memory
from twin.measures.messages import Messages
from twin.measures.planned import PLANNED_ENDS, measure_planned
from twin.measures.polling import POLLING, measure_polling
from twin.measures.pools import POOLS, measure_pools
from twin.measures.quiet import QUIET, lifetimes, measure_quiet
from twin.measures.registry import ELASTIC, measure_elastic
from twin.measures.sending import OFFLINE, measure_offline
from twin.measures.sessions import SESSIONS, measure_sessions
from twin.measures.witness import unwitnessed
from twin.record.record import Record

__all__ = [
    "ACCOUNTS",
    "ARRIVALS",
    "BROADCAST",
    "CODEC",
    "CONNECTION",
    "CURVE_STEP",
    "ELASTIC",
    "HANDLER",
    "LOSSES",
    "MEASURES",
    "MEMORY",
    "NOT_WITHIN",
    "OFFLINE",
    "PEAK_WINDOW",
    "PLANNED_ENDS",
    "POLLING",
    "POOLS",
    "QUIET",
    "SESSIONS",
    "Measure",
    "Messages",
    "answer_times",
    "attempt_counts",
    "connected_curve",
    "course",
    "curve_step",
    "curve_times",
    "latency_quantiles",
    "lifetimes",
    "marks",
    "measure_accounts",
    "measure_arrivals",
    "measure_broadcast",
    "measure_codec",
    "measure_connections",
    "measure_elastic",
    "measure_handler",
    "measure_losses",
    "measure_memory",
    "measure_offline",
    "measure_planned",
    "measure_polling",
    "measure_pools",
    "measure_quiet",
    "measure_record",
    "measure_sessions",
    "measure_with_bounds",
    "reconnect_times",
    "split",
    "staleness_curves",
    "unwitnessed",
]

MEASURES = CONNECTION | LOSSES | QUIET | PLANNED_ENDS | ELASTIC | SESSIONS | OFFLINE | HANDLER | POOLS
MEASURES |= POLLING | ACCOUNTS | BROADCAST | CODEC | MEMORY | ARRIVALS
"""A measure that a record does not define (no client was affected, nothing was published) is left out."""


def measure_with_bounds(
    record: Record, of_connections: Course | None = None, of_messages: Messages | None = None
) -> dict[str, float]:
    """Return every measure that the record defines; those of the broadcast if anything was published.

    A time that was not reached within the run is infinite, and `NOT_WITHIN` names its bound; see `split`.

    Args:
        record: of a run in either world.
        of_connections: what `course` has read out of it, if that is known.
        of_messages: its messages, if they have been read.
    """
    read = of_connections or course(record)
    connections = measure_connections(read) | measure_quiet(record) | measure_planned(record)
    connections |= measure_elastic(record) | measure_sessions(record) | measure_offline(record)
    connections |= measure_handler(record) | measure_pools(record) | measure_polling(record) | measure_accounts(record)
    connections |= measure_memory(record) | measure_arrivals(record)
    return connections | measure_broadcast(record, of_messages) | measure_codec(record, of_messages)


def measure_connections(read: Course) -> dict[str, float]:
    """Return the measures of connections, with bounds, as `measure_with_bounds` does."""
    return read.measures() | measure_losses(read)


def measure_record(record: Record, of_connections: Course | None = None) -> dict[str, float]:
    """Return every measure that the record defines; infinite is a time that was not reached within the run."""
    return split(measure_with_bounds(record, of_connections))[0]
