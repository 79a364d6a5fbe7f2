"""How the leader of a stream has a message on a majority of its servers before anything goes out that tells of it."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import simpy

from sim.machine.process import Cost, Process


@dataclass
class _Round:
    """A message on its way to the followers, and what goes out once the first of them has it."""

    sent: bool = False
    kept: bool = False
    acts: list[Callable[[], Any]] = field(default_factory=list)


class Replication:
    """The log of a group of three; in the place of a server's disk (`sim.broadcast.disk`).

    Args:
        replicate: CPU time of the leader for sending a message to the followers, and reading that they have it.
        follow: of each follower.

    Attributes:
        leader: its process.
        followers: processes of those that are there, and reached.
    """

    def __init__(self, leader: Process, followers: Sequence[Process], replicate: Cost, follow: Cost) -> None:
        self.leader = leader
        self.followers = list(followers)
        self.replicate = replicate
        self.follow = follow
        self.rounds: deque[_Round] = deque()

    def wrote(self) -> None:
        """The leader has taken a message: what comes out from now on waits until a follower has it, too."""
        one = _Round()
        self.rounds.append(one)
        self.leader.work(self.replicate, partial(self._sent, one))

    def _sent(self, one: _Round, _: simpy.Event) -> None:
        one.sent = True
        self._send(one)

    def _send(self, one: _Round) -> None:
        for process in self.followers:
            process.work(self.follow, partial(self._kept, one))

    def reach(self, followers: Sequence[Process]) -> None:
        """These followers are reached again: what waits until one of them has it is sent to all."""
        self.followers = list(followers)
        for one in self.rounds:
            if one.sent and not one.kept:
                self._send(one)

    def _kept(self, one: _Round, _: simpy.Event) -> None:
        one.kept = True
        while self.rounds and self.rounds[0].kept:
            for act in self.rounds.popleft().acts:
                act()

    def out(self, act: Callable[[], Any]) -> None:
        """Let something go out, when all that was written before is on a majority."""
        if self.rounds:
            self.rounds[-1].acts.append(act)
        else:
            act()

    def lose(self) -> None:
        """The leader has died: nothing that waits goes out."""
        self.rounds.clear()
