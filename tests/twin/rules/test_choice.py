import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.choice import FULL_WEIGHT, ipv4_number, slowstart_weight


@given(st.integers(1, 3600))
def test_a_starting_server_begins_with_the_smallest_weight_and_never_loses_any(slowstart):
    weights = [slowstart_weight(steps, slowstart) for steps in range(slowstart + 2)]
    assert weights[0] == 1
    assert weights == sorted(weights)
    assert weights[-2:] == [FULL_WEIGHT, FULL_WEIGHT]


@pytest.mark.parametrize(
    ("slowstart", "expected"),
    [(0, [16, 16]), (1, [1, 16]), (4, [1, 5, 9, 13, 16]), (16, [*range(1, 17), 16]), (32, [1, 1, 2, 2, 3])],
)
def test_the_weight_grows_as_haproxy_computes_it(slowstart, expected):
    # by hand: (16 * steps + slowstart) / slowstart, whole numbers
    assert [slowstart_weight(steps, slowstart) for steps in range(len(expected))] == expected


def test_an_address_is_its_four_bytes():
    assert ipv4_number("1.2.3.4") == 0x01020304
