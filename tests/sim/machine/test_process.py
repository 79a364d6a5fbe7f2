import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.machine.process import Cost, Process, pieces
from sim.machine.timers import warm_after_sleep
from tests.loops import fixed, load, machine, note, timer
from twin.costs.curve import COLD_AFTER, Curve


def test_a_lone_process_works_through_its_items_one_after_the_other():
    env, cores = machine()
    times = []
    load(Process(cores), 3, 0.01, times)
    env.run()
    assert times == pytest.approx([0.01, 0.02, 0.03])


def test_a_burst_is_read_as_a_whole_before_the_first_item_is_finished():
    env, cores = machine()
    times = []
    process = Process(cores)
    process.work(fixed(0.001))  # keeps the process busy while the others gather
    load(process, 4, 0.01, times, 0.8)
    env.run(until=1.0)
    assert [t - 0.001 for t in times] == pytest.approx([0.034, 0.036, 0.038, 0.04])


def test_what_comes_later_is_read_before_an_earlier_item_is_finished():
    env, cores = machine()
    order = []
    process = Process(cores)
    process.work(fixed(0.01, 0.5), lambda _: order.append("first"))
    env.run(until=0.001)
    process.work(fixed(0.001), lambda _: order.append("second"))
    env.run()
    assert order == ["second", "first"]


def test_an_item_with_a_hop_waits_one_round_more():
    env, cores = machine()
    order = []
    process = Process(cores)
    process.work(Cost([Curve([16], [0.01])], 0.5, hops=1), lambda _: order.append("hopping"))
    process.work(fixed(0.01, 0.5), lambda _: order.append("straight"))
    env.run()
    assert order == ["straight", "hopping"]


def test_the_cost_of_an_item_is_asked_with_the_queue_and_the_sleep_before_it():
    env, cores = machine()
    process, asked = Process(cores), []

    def curve(waiting, asleep):
        asked.append((waiting, round(asleep, 6)))
        return 0.001

    cost = Cost([curve])
    env.run(until=0.5)
    for _ in range(3):
        process.work(cost)
    env.run(until=0.6)
    process.work(cost)
    env.run(until=0.7)
    assert [waiting for waiting, _ in asked] == [1, 3, 3, 1]  # in a row, those done since it was cold included
    assert [asleep for _, asleep in asked][1:3] == [0.0, 0.0]
    assert asked[3][1] == pytest.approx(0.1 - 0.003, abs=1e-6)


@pytest.mark.parametrize(("slept", "warm"), [(0.0, 100), (COLD_AFTER / 4, 75), (COLD_AFTER, 0), (1.0, 0)])
def test_a_process_grows_cold_while_it_sleeps(slept, warm):
    assert warm_after_sleep(100, slept) == warm


def test_a_process_that_never_rests_works_as_in_a_long_burst():
    env, cores = machine()
    process, asked = Process(cores), []

    def curve(waiting, asleep):
        asked.append(waiting)
        return 0.001

    cost = Cost([curve], first_part=0.5)
    env.run(until=0.5)

    def one_after_the_other():
        for _ in range(10):
            yield process.work(cost)

    env.process(one_after_the_other())
    env.run(until=0.7)
    assert asked[::2] == asked[1::2] == list(range(1, 11))


def test_a_stopped_process_does_nothing_until_it_goes_on():
    env, cores = machine()
    process, times = Process(cores), []
    process.stop()
    load(process, 2, 0.01, times)
    env.run(until=1.0)
    assert times == []
    process.resume()
    env.run()
    assert times == pytest.approx([1.01, 1.02])


def test_an_item_carries_on_before_the_loop_turns_to_what_waits():
    env, cores = machine()
    process, order = Process(cores), []

    def client():
        yield process.work(fixed(0.001))
        order.append("one")
        yield process.carry_on(fixed(0.001))
        order.append("its next")

    process.work(fixed(0.001))  # keeps the process busy while the others gather
    env.process(client())
    env.run(until=0.0005)
    process.work(fixed(0.001), lambda _: order.append("another"))
    env.run()
    assert order == ["one", "its next", "another"]


@given(st.floats(0.0, 0.999), st.floats(0.001, 20.0), st.floats(0.0, 0.05))
def test_a_timer_of_a_sleeping_loop_is_late_by_its_slack_and_a_millisecond_at_most(clock, seconds, start):
    env, cores = machine(clock=clock)
    process, fired = Process(cores), []
    env.run(until=start + 0.001)
    process.work(fixed(0.0001), lambda _: process.sleep(seconds).callbacks.append(note(fired, env)))
    env.run()
    soonest, latest = timer(seconds)
    assert soonest - 1e-9 <= fired[0] - (start + 0.0011) <= latest + 1e-9


def test_timers_set_in_the_same_millisecond_of_a_busy_loop_fire_together():
    env, cores = machine()
    process, fired = Process(cores), []
    for _ in range(4):
        process.work(fixed(0.0002), lambda _: process.sleep(0.01).callbacks.append(note(fired, env)))
    process.work(fixed(0.5))
    env.run()
    assert fired == pytest.approx([0.01] * 4)


def test_a_long_piece_of_work_takes_what_it_costs_and_is_done_in_parts():
    env, cores = machine()
    process, ends = Process(cores), []
    cost = fixed(0.1001)
    assert pieces(cost) == 201
    assert pieces(fixed(0.0)) == 1
    env.process(process.work_through(cost)).callbacks.append(note(ends, env))
    env.run()
    assert ends == pytest.approx([0.1001])
    assert process.used == pytest.approx(0.1001)


def test_two_long_works_on_one_core_take_twice_as_long_and_let_a_short_one_pass():
    env, cores = machine()
    ends, short = [], []
    for _ in range(2):
        env.process(Process(cores).work_through(fixed(0.1))).callbacks.append(note(ends, env))
    env.run(until=0.05)
    load(Process(cores), 1, 0.001, short)
    env.run()
    assert ends == pytest.approx([0.2, 0.2], abs=0.006)
    assert short[0] < 0.06


def test_a_long_piece_of_work_goes_with_the_speed_that_the_core_has_meanwhile():
    env, cores = machine(pace=[lambda now: int(now >= 0.05)])
    ends = []
    cost = Cost([Curve([16], [0.1]), Curve([16], [0.2])])
    env.process(Process(cores).work_through(cost)).callbacks.append(note(ends, env))
    env.run()
    assert ends == pytest.approx([0.05 + 0.5 * 0.2], abs=0.002)
