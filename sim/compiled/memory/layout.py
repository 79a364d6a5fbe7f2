"""How the state of a run lies in memory: records for the kernel, and the numbers that stand for words."""

from typing import Any

import numpy as np

from sim.compiled.toolchain.jit import accessor

WORDS = (
    *("", "503", "502", "timeout", "1006", "1001", "heartbeat", "refused", "reset"),
    *("kill", "hang", "restart", "reload", "outage", "check", "passive", "observed"),
    *("immediate", "fixed", "exponential", "none", "full", "equal", "decorrelated", "backoff", "jittered"),
    *("up", "down", "haproxy", "nginx", "leastconn", "source"),
    *("round_robin", "least_conn", "ip_hash", "shutdown-sessions"),
    *("offset", "around", "list"),
    *("consistent", "random", "roundrobin", "init", "next", "current"),
    *("drain", "1012", "random_two"),
    *("send", "drop", "coalesce", "close", "closed", "buffer", "duplicate", "early", "late"),
    *("bus_down", "bus_cut", "stall", "partition", "delay"),
)
"""Details of events and words of the rules; the kernel knows each by its place."""


def word(text: str) -> int:
    """Return the number of a word."""
    return WORDS.index(text)


NO_WORD, REFUSED_503, REFUSED_502, TIMEOUT, ABNORMAL, GOING_AWAY, HEARTBEAT, REFUSED, RESET = range(9)
KILL, HANG, RESTART, RELOAD, OUTAGE, CHECK, PASSIVE, OBSERVED = range(9, 17)
UP, DOWN, HAPROXY, NGINX, LEAST_CONN, SOURCE = range(26, 32)
NGINX_ROUND_ROBIN, NGINX_LEAST_CONN, IP_HASH, SHUTDOWN_SESSIONS = range(32, 36)
CONSISTENT, RANDOM, ROUND_ROBIN = range(39, 42)
DRAIN, SERVICE_RESTART, RANDOM_TWO = range(45, 48)
SEND, DROP, COALESCE, CLOSE, CLOSED, BUFFER, DUPLICATE, EARLY, LATE = range(48, 57)
BUS_DOWN, BUS_CUT, STALL, PARTITION, DELAY = range(57, 62)

EVENTS = (
    *("attempt_connect", "connected", "connect_failed", "disconnected", "heartbeat_missed", "gave_up"),
    *("marked_down", "marked_up", "node_stopped", "node_started", "fault", "healed"),
    "drained",
    *("published", "received", "delivered", "gap", "recovered", "acked", "resent", "consistent"),
    *("bus_lost", "bus_joined"),
)
"""Names of the events that the kernel notes; it knows each by its place."""
ATTEMPT_CONNECT, CONNECTED, CONNECT_FAILED, DISCONNECTED, HEARTBEAT_MISSED, GAVE_UP = range(6)
MARKED_DOWN, MARKED_UP, NODE_STOPPED, NODE_STARTED, FAULT_BEGAN, HEALED, DRAINED = range(6, 13)
PUBLISHED, RECEIVED, DELIVERED, GAP, RECOVERED, ACKED, RESENT, IS_CONSISTENT, BUS_LOST, BUS_JOINED = range(13, 23)

# What happens at a time. The first five are timers of a loop; EXPIRES, WAKES, FIRED are its three steps.
OF_CLIENT, OF_HANG, OF_RETRY, OF_STOP, OF_DRAIN = range(5)
EXPIRES, WAKES, FIRED = 0, 5, 10
(STEP, RESUME, LOST, ANSWERED, SERVE, FORWARD, SYN_AGAIN, SYN_OVER, ROOM, MARK) = range(15, 25)
(CHECK_BEGINS, CHECK_DUE, CHECK_LATE, CHECK_JUDGED, FAULT, HEAL, HUNG_YET, LEFT_YET, STOPPED, RELOADED) = range(25, 35)
OPEN_TIMEOUT, ANSWERS_GOODBYE, OUTAGE_OVER = range(35, 38)
OF_BROADCAST = 38
"""The first kind of event that only a broadcast has; see `sim.compiled.broadcast.layout`."""

# Items of processes.
(I_CLIENT, I_GOODBYE, I_SERVE, I_REFUSE, I_RELAYED, I_PASSED_ON, I_CUT, I_FRAME_DOWN, I_FRAME_UP, I_NOTHING) = range(10)
(I_ACCEPT, I_HANDSHAKE, I_LEFT, I_LEFT_AFTER, I_GONE, I_CLOSED, I_BOOT, I_CHECK, I_SAY_GOODBYE) = range(10, 19)
I_ENDED, I_FORGOTTEN, I_ABANDONED = range(19, 22)
I_BATCH, I_JOB, I_TASK = range(22, 25)
FIRST_PART, REST, WHOLE = range(3)

