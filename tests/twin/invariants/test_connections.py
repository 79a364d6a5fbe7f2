"""Connections: who is connected, who counts them, and who comes back."""

import pytest

from tests.audits import broken, events, good, the
from tests.messages import HOMES, good_rows, record, without
from tests.strategies import small
from twin.invariants import audit
from twin.record.record import Record, row


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


@pytest.mark.parametrize(("timeout", "missing"), [(0.5, 0), (5.0, 1)])
def test_who_polls_may_be_away_at_the_end_where_the_balancer_cuts_what_nodes_hold(timeout, missing):
    settings = {"clients": {"transport": {"kind": "long_poll", "hold": 0.8}}, "balancer": {"server_timeout": timeout}}
    rows = [*good_rows(), row(5.9, "disconnected", 2, 1, detail="504")]
    assert audit(record(rows, **settings)).findings["back"].count == missing


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


def test_a_client_behind_the_last_and_an_event_of_nobody_are_no_clients():
    for client in (4, -1):
        found = audit(record([*good_rows(), row(4.0, "attempt_connect", client, attempt=1)])).findings["states"]
        assert found.count == 1


def test_of_many_missing_clients_five_are_named_and_all_are_counted():
    found = audit(record([], clients={"count": 8})).findings["states"]
    assert (found.count, [one.client for one in found.violations]) == (8, [0, 1, 2, 3, 4])
    assert found.violations[0].t == 6.0


def test_nobody_is_promised_to_come_back_while_logins_keep_nodes_busy():
    rows = [*good_rows(), row(2.0, "disconnected", 1, 2, detail="1012")]
    churn = {"nodes": {"lifetime": {"mean": 5.0}}, "clients": {"count": 4, "reconnect": {"base": 0.1, "cap": 0.5}}}
    assert "back" in broken(rows, **churn)
    full = audit(record(rows, **churn | {"nodes": {"lifetime": {"mean": 5.0}, "backlog": 3}}))
    assert "full accept queue" in full.findings["back"].skipped
    unknown = [row(2.2, "session_lost", 1, 3, detail="1-1 unknown"), row(2.9, "attempt_connect", 1, attempt=2)]
    late = audit(record([*rows, *unknown], sessions={"store": "memory"}, **churn))
    assert "logins" in late.findings["back"].skipped
