"""Each invariant holds in a good record, and is found broken, with its witness, in one that is spoilt."""

import time
from math import inf
from pathlib import Path

import pytest

import sim
from tests.files import files
from tests.messages import HOMES, good_end, good_rows, record, without
from tests.strategies import small
from tests.twin.measures.test_broadcast import big_record
from twin.invariants import INVARIANTS, MOST_SHOWN, Case, audit, catch_up, return_within
from twin.record.record import Record, row

ROOT = Path(__file__).parents[3]


def good(**changes):
    return record([*good_rows(), *good_end()], **changes)


def broken(rows, **changes):
    """Return the names of the invariants that the record breaks."""
    return {name for name, finding in audit(record(rows, **changes)).findings.items() if finding.count}


def the(invariant, rows, **changes):
    """Return the only violation of an invariant."""
    found = audit(record(rows, **changes)).findings[invariant]
    assert found.count == 1
    return found.violations[0]


def events(violation):
    return [(one["event"], one["t"]) for one in violation.witness]


def test_a_good_record_breaks_no_invariant_and_all_of_them_are_checked():
    found = audit(good())
    assert found.verdict == "pass"
    assert {name: finding for name, finding in found.findings.items() if finding.count or finding.skipped} == {}
    assert set(found.findings) == set(INVARIANTS)
    assert found.violations == []


def test_a_delivery_that_nobody_published():
    rows = [*good_rows(), row(4.0, "delivered", 2, 1, version=4, detail="1 9")]
    violation = the("published", rows)
    assert (violation.client, violation.version) == (2, 4)
    assert "client 2 applied message 9 as version 4, which was never published" in violation.text
    assert events(violation) == [("delivered", 4.0)]


def test_a_delivery_before_its_publication():
    rows = [
        *without(good_rows(), "delivered", client=0, version=1),
        row(0.9, "delivered", 0, 1, version=1, detail="1 1"),
    ]
    assert events(the("published", rows)) == [("delivered", 0.9), ("published", 1.0)]


def test_a_delivery_under_another_name_than_the_brokers():
    rows = [
        *without(good_rows(), "delivered", client=0, version=3),
        row(4.0, "delivered", 0, 1, version=3, detail="1 2"),
    ]
    assert "published" in broken(rows)


def test_a_lost_acknowledgement_may_leave_a_message_an_older_name_or_none():
    rows = without(good_rows(), "published", version=3)
    assert "published" not in broken([*rows, row(3.0, "published", attempt=2, detail="0 3 unknown 3")])
    again = row(3.0, "published", attempt=2, version=1, detail="2 3 acknowledged 3")
    assert "published" not in broken([*rows, again])
    assert "published" in broken([*rows, row(3.0, "published", attempt=1, version=1, detail="2 3 acknowledged 3")])


def test_one_name_for_two_messages():
    rows = [*good_rows(), row(4.0, "received", node=2, version=3, detail="1 2")]
    violation = the("one_name", rows)
    assert "version 3 names message 3 and message 2" in violation.text
    assert events(violation) == [("published", 3.0), ("received", 4.0)]


def test_the_same_version_in_two_epochs_is_two_names():
    assert "one_name" not in broken(
        [*good_rows(), row(4.0, "published", attempt=1, version=1, detail="2 4 acknowledged 3")]
    )


def test_a_client_that_goes_back():
    rows = [*good_rows(), row(4.0, "delivered", 3, 2, version=2, detail="1 2")]
    violation = the("rising", rows)
    assert (violation.client, violation.version, violation.node) == (3, 2, 2)
    assert events(violation) == [("delivered", 3.08), ("delivered", 4.0)]


def test_a_snapshot_behind_the_client():
    rows = [*good_rows(), row(4.0, "recovered", 3, 3, version=2, detail="1 snapshot")]
    assert the("rising", rows).client == 3


def test_a_hole():
    violation = the("contiguous", without(good_rows(), "delivered", client=1, version=2))
    assert (violation.client, violation.version) == (1, 3)
    assert "client 1 applied version 3 right after version 1, without a snapshot" in violation.text
    assert events(violation) == [("delivered", 1.04), ("delivered", 3.04)]


def test_a_hole_at_the_beginning():
    violation = the("contiguous", without(good_rows(), "delivered", client=1, version=1))
    assert "version 2 right after nothing" in violation.text


