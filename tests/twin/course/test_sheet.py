import json

import pytest

from tests.strategies import small
from twin.course.answers import Answer
from twin.course.discrepancies import Discrepancy
from twin.course.explanations import OfRecord
from twin.course.sheet import MissingAnswerError, Sheet
from twin.errors import ScenarioError

GOOD = {"reconnect_p50": 1.5, "lost_share": "0.25", "my_peak": 100}


@pytest.fixture
def sheet():
    return Sheet("01-failover", 7)


def test_numbers_are_taken_as_they_are_meant(sheet):
    assert sheet.predict(small(), GOOD) == {"reconnect_p50": 1.5, "lost_share": 0.25, "my_peak": 100.0}
    sheet.predict(small(), {"lost_share": 0}, "stream")
    assert sheet.predictions["lost_share"] == 0.25
    assert sheet.predictions["stream: lost_share"] == 0.0


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"reconnect_p50": None}, "reconnect_p50 (s) is still empty"),
        ({"reconnect_p50": ..., "lost_share": 0.1, "my_peak": None}, "reconnect_p50 (s), my_peak are still empty"),
        ({"reconnect_p50": "soon"}, "reconnect_p50 is 'soon'; allowed is a number"),
        ({"reconnect_p50": -1}, "reconnect_p50 is -1; it can be from 0 to 8, the length of the run in seconds"),
        ({"reconnect_p50": 8.1}, "reconnect_p50 is 8.1; it can be from 0 to 8"),
        ({"reconnect_p50": float("nan")}, "allowed is a number"),
        ({"lost_share": 33}, "lost_share is 33; it can be from 0 to 1."),
        ({"attempts_per_client": 1e12}, "it can be from 0 to 1e+09."),
        ({"reconnect_p50": True}, "allowed is a number"),
    ],
)
def test_nothing_goes_on_without_numbers_that_can_be(numbers, said, sheet):
    with pytest.raises(MissingAnswerError) as stopped:
        sheet.predict(small(), numbers)
    assert str(stopped.value).startswith("First your own numbers: ")
    assert said in str(stopped.value)
    assert sheet.predictions == {}
    assert stopped.value._render_traceback_() == [str(stopped.value)]


def test_a_transfer_question_waits_for_step_2(sheet):
    with pytest.raises(MissingAnswerError, match="First step 2"):
        sheet.answered(Answer(True, "good", 1.0, 1.0))
    sheet.predict(small(), GOOD)
    assert sheet.answered(Answer(True, "good", 1.0, 1.0), inter=1).right


def test_what_is_written_has_predictions_answers_seed_and_verdict(sheet, tmp_path):
    sheet.predict(small(), GOOD)
    assert sheet.verdict == "unanswered"
    sheet.answered(Answer(False, "first say what you expect", None, None), inter=0.5)
    sheet.answered(Answer(False, "too slow", 2.0, 1.0), inter=0.5, fall=2, policy={"base": object})
    assert sheet.verdict == "not yet"
    sheet.answered(Answer(True, "good", 1.4, 1.3), inter=0.4, fall=2)
    said = sheet.save("Ada L./../x", tmp_path)
    assert said == f"{tmp_path}/01-failover-Ada-L-----x.json: 3 predictions, 2 answers, right."
    data = json.loads((tmp_path / "01-failover-Ada-L-----x.json").read_text())
    assert {key: data[key] for key in ("lab", "name", "seed", "verdict")} == {
        "lab": "01-failover",
        "name": "Ada L./../x",
        "seed": 7,
        "verdict": "right",
    }
    assert data["predictions"] == {"reconnect_p50": 1.5, "lost_share": 0.25, "my_peak": 100.0}
    first, last = data["answers"]
    assert (first["settings"]["inter"], first["expected"], first["found"], first["right"]) == (0.5, 1.0, 2.0, False)
    assert (last["settings"], last["why"]) == ({"inter": 0.4, "fall": 2}, "good")


def test_without_a_name_nothing_is_written(sheet, tmp_path):
    assert "Nothing is written yet" in sheet.save(None, tmp_path)
    for odd in ("", "  ", 3, "a\nb", "a" * 101):
        with pytest.raises(ScenarioError, match="name is "):
            sheet.save(odd, tmp_path)
    assert list(tmp_path.iterdir()) == []


def finding(standing, values=()):
    """Return a finding of a standing; of its numbers only the measured values matter here."""
    settings = {"balancer": {"check": {"inter": 2.0}}, "faults": [{"at": 1.0, "kind": "kill"}]}
    return Discrepancy(
        settings, "reconnect_p50", 5.0, 1.0, 2.0, 200, "balancer", "no queue", values, 0, None, 0.01, standing, "so"
    )


def test_the_levels_are_told_apart(sheet, tmp_path):
    sheet.predict(small(), GOOD)
    sheet.answered(Answer(True, "good", 1.4, 1.3), inter=0.4)
    sheet.answered(Answer(False, "too slow", 2.0, 1.0), level=2, inter=0.5)
    assert (sheet.verdict, sheet.harder, sheet.bonus) == ("right", "not yet", "none")
    sheet.answered(Answer(True, "good", 2.0, 1.0), level=2, inter=0.4)
    said = sheet.save("Ada", tmp_path)
    assert said.endswith("3 predictions, 1 answers, right; level 2 right.")


def test_a_finding_is_a_bonus_and_the_best_one_counts(sheet, tmp_path):
    with pytest.raises(MissingAnswerError, match="First step 2"):
        sheet.found(finding("confirmed"))
    sheet.predict(small(), GOOD)
    missing = Answer(False, "first say what you expect")
    assert sheet.found(missing) is missing
    assert sheet.bonus == "none"
    for standing, values, best in (
        ("not confirmed", (1.5, None), "not confirmed"),
        ("unconfirmed", (), "unconfirmed"),
        ("confirmed", (3.0,), "confirmed"),
        ("unconfirmed", (), "confirmed"),
    ):
        sheet.found(finding(standing, values))
        assert sheet.bonus == best
    assert sheet.measured == 2
    assert sheet.save("Ada", tmp_path).endswith("0 answers, unanswered; level 3 confirmed.")
    data = json.loads((tmp_path / "01-failover-Ada.json").read_text())
    assert data["bonus"] == "confirmed"
    first = data["discrepancies"][0]
    assert (first["standing"], first["values"], first["mechanism"]) == ("not confirmed", [1.5, None], "no queue")
    assert first["settings"] == {"balancer": {"check": {"inter": 2.0}}, "faults": [{"at": 1.0, "kind": "kill"}]}


def test_a_chosen_client_is_noted_with_the_question_it_answers(sheet, tmp_path):
    right = Answer(True, "client 3 shows it")
    with pytest.raises(MissingAnswerError, match="First step 2"):
        sheet.chosen("late", right, 3)
    sheet.predict(small(), GOOD)
    assert sheet.chosen("late", Answer(False, "choose a client first"), None).why == "choose a client first"
    assert sheet.chosen("late", right, "3", run=1) is right
    sheet.save("Ada", tmp_path)
    data = json.loads((tmp_path / "01-failover-Ada.json").read_text())
    noted = {"question": "late", "run": 1, "client": 3, "right": True, "why": "client 3 shows it", "source": ""}
    assert data["choices"] == [noted]


def test_a_choice_names_the_record_it_was_made_in(sheet):
    sheet.predict(small(), GOOD)
    sheet.chosen("late", OfRecord(False, "client 3 is early", source="sim small 0"), 3)
    assert sheet.choices[0].source == "sim small 0"
