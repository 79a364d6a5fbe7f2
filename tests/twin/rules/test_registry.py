"""Leases, generations and shares: laws, and numbers computed by hand."""

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.registry import (
    SHARES,
    Changes,
    Leases,
    Registration,
    changes,
    next_sign,
    pool_of,
    removal_bounds,
    share_parts,
    tries_next,
)

TTL = 2.0
SLOT = st.integers(1, 3)
STEP = (
    st.tuples(st.just("register"), SLOT)
    | st.tuples(st.just("beat"), SLOT, st.integers(0, 6))
    | st.tuples(st.just("leave"), SLOT, st.integers(0, 6))
    | st.tuples(st.just("wait"), st.sampled_from([0.5, 1.0, 1.9, 2.0, 2.1]))
)


def test_a_lease_ends_a_ttl_after_the_last_sign_and_not_a_moment_later():
    leases = Leases(TTL)
    assert leases.register(1, "a:1", "v1", 0.0) == 1
    assert leases.beat(1, 1, 7, 30, 1.5) == "renewed"
    assert leases.members(3.499)[1] == Registration(1, "a:1", "v1", 7, 30, 1.5, 0.0)
    assert leases.members(3.5) == {}
    assert leases.beat(1, 1, 7, 30, 3.5) == "expired"
    assert leases.members(3.5) == {}


def test_a_replaced_generations_heartbeat_is_refused_even_when_the_slot_is_free():
    leases = Leases(TTL)
    leases.register(1, "a:1", "v1", 0.0)
    leases.register(1, "b:1", "v2", 1.0)
    assert leases.beat(1, 1, 0, 0, 1.1) == "replaced"
    assert leases.members(1.1)[1].address == "b:1"
    assert leases.leave(1, 1) is False
    assert leases.leave(1, 2) is True
    assert leases.beat(1, 1, 0, 0, 1.2) == "replaced"
    assert leases.beat(1, 2, 0, 0, 1.2) == "expired"
    assert leases.members(1.2) == {}


def test_a_registry_without_its_data_asks_everyone_to_register_anew():
    leases = Leases(TTL)
    leases.register(1, "a:1", "v1", 0.0)
    leases.register(1, "a:1", "v1", 0.5)
    leases.forget()
    assert leases.members(0.6) == {}
    assert leases.beat(1, 2, 0, 0, 0.7) == "expired"
    assert leases.register(1, "a:1", "v1", 0.8, before=2) == 3
    assert leases.beat(1, 2, 0, 0, 0.9) == "replaced"  # of a process that was before this one


@given(st.lists(st.tuples(st.sampled_from(["sign", "forget", "wait"]), SLOT), max_size=40))
def test_nodes_that_register_when_they_are_told_to_have_generations_that_only_grow(steps):
    leases, now = Leases(TTL), 0.0
    mine = {slot: leases.register(slot, "a:1", "v1", now) for slot in (1, 2, 3)}
    for what, slot in steps:
        if what == "forget":
            leases.forget()
        elif what == "wait":
            now += TTL / 2
        elif leases.beat(slot, mine[slot], 1, 1, now) == "expired":
            generation = leases.register(slot, "a:1", "v1", now, mine[slot])
            assert generation == mine[slot] + 1
            mine[slot] = generation
        else:
            assert leases.members(now)[slot].generation == mine[slot]


@given(steps=st.lists(STEP, max_size=40))
def test_only_a_registration_revives_a_slot_and_generations_only_grow(steps):
    leases, now = Leases(TTL), 0.0
    latest: dict[int, int] = {}
    for step in steps:
        before = leases.members(now)
        if step[0] == "wait":
            now += step[1]
            assert set(leases.members(now)) <= set(before)
        elif step[0] == "register":
            generation = leases.register(step[1], "a:1", "v1", now)
            assert generation == latest.get(step[1], 0) + 1
            latest[step[1]] = generation
            assert leases.members(now)[step[1]].generation == generation
        elif step[0] == "beat":
            reply = leases.beat(step[1], step[2], 1, 1, now)
            held = step[1] in before and before[step[1]].generation == step[2]
            assert (reply == "renewed") == held
            assert (reply == "expired") == (not held and latest.get(step[1], step[2]) == step[2])
            assert set(leases.members(now)) == set(before)
        else:
            held = step[1] in leases.held and leases.held[step[1]].generation == step[2]
            assert leases.leave(step[1], step[2]) == held
            assert (step[1] in leases.members(now)) == (step[1] in before and not held)


