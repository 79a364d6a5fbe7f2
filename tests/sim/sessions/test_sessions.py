"""Sessions in the model, against hand-computed outcomes."""

import pytest

from sim import simulate
from sim.machine.process import Cost
from sim.machine.timers import MILLISECOND
from sim.sessions.authenticator import HASH_PIECE
from sim.world import World
from tests.costs import cost_of
from tests.strategies import DISK_WAIT_AGAIN, disk_profile, small
from twin.errors import ScenarioError
from twin.invariants import audit
from twin.measures import measure_record

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
CHEAP = {"login_iterations": 1}


def sessions(store="memory", faults=KILL, duration=8.0, balancer=None, bus=None, **more):
    balancer = balancer or {"retries": 3, "redispatch": 1}
    settings = {"store": store, **CHEAP, **more}
    return small(duration=duration, balancer=balancer, bus=bus or {}, sessions=settings, faults=faults)


def after(record, *names):
    table = record.select(*names)
    return table[table["t"] > 1.0]


def test_with_the_memory_of_the_dead_node_all_its_clients_log_in_again(profile):
    record = simulate(sessions(), 0, profile)
    assert len(after(record, "session_lost")) == 10
    assert set(after(record, "session_lost")["reason"]) == {"unknown"}
    assert len(after(record, "session_started")) == 10
    assert len(after(record, "session_resumed")) == 0
    assert measure_record(record)["login_share"] == 1.0
    assert audit(record).verdict == "pass"


def test_with_a_shared_store_nobody_does(profile):
    record = simulate(sessions("redis"), 0, profile)
    resumed = after(record, "session_resumed")
    assert len(resumed) == 10
    assert set(resumed["version"]) == {2}
    assert len(after(record, "session_lost", "session_started")) == 0
    assert measure_record(record)["login_share"] == 0.0
    assert audit(record).verdict == "pass"


def test_a_client_that_comes_back_to_its_node_finds_its_session_there(profile):
    """After a reload every node still has its sessions: who meets its own node again resumes."""
    reload = [{"at": 1.0, "kind": "reload"}]
    cut = {"hard_stop_after": 1.0, "retries": 3, "redispatch": 1}
    record = simulate(sessions(faults=reload, balancer=cut, duration=12.0), 0, profile)
    homes = record.select("connected").query("t < 0").set_index("client")["node"]
    back = after(record, "session_resumed")
    assert 0 < len(back) < 30
    assert (back["node"].to_numpy() == homes[back["client"]].to_numpy()).all()
    lost = after(record, "session_lost")
    assert (lost["node"].to_numpy() != homes[lost["client"]].to_numpy()).all()
    assert len(back) + len(lost) == 30
    sticky = simulate(
        sessions(faults=reload, balancer={**cut, "algorithm": "source"}, duration=12.0).vary(clients={"addresses": 30}),
        0,
        profile,
    )
    assert measure_record(sticky)["login_share"] == 0.0


def test_a_library_that_takes_a_401_for_final_gives_up(profile):
    record = simulate(sessions(on_refusal="stop"), 0, profile)
    assert len(after(record, "gave_up")) == 10
    assert measure_record(record)["gave_up_share"] == pytest.approx(1 / 3)


COMES = cost_of("client_request", "balancer_request", "node_accept")
GETS_IN = cost_of("balancer_response", "client_open")
GETS_OUT = cost_of("balancer_denied", "client_denied")
HASH = 5 * cost_of("node_hash")
ASKS = cost_of("node_look_up", "bus_session")
GONE = [{"at": 0.5, "kind": "bus_down", "duration": 0.2}, *KILL]
AWAY = [{"at": 0.5, "kind": "bus_down", "duration": 3.0}, *KILL]
CUT = [{"at": 1.0, "kind": "reload"}]


