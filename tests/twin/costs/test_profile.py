import json
import random
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from tests.costs import MICROSECONDS, NGINX_MICROSECONDS, PAYLOAD_MICROSECONDS, cost_of
from tests.strategies import disk_profile, looks, small, small_profile
from twin.costs.broadcast import PAYLOAD_PARTS
from twin.costs.codec import OF_CODECS
from twin.costs.curve import PartCosts
from twin.costs.handler import HANDLER_PARTS
from twin.costs.parts import OPTIONAL_PARTS, PARTS
from twin.costs.polls import OF_POLLS, POLL_ROUNDS
from twin.costs.pool import POOL_PARTS
from twin.costs.profile import LEAST_POWER, LEVELS_OF_PACE, MOST_POWER, READING_ERROR, HostProfile, needs_of
from twin.costs.starts import START_PARTS
from twin.errors import ScenarioError


def test_a_lone_figure_is_a_quantile_of_its_repeats():
    assert small_profile(node_stop=[0.3, 0.1]).lone("node_stop", 0.5) == pytest.approx(0.2)


def test_a_profile_survives_saving(tmp_path, profile):
    path = profile.save(tmp_path / "deep" / "host.json")
    assert HostProfile.load(str(path)) == profile


def test_every_part_has_a_cost(profile):
    for name in set(PARTS) - {"exit_delay", *PAYLOAD_PARTS, *START_PARTS}:
        for kind in ("haproxy", "nginx"):
            costs = [curve(20) for curve in profile.curves(name, kind)]
            assert costs == pytest.approx([cost_of(name, balancer=kind)] * LEVELS_OF_PACE)


def test_in_the_profile_of_the_tests_no_part_costs_what_another_one_does():
    costs = [*MICROSECONDS.values(), *NGINX_MICROSECONDS.values(), *(few for few, _ in PAYLOAD_MICROSECONDS.values())]
    assert len(set(costs)) == len(costs) > 60
    assert set(MICROSECONDS) == set(PARTS) - {"exit_delay", *PAYLOAD_PARTS, *START_PARTS}


AT_64_KB, AT_512_KB = (microseconds / 1e6 for microseconds in PAYLOAD_MICROSECONDS["client_delivery_bytes"])


@pytest.mark.parametrize(
    ("name", "payload", "more"),
    [
        ("client_delivery", 0, 0.0),
        ("client_delivery", 64, 0.0),
        ("client_delivery", 65_536, AT_64_KB),
        ("client_delivery_more", 524_288, AT_512_KB),
        ("client_delivery", 983_040, AT_512_KB + (AT_512_KB - AT_64_KB)),  # as many bytes more once again
        ("client_send", 524_288, 0.0),
    ],
)
def test_a_message_costs_more_the_larger_its_payload_is(profile, name, payload, more):
    for usual, larger in zip(profile.curves(name), profile.curves(name, payload=payload), strict=True):
        assert larger(20) == pytest.approx(usual(20) + more)
        assert larger.lone == pytest.approx(usual.lone + more)
        assert larger(1, 1.0) == pytest.approx(usual(1, 1.0) + more)


def test_what_a_path_holds_goes_from_the_small_to_the_large_messages():
    host = small_profile(path_bytes=[100.0], path_bytes_large=[300.0])
    held = [host.path(payload, 0.5) for payload in (0, 64, 65_536, 294_912, 524_288, 1_000_000)]
    assert held == pytest.approx([100, 100, 100, 200, 300, 300])


def test_a_bus_connection_holds_what_was_measured_or_else_what_a_path_holds():
    older = small_profile(path_bytes=[100.0], path_bytes_large=[300.0])
    assert older.bus_path(294_912, 0.5) == older.path(294_912, 0.5)
    newer = small_profile(bus_path_bytes=[40.0, 60.0])
    assert [newer.bus_path(payload, 0.5) for payload in (0, 10**6)] == [50.0, 50.0]


def slowness(paces, read, power):
    """Return the power found when costs go with `paces` to a `power`, and these were read as `read`."""
    part = PartCosts(levels=[64], values=[[pace**power for pace in paces]], paces=[read])
    return small_profile(parts={"node_leave": part}).slowness("node")


@pytest.mark.parametrize("power", [0.8, 1.0, 1.2])
def test_how_much_a_process_slows_down_is_found_in_spite_of_the_error_of_the_paces(power):
    draw = random.Random(1)
    paces = [1e-3 * exp(draw.gauss(0, 0.3)) for _ in range(4000)]
    read = [pace * exp(draw.gauss(0, READING_ERROR)) for pace in paces]
    # the hold on 1 is the error's share of what was read
    share = READING_ERROR**2 / (READING_ERROR**2 + 0.3**2)
    assert slowness(paces, read, power) == pytest.approx(power + share * (1 - power), abs=0.02)


@given(st.floats(0.0, 3.0), st.lists(st.floats(1e-4, 1e-2), min_size=1, max_size=20))
def test_the_power_stays_in_its_bounds_and_is_one_where_nothing_was_measured(power, paces):
    assert LEAST_POWER <= slowness(paces, paces, power) <= MOST_POWER
    assert small_profile().slowness("client") == 1.0


