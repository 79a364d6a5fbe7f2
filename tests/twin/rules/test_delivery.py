import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.delivery import Broker, Cursor, Message, Position, SeenVersions


def broker(count, max_length=100, **more):
    made = Broker(max_length, 60.0, **more)
    for key in range(1, count + 1):
        made.publish(key, b"", 0.0)
    return made


def message(version, epoch=1):
    return Message(epoch, version, version)


def versions(messages):
    return [m.version for m in messages]


def test_the_broker_counts_versions_from_one_and_keeps_the_newest():
    made = broker(5, max_length=3)
    assert versions(made.log) == [3, 4, 5]
    assert made.publish(6, b"x", 1.0).message == Message(1, 6, 6, b"x")


def test_a_known_key_gets_its_old_stamp_until_the_window_is_over():
    made = Broker(10, 5.0)
    first = made.publish(7, b"a", 0.0)
    again = made.publish(7, b"a", 4.9)
    assert (first.fresh, again.fresh) == (True, False)
    assert again.message == first.message
    assert len(made.log) == 1
    assert made.publish(7, b"a", 5.0).message.version == 2


def test_keys_are_forgotten_when_their_window_is_over():
    made = Broker(10, 5.0)
    for key in range(1, 1001):
        made.publish(key, b"", key * 0.1)
    assert len(made._keys) <= 51


def test_a_restart_without_data_begins_a_new_epoch_and_one_with_data_does_not():
    made = broker(3)
    made.restart(persist=True)
    assert made.publish(3, b"", 1.0).message == Message(1, 3, 3)
    made.restart(persist=False)
    assert made.publish(3, b"", 1.0).message == Message(2, 1, 3)
    assert versions(made.log) == [1]


@pytest.mark.parametrize(
    ("epoch", "version", "found"),
    [
        (1, 5, []),
        (1, 4, [5]),
        (1, 2, [3, 4, 5]),
        (1, 1, None),  # 2 is no longer in the log
        (1, 6, None),  # the broker has lost what the client has seen
        (2, 4, None),
        (0, 0, None),  # from the beginning, which is no longer there
    ],
)
def test_recovery_is_all_or_nothing(epoch, version, found):
    answer = broker(5, max_length=3).recover(epoch, version)
    assert answer.recovered == (found is not None)
    assert versions(answer.messages) == (found or [])
    assert (answer.epoch, answer.version) == (1, 5)


def test_a_client_that_has_seen_nothing_recovers_from_the_beginning():
    assert versions(broker(3).recover(0, 0).messages) == [1, 2, 3]


def test_a_cursor_goes_on_where_it_stands_and_reads_a_new_epoch_from_its_beginning():
    made = broker(5)
    cursor = Cursor(1)
    assert versions(cursor.read(made, 2)) == [1, 2]
    assert versions(cursor.read(made)) == [3, 4, 5]
    assert cursor.read(made) == []
    made.restart(persist=False)
    made.publish(9, b"", 0.0)
    assert cursor.read(made) == [Message(2, 1, 9)]


def test_a_new_process_reads_a_stream_from_its_end_and_a_partition_from_its_offset():
    made = broker(5)
    cursor = Cursor(1)
    cursor.read(made, 2)
    cursor.commit()
    cursor.read(made, 2)
    cursor.restart(made, committed=True)
    assert versions(cursor.read(made)) == [3, 4, 5]
    cursor.restart(made, committed=False)
    assert cursor.read(made) == []


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 12)), max_size=60))
def test_a_node_fans_out_each_version_once_and_none_of_an_epoch_that_is_over(arrivals):
    seen, known, newest = SeenVersions(), set(), 0
    for place in arrivals:
        expected = place not in known and place[0] >= newest
        assert seen.first(*place) == expected
        known.add(place)
        newest = max(newest, place[0])


def test_what_a_node_remembers_is_bounded(monkeypatch):
    monkeypatch.setattr("twin.rules.delivery.MOST_SEEN", 10)
    seen = SeenVersions()
    for version in range(2, 200, 2):
        assert seen.first(1, version)
    assert len(seen.above) == 10
    assert not seen.first(1, 198)
    assert not seen.first(1, 3)  # below what is remembered counts as seen
    assert not seen.first(1, 178)
    assert not seen.first(1, 177)
    assert seen.first(1, 197)  # among those that are remembered, and not one of them
    assert not seen.first(1, 197)
    assert len(seen.above) == 10
    assert not seen.first(1, 179)  # that drove out 180, and all below it count as seen
    assert seen.first(1, 181)


def test_a_client_applies_in_order_and_knows_a_duplicate():
    position = Position()
    assert [position.arrive(message(v)).kind for v in (1, 2, 2, 1, 3)] == [
        "next",
        "next",
        "duplicate",
        "duplicate",
        "next",
    ]


def test_a_gap_is_noted_and_asked_for_once_and_filled_by_the_answer():
    position, made = Position(), broker(6)
    position.arrive(message(1))
    first, second = position.arrive(message(4)), position.arrive(message(5))
    assert (first.kind, first.gap, first.ask, first.deliver) == ("early", 2, True, ())
    assert (second.kind, second.gap, second.ask) == ("early", 0, False)
    done = position.answer(made.recover(1, 1))
    assert versions(done.deliver) == [2, 3, 4, 5, 6]
    assert (done.replayed, done.snapshot, done.ask) == (5, False, False)
    assert position.arrive(message(4)).kind == "duplicate"


