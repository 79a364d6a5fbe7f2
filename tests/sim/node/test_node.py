import numpy as np
import pytest

from sim import simulate
from sim.balancer.connecting import connect
from sim.node.asyncio_runtime import OWN_FILES
from sim.node.lives import kill
from sim.node.node import POLL, SYN_RETRIES
from sim.world import World
from tests.costs import AT_THE_CORE, EXIT_DELAY, GOODBYE, GOODBYE_AT_THE_CORE, cost_of
from tests.strategies import FIRST_PARTS, NODE_START, NODE_STOP, small, small_profile
from twin.costs.curve import PartCosts
from twin.record.record import Record

ONE_END = cost_of("node_exit", "balancer_close", "balancer_release")
"""Seconds that the end of one connection of a killed node takes the core that node and balancer share."""
ONE_GOODBYE = cost_of(*GOODBYE_AT_THE_CORE)
OF_CLIENT = cost_of("client_goodbye", "client_closed")


def hang(node):
    node.standing.begin("hang")
    node.hang()


def resume(node):
    assert node.standing.over("hang", node.life)
    node.resume()


def killed(node):
    node.standing.begin("kill")
    return kill(node)


def run(scenario, profile):
    world = World(scenario, 0, profile)
    world.run()
    return world


def test_a_killed_node_refuses_connections_once_its_sockets_are_closed(profile):
    world = World(small(faults=[{"at": 1.0, "kind": "kill", "node": 1}]), 0, profile)
    node = world.nodes[0]
    world.env.run(until=1.0 + EXIT_DELAY - 1e-6)
    assert node.listening  # the kernel still frees the memory
    assert len(node.tunnels) == 10
    world.env.run(until=1.0 + EXIT_DELAY + 1e-6)
    assert not node.listening
    world.env.run(until=1.0 + EXIT_DELAY + 10 * ONE_END)
    assert not node.tunnels
    record = world.run()
    (stopped,) = (one[0] for one in record if one[1] == "node_stopped")
    assert 1.0 + EXIT_DELAY + 10 * cost_of("node_exit") <= stopped <= 1.0 + EXIT_DELAY + 10 * ONE_END
    assert not [one for one in record if one[1] == "connected" and one[0] > 1.1 and one[3] == 1]


def test_the_clients_of_a_killed_node_lose_their_connections_without_a_close_frame(profile):
    lost = simulate(small(faults=[{"at": 1.0, "kind": "kill", "node": 1}]), 0, profile).select("disconnected")
    assert len(lost) == 10
    assert set(lost["node"]) == {1}
    assert set(lost["detail"]) == {"1006"}
    first = 1.0 + EXIT_DELAY + cost_of("node_exit", "balancer_close", "client_closed")
    assert lost["t"].min() == pytest.approx(first, abs=1e-9)
    assert lost["t"].max() <= 1.0 + EXIT_DELAY + 10 * ONE_END + cost_of("client_closed")


@pytest.mark.parametrize("backlog", [1, 5])
def test_the_accept_queue_of_a_stopped_node_holds_one_more_than_the_backlog(backlog, profile):
    world = World(small(nodes={"backlog": backlog}), 0, profile)
    node = world.nodes[0]
    hang(node)
    taken = [node.syn(world.clients[0].new_attempt()) for _ in range(backlog + 4)]
    assert taken == [True] * (backlog + 1) + [False] * 3
    assert node.listening


