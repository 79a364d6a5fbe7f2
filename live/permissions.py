"""Whether the user's own server lets us do all that a run does there: asked before anything is started.

Each command is done once as a run does it, with names of the same kind, and what it wrote is removed: a server may know
no ACL DRYRUN, which asks for rights of its own, and what a script calls is seen only when it runs. Source: Valkey's
manual, "ACL".
"""

import contextlib
from collections.abc import Iterator

import redis

from live.broadcast import broker
from live.broadcast.broker import Command, Topic, run_prefix
from live.broadcast.bus import ANSWER_WITHIN, client_of, told
from live.control.address import Address
from live.registry import scripts as registry
from live.registry.scripts import Slots
from live.sessions import store
from twin.errors import HostError
from twin.scenario.scenario import Scenario

SOON = 1000
"""Milliseconds after which a session of the trial ends."""
NOBODY = 2**62
"""Number that no connection has."""
DENIED = ("NOPERM", "ACL failure in script", "The user executing the script")
"""What a server says of missing rights, also inside a script. Sources: Valkey, src/acl.c and src/script.c; Redis 7.0,
src/script.c."""
NEEDED = "its commands, the keys ~stormlab:* and the channels &stormlab:*"


def check_permissions(address: Address, scenario: Scenario) -> None:
    """See whether a user may do all that a run of the scenario does on a server, at names that begin as the run's do.

    Raises:
        HostError: not; it names the user, the command, and where it was refused.
    """
    _try_all(address, _of_run(scenario, run_prefix()))


def check_cleaning(address: Address) -> None:
    """See the same for `./lab clean`.

    Raises:
        HostError: see `check_permissions`.
    """
    _try_all(address, [("DEL", run_prefix() + "head"), ("CLIENT", "LIST"), ("SCAN", 0, "MATCH", "stormlab:*")])


def _of_run(scenario: Scenario, prefix: str) -> Iterator[Command]:
    """Commands of the lab and of its processes, those first that remove what the others write."""
    yield ("CLIENT", "SETNAME", f"{prefix}node-1-commands")
    yield ("DEL", f"{prefix}head")
    yield ("SCAN", 0, "MATCH", f"{prefix}*", "COUNT", 1000)
    if any(fault.kind == "bus_cut" for fault in scenario.faults):
        yield from (("CLIENT", "LIST"), ("CLIENT", "KILL", "ID", NOBODY))
    if scenario.publisher is not None:
        topic = Topic(prefix, scenario.bus.max_length, 1.0)
        yield from _scripts(broker.SCRIPTS)
        yield from (topic.stamp(1, b""), topic.read(0, 1), ("PEXPIRE", topic.head, SOON), ("PEXPIRE", topic.log, SOON))
        yield from (("PUBLISH", topic.again, b""), ("PUBLISH", topic.acks, b""))
        if scenario.bus.kind == "stream":
            yield topic.follow(0, 0.001)
        else:
            yield ("SUBSCRIBE", topic.fresh)
        yield from (("SUBSCRIBE", topic.again), ("SUBSCRIBE", topic.acks))
    if scenario.registry is not None:
        slots = Slots(f"{prefix}registry:", 1, SOON / 1000)
        yield from _scripts(registry.SCRIPTS)
        yield from (slots.register(1, "", ""), slots.beat(1, 1, 0, 0), slots.members(), slots.leave(1, 1))
        yield from (("TIME",), ("XRANGE", slots.log, "-", "+"), ("PEXPIRE", slots.log, SOON))
    if scenario.sessions.store == "redis":
        yield from _scripts(store.SCRIPTS)
        for what in ("start", "take", "refresh"):
            yield ("EVALSHA", store.SHA[what], 1, f"{prefix}session", 1, SOON)


def _scripts(scripts: dict[str, str]) -> Iterator[Command]:
    for text in scripts.values():
        yield ("SCRIPT", "LOAD", text)


def _names(command: Command) -> list[str]:
    """Return the keys or channels of one of these commands."""
    if command[0] == "EVALSHA":
        return [str(key) for key in command[3 : 3 + int(command[2])]]
    if command[0] == "XREAD":
        return [str(command[-2])]
    return [str(command[1])] if command[0] in ("DEL", "PEXPIRE", "PUBLISH", "SUBSCRIBE", "XRANGE") else []


def _try_all(address: Address, commands: "Iterator[Command] | list[Command]") -> None:
    options = {"socket_timeout": ANSWER_WITHIN, "socket_connect_timeout": ANSWER_WITHIN, "retry": None, "protocol": 2}
    wrote: set[str] = set()
    with contextlib.closing(client_of(address, **options)) as client:
        try:
            for command in commands:
                if command[0] == "EVALSHA":
                    wrote.update(_names(command))
                try:
                    _try(client, command)
                except redis.ResponseError as error:
                    raise HostError(f"--redis-url {address}: {_refusal(address, command, error)}") from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise HostError(f"--redis-url {address}: the server stopped answering ({error}).") from None
        finally:
            if wrote:
                with contextlib.suppress(redis.RedisError):
                    client.delete(*wrote)


def _try(client: redis.Redis, command: Command) -> None:
    if command[0] != "SUBSCRIBE":
        client.execute_command(*command)  # type: ignore[no-untyped-call]
        return
    with contextlib.closing(client.pubsub()) as one:  # type: ignore[no-untyped-call]
        one.subscribe(command[1])
        one.parse_response(block=True)


def _refusal(address: Address, command: Command, error: redis.ResponseError) -> str:
    """Return what is wrong, and what the user needs."""
    what = " ".join(str(word) for word in command[: 2 if command[0] in ("SCRIPT", "CLIENT") else 1])
    names = _names(command)
    if names:
        what += f" on {'channel' if command[0] in ('PUBLISH', 'SUBSCRIBE') else 'key'} {', '.join(names)}"
    if not any(word in told(error) for word in DENIED):
        return f"the server refuses {what} ({told(error)})."
    user = address.username or "default"
    return f"the user '{user}' may not do {what} ({told(error)}); a run needs {NEEDED}."
