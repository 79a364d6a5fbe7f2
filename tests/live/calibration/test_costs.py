"""Each part of the costs is charged to the process that did it, at the step at which it did it; without a process."""

import signal
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from live.calibration import costs as room
from live.calibration.messages import Abandon, AwaitLoss, OpenBatch, Opened
from live.calibration.workbench import MeasuredCosts
from live.node.messages import Closed
from twin.costs.curve import LEVELS
from twin.errors import ClusterError

CLIENT, BALANCER, NODE = range(3)
NAMES = ("client", "balancer", "node")
IDLE, ENDED = 3.0, 7.0
"""CPU seconds of a client that is told nothing, and of the end of a node without a connection."""


def unit(look: int, who: int) -> float:
    """CPU seconds that a process spends until the bench is at rest for the `look`-th time, if it may run."""
    return 1000.0 * 2**who + look


class Script:
    """A bench on which each process that may run spends `unit` until the next look; it notes who may run."""

    kind = "haproxy"

    def __init__(self, ports: tuple[int, int]) -> None:
        self.port, self.node_port = ports
        self.refusing_port = 9
        self.spent = [0.0, 0.0, 0.0]
        self.refused = 0.0
        self.stopped: set[int] = set()
        self.looks: list[set[str]] = []
        self.told: list[Any] = []
        self.paces = 0
        self.client = SimpleNamespace(
            pid=CLIENT,
            tell=self.told.append,
            hear=lambda kind, within: self.heard if kind is Opened else kind(0.0, 0.0),
        )
        self.node = SimpleNamespace(pid=NODE, cpu_ns=lambda: int(self.spent[NODE] * 1e9), hear=self.node_says)
        self.balancer = SimpleNamespace(
            forwarder=lambda: BALANCER, cuts=True, cut=lambda node: self.told.append(f"cut {node}")
        )
        self.refusing = SimpleNamespace(forwarder=lambda: 3, cpu_ns=lambda: int(self.refused * 1e9))
        self.heard = Opened(0.0, 0.0, 0, 0, [])

    def node_says(self, kind: type[Closed]) -> Closed:
        return kind(self.spent[NODE] - 2.0)

    def cpu(self) -> tuple[float, ...]:
        return tuple(self.spent)

    def settle(self, also: Callable[[], int] = lambda: 0) -> tuple[float, ...]:
        running = {who for who in range(3) if who not in self.stopped}
        self.looks.append({NAMES[who] for who in running})
        for who in running:
            self.spent[who] += unit(len(self.looks), who)
        if 3 not in self.stopped:
            self.refused += unit(len(self.looks), 3)
        return self.cpu()

    def stop(self, *who: int) -> None:
        self.stopped |= set(who)

    def go_on(self, *who: int) -> None:
        self.stopped -= set(who)

    def pace(self) -> tuple[float, float]:
        self.paces += 1
        return float(self.paces), 100.0 * self.paces

    def overhead(self) -> float:
        return IDLE

    def connect(self, connections: int) -> tuple[float, ...]:
        self.told.append(connections)
        return self.settle()

    def kill(self) -> float:
        return ENDED

    def reap(self) -> float:
        return self.settle()[NODE]

    def drop(self) -> None:
        self.told.append("drop")

    def replace(self, grown: bool = True) -> None:
        self.stopped.discard(NODE)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=400) as balancer,
        socket.create_server(("127.0.0.1", 0), backlog=400) as node,
    ):
        script = Script((balancer.getsockname()[1], node.getsockname()[1]))

        def kill(pid: int, number: int) -> None:
            if number == signal.SIGSTOP:
                script.stop(pid)
            elif number == signal.SIGCONT:
                script.go_on(pid)
            else:
                script.told.append((pid, number))

        monkeypatch.setattr(room.os, "kill", kill)
        yield script


def test_each_step_of_a_handshake_is_that_of_the_one_who_may_run(bench: Script) -> None:
    found = MeasuredCosts()
    room.handshakes(bench, found, 16)  # type: ignore[arg-type]
    assert bench.told == [OpenBatch(16, bench.port)] * 4
    all_ = set(NAMES)
    assert bench.looks == [{"client"}, {"client", "balancer"}, {"client", "node"}, {"balancer", "node"}, all_] * 4
    firsts = [5 * batch for batch in range(4)]
    assert found["client_request"][16] == pytest.approx([(unit(n + 1, CLIENT) - IDLE) / 16 for n in firsts])
    assert found["balancer_request"][16] == pytest.approx([unit(n + 2, BALANCER) / 16 for n in firsts])
    assert found["node_handshake"][16] == pytest.approx([unit(n + 3, NODE) / 16 for n in firsts])
    assert found["balancer_response"][16] == pytest.approx([unit(n + 4, BALANCER) / 16 for n in firsts])
    assert found["client_open"][16] == pytest.approx([unit(n + 5, CLIENT) / 16 for n in firsts])
    assert found.paces["node_handshake"][16] == pytest.approx([1.5, 2.5, 3.5, 4.5])  # the mean of before and after
    assert found.paces["client_open"][16] == pytest.approx([150.0, 250.0, 350.0, 450.0])


