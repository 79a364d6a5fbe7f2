"""Notebook 04: each claim of its text is held against its stored outputs, or against the model."""

import itertools
import re

import numpy as np
import pytest

import sim
from live.limits import MOST_CLIENTS
from sim.node.node import SYN_RETRIES
from tests.stored import RECORDS, cell, printed, prose, table
from twin.course import sizing, storms
from twin.course.discrepancies import beyond_by_luck
from twin.course.explanations import first_after

STEM = "04-sizing"
RATE = 500.0


def outage(nodes, cap, scale=1):
    one = storms.outage(100_000 // scale, nodes, 30.0, 150.0, inter=5.0, base=1.0, cap=cap, jitter="full")
    return one.vary(nodes={"backlog": 1000 // scale})


@pytest.fixture(scope="module")
def records():
    """What the figure in step 6 shows."""
    host = storms.given_host(RATE, 20_000.0, 50)
    return {cap: sim.simulate(outage(4, cap, 50), 0, host) for cap in (5.0, 60.0)}


@pytest.fixture(scope="module")
def back():
    """Seconds until 99 % are back, by nodes and cap."""
    found = table(STEM, "cell-06")
    return {(int(nodes), float(cap)): found.loc[nodes, cap] for nodes in found.index for cap in found.columns}


def test_what_is_stored_is_what_the_model_says_today(back):
    again = sim.predict(outage(8, 5.0), 2, storms.given_host(RATE, 20_000.0), jobs=1)
    assert storms.back_within(again).median() == pytest.approx(back[8, 5.0], abs=1e-3)


def test_the_work_alone_is_that_of_step_2(back):
    assert pytest.approx(3.3) == 99_000 / (RATE * 60)
    assert sizing.work_alone(100_000, 4, RATE) == 49.5
    found = table(STEM, "cell-11")
    assert found["more than the work (s)"].between(2.8, 5.2).all()
    assert found["quickest cap (s)"].eq(5.0).all()


def test_the_numbers_by_hand_are_near_those_of_the_sweep():
    found = table(STEM, "cell-10-own")
    assert found["ratio"].between(0.9, 1.2).drop(index="cap").all()
    assert found.loc["nodes", "simulated"] == 4.0
    assert found.loc["cap", "simulated"] == 15.0


def test_a_cap_of_30_s_misses_the_target_by_little(back):
    assert 60.0 < back[4, 30.0] < 63.0


def test_two_runs_are_so_much_alike_that_their_range_says_enough(back):
    again = sim.predict(outage(8, 5.0), 2, storms.given_host(RATE, 20_000.0), jobs=1)
    values = storms.back_within(again)
    assert values.max() - values.min() < 0.02 * values.median()
    apart = storms.back_within(sim.predict(outage(6, 30.0), 2, storms.given_host(RATE, 20_000.0), jobs=1))
    assert 0.5 < apart.max() - apart.min() < 1.0  # of all variants of the sweep the two that differ most
    assert "less than a second apart" in prose(STEM)
    few = storms.outage(clients=300, nodes=3, seconds=20, after=40, base=1.0, cap=8.0, jitter="full")
    others = storms.back_within(sim.predict(few, 8, storms.given_host(200), jobs=1))
    assert others.max() - others.min() > 0.08 * others.median()  # with 300 clients runs differ more


def test_one_for_50_is_about_right_and_one_for_500_is_not():
    found = table(STEM, "cell-13")
    time, attempts = found["back (s)"], found["attempts"]
    assert "time and attempts are about 2 % more" in prose(STEM)
    for column in (time, attempts):
        assert column["1 for 50"] / column["1 for 1"] - 1 == pytest.approx(0.02, abs=0.005)
    assert time["1 for 500"] / time["1 for 1"] > 1.15
    assert attempts["1 for 500"] / attempts["1 for 1"] > 1.1


def test_in_the_middle_the_nodes_do_all_they_can_and_at_the_end_the_caps_part(records):
    end = 35.0
    for record in records.values():
        ups = np.sort(record.select("marked_up")["t"].to_numpy()) - end
        assert 4.0 < ups[-1] < 5.0  # nearly a check interval
        done = 50 * sizing.handshakes(record)
        assert done[:3].sum() == 0
        assert done[3:6].max() > 1.5 * 4 * RATE  # above the dotted line
        assert done[8:35].mean() == pytest.approx(4 * RATE, rel=0.05)
    short, long = (50 * sizing.handshakes(records[cap]) for cap in (5.0, 60.0))
    assert short[45:52].mean() > 0.9 * 4 * RATE
    assert long[45:52].mean() < 0.75 * 4 * RATE
    assert np.flatnonzero(long)[-1] > np.flatnonzero(short)[-1] + 15


def test_the_peak_is_what_the_nodes_have_done_since_they_were_marked_up(records):
    for record in records.values():
        ups = record.select("marked_up").set_index("node")["t"]
        back = record.select("connected")
        for node, up in ups.items():
            done = 50 * ((back["node"] == node) & back["t"].between(35.0, 40.0)).sum()
            assert 0.8 * RATE * (40.0 - up) - 50 < done <= RATE * (40.0 - up) + 50
        in_a_second = 50 * ((back["node"] == ups.idxmin()) & back["t"].between(39.0, 40.0)).sum()
        assert in_a_second > 2 * RATE  # in one go


def test_around_the_end_of_the_outage_an_attempt_waits_about_four_seconds(records):
    record = records[60.0]
    assert record.select("marked_up")["t"].min() - 35.0 == pytest.approx(1.0, abs=0.1)
    rows = record.select("attempt_connect", "connect_failed").sort_values("t", kind="stable")
    took = rows["t"] - rows.groupby("client")["t"].shift()
    near = took[(rows["event"] == "connect_failed") & rows["t"].between(30.0, 37.0)]
    assert len(near) > 1000
    assert near.median() == pytest.approx(4.4, abs=0.4)
    assert pytest.approx(3.15) == 100_000 * storms.REFUSAL / 20_000.0


def test_a_refusal_costs_the_balancer_about_30_microseconds():
    assert pytest.approx(30e-6, rel=0.06) == storms.REFUSAL / 20_000.0


def test_a_dropped_syn_is_sent_again_when_the_text_says():
    times = np.cumsum(SYN_RETRIES)
    connect_timeout = outage(4, 5.0).balancer.connect_timeout
    assert connect_timeout == 5.0
    assert times[times < connect_timeout].tolist() == [1, 2, 3, 4]
    assert times[times >= connect_timeout][:3].tolist() == [5, 7, 11]
    text = prose(STEM)
    assert "sends it again 1, 2, 3 and 4 s later" in text
    assert "then after 5, 7 and 11 s" in text


def test_who_is_refused_after_the_outage_gets_a_503(records):
    for record in records.values():
        failed = record.select("connect_failed")
        late = failed[failed["t"] > first_after(record, "marked_up", 35.0)]["detail"]
        assert (late == "503").mean() > 0.99


def test_a_longer_cap_costs_time_until_no_wait_is_as_long(back):
    caps = (5.0, 15.0, 30.0, 60.0)
    for nodes in (3, 4, 5, 6):
        assert all(back[nodes, one] < back[nodes, other] for one, other in itertools.pairwise(caps))
    assert abs(back[8, 60.0] - back[8, 30.0]) < 0.5
    found = table(STEM, "cell-15")
    attempts = found[[name for name in found.columns if name[0] == "attempts"]]
    for _, column in attempts.items():
        assert column["15.0"] - column["60.0"] < 0.6  # few from 15 s on
    saved = attempts.loc["5.0"] - attempts.loc["15.0"]
    assert saved.is_monotonic_decreasing  # most where the nodes are few
    assert (saved > attempts.loc["15.0"] - attempts.loc["60.0"]).all()


def test_the_limits_of_real_systems_are_said():
    said = printed(STEM, "cell-17-limits")
    assert "ulimit -n" in said
    assert said.count("\n") >= 1


def test_a_client_gives_up_after_the_seconds_that_the_hint_names():
    assert outage(4, 15.0).clients.open_timeout == 10.0
    assert "(`open_timeout`, 10 s here)" in prose(STEM)


def test_the_candidate_of_level_3_is_what_the_model_leaves_out():
    model = (RECORDS.parent / "docs" / "model.md").read_text(encoding="utf-8")
    assert "| Checks meeting a full accept queue | A check skips the queue." in model
    source = cell(STEM, "cell-19-find-solution").source
    assert "docs/model.md says that in the model a check skips the accept queue" in source
    assert "and you expect 55, above it" in printed(STEM, "cell-19-find-solution")


def test_a_live_run_is_not_so_large():
    assert MOST_CLIENTS == 5_000
    assert 1 / beyond_by_luck(40) == pytest.approx(21, abs=0.5)


def test_the_answer_at_the_edge_is_right_and_the_others_are_not():
    verdicts = re.findall(r" s\. (Right|Not yet):", printed(STEM, "cell-19-solution"))
    assert verdicts == ["Right", "Not yet", "Not yet"]


def test_a_queue_that_is_too_long_is_not_right():
    verdicts = re.findall(r"\. (Right|Not yet):", printed(STEM, "cell-19-harder-solution"))
    assert verdicts == ["Right", "Not yet"]
