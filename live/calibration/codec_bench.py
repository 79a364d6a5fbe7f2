"""A process that encodes, compresses and does the reverse, with the libraries of nodes and clients, and nothing else.

Run as `python -m live.calibration.codec_bench`; it says how long each took (`CodecTimes`) and ends. No socket is open:
what a connection costs is measured with the parts of a broadcast. Its own CPU time is read around each batch of work.
"""

import asyncio
import gc
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import uvloop
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from live.calibration.messages import CodecBench, CodecTimes
from live.codec.codecs import CODECS, Codec
from live.control.given import configuration
from live.control.noted import Event
from live.control.stdio import say
from live.control.usage import resident_bytes
from live.machine.timing import Timers
from live.node.asyncio_runtime import YOUNG_GARBAGE
from live.sending.outbox import Outbox
from twin.costs.codec import CONNECTIONS, CONTENTS, CONTEXTS, TEXTS_MEASURED
from twin.draws import Purpose
from twin.rules.chat import chat
from twin.rules.codecs import payload

BATCH = 16
"""Messages of a batch, less one, tell what a further one costs."""
LONE, PAUSE = 11, 0.006
"""How often one message is done after a pause, and how long that is: longer than a process takes to get cold."""
AWAKE = 5000
"""Additions, about, that a process does when it has woken up: some tens of microseconds."""
GATHERING, EACH = 64, 20.0
"""Clients that gather messages, and how many a second each."""
SETTLED, WATCHED = 0.3, 1.0
"""Seconds that they have before they are watched, and for how long."""
IN_A_ROW = 64
REPEATS = 5
FIRST, COUNTED = 32, 128
"""Connections before those whose memory counts, and how many these are."""
RUN_IN = 8
"""Messages that a connection has had before it counts: its window has something to find by then."""
LARGE_CONNECTIONS = CONNECTIONS[0]
"""Connections with which it is measured what larger frames cost more."""


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """Return the CPU seconds of one of some repetitions; the median of `REPEATS` series counts."""
    found = []
    for _ in range(REPEATS):
        before = time.process_time_ns()
        for _ in range(times):
            work()
        found.append((time.process_time_ns() - before) / 1e9 / times)
    return median(found)


def pause() -> None:
    """Sleep for long enough to get cold, and wake up: what that costs a process is in the part that it does first."""
    time.sleep(PAUSE)
    sum(range(AWAKE))


def after_pauses(work: Callable[[], Any]) -> float:
    """Return the CPU seconds of something that is done once after a pause; the median counts."""
    found = []
    for _ in range(LONE):
        pause()
        before = time.process_time_ns()
        work()
        found.append((time.process_time_ns() - before) / 1e9)
    return median(found)


