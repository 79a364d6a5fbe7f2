"""The names that a run uses on a NATS server, and what it asks of JetStream: a stream, and a consumer of each node.

Whoever connects declares the stream: one that is there stays as it is, and one that was lost begins anew. Its epoch is
the time at which it was made, in microseconds, so that a later one is larger; the version of a message is its sequence
number. Source: NATS manual, "JetStream wire API" ($JS.API.STREAM.CREATE, $JS.API.CONSUMER.DURABLE.CREATE,
$JS.API.DIRECT.GET, Nats-Msg-Id, $JS.ACK).
"""

import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from live.broadcast.broker import MESSAGE, body, message
from live.control.resp import ReplyError
from live.jetstream.nats import NatsConnection, NatsMessage
from twin.rules.delivery import Message, RecoveryAnswer
from twin.rules.jetstream import AckPolicy

API = "$JS.API"
STREAM = "messages"
NO_CONSUMER = 10014
"""Error of the API: there is no such consumer. Source: nats-server, server/errors.json, JSConsumerNotFoundErr."""
NANOSECONDS = 1_000_000_000
MOST_RECOVERED = 100_000
"""Messages of one answer to a question."""
_PLACE = struct.Struct(">BQQ")


@dataclass(frozen=True)
class Names:
    """The subjects of one run.

    Args:
        prefix: begins every name of the run; what a subject may not have is changed.
    """

    prefix: str

    @property
    def root(self) -> str:
        """Begins every subject."""
        return self.prefix.strip(":").replace(":", "-")

    @property
    def log(self) -> str:
        """Subject of the stream."""
        return f"{self.root}.log"

    @property
    def again(self) -> str:
        """Subject of messages that the publisher sends again."""
        return f"{self.root}.again"

    @property
    def acks(self) -> str:
        """Subject of acknowledgements and signs of life."""
        return f"{self.root}.acks"

    def consumer(self, node: int) -> str:
        """Name of a node's consumer."""
        return f"node-{node}"

    def to(self, node: int) -> str:
        """Subject to which a node's consumer delivers."""
        return f"{self.root}.to.{node}"


@dataclass(frozen=True)
class StreamSettings:
    """What a run asks of JetStream.

    Attributes:
        file: whether the stream is kept in a file; else in memory.
        replicas: servers that keep it.
        max_length: messages that it keeps, the newest.
        window: seconds for which it remembers the numbers of messages (`Nats-Msg-Id`).
        ack_policy: of the consumers.
        ack_wait: seconds.
        max_ack_pending: messages.
        commit_interval: seconds between two acknowledgements of all.
    """

    file: bool
    replicas: int
    max_length: int
    window: float
    ack_policy: AckPolicy
    ack_wait: float
    max_ack_pending: int
    commit_interval: float


