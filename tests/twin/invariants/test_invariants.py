"""Each invariant holds in a good record, and is found broken, with its witness, in one that is spoilt."""

import time
from pathlib import Path

import sim
from tests.audits import good, the
from tests.files import files
from tests.messages import good_rows, record, without
from tests.strategies import small
from tests.twin.measures.test_broadcast import big_record
from twin.invariants import INVARIANTS, MOST_SHOWN, audit
from twin.record.record import Record, row

ROOT = Path(__file__).parents[3]


def test_a_good_record_breaks_no_invariant_and_all_of_them_are_checked():
    found = audit(good())
    assert found.verdict == "pass"
    assert {name: finding for name, finding in found.findings.items() if finding.count or finding.skipped} == {}
    assert set(found.findings) == set(INVARIANTS)
    assert found.violations == []


def test_an_unwitnessed_fault_makes_the_verdict_unknown_but_a_violation_is_certain():
    kill = {"at": 2.0, "kind": "kill", "node": 1}
    assert audit(good(faults=[kill])).verdict == "unknown"
    rows = [*good_rows(), row(4.0, "delivered", 3, 2, version=2, detail="1 2")]
    assert audit(record(rows, faults=[kill])).verdict == "fail"


def test_where_nodes_end_connections_or_the_host_starves_clients_have_more_time():
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


def test_what_concerns_no_node_and_no_version_names_none():
    found = audit(record([], clients={"count": 1})).findings["states"].violations[0].as_dict()
    assert found == {"invariant": "states", "text": "client 0 does not appear", "t": 6.0, "client": 0, "witness": []}
