"""`./lab campaign --disturb`: what it prints, and its exit status."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from typer.testing import CliRunner

from live.disturbances import campaign
from live.disturbances.disturbance import Disturbance
from live.disturbances.verdicts import ObservedRun, Start, Verdict, judge
from stormlab.app import app
from twin.errors import ClusterError

CONTROL = ObservedRun(Disturbance(0, "plain", "", "none", "run", 0.0, None), 3.0, starts=(Start(1.0, 2.0),), shown=True)
KILLED = ObservedRun(
    Disturbance(1, "failover", "node 3", "kill", "run", 1.0, None),
    3.0,
    starts=(Start(1.0, 2.0), Start(6.0, 7.0)),
    hit=(3.0, inf),
    void_before=("node 3 was ended by SIGKILL",),
    shown=True,
)


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Let a campaign see these runs; returns what it was asked for."""

    def see(*runs: ObservedRun, then: BaseException | None = None) -> list[Any]:
        asked: list[Any] = []

        def disturbed(*words: Any) -> Iterator[tuple[ObservedRun, Verdict]]:
            asked.append(words[:3])
            for one in runs:
                words[3](0.5, "a run")
                yield one, judge(one)
            if then is not None:
                raise then

        monkeypatch.setattr(campaign, "disturbed", disturbed)
        return asked

    return see


def lab(*words: str) -> Any:
    return CliRunner().invoke(app, ["campaign", "--disturb", *words])


def test_a_campaign_without_anything_wrong_ends_well_and_shows_a_line_a_kind(seeing: Callable[..., list[Any]]) -> None:
    asked = seeing(CONTROL, KILLED)
    result = lab()
    assert result.exit_code == 0, result.output
    assert asked == [(100, 1, 0)]
    lines = [line.split() for line in result.output.splitlines() if line.strip()]
    assert ["undisturbed", "1", "-", "1", *"-------"] in lines
    assert ["kill", "node", "1", "1", "-", "1", *"------"] in lines
    assert ["all", "2", "1", "1", "1", *"------"] in lines
    assert "2 runs of seed 1, 0 with something wrong" in result.output


def test_what_is_wrong_is_told_with_its_run_and_is_the_exit_status(seeing: Callable[..., list[Any]]) -> None:
    asked = seeing(CONTROL, replace(KILLED, starts=KILLED.starts[:1]))
    result = lab("--runs", "2", "--seed", "5", "--first", "8")
    assert asked == [(2, 5, 8)]
    assert result.exit_code == 1
    assert (
        "Run 1 of seed 5 (failover: kill node): counted wrongly: kill of node 3 at 1.00 s of the run" in result.output
    )
    assert "2 runs of seed 5, 1 with something wrong" in result.output


def test_json_has_every_run_and_the_totals(seeing: Callable[..., list[Any]]) -> None:
    seeing(CONTROL, KILLED)
    data = json.loads(lab("--json").stdout)
    assert (data["counted rightly"], data["voided rightly"], data["counted wrongly"]) == (1, 1, 0)
    control, killed = data["runs"]
    assert (control["kind"], control["hit"], control["outcome"]) == ("undisturbed", None, "counted")
    assert (killed["kind"], killed["hit"], killed["starts"], killed["verdicts"]) == (
        "kill node",
        [1.0, None],
        2,
        ["voided rightly"],
    )


def test_a_campaign_that_breaks_off_shows_what_there_is(seeing: Callable[..., list[Any]]) -> None:
    seeing(CONTROL, then=ClusterError("something ended"))
    result = lab("--runs", "9")
    assert "1 runs of seed 1, 0 with something wrong" in result.output
    assert result.exit_code != 0
    assert "run 1 of seed 1 and what comes after it is missing: something ended" in str(result.exception)
    seeing(then=ClusterError("nothing began"))
    assert str(lab().exception) == "nothing began"


@pytest.mark.parametrize("words", [("--bus", "pubsub"), ("--replications", "5")])
def test_options_of_the_other_campaign_are_refused(words: tuple[str, str]) -> None:
    result = lab(*words)
    assert str(result.exception) == f"{words[0]} is {words[1]}; with --disturb it is not allowed."
