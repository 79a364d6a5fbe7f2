"""How the state of a run lies in memory: records for the kernel."""

from typing import Any

import numpy as np

from sim.compiled.toolchain.jit import accessor


def record(*columns: tuple[Any, str]) -> np.dtype[Any]:
    """Return a record of some types, each with the names of the fields that have it, in the order in which they lie."""
    return np.dtype([(name, kind) for kind, names in columns for name in names.split()], align=True)


F8, I8, I4, B1 = (record((kind, "v")) for kind in ("f8", "i8", "i4", "?"))
EVENT = record(("f8", "t"), ("i8", "eid"), ("i4", "kind a b"))
TIMED = record(("f8", "t"), ("i8", "eid"), ("i4", "a b"))
RING = record(("i8", "data first n mask"), ("f8", "delay"))
ITEM = record(("f8", "asleep"), ("i4", "a b"), ("i1", "kind cost stage hops"), ("?", "eager ends"))
LIST = record(("i4", "first last"))
LINK = record(("i4", "next prev"))
"""What a record has for each list that it may be in; see `sim.compiled.memory.chains`."""
BLOCK = record(("i4", "next unused"))
PER_BLOCK = 21
"""Items or timers that lie beside each other in memory; with its head a block of them takes 512 bytes."""
BLOCK_SIZE = BLOCK.itemsize + PER_BLOCK * ITEM.itemsize
ALIGNED_BLOCK = np.dtype((np.void, BLOCK_SIZE))
BUCKETS = 1 << 10
"""Buckets of the wheel of timers."""
SLOTS = 1 << 12
"""Most parts into which the timers of a bucket are sorted at first."""
BUCKET = record(("i4", "first last n place"))  # place: entries of the last block
PENDING_EACH = 3
"""Most events of one thing that the heap may get between two looks at its room: later, now, and an urgent one."""
PROCESS = record(
    ("f8", "place lag deadline over_since off_since woken asleep_since slept threads_place"),
    ("i8", "load more warm threads"),  # more: connections of batches that wait, beyond one each
    (ITEM, "item"),
    ("i4", "cores core first first_place last last_place"),
    ("?", "busy ready stopped gives_way"),
)
CORES = record(
    ("f8", "mean filler idle_since"),
    ("i4", "idle idles waiting waits running runs delayed delays pace"),  # delayed: who sleeps and is in the queue
)
PACE = record(("f8", "start until"), ("i8", "offset length level"))  # until: as long as the level is known
COST = record(("f8", "first"), ("i8", "offset"), ("i4", "length hops"))
CLIENT = record(
    ("f8", "previous since first_beat"),
    ("i4", "waits failed attempts draws tunnel attempt loss state"),
    ("i8", "unused"),
)
CLIENT_SIZE = CLIENT.itemsize
TUNNEL = record(
    ("i4", "client"),
    (LINK, "link"),
    ("i4", "generation order"),
    ("i2", "server refs"),
    ("i1", "lost reason closing half_closed"),
    ("?", "opened client_left upstream_gone listed ended"),
)
ATTEMPT = record(
    ("f8", "left"),
    ("i8", "mask"),
    ("i4", "client server generation answer"),
    (LINK, "queue link"),  # at its node: to be accepted, to be answered
    ("i2", "tried last refs"),
    ("i1", "state syn"),
    ("?", "listed moves taken"),
)
ATTEMPT_SIZE, TUNNEL_SIZE = ATTEMPT.itemsize, TUNNEL.itemsize
NODE = record(
    ("f8", "hung_at"),
    ("i8", "table proc"),
    (LIST, "backlog tunnels waiting"),
    ("i4", "hangs opening backlog_n tunnels_n state life half_closed"),
    ("?", "accepting ready"),
)
CHECKER = record(("i8", "fall rise streak"), ("i4", "server generation serial life"), ("?", "up fresh done judged"))
PEER = record(("i8", "max_fails fail_timeout fails checked accessed"))
PLACE = record(("i8", "tree"), ("?", "queued"), ("i8", "key order npos lpos rweight"))
TURN = record(("i8", "length next_length position clock"))
FAULTS = record(
    ("f8", "at duration lead pace delay began"),
    ("i4", "kind node client left"),  # left: pieces of a node's start
    (BUCKET, "tunnels"),
    ("i4", "closed"),
)
MARKS = record(("f8", "t"), ("i4", "node"), ("?", "up"))
RULE = record(
    ("f8", "base factor cap spread stable_time"),
    ("i8", "max_attempts policy jitter first lows highs n_delays"),
    ("?", "stops"),
)
ROW = record(("f8", "t"), ("i4", "client attempt node"), ("i1", "event detail"))
LOSS = np.dtype([("t", "f8"), ("back", "f8"), ("client", "i4")])
POOL = record(("i8", "data free used room"))

