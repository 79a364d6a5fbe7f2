import numpy as np
import pytest

import sim
from tests.strategies import small, small_profile
from twin.course import stalls as lab
from twin.course.broadcast import everybody
from twin.course.explanations import explained, who_shows
from twin.course.pictures.stalls import answers_figure, loads_figure, tails_by_hand_figure, tails_figure
from twin.record.handler_events import Answered, Requested
from twin.record.record import Record, row
from twin.scenario.scenario import Scenario


def record(void=False):
    """Long requests of 100 ms each 250 ms; client 0 asks 10 ms after one has begun, client 1 when it is over."""
    tasks = [{"name": "short", "rate": 8.0, "cpu": 0.0002}, {"name": "long", "rate": 4.0, "cpu": 0.1}]
    scenario = small(duration=2.0, clients={"count": 3}, nodes={"handler": {"tasks": tasks}})
    rows = [row(-0.5, "connected", client, 1, 1) for client in range(3)]

    def request(client, n, at, after, task):
        rows.append(row(at, "requested", client, 1, version=n, detail=Requested.pack(task)))
        rows.append(row(at + after, "answered", client, 1, version=n, detail=Answered.pack(task)))

    for n in range(6):
        request(2, n, 0.1 + 0.25 * n, 0.101, "long")
        request(0, n, 0.11 + 0.25 * n, 0.092, "short")
        request(1, n, 0.22 + 0.25 * n, 0.001, "short")
    more = {"disturbed": "it was stopped"} if void else {}
    data = {"world": "simulated", "replication": 0, "scenario": scenario.model_dump(exclude_none=True)} | more
    return Record.of(rows, data)


def test_waits_by_hand_are_those_of_the_worked_solution():
    assert lab.waits_by_hand(0.4, 0.1, 0.9) == pytest.approx(0.075)
    assert lab.waits_by_hand(0.1, 0.1, 0.99) == pytest.approx(0.09)
    assert lab.waits_by_hand(0.4, 0.02, 0.9) == pytest.approx(0.015)
    assert lab.waits_by_hand(0.5, 0.05, 0.9) == pytest.approx(0.04)
    assert lab.waits_by_hand(0.05, 0.1, 0.9) == 0.0
    assert lab.waits_by_hand(0.0, 0.1, 0.9) == 0.0


def test_tails_by_hand_begin_at_the_share_of_long_work_and_end_at_its_length():
    table = lab.tails_by_hand(0.1, 4.0, 4, np.array([0.0, 0.0049, 0.0051, 0.01, 0.02, 0.05, 0.1]))
    assert table.iloc[0].tolist() == pytest.approx([0.4, 0.4, 0.1, 0.4])
    assert table.iloc[-1].tolist() == [0.0] * 4
    assert table["loop"].loc[0.05] == pytest.approx(0.2)
    assert table["4 processes"].loc[0.05] == pytest.approx(0.05)
    assert table["goroutines"].loc[0.01] == pytest.approx(0.2)
    assert table["goroutines"].loc[0.02] == 0.0
    assert table["thread pool"].tolist() == [0.4, 0.4, 0, 0, 0, 0, 0]
    assert lab.tails_by_hand(0.01, 1.0)["goroutines"].iloc[-1] == 0.0  # a slice is not longer than the work
    assert lab.tails_by_hand(0.3, 10.0).iloc[0].tolist() == pytest.approx([1.0, 1.0, 0.25, 1.0])


def test_the_mean_wait_counts_the_square_of_a_length():
    assert lab.pollaczek_khinchine([(0.5, 1.0)]) == pytest.approx(0.5)  # M/D/1 at a load of one half
    whole, pieces = (lab.pollaczek_khinchine([(100, 0.0002), one]) for one in ((4, 0.1), (40, 0.01)))
    assert whole == pytest.approx((4 * 0.1**2 + 100 * 0.0002**2) / (2 * 0.58))
    assert whole / pieces == pytest.approx(10, rel=0.01)
    assert lab.pollaczek_khinchine([(10, 0.1)]) == float("inf")


def test_who_always_asks_behind_a_long_request_is_found():
    run = record()
    shows = lab.always_behind(run)
    assert who_shows(run, shows, everybody) == [0]
    assert "usually gets its answer after 92.0 ms" in explained(run, 0, shows, everybody, of="made requests").why
    assert not explained(run, 1, shows, everybody).right
    assert "has got no answer" in explained(run, 2, shows, everybody).why
    table = lab.offsets_table(run)
    assert table.index.tolist() == [0, 1]
    assert table.loc[0].tolist() == pytest.approx([10.0] * 3)
    assert table.loc[1].tolist() == pytest.approx([120.0] * 3)


