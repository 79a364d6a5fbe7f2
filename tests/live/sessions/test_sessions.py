"""Real tokens at real nodes: who is let in, who is refused and how, and what a run with sessions shows."""

import asyncio
import base64
import random
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from math import inf
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from live import measure
from live.broadcast.broker import Topic
from live.broadcast.bus import Bus
from live.control.messages import Listening
from live.control.process import ChildProcess, Stage
from live.machine import placement
from live.sessions.accounts import Account, password_hash
from live.sessions.messages import AskJoined, HashFrom, Joined
from live.sessions.store import SessionStore, StoreDownError
from tests.sound import assert_sound
from twin.measures import measure_record
from twin.rules.session import SessionTable
from twin.rules.token import make_token
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

SECRET = "2a" * 32
RETRY = {"base": 0.01, "cap": 0.05, "retries": 10, "timeout": 1.0}


def store_config(bus: Bus) -> dict[str, Any]:
    topic = asdict(Topic("stormlab:test:", 0, 1.0))
    return {"address": asdict(bus.address), "topic": topic, "retry": RETRY, "seed": 1, "replication": 0}


@pytest.fixture
def node(stage: Stage) -> Callable[..., tuple[ChildProcess, int]]:
    """Starts a node with sessions and returns it and its port."""

    def start(number: int = 1, store: dict[str, Any] | None = None, **changes: Any) -> tuple[ChildProcess, int]:
        port = placement.free_ports(1)[0]
        sessions = {
            "secret": SECRET,
            "expiry": 60.0,
            "refresh": True,
            "token_lifetime": 60.0,
            "when_down": "refuse",
            "accounts": {"me": Account.of("right", {1, 50}).as_config()},
            "begin": inf,
            "store": store,
            **changes,
        }
        part = stage.python(
            f"node {number}", "live.node.node", {"number": number, "port": port, "backlog": 100, "sessions": sessions}
        )
        part.hear(Listening)
        part.tell(AskJoined())
        part.hear(Joined)
        return part, port

    return start


@pytest.fixture
def bus(stage: Stage) -> Bus:
    """A Valkey that answers."""
    one = Bus(stage, placement.free_ports(1)[0], [0])
    one.wait_ready(10.0)
    return one


def basic(password: str, name: str = "me") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def knock(port: int, shown: str = "") -> tuple[int, list[str]]:
    """Try to connect; return the status and the words of X-Session, or of the reason."""
    headers = {"Authorization": shown} if shown else {}
    try:
        with connect(f"ws://127.0.0.1:{port}/", additional_headers=headers, compression=None, proxy=None) as link:
            assert link.response is not None
            return 101, link.response.headers["X-Session"].split()
    except InvalidStatus as error:
        return error.response.status_code, [(error.response.body or b"").decode().strip()]


def challenge(port: int, *shown: str) -> tuple[int, str]:
    """Try to connect in vain; return the status and `WWW-Authenticate`."""
    headers = [("Authorization", one) for one in shown]
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(f"ws://127.0.0.1:{port}/", additional_headers=headers, compression=None, proxy=None),
    ):
        pass
    return caught.value.response.status_code, caught.value.response.headers.get("WWW-Authenticate", "")


def token_of(found: tuple[int, list[str]]) -> str:
    assert found[0] == 101
    return "Bearer " + found[1][0]


