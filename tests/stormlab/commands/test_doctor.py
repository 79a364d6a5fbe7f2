"""`./lab doctor`."""

import json

import pytest

from live.doctor import examination
from live.doctor.abilities import Ability
from live.doctor.bounds import Bound
from live.doctor.examination import Examination
from live.doctor.means import Means
from live.doctor.parts import FoundPart
from live.doctor.quietness import judged
from tests.commands import lab_in_process

HAPROXY = FoundPart("haproxy", "found", "2.8.25", "/bin/haproxy", "balancer.kind 'haproxy'")
NGINX = FoundPart("nginx", "missing", "", "nginx is not installed.", "balancer.kind 'nginx'")
LOW = Bound("net.core.somaxconn", "128", False, "cuts the accept queues")


@pytest.fixture
def lab(monkeypatch, capsys):
    return lab_in_process(monkeypatch, capsys)


@pytest.fixture
def machine(monkeypatch):
    """Let the doctor find a machine, and return what changes it."""

    def found(parts=(HAPROXY, NGINX), bounds=(), others=0.0):
        one = Examination(
            "Linux 6.18",
            [Means("kill", "real", "SIGKILL", "faults.kind 'kill'")],
            [Means("packet loss", "unavailable", "packet filter: nft: not found", "no scenario asks for it yet")],
            [Ability("signals", True, "SIGSTOP")],
            list(parts),
            list(bounds),
            judged(others, 0.0, 0.001, 0.0, False),
        )
        monkeypatch.setattr(examination, "examine", lambda: one)

    return found


def test_a_machine_that_lacks_what_few_scenarios_need_is_ready(lab, machine):
    machine()
    status, said, _ = lab("doctor")
    assert status == 0
    assert "This machine is ready to measure." in said
    for row in (("kill", "real", "SIGKILL"), ("haproxy", "found", "2.8.25"), ("nginx", "missing")):
        assert any(all(cell in line for cell in row) for line in said.splitlines()), row
    assert "no scenario asks for it yet" in " ".join(said.split())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"parts": [HAPROXY._replace(state="missing", where="put it on PATH.")]},
            "haproxy is missing: put it on PATH.",
        ),
        ({"bounds": [LOW]}, "net.core.somaxconn is 128: cuts the accept queues."),
        ({"others": 1.5}, "Others take 1.50 cores; a run counts with at most 0.2."),
    ],
)
def test_what_stands_in_the_way_is_told_and_is_exit_status_1(lab, machine, changes, problem):
    machine(**changes)
    status, said, _ = lab("doctor")
    assert status == 1
    assert f"In the way: {problem}" in said
    assert "ready to measure" not in said
    status, said, _ = lab("doctor", "--json")
    assert (status, json.loads(said)["problems"]) == (1, [problem])


def test_the_json_of_this_machine_has_everything(lab, monkeypatch):
    monkeypatch.setattr("live.doctor.examination.watched", lambda seconds: judged(0.0, 0.0, 0.0, 0.0, False))
    data = json.loads(lab("doctor", "--json")[1])
    assert set(data) == {
        "system",
        "faults",
        "conditions",
        "abilities",
        "parts",
        "limits",
        "quietness",
        "problems",
    }
    assert {one["state"] for one in data["faults"]} <= {"real", "emulated", "unavailable"}
    assert all(data[name] for name in ("system", "faults", "conditions", "abilities", "parts", "limits"))
