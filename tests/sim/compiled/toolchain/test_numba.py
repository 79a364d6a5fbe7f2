"""The toolchain reaches into numba: which versions it is known to work with, and whether it works with the next one."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from sim.compiled.engine import KernelRun
from sim.world import World
from tests.sim.compiled.test_engine import assert_same, in_order
from tests.strategies import small, small_profile

PROJECT = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text(encoding="utf-8"))
NEEDED = next(
    one for text in PROJECT["project"]["dependencies"] if (one := Requirement(text)).name == "numba"
).specifier
BOUND = next(Version(one.version) for one in NEEDED if one.operator == "<")
INSTALLED = Version(version("numba"))


def test_numba_has_an_upper_bound_above_the_version_that_is_pinned():
    pinned = (Path(__file__).parents[4] / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = next(line.split()[0].removeprefix("numba==") for line in pinned if line.startswith("numba=="))
    assert found in NEEDED
    assert Version(found).release[:2] < BOUND.release[:2]


@pytest.mark.skipif(BOUND > INSTALLED, reason=f"numba {INSTALLED} is installed; this tries {BOUND} or a later one")
def test_the_next_numba_compiles_both_kernels_to_the_same():
    """If it passes with the version that comes next, the bound in pyproject.toml can go up."""
    kill = [{"at": 1.0, "kind": "kill", "node": 1}]
    for changes in ({}, {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}):
        scenario = small(faults=kill, **changes)
        expected = World(scenario, 0, small_profile()).run()
        assert_same(in_order(expected), in_order(KernelRun(scenario, 0, small_profile()).go().rows()))
