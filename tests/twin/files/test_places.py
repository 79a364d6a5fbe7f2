import subprocess
import sys
from pathlib import Path

import pytest

from twin.errors import ScenarioError
from twin.files import places
from twin.scenario.scenario import Scenario

ROOT = Path(__file__).parents[3]


def test_in_a_checkout_all_that_the_lab_writes_by_itself_lies_beside_the_code():
    assert places.IN_CHECKOUT
    assert (places.PACKAGES, places.DATA, places.OUTPUT) == (ROOT, ROOT / ".lab", ROOT / "output")


def test_without_a_checkout_it_lies_in_the_users_folders(tmp_path):
    packages = tmp_path / "site-packages"
    (packages / "twin/files").mkdir(parents=True)
    (packages / "twin/files/places.py").write_text((ROOT / "twin/files/places.py").read_text())
    code = "import runpy; found = runpy.run_path('twin/files/places.py'); "
    code += "print(found['DATA'], found['OUTPUT'], found['cache'](), found['SCENARIOS'])"
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=packages, env=home, capture_output=True, text=True, check=True
    )
    data, output, cache, scenarios = map(Path, done.stdout.split())
    assert packages not in (*data.parents, *output.parents, *cache.parents)
    assert {data.name, cache.name} == {"stormlab"}
    assert output == data / "output"
    assert scenarios == packages / "stormlab/scenarios"


@pytest.mark.parametrize("name", ["failover", "failover.toml", "scenarios/failover.toml"])
def test_a_scenario_that_ships_is_found_by_its_name_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Scenario.load(name) == Scenario.load(ROOT / "scenarios/failover.toml")


def test_a_file_of_the_users_own_comes_before_the_one_that_ships(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failover.toml").write_text('name = "mine"\nduration = 1.0\n')
    assert Scenario.load("failover.toml").name == "mine"


@pytest.mark.parametrize("name", ["nothing", "other/failover.toml", "/failover.toml", "../scenarios/failover.toml"])
def test_what_does_not_ship_is_missing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError, match=str(Path(name))):
        Scenario.load(name)
