import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.record.columns import COLUMNS, SCHEMA, Events, Words, distinct

ROWS = [
    (0.5, "fault", -1, 2, -1, -1, "kill"),
    (0.5, "connected", 3, 1, 2, -1, ""),
    (1.0, "fault", -1, 1, -1, -1, "hang"),
    (2.0, "delivered", 3, 1, -1, 7, "1 7"),
]
rows_of = st.lists(
    st.tuples(
        st.sampled_from([-1.0, 0.0, 0.25, 0.5, 8.0]),
        st.sampled_from(["fault", "connected", "sent", "arrived"]),
        *[st.integers(-1, 2**40)] * 4,
        st.sampled_from(["", "kill", "1 7", "1 7 late"]),
    ),
    max_size=12,
)


def by_time(rows):
    return sorted(rows, key=lambda one: one[0])


@given(rows_of)
def test_rows_come_back_as_they_were_from_columns_tables_and_frames(rows):
    events = Events.of_rows(rows)
    assert events.rows() == rows
    assert Events.of_table(events.table()).rows() == rows
    frame = events.frame()
    assert list(frame.columns) == COLUMNS
    assert [tuple(one) for one in frame.itertuples(index=False)] == rows
    assert Events.of_table(pa.Table.from_pandas(frame, SCHEMA, preserve_index=False)).rows() == rows


def test_a_frame_has_the_types_that_pandas_gives_to_such_rows():
    expected = pd.DataFrame(ROWS, columns=COLUMNS)
    pd.testing.assert_frame_equal(Events.of_rows(ROWS).frame(), expected)


@given(rows_of, rows_of)
def test_events_are_put_among_others_as_sorting_all_of_them_would(rows, more):
    found = Events.of_rows(by_time(rows)).among(Events.of_rows(more))
    assert found.rows() == by_time([*by_time(rows), *more])
    assert Events.of_rows([*rows, *more]).in_order().rows() == by_time([*rows, *more])


def test_more_texts_than_small_numbers_can_tell_apart_are_told_apart():
    kernel = Events(
        np.array([0.0]),
        Words(np.array([0], np.int8), ["fault"]),
        *(np.array([-1]) for _ in range(4)),
        Words(np.array([1], np.int8), ["", "kill"]),
    )
    more = [(1.0, "server_connections", -1, n, -1, -1, str(n)) for n in range(300)]
    assert kernel.among(Events.of_rows(more)).detail.spelled().tolist() == ["kill", *map(str, range(300))]


@given(rows_of, st.sets(st.sampled_from(["fault", "sent", "arrived", "healed"])))
@settings(max_examples=50)
def test_events_of_some_names_are_found_in_order_with_their_places(rows, names):
    events = Events.of_rows(rows)
    assert events.of(*names).rows() == [one for one in rows if one[1] in names]
    assert events.where(*names).tolist() == [i for i, one in enumerate(rows) if one[1] in names]


def test_some_events_are_taken_by_number_or_by_mask():
    events = Events.of_rows(ROWS)
    assert events.at(np.array([3, 0])).rows() == [ROWS[3], ROWS[0]]
    assert events.at(events.client == 3).rows() == [ROWS[1], ROWS[3]]
    assert len(events.at(events.client == 9)) == 0
    assert events.names() == {"fault", "connected", "delivered"}
    assert events.at(events.client == 3).names() == {"connected", "delivered"}


def test_a_text_that_is_listed_twice_or_not_used_is_one_text():
    words = Words(np.array([0, 2, 1, 0]), ["kill", "hang", "kill", "drain"])
    assert words.isin("kill").tolist() == [True, True, False, True]
    assert words.isin("drain", "hang").tolist() == [False, False, True, False]
    assert not words.isin().any()
    assert words.counts() == {"kill": 3, "hang": 1}
    assert words.used().tolist() == [0, 1, 2]
    assert words.say([10, 20, 30, 40]).tolist() == [10, 30, 20, 10]
    assert words.arrow().to_pylist() == words.spelled().tolist() == ["kill", "kill", "hang", "kill"]


def test_a_column_without_rows_says_nothing():
    words = Words.of([])
    assert words.isin("kill").tolist() == words.spelled().tolist() == words.used().tolist() == []
    assert words.counts() == {}
    assert Events.of_rows([]).of("fault").rows() == []


@given(st.lists(st.integers(0, 9)))
def test_numbers_are_told_apart_and_ranked_without_sorting(numbers):
    found, rank = distinct(np.array(numbers, np.int64), 10)
    assert found.tolist() == sorted(set(numbers))
    assert found[rank].tolist() == numbers


def test_a_number_above_the_most_is_refused():
    with pytest.raises(IndexError):
        distinct(np.array([3]), 3)