def test_the_paces_must_differ_by_more_than_their_error_to_count():
    def found(spread):
        paces = [1e-3, 1e-3 * spread] * 10
        return slowness(paces, paces, 0.5)

    assert found(1.0) == 1.0
    assert found(1.05) == pytest.approx(1.0, abs=0.05)
    assert found(8.0) == LEAST_POWER


def test_a_slow_core_makes_everything_dearer(profile):
    paces = [1e-3, 2e-3]
    part = PartCosts(levels=[16], values=[[10.0, 20.0]], paces=[paces])
    curves = small_profile(parts={"node_leave": part}, speed=[[paces * 10]]).curves("node_leave")
    assert curves[0](16) == pytest.approx(10.0)
    assert curves[-1](16) == pytest.approx(20.0)


def test_cores_slow_each_other_down_step_by_step_to_the_pace_of_the_looks(profile):
    """The looks are taken with all cores at work, the parts with one."""
    part = PartCosts(levels=[16], values=[[10.0]], paces=[[1e-3]])
    host = small_profile(parts={"node_leave": part}, speed=[[[1.5e-3] * 10]], crowding=[1.5])
    alone, half, all_at_work = host.curves("node_leave", contention_steps=2)[::LEVELS_OF_PACE]
    assert [alone(16), half(16), all_at_work(16)] == pytest.approx([10.0, 12.5, 15.0])
    assert [curve(16) for curve in host.curves("node_leave")] == pytest.approx([10.0] * LEVELS_OF_PACE)


@given(looks())
def test_paces_rank_the_samples_of_all_looks_together(speed):
    paces = small_profile(speed=speed).paces
    assert [[len(series) for series in look] for look in paces] == [[len(series) for series in look] for look in speed]
    assert {level for look in paces for series in look for level in series} <= set(range(LEVELS_OF_PACE))


def test_a_slow_second_has_higher_levels_and_an_interrupt_has_not():
    slow = [1.0] * 25 + [2.0] * 25
    slow[10] = 9.0
    ((series,),) = small_profile(speed=[[slow]]).paces
    assert set(series[:24]) == {0}
    assert min(series[26:]) >= LEVELS_OF_PACE // 2


def test_a_profile_made_without_nginx_says_so_only_when_it_matters():
    bare = small_profile(nginx_parts={})
    assert bare.curves("balancer_close", "haproxy")[0](1) == pytest.approx(cost_of("balancer_close"))
    assert bare.curves("client_open", "nginx")[0](1) == pytest.approx(cost_of("client_open"))
    with pytest.raises(ScenarioError, match=r"^balancer.kind is 'nginx'; .*calibrated without nginx\.$"):
        bare.curves("balancer_close", "nginx")


def test_nginx_parts_are_used_for_nginx_alone():
    dear = PartCosts(levels=[1, 16], values=[[0.5], [0.5]])
    mixed = small_profile(nginx_parts={"balancer_close": dear})
    assert mixed.curves("balancer_close", "nginx")[0](1) == 0.5
    assert mixed.curves("balancer_close", "haproxy")[0](1) == pytest.approx(cost_of("balancer_close"))


def test_a_missing_profile_gives_one_sentence(tmp_path):
    with pytest.raises(ScenarioError, match=r"^host.profile is '.*none.json': there is no such profile; .*\.$"):
        HostProfile.load(str(tmp_path / "none.json"))


def test_what_is_not_a_profile_gives_one_sentence(tmp_path, profile):
    for name, content in [
        ("a", b"{"),
        ("b", b"{}"),
        ("c", b"[" * 5000),
        ("d", json.dumps(small_profile().model_dump() | {"colour": "red"}).encode()),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ScenarioError, match=f"^host.profile is '.*{name}': {name} is not a host profile: .*\\.$"):
            HostProfile.load(str(path))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match=r"binary: is not text in UTF-8 \(byte 1 is not\)\.$"):
        HostProfile.load(str(tmp_path / "binary"))
    with pytest.raises(ScenarioError, match=r": is a folder; a host profile is a file\.$"):
        HostProfile.load(str(tmp_path))


