import pytest
import simpy

from sim.broadcast.disk import Disk
from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from twin.costs.curve import COLD_AFTER

WORK, SYNC, RESTED, AT_ONCE = 0.001, 0.0005, 0.02, 0.004


class Place:
    """A server with a disk, another process on its core, and when which of them was done with what."""

    def __init__(self):
        self.env = simpy.Environment()
        cores = Cores(self.env, 1, 1.0)
        self.process, self.other = Process(cores), Process(cores)
        self.disk = Disk(self.env, self.process, Cost.constant(SYNC), (RESTED, AT_ONCE))
        self.times = {}

    def note(self, name):
        return lambda *_: self.times.__setitem__(name, self.env.now)

    def write(self, name):
        """Do a command that writes, and let its answer go out."""

        def written(_):
            self.disk.wrote()
            self.disk.out(self.note(name))

        self.process.work(Cost.constant(WORK), written)


def test_what_writes_nothing_goes_out_at_once():
    place = Place()
    place.disk.out(place.note("answer"))
    assert place.times == {"answer": 0.0}


def test_an_answer_and_all_that_is_ready_wait_until_the_log_is_written():
    place = Place()
    place.write("first")
    place.process.work(Cost.constant(WORK), lambda _: place.disk.out(place.note("asked")))
    place.write("second")
    place.env.run()
    assert place.times == dict.fromkeys(("first", "asked", "second"), pytest.approx(3 * WORK + SYNC + RESTED))


def test_what_comes_during_the_wait_for_the_disk_is_done_behind_what_waits():
    place = Place()
    place.write("first")
    place.env.run(until=WORK + SYNC + RESTED / 2)
    place.process.work(Cost.constant(WORK), lambda _: place.disk.out(place.note("asked")))
    place.env.run()
    done = WORK + SYNC + RESTED
    assert place.times == {"first": pytest.approx(done), "asked": pytest.approx(done + WORK)}


def test_others_have_the_core_meanwhile():
    place = Place()
    place.process.lag = 1.0  # it has had less than its share, and keeps the core as long as it works
    place.write("first")
    place.env.run(until=WORK / 2)
    place.other.work(Cost.constant(RESTED / 2), place.note("other"))
    place.env.run()
    assert place.times["other"] == pytest.approx(WORK + SYNC + RESTED / 2)
    assert place.times["first"] == pytest.approx(WORK + SYNC + RESTED)


def test_a_server_that_lost_its_core_to_others_sends_when_it_has_it_back():
    place = Place()
    place.write("first")
    place.env.run(until=WORK + SYNC + RESTED / 2)
    place.other.work(Cost.constant(RESTED), place.note("other"))
    place.env.run()
    assert place.times["first"] == place.times["other"] == pytest.approx(WORK + SYNC + 1.5 * RESTED)


def test_a_disk_that_has_just_written_is_quicker_the_less_it_has_rested():
    place = Place()
    place.write("first")
    place.write("same")
    place.env.run(until=2 * WORK + SYNC + RESTED - 1e-9)
    place.write("next")
    place.env.run()
    pause = WORK + SYNC
    wait = AT_ONCE + (RESTED - AT_ONCE) * pause / COLD_AFTER
    assert place.times["next"] - place.times["first"] == pytest.approx(WORK + SYNC + wait)


@pytest.mark.parametrize("when", [WORK + SYNC / 2, WORK + SYNC + RESTED / 2])
def test_a_server_that_dies_sends_nothing_of_what_waits_and_a_new_one_works(when):
    place = Place()
    place.write("first")
    place.env.run(until=when)
    place.process.clear()
    place.disk.lose()
    place.env.run(until=when + RESTED / 4)
    place.write("new")
    place.env.run()
    assert place.times == {"new": pytest.approx(when + RESTED / 4 + WORK + SYNC + RESTED, abs=SYNC)}
