from types import SimpleNamespace

import pytest
import simpy

from sim.broadcast.bus import Bus, outcome
from sim.broadcast.link import Link
from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from twin.rules.consistency import retry_delay
from twin.rules.delivery import Cursor
from twin.rules.frames import pushed_message
from twin.scenario.broadcast import Bus as Settings

STAMP, PUSH, COMMAND, READ = 0.004, 0.001, 0.002, 0.003
START, ROOM = 0.05, 1000
SYNC, DISK = 0.0005, (0.01, 0.002)
PRICES = {
    "bus_sync": SYNC,
    "bus_stamp": STAMP,
    "bus_publish": PUSH,
    "bus_word": PUSH,
    "bus_command": COMMAND,
    "bus_read": READ,
}


class Place:
    """A bus on a core of its own, and what the test's nodes hear from it."""

    def __init__(self, u=0.5, disk=None, **settings):
        self.env = simpy.Environment()
        self.drawn = []

        def draw(entity, purpose, n):
            self.drawn.append((entity, n))
            return u

        sessions = SimpleNamespace(store="none")
        scenario = SimpleNamespace(bus=Settings(**settings), nodes=SimpleNamespace(count=3), sessions=sessions)
        world = SimpleNamespace(env=self.env, scenario=scenario, draw=draw)
        price = {name: Cost.constant(seconds) for name, seconds in PRICES.items()}
        self.bus = Bus(world, Process(Cores(self.env, 1, 1.0)), price.__getitem__, START, ROOM, disk)
        self.owner = Process(Cores(self.env, 1, 1.0))
        self.heard = {}
        self.lost = {}

    def link(self, number):
        return Link(self.env, number)

    def subscribe(self, number, link=None):
        link = link or self.link(number)
        heard, lost = self.heard.setdefault(number, []), self.lost.setdefault(number, [])
        return self.bus.subscribe(
            link, lambda one: heard.append((self.env.now, one)), lambda why: lost.append((self.env.now, why))
        )

    def publish(self, key, payload=b""):
        """Stamp a message with a command of the publisher."""
        return self.bus.serve(self.link(0), (self.bus.costs.stamp, lambda: self.bus.stamp(key, payload)))

    def versions(self, number):
        return [one.version for _, one in self.heard[number]]

    def at(self, t):
        self.env.run(until=t)


def test_pubsub_pushes_to_who_is_subscribed_at_that_moment_and_to_nobody_later():
    place = Place(kind="pubsub")
    place.subscribe(0)
    place.subscribe(1)
    place.publish(1)
    place.at(1.0)
    place.subscribe(2)
    place.publish(2)
    place.at(2.0)
    assert place.versions(1) == [1, 2]
    assert place.versions(2) == [2]
    assert place.heard[0] == []


def test_what_is_published_while_a_subscriber_is_away_is_lost_to_it_for_good():
    place = Place(kind="pubsub")
    place.subscribe(1)
    for key, away in enumerate((False, True, True, False), 1):
        if away:
            place.bus.leave(1, "closed")
        elif 1 not in place.bus.subscriptions:
            place.subscribe(1)
        place.publish(key)
        place.at(key)
    assert place.versions(1) == [1, 4]
    assert place.lost[1] == [(1.0, "closed")]
    assert place.bus.broker.version == 4


def test_each_subscriber_costs_the_broker_one_more_push():
    place = Place(kind="pubsub")
    for number in (1, 2, 3):
        place.subscribe(number)
    place.publish(1)
    place.at(1.0)
    assert [place.heard[number][0][0] for number in (1, 2, 3)] == pytest.approx([STAMP + k * PUSH for k in (1, 2, 3)])


def test_a_message_pushed_to_a_subscription_that_is_over_goes_nowhere():
    place = Place(kind="pubsub")
    place.subscribe(1)
    place.publish(1)
    place.at(STAMP + PUSH / 2)
    place.bus.leave(1)
    place.subscribe(1)
    place.at(1.0)
    assert place.heard[1] == []
    assert place.lost[1] == []


