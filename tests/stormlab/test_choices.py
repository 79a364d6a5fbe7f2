"""A client that a sheet has chosen is looked up in the lab's own records."""

import re
from pathlib import Path

import nbformat
import pytest

from stormlab.choices import CHOICES, chosen_again
from twin.course.explanations import explained, source_of, who_shows
from twin.course.sheet import Sheet

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
QUESTIONS = [(lab, question) for lab, some in CHOICES.items() for question in some]


def chosen(lab, client, record, question=None):
    """Return the sheet of a reader who chose a client of a record, as the notebook notes it."""
    question = question or next(iter(CHOICES[lab]))
    mechanism = CHOICES[lab].get(question, next(iter(CHOICES[lab].values())))
    sheet = Sheet(lab, 1)
    sheet.predictions["attempts_per_client"] = 1.0
    sheet.chosen(question, explained(record, client, mechanism.shows(record), mechanism.among), client)
    return sheet.as_dict("ada")


def records_of(lab, question):
    return list(CHOICES[lab][question].by_source().values())


def test_each_question_of_step_6_can_be_asked_again():
    noted = {
        (path.stem, question)
        for path in NOTEBOOKS.glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        for question in re.findall(r'sheet\.chosen\("([^"]+)"', cell.source)
    }
    assert noted == set(QUESTIONS)


@pytest.mark.parametrize(("lab", "question"), QUESTIONS)
def test_who_shows_it_in_the_records_is_right_and_who_does_not_is_not_yet(lab, question):
    mechanism, record = CHOICES[lab][question], records_of(lab, question)[0]
    shown = who_shows(record, mechanism.shows(record), mechanism.among)
    other = next(one for one in mechanism.among(record) if one not in shown)
    assert chosen_again(chosen(lab, shown[-1], record)) == f"{question}: client {shown[-1]} right"
    assert chosen_again(chosen(lab, other, record)) == f"{question}: client {other} not yet"


@pytest.fixture(scope="module")
def failover():
    return records_of("01-failover", "a wait that outlives the mark-down")


def shown_in(record):
    mechanism = CHOICES["01-failover"]["a wait that outlives the mark-down"]
    return who_shows(record, mechanism.shows(record))


def test_a_sheet_that_calls_a_wrong_client_right_is_found_out(failover):
    data = chosen("01-failover", shown_in(failover[0])[0], failover[0])
    wrong = next(one for one in range(200) if one not in shown_in(failover[0]))
    data["choices"][0] |= {"client": wrong, "right": True}
    assert chosen_again(data).endswith(f"client {wrong} not yet")


def test_a_client_is_looked_up_in_the_run_that_it_was_chosen_in(failover):
    first, second = (set(shown_in(record)) for record in failover[:2])
    client = min(first - second)
    assert chosen_again(chosen("01-failover", client, failover[0])).endswith("right")
    assert chosen_again(chosen("01-failover", client, failover[1])).endswith("not yet")


@pytest.mark.parametrize("source", [None, "", 7, "live failover 0 2026-01-01T00:00:00+00:00", "sim failover 0"])
def test_a_run_that_did_not_ship_is_not_asked(failover, source):
    data = chosen("01-failover", 1, failover[0])
    data["choices"][0]["source"] = source
    assert chosen_again(data).endswith("not asked: its run is none of the lab's records")


@pytest.mark.parametrize("client", [None, "none", 1.5, [], -1, 10**9])
def test_no_client_is_not_right(failover, client):
    data = chosen("01-failover", 1, failover[0])
    data["choices"][0]["client"] = client
    assert chosen_again(data).endswith("not yet")


def test_another_question_is_not_asked_and_who_chose_nothing_has_no_verdict(failover):
    other = chosen("01-failover", 1, failover[0], "the weather")
    assert chosen_again(other) == "the weather: client 1 not asked: the lab has no such question"
    assert chosen_again({"lab": "99-unknown", "choices": other["choices"]}) == chosen_again(other)
    assert chosen_again({"lab": "01-failover"}) == ""


def test_two_runs_of_one_scenario_have_two_sources(failover):
    assert len({source_of(record) for record in failover}) == len(failover) > 1
