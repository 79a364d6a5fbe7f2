from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.draws import Purpose, uniform
from twin.rules.balancing import (
    RULES,
    ConsistentSource,
    IpHash,
    LeastConn,
    NginxLeastConn,
    NginxRandomOfTwo,
    RandomOfTwo,
    RoundRobin,
    SmoothRoundRobin,
    Source,
    ipv4_number,
)

ALL = pytest.mark.parametrize("make", RULES.values(), ids=["-".join(key) for key in RULES])
HAPROXY = pytest.mark.parametrize("make", [RoundRobin, LeastConn, ConsistentSource, RandomOfTwo])
NGINX = pytest.mark.parametrize("make", [SmoothRoundRobin, NginxLeastConn, IpHash, NginxRandomOfTwo])
addresses = st.tuples(*[st.integers(0, 255)] * 4).map(lambda octets: ".".join(map(str, octets)))
histories = st.lists(
    st.tuples(st.lists(st.booleans(), min_size=4, max_size=4), st.integers(-1, 3), addresses, st.booleans()),
    max_size=40,
)


def drawing(seed=1):
    numbers = iter(range(10**9))
    return lambda: uniform(seed, 0, 0, Purpose.BALANCE, next(numbers))


def fill(rule, count, servers, address="127.0.0.1"):
    chosen = []
    draw = drawing()
    for _ in range(count):
        server = rule.choose([True] * servers, -1, address, draw)
        rule.take(server)
        chosen.append(server)
    return chosen


@ALL
@given(history=histories)
def test_an_unusable_server_is_never_chosen_and_a_usable_one_is_found(make, history):
    rule, draw = make(4), drawing()
    for size in {"minimum_ring_size", "table_size"} & set(dir(rule)):
        setattr(rule, size, 13)  # Envoy's own takes a while to build
    for usable, avoid, address, keep in history:
        server = rule.choose(usable, avoid, address, draw)
        others = [i for i, up in enumerate(usable) if up and i != avoid]
        assert server == -1 or usable[server]
        assert server >= 0 or not others
        if server >= 0 and keep:
            rule.take(server)


@HAPROXY
@given(history=histories)
def test_haproxy_takes_the_server_to_avoid_only_when_there_is_no_other(make, history):
    rule, draw = make(4), drawing()
    for usable, avoid, address, _ in history:
        server = rule.choose(usable, avoid, address, draw)
        others = [i for i, up in enumerate(usable) if up and i != avoid]
        if others:
            assert server in others
        else:
            assert server == (avoid if avoid >= 0 and usable[avoid] else -1)
        if server >= 0:
            rule.take(server)


@NGINX
@given(history=histories)
def test_nginx_never_tries_the_same_peer_twice_for_a_request(make, history):
    rule, draw = make(4), drawing()
    for usable, avoid, address, _ in history:
        server = rule.choose(usable, avoid, address, draw)
        assert server == -1 or server != avoid
        if server >= 0:
            rule.take(server)


@pytest.mark.parametrize("make", [LeastConn, NginxLeastConn, RoundRobin, SmoothRoundRobin])
@given(count=st.integers(0, 100), servers=st.integers(1, 16))
def test_connections_that_only_come_never_differ_by_more_than_one(make, count, servers):
    rule = make(servers)
    fill(rule, count, servers)
    assert sum(rule.connections) == count
    assert max(rule.connections) - min(rule.connections) <= 1


@pytest.mark.parametrize("make", [RoundRobin, SmoothRoundRobin])
@given(usable=st.lists(st.booleans(), min_size=3, max_size=8).filter(any), rounds=st.integers(1, 5))
def test_round_robin_serves_every_usable_server_once_a_round(make, usable, rounds):
    rule, alive = make(len(usable)), [i for i, up in enumerate(usable) if up]
    for _ in range(rounds):
        chosen = [rule.choose(usable, -1, "127.0.0.1", drawing()) for _ in alive]
        assert sorted(chosen) == alive


def test_a_server_that_comes_back_queues_up_at_the_end_of_haproxys_round():
    rule, draw = RoundRobin(3), drawing()
    for _ in range(4):
        rule.choose([False, True, True], -1, "127.0.0.1", draw)
    assert [rule.choose([True] * 3, -1, "127.0.0.1", draw) for _ in range(6)] == [1, 2, 0, 1, 2, 0]


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6), st.data())
def test_leastconn_chooses_a_minimum_and_among_equals_the_one_that_got_there_first(counts, data):
    for make in (LeastConn, NginxLeastConn):
        rule = make(len(counts))
        for server, count in enumerate(counts):
            for _ in range(count):
                rule.take(server)
        usable = data.draw(st.lists(st.booleans(), min_size=len(counts), max_size=len(counts)).filter(any))
        server = rule.choose(usable, -1, "127.0.0.1", drawing())
        assert counts[server] == min(count for count, up in zip(counts, usable, strict=True) if up)
    rule = LeastConn(3)
    for server in (0, 1, 2, 2, 1, 0):
        rule.take(server)
    assert rule.choose([True] * 3, -1, "127.0.0.1", drawing()) == 2


