"""What a record says of the clients that come in the run, and of what keeps them out."""

import numpy as np

from twin.measures.base import Array, Measure
from twin.measures.censoring import Waits
from twin.measures.connection import SCHEDULE_DIGITS
from twin.measures.losses import count_failures
from twin.record.columns import Events
from twin.record.record import Record

ARRIVALS = {
    "arrivals_served": Measure("1", "timer", "share of the clients that come in the run that were connected in it"),
    "arrivals_attempts": Measure("1", "timer", "attempts of the clients that come in the run, per such client"),
    "arrival_p50": Measure("s", "timer", "median time from the first attempt of who comes in the run to a connection"),
    "arrival_p90": Measure("s", "timer", "90th percentile of the same"),
    "arrival_p99": Measure("s", "timer", "99th percentile of the same"),
    "refusal_p50": Measure(
        "s", "timer", "median time from an attempt of who comes in the run to its failure", rare=True
    ),
    "refusal_p99": Measure("s", "timer", "99th percentile of the same", rare=True),
    "queue_most": Measure("1", "timer", "most requests that waited at one time for a place of a server"),
}


def measure_arrivals(record: Record) -> dict[str, float]:
    """Return the measures of a scenario to which clients come in the run, and of the balancer's queue; nothing for any
    other. Without a fault, attempts that failed are those of the whole run.
    """
    clients = record.scenario.clients
    queue = record.columns.of("balancer_queue")
    found = {"queue_most": float(queue.numbers("longest").max())} if len(queue) else {}
    if clients.arrivals is None:
        return found
    events = record.columns.of("attempt_connect", "connected", "connect_failed")
    if not record.scenario.faults:
        run = events.at(events.t >= 0.0)
        found |= count_failures(run.words("reason").at(run.event.isin("connect_failed")).counts())
    mine = events.at(events.client >= clients.early)
    asked, count = _first(mine, "attempt_connect", clients.early, clients.arrivals.count), clients.arrivals.count
    came = _first(mine, "connected", clients.early, count)
    waits = Waits.of(came - asked, np.round(record.scenario.duration - asked, SCHEDULE_DIGITS))
    found["arrivals_served"] = float(np.mean(~np.isnan(came)))
    found["arrivals_attempts"] = int(mine.event.isin("attempt_connect").sum()) / count
    found |= waits.percentiles({"arrival_p50": 50, "arrival_p90": 90, "arrival_p99": 99})
    refused = _until_failure(mine)
    return found | Waits.of(refused, refused).percentiles({"refusal_p50": 50, "refusal_p99": 99})


def _first(events: Events, name: str, early: int, count: int) -> Array:
    """Return when the first event of a name was of each client from number `early` on, NaN where there was none."""
    mine = events.at(events.event.isin(name))
    found = np.full(count, np.inf)
    np.minimum.at(found, mine.client - early, mine.t)
    return np.where(np.isfinite(found), found, np.nan)


def _until_failure(events: Events) -> Array:
    """Return how long each attempt took that failed."""
    events = events.at(np.lexsort((events.t, events.client)))
    failed = np.flatnonzero(events.event.isin("connect_failed"))
    took: Array = events.t[failed] - events.t[failed - 1]
    return took
