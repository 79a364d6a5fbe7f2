"""The compiled engine against the SimPy model, event by event, on random scenarios.

120 random scenarios by default; `STORMLAB_EXAMPLES=5000 ./lab test tests/sim/compiled/test_engine.py` runs 5,000, and
`STORMLAB_SEED=1 STORMLAB_EXAMPLES=500` before the same a piece of 500 others for each seed.
"""

import os

import numpy as np
import pytest
from hypothesis import assume, given, seed, settings
from hypothesis import strategies as st

from sim.compiled.engine import KernelRun
from sim.engines import uncovered
from sim.world import World
from tests.strategies import profiles, small, small_profile, storms
from twin.measures import attempt_counts, connected_curve, course, reconnect_times
from twin.record.record import Record

EXAMPLES = int(os.environ.get("STORMLAB_EXAMPLES", "120"))
SEED = os.environ.get("STORMLAB_SEED")
pytestmark = pytest.mark.timeout(180 + EXAMPLES)


def of_seed(test):
    """Draw other scenarios than always, if a seed is given."""
    return test if SEED is None else seed(int(SEED))(test)


def in_order(rows):
    """Return events as a record has them: in order of time, those of equal time as they were noted."""
    return sorted(rows, key=lambda row: row[0])


def assert_same(expected, found):
    """Compare two lists of events: the same to the last word, times to 1e-9 of their size."""
    for one, other in zip(expected, found, strict=False):
        assert other[1:] == one[1:], f"{other} instead of {one}"
        assert other[0] == pytest.approx(one[0], rel=1e-9, abs=1e-12), f"{other} instead of {one}"
    assert len(found) == len(expected)


@of_seed
@settings(max_examples=EXAMPLES, deadline=None)
@given(scenario=storms(), profile=profiles(), replication=st.integers(0, 1000))
def test_both_engines_note_the_same_events(scenario, profile, replication):
    assume(not uncovered(scenario))
    expected = World(scenario, replication, profile).run()
    found = KernelRun(scenario, replication, profile).go().rows()
    assert_same(in_order(expected), in_order(found))


