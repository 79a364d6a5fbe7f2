"""How a message gets from the broker through a node to a client: once, in order, and never with a silent hole.

The broker stamps each message with (epoch, version). Versions count from 1 in each epoch; a broker that lost its data
begins a new epoch, with a larger number. So (epoch, version) names one message, and positions in the sequence of all
messages are ordered like these pairs.

Source: the design of epochs, offsets and all-or-nothing recovery is that of Centrifugo ("History and recovery" in its
manual); at-least-once delivery with duplicates dropped by sequence number is TCP's (RFC 9293, section 3.4).
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Literal

MOST_EARLY = 1000
"""Messages that a client keeps while it waits for those before them; further ones are dropped and asked for again."""
MOST_HOLES = 1000
"""Skipped stretches that a client remembers in order to tell a late message from a duplicate."""
MOST_READ = 1000
"""Most messages of one answer of the bus to a node that reads with a cursor."""
MOST_SEEN = 100_000
"""Versions above the first missing one that a node remembers."""


@dataclass(frozen=True)
class Message:
    """A stamped message; `key` is the publisher's number of it (its idempotency key), from 1."""

    epoch: int
    version: int
    key: int
    payload: bytes = b""


@dataclass(frozen=True)
class Stamp:
    """The broker's answer to a publish; `fresh` is false when the key was known: then nothing was sent again."""

    message: Message
    fresh: bool


@dataclass(frozen=True)
class RecoveryAnswer:
    """The answer to "what came after (epoch, version)?": everything (`recovered`), or nothing but the present head.

    Attributes:
        recovered: whether `messages` are all that followed the position that was asked for.
        epoch, version: the head of the broker when it answered; with `recovered` false also the position of the
            snapshot that goes with the answer.
        messages: in order, without a hole; empty when not recovered.
    """

    recovered: bool
    epoch: int
    version: int
    messages: tuple[Message, ...] = ()


class Broker:
    """Stamps messages in one step: idempotency key, next version, bounded log. The live broker does it in Lua.

    Args:
        max_length: messages that the log keeps, the newest.
        idempotency_window: seconds for which a key is remembered.
        epoch: number of the first epoch.
    """

    def __init__(self, max_length: int, idempotency_window: float, epoch: int = 1) -> None:
        self.max_length = max_length
        self.window = idempotency_window
        self.epoch = epoch
        self.version = 0
        self.log: deque[Message] = deque(maxlen=max_length)
        self._keys: dict[int, tuple[float, Message]] = {}

    def publish(self, key: int, payload: bytes, now: float) -> Stamp:
        """Stamp a message, or return the stamp it has if the key was used within the window; `now` in seconds."""
        for old, (expires, _) in list(islice(self._keys.items(), 2)):  # in order of time, so two a call keep up
            if expires <= now:
                del self._keys[old]
        known = self._keys.get(key)
        if known is not None and known[0] > now:
            return Stamp(known[1], False)
        self.version += 1
        message = Message(self.epoch, self.version, key, payload)
        self.log.append(message)
        self._keys.pop(key, None)
        self._keys[key] = (now + self.window, message)
        return Stamp(message, True)

    def after(self, version: int, limit: int | None = None) -> list[Message]:
        """Return logged messages of this epoch above `version`, the oldest first, at most `limit`."""
        skip = max(0, version - (self.version - len(self.log)))
        return list(islice(self.log, skip, None if limit is None else skip + limit))

    def recover(self, epoch: int, version: int) -> RecoveryAnswer:
        """Answer a client that stands at (epoch, version); epoch 0 is one that has never seen a message."""
        oldest = self.version - len(self.log)
        if epoch in (0, self.epoch) and oldest <= version <= self.version:
            return RecoveryAnswer(True, self.epoch, self.version, tuple(self.after(version)))
        return RecoveryAnswer(False, self.epoch, self.version)

    def restart(self, persist: bool) -> None:
        """Come back after a crash: with all data, or empty in the next epoch."""
        if not persist:
            self.epoch += 1
            self.version = 0
            self.log.clear()
            self._keys.clear()


class Cursor:
    """Where a node stands in the broker's log.

    `read` goes on from there, across lost connections of the node. A new process of the node stands at the present end
    of a stream (its clients recover by themselves), and at the committed offset of a partition log, so that it reads
    again what was read but not committed: at least once.
    Source: XREAD in the manual of Valkey; enable.auto.commit and auto.offset.reset=earliest in that of Kafka.
    """

    def __init__(self, epoch: int, version: int = 0) -> None:
        self.epoch = epoch
        self.version = version
        self.committed = (epoch, version)

    def read(self, broker: Broker, limit: int | None = None) -> list[Message]:
        """Return the next messages and stand behind them; a new epoch is read from its beginning."""
        if broker.epoch != self.epoch:
            self.epoch, self.version = broker.epoch, 0
        found = broker.after(self.version, limit)
        if found:
            self.version = found[-1].version
        return found

    def commit(self) -> None:
        """Save the position (partition log only)."""
        self.committed = (self.epoch, self.version)

    def restart(self, broker: Broker, committed: bool) -> None:
        """Stand where a new process of the node begins."""
        self.epoch, self.version = self.committed if committed else (broker.epoch, broker.version)


