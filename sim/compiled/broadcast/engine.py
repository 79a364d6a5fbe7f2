"""Lay a broadcast's state out in memory for the kernel, and read what it noted of messages."""

from functools import cache
from typing import Any

import numpy as np

from sim.compiled.broadcast import layout as at
from sim.compiled.broadcast.bus import OF_KAFKA, OF_PUBSUB, OF_STREAM
from sim.compiled.broadcast.ledger import OF_ALL, OF_MAJORITY
from sim.compiled.memory import layout
from sim.compiled.memory.memory import lines, longer
from sim.machine.machine import Machine
from sim.machine.process import Cost
from twin.costs.broadcast import DISK_PARTS
from twin.costs.profile import HostProfile
from twin.record.columns import Row, Words, distinct
from twin.record.events import TYPES, Gap, Published, Received, Recovered
from twin.rules.consistency import MOST_UNCLAIMED
from twin.rules.frames import message_frame, pushed_message, pushed_word
from twin.rules.output_buffer import connections, look_every
from twin.scenario.scenario import Scenario

Array = np.ndarray[Any, Any]

POOLS = {
    "cells": at.CELL,
    "frames": at.FRAME,
    "batches": at.BATCH,
    "jobs": at.JOB,
    "parcels": at.PARCEL,
    "calls": at.CALL,
    "commands": at.COMMAND,
    "tasks": at.TASK,
    "stamped": at.STAMPED,
    "subscriptions": at.SUBSCRIPTION,
    "awaitings": at.AWAITING,
    "holes": at.HOLE,
    "noted": at.NOTED,
}
KINDS = {"pubsub": OF_PUBSUB, "stream": OF_STREAM, "kafka": OF_KAFKA}
THRESHOLDS: dict[str | int, int] = {"all": OF_ALL, "majority": OF_MAJORITY}
OF_MESSAGE, WITH_MORE = (
    np.isin(np.arange(len(layout.EVENTS)), events)
    for events in (
        (layout.RECEIVED, layout.DELIVERED, layout.ACKED, layout.IS_CONSISTENT),
        (layout.PUBLISHED, layout.GAP, layout.RECOVERED, layout.RESENT),
    )
)
"""Which events are noted with the number of a message, and which with the place of more numbers."""

COSTED = (
    *("bus_stamp", "bus_publish", "bus_command", "bus_read", "publisher_ack"),
    *("bus_sync", "publisher_send", "publisher_answer"),
    *("node_poll", "node_receive", "node_ack", "node_answer"),
    *("node_fanout", "node_fanout_more", "node_read", "balancer_delivery", "balancer_delivery_more"),
    *("client_delivery", "client_delivery_more", "client_send", "bus_word", "balancer_word", "balancer_word_more"),
)
"""Parts in the order of their costs in the kernel."""
COLD_STARTS = slice(at.COLD_STARTS[0] - layout.COSTS, at.COLD_STARTS[-1] + 1 - layout.COSTS)
"""Those that are done in one step; see `sim.machine.cold_start`."""


def costs_of(machine: Machine) -> list[Cost]:
    """Return what the parts of a broadcast cost, in the order of `sim.compiled.broadcast.layout`."""
    free = DISK_PARTS if machine.disk is None else {}
    found = [Cost.constant(0.0) if name in free else machine.cost(name) for name in COSTED]
    found[COLD_STARTS] = [Cost(cost.curves) for cost in found[COLD_STARTS]]
    found.append(Cost.constant(0.0))
    assert len(found) == at.BROADCAST_COSTS
    return found