@of_seed
@settings(max_examples=max(30, EXAMPLES // 10), deadline=None)
@given(
    scenario=storms(),
    marks=st.lists(st.tuples(st.floats(-1.0, 8.0), st.just(1), st.booleans()), max_size=4),
    host=st.integers(-1, 5),
)
def test_both_engines_take_given_marks_and_the_draw_of_another_host(scenario, marks, host):
    assume(not uncovered(scenario))
    expected = World(scenario, 3, small_profile(), marks, host).run()
    found = KernelRun(scenario, 3, small_profile(), marks, host).go().rows()
    assert_same(in_order(expected), in_order(found))


def test_a_peer_of_nginx_that_is_given_as_down_is_chosen_in_neither_engine():
    faults = [{"at": 0.0, "kind": "kill", "node": 2}]
    scenario = small(balancer={"kind": "nginx", "algorithm": "round_robin"}, nodes={"count": 2}, faults=faults)
    marks = [(0.0, 1, False)]
    expected = in_order(World(scenario, 0, small_profile(), marks).run())
    assert any(row[1] == "connect_failed" for row in expected)
    assert_same(expected, in_order(KernelRun(scenario, 0, small_profile(), marks).go().rows()))


@pytest.mark.parametrize(("reload", "counts"), [(1.7, False), (3.0, True)])
def test_what_fails_in_an_old_process_of_nginx_counts_for_itself_in_both_engines(reload, counts):
    """Clients of node 1 are sent to node 2, whose queue is full, and the reload comes before or after their timeout.

    A new process begins with fresh peers, those of a zone included. Source: nginx, `noreuse` of
    ngx_http_upstream_zone_module.c.
    """
    reconnect = {"policy": "fixed", "base": 0.2, "jitter": "none"}
    faults = [
        {"at": 1.0, "kind": "hang", "node": 2, "duration": 5.0},
        {"at": 1.1, "kind": "kill", "node": 1},
        {"at": reload, "kind": "reload"},
    ]
    scenario = small(
        balancer={"kind": "nginx", "algorithm": "round_robin", "connect_timeout": 1.0, "max_fails": 3},
        nodes={"backlog": 1},
        clients={"count": 60, "open_timeout": 20.0, "reconnect": reconnect, "heartbeat": {"interval": 0.0}},
        faults=faults,
    )
    expected = in_order(World(scenario, 0, small_profile()).run())
    late = [row for row in expected if 2.0 < row[0] < 2.4]
    assert any(row[1] == "connected" for row in late), "what timed out at node 2 goes on to node 3"
    assert (("marked_down", 2) in {(row[1], row[3]) for row in late}) == counts
    assert_same(expected, in_order(KernelRun(scenario, 0, small_profile()).go().rows()))


@pytest.mark.parametrize(
    ("connect_timeout", "hangs", "after"),
    [
        # the two that found room in the queue, those whose SYN was sent again, and those who were told no
        (0.5, 2.5, {("connected", 2.5), ("connect_failed", 0.5)}),
        (1.0, 0.05, {("connected", 0.0), ("connected", 1.0), ("connect_failed", 1.0)}),
        (3.0, 2.5, {("connected", 2.5), ("connected", 3.0), ("connect_failed", 3.0)}),
        (2.5, 0.05, {*(("connected", t) for t in (0.0, 1.0, 2.0)), ("connect_failed", 2.5)}),
        (10.0, 2.5, {("connected", t) for t in (2.5, 3.0, 4.0, 5.0)}),
        (10.0, 5.5, {("connected", 5.5), ("connected", 7.0), ("connect_failed", 10.0)}),
    ],
)
def test_both_engines_send_a_dropped_syn_again_every_second_at_first(connect_timeout, hangs, after):
    """Forty clients come at once to a node that hangs and whose queue has room for two."""
    reconnect = {"policy": "fixed", "base": 1.0, "jitter": "none", "max_attempts": 1}
    faults = [{"at": 1.0, "kind": "kill", "node": 1}, {"at": 1.99, "kind": "hang", "node": 2, "duration": hangs}]
    scenario = small(
        duration=14.0,
        nodes={"count": 2, "backlog": 1},
        clients={"count": 80, "open_timeout": 20.0, "reconnect": reconnect, "heartbeat": {"interval": 0.0}},
        balancer={"connect_timeout": connect_timeout, "check": {"fall": 1, "inter": 0.1, "timeout": 0.09}},
        faults=faults,
    )
    expected = in_order(World(scenario, 0, small_profile()).run())
    asked = {row[2]: row[0] for row in expected if row[1] == "attempt_connect"}
    ends = [row for row in expected if row[0] > 1.5 and row[1] in ("connected", "connect_failed")]
    assert {(row[1], round(row[0] - asked[row[2]], 1)) for row in ends} == after
    assert_same(expected, in_order(KernelRun(scenario, 0, small_profile()).go().rows()))


@of_seed
@settings(max_examples=max(100, EXAMPLES // 3), deadline=None)
@given(scenario=storms(), profile=profiles(), replication=st.integers(0, 1000))
def test_what_is_counted_is_what_the_record_says(scenario, profile, replication):
    assume(not uncovered(scenario))
    rows = World(scenario, replication, profile).run()
    record = Record.of(rows, {"scenario": scenario.model_dump(exclude_none=True)})
    counted = KernelRun(scenario, replication, profile, full=False).go()
    assert counted.course().measures() == pytest.approx(course(record).measures(), rel=1e-9, abs=1e-9)
    assert np.array_equal(counted.curve(), connected_curve(record))
    assert np.array_equal(counted.attempts(), attempt_counts(record))
    assert counted.course().reconnect_times() == pytest.approx(dict(reconnect_times(record)), rel=1e-9, abs=1e-9)


def test_the_comparison_finds_one_event_that_differs():
    """The test above can fail: another replication of the same scenario is not the same."""
    scenario = small(faults=[{"at": 1.0, "kind": "kill", "node": 1}])
    expected = World(scenario, 0, small_profile()).run()
    found = KernelRun(scenario, 1, small_profile()).go().rows()
    with pytest.raises(AssertionError):
        assert_same(in_order(expected), in_order(found))
