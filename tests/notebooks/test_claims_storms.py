"""Notebook 03: each claim of its text is held against its stored outputs, or against the model."""

import re
from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest

import sim
from tests.stored import RECORDS, printed, prose, table
from twin.analysis.zoo import LIBRARY, zoo_variants
from twin.costs.profile import HostProfile
from twin.course import storms
from twin.course.contention import PUBLISHED_RUNS
from twin.course.discrepancies import beyond_by_luck
from twin.course.sliders import RATE_A_CLIENT
from twin.record.record import Record
from twin.rules.presets import CLIENTS
from twin.scenario.scenario import Scenario

STEM = "03-backoff-storms"
FIRST = "jitter on the first only"


@pytest.fixture(scope="module")
def outages():
    def storm(**reconnect):
        return storms.outage(clients=300, nodes=3, seconds=20, after=40, base=1.0, cap=8.0, **reconnect)

    return {
        "no jitter": storm(jitter="none"),
        FIRST: storm(jitter="none", first="jittered"),
        "full jitter": storm(jitter="full"),
    }


@pytest.fixture(scope="module")
def records(outages):
    return {name: sim.simulate(one, 0, storms.given_host(200)) for name, one in outages.items()}


def test_what_is_stored_is_what_the_model_says_today(outages, records):
    found = table(STEM, "cell-07")
    for name, one in outages.items():
        medians = sim.predict(one, 40, storms.given_host(200), jobs=1).measures.median()
        for measure in ("attempts_per_client", "peak_attempts", "time_to_99"):
            assert found.loc[name, measure] == pytest.approx(medians[measure], abs=1e-3)
    spread = table(STEM, "cell-09")
    for name, record in records.items():
        for number, value in storms.spread_of_attempts(record).items():
            assert spread[("spread (s)", name)][str(number)] == pytest.approx(value, abs=1e-3)


def test_by_hand_the_mark_down_comes_after_three_to_four_seconds(outages):
    check = outages["full jitter"].balancer.check
    for wait, said in ((check.timeout, "{:g} to {:g} s, in the middle **{:g} s**"), (0.0, "{:g} to {:g} s in (a)")):
        soonest = check.fall * wait + (check.fall - 1) * check.inter  # a check begins at once, and each takes so long
        latest = soonest + check.inter
        assert said.format(soonest, latest, (soonest + latest) / 2) in prose(STEM)


def test_nodes_are_marked_down_a_third_of_a_second_apart_after_three_seconds(records):
    for record in records.values():
        downs = np.sort(record.select("marked_down")["t"].to_numpy()) - storms.BEGIN
        assert np.diff(downs) == pytest.approx([1 / 3, 1 / 3], abs=0.01)
        assert ((downs >= 3.0) & (downs <= 4.0)).all()
        notices = record.select("disconnected")
        first = notices[notices["t"] >= storms.BEGIN].groupby("client")["t"].first()
        assert len(first) == 300
        assert first.max() - first.min() < 1.0  # within the same second


def test_the_numbers_by_hand_are_near_those_of_the_simulation():
    found = table(STEM, "cell-13-own")
    assert len(found) == 8
    assert found["by hand / simulated"].between(0.9, 1.13).all()


def test_the_sums_of_the_waits_are_those_of_the_worked_solution():
    exact, jittered = [1, 2, 4, 8, 8, 8, 8], [0.5, 1, 2, 4, 4, 4, 4]
    text = prose(STEM)
    for name, waits in (("no jitter", exact), (FIRST, [0.5, *exact[:6]]), ("full jitter", jittered)):
        row = " | ".join(f"{t:g}" for t in np.cumsum(waits))
        assert f"| {name} | {row} |" in text.replace("*", "")
    taken_for_the_second = np.cumsum([0.5, *exact[1:6]])  # the jittered wait in place of the one of 1 s
    assert np.argmax(taken_for_the_second > 16.5) + 1 == 5
    assert [np.argmax(np.cumsum(waits) > 16.5) + 1 for waits in (exact, [0.5, *exact[:6]], jittered)] == [5, 6, 7]
    variance = sum(bound**2 for bound in (1, 2, 4, 8, 8)) / 12
    assert round(variance, 1) == 12.4
    assert round(3.3 * sqrt(variance), 1) == 11.6
    assert round(39 + 1.5 * sqrt(39)) == 48


