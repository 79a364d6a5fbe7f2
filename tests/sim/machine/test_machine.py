"""The speed of the cores in a replication."""

import pytest

from sim.machine.machine import MOST_CONTENTION_STEPS, WORDS, Machine
from tests.costs import PAYLOAD_MICROSECONDS
from tests.strategies import DISK_WAIT, DISK_WAIT_AGAIN, disk_profile, small, small_profile
from twin.costs.broadcast import payload_part
from twin.costs.profile import LEVELS_OF_PACE

LOOKS = [[[1e-3, 2e-3] * 5, [3e-3, 4e-3] * 5], [[5e-3, 6e-3] * 5, [7e-3, 8e-3] * 5]]


def series_of(machine, core):
    return list(machine.pace(core).series)


@pytest.mark.parametrize("replication", range(10))
def test_the_cores_of_a_machine_go_through_one_look_each_by_its_own_series(replication):
    host = small_profile(speed=LOOKS)
    machine = Machine(small(), host, replication)
    assert [series_of(machine, core) for core in (0, 1)] in host.paces
    assert machine.pace(0).start == machine.pace(1).start


@pytest.mark.parametrize(
    ("bus", "known", "waits"),
    [
        ({"kind": "stream", "persist": True}, True, (DISK_WAIT, DISK_WAIT_AGAIN)),
        ({"kind": "valkey", "persist": True}, True, (DISK_WAIT, DISK_WAIT_AGAIN)),
        ({"kind": "stream", "persist": False}, True, None),
        ({"kind": "kafka", "persist": True}, True, None),
        ({"kind": "pubsub", "persist": True}, False, None),
    ],
)
def test_a_bus_waits_for_its_disk_only_if_it_persists_and_the_disk_is_known(bus, known, waits):
    profile = disk_profile() if known else small_profile()
    assert Machine(small(bus=bus), profile, 0).disk == waits


def test_every_look_is_gone_through_as_often_as_any_other():
    host = small_profile(speed=LOOKS)
    first = [series_of(Machine(small(), host, replication), 0) for replication in range(200)]
    assert [first.count(look[0]) for look in host.paces] == [100, 100]


@pytest.mark.parametrize(
    ("host", "crowding", "contention_steps"),
    [
        ({}, [1.3], 1),
        ({}, [], 0),
        ({"cores": 1}, [1.3], 0),
        ({"cores": 3}, [1.3], 2),
        ({"cores": 64}, [1.3], MOST_CONTENTION_STEPS),
        ({"placement": "separate"}, [1.3], 0),
    ],
)
def test_the_cores_of_one_machine_slow_each_other_down_and_those_of_many_do_not(host, crowding, contention_steps):
    machine = Machine(small(host=host), small_profile(crowding=crowding), 0)
    assert machine.contention_steps == contention_steps
    assert len(machine.cost("node_leave").curves) == LEVELS_OF_PACE * (contention_steps + 1)


def test_further_cores_and_machines_of_their_own_go_through_looks_of_their_own():
    host = small_profile(speed=LOOKS)
    many = [Machine(small(host={"cores": 4}), host, i) for i in range(40)]
    assert {machine.pace(0).start == machine.pace(2).start for machine in many} == {False}
    assert all(machine.pace(2).start == machine.pace(3).start for machine in many)
    apart = [Machine(small(host={"placement": "separate"}), host, i) for i in range(40)]
    assert {machine.pace(0).start == machine.pace(1).start for machine in apart} == {False}


def test_a_message_costs_what_its_payload_does_and_else_what_a_small_one_does():
    bus = {"bus": {"kind": "stream"}}
    large, tiny = (Machine(small(**bus, publisher={"payload_bytes": n}), small_profile(), 0) for n in (524_288, 0))
    for name in ("bus_publish", "balancer_delivery", "balancer_delivery_more", "client_delivery", "node_receive"):
        more = PAYLOAD_MICROSECONDS[payload_part(name)][-1] / 1e6
        assert large.cost(name).curves[0](16) == pytest.approx(tiny.cost(name).curves[0](16) + more)
        assert Machine(small(), small_profile(), 0).cost(name).curves == tiny.cost(name).curves
    for word, part in WORDS.items():
        assert large.cost(word).curves == tiny.cost(part).curves
        assert large.cost(word).first_part == tiny.cost(part).first_part