class SeenVersions:
    """The versions that a node has fanned out; it fans each out once and acknowledges each time it comes."""

    def __init__(self) -> None:
        self.epoch = 0
        self.floor = 0
        self.above: set[int] = set()

    def first(self, epoch: int, version: int) -> bool:
        """Tell whether the message is to be fanned out: not seen before, and not of an epoch that is over."""
        if epoch < self.epoch:
            return False
        if epoch > self.epoch:
            self.epoch, self.floor = epoch, 0
            self.above.clear()
        if version <= self.floor or version in self.above:
            return False
        self.above.add(version)
        if len(self.above) > MOST_SEEN:
            self.floor = min(self.above)
            self.above.discard(self.floor)
        while self.floor + 1 in self.above:
            self.floor += 1
            self.above.discard(self.floor)
        return True


ArrivalKind = Literal["next", "early", "late", "duplicate"]


@dataclass(frozen=True)
class Arrival:
    """What a client does with a message that came.

    Attributes:
        kind: `next`: the one that follows the position, or (without recovery) lies behind a gap; `early`: kept, because
            others are missing before it; `late`: a higher version came before it; `duplicate`: it has it already.
        deliver: what is applied now, in order.
        gap: the first version that is missing, when this arrival shows a gap that was not known; else 0.
        ask: whether to ask for recovery from the position now.
    """

    kind: ArrivalKind
    deliver: tuple[Message, ...] = ()
    gap: int = 0
    ask: bool = False


@dataclass(frozen=True)
class AfterAnswer:
    """What a client does with an answer to its question.

    Attributes:
        deliver: what is applied now, in order, after the jump if there is one.
        snapshot: the client jumped to the snapshot's position, `RecoveryAnswer.epoch` and `.version`.
        replayed: how many of `deliver` the answer held.
        ask: something is still missing: ask again.
    """

    deliver: tuple[Message, ...] = ()
    snapshot: bool = False
    replayed: int = 0
    ask: bool = False


class Position:
    """Where a client stands: it applies versions strictly in order, whichever node they come from.

    A client that recovers keeps what comes early and asks for what is missing. The answer is all or nothing: every
    missing message, or a snapshot, to which the client jumps. A client that does not recover notes the gap and goes on
    behind it. A message of a later epoch always shows a gap, unless the client has seen none yet and it is the first:
    what the lost broker had stamped last may never have come.
    """

    def __init__(self, recover: bool = True) -> None:
        self.recover = recover
        self.epoch = 0
        self.version = 0
        self.highest = (0, 0)
        self.asking = False
        self.early: dict[tuple[int, int], Message] = {}
        self._holes: deque[tuple[int, int]] = deque(maxlen=MOST_HOLES)

    def arrive(self, message: Message) -> Arrival:
        """Take a message that a node sent."""
        place = (message.epoch, message.version)
        late = place < self.highest
        if place in self.early:
            return Arrival("duplicate")
        if place <= (self.epoch, self.version):
            return Arrival("late" if self._skipped(*place) else "duplicate")
        self.highest = max(self.highest, place)
        if self.epoch in (0, message.epoch) and message.version == self.version + 1:
            return Arrival("late" if late else "next", (*self._apply(message), *self._drain()))
        if self.recover:
            if len(self.early) < MOST_EARLY:
                self.early[place] = message
            ask, self.asking = not self.asking, True
            return Arrival("late" if late else "early", gap=self.version + 1 if ask else 0, ask=ask)
        gap = self.version + 1
        self._jump(message.epoch, message.version - 1)
        return Arrival("next", self._apply(message), gap)

    def resume(self) -> tuple[int, int]:
        """Return the (epoch, version) to ask from, at a reconnect or when an answer did not come in time."""
        self.asking = True
        return self.epoch, self.version

    def lose_connection(self) -> None:
        """Forget the question that was under way."""
        self.asking = False

    def answer(self, recovery: RecoveryAnswer) -> AfterAnswer:
        """Take the answer to a question, or a snapshot that a node sent in place of what it did not send."""
        self.asking = False
        here = (self.epoch, self.version)
        if not recovery.recovered:
            if (recovery.epoch, recovery.version) <= here:
                return AfterAnswer()
            self._jump(recovery.epoch, recovery.version)
            self.highest = max(self.highest, (self.epoch, self.version))
            return self._answered((), True)
        if self.epoch not in (0, recovery.epoch):
            return self._answered((), False)  # the question was of an epoch that is over for this client
        applied: list[Message] = []
        for message in recovery.messages:
            if message.version == self.version + 1:
                applied += self._apply(message)
                self.highest = max(self.highest, (message.epoch, message.version))
        return self._answered(tuple(applied), False)

    def _answered(self, applied: tuple[Message, ...], snapshot: bool) -> AfterAnswer:
        drained = self._drain()
        self.asking = bool(self.early)
        return AfterAnswer((*applied, *drained), snapshot, len(applied), self.asking)

    def _apply(self, message: Message) -> tuple[Message, ...]:
        self.epoch, self.version = message.epoch, message.version
        return (message,)

    def _drain(self) -> tuple[Message, ...]:
        """Apply what was kept and now follows; forget what lies behind."""
        found: list[Message] = []
        while (message := self.early.pop((self.epoch, self.version + 1), None)) is not None:
            found += self._apply(message)
        if self.early:
            here = (self.epoch, self.version)
            self.early = {place: kept for place, kept in self.early.items() if place > here}
        return tuple(found)

    def _jump(self, epoch: int, version: int) -> None:
        """Stand at a position without what lies between."""
        if epoch != self.epoch:
            self._holes.clear()
            self.epoch, self.version = epoch, 0
        if version > self.version:
            self._holes.append((self.version + 1, version))
            self.version = version

    def _skipped(self, epoch: int, version: int) -> bool:
        """Tell whether the position has passed this version without applying it; an old epoch counts as passed."""
        return epoch < self.epoch or any(low <= version <= high for low, high in self._holes)
