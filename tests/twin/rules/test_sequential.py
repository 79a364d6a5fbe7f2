"""The sequential test keeps to its error rates on streams of known shares, and the interval to published numbers."""

import random
from itertools import count
from math import log

import numpy as np
import pytest

from twin.rules.sequential import decide, evidence, fewest_runs, wilson

UP_TO = 400
ERROR = 0.05


def ever(share, truth, above):
    """Return the exact probability that the evidence is enough within `UP_TO` runs of which `truth` of all hold."""
    alive, crossed, held_first = np.ones(1), 0.0, 0
    for runs in range(1, UP_TO + 1):
        alive = np.append(alive * (1 - truth), 0.0) + np.insert(alive * truth, 0, 0.0)
        while held_first <= runs and (evidence(held_first, runs - held_first, share, above) >= log(1 / ERROR)) != above:
            held_first += 1
        reached = slice(held_first, None) if above else slice(0, held_first)
        crossed += alive[reached].sum()
        alive[reached] = 0.0
    assert crossed + alive.sum() == pytest.approx(1.0)
    return crossed


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_what_holds_just_as_often_as_is_asked_is_seldom_passed_or_failed(share):
    assert 0.005 < ever(share, share, above=True) < ERROR
    assert 0.005 < ever(share, share, above=False) < ERROR


@pytest.mark.parametrize(("truth", "above"), [(0.75, True), (0.85, False)])
def test_away_from_the_share_it_errs_less(truth, above):
    assert ever(0.8, truth, above) < ever(0.8, 0.8, above) < ERROR


def test_away_from_the_share_it_finds_out():
    assert ever(0.8, 0.92, above=True) > 0.95
    assert ever(0.8, 0.65, above=False) > 0.95


def verdict(stream, share):
    """Return the first decision on a stream and after how many runs it comes, as a validation asks."""
    held = missed = 0
    for runs, one in zip(range(1, 2001), stream, strict=False):
        held, missed = held + one, missed + (not one)
        if (how := decide(held, missed, share, ERROR, ERROR)) != "unknown":
            return how, runs
    return "unknown", runs


@pytest.mark.parametrize(("truth", "right", "typically"), [(0.99, "pass", 150), (0.8, "fail", 40)])
def test_streams_of_known_shares_get_the_right_verdict_soon(truth, right, typically):
    made = random.Random(7)
    found = [verdict((made.random() < truth for _ in count()), 0.95) for _ in range(40)]
    assert sum(how == right for how, _ in found) >= 38
    assert sorted(runs for _, runs in found)[20] < typically


def test_what_always_holds_takes_so_many_runs_and_what_never_does_two():
    assert verdict([True] * 2000, 0.95) == ("pass", 68) == ("pass", fewest_runs(0.95))
    assert verdict([False] * 9, 0.95) == ("fail", 2)
    assert decide(0, 0, 0.95) == "unknown"


def test_a_smaller_error_asks_for_more_evidence():
    assert decide(68, 0, 0.95, 0.05) == "pass"
    assert decide(68, 0, 0.95, 0.01) == "unknown"
    assert decide(0, 2, 0.95, wrong_fail=0.0001) == "unknown"


@pytest.mark.parametrize(
    ("held", "runs", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_as_published(held, runs, low, high):
    """Source: Newcombe, "Two-sided confidence intervals for the single proportion", Statist. Med. 17, 1998, table I."""
    assert wilson(held, runs) == pytest.approx((low, high), abs=6e-5)


def test_without_a_run_the_interval_is_everything_and_of_all_runs_it_ends_at_one():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(20, 20)[1] == 1.0
    assert wilson(20, 20)[0] == pytest.approx(1 - wilson(0, 20)[1])
