import pytest
import simpy

from sim.connection import Frame
from sim.machine.cores import Cores
from sim.machine.lane import CHUNK, Lane
from sim.machine.process import Cost, Process

ONE, MORE = 0.001, 0.0002
SLICE = 0.003


class LinkState:
    """One process with a lane, and what it has dealt with."""

    def __init__(self, one=ONE, more=MORE, first_part=0.0):
        self.env = simpy.Environment()
        self.cores = Cores(self.env, 1, SLICE)
        self.process = Process(self.cores)
        cost = Cost(Cost.constant(one).curves, first_part)
        self.lane = Lane(self.process, cost, Cost.constant(more), self.take)
        self.batches = []

    def take(self, taken, began, ended):
        self.batches.append(
            ([(tunnel.name, [frame.size for frame in frames]) for tunnel, frames in taken], began, ended)
        )

    @property
    def passed(self):
        """Return what has come through, in order."""
        return [one for batch, _, _ in self.batches for one in batch]

    @property
    def ended(self):
        return [ended for _, _, ended in self.batches]


class Tunnel:
    def __init__(self, name):
        self.name = name


def tunnels(count):
    return [Tunnel(i) for i in range(count)]


def frame(size=1):
    return Frame((1, 1), size)


def test_one_frame_for_many_connections_costs_each_and_is_handed_over_in_batches():
    link = LinkState()
    link.lane.send(tunnels(2 * CHUNK + 3), frame())
    link.env.run()
    assert [len(batch) for batch, _, _ in link.batches] == [CHUNK, CHUNK, 3]
    assert link.ended == pytest.approx([CHUNK * ONE, 2 * CHUNK * ONE, (2 * CHUNK + 3) * ONE])
    assert [name for name, _ in link.passed] == list(range(2 * CHUNK + 3))


def test_what_waits_for_the_same_connection_goes_together_and_costs_less():
    link = LinkState()
    first, second = tunnels(2)
    link.process.stop()
    link.lane.send([first, second], frame(1))
    link.lane.send([first], frame(2))
    link.lane.pass_on([(first, [frame(3), frame(4)])])
    link.process.resume()
    link.env.run()
    assert link.passed == [(0, [1, 2, 3, 4]), (1, [1])]
    assert link.ended == pytest.approx([2 * ONE + 3 * MORE])


def test_frames_ready_together_on_a_connection_are_counted_from_the_second_on():
    link = LinkState()
    link.lane.pass_on([(tunnels(1)[0], [frame(1), frame(2)])])
    link.env.run()
    assert link.ended == pytest.approx([ONE + MORE])


def test_a_frame_that_comes_when_a_batch_has_begun_waits_for_the_next_one():
    link = LinkState(first_part=0.5)
    one = tunnels(1)
    link.lane.send(one, frame(1))
    link.env.run(until=0.7 * ONE)
    link.lane.send(one, frame(2))
    link.env.run()
    assert [batch for batch, _, _ in link.batches] == [[(0, [1])], [(0, [2])]]
    assert link.ended == pytest.approx([ONE, 2 * ONE])


def test_nothing_is_lost_and_nothing_overtakes_however_the_frames_come():
    link = LinkState(first_part=0.3)
    some = tunnels(3 * CHUNK)
    for step in range(40):
        link.lane.send(some[: 1 + 7 * step % len(some)], frame(step))
        link.env.run(until=0.004 * (step + 1))
    link.env.run()
    for i in range(len(some)):
        sent = [step for step in range(40) if i < 1 + 7 * step % len(some)]
        assert [size for name, sizes in link.passed if name == i for size in sizes] == sent


def test_the_first_part_of_all_batches_comes_before_the_end_of_the_first():
    link = LinkState(first_part=0.5)
    link.lane.send(tunnels(4 * CHUNK), frame())
    link.env.run()
    half = CHUNK * ONE / 2
    assert link.ended == pytest.approx([half * (4 + k) for k in (1, 2, 3, 4)])
    assert [ended - began for _, began, ended in link.batches] == pytest.approx([half] * 4)


def test_a_batch_says_over_which_time_its_connections_were_done():
    link = LinkState()
    link.lane.pass_on([(one, [frame(), frame()]) for one in tunnels(CHUNK)])
    link.env.run()
    assert [(began, ended) for _, began, ended in link.batches] == [(0.0, pytest.approx(CHUNK * (ONE + MORE)))]


def test_another_process_may_have_the_core_between_two_batches():
    link = LinkState()
    rival, done = Process(link.cores), []
    link.lane.send(tunnels(4 * CHUNK), frame())
    rival.work(Cost.constant(ONE), lambda _: done.append(link.env.now))
    link.env.run()
    assert done == [pytest.approx((CHUNK + 1) * ONE)]
    assert link.ended[-1] == pytest.approx((4 * CHUNK + 1) * ONE)


def test_a_process_that_ends_forgets_what_waits_and_serves_what_comes_later():
    link = LinkState()
    some = tunnels(2)
    link.process.stop()
    link.lane.send(some, frame(1))
    link.process.clear()
    link.lane.clear()
    link.process.resume()
    link.lane.send(some[:1], frame(2))
    link.env.run()
    assert link.passed == [(0, [2])]
