"""Numbers for what has a name in a broadcast. See `sim.compiled.vocabulary`."""

from enum import auto

from sim.compiled.toolchain.numbered import Numbered, Text
from sim.compiled.vocabulary import Pending, Work


class BroadcastWork(Numbered):
    """Work that costs time, behind that of connections."""

    BUS_STAMP = len(Work)
    BUS_PUBLISH = auto()
    BUS_COMMAND = auto()
    BUS_READ = auto()
    PUBLISHER_ACK = auto()

    BUS_SYNC = auto()
    PUBLISHER_SEND = auto()
    PUBLISHER_ANSWER = auto()
    NODE_POLL = auto()
    NODE_RECEIVE = auto()
    NODE_ACK = auto()
    NODE_ANSWER = auto()

    NODE_FANOUT = auto()
    NODE_FANOUT_MORE = auto()
    NODE_READ = auto()
    RELAY = auto()
    RELAY_MORE = auto()
    READ = auto()
    READ_MORE = auto()
    CLIENT_SEND = auto()
    BUS_WORD = auto()
    RELAY_UP = auto()
    RELAY_UP_MORE = auto()
    NO_COST = auto()


_FIRST_COLD, _LAST_COLD = BroadcastWork.BUS_SYNC, BroadcastWork.NODE_ANSWER
COLD_STARTS = tuple(one for one in BroadcastWork if _FIRST_COLD <= one <= _LAST_COLD)
"""Work whose cost depends on how long ago the same process did the same."""


class BroadcastPending(Numbered):
    """What happens at a time, behind what a world without messages has."""

    TASK_BEGINS = Pending.OF_BROADCAST
    TASK_GOES_ON = auto()
    TIMER_EXPIRES = auto()
    TIMER_WAKES = auto()
    TIMER_FIRED = auto()
    ANSWER_CAME = auto()
    FIRST_OF_TWO = auto()
    ONE_OF_ALL = auto()
    TRY_OVER = auto()
    PARCEL_ARRIVES = auto()
    QUESTION_DUE = auto()
    READS_AGAIN = auto()
    CALLER_FREE = auto()
    BUS_STARTED = auto()
    BROKE = auto()
    ON_DISK = auto()
    BUFFER_LOOK = auto()


class Lane(Numbered):
    """Lists of a tunnel: the frames that wait for each lane on the way, those that wait for its client (`HELD`), and
    the messages that it is awaited for.
    """

    DOWN = auto()
    RELAYED = auto()
    ARRIVING = auto()
    ASKING = auto()
    RELAYED_UP = auto()
    HEARD = auto()
    HELD = auto()
    AWAITED = auto()


class Frame(Numbered):
    """What a frame is."""

    MESSAGE = auto()
    ANSWER = auto()
    SNAPSHOT = auto()
    STANDING = auto()
    QUESTION = auto()


class Job(Numbered):
    """What is to be done by the bus, the publisher or a node, besides what waits for a task."""

    RECEIVE = auto()
    EXECUTE = auto()
    LOOK = auto()
    PUSH = auto()
    HEAR = auto()
    SYNCED = auto()
    RELEASE = auto()
    REPLY = auto()


class Command(Numbered):
    """What the bus is asked to do."""

    STAMP = auto()
    SEND_AGAIN = auto()
    SUBSCRIBE = auto()
    SUBSCRIBE_PUBLISHER = auto()
    RECOVER = auto()
    TELL = auto()


class NodeWord(Text):
    """What a node tells the publisher."""

    ACK = "ack"
    ALIVE = "alive"
    BYE = "bye"


class Carry(Numbered):
    """What passes over a link."""

    CALL = auto()
    FETCH = auto()
    ANSWER = auto()
    REFUSAL = auto()
    MESSAGE = auto()
    WORD = auto()
    LOSS = auto()


class Task(Numbered):
    """Processes of the model, in the sense of SimPy."""

    PUBLISH = auto()
    WATCH = auto()
    RESEND = auto()
    REJOIN = auto()
    SIGNS = auto()
    READING = auto()
    COMMIT = auto()
    JOIN = auto()
    LOOK_UP = auto()
    SPEAK = auto()
    STALLED = auto()
