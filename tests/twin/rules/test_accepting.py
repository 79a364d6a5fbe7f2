"""The kernel's choice among the processes that listen on one port."""

from twin.rules.accepting import reuseport


def test_a_hash_chooses_among_sockets_as_reciprocal_scale_does():
    for count in (1, 3, 7):
        for hashed in (0, 1, 2**31, 2**32 - 1):
            assert reuseport(hashed / 2**32, count) == hashed * count >> 32
