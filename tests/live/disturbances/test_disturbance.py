"""What disturbs a run: the same for the same seed, all kinds in a hundred runs, a quarter without any."""

from collections import Counter

from live.disturbances.disturbance import (
    BURST,
    CASES,
    CONTROL,
    DURATION,
    LONG_STOP,
    SHORT_STOP,
    TABLES,
    Disturbance,
    DisturbanceKind,
    draw,
    scenario_of,
)


def case(one: Disturbance) -> tuple[str, str, str]:
    return one.cluster, one.target, one.action


def test_a_run_of_a_seed_is_always_disturbed_alike_and_others_are_not() -> None:
    first = [draw(1, number) for number in range(50)]
    assert first == [draw(1, number) for number in range(50)]
    assert first != [draw(2, number) for number in range(50)]
    assert [one.number for one in first] == list(range(50))


def test_one_run_of_each_four_is_the_control_wherever_it_stands() -> None:
    places = Counter[int]()
    for block in range(100):
        control = [draw(3, CONTROL * block + i).action == "none" for i in range(CONTROL)]
        assert sum(control) == 1
        places[control.index(True)] += 1
    assert set(places) == set(range(CONTROL))


def test_as_many_runs_as_it_takes_meet_every_case_once_and_then_once_more() -> None:
    runs = len(CASES) * CONTROL // (CONTROL - 1)
    assert runs * (CONTROL - 1) == len(CASES) * CONTROL
    assert runs <= 100
    cases = Counter((one.cluster, one.target, one.action) for one in CASES)
    first = [draw(7, number) for number in range(runs)]
    again = [draw(7, number) for number in range(runs, 2 * runs)]
    for found in (first, again):
        assert Counter(case(one) for one in found if one.action != "none") == cases
    assert [case(one) for one in first] != [case(one) for one in again]


def test_times_lie_within_their_bounds_and_most_within_the_run() -> None:
    whens = Counter[str]()
    stops = []
    for number in range(400):
        one = draw(5, number)
        if one.action == "none":
            assert (one.target, one.length, one.kind) == ("", None, "undisturbed")
            continue
        whens[one.when] += 1
        assert 0.0 <= one.at < DURATION
        assert one.when != "finish" or one.at < 0.1
        assert (one.length is None) == (one.action not in ("stop", "starve", "outrank"))
        if one.action == "stop":
            assert one.length is not None
            stops.append(one.length)
            assert SHORT_STOP <= one.length < LONG_STOP
        elif one.length is not None:
            assert BURST[0] <= one.length < BURST[1]
    assert whens["run"] > 0.7 * whens.total()
    assert {"start-up", "finish", "saving"} <= set(whens)
    assert min(stops) < 0.05 < 1.0 < max(stops)


def test_every_cluster_is_a_scenario_that_orders_kills_and_stops_itself() -> None:
    scenarios = {name: scenario_of(Disturbance(0, name, "", "none", "run", 0.0, None), 4) for name in TABLES}
    kinds = Counter(fault.kind for one in scenarios.values() for fault in one.faults)
    assert {"kill", "restart", "hang", "reload", "partition", "bus_down", "join", "blackhole"} <= set(kinds)
    assert {one.balancer.kind for one in scenarios.values()} == {"haproxy", "nginx"}
    for one in scenarios.values():
        assert (one.seed, one.duration, one.nodes.count, one.clients.count) == (4, DURATION, 3, 24)
        assert all(fault.at + (fault.duration or 0.0) < DURATION for fault in one.faults)
    assert scenarios["hang"].clients.heartbeat.interval == 0.5
    assert scenarios["hang"].clients.open_timeout == 1.0  # what a table says is added, and takes nothing away


def test_a_kind_has_no_numbers() -> None:
    assert Disturbance(0, "failover", "node 3", "kill", "run", 0.0, None).kind == "kill node"
    assert Disturbance(0, "nginx", "nginx worker", "stop", "run", 0.0, 1.0).kind == "stop nginx worker"
    assert DisturbanceKind("failover", "node 3", "kill").when is None
