import time
from math import inf

import numpy as np
import pandas as pd
import pytest

from tests.messages import WARM, good_rows, record, without
from tests.strategies import small
from twin.measures import (
    ACCOUNTS,
    ARRIVALS,
    CODEC,
    CONNECTION,
    CURVE_STEP,
    ELASTIC,
    HANDLER,
    LOSSES,
    MEASURES,
    MEMORY,
    OFFLINE,
    PLANNED_ENDS,
    POLLING,
    POOLS,
    QUIET,
    SESSIONS,
    broadcast,
    curve_times,
    latency_quantiles,
    measure_record,
    staleness_curves,
)
from twin.measures.broadcast import BROADCAST, SHARES, acknowledgement_curves, measure_broadcast, staleness_times
from twin.measures.messages import Messages
from twin.record.record import COLUMNS, Record, row


def test_every_measure_of_a_good_broadcast_is_what_a_hand_computes():
    found = measure_broadcast(record(good_rows()))
    assert found == pytest.approx(
        {
            "latency_p50": 0.05,
            "latency_p90": 0.08,
            "latency_p99": 0.08,
            "lost_share": 0.0,
            "undelivered_share": 0.0,
            "reached_nobody": 0.0,
            "duplicated_share": 0.0,
            "reordered_share": 0.0,
            "consistent_p50": 0.3,
            "consistent_p99": 0.3,
            "resends_per_message": 0.0,
            "node_buffer_peak": 0.0,
            "bus_buffer_peak": 0.0,
            "staleness": 3 * (0.02 + 0.04 + 0.06 + 0.08),
        }
    )
    assert set(measure_record(record(good_rows()))) == set(found) | {"imbalance"}
    assert set(found) | {"gaps_recovered"} == set(BROADCAST)
    kinds = (CONNECTION, LOSSES, QUIET, PLANNED_ENDS, ELASTIC, SESSIONS, OFFLINE, HANDLER, POOLS, POLLING, ACCOUNTS)
    kinds += (BROADCAST, CODEC, MEMORY, ARRIVALS)
    assert set(MEASURES) == set().union(*kinds)
    assert len(MEASURES) == sum(len(kind) for kind in kinds)  # no name stands in two of them


def test_a_scenario_without_a_publisher_has_none_of_these():
    assert measure_broadcast(record(WARM, publisher=None, bus={"kind": "none"})) == {}


def test_messages_that_were_due_and_never_published_reached_nobody():
    found = measure_broadcast(record(WARM))
    buffers = {"node_buffer_peak": 0.0, "bus_buffer_peak": 0.0}
    assert found == {"undelivered_share": 1.0, "reached_nobody": 1.0, "staleness": 0.0, **buffers}


def test_what_waited_at_a_process_that_is_gone_does_not_count():
    rows = [row(2.0, "node_buffer", node=1, detail="700"), row(2.5, "node_buffer", node=2, detail="500")]
    rows += [row(2.1, "bus_buffer", node=1, detail="90"), row(2.1, "bus_buffer", node=3, detail="100")]
    found = measure_broadcast(record([*good_rows(), *rows]))
    assert (found["node_buffer_peak"], found["bus_buffer_peak"]) == (700.0, 100.0)
    found = measure_broadcast(record([*good_rows(), *rows, row(3.0, "node_stopped", node=1)]))
    assert (found["node_buffer_peak"], found["bus_buffer_peak"]) == (500.0, 100.0)


def test_a_message_that_the_bus_never_took_is_not_lost_but_reached_nobody():
    rows = without(good_rows(), "published", version=2)
    rows = without(without(rows, "delivered", version=2), "consistent", version=2)
    rows += [row(2.0, "published", attempt=1, detail="0 2 unknown 3")]
    found = measure_broadcast(record(rows))
    assert found["lost_share"] == 0.0
    assert [found["undelivered_share"], found["reached_nobody"]] == pytest.approx([1 / 3] * 2)