def test_a_snapshot_covers_a_hole_and_a_noted_gap_does_only_without_recovery():
    rows = without(good_rows(), "delivered", client=1, version=2)
    gap = row(3.03, "gap", 1, 2, version=2, detail="1 1 3")
    snapshot = row(3.03, "recovered", 1, 2, version=2, detail="1 snapshot")
    loose = {"clients": {"count": 4, "recovery": {"recover": False}}}
    assert broken([*rows, snapshot]) == set()
    assert broken([*rows, gap]) == {"contiguous"}
    assert "contiguous" not in broken([*rows, gap], **loose)
    assert "contiguous" in broken(rows, **loose)
    early = row(1.01, "gap", 1, 2, version=1, detail="1 1 3")
    assert "contiguous" in broken([*rows, early], **loose)


def test_a_new_epoch_without_a_snapshot():
    rows = [*good_rows(), row(4.0, "published", attempt=1, version=4, detail="2 4 acknowledged 3")]
    rows += [row(4.1, "delivered", i, HOMES[i], version=4, detail="2 4") for i in range(4)]
    assert audit(record(rows)).findings["contiguous"].count == 4


def test_a_message_applied_twice_under_two_names():
    rows = without(good_rows(), "published", version=3)
    rows += [row(3.0, "published", attempt=2, version=1, detail="2 3 acknowledged 3")]
    rows += [
        row(4.0, "recovered", 0, 1, version=0, detail="2 snapshot"),
        row(4.1, "delivered", 0, 1, version=1, detail="2 3"),
    ]
    violation = the("once", rows)
    assert "client 0 applied message 3 more than once" in violation.text
    assert events(violation) == [("delivered", 3.02), ("delivered", 4.1)]


def test_an_acknowledged_message_that_a_client_of_a_stream_never_got():
    rows = without(good_rows(), "delivered", client=1, version=3)
    violation = the("reached", rows)
    assert (violation.client, violation.version) == (1, 3)
    assert events(violation) == [("delivered", 2.04), ("published", 3.0)]
    assert "reached" not in broken([*rows, row(3.5, "recovered", 1, 2, version=3, detail="1 snapshot")])
    assert "reached" not in broken([*rows, row(3.5, "disconnected", 1, 2)])
    assert "reached" not in broken(rows, duration=4.5)  # it may still be under way
    loose = {"clients": {"count": 4, "recovery": {"on_reconnect": False}}}
    for changes in ({"bus": {"kind": "pubsub"}}, loose, {"slow_consumer": {"policy": "drop"}}):
        assert "promised only" in audit(record(rows, **changes)).findings["reached"].skipped
    unknown = [*without(rows, "published", version=3), row(3.0, "published", attempt=3, detail="0 3 unknown 3")]
    assert "reached" not in broken(unknown)


def test_reached_is_not_checked_when_a_fault_is_never_over():
    hang = {"at": 2.0, "kind": "hang", "node": 1}
    assert "not over" in audit(good(faults=[hang])).findings["reached"].skipped


def test_an_acknowledgement_of_what_the_node_had_not_received():
    rows = without(good_rows(), "received", node=2, version=2)
    violation = the("acked_received", rows)
    assert (violation.node, violation.version) == (2, 2)
    assert events(violation) == [("acked", 2.2)]
    late = [*rows, row(2.3, "received", node=2, version=2, detail="1 2")]
    assert "acked_received" in broken(late)
    killed = audit(record(rows, faults=[{"at": 5.0, "kind": "kill", "node": 2}]))
    assert killed.findings["acked_received"].count == 0  # its own notes are gone


def test_nodes_beyond_the_thirty_second_are_told_apart():
    wide = {"nodes": {"count": 40}}
    alien = [*good_rows(), row(4.0, "acked", node=33, version=2, detail="1 2")]
    assert the("acked_received", alien, **wide).node == 33
    early = [*without(good_rows(), "acked", node=3, version=2), row(2.25, "acked", node=35, version=1, detail="1 1")]
    assert "consistent_acked" in broken(early, **wide)


@pytest.mark.parametrize(("threshold", "enough"), [("all", False), ("majority", True), (2, True), (3, False)])
def test_a_message_declared_consistent_too_early(threshold, enough):
    rows = without(good_rows(), "acked", node=3, version=2)
    found = broken(rows, publisher={"rate": 1.0, "threshold": threshold})
    assert found == (set() if enough else {"consistent_acked"})


