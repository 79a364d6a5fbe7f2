"""The labs' questions of level 2: a narrow strip is right, the ends of the range and what cannot be are not."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sim
from twin.costs.profile import HostProfile
from twin.course import broadcast, failover, registry, whole
from twin.course.explanations import explained, just_missed, wait_outlives, who_lost, who_shows
from twin.course.sessions import hash_seconds
from twin.record.record import Record
from twin.scenario.scenario import Scenario

ROOT = Path(__file__).parents[3]
PLACES = np.linspace(0.0, 1.0, 41)


@cache
def load(name):
    return Scenario.load(ROOT / "scenarios" / f"{name}.toml")


@cache
def recorded(name):
    return Record.load(ROOT / "records" / f"{name}.parquet")


def predicted(**values):
    return SimpleNamespace(measures=pd.DataFrame(values), bounds=pd.DataFrame())


def waits_by_hand(scenario):
    """Nine of ten clients are back with their third attempt, after waits of up to `base`, twice and four times that."""
    return predicted(reconnect_p90=scenario.clients.reconnect.base * (1.0 + 2.4 * PLACES))


def losses_by_hand(scenario):
    """A node is away for up to `cap` seconds, and a third of all clients miss 40 of 200 messages a second."""
    return predicted(lost_share=PLACES * scenario.bus.retry.cap * 40 / 200 / 3)


def removals_by_hand(scenario):
    """The last heartbeat and the registrar's look come at any time."""
    lease = scenario.registry
    some = np.add.outer(-lease.heartbeat * PLACES, lease.sync * PLACES)
    return predicted(mark_down_delay=lease.ttl + some.ravel())


def moves_by_hand(scenario):
    """Two nodes close connections for ten seconds; two new ones carry their share with 50 each."""
    moved = np.minimum(100.0, 20.0 * scenario.registry.rebalance.pace * (0.95 + 0.1 * PLACES))
    return predicted(new_share=moved / 100.0)


def logins_by_hand(scenario):
    """A message waits for the hash that is under way, and for a queue of them when they keep the core busy."""
    hashed = hash_seconds(HostProfile.load("reference"), scenario.sessions.login_iterations)
    busy = (scenario.faults[-1].pace or 1e9) * hashed
    return predicted(latency_p99=[0.01 + hashed * (1 + 4 * busy / (1 - busy)) if busy < 1 else 5.0])


ASKED = {
    "failover": (lambda: failover.harder(load("failover")), waits_by_hand, 0.29),
    "broadcast": (lambda: broadcast.harder(load("broadcast-pubsub-no-recovery")), losses_by_hand, 0.3),
    "lease": (lambda: registry.harder_lease(load("registry-death")), removals_by_hand, 0.6),
    "spread": (lambda: registry.harder_spread(load("autoscale-rebalance")), moves_by_hand, 4.3),
    "whole": (lambda: whole.harder(load("whole")), logins_by_hand, None),
}
"""Question, a model by hand, and an answer at the edge of that model."""
ODD = {"zero": [0, 0.0], "huge": [1e9], "no number": ["soon", None, [], {}, True, float("nan")]}


@pytest.mark.parametrize("name", ASKED)
def test_a_strip_at_the_edge_is_right_and_both_ends_of_the_range_are_not(name):
    question, predict, edge = ASKED[name][0](), *ASKED[name][1:]
    values = np.geomspace(question.least, question.most_allowed, 75)
    rights = [value for value in values if question.check(value, predict, 0.1).right]
    assert 0 < len(rights) <= 0.06 * len(values), rights
    assert max(rights) / min(rights) <= question.step
    assert values[0] < min(rights)
    assert max(rights) < values[-1]
    if edge is not None:
        assert question.check(str(edge), predict, "0.1").right


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", ASKED)
def test_what_cannot_be_is_not_right_and_is_told_why(name, kind):
    question, predict, _ = ASKED[name][0](), *ASKED[name][1:]
    for value in ODD[kind]:
        answer = question.check(value, predict, 0.1)
        assert not answer.right
        assert len(answer.why) > 20


@pytest.mark.parametrize("name", ASKED)
def test_the_labs_own_setting_and_the_bound_copied_are_not_right(name):
    question, predict, _ = ASKED[name][0](), *ASKED[name][1:]
    own = {"failover": 0.2, "broadcast": 1.0, "lease": 0.25, "spread": 10.0, "whole": 100.0}[name]
    for value in (own, question.bound):
        assert not question.check(value, predict, 0.1).right


@pytest.mark.parametrize(
    ("name", "replications", "right", "wrong"),
    [("failover", 24, 0.3, 0.5), ("lease", 6, 0.62, 1.2), ("spread", 3, 4.4, 2.0), ("broadcast", 8, 0.3, 0.6)],
)
def test_the_model_agrees_with_the_edge_as_far_as_few_replications_can(name, replications, right, wrong):
    question = ASKED[name][0]()
    profile = HostProfile.load("reference")
    found = {}
    for value in (right, wrong):
        answer = question._kept(value, lambda one: sim.predict(one, replications, profile, jobs=1))
        found[value] = answer.right
    assert found == {right: True, wrong: False}


MECHANISMS = [
    ("failover-0", wait_outlives("marked_down"), who_lost),
    ("registry-death-0", just_missed("marked_down", 0.1, "the removal"), who_lost),
    ("broadcast-pubsub-no-recovery-0", broadcast.jumped, broadcast.everybody),
    ("autoscale-lifetime-0", registry.moved_twice, who_lost),
    ("whole-0", whole.moved_and_logged_in, who_lost),
]


@pytest.mark.parametrize(("name", "shows", "among"), MECHANISMS, ids=[one[0] for one in MECHANISMS])
def test_some_clients_of_the_shipped_record_show_the_mechanism_and_most_do_not(name, shows, among):
    record = recorded(name)
    known, right = among(record), who_shows(record, shows, among)
    assert 0 < len(right) <= len(known) / 2
    answer = explained(record, right[0], shows, among)
    assert answer.right
    assert answer.why.endswith(f"{len(right)} of the {len(known)} clients that lost their connection show it.")
    other = next(client for client in known if client not in right)
    told = explained(record, other, shows, among)
    assert not told.right
    assert told.why.startswith(f"client {other} ")


def test_a_client_without_a_gap_or_a_login_is_told_so():
    calm = recorded("broadcast-pubsub-no-recovery-0")
    assert "has noted no gap" in explained(calm, 0, broadcast.jumped, broadcast.everybody).why
    whole_run = recorded("whole-0")
    shown = set(who_shows(whole_run, whole.moved_and_logged_in))
    told = [
        explained(whole_run, client, whole.moved_and_logged_in).why
        for client in who_lost(whole_run)
        if client not in shown
    ]
    assert any("never had to log in" in why for why in told)
    assert any("(drain)" in why or "(kill)" in why for why in told)