def test_who_gave_up_gets_nothing_of_what_is_due_and_does_not_count_as_lost():
    rows = without(good_rows(), "delivered", client=3, version=2)
    rows += [row(1.5, "disconnected", 3, 3, detail="1006"), row(1.6, "gave_up", 3, attempt=2)]
    found = measure_broadcast(record(rows))
    assert (found["lost_share"], found["reached_nobody"]) == (0.0, 0.0)
    assert found["undelivered_share"] == pytest.approx(1 / 12)


def test_a_lost_message_counts_for_its_client_and_keeps_it_behind_until_the_next():
    rows = without(good_rows(), "delivered", client=3, version=2)
    found = measure_broadcast(record(rows))
    assert found["lost_share"] == pytest.approx(1 / 12)
    assert found["staleness"] == pytest.approx(0.6 - 2 * 0.08 + (3.08 - 2.0))


def test_a_client_that_never_hears_again_is_behind_until_the_end():
    rows = without(without(good_rows(), "delivered", client=3, version=2), "delivered", client=3, version=3)
    assert measure_broadcast(record(rows))["staleness"] == pytest.approx(0.6 - 2 * 0.08 + (6.0 - 2.0))


def test_a_snapshot_ends_the_lag_but_what_it_covers_is_lost():
    rows = without(good_rows(), "delivered", client=3, version=2)
    rows += [
        row(2.5, "gap", 3, 3, version=2, detail="1 1 3"),
        row(2.6, "recovered", 3, 3, version=2, detail="1 snapshot"),
    ]
    found = measure_broadcast(record(rows))
    assert found["lost_share"] == pytest.approx(1 / 12)
    assert found["staleness"] == pytest.approx(0.6 + (2.6 - 2.08))
    assert found["gaps_recovered"] == 0.0


def test_a_gap_counts_as_recovered_by_a_replay_or_by_the_late_message():
    rows = good_rows()
    rows += [
        row(2.01, "gap", 0, 1, version=2, detail="1 1 3"),
        row(2.015, "recovered", 0, 1, version=3, detail="1 replayed 1"),
    ]
    rows += [row(2.01, "gap", 1, 2, version=2, detail="1 1 3")]
    rows += [row(2.01, "gap", 2, 1, version=9, detail="1 1 10")]
    assert measure_broadcast(record(rows))["gaps_recovered"] == pytest.approx(2 / 3)


def test_duplicates_and_late_arrivals_count_per_application():
    rows = good_rows()
    rows += [row(2.5, "received", 0, 1, version=1, detail="1 1 duplicate")] * 3
    rows += [
        row(2.5, "received", 0, 1, version=1, detail="1 1 late"),
        row(2.5, "received", 0, 1, version=3, detail="1 3 early"),
    ]
    rows += [row(2.5, "received", -1, 1, version=1, detail="1 1 duplicate")]  # at a node: not counted
    found = measure_broadcast(record(rows))
    assert found["duplicated_share"] == pytest.approx(3 / 12)
    assert found["reordered_share"] == pytest.approx(1 / 12)


def test_a_message_that_never_becomes_consistent_is_censored():
    rows = without(good_rows(), "consistent", version=2)
    rows += [row(3.0 + i, "resent", attempt=i + 1, version=2, detail="1 2") for i in range(2)]
    found = measure_broadcast(record(rows))
    assert found["consistent_p50"] == pytest.approx(0.3)
    assert found["consistent_p99"] == inf
    assert found["consistent_p99.not_within"] == pytest.approx(4.0)
    assert found["resends_per_message"] == pytest.approx(2 / 3)


def test_a_message_still_under_way_at_the_end_is_not_lost():
    rows = [*good_rows(), row(5.5, "published", attempt=1, version=4, detail="1 4 acknowledged 3")]
    found = measure_broadcast(record(rows))
    assert found["lost_share"] == 0.0
    assert found["consistent_p99"] == pytest.approx(0.3)
    assert found["staleness"] == pytest.approx(0.6 + 4 * 0.5)


