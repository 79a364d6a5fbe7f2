import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.costs.curve import COLD_AFTER, Curve, PartCosts

costs = st.lists(st.floats(1e-6, 1e-2), min_size=4, max_size=4)


def test_a_curve_is_linear_in_the_logarithm_between_its_levels():
    curve = Curve([1, 16, 64, 256], [9.0, 4.0, 2.0, 1.0])
    assert [curve(n) for n in (16, 32, 64, 128, 256)] == pytest.approx([4.0, 3.0, 2.0, 1.5, 1.0])
    assert curve(1) == curve(10) == 4.0  # a short queue of an awake process costs what the lowest level does
    assert curve(10_000) == 1.0


def test_a_sleeper_pays_up_to_the_cost_of_a_lone_item():
    curve = Curve([1, 16, 64, 256], [9.0, 4.0, 2.0, 1.0])
    assert curve(1, COLD_AFTER) == curve(1, 10.0) == 9.0
    assert curve(1, COLD_AFTER / 2) == pytest.approx(6.5)
    assert curve(64, COLD_AFTER) == 9.0


def test_a_curve_without_a_lone_level_takes_its_dearest_level_for_a_sleeper():
    curve = Curve([64, 256], [2.0, 1.0])
    assert curve(1) == 2.0
    assert curve(256, 1.0) == 2.0


def test_what_is_left_of_a_curve_is_never_below_nothing():
    whole, part = Curve([1, 16, 64], [9.0, 4.0, 2.0]), Curve([1, 16, 64], [10.0, 1.0, 1.5])
    rest = whole.less(part)
    assert [rest(16), rest(64)] == [3.0, 0.5]


@given(costs, st.integers(0, 1000), st.floats(0, 1))
def test_a_cost_is_never_outside_the_measured_ones(measured, waiting, asleep):
    cost = Curve([1, 16, 64, 256], measured)(waiting, asleep)
    assert min(measured) * 0.999999 <= cost <= max(measured) * 1.000001


def test_a_cost_is_the_median_of_the_repeats_turned_to_the_pace_of_the_core():
    part = PartCosts(
        levels=[16, 64], values=[[3.0, 2.0, 1.0], [5.0, 5.0, 7.0]], paces=[[3.0, 2.0, 1.0], [1.0, 1.0, 2.0]]
    )
    assert [part.at(pace)(16) for pace in (1.0, 2.0, 4.0)] == pytest.approx([1.0, 2.0, 4.0])
    assert part.at(1.0, slowness=0.0)(64) == 5.0
    assert part.at(4.0, slowness=0.5)(64) == pytest.approx(5.0 * 2.0)
    assert PartCosts(levels=[16], values=[[1.0, 2.0, 9.0]]).at(123.0)(16) == 2.0  # no pace is known


def test_the_first_of_a_batch_bears_a_lone_items_cost_and_the_others_the_rest():
    curve = PartCosts(levels=[1, 16], values=[[16.0], [2.5]]).at(1.0)
    assert curve.lone == 16.0
    assert curve(16) == pytest.approx((16 * 2.5 - 16.0) / 15)
    assert PartCosts(levels=[1, 16], values=[[100.0], [2.5]]).at(1.0)(16) == pytest.approx(0.2 * 2.5)


def test_waking_up_costs_at_least_its_share_of_a_lone_item_and_at_most_all_of_it():
    curve = Curve([1, 16], [9.0, 4.0], 0.1)
    assert curve.wake == pytest.approx(0.5)
    assert curve(1) == 4.0
    assert curve(1, COLD_AFTER / 100) == pytest.approx(4.5)
    assert curve(1, COLD_AFTER / 2) == pytest.approx(6.5)
    assert curve(1, 1.0) == 9.0


def test_without_a_lone_item_waking_up_costs_nothing():
    assert Curve([16, 64], [4.0, 2.0], 0.5)(1, COLD_AFTER / 100) == 4.0


def test_repeats_without_a_pace_do_not_mix_with_those_that_have_one():
    old, new = PartCosts(levels=[16], values=[[1.0]]), PartCosts(levels=[16], values=[[2.0]], paces=[[1e-3]])
    assert new.with_earlier(old) == new
    assert new.with_earlier(new).paces == [[1e-3, 1e-3]]
    assert old.with_earlier(old).values == [[1.0, 1.0]]


def test_repeats_of_a_part_that_was_measured_at_other_levels_are_not_kept():
    alone, both = PartCosts(levels=[16], values=[[9.0]]), PartCosts(levels=[1, 16], values=[[9.0], [2.0]])
    assert both.with_earlier(alone) == both
