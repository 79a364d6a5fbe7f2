"""How the state of a run lies in memory: records for the kernel, and the numbers that stand for words."""

from typing import Any

import numpy as np

from sim.compiled.jit import accessor

WORDS = (
    *("", "503", "502", "timeout", "1006", "1001", "heartbeat", "refused", "reset"),
    *("kill", "hang", "restart", "reload", "outage", "check", "passive", "observed"),
    *("immediate", "fixed", "exponential", "none", "full", "equal", "decorrelated", "backoff", "jittered"),
    *("up", "down", "haproxy", "nginx", "leastconn", "source"),
    *("round_robin", "least_conn", "ip_hash", "shutdown-sessions"),
    *("offset", "around", "list"),
)
"""Details of events and words of the rules; the kernel knows each by its place."""


def word(text: str) -> int:
    """Return the number of a word."""
    return WORDS.index(text)


NO_WORD, REFUSED_503, REFUSED_502, TIMEOUT, ABNORMAL, GOING_AWAY, HEARTBEAT, REFUSED, RESET = range(9)
KILL, HANG, RESTART, RELOAD, OUTAGE, CHECK, PASSIVE, OBSERVED = range(9, 17)
UP, DOWN, HAPROXY, NGINX, LEAST_CONN, SOURCE = range(26, 32)
NGINX_ROUND_ROBIN, NGINX_LEAST_CONN, IP_HASH, SHUTDOWN_SESSIONS = range(32, 36)

EVENTS = (
    *("attempt_connect", "connected", "connect_failed", "disconnected", "heartbeat_missed", "gave_up"),
    *("marked_down", "marked_up", "node_stopped", "node_started", "fault", "healed"),
)
"""Names of the events that the kernel notes; it knows each by its place."""
ATTEMPT_CONNECT, CONNECTED, CONNECT_FAILED, DISCONNECTED, HEARTBEAT_MISSED, GAVE_UP = range(6)
MARKED_DOWN, MARKED_UP, NODE_STOPPED, NODE_STARTED, FAULT_BEGAN, HEALED = range(6, 12)

# What happens at a time. The first four are timers of a loop; EXPIRES, WAKES, FIRED are its three steps.
OF_CLIENT, OF_HANG, OF_RETRY, OF_STOP = range(4)
EXPIRES, WAKES, FIRED = 0, 4, 8
(STEP, RESUME, LOST, ANSWERED, SERVE, FORWARD, SYN_AGAIN, SYN_OVER, ROOM, MARK) = range(12, 22)
(CHECK_BEGINS, CHECK_DUE, CHECK_LATE, CHECK_JUDGED, FAULT, HEAL, HUNG_YET, LEFT_YET, STOPPED, RELOADED) = range(22, 32)
OPEN_TIMEOUT, ANSWERS_GOODBYE, OUTAGE_OVER, NODE_BACK = range(32, 36)

# Items of processes.
(I_CLIENT, I_GOODBYE, I_SERVE, I_REFUSE, I_RELAYED, I_PASSED_ON, I_CUT, I_FRAME_DOWN, I_FRAME_UP, I_NOTHING) = range(10)
(I_ACCEPT, I_HANDSHAKE, I_LEFT, I_LEFT_AFTER, I_GONE, I_CLOSED, I_BOOT, I_CHECK, I_SAY_GOODBYE) = range(10, 19)
FIRST_PART, REST, WHOLE = range(3)

# Where a client stands.
(STAYING, CLOSE_WAIT, CLOSING, SLEEPING, DIALLING, REQUESTING, WAITING, OPENING, REFUSING, GONE) = range(10)

# States of a node.
NODE_UP, NODE_HUNG, NODE_DEAD, NODE_STOPPING = range(4)