def test_an_unacknowledged_message_is_not_lost_but_its_deliveries_count():
    rows = without(good_rows(), "published", version=2)
    rows.append(row(2.0, "published", attempt=3, detail="0 2 unknown 3"))
    rows = without(rows, "delivered", client=3, version=2)
    found = measure_broadcast(record(rows))
    assert found["lost_share"] == 0.0
    assert found["latency_p90"] == pytest.approx(0.08)
    assert found["staleness"] == pytest.approx(0.6 - 2 * 0.08 + (3.08 - 2.0))


def test_a_client_that_gave_up_is_not_expected_to_hear():
    rows = without(good_rows(), "delivered", client=3, version=3)
    rows += [row(2.5, "disconnected", 3, 3), row(2.6, "gave_up", 3, attempt=1)]
    assert measure_broadcast(record(rows))["lost_share"] == 0.0


def test_a_new_epoch_follows_the_old_one_although_its_versions_begin_anew():
    rows = good_rows()
    rows.append(row(4.0, "published", attempt=1, version=1, detail="2 4 acknowledged 3"))
    rows += [row(4.1, "recovered", i, 1, version=1, detail="2 snapshot") for i in range(4)]
    found = measure_broadcast(record(rows))
    assert found["staleness"] == pytest.approx(0.6 + 4 * 0.1)
    assert found["lost_share"] == pytest.approx(4 / 16)


def test_the_latency_distribution_and_the_curves():
    quantiles = latency_quantiles(record(good_rows()))
    assert quantiles.shape == SHARES.shape
    assert quantiles[49] == pytest.approx(0.05)
    assert np.isnan(latency_quantiles(record(good_rows()[:8]))).all()
    curves = staleness_curves(record(without(good_rows(), "delivered", client=0, version=3)))
    at = round(5.0 / CURVE_STEP)
    assert {node: curve[at] for node, curve in curves.items()} == {1: 0.5, 2: 0.0, 3: 0.0}
    acks = acknowledgement_curves(record(good_rows()))
    assert [int(acks[name][round(2.5 / CURVE_STEP)]) for name in acks] == [2, 6, 0, 2, 6, 6]


def test_the_lag_steps_where_a_client_applies_a_message(monkeypatch):
    one = record(without(good_rows(), "delivered", client=0, version=3))
    times = staleness_times(one)
    assert (times[0], times[-1]) == (0.0, one.scenario.duration)
    assert (np.diff(times) > 0).all()
    messages = Messages(one)
    changes = {t for t in (*messages.head, *messages.covered.ravel()) if 0 <= t <= one.scenario.duration}
    assert set(times) == changes | {0.0, one.scenario.duration}
    curves = staleness_curves(one, times)
    assert curves[1][np.searchsorted(times, 5.0, side="right") - 1] == 0.5
    monkeypatch.setattr(broadcast, "MOST_STEPS", 1)
    assert staleness_times(one).tolist() == curve_times(one.scenario.duration).tolist()


def test_a_client_that_moves_takes_its_lag_to_its_new_node():
    """Client 0 misses message 3, is cut off from node 1 at 4 s, and is at node 2 from 4.5 s on."""
    rows = without(good_rows(), "delivered", client=0, version=3)
    rows += [row(4.0, "disconnected", 0, 1, detail="1006"), row(4.4, "attempt_connect", 0, attempt=2)]
    rows += [row(4.5, "connected", 0, 2, attempt=2)]
    curves = staleness_curves(record(rows))
    lags = {t: [curves[node][round(t / CURVE_STEP)] for node in (1, 2, 3)] for t in (2.9, 3.9, 4.4, 4.6, 5.5)}
    assert lags[2.9] == [0.0, 0.0, 0.0]
    assert lags[3.9] == lags[4.4] == [0.5, 0.0, 0.0]  # one of two clients; it belongs to node 1 until it is elsewhere
    assert lags[4.6] == lags[5.5] == [0.0, 0.5, 0.0]


