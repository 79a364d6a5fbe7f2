from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from twin.rules.choice import FULL_WEIGHT
from twin.rules.rotation import RoundRobin


def chosen(rule, count, usable=None):
    usable = usable or [True] * len(rule.connections)
    return [rule.choose(usable, -1, "127.0.0.1", float) for _ in range(count)]


@given(st.integers(1, 6), st.integers(1, FULL_WEIGHT), st.integers(0, 5))
def test_a_starting_server_gets_at_most_its_share_but_one_place_in_each_turn(others, weight, place):
    # it comes last into a turn, so its last place may fall out of it
    rule = RoundRobin(others + 1)
    light = place % (others + 1)
    rule.weigh(light, weight)
    total = FULL_WEIGHT * others + weight
    got = Counter(chosen(rule, 60 * total)[-50 * total :])
    assert 49 <= got[light] <= 50 * weight + 2
    rest = [got[server] for server in range(others + 1) if server != light]
    assert max(rest) - min(rest) <= 2


def test_very_small_weights_are_rough():
    """By hand, from the source: a turn of weights 2, 3, 3 serves 1 2 1 2 0 1 2 and is over, because the next place of
    server 0 lies in the next turn.
    """
    rule = RoundRobin(3)
    for server, weight in enumerate((2, 3, 3)):
        rule.weigh(server, weight)
    assert chosen(rule, 70) == [1, 2, 1, 2, 0, 1, 2] * 10


def test_a_heavy_server_is_not_served_in_a_row():
    rule = RoundRobin(3)
    rule.weigh(1, 8)
    rule.weigh(2, 8)
    run = chosen(rule, 400)
    assert Counter(run)[0] == 200
    assert max(len(part) for part in "".join(map(str, run)).replace("1", "|").replace("2", "|").split("|")) <= 2


@given(st.integers(2, 6), st.integers(0, 5), st.integers(0, 40))
def test_a_server_that_comes_back_at_its_smallest_weight_waits_for_its_turn(servers, back, before):
    back %= servers
    rule = RoundRobin(servers)
    others = [server != back for server in range(servers)]
    chosen(rule, before, others)
    rule.weigh(back, 1)
    total = (servers - 1) * FULL_WEIGHT + 1
    got = Counter(chosen(rule, 10 * total))
    assert 8 <= got[back] <= 12
    rule.weigh(back, FULL_WEIGHT)
    got = Counter(chosen(rule, 10 * servers + 4)[4:])
    assert abs(got[back] - 10) <= 2


histories = st.lists(
    st.tuples(
        st.sampled_from(["choose", "down", "up", "weigh"]),
        st.integers(0, 3),
        st.integers(1, FULL_WEIGHT),
        st.integers(-1, 3),
    ),
    max_size=80,
)


@given(histories)
def test_whatever_happens_a_usable_server_is_chosen_and_all_usable_ones_are_served(history):
    rule, usable = RoundRobin(4), [True] * 4
    for what, server, weight, avoid in history:
        if what == "choose":
            found = rule.choose(usable, avoid, "", float)
            others = [i for i, up in enumerate(usable) if up and i != avoid]
            assert found in others if others else found == (avoid if avoid >= 0 and usable[avoid] else -1)
        elif what == "weigh":
            rule.weigh(server, weight)
        else:
            usable[server] = what == "up"
            rule.mark(server, usable[server])
    if any(usable):
        run = chosen(rule, 10 * 4 * FULL_WEIGHT, usable)
        assert set(run) == {i for i, up in enumerate(usable) if up}
