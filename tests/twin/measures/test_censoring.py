from math import inf, isinf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.measures.censoring import NOT_WITHIN, Waits, not_within, split

SHARES = {"p50": 50, "p90": 90, "p99": 99}
TIMES = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30)


def waits(*seconds, watched=10.0):
    return Waits.of(np.array(seconds, dtype=float), np.full(len(seconds), watched))


def test_without_waits_there_is_no_percentile():
    assert waits().percentiles(SHARES) == {}


def test_a_percentile_among_censored_waits_is_not_reached_within_what_was_watched():
    found = waits(1.0, 2.0, 3.0, np.nan, np.nan).percentiles(SHARES)
    assert found == {"p50": 3.0, **not_within("p90", 10.0), **not_within("p99", 10.0)}


def test_a_percentile_between_the_last_that_ended_and_a_censored_one_is_not_reached():
    assert isinf(waits(1.0, np.nan).percentiles({"p50": 50})["p50"])


def test_nothing_is_known_of_waits_none_of_which_ended():
    assert waits(np.nan, np.nan).percentiles({"p50": 50}) == not_within("p50", 10.0)
    assert waits(np.nan).percentiles({"p50": 50}) == not_within("p50", 10.0)


def test_one_that_was_watched_briefly_counts_only_that_long():
    """Kaplan-Meier by hand: of four, one leaves at 1.5 s; the two that end later stand for three."""
    short = Waits.of(np.array([1.0, np.nan, 2.0, 3.0]), np.array([9.0, 1.5, 9.0, 9.0]))
    # mass 1/4 at 1, then 3/8 each at 2 and 3: places (1 - mass before) / (3/4) are 0, 1/3, 5/6
    assert short.percentiles({"p50": 50})["p50"] == pytest.approx(2.0 + (0.5 - 1 / 3) / 0.5)
    assert short.percentiles({"p99": 99})["p99"] == 3.0


@given(TIMES)
def test_without_a_censored_wait_the_percentiles_are_those_of_numpy(seconds):
    found = waits(*seconds).percentiles(SHARES)
    assert list(found.values()) == pytest.approx(np.percentile(seconds, [50, 90, 99]).tolist())


@given(TIMES, st.integers(1, 10))
def test_waits_censored_beyond_all_others_are_the_longest_of_all(seconds, missing):
    found = waits(*seconds, *[np.nan] * missing, watched=1000.0).percentiles(SHARES)
    ordered = np.sort([*seconds, *[inf] * missing])
    for name, share in SHARES.items():
        place = share / 100 * (len(ordered) - 1)
        if place > len(seconds) - 1 + 1e-6:
            assert isinf(found[name])
            assert found[name + NOT_WITHIN] == 1000.0
        elif place < len(seconds) - 1 - 1e-6:
            low = int(place)
            assert found[name] == pytest.approx(ordered[low] + (place - low) * (ordered[low + 1] - ordered[low]))


@given(TIMES, st.data())
def test_watching_longer_never_makes_a_percentile_shorter(seconds, data):
    bounds = data.draw(st.lists(st.floats(0.01, 100.0), min_size=len(seconds), max_size=len(seconds)))
    real, watched = np.array(seconds), np.array(bounds)
    short = Waits.of(np.where(real <= watched, real, np.nan), watched)
    if not isinf(p50 := short.percentiles({"p50": 50})["p50"]):
        assert real.min() - 1e-9 <= p50 <= real.max() + 1e-9


def test_a_flat_dict_splits_into_values_and_bounds():
    assert split({"a": 1.0, **not_within("b", 8.0)}) == ({"a": 1.0, "b": inf}, {"b": 8.0})