def big_record(clients=1000, messages=600):
    """Every client applies every message 10 ms after its publication, at 60 messages a second."""
    spec = small(
        clients={"count": clients}, duration=12.0, bus={"kind": "stream"}, publisher={"rate": 60.0}, host={"cores": 2}
    )
    when = np.arange(messages) / 60.0
    key = np.arange(1, messages + 1)
    frames = [
        pd.DataFrame({"t": -1.0, "event": "connected", "client": np.arange(clients), "node": 1, "attempt": 1}),
        pd.DataFrame({"t": when, "event": "published", "version": key, "attempt": 1}).assign(
            detail=[f"1 {k} acknowledged 3" for k in key]
        ),
        pd.DataFrame({"t": when + 0.005, "event": "received", "version": key, "node": 1}).assign(
            detail=[f"1 {k}" for k in key]
        ),
        pd.DataFrame(
            {
                "t": np.repeat(when + 0.01, clients),
                "event": "delivered",
                "client": np.tile(np.arange(clients), messages),
                "node": 1,
                "version": np.repeat(key, clients),
                "detail": np.repeat([f"1 {k}" for k in key], clients),
            }
        ),
    ]
    table = pd.concat(frames).fillna({"client": -1, "node": -1, "attempt": -1, "version": -1, "detail": ""})
    types = dict.fromkeys(("client", "node", "attempt", "version"), "int64")
    table = table.astype(types).sort_values("t", kind="stable", ignore_index=True)[COLUMNS]
    return Record.of_frame(table, {"world": "sim", "scenario": spec.model_dump(exclude_none=True)})


def test_six_hundred_thousand_deliveries_are_measured_quickly():
    made = big_record()
    began = time.process_time()
    found = measure_record(made)
    assert time.process_time() - began < 4.0  # 2 s on an idle core; a shared one gets twice that
    assert found["lost_share"] == 0.0
    assert found["staleness"] == pytest.approx(600_000 * 0.01)


def test_only_what_was_published_a_second_before_the_end_is_settled():
    rows = [*good_rows(), row(5.0, "published", attempt=1, version=4, detail="1 4 acknowledged 3")]
    assert measure_broadcast(record(rows))["lost_share"] == pytest.approx(4 / 16)
    assert measure_broadcast(record(rows))["consistent_p99"] == inf
    assert measure_broadcast(record(rows))["consistent_p99.not_within"] == 1.0
    later = [*good_rows(), row(5.001, "published", attempt=1, version=4, detail="1 4 acknowledged 3")]
    assert measure_broadcast(record(later))["lost_share"] == 0.0
    assert measure_broadcast(record(later))["consistent_p99"] == pytest.approx(0.3)


def test_what_is_declared_twice_is_consistent_at_the_first_time():
    rows = [
        *good_rows(),
        row(4.0, "consistent", version=2, detail="1 2"),
        row(4.0, "consistent", version=9, detail="1 9"),
    ]
    assert measure_broadcast(record(rows))["consistent_p99"] == pytest.approx(0.3)


def test_of_two_answers_to_a_gap_the_first_counts_at_the_same_moment_too():
    def recovered(*answers):
        rows = [*good_rows(), row(2.5, "gap", 0, 1, version=2, detail="1 1 3")]
        rows += [row(t, "recovered", 0, 1, version=3, detail=f"1 {word}") for t, word in answers]
        rows.append(row(2.5, "recovered", 1, 2, version=3, detail="1 replayed 1"))  # of another client
        return measure_broadcast(record(without(rows, "delivered", client=0, version=2)))["gaps_recovered"]

    assert recovered((2.4, "replayed 1"), (2.6, "snapshot")) == 0.0
    assert recovered((2.5, "replayed 1"), (2.6, "snapshot")) == 1.0
    assert recovered((2.4, "replayed 1")) == 0.0  # none came: and the message never did


