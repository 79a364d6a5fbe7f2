import json
import random
import re
from math import exp, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import sim
from tests.costs import MICROSECONDS, NGINX_MICROSECONDS, PAYLOAD_MICROSECONDS, cost_of
from tests.strategies import DISK_WAIT, FIRST_PARTS, disk_profile, looks, small, small_profile
from twin.costs.broadcast import DISK_PARTS, PAYLOAD_PARTS
from twin.costs.curve import MOST_REPEATS, Part
from twin.costs.profile import (
    BROADCAST_PARTS,
    LEAST_POWER,
    LEVELS_OF_PACE,
    MOST_LOOKS,
    MOST_POWER,
    PARTS,
    READING_ERROR,
    REFERENCE,
    HostProfile,
)
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


def test_a_connection_to_the_bus_holds_what_was_measured_of_it_or_else_what_a_path_holds():
    older = small_profile(path_bytes=[100.0], path_bytes_large=[300.0])
    assert older.bus_path(294_912, 0.5) == older.path(294_912, 0.5)
    newer = small_profile(bus_path_bytes=[40.0, 60.0])
    assert [newer.bus_path(payload, 0.5) for payload in (0, 10**6)] == [50.0, 50.0]


def slowness(paces, read, power):
    """Return the power found when costs go with `paces` to a `power`, and these were read as `read`."""
    part = Part(levels=[64], values=[[pace**power for pace in paces]], paces=[read])
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
    part = Part(levels=[16], values=[[10.0, 20.0]], paces=[paces])
    curves = small_profile(parts={"node_leave": part}, speed=[[paces * 10]]).curves("node_leave")
    assert curves[0](16) == pytest.approx(10.0)
    assert curves[-1](16) == pytest.approx(20.0)


def test_cores_slow_each_other_down_step_by_step_to_the_pace_of_the_looks(profile):
    """The looks are taken with all cores at work, the parts with one."""
    part = Part(levels=[16], values=[[10.0]], paces=[[1e-3]])
    host = small_profile(parts={"node_leave": part}, speed=[[[1.5e-3] * 10]], crowding=[1.5])
    alone, half, all_at_work = host.curves("node_leave", crowds=2)[::LEVELS_OF_PACE]
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
    dear = Part(levels=[1, 16], values=[[0.5], [0.5]])
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
        ("d", json.dumps(spoilt(colour="red")).encode()),
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


ONE = [[1.0]]


def spoilt_part(**changes):
    """A profile's data in which one part, of one level, is not what it should be."""
    data = small_profile().model_dump()
    data["parts"]["node_leave"] = {"levels": [16], "values": ONE, "paces": ONE} | changes
    return data


