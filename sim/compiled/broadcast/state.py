"""Lay a broadcast's state out in memory for the kernel, and read what it noted of messages."""

from functools import cache
from typing import Any

import numpy as np

from sim.compiled.broadcast import layout as at
from sim.compiled.broadcast.bus import OF_KAFKA, OF_PUBSUB, OF_STREAM
from sim.compiled.broadcast.ledger import OF_ALL, OF_MAJORITY
from sim.compiled.broadcast.vocabulary import COLD_STARTS, BroadcastWork, NodeWord
from sim.compiled.memory.layout import LIST
from sim.compiled.memory.memory import lines, longer
from sim.compiled.vocabulary import Event, Word
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
    np.isin(np.arange(len(Event)), events)
    for events in (
        (Event.RECEIVED, Event.DELIVERED, Event.ACKED, Event.CONSISTENT),
        (Event.PUBLISHED, Event.GAP, Event.RECOVERED, Event.RESENT),
    )
)
"""Which events are noted with the number of a message, and which with the place of more numbers."""

PARTS = {work: work.name.lower() for work in BroadcastWork} | {
    BroadcastWork.RELAY: "balancer_delivery",
    BroadcastWork.RELAY_MORE: "balancer_delivery_more",
    BroadcastWork.READ: "client_delivery",
    BroadcastWork.READ_MORE: "client_delivery_more",
    BroadcastWork.RELAY_UP: "balancer_word",
    BroadcastWork.RELAY_UP_MORE: "balancer_word_more",
}
"""The part of a host profile that work is; `NO_COST` is none."""


def costs_of(machine: Machine) -> list[Cost]:
    """Return what the parts of a broadcast cost, in the order of `BroadcastWork`.

    What starts cold (`sim.machine.cold_start`) is done in one step.
    """
    free = DISK_PARTS if machine.disk is None else {}

    def cost(work: BroadcastWork) -> Cost:
        if work == BroadcastWork.NO_COST or PARTS[work] in free:
            return Cost.constant(0.0)
        known = machine.cost(PARTS[work])
        return Cost(known.curves) if work in COLD_STARTS else known

    return [cost(work) for work in BroadcastWork]


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
        c["policy"], c["limit_bytes"] = Word.of(scenario.slow_consumer.policy), scenario.slow_consumer.limit_bytes
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
        self._keep("cold_starts", np.full(int(self.world["n_procs"]) * len(COLD_STARTS), -1.0))
        c["unsent"]["first"] = c["unsent"]["last"] = -1
        for name in ("asking", "subscribed", "blocked", "pending_acks"):
            c[name]["first"] = c[name]["last"] = -1
        self._keep("keys", np.zeros(keys, at.KEY))["message"] = -1
        self._keep("pending", np.zeros(keys, at.PENDING))
        self._keep("until", np.full(nodes, scenario.bus.lease))
        for name in ("registered_of", "acked_of"):
            self._keep(name, np.zeros(keys * nodes, np.bool_))
        self._keep("unclaimed", np.zeros(MOST_UNCLAIMED, at.UNCLAIMED))
        self._keep("callers", np.zeros(4, np.int32))
        self._keep("epochs", np.zeros(3 + sum(fault.kind == "bus_down" for fault in scenario.faults), np.int32))
        ends = self._keep("endpoints", np.zeros(nodes + 1, at.ENDPOINT))
        for name in ("stopped", "held", "subscription", "blocked"):
            ends[name] = -1
        fanouts = self._keep("fanouts", np.zeros(nodes, at.FANOUT))
        for name in ("subscription", "reader", "asked", "outbox"):
            fanouts[name] = -1
        fanouts["cursor_epoch"] = fanouts["committed_epoch"] = 1
        fanouts["joined"] = True
        for name in ("seen", "awaiting"):
            fanouts[name]["first"] = fanouts[name]["last"] = -1
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
        for name, dtype, each in (("messaging", at.MESSAGING, 1), ("lists", LIST, at.LISTS), ("scratch", "i4", 1)):
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
        texts = list(Word.texts())
        stamped = self._kept["stamped"][: self.state[0]["stamped"]["used"]]
        names = stamped.tolist()
        which = np.flatnonzero(OF_MESSAGE[event])
        attempt[which], version[which] = -1, stamped["version"][number[which]]
        pairs, rank = distinct(number[which] * len(Word) + places[which], len(names) * len(Word))
        places[which] = len(texts) + rank
        texts += [_text(names[i // len(Word)], texts[i % len(Word)]) for i in pairs.tolist()]
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
    words = [pushed_word(word, node, version) for word in NodeWord.texts() for node in digits for version in digits]
    return np.array(words, np.int64)


def _text(name: tuple[int, int, int], word: str) -> str:
    """Return the detail of an event of a message that is stamped with an epoch, a version and the publisher's key."""
    epoch, _, key = name
    return Received.pack(epoch, key, word)


def _with_more(event: int, numbers: tuple[int, ...], names: list[tuple[int, int, int]]) -> tuple[int, int, str]:
    """Return attempt, version and detail of an event with numbers of its own."""
    w, x, y, z = numbers
    if event == Event.PUBLISHED and y < 0:
        return x, -1, Published.pack(0, w, "unknown", z)
    if event == Event.RECOVERED:
        return -1, y, Recovered.pack(z, "snapshot") if x < 0 else Recovered.pack(z, "replayed", x)
    epoch, version, _ = names[y]
    if event == Event.PUBLISHED:
        return x, version, Published.pack(epoch, w, "acknowledged", z)
    if event == Event.RESENT:
        return x, version, _text(names[y], "")
    return -1, x, Gap.pack(z, epoch, version)
