"""Is the setting named that is wrong? Each planted mistake is validated with all levers. Run with `-s` to see them."""

import sys
import warnings

import pytest

import sim
from tests.planted import CASES
from tests.strategies import small_profile

LEAST_SHARE = 0.9
"""Share of the mistakes whose setting has to be named first."""


@pytest.mark.timeout(900)
def test_the_lever_that_is_named_first_is_the_mistake_in_nine_of_ten():
    """Each cluster passes without its mistake and fails with it."""
    named, profile = 0, small_profile()
    for case in CASES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sound = sim.validate(case.sound, [case.asked], 100, profile, levers=False)
            wrong = sim.validate(case.wrong, [case.asked], 100, profile)
        assert (sound.verdict, wrong.verdict) == ("pass", "fail"), case.name
        named += wrong.lever in case.named
        first = wrong.best[0].step if wrong.best else "nothing"
        sys.stdout.write(f"\n{'named' if wrong.lever in case.named else 'NOT'} {case.name}: {first}")
    sys.stdout.write(f"\n{named} of {len(CASES)} mistakes named first\n")
    assert named >= LEAST_SHARE * len(CASES)
