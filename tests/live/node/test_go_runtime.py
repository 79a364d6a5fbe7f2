"""The node in Go, beside what RFC 6455 and the lab ask of every node. Where there is no Go these are skipped."""

import contextlib
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from live import measure
from live.control.collecting import collect
from live.control.messages import Listening
from live.control.process import Stage
from live.handler import wire
from live.node.asyncio_runtime import MOST_FRAME
from live.node.go_runtime import settings
from live.node.messages import Closed, Drained, Seen, StartDrain
from tests.gonodes import GoNode
from tests.strangers import HANDSHAKE, masked
from twin.errors import ClusterError
from twin.invariants import audit
from twin.measures import measure_record
from twin.rules.handler import Demand
from twin.scenario.scenario import Scenario

HANDLER = {"answer_bytes": 20, "executor": "loop", "size": 1}


def test_a_node_in_go_is_told_the_number_of_its_ps_and_nothing_of_workers() -> None:
    assert settings({"number": 1, "workers": {"count": 2}}, 2) == {"number": 1, "procs": 2}


def test_it_is_told_nothing_of_how_messages_travel() -> None:
    broadcast = {"scope": "node", "batch": None, "counted": False}
    told = settings({"sends": {"codec": "none", "batch_of": 0}, "broadcast": broadcast}, 1)
    assert told == {"sends": True, "broadcast": {"scope": "node"}, "procs": 1}


@pytest.fixture
def node(go: None, stage: Stage) -> Callable[..., GoNode]:
    """Starts a node; it says that it listens, and by the lab's clock."""

    def start(**config: Any) -> GoNode:
        before = time.monotonic()
        one = GoNode(stage, **config)
        said = one.part.hear(Listening)
        assert before < said.at < time.monotonic()
        assert 0.0 < said.cpu < 1.0
        return one

    return start


@pytest.mark.live
def test_it_opens_a_websocket_tells_its_number_and_closes_as_the_client_asks(node: Callable[..., GoNode]) -> None:
    one = node()
    with one.client() as client:
        assert client.response is not None
        assert client.response.headers["X-Node"] == "3"
        assert client.ping().wait(5)
        client.send("text is nobody's")
        assert one.seen().connections == 1
    assert client.close_code == 1000
    assert one.seen().connections == 0


@pytest.mark.live
def test_the_key_of_rfc_6455_gives_its_accept_value(node: Callable[..., GoNode]) -> None:
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    data = HANDSHAKE.replace(b"AAAAAAAAAAAAAAAAAAAAAA==", key) + masked(Opcode.CLOSE)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in node().send(data)


