"""What a real node does with its pings when it goes on after standing still for longer than their timeout."""

import select
import signal
import socket
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from live.control.messages import Listening
from live.control.process import ChildProcess, Stage
from live.machine import placement
from live.node.messages import Look, Seen
from twin.rules.heartbeat import PONG_MISSED

pytestmark = pytest.mark.live

INTERVAL, TIMEOUT = 0.3, 0.6


class Peer:
    """A client that answers pings only when it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/"))
        self.protocol.send_request(self.protocol.connect())
        self.frames: list[Frame] = []
        self.say()
        while not self.protocol.handshake_exc and self.protocol.state.name == "CONNECTING":
            self.hear(10.0)

    def say(self) -> None:
        """Send what waits to be sent: the answers to all pings that were read."""
        for data in self.protocol.data_to_send():
            if data:
                self.socket.sendall(data)

    def hear(self, within: float) -> None:
        """Read what comes within some seconds, if anything does, and answer nothing yet."""
        if select.select([self.socket], [], [], within)[0]:
            self.protocol.receive_data(self.socket.recv(1 << 16))
            self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]

    def wait_for_ping(self, within: float = 10.0) -> bool:
        """Wait for a further ping, and tell whether one came before the connection was closed."""
        before, deadline = self.pings, time.monotonic() + within
        while self.pings == before and not self.closed and time.monotonic() < deadline:
            self.hear(0.1)
        return self.pings > before

    @property
    def pings(self) -> int:
        """How many have come."""
        return sum(frame.opcode is Opcode.PING for frame in self.frames)

    @property
    def closed(self) -> int:
        """Code of the node's close frame, 0 before it has come."""
        return self.protocol.close_rcvd.code if self.protocol.close_rcvd is not None else 0


@pytest.fixture
def node(stage: Stage) -> tuple[ChildProcess, int]:
    """A node that pings."""
    (port,) = placement.free_ports(1)
    config = {"number": 1, "port": port, "backlog": 100, "ping_interval": INTERVAL, "ping_timeout": TIMEOUT}
    part = stage.python("node 1", "live.node.node", config)
    part.hear(Listening)
    return part, port


@pytest.fixture
def peer(node: tuple[ChildProcess, int]) -> Iterator[Peer]:
    """Its client."""
    one = Peer(node[1])
    yield one
    one.socket.close()


def stand_still(node: ChildProcess, until: Callable[..., None], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Let a node stand still for longer than the timeout of its pings."""
    node.signal(signal.SIGSTOP)
    until(lambda: psutil.Process(node.pid).status() == psutil.STATUS_STOPPED)  # else it may still read what comes
    begun = time.monotonic()
    meanwhile()
    until(lambda: time.monotonic() > begun + TIMEOUT + INTERVAL)
    node.signal(signal.SIGCONT)


def test_a_pong_that_came_while_the_node_stood_still_does_not_save_the_connection(
    node: tuple[ChildProcess, int], until: Callable[..., None]
) -> None:
    assert PONG_MISSED in (after_standing_still(node, until) for _ in range(10))  # a busy machine may read first


def after_standing_still(node: tuple[ChildProcess, int], until: Callable[..., None]) -> int:
    """Return the close code of a connection whose pong came while the node stood still, 0 if it is kept."""
    peer = Peer(node[1])
    assert peer.wait_for_ping()
    stand_still(node[0], until, meanwhile=peer.say)
    for _ in range(20):
        if not peer.wait_for_ping():
            break
        peer.say()
    peer.socket.close()
    return peer.closed


def test_a_node_that_stood_still_between_two_pings_keeps_the_connection(
    node: tuple[ChildProcess, int], peer: Peer, until: Callable[..., None]
) -> None:
    assert peer.wait_for_ping()
    peer.say()
    assert peer.wait_for_ping()  # it has read the first pong
    peer.say()
    node[0].tell(Look())
    assert node[0].hear(Seen).connections == 1  # and the second, which came before the question
    stand_still(node[0], until)
    for _ in range(3):
        assert peer.wait_for_ping()
        peer.say()
    assert not peer.closed
