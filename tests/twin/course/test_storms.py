from functools import partial

import numpy as np
import pandas as pd
import pytest

import sim
from tests.answers import keeps
from twin.costs.profile import HostProfile
from twin.course import storm_checks, storms
from twin.course.answers import Answer
from twin.course.storms import (
    BEGIN,
    CAP,
    NODES,
    Storm,
    attempt_counts,
    attempt_times,
    back_within,
    end_of_outage,
    given_host,
    outage,
    runs_to_redraw,
    sizing_table,
    sizing_variants,
    spread_figure,
    spread_of_attempts,
    storm_figure,
)
from twin.errors import ScenarioError

check_storm = partial(storm_checks.check_storm, expected=1.0)
check_size = partial(storm_checks.check_size, expected=1.0)
SMALL = {"clients": 60, "nodes": 2, "seconds": 12.0, "after": 25.0, "base": 1.0, "cap": 4.0}


@pytest.fixture(scope="module")
def host():
    return given_host(500.0)


@pytest.fixture(scope="module")
def full(host):
    return sim.predict(outage(**SMALL, jitter="full"), 4, host, jobs=1)


def run(host, **reconnect):
    return sim.simulate(outage(**SMALL, **reconnect), 0, host)


def test_nobody_connects_while_everything_stands_still_and_all_are_back_afterwards(host):
    record = run(host, jitter="full")
    back = record.select("connected").query("attempt > 1")
    assert set(record.select("disconnected")["client"]) == set(range(60))
    assert back["t"].min() >= end_of_outage(record.scenario) == BEGIN + 12.0
    assert back["client"].nunique() == 60


def test_the_nodes_of_a_given_host_do_as_many_handshakes_a_second_as_said():
    slow = given_host(20.0)
    record = sim.simulate(outage(**{**SMALL, "nodes": 1, "cap": 1.0}, policy="fixed"), 0, slow)
    back = np.sort(record.select("connected").query("attempt > 1")["t"].to_numpy())
    assert np.diff(back).mean() == pytest.approx(1 / 20.0, rel=0.1)  # a queue at the only node


def test_a_scaled_host_is_as_much_slower():
    one, fifty = given_host(500.0), given_host(500.0, scale=50.0)
    slow, usual = (host.by_name()["node_handshake"].values[0][0] for host in (fifty, one))
    assert slow == pytest.approx(50 * usual)
    with pytest.raises(ScenarioError, match=r"^handshake_rate is 0; allowed is more than 0\.$"):
        given_host(0.0)


def test_the_time_back_counts_from_the_end_of_the_outage(full):
    first = full.measures["time_to_99"].iloc[0]
    assert back_within(full).iloc[0] == pytest.approx(first - 12.0)


def test_jitter_on_the_first_attempt_only_keeps_the_herd_as_wide_as_it_was(host):
    first = spread_of_attempts(run(host, jitter="none", first="jittered"))
    every = spread_of_attempts(run(host, jitter="full"))
    nobody = spread_of_attempts(run(host, jitter="none"))
    assert nobody.max() < 0.1
    assert first.loc[1] == pytest.approx(0.9, abs=0.2)  # the middle 90 % of U(0, 1)
    assert first.loc[4] == pytest.approx(first.loc[1], abs=0.1)
    assert every.loc[4] > 2 * every.loc[1]


def test_attempts_are_numbered_from_the_loss(host):
    record = run(host, jitter="none")
    times = attempt_times(record)
    assert times.groupby("client")["number"].apply(list).map(lambda ks: ks == list(range(1, len(ks) + 1))).all()
    assert attempt_counts(record).sum() == (record.select("attempt_connect")["t"] >= 0).sum()


def test_the_pictures_show_every_storm(full, host):
    storm = Storm.of(full, [run(host, jitter="full")])
    axes = storm_figure({"full": storm, "again": storm}).axes
    assert [one.get_title() for one in axes[:2]] == ["full", "again"]
    lines = spread_figure({"a": pd.Series({1: 0.1, 2: 0.2}), "b": pd.Series({1: 0.3})}).axes[0].lines
    assert [line.get_label() for line in lines] == ["a", "b"]


def test_a_picture_of_one_run_shows_no_band(host):
    one = sim.predict(outage(**SMALL, jitter="full"), 1, host, jobs=1)
    upper = storm_figure({"one": Storm.of(one)}).axes[0]
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["one run"]


def test_the_runs_of_a_picture_get_fewer_as_the_clients_get_more():
    counts = [1, 1_000, 2_000, 10_000, 50_000, 100_000, 1_000_000]
    assert [runs_to_redraw(clients) for clients in counts] == [50, 50, 25, 5, 1, 1, 1]


def test_a_policy_is_judged_by_its_peak_and_by_the_last_ones_return(full, host):
    def predict(scenario):
        return sim.predict(scenario, 4, host, jobs=1)

    good = check_storm(full.scenario, 30, 10.0, predict, jitter="full")
    assert keeps(good), good
    herd = check_storm(full.scenario, 20, 10.0, predict, jitter="none")
    assert not herd.right
    assert "allowed are 20 attempts" in herd.why
    slow = check_storm(full.scenario, 30, 1.0, predict, jitter="full")
    assert "allowed are 1 s" in slow.why
    assert "is not possible" in check_storm(full.scenario, 30, 1.0, predict, cap=0.1).why


def test_a_size_is_judged_by_a_sweep(host):
    variants = sizing_variants(lambda nodes, cap: outage(**{**SMALL, "nodes": nodes, "cap": cap}), [2, 3], [2.0, 8.0])
    assert [len(one.scenario.faults) for one in variants] == [2, 2, 3, 3]  # the outage takes all nodes there are
    values = {NODES: [2, 3], CAP: [2.0, 8.0]}
    sweep = sim.simulate_variants(variants[0].scenario, variants, values, 2, host, jobs=1)
    table = sizing_table(sweep, variants[0].scenario)
    assert table["cap"].tolist() == [2.0, 8.0, 2.0, 8.0]
    assert (table["low"] <= table["back"]).all()
    assert table["back"].iloc[0] < table["back"].iloc[1]
    high = table["high"].iloc[0]
    assert check_size(table[:1], 2, 2, high + 1, 3).right
    dear = check_size(table.assign(attempts=[3.0, 2.0, 3.0, 2.0]), 2, 2, 1000.0, 3)
    assert "another choice does it with 2.0" in dear.why
    assert "later than" in check_size(table, 2, 2, high - 1, 3).why
    assert "most that you pay for" in check_size(table, 2, 2, high + 1, 1).why
    assert isinstance(check_size(table, 9, 2, 60, 9), Answer)
    assert "not in the sweep" in check_size(table, 9, 2, 60, 9).why


def test_a_refusal_costs_what_it_does_in_the_reference_profile():
    parts = HostProfile.load("reference").by_name()
    for level in (16, 64, 256):
        refused, there, back = (
            np.median(parts[f"balancer_{name}"].values[parts[f"balancer_{name}"].levels.index(level)])
            for name in ("refused", "request", "response")
        )
        assert refused / (there + back) == pytest.approx(storms.REFUSAL, abs=0.1)