@pytest.mark.parametrize("kind", ["kill", "hang", "partition", "bus_cut", "delay"])
def test_with_a_fault_all_still_waits_for_each_node_that_no_fault_has_touched(kind):
    fault = {"at": 1.5, "kind": kind, "node": 3} | ({"delay": 0.1} if kind == "delay" else {})
    of_touched = without(good_rows(), "acked", node=3, version=2)
    assert "consistent_acked" not in broken(of_touched, faults=[fault])
    of_another = without(good_rows(), "acked", node=2, version=2)
    violation = the("consistent_acked", of_another, faults=[fault])
    assert violation.text == "version 2 was declared consistent with 2 acknowledgements of 1, without node 2"
    assert events(violation) == [("consistent", 2.3)]
    before = the("consistent_acked", without(good_rows(), "acked", node=3, version=1), faults=[fault])
    assert before.text.endswith("without node 3"), "the fault was still to come"
    assert "consistent_acked" not in broken(of_another, faults=[{"at": 1.5, "kind": "bus_down", "duration": 0.2}])
    assert "consistent_acked" in broken(of_another, faults=[{"at": 1.5, "kind": "stall", "client": 1}])


def test_a_message_declared_consistent_twice_or_before_its_acknowledgements():
    violation = the("consistent_acked", [*good_rows(), row(4.0, "consistent", version=2, detail="1 2")])
    assert "version 2 was declared consistent with 3 acknowledgements of 3, a second time" in violation.text
    early = [*without(good_rows(), "consistent", version=2), row(2.15, "consistent", version=2, detail="1 2")]
    assert "with 1 acknowledgements of 3" in the("consistent_acked", early).text


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ([row(4.0, "connected", 1, 3, 2)], "connected cannot follow connected"),
        ([row(4.0, "disconnected", 1, 3)], "disconnected cannot follow connected on another node"),
        ([row(4.0, "attempt_connect", 1, attempt=2)], "attempt_connect cannot follow connected"),
        ([row(4.0, "gave_up", 1, attempt=2)], "gave_up cannot follow connected"),
    ],
)
def test_events_of_a_client_that_do_not_follow_each_other(extra, words):
    violation = the("states", [*good_rows(), *extra])
    assert violation.client == 1
    assert words in violation.text
    assert [name for name, _ in events(violation)] == ["connected", extra[0][1]]


def test_a_client_that_is_missing_or_too_many():
    rows = [one for one in good_rows() if one[2] != 3]
    assert "client 3 does not appear" in the("states", rows).text
    assert "states" in broken([*good_rows(), row(4.0, "attempt_connect", 4, attempt=1)])


def test_a_balancer_that_counts_other_connections_than_the_clients_hold():
    rows = [*good_rows(), row(6.0, "server_connections", node=1, detail="1")]
    violation = the("balancer_count", rows)
    assert violation.text == "the balancer counts 1 connections of node 1, the clients 2"
    trying = [row(5.9, "disconnected", 0, 1), row(5.95, "attempt_connect", 0, attempt=2)]
    assert "connecting" in audit(record([*rows, *trying])).findings["balancer_count"].skipped
    hang = {"at": 5.0, "kind": "hang", "node": 1}
    assert "fault" in audit(record(rows, faults=[hang])).findings["balancer_count"].skipped


def test_only_the_balancer_s_new_process_is_asked_what_it_counts_after_a_reload():
    rows = [*good_rows(), row(6.0, "server_connections", node=1, detail="0")]
    reload = {"faults": [{"at": 1.0, "kind": "reload"}]}
    assert "reload" in audit(record(rows, **reload)).findings["balancer_count"].skipped
    stops = {"balancer": {"kind": "haproxy", "hard_stop_after": 1.0}}
    assert audit(record(rows, **reload, **stops)).findings["balancer_count"].violations


def test_a_client_that_does_not_come_back():
    cut = {"at": 1.5, "kind": "bus_cut", "node": 1}
    extra = [row(1.5, "fault", node=1, detail="bus_cut"), row(1.6, "bus_joined", node=1)]
    rows = [*good_rows(), *extra, row(5.5, "disconnected", 2, 1, detail="1006")]
    violation = the("back", rows, faults=[cut])
    assert violation.client == 2
    assert events(violation) == [("disconnected", 5.5)]
    assert "back" not in broken([*rows, row(5.6, "gave_up", 2, attempt=1)], faults=[cut])
    late = audit(record(rows, faults=[cut | {"at": 5.5}]))
    assert "the record ends less than" in late.findings["back"].skipped


