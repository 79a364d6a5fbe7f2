"""A broadcast over NATS servers in both worlds, and beside that, as it takes its time, what three do without one."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass

import pytest

import sim
from live.control.process import READY_WITHIN, Stage
from live.jetstream.cluster import NatsCluster
from live.jetstream.publisher import publishing
from live.machine import placement
from live.runs import run
from tests.live.jetstream.ends import Node, told_of
from twin.costs.profile import HostProfile
from twin.invariants import audit
from twin.measures import measure_record
from twin.record.record import Record
from twin.rules.raft import LEAST_ELECTION_TIMEOUT, MOST_ELECTION_TIMEOUT
from twin.scenario.broadcast import Bus
from twin.scenario.faults import Replica
from twin.scenario.jetstream import JetStream
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nats")]

RATE, COUNT, NODES, SERVERS = 20.0, 12, 2, 3
HANG, HUNG = 0.23, 0.5
"""When the leader of the stream is stopped, and for how long."""
KILL, COMMIT, ACK_WAIT = 1.43, 0.79, 1.1
"""When node 1 is killed, and how often it acknowledges all messages."""
STOP = 2.3
"""When the last message of the run is published."""
APART = 0.4
"""Seconds for which a server is cut off from the others."""


@dataclass(frozen=True)
class Seen:
    """What was seen of three servers while one was cut off, and when the leader was killed.

    Attributes:
        acknowledged: messages that the publisher, connected to the leader, was told of while a follower was cut off,
            and then while the leader was.
        meanwhile: versions that the node connected to the follower had got by then.
        before, after: who led, before the death of the leader and after it.
        took: seconds from the death until a message was acknowledged.
        known: whether a message of before the death was known as such.
        heard: versions that each node got, in order, each once.
    """

    acknowledged: tuple[int, int]
    meanwhile: list[int]
    before: str
    after: str
    took: float
    known: bool
    heard: list[list[int]]


class Three:
    """Three servers, a node connected to each, and a publisher connected to the one that leads the stream."""

    def __init__(self, cluster: NatsCluster) -> None:
        told = cluster.told()
        self.cluster = cluster
        self.addresses = told["addresses"]
        self.config = told_of(asdict(cluster.address), told["stream"]) | {"addresses": self.addresses}
        self.nodes = [Node(self.config, number, acknowledges=True) for number in range(1, SERVERS + 1)]
        self.published = 0

    async def begin(self) -> None:
        """Wait until the nodes are there, and somebody leads."""
        await asyncio.wait_for(asyncio.gather(*(one.end.joined.wait() for one in self.nodes)), READY_WITHIN)
        while (leader := self.cluster.leader()) is None:
            await asyncio.sleep(0.02)
        first = self.cluster.servers.index(leader)
        self.publisher = publishing(self.config | {"addresses": [*self.addresses[first:], *self.addresses[:first]]})

    async def publish(self) -> None:
        """Publish one message."""
        await self.publisher.stamp(self.published + 1, b"payload", [0])
        self.published += 1

    async def all_have_it(self) -> None:
        """Wait until all nodes have all messages, if need be those whose consumer has to elect a leader."""
        await asyncio.gather(*(one.until_all(self.published, MOST_ELECTION_TIMEOUT + 2.0) for one in self.nodes))

    async def without(self, replica: Replica) -> tuple[int, list[int]]:
        """Publish while a server is cut off; return what was acknowledged then, and what the node there had got."""
        self.cluster.cut_off(replica)
        (number,) = self.cluster.apart
        publishing_on = asyncio.ensure_future(self.publish())
        await asyncio.sleep(APART)
        (there,) = (one.versions for one in self.nodes if one.number % SERVERS == number)
        found = self.published, list(there)
        self.cluster.let_in()
        await publishing_on
        await self.all_have_it()
        return found


async def seen(cluster: NatsCluster) -> Seen:
    """Cut off a follower, then the leader, then kill the leader."""
    three = Three(cluster)
    await three.begin()
    await three.publish()
    await three.all_have_it()
    of_follower, of_leader = await three.without("follower"), await three.without("leader")
    before = cluster.leader()
    await asyncio.to_thread(cluster.kill)
    died = time.monotonic()
    await three.publish()
    took = time.monotonic() - died
    again = await three.publisher.stamp(1, b"payload", [0])
    await three.all_have_it()
    after = cluster.leader()
    assert before is not None
    assert after is not None
    heard = [list(dict.fromkeys(one.versions)) for one in three.nodes]
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    names = before.server_name, after.server_name
    return Seen((of_follower[0], of_leader[0]), of_follower[1], *names, took, not again.fresh, heard)


@pytest.fixture(scope="module")
def three() -> Iterator["Future[Seen]"]:
    """What is seen of three servers; it goes on while the other tests of this module do."""
    with Stage() as stage, ThreadPoolExecutor(1) as beside:
        settings = Bus(kind="jetstream", persist=True, jetstream=JetStream(replicas=3))
        cluster = NatsCluster(stage, placement.free_ports(1)[0], [], settings, relayed=True)
        cluster.wait_ready(READY_WITHIN)
        yield beside.submit(lambda: asyncio.run(seen(cluster)))


@pytest.fixture(scope="module")
def both(small: Callable[..., Scenario], three: "Future[Seen]") -> tuple[Record, Record]:
    """The record of a live run on three servers, and that of the model: the leader stands still, then a node dies."""
    stream = {"replicas": 3, "ack_policy": "all", "ack_wait": ACK_WAIT}
    retry = {"cap": 0.2, "retries": 100}
    asked = small(
        duration=3.4,
        nodes={"count": NODES},
        clients={"count": COUNT, "connect_rate": 200.0, "recovery": {"timeout": 0.3}},
        bus={
            **{"kind": "jetstream", "persist": True, "lease": 0.6, "retry": retry},
            **{"commit_interval": COMMIT, "jetstream": stream},
        },
        publisher={"rate": RATE, "stop": STOP, "ack_timeout": 5.0},
        faults=[
            {"at": HANG, "kind": "bus_hang", "duration": HUNG},
            {"at": KILL, "kind": "kill", "node": 1, "duration": 0.1},
        ],
    )
    return run(asked), sim.simulate(asked, 0, HostProfile.load("reference"))


def received(record: Record, node: int, after: float = -1.0) -> list[int]:
    """Return the versions that a node has received, in order."""
    events = record.events
    mine = events[(events.event == "received") & (events.client < 0) & (events.node == node) & (events.t > after)]
    return [int(version) for version in mine.version]


def test_nothing_is_lost_and_no_invariant_is_broken_in_either_world(both: tuple[Record, Record]) -> None:
    for record in both:
        found = audit(record)
        assert [one.text for one in found.violations] == []
        assert found.reasons == []
        assert {"reached", "at_least_once", "again_after_wait"}.isdisjoint(found.as_dict()["skipped"])
        measured = measure_record(record)
        assert measured["lost_share"] == measured["undelivered_share"] == 0
        for node in range(2, NODES + 1):  # the first takes the notes of its dead process along
            assert set(received(record, node)) == set(range(1, int(RATE * STOP) + 1))


def test_a_server_that_stands_still_delays_everything_and_breaks_no_connection(both: tuple[Record, Record]) -> None:
    for record in both:
        lost = record.select("bus_lost")
        assert not (lost["t"] < KILL).any()
        times = record.select("delivered")["t"]
        assert not times.between(HANG + 0.07, HANG + HUNG - 0.03).any()  # what was on its way has come
        assert times.between(HANG + HUNG, HANG + HUNG + 0.3).any()


def test_what_a_killed_node_had_not_acknowledged_comes_again_to_its_next_process(both: tuple[Record, Record]) -> None:
    for record in both:
        versions = received(record, 1, after=KILL + 0.01)
        again = [version for version in versions if version <= RATE * KILL]
        assert again == sorted(again)
        assert 4 <= len(again) < RATE * 2 * COMMIT  # since 0.8 s; where the node waits for its core, an interval more
        assert sorted(set(versions)) == list(range(again[0], int(RATE * STOP) + 1))


def test_nobody_publishes_until_three_servers_have_another_leader(three: "Future[Seen]") -> None:
    found = three.result(timeout=4 * MOST_ELECTION_TIMEOUT)
    assert found.before != found.after
    assert LEAST_ELECTION_TIMEOUT - 0.1 < found.took < MOST_ELECTION_TIMEOUT + 1.5  # the publisher asks again
    assert found.known
    assert found.heard == [[1, 2, 3, 4]] * SERVERS


def test_two_servers_of_three_go_on_and_one_alone_acknowledges_nothing(three: "Future[Seen]") -> None:
    found = three.result(timeout=4 * MOST_ELECTION_TIMEOUT)
    assert found.acknowledged == (2, 2)  # the second by leader and follower, the third only when all are there again
    assert found.meanwhile == [1]
