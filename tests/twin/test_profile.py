import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import COST, small_profile
from twin.errors import ScenarioError
from twin.profile import COLD_AFTER, MOST_REPEATS, PARTS, Curve, HostProfile, Part

costs = st.lists(st.floats(1e-6, 1e-2), min_size=4, max_size=4)


def test_a_curve_is_linear_in_the_logarithm_between_its_levels():
    curve = Curve([1, 16, 64, 256], [9.0, 4.0, 2.0, 1.0])
    assert [curve(n) for n in (16, 32, 64, 128, 256)] == pytest.approx([4.0, 3.0, 2.0, 1.5, 1.0])
    assert curve(1) == curve(10) == 4.0  # a short queue of an awake process costs what the lowest level does
    assert curve(10_000) == 1.0


def test_a_sleeper_pays_up_to_the_cost_of_a_lone_item():
    curve = Curve([1, 16, 64, 256], [9.0, 4.0, 2.0, 1.0])
    assert curve(1, COLD_AFTER) == curve(1, 10.0) == 9.0
    assert curve(1, COLD_AFTER / 2) == pytest.approx(6.5)
    assert curve(64, COLD_AFTER) == 9.0


def test_a_curve_without_a_lone_level_takes_its_dearest_level_for_a_sleeper():
    curve = Curve([64, 256], [2.0, 1.0])
    assert curve(1) == 2.0
    assert curve(256, 1.0) == 2.0


@given(costs, st.integers(0, 1000), st.floats(0, 1))
def test_a_cost_is_never_outside_the_measured_ones(measured, waiting, asleep):
    cost = Curve([1, 16, 64, 256], measured)(waiting, asleep)
    assert min(measured) * 0.999999 <= cost <= max(measured) * 1.000001


def test_a_quantile_lies_between_the_sorted_repeats():
    part = Part(levels=[1, 16], values=[[3.0, 1.0, 2.0], [5.0, 5.0, 7.0]])
    assert [part.at(u).lone for u in (0.0, 0.25, 0.5, 1.0)] == [1.0, 1.5, 2.0, 3.0]
    assert [part.at(u)(1) for u in (0.0, 0.75, 1.0)] == [5.0, 6.0, 7.0]
    assert small_profile(node_start=[0.3, 0.1]).lone("node_start", 0.5) == pytest.approx(0.2)


def test_a_profile_survives_saving(tmp_path, profile):
    path = profile.save(tmp_path / "deep" / "host.json")
    assert HostProfile.load(str(path)) == profile


def test_every_part_has_a_cost(profile):
    for name in PARTS:
        assert profile.cost(name, 0.5)(20) == pytest.approx(COST)


def test_a_profile_made_without_nginx_says_so_only_when_it_matters():
    bare = small_profile(nginx_parts={})
    assert bare.cost("balancer_close", 0.5, "haproxy")(1) == COST
    assert bare.cost("client_open", 0.5, "nginx")(1) == COST
    with pytest.raises(ScenarioError, match=r"^balancer.kind is 'nginx'; .*calibrated without nginx\.$"):
        bare.cost("balancer_close", 0.5, "nginx")


def test_nginx_parts_are_used_for_nginx_alone():
    dear = Part(levels=[1, 16], values=[[0.5], [0.5]])
    mixed = small_profile(nginx_parts={"balancer_close": dear})
    assert mixed.cost("balancer_close", 0.5, "nginx")(1) == 0.5
    assert mixed.cost("balancer_close", 0.5, "haproxy")(1) == COST


def test_a_missing_profile_gives_one_sentence(tmp_path):
    with pytest.raises(ScenarioError, match=r"^host.profile is '.*none.json': there is no such profile; .*\.$"):
        HostProfile.load(str(tmp_path / "none.json"))


def test_what_is_not_a_profile_gives_one_sentence(tmp_path, profile):
    spoilt = {**profile.model_dump(), "colour": "red"}
    for name, content in [("a", b"{"), ("b", b"{}"), ("c", b"\xff\xfe"), ("d", json.dumps(spoilt).encode())]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ScenarioError, match=f"^host.profile is '.*{name}': {name} is not a host profile\\.$"):
            HostProfile.load(str(path))
    with pytest.raises(ScenarioError, match=r"is not a host profile\.$"):
        HostProfile.load(str(tmp_path))


def test_the_share_of_the_first_part_is_a_quantile_of_its_repeats():
    mixed = small_profile(first_part={"client": [0.9, 0.1, 0.2], "haproxy": [0.5], "nginx": [0.1], "node": [0.3, 0.4]})
    assert [mixed.first(name, 0.5) for name in ("client", "haproxy", "node")] == pytest.approx([0.2, 0.5, 0.35])


def test_this_machine_has_its_own_profile_or_is_told_that_it_borrows_one(tmp_path, profile, monkeypatch, recwarn):
    own, borrowed = tmp_path / "own.json", small_profile(made="elsewhere").save(tmp_path / "reference.json")
    monkeypatch.setattr("twin.profile.CALIBRATED", own)
    monkeypatch.setattr("twin.profile.REFERENCE", borrowed)
    with pytest.warns(UserWarning, match=r"^This machine has no profile yet, .*; run \./lab calibrate\.$"):
        assert HostProfile.for_this_machine().made == "elsewhere"
    profile.save(own)
    recwarn.clear()
    assert HostProfile.for_this_machine() == profile
    assert not recwarn


def test_the_reference_profile_ships_with_the_lab():
    assert set(HostProfile.load("reference").parts) == set(PARTS)


def test_a_new_calibration_of_the_same_machine_keeps_the_earlier_repeats():
    earlier, later = small_profile(node_start=[0.3]), small_profile(node_start=[0.1], made="later")
    merged = later.with_earlier(earlier)
    assert merged.made == "later"
    assert merged.node_start == [0.1, 0.3]
    assert all(len(values) == 4 for part in merged.parts.values() for values in part.values)
    for _ in range(40):
        merged = later.with_earlier(merged)
    assert len(merged.node_start) == MOST_REPEATS
    assert len(merged.first_part["client"]) == MOST_REPEATS


def test_a_calibration_of_another_machine_is_forgotten():
    earlier = small_profile(node_start=[0.3], machine={"cpu": "another"})
    assert small_profile().with_earlier(earlier) == small_profile()