def test_nobody_can_come_back_when_every_node_is_killed():
    kills = [{"at": 1.5 + 0.1 * node, "kind": "kill", "node": node} for node in (1, 2, 3)]
    rows = good_rows()
    for node in (1, 2, 3):
        rows += [row(1.5 + 0.1 * node, "fault", node=node, detail="kill"), row(3.5, "node_stopped", node=node)]
    rows += [row(3.5, "disconnected", client, home, detail="1006") for client, home in enumerate(HOMES)]
    found = audit(record(rows, faults=kills)).findings["back"]
    assert (found.count, found.skipped) == (0, "no node was up at the end of the record")
    survived = without(rows, "node_stopped", node=3)
    assert audit(record(survived, faults=kills[:2])).findings["back"].count == len(HOMES)
    started = [*rows, row(4.0, "node_started", node=2)]
    assert audit(record(started, faults=kills)).findings["back"].count == len(HOMES)


def test_an_outage_is_over_when_all_parts_are_back():
    def outage(healed, duration=2.0):
        fault = {"at": 1.0, "kind": "outage"} | ({"duration": duration} if duration else {})
        scenario = small(clients={"count": 4}, duration=6.0, faults=[fault])
        rows = [row(-1.0, name, i, 1 if name == "connected" else -1, 1)
                for i in range(4) for name in ("attempt_connect", "connected")]  # fmt: skip
        rows += [row(1.0, "fault", detail="outage"), *(row(1.0, "disconnected", i, 1, detail="1006") for i in range(4))]
        rows += [row(healed, "healed", detail="outage")] if healed else []
        return audit(Record.of(rows, {"world": "sim", "scenario": scenario.model_dump(exclude_none=True)}))

    assert outage(3.5).findings["back"].count == 4
    for found in (outage(5.5), outage(0.0), outage(0.0, duration=0.0)):
        assert "the record ends less than" in found.findings["back"].skipped
        assert found.verdict == "pass"  # the clients have witnessed it


def test_a_client_that_stays_behind_although_all_is_well_again():
    rows = without(good_rows(), "delivered", client=2, version=3)
    violation = the("at_head", rows, bus={"kind": "pubsub"})
    assert (violation.client, violation.version) == (2, 3)
    cut = {"at": 1.0, "kind": "bus_cut", "node": 1}
    assert "at_head" not in broken(rows, bus={"kind": "pubsub"}, faults=[cut])  # it had no time to catch up


def test_an_unwitnessed_fault_makes_the_verdict_unknown_but_a_violation_is_certain():
    kill = {"at": 2.0, "kind": "kill", "node": 1}
    assert audit(good(faults=[kill])).verdict == "unknown"
    rows = [*good_rows(), row(4.0, "delivered", 3, 2, version=2, detail="1 2")]
    assert audit(record(rows, faults=[kill])).verdict == "fail"


def test_where_nodes_end_connections_or_the_host_is_starved_a_client_has_time_to_come_back():
    still = {"duration": 10.0, "clients": {"count": 1, "reconnect": {"cap": 1.0}}}
    churning = still | {"nodes": {"lifetime": {"mean": 2.0}}}

    def judged(rows, settings, starved=""):
        scenario = small(**settings).model_dump(exclude_none=True)
        provenance = {"world": "live", "scenario": scenario, "host": {"starved": starved}}
        return audit(Record.of([*rows, row(10.0, "server_connections", node=1, detail="1")], provenance))

    for lost, verdict in ((8.9, "fail"), (9.1, "pass")):  # of 10 s; the longest wait is 1 s
        rows = [
            row(-0.5, "attempt_connect", 0, attempt=1),
            row(-0.4, "connected", 0, 1),
            row(lost, "disconnected", 0, 1, detail="1012"),
        ]
        found = judged(rows, churning)
        assert (found.findings["back"].count, found.verdict) == (int(verdict == "fail"), verdict)
        assert found.findings["balancer_count"].skipped == "nodes end connections all along"
        assert judged(rows, still).findings["back"].count == 1
        assert judged(rows, still, "others took 1.5 cores").findings["back"].count == int(verdict == "fail")


def test_many_violations_are_counted_and_few_are_shown():
    rows = list(good_rows())
    rows += [row(4.0 + i / 100, "delivered", 0, 1, version=1, detail="1 1") for i in range(50)]
    found = audit(record(rows)).findings["once"]
    assert (found.count, len(found.violations)) == (50, MOST_SHOWN)


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


