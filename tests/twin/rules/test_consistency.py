import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.consistency import LeasedNodes, Ledger, next_failure, publish_times, reached, retry_delay

NODES = frozenset({1, 2, 3})


@pytest.mark.parametrize(
    ("threshold", "acked", "members", "expected"),
    [
        ("all", {1, 2}, NODES, False),
        ("all", {1, 2, 3}, NODES, True),
        ("all", {1, 2}, {1, 2}, True),  # node 3 died
        ("all", set(), set(), False),  # nobody has it
        ("all", {4}, {4}, False),  # nobody of those it was meant for
        ("majority", {1}, NODES, False),
        ("majority", {1, 2}, NODES, True),
        ("majority", {1}, {1}, False),  # the dead still count
        ("majority", {1, 4}, {1, 4}, False),
        (2, {1}, NODES, False),
        (2, {1, 4}, {4}, True),
    ],
)
def test_a_message_is_consistent_when_its_threshold_is_reached(threshold, acked, members, expected):
    assert reached(threshold, NODES, acked, members) is expected


sets = st.frozensets(st.integers(1, 5))


@given(st.sampled_from(["all", "majority", 1, 2, 5]), sets, sets, sets, sets)
def test_more_acknowledgements_and_fewer_members_never_undo_consistency(threshold, registered, acked, members, more):
    if reached(threshold, registered, acked, members):
        assert reached(threshold, registered, acked | more, members)
        assert reached(threshold, registered, acked, members - more)


@given(sets, sets, sets, sets)
def test_two_majorities_of_the_same_nodes_share_a_node(registered, one, other, members):
    if reached("majority", registered, one, members) and reached("majority", registered, other, members):
        assert one & other


@pytest.mark.parametrize(("retries", "numbers"), [(3, [1, 2, 3, 1, 2]), (1, [1, 1, 1]), (0, [1, 1, 1])])
def test_who_tries_for_ever_counts_anew_after_all_retries(retries, numbers):
    failures, found = 0, []
    for _ in numbers:
        failures = next_failure(failures, retries)
        found.append(failures)
    assert found == numbers


def test_each_nodes_first_acknowledgement_counts_until_the_last_needed_one():
    ledger = Ledger("all", 1.0, 2)
    pending = ledger.publish(7, 1, 5, b"x", NODES, 10.0)
    counts = [ledger.acknowledge(node, 1, 5, NODES) for node in (1, 1, 2, 3)]
    assert [c.first for c in counts] == [True, False, True, True]
    assert [c.consistent for c in counts] == [False, False, False, True]
    assert (len(pending.acked), pending.version, pending.payload) == (3, 5, b"x")
    assert ledger.acknowledge(1, 1, 6, NODES).message is None


def test_a_message_is_sent_again_after_each_timeout_and_at_last_forgotten():
    ledger = Ledger("all", 1.0, 2)
    pending = ledger.publish(7, 1, 5, b"x", NODES, 10.0)
    assert ledger.next_due() == 11.0
    assert ledger.due(10.9) == []
    assert ledger.due(11.0) == [pending]
    assert ledger.due(11.5) == []
    assert ledger.due(12.0) == [pending]
    assert pending.resends == 2
    assert ledger.due(13.0) == []
    assert len(ledger) == 0
    assert ledger.next_due() is None


def test_a_consistent_message_is_not_sent_again():
    ledger = Ledger(1, 1.0, 2)
    ledger.publish(7, 1, 5, b"x", NODES, 10.0)
    assert ledger.acknowledge(2, 1, 5, NODES).consistent
    assert ledger.acknowledge(3, 1, 5, NODES).first  # still counted
    assert ledger.due(11.0) == []
    assert len(ledger) == 0


def test_the_death_of_the_last_awaited_node_makes_a_message_consistent():
    ledger = Ledger("all", 1.0, 2)
    pending = ledger.publish(7, 1, 5, b"x", NODES, 10.0)
    for node in (1, 2):
        ledger.acknowledge(node, 1, 5, NODES)
    assert ledger.view(NODES) == []
    assert ledger.view({1, 2}) == [pending]
    assert ledger.view({1, 2}) == []


def test_a_node_is_registered_until_its_lease_runs_out():
    registry = LeasedNodes(2.0)
    registry.renew(1, 0.0)
    registry.renew(2, 1.0)
    assert registry.members(1.9) == {1, 2}
    assert registry.next_expiry() == 2.0
    assert registry.members(2.0) == {2}
    registry.leave(2)
    assert registry.members(2.5) == set()


def test_messages_are_due_at_their_rate_before_the_stop():
    assert publish_times(10.0, 0.0, 0.3) == pytest.approx([0.0, 0.1, 0.2])
    assert publish_times(10.0, 1.0, 1.0) == []
    assert publish_times(10.0, 1.0, 9.0, 2) == pytest.approx([1.0, 1.1])


def test_a_retry_waits_as_redis_py_does():
    assert [retry_delay(n, 0.01, 1.0, 0.5) for n in (1, 2, 7, 10)] == pytest.approx([0.01, 0.02, 0.64, 1.0])