@pytest.mark.parametrize("backlog", [1, 3])
def test_a_burst_into_a_short_backlog_waits_a_second_for_the_next_syn(backlog, profile):
    faults = [{"at": 1.0, "kind": "kill", "node": 1}]
    clients = {"count": 80, "reconnect": {"jitter": "none", "base": 1.0}}
    balancer = {"check": {"fall": 1, "inter": 0.1}}

    def delays(length):
        nodes = {"count": 2, "backlog": length}
        events = simulate(small(nodes=nodes, clients=clients, balancer=balancer, faults=faults), 0, profile).events
        late = events[(events["t"] > 1.5) & events["event"].isin(["attempt_connect", "connected"])]
        times = late.groupby(["client", "attempt"])["t"]
        return (times.max() - times.min())[times.count() == 2]

    busy = 40 * cost_of(*AT_THE_CORE) + cost_of("client_request", "client_open")
    assert delays(1000).max() < busy
    short = delays(backlog)
    assert 35 <= len(short) <= 40  # the others are still waiting, or were refused after the connect timeout
    resent = short[short > busy]
    assert 5 <= len(resent) < 40
    late = resent // 1.0  # SYNs are sent after 0, 1, 2, 3 and 4 s
    assert set(late) >= {1.0, 2.0}
    assert late.max() <= 4.0
    assert (resent - late <= busy).all()


def test_a_syn_is_sent_every_second_at_first_and_then_ever_more_rarely():
    sent = np.cumsum(SYN_RETRIES).tolist()
    assert sent == [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 11.0, 19.0, 35.0]


@pytest.mark.parametrize(("until", "took"), [(0.5, 1.0), (1.5, 2.0), (2.5, 3.0), (5.5, 7.0)])
def test_a_connect_over_a_dead_link_succeeds_with_the_first_syn_after_it_is_back(until, took, profile):
    world = World(small(nodes={"count": 1}, balancer={"connect_timeout": 8.0}), 0, profile)
    node = world.nodes[0]
    attempt = world.clients[0].new_attempt()
    begun = []

    def go():
        node.standing.dark.begin()
        begun.append(world.env.now)
        refused = yield from connect(world.balancer, attempt, node, world.scenario.balancer.connect_timeout)
        assert refused is None
        begun.append(world.env.now)

    def back():
        yield world.env.timeout(until)
        node.standing.dark.over()

    world.env.process(go())
    world.env.process(back())
    world.env.run(until=9.0)
    assert begun[1] - begun[0] == pytest.approx(took)


def test_a_syn_that_is_never_taken_ends_with_the_connect_timeout(profile):
    world = World(small(nodes={"count": 1, "backlog": 1}, balancer={"connect_timeout": 2.0}), 0, profile)
    hang(world.nodes[0])
    attempts = [client.new_attempt() for client in world.clients[:4]]
    ends = [[] for _ in attempts]
    for attempt, times in zip(attempts, ends, strict=True):
        attempt.answer.callbacks.append(lambda _, times=times: times.append(world.env.now))
        world.env.process(world.balancer.serve(attempt))
    world.env.run(until=2.1)
    assert [attempt.answer.triggered and attempt.answer.value for attempt in attempts] == [False, False, "503", "503"]
    # the first parts of all four requests, then the rest of three, and their SYNs have gone out
    rounds, request = 4 * FIRST_PARTS["haproxy"] + 3 * (1 - FIRST_PARTS["haproxy"]), cost_of("balancer_request")
    refuse = cost_of("balancer_refused") - request
    third = 2.0 + rounds * request + refuse
    assert ends == [[], [], pytest.approx([third], abs=1e-9), pytest.approx([third + refuse], abs=1e-9)]


def test_a_hung_node_takes_connections_but_answers_only_when_it_goes_on(profile):
    world = World(small(), 0, profile)
    node = world.nodes[0]
    hang(node)
    for server in (1, 2):
        world.balancer.rule.connections[server] += 50
    attempt = world.clients[1].new_attempt()
    world.env.process(world.balancer.serve(attempt))
    world.env.run(until=2.0)
    assert not attempt.answer.triggered
    resume(node)
    world.env.run(until=attempt.answer)
    assert attempt.answer.value.server == 0
    # two checks have come in vain
    answers = cost_of("node_handshake", "node_handshake", "node_accept", "node_handshake", "balancer_response")
    assert world.env.now == pytest.approx(2.0 + answers, abs=1e-9)


