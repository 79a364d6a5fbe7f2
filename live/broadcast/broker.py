"""What the broker does in one atomic step: stamp a message, answer what came after a position.

Both are Lua scripts that do what `twin.rules.delivery.Broker` says, in the server that every node reaches.
Source: Valkey's manual, EVAL ("atomic execution") and XADD with an explicit id and MAXLEN.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from live.control.resp import FIRST_LIFE
from twin.rules.delivery import MOST_READ, Message, RecoveryAnswer, Stamp

_BODY = struct.Struct(">BQQQ")
MESSAGE = 77
"""First byte of a message on its way, "M"."""

_EPOCH = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  local now = redis.call('TIME')
  epoch = now[1] .. string.format('%06d', now[2])
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call('PEXPIRE', KEYS[1], life)
end
"""
"""A broker without data begins an epoch: the microseconds of its clock, so that a later epoch is larger. `life`: ms."""

STAMP = (
    """
local known = redis.call('GET', KEYS[3])
if known then return {0, known} end
local life = ARGV[6]
"""
    + _EPOCH
    + """
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
local body = struct.pack('>BI8I8I8', 77, tonumber(epoch), version, tonumber(ARGV[1])) .. ARGV[5]
if tonumber(ARGV[3]) > 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], string.format('%d-0', version), 'm', body)
  if version == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[6]) end
end
local name = string.format('%s %d', epoch, version)
redis.call('SET', KEYS[3], name, 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[4], body)
return {1, name}
"""
)
"""KEYS: head, log, idempotency key. ARGV: the publisher's number, window in ms, length of the log, channel, payload,
ms that a new head or log lives."""

READ = (
    "local life = ARGV[3]\n"
    + _EPOCH
    + """
local head = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local oldest = head - redis.call('XLEN', KEYS[2])
local version = tonumber(ARGV[2])
if (ARGV[1] ~= '0' and ARGV[1] ~= epoch) or version < oldest or version > head then
  return {0, epoch, head, {}}
end
local bodies = {}
for i, entry in ipairs(redis.call('XRANGE', KEYS[2], string.format('(%d-0', version), '+')) do
  bodies[i] = entry[2][2]
end
return {1, epoch, head, bodies}
"""
)
"""KEYS: head, log. ARGV: epoch, version, ms that a new head lives. All that follows the position, or nothing but the
head."""

SCRIPTS = {"stamp": STAMP, "read": READ}
SHA = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}

Command = tuple[str | bytes | int, ...]


def run_prefix() -> str:
    """Return what begins all names of one run on the bus."""
    return f"stormlab:{uuid4().hex[:8]}:"


@dataclass(frozen=True)
class Topic:
    """The names that one run uses on the bus, all with its own prefix, and the commands that use them.

    Args:
        prefix: begins every name.
        max_length: messages that the log keeps.
        window: seconds for which an idempotency key is remembered.
        life: milliseconds that head and log live when they are new; who needs them for longer renews them.
    """

    prefix: str
    max_length: int
    window: float
    life: int = FIRST_LIFE

    @property
    def head(self) -> str:
        """Hash with the epoch and the version of the newest message."""
        return self.prefix + "head"

    @property
    def log(self) -> str:
        """Stream of the messages; the id of each is its version."""
        return self.prefix + "log"

    @property
    def fresh(self) -> str:
        """Channel of messages as they are stamped."""
        return self.prefix + "fresh"

    @property
    def again(self) -> str:
        """Channel of messages that the publisher sends again."""
        return self.prefix + "again"

    @property
    def acks(self) -> str:
        """Channel of acknowledgements and signs of life."""
        return self.prefix + "acks"

    def stamp(self, number: int, payload: bytes) -> Command:
        """Return the command that stamps a message."""
        keys = (self.head, self.log, f"{self.prefix}key:{number}")
        window = max(1, round(self.window * 1000))
        return ("EVALSHA", SHA["stamp"], 3, *keys, number, window, self.max_length, self.fresh, payload, self.life)

    def read(self, epoch: int, version: int) -> Command:
        """Return the command that reads what follows a position; version -1 asks for the head only."""
        return ("EVALSHA", SHA["read"], 2, self.head, self.log, epoch, version, self.life)

    def follow(self, version: int, block: float, limit: int = MOST_READ) -> Command:
        """Return the command that waits up to `block` seconds for messages of the log above a version."""
        wait = max(1, round(block * 1000))
        return ("XREAD", "COUNT", limit, "BLOCK", wait, "STREAMS", self.log, f"{version}-0")


def stamped(reply: Any, number: int, payload: bytes) -> Stamp:
    """Return what the broker's answer to `Topic.stamp` says."""
    epoch, version = reply[1].split()
    return Stamp(Message(int(epoch), int(version), number, payload), bool(reply[0]))


def recovery(reply: Any) -> RecoveryAnswer:
    """Return what the broker's answer to `Topic.read` says."""
    recovered, epoch, head, bodies = reply
    return RecoveryAnswer(bool(recovered), int(epoch), int(head), tuple(message(body) for body in bodies))


def followed(reply: Any) -> list[bytes]:
    """Return the bodies in the broker's answer to `Topic.follow`."""
    return [fields[1] for _, fields in reply[0][1]] if reply else []


def body(message: Message) -> bytes:
    """Return a message as it travels: "M", epoch, version and number as 8 bytes each, payload."""
    return _BODY.pack(MESSAGE, message.epoch, message.version, message.key) + message.payload


def message(data: bytes) -> Message:
    """Return the message in a body."""
    _, epoch, version, key = _BODY.unpack_from(data)
    return Message(epoch, version, key, bytes(data[_BODY.size :]))


def place(data: bytes) -> tuple[int, int, int]:
    """Return epoch, version and number of a body."""
    _, epoch, version, key = _BODY.unpack_from(data)
    return epoch, version, key
