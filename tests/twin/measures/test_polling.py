import pytest

from tests.strategies import small
from twin.invariants import audit
from twin.measures import measure_accounts, measure_polling, measure_record
from twin.record.record import Record, row

TALK = {"bus": {"kind": "stream"}, "publisher": {"rate": 1.0}}


def record(rows, kind="poll", **changes):
    clients = {"count": 2, "transport": {"kind": kind, "interval": 2.0}}
    scenario = small(clients=clients, nodes={"count": 2}, duration=8.0, **TALK).vary(**changes)
    return Record.of(rows, {"scenario": scenario.model_dump(exclude_none=True), "replication": 0})


def connected():
    return [
        row(-1.0 + client / 10, name, client, node, attempt=1)
        for client in (0, 1)
        for name, node in (("attempt_connect", -1), ("connected", 1))
    ]


def polled(t, client, messages, size, node=1):
    return row(t, "polled", client, node, detail=f"{messages} {size}")


def delivered(t, client, version):
    return row(t, "delivered", client, 1, version=version, detail=f"1 {version}")


def rows():
    return [
        *connected(),
        polled(-0.5, 0, 0, 100),
        row(0.5, "published", attempt=1, version=1, detail="1 1 acknowledged 2"),
        row(0.6, "published", attempt=1, version=2, detail="1 2 acknowledged 2"),
        *(polled(1.0, client, 2, 250) for client in (0, 1)),
        *(delivered(1.0, client, version) for client in (0, 1) for version in (1, 2)),
        polled(2.0, 0, 0, 150, node=2),
        polled(3.0, 1, 0, 150),
        row(8.0, "cpu_used", node=1, detail="node 300"),
        row(8.0, "cpu_used", node=2, detail="node 100"),
        row(8.0, "cpu_used", detail="balancer 240"),
        row(8.0, "cpu_used", detail="clients 80"),
    ]


def test_requests_and_what_a_delivery_costs_by_hand():
    assert measure_polling(record(rows())) == {
        "requests_per_second": 4 / 8.0,
        "empty_share": 0.5,
        "messages_per_answer": 2.0,
        "bytes_per_delivery": 800 / 4,
    }


@pytest.mark.parametrize("kind", ["poll", "websocket"])
def test_what_a_delivery_costs_by_hand(kind):
    assert measure_accounts(record(rows(), kind, host={"accounts": kind == "websocket"})) == {
        "node_cpu_per_delivery": 100.0,
        "balancer_cpu_per_delivery": 60.0,
        "client_cpu_per_delivery": 20.0,
    }


def test_where_a_node_has_ended_its_cpu_time_is_not_known():
    found = measure_accounts(record([one for one in rows() if one[6] != "node 100"]))
    assert set(found) == {"balancer_cpu_per_delivery", "client_cpu_per_delivery"}


def test_without_deliveries_or_answers_nothing_is_divided_by_them():
    none = [one for one in rows() if one[1] != "delivered"]
    assert measure_accounts(record(none)) == {}
    assert set(measure_polling(record(none))) == {"requests_per_second", "empty_share", "messages_per_answer"}
    assert measure_polling(record(connected())) == {"requests_per_second": 0.0}


def test_clients_with_websockets_have_none_of_these():
    assert measure_polling(record(connected(), "websocket")) == {}


def test_who_polls_has_no_connections_to_nodes():
    fault = [{"at": 4.0, "kind": "hang", "node": 1}]
    hang = row(4.0, "fault", node=1, detail="hang")
    measures = [
        measure_record(record([*connected(), hang], kind, faults=fault)) for kind in ("poll", "websocket", "long_poll")
    ]
    assert [("imbalance" in one, one["half_open"]) for one in measures] == [(False, 0.0), (True, 2.0), (False, 0.0)]


@pytest.mark.parametrize(("kind", "lost"), [("poll", 0.0), ("websocket", 1.0), ("long_poll", 1.0)])
def test_a_message_may_wait_for_the_next_request(kind, lost):
    """Published 2.5 s before the end, with polls every 2 s and a second for the way."""
    published = [
        row(5.5, "published", attempt=1, version=1, detail="1 1 acknowledged 2"),
        row(0.5, "published", attempt=1, version=2, detail="1 2 acknowledged 2"),
    ]
    got = [delivered(1.0, client, 2) for client in (0, 1)]
    measures = measure_record(record([*connected(), *published, *got], kind))
    assert measures["lost_share"] == lost / 2


def test_the_count_of_the_balancer_is_not_looked_at():
    found = audit(record([*connected(), row(8.0, "server_connections", node=1, detail="7")]))
    assert found.findings["balancer_count"].skipped == "clients that poll have no connections to nodes"
    found = audit(record([*connected(), row(8.0, "server_connections", node=1, detail="7")], "websocket"))
    assert found.findings["balancer_count"].count