def test_a_node_that_goes_on_closes_the_connections_whose_clients_have_left(profile):
    beat = {"interval": 0.3, "timeout": 0.2}
    fault = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 2.0}]
    world = World(small(clients={"heartbeat": beat}, faults=fault), 0, profile)
    world.env.run(until=2.9)
    assert sum(tunnel.client_left for tunnel in world.nodes[0].tunnels) >= 10
    assert world.balancer.rule.connections[0] >= 10
    world.env.run(until=3.1)
    assert not any(tunnel.client_left for tunnel in world.nodes[0].tunnels)
    world.run()
    assert world.balancer.rule.connections == [len(node.tunnels) for node in world.nodes]


def waiting_on_hung_node(profile, **balancer):
    """Return a world whose node 1 hangs from 1 s on with one connection in its queue."""
    scenario = small(balancer={"check": {"fall": 3}, **balancer}, clients={"heartbeat": {"interval": 0.0}})
    world = World(scenario, 0, profile)
    world.env.run(until=1.0)
    hang(world.nodes[0])
    for server in (1, 2):
        world.balancer.rule.connections[server] += 50
    attempt = world.clients[1].new_attempt()
    world.env.process(world.balancer.serve(attempt))
    world.env.run(until=1.2)
    assert world.balancer.rule.connections[0] == 11
    return world, attempt


def test_a_connection_in_the_queue_of_a_node_that_dies_answers_502(profile):
    world, attempt = waiting_on_hung_node(profile)
    world.env.process(killed(world.nodes[0]))
    world.env.run(until=attempt.answer)
    assert world.env.now == pytest.approx(1.2 + EXIT_DELAY, abs=1e-9)
    assert attempt.answer.value == "502"
    world.env.run(until=1.2 + EXIT_DELAY + 10 * ONE_END)
    assert world.balancer.rule.connections[0] == 0


def test_nginx_tries_the_next_peer_for_who_is_queued_at_a_node_that_dies(profile):
    world = World(small(balancer={"kind": "nginx"}, clients={"heartbeat": {"interval": 0.0}}), 0, profile)
    hang(world.nodes[0])
    attempts = [world.clients[i].new_attempt() for i in range(3)]  # one of three peers in turn is the hung one
    for attempt in attempts:
        world.env.process(world.balancer.serve(attempt))
    world.env.run(until=0.5)
    (held,) = [attempt for attempt in attempts if not attempt.answer.triggered]
    world.env.process(killed(world.nodes[0]))
    world.env.run(until=held.answer)
    opened = cost_of("node_accept", "node_handshake", "balancer_response", balancer="nginx")
    ends = 10 * cost_of("node_exit", "balancer_close", balancer="nginx")  # which share the core
    assert 0.5 + EXIT_DELAY + opened <= world.env.now <= 0.5 + EXIT_DELAY + opened + ends
    assert held.answer.value.server in (1, 2)
    assert world.balancer.passive[0].fails == 1


def test_a_node_that_goes_on_reads_each_close_before_it_is_done(profile):
    fault = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 2.0}]
    world = World(small(clients={"heartbeat": {"interval": 0.3, "timeout": 0.2}}, faults=fault), 0, profile)
    first_parts = 10 * FIRST_PARTS["node"] * cost_of("node_abandoned")
    world.env.run(until=3.0 + first_parts)
    assert sum(tunnel.client_left for tunnel in world.nodes[0].tunnels) == 10
    others = [*world.balancer.workers, *(process for node in world.nodes[1:] for process in node.processes)]
    before = sum(process.used for process in others)
    while any(tunnel.client_left for tunnel in world.nodes[0].tunnels):
        world.env.step()
    given = sum(process.used for process in others) - before  # it gives way to who wakes up on its core
    own = 10 * cost_of("node_abandoned") + 2 * cost_of("node_handshake")  # two checks came, too
    assert world.env.now <= 3.0 + own + given + 1e-9


