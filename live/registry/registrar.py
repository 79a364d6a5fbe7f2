"""The registrar: it looks at the registry and keeps the balancer's list of servers in step.

Run as `python -m live.registry.registrar`. How a balancer is told is its kind's, in `live.balancer.members`. The
registrar says so when as many nodes are in rotation as it was told to expect, looks at the times that it is told,
and writes its events when it is asked for them.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from live.balancer.members import members_of
from live.broadcast.link import keep_alive
from live.control.address import Address
from live.control.given import configuration
from live.control.messages import Done, Finish, on
from live.control.noted import Event
from live.control.resp import BROKEN, ReplyError, RespConnection
from live.control.running import run
from live.control.stdio import obey, say
from live.registry.member import ANSWER_WITHIN, open_link
from live.registry.messages import LookAt, Synced
from live.registry.scripts import Slots, alive
from twin.rules.registry import Registration, changes, next_sign

EAGER = 0.02
"""Seconds between two looks before the run's own times are known."""


class Registrar:
    """Compares registry and balancer at each look."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.address = Address(**config["address"])
        self.slots = Slots(**config["slots"])
        self.every: float = config["sync"]
        self.expect: int = config["expect"]
        self.list = members_of(config["balancer"], config["members"])
        self.known: dict[int, Registration] = {}
        self.events: list[Event] = []
        self.grid: float | None = None
        self.link: RespConnection | None = None
        self.lost = False

    async def look(self) -> None:
        """Ask who is alive, and tell the balancer what is new."""
        try:
            if self.link is None or self.link.reason:
                self.link = await open_link(self.address, f"{self.slots.prefix}registrar")
            members = alive(await self.link.ask(ANSWER_WITHIN, *self.slots.members()), time.monotonic())
        except (*BROKEN, ReplyError):
            self._note_lost(True)  # who does not answer says nothing about the nodes
            return
        self._note_lost(False)
        todo = changes(self.known, members)
        if todo.gone or todo.came:
            try:
                self.list.apply(todo, members)
            except OSError as error:
                sys.stderr.write(f"registrar: {error}\n")
                sys.stderr.flush()
                return
            now = time.monotonic()
            self.events += [(now, "marked_down", -1, slot, -1, -1, "registry") for slot, _ in todo.gone]
            self.events += [(now, "marked_up", -1, slot, -1, -1, "registry") for slot, _ in todo.came]
        self.known = members
        if len(members) >= self.expect > 0:
            self.expect = 0
            say(Synced(time.monotonic()))

    def _note_lost(self, lost: bool) -> None:
        """Note when the registry does not answer any more, and when it does again."""
        if lost != self.lost:
            self.lost = lost
            self.events.append((time.monotonic(), "registry_lost" if lost else "registry_joined", -1, -1, -1, -1, ""))

    async def run(self) -> None:
        """Look for ever."""
        due = 0.0
        while True:
            await self.look()
            now = time.monotonic()
            # a timer may be early by a millisecond
            due = now + EAGER if self.grid is None else next_sign(self.grid, self.every, max(now, due))
            await asyncio.sleep(due - now)


async def main(config: dict[str, Any]) -> None:
    """Obey the lab until standard input closes: look at the times that it says, and write the events."""
    registrar = Registrar(config)
    work = keep_alive(registrar.run())

    def look_at(order: LookAt) -> None:
        registrar.grid = order.at

    def finish(order: Finish) -> None:
        Path(order.path).write_text(json.dumps(registrar.events))
        say(Done(len(registrar.events)))

    await obey(on(LookAt, look_at) | on(Finish, finish))
    work.cancel()


if __name__ == "__main__":
    run(main(configuration(dict[str, Any])))
