"""A node in Go, started alone, and what a client or a stranger gets from it."""

import os
import socket
import struct
from typing import Any

from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from live.control.process import ChildProcess, Stage
from live.machine import placement
from live.node.go_runtime import GoRuntime
from live.node.messages import Look, Seen
from tests.strangers import HANDSHAKE


class GoNode:
    """A node in Go, with its port."""

    def __init__(self, stage: Stage, **config: Any) -> None:
        (self.port,) = placement.free_ports(1)
        self.stage = stage
        basic = {"number": 3, "port": self.port, "backlog": 100}
        self.part: ChildProcess = GoRuntime().start(stage, "node 3", basic | config, [min(os.sched_getaffinity(0))])

    def client(self, **options: Any) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}", compression=None, proxy=None, **options)

    def send(self, data: bytes) -> bytes:
        """Return all that the node sends to a stranger until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw:
            raw.sendall(data)
            found = b""
            while more := raw.recv(65_536):
                found += more
            return found

    def close_code(self, *frames: bytes) -> int:
        """Return with which code the node closes a connection after some frames."""
        answer = self.send(HANDSHAKE + b"".join(frames))
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert b" 101 " in head
        assert rest[0] == 0x80 | Opcode.CLOSE
        return int(struct.unpack_from(">H", rest, 2)[0])

    def seen(self) -> Seen:
        self.part.tell(Look())
        return self.part.hear(Seen)