def test_a_node_whose_table_of_open_files_is_full_stands_still_while_it_grows(profile):
    stall = 0.05
    slow = small_profile(table_growth=[stall])
    took = []
    for host in (profile, slow):
        world = World(small(clients={"count": 30}), 0, host)
        world.nodes[0].table = OWN_FILES + len(world.nodes[0].tunnels)
        attempts = [one.new_attempt() for one in world.clients[:3]]
        for attempt in attempts:
            world.env.process(world.balancer.serve(attempt))
        done = world.env.all_of([attempt.answer for attempt in attempts])
        world.env.run(until=done)
        took.append(world.env.now)
        assert world.nodes[0].table == 2 * (OWN_FILES + 10)
    assert took[1] - took[0] == pytest.approx(stall - profile.table_growth[0], abs=1e-9)


def test_a_connection_that_the_mark_down_has_cut_is_not_answered_later(profile):
    world, attempt = waiting_on_hung_node(profile, on_marked_down="shutdown-sessions")
    world.env.run(until=3.5)
    assert attempt.answer.value == "502"
    assert world.balancer.rule.connections[0] == 0
    resume(world.nodes[0])
    world.env.run(until=3.6)
    assert world.balancer.rule.connections[0] == 0
    assert not world.nodes[0].tunnels


def test_a_restart_says_goodbye_starts_a_new_process_and_everyone_is_back(profile):
    record = simulate(small(faults=[{"at": 1.0, "kind": "restart", "node": 1}]), 0, profile)
    lost = record.select("disconnected")
    assert len(lost) == 10
    assert set(lost["detail"]) == {"1001"}
    stopped, started = record.select("node_stopped", "node_started").to_numpy()[:, :2].tolist()
    assert (stopped[1], started[1]) == ("node_stopped", "node_started")
    goodbyes = 10 * cost_of("node_goodbye", "node_leave", "node_forget")
    assert 1.0 + goodbyes + NODE_STOP < stopped[0] < 1.0 + 10 * ONE_GOODBYE + OF_CLIENT + POLL + NODE_STOP
    clients = 10 * cost_of(*AT_THE_CORE)  # which come back meanwhile, have their turns
    assert NODE_START <= started[0] - stopped[0] < NODE_START + clients
    assert record.select("healed")["detail"].tolist() == ["restart"]
    assert len(record.select("connected")) - len(lost) == 30
    assert sum(map(int, record.select("server_connections")["detail"])) == 30


def test_a_client_knows_of_the_close_before_its_node_has_ended_the_connection():
    def restart(seconds):
        parts = small_profile().by_name()
        dear = PartCosts(levels=[16], values=[[seconds]])
        faults = [{"at": 1.0, "kind": "restart", "node": 1}]
        scenario = small(host={"placement": "separate"}, faults=faults)
        return simulate(scenario, 0, small_profile(parts=parts | {"node_forget": dear}), engine="simpy")

    cheap, dear = restart(0.0001), restart(0.01)
    assert len(cheap.select("disconnected")) == 10
    assert dear.select("disconnected").equals(cheap.select("disconnected"))
    later = dear.select("node_stopped")["t"].iloc[0] - cheap.select("node_stopped")["t"].iloc[0]
    assert later == pytest.approx(10 * (0.01 - 0.0001), abs=POLL)  # the process ends when all are done


def test_a_node_killed_while_it_waits_for_clients_starts_with_none_to_wait_for(profile):
    faults = [{"at": 1.0, "kind": "restart", "node": 1}, {"at": 1.001, "kind": "kill", "node": 1, "duration": 1.0}]
    faults += [{"at": 4.0, "kind": "restart", "node": 1}]
    world = run(small(faults=faults), profile)
    assert world.nodes[0].half_closed == 0
    assert world.nodes[0].state == "up"
    assert [one[6] for one in world.rows if one[1] == "healed"][-1] == "restart"


