"""Messages: each invariant holds in a good record, and is found broken, with its witness, in one that is spoilt."""

from tests.audits import broken, events, good, the
from tests.messages import HOMES, good_rows, record, without
from twin.invariants import audit, catch_up
from twin.record.record import row


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


def test_a_client_that_stays_behind_although_all_is_well_again():
    rows = without(good_rows(), "delivered", client=2, version=3)
    violation = the("at_head", rows, bus={"kind": "pubsub"})
    assert (violation.client, violation.version) == (2, 3)
    cut = {"at": 1.0, "kind": "bus_cut", "node": 1}
    assert "at_head" not in broken(rows, bus={"kind": "pubsub"}, faults=[cut])  # it had no time to catch up


def test_a_client_has_the_same_time_when_it_connects_later():
    grace = catch_up(record(good_rows()).scenario)
    rows = without(good_rows(), "delivered", client=1, version=3)
    away = [row(2.5, "disconnected", 1, 2), row(3.4, "attempt_connect", 1, attempt=2), row(3.5, "connected", 1, 2, 2)]
    assert "reached" in broken([*rows, *away], duration=3.5 + grace)
    assert "reached" not in broken([*rows, *away], duration=3.5 + grace - 0.001)


def test_a_snapshot_may_jump_ahead_and_the_next_version_follows_it():
    rows = without(good_rows(), "delivered", client=1, version=2)
    rows = without(rows, "delivered", client=1, version=3)
    jump = row(2.5, "recovered", 1, 2, version=2, detail="1 snapshot")
    assert "contiguous" not in broken([*rows, jump, row(3.04, "delivered", 1, 2, version=3, detail="1 3")])
    assert "rising" in broken([*rows, jump, row(3.04, "delivered", 1, 2, version=2, detail="1 2")])
    replayed = row(2.5, "recovered", 1, 2, version=2, detail="1 replayed 1")
    assert "contiguous" in broken([*rows, replayed, row(3.04, "delivered", 1, 2, version=3, detail="1 3")])


def test_the_only_snapshot_of_a_record_may_jump_over_several_versions():
    rows = without(without(good_rows(), "delivered", client=1, version=2), "delivered", client=1, version=3)
    assert broken([*rows, row(3.5, "recovered", 1, 2, version=3, detail="1 snapshot")]) == set()