def test_only_who_knows_the_password_or_has_a_good_token_is_let_in(
    node: Callable[..., tuple[ChildProcess, int]],
) -> None:
    _, port = node()
    assert knock(port) == (401, ["missing"])
    assert knock(port, basic("wrong")) == (401, ["password"])
    assert knock(port, basic("right", "you")) == (401, ["password"])
    first = knock(port, basic("right"))
    assert first[1][1:] == ["1", "started"]
    second = knock(port, token_of(first))
    assert second[1][1:] == ["2", "resumed"]
    assert knock(port, token_of(second))[1][1:] == ["3", "resumed"]
    name = first[1][0].split(".")[0]
    forged = make_token(b"another secret", name, time.time() + 60)
    assert knock(port, "Bearer " + forged) == (401, ["forged"])
    assert knock(port, "Bearer nonsense") == (401, ["malformed"])
    old = make_token(bytes.fromhex(SECRET), name, time.time() - 1)
    assert knock(port, "Bearer " + old) == (401, ["expired"])
    stranger = make_token(bytes.fromhex(SECRET), "nobody", time.time() + 60)
    assert knock(port, "Bearer " + stranger) == (401, ["unknown"])


def test_the_hash_is_that_of_the_run_once_it_has_begun(node: Callable[..., tuple[ChildProcess, int]]) -> None:
    account = Account.of("right", {1, 50})
    later = replace(account, hashes={1: account.hashes[1], 50: password_hash("later", account.salt, 50)})
    part, port = node(accounts={"me": later.as_config()})
    assert knock(port, basic("right"))[0] == 101
    part.tell(HashFrom(time.monotonic()))
    part.tell(AskJoined())
    part.hear(Joined)
    assert knock(port, basic("right")) == (401, ["password"])
    assert knock(port, basic("later"))[0] == 101


def test_a_session_in_memory_is_known_to_its_node_only_and_one_in_the_store_to_all(
    node: Callable[..., tuple[ChildProcess, int]], bus: Bus
) -> None:
    (_, one), (_, other) = node(1), node(2)
    token = token_of(knock(one, basic("right")))
    assert knock(other, token) == (401, ["unknown"])
    shared = store_config(bus)
    (_, one), (_, other) = node(3, shared), node(4, shared)
    token = token_of(knock(one, basic("right")))
    assert knock(other, token)[1][1:] == ["2", "resumed"]
    assert knock(one, token)[1][1:] == ["3", "resumed"]


def test_without_its_store_a_node_refuses_or_trusts_and_afterwards_goes_on(
    node: Callable[..., tuple[ChildProcess, int]], bus: Bus, until: Callable[..., None]
) -> None:
    shared = store_config(bus)
    (_, strict), (_, easy) = node(1, shared), node(2, shared, when_down="trust")
    token = token_of(knock(strict, basic("right")))
    bus.kill()
    until(lambda: knock(strict, token) == (503, ["down"]), 5)
    assert knock(strict, basic("right")) == (503, ["down"])
    until(lambda: knock(easy, token)[1][1:] == ["-1", "resumed"], 5)
    bus.start_again()
    bus.wait_ready(10.0)
    until(lambda: knock(strict, token) == (401, ["unknown"]), 5)  # it began anew, without data
    assert knock(strict, basic("right"))[0] == 101


def test_a_session_expires_in_the_store_unless_its_client_stays(
    node: Callable[..., tuple[ChildProcess, int]], bus: Bus, until: Callable[..., None]
) -> None:
    _, port = node(1, store_config(bus), expiry=0.6)
    headers = {"Authorization": basic("right")}
    with connect(f"ws://127.0.0.1:{port}/", additional_headers=headers, compression=None, proxy=None) as link:
        assert link.response is not None
        token = "Bearer " + link.response.headers["X-Session"].split()[0]
        time.sleep(1.5)  # two and a half times its expiry
        assert knock(port, token)[1][1:] == ["2", "resumed"]
    until(lambda: knock(port, basic("right"))[0] == 101)
    time.sleep(0.8)
    assert knock(port, token) == (401, ["unknown"])


