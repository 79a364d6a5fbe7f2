import re
import tomllib

import pytest
from hypothesis import given

from tests.broadcasts import broadcasts
from tests.strategies import scenarios, small
from twin.errors import ScenarioError
from twin.scenario.balancer.nginx import Nginx
from twin.scenario.faults import Fault
from twin.scenario.scenario import Scenario

SENTENCE = re.compile(r"[^\n]+\.\Z")


def refused(data):
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse({"name": "bad", **data})
    text = str(caught.value)
    assert SENTENCE.match(text)
    return text


KILL = {"at": 1.0, "kind": "kill", "node": 1}
STREAM = {"bus": {"kind": "stream"}, "publisher": {}}


@pytest.mark.parametrize(
    ("data", "field", "value", "allowed"),
    [
        ({"clients": {"cuont": 5}}, "clients.cuont", "5", "not a known setting"),
        ({"colour": "red"}, "colour", "'red'", "not a known setting"),
        ({"balancer": {"kind": "haproxy", "max_fails": 1}}, "balancer.max_fails", "1", "not a known setting"),
        ({"duration": "5s"}, "duration", "'5s'", "a number, without a unit or quotes"),
        ({"clients": {"reconnect": {"base": "200ms"}}}, "clients.reconnect.base", "'200ms'", "a number"),
        ({"clients": {"count": 2.5}}, "clients.count", "2.5", "a whole number"),
        ({"clients": {"count": True}}, "clients.count", "True", "a whole number"),
        ({"clients": {"count": 0}}, "clients.count", "0", "at least 1"),
        ({"nodes": {"count": 1001}}, "nodes.count", "1001", "at most 1000"),
        ({"duration": 0}, "duration", "0", "more than 0"),
        ({"duration": float("nan")}, "duration", "nan", ""),
        ({"clients": {"open_timeout": float("inf")}}, "clients.open_timeout", "inf", ""),
        ({"seed": 2**63}, "seed", str(2**63), f"less than {2**63}"),
        ({"name": "Not Good"}, "name", "'Not Good'", "lower-case letters, digits and hyphens"),
        ({"name": 5}, "name", "5", "a text in quotes"),
        ({"name": "a" * 81}, "name", "'aaa", "at most 80 characters"),
        ({"clients": 5}, "clients", "5", "a table of settings"),
        ({"balancer": 5}, "balancer", "5", "a table of settings"),
        ({"balancer": {"kind": "apache"}}, "balancer", "apache", "'haproxy', 'nginx', 'envoy'"),
        ({"balancer": {"algorithm": "ip_hash"}}, "balancer.algorithm", "'ip_hash'", "'leastconn'"),
        ({"clients": {"reconnect": {"base": 2, "cap": 1}}}, "clients.reconnect.cap", "1", "at least base, 2 s"),
        (
            {"clients": {"reconnect": {"policy": "fixed", "jitter": "decorrelated"}}},
            "clients.reconnect.jitter",
            "'decorrelated'",
            "none, full, equal, offset or around with policy 'fixed'",
        ),
        ({"balancer": {"retries": 1, "redispatch": 2}}, "balancer.redispatch", "2", "at most retries, 1"),
        ({"clients": {"reconnect": "a|b"}}, "clients.reconnect", "'a|b'", "or one of 'centrifuge-js'"),
        ({"clients": {"heartbeat": "||"}}, "clients.heartbeat", "'||'", "or one of 'centrifuge-js'"),
        ({"balancer": "a|b|c|d"}, "balancer", "'a|b|c|d'", "or one of 'haproxy'"),
        (
            {"clients": {"reconnect": {"policy": "list", "delays": ["|"]}}},
            "clients.reconnect.delays.0",
            "'|'",
            "seconds, or [low, high]",
        ),
        (STREAM | {"publisher": {"threshold": "a|b"}}, "publisher.threshold", "'a|b'", "'all', 'majority' or a"),
        ({"clients": {"count": 10**5000}}, "clients.count", "too long a number", "at most 10000000"),
        ({"balancer": 10**5000}, "balancer", "too long a number", "a table of settings"),
        ({"faults": 5}, "faults", "5", "a list"),
        ({"faults": [5]}, "faults.0", "5", "a table of settings"),
        ({"faults": [{"at": 1.0}]}, "faults.0.kind", "missing", "must be given"),
        (
            {"faults": [KILL | {"kind": "burn"}]},
            "faults.0.kind",
            "'burn'",
            "'hang', 'blackhole', 'restart', 'drain', 'join', 'reload', 'outage'",
        ),
        ({"faults": [KILL, KILL | {"node": 4}]}, "faults.1.node", "4", "a node from 1 to 3"),
        ({"faults": [{"at": 1.0, "kind": "kill"}]}, "faults.0.node", "missing", "a node from 1 to 3"),
        ({"faults": [KILL | {"at": 10.5}]}, "faults.0.at", "10.5", "within duration, 10 s"),
        ({"faults": [KILL | {"at": -1.0}]}, "faults.0.at", "-1.0", "at least 0"),
        ({"faults": [KILL | {"kind": "reload"}]}, "faults.0.node", "1", "no node for a reload"),
        (
            {"faults": [KILL | {"kind": "restart", "duration": 1.0}]},
            "faults.0.duration",
            "1",
            "only with kind 'kill', 'hang', 'blackhole'",
        ),
        ({"faults": [KILL | {"pace": 5.0}]}, "faults.0.pace", "5", "only with kind 'drain'"),
        ({"faults": [KILL | {"kind": "drain", "pace": 0.0}]}, "faults.0.pace", "0.0", "more than 0"),
        ({"balancer": {"tunnel_timeout": 0.5}}, "balancer.tunnel_timeout", "0.5", "more than the 0.55 s"),
        ({"faults": [KILL | {"client": 1}]}, "faults.0.client", "1", "only with kind 'stall'"),
        ({"faults": [KILL | {"delay": 1.0}]}, "faults.0.delay", "1", "only with kind 'delay'"),
        ({"faults": [KILL | {"kind": "bus_cut"}]}, "faults.0.kind", "'bus_cut'", "with a [publisher]"),
        (STREAM | {"faults": [{"at": 1.0, "kind": "stall"}]}, "faults.0.client", "missing", "a client from 0 to 199"),
        (STREAM | {"faults": [KILL | {"kind": "bus_down"}]}, "faults.0.node", "1", "no node for a bus_down"),
        (STREAM | {"faults": [KILL | {"kind": "delay"}]}, "faults.0.delay", "missing", "at most 60 s"),
        ({"publisher": {}}, "bus.kind", "'valkey'", "'pubsub', 'stream', 'kafka' or 'jetstream'"),
        (STREAM | {"publisher": {"threshold": 4}}, "publisher.threshold", "4", "at most nodes.count, 3"),
        (STREAM | {"publisher": {"threshold": 0}}, "publisher.threshold", "0", "whole number from 1 to nodes.count"),
        (STREAM | {"publisher": {"threshold": "most"}}, "publisher.threshold", "'most'", "'all', 'majority'"),
        (STREAM | {"publisher": {"threshold": True}}, "publisher.threshold", "True", "'all', 'majority'"),
        (STREAM | {"publisher": {"start": 11.0}}, "publisher.start", "11", "within duration"),
        (STREAM | {"publisher": {"start": 2.0, "stop": 1.0}}, "publisher.stop", "1", "at least start, 2 s"),
        (STREAM | {"publisher": {"rate": 1e4}, "duration": 60.0}, "publisher.rate", "10000", "at most 100000"),
        ({"bus": {"kind": "stream", "max_length": 0}}, "bus.max_length", "0", "at least 1"),
        ({"bus": {"retry": {"cap": 0.001}}}, "bus.retry.cap", "0.001", "at least base, 0.01 s"),
        ({"slow_consumer": {"policy": "wait"}}, "slow_consumer.policy", "'wait'", "'coalesce'"),
        ({"faults": [KILL] * 101}, "faults", "[", "at most 100 entries"),
    ],
)
def test_a_bad_value_gives_one_sentence_with_field_value_and_what_is_allowed(data, field, value, allowed):
    text = refused(data)
    assert text.startswith(f"scenario: {field} ")
    assert value in text
    assert allowed in text


