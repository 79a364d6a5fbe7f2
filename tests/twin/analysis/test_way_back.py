"""What took the time of a client: pieces out of its events, which sum up to the whole."""

import pytest

import sim
from tests.strategies import small
from twin.analysis.way_back import NOBODY, PIECES, setting_of, ways_back
from twin.measures import course
from twin.record.record import Record, row

KILL = {"at": 1.0, "kind": "kill", "node": 1}
FAULT = row(1.0, "fault", node=1, detail="kill")
UP = row(-1.0, "connected", 0, 1, 1)
LOST = row(1.25, "disconnected", 0, 1, detail="1006")


def way(*rows, share=0.5, **changes):
    """Return the way back of the only client."""
    changes = {"clients": {"count": 1}, "duration": 20.0, "faults": [KILL]} | changes
    record = Record.of([UP, *rows], {"scenario": small(**changes).model_dump()})
    (found,) = ways_back(record, [share])
    assert sum(found.pieces.values()) == pytest.approx(found.whole, abs=1e-12)
    assert list(found.pieces) == [name for name in PIECES if name in found.pieces]
    return found


def tried(number, begin, end, answer="503"):
    """Return the rows of an attempt that fails, or succeeds without an answer."""
    last = (
        row(end, "connect_failed", 0, attempt=number, detail=answer) if answer else row(end, "connected", 0, 2, number)
    )
    return [row(begin, "attempt_connect", 0, attempt=number), last]


def test_until_the_mark_down_it_is_the_balancer_and_then_the_clients_wait():
    found = way(
        FAULT, LOST, *tried(2, 1.5, 1.625), row(3.0, "marked_down", node=1, detail="check"), *tried(3, 4.0, 4.125, "")
    )
    assert found.pieces == {"notice": 0.25, "blind": 1.75, "wait": 1.0, "handshake": 0.125}
    assert (found.client, found.fault, found.back, found.returned) == (0, 1.0, 4.125, True)


def test_who_was_never_refused_has_only_waited():
    found = way(FAULT, LOST, row(3.0, "marked_down", node=1, detail="check"), *tried(2, 2.0, 2.125, ""))
    assert found.pieces == {"notice": 0.25, "wait": 0.75, "handshake": 0.125}


def test_an_attempt_that_was_sent_to_the_lost_node_is_all_the_balancers():
    down = row(3.0, "marked_down", node=1, detail="check")
    found = way(FAULT, LOST, *tried(2, 2.5, 3.5), down, *tried(3, 4.0, 4.125, ""))
    assert found.pieces == {"notice": 0.25, "blind": 2.25, "wait": 0.5, "handshake": 0.125}


def test_attempts_after_the_mark_down_are_pieces_of_their_own():
    down = row(1.5, "marked_down", node=1, detail="check")
    found = way(FAULT, LOST, down, *tried(2, 2.0, 2.5), *tried(3, 3.0, 6.0, "timeout"), *tried(4, 7.0, 7.25, ""))
    assert found.pieces == pytest.approx(
        {"notice": 0.25, "blind": 0.25, "wait": 2.0, "failed": 0.5, "unanswered": 3.0, "handshake": 0.25}
    )


def test_a_silent_node_is_found_by_the_heartbeat_or_cut_by_the_balancer():
    hang, beat = row(1.0, "fault", node=1, detail="hang"), row(9.0, "disconnected", 0, 1, detail="heartbeat")
    faults = [{"at": 1.0, "kind": "hang", "node": 1}]
    back = tried(2, 9.5, 9.75, "")
    assert way(hang, beat, *back, faults=faults).pieces == {"silence": 8.0, "wait": 0.5, "handshake": 0.25}
    cut = [row(8.5, "marked_down", node=1, detail="check"), row(9.0, "disconnected", 0, 1, detail="1006")]
    balancer = {"on_marked_down": "shutdown-sessions"}
    assert way(hang, *cut, *back, faults=faults, balancer=balancer).pieces["cut"] == 8.0
    assert way(hang, *cut, *back, faults=faults).pieces["silence"] == 8.0


