"""What one client does with messages: apply them in order, note what happens, and ask for what is missing."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.client import ClientConnection

from live.broadcast import wire
from live.broadcast.broker import MESSAGE, message
from live.client.connection import Inlet
from live.client.part import ClientPart, Take
from live.codec.codecs import Codec, codec_of
from twin.rules.codecs import NO_CODEC
from twin.rules.delivery import Message, Position

if TYPE_CHECKING:
    from live.ports import Swarm

Named = tuple[int, int]
"""Epoch and number of a message, as its events have them."""
MOST_KNOWN = 4096
"""Frames that a swarm keeps decoded; its clients all get the same ones."""


class Decoder:
    """Decodes each different frame once."""

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[Message, Named]] = {}

    def __call__(self, data: bytes) -> tuple[Message, Named]:
        """Return the message in a frame, and its epoch and number."""
        found = self.known.get(data)
        if found is None:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            one = message(data)
            found = self.known[data] = (one, (one.epoch, one.key))
        return found


class Inbox(ClientPart):
    """One client's messages, across all its connections.

    Args:
        swarm: shared settings and list of events.
        number: of the client.
        config: recover, on_reconnect, timeout (s), confirm (whether the node waits for this client's word), max_size
            (bytes of a frame).
        decoder: of frames.
        codec: of payloads, which each client decodes for itself as it would alone; None: they are a filling.
    """

    frames = frozenset({MESSAGE, wire.ANSWER})

    def __init__(
        self, swarm: "Swarm", number: int, config: dict[str, Any], decoder: Decoder, codec: Codec | None = None
    ) -> None:
        self.swarm = swarm
        self.number = number
        self.on_reconnect: bool = config["recover"] and config["on_reconnect"]
        self.timeout: float = config["timeout"]
        self.confirm: bool = config["confirm"]
        self.decode = decoder
        self.codec = codec
        self.position = Position(config["recover"])
        self.connection: Inlet | None = None
        self.node = -1
        self.was_connected = False
        self.options = {"create_connection": Inlet, "max_size": config["max_size"]}
        self._timer: asyncio.TimerHandle | None = None

    def connected(self, connection: ClientConnection, node: int) -> Take:
        """Take over a new connection; ask for what was missed if it is not the first."""
        self.connection, self.node = cast("Inlet", connection), node
        if self.was_connected and self.on_reconnect:
            self.ask()
        self.was_connected = True
        return self.take

    def disconnected(self) -> None:
        """The connection is over."""
        self.position.lose_connection()
        self.connection = None
        self._stop_timer()

    def take(self, data: bytes | str) -> None:
        """Take one frame from the node; text is none of a run's."""
        if isinstance(data, str):
            return
        before = self.position.version
        if data[0] == MESSAGE:
            self._arrive(data)
        elif data[0] == wire.ANSWER:
            self._answered(data)
        if self.confirm and self.position.version != before and self.connection is not None:
            self.connection.say(wire.standing(self.position.epoch, self.position.version))

    def _arrive(self, data: bytes) -> None:
        one, named = self.decode(data)
        epoch = self.position.epoch
        arrival = self.position.arrive(one)
        append, now = self.swarm.events.append, time.monotonic()
        if arrival.kind != "next":
            append((now, "received", self.number, self.node, -1, one.version, (*named, arrival.kind)))
        if arrival.gap:
            append((now, "gap", self.number, self.node, -1, arrival.gap, (epoch, one.epoch, one.version)))
        for each in arrival.deliver:
            if self.codec is not None:
                self.codec.decode(each.payload)
                now = time.monotonic()
            name = named if each is one else (each.epoch, each.key)
            append((now, "delivered", self.number, self.node, -1, each.version, name))
        if arrival.ask:
            self.ask()

    def _answered(self, data: bytes) -> None:
        found = wire.read_answer(data)
        self._stop_timer()
        answered = self.position.answer(found)
        append, now = self.swarm.events.append, time.monotonic()
        how = ("snapshot",) if answered.snapshot else ("replayed", answered.replayed)
        append((now, "recovered", self.number, self.node, -1, found.version, (found.epoch, *how)))
        for each in answered.deliver:
            if self.codec is not None:
                self.codec.decode(each.payload)
            append((now, "delivered", self.number, self.node, -1, each.version, (each.epoch, each.key)))
        if answered.ask:
            self.ask()

    def ask(self) -> None:
        """Ask the node what came after the position, and again when no answer comes in time."""
        self._stop_timer()
        if self.connection is None:
            return
        self.connection.say(wire.question(*self.position.resume()))
        self._timer = asyncio.get_running_loop().call_later(self.timeout, self.ask)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Give each client of a swarm its inbox."""
    decoder, settings = Decoder(), config["broadcast"]
    codec = codec_of(settings.get("codec", NO_CODEC))
    swarm.equip(lambda client: Inbox(swarm, client.number, settings, decoder, codec))
