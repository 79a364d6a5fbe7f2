import pytest

from sim.connection import Frame
from sim.world import World
from tests.costs import cost_of
from tests.strategies import small, small_profile
from twin.rules.delivery import Message, RecoveryAnswer

CLIENT = 4


class Case:
    """One client of a cluster in which nobody publishes, and the questions that it asks."""

    def __init__(self, monkeypatch=None, **changes):
        data = {"clients": {"count": 6}, "bus": {"kind": "stream"}, "publisher": {"start": 7.0}}
        self.world = World(small(**data).vary(**changes), 0, small_profile())
        self.broadcast = self.world.broadcast
        self.one = self.broadcast.subscribers[CLIENT]
        self.node = self.one.tunnel.server + 1
        self.asked = []
        if monkeypatch is not None:
            monkeypatch.setattr(
                self.broadcast, "ask", lambda tunnel, frame: self.asked.append((self.now, tunnel, frame))
            )

    @property
    def now(self):
        return self.world.env.now

    def at(self, t):
        self.world.env.run(until=t)

    def arrive(self, *versions, epoch=1, t=0.5):
        for version in versions:
            self.one.arrive(message(version, epoch), f"{epoch} {version}", t)

    def answer(self, *versions, head=None, recovered=True, epoch=1, t=0.7):
        found = tuple(message(version, epoch) for version in versions)
        self.one.answered(RecoveryAnswer(recovered, epoch, versions[-1] if head is None else head, found), t)

    def rows(self, *events):
        """Return (t, event, version, detail) of what this client noted, but for its connections."""
        names = events or ("received", "gap", "delivered", "recovered")
        return [(t, event, version, detail) for t, event, client, _, _, version, detail in self.world.rows
                if client == CLIENT and event in names]  # fmt: skip

    def questions(self):
        return [frame.body for _, _, frame in self.asked if frame.question]

    def confirmations(self):
        return [frame.body for _, _, frame in self.asked if not frame.question]


def message(version, epoch=1, key=None):
    return Message(epoch, version, key or version)


def test_the_next_message_is_applied_and_noted_once_at_its_time(monkeypatch):
    case = Case(monkeypatch)
    case.arrive(1, 2)
    assert case.rows() == [(0.5, "delivered", 1, "1 1"), (0.5, "delivered", 2, "1 2")]
    assert {row[3] for row in case.world.rows if row[1] == "delivered"} == {case.node}
    assert case.asked == []


def test_a_gap_is_noted_and_asked_about_once_however_many_come_early(monkeypatch):
    case = Case(monkeypatch)
    case.arrive(1, 4, 6, 5)
    assert case.rows()[1:] == [
        (0.5, "received", 4, "1 4 early"),
        (0.5, "gap", 2, "1 1 4"),
        (0.5, "received", 6, "1 6 early"),
        (0.5, "received", 5, "1 5 late"),
    ]
    assert case.questions() == [(1, 1)]
    assert case.asked[0][1] is case.one.tunnel
    assert case.asked[0][2].question


def test_an_answer_is_noted_before_what_it_brings_and_what_was_kept_follows(monkeypatch):
    case = Case(monkeypatch)
    case.arrive(1, 4, 5)
    case.answer(2, 3)
    assert case.rows("recovered", "delivered")[1:] == [
        (0.7, "recovered", 3, "1 replayed 2"),
        *[(0.7, "delivered", version, f"1 {version}") for version in (2, 3, 4, 5)],
    ]
    assert len(case.questions()) == 1


def test_an_answer_that_leaves_a_hole_is_followed_by_another_question(monkeypatch):
    case = Case(monkeypatch)
    case.arrive(1, 6)
    case.answer(2, 3)
    assert case.questions() == [(1, 1), (1, 3)]


def test_a_snapshot_moves_the_client_without_a_delivery(monkeypatch):
    case = Case(monkeypatch)
    case.arrive(1, 9)
    case.answer(head=8, recovered=False)
    assert case.rows()[-2:] == [(0.7, "recovered", 8, "1 snapshot"), (0.7, "delivered", 9, "1 9")]
    assert (case.one.position.epoch, case.one.position.version) == (1, 9)


def test_a_client_asks_again_when_no_answer_comes_and_not_after_one(monkeypatch):
    case = Case(monkeypatch, clients={"recovery": {"timeout": 0.5}})
    case.at(1.0)
    case.arrive(1, 3)
    case.at(2.25)
    assert [t for t, _, _ in case.asked] == pytest.approx([1.0, 1.5, 2.0])
    case.answer(2)
    case.at(4.0)
    assert len(case.asked) == 3


def test_only_the_latest_question_is_asked_again(monkeypatch):
    case = Case(monkeypatch, clients={"recovery": {"timeout": 0.5}})
    case.arrive(1, 6)
    case.at(0.3)
    case.answer(2, 3)  # what was asked at 0 is answered, and something is still missing
    case.at(0.7)
    assert [t for t, _, _ in case.asked] == pytest.approx([0.0, 0.3])
    case.at(0.85)
    assert [t for t, _, _ in case.asked] == pytest.approx([0.0, 0.3, 0.8])


def test_a_question_dies_with_its_connection(monkeypatch):
    case = Case(monkeypatch, clients={"recovery": {"timeout": 0.5, "on_reconnect": False}})
    case.arrive(1, 3)
    tunnel = case.one.tunnel
    case.one.disconnected(tunnel)
    case.at(0.4)
    case.one.connected(tunnel, None)
    case.at(2.0)
    assert len(case.asked) == 1
    case.arrive(5)  # the gap is asked about anew
    assert case.questions() == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("recovery", "questions"), [({}, [(1, 2)]), ({"on_reconnect": False}, []), ({"recover": False}, [])]
)
def test_a_client_that_comes_back_asks_from_where_it_stands_if_it_is_to(monkeypatch, recovery, questions):
    case = Case(monkeypatch, clients={"recovery": recovery})
    case.arrive(1, 2)
    tunnel = case.one.tunnel
    case.one.disconnected(tunnel)
    assert case.one.tunnel is None
    case.one.connected(tunnel, None)
    assert case.questions() == questions