@pytest.mark.parametrize(
    "data",
    [
        {"clients": {"reconnect": {"policy": "fixed", "base": 10.0}}},
        {"clients": {"reconnect": {"policy": "fixed", "base": 10.0, "jitter": "full"}}},
        {"clients": {"reconnect": {"policy": "immediate", "base": 10.0, "cap": 1.0}}},
        {"clients": {"reconnect": {"policy": "list", "base": 10.0, "delays": [1.0]}}},
        {"balancer": {"retries": 0, "redispatch": 2}},
        {"bus": {"retry": {"retries": 0, "base": 10.0}}},
    ],
)
def test_a_limit_that_the_chosen_policy_does_not_use_refuses_nothing(data):
    Scenario.parse({"name": "good", **data})


@pytest.mark.parametrize("jitter", ["offset", "around"])
def test_a_fixed_wait_whose_jitter_ends_at_the_cap_may_not_be_longer(jitter):
    reconnect = {"policy": "fixed", "base": 10.0, "jitter": jitter}
    assert "clients.reconnect.cap is 5; allowed is at least base" in refused({"clients": {"reconnect": reconnect}})


def test_a_threshold_may_be_as_many_nodes_as_there_are():
    wide = STREAM | {"nodes": {"count": 40}, "publisher": {"threshold": 40}}
    assert Scenario.parse({"name": "wide"} | wide).publisher.threshold == 40