def test_a_restart_brings_a_killed_node_back(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": 1}, {"at": 2.0, "kind": "restart", "node": 1}]
    world = run(small(faults=faults), profile)
    assert world.nodes[0].state == "up"
    assert [one[3] for one in world.rows if one[1] == "marked_up"] == [1]


def test_the_end_of_a_hang_does_not_raise_a_node_that_was_killed_meanwhile(profile):
    faults = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 2.0}, {"at": 2.0, "kind": "kill", "node": 1}]
    world = run(small(faults=faults), profile)
    assert world.nodes[0].state == "dead"
    assert not [one for one in world.rows if one[1] == "marked_up"]


def test_a_dead_node_cannot_be_hung(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": 1}, {"at": 2.0, "kind": "hang", "node": 1}]
    world = run(small(faults=faults), profile)
    assert not world.nodes[0].listening


def test_a_second_hang_of_a_hung_node_does_not_hide_the_first(profile):
    beat = {"interval": 1.0, "timeout": 1.0}
    twice = [{"at": t, "kind": "hang", "node": 1} for t in (2.0, 3.0)]

    def missed(faults):
        record = simulate(small(clients={"heartbeat": beat}, faults=faults), 0, profile)
        return record.select("heartbeat_missed").query("t < 4.1")

    once, again = missed(twice[:1]), missed(twice)
    assert len(once) >= 10
    assert again["t"].tolist() == once["t"].tolist()


def test_a_hung_node_heeds_a_restart_only_when_it_goes_on(profile):
    faults = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 3.0}, {"at": 2.0, "kind": "restart", "node": 1}]
    world = World(small(clients={"heartbeat": {"interval": 0.0}}, faults=faults), 0, profile)
    world.env.run(until=3.0)
    assert world.nodes[0].listening
    world.run()
    record = Record.of(world.rows, {})
    lost = record.select("disconnected")
    assert len(lost) == 10
    assert lost["t"].between(4.0, 4.0 + POLL + 10 * ONE_GOODBYE + OF_CLIENT).all()
    assert record.select("node_started")["t"].iloc[0] > 4.0 + NODE_STOP + NODE_START


@pytest.mark.parametrize(
    ("end", "of_node", "of_balancer", "of_client"),
    [
        (
            "close",
            ("node_goodbye", "node_leave", "node_forget"),
            ("balancer_frame", "balancer_frame", "balancer_close", "balancer_release"),
            ("client_goodbye", "client_closed"),
        ),
        ("expire", ("node_forget",), ("haproxy_cut", "balancer_release"), ("client_closed",)),
        ("heartbeat", ("node_abandoned",), ("balancer_release", "balancer_abandoned"), ("client_closed",)),
    ],
)
def test_the_end_of_a_connection_costs_each_process_its_parts(end, of_node, of_balancer, of_client, profile):
    balancer, clients = (
        {"check": {"inter": 60.0}},
        {"count": 1, "reconnect": {"jitter": "none", "base": 4.0, "cap": 4.0}},
    )
    scenario = small(nodes={"count": 1}, balancer=balancer, clients=clients, host={"placement": "free", "cores": 8})
    world = World(scenario, 0, profile)
    world.env.run(until=1.0)
    node, (client,), (tunnel,) = world.nodes[0], world.clients, world.nodes[0].tunnels
    processes = [node.process, world.balancer.workers[0], client.process]
    before = [process.used for process in processes]
    if end == "close":
        node.close(tunnel, "1012")
    elif end == "expire":
        world.balancer.expire(tunnel)
    else:
        tunnel.lost.succeed("heartbeat")
    world.env.run(until=2.0)
    spent = [process.used - was for process, was in zip(processes, before, strict=True)]
    assert spent == pytest.approx([cost_of(*of_node), cost_of(*of_balancer), cost_of(*of_client)], abs=1e-9)
    (lost,) = (one[0] for one in world.rows if one[1] == "disconnected")
    if end == "close":
        assert lost == pytest.approx(1.0 + cost_of(*GOODBYE), abs=1e-9)
    assert world.balancer.rule.connections == [0]