@pytest.mark.parametrize(
    ("store", "more", "expected"),
    [
        ("none", {}, [COMES + cost_of("node_handshake") + GETS_IN]),
        ("memory", {"faults": CUT}, [COMES + cost_of("node_session") + GETS_IN]),
        (
            "memory",
            {},
            [COMES + cost_of("node_denied") + GETS_OUT, COMES + cost_of("node_session") + HASH + GETS_IN],
        ),
        ("redis", {}, [COMES + ASKS + cost_of("node_found") + GETS_IN]),
        (
            "redis",
            {"token_lifetime": 0.5},
            [COMES + cost_of("node_denied") + GETS_OUT, COMES + ASKS + HASH + cost_of("node_found") + GETS_IN],
        ),
        (
            "redis",
            {"faults": GONE},
            [
                COMES + ASKS + cost_of("node_unknown") + GETS_OUT,
                COMES + ASKS + HASH + cost_of("node_found") + GETS_IN,
            ],
        ),
        ("redis", {"faults": AWAY}, [COMES + cost_of("node_denied") + GETS_OUT]),
        ("redis", {"faults": AWAY, "when_down": "trust"}, [COMES + cost_of("node_session") + GETS_IN]),
    ],
)
def test_a_lone_handshake_takes_the_sum_of_its_parts(store, more, expected, profile):
    """From the SYN to the answer, for one client on an idle machine; the hash is of 50,000 iterations."""
    balancer = {"retries": 3, "redispatch": 1, "hard_stop_after": 0.5}
    scenario = sessions(store, balancer=balancer, login_iterations=50_000, **more)
    alone = {"clients": {"count": 1}, "nodes": {"count": 1 if more.get("faults") is CUT else 2}}
    record = simulate(scenario.vary(**alone, host={"cores": 8, "placement": "free"}), 0, profile)
    tries = after(record, "attempt_connect", "connected", "connect_failed").groupby("attempt")["t"]
    took = (tries.last() - tries.first()).tolist()
    assert took[: len(expected)] == pytest.approx(expected, abs=1e-9)


def test_the_hash_of_a_password_keeps_the_node_busy(profile):
    """Ten logins at two nodes on one core, 330 hash units each: the last one waits for all the others."""
    record = simulate(sessions(login_iterations=3_300_000), 0, profile)
    each = 330 * cost_of("node_hash")
    first, last = after(record, "session_lost")["t"].min(), after(record, "session_started")["t"].max()
    at_the_core = cost_of("balancer_accept", "balancer_request", "node_accept")
    refused, let_in = cost_of("node_denied", "balancer_denied"), cost_of("node_session", "balancer_response")
    others = 10 * (2 * at_the_core + refused + let_in) + cost_of("client_dial", "client_request", "client_open")
    assert first + 10 * each < last < first + 10 * each + others
    assert measure_record(record)["connect_p99"] > 3 * each


def test_who_shares_the_core_of_a_node_that_hashes_a_password_has_its_turns(profile):
    """A hash of 0.2 s is done in pieces; the balancer, which has slept, has its turn between two of them."""
    scenario = sessions(login_iterations=10_000_000)
    world = World(scenario.vary(clients={"count": 2}, nodes={"count": 2}), 0, profile)
    node, balancer = world.nodes[1].process, world.balancer.workers[0]
    world.env.run(until=1.0)
    while node.used < 0.05:
        world.env.run(until=world.env.now + MILLISECOND)
        assert world.env.now < 2.0
    asked, answered = [], []
    for _ in range(20):
        asked.append(world.env.now)
        balancer.work(Cost.constant(1e-5), lambda _: answered.append(world.env.now))
        world.env.run(until=world.env.now + 0.0063)
    assert node.ready  # it still hashes
    assert len(answered) == 20
    waited = [t - was for t, was in zip(answered, asked, strict=True)]
    assert max(waited) < HASH_PIECE + 1e-5 + 1e-9


def test_a_token_has_a_lifetime_of_its_own(profile):
    record = simulate(sessions("redis", token_lifetime=0.5), 0, profile)
    assert set(after(record, "session_lost")["reason"]) == {"expired"}


