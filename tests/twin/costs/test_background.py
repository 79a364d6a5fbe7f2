"""What goes on in the background: its rates and shares, against numbers by hand."""

import pytest

import sim
from tests.costs import cost_of
from tests.strategies import knowing_profile, small, small_profile
from twin.costs.background import BACKGROUND_PARTS, RARE_PARTS, rareness, rates
from twin.costs.curve import Curve
from twin.costs.lacking import background, lacks
from twin.costs.profile import LEVELS_OF_PACE, HostProfile
from twin.errors import ProfileWarning, ScenarioError

BEATS = {"clients": {"count": 30, "heartbeat": {"interval": 0.5}}, "nodes": {"count": 3}}


def test_each_process_has_its_share_of_the_pings_and_the_balancer_all_checks():
    scenario = small(**BEATS, balancer={"check": {"inter": 0.2}})
    assert rates(scenario) == pytest.approx(
        {"client_ping": 60.0, "balancer_ping": 60.0, "node_ping": 20.0, "balancer_check": 15.0}
    )
    of_nodes = scenario.vary(clients={"heartbeat": {"interval": 0.0}}, nodes={"ping_interval": 2.0})
    assert rates(of_nodes) == pytest.approx(
        {"client_pong": 15.0, "balancer_pong": 15.0, "node_pong": 5.0, "balancer_check": 15.0}
    )
    assert rates(scenario.vary(clients={"per_process": 10}))["client_ping"] == pytest.approx(20.0)
    assert rates(scenario.vary(host={"placement": "separate"}))["client_ping"] == pytest.approx(2.0)
    assert "balancer_check" not in rates(scenario.vary(registry={}))
    assert "balancer_check" not in rates(small(balancer={"kind": "nginx"}))


def test_what_the_background_takes_makes_everything_else_longer():
    host, scenario = knowing_profile(), small(**BEATS, balancer={"check": {"inter": 0.2}})
    cold = (1 / 60 - 0.0025) / 0.0175  # one each 16.7 ms; they are measured at one each 2.5 and 20 ms
    ping = (1 - cold) * cost_of("balancer_ping") + cold * cost_of("balancer_ping_rare")
    share = 60 * ping + 15 * cost_of("balancer_check")
    assert background(host, scenario, "balancer") == pytest.approx([share] * LEVELS_OF_PACE)
    slow = host.curves("balancer_close", busy=background(host, scenario, "balancer"))
    assert [curve(1) for curve in slow] == pytest.approx([cost_of("balancer_close") / (1 - share)] * LEVELS_OF_PACE)
    assert host.curves("balancer_close")[0](1) == pytest.approx(cost_of("balancer_close"))


@pytest.mark.parametrize(("rate", "paid"), [(1000.0, 0.0), (400.0, 0.0), (100.0, 3 / 7), (50.0, 1.0), (0.5, 1.0)])
def test_pings_that_are_far_apart_find_cold_caches(rate, paid):
    assert rareness(rate) == pytest.approx(paid)


def test_a_profile_of_before_rare_pings_were_measured_takes_the_frequent_ones():
    scenario = small(clients={"count": 30, "heartbeat": {"interval": 6.0}}, nodes={"count": 3})
    known = knowing_profile()
    parts = {room: {kind: dict(some) for kind, some in kinds.items()} for room, kinds in known.parts.items()}
    for kinds in parts.values():
        for some in kinds.values():
            for name in RARE_PARTS:
                some.pop(name, None)
    before = known.model_copy(update={"parts": parts})
    for room, rate in (("client", 5.0), ("node", 5 / 3)):
        assert background(known, scenario, room)[0] == pytest.approx(rate * cost_of(f"{room}_ping_rare"))
        assert background(before, scenario, room)[0] == pytest.approx(rate * cost_of(f"{room}_ping"))
    assert lacks(before, scenario) == []


def test_a_slowed_curve_costs_more_by_one_factor_at_any_load_and_after_any_sleep():
    curve = Curve([1, 16, 64], [3e-3, 1e-3, 5e-4], wake=0.2)
    half = curve.slowed(0.5)
    for waiting in (1, 16, 40, 64, 100):
        for asleep in (0.0, 1e-5, 1e-3, 1.0):
            assert half(waiting, asleep) == pytest.approx(2 * curve(waiting, asleep))


def test_a_profile_without_them_costs_what_it_did_and_says_so():
    scenario = small(**BEATS)
    plain = small_profile()
    assert background(plain, scenario, "node") == ()
    assert lacks(knowing_profile(), scenario) == []
    assert lacks(plain, scenario.vary(clients={"heartbeat": {"interval": 0.0}}, balancer={"kind": "nginx"})) == []
    with pytest.warns(ProfileWarning, match=r"CPU time goes to pings and pongs and the balancer's checks, so it is"):
        sim.predict(scenario, 1, plain, jobs=1)
    with pytest.warns(ProfileWarning, match=r"goes to .*checks, so it is taken as none; run \./lab calibrate\.$"):
        sim.sweep(scenario, {"seed": [1]}, 1, plain, jobs=1)
    assert set(BACKGROUND_PARTS) & set(HostProfile.load("reference").by_name()) == set()


def test_a_profile_that_knows_all_says_nothing(recwarn):
    sim.predict(small(**BEATS), 1, knowing_profile(), jobs=1)
    assert not [one for one in recwarn if one.category is ProfileWarning]


@pytest.mark.parametrize(
    ("changes", "room", "field"),
    [
        ({"clients": {"heartbeat": {"interval": 0.01}}}, "client", "clients.heartbeat.interval is 0.01"),
        ({"nodes": {"ping_interval": 0.01}}, "client", "nodes.ping_interval is 0.01"),
    ],
)
def test_pings_that_leave_a_process_nothing_of_its_core_are_refused(changes, room, field):
    many = {"clients": {"count": 60, "heartbeat": {"interval": 0.0}}}
    scenario = small(**many).vary(**changes)
    with pytest.raises(ScenarioError, match=rf"^{field}; allowed is so much that .* leave the {room} more than 10%"):
        sim.simulate(scenario, 0, knowing_profile())
    assert len(sim.simulate(scenario, 0, small_profile()).events)


def test_both_engines_agree_about_the_background():
    faults = [{"at": 1.0, "kind": "kill", "node": 1}]
    scenario = small(**BEATS, faults=faults, balancer={"retries": 3, "redispatch": 1})
    found = []
    for engine in ("simpy", "compiled"):
        times = sim.simulate(scenario, 0, knowing_profile(), engine=engine).select("connected").query("t > 0")["t"]
        found.append(times.tolist())
        plain = sim.simulate(scenario, 0, small_profile(), engine=engine).select("connected").query("t > 0")["t"]
        assert times.tolist() != plain.tolist()
    assert found[0] == found[1]
