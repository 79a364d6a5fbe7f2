"""A node's connection to the server on which the registry is: what is asked over it, and what an answer takes.

A command is executed when it comes to the server, and answered from there. It takes no time but that of the link (a
delay, a partition): nobody waits for what it costs the server's core (`sim.registry.registry.RegistryCosts`). Who asks
waits a while; what was sent meanwhile is executed all the same when it arrives. A server that was killed has closed the
connection, and with the next command a new one is opened, which takes one exchange to log in and one for each script
that the registry needs.
"""

from collections.abc import Callable
from typing import Any, Protocol

import simpy

from sim.broadcast.link import Link
from sim.ports import Work

ANSWER_WITHIN = 2.0
"""Seconds for which a node waits for an answer. Source: `live/registry/member.py`."""
AGAIN = 0.02
"""Seconds between two attempts to register. Source: the same."""
SCRIPTS = 4
"""Scripts that a new connection loads, one after the other. Source: `live/registry/scripts.py`."""

Answer = tuple[bool, Any]
"""Whether a command was executed and answered in time, and what it returned."""


class RegistryServer(Protocol):
    """The server of the registry.

    Attributes:
        up: whether it answers.
        life: counts its ends.
        on_loss: called when it starts without its data.
    """

    up: bool
    life: int
    on_loss: list[Callable[[], None]]

    def link(self, number: int) -> Link:
        """Return a new way to the server, of a node."""
        ...

    def connect(self, link: Link, lost: Callable[[str], None]) -> None:
        """Note that the process at the end of a link is connected, and has to be told when that is over."""
        ...


class RegistryConnection:
    """Where one node asks; a new process of the node begins with a connection of its own.

    Args:
        env: the environment.
        server: of the registry.
        number: of the node.
    """

    def __init__(self, env: simpy.Environment, server: RegistryServer, number: int) -> None:
        self.env = env
        self.server = server
        self.link = server.link(number)
        self.open_for = -1
        self.life = 0

    def connected(self, process: int) -> None:
        """A process has a connection; `process` names it among those of the node."""
        self.open_for, self.life = process, self.server.life
        self.server.connect(self.link, self._lost)

    def _lost(self, reason: str) -> None:
        self.open_for = -1

    def ask(self, process: int, act: Callable[[], Any]) -> Work[Answer]:
        """Let the server execute a command, and return the answer; without a connection, open one first."""
        if self.open_for != process:
            for _ in range(1 + SCRIPTS):
                opened, _ = yield from self._exchange(lambda: None, self.server.life)
                if not opened:
                    return False, None
            self.connected(process)
        return (yield from self._exchange(act, self.life))

    def send(self, process: int, act: Callable[[], Any]) -> None:
        """Let the server execute a command of a process that does not wait for the answer, if it has a connection."""
        if self.open_for == process:
            life = self.life
            self.link.carry(lambda: act() if self._is_there(life) else None)

    def _is_there(self, life: int) -> bool:
        """Tell whether the server of a connection is there that was opened in one of its lives."""
        return self.server.up and self.server.life == life

    def _exchange(self, act: Callable[[], Any], life: int) -> Work[Answer]:
        found: list[Answer] = []
        waiting: list[simpy.Event] = []

        def answer(value: Answer) -> None:
            found.append(value)
            if waiting and not waiting[0].triggered:
                waiting[0].succeed()

        def arrive() -> None:
            done = self._is_there(life)
            value = act() if done else None
            self.link.carry(lambda: answer((done, value)), False)

        self.link.carry(arrive)
        if not found:
            waiting.append(self.env.event())
            yield waiting[0] | self.env.timeout(ANSWER_WITHIN)
        return found[0] if found else (False, None)