# Where a client stands.
(STAYING, CLOSE_WAIT, CLOSING, SLEEPING, DIALLING, REQUESTING, WAITING, OPENING, REFUSING, GONE) = range(10)
NOT_READING = 10

# States of a node.
NODE_UP, NODE_HUNG, NODE_DEAD, NODE_STOPPING, NODE_DRAINING = range(5)

# Costs, and queues of constant delays: timeouts of attempts, and the work of clients with machines of their own.
(DIAL, REQUEST, OPEN, CLIENT_REFUSED, CLIENT_CLOSED, GOODBYE_READ) = range(6)
(B_REQUEST, B_REFUSE, B_RELAY, B_FRAME, B_CLOSE, B_RELEASE, B_CUT, B_ACCEPT, B_ABANDONED) = range(6, 15)
(N_ACCEPT, N_HANDSHAKE, N_EXIT_DELAY, N_EXIT, N_GOODBYE, N_LEAVE, N_FORGET, N_ABANDONED, N_START) = range(15, 24)
COSTS = 24
TIMEOUTS = 6
FIFOS = 7

# Why the kernel returns to Python.
FINISHED, NEEDS_ROOM = range(2)


def record(*columns: tuple[Any, str]) -> np.dtype[Any]:
    """Return a record of some types, each with the names of the fields that have it, in the order in which they lie."""
    return np.dtype([(name, kind) for kind, names in columns for name in names.split()], align=True)


F8, I8, I4, B1 = (record((kind, "v")) for kind in ("f8", "i8", "i4", "?"))
EVENT = record(("f8", "t"), ("i8", "eid"), ("i4", "kind a b"))
MOMENT = record(("i4", "kind a b"))
STEPS = record(("f8", "t"), ("i8", "eid process"))
TIMED = record(("f8", "t"), ("i8", "eid"), ("i4", "a b"))
RING = record(("i8", "data first n mask"), ("f8", "delay"))
ITEM = record(("f8", "asleep"), ("i4", "a b"), ("i1", "kind cost stage hops"), ("?", "eager ends"))
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
PROCESS = record(
    ("f8", "place lag deadline over_since off_since woken asleep_since slept threads_place"),
    ("i8", "load more warm rests threads"),  # more: connections of batches that wait, beyond one each
    (ITEM, "item"),
    ("i4", "cores core first first_place last last_place"),
    ("?", "busy ready stopped gives_way"),
)
CORES = record(("f8", "mean"), ("i8", "rests"), ("i4", "idle idles waiting waits running runs pace"))
PACE = record(("f8", "start until"), ("i8", "offset length level"))  # until: as long as the level is known
COST = record(("f8", "first"), ("i8", "offset"), ("i4", "length hops"))
CLIENT = record(
    ("f8", "previous since first_beat"),
    ("i4", "waits failed attempts draws tunnel attempt loss state"),
    ("i8", "unused"),
)
CLIENT_SIZE = CLIENT.itemsize
TUNNEL = record(
    ("i4", "client next prev generation order"),
    ("i2", "server refs"),
    ("i1", "lost reason closing half_closed"),
    ("?", "opened client_left upstream_gone listed ended"),
)
ATTEMPT = record(
    ("f8", "left"),
    ("i8", "mask"),
    ("i4", "client server generation answer queue next prev"),
    ("i2", "tried last refs"),
    ("i1", "state syn"),
    ("?", "listed moves taken"),
    ("i4", "unused"),
)
ATTEMPT_SIZE, TUNNEL_SIZE = ATTEMPT.itemsize, TUNNEL.itemsize
NODE = record(
    ("f8", "hung_at"),
    ("i8", "table proc"),
    ("i4", "hangs opening backlog backlog_last backlog_n tunnels tunnels_last tunnels_n waiting waiting_last state"),
    ("i4", "life half_closed"),
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
    ("i8", "steps n_leaves step_gap"),
    ("?", "has_gap quiet"),  # quiet: nothing but moments happens at the present time
    (RING, "moments urgent"),
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
event_at, moment_at, timed_at, ring_at = (accessor(kind) for kind in (EVENT, MOMENT, TIMED, RING))
step_at = accessor(STEPS)
item_at, process_at, cores_at, pace_at = (accessor(kind) for kind in (ITEM, PROCESS, CORES, PACE))
cost_at, client_at, tunnel_at, attempt_at = (accessor(kind) for kind in (COST, CLIENT, TUNNEL, ATTEMPT))
block_at, bucket_at = accessor(BLOCK, BLOCK_SIZE), accessor(BUCKET)
node_at, checker_at, peer_at, fault_at = (accessor(kind) for kind in (NODE, CHECKER, PEER, FAULTS))
mark_at, row_at, loss_at, place_at = (accessor(kind) for kind in (MARKS, ROW, LOSS, PLACE))
