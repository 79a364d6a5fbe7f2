"""Numbers for what has a name in the model: words, events, what is pending, items, costs and states."""

from enum import auto

from sim.compiled.toolchain.numbered import Numbered, Text


class Word(Text):
    """Details of events and words of the rules."""

    NONE = ""

    REFUSED_503 = "503"
    REFUSED_502 = "502"
    TIMEOUT = "timeout"
    ABNORMAL = "1006"
    GOING_AWAY = "1001"
    SERVICE_RESTART = "1012"
    HEARTBEAT = "heartbeat"
    REFUSED = "refused"
    RESET = "reset"

    KILL = "kill"
    HANG = "hang"
    RESTART = "restart"
    DRAIN = "drain"
    RELOAD = "reload"
    OUTAGE = "outage"
    BUS_DOWN = "bus_down"
    BUS_CUT = "bus_cut"
    STALL = "stall"
    PARTITION = "partition"
    DELAY = "delay"

    CHECK = "check"
    PASSIVE = "passive"
    OBSERVED = "observed"
    UP = "up"
    DOWN = "down"

    IMMEDIATE = "immediate"
    FIXED = "fixed"
    EXPONENTIAL = "exponential"
    LIST = "list"
    NO_JITTER = "none"
    FULL = "full"
    EQUAL = "equal"
    DECORRELATED = "decorrelated"
    OFFSET = "offset"
    AROUND = "around"
    BACKOFF = "backoff"
    JITTERED = "jittered"

    LEAST_CONN = "leastconn"
    SOURCE = "source"
    CONSISTENT = "consistent"
    RANDOM = "random"
    ROUND_ROBIN = "roundrobin"
    NGINX_ROUND_ROBIN = "round_robin"
    NGINX_LEAST_CONN = "least_conn"
    IP_HASH = "ip_hash"
    RANDOM_TWO = "random_two"
    INIT = "init"
    NEXT = "next"
    CURRENT = "current"

    SEND = "send"
    DROP = "drop"
    COALESCE = "coalesce"
    CLOSE = "close"
    CLOSED = "closed"
    BUFFER = "buffer"
    DUPLICATE = "duplicate"
    EARLY = "early"
    LATE = "late"


class Event(Text):
    """Events that the kernel notes, by their names in a record."""

    ATTEMPT_CONNECT = "attempt_connect"
    CONNECTED = "connected"
    CONNECT_FAILED = "connect_failed"
    DISCONNECTED = "disconnected"
    HEARTBEAT_MISSED = "heartbeat_missed"
    GAVE_UP = "gave_up"
    MARKED_DOWN = "marked_down"
    MARKED_UP = "marked_up"
    NODE_STOPPED = "node_stopped"
    NODE_STARTED = "node_started"
    FAULT = "fault"
    HEALED = "healed"
    DRAINED = "drained"

    PUBLISHED = "published"
    RECEIVED = "received"
    DELIVERED = "delivered"
    GAP = "gap"
    RECOVERED = "recovered"
    ACKED = "acked"
    RESENT = "resent"
    CONSISTENT = "consistent"
    BUS_LOST = "bus_lost"
    BUS_JOINED = "bus_joined"


class Timer(Numbered):
    """Timers of a process's loop; each takes three steps, and `EXPIRES + timer` and so on is what is pending."""

    CLIENT = auto()
    HANG = auto()
    RETRY = auto()
    STOP = auto()
    DRAIN = auto()


EXPIRES, WAKES, FIRED = (step * len(Timer) for step in range(3))


class Pending(Numbered):
    """What happens at a time, beside timers."""

    STEP = 3 * len(Timer)
    RESUME = auto()
    LOST = auto()
    ANSWERED = auto()
    SERVE = auto()
    FORWARD = auto()
    SYN_AGAIN = auto()
    SYN_OVER = auto()
    ROOM = auto()
    MARK = auto()
    CHECK_BEGINS = auto()
    CHECK_DUE = auto()
    CHECK_LATE = auto()
    CHECK_JUDGED = auto()
    FAULT = auto()
    HEAL = auto()
    HUNG_YET = auto()
    LEFT_YET = auto()
    STOPPED = auto()
    RELOADED = auto()
    OPEN_TIMEOUT = auto()
    ANSWERS_GOODBYE = auto()
    OUTAGE_OVER = auto()
    OF_BROADCAST = auto()
    """The first that only a broadcast has; see `sim.compiled.broadcast.vocabulary`."""


class Item(Numbered):
    """What a process works on; the last three are of a broadcast."""

    CLIENT = auto()
    GOODBYE = auto()
    SERVE = auto()
    REFUSE = auto()
    RELAYED = auto()
    PASSED_ON = auto()
    CUT = auto()
    FRAME_DOWN = auto()
    FRAME_UP = auto()
    NOTHING = auto()
    ACCEPT = auto()
    HANDSHAKE = auto()
    LEFT = auto()
    LEFT_AFTER = auto()
    GONE = auto()
    CLOSED = auto()
    BOOT = auto()
    CHECK = auto()
    SAY_GOODBYE = auto()
    ENDED = auto()
    FORGOTTEN = auto()
    ABANDONED = auto()
    BATCH = auto()
    JOB = auto()
    TASK = auto()


class Stage(Numbered):
    """How far an item is that is done in two steps; `WHOLE` is one that is done in one."""

    FIRST_PART = auto()
    REST = auto()
    WHOLE = auto()


class ClientState(Numbered):
    """Where a client stands."""

    STAYING = auto()
    CLOSE_WAIT = auto()
    CLOSING = auto()
    SLEEPING = auto()
    DIALLING = auto()
    REQUESTING = auto()
    WAITING = auto()
    OPENING = auto()
    REFUSING = auto()
    GONE = auto()
    NOT_READING = auto()


class NodeState(Numbered):
    """What a node's process is doing."""

    UP = auto()
    HUNG = auto()
    DEAD = auto()
    STOPPING = auto()
    DRAINING = auto()


class Work(Numbered):
    """Work that costs time: of clients, of the balancer and of nodes."""

    DIAL = auto()
    REQUEST = auto()
    OPEN = auto()
    CLIENT_REFUSED = auto()
    CLIENT_CLOSED = auto()
    GOODBYE_READ = auto()

    BALANCER_REQUEST = auto()
    BALANCER_REFUSE = auto()
    BALANCER_RELAY = auto()
    BALANCER_FRAME = auto()
    BALANCER_CLOSE = auto()
    BALANCER_RELEASE = auto()
    BALANCER_CUT = auto()
    BALANCER_ACCEPT = auto()
    BALANCER_ABANDONED = auto()

    NODE_ACCEPT = auto()
    NODE_HANDSHAKE = auto()
    NODE_EXIT_DELAY = auto()
    NODE_EXIT = auto()
    NODE_GOODBYE = auto()
    NODE_LEAVE = auto()
    NODE_FORGET = auto()
    NODE_ABANDONED = auto()
    NODE_START = auto()


class Exit(Numbered):
    """Why the kernel returns to Python."""

    FINISHED = auto()
    NEEDS_ROOM = auto()


TIMEOUTS = Work.GOODBYE_READ + 1
"""The queue of constant delays in which the attempts' timeouts are; the ones before are the work of clients that have
machines of their own, each by the number of its cost.
"""
FIFOS = TIMEOUTS + 1
