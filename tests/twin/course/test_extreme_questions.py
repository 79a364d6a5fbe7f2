"""Level 2 of labs 6, 7, 10 and 12, and level 1 of 12 and 13: the edge is right, the rest is not, few answers are."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from twin.course import balancing, drain, sessions, stalls, transports
from twin.rules.health import detection_bounds
from twin.scenario.scenario import Scenario

HUGE = 1e12


def predicted(measure, values):
    return SimpleNamespace(measures=pd.DataFrame({measure: values}), bounds=pd.DataFrame())


def waits_by_hand(scenario):
    """Waits that lie evenly; the worst 100 ms has three standard deviations more than the mean."""
    mean = min(240.0, 240 * 0.1 / scenario.clients.reconnect.base)
    return predicted("peak_attempts", [mean + 3 * mean**0.5])


def hashes_by_hand(scenario):
    """Two of three clients log in, one after the other, from the moment at which the connections are cut."""
    return predicted("reconnect_p99", [2.0 + 20 * 5e-7 * scenario.sessions.login_iterations])


def leads_by_hand(scenario):
    """Who is closed before the mark-down is sent to the node again."""
    check, (fault,) = scenario.balancer.check, scenario.faults
    _, latest = detection_bounds(check.inter, check.fall)
    return predicted("attempts_per_client", [1.0 + max(0.0, latest - fault.lead)])


def waits_of_polls_by_hand(scenario):
    """A message waits for any part of an interval, and some milliseconds more."""
    return predicted("latency_p90", [0.005 + 0.9 * scenario.clients.transport.interval])


def bytes_by_hand(scenario):
    """The heads of request and answer are shared by all messages of an interval."""
    messages = scenario.publisher.rate * scenario.clients.transport.interval
    return predicted("bytes_per_delivery", [93 + 262 / messages])


def pieces_by_hand(scenario):
    """Two in five wait for any part of a piece."""
    (length,) = (task.cpu.mean for task in scenario.nodes.handler.tasks if task.name == "long")
    return predicted("short_answer_p99", [0.001 + stalls.waits_by_hand(0.4, length, 0.99)])


def single():
    return drain.single_drain(Scenario.load("rolling-restart"), 25.0, 2.5)


QUESTIONS = {
    "base": (balancing.harder(Scenario.load("node-returns")), waits_by_hand, 50.0),
    "iterations": (sessions.harder(Scenario.load("sessions-reload")), hashes_by_hand, 3.9),
    "lead": (drain.harder(single()), leads_by_hand, 1.0),
    "age": (transports.gentlest(Scenario.load("transport-poll")), waits_of_polls_by_hand, 0.4),
    "bytes": (transports.harder(Scenario.load("transport-poll")), bytes_by_hand, 110.0),
    "piece": (stalls.largest_piece(stalls.variant("loop")), pieces_by_hand, 0.015),
}


@cache
def edge(name):
    """Return the most extreme value that keeps the bound, but for a thousandth."""
    question, predict, _ = QUESTIONS[name]
    kept, broken = question.least, question.most_allowed
    if not question.largest:
        kept, broken = broken, kept
    while abs(kept / broken - 1) > 0.001:
        middle = (kept * broken) ** 0.5
        if predict(question.varied(middle)).measures.iloc[0, 0] < question.bound:
            kept = middle
        else:
            broken = middle
    return kept


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_edge_lies_within_the_range_and_is_right(name):
    question, predict, expected = QUESTIONS[name]
    best = edge(name)
    assert question.least * 1.5 < best < question.most_allowed / 1.5
    assert question.check(best, predict, expected).right
    assert question.check(str(best), predict, str(expected)).right


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_ends_of_the_range_and_what_is_no_number_are_not_right(name):
    question, predict, expected = QUESTIONS[name]
    best = edge(name)
    beyond, easier = (1.05, 0.8) if question.largest else (1 / 1.05, 1.25)
    for value in (question.least, question.most_allowed, 0, HUGE, "soon", None, [], float("nan"), best * beyond):
        assert not question.check(value, predict, expected).right, value
    answer = question.check(best * easier, predict, expected)
    assert not answer.right
    assert "would do as well" in answer.why


@pytest.mark.parametrize("name", QUESTIONS)
def test_few_of_all_values_are_right_and_none_without_an_expectation(name):
    question, predict, expected = QUESTIONS[name]
    values = np.geomspace(question.least, question.most_allowed, 60)
    assert np.mean([question.check(value, predict, expected).right for value in values]) <= 0.1
    first = question.check(edge(name), predict)
    assert not first.right
    assert "first say what you expect" in first.why


def test_the_lead_by_hand_is_the_latest_mark_down():
    assert edge("lead") == pytest.approx(1.2, abs=0.06)