@pytest.mark.live
def test_it_answers_the_health_check_and_tells_when(node: Callable[..., GoNode]) -> None:
    one = node()
    assert one.seen() == Seen(0.0, 0)
    before = time.monotonic()
    assert one.send(b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    assert before < one.seen().checked < time.monotonic()


@pytest.mark.live
@pytest.mark.parametrize(
    ("old", "new", "status", "header"),
    [
        (b"GET", b"POST", 400, b""),
        (b"HTTP/1.1", b"HTTP/1.0", 400, b""),
        (b"Upgrade: websocket", b"X: y", 426, b"Upgrade: websocket\r\n"),
        (b"Connection: Upgrade", b"Connection: close", 400, b""),
        (b"Version: 13", b"Version: 8", 426, b"Sec-WebSocket-Version: 13\r\n"),
        (b"AAAAAAAAAAAAAAAAAAAAAA==", b"AAAA", 400, b""),
        (b"Host: x", b"Host: x\r\nOrigin: http://evil.example", 403, b""),
        (HANDSHAKE, b"nonsense\r\n\r\n", 400, b""),
    ],
)
def test_it_refuses_what_is_no_handshake(
    node: Callable[..., GoNode], old: bytes, new: bytes, status: int, header: bytes
) -> None:
    answer = node().send(HANDSHAKE.replace(old, new))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert header in answer


@pytest.mark.live
def test_it_closes_with_the_code_that_says_what_the_client_did(node: Callable[..., GoNode]) -> None:
    one = node()
    assert one.close_code(masked(Opcode.CLOSE, struct.pack(">H", 4321))) == 4321
    assert one.close_code(masked(Opcode.CONT, b"x")) == 1002  # nothing to go on with
    assert one.close_code(masked(Opcode.TEXT, b"a", fin=False), masked(Opcode.TEXT, b"b")) == 1002
    assert one.close_code(b"\x82\x01x") == 1002  # not masked
    assert one.close_code(b"\xc2\x80\0\0\0\0") == 1002  # a reserved bit
    assert one.close_code(b"\x89\xfe\x00\x7e\0\0\0\0") == 1002  # a control frame of 126 bytes
    assert one.close_code(masked(Opcode.CLOSE, struct.pack(">H", 1005))) == 1002
    assert one.close_code(masked(Opcode.TEXT, b"\xff")) == 1007
    assert one.close_code(masked(Opcode.BINARY, bytes(MOST_FRAME + 1))) == 1009
    begin, end = masked(Opcode.BINARY, bytes(40_000), fin=False), masked(Opcode.CONT, bytes(40_000))
    assert one.close_code(begin, end) == 1009


@pytest.mark.live
def test_a_message_may_come_in_pieces_with_a_ping_between_them(node: Callable[..., GoNode]) -> None:
    one = node(sends=True)
    name = struct.pack(">II", 5, 70_000)
    pieces = masked(Opcode.BINARY, name[:3], fin=False) + masked(Opcode.PING, b"p") + masked(Opcode.CONT, name[3:])
    answer = one.send(HANDSHAKE + pieces + masked(Opcode.CLOSE))
    assert b"\x8a\x01p" in answer
    rows = collect(one.stage, one.part, 0.0)
    assert [row[1:] for row in rows] == [("arrived", 5, 3, -1, 70_000, "")]


@pytest.mark.live
def test_sigterm_says_goodbye_to_all_and_ends(node: Callable[..., GoNode]) -> None:
    one = node()
    with contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(one.client()) for _ in range(3)]
        one.part.process.terminate()
        for client in clients:
            with pytest.raises(ConnectionClosed):
                client.recv(5)
            assert client.close_code == 1001
    assert one.part.hear(Closed).cpu > 0.0
    assert one.part.wait(5)
    assert one.part.status == 0


@pytest.mark.live
def test_a_drained_node_fails_its_check_closes_the_oldest_first_and_ends(node: Callable[..., GoNode]) -> None:
    one, closed = node(), []
    with contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(one.client()) for _ in range(3)]
        one.part.let_end()
        one.part.tell(StartDrain(0.3, 10.0))
        time.sleep(0.1)
        assert one.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        for client in clients:
            with pytest.raises(ConnectionClosed):
                client.recv(5)
            assert client.close_code == 1012
            closed.append(time.monotonic())
    assert closed[2] - closed[0] > 0.1
    assert one.part.hear(Drained).at >= closed[0]
    assert one.part.wait(5)
    with pytest.raises(ConnectionRefusedError), one.client():
        pass


@pytest.mark.live
def test_a_node_that_pings_gives_up_who_does_not_answer(node: Callable[..., GoNode]) -> None:
    one = node(ping_interval=0.1, ping_timeout=0.2)
    with one.client() as alive:
        answer = one.send(HANDSHAKE)  # who answers no ping
        assert b"\x89\x02" in answer
        assert struct.pack(">H", 1011) in answer
        assert alive.ping().wait(5)


@pytest.mark.live
def test_a_read_deadline_drops_who_says_nothing(node: Callable[..., GoNode]) -> None:
    one = node(deadlines={"read": 0.2, "write": 0.0})
    began = time.monotonic()
    assert b" 101 " in one.send(HANDSHAKE)
    assert 0.2 <= time.monotonic() - began < 2.0


@pytest.mark.live
def test_its_process_ends_with_standard_input(node: Callable[..., GoNode]) -> None:
    one = node()
    assert one.part.process.stdin is not None
    one.part.process.stdin.close()
    assert one.part.wait(5)


@pytest.mark.live
def test_a_mechanism_that_it_has_not_is_named_in_one_sentence(go: None, stage: Stage) -> None:
    one = GoNode(stage, sessions={"store": None})
    with pytest.raises(ClusterError, match=r'a node in Go: json: unknown field "sessions"\.$'):
        one.part.hear(Listening)


