import re
from pathlib import Path

import nbformat
import pytest

from stormlab import questions
from stormlab.questions import HARDER, QUESTIONS, asked_again
from tests.stored import cell
from twin.costs.profile import HostProfile

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(autouse=True)
def reference(monkeypatch):
    """Let the profile be the same on every machine."""
    profile = HostProfile.load("reference")
    monkeypatch.setattr(questions.HostProfile, "for_this_machine", lambda *_: profile)


def sheet(lab, expected=1.0, seed=1, **settings):
    return {"lab": lab, "seed": seed, "answers": [{"settings": settings, "expected": expected, "right": True}]}


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (sheet("01-failover", inter=0.45, fall=2), "right"),
        (sheet("01-failover", inter=0.2, fall=2), "not yet"),
        (sheet("01-failover", expected=None, inter=0.45, fall=2), "not yet"),
        (sheet("01-failover", inter={"a": 1}), "not yet"),
        (sheet("02-broadcast", ack_timeout=3.2, max_resends=1), "right"),
        (sheet("02-broadcast", ack_timeout=3.5, max_resends=1), "not yet"),
        (sheet("03-backoff-storms", base=4.2, cap=8.0, jitter="full"), "right"),
        (sheet("03-backoff-storms", base=1.0, cap=8.0, jitter="full"), "not yet"),
        (sheet("04-sizing", nodes=4, cap=60.0), "not yet"),
        (sheet("04-sizing", nodes=3), "not yet"),
        (sheet("05-heartbeats", interval=4.0, timeout=3.8), "right"),
        (sheet("05-heartbeats", interval=4.0, timeout=1.0), "not yet"),
        (sheet("06-balancing", expected=30.0, balancer={"algorithm": "best"}, reconnect={"base": 0.3}), "not yet"),
        (sheet("06-balancing", expected=30.0), "not yet"),
        (sheet("07-sessions", store="none", persist=True, cap=1.0), "not yet"),
        (sheet("07-sessions"), "not yet"),
        (sheet("08-registry", ttl=0.6, heartbeat=0.2), "not yet"),
        (sheet("09-autoscaling", mean=12.0), "not yet"),
        (sheet("10-drain", lead=2.0, pace=10.2), "right"),
        (sheet("10-drain", lead=2.5, pace=25.0), "not yet"),
        (sheet("11-whole", pace=20.0, iterations=50_000), "right"),
        (sheet("11-whole", pace=18.0, iterations=50_000), "not yet"),
        (sheet("12-transports", interval=9.0), "not yet"),
        (sheet("13-stalls", piece=0.5), "not yet"),
        (sheet("99-unknown", inter=0.45), ""),
        ({"lab": "01-failover", "seed": 1, "answers": []}, ""),
    ],
)
def test_a_sheet_that_calls_itself_right_is_asked_again(data, verdict):
    assert asked_again(data) == verdict


@pytest.mark.parametrize(
    ("lab", "settings", "verdict"),
    [
        ("00-when-a-comparison-fails", {"number": 7, "setting": "clients.reconnect.factor", "value": 1.5}, "right"),
        ("00-when-a-comparison-fails", {"number": 7, "setting": "clients.count", "value": 100}, "not yet"),
        ("00-when-a-comparison-fails", {"number": [], "setting": None, "value": None}, "not yet"),
    ],
)
def test_other_questions_are_asked_again_as_well(lab, settings, verdict):
    assert asked_again(sheet(lab, **settings)) == verdict


@pytest.mark.parametrize(
    ("lab", "settings", "verdict"),
    [
        (
            "00-when-a-comparison-fails",
            {"number": 7, "named": {"balancer.check.inter": 1.3, "clients.reconnect.cap": 0.5}},
            "right",
        ),
        ("00-when-a-comparison-fails", {"number": 7, "named": "both"}, "not yet"),
    ],
)
def test_a_harder_question_is_asked_again_by_its_level(lab, settings, verdict):
    data = sheet(lab, **settings)
    data["answers"][0]["level"] = 2
    assert asked_again(data, 2) == verdict
    assert asked_again(data) == ""


def test_a_seed_that_cannot_be_is_said():
    assert asked_again(sheet("01-failover", seed=-1, inter=0.45, fall=2)).startswith("not asked: vary: seed is -1")


def test_each_lab_that_notes_answers_has_its_question():
    noted = {
        path.stem
        for path in NOTEBOOKS.glob("*.ipynb")
        if any("sheet.answered(" in cell.source for cell in nbformat.read(path, as_version=4).cells)
    }
    assert noted == set(QUESTIONS)


def test_each_lab_with_a_harder_question_can_ask_it_again():
    noted = {
        path.stem
        for path in NOTEBOOKS.glob("*.ipynb")
        if any("level=2" in cell.source for cell in nbformat.read(path, as_version=4).cells)
    }
    assert noted == set(HARDER)


@pytest.mark.parametrize(
    ("lab", "settings", "verdict"),
    [
        ("06-balancing", {"base": 0.01}, "not yet"),
        ("07-sessions", {"iterations": 10}, "not yet"),
        ("10-drain", {"lead": 1.05}, "right"),
        ("10-drain", {}, "not yet"),
        ("12-transports", {"interval": 0.01}, "not yet"),
        ("13-stalls", {"count": 6.5}, "not yet"),
    ],
)
def test_an_answer_of_the_second_level_is_asked_again(lab, settings, verdict):
    data = sheet(lab, **settings)
    data["answers"][0]["level"] = 2
    assert asked_again(data, level=2) == verdict


@pytest.mark.parametrize(
    ("lab", "name", "place"),
    [
        *[("08-registry", "c02", 1), ("09-autoscaling", "c02", 1), ("10-drain", "drain-02", 0)],
        *[("11-whole", "whole-02", 1), ("12-transports", "transports-02", 1), ("13-stalls", "stalls-02", 1)],
    ],
)
def test_an_answer_is_asked_again_with_as_many_replications_as_in_its_notebook(lab, name, place, monkeypatch):
    asked = []
    monkeypatch.setattr(questions, "_predicts_with", lambda replications, _: asked.append(replications))
    QUESTIONS[lab](1, {}, 1.0)
    HARDER[lab](1, {}, 1.0)
    (full,) = re.findall(r"MANY, FEW = \(\d+, \d+\) if .* else \((\d+), (\d+)\)", cell(lab, name).source)
    assert asked == [int(full[place])] * 2
