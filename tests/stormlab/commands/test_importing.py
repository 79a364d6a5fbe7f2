"""`./lab import`."""

import json
import tomllib

import pytest

from tests.commands import lab_in_process
from twin.scenario.scenario import Scenario

TEXT = """
defaults
    mode http
    timeout connect 4s
    timeout client 30s
    timeout server 20s
    maxconn 100
listen Web
    bind :80
    balance leastconn
    server a 10.0.0.1:80 check
    server b 10.0.0.2:80 check
"""


@pytest.fixture
def lab(monkeypatch, capsys):
    return lab_in_process(monkeypatch, capsys)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "Edge.cfg"
    path.write_text(TEXT)
    return path


def test_the_scenario_goes_to_standard_output_and_the_report_beside_it(lab, file):
    status, said, told = lab("import", file)
    assert status == 0
    data = tomllib.loads(said)
    assert (data["name"], data["balancer"]["tunnel_timeout"], data["nodes"]["count"]) == ("edge", 20.0, 2)
    assert f"{file}:10  used: balance leastconn: balancer.algorithm = 'leastconn'" in told
    assert any(line.startswith(f"{file}:7  not modelled: maxconn 100: connections above it wait") for line in told)
    assert any(line.startswith("(left out)  assumed: timeout tunnel: balancer.tunnel_timeout = 20") for line in told)
    assert told[-1].endswith(".")


def test_the_file_that_is_written_is_a_scenario_that_can_be_checked(lab, file, tmp_path):
    made = tmp_path / "made.toml"
    assert lab("import", file, "-o", made, "--name", "mine")[0] == 0
    assert Scenario.load(made).name == "mine"
    status, said, _ = lab("lint", made)
    assert status == 1  # clients ping each 20 s, and the balancer cuts after 20 s
    assert "idle-timeout" in said


def test_its_json_has_scenario_and_report(lab, file):
    data = json.loads(lab("import", file, "--json")[1])
    assert data["scenario"]["balancer"]["algorithm"] == "leastconn"
    assert {one["verdict"] for one in data["report"]} == {"used", "no effect", "not modelled", "assumed"}
    assert [one for one in data["report"] if one["line"] is None] == data["report"][-5:]


def test_what_is_no_configuration_is_bad_input(lab, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('name = "x"\n')
    assert lab("import", path) == (2, "", [f"{path}: is no configuration of haproxy, nginx, envoy or istio."])
    assert lab("import", tmp_path / "none")[2] == [f"{tmp_path / 'none'}: there is no such configuration."]