async def api(link: NatsConnection, what: str, question: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what JetStream answers to a request of its API.

    Raises:
        ReplyError: an error; `NobodyError` where no JetStream is there.
    """
    data = b"" if question is None else json.dumps(question).encode()
    answer: dict[str, Any] = json.loads((await link.ask(f"{API}.{what}", data)).data)
    if "error" in answer:
        raise refusal(answer)
    return answer


def refusal(answer: dict[str, Any]) -> ReplyError:
    """Return what an answer with an error says: the code of the error, and what it is."""
    error = answer["error"]
    return ReplyError(f"{error.get('err_code', 0)} {error.get('description', '')}")


def stream_of(names: Names, settings: StreamSettings) -> dict[str, Any]:
    """Return what is asked of JetStream for the stream of a run."""
    return {
        "name": STREAM,
        "subjects": [names.log],
        "storage": "file" if settings.file else "memory",
        "num_replicas": settings.replicas,
        "retention": "limits",
        "discard": "old",
        "max_msgs": settings.max_length,
        "duplicate_window": round(settings.window * NANOSECONDS),
        "allow_direct": True,
    }


async def declare(link: NatsConnection, names: Names, settings: StreamSettings) -> int:
    """Make sure that the stream is there, and return its epoch.

    Raises:
        ReplyError, LinkLostError: that did not work.
    """
    return epoch_of(await api(link, f"STREAM.CREATE.{STREAM}", stream_of(names, settings)))


def epoch_of(info: dict[str, Any]) -> int:
    """Return the epoch of a stream by what JetStream tells of it."""
    whole, _, fraction = info["created"].rstrip("Z").partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()
    return round(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6] or 0)


async def consume(link: NatsConnection, names: Names, settings: StreamSettings, node: int, from_begin: bool) -> None:
    """Make sure that a node's consumer is there; one that is there goes on where it stands.

    Args:
        link: to the server.
        names: of the run.
        settings: of the run.
        node: its number.
        from_begin: whether a new consumer delivers what the stream has already.

    Raises:
        ReplyError, LinkLostError: that did not work.
    """
    name = names.consumer(node)
    try:
        await api(link, f"CONSUMER.INFO.{STREAM}.{name}")
        return
    except ReplyError as error:
        if not str(error).startswith(str(NO_CONSUMER)):
            raise
    asked = {
        "durable_name": name,
        "deliver_subject": names.to(node),
        "deliver_policy": "all" if from_begin else "new",
        "ack_policy": settings.ack_policy,
        "max_deliver": -1,
        "replay_policy": "instant",
    }
    if settings.ack_policy != "none":
        asked |= {"ack_wait": round(settings.ack_wait * NANOSECONDS), "max_ack_pending": settings.max_ack_pending}
    question = {"stream_name": STREAM, "config": asked}
    await api(link, f"CONSUMER.DURABLE.CREATE.{STREAM}.{name}", question)


def kept(number: int, payload: bytes) -> bytes:
    """Return a message as the stream keeps it: as it travels (`live.broadcast.broker.body`), without a name yet."""
    return body(Message(0, 0, number, payload))


def named(data: bytes, epoch: int, version: int) -> bytes:
    """Return a message that the stream has kept with its name."""
    return _PLACE.pack(MESSAGE, epoch, version) + data[_PLACE.size :]


def version_of(reply: str) -> int:
    """Return the version of a message that a consumer has delivered, by the subject of its acknowledgement:
    $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE..., or $JS.ACK.DOMAIN.ACCOUNT.STREAM....
    """
    fields = reply.split(".")
    return int(fields[5] if len(fields) == 9 else fields[7])


def sequence_of(found: NatsMessage) -> int:
    """Return the version of a message that was read directly."""
    return int(found.headers["Nats-Sequence"])


async def recover(link: NatsConnection, epoch: int, version: int) -> RecoveryAnswer:
    """Answer who stands at (epoch, version), all or nothing; see `twin.rules.delivery.Broker.recover`.

    The messages may be read from a replica that does not have the newest yet; then the answer ends before them, and
    they come as all new ones do.

    Raises:
        ReplyError, LinkLostError: there is no answer.
    """
    info = await api(link, f"STREAM.INFO.{STREAM}")
    now, state = epoch_of(info), info["state"]
    oldest, head = state["first_seq"] - 1, state["last_seq"]
    if epoch not in (0, now) or not max(0, oldest) <= version <= head:
        return RecoveryAnswer(False, now, head)
    if version == head:
        return RecoveryAnswer(True, now, head)
    asked = json.dumps({"seq": version + 1, "batch": min(MOST_RECOVERED, head - version)}).encode()
    messages: list[Message] = []
    for found in await link.gather(f"{API}.DIRECT.GET.{STREAM}", asked):
        place = sequence_of(found)
        if place != version + 1 + len(messages):
            break
        messages.append(message(named(found.data, now, place)))
    return RecoveryAnswer(True, now, version + len(messages), tuple(messages))
