"""What sessions cost: handshakes with tokens and passwords, taken apart step by step at a bench of their own.

As in `live.calibration.costs` items gather before a process that is stopped, and it goes on alone. What is measured
here is what a handshake costs with sessions, in place of what it costs without them.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from math import inf
from typing import Any

from live.broadcast.broker import Topic
from live.broadcast.bus import Bus
from live.calibration.costs import BATCHES, accepts
from live.calibration.messages import OpenBatch, Opened, Tokens
from live.calibration.workbench import Bench, MeasuredCosts, Pace, client_config, mean_pace
from live.control.messages import Ready
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.supervisor import watched
from live.machine import placement
from live.node.kinds import RUNTIMES
from live.sessions.accounts import SALT_BYTES, Account, password_hash
from live.sessions.messages import AskJoined, Joined
from twin.costs.curve import LEVELS, PartCosts
from twin.costs.layout import laid_out
from twin.costs.profile import HostProfile
from twin.costs.sessions import SESSION_PARTS
from twin.errors import ClusterError
from twin.rules.token import make_token
from twin.scenario.balancer.kinds import DEFAULT, KINDS
from twin.scenario.runtimes import RUNTIME
from twin.scenario.scenario import Scenario
from twin.scenario.sessions import HASH_UNIT

SECRET, OTHER_SECRET = "00" * 32, "11" * 32
USER, PASSWORD = "calibration", "calibration"
PREFIX = "stormlab:calibration:"
HASHES, MOMENTS = 8, 5
"""How often the hash is computed at a moment, and at how many moments, `APART` seconds apart."""
APART = 0.2
LEAST = 1e-7
"""Seconds that stand for a cost that is lost in the noise of a difference."""


class SessionBench(Bench):
    """A bench whose node has sessions.

    Args:
        stage, refusing_stage: where its processes run.
        scenario: names the balancer.
        bus: the shared server; None for a node that keeps its sessions itself.
    """

    def __init__(self, stage: Stage, refusing_stage: Stage, scenario: Scenario, bus: Bus | None) -> None:
        self.bus = bus
        self.made = 0
        super().__init__(stage, refusing_stage, scenario)
        self.stage.end(self.client)
        config = client_config(scenario, self.port)
        config["sessions"] = {"passwords": {USER: PASSWORD}, "on_refusal": "stop"}
        self.client = stage.python("bench", "live.calibration.bench", config, self.place.clients)
        self.client.hear(Ready)

    def _start_node(self, port: int) -> ChildProcess:
        retry = {"base": 0.01, "cap": 0.1, "retries": 10, "timeout": 60.0}
        store: dict[str, Any] | None = None
        if self.bus is not None:
            topic = asdict(Topic(PREFIX, 0, 1.0))
            store = {"address": asdict(self.bus.address), "topic": topic, "retry": retry, "seed": 0, "replication": 0}
        sessions = {
            "secret": SECRET,
            "expiry": 3600.0,
            "refresh": False,
            "token_lifetime": 3600.0,
            "when_down": "refuse",
            "accounts": {USER: Account.of(PASSWORD, {1}).as_config()},
            "begin": inf,
            "store": store,
        }
        config = {"number": 1, "port": port, "backlog": 4000, "sessions": sessions}
        node = RUNTIMES[RUNTIME].start(self.stage, "node", config, self.place.cluster[:1])
        return node

    def replace(self, grown: bool = True) -> None:
        """Start a new node, and wait until it has its connection to the server."""
        super().replace(grown)
        self.node.tell(AskJoined())
        self.node.hear(Joined)

    def tokens(self, kind: str, count: int) -> None:
        """Let the next clients show tokens: `good` ones of sessions that the server knows, `unknown`, or `forged`."""
        secret = bytes.fromhex(OTHER_SECRET if kind == "forged" else SECRET)
        names = [f"{kind}-{self.made + i}" for i in range(count)]
        self.made += count
        if kind == "good":
            assert self.bus is not None
            with self.bus.client() as server, server.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.psetex(PREFIX + name, 3_600_000, "1 1")
                pipeline.execute()
        self.client.tell(Tokens([make_token(secret, name, time.time() + 3600.0) for name in names]))
        self.settle()


def measure(bench: SessionBench, costs: MeasuredCosts, of_balancer: bool = False) -> None:
    """Measure the parts of sessions once and append the figures: of a node that keeps them, or of one that asks; only
    those that hang on the balancer if `of_balancer`.
    """
    for level in LEVELS:
        if level > LEVELS[1]:
            bench.drop()
        accept = _accept(bench, level)
        if bench.bus is None:
            if not of_balancer:
                _each(bench, costs, level, partial(_kept, bench, level, accept))
            _each(bench, costs, level, partial(_denied, bench, level, accept))
        else:
            _each(bench, costs, level, partial(_asked, bench, level, accept, "good"))
            _each(bench, costs, level, partial(_asked, bench, level, accept, "unknown"))


def _each(bench: SessionBench, costs: MeasuredCosts, level: int, once: Callable[[], dict[str, float]]) -> None:
    """Measure some batches, each at its own pace; those of one item are averaged."""
    paces: list[Pace] = [bench.pace()]
    found: list[dict[str, float]] = []
    for _ in range(BATCHES[level]):
        found.append(once())
        paces.append(bench.pace())
    if level == 1:
        found = [{name: sum(one[name] for one in found) / len(found) for name in found[0]}]
    for i, one in enumerate(found):
        pace = mean_pace(paces if level == 1 else paces[i : i + 2])
        for name, seconds in one.items():
            costs.add(name, level, max(LEAST, seconds / level), pace)


def _accept(bench: SessionBench, level: int) -> float:
    """Return what accepting `level` bare connections costs the node."""
    aside = MeasuredCosts()
    for _ in range(BATCHES[level]):
        aside.add("node_handshake", level, 1.0, (0.0, 0.0))
    accepts(bench, aside, level)
    return aside["node_accept"][level][-1] * level


def _gather(bench: SessionBench, level: int) -> None:
    """Let requests gather before the node."""
    balancer = bench.balancer.forwarder()
    bench.stop(bench.node.pid, balancer)
    bench.client.tell(OpenBatch(level, bench.port))
    bench.settle()
    bench.go_on(balancer)
    bench.settle()
    bench.stop(balancer)


def _finish(bench: SessionBench, opened: bool) -> None:
    """Let everybody go on, and see that all were let in, or none."""
    answer = bench.client.hear(Opened, 30)
    if answer.failed if opened else answer.opened:
        raise ClusterError("calibration: a handshake with a session did not end as it must.")


def _kept(bench: SessionBench, level: int, accept: float) -> dict[str, float]:
    """Log in at a node that keeps the sessions, with a hash of one iteration."""
    _gather(bench, level)
    before = bench.cpu()
    bench.go_on(bench.node.pid)
    spent = bench.settle()[2] - before[2]
    bench.go_on(bench.balancer.forwarder())
    _finish(bench, True)
    bench.settle()
    return {"node_session": max(0.1 * spent, spent - accept)}


def _denied(bench: SessionBench, level: int, accept: float) -> dict[str, float]:
    """Show forged tokens: node, balancer and client deal with the refusal one after the other."""
    client, balancer = bench.client.pid, bench.balancer.forwarder()
    bench.tokens("forged", level)
    _gather(bench, level)
    start = bench.cpu()
    bench.go_on(bench.node.pid)
    refused = bench.settle()
    bench.stop(client)
    bench.go_on(balancer)
    relayed = bench.settle()
    bench.go_on(client)
    _finish(bench, False)
    over = bench.settle()
    node = over[2] - start[2]
    return {
        "node_denied": max(0.1 * node, node - accept),
        "balancer_denied": over[1] - refused[1],
        "client_denied": over[0] - relayed[0],
    }


def _asked(bench: SessionBench, level: int, accept: float, kind: str) -> dict[str, float]:
    """Show tokens at a node that asks the shared server, which is stopped until all questions have gathered."""
    assert bench.bus is not None
    assert bench.bus.part is not None
    server, balancer, node = bench.bus.part, bench.balancer.forwarder(), bench.node.pid
    bench.tokens(kind, level)
    _gather(bench, level)
    bench.stop(server.pid)
    start = bench.cpu()
    bench.go_on(node)
    asked = bench.settle()
    bench.stop(node)
    before = server.cpu_ns()
    bench.go_on(server.pid)
    bench.settle(server.cpu_ns)
    served = (server.cpu_ns() - before) / 1e9
    bench.go_on(node)
    answered = bench.settle()
    bench.go_on(balancer)
    _finish(bench, kind == "good")
    over = bench.settle()
    if kind == "unknown":
        return {"node_unknown": over[2] - asked[2]}
    look_up = asked[2] - start[2]
    found = {"node_look_up": max(0.1 * look_up, look_up - accept), "node_found": answered[2] - asked[2]}
    return {**found, "bus_session": served}


def hashes(costs: MeasuredCosts, bench: Bench) -> None:
    """Measure a password's hash on the core of the cluster.

    It needs no cache that neighbours fill, and they slow it down otherwise than a handshake: it is kept without
    a pace, and its spread goes into the predictions.
    """
    found = costs.setdefault("node_hash", {}).setdefault(LEVELS[1], [])
    with placement.pinned(bench.place.cluster[:1]):
        for _ in range(MOMENTS):
            time.sleep(APART)
            began = time.thread_time_ns()
            for _ in range(HASHES):
                password_hash(PASSWORD, bytes(SALT_BYTES), HASH_UNIT)
            found.append((time.thread_time_ns() - began) / 1e9 / HASHES)


def measure_sessions(scenario: Scenario, found: MeasuredCosts, of_balancer: bool = False) -> None:
    """Measure the parts of sessions once, with processes of their own, and append the figures; only those that hang on
    the balancer if `of_balancer`.
    """
    for shared in (False,) if of_balancer else (False, True):
        with watched() as stage, watched() as refusing_stage:
            bus = None
            if shared:
                place = placement.placement(scenario)
                bus = Bus(stage, placement.free_ports(1)[0], place.cluster, None, scenario.bus)
                bus.wait_ready(READY_WITHIN)
            bench = SessionBench(stage, refusing_stage, scenario, bus)
            try:
                bench.warm()
                measure(bench, found, of_balancer)
                if not shared and not of_balancer:
                    hashes(found, bench)
            finally:
                bench.balancer.close()
                bench.refusing.close()


def with_sessions(
    profile: HostProfile, repeats: int = 4, progress: Callable[[float, str], None] | None = None
) -> HostProfile:
    """Return a profile of this machine with the parts of sessions, for each balancer that it knows.

    Args:
        profile: of this machine.
        repeats: measurements of each part.
        progress: receives the part done (0 to 1) and what is being measured.
    """
    scenario = Scenario.parse({"name": "calibration", "clients": {"count": 2000}, "balancer": {"retries": 0}})
    placement.check_limits(scenario)
    found_parts: dict[str, dict[str, dict[str, PartCosts]]] = {}
    known_kinds = [kind for kind in KINDS if profile.knows(kind)]
    with watched() as stage:
        placement.keep_awake(stage, placement.placement(scenario).all)
        for k, kind in enumerate(known_kinds):
            found = MeasuredCosts()
            for i in range(repeats):
                if progress is not None:
                    share = (k * repeats + i) / (repeats * len(known_kinds))
                    progress(share, f"sessions behind {kind}, {i + 1} of {repeats}")
                measure_sessions(scenario.vary(balancer=KINDS[kind].plain()), found, kind != DEFAULT)
            known, measured = profile.by_name(kind), dict[str, PartCosts]()
            for name in SESSION_PARTS:
                if kind != DEFAULT and not name.startswith("balancer"):
                    continue  # is the same through any balancer
                levels = sorted(found[name])
                values = [found[name][level] for level in levels]
                paces = [found.paces[name][level] for level in levels] if name in found.paces else []
                part = PartCosts(levels=levels, values=values, paces=paces)
                measured[name] = part.with_earlier(known[name]) if name in known else part
            for room, kinds in laid_out(measured, kind).items():
                found_parts.setdefault(room, {}).update(kinds)
    return profile.with_parts(found_parts)
