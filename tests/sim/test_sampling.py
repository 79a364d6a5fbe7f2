"""Runs that are asked for one after the other: what they say, in which order, and with which luck."""

import pytest

from sim import simulate
from sim.sampling import APART, Sampler, numbers
from tests.strategies import small
from twin.analysis.objectives import OPERATED
from twin.draws import stratified
from twin.measures import measure_record

KILL = {"at": 1.0, "kind": "kill", "node": 1}
FAILING = small(faults=[KILL], objectives=[{"measure": "time_to_99", "at_most": 5}])


def test_both_engines_say_the_same_and_a_record_says_it_too(profile):
    plain, fast = (numbers(FAILING, 3, profile, engine) for engine in ("simpy", "compiled"))
    assert set(fast) <= set(plain)
    assert {name: plain[name] for name in fast} == pytest.approx(fast)
    assert set(OPERATED) - {"cost", "lost_messages"} <= set(fast)
    of_record = measure_record(simulate(FAILING, 3 * APART, profile))
    assert {name: plain[name] for name in of_record} == of_record


def test_numbers_come_in_the_order_in_which_they_were_asked_for(profile):
    only_simpy = FAILING.vary(nodes={"ping_interval": 5.0})
    calls = [(only_simpy, 1), (FAILING, 0), (only_simpy, 0), (FAILING, 1)]
    seen = []
    found = Sampler(profile, jobs=2)(calls, seen.append)
    expected = [numbers(one, run, profile, "compiled" if one is FAILING else "simpy") for one, run in calls]
    assert found == expected
    assert seen == [1, 2, 3, 4]
    assert Sampler(profile)([]) == []


def test_runs_draw_their_phases_anew():
    """Successive replications share out the phases, so that five never lie together: these may."""
    apart = [stratified(1, run * APART, 1, 3) for run in range(100)]
    near = [stratified(1, run, 1, 3) for run in range(100)]

    def crowded(draws):
        """Count the fives of which three or more lie in one fifth of all."""
        fives = [draws[i : i + 5] for i in range(0, 100, 5)]
        return sum(max(sum(int(5 * u) == k for u in five) for k in range(5)) >= 3 for five in fives)

    assert crowded(near) == 0
    assert 4 <= crowded(apart) <= 14  # of 20; by chance 0.42 of them
