from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.analysis.bands import ENOUGH_RUNS, Band, interval_name, number, quantiles, words

ONE_IN_TEN = Band.of(np.array([*np.arange(1.0, 91.0), *[inf] * 10]), np.array([*[nan] * 90, *[100.0] * 10]))


def test_a_band_says_how_many_runs_did_not_reach_it_and_within_what_time():
    assert (ONE_IN_TEN.median, ONE_IN_TEN.high, ONE_IN_TEN.bound) == (50.5, inf, 100.0)
    assert (ONE_IN_TEN.not_reached, ONE_IN_TEN.runs, ONE_IN_TEN.censored) == (10, 100, False)
    assert ONE_IN_TEN.text("high") == ">100"


def test_what_neither_world_reached_is_inside_and_what_only_one_did_is_not():
    never = Band.of(np.full(50, inf), np.full(50, 8.0))
    assert never.censored
    assert never.holds(inf)
    assert ONE_IN_TEN.holds(inf)
    assert not never.holds(7.9)
    assert not Band.of(np.arange(50.0)).holds(inf)


def test_what_was_not_reached_scores_as_its_bound():
    never = Band.of(np.full(50, inf), np.full(50, 8.0))
    assert never.score(inf, 8.0) == 0.0
    assert never.score(6.0) == pytest.approx(40 * 2.0)
    assert Band(2.0, 1.0, 3.0).score(inf, 8.0) == pytest.approx(2.0 + 40 * 5.0)
    assert ONE_IN_TEN.score(inf, 100.0) == pytest.approx(100.0 - ONE_IN_TEN.low)


def test_json_has_null_and_the_bound_for_what_was_not_reached():
    never = Band.of(np.full(50, inf), np.full(50, 8.0)).as_dict()
    assert never == {"median": None, "low": None, "high": None, "censored": True, "bound": 8.0, "not_reached": 50}
    known = Band.of(np.arange(50.0)).as_dict()
    assert (known["censored"], known["bound"], known["not_reached"]) == (False, None, 0)


def test_fewer_than_39_runs_give_a_range_and_say_so():
    few = Band.of(np.arange(float(ENOUGH_RUNS - 1)))
    assert (few.low, few.high) == (0.0, ENOUGH_RUNS - 2.0)
    assert Band.of(np.arange(float(ENOUGH_RUNS))).low > 0.0
    assert interval_name(1) == "range of 1 run"
    assert interval_name(ENOUGH_RUNS - 1) == "range of 38 runs"
    assert interval_name(ENOUGH_RUNS) == "95 % band"


def test_the_next_run_lies_between_n_others_with_the_known_probability():
    draws = np.random.default_rng(7).random((20_000, ENOUGH_RUNS + 1))
    others, following = draws[:, :-1], draws[:, -1]
    inside = np.mean((others.min(axis=1) <= following) & (following <= others.max(axis=1)))
    assert inside == pytest.approx((ENOUGH_RUNS - 1) / (ENOUGH_RUNS + 1), abs=0.006)
    assert (ENOUGH_RUNS - 2) / ENOUGH_RUNS < 0.95 <= (ENOUGH_RUNS - 1) / (ENOUGH_RUNS + 1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 20))
def test_quantiles_are_those_of_numpy_as_far_as_values_are_finite(values, infinite):
    shares = [0.0, 0.025, 0.5, 0.975, 1.0]
    assert quantiles(np.array(values), shares) == pytest.approx(np.quantile(values, shares).tolist())
    mixed = quantiles(np.array([*values, *[inf] * infinite]), shares)
    assert not any(isnan(value) for value in mixed)
    assert mixed == sorted(mixed)
    assert (mixed[-1] == inf) == (infinite > 0)


def test_a_column_takes_its_bounds_from_beside_it_or_from_their_own_table():
    table = pd.DataFrame({"x": [1.0, inf, nan], "x.not_within": [nan, 5.0, nan]})
    apart = Band.of_column(table[["x"]], "x", table[["x.not_within"]].rename(columns={"x.not_within": "x"}))
    assert Band.of_column(table, "x") == apart == Band(inf, 1.0, inf, 5.0, 1, 2)
    assert Band.of_column(table[["x"]], "x", pd.DataFrame()).text("median") == "never"
    assert isnan(Band.of_column(pd.DataFrame({"x": [nan]}), "x").median)


def test_a_time_that_was_not_reached_is_told_in_words():
    assert words(inf, 8.0) == "not within 8 s"
    assert words(2.345, nan) == "2.35"
    assert [number(value) for value in (None, nan, 0.0, 123.4, 0.012345)] == ["-", "-", "0", "123", "0.0123"]