def test_each_node_lags_by_what_its_own_clients_miss_wherever_they_were_before():
    rows = without(without(good_rows(), "delivered", client=1, version=2), "delivered", client=1, version=3)
    rows += [row(2.4, "disconnected", 1, 2), row(2.5, "connected", 1, 3, 2)]
    curves = staleness_curves(record(rows))
    at = [round(t / CURVE_STEP) for t in (2.48, 2.52, 3.5)]
    assert [curves[2][i] for i in at] == [1.0, 0.0, 0.0]
    assert [curves[3][i] for i in at] == [0.0, 0.5, 1.0]  # of clients 1 and 3
    assert curves[1][round(1.0 / CURVE_STEP)] == 1.0  # at the very moment of the publication
    assert sorted(curves) == [1, 2, 3]


def test_the_curves_count_acknowledgements_of_the_broker_from_their_moment_on():
    rows = [
        *good_rows(),
        row(2.0, "published", attempt=3, detail="0 9 unknown 3"),
        row(2.0, "resent", version=1, detail="1 1"),
    ]
    curves = acknowledgement_curves(record(rows))
    assert list(curves) == ["published", "acked", "resent", "consistent", "expected", "whole"]
    at = [round(t / CURVE_STEP) for t in (1.98, 2.0, 5.9)]
    counted = [[int(curve[i]) for i in at] for curve in curves.values()]
    assert counted == [[1, 2, 3], [3, 3, 9], [0, 1, 1], [1, 1, 3], [3, 6, 9], [3, 3, 9]]
    assert len(curves["acked"]) == round(6.0 / CURVE_STEP)


def test_a_message_is_expected_of_the_nodes_that_were_registered_then():
    rows = []
    for one in good_rows():
        grown = one[1] == "published" and one[5] == 3
        rows.append((*one[:6], one[6].replace("acknowledged 3", "acknowledged 5")) if grown else one)
    curves = acknowledgement_curves(record(rows))
    assert (int(curves["expected"][-1]), int(curves["whole"][-1])) == (11, 11)


def test_a_snapshot_covers_the_name_before_it_and_an_unknown_client_nothing():
    rows = without(good_rows(), "delivered", client=3, version=1)
    for client, version, t in ((3, 1, 1.5), (9, 3, 0.5), (-1, 3, 0.5), (3, 0, 0.1)):
        rows.append(row(t, "recovered", client, 3, version=version, detail="1 snapshot"))
    assert measure_broadcast(record(rows))["staleness"] == pytest.approx(0.6 - 0.08 + 0.5)


def test_every_measure_has_a_unit_a_driver_and_a_meaning_in_this_order():
    for name, one in MEASURES.items():
        assert one.unit in {"1", "s", "1/s", "1/100 ms", "client-s", "B", "us"}, name
        assert one.driver in {"timer", "cpu", "count"}, name
        assert len(one.meaning.split()) > 3, name
    assert {name for name, one in MEASURES.items() if one.unit == "s" and one.driver == "cpu"} == {
        *("notice_p50", "notice_p99", "connect_p50", "connect_p99", "consistent_p50"),
        *("latency_p50", "latency_p90", "latency_p99", "age_p50", "age_p99", "node_cpu", "client_cpu"),
        *(name for name in HANDLER if name != "unanswered_share"),
    }


def test_a_delivery_of_what_nobody_published_changes_no_measure():
    rows = [*good_rows(), row(4.0, "delivered", 0, 1, version=9, detail="1 99")]
    assert measure_broadcast(record(rows)) == pytest.approx(measure_broadcast(record(good_rows())))


def test_a_node_that_came_in_the_run_has_a_staleness_of_its_own():
    scaling = {"registry": {}, "autoscaling": {"target": 1, "maximum": 5}}
    moved = [row(1.5, "disconnected", 3, 3, detail="1012"), row(1.5, "attempt_connect", 3, attempt=2)]
    moved += [row(1.6, "connected", 3, 5, attempt=2)]
    rows = [*without(good_rows(), "delivered", client=3, version=2), *moved]
    curves = staleness_curves(record(rows, **scaling))
    assert set(curves) == {1, 2, 3, 4, 5}
    assert curves[5][round(2.5 / CURVE_STEP)] == 1.0  # client 3 is the only one there, and stands behind version 2
    assert not curves[4].any()
