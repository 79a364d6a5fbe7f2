"""The real programs accept the configurations that the reading is tested with."""

import subprocess

import pytest

from live.balancer.balancer import KINDS, binary, check_config
from tests.commands import ROOT
from twin.config.balancer import CONFIGURATIONS, Site
from twin.config.reading.formats import imported, scenario_of

FOLDER = ROOT / "tests" / "data" / "configs"
CORPUS = sorted(path for path in FOLDER.glob("*/*.*") if path.parent.name in KINDS)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_program_accepts_the_files_of_the_corpus(path, tmp_path, balancer_installed):
    kind, text = path.parent.name, path.read_text()
    balancer_installed(kind)
    if "\nevents {" in text:  # a whole nginx.conf
        command = [binary(kind), "-t", "-q", "-c", str(path), "-p", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert check_config(kind, text) == ""


@pytest.mark.parametrize("name", ["breaker", "header-maglev", "retry-words"])
def test_envoy_accepts_what_becomes_of_istios_resources(name, envoy):
    scenario = scenario_of(imported([FOLDER / "istio" / f"{name}.yaml"]), "mesh")
    assert check_config("envoy", CONFIGURATIONS["envoy"].of_site(scenario, Site(servers=("10.0.0.1:9001",)))) == ""
