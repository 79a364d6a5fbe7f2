"""Each invariant holds in a good record, and is found broken, with its witness, in one that is spoilt."""

import time
from pathlib import Path

import pytest

import sim
from tests.files import files
from tests.messages import HOMES, good_end, good_rows, record, without
from tests.strategies import small
from tests.twin.measures.test_broadcast import big_record
from twin.invariants import INVARIANTS, MOST_SHOWN, audit, catch_up, return_within
from twin.record import Record, row

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
