"""When all must be well again, and where each client is."""

from math import inf

import pytest

from tests.audits import broken, good
from tests.messages import good_rows, record, without
from tests.strategies import small
from twin.invariants import Case, catch_up, return_within
from twin.record.record import Record, row


def test_how_long_all_may_take_follows_from_the_scenario():
    kill, hang = {"at": 1.0, "kind": "kill", "node": 1}, {"at": 1.0, "kind": "hang", "node": 1, "duration": 1.0}
    beat = {"heartbeat": {"interval": 1.0, "timeout": 2.0, "close_timeout": 0.5}, "open_timeout": 4.0}
    assert return_within(small(faults=[kill])) == pytest.approx(2 * 0.5 + 1.0)
    assert return_within(small(clients=beat, faults=[hang])) == pytest.approx(3.5 + 2 * 0.8 + 4.0 + 1.0)
    assert return_within(small(balancer={"kind": "nginx"}, faults=[kill])) == pytest.approx(10.0 + 1.0)
    outage = {"at": 1.0, "kind": "outage", "duration": 1.0}
    assert return_within(small(faults=[outage])) == pytest.approx(2 * 0.5 + 1.0)
    assert catch_up(small()) == 2.0
    assert catch_up(small(faults=[kill])) == 7.0


KINDS = [
    ("kill", {"node": 1}, 2.0),  # without a new process it is over at once: the others go on
    ("hang", {"node": 1}, inf),
    ("hang", {"node": 1, "duration": 0.75}, 2.75),
    ("bus_down", {"duration": 0.75}, 2.75),
    ("stall", {"client": 1, "duration": 0.75}, 2.75),
    ("partition", {"node": 1, "duration": 0.75}, 2.75),
    ("delay", {"node": 1, "delay": 0.1, "duration": 0.75}, 2.75),
    ("bus_cut", {"node": 1}, 2.0),
    ("reload", {}, 3.5),
]


@pytest.mark.parametrize(("kind", "fields", "over"), KINDS)
def test_when_a_fault_is_over(kind, fields, over):
    fault = {"at": 2.0, "kind": kind, **fields}
    assert Case(record(good_rows(), faults=[fault], balancer={"hard_stop_after": 1.5})).healed_at == over


def test_a_black_hole_is_over_after_its_duration():
    fault = {"at": 2.0, "kind": "blackhole", "node": 1, "duration": 0.75}
    silent = small(faults=[fault]).model_dump(exclude_none=True)
    assert Case(Record.of([], {"world": "sim", "scenario": silent})).healed_at == 2.75


@pytest.mark.parametrize(("kind", "fields"), [("restart", {}), ("drain", {"lead": 0.1}), ("kill", {"duration": 0.5})])
def test_a_fault_after_which_a_process_follows_is_over_when_its_node_is_back(kind, fields):
    faults = [{"at": 2.0, "kind": kind, "node": 2, **fields}]

    def healed_at(*healed):
        return Case(record([*good_rows(), *healed], faults=faults)).healed_at

    others = [row(1.9, "healed", node=2, detail=kind), row(3.0, "healed", node=1, detail=kind)]
    assert healed_at(*others, row(3.1, "healed", node=2, detail="hang")) == inf
    assert healed_at(*others, row(4.0, "healed", node=2, detail=kind), row(5.0, "healed", node=2, detail=kind)) == 4.0


def test_a_fault_that_is_over_at_the_very_end_is_over_and_one_behind_it_is_not():
    def healed_at(duration):
        fault = {"at": 2.0, "kind": "hang", "node": 1, "duration": duration}
        return Case(record(good_rows(), faults=[fault])).healed_at

    assert healed_at(4.0) == 6.0
    assert healed_at(4.001) == inf
    assert Case(good()).healed_at == -inf


def test_the_last_fault_to_end_counts_not_the_last_to_begin():
    faults = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 4.0}, {"at": 2.0, "kind": "bus_cut", "node": 2}]
    assert Case(record(good_rows(), faults=faults)).healed_at == 5.0


