"""The model of a NATS server: what it delivers to whom, by times computed by hand."""

from types import SimpleNamespace

import pytest
import simpy

from sim.broadcast.link import Link
from sim.jetstream.server import JetStream
from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from twin.rules.jetstream import ACK_WAIT_DELAY
from twin.scenario.broadcast import Bus as Settings

STAMP, PUSH, COMMAND, READ, ACK = 0.004, 0.001, 0.002, 0.003, 0.0005
START = 0.05
PRICES = {"bus_stamp": STAMP, "bus_publish": PUSH, "bus_word": PUSH, "bus_command": COMMAND, "bus_read": READ}
PRICES |= {"bus_ack": ACK}


class Place:
    """A server on a core of its own, and what the test's nodes hear from it."""

    def __init__(self, persist=True, **stream):
        self.env = simpy.Environment()
        settings = Settings(kind="jetstream", persist=persist, commit_interval=0.25, jetstream=stream)
        scenario = SimpleNamespace(bus=settings, nodes=SimpleNamespace(count=3))
        world = SimpleNamespace(env=self.env, scenario=scenario, draw=lambda entity, purpose, n: 0.5)
        price = {name: Cost.constant(seconds) for name, seconds in PRICES.items()}
        self.bus = JetStream(world, Process(Cores(self.env, 1, 1.0)), price.__getitem__, START, 1e6)
        self.links = {number: Link(self.env, number) for number in range(4)}
        self.heard = {number: [] for number in range(4)}
        self.acknowledges = {1, 2, 3}

    def subscribe(self, number, new=False):
        if new:
            self.bus.begins(number)

        def take(message):
            self.heard[number].append((self.env.now, message.version))
            if number in self.acknowledges:
                for command in self.bus.acknowledgement(number, message.epoch, message.version):
                    self.bus.serve(self.links[number], command)

        return self.bus.subscribe(self.links[number], take, lambda why: None)

    def publish(self, key):
        return self.bus.serve(self.links[0], (self.bus.costs.stamp, lambda: self.bus.stamp(key, b"")))

    def versions(self, number):
        return [version for _, version in self.heard[number]]

    def at(self, t):
        self.env.run(until=t)


def test_each_node_gets_each_message_and_acknowledges_it():
    place = Place(ack_wait=0.5)
    place.subscribe(1)
    place.subscribe(2)
    place.publish(1)
    place.at(0.4)
    assert [place.heard[number][0][0] for number in (1, 2)] == pytest.approx([STAMP + PUSH, STAMP + 2 * PUSH])
    assert place.bus.consumers[1].pending == {}
    place.at(3.0)
    assert place.versions(1) == place.versions(2) == [1]


def test_a_message_that_a_node_does_not_acknowledge_comes_again_after_ack_wait():
    place = Place(ack_wait=0.5)
    place.acknowledges = set()
    place.subscribe(1)
    place.publish(1)
    place.at(1.2)
    first = STAMP + PUSH
    again = STAMP + 0.5 + ACK_WAIT_DELAY + PUSH
    assert [t for t, _ in place.heard[1]] == pytest.approx([first, again, again + 0.5 + ACK_WAIT_DELAY])


def test_a_node_that_was_away_goes_on_where_it_was_and_a_new_one_begins_at_the_end():
    place = Place()
    place.subscribe(1)
    place.publish(1)
    place.at(1.0)
    place.bus.leave(1)
    place.publish(2)
    place.at(2.0)
    place.subscribe(1, new=True)
    place.subscribe(2, new=True)
    place.publish(3)
    place.at(3.0)
    assert place.versions(1) == [1, 2, 3]
    assert place.versions(2) == [3]


def test_what_was_sent_to_a_node_that_died_comes_again_to_its_next_process():
    place = Place(ack_wait=0.5)
    place.acknowledges = set()
    place.subscribe(1)
    place.publish(1)
    place.at(0.1)
    place.bus.leave(1)
    place.subscribe(1, new=True)
    place.publish(2)
    place.at(0.4)
    assert place.versions(1) == [1, 2]
    place.at(0.7)
    assert place.versions(1) == [1, 2, 1, 2]


def test_at_most_once_loses_what_a_process_had_not_read():
    place = Place(ack_policy="none", ack_wait=0.2)
    place.subscribe(1)
    place.links[1].cuts = 1
    place.publish(1)
    place.at(0.1)
    place.bus.leave(1)
    place.links[1].held.clear()
    place.links[1].cuts = 0
    place.subscribe(1, new=True)
    place.publish(2)
    place.at(3.0)
    assert place.versions(1) == [2]


def test_acknowledging_all_leaves_as_duplicates_what_came_since():
    place = Place(ack_policy="all", ack_wait=2.0)
    place.subscribe(1)
    for key in range(1, 13):
        place.publish(key)
        place.at(key / 10)
    place.bus.leave(1)
    place.subscribe(1, new=True)
    place.at(3.5)
    assert place.versions(1)[:12] == list(range(1, 13))
    assert place.versions(1)[12:] == [11, 12]  # 10 messages/s, and 0.2 s since that of the tenth was acknowledged


def test_a_server_that_is_killed_goes_on_with_its_stream_and_its_consumers():
    place = Place()
    place.subscribe(1)
    place.publish(1)
    place.at(1.0)
    place.bus.kill()
    place.env.process(place.bus.start())
    place.at(1.0 + START + 0.001)
    place.subscribe(1)
    place.publish(1)  # the number is known
    place.publish(2)
    place.at(2.0)
    assert place.versions(1) == [1, 2]
    assert (place.bus.broker.epoch, place.bus.broker.version) == (1, 2)


def test_without_its_data_it_begins_anew_and_old_nodes_read_all_of_that():
    place = Place(persist=False)
    place.subscribe(1)
    place.publish(1)
    place.at(1.0)
    place.bus.kill()
    place.env.process(place.bus.start())
    place.at(1.5)
    place.publish(2)
    place.at(1.6)
    place.subscribe(1)
    place.at(2.0)
    assert place.versions(1) == [1, 1]
    assert place.bus.broker.epoch == 2


def test_a_killed_server_delivers_once_more_what_its_file_did_not_have():
    place = Place()
    place.subscribe(1)
    place.publish(1)
    place.at(0.02)
    place.publish(2)
    place.at(0.04)
    place.bus.kill()
    place.env.process(place.bus.start())
    place.at(0.04 + START + 0.001)
    place.subscribe(1)
    place.at(1.0)
    assert place.versions(1) == [1, 2, 2]
