"""The table of buses, by records made by hand."""

from math import inf, nan

import pytest

from tests.messages import good_end, good_rows, record, scenario, without
from twin.analysis.buses import (
    AT,
    AWAY,
    BUSES,
    FAULTS,
    LATE,
    OWN,
    BusFigures,
    BusRow,
    cells,
    check,
    faults_of,
    figures_of,
    of_bus,
    of_protocol,
    over,
    recovery,
)
from twin.errors import ScenarioError
from twin.record.record import row

KILL = {"at": 1.5, "kind": "kill", "node": 1}


def of(rows, **changes):
    return record(sorted([*rows, *good_end()]), **changes)


def again(t, version, node):
    return row(t, "received", node=node, version=version, detail=f"1 {version} duplicate")


def test_what_never_came_to_a_node_and_what_came_again_is_counted_of_each_node():
    assert of_bus(of(good_rows())) == {"missing": 0.0, "copies": 0.0}
    spoilt = [*without(good_rows(), "received", node=2, version=3), again(3.5, 1, 1), again(3.6, 1, 1)]
    assert of_bus(of(spoilt)) == pytest.approx({"missing": 1 / 9, "copies": 2 / 8})


def test_a_message_that_may_be_on_its_way_is_not_missing():
    rows = [*good_rows(), row(5.5, "published", attempt=1, version=4, detail="1 4 acknowledged 3")]
    assert of_bus(of(rows))["missing"] == 0.0


def test_the_whole_protocol_is_told_by_its_measures():
    found = of_protocol(of(without(good_rows(), "delivered", client=3, version=2)))
    assert (found["lost"], found["duplicated"]) == pytest.approx((1 / 12, 0.0))
    assert found["latency_p99"] == pytest.approx(0.08, abs=0.002)
    assert found["consistent"] == pytest.approx(0.3)
    assert found["recovery"] != found["recovery"]  # nothing failed


def test_all_is_well_again_after_the_last_delivery_that_is_late():
    late = row(2.0 + LATE, "delivered", 0, 1, version=2, detail="1 2")
    rows = [*without(good_rows(), "delivered", client=0, version=2), late]
    assert recovery(of(rows, faults=[KILL])) == pytest.approx(2.0 + LATE - 1.5)
    assert recovery(of(good_rows(), faults=[KILL])) == 0.0


def test_what_was_published_late_counts_from_when_it_was_due():
    rows = [row(2.7, *one[1:]) if one[1] == "published" and one[5] == 2 else one for one in good_rows()]
    rows = [row(2.8, *one[1:]) if one[1] == "delivered" and one[5] == 2 else one for one in rows]
    assert recovery(of(rows, faults=[KILL])) == pytest.approx(1.3)


def test_shares_are_means_and_times_medians_of_what_is_known():
    alone = [{"missing": 0.1, "copies": 0.0}, {"missing": 0.3, "copies": 0.0}, {}]
    whole = [{"lost": 0.0, "consistent": inf}, {"lost": nan, "consistent": inf}, {"lost": 0.5, "consistent": 1.0}]
    whole += [{"lost": 0.1, "consistent": 2.0, "recovery": one} for one in (0.0, 1.0, 8.0)]
    found = figures_of(alone, whole)
    assert (found.missing, found.lost, found.recovery) == pytest.approx((0.2, 0.16, 1.0))
    assert figures_of(alone, whole[:3]).consistent == inf
    assert found.latency != found.latency
    assert cells(found)[:3] == ["20", "0", "16"]
    said = BusRow(OWN, "stream", BusFigures(consistent=inf)).as_dict()
    assert (said["predicted"]["consistent"], said["predicted"]["latency"], said["measured"]) == (None, None, None)


def test_latency_is_shown_in_milliseconds():
    assert cells(BusFigures(latency=0.0042, latency_p99=0.0042))[4:6] == ["4.2", "0.0042"]


def test_a_scenario_with_faults_keeps_them_and_another_gets_those_of_the_table():
    assert faults_of(scenario(faults=[KILL])) == {OWN: [KILL]}
    found = faults_of(scenario())
    assert list(found) == list(FAULTS)
    assert found["nothing fails"] == []
    assert found["the server is killed and comes back"] == [{"at": AT, "duration": AWAY, "kind": "bus_down"}]


def test_a_bus_that_does_not_have_a_fault_has_no_row():
    faults = faults_of(scenario())
    there = {name: [bus for bus in BUSES if over(scenario(), bus, faults[name]) is not None] for name in FAULTS}
    several = "jetstream, 3 servers"
    alone = [bus for bus in BUSES if bus != several]
    assert there["the server stands still"] == list(BUSES)
    assert there["a node is cut off from the bus"] == alone
    assert there["a follower is killed and comes back"] == [several]
    assert there["the leader is cut off from the followers"] == [several]


def test_buses_are_compared_by_a_broadcast_that_lasts_long_enough():
    check(scenario())
    check(scenario(duration=4.5, faults=[KILL]))
    with pytest.raises(ScenarioError, match=r"has no \[publisher\]; buses are compared by a broadcast\.$"):
        check(scenario(publisher=None))
    with pytest.raises(ScenarioError, match=r"^duration of .* is 4\.5; needed are 5\.002 s"):
        check(scenario(duration=4.5))
