"""Go's scheduler, step by step as runtime/proc.go has it."""

import pytest

from twin.rules.go_scheduler import GoScheduler, poll_timeout


def scheduler(procs=1, number=0):
    return GoScheduler(procs, lambda: number)


def busy(procs):
    """Return a scheduler whose every P runs a goroutine of its own, none of them found by looking."""
    made = scheduler(procs)
    for proc in made.procs:
        proc.goroutine, proc.idle = f"g{proc.number}", False
    made.idle.clear()
    return made


def test_the_first_p_has_a_thread_and_rests_when_there_is_nothing_to_do():
    made = scheduler(2)
    assert made.find(0, 0.0) is None
    assert made.resting
    assert made.polling
    assert made.trace().idleprocs == 2


def test_every_61st_slice_takes_the_oldest_of_all_before_its_own():
    made = busy(1)
    made.procs[0].slice = 60
    for g in "ab":
        made.procs[0].queue.put(g, before=False)
    made.waiting.append("global")
    assert [made.find(0, 0.0) for _ in range(3)] == ["a", "global", "b"]


def test_who_inherits_a_slice_does_not_count_it():
    made = busy(1)
    made.ready(0, "next")
    assert made.find(0, 0.0) == "next"
    assert made.procs[0].slice == 0
    made.procs[0].queue.put("other", before=False)
    assert made.find(0, 0.0) == "other"
    assert made.procs[0].slice == 1


def test_a_p_without_work_takes_its_share_of_the_global_queue_into_its_own():
    made = busy(2)
    made.procs[0].slice = 1
    made.waiting.extend("abcdef")
    assert made.find(0, 0.0) == "a"
    assert list(made.procs[0].queue.ring) == ["b", "c", "d"]
    assert list(made.waiting) == ["e", "f"]


def test_the_network_is_looked_at_only_when_both_queues_are_empty():
    made = busy(1)
    made.procs[0].slice = 1
    made.readable.extend("xyz")
    made.waiting.append("global")
    assert made.find(0, 0.0) == "global"
    assert made.readable == ["x", "y", "z"]
    assert made.find(0, 0.0) == "z"  # whose descriptor became ready last
    assert list(made.procs[0].queue.ring) == ["y", "x"]


def test_one_look_at_the_network_takes_128_descriptors():
    made = busy(1)
    made.readable.extend(range(200))
    assert made.find(0, 0.0) == 127
    assert made.readable == list(range(128, 200))


def test_a_preempted_goroutine_goes_behind_all_that_wait():
    made = busy(1)
    made.procs[0].slice = 1
    made.waiting.append("before")
    made.preempt(0)
    assert [made.find(0, 0.0), made.find(0, 0.0)] == ["before", "g0"]


def test_a_timer_runs_when_its_p_looks_for_work_and_the_last_one_goes_first():
    made = busy(1)
    made.sleep(0, "early", 1.0)
    made.sleep(0, "late", 2.0)
    made.sleep(0, "not yet", 3.0)
    made.procs[0].queue.put("queued", before=False)
    assert [made.find(0, 2.0) for _ in range(3)] == ["late", "queued", "early"]
    assert made.next_timer() == 3.0


def test_a_thief_takes_half_of_another_ps_queue_and_runs_the_youngest_of_it():
    made = busy(2)
    for g in "abcde":
        made.procs[0].queue.put(g, before=False)
    assert made.find(1, 0.0) == "c"
    assert list(made.procs[1].queue.ring) == ["a", "b"]
    assert list(made.procs[0].queue.ring) == ["d", "e"]


def test_a_thief_runs_timers_of_others_in_its_own_queue():
    made = busy(2)
    made.sleep(0, "slept", 1.0)
    assert made.find(1, 1.0) == "slept"


def test_a_thief_takes_who_is_next_elsewhere_at_last():
    made = busy(2)
    made.procs[0].queue.put("next", before=True)
    assert made.find(1, 0.0) == "next"