@ALL
def test_a_release_undoes_a_take(make):
    rule = make(3)
    chosen = fill(rule, 20, 3)
    for server in chosen:
        rule.release(server)
    assert rule.connections == [0, 0, 0]


def test_source_is_the_address_modulo_the_usable_servers():
    rule, draw = Source(3), drawing()
    assert ipv4_number("1.2.3.4") == 0x01020304
    for last in range(6):
        assert rule.choose([True] * 3, -1, f"0.0.0.{last}", draw) == last % 3
        assert rule.choose([True, False, True], -1, f"0.0.0.{last}", draw) == (0, 2)[last % 2]
    assert rule.choose([True] * 3, 1, "0.0.0.1", draw) == 1  # a hash avoids nobody
    assert rule.choose([False] * 3, -1, "0.0.0.1", draw) == -1


@pytest.mark.parametrize(("drawn", "peer"), [((0, 1), 1), ((1, 0), 1), ((0, 0, 2), 2), ((1, 2), 1), ((2, 3), 3)])
def test_nginx_takes_the_less_loaded_of_two_different_random_peers(drawn, peer):
    rule = NginxRandomOfTwo(4)
    for server, count in enumerate((5, 3, 4, 4)):
        for _ in range(count):
            rule.take(server)
    draws = iter([number / 4 for number in drawn])
    assert rule.choose([True] * 4, -1, "127.0.0.1", lambda: next(draws)) == peer


def test_after_twenty_draws_in_vain_nginx_takes_the_next_peer_in_turn():
    rule, draws = NginxRandomOfTwo(3), iter([0.0] * 21)
    assert [rule.choose([True, True, False], 0, "", lambda: next(draws)) for _ in range(1)] == [1]
    assert next(draws, None) is None


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6), st.integers(1, 15))
def test_leastconn_gives_a_starting_server_one_connection_and_then_its_share(counts, weight):
    rule = LeastConn(len(counts) + 1)
    for server, count in enumerate(counts):
        for _ in range(count):
            rule.take(server)
    rule.weigh(len(counts), weight)
    usable = [True] * len(rule.connections)
    if min(counts) > 0:
        assert rule.choose(usable, -1, "", drawing()) == len(counts)
    rule.take(len(counts))
    again = rule.choose(usable, -1, "", drawing())
    by_hand = 2 * 4096 // weight < min((count + 1) * 256 if count else 0 for count in counts)
    assert (again == len(counts)) == by_hand


def test_two_choices_keep_the_servers_much_more_even_than_one():
    for rule in (RandomOfTwo(8), NginxRandomOfTwo(8)):
        fill(rule, 800, 8)
        assert max(rule.connections) - min(rule.connections) <= 12  # one random choice spreads by about 28


def test_nginx_leastconn_takes_equals_in_turn():
    assert Counter(fill(NginxLeastConn(3), 9, 3)) == {0: 3, 1: 3, 2: 3}
    assert fill(NginxLeastConn(3), 3, 3) == [0, 1, 2]


def hashes(address):
    """The successive hash values of an address; the value carries on from one rehash to the next."""
    value = 89
    while True:
        for octet in address.split(".")[:3]:
            value = (113 * value + int(octet)) % 6271
        yield value


@given(addresses, st.integers(0, 255), st.integers(2, 16))
def test_ip_hash_sends_a_whole_24_to_one_peer(address, last, servers):
    rule, usable = IpHash(servers), [True] * servers
    neighbour = ".".join([*address.split(".")[:3], str(last)])
    chosen = rule.choose(usable, -1, address, drawing())
    assert chosen == next(hashes(address)) % servers
    assert rule.choose(usable, -1, neighbour, drawing()) == chosen


@given(addresses, st.integers(2, 16), st.data())
def test_ip_hash_rehashes_twenty_times_past_peers_that_are_down(address, servers, data):
    usable = data.draw(st.lists(st.booleans(), min_size=servers, max_size=servers).filter(any))
    candidates = [value % servers for value, _ in zip(hashes(address), range(21), strict=False)]
    expected = next((peer for peer in candidates if usable[peer]), usable.index(True))
    assert IpHash(servers).choose(usable, -1, address, drawing()) == expected


def test_ip_hash_finds_the_peer_of_the_twenty_first_hash():
    for third in range(256):
        address = f"10.0.{third}.1"
        candidates = [value % 16 for value, _ in zip(hashes(address), range(21), strict=False)]
        last = candidates[-1]
        if last and last not in candidates[:-1]:
            usable = [peer in (0, last) for peer in range(16)]
            if 0 not in candidates:
                assert IpHash(16).choose(usable, -1, address, drawing()) == last
                return
    raise AssertionError("no address reaches a new peer with its last hash")
