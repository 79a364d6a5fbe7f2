"""What polls cost: requests and answers, taken apart step by step at a bench of their own.

As in `live.calibration.costs` items gather before a process that is stopped, and it goes on alone: the clients send,
the balancer forwards, the node answers, the balancer relays, the clients read. When somebody gets an answer is looked
at only for the order of work in a round.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from statistics import median
from typing import Any, ClassVar

from live.calibration import rounds
from live.calibration.common import BATCHES, add
from live.calibration.delivery_bench import DeliveryBench
from live.calibration.messages import Ask, Asked
from live.calibration.starts import measure_starts
from live.calibration.workbench import Bench, MeasuredCosts, client_config, pace_of
from live.control.messages import Nothing
from live.control.supervisor import watched
from live.machine import placement
from twin.costs.curve import LEVELS, PartCosts
from twin.costs.layout import laid_out
from twin.costs.polls import POLL_PARTS, POLL_ROUNDS, POLL_START
from twin.costs.profile import HostProfile
from twin.errors import ClusterError
from twin.rules.poll_wire import request_head, target_of
from twin.scenario.balancer.kinds import DEFAULT, KINDS
from twin.scenario.scenario import Scenario

MOST = LEVELS[-1]
NEVER = 600.0
"""Seconds for which a node of the bench holds a request: longer than any bench lives."""
TOGETHER = 4
"""Messages of an answer, to see what each of them costs."""
OVER = ("balancer_get", "balancer_got", "balancer_got_more")
"""Parts that hang on the balancer."""


class PollBench(DeliveryBench):
    """The processes of a broadcast whose clients poll: one node, one balancer, one process of clients, a bus."""

    program: ClassVar[str] = "live.calibration.poll_clients"

    def _clients(self, scenario: Scenario) -> dict[str, Any]:
        polls = {"every": 0.0, "held": NEVER, "cursor": True}
        return client_config(scenario, self.port) | {"count": MOST, "polls": polls}

    def _more(self, number: int, port: int) -> dict[str, Any]:
        polls = {"port": port, "backlog": 4000, "hold": NEVER, "limit_bytes": self.limit}
        return {"port": placement.free_ports(1)[0], "polls": polls}

    def asks(self, clients: int, messages: int = 0) -> list[float]:
        """Let so many clients ask once, each process alone; all of them are behind by so many messages. Return the CPU
        seconds of clients, balancer, node, balancer and clients.
        """
        return self._steps(clients, clients * messages, waits=False, between=lambda: None)

    def held(self, clients: int) -> list[float]:
        """Let so many clients ask and be held until a message comes. Return the CPU seconds of clients, balancer and
        node, and of the node for the message and all answers.
        """
        node = self.node.pid
        found: list[float] = []

        def come() -> None:
            Bench.stop(node)
            self.publish(1)
            before = self.settle()
            Bench.go_on(node)
            found.append(self.settle()[2] - before[2])

        steps = self._steps(clients, clients, waits=True, between=come)
        return [*steps[:3], found[0]]

    def message(self) -> float:
        """Return the CPU seconds of the node for a message for which nobody waits."""
        node = self.node.pid
        Bench.stop(node)
        self.publish(1)
        before = self.settle()
        Bench.go_on(node)
        return self.settle()[2] - before[2]

    def _steps(self, clients: int, messages: int, waits: bool, between: Callable[[], None]) -> list[float]:
        client, node, balancer = self.client.pid, self.node.pid, self.balancer.forwarder()
        Bench.stop(balancer, node)
        before = self.settle()
        self.client.tell(Nothing())
        idle = self.settle()
        self.client.tell(Ask(clients, waits))
        asked = self.settle()
        Bench.stop(client)
        Bench.go_on(balancer)
        forwarded = self.settle()
        Bench.stop(balancer)
        Bench.go_on(node)
        answered = self.settle()
        between()
        start = self.settle()
        Bench.go_on(balancer)
        relayed = self.settle()
        Bench.go_on(client)
        answer = self.client.hear(Asked, 30)
        read = self.settle()
        if answer.failed or answer.messages != messages:
            raise ClusterError(
                f"calibration: {answer.failed} of {clients} requests failed, and the others got {answer.messages} "
                f"messages of {messages}."
            )
        return [
            max(0.0, asked[0] - 2 * idle[0] + before[0]),
            forwarded[1] - asked[1],
            answered[2] - forwarded[2],
            relayed[1] - start[1],
            read[0] - relayed[0],
        ]

    def catch_up(self, clients: int) -> None:
        """Let clients ask until they have all that there is, over connections that stay."""
        for _ in range(2):
            self.client.tell(Ask(clients, False))
            if self.client.hear(Asked, 30).failed:
                raise ClusterError("calibration: a request failed.")
        self.settle()


def measure(bench: PollBench, costs: MeasuredCosts, first: rounds.Shares) -> None:
    """Measure every part once and append the figures."""
    Bench.stop(bench.silent.pid)
    bench.publish(1)  # so that the node knows where it stands
    bench.settle()
    for level in LEVELS:
        costs.now = pace_of(bench.place)
        bench.catch_up(level)
        _exchanges(bench, costs, level)
        _holds(bench, costs, level)
    first.setdefault("node_get", []).append(_first_of_node(bench, waits=False))
    first.setdefault("node_release", []).append(_first_of_node(bench, waits=True))
    first.setdefault("client_got", []).append(_first_of_clients(bench))


def _exchanges(bench: PollBench, costs: MeasuredCosts, level: int) -> None:
    """Measure requests that are answered at once: without messages, and with some."""
    batches = range(BATCHES[level])
    empty = _medians([bench.asks(level) for _ in batches])
    full = []
    for _ in batches:
        bench.publish(TOGETHER)
        bench.settle()
        full.append(bench.asks(level, TOGETHER))
    more = [(some - none) / TOGETHER for some, none in zip(_medians(full), empty, strict=True)]
    names = ("client_get", "balancer_get", "node_get", "balancer_got", "client_got")
    for name, seconds in zip(names, empty, strict=True):
        add(costs, name, level, seconds / level)
    for name, place in (("node_get_more", 2), ("balancer_got_more", 3), ("client_got_more", 4)):
        add(costs, name, level, more[place] / level)


def _holds(bench: PollBench, costs: MeasuredCosts, level: int) -> None:
    """Measure requests that are held, and answered with one message."""
    alone = median([bench.message() for _ in range(BATCHES[1])])
    bench.catch_up(level)
    held = _medians([bench.held(level) for _ in range(BATCHES[level])])
    add(costs, "node_hold", level, held[2] / level)
    add(costs, "node_release", level, (held[3] - alone) / level - costs["node_get_more"][level][-1])


def _medians(batches: list[list[float]]) -> list[float]:
    return [median(column) for column in zip(*batches, strict=True)]


def _first_of_node(bench: PollBench, waits: bool) -> float:
    """Return the share of many answers' time that comes before the first of them is out: to requests that have
    gathered, or (`waits`) to ones that were held until a message came.
    """
    node = bench.node.pid
    raw = [socket.create_connection(("127.0.0.1", bench.node_port)) for _ in range(rounds.SIZE)]
    bench.settle()
    request = request_head(target_of(None, waits))
    if not waits:
        os.kill(node, signal.SIGSTOP)
    for one in raw:
        one.sendall(request)
    bench.settle()
    if waits:
        os.kill(node, signal.SIGSTOP)
        bench.publish(1)
        bench.settle()
    with placement.pinned(bench.place.clients):
        found = rounds.share(raw, b"HTTP/1.1 200", node)
    bench.settle()
    return found


def _first_of_clients(bench: PollBench) -> float:
    """Return the same for the clients, from when each of them has read its answer."""
    bench.catch_up(rounds.SIZE)
    Bench.stop(bench.node.pid)
    bench.client.tell(Ask(rounds.SIZE, False))
    bench.settle()
    Bench.stop(bench.client.pid)
    Bench.go_on(bench.node.pid)
    bench.settle()
    began = time.monotonic()
    Bench.go_on(bench.client.pid)
    answer = bench.client.hear(Asked, 30)
    bench.settle()
    share = (answer.first - began) / (answer.last - began)
    return min(rounds.LARGEST_SHARE, max(0.0, share))


def measure_polls(scenario: Scenario, found: MeasuredCosts, first: rounds.Shares, of_balancer: bool = False) -> None:
    """Measure the parts of polls once, with processes of their own, and append the figures; only those that hang on the
    balancer if `of_balancer`.
    """
    with watched() as stage:
        bench = PollBench(stage, scenario)
        try:
            costs, shares = (MeasuredCosts(), rounds.Shares()) if of_balancer else (found, first)
            measure(bench, costs, shares)
        finally:
            bench.close()
    if of_balancer:
        for name in OVER:
            found[name] = _joined(found.get(name, {}), costs[name])
            found.paces[name] = _joined(found.paces.get(name, {}), costs.paces[name])


def _joined(some: dict[int, list[float]], more: dict[int, list[float]]) -> dict[int, list[float]]:
    return {level: [*some.get(level, []), *more[level]] for level in more}


def with_polls(
    profile: HostProfile, repeats: int = 4, progress: Callable[[float, str], None] | None = None
) -> HostProfile:
    """Return a profile of this machine with the parts of polls, for each balancer that it knows.

    Args:
        profile: of this machine.
        repeats: measurements of each part.
        progress: receives the part done (0 to 1) and what is being measured.
    """
    scenario = Scenario.parse({"name": "calibration", "clients": {"count": 2000}})
    placement.check_limits(scenario)
    parts: dict[str, dict[str, dict[str, PartCosts]]] = {}
    shares: rounds.Shares = {}
    kinds = [kind for kind in KINDS if profile.knows(kind)]
    with watched() as stage:
        placement.keep_awake(stage, placement.placement(scenario).all)
        for k, kind in enumerate(kinds):
            found, names = MeasuredCosts(), [*POLL_PARTS, POLL_START] if kind == DEFAULT else OVER
            for i in range(repeats):
                if progress is not None:
                    share = (k * repeats + i) / (repeats * len(kinds))
                    progress(share, f"polls through {kind}, {i + 1} of {repeats}")
                measure_polls(scenario.vary(balancer=KINDS[kind].plain()), found, shares, kind != DEFAULT)
                if kind == DEFAULT:
                    measure_starts(scenario, found)
            measured = {name: _part(found, name) for name in names}
            for room, of_room in laid_out(measured, kind).items():
                for which, some in of_room.items():
                    parts.setdefault(room, {}).setdefault(which, {}).update(some)
    known = profile.first_part | {name: shares[name] for name in set(POLL_ROUNDS.values())}
    return profile.with_parts(parts).model_copy(update={"first_part": known})


def _part(found: MeasuredCosts, name: str) -> PartCosts:
    levels = sorted(found[name])
    values, paces = ([of[name][level] for level in levels] for of in (found, found.paces))
    return PartCosts(levels=levels, values=values, paces=paces)