def test_who_does_not_know_yet_is_in_silence_to_the_end():
    found = way(row(1.0, "fault", node=1, detail="hang"), faults=[{"at": 1.0, "kind": "hang", "node": 1}])
    assert (found.client, found.pieces, found.returned) == (NOBODY, {"silence": 19.0}, False)


def test_a_drain_comes_to_its_clients_one_after_the_other():
    drain = row(1.0, "fault", node=1, detail="drain")
    faults = [{"at": 1.0, "kind": "drain", "node": 1, "pace": 1.0}]
    found = way(drain, row(5.0, "disconnected", 0, 1, detail="1012"), *tried(2, 5.5, 5.75, ""), faults=faults)
    assert found.pieces == {"paced": 4.0, "wait": 0.5, "handshake": 0.25}


def test_after_an_outage_nobody_is_there_until_the_power_is_back():
    outage = [
        row(1.0, "fault", detail="outage"),
        LOST,
        *tried(2, 2.0, 2.0, "refused"),
        row(5.0, "healed", detail="outage"),
    ]
    found = way(*outage, *tried(3, 6.0, 6.25, ""), faults=[{"at": 1.0, "kind": "outage", "duration": 4.0}])
    assert found.pieces == {"notice": 0.25, "down": 3.75, "wait": 1.0, "handshake": 0.25}


def test_a_slow_attempt_is_a_retry_before_the_mark_down_and_a_queue_after_it():
    down = row(3.0, "marked_down", node=1, detail="check")
    retries = {"balancer": {"retries": 3}}
    assert way(FAULT, LOST, *tried(2, 1.5, 2.75, ""), down, **retries).pieces["retried"] == 1.25
    assert way(FAULT, LOST, *tried(2, 1.5, 2.75, ""), down).pieces == {"notice": 0.25, "wait": 0.25, "queued": 1.25}
    assert way(FAULT, LOST, down, *tried(2, 3.5, 4.75, ""), **retries).pieces["queued"] == 1.25


def test_who_is_not_back_is_away_to_the_end():
    found = way(FAULT, LOST, row(3.0, "marked_down", node=1, detail="check"), row(4.0, "attempt_connect", 0, attempt=2))
    assert found.pieces == {"notice": 0.25, "blind": 1.75, "wait": 1.0, "away": 16.0}
    assert (found.back, found.returned) == (20.0, False)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
@pytest.mark.parametrize("kind", ["kill", "restart", "hang", "outage"])
def test_in_a_simulated_run_the_pieces_of_each_client_are_its_way_back(kind, engine, profile):
    node = {} if kind == "outage" else {"node": 1}
    more = {"duration": 2.0} if kind == "outage" else {}
    fault = {"at": 1.0, "kind": kind} | node | more
    beat = {"heartbeat": {"interval": 1.0, "timeout": 1.0}}
    record = sim.simulate(small(faults=[fault], clients=beat), 3, profile, engine=engine)
    read = course(record)
    shares = [i / 20 for i in range(21)]
    found = ways_back(record, shares)
    took = read.back - read.cause
    took = sorted(took[took == took].tolist())
    for share, one in zip(shares, found, strict=True):
        assert sum(one.pieces.values()) == pytest.approx(one.whole, abs=1e-9)
        assert all(seconds > 0 for seconds in one.pieces.values())
        if one.returned and share in (0.0, 1.0):
            assert one.whole == took[0 if share == 0.0 else -1]


def test_without_a_fault_or_a_loss_there_is_no_way_back():
    for rows in ([], [FAULT]):
        record = Record.of([UP, *rows], {"scenario": small(clients={"count": 1}, faults=[KILL]).model_dump()})
        assert ways_back(record, [0.5]) == []


def test_a_piece_names_the_setting_that_makes_it_shorter():
    nginx = small(balancer={"kind": "nginx"})
    assert [setting_of("blind", one) for one in (small(), nginx)] == ["balancer.check", "balancer.fail_timeout"]
    assert setting_of("wait", nginx) == "clients.reconnect"
    assert setting_of("notice", nginx) == ""
