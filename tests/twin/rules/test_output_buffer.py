"""What Valkey counts as waiting for a subscriber. The figures are those of CLIENT LIST of Valkey 9.1.2: see
`tests/live/broadcast/test_output_buffer.py`, which asks the server itself.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.frames import bulk_bytes, pushed_message
from twin.rules.output_buffer import (
    BLOCK,
    CHUNK,
    COUNTED,
    ENVELOPE,
    REFERENCES,
    SHARED_SIZE,
    OutputBuffer,
    connections,
    look_every,
    second_of,
    until_look,
)


def filled(payload, n, **limits):
    """Return what waits after `n` messages of which the connection takes nothing any more, and whether it was cut."""
    buffer = OutputBuffer(**{"hard_bytes": 0, "soft_bytes": 0, "soft_seconds": 0, **limits})
    size = pushed_message(payload)
    return buffer, [buffer.add(size, number * size, 0) for number in range(1, n + 1)]


def test_a_string_is_shared_from_16384_bytes_with_the_stamp_of_a_message():
    assert [pushed_message(payload) >= SHARED_SIZE for payload in (16_358, 16_359)] == [False, True]


@pytest.mark.parametrize(
    ("payload", "n", "omem"),
    [
        (1000, 4593, 4_983_744),
        (8000, 614, 4_983_744),
        (17_000, 1, 33_483),
        (17_000, 159, 33_483),
        (17_000, 160, 49_931),
        (17_000, 1529, 181_515),
        (30_000, 866, 128_723),
        (100_000, 637, 182_276),
        (400_000, 1, 416_484),
        (400_000, 319, 449_380),
    ],
)
def test_what_counts_is_what_the_server_itself_says(payload, n, omem):
    assert filled(payload, n)[0].counted == omem


def test_the_hard_limit_cuts_when_a_block_is_added_with_which_it_is_reached():
    size = pushed_message(1000)
    _, cuts = filled(1000, 100, hard_bytes=3 * COUNTED)
    first = cuts.index(True) + 1
    assert first == (size + 2 * BLOCK) // size + 1
    assert sum(cuts) == (size * 100 - size - 2 * BLOCK) // BLOCK + 1  # those that begin a block


def test_30_mb_of_large_messages_are_not_cut_at_5_mb_and_9_mb_of_small_ones_are():
    assert not any(filled(30_000, 1000, hard_bytes=5_000_000)[1])
    for payload in (8000, 15_000):
        cuts = filled(payload, 9_000_000 // payload, hard_bytes=5_000_000)[1]
        assert cuts.index(True) * pushed_message(payload) == pytest.approx(5_000_000, rel=0.01)


def test_strings_count_as_long_as_the_block_in_which_they_stand_is_being_written():
    buffer, _ = filled(17_000, 466, hard_bytes=10_000_000)
    size, string = pushed_message(17_000), bulk_bytes(17_025)
    assert buffer.counted == 3 * COUNTED + string
    buffer.leave(465 * size)
    assert buffer.counted == 3 * COUNTED + REFERENCES * string == 2_757_909
    buffer.leave(307 * size)
    assert buffer.counted == 2 * COUNTED + REFERENCES * string == 2_741_461
    buffer.leave(100 * size)
    assert buffer.counted == COUNTED + (466 - 2 * REFERENCES) * string
    buffer.leave(0)
    assert buffer.counted == 0
    buffer, cuts = filled(17_000, 466, hard_bytes=2_000_000)
    assert not any(cuts)
    assert not buffer.look(0)
    buffer.leave(465 * size)
    assert buffer.look(0)


def test_the_soft_limit_cuts_in_the_clocks_second_more_than_its_seconds_later():
    buffer, cuts = filled(15_000, 600, soft_bytes=8_000_000, soft_seconds=5)
    assert not any(cuts)
    assert [buffer.look(second) for second in (0, 4, 5, 6)] == [False, False, False, True]


def test_a_subscriber_that_drained_below_the_soft_limit_begins_anew():
    buffer, _ = filled(15_000, 600, soft_bytes=1_000_000, soft_seconds=5)
    buffer.leave(900_000)
    assert not buffer.look(3)
    assert buffer.since == -1
    size = pushed_message(15_000)
    assert not any(buffer.add(size, 900_000 + n * size, 9) for n in range(1, 50))
    assert [buffer.look(second) for second in (9, 14, 15)] == [False, False, True]


def test_no_limit_cuts_nobody():
    buffer, cuts = filled(15_000, 100_000)
    assert not any(cuts)
    assert not buffer.look(10**9)


def test_a_second_begins_where_the_clock_shows_it():
    assert [second_of(t, 0.25) for t in (0.0, 0.7, 0.75, 1.75)] == [0, 0, 1, 2]


def test_each_connection_is_looked_at_once_a_second_and_a_few_ten_times():
    assert [look_every(n) for n in (1, 5, 6, 11, 50, 51, 60, 1000, 3000)] == [
        0.1,
        0.1,
        0.2,
        0.3,
        1.0,
        1.0,
        1.0,
        1.0,
        1.0,
    ]
    assert (connections(3, "pubsub"), connections(3, "stream")) == (8, 11)


@given(now=st.floats(0.0, 1e5), every=st.sampled_from([0.1, 0.3, 1.0]), phase=st.floats(0.0, 1.0, exclude_max=True))
def test_the_next_look_is_the_first_of_its_grid_that_is_still_to_come(now, every, phase):
    wait = until_look(now, every, phase)
    assert 0.0 < wait <= every * (1 + 1e-9) + 1e-9
    place = (now + wait) / every - phase
    assert place == pytest.approx(round(place), abs=1e-6)


MOVES = st.lists(st.tuples(st.integers(0, 30), st.floats(0.0, 1.0), st.integers(0, 3)), max_size=30)


@given(payload=st.sampled_from([0, 64, 1000, 8000, 16_358, 16_359, 100_000]), moves=MOVES)
def test_what_counts_follows_what_waits(payload, moves):
    """By value all counts to within two blocks and the buffer before them; by reference each block at most its own."""
    buffer, size, waiting = OutputBuffer(0, 0, 0), pushed_message(payload), 0
    for n, share, _ in moves:
        for _ in range(n):
            waiting += size
            buffer.add(size, waiting, 0)
        if waiting:
            waiting = int(waiting * share)
            buffer.leave(waiting)
        if waiting == 0:
            assert buffer.counted == 0
        elif size < SHARED_SIZE:
            assert waiting - CHUNK - BLOCK <= buffer.counted <= (waiting / BLOCK + 2) * COUNTED
        else:
            blocks = waiting / (REFERENCES * size)
            assert blocks * COUNTED <= buffer.counted
            assert buffer.counted <= (blocks + 2) * COUNTED + REFERENCES * (size - ENVELOPE)


@given(moves=MOVES, soft=st.sampled_from([1, 20_000, 10**6]), seconds=st.integers(0, 5))
def test_the_soft_limit_cuts_nobody_before_it_was_exceeded_for_its_seconds(moves, soft, seconds):
    buffer, size, waiting, second, exceeded = OutputBuffer(0, soft, seconds), pushed_message(8000), 0, 0, 0
    for n, share, pause in moves:
        for _ in range(n):
            waiting += size
            assert not buffer.add(size, waiting, second) or second - exceeded > seconds
            exceeded = second if buffer.since < 0 else exceeded
        second += pause
        assert buffer.look(second) == (buffer.counted >= soft and buffer.since < second - seconds and buffer.since >= 0)
        waiting = int(waiting * share)
        if buffer.waiting:
            buffer.leave(waiting)
            buffer.look(second)
        exceeded = second if buffer.counted < soft else exceeded
