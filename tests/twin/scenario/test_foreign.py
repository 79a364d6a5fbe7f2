"""A balancer's configuration is accepted where a scenario is."""

import pytest

from twin.errors import ScenarioError, ScenarioWarning
from twin.scenario.scenario import Scenario

TEXT = "defaults\n  timeout tunnel 90s\n  timeout connect 1s\n  timeout server 60s\nlisten a\n  balance leastconn\n"
SERVERS = "".join(f"  server s{n} 10.0.0.{n}:80 check inter 1s\n" for n in range(1, 5))


def test_a_configuration_is_a_scenario_with_overrides(tmp_path):
    path = tmp_path / "Edge.cfg"
    path.write_text(TEXT + SERVERS)
    with pytest.warns(ScenarioWarning, match=r"Edge\.cfg: 0 of its settings are not modelled, and 4 are assumed; "):
        scenario = Scenario.load(path, ["clients.count=500", "balancer.retries=1"])
    assert (scenario.name, scenario.clients.count, scenario.nodes.count) == ("edge", 500, 4)
    assert (scenario.balancer.tunnel_timeout, scenario.balancer.retries) == (90.0, 1)


def test_what_is_wrong_in_it_is_one_sentence_that_names_the_file(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text(TEXT)
    with pytest.raises(ScenarioError) as refused:
        Scenario.load(path)
    assert str(refused.value) == f"{path}: there is no backend with a server in it."
    path.write_text(TEXT + "  server s x:1 inter soon\n")
    with pytest.raises(ScenarioError) as refused:
        Scenario.load(path)
    assert str(refused.value).startswith(f"{path}:7: inter: the time is 'soon'; allowed is ")


@pytest.mark.parametrize("text", ["name = \n", "what is this\n", "[clients\n", "clients = {count = 3 }}\n"])
def test_what_is_neither_is_still_no_toml(text, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=r"a\.toml: is not TOML \("):
        Scenario.load(path)
