"""Two pools of servers behind one rule."""

from sim.balancer.canary import TwoPools
from twin.rules.balancing import LeastConn


def pools():
    one = TwoPools(LeastConn(4), LeastConn(4), 4)
    one.assign(2, "next")
    one.assign(3, "next")
    return one


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


def test_connections_of_before_a_change_of_version_count_on_where_they_were():
    stable, following = LeastConn(2), LeastConn(2)
    one = TwoPools(stable, following, 2)
    one.take(0)
    one.take(0)
    one.assign(0, "next")
    one.take(0)
    assert (stable.connections, following.connections) == ([2, 0], [1, 0])
    one.release(0)
    one.assign(0, "next")  # nothing new
    one.release(0)
    assert (stable.connections, following.connections) == ([0, 0], [1, 0])
    one.assign(0, "cluster")
    one.take(0)
    one.release(0)
    one.release(0)
    assert (stable.connections, following.connections) == ([0, 0], [0, 0])


def test_both_pools_know_the_names_of_the_servers():
    told = []

    class Named(LeastConn):
        def name_servers(self, names):
            told.append(names)

    TwoPools(Named(2), Named(2), 2).name_servers(["a:1", "a:2"])
    assert told == [["a:1", "a:2"]] * 2
