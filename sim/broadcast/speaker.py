"""What a node says to the bus: commands that wait for each other, and leave together."""

from functools import partial
from typing import Any

import simpy

from sim.broadcast.bus import Bus, Command
from sim.broadcast.fanout_costs import FanOutCosts
from sim.broadcast.link import Act, Link
from sim.node.node import Node
from sim.ports import Work

Said = tuple[Command, simpy.Event | None]
"""A command that waits for the bus, and who is to be told."""


class Speaker:
    """The commands of one node.

    Args:
        bus: to which they go.
        link: over which.
        node: whose process sends them.
        costs: of that.
    """

    def __init__(self, bus: Bus, link: Link, node: Node, costs: FanOutCosts) -> None:
        self.bus = bus
        self.link = link
        self.node = node
        self.costs = costs
        self.life = 0
        self.outbox: list[Said] = []
        self.speaking = False

    def speak(self, command: Command, done: simpy.Event | None) -> None:
        """Queue a command for the bus; `done` happens with what it returns there, or None."""
        self.outbox.append((command, done))
        if not self.speaking:
            self.speaking = True
            self.node.env.process(self._speak(self.life))

    def clear(self) -> None:
        """Forget what waits: the node's process has ended."""
        self.life += 1
        self.outbox.clear()
        self.speaking = False

    def _speak(self, life: int) -> Work[None]:
        """Send all that is queued in one go, and go on with what has come meanwhile."""
        while life == self.life and self.outbox:
            for _ in self.outbox[:-1]:
                self.node.process.work(self.costs.acknowledge)
            yield self.node.process.work(self.costs.acknowledge)
            if life != self.life:
                return
            batch, self.outbox = self.outbox, []
            commands = [(cost, partial(self._alive, life, act)) for (cost, act), _ in batch]
            values = yield from self.bus.command(self.link, commands, self.node.process, [0])
            if values is not None and life == self.life:
                yield [self.node.process.work(self.costs.answer) for _ in batch][-1]
            for i, (_, done) in enumerate(batch):
                if done is not None:
                    done.succeed(None if values is None else values[i])
        if life == self.life:
            self.speaking = False

    def _alive(self, life: int, act: Act) -> Any:
        """Do what a node asked for, unless its process has ended meanwhile."""
        return act() if life == self.life else None
