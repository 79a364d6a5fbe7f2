"""Profiles of the first layout are read as those of today, and nothing of them is lost."""

import hashlib
import json

import pytest

import sim
from tests.costs import cost_of
from tests.sim import digests
from tests.strategies import small, small_profile
from twin.costs.layout import FIRST_LAYOUT, USUAL, VERSION, behind_each, laid_out, migrated, room_of
from twin.costs.parts import OPTIONAL_PARTS, PARTS
from twin.costs.polls import OF_POLLS
from twin.costs.profile import REFERENCE, HostProfile
from twin.errors import ScenarioError
from twin.scenario.balancer.kinds import DEFAULT, KINDS

SHIPPED = "87bc7e058a2366e7361614c413ddc5a5bb940170c8237101188cce46777df109"
"""SHA-256 of the parts of the reference profile as it shipped in the first layout: JSON with sorted keys."""


def first_layout(data):
    """Return what a profile of today holds as it was written in the first layout."""
    others = {FIRST_LAYOUT[kind]: data["parts"]["balancer"].get(kind, {}) for kind in KINDS if kind != DEFAULT}
    usual = [data["parts"].get(room, {}).get(kind, {}) for room, kind in USUAL.items()]
    flat = {name: part for parts in usual for name, part in parts.items()}
    rest = {name: value for name, value in data.items() if name not in ("version", "parts")}
    return {**rest, "parts": flat, **others}


def test_every_part_belongs_to_a_room():
    assert {room_of(name) for name in PARTS | OPTIONAL_PARTS} == set(USUAL)
    names = ("exit_delay", "start_node", "haproxy_cut", "balancer_close", "bus_sync")
    assert [room_of(name) for name in names] == ["node", "node", "balancer", "balancer", "bus"]
    assert set(FIRST_LAYOUT) == set(KINDS)


def usual_kinds():
    """Return the reference profile with the kinds that a profile of the first layout could have."""
    data = json.loads(REFERENCE.read_text())
    kinds = {room: {kind, *(KINDS if room == "balancer" else ())} for room, kind in USUAL.items()}
    rooms = data["parts"].items()
    return data | {"parts": {room: {k: v for k, v in found.items() if k in kinds[room]} for room, found in rooms}}


def test_the_shipped_profile_holds_what_it_held_in_the_first_layout():
    data = usual_kinds()
    old = first_layout(data)
    fields = ("parts", "nginx_parts")  # Envoy came later
    kept = {field: set(old[field]) - OF_POLLS - set(OPTIONAL_PARTS) for field in fields}
    parts = {field: {name: old[field][name] for name in names} for field, names in kept.items()}
    text = json.dumps(parts, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == SHIPPED
    assert migrated(old)["parts"] == data["parts"]
    assert HostProfile.model_validate(old) == HostProfile.model_validate(data)


def test_a_run_with_a_profile_of_the_first_layout_is_the_same_one(tmp_path):
    data, path = usual_kinds(), tmp_path / "old.json"
    path.write_text(json.dumps(first_layout(data)))
    scenario = digests.scenario("failover", 1)
    old, new = (
        sim.simulate(scenario, 0, one) for one in (HostProfile.load(str(path)), HostProfile.model_validate(data))
    )
    assert digests.digest(old) == digests.digest(new)


def test_a_profile_of_the_first_layout_may_lack_nginx_and_is_saved_in_that_of_today(tmp_path):
    old = first_layout(small_profile().model_dump())
    del old["nginx_parts"], old["envoy_parts"]
    profile = HostProfile.model_validate(old)
    assert (profile.balancers, profile.of("balancer", "nginx")) == (["haproxy"], {})
    saved = json.loads(profile.save(tmp_path / "new.json").read_text())
    assert (saved["version"], sorted(saved["parts"])) == (VERSION, sorted(profile.parts))
    assert set(profile.parts) == {room_of(name) for name in PARTS}


def test_what_is_no_table_of_parts_is_said_as_ever(tmp_path):
    path = tmp_path / "odd.json"
    for parts in ([], None, "x", {"client_open": 3}):
        path.write_text(json.dumps(first_layout(small_profile().model_dump()) | {"parts": parts}))
        with pytest.raises(ScenarioError, match=r"odd\.json is not a host profile: .*parts.*\.$"):
            HostProfile.load(str(path))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (laid_out({"moon_walk": {"levels": [16], "values": [[1.0]]}}), r"parts is 'moon'; allowed is the rooms client"),
        (
            {"node": {"asyncio": {"client_open": {"levels": [16], "values": [[1.0]]}}}},
            r"parts\.node\.asyncio\.client_open is set; allowed is only in parts\.client",
        ),
    ],
)
def test_a_part_in_a_room_that_is_not_its_own_is_refused(parts, said, tmp_path):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(small_profile().model_dump() | {"parts": parts}))
    with pytest.raises(ScenarioError, match=said):
        HostProfile.load(str(path))


def test_a_profile_of_a_layout_that_is_not_known_is_refused(tmp_path):
    path = tmp_path / "newer.json"
    path.write_text(json.dumps(small_profile().model_dump() | {"version": VERSION + 1}))
    with pytest.raises(ScenarioError, match=rf"newer\.json .*version is {VERSION + 1}; allowed is"):
        HostProfile.load(str(path))


def test_parts_that_cost_the_same_behind_each_balancer_are_found_with_each():
    flat = small_profile().by_name()
    host = HostProfile.model_validate(small_profile().model_dump() | {"parts": behind_each(flat)})
    for kind in KINDS:
        assert host.curves("balancer_close", kind)[0](1) == pytest.approx(cost_of("balancer_close"))
    assert len(sim.simulate(small(balancer={"kind": "nginx"}), 0, host).events)
