from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from tests.answers import keeps
from twin.costs.profile import HostProfile
from twin.course import storm_checks, storms
from twin.course.attempts import first_attempts
from twin.course.explanations import explained, who_lost, who_shows
from twin.course.pictures.storms import spread_figure, storm_figure
from twin.course.storms import (
    BEGIN,
    Storm,
    attempt_counts,
    attempt_times,
    attempts_table,
    back_within,
    end_of_outage,
    given_host,
    outage,
    own_numbers,
    released_with_its_node,
    runs_to_redraw,
    spread_of_attempts,
)
from twin.errors import ScenarioError
from twin.record.record import Record

check_storm = partial(storm_checks.check_storm, expected=1.0)
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


def test_the_time_of_a_picture_ends_soon_after_the_storm(full, host):
    storm = Storm.of(full, [run(host, jitter="full")])
    (left, right) = storm_figure({"full": storm}).axes[0].get_xlim()
    assert left == 0.0
    last = run(host, jitter="full").select("connected")["t"].max()
    assert last < storm.quiet_after() + 0.1 < right < full.scenario.duration


def test_measured_spreads_are_open_markers_over_the_lines():
    line = pd.Series({1: 0.1, 2: 0.2})
    simulated, measured = spread_figure({"a": line}, {"a": 1.1 * line}).axes[0].lines
    assert simulated.get_linestyle() == "-"
    assert (measured.get_linestyle(), measured.get_markerfacecolor()) == ("None", "none")
    assert measured.get_ydata().tolist() == pytest.approx([0.11, 0.22])


def test_only_clients_that_are_not_back_make_one_more_attempt(host):
    records = {"full": run(host, jitter="full"), "none": run(host, jitter="none")}
    table = attempts_table(records)
    made = table["clients", "full"].dropna()
    assert made.iloc[0] == 60
    assert made.is_monotonic_decreasing
    assert made.iloc[-1] >= 30  # at least half of them
    assert table["clients", "none"].dropna().eq(60).all()
    assert table["spread (s)", "full"].dropna().index.equals(made.index)


def test_numbers_by_hand_stand_beside_those_of_their_scenario():
    table = own_numbers({"a": {"peak": 10.0}, "b": {"peak": 3.0}}, {"a": {"peak": 20.0}, "b": {"peak": 2.0}})
    assert table.index.tolist() == [("a", "peak"), ("b", "peak")]
    assert table["by hand / simulated"].tolist() == [0.5, 1.5]


def test_who_hung_with_a_node_fails_when_it_is_marked_down(host):
    record = run(host, jitter="none", first="jittered")
    shown = who_shows(record, released_with_its_node(record))
    downs = record.select("marked_down")["t"].to_numpy()
    failed = record.select("connect_failed")
    for t in failed[failed["detail"] == "502"]["t"]:
        assert np.abs(downs - t).min() < 0.1
    assert shown == sorted(failed[failed["detail"] == "502"]["client"].unique())
    other = next(client for client in who_lost(record) if client not in shown)
    why = explained(record, other, released_with_its_node(record)).why
    assert "has a first attempt that ends after 0.00 s with 503" in why


def test_a_client_of_the_record_shows_it_and_most_do_not():
    record = Record.load(Path(__file__).parents[3] / "records" / "storm-full-jitter-0.parquet")
    shown, lost = who_shows(record, released_with_its_node(record)), who_lost(record)
    assert 0 < len(shown) <= len(lost) / 2
    assert explained(record, shown[0], released_with_its_node(record)).right
    table = first_attempts(record)
    assert table.index.tolist() == lost
    assert set(table[table["outcome"] == "502"].index) >= set(shown)
    assert (table["ended"] >= table["began"]).all()
    assert table["wait"].between(0, 1.05).all()  # a timer of a real client fires late


def test_a_picture_of_one_run_shows_no_band(host):
    one = sim.predict(outage(**SMALL, jitter="full"), 1, host, jobs=1)
    upper = storm_figure({"one": Storm.of(one)}).axes[0]
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["one run", "outage"]


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


def test_a_refusal_costs_what_it_does_in_the_reference_profile():
    parts = HostProfile.load("reference").by_name()
    for level in (16, 64, 256):
        refused, there, back = (
            np.median(parts[f"balancer_{name}"].values[parts[f"balancer_{name}"].levels.index(level)])
            for name in ("refused", "request", "response")
        )
        assert refused / (there + back) == pytest.approx(storms.REFUSAL, abs=0.1)
