"""`./lab glossary` and `stormlab.glossary`."""

import json

import pytest

import stormlab
from tests.commands import lab_in_process
from twin.glossary.terms import terms


@pytest.fixture
def lab(monkeypatch, capsys):
    return lab_in_process(monkeypatch, capsys)


def test_a_term_is_printed_with_unit_meaning_why_and_what_moves_it(lab):
    status, said, _ = lab("glossary", "blind time")
    assert status == 0
    assert said.startswith("blind time (盲区时间)\nWord, unit s. Time from the end of a node")
    assert "\n- Why it matters: " in said
    assert "\n- What moves it: " in said
    assert "*" not in said


def test_a_term_is_printed_in_chinese(lab):
    said = lab("glossary", "reconnect_p50", "--language", "zh")[1]
    assert said.startswith("reconnect_p50\n指标，单位 s，驱动因素 `timer`。")


def test_an_unknown_term_is_bad_input_and_names_the_nearest(lab):
    status, _, said = lab("glossary", "lestconn")
    assert (status, len(said)) == (2, 1)
    assert "the nearest are leastconn" in said[0]


def test_without_a_term_all_names_are_printed(lab):
    status, said, _ = lab("glossary")
    assert status == 0
    assert all(one in " ".join(said.split()) for one in terms())


def test_the_json_of_a_term_is_of_one_language(lab):
    found = json.loads(lab("glossary", "lease", "--json", "--language", "zh")[1])
    assert found["name"] == "lease"
    assert found["meaning"] == terms()["lease"].meaning[1]
    names = json.loads(lab("glossary", "--json")[1])
    assert sum(map(len, names.values())) == len(terms())


def test_python_has_the_same_entry():
    assert stormlab.glossary("lease") is terms()["lease"]
