"""A client's connection that hands each frame on as soon as it is read, and sends without waiting.

Frames of all mechanisms share it: each is known by its first byte, or by being text.
"""

from collections.abc import Iterable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from live.client.part import TEXT, ClientPart, Take


class Inlet(ClientConnection):
    """A connection that hands frames to its client as they are read, without a task to wake for each.

    What comes before the client has taken over the connection is kept for it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept: list[bytes | str] = []
        self.take: Take = self.kept.append

    def process_event(self, event: Event) -> None:
        """Take one frame (websockets)."""
        if type(event) is Frame and event.opcode is Opcode.BINARY and event.fin:
            self.take(bytes(event.data))
        elif type(event) is Frame and event.opcode is Opcode.TEXT and event.fin:
            self.take(bytes(event.data).decode(errors="replace"))
        else:
            super().process_event(event)

    def hand_over(self, take: Take) -> None:
        """From now on give each frame to `take`, those that are kept first."""
        for data in self.kept:
            take(data)
        self.take = take

    def say(self, data: bytes) -> None:
        """Send one frame without waiting."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_binary(data)
            self.send_data()


def taker(takers: Iterable[tuple[ClientPart, Take]]) -> Take:
    """Return what takes the frames of a connection: the only part that does, or each part its own."""
    found = list(takers)
    if len(found) == 1:
        return found[0][1]
    by_first = {first: take for part, take in found for first in part.frames}

    def route(data: bytes | str) -> None:
        if data:
            by_first.get(TEXT if isinstance(data, str) else data[0], ignore)(data)

    return route if by_first else ignore


def ignore(data: bytes | str) -> None:
    """Take a frame that is no part's."""
