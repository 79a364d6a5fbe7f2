"""Each kind of fault, done to a real cluster, leaves its events in the record, and every client comes back."""

from collections.abc import Callable
from itertools import pairwise

import pandas as pd
import pytest

from live.runs import run
from twin.draws import Purpose, uniform
from twin.record.record import Record
from twin.rules.backoff import Backoff
from twin.rules.health import detection_bounds
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

COUNT = 30


@pytest.fixture(scope="module")
def outcome(small: Callable[..., Scenario]) -> Callable[..., Record]:
    """Runs 30 clients on 3 nodes through one fault at 0.5 s."""

    def make(fault: dict[str, object], duration: float = 2.5, **changes: object) -> Record:
        nodes = {"count": 3}
        scenario = small(
            duration=duration, nodes=nodes, faults=[{"at": 0.5, **fault}], **{"clients": {"count": COUNT}, **changes}
        )
        return run(scenario, replication=2)

    return make


@pytest.fixture(scope="module")
def killed(outcome: Callable[..., Record]) -> Record:
    return outcome({"kind": "kill", "node": 1})


@pytest.fixture(scope="module")
def hung(outcome: Callable[..., Record]) -> Record:
    clients = {"count": COUNT, "heartbeat": {"interval": 0.3, "timeout": 0.3}}
    balancer = {"check": {"timeout": 0.4}}
    return outcome({"kind": "hang", "node": 2, "duration": 2.0}, duration=4.0, clients=clients, balancer=balancer)


@pytest.fixture(scope="module")
def restarted(outcome: Callable[..., Record]) -> Record:
    balancer = {"check": {"inter": 0.05, "fall": 1, "rise": 1}}
    return outcome({"kind": "restart", "node": 3}, duration=6.0, balancer=balancer)


@pytest.fixture(scope="module")
def reloaded(outcome: Callable[..., Record]) -> Record:
    return outcome({"kind": "reload"}, balancer={"hard_stop_after": 0.5})


