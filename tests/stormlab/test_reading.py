"""What a user names where a cluster is meant."""

import pytest

from stormlab.reading import read_cluster
from tests.commands import FAILOVER
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

TEXT = """
defaults
    mode http
    timeout connect 4s
    timeout client 1m
    timeout server 1m
    timeout tunnel 1h
    maxconn 100
listen Web
    bind :80
    balance leastconn
    server a 10.0.0.1:80 check inter 3s
    server b 10.0.0.2:80 check inter 3s
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "edge.cfg"
    path.write_text(TEXT)
    return str(path)


def test_a_scenario_is_read_as_it_stands():
    found = read_cluster([FAILOVER], ["clients.count=7"])
    assert found.scenario == Scenario.load(FAILOVER, ["clients.count=7"])
    assert (found.assumed, found.lines, found.places) == ([], [], {})
    assert read_cluster(["failover"], []).scenario.name == "failover"


def test_a_configuration_gets_machines_of_its_own_and_says_what_it_does_not_say(file):
    found = read_cluster([file], [])
    assert (found.scenario.name, found.scenario.host.placement, found.scenario.nodes.count) == ("edge", "separate", 2)
    assert found.assumed == [
        "Balancer, nodes and clients have machines of their own (host.placement is 'separate').",
        "There are 200 clients; --set clients.count=N says how many there are.",
        "Clients come back by the lab's default (exponential, base 0.2 s, cap 5 s, jitter none); "
        "--set clients.reconnect=NAME takes a library's.",
    ]
    assert next(one.text for one in found.lines if one.verdict == "not modelled") == "maxconn 100"


def test_what_is_set_is_not_assumed(file):
    found = read_cluster([file], ["host.placement=pinned", "clients.count=9", "clients.reconnect=phoenix"])
    assert found.assumed == []
    assert (found.scenario.host.placement, found.scenario.clients.count) == ("pinned", 9)


def test_each_setting_has_the_line_in_which_it_stands(file):
    places = read_cluster([file], []).places
    assert (places["balancer.algorithm"].line, places["balancer.tunnel_timeout"].line) == (11, 7)
    assert places["balancer.check.inter"].line in (12, 13)
    assert "balancer.check.rise" not in places


def test_a_scenario_among_configurations_and_an_unknown_file_are_refused(file, tmp_path):
    with pytest.raises(ScenarioError, match="give one scenario, or the configuration files of one program"):
        read_cluster([file, FAILOVER], [])
    other = tmp_path / "x.txt"
    other.write_text("hello\n")
    with pytest.raises(ScenarioError, match="is no configuration of haproxy, nginx, envoy or istio"):
        read_cluster([str(other)], [])
    with pytest.raises(ScenarioError, match="there is no such"):
        read_cluster([str(tmp_path / "none")], [])
