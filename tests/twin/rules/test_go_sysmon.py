"""Go's `sysmon`, by hand from `sysmon` and `retake` in runtime/proc.go."""

import pytest

from twin.rules.go_sysmon import Sysmon, SysmonTick

US = 1e-6


def sleeps(sysmon, count):
    """Return the seconds of so many sleeps with quiet looks between them."""
    found = []
    for _ in range(count):
        found.append(sysmon.sleep())
        sysmon.looked(0)
    return found


def test_it_sleeps_20_us_51_times_and_then_twice_as_long_each_time():
    found = sleeps(Sysmon(), 62)
    assert found[:51] == pytest.approx([20 * US] * 51)
    assert found[51:60] == pytest.approx([40 * US * 2**i for i in range(8)] + [10_000 * US])
    assert found[60:] == pytest.approx([10_000 * US] * 2)


def test_taking_a_p_brings_it_back_to_20_us_and_preempting_does_not():
    sysmon = Sysmon()
    sleeps(sysmon, 60)
    sysmon.looked(1)
    assert sysmon.sleep() == pytest.approx(20 * US)


def test_a_system_call_that_wakes_it_brings_it_back_to_20_us():
    sysmon = Sysmon()
    sleeps(sysmon, 60)
    sysmon.woken()
    sysmon.looked(0)
    assert sysmon.sleep() == pytest.approx(20 * US)


def looks(watch, times, time_slice, call=0, blocked=False, idle=False):
    return [watch.look(t, time_slice, call, blocked, idle) for t in times]


def test_the_look_that_first_sees_a_slice_only_begins_to_count():
    assert looks(SysmonTick(), [0.004, 0.0139, 0.0141], 1) == [None, None, "preempt"]


def test_with_10_ms_between_looks_a_slice_that_began_at_a_look_lasts_20_ms():
    watch = SysmonTick()
    assert looks(watch, [0.010, 0.020], 1) == [None, "preempt"]  # it began just after the look at 0
    assert looks(watch, [0.030, 0.040], 2) == [None, "preempt"]


def test_a_slice_that_is_shared_by_several_goroutines_counts_as_one():
    """Who inherits the slice (`runnext`) does not change its number."""
    assert looks(SysmonTick(), [0.001, 0.006, 0.012], 7) == [None, None, "preempt"]


def test_a_p_is_taken_at_the_second_look_that_sees_the_same_call():
    assert looks(SysmonTick(), [0.001, 0.002], 1, call=5, blocked=True) == [None, "retake"]


def test_a_new_call_begins_to_count_anew():
    watch = SysmonTick()
    assert looks(watch, [0.001], 1, call=5, blocked=True) == [None]
    assert looks(watch, [0.002], 1, call=6, blocked=True) == [None]


def test_a_p_that_nobody_needs_is_taken_after_10_ms():
    times = [0.001, 0.002, 0.010, 0.012]
    assert looks(SysmonTick(slice=1, since=0.0), [0.001, 0.0012], 1, 5, True, True) == [None, None]
    watch = SysmonTick()
    found = [watch.look(t, n, 5, True, True) for n, t in enumerate(times)]  # a new slice each time
    assert found == [None, None, None, "retake"]


def test_a_call_in_a_slice_of_10_ms_is_taken_also_at_the_first_look():
    watch = SysmonTick(slice=1, since=0.001)
    assert watch.look(0.0105, 1, 9, True, False) is None
    watch = SysmonTick(slice=1, since=0.001)
    assert watch.look(0.0115, 1, 9, True, False) == "retake"
