"""The ways between several NATS servers: straight, or through a relay of the lab each, so that one can be cut off.

Straight, each server knows the routes of all others. With relays they stand in a ring, each dialling the next one: of
three servers all pairs are joined. That they find no other way, by what they tell each other, they advertise a port on
which nobody listens. Source: NATS manual, "Clustering" (`routes`, `advertise`).
"""

from collections.abc import Sequence

from live.broadcast.messages import Cut, RelaySettings
from live.control.address import Way
from live.control.messages import Listening
from live.control.process import ChildProcess, Stage
from live.machine import placement

HOST = "127.0.0.1"


class Routes:
    """The ways between the servers of a run.

    Args:
        stage: where relays run.
        cpus: on which cores.
        count: of the servers; three, if there are relays.
        relayed: whether there are.

    Attributes:
        ports: where each server listens for the others.
        relays: what passes on the connections that each server dials; none without relays.
        advertise: where the servers say that they are; empty for where they listen.
    """

    def __init__(self, stage: Stage, cpus: Sequence[int], count: int, relayed: bool) -> None:
        self.ports = placement.free_ports(count)
        self.relays: list[ChildProcess] = []
        self.dialled = [tuple(port for port in self.ports if port != own) for own in self.ports]
        self.advertise = ""
        if relayed:
            nowhere, *ways = placement.free_ports(1 + count)
            self.advertise = f"{HOST}:{nowhere}"
            self.dialled = [(port,) for port in ways]
            for number, port in enumerate(ways):
                settings = RelaySettings(port, Way(HOST, self.ports[(number + 1) % count]))
                self.relays.append(stage.python(f"relay of route {number}", "live.broadcast.relay", settings, cpus))
            for relay in self.relays:  # who does not get through at once tries again a second later
                relay.hear(Listening)

    def cut(self, number: int, on: bool) -> None:
        """Let nothing pass between a server and the others, or (not `on`) let it pass again."""
        for one in (number, number - 1):
            self.relays[one].tell(Cut(on))
