from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.draws import Purpose, philox4x32, stratified, uniform

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, words):
    assert philox4x32(counter, key) == words


def test_a_uniform_number_is_made_of_53_bits_of_the_first_two_words():
    a, b, _, _ = philox4x32((17, Purpose.RECONNECT, 3, 2), (5, 1))
    assert uniform(2**32 + 5, 2, 17, Purpose.RECONNECT, 3) == (a * 2**21 + b // 2**11) / 2**53


addresses = st.tuples(
    st.integers(0, 2**63 - 1),
    st.integers(0, 10**5),
    st.integers(0, 10**6),
    st.sampled_from(Purpose),
    st.integers(0, 10**6),
)


@given(addresses, addresses)
def test_a_number_depends_on_its_address_alone(one, other):
    first = uniform(*one)
    again = uniform(*other)
    assert 0 <= first < 1
    assert uniform(*one) == first
    assert (again == first) == (one == other)


def test_the_numbers_are_uniform_and_uncorrelated_from_client_to_client():
    values = np.array([[uniform(1, 0, client, Purpose.RECONNECT, n) for n in range(20)] for client in range(500)])
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    assert abs(counts - 500).max() < 110  # five standard deviations
    assert abs(np.corrcoef(values[:, 0], values[:, 1])[0, 1]) < 0.2
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_replications_lie_at_equal_distances_and_three_of_them_are_not_close(seed):
    values = [stratified(seed, replication, 0, Purpose.CHECK_PHASE) for replication in range(40)]
    assert all(0 <= value < 1 for value in values)
    for start in range(0, 40, 5):
        five = values[start : start + 5]
        assert np.diff(sorted(five)) == pytest.approx([0.2] * 4)
        assert min(abs(a - b) for a, b in combinations(five[:3], 2)) > 0.19


def test_two_hundred_replications_have_one_in_each_of_two_hundred_parts():
    values = np.array([stratified(7, replication, 0, Purpose.CHECK_PHASE) for replication in range(400)])
    for many in (values[:200], values[200:]):
        assert sorted((many * 200).astype(int)) == list(range(200))


def test_what_is_drawn_for_two_purposes_is_uncorrelated():
    first, second, third = (
        np.array([stratified(seed, i, entity, purpose) for seed in range(5) for i in range(200)])
        for entity, purpose in ((0, Purpose.CHECK_PHASE), (0, Purpose.HOST), (1, Purpose.HOST))
    )
    cells = np.histogram2d(first, second, bins=4)[0]
    assert abs(np.corrcoef([first, second, third]) - np.eye(3)).max() < 0.1
    assert cells.min() > 30  # of 62.5 on average; a rotation of each other would leave cells empty


def test_the_purposes_keep_their_numbers():
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "RECONNECT": 1,
        "PING_PHASE": 2,
        "CHECK_PHASE": 3,
        "BALANCE": 4,
        "HOST": 5,
        "PACE": 7,
        "ROUND": 8,
        "CLOCK": 9,
        "BUS_RETRY": 10,
        "CAMPAIGN": 11,
        "DISTURBANCE": 13,
        "LEASE_PHASE": 12,
        "MEMBER_PHASE": 24,
        "SYNC_PHASE": 25,
        "LIFETIME": 26,
        "SEND_PHASE": 30,
        "BUS_SECOND": 40,
        "BUS_LOOK": 41,
        "TIE": 42,
        "BUS_AGAIN": 43,
        "NODE_PORT": 50,
        "LISTENER": 51,
        "POLL_PHASE": 60,
        "TASK_PHASE": 70,
        "TASK_INTERVAL": 71,
        "TASK_CPU": 72,
        "TASK_BLOCKING": 73,
        "TASK_AWAITING": 74,
        "POOL_ARRIVAL": 80,
        "POOL_SERVICE": 81,
        "POOL_LEAK": 82,
        "POOL_CONNECTION": 83,
        "RAFT_LEADER": 90,
        "ELECTION": 91,
    }
