"""Tasks on Go's own scheduler beside what the rule says of them; where there is no Go, only the reading of a trace."""

import os

import pytest

from live.node.go_load import measure, parse
from twin.rules.go_program import GoMachine, GoProgram, paced
from twin.rules.go_scheduler import SchedTrace


def test_a_trace_is_read():
    text = (
        "some other line\n"
        "SCHED 0ms: gomaxprocs=1 idleprocs=0 threads=3 spinningthreads=1 needspinning=0 idlethreads=0 runqueue=0 "
        "[ 0 ] schedticks=[ 0 ]\n"
        "SCHED 1009ms: gomaxprocs=2 idleprocs=1 threads=6 spinningthreads=0 needspinning=0 idlethreads=2 runqueue=17 "
        "[ 3 12 ] schedticks=[ 5 9 ]\n"
    )
    assert parse(text) == [(0.0, SchedTrace(0, 3, 1, 0, 0, (0,))), (1.009, SchedTrace(1, 6, 0, 2, 17, (3, 12)))]


def predicted(requests, procs, until, every=0.0, traced=False):
    maker, tasks = paced(requests)
    program = GoProgram(GoMachine(procs, traced=traced), every=every)
    program.run([], [maker], until)
    return program, tasks


@pytest.mark.live
def test_a_short_task_beside_a_long_one_waits_for_a_slice_and_not_for_all_of_it(go):
    requests = sorted([(0.05 + 0.2 * i, 0.15, 0.0) for i in range(6)] + [(0.01 * i, 0.0002, 0.0) for i in range(125)])
    found = measure(requests, 1, [min(os.sched_getaffinity(0))])
    waits = [ended - due for (due, cpu, _), (_, ended) in zip(requests, found.times, strict=True) if cpu < 0.01]
    _, tasks = predicted(requests, 1, 3.0)
    foreseen = [task.ended - due for (due, cpu, _), task in zip(requests, tasks, strict=True) if cpu < 0.01]
    assert 0.010 < sorted(waits)[-5] < 0.090  # a slice, but not the 150 ms of a long one
    assert 0.010 < sorted(foreseen)[-5] < 0.045


@pytest.mark.live
def test_goroutines_that_block_have_as_many_threads_as_the_rule_says(go):
    requests = [(0.1, 0.0, 0.3)] * 30
    found = measure(requests, 1, [min(os.sched_getaffinity(0))], trace_ms=10)
    program, _ = predicted(requests, 1, 1.0, every=0.01, traced=True)
    most = max(trace.threads for _, trace in found.traces)
    assert program.scheduler.threads == 32
    assert 32 <= most <= 36  # the runtime's own goroutines may have had some


@pytest.mark.live
def test_the_queues_that_the_runtime_prints_are_those_of_the_rule(go):
    """Twenty tasks of 30 ms at once: each is preempted, so that they go from the local queue to the global one."""
    requests = [(0.1, 0.03, 0.0)] * 20
    found = measure(requests, 1, [min(os.sched_getaffinity(0))], trace_ms=5)
    program, _ = predicted(requests, 1, 2.0, every=0.005, traced=True)
    measured = max(sum(trace.local) + trace.runqueue for _, trace in found.traces)
    foreseen = max(sum(trace.local) + trace.runqueue for _, trace in program.traces)
    assert foreseen - 1 <= measured <= foreseen + 1