def test_recorded_and_simulated_runs_without_a_broadcast_are_clean(profile):
    for path in files(ROOT / "records", "*.parquet"):
        assert audit(Record.load(path)).verdict == "pass"
    for kind in ("kill", "restart"):
        found = audit(sim.simulate(small(faults=[{"at": 1.0, "kind": kind, "node": 1}]), 0, profile))
        assert found.verdict == "pass", found.as_dict()
        assert not found.findings["back"].skipped
        assert found.findings["published"].skipped == "nothing is broadcast"


def test_six_hundred_thousand_deliveries_are_examined_quickly():
    made = big_record()
    began = time.process_time()
    assert audit(made).findings["contiguous"].count == 0
    assert time.process_time() - began < 5.0


def test_an_audit_says_what_was_examined_what_is_broken_and_what_was_not_checked():
    rows = [*good_rows(), row(4.0, "delivered", 3, 2, version=2, detail="1 2")]
    changes = {"faults": [{"at": 2.0, "kind": "kill", "node": 1}], "bus": {"kind": "pubsub"}}
    one = audit(record(rows, seed=7, **changes))
    data = one.as_dict()
    assert {name: data[name] for name in ("scenario", "world", "seed", "replication", "verdict", "reasons")} == {
        "scenario": "small",
        "world": "sim",
        "seed": 7,
        "replication": None,
        "verdict": "fail",
        "reasons": ["kill at 2 s had no witnessed effect"],
    }
    assert data["broken"] == {name: finding.count for name, finding in one.findings.items() if finding.count}
    assert {"rising": 1, "once": 1}.items() <= data["broken"].items()
    assert set(data["skipped"]) == {"balancer_count", "reached"}
    assert set(data["checked"]) == set(INVARIANTS) - set(data["skipped"])
    shown = next(one for one in data["violations"] if one["invariant"] == "rising")
    assert {name: value for name, value in shown.items() if name != "witness"} == {
        "invariant": "rising",
        "text": "client 3 applied version 2 after version 3",
        "t": 4.0,
        "client": 3,
        "node": 2,
        "version": 2,
    }
    assert shown["witness"] == [
        {"t": 3.08, "event": "delivered", "client": 3, "node": 3, "version": 3, "detail": "1 3"},
        {"t": 4.0, "event": "delivered", "client": 3, "node": 2, "version": 2, "detail": "1 2"},
    ]


def test_client_zero_and_what_does_not_apply_in_a_violation():
    rows = [*good_rows(), row(4.0, "delivered", 0, 1, version=2, detail="1 2")]
    assert the("rising", rows).as_dict()["client"] == 0
    silent = the("acked_received", without(good_rows(), "received", node=2, version=2)).as_dict()
    assert "client" not in silent


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


def test_a_client_has_the_same_time_when_it_connects_later():
    grace = catch_up(record(good_rows()).scenario)
    rows = without(good_rows(), "delivered", client=1, version=3)
    away = [row(2.5, "disconnected", 1, 2), row(3.4, "attempt_connect", 1, attempt=2), row(3.5, "connected", 1, 2, 2)]
    assert "reached" in broken([*rows, *away], duration=3.5 + grace)
    assert "reached" not in broken([*rows, *away], duration=3.5 + grace - 0.001)


@pytest.mark.parametrize(("registered", "acks", "good"), [(2, 1, False), (2, 2, True), (3, 1, False), (3, 2, True)])
def test_a_majority_is_more_than_half(registered, acks, good):
    rows = [one for one in good_rows() if one[1] not in ("acked", "published")]
    rows += [row(k, "published", attempt=1, version=k, detail=f"1 {k} acknowledged {registered}") for k in (1, 2, 3)]
    rows += [row(k + 0.1, "acked", node=n, version=k, detail=f"1 {k}") for k in (1, 2, 3) for n in range(1, acks + 1)]
    assert ("consistent_acked" not in broken(rows, publisher={"rate": 1.0, "threshold": "majority"})) == good


def test_an_acknowledgement_counts_once_and_only_before_the_declaration():
    rows = without(good_rows(), "acked", node=3, version=2)
    assert "consistent_acked" in broken([*rows, row(2.25, "acked", node=2, version=2, detail="1 2")])
    assert "consistent_acked" in broken([*rows, row(2.31, "acked", node=3, version=2, detail="1 2")])
    assert "consistent_acked" not in broken([*rows, row(2.29, "acked", node=3, version=2, detail="1 2")])


