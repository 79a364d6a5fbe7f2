"""Clients that come in the run."""

from typing import Annotated

from pydantic import Field

from twin.rules.arrivals import arrival_times
from twin.scenario.fields import Problem, Seconds, Table


class ArrivalSettings(Table):
    """Clients that are not connected when the run starts: the last of all, who come one after the other."""

    count: Annotated[int, Field(ge=1, le=10_000_000)] = Field(20, description="Clients that come in the run.")
    at: Seconds = Field(1.0, description="When the first of them comes, in seconds after the start of the run.")
    rate: Annotated[float, Field(gt=0, le=100_000)] = Field(100.0, description="How many come a second.")

    def times(self, clients: int) -> dict[int, float]:
        """Return when each of them comes, in seconds after the start of the run, by number; `clients` there are."""
        return arrival_times(clients, self.count, self.at, self.rate)


def arrival_problem(arrivals: ArrivalSettings | None, clients: int, duration: float, polls: bool) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        arrivals: `clients.arrivals`.
        clients: how many there are in all.
        duration: of the run, in seconds.
        polls: whether clients poll.
    """
    if arrivals is None:
        return None
    if polls:
        return Problem("clients.arrivals", "given", "none with clients that poll")
    if arrivals.count > clients:
        return Problem("clients.arrivals.count", str(arrivals.count), f"at most clients.count, {clients}")
    last = arrivals.at + (arrivals.count - 1) / arrivals.rate
    if last > duration:
        return Problem("clients.arrivals.at", f"{arrivals.at:g}", f"such that all have come within {duration:g} s")
    return None
