"""What clients send to their nodes, and keep while they are away."""

from collections.abc import Callable, Sequence

from sim.client.client import Client
from sim.codec.gathering import Gathering
from sim.connection import Attempt, Frame, Tunnel
from sim.machine.machine import Machine
from sim.network.uplink import Uplink
from sim.ports import ClientPart, Run, Work
from sim.sending.frames import FrameCosts
from twin.draws import Purpose
from twin.record.events import Discarded, Kept, Sent
from twin.rules.batching import in_a_row
from twin.rules.offline import OfflineQueue, due_at

MECHANISM = "sends"
"""To whom what clients send belongs."""
FLUSHED = Sent(True).detail


class Outboxes:
    """The messages of all clients, and what their nodes read of them."""

    def __init__(self, run: Run, uplink: Uplink, clients: Sequence[Client], machine: Machine) -> None:
        self.rows = run.rows
        self.nodes = uplink.nodes
        costs = FrameCosts(run.scenario, machine)
        self.of = [Outbox(run, uplink.say, client, costs) for client in clients]
        uplink.receivers[MECHANISM] = self.arrived

    def arrived(self, tunnel: Tunnel, frame: Frame, t: float) -> None:
        """A node has read messages of a client; what comes to the socket of a killed process nobody reads."""
        if self.nodes[tunnel.server].standing.phase == "dead":
            return
        assert isinstance(frame.body, list)
        client, *numbers = frame.body
        self.rows += [(t, "arrived", client, tunnel.server + 1, -1, number, "") for number in numbers]


class Outbox(ClientPart):
    """One client's messages, across all its connections."""

    def __init__(self, run: Run, say: Callable[[Tunnel, Frame], None], client: Client, costs: FrameCosts) -> None:
        clients = run.scenario.clients
        self.costs = costs
        self.run = run
        self.say = say
        self.client = client
        self.rate = clients.sends.rate
        self.size = clients.sends.payload_bytes
        self.queue = OfflineQueue(clients.offline.messages, clients.offline.bytes, clients.offline.overflow)
        batch, sleep = clients.sends.batch, client.process.sleep
        self.together = 1 if batch is None else batch.count
        self.batch = Gathering[int](run.env, sleep, batch, self._leave) if batch is not None else None
        run.env.process(self.send_all())

    def send_all(self) -> Work[None]:
        """Send or keep each message when it is due."""
        run, number, n = self.run, self.client.number, 0
        phase = run.draw(number, Purpose.SEND_PHASE, 0)
        while True:
            yield self.client.process.sleep(max(0.0, due_at(n, self.rate, phase) - run.env.now))
            if self._tunnel is None:
                self._keep(n)
            elif self.batch is None:
                self._send(self._tunnel, [n])
            else:
                yield self.client.process.work(self.costs.gather)
                self._gather(self.batch, n)
            n += 1

    def _gather(self, batch: Gathering[int], n: int) -> None:
        """Keep a message until its batch leaves, or until the client is back if its connection is over meanwhile."""
        if self._tunnel is None:
            self._keep(n)
            return
        self.run.note("batched", self.client.number, self._tunnel.server + 1, version=n)
        batch.add(n)

    @property
    def _tunnel(self) -> Tunnel | None:
        """The connection over which it can send, if there is one."""
        tunnel = self.client.tunnel
        return tunnel if tunnel is not None and tunnel.opened else None

    def _leave(self, numbers: list[int]) -> None:
        """Send the messages of a batch."""
        if self._tunnel is not None:
            self._send(self._tunnel, numbers)
        else:
            self._keep_all(numbers)

    def connected(self, tunnel: Tunnel, attempt: Attempt) -> None:
        """Send what is kept over a new connection, in order."""
        kept = [n for n, _ in self.queue.flush()]
        while kept:
            together = in_a_row(kept, self.together)
            self._send(tunnel, together, FLUSHED)
            del kept[: len(together)]

    def disconnected(self, tunnel: Tunnel) -> None:
        """The connection is over: keep what has not left."""
        if self.batch is not None:
            self._keep_all(self.batch.take())

    def _send(self, tunnel: Tunnel, numbers: list[int], detail: str = "") -> None:
        """Send messages whose numbers follow each other in one frame."""
        number = self.client.number
        for n in numbers:
            self.run.note("sent", number, tunnel.server + 1, version=n, detail=detail)
        writing, reading = self.costs.of(len(numbers))
        self.say(tunnel, Frame([number, *numbers], mechanism=MECHANISM, writing=writing, reading=reading))

    def _keep_all(self, numbers: list[int]) -> None:
        for n in numbers:
            self._keep(n)

    def _keep(self, n: int) -> None:
        dropped = self.queue.offer(n, self.size)
        if n not in dropped:
            self.run.note("kept", self.client.number, version=n, detail=Kept.pack(self.queue.held))
        for one in dropped:
            self.run.note("discarded", self.client.number, version=one, detail=Discarded.pack(self.queue.held))
