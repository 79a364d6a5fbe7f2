"""Questions of level 2 of labs 3, 4 and 5: an answer at the edge, wrong ones, and how rare right ones are."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import sim
from twin.costs.profile import HostProfile
from twin.course import heartbeats, sizing, storm_checks, storms
from twin.scenario.scenario import Scenario

SCALE = 50
"""How many clients one stands for in the question on sizing."""


@cache
def predicted(text, host):
    profiles = {
        "storms": lambda: storms.given_host(200),
        "sizing": lambda: storms.given_host(500.0, 20_000.0, SCALE),
        "reference": lambda: HostProfile.load("reference"),
    }
    replications = 2 if host == "sizing" else 8
    scenario = Scenario.parse(pd.io.json.ujson_loads(text))
    return sim.predict(scenario, replications, profiles[host](), jobs=1)


def on(host):
    """Return what predicts each scenario once on a host."""
    return lambda scenario: predicted(scenario.model_dump_json(exclude_none=True), host)


def storm(count, expected=95):
    lab = storms.outage(clients=300, nodes=3, seconds=20, after=40, base=1.0, cap=8.0, jitter="full")
    return storm_checks.harder(lab).check(count, on("storms"), expected)


def size(backlog, expected=55):
    lab = storms.outage(100_000 // SCALE, 4, 30.0, 150.0, inter=5.0, base=1.0, cap=15.0, jitter="full")
    return sizing.check_queue(lab, backlog, 60.0, on("sizing"), expected, SCALE)


def heartbeat(open_timeout, expected=7.5):
    return heartbeats.harder(Scenario.load("hang")).check(open_timeout, on("reference"), expected)


EDGE = {storm: 240, size: 2200, heartbeat: 4.6}
WRONG = {
    storm: (100, 3000, 10, 0, 1e6, 600, 300, "many", None, float("nan"), []),
    size: (1, 4096, 5000, 0, 1e6, 1000, "long", None, [], True),
    heartbeat: (8.0, 0.1, 30.0, 0.0, 1e6, 10.0, "soon", None, float("inf"), []),
}
"""The limits copied, zero, huge values, what the lab has, and what is no number."""
RANGE = {storm: np.geomspace(20, 1500, 12), size: np.linspace(100, 4000, 12), heartbeat: np.geomspace(0.3, 25.0, 12)}


@pytest.mark.parametrize("check", EDGE, ids=lambda check: check.__name__)
def test_an_answer_at_the_edge_is_right_which_a_text_may_spell(check):
    for value in (EDGE[check], str(EDGE[check])):
        answer = check(value)
        assert answer.right, answer
        assert answer.found > 0
    assert not check(EDGE[check], expected=None).right


@pytest.mark.parametrize("check", WRONG, ids=lambda check: check.__name__)
def test_another_answer_is_not_right_and_is_told_why(check):
    for value in WRONG[check]:
        answer = check(value)
        assert not answer.right, (value, answer)
        assert len(answer.why) > 20


@pytest.mark.parametrize("check", RANGE, ids=lambda check: check.__name__)
def test_of_the_whole_range_few_answers_are_right(check):
    assert np.mean([check(value).right for value in RANGE[check]]) <= 0.1
