"""CPU work in pieces, and blocking calls, against times by hand."""

import pytest

from sim.machine.computing import compute
from sim.machine.process import PIECE, Process
from tests.loops import SLICE, fixed, machine, note


def test_a_loop_does_not_turn_away_from_work_that_it_has_begun():
    env, cores = machine()
    process = Process(cores)
    ends, others = [], []
    process.work(fixed(0.001), note(others, env))
    compute(process, 0.0103, lambda: ends.append(env.now))
    process.work(fixed(0.001), note(others, env))
    env.run()
    assert ends == pytest.approx([0.0113])
    assert others == pytest.approx([0.001, 0.0123])


def test_no_work_is_done_at_once_and_a_piece_needs_no_second_one():
    env, cores = machine()
    process = Process(cores)
    ends = []
    compute(process, 0.0, lambda: ends.append(env.now))
    assert ends == [0.0]
    assert not process.busy
    compute(process, PIECE, lambda: ends.append(env.now))
    env.run()
    assert ends == pytest.approx([0.0, PIECE])


def test_work_of_a_process_that_is_gone_does_not_go_on():
    env, cores = machine()
    process = Process(cores)
    ends = []
    compute(process, 0.1, lambda: ends.append(env.now))
    env.timeout(0.0102).callbacks.append(lambda _: process.clear())
    env.run()
    assert ends == []
    assert process.used < 0.011


def test_others_have_the_core_between_the_pieces():
    env, cores = machine()
    first, second = Process(cores), Process(cores)
    ends = []
    compute(first, 0.03, lambda: ends.append(env.now))
    env.timeout(0.001).callbacks.append(lambda _: second.work(fixed(0.001), note(ends, env)))
    env.run()
    assert ends[0] < 0.002 + SLICE + 2 * PIECE
    assert ends[1] == pytest.approx(0.031)


def test_a_loop_that_blocks_serves_nobody_and_goes_on_with_what_came_first():
    env, cores = machine()
    process = Process(cores)
    times = []
    process.block(0.05, lambda: process.carry_on(fixed(0.001)).callbacks.append(note(times, env)))
    process.work(fixed(0.002), note(times, env))
    env.run()
    assert times == pytest.approx([0.052, 0.053])


def test_what_stops_a_process_outlasts_a_blocking_call_and_the_other_way_round():
    for resumed, expected in ((0.2, 0.201), (0.02, 0.051)):
        env, cores = machine()
        process = Process(cores)
        times = []
        process.block(0.05, lambda: None)
        process.stop()
        process.work(fixed(0.001), note(times, env))
        env.timeout(resumed).callbacks.append(lambda _, process=process: process.resume())
        env.run()
        assert times == pytest.approx([expected])


def test_a_blocking_call_of_a_process_that_is_gone_wakes_nobody():
    env, cores = machine()
    process = Process(cores)
    times = []
    process.block(0.05, lambda: times.append("woken"))
    process.clear()
    process.work(fixed(0.001), note(times, env))
    env.run()
    assert times == pytest.approx([0.001])
