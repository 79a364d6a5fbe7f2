"""When a group of servers has a leader again, against nats-server's own times."""

import pytest

from twin.rules.raft import elected, election_timeout


def test_a_follower_waits_from_four_to_nine_seconds():
    assert [election_timeout(u) for u in (0.0, 0.5)] == [4.0, 6.5]
    assert election_timeout(1 - 1e-12) == pytest.approx(9.0)


def test_the_follower_that_waits_for_less_since_the_last_sign_is_elected():
    assert elected({1: 0.5, 2: 0.2}, 10.0, 10.4) == (2, 15.0)
    assert elected({0: 0.0}, 1.0, 9.0) == (0, 9.0)