def test_a_key_that_is_known_gets_its_old_stamp_and_is_not_published_again():
    place = Place(kind="pubsub", idempotency_window=5.0)
    place.subscribe(1)
    stamps = []
    for t, key in ((1.0, 7), (2.0, 8), (6.0, 7), (7.0, 7)):
        reply = place.publish(key)
        place.at(t)
        stamps.append(outcome(reply)[1][0])
    assert [one.message.version for one in stamps] == [1, 2, 1, 3]
    assert [one.fresh for one in stamps] == [True, True, False, True]
    assert place.versions(1) == [1, 2, 3]


def test_a_reader_with_a_cursor_gets_all_that_follows_it_or_waits():
    place = Place(kind="stream")
    for key in (1, 2, 3):
        place.publish(key)
    place.at(1.0)
    reply = place.bus.fetch(place.link(1), Cursor(1, 1))
    place.at(2.0)
    ok, (messages, behind) = outcome(reply)
    assert ok
    assert [one.version for one in messages] == [2, 3]
    assert (behind.epoch, behind.version) == (1, 3)
    waiting = place.bus.fetch(place.link(1), behind)
    place.at(3.0)
    assert not waiting.triggered
    place.publish(4)
    place.at(3.0 + STAMP + PUSH / 2)
    assert not waiting.triggered
    place.at(4.0)
    assert [one.version for one in outcome(waiting)[1][0]] == [4]


def test_a_waiting_reader_wakes_once_and_gets_what_was_stamped_by_then():
    place = Place(kind="stream")
    reply = place.bus.fetch(place.link(1), Cursor(1, 0))
    place.at(1.0)
    for key in (1, 2):  # both are taken in before the reader is looked after
        place.publish(key)
    place.at(2.0)
    assert [one.version for one in outcome(reply)[1][0]] == [1, 2]
    assert place.bus.blocked == {}


def test_the_cursor_of_the_one_who_asks_does_not_move_until_it_takes_the_answer():
    place = Place(kind="stream")
    place.publish(1)
    cursor = Cursor(1, 0)
    place.bus.fetch(place.link(1), cursor)
    place.at(1.0)
    assert cursor.version == 0


@pytest.mark.parametrize("kind", ["pubsub", "stream", "kafka"])
def test_a_resend_is_pushed_to_every_node_whatever_the_bus_and_is_not_stamped(kind):
    place = Place(kind=kind)
    for number in (0, 1, 2):
        place.subscribe(number)
    reply = place.publish(1)
    place.at(1.0)
    for heard in place.heard.values():
        heard.clear()
    waiting = place.bus.fetch(place.link(1), Cursor(1, 1))
    place.at(2.0)
    place.bus.distribute(outcome(reply)[1][0].message, again=True)
    place.at(3.0)
    assert (place.versions(1), place.versions(2), place.heard[0]) == ([1], [1], [])
    assert not waiting.triggered
    assert (place.bus.broker.version, len(place.bus.broker.log)) == (1, 1)


def test_a_dead_bus_breaks_every_connection_and_does_nothing_that_is_under_way():
    place = Place(kind="pubsub")
    place.subscribe(1)
    done = []
    first = place.publish(1)
    second = place.bus.serve(place.link(2), (place.bus.costs.command, lambda: done.append(2)))
    reader = place.bus.fetch(place.link(3), Cursor(1, 9))
    place.at(STAMP / 2)
    place.bus.kill()
    place.env.process(place.bus.start())
    place.at(2.0)
    assert [outcome(reply) for reply in (first, second, reader)] == [(False, [])] * 3
    assert done == []
    assert place.bus.broker.version == 0
    assert place.lost[1] == [(STAMP / 2, "closed")]
    place.publish(2)
    place.at(3.0)
    assert place.heard[1] == []  # nobody is subscribed any more


