"""What clients send to their nodes, and keep while they are away."""

from collections.abc import Callable, Sequence

from sim.client.client import Client
from sim.connection import Attempt, Frame, Tunnel
from sim.network.uplink import Uplink
from sim.ports import ClientPart, Run, Work
from twin.draws import Purpose
from twin.record.events import Discarded, Kept, Sent
from twin.rules.offline import OfflineQueue, due_at

MECHANISM = "sends"
"""To whom what clients send belongs."""
FLUSHED = Sent(True).detail


class Outboxes:
    """The messages of all clients, and what their nodes read of them."""

    def __init__(self, run: Run, uplink: Uplink, clients: Sequence[Client]) -> None:
        self.rows = run.rows
        self.nodes = uplink.nodes
        self.of = [Outbox(run, uplink.say, client) for client in clients]
        uplink.receivers[MECHANISM] = self.arrived

    def arrived(self, tunnel: Tunnel, frame: Frame, t: float) -> None:
        """A node has read a message of a client; what comes to the socket of a killed process nobody reads."""
        if self.nodes[tunnel.server].standing.phase == "dead":
            return
        assert isinstance(frame.body, tuple)
        client, number = frame.body
        self.rows.append((t, "arrived", client, tunnel.server + 1, -1, number, ""))


class Outbox(ClientPart):
    """One client's messages, across all its connections."""

    def __init__(self, run: Run, say: Callable[[Tunnel, Frame], None], client: Client) -> None:
        clients = run.scenario.clients
        self.run = run
        self.say = say
        self.client = client
        self.rate = clients.sends.rate
        self.size = clients.sends.payload_bytes
        self.queue = OfflineQueue(clients.offline.messages, clients.offline.bytes, clients.offline.overflow)
        run.env.process(self.send_all())

    def send_all(self) -> Work[None]:
        """Send or keep each message when it is due."""
        run, number, n = self.run, self.client.number, 0
        phase = run.draw(number, Purpose.SEND_PHASE, 0)
        while True:
            yield self.client.process.sleep(max(0.0, due_at(n, self.rate, phase) - run.env.now))
            if self.client.tunnel is not None and self.client.tunnel.opened:
                self._send(self.client.tunnel, n)
            else:
                self._keep(n)
            n += 1

    def connected(self, tunnel: Tunnel, attempt: Attempt) -> None:
        """Send what is kept over a new connection, in order."""
        for n, _ in self.queue.flush():
            self._send(tunnel, n, FLUSHED)

    def _send(self, tunnel: Tunnel, n: int, detail: str = "") -> None:
        number = self.client.number
        self.run.note("sent", number, tunnel.server + 1, version=n, detail=detail)
        self.say(tunnel, Frame((number, n), mechanism=MECHANISM))

    def _keep(self, n: int) -> None:
        dropped = self.queue.offer(n, self.size)
        if n not in dropped:
            self.run.note("kept", self.client.number, version=n, detail=Kept.pack(self.queue.held))
        for one in dropped:
            self.run.note("discarded", self.client.number, version=one, detail=Discarded.pack(self.queue.held))