def codec_times(codec: Codec, size: int) -> dict[str, float]:
    """Return what messages with texts of `size` bytes cost, by the names of the parts."""
    count = max(1, min(IN_A_ROW, (1 << 20) // size))
    for number in range(BATCH):
        chat(number, size)

    def encode(messages: int) -> bytes:
        return codec.encode([chat(number, size) for number in range(messages)])

    def decode(data: bytes) -> list[int]:
        return codec.numbers(codec.decode(data))

    def do(what: str, messages: int) -> Callable[[], Any]:
        data = encode(messages)
        return (lambda: encode(messages)) if what == "encode" else (lambda: decode(data))

    found = {}
    for what in ("encode", "decode"):
        one, many = do(what, 1), do(what, BATCH)
        row = seconds(one, count)
        found[f"codec_{what}"] = row
        found[f"codec_{what}_more"] = max(0.0, seconds(many, max(1, count // BATCH)) - row) / (BATCH - 1)
        found[f"codec_{what}_lone"] = after_pauses(one)
    return found


def contents(size: int, messages: int) -> list[bytes]:
    """Return what is compressed: lines of a chat as JSON, of `size` bytes."""
    return [payload("json", size, number)[-size:] for number in range(1, messages + 1)]


def deflate_times(context: tuple[int, int], takeover: bool, size: int, count: int) -> tuple[float, float]:
    """Return the CPU seconds of compressing a frame of `size` bytes and making bytes of it, and of decompressing it, of
    one of `count` connections in turn, after a pause: by then the contexts are in no cache of the core any more.

    Args:
        context: window bits and memory level.
        takeover: whether the connections keep their contexts; they have some before it counts.
        size: of the content.
        count: how many connections there are.
    """
    bits, level = context
    senders, readers = (
        [PerMessageDeflate(not takeover, not takeover, bits, bits, {"memLevel": level}) for _ in range(count)]
        for _ in range(2)
    )
    sending, reading = [], []
    for data in contents(size, RUN_IN + REPEATS):
        frame = Frame(Opcode.BINARY, data)
        pause()
        began = time.process_time_ns()
        written = [frame.serialize(mask=False, extensions=[sender]) for sender in senders]
        sending.append((time.process_time_ns() - began) / 1e9 / count)
        encoded = [Frame(Opcode.BINARY, whole[header_bytes(whole) :], rsv1=True) for whole in written]
        pause()
        began = time.process_time_ns()
        for reader, compressed in zip(readers, encoded, strict=True):
            reader.decode(compressed)
        reading.append((time.process_time_ns() - began) / 1e9 / count)
    return median(sending[RUN_IN:]), median(reading[RUN_IN:])


def header_bytes(frame: bytes) -> int:
    """Return the bytes of a frame before its content; it is not masked. Source: RFC 6455, 5.2."""
    return {126: 4, 127: 10}.get(frame[1], 2)


def context_bytes(context: tuple[int, int]) -> float:
    """Return by how many resident bytes a process grows with each connection that compresses: a compressor that has had
    messages, and a decompressor to which none has come. Nothing else may have been done before.
    """
    bits, level = context
    content = contents(CONTENTS[0], RUN_IN)
    pid, before, kept = os.getpid(), 0, []
    for place in range(FIRST + COUNTED):
        if place == FIRST:
            before = resident_bytes(pid)
        one = PerMessageDeflate(False, False, bits, bits, {"memLevel": level})
        for data in content:
            one.encode(Frame(Opcode.BINARY, data))
        kept.append(one)
    return max(0.0, (resident_bytes(pid) - before) / COUNTED)


def of_context(context: tuple[int, int]) -> dict[str, list[float]]:
    """Return what frames cost with contexts of this size: a part by its name has a figure for each of its levels."""
    found = dict[str, list[float]]()
    for how, takeover in (("kept", True), ("fresh", False)):
        small = [deflate_times(context, takeover, CONTENTS[0], count) for count in CONNECTIONS]
        large = [deflate_times(context, takeover, size, LARGE_CONNECTIONS) for size in CONTENTS[1:]]
        for place, what in enumerate(("deflate", "inflate")):
            found[f"{what}_{how}"] = [one[place] for one in small]
            found[f"{what}_{how}_bytes"] = [max(0.0, one[place] - small[0][place]) for one in large]
    return found


def of_codec(kind: str) -> dict[str, list[float]]:
    """Return what a codec costs: names of parts, each with a figure for each of `TEXTS_MEASURED`."""
    codec = CODECS[kind]()
    each = [codec_times(codec, size) for size in TEXTS_MEASURED]
    return {name: [one[name] for one in each] for name in each[0]}


class Gathered:
    """Clients that gather and send nothing, as `live.sending.outbox.Outbox` sees its swarm and its connection."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.start = time.monotonic()
        self.timers = Timers()

    def draw(self, client: int, purpose: Purpose, n: int) -> float:
        """Return the phase of a client."""
        return client / GATHERING

    def say(self, data: bytes) -> None:
        """Send nothing: no batch is ever full."""


async def gather_time() -> float:
    """Return the CPU seconds of a message that a client puts into a batch at its time."""
    swarm: Any = Gathered()
    offline = {"messages": 0, "bytes": 0, "overflow": "oldest"}
    config = {"rate": EACH, "payload_bytes": 64, "batch": {"count": 10**6, "window": 3600.0}, "offline": offline}
    boxes = [Outbox(swarm, number, config) for number in range(GATHERING)]
    for box in boxes:
        box.connected(swarm, 1)
    tasks = [asyncio.ensure_future(box.run()) for box in boxes]
    await asyncio.sleep(SETTLED)
    before, many = time.process_time_ns(), len(swarm.events)
    await asyncio.sleep(WATCHED)
    spent, count = (time.process_time_ns() - before) / 1e9, len(swarm.events) - many
    for task in tasks:
        task.cancel()
    return spent / max(1, count)


def main(settings: CodecBench) -> None:
    """Measure one kind of codec, or one size of contexts."""
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    if settings.room == "gather":
        say(CodecTimes({"client_gather": [uvloop.run(gather_time())]}))
    elif settings.room == "codec":
        say(CodecTimes(of_codec(settings.kind)))
    else:
        kept = context_bytes(CONTEXTS[settings.kind])
        say(CodecTimes(of_context(CONTEXTS[settings.kind]), kept))


if __name__ == "__main__":
    main(configuration(CodecBench))
