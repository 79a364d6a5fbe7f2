"""Two pools of servers behind one rule."""

from sim.gray import TwoPools
from twin.rules.balancing import LeastConn

IS_NEXT = [False, False, True, True]


def pools():
    return TwoPools(LeastConn(4), LeastConn(4), IS_NEXT)


def test_a_client_of_the_next_version_goes_there_as_long_as_somebody_is_up():
    one = pools()
    assert one.pool([True] * 4, True) == [False, False, True, True]
    assert one.pool([True] * 4, False) == [True, True, False, False]
    assert one.pool([True, True, False, False], True) == [True, True, False, False]


def test_a_client_of_the_present_version_never_tries_the_next_one():
    assert pools().pool([False, False, True, True], False) == [False] * 4


def test_each_pool_counts_for_itself():
    one = pools()
    chosen = []
    for wants in (True, True, True, False, True):
        server = one.choose(one.pool([True] * 4, wants), -1, "127.0.0.1", lambda: 0.0)
        one.take(server)
        chosen.append(server)
    assert chosen == [2, 3, 2, 0, 3]
    one.release(2)
    one.release(2)
    assert one.choose(one.pool([True] * 4, True), -1, "127.0.0.1", lambda: 0.0) == 2
