"""Mechanisms attach to clients and nodes as parts, which these ask at the right moments."""

from itertools import pairwise

import pytest

from sim.connection import Refusal
from sim.machine.process import Cost
from sim.ports import ClientPart, NodePart
from sim.world import World
from tests.strategies import small, small_profile

RESTART = {"at": 1.0, "kind": "restart", "node": 1}
KILL = {"at": 1.0, "kind": "kill", "node": 1, "duration": 2.0}
DRAIN = {"at": 1.0, "kind": "drain", "node": 1, "lead": 0.2, "pace": 50.0}


class OfNode(NodePart):
    """Writes down what its node tells it."""

    def __init__(self, world):
        self.env = world.env
        self.told = []

    def connected(self, tunnel, at):
        self.told.append(("connected", at))

    def disconnected(self, tunnel):
        self.told.append(("disconnected", self.env.now))

    def leaving(self):
        self.told.append(("leaving", self.env.now))
        yield from ()

    def ended(self, how):
        self.told.append((how, self.env.now))

    def started(self, healed):
        self.told.append(("healed" if healed else "started", self.env.now))

    def words(self):
        return [word for word, _ in self.told]


class OfClient(ClientPart):
    """Writes down what its client tells it."""

    def __init__(self, then=None):
        self.told = []
        self.then = then

    def before_connect(self, attempt):
        self.told.append("before_connect")

    def connected(self, tunnel, attempt):
        self.told.append("connected")

    def refused(self, attempt, refusal, answer):
        self.told.append(f"refused {refusal.reason} {answer}")
        return self.then

    def disconnected(self, tunnel):
        self.told.append("disconnected")


class Gate:
    """Takes some time for a handshake, and refuses it or not."""

    def __init__(self, world, reason, seconds=0.001):
        self.world = world
        self.reason = reason
        self.seconds = seconds
        self.asked = 0

    def admit(self, attempt):
        self.asked += 1
        yield self.world.env.timeout(self.seconds)
        cost = Cost.constant(1e-5)
        return Refusal("403", self.reason, cost, cost) if self.reason else None


@pytest.mark.parametrize(
    ("fault", "words"),
    [(RESTART, ["restarted", "healed"]), (KILL, ["killed", "healed"]), (DRAIN, ["leaving", "drained", "healed"])],
)
def test_a_part_of_a_node_hears_how_its_process_ends_and_that_a_new_one_listens(fault, words):
    world = World(small(faults=[fault]), 0, small_profile())
    part = OfNode(world)
    world.nodes[0].parts = (part,)
    rows = world.run()
    heard = [word for word in part.words() if word not in ("connected", "disconnected")]
    assert heard == (words if fault["kind"] != "drain" else words[:2] + heard[2:])
    started = [t for t, event, _, node, *_ in rows if event == "node_started" and node == 1]
    assert [t for word, t in part.told if word in ("healed", "started")] == started
    assert part.words().count("disconnected") >= 10  # all that the run began with


def test_a_part_of_a_node_hears_of_every_connection_that_the_node_opens():
    world = World(small(faults=[{"at": 1.0, "kind": "kill", "node": 2}]), 0, small_profile())
    part = OfNode(world)
    world.nodes[0].parts = (part,)
    rows = world.run()
    at_node = [t for t, event, _, node, *_ in rows if event == "connected" and node == 1 and t > 0]
    assert part.words().count("connected") == len(at_node) > 0
    assert all(opened < t for (_, opened), t in zip(part.told, at_node, strict=True))


def test_the_first_gate_that_refuses_counts_and_later_ones_are_not_asked():
    world = World(small(faults=[{"at": 1.0, "kind": "kill", "node": 2}]), 0, small_profile())
    gates = [Gate(world, ""), Gate(world, "full"), Gate(world, "late")]
    for node in world.nodes:
        node.gates = tuple(gates)
    for client in world.clients:
        client.parts = (OfClient("stop"),)
    rows = world.run()
    failed = [row for row in rows if row[1] == "connect_failed" and row[6] != "503"]  # that is the dead node's
    assert {row[6] for row in failed} == {"403"}
    assert [gate.asked for gate in gates] == [len(failed), len(failed), 0]
    assert len([row for row in rows if row[1] == "gave_up"]) == len(failed) >= 10


@pytest.mark.parametrize(
    ("answers", "stops"),
    [((None, "stop"), True), ((None, "retry"), False), (("retry", "stop"), False), ((None, None), False)],
)
def test_the_first_part_of_a_client_that_decides_about_a_refusal_counts(answers, stops):
    world = World(small(faults=[{"at": 1.0, "kind": "kill", "node": 2}]), 0, small_profile())
    for node in world.nodes:
        node.gates = (Gate(world, "full"),)
    parts = [OfClient(one) for one in answers]
    (lost,) = list(world.nodes[1].tunnels)[:1]
    world.clients[lost.client.number].parts = tuple(parts)
    world.run()
    assert parts[0].told[:2] == ["disconnected", "before_connect"]
    refused = parts[0].told.count("refused full 403")
    assert refused == 1 if stops else refused > 1
    assert parts[1].told.count("refused full 403") == (refused if answers[0] is None else 0)


def test_a_client_is_told_at_once_to_try_again_without_a_wait():
    world = World(
        small(
            faults=[{"at": 1.0, "kind": "kill", "node": 2}],
            clients={"reconnect": {"policy": "fixed", "base": 0.3, "jitter": "none"}},
        ),
        0,
        small_profile(),
    )
    gate = Gate(world, "once")
    for node in world.nodes:
        node.gates = (gate,)
    (lost,) = list(world.nodes[1].tunnels)[:1]
    part = OfClient("at once")
    world.clients[lost.client.number].parts = (part,)
    world.env.run(until=2.5)
    gate.reason = ""
    world.run()
    until = next(t for t, event, who, *_ in world.rows if event == "connected" and who == lost.client.number and t > 1)
    refused = [t for t, event, who, *_, detail in world.rows if who == lost.client.number and detail == "403"]
    assert len(refused) > 10
    assert max(later - t for t, later in pairwise([*refused, until])) < 0.05  # the shortest wait is longer
    assert part.told[-2:] == ["before_connect", "connected"]


def test_a_process_that_ends_while_a_gate_reads_answers_nothing():
    faults = [{"at": 1.0, "kind": "kill", "node": 2}, {"at": 2.0, "kind": "kill", "node": 1, "duration": 0.5}]
    world = World(small(faults=faults, clients={"open_timeout": 1.5}), 0, small_profile())
    slow = Gate(world, "", seconds=3.0)
    world.nodes[0].gates = (slow,)
    world.env.run(until=2.0)
    asked, slow.seconds = slow.asked, 0.001
    world.run()
    assert asked > 0
    assert world.nodes[0].state == "up"
    assert world.nodes[0].opening == 0  # nothing that the old process had begun was counted for the new one
