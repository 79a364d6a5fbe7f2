import pytest

from tests.strategies import small
from twin.errors import ScenarioError


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sessions": {"store": "disk"}}, "sessions.store is 'disk'; allowed is one of"),
        ({"sessions": {"expiry": 0.0}}, "sessions.expiry is 0.0; allowed is more than 0"),
        ({"sessions": {"login_iterations": 0}}, "sessions.login_iterations is 0; allowed is at least 1"),
        (
            {"sessions": {"store": "redis"}, "bus": {"kind": "none"}},
            "sessions.store is 'redis'; allowed is 'none' or 'memory' with bus.kind 'none'",
        ),
        (
            {"sessions": {"store": "redis"}, "bus": {"kind": "kafka"}, "publisher": {}},
            "sessions.store is 'redis'; allowed is 'none' or 'memory' with bus.kind 'kafka'",
        ),
        (
            {"sessions": {"store": "memory"}, "faults": [{"at": 1.0, "kind": "bus_down"}]},
            "faults.0.kind is 'bus_down'; allowed is only in a scenario with a [publisher]",
        ),
        (
            {"sessions": {"store": "redis"}, "faults": [{"at": 1.0, "kind": "bus_cut", "node": 1}]},
            "faults.0.kind is 'bus_cut'; allowed is only in a scenario with a [publisher]",
        ),
        ({"clients": {"sends": {"rate": -1.0}}}, "clients.sends.rate is -1.0; allowed is at least 0"),
        ({"clients": {"sends": {"payload_bytes": 4}}}, "clients.sends.payload_bytes is 4; allowed is at least 8"),
        ({"clients": {"sends": {"rate": 1000.0}}}, "clients.sends.rate is 1000; allowed is such that at most 200000"),
        ({"clients": {"offline": {"overflow": "middle"}}}, "clients.offline.overflow is 'middle'; allowed is one of"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(changes, says):
    with pytest.raises(ScenarioError) as caught:
        small(**changes)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bus_of_sessions_may_go_down():
    scenario = small(sessions={"store": "redis"}, faults=[{"at": 1.0, "kind": "bus_down", "duration": 1.0}])
    assert scenario.sessions.expiry == 1800.0
    assert scenario.sessions.login_iterations == 600_000