WORLD = record(
    ("f8", "now next_t"),
    ("i8", "eid"),
    ("f8", "duration"),
    ("i8", "seed replication processed"),
    # settings
    (RULE, "reconnect"),
    ("f8", "interval timeout close_timeout warm_up connect_rate"),
    ("i8", "n_clients n_nodes per_process addresses backlog"),
    ("?", "nginx separate merges unseen shutdown marks_given"),
    ("i8", "algorithm retries redispatch"),
    ("f8", "connect_timeout hard_stop inter check_timeout check_overhead phase balancer_start node_stop"),
    ("f8", "start_share"),  # of a node's start that is done in one go
    ("i8", "start_pieces"),
    ("f8", "table_growth time_slice most_lag tick clock"),
    ("i8", "levels machine_cores contention_steps at_work"),
    # the balancer
    ("i8", "generation life away"),
    ("?", "listening short_fifo"),
    ("i8", "balancer first_swarm"),
    # records
    ("i8", "clients nodes procs n_procs cores paces series costs tables lones wakes lists checkers peers"),
    ("i8", "faults n_faults marks n_marks fall rise max_fails fail_timeout usable up connections order current"),
    ("i8", "weights points owners n_points balance_draws places"),
    (TURN, "turn"),
    # what is pending
    ("i8", "heap heap_n heap_room"),
    ("?", "has_gap"),
    ("i8", "fifos heads first_fifo wheel"),
    ("f8", "wheel_rate curve_step"),
    ("i8", "wheel_bucket wheel_n slots soon soon_copy soon_first soon_n ahead_who ahead_counts ahead_drawn"),
    # what comes and goes
    (POOL, "blocks tunnels attempts"),
    ("i8", "for_timers"),
    ("i8", "tunnels_made"),
    # what is written down
    ("?", "full"),
    (POOL, "rows losses"),
    ("f8", "first_fault"),
    ("i8", "connected least_connected last_rise tried gave_up affected"),
    (RING, "window"),
    ("i8", "peak times n_times curve edges n_edges tries held failed"),
    ("i8", "broadcast"),  # what only a world with a publisher has: where it is
)

f8_at, i8_at, i4_at, b1_at = (accessor(kind) for kind in (F8, I8, I4, B1))
event_at, timed_at, ring_at = (accessor(kind) for kind in (EVENT, TIMED, RING))
item_at, process_at, cores_at, pace_at = (accessor(kind) for kind in (ITEM, PROCESS, CORES, PACE))
cost_at, client_at, tunnel_at, attempt_at = (accessor(kind) for kind in (COST, CLIENT, TUNNEL, ATTEMPT))
block_at, bucket_at = accessor(BLOCK, BLOCK_SIZE), accessor(BUCKET)
node_at, checker_at, peer_at, fault_at = (accessor(kind) for kind in (NODE, CHECKER, PEER, FAULTS))
mark_at, row_at, loss_at, place_at = (accessor(kind) for kind in (MARKS, ROW, LOSS, PLACE))
