"""How faults and conditions are made: every kind is known, and what a machine lacks decides."""

import pytest

from live.doctor.abilities import ATTEMPTS, IN_NAMESPACE, Ability
from live.doctor.means import CONDITIONS, FAULTS, NOBODY, means, unknown
from live.faults import KINDS as LIVE
from twin.scenario.faults import KINDS


def machine(*lacks):
    return {name: Ability(name, name not in lacks, f"{name}, tried") for name in (*ATTEMPTS, *IN_NAMESPACE)}


def state(name, *lacks):
    """Return the state of a fault or condition on a machine that lacks some abilities, and how it is made."""
    found = {one.name: one for some in means(machine(*lacks)) for one in some}
    return found[name].state, found[name].how


def test_every_kind_of_fault_is_known_and_is_made_where_live_runs_make_it():
    assert unknown() == set()
    faults, _ = means(machine())
    assert [one.name for one in faults] == list(KINDS)
    assert {one.name for one in faults if one.state == "unavailable"} == set(KINDS) - set(LIVE)


def test_every_need_is_an_ability_that_is_tried():
    needs = {need for ways in (*FAULTS.values(), *(ways for _, ways in CONDITIONS.values())) for way in ways
             for need in way.needs}  # fmt: skip
    assert needs
    assert needs <= set(machine())


@pytest.mark.parametrize("kind", ["blackhole", "partition", "delay"])
def test_what_a_relay_of_the_lab_does_is_emulated(kind):
    assert state(kind)[0] == "emulated"
    assert "no packet is dropped" in state(kind)[1]


def test_a_delay_is_real_with_netem_and_else_emulated():
    assert state("network delay") == ("real", "tc netem in a network namespace")
    assert state("network delay", "netem")[0] == "emulated"


def test_what_the_machine_lacks_is_unavailable_with_the_reason():
    assert state("packet loss") == ("real", "nft in a network namespace")
    assert state("packet loss", "packet filter") == ("unavailable", "packet filter: packet filter, tried")
    assert state("kill", "signals")[0] == "unavailable"
    assert state("outage") == ("unavailable", "in predictions only")


def test_a_condition_that_no_scenario_has_says_so():
    used = {one.name: one.used_by for one in means(machine())[1]}
    assert used["packet loss"] == NOBODY
    assert used["clients of several addresses"] == "clients.addresses"
