"""The kernel's choice among the processes that listen on one port."""

import pytest

from twin.rules.accepting import reuseport, woken_first


def test_a_hash_chooses_among_sockets_as_reciprocal_scale_does():
    for count in (1, 3, 7):
        for hashed in (0, 1, 2**31, 2**32 - 1):
            assert reuseport(hashed / 2**32, count) == hashed * count >> 32


@pytest.mark.parametrize(
    ("sleeps", "loads", "expected"),
    [
        ([True, True, True], [0, 0, 0], 2),
        ([True, True, False], [0, 0, 1], 1),
        ([False, False, False], [3, 1, 2], 1),
        ([False, False], [2, 2], 0),
    ],
)
def test_who_began_to_listen_last_of_those_that_sleep_accepts(sleeps, loads, expected):
    assert woken_first(sleeps, loads) == expected