def spoilt(**changes):
    """A profile's data in which something is not what it should be."""
    return small_profile().model_dump() | changes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (spoilt_part(values=ONE * 2), "parts.node_leave.values is 2 lists; allowed is one for each of the 1 levels"),
        (spoilt_part(levels=[1, 16]), "parts.node_leave.values is 1 lists; allowed is one for each of the 2 levels"),
        (spoilt_part(paces=[[1.0, 2.0]]), "parts.node_leave.paces is [2] long; allowed is as many as values"),
        (spoilt_part(levels=[16, 1]), "parts.node_leave.levels is [16, 1]; allowed is numbers that grow"),
        (spoilt_part(levels=[1]), "parts.node_leave.levels is [1]; allowed is numbers that grow, and not 1 alone"),
        (spoilt_part(levels=[10**12]), "parts.node_leave.levels.0 is 1000000000000; allowed is at most 1048576"),
        (spoilt_part(values=[[]]), "parts.node_leave.values.0 is []; allowed is at least 1 entries"),
        (spoilt_part(values=[[nan]]), "parts.node_leave.values.0.0 is nan; allowed is a finite number"),
        (spoilt_part(values=[[-1e-6]]), "parts.node_leave.values.0.0 is -1e-06; allowed is at least 0"),
        (spoilt_part(values=[[inf]]), "parts.node_leave.values.0.0 is inf; allowed is a finite number"),
        (spoilt_part(paces=[[0.0]]), "parts.node_leave.paces.0.0 is 0.0; allowed is at least 1e-09"),
        (spoilt(node_stop=[nan]), "node_stop.0 is nan; allowed is a finite number"),
        (spoilt(node_stop=[]), "node_stop is []; allowed is at least 1 entries"),
        (spoilt(tick=-1.0), "tick is -1.0; allowed is at least 0"),
        (spoilt(wake={"node": [1.5]}), "wake.node.0 is 1.5; allowed is at most 1"),
        (spoilt(speed=[[[0.0]]]), "speed.0.0.0 is 0.0; allowed is at least 1e-09"),
        (spoilt(path_bytes=[-1.0]), "path_bytes.0 is -1.0; allowed is at least 0"),
    ],
)
def test_a_profile_with_figures_that_nobody_can_have_measured_is_refused(data, said, tmp_path):
    path = tmp_path / "host.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ScenarioError, match=rf"host.json is not a host profile: {re.escape(said)}.*\.$") as caught:
        HostProfile.load(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_profile_with_a_byte_order_mark_is_read(tmp_path):
    path = small_profile().save(tmp_path / "host.json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert HostProfile.load(str(path)) == small_profile()


def test_a_profile_of_an_older_lab_says_what_to_do(tmp_path, profile):
    parts = {name: part for name, part in profile.parts.items() if name != "haproxy_cut"}
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
    assert set(HostProfile.load("reference").parts) - set(DISK_PARTS) == set(PARTS)


@pytest.mark.parametrize("missing", ["bus_sync", "disk_wait", "disk_wait_in_a_row"])
def test_a_profile_knows_the_disk_only_if_it_has_all_figures_of_it_and_is_a_good_one_without(missing):
    whole = disk_profile()
    parts = {name: part for name, part in whole.parts.items() if name != missing}
    found = whole.model_copy(update={"parts": parts} | ({missing: []} if missing != "bus_sync" else {}))
    assert (whole.knows_disk, found.knows_disk) == (True, False)
    assert found.knows_broadcast()


def test_a_profile_that_knows_the_disk_keeps_the_repeats_of_an_earlier_one_even_of_one_that_does_not():
    twice, once = disk_profile().with_earlier(disk_profile()), disk_profile().with_earlier(small_profile())
    assert (twice.disk_wait, once.disk_wait) == ([DISK_WAIT] * 2, [DISK_WAIT])
    assert [len(values) for values in twice.parts["bus_sync"].values] == [2, 2]
    assert small_profile().with_earlier(disk_profile()).knows_disk


def test_a_new_calibration_of_the_same_machine_keeps_the_earlier_repeats():
    earlier, later = small_profile(node_stop=[0.3]), small_profile(node_stop=[0.1], made="later")
    merged = later.with_earlier(earlier)
    assert merged.made == "later"
    assert merged.node_stop == [0.1, 0.3]
    assert all(len(values) == 4 for values in merged.parts["node_leave"].values)
    assert len(merged.speed) == 2
    for _ in range(90):
        merged = later.with_earlier(merged)
    assert len(merged.node_stop) == MOST_REPEATS
    assert all(len(merged.first_part[name]) == MOST_REPEATS for name in FIRST_PARTS)
    assert len(merged.speed) == MOST_LOOKS


def test_a_further_look_at_the_cores_comes_first_and_pushes_out_the_oldest(profile):
    seen = profile
    for i in range(1, MOST_LOOKS + 2):
        seen = seen.with_look([[float(i)] * 3, [0.5] * 3])
    assert [series[0] for series, _ in seen.speed] == [float(i) for i in range(MOST_LOOKS + 1, 1, -1)]
    assert seen.parts == profile.parts


def test_a_calibration_of_another_machine_is_forgotten():
    earlier = small_profile(node_stop=[0.3], machine={"cpu": "another"})
    assert small_profile().with_earlier(earlier) == small_profile()


def test_parts_of_a_broadcast_that_were_taken_apart_in_another_way_are_not_kept():
    whole = small_profile()
    halves = {name: part for name, part in whole.parts.items() if name != "node_answer"}
    merged = whole.with_earlier(small_profile(parts=halves))
    assert len(merged.parts["node_ack"].values[0]) == len(whole.parts["node_ack"].values[0])
    assert len(merged.parts["client_open"].values[0]) == 2 * len(whole.parts["client_open"].values[0])
    kept = small_profile(parts={name: part for name, part in whole.parts.items() if name not in BROADCAST_PARTS})
    assert set(kept.with_earlier(whole).parts) == set(whole.parts)


def test_a_profile_that_was_made_without_haproxy_says_so(profile):
    bare = small_profile(balancer_start={"nginx": [0.02]})
    with pytest.raises(ScenarioError, match=r"^balancer.kind is 'haproxy'; .* was calibrated without haproxy\.$"):
        sim.predict(small(), 1, bare, engine="simpy")


def without(profile, *names):
    keep = {name: part for name, part in profile.nginx_parts.items() if name not in names}
    return profile.model_copy(
        update={"parts": {n: p for n, p in profile.parts.items() if n not in names}, "nginx_parts": keep}
    )


@pytest.mark.parametrize(
    ("changes", "missing", "sentence"),
    [
        ({"balancer": {"kind": "nginx"}}, [], "balancer.kind is 'nginx'"),
        ({"clients": {"sends": {"rate": 1.0}}}, ["node_read"], "publisher or clients.sends is given"),
        ({"bus": {"kind": "stream"}, "publisher": {}}, ["bus_stamp"], "publisher or clients.sends is given"),
        ({"sessions": {"store": "memory"}}, ["node_session"], "sessions.store is not 'none'"),
        ({"sessions": {"store": "redis"}}, ["bus_stamp"], "sessions.store is not 'none'"),
    ],
)
def test_what_a_scenario_needs_must_be_in_its_profile(profile, changes, missing, sentence):
    scenario = small(**changes)
    profile.must_know(scenario)
    lacking = without(profile, *missing) if missing else profile.model_copy(update={"nginx_parts": {}})
    with pytest.raises(ScenarioError) as caught:
        lacking.must_know(scenario)
    assert str(caught.value).startswith(sentence)
    with pytest.raises(ScenarioError, match=sentence):
        sim.sweep(scenario, {"seed": [1]}, 1, lacking)


ODD = [nan, inf, -inf, -1.0, 1e308, 10**30, "x", "", None, True, [], {}, [[[]]], {"a": 1}]


def places(value, here=()):
    """Yield where each value of nested tables and lists stands."""
    yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        yield from places(one, (*here, name))


def test_one_odd_value_anywhere_in_a_profile_is_one_sentence_or_does_no_harm(tmp_path):
    good = json.loads(REFERENCE.read_text())
    luck, path = random.Random(1), tmp_path / "odd.json"
    everywhere = list(places(good))
    near, said = [place for place in everywhere if len(place) <= 3], list[str]()
    for _ in range(150):
        data, odd = json.loads(REFERENCE.read_text()), luck.choice(ODD)
        *way, last = luck.choice(luck.choice([near, everywhere])) or ("made",)
        table = data
        for name in way:
            table = table[name]
        table[last] = odd
        path.write_text(json.dumps(data))
        try:
            HostProfile.load(str(path))
        except ScenarioError as error:
            said.append(str(error))
    assert len(said) > 100
    for text in said:
        assert re.fullmatch(r"host\.profile is '.*': odd\.json .{10,300}", text)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "-Infinity", "9" * 5000])
