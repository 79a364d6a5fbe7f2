"""A client is chosen, and the record says whether its way back shows the mechanism."""

from math import inf

import pytest

from tests.strategies import small
from twin.course.explanations import (
    Journey,
    explained,
    just_missed,
    wait_outlives,
    waits,
    who_lost,
    who_shows,
)
from twin.record.record import Record, row


def attempts(client, *passages):
    """Return rows of attempts: each its begin, its end and its outcome."""
    rows = []
    for number, (began, ended, outcome) in enumerate(passages, 2):
        rows.append(row(began, "attempt_connect", client, attempt=number))
        if outcome == "connected":
            rows.append(row(ended, "connected", client, 2, number))
        elif outcome:
            rows.append(row(ended, "connect_failed", client, attempt=number, detail=outcome))
    return rows


def record():
    """A node dies at 2 s and is marked down at 3 s; clients 0 to 4 lose their connection, 5 did before."""
    rows = [row(-0.5, "connected", k, 1, 1) for k in range(7)]
    rows += [row(2.0, "fault", node=1, detail="kill"), row(3.0, "marked_down", node=1, detail="check")]
    rows += [row(2.01, "disconnected", k, 1, detail="1006") for k in range(5)]
    rows += [row(1.0, "disconnected", 5, 1, detail="1006"), row(1.1, "connected", 5, 2, 2)]
    rows += attempts(0, (2.5, 2.51, "503"), (5.0, 5.01, "connected"))  # a long wait spans the mark-down
    rows += attempts(1, (2.95, 2.96, "503"), (3.1, 3.12, "connected"))  # just missed it
    rows += attempts(2, (2.2, 2.21, "connected"))  # before the mark-down
    rows += attempts(3, (2.5, 2.9, "timeout"), (3.5, 3.6, "503"), (6.0, 6.1, "connected"))  # two waits
    rows += attempts(4, (2.4, 2.41, "503"), (7.9, 0, ""))  # never back
    return Record.of(rows, {"scenario": small().model_dump(exclude_none=True)})


LATE, MISSED = wait_outlives("marked_down"), just_missed("marked_down", 0.1)


def test_a_journey_is_what_happened_to_one_client():
    one = Journey(record(), 0)
    assert (one.lost, one.back, one.away) == pytest.approx((2.01, 5.01, 3.0))
    assert [(p.outcome, p.node, round(p.wait, 3)) for p in one.passages] == [("503", -1, 0.49), ("connected", 2, 2.49)]
    never = Journey(record(), 4)
    assert never.back == inf
    assert never.passages[-1].ended == inf
    assert Journey(record(), 6).lost == inf
    assert who_lost(record()) == [0, 1, 2, 3, 4]


def test_the_waits_of_the_clients_stand_in_order_of_their_return():
    table = waits(record(), attempts=2)
    assert table.index.tolist() == [2, 1, 0, 3, 4]
    assert table.columns.tolist() == ["wait 1", "wait 2", "back after"]
    assert table.loc[0].tolist() == pytest.approx([0.49, 2.49, 3.01])
    assert table.loc[4, "back after"] == inf


def test_a_client_that_shows_it_is_right_and_is_told_how_many_do():
    answer = explained(record(), "0", LATE)
    assert answer.right
    assert answer.why == (
        "client 0 is away for 3.00 s, of which 2.01 s come after the mark-down; its last wait is 2.49 s. "
        "1 of the 5 clients that lost their connection show it."
    )
    assert explained(record(), 1, MISSED).right
    assert who_shows(record(), LATE) == [0]
    assert who_shows(record(), MISSED) == [1]


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (1, "of which 0.12 s come after the mark-down"),
        (2, "is back 0.79 s before the mark-down"),
        (3, "but not in one wait"),
        (4, "is not back when the run ends"),
        (5, "client 5 is none of the 5 that lost their connection in this run."),
        (6, "client 6 is none of the 5"),
        (30, "client is 30; allowed is 0 to 29."),
        (-1, "client is -1; allowed is 0 to 29."),
        (None, "choose a client first"),
        ("Ada", "client is 'Ada'; allowed is a number."),
        (0.5, "allowed is a whole number"),
        (True, "allowed is a number"),
    ],
)
def test_another_client_is_told_why_it_does_not(client, said):
    answer = explained(record(), client, LATE)
    assert not answer.right
    assert said in answer.why


def test_who_failed_long_before_or_not_at_all_did_not_just_miss_it():
    assert "0.500 s before it" in explained(record(), 0, MISSED).why
    assert "has no attempt that failed before the mark-down" in explained(record(), 2, MISSED).why


def test_without_the_event_nobody_shows_it():
    assert who_shows(record(), wait_outlives("drained", what="the drain")) == []
    assert who_shows(record(), just_missed("drained", 9.0)) == []
