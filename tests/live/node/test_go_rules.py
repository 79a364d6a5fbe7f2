"""Rules that the node in Go has once more: each decides as the lab's own, on random cases."""

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from live.node.go_toolchain import FLAGS, SOURCES, environment, toolchain
from twin.draws import Purpose, uniform
from twin.files.places import cache
from twin.rules.delivery import SeenVersions
from twin.rules.slow_consumer import Outlet


def uniforms(draw: random.Random) -> list[dict[str, Any]]:
    found = []
    for _ in range(20):
        address = {name: draw.randrange(2**16) for name in ("replication", "entity", "n")}
        address |= {"seed": draw.randrange(2**63), "purpose": int(Purpose.BUS_RETRY)}
        found.append(address | {"u": uniform(**address)})
    return found


def versions(draw: random.Random) -> list[dict[str, Any]]:
    seen, found = SeenVersions(), []
    for i in range(400):
        epoch, version = 10**15 + i // 150 - draw.randrange(2), draw.randrange(1, 60)
        found.append({"epoch": epoch, "version": version, "first": seen.first(epoch, version)})
    return found


def outlets(draw: random.Random) -> list[dict[str, Any]]:
    found = []
    for policy in ("drop", "coalesce", "close"):
        outlet, steps = Outlet(policy, 1000), []
        for _ in range(200):
            size, waiting = draw.choice((0, 90, 400)), draw.randrange(1100)
            says = outlet.offer(size, waiting) if size else str(outlet.pay(waiting)).lower()
            steps.append({"size": size, "waiting": waiting, "says": says})
        assert len({step["says"] for step in steps}) == (4 if policy == "coalesce" else 3)
        found.append({"policy": policy, "limit": 1000, "steps": steps})
    return found


@pytest.mark.live
@pytest.mark.patient
def test_its_rules_are_those_of_the_lab(go: None, tmp_path: Path) -> None:
    draw = random.Random(1)
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"uniform": uniforms(draw), "seen": versions(draw), "outlets": outlets(draw)}))
    surroundings = environment(cache() / "go") | {"STORMLAB_CASES": str(path)}
    command = [toolchain(), "test", *FLAGS, "-vet=off", "-count=1", "-run", "TestRules", "-v", "."]
    done = subprocess.run(command, cwd=SOURCES, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--- PASS: TestRules" in done.stdout


@pytest.mark.live
@pytest.mark.patient
def test_its_sources_are_as_gofmt_and_vet_want_them(go: None) -> None:
    gofmt = Path(os.path.realpath(toolchain())).with_name("gofmt")
    for command in ([str(gofmt), "-l", "."], [toolchain(), "vet", *FLAGS, "./..."]):
        surroundings = environment(cache() / "go")
        done = subprocess.run(command, cwd=SOURCES, env=surroundings, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