def test_all_must_be_well_by_the_end_of_the_record_or_nothing_is_said():
    cut = {"at": 2.0, "kind": "bus_cut", "node": 2}
    assert Case(record(good_rows(), faults=[cut]), within=4.0).quiet_from == 6.0
    assert Case(record(good_rows(), faults=[cut]), within=4.001).quiet_from == inf
    assert Case(record(good_rows(), faults=[cut]), within=0.0).quiet_from == 2.0


def test_where_each_client_is_at_the_end_and_since_when():
    rows = [
        *good_rows(),
        row(4.0, "disconnected", 1, 2),
        row(4.5, "disconnected", 2, 1),
        row(5.0, "connected", 2, 3, 2),
    ]
    when, home = Case(record(rows)).last_contact
    assert when.tolist() == pytest.approx([-0.4, -0.3, 5.0, -0.1])
    assert home.tolist() == [1, -1, 3, 3]
    assert Case(record([row(1.0, "connected", 4, 1)])).last_contact[1].tolist() == [-1] * 4


def test_who_gave_up():
    rows = [*good_rows(), *(row(5.0, "gave_up", client) for client in (0, 3, 4, -1))]
    assert Case(record(rows)).gave_up.tolist() == [True, False, False, True]


BEAT = {"heartbeat": {"interval": 1.0, "timeout": 2.0, "close_timeout": 0.5}, "open_timeout": 4.0}
WAIT = 1.0
"""Seconds of the longest wait between two attempts in `small`."""
CHECKED = 2 * 0.5
"""Seconds in which its HAProxy finds out: two checks in a row, 0.5 s apart."""
FIND_OUT = 2 * (0.5 + 0.3)
"""The same when nobody answers and each check takes its timeout."""


@pytest.mark.parametrize(
    ("fault", "changes", "within"),
    [
        ({"kind": "bus_cut", "node": 1}, {"bus": {"kind": "stream"}, "publisher": {"rate": 1.0}}, WAIT),
        ({"kind": "restart", "node": 1}, {}, CHECKED + WAIT),
        ({"kind": "drain", "node": 1}, {}, CHECKED + WAIT),
        ({"kind": "kill", "node": 1}, {"balancer": {"retries": 3}}, CHECKED + 3.0 + WAIT),
        ({"kind": "kill", "node": 1}, {"balancer": {"check": {"rise": 5}}}, 5 * 0.5 + WAIT),
        ({"kind": "kill", "node": 1}, {"nodes": {"backlog": 29}}, CHECKED + 10.0 + WAIT),
        ({"kind": "kill", "node": 1}, {"nodes": {"backlog": 30}}, CHECKED + WAIT),
        ({"kind": "hang", "node": 1}, {"clients": {"heartbeat": {"interval": 0.0}}}, FIND_OUT + 10.0 + WAIT),
        ({"kind": "blackhole", "node": 1}, {"clients": BEAT}, 3.5 + FIND_OUT + 4.0 + WAIT),
        ({"kind": "hang", "node": 1}, {"clients": BEAT, "balancer": {"kind": "nginx"}}, 3.5 + 10.0 + 4.0 + WAIT),
        ({"kind": "kill", "node": 1}, {"registry": {"ttl": 3.0, "heartbeat": 1.0, "sync": 0.5}}, 3.5 + WAIT),
        (
            {"kind": "kill", "node": 1},
            {"registry": {"ttl": 3.0, "heartbeat": 1.0, "sync": 0.5}, "balancer": {"retries": 2}},
            3.5 + 2.0 + WAIT,
        ),
        ({"kind": "kill", "node": 1}, {"sessions": {"store": "memory"}}, CHECKED + 10.0 + WAIT),
    ],
)
def test_each_part_of_the_time_to_return_has_its_fault_and_its_setting(fault, changes, within):
    lasts = {"duration": 1.0} if fault["kind"] in ("hang", "blackhole") else {}
    scenario = small(**changes, faults=[{"at": 1.0, **fault, **lasts}])
    assert return_within(scenario) == pytest.approx(within)