def test_a_reader_that_waits_hears_of_the_end_of_the_bus():
    place = Place(kind="stream")
    waiting = place.bus.fetch(place.link(1), Cursor(1, 0))
    place.at(1.0)
    place.bus.kill()
    assert outcome(waiting) == (False, [])
    assert waiting.triggered
    place.env.process(place.bus.start())
    place.at(2.0)
    place.publish(1)
    place.at(3.0)
    assert outcome(waiting) == (False, [])


@pytest.mark.parametrize(("kind", "push"), [("pubsub", PUSH), ("stream", PUSH)])
def test_neither_the_answer_nor_what_goes_to_the_nodes_leaves_before_it_is_on_disk(kind, push):
    place = Place(disk=DISK, kind=kind, persist=True)
    place.subscribe(1)
    reader = place.bus.fetch(place.link(1), Cursor(1, 0))
    place.at(1.0)
    reply = place.publish(1)
    done = 1.0 + STAMP + SYNC + DISK[0]
    place.at(done - 1e-6)
    assert (outcome(reply), place.heard[1], outcome(reader)) == ((False, []), [], (False, []))
    place.at(done + 1e-6)
    assert outcome(reply)[0]
    place.at(done + push - 1e-6)
    assert (place.heard[1], outcome(reader)) == ([], (False, []))
    place.at(done + push + 1e-6)
    assert outcome(reader)[0] if kind == "stream" else place.versions(1) == [1]


def test_what_writes_nothing_does_not_wait_for_the_disk():
    place = Place(disk=DISK, kind="pubsub", persist=True)
    place.publish(1)
    place.at(1.0)
    known = place.publish(1)
    place.at(1.0 + STAMP + 1e-6)
    assert outcome(known)[1][0].fresh is False
    word = place.bus.serve(place.link(1), (place.bus.costs.command, lambda: "heard"))
    place.at(1.0 + STAMP + COMMAND + 2e-6)
    assert outcome(word) == (True, ["heard"])


def test_a_message_whose_bus_dies_before_the_answer_is_logged_but_sent_to_nobody():
    place = Place(disk=DISK, kind="pubsub", persist=True)
    place.subscribe(1)
    reply = place.publish(1)
    place.at(STAMP + SYNC + DISK[0] / 2)
    place.bus.kill()
    place.env.process(place.bus.start())
    place.at(1.0)
    assert (outcome(reply), place.heard[1]) == ((False, []), [])
    again = place.publish(1)
    place.at(2.0)
    stamp = outcome(again)[1][0]
    assert (stamp.fresh, stamp.message.version) == (False, 1)


@pytest.mark.parametrize("persist", [True, False])
def test_a_bus_answers_again_after_its_start_with_its_data_or_in_the_next_epoch(persist):
    place = Place(kind="stream", persist=persist)
    place.publish(1)
    place.at(1.0)
    place.bus.kill()
    place.env.process(place.bus.start())
    place.at(1.0 + START - 1e-6)
    refused = place.publish(2)
    place.at(1.0 + START + 1e-6)
    assert outcome(refused) == (False, [])
    reply = place.publish(3)
    place.at(2.0)
    message = outcome(reply)[1][0].message
    assert (message.epoch, message.version) == ((1, 2) if persist else (2, 1))
    reader = place.bus.fetch(place.link(1), Cursor(1, 1))
    place.at(3.0)
    assert [(one.epoch, one.version) for one in outcome(reader)[1][0]] == [(message.epoch, message.version)]


def test_a_bus_that_is_up_is_not_started_twice():
    place = Place(kind="stream", persist=False)
    place.bus.kill()
    for _ in range(2):
        place.env.process(place.bus.start())
    place.at(1.0)
    assert place.bus.broker.epoch == 2


