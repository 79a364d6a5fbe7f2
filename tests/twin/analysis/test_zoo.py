from math import inf

import numpy as np
import pandas as pd
import pytest

import sim
from stormlab.commands.zoo import print_zoo
from tests.stormlab.test_tables import printed
from tests.strategies import small
from twin.analysis.sweeps import assemble
from twin.analysis.zoo import LIBRARY, OWN, attempt_rates, ranking, zoo_dict, zoo_variants
from twin.errors import ScenarioError
from twin.figures.zoo import BIN, zoo_figure
from twin.rules.presets import CLIENTS

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
OUTAGE = small(faults=KILL)
NUMBERS = {  # peak attempts, time to 99 %, attempts a client
    OWN: (10.0, 5.0, 2.0),
    "centrifuge-js": (20.0, 4.0, 3.0),
    "socket.io": (30.0, 6.0, 4.0),
    "phoenix": (100.0, 1.0, 9.0),
    "signalr": (60.0, 7.9, 3.0),
    "nats": (50.0, 2.0, 1.0),
    "websockets": (40.0, 8.0, 2.0),
    "classic": (70.0, 8.0, 5.0),
}


@pytest.fixture(scope="module")
def sweep():
    return a_zoo(NUMBERS)


def a_zoo(numbers):
    """Return the results of a zoo in which each library's runs all have the same numbers."""
    found = zoo_variants(OUTAGE)
    parts = []
    for one in found:
        peak, back, attempts = numbers[one.labels[LIBRARY]]
        table = {"replication": range(3), "peak_attempts": peak, "time_to_99": back, "attempts_per_client": attempts}
        parts.append([pd.DataFrame({**table, "gave_up_share": float(one.labels[LIBRARY] == "signalr")})])
    return assemble(OUTAGE, {LIBRARY: list(NUMBERS)}, list(zip(found, parts, strict=True)))


def test_every_library_takes_the_place_of_policy_and_heartbeat():
    found = {one.labels[LIBRARY]: one.scenario for one in zoo_variants(OUTAGE)}
    assert list(found) == [OWN, *CLIENTS]
    assert found[OWN] == OUTAGE
    assert found["nats"] == OUTAGE.vary(clients={"reconnect": "nats", "heartbeat": "nats"})
    kept = {one.labels[LIBRARY]: one.scenario for one in zoo_variants(OUTAGE, keep_heartbeat=True)}
    assert kept["nats"] == OUTAGE.vary(clients={"reconnect": "nats"})
    with pytest.raises(ScenarioError, match=r"small has no faults, so nobody reconnects"):
        zoo_variants(small())


def test_libraries_are_ranked_by_each_measure_and_sorted_by_one(sweep):
    table = ranking(sweep)
    assert table[LIBRARY].iloc[0] == OWN
    assert table["peak_attempts.rank"].tolist() == list(range(1, 9))
    line = table.set_index(LIBRARY).loc["phoenix"]
    assert (line["peak_attempts.rank"], line["time_to_99.rank"], line["attempts_per_client.rank"]) == (8, 1, 8)
    by_time = ranking(sweep, "time_to_99")
    assert by_time[LIBRARY].tolist()[:2] == ["phoenix", "nats"]
    assert by_time["time_to_99.rank"].tolist() == [1, 2, 3, 4, 5, 6, 7, 7]  # equals share a rank
    with pytest.raises(ScenarioError, match=r"^--by is 'luck'; allowed is one of peak_attempts"):
        ranking(sweep, "luck")


def test_the_figure_has_a_storm_for_each_library_and_a_panel_for_each_measure(sweep, profile):
    table = ranking(sweep)
    rates = {one.labels[LIBRARY]: attempt_rates(sim.simulate(one.scenario, 0, profile)) for one in zoo_variants(OUTAGE)}
    figure = zoo_figure(table, rates, OUTAGE)
    assert len(figure.axes) == 8 + 3
    names = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes[:8]]
    assert names == table[LIBRARY].tolist()
    assert "by peak attempts" in figure.get_suptitle()
    assert any("100 % gave up" in text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_rates_count_every_attempt_of_the_run_once(profile):
    record = sim.simulate(OUTAGE, 0, profile)
    attempts = (record.select("attempt_connect")["t"] >= 0).sum()
    assert attempt_rates(record).sum() * BIN == attempts > 10


def test_the_json_names_each_librarys_source(sweep):
    data = zoo_dict(ranking(sweep), OUTAGE, 3)
    assert {one[LIBRARY]: one["source"] for one in data["libraries"]}["phoenix"] == CLIENTS["phoenix"].source
    known = {"censored": False, "bound": None, "not_reached": 0}
    wanted = {"unit": "s", "median": 5.0, "low": 5.0, "high": 5.0, "rank": 4, **known}
    assert data["libraries"][0]["time_to_99"] == wanted


def test_the_ranking_says_who_was_not_back_within_the_run_and_fits_80_columns():
    late = a_zoo(NUMBERS | {"phoenix": (100.0, inf, 9.0)})
    late.table["time_to_99.not_within"] = np.where(np.isinf(late.table["time_to_99"]), 58.0, np.nan)
    text = printed(print_zoo, ranking(late), OUTAGE, 3)
    assert "phoenix: time_to_99 not within 58 s in 3 of 3 runs" in text
    assert ">58" in text
    assert "…" not in text
    found = {one[LIBRARY]: one["time_to_99"] for one in zoo_dict(ranking(late), OUTAGE, 3)["libraries"]}
    assert (found["phoenix"]["median"], found["phoenix"]["bound"]) == (None, 58.0)
    assert found["phoenix"]["rank"] == 8