def test_at_most_half_of_the_busy_ps_spin():
    made = busy(4)
    for g in "abcd":
        made.procs[0].queue.put(g, before=False)
    made.procs[1].spinning = made.procs[2].spinning = True
    made.spinning = 2
    assert made.find(3, 0.0) is None  # 2 * 2 of 4 spin already
    assert made.procs[3].idle


def test_who_becomes_runnable_wakes_one_idle_p_and_that_one_the_next():
    made = scheduler(3)
    made.procs[0].goroutine = "g0"
    for g in "abc":
        made.ready(0, g)
    assert made.started == [1]  # one thread spins, so no other is woken
    assert made.spinning == 1
    assert made.find(1, 0.0) == "a"
    assert made.started == [1, 2]
    assert made.find(2, 0.0) == "b"
    assert made.spinning == 0


def test_descriptors_that_sysmon_finds_go_to_the_global_queue():
    made = busy(1)
    made.procs[0].slice = 1
    made.readable.extend("xy")
    assert made.look(0.0101) == ([], 0)
    assert list(made.waiting) == ["y", "x"]
    made.readable.append("z")
    made.look(0.0200)  # 9.9 ms later
    assert made.readable == ["z"]


def test_sysmon_preempts_who_has_run_for_10_ms_since_it_saw_the_slice():
    made = busy(2)
    made.procs[1].slice = 3
    assert made.look(0.009) == ([], 0)
    assert made.look(0.0105) == ([0], 0)
    assert made.look(0.0195) == ([0, 1], 0)


def test_a_p_whose_goroutine_blocks_is_driven_by_another_thread():
    made = busy(1)
    made.procs[0].slice = 1
    made.procs[0].queue.put("waits", before=False)
    made.block(0)
    assert made.look(0.0001) == ([], 1)
    assert made.started == [0]
    assert made.find(0, 0.0) == "waits"
    assert made.returned(0, "g0") is None
    assert list(made.waiting) == ["g0"]
    assert made.threads == 3  # sysmon's, one in the call, one that drives the P


def test_a_call_that_is_over_before_anybody_looks_keeps_its_p():
    made = busy(1)
    made.block(0)
    assert made.returned(0, "g0") == 0
    assert made.look(0.0001) == ([], 0)
    assert made.procs[0].slice == 0


def test_who_comes_back_gets_an_idle_p():
    made = busy(2)
    made.block(0)
    made.look(0.0001)
    assert made.find(0, 0.0) is None
    assert made.returned(0, "g0") == 0
    assert made.procs[0].goroutine == "g0"


def test_who_comes_back_takes_its_old_p_from_another_call():
    made = busy(1)
    made.procs[0].queue.put("second", before=False)
    made.block(0)
    made.look(0.0001)
    made.find(0, 0.0)
    made.block(0)
    assert made.returned(0, "g0") == 0
    assert made.procs[0].goroutine == "g0"
    assert made.returned(0, "second") is None


def test_the_thread_that_polls_takes_an_idle_p_and_shares_out_the_rest():
    made = scheduler(2)
    made.find(0, 0.0)
    made.readable.extend("abc")
    assert made.polled(1.0) == 0
    assert made.procs[0].goroutine == "c"
    assert list(made.waiting) == ["b"]  # for the other idle P, which was started
    assert made.started == [1]
    assert list(made.procs[0].queue.ring) == ["a"]


def test_what_it_finds_while_all_ps_are_busy_waits_in_the_global_queue():
    made = busy(1)
    made.polling = True
    made.readable.extend("ab")
    assert made.polled(1.0) is None
    assert list(made.waiting) == ["b", "a"]
    assert not made.polling


@pytest.mark.parametrize(
    ("delay", "waits"), [(0.0004, 0.001), (0.001, 0.001), (0.0017, 0.001), (0.0500001, 0.050), (1.2345, 1.234)]
)
def test_a_wait_for_a_timer_counts_whole_milliseconds(delay, waits):
    assert poll_timeout(delay) == pytest.approx(waits)