def test_lone_handshakes_are_averaged_and_a_client_that_spent_nothing_costs_nothing(bench: Script) -> None:
    found = MeasuredCosts()
    room.handshakes(bench, found, 1)  # type: ignore[arg-type]
    assert found["node_handshake"][1] == pytest.approx([sum(unit(5 * n + 3, NODE) for n in range(6)) / 6])
    assert found.paces["node_handshake"][1] == pytest.approx([4.0])
    bench.overhead = lambda: 1e6  # type: ignore[method-assign]
    room.handshakes(bench, found, 1)  # type: ignore[arg-type]
    assert found["client_request"][1][1] == 0.0


def test_a_handshake_that_fails_or_a_refusal_that_is_none_ends_the_calibration(bench: Script) -> None:
    bench.heard = Opened(0.0, 0.0, 1, 2, ["503"])
    with pytest.raises(ClusterError, match="2 of 3 handshakes failed"):
        room.handshakes(bench, MeasuredCosts(), 1)  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match="a connection that must be refused was not"):
        room.refusals(bench, MeasuredCosts(), 1)  # type: ignore[arg-type]


def test_a_refusal_is_charged_to_the_balancer_first_and_then_to_the_client(bench: Script) -> None:
    found = MeasuredCosts()
    room.refusals(bench, found, 64)  # type: ignore[arg-type]
    assert bench.told == [OpenBatch(64, 9)] * 2
    assert bench.looks == [set(NAMES), {"balancer", "node"}, set(NAMES)] * 2
    assert found["balancer_refused"][64] == pytest.approx([unit(n, 3) / 64 for n in (2, 5)])
    assert found["client_refused"][64] == pytest.approx([unit(n, CLIENT) / 64 for n in (3, 6)])
    assert found.paces["balancer_refused"][64] == [1.5, 2.5]
    room.refusals(bench, found, 1)  # type: ignore[arg-type]
    assert found["client_refused"][1] == pytest.approx([sum(unit(6 + 3 * n, CLIENT) for n in range(1, 7)) / 6])
    assert found["balancer_refused"][1] == pytest.approx([sum(unit(5 + 3 * n, 3) for n in range(1, 7)) / 6])


def test_accepting_is_taken_from_the_handshakes_and_leaves_a_tenth(bench: Script) -> None:
    found = MeasuredCosts()
    found["node_handshake"] = {64: [5000.0, 5000.0, 1.0]}
    room.accepts(bench, found, 64)  # type: ignore[arg-type]
    accept = (unit(2, NODE) + unit(4, NODE)) / 2 / 64
    assert found["node_accept"][64] == pytest.approx([accept])
    assert found["node_handshake"][64] == pytest.approx([5000.0, 5000.0 - accept, 0.1])
    assert bench.looks == [set(NAMES)] * 4
    assert found.paces["node_accept"][64] == [2.0]
    found["node_handshake"][1] = [5000.0, 5000.0]
    room.accepts(bench, found, 1)  # type: ignore[arg-type]
    assert found["node_handshake"][1] == pytest.approx([5000.0, 5000.0 - found["node_accept"][1][0]])


def test_a_bare_connection_is_charged_to_the_balancer_when_it_goes_on(bench: Script) -> None:
    found = MeasuredCosts()
    room.balancer_accepts(bench, found, 64)  # type: ignore[arg-type]
    assert bench.looks == [{"client", "node"}, set(NAMES), set(NAMES)] * 2
    assert found["balancer_accept"][64] == pytest.approx([(unit(2, BALANCER) + unit(5, BALANCER)) / 2 / 64])


def test_a_wake_up_is_what_a_lone_handshake_costs_more_as_a_share_of_the_cold_parts(bench: Script) -> None:
    found, level = MeasuredCosts(), LEVELS[-2]
    pace = (1.5, 150.0)  # the mean of before and after
    each = [unit(2, who) / room.SERIES for who in range(3)]
    relays = ("balancer_accept", "balancer_request", "balancer_response")
    for parts, asleep, whole, share in (
        (("client_request", "client_open"), ("client_open",), each[CLIENT], 0.25),
        (relays, relays, each[BALANCER], 0.5),
        (("node_accept", "node_handshake"), ("node_accept",), each[NODE], 0.75),
    ):
        for part in parts:
            warm = whole / 2 / len(parts)  # so that half of the whole is more than the parts
            found.add(part, level, warm, pace)
            found.add(part, 1, warm + (whole / 2 / share / len(asleep) if part in asleep else 0.0), pace)
    wakes: dict[str, list[float]] = {"client": [], "haproxy": [], "node": []}
    room.wake_ups(bench, found, wakes)  # type: ignore[arg-type]
    assert wakes == {"client": [pytest.approx(0.25)], "haproxy": [pytest.approx(0.5)], "node": [pytest.approx(0.75)]}
    assert bench.told == ["drop", OpenBatch(room.SERIES, bench.port, together=False)]


