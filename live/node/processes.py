"""One node of several processes that listen on one port.

Run as `python -m live.node.processes`, with the settings of `live.node.node` and the `count` of `workers`. This process
serves nobody: it starts the workers, each of which is `live.node.node` with a socket of its own on the port
(SO_REUSEPORT), hands on what the lab orders, and puts together what they answer. All are in one process group, and a
worker ends when this process is gone, as its standard input closes.
"""

import asyncio
import json
import signal
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from live.control.given import configuration
from live.control.messages import ControlMessage, Done, Finish, Listening, SomeMessage, decode, encode, on
from live.control.process import own, surroundings
from live.control.running import run
from live.control.stdio import obey, say
from live.node.messages import Closed, Drained, Look, Seen, StartDrain

ANSWERS = (Listening, Done, Seen, Drained)
"""What workers say that somebody waits for."""


class WorkerProcess:
    """One of the processes.

    Args:
        process: that was started.
        config: its settings.
    """

    def __init__(self, process: Process, config: dict[str, Any]) -> None:
        self.process = process
        self.said: dict[type, asyncio.Queue[Any]] = {kind: asyncio.Queue() for kind in ANSWERS}
        assert process.stdin is not None
        process.stdin.write(json.dumps(config).encode() + b"\n")
        self.reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            found = decode(line, ControlMessage.known)
            if type(found) in self.said:
                self.said[type(found)].put_nowait(found)
        for queue in self.said.values():
            queue.put_nowait(None)

    def tell(self, order: ControlMessage) -> None:
        """Hand on an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(encode(order))

    async def hear(self, kind: type[SomeMessage]) -> SomeMessage | None:
        """Return its next message of a kind; None if it has ended."""
        found: SomeMessage | None = await self.said[kind].get()
        if found is None:
            self.said[kind].put_nowait(None)  # for whoever asks next
        return found


class Group:
    """The workers of a node.

    Args:
        config: settings of the node.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.workers: list[WorkerProcess] = []
        self.settings = dict(config)
        self.count: int = config["workers"]["count"]
        self.tasks: set[asyncio.Future[None]] = set()
        self.drains = False

    async def start(self) -> None:
        """Start all workers, and say when they listen."""
        for _ in range(self.count):
            process = await asyncio.create_subprocess_exec(
                *own("live.node.node"), stdin=PIPE, stdout=PIPE, env=surroundings()
            )
            self.workers.append(WorkerProcess(process, self.settings | {"reuse_port": True}))
        for worker in self.workers:
            await worker.hear(Listening)
        say(Listening(time.monotonic(), time.process_time()))

    async def finish(self, order: Finish) -> None:
        """Collect the events of all workers."""
        events: list[Any] = []
        for number, worker in enumerate(self.workers):
            path = f"{order.path}.{number}"
            worker.tell(Finish(path))
            if await worker.hear(Done) is not None:
                events += json.loads(Path(path).read_text())
        events.sort(key=lambda event: float(event[0]))
        Path(order.path).write_text(json.dumps(events))
        say(Done(len(events)))

    async def look(self, order: Look) -> None:
        """Say when the last check came to any of them, and how many connections they have together."""
        for worker in self.workers:
            worker.tell(order)
        seen = [found for worker in self.workers if (found := await worker.hear(Seen)) is not None]
        say(Seen(max((one.checked for one in seen), default=0.0), sum(one.connections for one in seen)))

    def drain(self, order: StartDrain) -> None:
        """Let all drain, and say when the last one has; a second order changes nothing."""
        if not self.drains:
            self.drains = True
            task = asyncio.ensure_future(self._drain(order))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _drain(self, order: StartDrain) -> None:
        for worker in self.workers:
            worker.tell(StartDrain(order.lead, order.pace / self.count))
        drained = [found.at for worker in self.workers if (found := await worker.hear(Drained)) is not None]
        say(Drained(max(drained, default=time.monotonic())))

    def end(self) -> None:
        """Let all close their connections and end."""
        for worker in self.workers:
            if worker.process.returncode is None:
                worker.process.terminate()

    async def ended(self) -> None:
        """Wait until the last worker has ended."""
        for worker in self.workers:
            await worker.process.wait()


async def main(config: dict[str, Any]) -> None:
    """Serve until standard input closes (at once) or SIGTERM comes (gracefully, close code 1001)."""
    group = Group(config)
    await group.start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, group.end)
    closed = asyncio.ensure_future(group.ended())
    orders = on(StartDrain, group.drain) | on(Finish, group.finish) | on(Look, group.look)
    obeying = asyncio.ensure_future(obey(orders))
    await asyncio.wait([obeying, closed], return_when=asyncio.FIRST_COMPLETED)
    if obeying.done():
        obeying.result()
    if closed.done():
        say(Closed(time.process_time()))


if __name__ == "__main__":
    run(main(configuration(dict[str, Any])))