def test_the_background_boxes_are_right():
    assert 2 * NormalDist().inv_cdf(0.95) == pytest.approx(3.3, abs=0.02)
    steps = np.linspace(-8, 8, 200_001)
    largest_of_ten = 10 * np.array([NormalDist().pdf(x) * NormalDist().cdf(x) ** 9 for x in steps[::20]])
    assert np.trapezoid(steps[::20] * largest_of_ten, steps[::20]) == pytest.approx(1.5, abs=0.05)
    assert (39 - 1) / (39 + 1) == 0.95
    assert 1 / beyond_by_luck(200) == pytest.approx(34, abs=0.5)
    assert round(100 * (1 - 0.99**10)) == 10


def test_with_jitter_on_the_first_only_the_peak_is_higher_and_the_spread_stays():
    peaks = table(STEM, "cell-07")["peak_attempts"]
    assert peaks[FIRST] > peaks["no jitter"] > peaks["full jitter"]
    spread = table(STEM, "cell-09")
    narrow = spread["spread (s)", FIRST].iloc[1:6]
    assert narrow.round(1).eq(0.8).all()  # and not 0.9: the outage takes the first jitter away
    assert spread["spread (s)", FIRST].iloc[0] == pytest.approx(0.9, abs=0.05)
    assert spread["spread (s)", "no jitter"].iloc[:5].max() < 0.01
    full = spread["spread (s)", "full jitter"]
    assert full.iloc[:5].is_monotonic_increasing
    assert full.iloc[4:7].min() > 8.0  # the herd covers the whole wait
    assert spread["clients", "full jitter"].iloc[:5].eq(300).all()
    assert spread["clients", "full jitter"].iloc[6] < 300


def test_who_hangs_with_a_node_fails_with_502_when_it_is_marked_down(records):
    downs = records[FIRST].select("marked_down")["t"].to_numpy()
    failed = records[FIRST].select("connect_failed")
    late = failed[failed["detail"] == "502"]["t"].to_numpy()
    assert len(late) > 50
    assert np.abs(late[:, None] - downs).min(axis=1).max() < 0.1
    assert set(failed["detail"]) == {"502", "503"}
    assert set(records["no jitter"].select("connect_failed")["detail"]) == {"503"}


def test_the_run_and_its_replication_are_spread_alike():
    found = table(STEM, "cell-14")
    for name in ("storm-first-jitter", "storm-full-jitter"):
        assert np.allclose(found["simulated", name], found["measured", name], rtol=0.05)
    assert "storm-full-jitter - pass" in printed(STEM, "cell-16")


def test_the_runs_were_made_as_the_text_says():
    for name in ("first", "full"):
        scenario = Record.load(RECORDS / f"storm-{name}-jitter-0.parquet").scenario
        rule = scenario.clients.reconnect
        assert (scenario.clients.count, scenario.duration, scenario.nodes.count) == (200, 32.0, 3)
        assert (rule.base, rule.cap) == (1.0, 4.0)
        assert {(fault.kind, fault.duration) for fault in scenario.faults} == {("hang", 10.0)}


def test_client_libraries_wait_as_the_text_says():
    bounds = {name: preset.reconnect for name, preset in CLIENTS.items()}
    for name in ("phoenix", "signalr"):
        assert all(isinstance(wait, int | float) for wait in bounds[name]["delays"])
    assert bounds["nats"]["delays"] == [[2.0, 2.1]]
    spread = [wait for wait in bounds["websockets"]["delays"] if not isinstance(wait, int | float)]
    assert spread == [[0.0, 5.0]]
    socket = bounds["socket.io"]
    assert (socket["base"], socket["cap"], socket["jitter"]) == (1.0, 5.0, "around")
    least = [min(socket["cap"], socket["base"] * 2.0**n * 0.5) for n in range(5)]
    assert least[3] == 4.0  # the fourth wait is 4 to 5 s, mostly 5
    assert least[4] == 5.0  # the fifth is 5 s


