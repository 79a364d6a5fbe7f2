import subprocess
import sys

import pytest

import live
import sim
import stormlab
import twin


def test_the_front_door_has_the_public_names_of_both_worlds_and_of_what_they_share():
    assert stormlab.__all__ == sorted({*twin.__all__, *sim.__all__, *live.__all__, "glossary"})
    for package in (twin, sim, live):
        assert all(getattr(stormlab, name) is getattr(package, name) for name in package.__all__)


def test_a_name_that_it_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'stormlab' has no attribute 'nothing'"):
        _ = stormlab.nothing


def test_who_predicts_loads_nothing_of_the_live_world():
    code = "import sys; from stormlab import Scenario, predict; print([m for m in sys.modules if m.startswith('live')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