class Broadcast:
    """The state of a broadcast.

    Args:
        scenario: what runs; it has a publisher.
        machine: costs of the host.
        profile: where they come from.
        world: the kernel's record of the run, whose processes, tunnels and rows are laid out already.
    """

    def __init__(self, scenario: Scenario, machine: Machine, profile: HostProfile, world: Any) -> None:
        profile.must_know_broadcast()
        self.scenario = scenario
        self.world = world
        self.state = np.zeros(1, at.BROADCAST)
        self._kept: dict[str, Array] = {}
        world["broadcast"] = self.state.ctypes.data
        c = self.state[0]
        assert scenario.publisher is not None
        c["bus_start"] = profile.lone("bus_start", machine.host_quantile)
        payload, u = scenario.publisher.payload_bytes, machine.host_quantile
        c["bus_room"], c["room"] = profile.bus_path(payload, u), round(profile.path(payload, u))
        if machine.disk is not None:
            c["disk"], (c["disk_rested"], c["disk_at_once"]) = True, machine.disk
        c["bus"], c["publisher"] = world["n_procs"] - 2, world["n_procs"] - 1
        self._settings(c)
        self._empty(c)

    def _settings(self, c: Any) -> None:
        scenario, bus = self.scenario, self.scenario.bus
        publisher, clients = scenario.publisher, scenario.clients
        assert publisher is not None
        c["kind"], c["threshold"] = KINDS[bus.kind], THRESHOLDS.get(publisher.threshold, publisher.threshold)
        c["of_client"], c["payload"] = publisher.scope == "client", publisher.payload_bytes
        c["message_frame"] = message_frame(publisher.payload_bytes)
        c["pushed_message"] = pushed_message(publisher.payload_bytes)
        self._keep("words", _words_of_nodes())
        c["recover"], c["on_reconnect"] = clients.recovery.recover, clients.recovery.on_reconnect
        c["question_timeout"], c["persist"] = clients.recovery.timeout, bus.persist
        c["max_length"], c["window"], c["lease"] = bus.max_length, bus.idempotency_window, bus.lease
        c["commit_interval"] = bus.commit_interval
        for name in ("base", "cap", "timeout"):
            c[f"retry_{name}"] = getattr(bus.retry, name)
        c["retries"], c["max_resends"], c["ack_timeout"] = (
            bus.retry.retries,
            publisher.max_resends,
            publisher.ack_timeout,
        )
        c["policy"], c["limit_bytes"] = layout.word(scenario.slow_consumer.policy), scenario.slow_consumer.limit_bytes
        for name in ("hard_bytes", "soft_bytes", "soft_seconds"):
            c[name] = getattr(bus.output_buffer, name)
        c["look_every"] = look_every(connections(scenario.nodes.count, bus.kind))
        self._keep("times", np.array(publisher.times(scenario.duration)))
        c["n_keys"] = len(self._kept["times"])

    def _keep(self, name: str, array: Array) -> Array:
        """Keep an array alive and tell the kernel where it is."""
        self._kept[name] = array
        self.state[0][name] = array.ctypes.data
        return array

    def _empty(self, c: Any) -> None:
        """Nobody has said anything yet, and all nodes are registered."""
        scenario, keys, nodes = self.scenario, int(c["n_keys"]) + 1, self.scenario.nodes.count
        c["epoch"], c["up"], c["caller_of"] = 1, True, -1
        c["disk_idle_since"] = -1.0
        self._keep("cold_starts", np.full(int(self.world["n_procs"]) * len(at.COLD_STARTS), -1.0))
        c["unsent"]["first"] = c["unsent"]["last"] = -1
        for name in ("asking", "subscribed", "blocked", "pending"):
            c[f"first_{name}"] = c[f"last_{name}"] = -1
        self._keep("keys", np.zeros(keys, at.KEY))["message"] = -1
        self._keep("pending", np.zeros(keys, at.PENDING))
        self._keep("until", np.full(nodes, scenario.bus.lease))
        for name in ("registered_of", "acked_of"):
            self._keep(name, np.zeros(keys * nodes, np.bool_))
        self._keep("unclaimed", np.zeros(MOST_UNCLAIMED, at.UNCLAIMED))
        self._keep("callers", np.zeros(4, np.int32))
        self._keep("epochs", np.zeros(3 + sum(fault.kind == "bus_down" for fault in scenario.faults), np.int32))
        ends = self._keep("endpoints", np.zeros(nodes + 1, at.ENDPOINT))
        for name in ("stopped", "held", "subscription", "before", "after", "blocked"):
            ends[name] = -1
        fanouts = self._keep("fanouts", np.zeros(nodes, at.FANOUT))
        for name in ("subscription", "reader", "asked", "outbox", "awaiting", "last_awaiting"):
            fanouts[name] = -1
        fanouts["cursor_epoch"] = fanouts["committed_epoch"] = 1
        fanouts["joined"] = True
        fanouts["seen"]["first"] = fanouts["seen"]["last"] = -1
        subscribers = self._keep("subscribers", np.zeros(scenario.clients.count, at.SUBSCRIBER))
        subscribers["tunnel"] = -1
        for name in ("early", "holes"):
            subscribers[name]["first"] = subscribers[name]["last"] = -1
        most = self._most()
        for name, dtype in POOLS.items():
            self.state[0][name]["free"] = -1
            self._set_pool(name, lines(2 * most, dtype))
        self.follow_tunnels()

    def _most(self) -> int:
        """Return the most places of a kind that the kernel may take before it looks again whether there is room."""
        scenario, parcels = self.scenario, int(self.state[0]["parcels"]["used"])
        return at.SPARE + at.EACH * (scenario.clients.count + scenario.nodes.count) + parcels

    def _set_pool(self, name: str, array: Array) -> None:
        self._kept[name] = array
        pool = self.state[0][name]
        pool["data"], pool["room"] = array.ctypes.data, len(array)
        if name == "batches":
            before = self._kept.get("bundles")
            bundles = lines(len(array) * at.MOST_OF_BATCH, at.BUNDLE)
            if before is not None:
                bundles[: len(before)] = before
            self._keep("bundles", bundles)

    def make_room(self) -> int:
        """Double what is short, and return how many places the kernel wants to find free of each kind."""
        most = self._most()
        for name in POOLS:
            used, room = (int(self.state[0][name][key]) for key in ("used", "room"))
            if room - used < most:
                self._set_pool(name, longer(self._kept[name], used, 2 * room + most))
        return most

    def follow_tunnels(self) -> None:
        """Have room for what each tunnel has besides."""
        tunnels = int(self.world["tunnels"]["room"])
        for name, dtype, each in (("messaging", at.MESSAGING, 1), ("lists", at.LIST, at.LISTS), ("scratch", "i4", 1)):
            before = self._kept.get(name)
            if before is None or len(before) < tunnels * each:
                self._keep(
                    name,
                    lines(tunnels * each, dtype) if before is None else longer(before, len(before), tunnels * each),
                )

    # What was noted

    def told(self, noted: Array) -> tuple[Array, Array, Words]:
        """Return attempts, versions and details of the kernel's rows, those of messages among them."""
        event, number = noted["event"], noted["attempt"].astype(np.int64)
        attempt, version, places = number.copy(), np.full(len(noted), -1), noted["detail"].astype(np.int64)
        texts = list(layout.WORDS)
        stamped = self._kept["stamped"][: self.state[0]["stamped"]["used"]]
        names = stamped.tolist()
        which = np.flatnonzero(OF_MESSAGE[event])
        attempt[which], version[which] = -1, stamped["version"][number[which]]
        pairs, rank = distinct(number[which] * len(layout.WORDS) + places[which], len(names) * len(layout.WORDS))
        places[which] = len(texts) + rank
        texts += [_text(names[i // len(layout.WORDS)], layout.WORDS[i % len(layout.WORDS)]) for i in pairs.tolist()]
        which = np.flatnonzero(WITH_MORE[event])
        places[which] = len(texts) + np.arange(len(which))
        more = zip(event[which].tolist(), self._kept["noted"][number[which]].tolist(), strict=True)
        told = [_with_more(kind, numbers, names) for kind, numbers in more]
        attempt[which], version[which] = [one[0] for one in told], [one[1] for one in told]
        return attempt, version, Words(places, texts + [one[2] for one in told])

    def buffers(self) -> list[Row]:
        """Return the most bytes that waited at each node for its clients, and on the bus for each node."""
        nodes, ends = self._kept["fanouts"], self._kept["endpoints"][1:]
        return [
            (float(when), event, -1, number, -1, -1, TYPES[event].pack(int(waiting)))
            for number in range(1, len(nodes) + 1)
            for event, waiting, when in (
                ("node_buffer", nodes[number - 1]["most_waiting"], nodes[number - 1]["waiting_at"]),
                ("bus_buffer", ends[number - 1]["most_counted"], ends[number - 1]["counted_at"]),
            )
            if waiting
        ]

    def unfinished(self) -> list[Row]:
        """Return the row of a message whose outcome is unknown at the end of the run, if there is one."""
        c = self.state[0]
        if c["under_way"] == 0:
            return []
        tries = int(self._kept["tasks"][0]["tries"])
        detail = Published.pack(0, int(c["under_way"]), "unknown", int(c["registered"]))
        return [(float(c["asked"]), "published", -1, -1, max(1, tries), -1, detail)]


@cache
def _words_of_nodes() -> Array:
    """Return the bytes of each word of a node, by the digits of its number and of a version; the kernel only reads."""
    digits = [10**n // 10 for n in range(at.MOST_DIGITS)]
    words = [pushed_word(word, node, version) for word in at.WORDS_OF_NODES for node in digits for version in digits]
    return np.array(words, np.int64)


def _text(name: tuple[int, int, int], word: str) -> str:
    """Return the detail of an event of a message that is stamped with an epoch, a version and the publisher's key."""
    epoch, _, key = name
    return Received.pack(epoch, key, word)


def _with_more(event: int, numbers: tuple[int, ...], names: list[tuple[int, int, int]]) -> tuple[int, int, str]:
    """Return attempt, version and detail of an event with numbers of its own."""
    w, x, y, z = numbers
    if event == layout.PUBLISHED and y < 0:
        return x, -1, Published.pack(0, w, "unknown", z)
    if event == layout.RECOVERED:
        return -1, y, Recovered.pack(z, "snapshot") if x < 0 else Recovered.pack(z, "replayed", x)
    epoch, version, _ = names[y]
    if event == layout.PUBLISHED:
        return x, version, Published.pack(epoch, w, "acknowledged", z)
    if event == layout.RESENT:
        return x, version, _text(names[y], "")
    return -1, x, Gap.pack(z, epoch, version)
