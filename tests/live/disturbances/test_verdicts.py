"""The verdict on a disturbed run, from what was seen of it and nothing else."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from live.disturbances.disturbance import Action, Disturbance, When
from live.disturbances.verdicts import (
    ObservedRun,
    Start,
    Verdict,
    disturbed_start,
    judge,
    must,
    outcome,
    overlap,
    table,
    totals,
)
from live.machine.timing import TOLERANCE

START = Start(10.0, 12.0)


def seen(action: Action, target: str, hit: tuple[float, float] | None, when: When = "run", **what: Any) -> ObservedRun:
    """A run of 3 s from 12.0 on, with one start, that showed and saved a record that counts."""
    settings: dict[str, Any] = {"starts": (START,), "shown": True, "records": (1, 0)} | what
    return ObservedRun(Disturbance(0, "failover", target, action, when, 1.0, None), 3.0, hit=hit, **settings)


def verdicts(one: ObservedRun) -> tuple[str, ...]:
    return judge(one).verdicts


def test_an_undisturbed_run_counts_and_one_that_does_not_is_wrong() -> None:
    good = seen("none", "", None)
    assert verdicts(good) == ("counted rightly",)
    void = replace(good, shown=False, status=2, records=(0, 0), said="node 3 was killed")
    assert verdicts(void) == ("voided wrongly",)
    assert "node 3 was killed" in judge(void).why[0]


def test_who_else_was_on_the_machine_is_to_blame_if_the_injector_has_seen_it_too() -> None:
    late = seen("none", "", None, shown=False, status=2, said="a step was 0.31 s late")
    assert verdicts(late) == ("voided wrongly",)
    assert verdicts(replace(late, late=0.3)) == ("voided rightly",)
    assert verdicts(replace(late, others=0.5)) == ("voided rightly",)
    assert verdicts(replace(late, late=0.3, said="node 3 was killed")) == ("voided wrongly",)


def test_a_kill_that_no_fault_ordered_may_not_count() -> None:
    counted = seen("kill", "node 3", (13.0, inf))
    assert verdicts(counted) == ("counted wrongly",)
    assert judge(counted).why == ("kill of node 3 at 1.00 s of the run, and the run counted",)
    void = replace(counted, shown=False, status=2, said="node 3 was ended by SIGKILL", records=(0, 0))
    assert verdicts(void) == ("voided rightly",)


@pytest.mark.parametrize(
    "said", ["", "node 2 was ended by SIGKILL", "node 3 ended", "node 3 is up\nswarm 0 was ended by SIGKILL"]
)
def test_a_message_has_to_name_the_part_and_what_befell_it(said: str) -> None:
    assert verdicts(seen("kill", "node 3", (13.0, inf), shown=False, status=2, said=said)) == ("cause not named",)


def test_a_run_that_was_made_anew_was_void_and_its_record_must_say_why() -> None:
    anew = seen("kill", "node 3", (13.0, inf), starts=(START, Start(16.0, 17.0)))
    assert outcome(anew) == "voided"
    assert verdicts(anew) == ("cause not named",)
    assert verdicts(replace(anew, said="Run 1 is made anew: node 3 was ended by SIGKILL")) == ("cause not named",)
    assert verdicts(replace(anew, void_before=("node 3 was ended by SIGKILL",))) == ("voided rightly",)
    assert verdicts(replace(anew, void_before=("node 2 was ended by SIGKILL",))) == ("cause not named",)


def test_a_run_that_went_to_its_end_is_void_if_its_record_says_what_disturbed_it() -> None:
    void = seen("kill", "server", (13.0, inf), disturbed="the server at redis://x was started anew")
    assert (outcome(void), verdicts(void)) == ("voided", ("voided rightly",))
    assert verdicts(replace(void, disturbed="")) == ("counted wrongly",)
    assert verdicts(seen("none", "", None, disturbed="the lab stood still for 0.3 s")) == ("voided wrongly",)
    assert verdicts(seen("none", "", None, disturbed="the lab stood still for 0.3 s", late=0.3)) == ("voided rightly",)


def test_of_several_starts_the_one_that_was_running_was_disturbed() -> None:
    starts = (START, Start(16.0, 17.0))
    assert disturbed_start(seen("kill", "node 3", (16.5, inf), starts=starts)) == 1
    assert disturbed_start(seen("kill", "node 3", (12.5, inf), starts=starts)) == 0
    assert disturbed_start(seen("stop", "lab", (9.0, 10.5), starts=starts)) == 0
    assert disturbed_start(seen("stop", "lab", (8.0, 9.0), starts=starts)) is None
    assert disturbed_start(seen("none", "", None)) is None
    assert outcome(seen("kill", "node 3", (17.5, inf), starts=starts)) == "counted"


@pytest.mark.parametrize(
    ("hit", "seconds"),
    [
        ((13.0, 13.5), 0.5),
        ((11.0, 12.25), 0.25),
        ((14.9, 18.0), 0.1),
        ((15.0, 16.0), 0.0),
        ((10.5, 11.0), 0.0),
        ((11.0, inf), inf),
        ((15.1, inf), 0.0),
    ],
)
def test_only_what_falls_into_the_measured_time_disturbs_it(hit: tuple[float, float], seconds: float) -> None:
    assert overlap(seen("stop", "node 3", hit)) == pytest.approx(seconds)


def test_what_never_came_to_be_measured_may_begin_anew_for_whatever_reason() -> None:
    late = ("the clients could not connect",)
    starts = (Start(10.0), Start(14.0, 15.0))
    one = seen("stop", "haproxy", (11.0, 14.0), "start-up", starts=starts, void_before=late)
    assert verdicts(replace(one, void_before=())) == ("cause not named",)
    assert (must(one), outcome(one), verdicts(one)) == ("either", "voided", ("voided rightly",))
    failed = replace(one, starts=(Start(10.0),), shown=False, status=2, said="something failed")
    assert verdicts(failed) == ("cause not named",)


def test_a_stop_within_the_tolerance_may_count_and_a_longer_one_may_not() -> None:
    assert TOLERANCE == 0.1
    short, long = seen("stop", "node 3", (13.0, 13.06)), seen("stop", "node 3", (13.0, 13.3))
    assert (must(short), must(long)) == ("either", "void")
    assert (must(short, 0.01), must(long, 0.5)) == ("void", "either")
    assert must(seen("stop", "server", (13.0, 13.35))) == "either"  # it is asked now and then
    assert must(seen("stop", "server", (13.0, 13.5))) == "void"
    assert verdicts(short) == ("counted rightly",)
    assert verdicts(long) == ("counted wrongly",)


def test_what_does_no_harm_may_come_together_with_a_busy_machine() -> None:
    short = seen("stop", "lab", (13.0, 13.03), disturbed="the kill of node 1 took 0.12 s")
    assert verdicts(short) == ("cause not named",)
    assert verdicts(replace(short, late=0.4)) == ("voided rightly",)
    long = replace(short, late=0.4, steps=(1.2,), hit=(13.0, 14.0))
    assert verdicts(long) == ("cause not named",)


def test_what_hit_nobody_changes_nothing() -> None:
    assert verdicts(seen("kill", "node 3", None)) == ("counted rightly",)
    assert verdicts(seen("kill", "node 3", None, shown=False, status=2)) == ("voided wrongly",)


def test_the_guard_is_a_part_that_does_not_heed_a_polite_end() -> None:
    assert verdicts(seen("kill", "guard", (13.0, inf))) == ("counted wrongly",)
    assert verdicts(seen("term", "guard", (13.0, inf))) == ("counted rightly",)
    assert verdicts(seen("term", "guard", (13.0, inf), left=("folder stormlab-x",))) == ("left behind",)


def test_a_lab_that_stands_still_must_void_what_it_missed_and_may_void_the_rest() -> None:
    assert verdicts(seen("stop", "lab", (13.0, 14.0))) == ("counted rightly",)
    assert verdicts(seen("stop", "lab", (13.0, 14.0), disturbed="the lab stood still for 1.0 s")) == ("voided rightly",)


def test_a_lab_that_stands_still_voids_a_run_of_which_it_missed_a_step() -> None:
    stopped = seen("stop", "lab", (13.0, 14.0), steps=(0.5, 1.98, 2.5))
    assert (must(stopped), must(replace(stopped, steps=(1.9,)))) == ("either", "void")
    late = replace(stopped, steps=(1.2,))
    assert verdicts(late) == ("counted wrongly",)
    assert verdicts(replace(late, shown=False, status=2, said="a step was 0.80 s late")) == ("voided rightly",)


def test_a_lab_that_is_told_to_end_says_so_and_counts_nothing() -> None:
    gone = seen("term", "lab", (13.0, inf), shown=False, status=130, said="Interrupted; all stopped.", records=(0, 0))
    assert (must(gone), verdicts(gone)) == ("interrupted", ("voided rightly",))
    assert verdicts(replace(gone, said="")) == ("cause not named",)
    went_on = seen("hup", "lab", (13.0, inf))
    assert verdicts(went_on) == ("counted wrongly",)
    assert verdicts(seen("hup", "lab", (15.1, inf), "finish")) == ("counted rightly",)  # it had done its work


def test_a_killed_lab_may_leave_no_process_folder_key_or_half_record() -> None:
    killed = seen("kill", "lab", (13.0, inf), shown=False, status=-9, records=(0, 0))
    assert verdicts(killed) == ("voided rightly",)
    assert verdicts(replace(killed, left=("process 7 live.node.node",))) == ("left behind",)
    assert verdicts(replace(killed, records=(0, 1))) == ("left behind",)
    assert "1 broken records" in judge(replace(killed, records=(0, 1))).why[0]


def test_a_full_disk_is_named_and_leaves_no_record() -> None:
    full = seen("fill", "disk of the records", (10.0, inf), "start-up", status=2, records=(0, 0))
    assert (must(full), outcome(full)) == ("unsaved", "unsaved")
    assert verdicts(replace(full, said="x.parquet: cannot be written (No space left on device)")) == ("voided rightly",)
    assert verdicts(full) == ("cause not named",)
    assert verdicts(replace(full, status=0)) == ("counted wrongly",)


def test_taken_cores_make_a_run_starved_and_a_busy_machine_hides_nothing_else() -> None:
    hogs = seen("starve", "cores", (13.0, 15.0))
    assert verdicts(hogs) == ("counted wrongly",)
    assert verdicts(replace(hogs, starved="others took 0.9 cores")) == ("voided rightly",)
    assert verdicts(replace(hogs, starved="", disturbed="node 3 did something")) == ("cause not named",)
    killed = seen("kill", "node 3", (13.0, inf), starved="others took 0.9 cores", said="a starved host; others took")
    assert verdicts(killed) == ("counted wrongly",)


def test_a_lab_that_does_not_end_hangs() -> None:
    assert verdicts(seen("stop", "node 3", (13.0, 14.0), status=None)) == ("hung",)
    assert verdicts(seen("none", "", None, status=None, left=("process 7",))) == ("hung", "left behind")


def test_the_table_has_a_line_for_each_kind_and_the_totals_all_verdicts() -> None:
    runs = [seen("none", "", None), seen("kill", "node 3", (13.0, inf)), seen("kill", "node 2", None, starved="busy")]
    found = [(one, judge(one)) for one in runs]
    rows = table(found)
    assert [(row.kind, row.runs, row.hit, row.starved) for row in rows] == [
        ("undisturbed", 1, 0, 0),
        ("kill node", 2, 1, 1),
    ]
    assert rows[1].verdicts == {"counted wrongly": 1, "counted rightly": 1}
    assert totals([verdict for _, verdict in found]) == {
        "counted rightly": 2,
        "voided rightly": 0,
        "counted wrongly": 1,
        "voided wrongly": 0,
        "left behind": 0,
        "cause not named": 0,
        "hung": 0,
    }
    assert not Verdict("count", "counted", ("counted rightly",)).wrong
