"""What an answer says of the settings under which it was asked."""

import pytest

from tests.strategies import small
from twin.course.answers import Answer, led_by, told_apart, told_from, unlike

LED = "Asked under other settings than those of the lab: "


def hang(**changes):
    return small(faults=[{"at": 2.0, "kind": "hang", "node": 1, **changes}])


def test_an_answer_under_the_labs_own_settings_is_as_it_was():
    answer = Answer(True, "the queue is short.", found=1.0)
    assert told_apart(answer, small(), small()) == answer
    assert told_apart(answer, small(), None) == answer


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("the balancer cuts.", "First. The balancer cuts."),
        ("50 pings a second.", "First. 50 pings a second."),
        ("notice_p99 is late.", "First. notice_p99 is late."),
    ],
)
def test_behind_another_sentence_a_text_begins_with_a_capital_but_for_names(why, said):
    assert led_by("First. ", Answer(False, why)).why == said


def test_faults_are_named_by_kind_and_time_where_that_tells_them_apart():
    said = unlike(hang(), small(faults=[{"at": 2.0, "kind": "kill", "node": 1}]))
    assert said == f"{LED}faults hang at 2 s (in the lab kill at 2 s). "


def test_faults_that_differ_in_nothing_else_are_told_apart_by_node_and_duration():
    said = unlike(hang(), hang(duration=1.5))
    assert said == f"{LED}faults hang of node 1 at 2 s (in the lab hang of node 1 at 2 s for 1.5 s). "
    assert "hang of node 2 at 2 s (in the lab hang of node 1 at 2 s)" in unlike(hang(node=2), hang())


@pytest.mark.parametrize(
    ("bound", "value", "text", "said"),
    [
        (60.0, 60.4, "60", "60.4"),
        (60.0, 59.996, "60", "59.996"),
        (1.05, 1.0501, "1.05", "1.0501"),
        (0.1, 0.10004, "0.100", "0.10004"),
        (60.0, 60.0, "60", "60"),
        (60.0, 51.3, "51", "51"),
        (7.0, float("inf"), ">16", ">16"),
    ],
)
def test_a_value_that_is_not_its_bound_does_not_read_as_it(bound, value, text, said):
    assert told_from(bound, value, text) == said
