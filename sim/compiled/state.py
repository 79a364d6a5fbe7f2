"""What a run in the kernel works on: its state, laid out in memory, with more room when the kernel asks for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.balancer.kinds import KINDS as BALANCERS
from sim.client.client import ClientCosts
from sim.compiled.balancer import kinds
from sim.compiled.client.ahead import MANY
from sim.compiled.machine.costs import tables_of
from sim.compiled.machine.inbox import FRONT
from sim.compiled.memory import layout as at
from sim.compiled.memory.memory import lines, longer
from sim.compiled.vocabulary import FIFOS, TIMEOUTS, Word, Work
from sim.machine.cores import most_lag
from sim.machine.machine import Machine
from sim.machine.process import Cost, lone_seconds, pieces
from sim.node.kinds import RUNTIMES
from twin.costs.profile import FIRST_TABLE, LEVELS_OF_PACE, HostProfile
from twin.costs.starts import start_part
from twin.measures.connection import curve_step, curve_times, window_edges
from twin.rules.backoff import bounds, longest_delay, tells_apart
from twin.rules.choice import FULL_WEIGHT
from twin.rules.ring import ring as points_of
from twin.scenario.scenario import Scenario

Array = np.ndarray[Any, Any]

LEAST_ROOM = 4096
ROWS_OF_CLIENT, MOST_ROWS = 32, 8_000_000
"""Events of a client, and of all, for which there is room in one go; memory that is not touched costs nothing."""
LONGEST_TURN = 32.0
"""Most seconds that a turn of the wheel of timers takes."""


def _power(n: int) -> int:
    """Return the least power of two that is not below n."""
    return 1 << max(0, int(n - 1).bit_length())


class State:
    """The memory of one replication in the kernel.

    Args:
        scenario: what to run.
        replication: which random numbers to use.
        profile: costs of the host.
        marks: observed mark-downs and mark-ups (time, node, up), which then replace the model's health checks.
        host: which draw of the host's speed to use, if not that of the replication.
        full: whether to note every event, or only what measures of connections need; a broadcast notes every event.
    """

    def __init__(
        self,
        scenario: Scenario,
        replication: int,
        profile: HostProfile,
        marks: Sequence[tuple[float, int, bool]] | None = None,
        host: int = -1,
        full: bool = True,
    ) -> None:
        self.scenario = scenario
        self.machine = Machine(scenario, profile, replication if host < 0 else host)
        runtime = RUNTIMES[scenario.nodes.runtime]
        self.node_costs = runtime.costs_of(self.machine.cost, start_part(scenario))
        self.world = np.zeros(1, at.WORLD)
        self.kept: dict[str, Array] = {}
        self.blocks: list[Array] = []
        self._lives = 1 + sum(fault.kind in ("reload", "outage") for fault in scenario.faults)
        w = self.world[0]
        full = full or scenario.publisher is not None
        w["seed"], w["replication"], w["duration"], w["full"] = scenario.seed, replication, scenario.duration, full
        w["time_slice"], w["tick"], w["clock"] = profile.time_slice, profile.tick, self.machine.clock(replication)
        w["most_lag"] = most_lag(profile.time_slice, profile.tick)
        w["phase"] = self.machine.check_phase(replication)
        self._settings(w)
        self._costs(w)
        self._processes(w)
        self._schedule(w, marks)
        self._queues(w)
        self._notes(w)
        self.broadcast = self._broadcast(profile, w) if scenario.publisher is not None else None

    def _keep(self, name: str, array: Array) -> Array:
        """Keep an array alive and tell the kernel where it is."""
        self.kept[name] = array
        self.world[0][name] = array.ctypes.data
        return array

    def _settings(self, w: Any) -> None:
        scenario, machine = self.scenario, self.machine
        clients, settings, rule = scenario.clients, scenario.balancer, scenario.clients.reconnect
        for name in ("base", "factor", "cap", "spread", "stable_time", "max_attempts"):
            w["reconnect"][name] = getattr(rule, name)
        for name in ("policy", "jitter", "first"):
            w["reconnect"][name] = Word.of(getattr(rule, name))
        delays = np.array([bounds(delay) for delay in rule.delays], np.float64).reshape(-1, 2)
        for name, column in (("lows", 0), ("highs", 1)):
            self.kept[name] = np.ascontiguousarray(delays[:, column])
            w["reconnect"][name] = self.kept[name].ctypes.data
        w["reconnect"]["n_delays"], w["reconnect"]["stops"] = len(delays), rule.then == "stop"
        for name in ("interval", "timeout", "close_timeout"):
            w[name] = getattr(clients.heartbeat, name)
        for name in ("connect_rate", "per_process", "addresses"):
            w[name] = getattr(clients, name)
        for name in ("balancer_start", "node_stop", "table_growth", "check_overhead"):
            w[name] = getattr(machine, name)
        w["start_pieces"] = pieces(self.node_costs.start)
        w["start_share"] = 1.0 / w["start_pieces"]
        w["warm_up"] = scenario.warm_up
        w["n_clients"], w["n_nodes"], w["backlog"] = clients.count, scenario.nodes.count, scenario.nodes.backlog
        w["separate"] = machine.swarm is None
        w["listening"] = True
        w["algorithm"] = Word.of(settings.algorithm)
        w["connect_timeout"], w["hard_stop"] = settings.connect_timeout, settings.hard_stop_after
        kinds.KINDS[settings.kind](w, settings, scenario.nodes.count)
        nodes = scenario.nodes.count
        for name in ("connections", "current"):
            self._keep(name, np.zeros(nodes, np.int64))
        self._keep("order", np.zeros(nodes + 1, np.int64))
        weights = self._keep("weights", np.full(nodes, FULL_WEIGHT, np.int64))
        points, owners = points_of(weights.tolist()) if settings.algorithm in ("consistent", "random") else ([], [])
        self._keep("points", np.array(points, np.int64))
        self._keep("owners", np.array(owners, np.int64))
        w["n_points"] = len(points)
        self._keep("places", np.zeros(nodes, at.PLACE))
        for name in ("up", "usable"):
            self._keep(name, np.ones(nodes, np.bool_))
        self._keep("peers", np.zeros(nodes, at.PEER))

    def _known_costs(self) -> dict[Work, Cost]:
        client, node = ClientCosts(self.machine.cost), self.node_costs
        balancer = BALANCERS[self.scenario.balancer.kind].costs_of(self.machine.cost)
        return {
            Work.DIAL: client.dial,
            Work.REQUEST: client.request,
            Work.OPEN: client.open,
            Work.CLIENT_REFUSED: client.refused,
            Work.CLIENT_CLOSED: client.closed,
            Work.GOODBYE_READ: client.goodbye,
            Work.BALANCER_REQUEST: balancer.request,
            Work.BALANCER_REFUSE: balancer.refuse,
            Work.BALANCER_RELAY: balancer.relay,
            Work.BALANCER_FRAME: balancer.frame,
            Work.BALANCER_CLOSE: balancer.close,
            Work.BALANCER_RELEASE: balancer.release,
            Work.BALANCER_CUT: balancer.cut,
            Work.BALANCER_ACCEPT: balancer.accept,
            Work.BALANCER_ABANDONED: balancer.abandoned,
            Work.NODE_ACCEPT: node.accept,
            Work.NODE_HANDSHAKE: node.handshake,
            Work.NODE_EXIT_DELAY: node.exit_delay,
            Work.NODE_EXIT: node.exit,
            Work.NODE_GOODBYE: node.goodbye,
            Work.NODE_LEAVE: node.leave,
            Work.NODE_FORGET: node.forget,
            Work.NODE_ABANDONED: node.abandoned,
            Work.NODE_START: node.start,
        }

    def _costs(self, w: Any) -> None:
        known = self._known_costs()
        costs = [known[work] for work in Work]
        if self.scenario.publisher is not None:
            from sim.compiled.broadcast.state import costs_of

            costs += costs_of(self.machine)
        table = self._keep("costs", np.zeros(len(costs), at.COST))
        levels = LEVELS_OF_PACE * (self.machine.contention_steps + 1)
        places, *laid = tables_of(tuple(tuple(cost.curves) for cost in costs), levels)
        for i, (cost, (offset, length)) in enumerate(zip(costs, places, strict=True)):
            table[i] = (cost.first_part, offset, length, cost.hops)
        for name, array in zip(("tables", "lones", "wakes"), laid, strict=True):
            self._keep(name, array)
        w["levels"] = levels
        w["machine_cores"], w["contention_steps"] = self.scenario.host.cores, self.machine.contention_steps
        self._delays = [lone_seconds(cost) for cost in costs[:TIMEOUTS]] + [self.scenario.clients.open_timeout]
        w["unseen"] = w["separate"] and not w["full"]  # in which order events of the same time are
        w["merges"] = w["unseen"] or (w["separate"] and self._in_an_order(costs))

    def _in_an_order(self, costs: Sequence[Cost]) -> bool:
        """Tell whether no two events of clients have the same time but by chance: events that are merged are noted
        before others of the same time, whichever was due first.
        """
        apart = lone_seconds(costs[Work.CLIENT_CLOSED]) != lone_seconds(costs[Work.CLIENT_REFUSED])
        return apart and self.scenario.publisher is None and tells_apart(self.scenario.clients.reconnect.rule())

    def _processes(self, w: Any) -> None:
        """Lay out nodes, balancer and swarms, in this order, and the cores that they share."""
        machine, nodes, per = self.machine, self.scenario.nodes.count, self.scenario.clients.per_process
        groups, homes = list(machine.groups), [*machine.of_node, *[machine.of_balancer] * self._lives]
        w["balancer"], w["first_swarm"] = nodes, len(homes)
        if machine.swarm is not None:
            if machine.swarm not in groups:
                groups.append(machine.swarm)
            homes += [groups.index(machine.swarm)] * -(-self.scenario.clients.count // per)
        if self.scenario.publisher is not None:  # the bus and the publisher
            homes += [machine.of_service[name] for name in ("bus", "publisher")]
        processes = self._keep("procs", np.zeros(len(homes), at.PROCESS))
        processes["cores"] = homes
        processes["first"] = processes["last"] = range(len(homes))  # each has a block of its own
        processes["first_place"] = processes["last_place"] = FRONT
        processes["asleep_since"] = processes["off_since"] = -1.0
        w["n_procs"] = len(homes)
        cores = self._keep("cores", np.zeros(len(groups), at.CORES))
        paces = [[machine.pace(core) for core in group] for group in groups]
        flat = [pace for group in paces for pace in group]
        table = self._keep("paces", np.zeros(len(flat), at.PACE))
        known: dict[int, int] = {}
        series: list[int] = []
        for i, pace in enumerate(flat):
            if id(pace.series) not in known:
                known[id(pace.series)] = len(series)
                series += pace.series
            table[i] = (pace.start, 0.0, known[id(pace.series)], len(pace.series), 0)
        self._keep("series", np.array(series, np.int32))
        lists: list[int] = []
        first = 0
        for place, group in enumerate(groups):
            one = cores[place]
            one["idle"], one["idles"], one["pace"] = len(lists), len(group), first
            lists += range(len(group))
            one["running"] = len(lists)
            lists += [0] * len(group)
            for name in ("waiting", "delayed"):
                one[name] = len(lists)
                lists += [0] * homes.count(place)
            first += len(group)
        self._keep("lists", np.array(lists, np.int32))
        table_of_nodes = self._keep("nodes", np.zeros(nodes, at.NODE))
        table_of_nodes["proc"] = range(nodes)
        table_of_nodes["table"] = FIRST_TABLE
        table_of_nodes["ready"] = True
        for name in ("backlog", "tunnels", "waiting"):
            table_of_nodes[name]["first"] = table_of_nodes[name]["last"] = -1

    def _schedule(self, w: Any, marks: Sequence[tuple[float, int, bool]] | None) -> None:
        scenario = self.scenario
        faults = self._keep("faults", np.zeros(len(scenario.faults) + scenario.nodes.count, at.FAULTS))
        faults["client"] = -1
        for i, fault in enumerate(scenario.faults):
            faults[i]["at"], faults[i]["kind"], faults[i]["node"] = fault.at, Word.of(fault.kind), fault.node or -1
            faults[i]["duration"] = -1.0 if fault.duration is None else fault.duration
            faults[i]["lead"], faults[i]["pace"] = fault.lead or 0.0, fault.pace or 0.0
            faults[i]["delay"], faults[i]["client"] = fault.delay or 0.0, -1 if fault.client is None else fault.client
        back = faults[len(scenario.faults) :]  # each node's start after an outage
        back["kind"], back["node"] = Word.OUTAGE, np.arange(scenario.nodes.count) + 1
        w["n_faults"] = len(scenario.faults)
        given = self._keep("marks", np.zeros(len(marks or []) + 1, at.MARKS))
        for i, mark in enumerate(marks or []):
            given[i] = tuple(mark)
        w["n_marks"], w["marks_given"] = len(marks or []), marks is not None
        self._keep("checkers", np.zeros(scenario.nodes.count * self._lives, at.CHECKER))
        times = [fault.at for fault in scenario.faults if fault.at < scenario.duration]
        w["first_fault"] = min(times, default=np.inf)

    def _queues(self, w: Any) -> None:
        n, processes = self.scenario.clients.count, int(w["n_procs"])
        self._keep("clients", lines(n, at.CLIENT))
        w["for_timers"] = 2 * n // at.PER_BLOCK + 2 * at.BUCKETS
        for name, dtype, room in (
            ("blocks", at.ALIGNED_BLOCK, 4 * n // at.PER_BLOCK + 3 * processes + int(w["for_timers"])),
            ("tunnels", at.TUNNEL, 2 * n),
            ("attempts", at.ATTEMPT, 2 * n),
            ("rows", at.ROW, self._most_rows()),
            ("losses", at.LOSS, n),
        ):
            w[name]["free"] = -1
            self._set_pool(name, lines(room + LEAST_ROOM, dtype))
        w["blocks"]["used"] = processes
        self._set_heap(lines(8 * n + 4 * LEAST_ROOM, at.EVENT))
        self._set_ring(w["window"], "window", lines(LEAST_ROOM, at.F8))
        rings = self._keep("fifos", np.zeros(FIFOS, at.RING))
        rings["delay"] = self._delays
        self._keep("heads", np.full(FIFOS, np.inf))
        for i in range(FIFOS):
            most = n if i == Work.CLIENT_CLOSED and w["separate"] else 0  # an outage closes all connections at once
            self._set_ring(rings[i], f"fifo {i}", lines(_power(most + LEAST_ROOM), at.TIMED))
        self._keep("wheel", np.zeros(at.BUCKETS, at.BUCKET))
        turn = 1.0 + longest_delay(self.scenario.clients.reconnect.rule())
        w["wheel_rate"] = at.BUCKETS / min(turn, LONGEST_TURN)
        self._keep("slots", np.empty(at.SLOTS, np.int32))
        self._keep("ahead_who", np.full(MANY, -1))
        self._keep("ahead_counts", np.zeros(MANY, np.int64))
        self._keep("ahead_drawn", np.zeros(MANY))
        for name in ("soon", "soon_copy"):
            self._keep(name, lines(n + LEAST_ROOM, at.TIMED))

    def _most_rows(self) -> int:
        """Return for how many events there is room in one go: about those of connections and of deliveries."""
        n, publisher = self.scenario.clients.count, self.scenario.publisher
        each = ROWS_OF_CLIENT + (len(publisher.times(self.scenario.duration)) if publisher is not None else 0)
        return min(2 * n + MOST_ROWS, each * n) + self.scenario.nodes.count

    def _broadcast(self, profile: HostProfile, w: Any) -> Any:
        from sim.compiled.broadcast.state import Broadcast

        return Broadcast(self.scenario, self.machine, profile, w)

    def _set_pool(self, name: str, array: Array) -> None:
        self.kept[name] = array
        self.world[0][name]["data"], self.world[0][name]["room"] = array.ctypes.data, len(array)

    def _set_heap(self, array: Array) -> None:
        self._keep("heap", array)
        self.world[0]["heap_room"] = len(array)

    def _set_ring(self, ring: Any, name: str, array: Array) -> None:
        self.kept[name] = array
        ring["data"], ring["mask"] = array.ctypes.data, len(array) - 1

    def _notes(self, w: Any) -> None:
        n = self.scenario.clients.count
        self.times = curve_times(self.scenario.duration)
        self._keep("times", self.times)
        w["n_times"], w["curve_step"] = len(self.times), curve_step(self.scenario.duration)
        self._keep("curve", np.zeros(len(self.times) + 1, np.int64))
        edges = self._keep("edges", window_edges(self.scenario.duration))
        w["n_edges"] = len(edges)
        self._keep("tries", np.zeros(len(edges), np.int64))
        self._keep("held", np.zeros(self.scenario.nodes.count, np.int64))
        self._keep("failed", np.zeros(len(Word), np.int64))
        self._keep("last_rise", np.empty(n + 1))
        w["least_connected"] = n

    def forget(self) -> None:
        """Give back the memory that only the kernel needs."""
        kept = ("rows", "losses", "last_rise", "held", "failed", "curve", "tries")
        self.kept = {name: array for name, array in self.kept.items() if name in kept}

    def make_room(self) -> None:
        """Double what is short; rows are put aside instead."""
        w = self.world[0]
        most = int(w["tunnels"]["used"] + w["attempts"]["used"]) + LEAST_ROOM
        rows = LEAST_ROOM
        if self.broadcast is not None:
            messages = self.broadcast.make_room()
            rows += messages
            most += 3 * messages
        for name, needed in (
            ("blocks", most // 16 + int(w["n_procs"]) + int(w["for_timers"]) + LEAST_ROOM),
            ("tunnels", LEAST_ROOM),
            ("attempts", LEAST_ROOM),
            ("losses", LEAST_ROOM),
        ):
            used, room = int(w[name]["used"]), int(w[name]["room"])
            if room - used < needed:
                self._set_pool(name, longer(self.kept[name], used, 2 * room + needed))
        if self.broadcast is not None:
            self.broadcast.follow_tunnels()
        if w["rows"]["room"] - w["rows"]["used"] < rows:
            self.blocks.append(self.kept["rows"][: w["rows"]["used"]].copy())
            w["rows"]["used"] = 0
            if w["rows"]["room"] < 2 * rows:
                self._set_pool("rows", lines(2 * rows, at.ROW))
        if w["heap_room"] - w["heap_n"] < at.PENDING_EACH * most:
            room = 2 * int(w["heap_room"]) + at.PENDING_EACH * most
            self._set_heap(longer(self.kept["heap"], int(w["heap_n"]), room))
        rings = [(w["window"], "window", LEAST_ROOM)]
        rings += [(ring, f"fifo {i}", LEAST_ROOM // 2) for i, ring in enumerate(self.kept["fifos"])]
        for ring, name, needed in rings:
            n, mask = int(ring["n"]), int(ring["mask"])
            if mask - n < needed:
                order = (int(ring["first"]) + np.arange(n)) & mask
                array = lines(_power(2 * (mask + 1) + needed), self.kept[name].dtype)
                array[:n] = self.kept[name][order]
                self._set_ring(ring, name, array)
                ring["first"] = 0
        w["short_fifo"] = False
