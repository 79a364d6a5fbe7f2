import pytest

from tests.strategies import small
from twin.invariants import audit
from twin.measures.sessions import measure_sessions
from twin.record.record import Record, row

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]


def record(rows, faults=KILL, **sessions):
    scenario = small(clients={"count": 2}, sessions={"store": "memory", **sessions}, faults=faults)
    return Record.of(rows, {"scenario": scenario.model_dump(exclude_none=True), "replication": 0})


def warm(client, name):
    return [
        row(-1.0, "attempt_connect", client, attempt=1),
        row(-0.9, "connected", client, 1, attempt=1),
        row(-0.9, "session_started", client, 1, version=1, detail=name),
    ]


def lost(client, t, node=1):
    return [row(t, "disconnected", client, node, detail="1006")]


def back(client, t, event, name, attempt, generation, took=0.1):
    return [
        row(t - took, "attempt_connect", client, attempt=attempt),
        row(t, "connected", client, 2, attempt=attempt),
        row(t, event, client, 2, version=generation, detail=name),
    ]


def refused(client, t, attempt, status, name="", reason=""):
    rows = [
        row(t - 0.1, "attempt_connect", client, attempt=attempt),
        row(t, "connect_failed", client, attempt=attempt, detail=status),
    ]
    return rows + ([row(t, "session_lost", client, 2, detail=f"{name} {reason}")] if name else [])


def good():
    return [
        row(1.0, "fault", node=1, detail="kill"),
        *warm(0, "a"),
        *warm(1, "b"),
        *lost(0, 1.01),
        *lost(1, 1.01),
        *back(0, 2.0, "session_resumed", "a", 2, 2, took=0.1),
        *refused(1, 2.0, 2, "503"),
        *refused(1, 3.0, 3, "401", "b", "unknown"),
        *back(1, 4.0, "session_started", "c", 4, 1, took=0.3),
    ]


def broken(rows, **sessions):
    findings = audit(record(rows, **sessions)).findings
    return {name: finding for name, finding in findings.items() if finding.count}


def test_logins_lost_sessions_and_the_time_of_a_handshake_by_hand():
    found = measure_sessions(record(good()))
    assert found["login_share"] == 0.5
    assert found["lost_sessions"] == 0.5
    assert found["refused_per_client"] == 0.5
    assert found["connect_p50"] == pytest.approx(0.2)
    assert found["connect_p99"] == pytest.approx(0.1 + 0.99 * 0.2)


def test_what_happened_before_the_fault_does_not_count():
    rows = [one for one in good() if one[0] < 0 or one[1] == "fault"]
    assert measure_sessions(record(rows)) == {"lost_sessions": 0.0, "refused_per_client": 0.0}


def test_without_sessions_there_is_nothing_to_measure():
    assert measure_sessions(record(good(), store="none")) == {}


def test_a_good_record_breaks_nothing():
    assert broken(good()) == {}


def test_a_session_with_two_clients():
    rows = [*good(), *lost(1, 5.0, 2), *back(1, 6.0, "session_resumed", "a", 5, 3)]
    finding = broken(rows)["owned_once"]
    assert [one.text for one in finding.violations] == ["session a: client 1 takes it from client 0"]
    assert [one["event"] for one in finding.violations[0].witness] == ["session_resumed", "session_resumed"]


@pytest.mark.parametrize(
    ("event", "name", "generation", "says"),
    [
        ("session_resumed", "a", 2, "session a: client 0 gets generation 2 after 2"),
        ("session_resumed", "z", 2, "session z: client 0 was never given it"),
    ],
)
def test_a_generation_twice_and_a_session_out_of_nothing(event, name, generation, says):
    rows = [*good(), *lost(0, 5.0, 2), *back(0, 6.0, event, name, 3, generation)]
    assert [one.text for one in broken(rows)["owned_once"].violations] == [says]