def test_a_profile_with_a_byte_order_mark_is_read(tmp_path):
    path = small_profile().save(tmp_path / "host.json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert HostProfile.load(str(path)) == small_profile()


def test_a_profile_of_an_older_lab_says_what_to_do(tmp_path, profile):
    parts = {name: part for name, part in profile.by_name().items() if name != "haproxy_cut"}
    path = small_profile(parts=parts).save(tmp_path / "old.json")
    with pytest.raises(ScenarioError, match=r"old.json was made by an older version .*; run \./lab calibrate again\.$"):
        HostProfile.load(str(path))


def test_a_profile_in_which_a_start_is_a_time_is_of_an_older_lab(tmp_path, profile):
    path = tmp_path / "old.json"
    old = json.loads(profile.model_dump_json()) | {"node_start": [0.15]}
    path.write_text(json.dumps(old))
    with pytest.raises(ScenarioError, match=r"old.json was made by an older version .*; run \./lab calibrate again\.$"):
        HostProfile.load(str(path))
    path.write_text(json.dumps(old | {"tick": "none"}))
    with pytest.raises(ScenarioError, match=r"old.json is not a host profile: tick is 'none'.*\.$"):
        HostProfile.load(str(path))


def test_the_share_of_the_first_part_is_a_quantile_of_its_repeats():
    mixed = small_profile(first_part={"client_open": [0.9, 0.1, 0.2], "haproxy": [0.5], "node": [0.3, 0.4]})
    assert [mixed.first(name, 0.5) for name in ("client_open", "haproxy", "node")] == pytest.approx([0.2, 0.5, 0.35])


def test_this_machine_has_its_own_profile_or_is_told_that_it_borrows_one(tmp_path, profile, monkeypatch, recwarn):
    own, borrowed = tmp_path / "own.json", small_profile(made="elsewhere").save(tmp_path / "reference.json")
    monkeypatch.setattr("twin.costs.profile.CALIBRATED", own)
    monkeypatch.setattr("twin.costs.profile.REFERENCE", borrowed)
    with pytest.warns(UserWarning, match=r"^This machine has no profile yet, .*; run \./lab calibrate\.$"):
        assert HostProfile.for_this_machine().made == "elsewhere"
    profile.save(own)
    recwarn.clear()
    assert HostProfile.for_this_machine() == profile
    assert not recwarn
    small_profile(balancer_start={"haproxy": [0.02]}).save(own)
    with pytest.warns(UserWarning, match=r"^This machine has a profile without nginx, .*; run \./lab calibrate\.$"):
        assert HostProfile.for_this_machine("nginx", "broadcast").made == "elsewhere"
    recwarn.clear()
    assert HostProfile.for_this_machine("broadcast").made != "elsewhere"
    assert not recwarn


def test_the_reference_profile_ships_with_the_lab():
    known = set(HostProfile.load("reference").by_name())
    assert known - set(OPTIONAL_PARTS) - OF_POLLS == set(PARTS) - OF_POLLS
    assert known >= set(HANDLER_PARTS) | set(POOL_PARTS) | set(OF_CODECS)


@pytest.mark.parametrize("missing", ["bus_sync", "disk_wait", "disk_wait_in_a_row"])
def test_a_profile_knows_the_disk_only_with_all_its_figures_and_is_good_without(missing):
    whole = disk_profile()
    found = whole.without([missing]).model_copy(update={missing: []} if missing != "bus_sync" else {})
    assert (whole.knows_disk, found.knows_disk) == (True, False)
    assert found.knows_broadcast()


def test_a_profile_that_was_made_without_haproxy_says_so(profile):
    bare = small_profile(balancer_start={"nginx": [0.02]})
    with pytest.raises(ScenarioError, match=r"^balancer.kind is 'haproxy'; .* was calibrated without haproxy\.$"):
        sim.predict(small(), 1, bare, engine="simpy")


@pytest.mark.parametrize(
    ("changes", "missing", "sentence"),
    [
        ({"balancer": {"kind": "nginx"}}, [], "balancer.kind is 'nginx'"),
        ({"nodes": {"handler": {}}}, ["node_read"], "publisher, clients.sends or nodes.handler is given"),
        ({"clients": {"sends": {"rate": 1.0}}}, ["node_read"], "publisher, clients.sends or nodes.handler is given"),
        (
            {"bus": {"kind": "stream"}, "publisher": {}},
            ["bus_stamp"],
            "publisher, clients.sends or nodes.handler is given",
        ),
        ({"sessions": {"store": "memory"}}, ["node_session"], "sessions.store is not 'none'"),
        ({"sessions": {"store": "redis"}}, ["bus_stamp"], "sessions.store is not 'none'"),
    ],
)
def test_what_a_scenario_needs_must_be_in_its_profile(profile, changes, missing, sentence):
    scenario = small(**changes)
    profile.must_know(scenario)
    lacking = profile.without(missing) if missing else small_profile(nginx_parts={})
    with pytest.raises(ScenarioError) as caught:
        lacking.must_know(scenario)
    assert str(caught.value).startswith(sentence)
    with pytest.raises(ScenarioError, match=sentence):
        sim.sweep(scenario, {"seed": [1]}, 1, lacking)


def test_a_name_that_no_system_takes_is_no_profile():
    with pytest.raises(ScenarioError, match="there is no such profile"):
        HostProfile.load("x" * 5000)


def test_a_profile_without_polls_is_good_for_all_but_clients_that_poll(profile):
    old = profile.without(OF_POLLS)
    talk = small(bus={"kind": "stream"}, publisher={})
    old.must_know(talk)
    polls = talk.vary(clients={"transport": {"kind": "poll"}})
    assert needs_of(polls) == ("broadcast", "polls")
    with pytest.raises(ScenarioError, match=r"clients\.transport\.kind is 'poll'; this host profile was calibrated"):
        old.must_know(polls)
    profile.must_know(polls)
    measured = profile.model_copy(update={"first_part": {name: [0.5] for name in POLL_ROUNDS.values()}})
    again = old.with_polls_of(measured)
    assert again.knows_polls("haproxy")
    assert again.first_part["node_get"] == [0.5]