def test_socket_io_has_the_lowest_peak_of_the_libraries_in_the_zoo():
    assert "Socket.IO has the lowest peak of the libraries" in prose(STEM)
    variants = [one for one in zoo_variants(Scenario.load("outage")) if one.labels[LIBRARY] in CLIENTS]
    host = HostProfile.load("reference")
    peaks = {
        one.labels[LIBRARY]: sim.predict(one.scenario, 2, host, jobs=1).measures["peak_attempts"].max()
        for one in variants
    }
    assert len(peaks) == len(CLIENTS)
    assert min(peaks, key=peaks.get) == "socket.io"


def test_brookers_table_agrees_but_for_one_value_which_more_runs_explain():
    found = table(STEM, "cell-18")
    apart = found[[("calls", "apart"), ("end (s)", "apart")]]
    assert (apart > 1).to_numpy().sum() == 1
    odd = found.loc["decorrelated"]
    assert odd["end (s)", "apart"] > 1
    assert round(100 * (1 - odd["end (s)", "ratio"])) == 6
    more = table(STEM, "cell-18-more").loc["decorrelated"]
    assert more["end (s)", "apart"] < 1
    assert odd["end (s)", "ratio"] < more["end (s)", "ratio"] < 1
    assert more["end (s)", "ours"] - odd["end (s)", "ours"] > 0.05  # our first hundred were quicker than most
    assert PUBLISHED_RUNS == 100
    calls, end = found["calls", "ours"], found["end (s)", "ours"]
    assert 1 - calls["exponential"] / calls["none"] == pytest.approx(0.25, abs=0.03)
    assert end["exponential"] / end["none"] == pytest.approx(30, abs=2)
    assert calls["full"] / calls["none"] == pytest.approx(1 / 3, abs=0.01)


def test_a_million_are_too_many_for_the_balancer():
    assert 1_000_000 * storms.SMALL_COST == 20.0
    assert pytest.approx(50_000) == 1 / storms.SMALL_COST
    assert RATE_A_CLIENT == 20
    said = printed(STEM, "million-clients")
    low, high, connected = (
        int(one.replace(",", ""))
        for one in re.search(r"on ([\d,]+) to ([\d,]+) attempts a second; .* run ([\d,]+) clients", said).groups()
    )
    assert low > 50_000
    assert high < 105_000
    assert connected == 0
    failed = {how: int(count.replace(",", "")) for count, how in re.findall(r"([\d,]+) with (\w+)", said)}
    assert set(failed) == {"timeout"}
    one = storms.outage(10, 1, 10.0)
    assert one.clients.open_timeout == 10.0
    quick = sim.predict(
        storms.outage(200_000, 30, 10.0, 60.0, base=1.0, cap=10.0, jitter="full"),
        1,
        storms.given_host(1000.0, 4e6),
        jobs=1,
    )
    (said,) = re.findall(r"200,000 are back after (\d+) s", prose(STEM))
    assert f"{storms.back_within(quick).iloc[0]:.0f}" == said


def test_answers_at_the_edge_are_right_and_the_others_are_not():
    verdicts = re.findall(r"full jitter\. (Right|Not yet):", printed(STEM, "cell-24-solution"))
    assert verdicts == ["Right", "Right", "Not yet", "Not yet", "Not yet"]


def test_a_larger_herd_of_the_same_policy_is_too_large():
    verdicts = re.findall(r"clients\. (Right|Not yet):", printed(STEM, "cell-24-harder-solution"))
    assert verdicts == ["Right", "Not yet", "Not yet"]