def test_what_a_killed_node_leaves_to_do_is_charged_step_by_step(bench: Script) -> None:
    found = MeasuredCosts()
    room._killed(bench, found, 64, ENDED)  # type: ignore[arg-type]
    assert bench.told == [64, (NODE, signal.SIGKILL), AwaitLoss()]
    # looks: connected, reaped, before the balancer, the balancer, the client
    assert bench.looks == [set(NAMES), {"node"}, {"node"}, {"balancer", "node"}, set(NAMES)]
    assert found["node_exit"][64] == pytest.approx([(unit(2, NODE) - ENDED) / 64])
    assert found["balancer_close"][64] == pytest.approx([unit(4, BALANCER) / 64])
    assert found["client_closed"][64] == pytest.approx([unit(5, CLIENT) / 64])
    assert found["balancer_release"][64] == pytest.approx([unit(5, BALANCER) / 64])
    assert found.paces["client_closed"][64] == [150.0]
    room._killed(bench, found, 1, ENDED)  # type: ignore[arg-type]
    assert 1 not in found["node_exit"]  # too little to be seen beside the end of the process
    assert 1 in found["balancer_close"]
    room._killed(bench, found, 256, 1e9)  # type: ignore[arg-type]
    assert found["node_exit"][256] == [0.0]


def test_what_the_end_of_a_node_costs_is_charged_to_whom_the_frames_have_reached(bench: Script) -> None:
    found = MeasuredCosts()
    room._ended(bench, found, 64)  # type: ignore[arg-type]
    assert bench.told == [64, (NODE, signal.SIGTERM), AwaitLoss()]
    everybody = set(NAMES)
    assert bench.looks == [
        *(everybody, {"node"}, {"balancer"}, {"client"}, {"client", "balancer"}, {"node"}),
        *({"client", "balancer"}, everybody, everybody),
    ]
    assert found["node_goodbye"][64] == pytest.approx([unit(2, NODE) / 64])
    assert found["balancer_frame"][64] == pytest.approx([(unit(3, BALANCER) + unit(5, BALANCER)) / 2 / 64])
    assert found["client_goodbye"][64] == pytest.approx([unit(4, CLIENT) / 64])
    assert found["node_leave"][64] == pytest.approx([unit(6, NODE) / 64])
    assert found["node_forget"][64] == [0.0]  # the node says less than it had used by then


def test_pings_of_clients_that_gave_up_are_charged_to_the_node_and_the_balancer(bench: Script) -> None:
    found = MeasuredCosts()
    room._abandoned(bench, found, 64)  # type: ignore[arg-type]
    assert bench.told == [64, Abandon(room.PING_ALONE), AwaitLoss()]
    assert bench.looks == [set(NAMES), {"client", "balancer"}, set(NAMES)]
    assert found["node_abandoned"][64] == pytest.approx([unit(3, NODE) / 64])
    assert found["balancer_abandoned"][64] == pytest.approx([unit(3, BALANCER) / 64])


def test_a_cut_is_charged_to_the_balancer_alone(bench: Script) -> None:
    found = MeasuredCosts()
    room._cut(bench, found, 64)  # type: ignore[arg-type]
    assert bench.told == [64, "cut 1", AwaitLoss()]
    assert bench.looks == [set(NAMES), {"balancer"}, {"balancer"}, set(NAMES)]
    assert found["haproxy_cut"][64] == pytest.approx([unit(3, BALANCER) / 64])
    assert found.paces["haproxy_cut"][64] == [1.5]


def test_deaths_are_measured_at_each_level_and_cuts_if_the_balancer_can(
    bench: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(room, "exit_delay", lambda bench: 0.25)
    for name in ("_killed", "_ended", "_abandoned", "_cut"):
        monkeypatch.setattr(room, name, lambda bench, costs, level, *more, name=name: done.append((name, level, *more)))
    found = MeasuredCosts()
    room.deaths(bench, found)  # type: ignore[arg-type]
    assert found["exit_delay"] == {16: [0.25]}
    assert done == [
        one for n in (1, 64, 256) for one in (("_killed", n, ENDED), ("_ended", n), ("_abandoned", n), ("_cut", n))
    ]
    bench.balancer.cuts = False
    done.clear()
    room.deaths(bench, found)  # type: ignore[arg-type]
    assert {one[0] for one in done} == {"_killed", "_ended", "_abandoned"}