def test_an_answer_that_does_not_reach_what_came_early_is_asked_again():
    position = Position()
    position.arrive(message(1))
    position.arrive(message(5))
    done = position.answer(broker(3).recover(1, 1))
    assert versions(done.deliver) == [2, 3]
    assert done.ask
    assert versions(position.answer(broker(5).recover(1, 3)).deliver) == [4, 5]


def test_a_gap_that_the_log_no_longer_covers_is_jumped_and_never_half_filled():
    position = Position()
    position.arrive(message(1))
    position.arrive(message(9))
    done = position.answer(broker(9, max_length=3).recover(1, 1))
    assert done.snapshot
    assert done.deliver == ()
    assert (position.epoch, position.version) == (1, 9)
    assert position.arrive(message(5)).kind == "late"
    assert versions(position.arrive(message(10)).deliver) == [10]


def test_a_missing_message_that_comes_late_closes_the_gap_too():
    position = Position()
    for version in (1, 3):
        position.arrive(message(version))
    late = position.arrive(message(2))
    assert (late.kind, versions(late.deliver)) == ("late", [2, 3])


def test_without_recovery_a_client_notes_the_gap_and_drops_what_comes_behind_it():
    position = Position(recover=False)
    position.arrive(message(1))
    over = position.arrive(message(4))
    assert (over.kind, over.gap, over.ask, versions(over.deliver)) == ("next", 2, False, [4])
    late = position.arrive(message(3))
    assert (late.kind, late.deliver) == ("late", ())
    assert position.arrive(message(4)).kind == "duplicate"


def test_a_new_epoch_always_shows_a_gap_because_the_end_of_the_old_one_may_be_lost():
    position, made = Position(), broker(3)
    for version in (1, 2):
        position.arrive(message(version))
    made.restart(persist=False)
    new = made.publish(4, b"", 0.0).message
    arrival = position.arrive(new)
    assert (arrival.kind, arrival.gap, arrival.ask) == ("early", 3, True)
    done = position.answer(made.recover(*position.resume()))
    assert done.snapshot
    assert (position.epoch, position.version) == (2, 1)
    assert position.arrive(message(3)).kind == "late"  # of the old epoch
    plain = Position(recover=False)
    plain.arrive(message(1))
    assert plain.arrive(new).gap == 2


def test_a_client_ahead_of_the_broker_stays_where_it_is():
    position = Position()
    for version in (1, 2, 3):
        position.arrive(message(version))
    assert position.answer(broker(2).recover(1, 3)).snapshot is False
    assert position.version == 3


def test_what_comes_early_is_kept_up_to_a_bound(monkeypatch):
    monkeypatch.setattr("twin.rules.delivery.MOST_EARLY", 3)
    position = Position()
    for version in range(2, 20):
        position.arrive(message(version))
    assert len(position.early) == 3
    assert versions(position.answer(broker(20).recover(0, 0)).deliver) == list(range(1, 21))


def test_a_lost_connection_forgets_the_question():
    position = Position()
    position.arrive(message(2))
    position.lose_connection()
    assert position.arrive(message(3)).ask


WORLD = st.lists(
    st.sampled_from(["publish", "publish", "publish", "lose", "swap", "twice", "lost ask", "crash", "reconnect"]),
    max_size=80,
)


@given(WORLD, st.integers(1, 20), st.booleans())
def test_whatever_is_lost_swapped_or_doubled_a_client_applies_without_a_silent_hole(steps, max_length, recover):
    made, position = Broker(max_length, 60.0), Position(recover)
    applied, link, key = [], [], 0
    at = (0, 0)

    def apply(deliver, jump=None, gap=0):
        nonlocal at
        if jump:
            assert jump > at
            at = jump
        for m in deliver:
            place = (m.epoch, m.version)
            assert place > at
            if recover or not gap:
                assert place == (at[0] or m.epoch, at[1] + 1)
            at = place
            applied.append(m.key)

    def ask(arrives=True):
        answer = made.recover(*position.resume())
        while arrives:
            done = position.answer(answer)
            apply(done.deliver, (answer.epoch, answer.version) if done.snapshot else None)
            if not done.ask:
                return
            answer = made.recover(position.epoch, position.version)

    for step in steps:
        if step == "crash":
            made.restart(persist=False)
            continue
        if step == "reconnect":
            position.lose_connection()
            link.clear()
            if recover:
                ask()
            continue
        key += 1
        link.append(made.publish(key, b"", 0.0).message)
        if step == "swap":
            continue
        if step == "lose":
            link.pop()
        sent, link = link[::-1], []
        for m in sent * (2 if step == "twice" else 1):
            arrival = position.arrive(m)
            apply(arrival.deliver, gap=arrival.gap)
            if arrival.ask:
                ask(step != "lost ask")
    assert len(applied) == len(set(applied))
    assert applied == sorted(applied)
    if recover and made.version:
        ask()
        assert at == (made.epoch, made.version)
