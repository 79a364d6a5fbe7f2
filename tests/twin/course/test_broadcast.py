from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sim import predict, simulate
from tests.messages import good_end, good_rows, record, without
from tests.strategies import small, small_profile
from twin.costs.profile import HostProfile
from twin.course import broadcast
from twin.course.broadcast import (
    CONSISTENT_LIMIT,
    RESENDS_LIMIT,
    absence,
    back_at,
    missing_steps,
    promise,
    runs_side_by_side,
    variants_table,
)
from twin.course.pictures.broadcast import latencies_figure, missing_figure
from twin.record.record import row
from twin.scenario.scenario import Scenario

check_resends = partial(broadcast.check_resends, expected=1.0)


def lossy(kind="pubsub", **changes):
    """A broadcast in which node 2 is away from the bus for up to a second, to clients that do not recover."""
    data = {
        "clients": {"count": 12, "recovery": {"recover": False}},
        "bus": {"kind": kind, "retry": {"base": 0.5, "cap": 1.0}},
        "publisher": {"rate": 40.0},
        "faults": [{"at": 2.001, "kind": "bus_cut", "node": 2}],
    }
    return small(**data).vary(**changes)


def test_what_a_node_missed_is_what_its_clients_lost():
    found = absence(simulate(lossy(), 0, small_profile()))
    assert 0.05 < found["away"] < 1.01
    assert found["published"] == pytest.approx(40 * found["away"], abs=1)
    assert found["lost"] == pytest.approx(found["published"], abs=1)
    assert found["lost"] > 0
    assert found["latest"] < 0.1


def test_with_a_cursor_nothing_is_lost_but_the_first_message_is_late():
    found = absence(simulate(lossy("stream"), 0, small_profile()))
    assert (found["lost"], found["published"] > 0) == (0.0, True)
    assert found["away"] - 0.03 < found["latest"] < found["away"] + 0.03


