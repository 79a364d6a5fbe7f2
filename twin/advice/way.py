"""The way from a client to its node: who on it cuts a connection over which nothing passes.

A part that stands in front of the balancer adds its hop here, and every rule about silence holds for it, too.
"""

from typing import NamedTuple

from twin.rules.idle import LAZY
from twin.scenario.scenario import Scenario


class Hop(NamedTuple):
    """One place on the way.

    Attributes:
        program: its name as its makers write it.
        field: the setting after which it cuts a silent connection.
        timeout: that time in seconds.
        lazy: seconds by which it does not move a timer that is set (`twin.rules.idle.LAZY`).
        source: where that is known from.
    """

    program: str
    field: str
    timeout: float
    lazy: float
    source: str


def way(scenario: Scenario) -> list[Hop]:
    """Return the places on the way that cut silent connections, outermost first."""
    balancer = scenario.balancer
    return [
        Hop(
            balancer.program,
            f"balancer.{balancer.idle_field}",
            balancer.idle_timeout,
            LAZY[balancer.kind],
            balancer.idle_source,
        )
    ]