# Costs, and queues of constant delays: timeouts of attempts, and the work of clients with machines of their own.
(DIAL, REQUEST, OPEN, CLIENT_REFUSED, CLIENT_CLOSED, GOODBYE_READ) = range(6)
(B_REQUEST, B_REFUSE, B_RELAY, B_FRAME, B_CLOSE, B_RELEASE, B_CUT) = range(6, 13)
(N_ACCEPT, N_HANDSHAKE, N_EXIT_DELAY, N_EXIT, N_GOODBYE, N_LEAVE) = range(13, 19)
COSTS = 19
TIMEOUTS = 6
FIFOS = 7

# Why the kernel returns to Python.
FINISHED, NEEDS_ROOM = range(2)


def _record(**fields: Any) -> np.dtype[Any]:
    return np.dtype(list(fields.items()), align=True)


F8, I8, I4, B1 = (_record(v=kind) for kind in ("f8", "i8", "i4", "?"))
EVENT = _record(t="f8", eid="i8", kind="i4", a="i4", b="i4")
MOMENT = _record(kind="i4", a="i4", b="i4")
TIMED = _record(t="f8", eid="i8", a="i4", b="i4")
RING = _record(data="i8", first="i8", n="i8", mask="i8", delay="f8", head="f8")
ITEM = _record(asleep="f8", next="i4", a="i4", b="i4", kind="i2", cost="i2", stage="i1", hops="i1", eager="?", ends="?")
PROCESS = _record(
    place="f8",
    lag="f8",
    deadline="f8",
    over_since="f8",
    woken="f8",
    asleep_since="f8",
    slept="f8",
    load="i8",
    rests="i8",
    cores="i4",
    core="i4",
    first="i4",
    last="i4",
    current="i4",
    ready="?",
    stopped="?",
    yields="?",
)
CORES = _record(
    mean="f8", rests="i8", idle="i4", idles="i4", waiting="i4", waits="i4", running="i4", runs="i4", pace="i4"
)
PACE = _record(start="f8", offset="i8", length="i8")
COST = _record(first="f8", offset="i8", length="i4", hops="i4")
CLIENT = _record(
    previous="f8",
    since="f8",
    waits="i4",
    failed="i4",
    attempts="i4",
    draws="i4",
    tunnel="i4",
    attempt="i4",
    loss="i4",
    state="i4",
)
CLIENT_SIZE = CLIENT.itemsize
TIMER = _record(t="f8", eid="i8", next="i4", kind="i4")
TUNNEL = _record(
    client="i4",
    next="i4",
    prev="i4",
    generation="i4",
    server="i2",
    refs="i2",
    lost="i1",
    reason="i1",
    opened="?",
    client_left="?",
    upstream_gone="?",
    listed="?",
)
ATTEMPT = _record(
    left="f8",
    mask="i8",
    client="i4",
    server="i4",
    generation="i4",
    answer="i4",
    queue="i4",
    next="i4",
    prev="i4",
    tried="i2",
    last="i2",
    refs="i2",
    state="i1",
    syn="i1",
    listed="?",
    moves="?",
    taken="?",
)
NODE = _record(
    hung_at="f8",
    table="i8",
    proc="i8",
    hangs="i4",
    opening="i4",
    backlog="i4",
    backlog_last="i4",
    backlog_n="i4",
    tunnels="i4",
    tunnels_last="i4",
    tunnels_n="i4",
    waiting="i4",
    waiting_last="i4",
    state="i4",
    accepting="?",
)
CHECKER = _record(
    fall="i8",
    rise="i8",
    streak="i8",
    server="i4",
    generation="i4",
    serial="i4",
    life="i4",
    up="?",
    fresh="?",
    done="?",
    judged="?",
)
PEER = _record(max_fails="i8", fail_timeout="i8", fails="i8", checked="i8", accessed="i8")
FAULTS = _record(at="f8", duration="f8", left="f8", piece="f8", kind="i4", node="i4")
MARKS = _record(t="f8", node="i4", up="?")
RULE = _record(
    base="f8",
    factor="f8",
    cap="f8",
    spread="f8",
    stable_time="f8",
    max_attempts="i8",
    policy="i8",
    jitter="i8",
    first="i8",
)
ROW = _record(t="f8", client="i4", attempt="i4", node="i4", event="i1", detail="i1")
LOSS = np.dtype([("t", "f8"), ("back", "f8"), ("client", "i4")])
POOL = _record(data="i8", free="i8", used="i8", room="i8")