def test_what_was_missed_stays_missing_with_pub_sub_and_comes_late_with_a_stream():
    gone = {kind: missing_steps(simulate(lossy(kind), 0, small_profile())) for kind in ("pubsub", "stream")}
    for table in gone.values():
        assert table.columns.tolist() == [1, 2, 3]
        assert table.index[0] == 0.0
        assert (table >= -1e-9).all(axis=None)
        assert table.loc[:1.9].max(axis=None) <= 2  # what is on its way
        assert table[[1, 3]].iloc[-1].max() <= 1
    peak = gone["stream"][2].max()
    assert peak == pytest.approx(gone["pubsub"][2].max(), abs=1)
    assert gone["pubsub"][2].iloc[-1] == pytest.approx(peak, abs=2)
    assert gone["stream"][2].iloc[-1] <= 1
    figure = missing_figure({kind: simulate(lossy(kind), 0, small_profile()) for kind in gone})
    assert [axis.get_title() for axis in figure.axes] == ["pubsub", "stream"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim() == (0.0, 8.0)


def test_the_latencies_of_both_buses_stand_on_the_same_axes():
    runs = {kind: [simulate(lossy(kind), 0, small_profile())] for kind in ("pubsub", "stream")}
    predictions = {kind: predict(lossy(kind), 3, small_profile(), jobs=1) for kind in runs}
    figure = latencies_figure(runs, predictions)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xscale() == "log"
    assert "(ms, logarithmic)" in right.get_xlabel()
    assert left.get_title().startswith("pubsub: ")
    assert left.get_title().endswith(" % lost, which have no latency")
    assert right.get_title() == "stream: nothing lost"


def test_a_record_in_which_nobody_was_away_says_nothing():
    assert all(np.isnan(value) for value in absence(record([*good_rows(), *good_end()])).values())
    gone = [row(1.5, "bus_lost", node=2, detail="closed")]
    assert all(np.isnan(value) for value in absence(record([*good_rows(), *gone, *good_end()])).values())


def test_only_the_clients_and_the_return_of_the_node_that_was_away_count():
    rows = without(good_rows(), "delivered", client=1, version=2)  # client 1 is the one on node 2
    rows = without(rows, "delivered", client=0, version=3)
    away = [
        row(1.5, "bus_lost", node=2, detail="closed"),
        row(1.6, "bus_joined", node=3),
        row(2.5, "bus_joined", node=2),
    ]
    found = absence(record(sorted([*rows, *away], key=lambda one: one[0])))
    assert found == {"away": 1.0, "published": 1.0, "lost": 1.0, "latest": pytest.approx(0.04)}


def test_a_promise_counts_who_had_a_consistent_message_and_who_ever_got_it():
    assert promise(record(good_rows())) == {"consistent": 3.0, "missing then": 0.0, "missing at the end": 0.0}
    rows = without(good_rows(), "delivered", client=1, version=2)
    rows = without(rows, "delivered", client=3, version=1)
    rows.append(row(5.0, "delivered", 3, 3, version=1, detail="1 1"))  # too late for the word at 1.3 s
    assert promise(record(rows)) == {
        "consistent": 3.0,
        "missing then": pytest.approx(2 / 12),
        "missing at the end": pytest.approx(1 / 12),
    }


def test_without_a_consistent_message_there_is_no_promise():
    found = promise(record(without(good_rows(), "consistent")))
    assert found["consistent"] == 0.0
    assert np.isnan(found["missing then"])


def test_the_return_of_a_node_is_found_or_the_end_of_the_run():
    away = [row(1.5, "bus_lost", node=2, detail="closed"), row(2.5, "bus_joined", node=2)]
    assert back_at(record([*good_rows(), *away])) == 2.5
    assert back_at(record(good_rows())) == 6.0


def test_runs_stand_beside_the_replications_of_their_numbers():
    profile, scenario = small_profile(), lossy()
    records = [simulate(scenario, k, profile) for k in (3, 1)]
    table = runs_side_by_side(scenario, records, lambda k: simulate(scenario, k, profile))
    assert list(table.index) == ["run 3", "run 1"]
    assert (table["away, simulated"] == table["away, measured"]).all()
    assert (table["lost, simulated"] == table["lost, measured"]).all()
    assert table["lost, by hand"].to_numpy() == pytest.approx(40 * table["away, measured"].to_numpy())
    assert table["away, measured"].nunique() == 2


def test_variants_are_the_means_of_the_same_replications():
    profile, asked = small_profile(), []

    def run(scenario, k):
        asked.append((scenario.publisher.threshold, k))
        return simulate(scenario, k, profile)

    variants = {"all": lossy(), "one": lossy(publisher={"threshold": 1})}
    table = variants_table(variants, run, 2)
    assert asked == [("all", 0), ("all", 1), (1, 0), (1, 1)]
    assert table.loc["one", "lost_share"] == pytest.approx(table.loc["all", "lost_share"], rel=0.1)
    assert table.loc["one", "lost_share"] > 0
    assert table.loc["one", "resends_per_message"] == 0 < table.loc["all", "resends_per_message"]
    assert table.loc["one", "consistent_p99"] < 0.1 < table.loc["all", "consistent_p99"]
    assert table.loc["one", "missing then"] >= table.loc["one", "missing at the end"] > 0


def predicts(late, again, seen=None):
    def predict(scenario):
        if seen is not None:
            seen.append(scenario)
        return SimpleNamespace(
            bounds=pd.DataFrame(), measures=pd.DataFrame({"consistent_p99": late, "resends_per_message": again})
        )

    return predict


def test_an_answer_is_right_when_both_intervals_upper_ends_are_below_the_limits():
    seen = []
    answer = check_resends(lossy(), 2.5, 1, predicts([3.0, 3.1], [0.5, 0.55], seen))
    assert answer.right
    assert (seen[0].publisher.ack_timeout, seen[0].publisher.max_resends) == (2.5, 1)
    low, high = [0.5] * 38, [9.0] * 2  # the 97.5th percentile is what counts
    assert not check_resends(lossy(), 2.5, 1, predicts(low + high, [0.1] * 40)).right
    assert not check_resends(lossy(), 2.5, 1, predicts([1.0] * 40, low + high)).right
    edge = check_resends(lossy(), 2.5, 1, predicts([CONSISTENT_LIMIT] * 2, [0.1] * 2))
    assert not edge.right
    assert edge.found == CONSISTENT_LIMIT
    assert not check_resends(lossy(), 2.5, 1, predicts([1.0] * 2, [RESENDS_LIMIT] * 2)).right


@pytest.mark.parametrize(
    ("settings", "late", "again", "why"),
    [
        ((0.2, 3), 4.0, 0.1, "the last resend comes 0.6 s after the message, but the node may be away for 1 s"),
        ((4.0, 1), 4.0, 0.1, "make ack_timeout smaller"),
        ((0.3, 4), 1.0, 2.0, "make ack_timeout larger"),
        ((0.2, 30), 1.0, 2.0, "resend number 30 comes after 6 s, but number 29 comes after the longest absence"),
        ((-1.0, 3), 1.0, 0.1, "the publisher does not take these settings"),
        ((1.0, 1000), 1.0, 0.1, "the publisher does not take these settings"),
    ],
)
def test_an_answer_that_is_not_right_says_why(settings, late, again, why):
    answer = check_resends(lossy(), *settings, predicts([late] * 2, [again] * 2))
    assert not answer.right
    assert why in str(answer)


@pytest.mark.parametrize(
    ("settings", "right", "why"),
    [
        ((3.1, 1), True, "right"),
        ((4.0, 1), False, "make ack_timeout smaller"),
        ((0.8, 4), False, "make ack_timeout larger"),
        ((1.0, 3), False, "let it come later than that"),
    ],
)
def test_answers_about_the_notebooks_own_scenario_are_judged_by_the_model(settings, right, why):
    """The scenario of step 7 of notebook 02, with few clients and replications and the profile of reference."""
    profile = HostProfile.load("reference")
    slow = Scenario.load("scenarios/broadcast-pubsub-no-recovery.toml").vary(
        bus={"retry": {"base": 1.5, "cap": 3.0}}, publisher={"rate": 20.0, "stop": 6.0}, duration=10.0
    )
    few = slow.vary(clients={"count": 12})
    answer = check_resends(few, *settings, lambda varied: predict(varied, 6, profile, engine="simpy"))
    assert answer.right is right, str(answer)
    assert why in str(answer).lower()
