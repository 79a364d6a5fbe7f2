"""Frames that come to clients with machines of their own, against times by hand."""

import pytest
import simpy

from sim.connection import Frame
from sim.machine.own_loop import Loops
from sim.machine.process import Alone, Cost
from twin.costs.curve import COLD_AFTER, Curve

ONE, MORE, LONE = 0.001, 0.0002, 0.003


class Peer:
    def __init__(self, number, process):
        self.number = number
        self.process = process


class Tunnel:
    def __init__(self, client):
        self.client = client


class Machines:
    """Some clients, each with a machine of its own, and what they have dealt with."""

    def __init__(self, clients=1, cost=None):
        self.env = simpy.Environment()
        alone = Alone(self.env)
        peers = [Peer(number, alone) for number in range(clients)]
        self.tunnels = [Tunnel(peer) for peer in peers]
        loops = Loops(self.env, peers)
        self.down = loops.lanes(cost or Cost.constant(ONE), Cost.constant(MORE), self.take)
        self.up = loops.lanes(Cost.constant(ONE), Cost.constant(ONE), self.take)
        self.taken = []

    def take(self, taken, began, ended):
        for tunnel, frames in taken:
            self.taken.append((tunnel.client.number, [frame.size for frame in frames], began, ended))

    def send(self, *sizes, client=0, lanes=None):
        (lanes or self.down).pass_on([(self.tunnels[client], [Frame((1, 1), size) for size in sizes])])


def test_clients_do_not_wait_for_each_other():
    machines = Machines(clients=3)
    for client in range(3):
        machines.send(1, client=client)
    machines.env.run()
    assert machines.taken == [(client, [1], 0.0, pytest.approx(ONE)) for client in range(3)]


def test_what_comes_while_a_client_reads_waits_and_is_read_together():
    machines = Machines()
    machines.send(1, 2, 3)
    machines.env.run(until=ONE / 2)
    machines.send(4)
    machines.send(5)
    machines.env.run()
    first, second = ONE + 2 * MORE, ONE + MORE
    assert [(sizes, ended) for _, sizes, _, ended in machines.taken] == [
        ([1, 2, 3], pytest.approx(first)),
        ([4, 5], pytest.approx(first + second)),
    ]


def test_reading_and_sending_take_turns_on_a_client_s_core():
    machines = Machines()
    machines.send(1)
    machines.send(2, lanes=machines.up)
    machines.env.run()
    assert [ended for *_, ended in machines.taken] == pytest.approx([ONE, 2 * ONE])


def test_a_client_that_slept_pays_for_that_as_a_process_does():
    machines = Machines(cost=Cost([Curve([1, 16], [LONE, ONE])]))
    machines.env.run(until=1.0)
    machines.send(1)
    machines.env.run(until=1.0 + LONE + COLD_AFTER / 2)
    machines.send(2)
    machines.env.run()
    half = ONE + (LONE - ONE) / 2
    assert [ended for *_, ended in machines.taken] == pytest.approx([1.0 + LONE, 1.0 + LONE + COLD_AFTER / 2 + half])


def test_the_part_that_is_done_one_after_the_other_comes_after_the_reading():
    machines = Machines(cost=Cost(Cost.constant(ONE).curves, first_part=0.4))
    machines.send(1)
    machines.env.run()
    assert machines.taken == [(0, [1], pytest.approx(0.4 * ONE), pytest.approx(ONE))]