def test_a_session_that_was_lost_does_not_come_back():
    rows = [*good(), *lost(1, 5.0, 2), *back(1, 6.0, "session_resumed", "b", 5, 2)]
    assert [one.text for one in broken(rows)["owned_once"].violations] == ["session b: client 1 had lost it"]


def test_who_is_trusted_without_a_look_breaks_nothing():
    rows = [*good(), *lost(1, 5.0, 2), *back(1, 6.0, "session_resumed", "b trusted", 5, -1)]
    assert broken(rows) == {}


def test_a_session_that_is_resumed_after_its_expiry():
    assert set(broken(good(), expiry=0.5)) == {"not_outlived"}
    assert broken(good(), expiry=2.0) == {}  # the connection counted as use until 1.01 s
    assert set(broken(good(), expiry=2.0, refresh=False)) == {"not_outlived"}
    assert broken(good(), expiry=3.0, refresh=False) == {}


def test_what_happens_at_the_moment_of_the_fault_counts():
    rows = [*warm(0, "a"), *warm(1, "b"), row(1.0, "fault", node=1, detail="kill")]
    rows += [row(1.0, "session_lost", 0, 2, detail="a unknown"), row(1.0, "connect_failed", 0, attempt=2, detail="503")]
    rows += [row(1.0, "connect_failed", 0, attempt=2, detail="401"), row(1.0, "attempt_connect", 1, attempt=2)]
    rows += [row(1.5, "connected", 1, 2, attempt=2), row(1.0, "session_started", 1, 2, version=1, detail="c")]
    found = measure_sessions(record(rows))
    assert found == {
        "lost_sessions": 0.5,
        "refused_per_client": 0.5,
        "login_share": 1.0,
        "connect_p50": 0.5,
        "connect_p99": 0.5,
    }


def test_a_connection_counts_with_its_own_attempt_only():
    rows = [row(1.0, "fault", node=1, detail="kill")]
    rows += [row(1.1, "attempt_connect", 0, attempt=2), row(1.2, "attempt_connect", 1, attempt=2)]
    rows += [row(1.7, "connected", 1, 2, attempt=2), row(1.9, "connected", 0, 2, attempt=3)]
    found = measure_sessions(record(rows))
    assert found["connect_p99"] == pytest.approx(0.5)


def test_who_dials_a_quarter_of_a_second_after_the_expiry_may_resume():
    def late(by, took=0.1):
        rows = [*good(), *lost(0, 5.0, 2), *back(0, 7.0 + by + took, "session_resumed", "a", 3, 3, took)]
        return "not_outlived" in broken(rows, expiry=2.0)

    assert not late(0.25)
    assert late(0.251)
    assert not late(0.25, took=0.9)  # a node that checks passwords meanwhile answers late


def test_a_node_behind_a_dead_link_goes_on_with_the_sessions_of_those_who_have_left():
    rows = [*good(), *lost(0, 5.0, 2), *back(0, 7.9, "session_resumed", "a", 3, 3)]
    for node, outlived in ((2, False), (1, True)):
        fault = {"at": 0.5, "kind": "blackhole", "node": node}
        found = audit(record(rows, faults=[fault], expiry=2.0)).findings
        assert bool(found["not_outlived"].count) is outlived


def test_a_higher_generation_of_the_same_client_breaks_nothing():
    rows = [*good(), *lost(0, 5.0, 2), *back(0, 6.0, "session_resumed", "a", 3, 3)]
    assert broken(rows) == {}


def test_who_logged_in_is_not_said_to_have_been_away_too_long():
    rows = [*good(), *lost(0, 2.5, 2), *back(0, 7.9, "session_started", "d", 3, 1)]
    assert broken(rows, expiry=4.0) == {}
    assert "not_outlived" in broken(
        [*good(), *lost(0, 2.5, 2), *back(0, 7.9, "session_resumed", "a", 3, 3)], expiry=4.0
    )
