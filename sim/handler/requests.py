"""What clients ask their nodes to do: each request is made when it is due, unless its client is away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sim.client.client import Client
from sim.connection import Frame, Tunnel
from sim.network.downlink import Downlink
from sim.ports import ClientPart, Run, Work
from twin.draws import OF_TASKS, Purpose
from twin.record.handler_events import Answered, Requested
from twin.rules.handler import Demand, What
from twin.scenario.handler import Task

MECHANISM = "handler"
"""To whom requests and answers belong."""


@dataclass(slots=True, eq=False)
class Request(Frame):
    """A request on its way: its body is the place of its task in the scenario, and its number, as that of its answer.

    Attributes:
        demand: what it takes.
    """

    demand: Demand = field(default=Demand(0.0, 0.0, 0.0))


class Requests(ClientPart):
    """The requests of one client, across all its connections.

    Args:
        run: the replication.
        tasks: what is asked for.
        say: lets the client's process write a frame.
        downlink: over which answers come.
        client: who asks.
    """

    def __init__(
        self,
        run: Run,
        tasks: Sequence[Task],
        say: Callable[[Tunnel, Frame], None],
        downlink: Downlink,
        client: Client,
    ) -> None:
        self.run = run
        self.say = say
        self.downlink = downlink
        self.client = client
        self.names = [task.name for task in tasks]
        for place, task in enumerate(tasks):
            run.env.process(self.ask_all(place, task))

    def ask_all(self, place: int, task: Task) -> Work[None]:
        """Make each request of a task when it is due."""
        run, client, count = self.run, self.client, len(self.names)

        def draw(what: What, n: int) -> float:
            return run.draw(client.number, OF_TASKS[what], n * count + place)

        phase = run.draw(place, Purpose.TASK_PHASE, 0)
        requests = task.rule().requests(run.scenario.clients.count, client.number, phase, draw)
        for n, (due, demand) in enumerate(requests):
            yield client.process.sleep(max(0.0, due - run.env.now))
            tunnel = client.tunnel
            if tunnel is not None and tunnel.opened and not tunnel.lost.triggered:
                run.note("requested", client.number, tunnel.server + 1, version=n, detail=Requested.pack(task.name))
                self.say(tunnel, Request((place, n), mechanism=MECHANISM, demand=demand))

    def answered(self, tunnel: Tunnel, place: int, n: int, t: float) -> None:
        """The answer to request `n` of the task at a place has been read at `t` seconds."""
        row = (t, "answered", self.client.number, tunnel.server + 1, -1, n, Answered.pack(self.names[place]))
        self.run.rows.append(row)

    def disconnected(self, tunnel: Tunnel) -> None:
        """The connection is over, and what waited on it."""
        self.downlink.over(tunnel)

    def reads_again(self, tunnel: Tunnel) -> None:
        """Read what has gathered during a stall."""
        self.downlink.release(tunnel)
