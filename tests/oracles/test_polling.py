"""How late a message comes to clients that poll: U(0, T), as it comes at any time of their intervals; T/2 on average.

Source: the residual life of a renewal process whose intervals are all T. Feller, "An Introduction to Probability Theory
and Its Applications", volume 2, XI.4.
"""

import numpy as np
import pytest

from sim import simulate
from tests.oracles.intervals import critical_distance, distance_to_uniform
from tests.strategies import flat, small, small_profile
from twin.costs.polls import POLL_PARTS

CLIENTS = 4000
NORMAL = 2.576
"""Half the width of the 99 % interval of a mean, in standard errors."""


@pytest.fixture(scope="module")
def free():
    """A host on which requests and answers cost nothing."""
    return small_profile(parts=small_profile().by_name() | dict.fromkeys(POLL_PARTS, flat(0.0)))


@pytest.mark.parametrize("interval", [0.5, 2.0])
def test_a_poll_brings_a_message_after_a_time_that_is_uniform_in_its_interval(interval, free):
    clients = {"count": CLIENTS, "connect_rate": 4000.0, "transport": {"kind": "poll", "interval": interval}}
    publisher = {"rate": 1.0, "messages": 1, "start": 1.37}
    scenario = small(clients=clients, publisher=publisher, bus={"kind": "stream"}, duration=1.4 + interval)
    record = simulate(scenario, 0, free)
    late = record.select("delivered")["t"].to_numpy() - record.select("published")["t"].to_numpy()[0]
    assert len(late) == CLIENTS
    assert distance_to_uniform(late, 0.0, interval) < critical_distance(CLIENTS)
    assert abs(late.mean() - interval / 2) < NORMAL * interval / np.sqrt(12 * CLIENTS)
