"""When a pool raises an alarm."""

from hypothesis import given
from hypothesis import strategies as st

from twin.rules.pool_alarms import Alarm, AlarmLimits, PoolWatch

LIMITS = AlarmLimits(share=0.8, share_for=1.0, wait=1.0, out=5.0)


def busy(alarms, times, first=0):
    """Let one use after the other take a connection without a wait."""
    found = []
    for use, t in enumerate(times, first):
        found += alarms.asked(t, use) + alarms.borrowed(t, use)
    return found


def test_more_than_the_share_for_a_while_is_an_alarm_and_no_other_until_it_is_over():
    alarms = PoolWatch(10, LIMITS)
    assert busy(alarms, [0.0] * 8) == []
    assert alarms.until(4.0) == []  # 8 of 10 are not more than 80 %
    assert busy(alarms, [4.0], 8) == []
    assert alarms.until(4.999) == []
    assert alarms.until(4.9999) == []
    found = alarms.until(5.5)
    assert Alarm(5.0, "saturated", -1) in found
    assert not [one for one in alarms.until(20.0) if one.kind == "saturated"]
    alarms.given_back(20.0, 8)
    alarms.asked(21.0, 9)
    alarms.borrowed(21.0, 9)
    assert Alarm(22.0, "saturated", -1) in alarms.until(30.0)


def test_less_than_a_while_is_none():
    alarms = PoolWatch(10, LIMITS)
    found = busy(alarms, [0.0] * 9) + alarms.given_back(0.9, 3) + busy(alarms, [0.95], 20) + alarms.given_back(1.9, 4)
    assert found == []
    assert alarms.until(3.0) == []


def test_a_long_wait_is_one_alarm_however_many_wait():
    alarms = PoolWatch(1, LIMITS)
    busy(alarms, [0.0])
    for use in range(1, 4):
        assert alarms.asked(0.1 * use, use) == []
    slow = [one for one in alarms.until(4.0) if one.kind == "slow"]
    assert slow == [Alarm(1.1, "slow", 1)]
    alarms.given_back(4.0, 0)
    alarms.borrowed(4.0, 1)
    alarms.failed(4.0, 2)  # nor is it over when who waits gives up
    alarms.failed(4.0, 3)
    alarms.asked(4.1, 7)
    assert [one for one in alarms.until(5.2) if one.kind == "slow"] == []
    alarms.given_back(5.2, 1)
    alarms.borrowed(5.2, 7)
    alarms.given_back(5.3, 7)
    assert not alarms.asked(5.4, 8)
    alarms.borrowed(5.5, 8)
    alarms.asked(5.6, 9)
    assert [one for one in alarms.until(9.9) if one.kind == "slow"] == [Alarm(6.6, "slow", 9)]


def test_a_wait_that_ends_in_time_is_none():
    alarms = PoolWatch(1, LIMITS)
    alarms.asked(0.0, 1)
    assert alarms.borrowed(1.0 - 1e-9, 1) == []
    assert alarms.until(3.0) == [Alarm(1.0, "saturated", -1)]


def test_what_is_handed_over_is_in_use_all_along():
    alarms = PoolWatch(1, LIMITS)
    busy(alarms, [0.0])
    found = []
    for n in range(1, 15):
        found += alarms.asked(0.1 * n - 0.05, n) + alarms.given_back(0.1 * n, n - 1) + alarms.borrowed(0.1 * n, n)
    assert found == [Alarm(1.0, "saturated", -1)]


def test_each_connection_that_is_out_for_too_long_is_a_leak_once():
    alarms = PoolWatch(10, LIMITS)
    busy(alarms, [0.0, 1.0, 2.0])
    alarms.given_back(4.0, 1)
    assert alarms.until(6.9) == [Alarm(5.0, "leak", 0)]
    assert alarms.until(100.0) == [Alarm(7.0, "leak", 2)]
    assert alarms.until(200.0) == []


MOVES = st.lists(st.tuples(st.sampled_from("abgfl"), st.floats(0.0, 3.0), st.integers(0, 5)), max_size=60)


@given(moves=MOVES)
def test_it_does_not_matter_how_often_the_rules_are_asked(moves):
    """Whoever looks every tenth of a second, and whoever looks at each event, say the same."""
    seldom, often = PoolWatch(3, LIMITS), PoolWatch(3, LIMITS)
    first, second = [], []
    t, asked, out, number = 0.0, [], [], 0
    for what, after, which in moves:
        for _ in range(int(after / 0.1)):
            second += often.until(t := t + 0.1)
        if what == "a":
            number += 1
            asked.append(number)
            calls = [("asked", number)]
        elif what in "bf" and asked:
            use = asked.pop(which % len(asked))
            calls = [("borrowed" if what == "b" else "failed", use)]
            out += [use] if what == "b" else []
        elif what == "g" and out:
            calls = [("given_back", out.pop(which % len(out)))]
        else:
            continue
        for name, use in calls:
            first += getattr(seldom, name)(t, use)
            second += getattr(often, name)(t, use)
    assert first + seldom.until(t + 100) == second + often.until(t + 100)
    assert [one.t for one in first] == sorted(one.t for one in first)