def test_with_sessions_in_a_store_its_loss_adds_the_time_to_connect_again():
    down = {"at": 1.0, "kind": "bus_down", "duration": 1.0}
    scenario = small(sessions={"store": "redis"}, bus={"kind": "valkey", "retry": {"cap": 2.5}}, faults=[down])
    assert return_within(scenario) == pytest.approx(10.0 + 1.0 + 2.5 + WAIT)


def test_a_message_has_as_long_to_reach_a_client_as_the_bus_may_take():
    grace = catch_up(record(good_rows()).scenario)
    rows = without(good_rows(), "delivered", client=1, version=3)
    assert "reached" in broken(rows, duration=3.0 + grace)
    assert "reached" not in broken(rows, duration=3.0 + grace - 0.001)


@pytest.mark.parametrize("kind", [{"kind": "restart"}, {"kind": "drain"}, {"kind": "kill", "duration": 3.0}])
def test_a_node_that_an_outage_caught_in_its_restart_is_back_with_everything_else(kind):
    """The outage ends what the node was told; so nothing heals that fault but the end of the outage."""
    faults = [{"at": 1.0, "node": 2, **kind}, {"at": 1.2, "kind": "outage", "duration": 1.0}]

    scenario = small(clients={"count": 4}, duration=6.0, faults=faults).model_dump(exclude_none=True)

    def healed_at(*healed):
        return Case(Record.of(healed, {"world": "sim", "scenario": scenario})).healed_at

    assert healed_at() == inf
    assert healed_at(row(0.5, "healed", detail="outage")) == inf  # that was another one
    assert healed_at(row(3.5, "healed", detail="outage")) == 3.5


def logins(*extra):
    """Client 0 loses its node at 2 s, its session is unknown, and it logs in by 2.5 s."""
    refused = [row(2.0, "disconnected", 0, 1, detail="1006"), row(2.1, "attempt_connect", 0, attempt=2)]
    refused += [row(2.2, "connect_failed", 0, attempt=2, detail="401"), row(2.2, "session_lost", 0, 2, detail="0-1 x")]
    back = [row(2.2, "attempt_connect", 0, attempt=3), row(2.5, "connected", 0, 2, attempt=3)]
    back += [row(2.5, "session_started", 0, 2, version=1, detail="0-2")]
    return Case(record([*good_rows(), *refused, *back, *extra], sessions={"store": "memory"}))


def test_logins_are_over_with_the_last_one_unless_nodes_stay_busy():
    assert Case(record(good_rows())).logins_over == -inf
    assert logins().logins_over == 2.5
    away = row(3.0, "disconnected", 1, 2, detail="1006")
    dials = row(3.1, "attempt_connect", 1, attempt=2)
    assert logins(away, dials).logins_over == inf
    given_up = row(4.0, "connect_failed", 1, attempt=2, detail="timeout")
    assert logins(away, dials, given_up).logins_over == inf
    refused = row(4.0, "connect_failed", 1, attempt=2, detail="503")
    assert logins(away, dials, refused).logins_over == 2.5


def test_a_node_is_up_that_has_not_ended_or_was_started_again():
    ended = [row(3.0 + 0.1 * node, "node_stopped", node=node) for node in (1, 2, 3)]
    assert Case(record([*good_rows(), *ended[:2]])).some_node_is_up
    assert not Case(record([*good_rows(), *ended])).some_node_is_up
    assert Case(record([*good_rows(), *ended, row(4.0, "node_started", node=5)])).some_node_is_up
    assert Case(record([*good_rows(), *ended[:2], row(4.0, "drained", node=3)])).stopped == {1, 2, 3}