@pytest.fixture
def story(request: pytest.FixtureRequest) -> Record:
    """The record named by the parameter."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Record)
    return found


every_fault = pytest.mark.parametrize("story", ["killed", "hung", "restarted", "reloaded"], indirect=True)


def homes(record: Record) -> dict[int, int]:
    """Return the node of each client that is connected at the end of the record."""
    last = record.select("connected", "disconnected").groupby("client").last()
    return {int(client): int(row["node"]) for client, row in last.iterrows() if row["event"] == "connected"}


def before(record: Record, node: int) -> set[int]:
    """Return the clients that were connected to a node when the run began."""
    events = record.select("connected")
    events = events[events["t"] < 0]
    return set(events[events["node"] == node]["client"])


def of_cluster(record: Record) -> list[tuple[str, int]]:
    """Return the events of nodes and balancer in order, but for the counts at the end."""
    names = ("fault", "healed", "node_stopped", "node_started", "marked_down", "marked_up")
    events = record.select(*names)
    return list(zip(events["event"], events["node"], strict=True))


@every_fault
def test_every_client_is_connected_at_the_end(story: Record) -> None:
    assert sorted(homes(story)) == list(range(COUNT))


@every_fault
def test_haproxy_counts_as_many_connections_on_each_node_as_its_clients_do(story: Record) -> None:
    counts = story.select("server_connections")
    counted = {int(node): int(detail) for node, detail in zip(counts["node"], counts["detail"], strict=True)}
    assert sum(counted.values()) == COUNT
    assert counted == {node: list(homes(story).values()).count(node) for node in (1, 2, 3)}


@every_fault
def test_all_clients_were_connected_before_the_run_and_evenly_spread(story: Record) -> None:
    assert [len(before(story, node)) for node in (1, 2, 3)] == [COUNT // 3] * 3


@every_fault
def test_the_life_of_each_client_is_in_order(story: Record) -> None:
    follows = {
        "attempt_connect": {"connected", "connect_failed"},
        "connected": {"disconnected", "heartbeat_missed"},
        "heartbeat_missed": {"disconnected"},
        "connect_failed": {"attempt_connect"},
        "disconnected": {"attempt_connect"},
    }
    lives = story.events[story.events["client"] >= 0]
    for _, life in lives.groupby("client"):
        names = list(life["event"])
        assert names[0] == "attempt_connect"
        assert all(second in follows[first] for first, second in pairwise(names))
        attempts = list(life[life["event"] == "attempt_connect"]["attempt"])
        assert attempts == list(range(1, len(attempts) + 1))


@every_fault
def test_the_fault_comes_when_the_scenario_says_and_not_earlier(story: Record) -> None:
    fault = story.select("fault")
    assert len(fault) == 1
    assert 0.5 <= fault["t"].iloc[0] < 1.5
    assert fault["detail"].iloc[0] == story.scenario.faults[0].kind
    assert story.scenario.duration <= story.select("server_connections")["t"].min() < story.scenario.duration + 1


def test_a_killed_node_stops_is_marked_down_and_loses_only_its_own_clients(killed: Record) -> None:
    assert sorted(of_cluster(killed)) == [("fault", 1), ("marked_down", 1), ("node_stopped", 1)]
    times = killed.select("fault", "node_stopped", "marked_down").set_index("event")["t"]
    assert times["fault"] <= times["node_stopped"]
    balancer = killed.scenario.balancer
    assert isinstance(balancer, HAProxy)
    shortest, _ = detection_bounds(balancer.check.inter, balancer.check.fall)
    assert times["marked_down"] - times["fault"] > shortest - 0.05
    lost = killed.select("disconnected")
    assert set(lost["client"]) == before(killed, 1)
    assert len(lost) == COUNT // 3
    assert set(lost["detail"]) == {"1006"}
    assert lost["t"].min() >= times["fault"]
    assert 1 not in homes(killed).values()


def test_leastconn_sends_clients_to_the_dead_node_until_it_is_marked_down(killed: Record) -> None:
    failed = killed.select("connect_failed")
    assert len(failed) > 0
    assert set(failed["detail"]) == {"503"}
    marked = killed.select("marked_down")["t"].iloc[0]
    assert failed["t"].max() < marked + 0.5


def test_every_wait_of_every_client_is_the_one_that_the_rule_draws(killed: Record) -> None:
    rule = killed.scenario.clients.reconnect.rule()
    over = []
    for client in sorted(before(killed, 1)):
        life = killed.events[killed.events["client"] == client]
        backoff, n, ready, up = Backoff(rule), 0, 0.0, 0.0
        for event, t in zip(life["event"], life["t"], strict=True):
            if event == "attempt_connect" and n > 0:
                over.append(t - ready)
            elif event == "connected":
                up = t
            elif event in ("disconnected", "connect_failed"):
                draw = uniform(killed.scenario.seed, killed.replication, client, Purpose.RECONNECT, n)
                wait = backoff.after_loss(t - up, draw) if event == "disconnected" else backoff.after_failure(draw)
                assert wait is not None
                n, ready = n + 1, t + wait
    assert len(over) >= COUNT // 3
    assert min(over) > -0.005
    assert pd.Series(over).median() < 0.05


def test_a_hung_node_is_marked_down_and_comes_back_when_it_goes_on(hung: Record) -> None:
    assert of_cluster(hung) == [("fault", 2), ("marked_down", 2), ("healed", 2), ("marked_up", 2)]
    fault, healed = hung.select("fault")["t"].iloc[0], hung.select("healed")["t"].iloc[0]
    assert healed - fault > 1.9
    assert hung.select("healed")["detail"].iloc[0] == "hang"
    missed, lost = hung.select("heartbeat_missed"), hung.select("disconnected")
    assert set(missed["client"]) == before(hung, 2)
    first = lost.groupby("client").first()
    assert set(first.index) == before(hung, 2)
    assert set(first["detail"]) == {"heartbeat"}
    assert set(missed["node"]) == {2}


def test_a_restarted_node_says_goodbye_and_is_marked_up_again(restarted: Record) -> None:
    events = of_cluster(restarted)
    assert events[0] == ("fault", 3)
    assert [event for event, _ in events if event.startswith(("node", "healed"))] == [
        "node_stopped",
        "node_started",
        "healed",
    ]
    assert [event for event, _ in events if event.startswith("marked")] == ["marked_down", "marked_up"]
    assert {node for _, node in events} == {3}
    times = restarted.select("node_stopped", "node_started", "marked_up").set_index("event")["t"]
    assert times["node_stopped"] < times["node_started"] < times["marked_up"]
    lost = restarted.select("disconnected")
    assert set(lost["client"]) == before(restarted, 3)
    assert set(lost["detail"]) == {"1001"}


def test_a_reload_with_a_hard_stop_moves_every_client_once(reloaded: Record) -> None:
    assert of_cluster(reloaded) == [("fault", -1)]
    assert sorted(reloaded.select("disconnected")["client"]) == list(range(COUNT))
    assert reloaded.select("disconnected")["t"].min() >= reloaded.select("fault")["t"].iloc[0] + 0.4


def test_a_reload_without_a_hard_stop_disturbs_nobody(nginx: None, outcome: Callable[..., Record]) -> None:
    record = outcome({"kind": "reload"}, duration=1.5, balancer={"kind": "nginx"})
    assert of_cluster(record) == [("fault", -1)]
    assert record.select("disconnected").empty
    assert record.select("server_connections").empty
    assert sorted(homes(record)) == list(range(COUNT))


def test_nginx_marks_a_killed_node_down_when_a_client_comes_back(nginx: None, outcome: Callable[..., Record]) -> None:
    record = outcome({"kind": "kill", "node": 1}, duration=2.0, balancer={"kind": "nginx"})
    assert sorted(set(of_cluster(record))) == [("fault", 1), ("marked_down", 1), ("node_stopped", 1)]
    assert set(record.select("marked_down")["detail"]) == {"passive"}
    assert set(record.select("disconnected")["client"]) == before(record, 1)
    assert sorted(homes(record)) == list(range(COUNT))
    assert 1 not in homes(record).values()
