"""The registry of the nodes in Redis or Valkey: each step is one Lua call, so nothing can come between check and write.

The scripts do what `twin.rules.registry.Leases` says. A slot is a hash that expires with its lease; the generations are
kept for ever. Registrations and heartbeats that were refused are logged in the same call.
Source: Valkey's manual, EVAL ("atomic execution"), PEXPIRE, TIME.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from live.control.resp import FIRST_LIFE
from twin.rules.registry import Registration, Reply

if TYPE_CHECKING:
    from live.broadcast.broker import Command

MOST_LOGGED = 10_000
"""Entries that the log of the registry keeps."""

_NOW = f"""
local clock = redis.call('TIME')
local now = clock[1] .. string.format('%06d', clock[2])
local function log(kind, slot, generation)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', {MOST_LOGGED}, '*', 'kind', kind, 'slot', slot,
    'generation', generation, 'at', now)
end
"""

REGISTER = (
    _NOW
    + """
local latest = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local generation = math.max(latest, tonumber(ARGV[6])) + 1
redis.call('HSET', KEYS[1], ARGV[1], generation)
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], 'generation', generation, 'address', ARGV[2], 'version', ARGV[3],
  'connections', 0, 'cpu', 0, 'at', now, 'since', now)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
log('registered', ARGV[1], generation)
if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
return generation
"""
)
"""KEYS: generations, log, slot. ARGV: number of the slot, address, version, lease in ms, ms that new keys live, the
generation that the node had.
"""

BEAT = (
    _NOW
    + """
if redis.call('HGET', KEYS[3], 'generation') == ARGV[2] then
  redis.call('HSET', KEYS[3], 'connections', ARGV[3], 'cpu', ARGV[4], 'at', now)
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
  local counts = {}
  for i = 4, #KEYS do
    local count = redis.call('HGET', KEYS[i], 'connections')
    if count then counts[#counts + 1] = tonumber(count) end
  end
  return {'renewed', counts}
end
log('fenced', ARGV[1], ARGV[2])
local latest = redis.call('HGET', KEYS[1], ARGV[1])
return {(not latest or latest == ARGV[2]) and 'expired' or 'replaced', {}}
"""
)
"""KEYS: generations, log, slot, all slots. ARGV: number of the slot, generation, connections, CPU, lease in ms."""

LEAVE = """
if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""KEYS: slot. ARGV: generation."""

MEMBERS = """
local clock = redis.call('TIME')
local found = {clock[1] .. string.format('%06d', clock[2])}
for i, key in ipairs(KEYS) do
  local one = redis.call('HMGET', key, 'generation', 'address', 'version', 'connections', 'cpu', 'at', 'since')
  if one[1] then found[#found + 1] = {i, unpack(one)} end
end
return found
"""
"""KEYS: all slots. The clock, and who is alive."""

SCRIPTS = {"register": REGISTER, "beat": BEAT, "leave": LEAVE, "members": MEMBERS}
SHA = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}


@dataclass(frozen=True)
class Slots:
    """The names that one run's registry uses, and the commands that use them.

    Args:
        prefix: begins every name.
        count: number of slots.
        ttl: seconds of a lease.
    """

    prefix: str
    count: int
    ttl: float
    life: int = FIRST_LIFE

    @property
    def generations(self) -> str:
        """Hash with the latest generation of each slot."""
        return self.prefix + "generations"

    @property
    def log(self) -> str:
        """Stream of registrations and of heartbeats that were refused."""
        return self.prefix + "log"

    def slot(self, number: int) -> str:
        """Hash of one registration; it expires with its lease."""
        return f"{self.prefix}slot:{number}"

    @property
    def names(self) -> list[str]:
        """All names."""
        return [self.generations, self.log, *self._all]

    @property
    def _all(self) -> list[str]:
        return [self.slot(number) for number in range(1, self.count + 1)]

    @property
    def _lease(self) -> int:
        return max(1, round(self.ttl * 1000))

    def register(self, slot: int, address: str, version: str, before: int = 0) -> "Command":
        """Return the command that takes a slot; its reply is the generation, above what the node had `before`."""
        keys = (self.generations, self.log, self.slot(slot))
        return ("EVALSHA", SHA["register"], 3, *keys, slot, address, version, self._lease, self.life, before)

    def beat(self, slot: int, generation: int, connections: int, cpu: int) -> "Command":
        """Return the command that renews a lease."""
        keys = (self.generations, self.log, self.slot(slot), *self._all)
        return ("EVALSHA", SHA["beat"], len(keys), *keys, slot, generation, connections, cpu, self._lease)

    def leave(self, slot: int, generation: int) -> "Command":
        """Return the command that gives a slot up."""
        return ("EVALSHA", SHA["leave"], 1, self.slot(slot), generation)

    def members(self) -> "Command":
        """Return the command that asks who is alive."""
        return ("EVALSHA", SHA["members"], self.count, *self._all)


def replied(reply: Any) -> tuple[Reply, list[int]]:
    """Return what the answer to `Slots.beat` says: the verdict, and the connections of all that are alive."""
    verdict, counts = reply
    return cast(Reply, verdict.decode()), [int(count) for count in counts]


def alive(reply: Any, now: float) -> dict[int, Registration]:
    """Return who is alive from the answer to `Slots.members`, with times on the clock of which `now` is the present."""
    clock, *rest = reply
    return {int(row[0]): _member(row[1:], int(clock), now) for row in rest}


def _member(fields: Sequence[bytes], clock: int, now: float) -> Registration:
    generation, address, version, connections, cpu, at, since = fields
    times = [now - (clock - int(one)) / 1e6 for one in (at, since)]
    return Registration(int(generation), address.decode(), version.decode(), int(connections), int(cpu), *times)