def test_a_long_bad_value_is_shortened():
    assert len(refused({"seed": "x" * 5000})) < 200


def test_a_missing_file_a_folder_and_a_binary_file_give_one_sentence(tmp_path):
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, word in [
        (tmp_path / "none.toml", "no such scenario file"),
        (tmp_path, "is a folder"),
        (binary, "not text"),
    ]:
        with pytest.raises(ScenarioError, match=word) as caught:
            Scenario.load(path)
        assert str(path) in str(caught.value)
        assert SENTENCE.match(str(caught.value))


def test_a_file_that_is_not_toml_gives_one_sentence(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = = 5")
    with pytest.raises(ScenarioError, match=r"is not TOML \(.*line 1.*\)\.$"):
        Scenario.load(path)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text('name = "one"\n[balancer]\nretries = 2\n[[faults]]\nat = 1.0\nkind = "kill"\nnode = 1\n')
    return path


def test_an_override_changes_a_part_of_the_preset_that_the_one_before_it_named():
    changed = small().override(["clients.reconnect=classic", "clients.reconnect.cap=7.0"])
    classic = small().override(["clients.reconnect=classic"])
    assert changed.clients.reconnect == classic.clients.reconnect.model_copy(update={"cap": 7.0})


def test_a_file_is_read_and_overridden(file):
    plain = Scenario.load(file)
    assert (plain.name, plain.balancer.kind, plain.balancer.retries) == ("one", "haproxy", 2)
    changed = Scenario.load(
        file,
        [
            "clients.count=7",
            "clients.reconnect.jitter = full",
            "faults.0.at=2.5",
            'name="two"',
            "balancer.check.fall=1",
        ],
    )
    assert changed.clients.count == 7
    assert changed.clients.reconnect.jitter == "full"
    assert changed.faults == [Fault(at=2.5, kind="kill", node=1)]
    assert changed.name == "two"
    assert (changed.balancer.retries, changed.balancer.check.fall) == (2, 1)


def test_another_balancer_by_override_starts_from_its_own_defaults(file):
    assert Scenario.load(file, ["balancer.kind=nginx"]).balancer == Nginx()


@pytest.mark.parametrize("text", ["clients.count", "=5", "clients..count=5", ""])
def test_an_override_that_is_not_a_path_and_a_value_is_refused(file, text):
    with pytest.raises(ScenarioError, match=r"give a path, '=' and a value") as caught:
        Scenario.load(file, [text])
    assert SENTENCE.match(str(caught.value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clients.count=many", "clients.count is 'many'; allowed is a whole number."),
        ("clients.count=", "clients.count is ''; allowed is a whole number."),
        ("clients.cuont=5", "clients.cuont = 5 is not a known setting"),
        ("faults.0.node=9", "faults.0.node is 9; allowed is a node from 1 to 3."),
        ("name.first=1", "name is {'first': 1}; allowed is a text in quotes."),
    ],
)
def test_an_override_with_a_bad_value_is_refused_like_the_same_value_in_the_file(file, text, words):
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(file, [text])
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(file))


