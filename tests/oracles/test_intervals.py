"""The yardsticks themselves: they accept what is right and refuse what is a little wrong."""

import numpy as np
import pytest

from tests.oracles.intervals import critical_distance, distance_to_uniform, interval


def test_the_interval_of_known_values():
    mean, half = interval(range(10))
    assert (mean, half) == pytest.approx((4.5, 3.2498 * np.sqrt(55 / 6) / np.sqrt(10)))


def test_uniform_numbers_are_accepted_and_shifted_or_squeezed_ones_refused():
    u = np.random.Generator(np.random.Philox(key=[1, 1])).random(400)
    assert distance_to_uniform(2 + u, 2, 3) < critical_distance(400)
    assert distance_to_uniform(2.15 + u, 2, 3) > critical_distance(400)
    assert distance_to_uniform(2 + 0.8 * u, 2, 3) > critical_distance(400)
    assert distance_to_uniform([0.5], 0, 1) == 0.5
