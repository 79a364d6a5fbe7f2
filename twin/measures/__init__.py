"""Named numbers out of a record; each is defined once, here, for both worlds. See docs/measures.md."""

from twin.measures.base import Measure
from twin.measures.broadcast import BROADCAST, latency_quantiles, measure_broadcast, staleness_curves
from twin.measures.connection import (
    CONNECTION,
    CURVE_STEP,
    PEAK_WINDOW,
    Course,
    attempt_counts,
    connected_curve,
    course,
    marks,
    reconnect_times,
)
from twin.measures.elastic import ELASTIC, measure_elastic
from twin.measures.offline import OFFLINE, measure_offline
from twin.measures.planned import PLANNED_ENDS, measure_planned
from twin.measures.quiet import QUIET, lifetimes, measure_quiet
from twin.measures.sessions import SESSIONS, measure_sessions
from twin.measures.witness import unwitnessed
from twin.record import Record

__all__ = [
    "BROADCAST",
    "CONNECTION",
    "CURVE_STEP",
    "ELASTIC",
    "MEASURES",
    "OFFLINE",
    "PEAK_WINDOW",
    "PLANNED_ENDS",
    "QUIET",
    "SESSIONS",
    "Measure",
    "attempt_counts",
    "connected_curve",
    "course",
    "latency_quantiles",
    "lifetimes",
    "marks",
    "measure_broadcast",
    "measure_elastic",
    "measure_offline",
    "measure_planned",
    "measure_quiet",
    "measure_record",
    "measure_sessions",
    "reconnect_times",
    "staleness_curves",
    "unwitnessed",
]

MEASURES = CONNECTION | QUIET | PLANNED_ENDS | ELASTIC | SESSIONS | OFFLINE | BROADCAST
"""A measure that a record does not define (no client was affected, nothing was published) is left out."""


def measure_record(record: Record, of_connections: Course | None = None) -> dict[str, float]:
    """Return every measure that the record defines; those of the broadcast if anything was published.

    Args:
        record: of a run in either world.
        of_connections: what `course` has read out of it, if that is known.
    """
    connections = (of_connections or course(record)).measures() | measure_quiet(record) | measure_planned(record)
    connections |= measure_elastic(record) | measure_sessions(record) | measure_offline(record)
    return connections | measure_broadcast(record)
