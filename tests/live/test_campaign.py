"""The campaign: the same runs for the same seed, faults within bounds, and every violation told."""

import json

import pytest
from typer.testing import CliRunner

from live import campaign
from sim import simulate
from tests.messages import good_end, good_rows, record
from twin.cli import app
from twin.errors import ScenarioError
from twin.invariants import audit, catch_up
from twin.profile import HostProfile
from twin.record import Record
from twin.scenario import Scenario


def test_a_run_of_a_seed_is_always_the_same_scenario_and_others_are_different() -> None:
    first = [campaign.make(1, number) for number in range(50)]
    assert first == [campaign.make(1, number) for number in range(50)]
    assert len({scenario.to_toml() for scenario in first}) == 50
    assert first != [campaign.make(2, number) for number in range(50)]


def test_every_kind_of_fault_occurs_and_all_are_over_in_time_to_judge_them() -> None:
    kinds = set()
    for number in range(300):
        scenario = campaign.make(7, number)
        kinds |= {fault.kind for fault in scenario.faults}
        nodes = [fault.node for fault in scenario.faults if fault.node is not None]
        assert len(nodes) == len(set(nodes))
        assert sum(fault.kind == "kill" for fault in scenario.faults) <= 1
        for fault in scenario.faults:
            end = fault.at + (fault.duration or 0.0)
            assert end <= campaign.LAST_HEAL + 1e-9
        assert campaign.LAST_HEAL + catch_up(scenario) < scenario.duration
    assert kinds == set(campaign.KINDS)


def test_wrong_numbers_are_refused_before_anything_is_started() -> None:
    with pytest.raises(ScenarioError, match=r"^runs is 0"):
        next(campaign.campaign(0, 1))
    with pytest.raises(ScenarioError, match=r"^bus is 'kafka'"):
        next(campaign.campaign(1, 1, bus="kafka"))


@pytest.mark.live
def test_two_runs_on_real_processes_are_judged_and_break_nothing() -> None:
    result = CliRunner().invoke(app, ["campaign", "--runs", "2", "--seed", "3", "--json"])
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert [run["run"] for run in data["runs"]] == [0, 1]
    assert data["violations"] == 0
    assert data["judged"] >= 1
    assert data["delivered"] > 500


def test_a_violation_is_printed_with_its_witness_and_the_status_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(scenario: Scenario, number: int) -> Record:
        rows = [*good_rows(), *good_end()]
        twice = next(row for row in rows if row[1] == "delivered")
        return record([*rows, (twice[0] + 0.5, *twice[1:])])

    monkeypatch.setattr(campaign, "run", broken)
    monkeypatch.setattr(campaign, "check", lambda scenario: None)
    result = CliRunner().invoke(app, ["campaign", "--runs", "1", "--seed", "5", "--first", "9"])
    assert result.exit_code == 1
    assert "run 9 of seed 5" in result.output
    assert "applied message 1 more than once" in result.output
    assert audit(broken(campaign.make(5, 9), 9)).verdict == "fail"


def test_half_of_the_pubsub_runs_have_clients_that_do_not_recover_and_a_stream_has_none() -> None:
    recover = [campaign.make(3, number, "pubsub").clients.recovery.recover for number in range(100)]
    assert 30 < sum(recover) < 70
    assert all(campaign.make(3, number).clients.recovery.recover for number in range(100))


def test_what_a_run_lost_is_held_against_its_simulation(monkeypatch: pytest.MonkeyPatch, profile: HostProfile) -> None:
    spoilt = 2

    def simulated(scenario: Scenario, number: int) -> Record:
        """A simulated run in place of a live one; one of them loses what no fault explains."""
        run = simulate(scenario, number, profile, engine="compiled")
        if number != spoilt:
            return run
        rows = [tuple(row) for row in run.events.itertuples(index=False)]
        return Record.of([row for row in rows if row[1] != "delivered" or row[2] > 3], run.provenance)

    monkeypatch.setattr(campaign, "run", simulated)
    monkeypatch.setattr(campaign, "check", lambda scenario: None)
    monkeypatch.setattr(HostProfile, "for_this_machine", classmethod(lambda cls, *needs: profile))
    command = ["campaign", "--runs", "4", "--seed", "1", "--bus", "pubsub", "--replications", "3"]
    data = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert [run["inside"] for run in data["runs"]] == [True, True, False, True]
    assert (data["losses_compared"], data["losses_inside"]) == (4, 3)
    assert data["mean_lost_share"] > data["mean_predicted"] + 0.02
    text = CliRunner().invoke(app, command).output
    assert "Losses: 3 of 4 runs inside their predicted band" in text
    assert "run 2: lost" in text