def test_tables_have_the_answers_in_milliseconds():
    run = record()
    asked, took = lab.short_answers(run)
    assert len(asked) == len(took) == 12
    assert lab.of_answers(run) == pytest.approx(np.percentile(took, [50, 90, 99]))
    table = lab.answers_table({"loop": run})
    assert table.loc["loop", "long answer p50 (ms)"] == pytest.approx(101.0)
    assert table.loc["loop", "short answer p90 (ms)"] == pytest.approx(92.0)
    assert np.isnan(table.loc["loop", "loop late p90 (ms)"])
    assert lab.long_begins(run) == pytest.approx(0.1 + 0.25 * np.arange(6))


def test_short_requests_of_go_begin_together_at_the_end_of_a_slice():
    table = lab.go_table(length=0.1, every=0.008)
    begins = np.sort(table["begins (ms)"])
    first = begins[np.diff(begins, prepend=-1.0) > 1.0]  # of those that begin one right after the other
    assert first[0] < 20.0
    assert np.diff(first)[:-1] == pytest.approx([20.1] * (len(first) - 2), abs=0.15)
    assert len(first) < len(table) / 2 + 1
    assert table["waits (ms)"].max() < 20.2
    assert (table["comes (ms)"].diff().dropna().round(3) == 8.0).all()


def test_pieces_are_as_much_work_a_second():
    pieces = lab.in_pieces(lab.variant("loop"), 0.01)
    short, long = pieces.nodes.handler.tasks
    assert (long.rate, long.cpu.mean) == pytest.approx((40.0, 0.01))
    assert short.arrivals == "poisson"
    assert (short.rate, short.cpu.mean) == (100.0, 0.0002)
    assert lab.with_load(Scenario.load("handler-poisson"), 0.9).nodes.handler.tasks[0].rate == pytest.approx(180.0)


def test_a_load_is_held_to_the_formula():
    told = []
    scenario = Scenario.load("handler-poisson").vary(duration=2.0)
    table = lab.loads_table(scenario, lambda *_: record(), [0.5, 0.6], 2, lambda *counts: told.append(counts))
    assert table["M/M/1 (ms)"].tolist() == pytest.approx([10.0, 12.5])
    assert table["simulated (ms)"].tolist() == pytest.approx([46.5, 46.5])
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert "M/M/1: work / (1 - load)" in str(loads_figure(table, 0.005).axes[0].get_legend_handles_labels()[1])


def test_the_fewest_processes_are_right_and_neither_one_more_nor_the_ends():
    question = lab.harder(lab.variant("loop"))

    def predict(scenario):
        """The worst process has half as many clients again as a share."""
        from tests.twin.course.test_extreme_questions import predicted

        share = 0.4 * 1.5 / scenario.nodes.workers.count
        return predicted("short_answer_p90", [0.001 + lab.waits_by_hand(share, 0.1, 0.9)])

    rights = [count for count in range(1, 41) if question.check(count, predict, 0.009).right]
    assert rights == [6]
    for odd in (0, 41, 6.5, "many", None, [], float("nan"), 1e12):
        assert not question.check(odd, predict, 0.009).right
    assert not question.check(6, predict).right


def test_the_model_agrees_with_the_piece_by_hand():
    question = lab.largest_piece(lab.variant("loop"))
    profile = small_profile()
    kept = {
        one: question._kept(one, lambda varied: sim.predict(varied, 2, profile, jobs=1)).right for one in (0.01, 0.1)
    }
    assert kept == {0.01: True, 0.1: False}


def test_pictures_show_every_way_and_say_which_run_does_not_count():
    run, void = record(), record(void=True)
    panels = answers_figure({"a": run, "b": void, "c": run, "d": run}, 0.0, 1.0).axes
    assert [axes.get_title() for axes in panels[:4]] == ["a", "b", "c", "d"]
    assert panels[1].texts[0].get_text() == "this run does not count"
    assert len(panels[0].lines) == 1 + 4  # the dots, and a line for each long request
    (axes,) = tails_figure({"a": run, "b": run}, {"a": run, "b": void}).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    (axes,) = tails_by_hand_figure(100, 12.0, 3).axes
    assert "3 processes" in [line.get_label() for line in axes.lines]
    assert "more than it can do" in axes.get_title()
    assert "40 %" in tails_by_hand_figure().axes[0].get_title()