def test_the_scripts_do_what_the_table_says(bus: Bus) -> None:
    """Three nodes, five names, 300 random steps on both; nothing expires meanwhile."""

    async def compare() -> None:
        table, draw = SessionTable(60.0), random.Random(7)
        stores = {n: SessionStore(store_config(bus), n, 60.0, lambda event, detail: None) for n in (1, 2, 3)}
        for one in stores.values():
            one.begin()
            await one.up.wait()
        for _ in range(300):
            node, name, what = draw.choice([1, 2, 3]), draw.choice("abcde"), draw.choice(["start", "take", "take"])
            if what == "start":
                assert await stores[node].start(name) == table.start(name, node, 0.0)
            else:
                assert await stores[node].take(name) == table.take(name, node, 0.0)
            refreshed = await stores[node]._ask("refresh", name)
            assert bool(refreshed) == table.refresh(name, node, 0.0)
        bus.kill()
        while stores[1].link is not None:
            await asyncio.sleep(0.01)
        with pytest.raises(StoreDownError):
            await stores[1].take("a")

    asyncio.run(compare())


@pytest.mark.parametrize(("store", "share"), [("memory", 1.0), ("redis", 0.0)])
def test_who_must_log_in_again_after_a_kill(small: Callable[..., Scenario], store: str, share: float) -> None:
    scenario = small(
        duration=3.0,
        sessions={"store": store, "login_iterations": 1000},
        balancer={"retries": 3, "redispatch": 1},
        faults=[{"at": 0.5, "kind": "kill", "node": 1}],
    )
    record = measure(scenario, 1)[0]
    found = measure_record(record)
    assert found["login_share"] == share
    assert found["lost_sessions"] == share / 2
    assert 0 < found["connect_p50"] < 1.0
    assert_sound(record)


def test_a_run_through_an_outage_of_the_store(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=5.0,
        sessions={"store": "redis", "login_iterations": 1000},
        balancer={"retries": 3, "redispatch": 1},
        faults=[
            {"at": 0.3, "kind": "bus_down", "duration": 1.0},
            {"at": 0.6, "kind": "kill", "node": 1},
        ],
    )
    record = measure(scenario, 1)[0]
    found = measure_record(record)
    assert found["refused_per_client"] > 0
    assert found["login_share"] == 1.0  # it came back without its data
    assert set(record.select("bus_lost", "bus_joined")["node"]) <= {1, 2}
    assert_sound(record)


BEARER, BASIC = 'Bearer realm="stormlab"', 'Basic realm="stormlab", charset="UTF-8"'


def test_a_refusal_names_what_is_asked_for_and_what_was_wrong(node: Callable[..., tuple[ChildProcess, int]]) -> None:
    _, port = node()
    assert challenge(port) == (401, f"{BEARER}, {BASIC}")
    assert challenge(port, "Digest a=b") == (401, f"{BEARER}, {BASIC}")
    assert challenge(port, basic("wrong")) == (401, BASIC)
    invalid = f'{BEARER}, error="invalid_token", error_description='
    old = make_token(bytes.fromhex(SECRET), "me", time.time() - 1)
    assert challenge(port, "Bearer " + old) == (401, f'{invalid}"expired"')
    assert challenge(port, "bearer nonsense") == (401, f'{invalid}"malformed"')
    unreadable = f'{BEARER}, error="invalid_request", error_description="request"'
    for shown in (["Bearer"], ["Bearer a b"], ["Basic !!!"], ["Bearer a", "Bearer a"], [basic("x", "a b")]):
        assert challenge(port, *shown) == (400, unreadable), shown


def test_the_name_of_a_scheme_is_read_in_any_case(node: Callable[..., tuple[ChildProcess, int]]) -> None:
    _, port = node()
    first = knock(port, basic("right").replace("Basic", "BASIC"))
    assert first[1][2] == "started"
    assert knock(port, token_of(first).replace("Bearer", "bEARER"))[1][1:] == ["2", "resumed"]


def test_a_user_whose_name_is_not_allowed_is_told_in_a_sentence(node: Callable[..., tuple[ChildProcess, int]]) -> None:
    _, port = node()
    said = "The user name is 'a b'; allowed are 1 to 64 letters (a-z, A-Z), digits, '.', '_' and '-'."
    assert knock(port, basic("right", "a b")) == (400, [said])