WORLD = _record(
    now="f8",
    eid="i8",
    duration="f8",
    seed="i8",
    replication="i8",
    processed="i8",
    # settings
    reconnect=RULE,
    interval="f8",
    timeout="f8",
    close_timeout="f8",
    warm_up="f8",
    connect_rate="f8",
    n_clients="i8",
    n_nodes="i8",
    per_process="i8",
    addresses="i8",
    backlog="i8",
    nginx="?",
    separate="?",
    merges="?",
    shutdown="?",
    marks_given="?",
    algorithm="i8",
    retries="i8",
    redispatch="i8",
    connect_timeout="f8",
    hard_stop="f8",
    inter="f8",
    check_timeout="f8",
    check_overhead="f8",
    phase="f8",
    balancer_start="f8",
    node_start="f8",
    node_stop="f8",
    table_growth="f8",
    time_slice="f8",
    most_lag="f8",
    tick="f8",
    clock="f8",
    levels="i8",
    # the balancer
    generation="i8",
    life="i8",
    away="i8",
    listening="?",
    short_fifo="?",
    balancer="i8",
    first_swarm="i8",
    # records
    clients="i8",
    timers="i8",
    first_beats="i8",
    nodes="i8",
    procs="i8",
    cores="i8",
    paces="i8",
    series="i8",
    costs="i8",
    tables="i8",
    lones="i8",
    wakes="i8",
    lists="i8",
    checkers="i8",
    peers="i8",
    faults="i8",
    n_faults="i8",
    marks="i8",
    n_marks="i8",
    fall="i8",
    rise="i8",
    max_fails="i8",
    fail_timeout="i8",
    usable="i8",
    up="i8",
    connections="i8",
    order="i8",
    current="i8",
    # what is pending
    heap="i8",
    heap_n="i8",
    heap_room="i8",
    moments=RING,
    urgent=RING,
    fifos="i8",
    heads="i8",
    wheel="i8",
    wheel_mask="i8",
    wheel_rate="f8",
    wheel_bucket="i8",
    wheel_n="i8",
    soon="i8",
    soon_first="i8",
    soon_n="i8",
    soon_room="i8",
    # what comes and goes
    items=POOL,
    tunnels=POOL,
    attempts=POOL,
    tunnels_live="i8",
    # what is written down
    full="?",
    rows=POOL,
    losses=POOL,
    first_fault="f8",
    connected="i8",
    least_connected="i8",
    last_rise="i8",
    tried="i8",
    gave_up="i8",
    affected="i8",
    window=RING,
    peak="i8",
    times="i8",
    n_times="i8",
    curve="i8",
    held="i8",
)

f8_at, i8_at, i4_at, b1_at = (accessor(kind) for kind in (F8, I8, I4, B1))
event_at, moment_at, timed_at, ring_at = (accessor(kind) for kind in (EVENT, MOMENT, TIMED, RING))
item_at, process_at, cores_at, pace_at = (accessor(kind) for kind in (ITEM, PROCESS, CORES, PACE))
cost_at, client_at, timer_at, tunnel_at, attempt_at = (
    accessor(kind) for kind in (COST, CLIENT, TIMER, TUNNEL, ATTEMPT)
)
node_at, checker_at, peer_at, fault_at = (accessor(kind) for kind in (NODE, CHECKER, PEER, FAULTS))
mark_at, row_at, loss_at = (accessor(kind) for kind in (MARKS, ROW, LOSS))
