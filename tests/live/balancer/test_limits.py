"""The limits of the real programs, each met by clients that come in the run."""

from collections.abc import Callable
from typing import Any

import pytest

from live.runs import run
from sim import simulate
from twin.costs.profile import HostProfile
from twin.record.record import Record
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.patient]

WAIT = {"policy": "fixed", "base": 100.0, "cap": 100.0, "jitter": "none"}
Late = Callable[..., Scenario]


@pytest.fixture(scope="module")
def late(small: Callable[..., Scenario]) -> Late:
    """Some clients of whom the last come in the run, on one node."""

    def make(balancer: dict[str, Any], count: int, come: int, duration: float = 0.6, **clients: Any) -> Scenario:
        arrivals = {"count": come, "at": 0.1, "rate": 50.0}
        shape = {"count": count, "connect_rate": 800.0, "arrivals": arrivals, "reconnect": WAIT, **clients}
        return small(duration=duration, clients=shape, balancer=balancer, nodes={"count": 1})

    return make


def both(scenario: Scenario) -> list[tuple[list[int], list[str]]]:
    """Return who was connected in the run and how the others were answered, predicted and measured."""
    return [said(simulate(scenario, 0, HostProfile.load("reference"))), said(run(scenario))]


def said(record: Record) -> tuple[list[int], list[str]]:
    come = record.select("connected").query("t > 0")
    return sorted(come["client"]), sorted(record.select("connect_failed")["reason"])


def test_haproxy_tells_the_eleventh_of_an_address_429(late: Late) -> None:
    limit = {"limit": 10, "period": 60.0, "retry_after": 1}
    asked = {"refusals": {"retry_after": True}}
    scenario = late({"address_rate": limit}, 12, 12, duration=1.5, **asked)
    predicted, measured = both(scenario)
    twice = ["429"] * 4  # told to come again after a second, they did
    assert predicted == (list(range(10)), twice)
    assert (len(measured[0]), measured[1]) == (10, twice)


@pytest.mark.parametrize(
    ("balancer", "count", "come", "inside", "answers"),
    [
        ({"limit_req": {"rate": 10, "burst": 9}}, 12, 12, 10, ["429"] * 2),
        ({"worker_connections": 64}, 34, 8, 31, ["reset"] * 3),
    ],
    ids=["limit_req", "worker_connections"],
)
def test_nginx_refuses_as_the_model_says(
    late: Late, nginx: None, balancer: dict[str, Any], count: int, come: int, inside: int, answers: list[str]
) -> None:
    predicted, measured = both(late({"kind": "nginx", **balancer}, count, come))
    assert predicted == (list(range(count - come, inside)), answers)
    assert (len(measured[0]), measured[1]) == (len(predicted[0]), answers)  # who comes first is the host's to say


def test_haproxy_stops_where_its_ports_to_a_node_end(late: Late) -> None:
    predicted, measured = both(late({"source_ports": 40}, 44, 10))
    for inside, answers in (predicted, measured):  # a health check may have had a port just when one came
        assert (len(inside), answers) == (6, ["503"] * 4)
