import numpy as np
import pytest

from tests.strategies import small
from twin.course import transports as lab
from twin.course.broadcast import everybody
from twin.course.explanations import explained, who_shows
from twin.course.pictures.transports import traffic_figure, waits_figure
from twin.record.events import Delivered, Published
from twin.record.poll_events import Polled
from twin.record.record import Record, row
from twin.rules.poll_wire import answer_head, exchange_bytes, request_head, target_of
from twin.scenario.scenario import Scenario


def record():
    """Messages at 0, 0.5, 1, ... s; client 0 asks just after each message, client 1 just before each second one."""
    scenario = small(
        duration=6.0,
        clients={"count": 3, "transport": {"kind": "poll"}},
        publisher={"rate": 2.0},
        bus={"kind": "stream"},
    )
    rows = [row(-0.5, "connected", client, 1, 1) for client in range(3)]
    for n in range(1, 12):
        rows.append(row((n - 1) / 2, "published", version=n, detail=Published.pack(1, n, "acknowledged", 2)))
    for client, phase in ((0, 0.51), (1, 0.99)):
        for beat in range(5):
            rows.append(row(phase + beat, "polled", client, 1 + beat % 2, detail=Polled.pack(2, 449)))
            known = [n for n in range(1, 12) if phase + beat - 1 < (n - 1) / 2 <= phase + beat]
            rows += [row(phase + beat, "delivered", client, 1, version=n, detail=Delivered.pack(1, n)) for n in known]
    return Record.of(rows, {"world": "simulated", "replication": 0, "scenario": scenario.model_dump(exclude_none=True)})


def test_bytes_by_hand_are_those_of_heads_and_messages():
    table = lab.bytes_by_hand(64)
    empty = len(request_head(target_of((0, 0), waits=True))) + len(answer_head(1, 22)) + 22
    assert table.loc[0, "request and answer (B)"] == empty
    assert np.isnan(table.loc[0, "a message (B)"])
    assert table.loc[2, "a message (B)"] == (empty + 1 + 2 * (4 + 25 + 64)) / 2  # the length has one digit more
    assert (table["WebSocket (B)"] == 2 + 25 + 64).all()


def test_traffic_is_what_polls_cost_whatever_comes_and_long_polls_for_each_message():
    rates = np.array([0.0, 0.5, 1.0, 2.0])
    polls, bytes_of_polls = lab.traffic("poll", rates, 1.0, 25.0, 100, 64)
    waiting, _ = lab.traffic("long_poll", rates, 1.0, 25.0, 100, 64)
    none, frames = lab.traffic("websocket", rates, 1.0, 25.0, 100, 64)
    assert polls == pytest.approx([100.0] * 4)
    assert waiting == pytest.approx([4.0, 50.0, 100.0, 200.0])
    assert not none.any()
    assert frames == pytest.approx(100 * rates * 91)
    assert bytes_of_polls[0] == 100 * exchange_bytes(True, [])
    assert lab.break_even(1.0) == 1.0
    assert lab.break_even(0.25) == 4.0


def test_who_asks_just_before_a_message_gets_each_second_one_late():
    run = record()
    shows = lab.nearly_missed(run)
    assert who_shows(run, shows, everybody) == [1]
    said = explained(run, 1, shows, everybody, of="polled")
    assert said.right
    assert "when it is 0.99 s old" in said.why
    assert not explained(run, 0, shows, everybody, of="polled").right
    assert "has got no message" in explained(run, 2, shows, everybody, of="polled").why


def test_polls_and_waits_are_those_of_the_run():
    run = record()
    mine = lab.polls_of(run, 1)
    assert mine["t"].tolist() == pytest.approx([0.99, 1.99, 2.99, 3.99, 4.99])
    assert mine["node"].tolist() == [1, 2, 1, 2, 1]
    assert mine["messages"].unique().tolist() == [2]
    assert len(lab.polls_of(run, 2)) == 0
    assert lab.delivery_waits(run)[[0, -1]] == pytest.approx([0.01, 0.99])
    table = lab.costs_table({"poll": run})
    assert table.loc["messages_per_answer", "poll"] == 2.0
    assert table.loc["requests_per_second", "poll"] == pytest.approx(10 / 6)
    assert np.isnan(table.loc["node_cpu_per_delivery", "poll"])


def test_a_server_refuses_each_change_with_its_own_status():
    table = lab.refusals_table()
    assert table["answer"].tolist() == [101, 405, 400, 426, 426, 400, 403]
    assert table.loc["as it is", "why"] == ""
    assert "Sec-WebSocket-Version: 13" in table.loc["an old version", "besides"]
    assert "http://evil.example" in table.loc["a page of another site", "why"]


def test_frames_are_those_of_the_rfc():
    table = lab.frames_table()
    assert table.loc["from a server", "hexadecimal"] == "81 05 48 65 6c 6c 6f"
    assert table.loc["from a client, masked", "hexadecimal"] == "81 85 37 fa 21 3d 7f 9f 4d 51 58"
    assert table.loc["first fragment", "hexadecimal"] == "01 03 48 65 6c"
    assert table.loc["last fragment", "hexadecimal"] == "80 02 6c 6f"
    assert table["bytes"].tolist() == [7, 11, 5, 4]


def test_only_a_deadline_for_the_whole_cuts_who_sends_a_byte_now_and_then():
    held = lab.slow_table()["holds the connection for (s)"]
    assert held.tolist() == pytest.approx([4.0 * len(lab.REQUEST)] * 2 + [10.0])
    assert lab.slow_table(idle=3.0)["holds the connection for (s)"].iloc[1] == 3.0


def test_failures_are_counted_by_what_clients_saw():
    run = record()
    assert lab.failures(run) == {}
    scenario = run.scenario.model_dump(exclude_none=True)
    rows = [row(1.0, "disconnected", 0, 1, detail="504"), row(1.2, "connect_failed", 0, -1, 2, detail="503")]
    rows += [row(-0.1, "disconnected", 1, 1, detail="504"), row(2.0, "disconnected", 1, 1, detail="504")]
    assert lab.failures(Record.of(rows, {"world": "simulated", "scenario": scenario})) == {"503": 1, "504": 2}


def test_pictures_name_every_transport():
    run = record()
    (axes,) = waits_figure({"poll": run}, {"poll": run}, 1.0).axes
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["poll, simulated", "poll, measured", "poll, by hand"]
    assert axes.lines[2].get_xdata()[-1] == 1.0
    void = Record(run.columns, run.provenance | {"disturbed": "it was stopped"})
    assert len(waits_figure({"poll": run}, {"poll": void}, 1.0).axes[0].lines) == 2
    requests, sizes = traffic_figure(interval=0.5).axes
    assert [line.get_label() for line in requests.lines[:3]] == ["WebSocket: none", "long poll", "poll"]
    assert [line.get_label() for line in sizes.lines[:3]] == ["WebSocket", "long poll", "poll"]
    assert set(requests.lines[2].get_ydata()) == {200.0}
    assert requests.lines[3].get_xdata()[0] == 2.0  # where both are the same


def test_the_scenarios_of_the_lab_differ_in_their_transport_only():
    some = [Scenario.load(name).model_dump() for name in lab.NAMES.values()]
    for one in some:
        for name in ("name", "teaches", "host"):
            one.pop(name)
        one["clients"].pop("transport")
    assert some[0] == some[1] == some[2]