def test_a_client_does_not_ask_over_its_first_connection(monkeypatch):
    case = Case(monkeypatch)
    case.at(1.0)
    assert case.asked == []


def test_a_client_that_does_not_recover_notes_the_gap_and_goes_on_behind_it(monkeypatch):
    case = Case(monkeypatch, clients={"recovery": {"recover": False}})
    case.arrive(1, 4, 3, 4)
    assert case.rows()[1:] == [
        (0.5, "gap", 2, "1 1 4"),
        (0.5, "delivered", 4, "1 4"),
        (0.5, "received", 3, "1 3 late"),
        (0.5, "received", 4, "1 4 duplicate"),
    ]
    assert case.asked == []


@pytest.mark.parametrize("scope", ["node", "client"])
def test_a_client_confirms_where_it_stands_only_if_nodes_wait_for_it(monkeypatch, scope):
    case = Case(monkeypatch, publisher={"scope": scope})
    case.arrive(1, 1, 4)
    assert case.confirmations() == ([(1, 1)] if scope == "client" else [])
    case.answer(2, 3)
    case.answer(head=9, recovered=False)
    case.answer(head=9)
    assert case.confirmations() == ([(1, 1), (1, 4), (1, 9)] if scope == "client" else [])


def beat(case):
    """Return when the first ping of the client is due."""
    return case.world.clients[CLIENT].first_beat


def test_a_client_that_stalls_is_lost_when_the_next_ping_has_no_pong_in_time():
    heartbeat = {"interval": 1.0, "timeout": 0.5, "close_timeout": 0.0}
    case = Case(clients={"heartbeat": heartbeat})
    stalled_at = beat(case) + 0.2
    case.at(stalled_at)
    case.one.stall.begin()
    case.one.stall.begin()
    case.at(beat(case) + 1.49)
    assert case.rows("disconnected", "heartbeat_missed") == []
    case.at(beat(case) + 1.6)
    assert [(event, detail) for _, event, _, detail in case.rows("disconnected", "heartbeat_missed")] == [
        ("heartbeat_missed", ""),
        ("disconnected", "heartbeat"),
    ]


@pytest.mark.parametrize("heartbeat", [{"interval": 0.0}, {"interval": 1.0, "timeout": 0.5}])
def test_a_client_that_reads_again_in_time_or_does_not_ping_keeps_its_connection(heartbeat):
    case = Case(clients={"heartbeat": heartbeat})
    case.at(beat(case) + 0.2)
    case.one.stall.begin()
    case.at(beat(case) + 1.3)
    case.one.stall.over()
    case.at(6.9)
    assert case.rows("disconnected") == []


def send(case, *versions):
    """Let the client's node send it messages."""
    tunnel = case.one.tunnel
    for version in versions:
        frame = Frame(message(version), 100, f"1 {version}", 9)
        tunnel.in_flight += frame.size
        case.broadcast.fanouts[tunnel.server].down.send([tunnel], frame)


def test_what_comes_during_a_stall_waits_and_is_read_in_order_later():
    case = Case()
    case.at(1.0)
    case.one.stall.begin()
    send(case, 1, 2)
    case.at(2.0)
    tunnel = case.one.tunnel
    assert case.rows() == []
    assert ([frame.body.version for frame in tunnel.held], tunnel.in_flight) == ([1, 2], 200)
    case.one.stall.over()
    send(case, 3)
    case.at(3.0)
    rows = case.rows()
    assert [version for _, _, version, _ in rows] == [1, 2, 3]
    apply = cost_of("client_delivery")
    together = apply + cost_of("client_delivery_more")  # the first two have gathered
    # the third, sent when they are read, is written and relayed while the client reads
    assert [t for t, *_ in rows] == pytest.approx([2.0 + t for t in (together / 2, together, together + apply)])
    assert (tunnel.held, tunnel.in_flight) == ([], 0)


def test_a_stall_amid_reading_holds_frames_back_before_later_ones():
    case = Case()
    process = case.world.clients[CLIENT].process
    case.at(1.0)
    process.stop()
    send(case, 1)
    case.at(1.1)
    case.one.stall.begin()
    send(case, 2)
    case.at(1.2)
    assert [frame.body.version for frame in case.one.tunnel.held] == [2]
    process.resume()
    case.at(2.0)
    assert [frame.body.version for frame in case.one.tunnel.held] == [1, 2]
    case.one.stall.over()
    case.at(3.0)
    assert [version for _, _, version, _ in case.rows("delivered")] == [1, 2]


def test_a_question_goes_all_the_way_to_the_bus_and_back():
    case = Case()
    case.at(1.0)
    for key in (1, 2):  # in the log, but not on its way to anybody
        case.broadcast.bus.broker.publish(key, b"", 1.0)
    case.one.ask()
    case.at(2.0)
    (noted, *delivered) = case.rows()
    up = cost_of("client_send", "balancer_delivery", "node_read")
    there_and_back = cost_of("node_ack", "bus_read", "node_answer", "node_receive")
    down = cost_of("node_fanout", "balancer_delivery", "client_delivery")
    assert noted[1:] == ("recovered", 2, "1 replayed 2")
    assert noted[0] == pytest.approx(1.0 + up + there_and_back + down, abs=1e-9)
    assert [version for _, _, version, _ in delivered] == [1, 2]
