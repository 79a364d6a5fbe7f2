"""HAProxy's real queue: who finds the servers full waits, and gets a 503 when the time is over."""

from collections.abc import Callable

import pytest

from live.runs import run
from sim import simulate
from twin.costs.profile import HostProfile
from twin.measures import measure_record
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


def test_haproxy_lets_20_of_120_clients_wait_and_tells_them_503(small: Callable[..., Scenario]) -> None:
    wait = {"policy": "fixed", "base": 100.0, "cap": 100.0, "jitter": "none"}
    scenario = small(
        duration=1.4,
        clients={"count": 120, "connect_rate": 800.0, "open_timeout": 5.0, "reconnect": wait,
                 "arrivals": {"count": 20, "at": 0.1, "rate": 200.0}},
        balancer={"server_maxconn": 100, "queue_timeout": 0.8},
        nodes={"count": 1},
    )  # fmt: skip
    record = run(scenario)
    found = measure_record(record)
    told = measure_record(simulate(scenario, 0, HostProfile.load("reference")))
    assert (found["queue_most"], found["failed_503"]) == (told["queue_most"], told["failed_503"]) == (20, 20)
    assert (found["arrivals_served"], told["arrivals_served"]) == (0, 0)
    assert 0.8 <= found["refusal_p50"] < 1.0
    assert 0.8 <= told["refusal_p50"] < 0.9
    assert record.select("server_connections")["count"].tolist() == [100]