@pytest.mark.live
def test_it_works_for_a_request_and_answers(node: Callable[..., GoNode]) -> None:
    one = node(handler=HANDLER)
    with one.client() as client:
        for number, demand in enumerate((Demand(0.02, 0.0, 0.0), Demand(0.0, 0.05, 0.0), Demand(0.0, 0.0, 0.05))):
            began, cpu = time.monotonic(), one.part.cpu_ns()
            client.send(wire.request(7, number, 1, demand, 64))
            answer = client.recv(5)
            assert isinstance(answer, bytes)
            assert (len(answer), wire.read_answer(answer)) == (20, (7, number, 1))
            assert time.monotonic() - began > sum(vars(demand).values())
            assert (one.part.cpu_ns() - cpu) / 1e9 > demand.cpu - 0.002
    late = [row for row in collect(one.stage, one.part, 0.0) if row[1] == "loop_late"]
    assert len(late) >= 2


@pytest.mark.live
def test_requests_of_one_client_are_worked_on_beside_each_other(node: Callable[..., GoNode]) -> None:
    one = node(handler=HANDLER)
    with one.client() as client:
        client.send(wire.request(0, 0, 0, Demand(0.0, 0.0, 0.2), 64))
        client.send(wire.request(0, 1, 0, Demand(0.0, 0.0, 0.0), 64))
        answers = [client.recv(5) for _ in range(2)]
    assert [wire.read_answer(one)[1] for one in answers if isinstance(one, bytes)] == [1, 0]


@pytest.mark.live
@pytest.mark.parametrize("work", [Demand(-1.0, 0.0, 0.0), Demand(0.0, float("nan"), 0.0), Demand(0.0, 0.0, 601.0)])
def test_a_request_that_no_client_of_a_run_makes_ends_its_connection(node: Callable[..., GoNode], work: Demand) -> None:
    assert node(handler=HANDLER).close_code(masked(Opcode.BINARY, wire.request(0, 0, 0, work, 64))) == 1011


@pytest.mark.live
def test_a_page_of_a_browser_does_not_connect(node: Callable[..., GoNode]) -> None:
    with pytest.raises(InvalidStatus), node().client(origin="http://127.0.0.1:8000"):
        pass


# Whole clusters


def in_go(small: Callable[..., Scenario], **changes: Any) -> Scenario:
    nodes = {"count": 2, "runtime": "go"} | changes.pop("nodes", {})
    return small(**changes, nodes=nodes)


@pytest.mark.live
def test_clients_come_back_to_the_other_node_when_one_is_killed(go: None, small: Callable[..., Scenario]) -> None:
    record = measure(in_go(small, faults=[{"at": 0.5, "kind": "kill", "node": 1}]), runs=1)[0]
    assert audit(record).verdict == "pass"
    assert record.provenance["versions"]["go"].startswith("go1.")
    lost = record.select("disconnected")
    assert len(lost) == 10
    assert len(record.select("connected").query("t > 0")) == 10


@pytest.mark.live
@pytest.mark.parametrize("kind", ["pubsub", "stream"])
@pytest.mark.parametrize("scope", ["node", "client"])
def test_what_is_broadcast_reaches_all_clients(go: None, small: Callable[..., Scenario], kind: str, scope: str) -> None:
    broadcast = {"bus": {"kind": kind}, "publisher": {"rate": 20.0, "scope": scope, "stop": 1.5}}
    cut = {"at": 0.7, "kind": "bus_cut", "node": 1}
    record = measure(in_go(small, duration=2.5, **broadcast, faults=[cut]), runs=1)[0]
    assert audit(record).verdict == "pass"
    assert len(record.select("delivered")) == 30 * 20
    assert measure_record(record)["undelivered_share"] == 0.0


@pytest.mark.live
def test_a_restart_and_a_drain_go_as_with_the_labs_own_nodes(go: None, small: Callable[..., Scenario]) -> None:
    faults = [
        {"at": 0.4, "kind": "restart", "node": 1},
        {"at": 1.2, "kind": "drain", "node": 2, "lead": 0.1, "pace": 50.0},
    ]
    record = measure(in_go(small, duration=3.0, faults=faults), runs=1)[0]
    assert audit(record).verdict == "pass"
    assert set(record.select("disconnected")["reason"]) == {"1001", "1012"}
    assert len(record.select("node_started")) == 2
