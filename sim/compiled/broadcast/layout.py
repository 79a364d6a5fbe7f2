"""How the state of a broadcast lies in memory.

What a message needs is never given back within a run, and neither is a tunnel: a number stands for the same one for
ever. A place in the sequence of all messages, (epoch, version), is one number where only its order matters.
"""

from typing import Any

from sim.compiled.broadcast.vocabulary import Lane
from sim.compiled.memory.chains import chained
from sim.compiled.memory.layout import LINK, LIST, POOL, record
from sim.compiled.toolchain.jit import accessor, jit

LISTS = len(Lane)
"""Lists of a tunnel."""
MOST_DIGITS = 11
"""Digits of the largest number of a node or a message, and one more."""

SPARE, EACH = 8192, 20
"""Places of a kind that the events between two looks at the room may take: some, and so many a client and a node."""

CELL = record(("i4", "next value"))
FRAME = record(("i4", "message size left epoch version behind"), ("i1", "kind"))
BATCH = record(("f8", "total span"), ("i4", "owner n next"), ("i1", "lane"))
MOST_OF_BATCH = 8
BUNDLE = record(("i4", "tunnel first last"))
JOB = record(("i4", "a b node life"), ("i1", "kind"))
PARCEL = record(("i4", "a b link next"), ("i1", "kind"), ("?", "up"))
CALL = record(
    ("i4", "task serial link commands n done"),
    (LINK, "among_asking"),
    ("i4", "epoch version found committed_epoch committed_version"),
    ("?", "asking triggered ok fetches"),
)
COMMAND = record(("i4", "kind cost a b node life task next epoch version behind value"), ("?", "fresh recovered"))
TASK = record(
    ("i4", "kind state serial node life proc call failures tries key commands n next"),
    ("i4", "epoch version tunnel reason step"),
    (LIST, "list"),
    ("?", "first_came came waits broken ok"),
)
STAMPED = record(("i4", "epoch version key"))
BUS_BUFFER = record(("i8", "waiting size added origin seen since"))
SUBSCRIPTION = record(("i8", "waiting kept"), (BUS_BUFFER, "buffer"), ("i4", "link life"), ("?", "open watched"))
ENDPOINT = record(
    ("f8", "delay free_up free_down counted_at"),
    ("i8", "most_counted"),
    ("i4", "cuts stopped last_stopped held last_held"),
    ("i4", "subscription blocked draws"),
    (LINK, "among_subscribed among_blocked"),
)
AWAITING = record(("i4", "node epoch version count"), (LINK, "link"), ("?", "on"))
OUTLET = record(("i8", "policy limit_bytes"), ("?", "owes_snapshot"))
MESSAGING = record(("i8", "in_flight standing"), (OUTLET, "outlet"), ("?", "has_outlet"))
SUBSCRIBER = record(
    ("i8", "highest"),
    ("i4", "tunnel questions stalls waits_for epoch version n_early n_holes"),
    (LIST, "early"),
    (LIST, "holes"),
    ("?", "stalled asking"),
)
HOLE = record(("i4", "next low high"))
FANOUT = record(
    ("i8", "newest most_waiting"),
    ("f8", "waiting_at"),
    ("i4", "life subscription reader asked outbox last_outbox n_outbox"),
    (LIST, "awaiting"),
    ("i4", "cursor_epoch cursor_version committed_epoch committed_version"),
    ("i4", "seen_epoch seen_floor"),
    (LIST, "seen"),
    ("?", "ended joined speaking"),
)
PENDING = record(("f8", "due"), ("i4", "message resends again registered"), (LINK, "link"), ("?", "on consistent"))
KEY = record(("f8", "expires"), ("i4", "message"))
UNCLAIMED = record(("i4", "node epoch version"))
NOTED = record(("i4", "w x y z"))

BROADCAST = record(
    # settings
    ("i8", "kind threshold max_length payload room message_frame pushed_message words"),
    ("?", "of_client recover on_reconnect persist disk"),
    ("f8", "window lease commit_interval retry_base retry_cap retry_timeout question_timeout ack_timeout bus_start"),
    ("f8", "disk_rested disk_at_once"),
    ("i8", "retries max_resends policy limit_bytes hard_bytes soft_bytes soft_seconds"),
    ("f8", "bus_room look_every"),
    ("i8", "n_keys bus publisher"),
    # the broker
    ("i8", "epoch version life"),
    ("f8", "disk_idle_since"),
    (LIST, "unsent asking subscribed blocked pending_acks"),
    ("?", "up syncing"),
    # the publisher
    ("f8", "last_step asked"),
    ("i8", "under_way registered n_unclaimed caller_of n_callers"),
    ("?", "timing"),
    # records
    ("i8", "times keys pending until registered_of acked_of unclaimed callers epochs endpoints fanouts subscribers"),
    ("i8", "messaging lists scratch cold_starts"),  # cold_starts: when each process did each of them last
    (POOL, "cells frames batches jobs parcels calls commands tasks stamped subscriptions awaitings holes noted"),
    ("i8", "bundles"),
)

(list_at, cell_at, frame_at, batch_at) = (accessor(one) for one in (LIST, CELL, FRAME, BATCH))
(bundle_at, job_at, parcel_at, call_at) = (accessor(one) for one in (BUNDLE, JOB, PARCEL, CALL))
(command_at, task_at, stamped_at) = (accessor(one) for one in (COMMAND, TASK, STAMPED))
(subscription_at, endpoint_at, awaiting_at) = (accessor(one) for one in (SUBSCRIPTION, ENDPOINT, AWAITING))
(messaging_at, subscriber_at, hole_at, fanout_at) = (accessor(one) for one in (MESSAGING, SUBSCRIBER, HOLE, FANOUT))
(pending_at, key_at, unclaimed_at, noted_at) = (accessor(one) for one in (PENDING, KEY, UNCLAIMED, NOTED))
_broadcast_at = accessor(BROADCAST)

append_asking, unlink_asking, asking_behind = chained(CALL, "among_asking")
append_subscribed, unlink_subscribed, subscribed_behind = chained(ENDPOINT, "among_subscribed")
append_blocked, unlink_blocked, blocked_behind = chained(ENDPOINT, "among_blocked")
append_pending, unlink_pending, pending_behind = chained(PENDING, "link")
append_awaiting, unlink_awaiting, awaiting_behind = chained(AWAITING, "link")


@jit
def cast(w: Any) -> Any:
    """Return what only a world with a publisher has."""
    return _broadcast_at(w.broadcast, 0)


@jit
def place(epoch: int, version: int) -> int:
    """Return where a message stands in the sequence of all."""
    return (epoch << 32) | version