@given(scenarios() | broadcasts())
def test_a_scenario_survives_being_written_as_toml(scenario):
    assert Scenario.parse(tomllib.loads(scenario.to_toml())) == scenario


def test_a_text_with_any_character_survives_being_written_as_toml():
    scenario = small(teaches='quote " backslash \\ tab \t line \n delete \x7f nul \x00 é \u2028 \U0001f600')
    assert Scenario.parse(tomllib.loads(scenario.to_toml())) == scenario


def test_toml_writes_every_field_out():
    data = tomllib.loads(Scenario(name="all").to_toml())
    assert data["clients"]["reconnect"]["cap"] == 5.0
    assert data["balancer"]["kind"] == "haproxy"
    assert set(data) == set(Scenario.model_fields) - {"faults", "publisher", "registry", "autoscaling", "objectives"}


def test_vary_changes_what_it_names_and_leaves_the_original_alone():
    before = small(faults=[KILL])
    after = before.vary(clients={"count": 5}, seed=9, faults={"0": {"at": 2.0}})
    assert (after.clients.count, after.seed, after.faults[0].at) == (5, 9, 2.0)
    assert after.clients.reconnect == before.clients.reconnect
    assert (before.clients.count, before.seed, before.faults[0].at) == (30, 1, 1.0)
    assert before.vary() == before


def test_vary_takes_parts_as_well_as_dicts_and_changes_the_kind_of_the_balancer():
    assert small(balancer=Nginx(max_fails=2)).balancer == Nginx(max_fails=2)
    assert small(balancer={"kind": "nginx"}).balancer == Nginx()
    assert small(balancer={"retries": 3}).balancer.check.inter == 0.5


def test_vary_refuses_what_a_file_may_not_hold():
    with pytest.raises(ScenarioError, match=r"^vary: clients.count is 0; allowed is at least 1\.$"):
        small(clients={"count": 0})


def test_the_warm_up_is_the_clients_over_their_rate():
    assert small(clients={"count": 40, "connect_rate": 50.0}).warm_up == 0.8


def test_another_kind_of_bus_by_override_keeps_the_other_settings():
    before = small(bus={"kind": "stream", "max_length": 7}, publisher={"rate": 20.0})
    after = before.vary(bus={"kind": "pubsub"})
    assert (after.bus.kind, after.bus.max_length, after.publisher.rate) == ("pubsub", 7, 20.0)


def test_the_publishers_times_end_before_its_stop_and_before_the_end_of_the_run():
    publisher = small(bus={"kind": "stream"}, publisher={"rate": 2.0, "start": 1.0}).publisher
    assert publisher.times(3.0) == [1.0, 1.5, 2.0, 2.5]
    assert publisher.model_copy(update={"stop": 2.0}).times(3.0) == [1.0, 1.5]
    assert publisher.model_copy(update={"messages": 3}).times(3.0) == [1.0, 1.5, 2.0]
