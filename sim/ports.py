"""What rooms take from each other, as types: who is named here need not be imported, so that no room needs itself."""

from collections.abc import Callable
from typing import Protocol

import simpy

from sim.machine.process import Cost
from twin.draws import Purpose
from twin.record.record import Row
from twin.rules.choice import Rule
from twin.scenario.scenario import Scenario


class Run(Protocol):
    """The replication that a room is part of.

    Attributes:
        rows: the events so far.
    """

    env: simpy.Environment
    scenario: Scenario
    rows: list[Row]

    @property
    def cost(self) -> Callable[[str], Cost]:
        """What a part costs in this replication, by its name."""
        ...

    def note(
        self, event: str, client: int = -1, node: int = -1, attempt: int = -1, detail: str = "", version: int = -1
    ) -> None:
        """Append one event at the present time."""
        ...

    def draw(self, entity: int, purpose: Purpose, n: int) -> float:
        """Return a uniform number of this replication."""
        ...


class Servers(Protocol):
    """What a balancer knows of its servers, for who changes their weights.

    Attributes:
        rule: chooses a server.
        up: whether each server may get connections.
        risen: how often each server has come up.
    """

    env: simpy.Environment
    rule: Rule
    up: list[bool]
    risen: list[int]