def ask(place, link, commands, tries):
    found = []

    def process():
        found.append((yield from place.bus.command(link, commands, place.owner, tries)))
        found.append(place.env.now)

    place.env.process(process())
    return found


def test_a_refused_command_is_retried_after_the_waits_of_the_rule_and_given_up():
    place = Place(retry={"base": 0.1, "cap": 0.3, "retries": 3})
    place.bus.kill()
    tries = [0]
    found = ask(place, place.link(5), [(place.bus.costs.command, lambda: "never")], tries)
    place.env.run()
    assert tries == [4]
    waits = [retry_delay(n, 0.1, 0.3, 0.5) for n in (1, 2, 3)]
    assert found == [None, pytest.approx(sum(waits), abs=0.0021 * len(waits))]
    assert sum(waits) == pytest.approx(0.1 + 0.2 + 0.3)
    assert place.drawn == [(5, 0), (5, 1), (5, 2)]


def test_all_sent_in_one_go_is_repeated_when_the_bus_dies_before_the_last_answer():
    place = Place(retry={"base": 0.1, "cap": 0.3, "retries": 3}, persist=True)
    done = []
    commands = [(place.bus.costs.command, lambda k=k: done.append(k) or k) for k in (1, 2)]
    tries = [0]
    found = ask(place, place.link(1), commands, tries)
    place.at(1.5 * COMMAND)  # the first is done, the second is not
    assert done == [1]
    place.bus.kill()
    place.env.process(place.bus.start())
    place.env.run()
    assert done == [1, 1, 2]
    assert found[0] == [1, 2]
    assert tries == [2]


def test_a_command_without_an_answer_in_time_is_repeated_though_perhaps_done():
    place = Place(retry={"base": 0.01, "cap": 0.01, "retries": 10, "timeout": 0.5})
    link, done, tries = place.link(1), [], [0]
    link.delay = 0.3  # there and back takes longer than the timeout
    found = ask(place, link, [(place.bus.costs.command, lambda: done.append(place.env.now))], tries)
    place.at(0.45)
    link.delay = 0.0
    place.env.run()
    assert (len(done), tries) == (2, [2])
    assert len(found) == 2


def test_a_command_waits_on_a_link_that_is_cut_and_is_not_refused():
    place = Place(retry={"timeout": 5.0})
    link = place.link(1)
    link.cuts = 1
    reply = place.bus.serve(link, (place.bus.costs.command, lambda: 7))
    place.at(1.0)
    assert not reply.triggered
    link.restore()
    place.at(2.0)
    assert outcome(reply) == (True, [7])


def test_pushes_count_against_the_output_buffer_until_they_are_read():
    place = Place(kind="pubsub", output_buffer={"hard_bytes": 500, "soft_bytes": 0})
    one = place.subscribe(1)
    size = pushed_message(2000)
    for key in range(1, 10):
        place.publish(key, bytes(2000))
        place.at(key)
    assert place.versions(1) == [
        1
    ]  # the connection and the server's own buffer for it hold one, and no block may begin
    assert place.lost[1] == [(pytest.approx(1 + STAMP + PUSH), "buffer")]
    assert 1 not in place.bus.subscriptions
    assert one.waiting == size


def test_a_server_that_hangs_answers_when_the_last_of_its_hangs_is_over():
    place = Place(kind="stream")
    place.bus.hang(0.5)
    reply = place.publish(1)
    place.at(0.3)
    place.bus.hang(0.4)
    place.at(0.7 + STAMP - 1e-6)
    assert not reply.triggered
    place.at(0.7 + STAMP + 1e-6)
    assert outcome(reply)[0]


def test_a_server_that_is_killed_while_it_hangs_comes_back_as_ever():
    place = Place(kind="stream", persist=True)
    place.bus.hang(9.0)
    place.bus.kill()
    place.env.process(place.bus.start())
    place.at(START + 0.001)
    reply = place.publish(1)
    place.at(START + 0.1)
    assert outcome(reply)[0]
