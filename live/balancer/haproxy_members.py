"""HAProxy's servers, which the registrar tells over the runtime socket, with slots that were declared in advance.

A member comes into service in the backend of the version that it has written to the registry. Source: HAProxy
management guide, `set server`.
"""

import socket
from collections.abc import Mapping

from live.balancer.base import OBEYS_WITHIN
from twin.config.haproxy import server_of
from twin.rules.registry import Changes, Registration


class HAProxyMembers:
    """HAProxy's servers, declared in advance.

    Args:
        path: of the runtime socket.
        following: the next version of a gray release, or None.
    """

    def __init__(self, path: str, following: str | None) -> None:
        self.path = path
        self.following = following

    def apply(self, todo: Changes, members: Mapping[int, Registration]) -> None:
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
            link.settimeout(OBEYS_WITHIN)
            link.connect(self.path)
            link.sendall(("; ".join(commands) + "\n").encode())
            said = b""
            while chunk := link.recv(65536):
                said += chunk
        wrong = [line for line in said.decode(errors="replace").splitlines() if "no such" in line.lower()]
        if wrong:
            raise OSError("; ".join(wrong))

    def _server(self, slot: int, member: Registration) -> str:
        return server_of(slot, member.version, self.following)
