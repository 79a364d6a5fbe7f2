"""Requests that make a node work: when each is due, and how long its work takes.

The work of a request is CPU time, then a blocking call, then an await. A timer on a grid says how late a loop is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from math import floor, log
from typing import Literal

Arrivals = Literal["even", "poisson"]
Distribution = Literal["fixed", "exponential", "uniform"]

LOOK_EVERY = 0.037
"""Seconds between two looks at how late a loop is: it shares no period with what comes every 5, 10, 50 or 250 ms, so
that all phases are seen."""


MOST_TASKS = 3
"""Kinds of work that a handler may have."""

What = Literal["interval", "cpu", "blocking", "awaiting"]
"""What is drawn for a request."""


@dataclass(frozen=True)
class Demand:
    """What one request takes, in seconds.

    Attributes:
        cpu: CPU time.
        blocking: in a blocking call, which holds its thread.
        awaiting: until what is awaited is there.
    """

    cpu: float
    blocking: float
    awaiting: float


def drawn(distribution: Distribution, mean: float, u: float) -> float:
    """Return a time with this mean at the uniform number `u`, 0 <= u < 1, in the unit of the mean."""
    return {"fixed": mean, "exponential": -mean * log(1.0 - u), "uniform": 2.0 * mean * u}[distribution]


@dataclass(frozen=True)
class TaskRule:
    """One kind of work.

    Attributes:
        rate: requests a second of all clients together.
        arrivals: how they come, see `due_times`.
        cpu, blocking, awaiting: distribution and mean, in seconds, of what a request takes.
    """

    rate: float
    arrivals: Arrivals
    cpu: tuple[Distribution, float]
    blocking: tuple[Distribution, float]
    awaiting: tuple[Distribution, float]

    def requests(
        self, clients: int, client: int, phase: float, draw: Callable[[What, int], float]
    ) -> Iterator[tuple[float, Demand]]:
        """Yield when each request of one client is due, in seconds after the start of the run, and what it takes.

        Args:
            clients, client, phase: as in `due_times`.
            draw: returns the uniform number for the client's n-th interval or time.
        """
        due = due_times(self.arrivals, self.rate, clients, client, phase, lambda n: draw("interval", n))
        for n, at in enumerate(due):
            yield at, Demand(*(self._time(what, n, draw) for what in ("cpu", "blocking", "awaiting")))

    def _time(self, what: Literal["cpu", "blocking", "awaiting"], n: int, draw: Callable[[What, int], float]) -> float:
        distribution, mean = getattr(self, what)
        return drawn(distribution, mean, 0.0 if distribution == "fixed" else draw(what, n))


def due_times(
    arrivals: Arrivals, rate: float, clients: int, client: int, phase: float, draw: Callable[[int], float]
) -> Iterator[float]:
    """Yield when each request of one client is due, in seconds after the start of the run.

    `even`: the requests of all clients are 1 / `rate` apart, and the clients make them in turn. `poisson`: each
    client's are a Poisson process with its share of the rate, so that those of all are one with the rate.

    Args:
        arrivals: how they come.
        rate: requests a second of all clients together.
        clients: how many clients there are.
        client: number of this one, from 0.
        phase: uniform number that all clients share: the part of an interval after which the first request is due.
        draw: returns the uniform number of this client's n-th interval.
    """
    at = 0.0
    for n in count():
        if arrivals == "even":
            at = (n * clients + client + phase) / rate
        else:
            at += drawn("exponential", clients / rate, draw(n))
        yield at


def looks_missed(last: int, now: float, every: float = LOOK_EVERY) -> range:
    """Return the places on the grid of the looks that have become due by `now`, after the `last` one that was made.

    A loop that stood still makes up for the looks that it missed, each as late as it is, so that a long stop counts for
    as much as it lasted. Source: Tene, "How NOT to Measure Latency", 2013 (coordinated omission).

    Args:
        last: place of the last look; the first one is 1.
        now: seconds after the begin of the grid.
        every: seconds between two looks.
    """
    return range(last + 1, floor(now / every + 1e-9) + 1)