def test_with_fewer_nodes_registered_than_there_are_nobody_knows_which():
    fault = {"at": 1.5, "kind": "kill", "node": 3}
    rows = without(without(good_rows(), "acked", node=2, version=2), "published", version=2)
    fewer = row(2, "published", attempt=1, version=2, detail="1 2 acknowledged 2")
    all_ = row(2, "published", attempt=1, version=2, detail="1 2 acknowledged 3")
    assert "consistent_acked" not in broken([*rows, fewer], faults=[fault])
    assert "consistent_acked" in broken([*rows, all_], faults=[fault])


def test_a_node_acknowledges_at_the_earliest_when_it_receives():
    rows = without(good_rows(), "received", node=2, version=2)
    assert "acked_received" not in broken([*rows, row(2.2, "received", node=2, version=2, detail="1 2")])
    assert "acked_received" in broken([*rows, row(2.201, "received", node=2, version=2, detail="1 2")])
    assert "acked_received" in broken([*rows, row(2.1, "received", 0, 2, version=2, detail="1 2")])  # a client did


def test_the_balancers_count_is_checked_when_all_was_over_a_second_before_the_end():
    def skipped(at):
        cut = {"at": at, "kind": "bus_cut", "node": 1}
        return audit(good(faults=[cut])).findings["balancer_count"].skipped

    assert skipped(5.0) == ""
    assert skipped(5.001) == "a fault was not over one second before the end of the record"


def test_a_balancer_that_cuts_idle_connections_is_not_asked_what_it_counts():
    def skipped(**changes):
        clients = {"count": 4, "heartbeat": {"interval": changes.pop("interval", 3.0)}}
        return audit(good(clients=clients, balancer=changes)).findings["balancer_count"].skipped

    cuts = "the balancer cuts idle connections"
    assert skipped(tunnel_timeout=2.0) == cuts
    assert skipped(tunnel_timeout=3.0) == cuts  # a ping at the very moment comes too late
    assert skipped(tunnel_timeout=3.5) == ""
    assert skipped(tunnel_timeout=5.5, interval=5.8) == cuts
    assert skipped(tunnel_timeout=6.0, interval=7.0) == cuts  # the oldest connection is from the warm-up
    assert skipped(tunnel_timeout=6.5, interval=7.0) == ""  # no connection of the record lasts longer


def test_a_snapshot_may_jump_ahead_and_the_next_version_follows_it():
    rows = without(good_rows(), "delivered", client=1, version=2)
    rows = without(rows, "delivered", client=1, version=3)
    jump = row(2.5, "recovered", 1, 2, version=2, detail="1 snapshot")
    assert "contiguous" not in broken([*rows, jump, row(3.04, "delivered", 1, 2, version=3, detail="1 3")])
    assert "rising" in broken([*rows, jump, row(3.04, "delivered", 1, 2, version=2, detail="1 2")])
    replayed = row(2.5, "recovered", 1, 2, version=2, detail="1 replayed 1")
    assert "contiguous" in broken([*rows, replayed, row(3.04, "delivered", 1, 2, version=3, detail="1 3")])


def test_a_client_behind_the_last_and_an_event_of_nobody_are_no_clients():
    for client in (4, -1):
        found = audit(record([*good_rows(), row(4.0, "attempt_connect", client, attempt=1)])).findings["states"]
        assert found.count == 1


def test_of_many_missing_clients_five_are_named_and_all_are_counted():
    found = audit(record([], clients={"count": 8})).findings["states"]
    assert (found.count, [one.client for one in found.violations]) == (8, [0, 1, 2, 3, 4])
    assert found.violations[0].t == 6.0


def test_what_concerns_no_node_and_no_version_names_none():
    found = audit(record([], clients={"count": 1})).findings["states"].violations[0].as_dict()
    assert found == {"invariant": "states", "text": "client 0 does not appear", "t": 6.0, "client": 0, "witness": []}


def test_the_only_snapshot_of_a_record_may_jump_over_several_versions():
    rows = without(without(good_rows(), "delivered", client=1, version=2), "delivered", client=1, version=3)
    assert broken([*rows, row(3.5, "recovered", 1, 2, version=3, detail="1 snapshot")]) == set()


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
