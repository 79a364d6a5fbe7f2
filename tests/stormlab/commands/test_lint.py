"""`./lab lint` and `stormlab.findings`."""

import json

import pytest

import stormlab
from tests.commands import ROOT, lab_in_process
from tests.strategies import small
from twin.advice import RULES, findings

SLOW, PLAIN = (str(ROOT / "scenarios" / f"{name}.toml") for name in ("heartbeat-too-slow", "haproxy-redispatch"))


@pytest.fixture
def lab(monkeypatch, capsys):
    return lab_in_process(monkeypatch, capsys)


def test_a_finding_has_field_value_what_happens_what_to_set_and_source(lab):
    status, said, _ = lab("lint", SLOW)
    assert status == 1
    assert said.startswith("heartbeat-too-slow: 1 warning, ")
    assert "warning idle-timeout: balancer.tunnel_timeout = 3\n  balancer.tunnel_timeout is 3 s, but nothing" in said
    assert "\n  Set clients.heartbeat.interval well below 3 s, or " in said
    assert "\n  Source: HAProxy 2.8 manual, `timeout tunnel`" in said


def test_notes_alone_are_exit_status_0(lab):
    status, said, _ = lab("lint", PLAIN, "--set", "clients.reconnect.jitter=none")
    assert status == 0
    assert said.startswith("haproxy-redispatch: 1 note\n\nnote no-jitter: clients.reconnect.jitter = none\n")
    assert lab("lint", PLAIN)[:2] == (0, "haproxy-redispatch: nothing found\n")


def test_a_rule_can_be_left_out(lab):
    status, said, _ = lab("lint", SLOW, "--ignore", "idle-timeout")
    assert status == 0
    assert "idle-timeout" not in said


def test_an_unknown_rule_and_no_scenario_are_bad_input(lab):
    status, _, said = lab("lint", SLOW, "--ignore", "x")
    assert (status, len(said)) == (2, 1)
    assert said[0].startswith("--ignore is 'x'; allowed is one of idle-timeout, ")
    assert lab("lint") == (2, "", ["lint: give scenario files, or --rules."])


def test_the_json_has_all_scenarios_and_counts(lab):
    status, said, _ = lab("lint", SLOW, PLAIN, "--json")
    data = json.loads(said)
    assert (status, data["warnings"], [one["scenario"] for one in data["scenarios"]]) == (
        1,
        1,
        ["heartbeat-too-slow", "haproxy-redispatch"],
    )
    first = data["scenarios"][0]["findings"][0]
    assert set(first) == {"rule", "level", "field", "value", "happens", "remedy", "source"}
    assert data["notes"] == sum(one["level"] == "note" for some in data["scenarios"] for one in some["findings"])


def test_the_rules_are_listed_with_their_sources(lab):
    status, said, _ = lab("lint", "--rules")
    assert status == 0
    assert said.splitlines() == [f"{one.name}: {one.source}" for one in RULES]
    assert [one["rule"] for one in json.loads(lab("lint", "--rules", "--json")[1])["rules"]] == [
        one.name for one in RULES
    ]


def test_python_has_the_same_findings():
    scenario = small(balancer={"tunnel_timeout": 10.0})
    assert stormlab.findings(scenario) == findings(scenario)
    assert stormlab.findings(scenario)
