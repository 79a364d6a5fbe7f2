"""The texts of Envoy's configuration; that the real program accepts and obeys them is tested in tests/live."""

from pathlib import Path

import pytest

from tests.strategies import small
from twin.config.balancer import Site
from twin.config.envoy import ENVOY, endpoints, seconds, yaml
from twin.rules.registry import Registration


def behind(**balancer):
    plain = small().model_dump(exclude_none=True) | {"balancer": {"kind": "envoy", **balancer}}
    return type(small()).parse(plain)


def test_yaml_is_written_entry_by_entry():
    value = {"a": {"b": [1, {"c": "x", "d": [True, "yes"]}]}, "@type": "t/x", "e": []}
    assert yaml(value) == (
        'a:\n  b:\n    - 1\n    - c: x\n      d:\n        - true\n        - "yes"\n"@type": "t/x"\ne: []\n'
    )


@pytest.mark.parametrize(
    ("given", "text"), [(1.0, "1s"), (0.25, "0.25s"), (0, "0s"), (60.0, "60s"), (0.0001, "0.001s")]
)
def test_times_are_written_as_envoy_reads_them(given, text):
    assert seconds(given) == text


def test_a_site_has_the_upgrade_the_timeouts_and_the_checks():
    scenario = behind(stream_idle_timeout=75.0, delayed_close_timeout=0.0, check={"interval": 0.5, "timeout": 0.2})
    text = ENVOY.of_site(scenario, Site(servers=("10.0.0.5:9001", "node-2:9001"), path="/ws", health="/ready"))
    for line in (
        "upgrade_type: websocket",
        'stream_idle_timeout: "75s"',
        'delayed_close_timeout: "0s"',
        'prefix: "/ws"',
        'path: "/ready"',
        'interval: "0.5s"',
        'no_traffic_interval: "60s"',
        "type: STRICT_DNS",
        'address: "10.0.0.5"',
        "address: node-2",
        "use_remote_address: true",
    ):
        assert line in text, line
    assert "outlier_detection" not in text
    assert "retry_policy" not in text


@pytest.mark.parametrize(
    ("sticky", "policy", "key"),
    [("none", "LEAST_REQUEST", "source_ip"), ("address", "RING_HASH", "source_ip"), ("cookie", "RING_HASH", "cookie")],
)
def test_a_site_is_sticky_as_asked(sticky, policy, key):
    text = ENVOY.of_site(behind(algorithm="least_request"), Site(sticky=sticky, cookie="room"))
    assert f"lb_policy: {policy}\n" in text
    assert key in text
    assert ("name: room" in text) == (sticky == "cookie")


def test_the_header_is_hashed_where_the_scenario_says_so():
    by_header = behind(algorithm="maglev", hash_policy="header")
    for text in (ENVOY.of_run(by_header, 8000, [8001], Path("/run/x")), ENVOY.of_site(by_header, Site())):
        assert 'header_name: "X-Client-Id"' in text or "header_name: X-Client-Id" in text
        assert "source_ip" not in text
    assert "header_name" not in ENVOY.of_site(by_header, Site(sticky="address"))


def test_retries_breakers_and_ejections_are_those_of_the_scenario():
    scenario = behind(
        retry_policy={"num_retries": 3, "retry_on": ["5xx", "reset"], "per_try_timeout": 2.0, "previous_hosts": True}
        | {"retriable_status_codes": [503]},
        circuit_breakers={"max_retries": 7, "budget_percent": 25.0},
        outlier_detection={"consecutive_gateway_failure": 4, "base_ejection_time": 0.6},
    )
    text = ENVOY.of_run(scenario, 8000, [8001], Path("/run/x"))
    for line in (
        'retry_on: "5xx,reset"',
        "num_retries: 3",
        "retriable_status_codes:\n",
        'per_try_timeout: "2s"',
        'base_interval: "0.025s"',
        'max_interval: "0.25s"',
        "envoy.retry_host_predicates.previous_hosts",
        "max_retries: 7",
        "value: 25.0",
        "consecutive_gateway_failure: 4",
        "enforcing_consecutive_gateway_failure: 100",
        'base_ejection_time: "0.6s"',
        'path: "/run/x/envoy.sock"',
    ):
        assert line in text, line


def test_the_endpoints_of_a_registry_stand_in_the_order_of_their_slots():
    there = {2: Registration(1, "10.0.0.2:99", "v1"), 1: Registration(1, "10.0.0.1:99", "v1")}
    text = endpoints(there)
    assert text.index("10.0.0.1") < text.index("10.0.0.2")
    assert "endpoints: []" in endpoints({})
