"""The campaign: the same runs for the same seed, faults within bounds, and every violation told."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from live import campaign
from sim import simulate
from stormlab.app import app
from tests.footprints import memory_profile
from tests.messages import good_end, good_rows, record
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.invariants import audit, catch_up
from twin.record.record import Record
from twin.scenario.scenario import Scenario


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


def test_any_set_of_mechanisms_is_drawn() -> None:
    drawn = [campaign.mechanisms(campaign.make(7, number)) for number in range(600)]
    names = {name for one in drawn for name in one}
    assert names == {
        *("broadcast over stream", "broadcast over pubsub", "sessions in memory", "sessions in redis", "sends"),
        *("lifetimes", "registry", "rebalancing", "autoscaling", "compression", "batches", "pools"),
        *("handler in loop", "handler in thread_pool", "handler in process_pool"),
        *("codec json", "codec orjson", "codec msgpack", "codec protobuf"),
    }
    for one in names:
        for other in names - {one}:
            exclusive = one.split()[0] == other.split()[0]  # one bus, one store
            needs = one == "registry" and other in ("rebalancing", "autoscaling")
            assert any(one in found and other in found for found in drawn) != exclusive, (one, other)
            assert needs or any(one in found and other not in found for found in drawn) or other == "registry"
    assert max(map(len, drawn)) == 10
    assert [] in drawn
    for bus in ("stream", "pubsub"):
        assert all(f"broadcast over {bus}" in campaign.mechanisms(campaign.make(7, n, bus)) for n in range(50))


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


def test_clients_do_not_recover_in_half_of_the_pubsub_runs_and_in_no_stream() -> None:
    recover = [campaign.make(3, number, "pubsub").clients.recovery.recover for number in range(100)]
    assert 30 < sum(recover) < 70
    assert all(campaign.make(3, number, "stream").clients.recovery.recover for number in range(100))


def test_what_a_run_lost_is_held_against_its_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt, profile = 2, memory_profile()

    def simulated(scenario: Scenario, number: int) -> Record:
        """A simulated run in place of a live one; one of them loses what no fault explains."""
        run = simulate(scenario, number, profile)
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


def test_the_dice_of_a_run_never_repeat_and_every_option_comes_up() -> None:
    dice = campaign._Dice(1, 2)
    drawn = [dice.between(2.0, 5.0) for _ in range(500)]
    assert len(set(drawn)) == 500
    assert (min(drawn) >= 2.0, max(drawn) < 5.0) == (True, True)
    assert (min(drawn) < 2.05, max(drawn) > 4.95) == (True, True)
    assert {dice.choose("a", "b", "c") for _ in range(100)} == {"a", "b", "c"}
    assert drawn[0] != campaign._Dice(1, 3).between(2.0, 5.0)
    assert drawn[0] != campaign._Dice(2, 2).between(2.0, 5.0)


def test_runs_have_one_to_three_faults_and_kills_come_as_a_message_is_on_its_way() -> None:
    counts, nodes, clients, late = set(), set(), set(), []
    for number in range(300):
        scenario = campaign.make(7, number)
        rate = 0.0 if scenario.publisher is None else scenario.publisher.rate
        counts.add(len(scenario.faults))
        nodes |= {fault.node for fault in scenario.faults}
        clients |= {fault.client for fault in scenario.faults}
        for fault in scenario.faults:
            assert 0.15 <= fault.at < 0.85 + campaign.LATE
            if rate:
                assert 0.2 - 0.5 / rate <= fault.at < 0.8 + 0.5 / rate + campaign.LATE
            if rate and fault.kind in ("kill", "hang"):
                late.append((fault.at * rate + 1e-6) % 1.0 / rate)
            if fault.kind == "delay":
                assert fault.delay is not None
                assert 0.02 <= fault.delay < 0.2
            assert fault.kind == "kill" or (fault.duration is None) == (fault.kind in campaign.AT_ONCE)
            assert fault.duration is None or 0.4 <= fault.duration <= campaign.LAST_HEAL - fault.at + 1e-9
    assert counts == {1, 2, 3}
    assert nodes == {None, 1, 2, 3, 4}
    assert {None, 0, 23} <= clients <= {None, *range(24)}
    assert max(late) < campaign.LATE + 1e-4
    assert max(late) > 0.9 * campaign.LATE


def test_every_setting_of_a_campaign_takes_each_of_its_values() -> None:
    def values(bus: str, read: Any) -> set[Any]:
        return {read(campaign.make(3, number, bus)) for number in range(100)}

    def publisher(name: str) -> Callable[[Scenario], Any]:
        return lambda scenario: getattr(scenario.publisher, name)

    assert values("stream", publisher("rate")) == {10.0, 20.0, 40.0}
    assert values("stream", publisher("payload_bytes")) == {0, 64, 4096}
    assert values("stream", publisher("threshold")) == {"all", "majority", 1}
    assert values("stream", publisher("scope")) == {"node", "client"}
    assert values("stream", lambda scenario: scenario.clients.heartbeat.interval) == {0.0, 0.3}
    assert values("any", lambda scenario: scenario.clients.sends.rate) == {0.0, 2.0, 10.0}
    assert values("any", lambda scenario: scenario.sessions.on_refusal) == {"login", "stop"}
    assert values("any", lambda scenario: scenario.sessions.expiry) == {1.0, 1800.0}
    assert values("any", lambda scenario: scenario.bus.servers) == {"one", "several"}
    downs = {one.server for n in range(600) for one in campaign.make(3, n).faults if one.kind == "bus_down"}
    assert downs == {None, "messages", "sessions", "registry"}
    assert values("stream", lambda scenario: scenario.bus.persist) == {True, False}
    assert values("stream", lambda scenario: scenario.bus.max_length) == {10, 10_000}
    assert values("stream", lambda scenario: scenario.bus.retry.timeout) == {0.5, 5.0}
    assert values("stream", lambda scenario: scenario.slow_consumer.policy) == {"close", "coalesce"}
    assert values("stream", lambda scenario: scenario.slow_consumer.limit_bytes) == {2**16, 2**20}
    assert values("pubsub", lambda scenario: scenario.bus.kind) == {"pubsub"}
    assert values("any", lambda scenario: scenario.codec) == {"none", "json", "orjson", "msgpack", "protobuf"}
    compressions = values("any", lambda scenario: scenario.nodes.compression)
    assert {one and one.window_bits for one in compressions} == {None, 9, 12, 15}
    for read in (publisher("batch"), lambda scenario: scenario.nodes.batch):
        assert {one and one.count for one in values("stream", read)} == {None, 2, 5}
    sending = values("any", lambda scenario: scenario.clients.sends.rate > 0 and scenario.clients.sends.batch)
    assert {one and one.count for one in sending} == {False, None, 2, 5}


def test_runs_go_from_the_first_number_on_and_their_share_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    told: list[float] = []
    monkeypatch.setattr(campaign, "run", lambda scenario, number: done.append((scenario, number)) or good())
    monkeypatch.setattr(campaign, "check", lambda scenario: None)
    found = list(campaign.campaign(3, 5, 4, "pubsub", lambda share, text: told.append(share)))
    assert [outcome.number for outcome in found] == [4, 5, 6]
    assert done == [(campaign.make(5, number, "pubsub"), number) for number in (4, 5, 6)]
    assert told == pytest.approx([0.0, 1 / 3, 2 / 3])
    assert [(outcome.lost_share, outcome.audit.verdict) for outcome in found] == [(0.0, "pass")] * 3
    assert found[0].as_dict()["run"] == 4
    with pytest.raises(ScenarioError, match=r"^runs is 10001"):
        next(campaign.campaign(10_001, 1))


def good() -> Record:
    """A record in which all goes well."""
    return record([*good_rows(), *good_end()])
