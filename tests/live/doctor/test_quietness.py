"""Whether the machine is quiet enough: the same bounds as those that void a run."""

import sys

import pytest

from live.doctor import quietness
from live.machine.placement import STARVED_DELAY, STARVED_SHARE, free_ports


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ((STARVED_SHARE, 0.0, STARVED_DELAY, 0.0, False), []),
        ((0.21, 0.0, 0.0, 0.0, False), ["Others take 0.21 cores; a run counts with at most 0.2."]),
        ((0.0, 0.0, 0.15, 0.0, False), ["A ready thread waited for 150 ms; a run counts with at most 100."]),
        ((0.0, 0.0, 0.0, 0.5, False), ["The CPU quota of the control group held the lab back for 0.50 s."]),
        ((0.0, 0.0, 0.0, 0.0, True), ["Another lab runs on this machine."]),
    ],
)
def test_each_reason_is_a_sentence_with_its_bound(seen, why):
    found = quietness.judged(*seen)
    assert (found.quiet, list(found.why)) == (not why, why)
    assert found.as_dict()["quiet"] == (not why)


def test_a_look_sees_threads_that_waited_and_what_others_take():
    found = quietness.watched(0.1)
    assert found.delay > 0.0  # no thread wakes up before its time, and none just then
    assert found.others >= found.stolen >= 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_lab_that_has_ports_is_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(quietness, "NAMES", tmp_path / "unix")
    assert not quietness.another_lab()  # nothing to read
    (tmp_path / "unix").write_text("0: 1 2 3 @else\n")
    assert not quietness.another_lab()
    monkeypatch.undo()
    free_ports(1)
    assert quietness.another_lab()
