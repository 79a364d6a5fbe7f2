"""How the state of a broadcast lies in memory.

What a message needs is never given back within a run, and neither is a tunnel: a number stands for the same one for
ever. A place in the sequence of all messages, (epoch, version), is one number where only its order matters.
"""

from typing import Any

from sim.compiled.memory.layout import COSTS, OF_BROADCAST, POOL, record
from sim.compiled.toolchain.jit import accessor, jit

# Costs, behind those of connections. Those of a habit depend on how long ago the same process did the same.
(BUS_STAMP, BUS_PUBLISH, BUS_COMMAND, BUS_READ, PUBLISHER_ACK) = range(COSTS, COSTS + 5)
(BUS_SYNC, PUBLISHER_SEND, PUBLISHER_ANSWER) = range(COSTS + 5, COSTS + 8)
(NODE_POLL, NODE_RECEIVE, NODE_ACK, NODE_ANSWER) = range(COSTS + 8, COSTS + 12)
COLD_STARTS = (BUS_SYNC, PUBLISHER_SEND, PUBLISHER_ANSWER, NODE_POLL, NODE_RECEIVE, NODE_ACK, NODE_ANSWER)
(NODE_FANOUT, NODE_FANOUT_MORE, NODE_READ, RELAY, RELAY_MORE, READ, READ_MORE, CLIENT_SEND) = range(
    COSTS + 12, COSTS + 20
)
(BUS_WORD, RELAY_UP, RELAY_UP_MORE) = range(COSTS + 20, COSTS + 23)
NO_COST = COSTS + 23
BROADCAST_COSTS = 24

# What happens at a time.
(TASK_BEGINS, TASK_GOES_ON, TIMER_EXPIRES, TIMER_WAKES, TIMER_FIRED) = range(OF_BROADCAST, OF_BROADCAST + 5)
(ANSWER_CAME, FIRST_OF_TWO, ONE_OF_ALL, TRY_OVER, PARCEL_ARRIVES) = range(OF_BROADCAST + 5, OF_BROADCAST + 10)
(QUESTION_DUE, READS_AGAIN, CALLER_FREE, BUS_STARTED, BROKE) = range(OF_BROADCAST + 10, OF_BROADCAST + 15)
(ON_DISK, BUFFER_LOOK) = range(OF_BROADCAST + 15, OF_BROADCAST + 17)

# The frames that wait for a connection: one list for each lane on the way, and those that wait for its client.
DOWN, RELAYED, ARRIVING, ASKING, RELAYED_UP, HEARD, HELD, AWAITED = range(8)
LISTS = 8
"""Lists of a tunnel: those of its lanes, what is held, and the messages that it is awaited for."""

# What a frame is.
MESSAGE, ANSWER, SNAPSHOT, STANDING, QUESTION = range(5)

# What is to be done by the bus, the publisher or a node, besides what waits for a task.
(RECEIVE, EXECUTE, LOOK, PUSH, HEAR) = range(5)
(SYNCED, RELEASE, REPLY) = range(5, 8)

# What the bus is asked to do.
(STAMP, SEND_AGAIN, SUBSCRIBE, SUBSCRIBE_PUBLISHER, RECOVER, TELL) = range(6)

# Words of a node to the publisher.
ACK, ALIVE, BYE = range(3)
WORDS_OF_NODES = ("ack", "alive", "bye")
MOST_DIGITS = 11
"""Digits of the largest number of a node or a message, and one more."""

# What passes over a link.
(CARRY_CALL, CARRY_FETCH, CARRY_ANSWER, CARRY_REFUSAL, CARRY_MESSAGE, CARRY_WORD, CARRY_LOSS) = range(7)

# Processes of the model, in the sense of SimPy.
(PUBLISH, WATCH, RESEND, REJOIN, SIGNS, READING, COMMIT, JOIN, LOOK_UP, SPEAK, STALLED) = range(11)

SPARE, EACH = 8192, 20
"""Places of a kind that the events between two looks at the room may take: some, and so many a client and a node."""

LIST = record(("i4", "first last"))
CELL = record(("i4", "next value"))
FRAME = record(("i4", "message size left epoch version behind"), ("i1", "kind"))
BATCH = record(("f8", "total span"), ("i4", "owner n next"), ("i1", "lane"))
MOST_OF_BATCH = 8
BUNDLE = record(("i4", "tunnel first last"))
JOB = record(("i4", "a b node life"), ("i1", "kind"))
PARCEL = record(("i4", "a b link next"), ("i1", "kind"), ("?", "up"))
CALL = record(
    ("i4", "task serial link commands n done before after epoch version found committed_epoch committed_version"),
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
    ("i4", "subscription before after blocked blocked_before blocked_after draws"),
)
AWAITING = record(("i4", "node epoch version count before after"), ("?", "on"))
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
    ("i4", "life subscription reader asked outbox last_outbox n_outbox awaiting last_awaiting"),
    ("i4", "cursor_epoch cursor_version committed_epoch committed_version"),
    ("i4", "seen_epoch seen_floor"),
    (LIST, "seen"),
    ("?", "ended joined speaking"),
)
PENDING = record(("f8", "due"), ("i4", "message resends before after again registered"), ("?", "on consistent"))
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
    ("i8", "epoch version life first_asking last_asking"),
    ("f8", "disk_idle_since"),
    (LIST, "unsent"),
    ("?", "up syncing"),
    ("i8", "first_subscribed last_subscribed first_blocked last_blocked"),
    # the publisher
    ("f8", "last_step asked"),
    ("i8", "under_way registered n_unclaimed first_pending last_pending caller_of n_callers"),
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


@jit
def cast(w: Any) -> Any:
    """Return what only a world with a publisher has."""
    return _broadcast_at(w.broadcast, 0)


@jit
def place(epoch: int, version: int) -> int:
    """Return where a message stands in the sequence of all."""
    return (epoch << 32) | version
