"""The swarm: its clients keep to the reconnect policy with the random numbers of their simulated twins."""

import json
import signal
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from live.client.messages import AllConnected, Warm
from live.control.messages import ControlMessage, Done, Finish, Ready
from live.control.process import ChildProcess, Stage
from live.machine import placement
from twin.draws import Purpose, uniform
from twin.rules.backoff import Backoff
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

SEED, REPLICATION = 11, 3
Event = tuple[float, str, int, int, int, int, str]


@pytest.fixture
def swarm(stage: Stage, small: Callable[..., Scenario]) -> Callable[..., tuple[ChildProcess, Scenario]]:
    """Starts a swarm process and lets its clients connect to `port` now."""

    def start(port: int, count: int, addresses: int = 1, **clients: Any) -> tuple[ChildProcess, Scenario]:
        scenario = small(seed=SEED, clients={"count": count, "addresses": addresses, **clients})
        settings = scenario.clients
        config = {
            "port": port,
            "seed": SEED,
            "replication": REPLICATION,
            "first": 0,
            "count": count,
            "connect_rate": settings.connect_rate,
            "open_timeout": settings.open_timeout,
            "addresses": settings.addresses,
            "reconnect": settings.reconnect.model_dump(),
            "heartbeat": settings.heartbeat.model_dump(),
        }
        part = stage.python("swarm 0", "live.client.client", config)
        part.hear(Ready)
        part.tell(Warm(time.monotonic(), time.monotonic() + 0.5))
        return part, scenario

    return start


def events(stage: Stage, part: ChildProcess) -> list[Event]:
    path = stage.folder / "events.json"
    part.tell(Finish(str(path)))
    while not isinstance(part.hear(ControlMessage), Done):
        pass
    return [tuple(event) for event in json.loads(path.read_text())]


def events_when(
    stage: Stage, part: ChildProcess, true: Callable[[list[Event]], bool], within: float = 30.0
) -> list[Event]:
    """Return what the swarm has noted as soon as something is true of it."""
    deadline = time.monotonic() + within
    while not true(seen := events(stage, part)):
        assert time.monotonic() < deadline, f"after {within:g} s: {seen[-3:]}"
        time.sleep(0.2)  # each look takes the swarm time
    return seen


def each(event: str, count: int) -> Callable[[list[Event]], bool]:
    """Something is true when each of so many clients has noted an event."""
    return lambda seen: {client for _, name, client, *_ in seen if name == event} == set(range(count))


def waits(seen: list[Event], client: int) -> dict[int, float]:
    """Return how long a client waited before each attempt that followed a failure or a loss."""
    found, since = {}, None
    for t, event, number, _, attempt, _, _ in seen:
        if number != client:
            continue
        if event in ("connect_failed", "disconnected"):
            since = t
        elif event == "attempt_connect" and since is not None:
            found[attempt] = t - since
    return found


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound and refuses every connection."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield int(one.getsockname()[1])


@pytest.mark.parametrize(
    "reconnect",
    [
        {"policy": "exponential", "base": 0.2, "cap": 5.0, "jitter": "full"},
        {"policy": "exponential", "base": 0.2, "cap": 0.3, "jitter": "decorrelated"},
        {"policy": "fixed", "base": 0.3, "cap": 0.3, "jitter": "equal"},
        {"policy": "exponential", "base": 0.15, "cap": 0.3, "jitter": "around"},
        {"policy": "exponential", "base": 0.1, "cap": 0.25, "jitter": "offset"},
        {"policy": "list", "delays": [[0.0, 0.2], [0.2, 0.4], 0.05]},
    ],
    ids=lambda reconnect: f"{reconnect['policy']}-{reconnect.get('jitter', 'none')}",
)
def test_a_client_waits_before_its_third_attempt_as_long_as_the_rule_says(
    reconnect: dict[str, Any], closed_port: int, swarm: Callable[..., tuple[ChildProcess, Scenario]], stage: Stage
) -> None:
    count = 20
    part, scenario = swarm(closed_port, count, reconnect={**reconnect, "max_attempts": 4})
    seen = events_when(stage, part, lambda seen: all(3 in waits(seen, client) for client in range(count)))
    over = []
    for client in range(count):
        backoff = Backoff(scenario.clients.reconnect.rule())
        backoff.after_failure(uniform(SEED, REPLICATION, client, Purpose.RECONNECT, 0))
        expected = backoff.after_failure(uniform(SEED, REPLICATION, client, Purpose.RECONNECT, 1))
        assert expected is not None
        over.append(waits(seen, client)[3] - expected)
    assert min(over) > -0.005
    assert statistics.median(over) < 0.05


def test_after_a_loss_a_client_waits_as_long_as_the_rule_says(
    farm: Callable[..., SimpleNamespace], swarm: Callable[..., tuple[ChildProcess, Scenario]], stage: Stage
) -> None:
    count = 20
    one = farm(1)
    reconnect = {"policy": "exponential", "base": 0.5, "cap": 5.0, "jitter": "full"}
    part, scenario = swarm(one.port, count, reconnect=reconnect)
    part.hear(AllConnected)
    one.nodes[0].process.kill()
    seen = events_when(stage, part, each("connect_failed", count))
    over = []
    for client in range(count):
        draw = uniform(SEED, REPLICATION, client, Purpose.RECONNECT, 0)
        expected = Backoff(scenario.clients.reconnect.rule()).after_loss(0.1, draw)
        over.append(waits(seen, client)[2] - expected)
    assert min(over) > -0.005
    assert statistics.median(over) < 0.05
    lost = [event for event in seen if event[1] == "disconnected"]
    assert len(lost) == count
    assert {(node, detail) for _, _, _, node, _, _, detail in lost} == {(1, "1006")}
    assert {event[6] for event in seen if event[1] == "connect_failed"} == {"503"}


