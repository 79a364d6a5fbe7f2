"""Deadlines of connections."""

from twin.rules.deadline import expires, full_since


def test_a_connection_expires_a_deadline_after_what_was_read_last():
    assert expires(3.0, 5.0) == 8.0


def test_a_connection_is_full_from_the_first_look_at_which_too_much_waits():
    since = None
    found = []
    for now, waiting in enumerate([0, 100, 101, 250, 100, 101]):
        since = full_since(since, float(now), waiting, 100)
        found.append(since)
    assert found == [None, None, 2.0, 2.0, None, 5.0]