def test_a_connection_keeps_its_session_alive_only_if_it_counts_as_use(profile):
    late = [{"at": 5.0, "kind": "kill", "node": 1}]
    for store in ("memory", "redis"):
        kept = simulate(sessions(store, late, expiry=2.0), 0, profile)
        lost = simulate(sessions(store, late, expiry=2.0, refresh=False), 0, profile)
        assert measure_record(kept)["login_share"] == (0.0 if store == "redis" else 1.0)
        assert measure_record(lost)["login_share"] == 1.0
        assert audit(kept).verdict == audit(lost).verdict == "pass"


OUTAGE = [{"at": 0.5, "kind": "bus_down", "duration": 3.0}, *KILL]


def test_while_the_store_is_down_a_node_refuses_and_then_the_sessions_are_gone(profile):
    record = simulate(sessions("redis", OUTAGE, duration=12.0), 0, profile)
    refused = after(record, "connect_failed").query("detail == '503' and t > 1.1")
    assert refused["t"].between(1.0, 4.5).all()
    assert len(refused) > 10
    assert len(record.select("bus_lost")) == 3
    assert len(record.select("bus_joined")) == 2
    assert measure_record(record)["login_share"] == 1.0
    assert measure_record(record)["refused_per_client"] > 0.3
    assert audit(record).verdict == "pass"


def test_a_store_with_a_disk_still_has_them(profile):
    record = simulate(sessions("redis", OUTAGE, duration=12.0, bus={"persist": True}), 0, profile)
    assert measure_record(record)["login_share"] == 0.0
    assert audit(record).verdict == "pass"


def test_a_disk_delays_who_looks_a_session_up_and_changes_it():
    def median(persist):
        record = simulate(sessions("redis", KILL, bus={"persist": persist}), 0, disk_profile())
        return measure_record(record)["reconnect_p50"]

    assert median(True) > median(False) + DISK_WAIT_AGAIN


def test_a_node_that_trusts_lets_everybody_in_at_once(profile):
    record = simulate(sessions("redis", OUTAGE, duration=12.0, when_down="trust"), 0, profile)
    back = after(record, "session_resumed")
    assert len(back) == 10
    assert back["trusted"].all()
    assert back["t"].max() < 3.5
    assert measure_record(record)["refused_per_client"] == 0.0


def test_a_new_process_has_an_empty_memory_and_its_own_connection(profile):
    restart = [{"at": 1.0, "kind": "restart", "node": 1}]
    memory = simulate(sessions(faults=restart), 0, profile)
    assert measure_record(memory)["login_share"] == 1.0
    world = World(sessions("redis", restart), 0, profile)
    world.run()
    assert world.sessions.stores[1].joined
    assert world.sessions.stores[1].life == world.nodes[0].life > 0


def test_a_node_that_joins_connects_to_the_store_only_then(profile):
    scenario = sessions("redis").vary(registry={}, faults=[{"at": 1.0, "kind": "join", "node": 4}])
    world = World(scenario, 0, profile)
    assert [store.joined for store in world.sessions.stores.values()] == [True, True, True, False]
    world.run()
    assert world.sessions.stores[4].joined


def test_nginx_relays_a_refusal_too(profile):
    nginx = {"kind": "nginx", "max_fails": 1, "fail_timeout": 5}
    record = simulate(
        small(balancer=nginx, sessions={"store": "memory", **CHEAP}, faults=KILL, duration=12.0), 0, profile
    )
    assert len(after(record, "session_lost")) == len(after(record, "session_started")) == 10


def test_a_profile_without_sessions_is_refused_in_one_sentence(profile):
    old = profile.without(["node_session"])
    with pytest.raises(ScenarioError, match=r"sessions\.store is not 'none'; this host profile was calibrated without"):
        simulate(sessions(), 0, old)
