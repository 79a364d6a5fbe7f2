"""Names of presets in a scenario: in the file, in an override, from Python."""

import tomllib

import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.balancer.nginx import Nginx
from twin.scenario.scenario import Scenario
from twin.scenario.settings import Reconnect

PHOENIX = Scenario.parse({"name": "x", "clients": {"reconnect": "phoenix"}}).clients.reconnect


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text('name = "one"\nbalancer = "nginx"\n[clients]\nreconnect = "phoenix"\nheartbeat = "socket.io"\n')
    return path


def test_a_name_stands_for_the_table_and_is_written_out_in_full(file):
    scenario = Scenario.load(file)
    assert scenario.clients.reconnect == PHOENIX
    assert PHOENIX.delays[:2] == [0.01, 0.05]
    assert (scenario.clients.heartbeat.interval, scenario.clients.heartbeat.timeout) == (25.0, 20.0)
    assert scenario.balancer == Nginx(connect_timeout=60.0, read_timeout=60.0)
    assert Scenario.parse(tomllib.loads(scenario.to_toml())) == scenario


@pytest.mark.parametrize(("name", "table"), [("haproxy", HAProxy), ("nginx", Nginx)])
def test_where_a_balancers_preset_and_its_table_differ_the_setting_says_so(name, table):
    named = Scenario.parse({"name": "x", "balancer": name}).balancer
    plain = Scenario.parse({"name": "x", "balancer": {"kind": name}}).balancer
    different = [field for field in table.model_fields if getattr(named, field) != getattr(plain, field)]
    assert different == {"haproxy": ["algorithm"], "nginx": ["connect_timeout", "read_timeout"]}[name]
    for field in different:
        value = getattr(named, field)
        text = value if isinstance(value, str) else f"{value:g}"
        said = table.model_fields[field].description
        assert said.endswith(f"own default, and that of the preset, is {text}.")


def test_the_schema_says_what_haproxy_does_without_a_timeout_of_its_own():
    settings = Scenario.model_json_schema()["$defs"]["HAProxy"]["properties"]
    assert Scenario.parse({"name": "x", "balancer": "haproxy"}).balancer.tunnel_timeout == 3600.0
    assert "no default of its own" in settings["connect_timeout"]["description"]
    said = settings["tunnel_timeout"]["description"]
    assert "no default of its own: without it the shorter of timeout client and timeout server cuts open" in said


def test_an_override_changes_a_part_of_a_preset(file):
    changed = Scenario.load(
        file, ["clients.reconnect.stable_time=3", "clients.heartbeat.timeout=1", "balancer.max_fails=2"]
    )
    assert changed.clients.reconnect == PHOENIX.model_copy(update={"stable_time": 3})
    assert (changed.clients.heartbeat.interval, changed.clients.heartbeat.timeout) == (25.0, 1)
    assert changed.balancer == Nginx(connect_timeout=60.0, read_timeout=60.0, max_fails=2)


def test_an_override_and_vary_take_names(file):
    by_override = Scenario.load(file, ["clients.reconnect=socket.io", "balancer=haproxy"])
    by_vary = Scenario.load(file).vary(clients={"reconnect": "socket.io"}, balancer="haproxy")
    assert by_override == by_vary
    assert by_vary.clients.reconnect.jitter == "around"
    assert by_vary.balancer == HAProxy(algorithm="roundrobin")


def test_another_policy_drops_the_list_of_waits(file):
    assert Scenario.load(file, ["clients.reconnect.policy=fixed"]).clients.reconnect == Reconnect(
        policy="fixed", stable_time=0.0
    )
    assert small(clients={"reconnect": {"policy": "list", "delays": [0.5, [1, 2]]}}).clients.reconnect.delays == [
        0.5,
        [1, 2],
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"clients": {"reconnect": "phenix"}}, "clients.reconnect is 'phenix'; allowed is a table of settings, or one"),
        (
            {"clients": {"heartbeat": "x"}},
            "clients.heartbeat is 'x'; allowed is a table of settings, or one of 'centri",
        ),
        ({"clients": {"reconnect": 5}}, "clients.reconnect is 5; allowed is a table of settings."),
        (
            {"balancer": "apache"},
            "balancer is 'apache'; allowed is a table of settings, or one of 'haproxy', 'nginx', 'envoy'.",
        ),
        (
            {"clients": {"reconnect": {"policy": "list"}}},
            "clients.reconnect.delays is []; allowed is at least one wait",
        ),
        ({"clients": {"reconnect": {"delays": [1]}}}, "clients.reconnect.delays is [1.0]; allowed is nothing but with"),
    ],
)
def test_a_wrong_name_or_list_gives_one_sentence(data, words):
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse({"name": "bad", **data})
    assert str(caught.value).startswith(f"scenario: {words}")


@pytest.mark.parametrize(
    ("delays", "words"),
    [
        (5, "clients.reconnect.delays is 5; allowed is a list of seconds."),
        ([1, "2s"], "clients.reconnect.delays.1 is '2s'; allowed is seconds, or [low, high]."),
        ([True], "clients.reconnect.delays.0 is True; allowed is seconds, or [low, high]."),
        ([[1, 2, 3]], "clients.reconnect.delays.0 is [1, 2, 3]; allowed is seconds, or [low, high]."),
        ([float("nan")], "clients.reconnect.delays.0 is nan; allowed is seconds, or [low, high]."),
        ([-1], "clients.reconnect.delays.0 is -1; allowed is from 0 to 86400 s, low first."),
        ([[3, 1]], "clients.reconnect.delays.0 is [3, 1]; allowed is from 0 to 86400 s, low first."),
    ],
)
def test_a_wait_that_is_none_gives_one_sentence(delays, words):
    with pytest.raises(ScenarioError) as caught:
        small(clients={"reconnect": {"policy": "list", "delays": delays}})
    assert str(caught.value) == f"vary: {words}"
