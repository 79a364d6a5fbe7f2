"""The registrar: it looks at the registry and keeps the balancer's list of servers in step.

Run as `python -m live.registry.registrar`. HAProxy is told over its runtime socket, with slots that were declared in
advance; a member comes into service in the backend of the version that it has written to the registry. nginx gets a new
list of peers and a reload. The registrar says `synced` when as many nodes are in rotation as it was told to expect,
looks at the times that it is told, and writes its events at `finish`.
Sources: HAProxy management guide, `set server`; nginx, "Controlling nginx".
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import uvloop

from live.broadcast.link import keep_alive
from live.control.address import Address
from live.control.given import configuration
from live.control.resp import BROKEN, Link, RefusedError
from live.control.stdio import lines, say
from live.registry.member import ANSWER_WITHIN, open_link
from live.registry.scripts import Slots, alive
from twin.config.registry import NGINX_HANDOVER, nginx_peers, server_of
from twin.rules.registry import Changes, Member, changes, next_sign

Event = tuple[float, str, int, int, int, int, str]
EAGER = 0.02
"""Seconds between two looks before the run's own times are known."""


class HAProxyList:
    """HAProxy's servers, declared in advance.

    Args:
        path: of the runtime socket.
        following: the next version of a gray release, or None.
    """

    def __init__(self, path: str, following: str | None) -> None:
        self.path = path
        self.following = following

    def apply(self, todo: Changes, members: Mapping[int, Member]) -> None:
        """Take servers out and in; an error is in the log, and the next look tries again.

        Raises:
            OSError: HAProxy does not answer, or does not do it.
        """
        commands = [f"set server {self._server(*one)} state maint" for one in todo.gone]
        for slot, member in todo.came:
            host, _, port = member.address.rpartition(":")
            commands.append(f"set server {self._server(slot, member)} addr {host} port {port}")
            commands.append(f"set server {self._server(slot, member)} state ready")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(ANSWER_WITHIN)
            link.connect(self.path)
            link.sendall(("; ".join(commands) + "\n").encode())
            said = b""
            while chunk := link.recv(65536):
                said += chunk
        wrong = [line for line in said.decode(errors="replace").splitlines() if "no such" in line.lower()]
        if wrong:
            raise OSError("; ".join(wrong))

    def _server(self, slot: int, member: Member) -> str:
        return server_of(slot, member.version, self.following)


class NginxList:
    """nginx's peers: a file that the configuration includes.

    Args:
        path: of the file.
        pid: of the master process.
        head: lines of the `upstream` block before its servers.
        server: a peer's line, with `{address}`.
        absent: address of each slot while it is not there.
    """

    def __init__(self, path: str, pid: int, head: list[str], server: str, absent: dict[str, str]) -> None:
        self.path = Path(path)
        self.pid = pid
        self.head = head
        self.server = server
        self.absent = {int(slot): address for slot, address in absent.items()}

    def apply(self, todo: Changes, members: Mapping[int, Member]) -> None:
        """Write the list, let nginx read it, and wait until only the new worker accepts.

        Raises:
            OSError: nginx is gone, or has started no worker.
        """
        text = nginx_peers(self.head, self.server, self.absent, members)
        partial = self.path.with_suffix(".partial")
        partial.write_text(text)
        partial.replace(self.path)
        before = set(_children(self.pid))
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + ANSWER_WITHIN
        while not set(_children(self.pid)) - before:
            if time.monotonic() > deadline:
                raise OSError(f"nginx has started no worker within {ANSWER_WITHIN:g} s")
            time.sleep(0.001)
        time.sleep(NGINX_HANDOVER)


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        raise OSError("nginx is gone") from None


class Registrar:
    """Compares registry and balancer at each look."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.address = Address(**config["address"])
        self.slots = Slots(**config["slots"])
        self.every: float = config["sync"]
        self.expect: int = config["expect"]
        self.list: HAProxyList | NginxList
        self.list = HAProxyList(**config["haproxy"]) if "haproxy" in config else NginxList(**config["nginx"])
        self.known: dict[int, Member] = {}
        self.events: list[Event] = []
        self.grid: float | None = None
        self.link: Link | None = None

    async def look(self) -> None:
        """Ask who is alive, and tell the balancer what is new."""
        try:
            if self.link is None or self.link.reason:
                self.link = await open_link(self.address, f"{self.slots.prefix}registrar")
            members = alive(await self.link.ask(ANSWER_WITHIN, *self.slots.members()), time.monotonic())
        except (*BROKEN, RefusedError):
            return  # who does not answer says nothing about the nodes
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
            say(synced=time.monotonic())

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
    """Obey the lab: `look` gives the time of a look on the monotonic clock, `finish` writes the events and ends."""
    registrar = Registrar(config)
    work = keep_alive(registrar.run())
    reader = await lines()
    while line := await reader.readline():
        message = json.loads(line)
        if "look" in message:
            registrar.grid = float(message["look"])
        elif "finish" in message:
            Path(message["finish"]).write_text(json.dumps(registrar.events))
            say(done=len(registrar.events))
    work.cancel()


if __name__ == "__main__":
    uvloop.run(main(configuration()))