def test_a_number_that_json_cannot_say_or_nobody_means_is_refused(number, tmp_path):
    path = tmp_path / "odd.json"
    text = json.dumps(json.loads(REFERENCE.read_text()) | {"tick": "here"})
    path.write_text(text.replace('"here"', number))
    with pytest.raises(ScenarioError, match=r"odd\.json is not a host profile: (tick is -?(inf|nan)|a number has too)"):
        HostProfile.load(str(path))


def test_a_list_of_very_many_wrong_entries_has_one_error(tmp_path):
    """An error of each would take a minute for some megabytes."""
    path = tmp_path / "odd.json"
    for name, entry in {"crowding": "x", "speed": [["x"]], "disk_wait": -1, "path_bytes": {}}.items():
        path.write_text(json.dumps(json.loads(REFERENCE.read_text()) | {name: [entry] * 1000}))
        with pytest.raises(ScenarioError, match=rf"odd\.json is not a host profile: {name}\.0"):
            HostProfile.load(str(path))
        with pytest.raises(ValidationError) as caught:
            HostProfile.model_validate_json(path.read_text())
        assert caught.value.error_count() == 1


def test_a_name_that_no_system_takes_is_no_profile():
    with pytest.raises(ScenarioError, match="there is no such profile"):
        HostProfile.load("x" * 5000)