MEMBERS = st.dictionaries(
    SLOT, st.builds(Registration, st.integers(1, 3), st.sampled_from(["a:1", "b:1"]), st.sampled_from(["v1", "v2"]))
)


@given(known=MEMBERS, members=MEMBERS)
def test_what_the_balancer_is_told_leads_from_what_it_knows_to_who_is_there(known, members):
    todo = changes(known, members)
    told = {(slot, one.address, one.version) for slot, one in known.items()}
    for slot, one in todo.gone:
        told.remove((slot, one.address, one.version))
    for slot, one in todo.came:
        assert (slot, one.address, one.version) not in told
        told.add((slot, one.address, one.version))
    assert told == {(slot, one.address, one.version) for slot, one in members.items()}
    assert changes(members, members) == Changes((), ())


def test_a_new_generation_at_the_same_address_is_moved_if_it_runs_another_version():
    known = {1: Registration(1, "a:1", "v1"), 2: Registration(1, "b:1", "v1")}
    members = {1: Registration(2, "a:1", "v2"), 2: Registration(2, "b:1", "v1")}
    assert changes(known, members) == Changes(((1, known[1]),), ((1, members[1]),))


def test_the_version_in_a_members_metadata_says_its_pool():
    assert pool_of("v2", "v2") == "next"
    assert pool_of("v1", "v2") == "cluster"
    assert pool_of("v3", "v2") == "cluster"
    assert pool_of("", "v2") == "cluster"
    assert pool_of("v2", None) == "cluster"  # no gray release


@given(first=st.floats(-100, 100), every=st.floats(0.05, 10), now=st.floats(-100, 100))
def test_the_next_sign_is_on_the_grid_and_never_further_than_one_interval(first, every, now):
    due = next_sign(first, every, now)
    assert now - 1e-6 < due <= now + every + 1e-6
    assert (due - first) / every == pytest.approx(round((due - first) / every), abs=1e-6)


def test_who_slept_does_not_make_up_for_the_signs_that_were_missed():
    assert next_sign(1.0, 0.5, 1.0) == 1.5
    assert next_sign(1.0, 0.5, 4.2) == 4.5
    assert next_sign(1.0, 0.5, 0.2) == 0.5


def test_the_bounds_of_a_removal_are_those_of_the_extreme_phases():
    low, high = removal_bounds(2.0, 0.5, 0.25)
    assert (low, high) == (1.5, 2.25)
    seen = []
    for beat in range(0, 50):
        for look in range(0, 25):
            last_beat, leases = -beat / 100, Leases(2.0)
            leases.register(1, "a:1", "v1", last_beat)
            t = look / 100
            while leases.members(t):
                t += 0.25
            seen.append(t)
    assert low <= min(seen) <= low + 0.02
    assert high - 0.03 <= max(seen) <= high


def test_the_hash_is_the_published_crc_32():
    assert crc32(b"123456789") == 0xCBF43926  # the check value of CRC-32/ISO-HDLC
    assert tries_next(123456789, 0xCBF43926 % SHARES + 1)
    assert not tries_next(123456789, 0xCBF43926 % SHARES)


@given(client=st.integers(0, 10**6), low=st.integers(0, SHARES), high=st.integers(0, SHARES))
def test_a_larger_share_holds_all_clients_of_a_smaller_one(client, low, high):
    low, high = sorted((low, high))
    assert not tries_next(client, low) or tries_next(client, high)
    assert not tries_next(client, 0)
    assert tries_next(client, SHARES)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5])
def test_a_share_of_many_clients_is_the_share_that_was_asked_for(share):
    count = 20_000
    found = sum(tries_next(client, share_parts(share)) for client in range(count)) / count
    assert found == pytest.approx(share, abs=4 * (share * (1 - share) / count) ** 0.5)
