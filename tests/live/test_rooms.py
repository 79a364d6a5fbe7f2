"""What each mechanism adds to a cluster, and that a scenario without it has nothing of it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from live.arrivals import arrivals
from live.client import told
from live.control.messages import ControlMessage
from live.control.process import ChildProcess, Stage
from live.network import links
from live.network.links import Links
from live.network.messages import Drop
from live.node import lifetimes
from live.ports import ClusterPart
from live.rooms import ROOMS
from live.sending import sending
from live.sessions import sessions
from twin.scenario.scenario import Scenario

Small = Callable[..., Scenario]


class Bare:
    """A cluster without processes, which keeps what is added."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.replication = 3
        self.parts: list[Any] = []
        self.nodes: list[Any] = []
        self.node_ports = [101, 102, 103]
        self.place = SimpleNamespace(cluster=[])

    def add(self, part: ClusterPart) -> None:
        self.parts.append(part)


def attached(room: Callable[[Any], None], scenario: Scenario) -> Any:
    """Return what a room adds to a bare cluster, None if it adds nothing."""
    cluster = Bare(scenario)
    room(cluster)
    return cluster.parts[0] if cluster.parts else None


def test_a_scenario_that_asks_for_nothing_has_no_part(small: Small) -> None:
    bare = small(bus={"kind": "none"})
    assert [attached(room, bare) for room in ROOMS] == [None] * len(ROOMS)


def test_lifetimes_reach_nodes_with_the_draws_of_the_model(small: Small) -> None:
    part = attached(lifetimes.attach, small(seed=9, nodes={"lifetime": {"mean": 5.0, "jitter": 0.2}}))
    assert part.of_node(1) == {"lifetime": {"mean": 5.0, "jitter": 0.2, "seed": 9, "replication": 3}}
    assert part.of_clients() == {"named": True}
    assert not part.nodes_tell


def test_what_clients_send_reaches_them_and_nodes_note_it(small: Small) -> None:
    part = attached(sending.attach, small(clients={"sends": {"rate": 2.0}, "offline": {"messages": 7}}))
    assert part.of_node(1) == {"sends": {"codec": "none", "batch_of": 0}}
    found = part.of_clients()["sends"]
    assert (found["rate"], found["payload_bytes"], found["offline"]["messages"]) == (2.0, 64, 7)
    assert part.nodes_tell


def test_a_node_that_starts_during_a_run_hashes_in_full_from_the_beginning(small: Small) -> None:
    part = attached(sessions.attach, small(sessions={"store": "memory", "login_iterations": 10}))
    first = part.of_node(1)["sessions"]
    part.begin(5.0)
    later = part.of_node(3)["sessions"]
    assert (first["begin"], later["begin"]) == (float("inf"), 0.0)
    assert first | {"begin": 0.0} == later
    assert set(part.of_clients()["sessions"]["passwords"]) == set(later["accounts"])


def test_a_relay_stands_before_the_nodes_that_go_dark_and_no_other(small: Small) -> None:
    faults = [{"kind": "blackhole", "node": 2, "at": 0.5, "duration": 0.5}]
    part = attached(links.attach, small(nodes={"count": 3}, faults=faults))
    assert isinstance(part, Links)
    assert (part.in_front(1), part.in_front(3)) == (None, None)
    assert part.in_front(2) not in (None, *Bare(small()).node_ports)


def test_who_comes_in_the_run_and_what_they_make_of_a_refusal_reaches_the_clients(small: Small) -> None:
    clients = {"arrivals": {"count": 2, "at": 0.5, "rate": 10.0}, "refusals": {"fatal": [429]}}
    come, do = (attached(room, small(clients=clients)) for room in (arrivals.attach, told.attach))
    assert come.of_clients() == {"arrivals": {"18": 0.5, "19": 0.6}}
    assert do.of_clients() == {"refusals": {"fatal": [429], "retry_after": False}}


@pytest.mark.live
def test_nothing_passes_a_relay_that_drops(small: Small, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, ControlMessage]] = []
    monkeypatch.setattr(ChildProcess, "tell", lambda process, order: told.append((process.name, order)))
    cluster = Bare(small(nodes={"count": 3}))
    cluster.stage = stage  # type: ignore[attr-defined]
    part = Links(cluster, [2])  # type: ignore[arg-type]
    part.before_balancer()
    part.drop(2, True)
    part.drop(2, False)
    assert told == [("link 2", Drop(True)), ("link 2", Drop(False))]