def test_a_client_gives_up_after_max_attempts_failures_in_a_row(
    closed_port: int, swarm: Callable[..., tuple[ChildProcess, Scenario]], stage: Stage
) -> None:
    part, _ = swarm(closed_port, 10, reconnect={"base": 0.05, "cap": 0.1, "jitter": "none", "max_attempts": 3})
    seen = events_when(stage, part, each("gave_up", 10))
    for client in range(10):
        story = [(event, attempt, detail) for _, event, number, _, attempt, _, detail in seen if number == client]
        assert story == [
            ("attempt_connect", 1, ""),
            ("connect_failed", 1, "refused"),
            ("attempt_connect", 2, ""),
            ("connect_failed", 2, "refused"),
            ("attempt_connect", 3, ""),
            ("connect_failed", 3, "refused"),
            ("gave_up", 3, ""),
        ]


def test_a_client_gives_up_when_its_list_of_waits_has_ended(
    closed_port: int, swarm: Callable[..., tuple[ChildProcess, Scenario]], stage: Stage
) -> None:
    policy = {"policy": "list", "delays": [0.05, [0.05, 0.1]], "then": "stop"}
    part, _ = swarm(closed_port, 5, reconnect=policy)
    seen = events_when(stage, part, each("gave_up", 5))
    for client in range(5):
        story = [(event, attempt) for _, event, number, _, attempt, _, _ in seen if number == client]
        assert story[-2:] == [("connect_failed", 3), ("gave_up", 3)]


def test_a_client_gives_up_an_attempt_that_nobody_answers_after_open_timeout(
    swarm: Callable[..., tuple[ChildProcess, Scenario]], stage: Stage
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)
        part, _ = swarm(silent.getsockname()[1], 5, open_timeout=0.3, reconnect={"max_attempts": 1})
        seen = events_when(stage, part, each("connect_failed", 5))
    began = {client: t for t, event, client, *_ in seen if event == "attempt_connect"}
    failed = {client: (t, detail) for t, event, client, *_, detail in seen if event == "connect_failed"}
    assert sorted(failed) == sorted(began) == [0, 1, 2, 3, 4]
    assert {detail for _, detail in failed.values()} == {"timeout"}
    assert all(failed[client][0] - began[client] >= 0.29 for client in failed)


def test_the_clients_connect_in_order_at_the_connect_rate_and_not_faster(
    farm: Callable[..., SimpleNamespace], swarm: Callable[..., tuple[ChildProcess, Scenario]], stage: Stage
) -> None:
    one = farm(2)
    began = time.monotonic()
    part, _ = swarm(one.port, 20, connect_rate=50.0)
    part.hear(AllConnected)
    seen = events(stage, part)
    attempts = [(t - began, client) for t, event, client, *_ in seen if event == "attempt_connect"]
    assert [client for _, client in attempts] == list(range(20))
    assert all(t >= client / 50 - 0.005 for t, client in attempts)
    assert sum(one.balancer.connections()) == 20


def test_each_client_connects_from_its_own_source_address(swarm: Callable[..., tuple[ChildProcess, Scenario]]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        listener.settimeout(10)
        swarm(listener.getsockname()[1], 6, addresses=3, reconnect={"max_attempts": 1})
        seen = []
        for _ in range(6):
            link, (address, _) = listener.accept()
            seen.append(address)
            link.close()
    assert seen == ["127.0.1.1", "127.0.2.1", "127.0.3.1"] * 2


@pytest.mark.parametrize("close_timeout", [0.0, 0.3])
def test_a_client_drops_a_connection_whose_pong_does_not_come(
    close_timeout: float,
    farm: Callable[..., SimpleNamespace],
    swarm: Callable[..., tuple[ChildProcess, Scenario]],
    stage: Stage,
) -> None:
    one = farm(1, check={"timeout": 30.0})
    beat = {"interval": 0.3, "timeout": 0.4, "close_timeout": close_timeout}
    part, _ = swarm(one.port, 10, heartbeat=beat, open_timeout=0.5)
    part.hear(AllConnected)
    stopped = time.monotonic()
    one.nodes[0].signal(signal.SIGSTOP)
    seen = events_when(stage, part, each("disconnected", 10))
    missed = {client: t for t, event, client, *_ in seen if event == "heartbeat_missed"}
    lost = {client: (t, detail) for t, event, client, *_, detail in seen if event == "disconnected"}
    assert sorted(missed) == sorted(lost) == list(range(10))
    assert {detail for _, detail in lost.values()} == {"heartbeat"}
    for client, t in missed.items():
        assert t >= stopped + 0.05
        assert lost[client][0] - t >= close_timeout - 0.005


def test_a_swarm_ends_when_its_standard_input_closes(swarm: Callable[..., tuple[ChildProcess, Scenario]]) -> None:
    part, _ = swarm(placement.free_ports(1)[0], 5)
    assert part.process.stdin is not None
    part.process.stdin.close()
    assert part.wait(10)
