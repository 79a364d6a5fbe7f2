"""The model of three NATS servers: what a follower has before the publisher is told, and who leads after a death."""

from functools import partial
from types import SimpleNamespace

import pytest
import simpy

from sim.broadcast.bus import outcome
from sim.jetstream.cluster import JetStreamCluster
from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from twin.draws import Purpose
from twin.rules.raft import election_timeout
from twin.scenario.broadcast import Bus as Settings

STAMP, PUSH, COMMAND, READ, ACK, REPLICATE, FOLLOW = 0.004, 0.001, 0.002, 0.003, 0.0005, 0.006, 0.007
START = 0.05
PRICES = {"bus_stamp": STAMP, "bus_publish": PUSH, "bus_word": PUSH, "bus_command": COMMAND, "bus_read": READ}
PRICES |= {"bus_ack": ACK, "bus_replicate": REPLICATE, "bus_follow": FOLLOW}
LEADER, OF_CONSUMERS = 0, {1: 0, 2: 1}
"""Which server leads the stream, and each consumer, as the test draws it."""
WAITS = {0: 0.9, 1: 0.5, 2: 0.2}
"""Random number of each server in every election."""


class Place:
    """Three servers, each on a core of its own, and what the test's nodes hear."""

    def __init__(self):
        self.env = simpy.Environment()
        settings = Settings(kind="jetstream", persist=True, jetstream={"replicas": 3, "ack_wait": 30.0})
        scenario = SimpleNamespace(bus=settings, nodes=SimpleNamespace(count=2))
        world = SimpleNamespace(env=self.env, scenario=scenario, draw=self.draw)
        price = {name: Cost.constant(seconds) for name, seconds in PRICES.items()}
        self.bus = JetStreamCluster(world, Process(Cores(self.env, 8, 1.0)), price.__getitem__, START, 1e6)
        self.links = {number: self.bus.link(number) for number in range(3)}
        self.heard = {number: [] for number in range(3)}
        self.lost = []

    def draw(self, entity, purpose, n):
        if purpose is Purpose.ELECTION:
            return WAITS[entity]
        return (OF_CONSUMERS.get(entity, LEADER) + 0.5) / 3

    def subscribe(self, number):
        def take(message):
            self.heard[number].append((self.env.now, message.version))
            for command in self.bus.acknowledgement(number, message.epoch, message.version):
                self.bus.serve(self.links[number], command)

        return self.bus.subscribe(self.links[number], take, lambda why: self.lost.append((self.env.now, number)))

    def publish(self, key):
        return self.bus.serve(self.links[0], (self.bus.costs.stamp, partial(self.bus.stamp, key, b"")))

    def at(self, t):
        self.env.run(until=t)


def test_nothing_goes_out_before_a_follower_has_the_message():
    place = Place()
    place.subscribe(1)
    reply = place.publish(1)
    place.at(STAMP + REPLICATE + FOLLOW - 1e-6)
    assert not reply.triggered
    place.at(1.0)
    assert outcome(reply)[0]
    assert [t for t, _ in place.heard[1]] == pytest.approx([STAMP + REPLICATE + FOLLOW + PUSH])


def test_nobody_answers_until_the_follower_that_waits_for_less_is_elected():
    place = Place()
    place.subscribe(1)
    place.subscribe(2)
    place.at(1.0)
    place.bus.kill()
    refused = place.publish(1)
    place.at(1.1)
    assert refused.triggered
    assert outcome(refused) == (False, [])
    elected = 1.0 + election_timeout(WAITS[2])
    place.at(elected - 0.001)
    assert place.bus.leader is None
    place.at(elected + 0.001)
    assert place.bus.leader == 2
    assert place.bus.leaders[1] == 2  # that of the consumer whose leader died with it, too
    assert place.bus.leaders[2] == 1
    place.publish(1)
    place.at(elected + 1.0)
    assert [version for _, version in place.heard[1]] == [version for _, version in place.heard[2]] == [1]


def test_what_was_under_way_at_the_leader_is_never_answered():
    place = Place()
    place.bus.homes[0] = 1  # asked over a server that stays
    reply = place.publish(1)
    place.at(STAMP + REPLICATE / 2)
    place.bus.kill()
    place.at(9.0)
    assert not reply.triggered


def test_who_is_connected_to_the_dead_server_goes_to_the_next():
    place = Place()
    place.subscribe(1)
    place.subscribe(2)
    place.bus.homes |= {1: 0, 2: 1}
    place.at(1.0)
    place.bus.kill()
    place.at(1.1)
    assert place.lost == [(1.0, 1)]
    assert place.bus.home(1) == 1


def test_the_death_of_a_follower_stops_nothing():
    place = Place()
    place.subscribe(1)
    place.bus.kill("follower")
    assert place.bus.alive == [True, False, True]
    reply = place.publish(1)
    place.at(1.0)
    assert outcome(reply)[0]
    place.env.process(place.bus.start())
    place.at(2.0)
    assert len(place.bus.replication.followers) == 2


def test_without_its_followers_a_leader_acknowledges_when_it_reaches_one_again():
    place = Place()
    place.bus.homes |= {0: 1, 2: 2}
    place.subscribe(2)
    place.bus.cut_off()
    assert place.bus.alone == LEADER
    reply = place.publish(1)
    place.at(1.0)
    assert not reply.triggered
    place.bus.let_in()
    place.at(1.0 + FOLLOW - 1e-6)
    assert not reply.triggered
    place.at(2.0)
    assert outcome(reply)[0]
    assert place.heard[2] == [(pytest.approx(1.0 + FOLLOW + PUSH), 1)]


def test_who_is_connected_to_a_server_that_is_cut_off_asks_in_vain_until_it_is_back():
    place = Place()
    place.bus.homes[0] = LEADER
    place.bus.cut_off("leader")
    reply = place.publish(1)
    place.at(1.0)
    assert place.bus.broker.version == 0
    place.bus.let_in()
    place.at(2.0)
    assert outcome(reply)[0]


def test_without_a_follower_the_others_go_on_and_its_own_get_it_later():
    place = Place()
    place.bus.homes |= {0: 2, 1: 2, 2: 1}
    place.bus.leaders |= {1: 0, 2: 0}
    place.subscribe(1)
    place.subscribe(2)
    place.bus.cut_off("follower")
    assert place.bus.alone == 1
    reply = place.publish(1)
    place.at(1.0)
    assert outcome(reply)[0]
    assert [version for _, version in place.heard[1]] == [1]
    assert place.heard[2] == []
    place.bus.let_in()
    place.at(1.1)
    assert [(t, version) for t, version in place.heard[2]] == [(1.0, 1)]
    assert len(place.bus.replication.followers) == 2


def test_a_consumer_whose_leader_is_cut_off_neither_delivers_nor_hears():
    place = Place()
    place.bus.homes |= {0: 2, 1: 2}
    place.bus.leaders[1] = 1
    place.subscribe(1)
    place.publish(1)
    place.at(STAMP + REPLICATE + FOLLOW + PUSH + ACK / 2)
    place.bus.cut_off("follower")
    place.publish(2)
    place.at(1.0)
    assert [version for _, version in place.heard[1]] == [1]
    assert list(place.bus.consumers[1].pending) == [1]
    place.bus.let_in()
    assert list(place.bus.consumers[1].pending) == [2]
    place.at(2.0)
    assert [version for _, version in place.heard[1]] == [1, 2]
