"""The workbench: what it waits for, and what it says when a batch of handshakes fails."""

import os
import time

import pytest

from live.calibration import workbench
from live.calibration.messages import Opened
from live.calibration.workbench import LOOK, QUIET, Bench, at_rest, check_opened
from live.control.process import ChildProcess, Stage
from twin.errors import ClusterError
from twin.scenario.scenario import Scenario


@pytest.mark.live
def test_a_replaced_node_is_up_although_the_balancer_had_marked_it_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the new node takes longer to start than all the checks that may fail."""
    scenario = Scenario.parse({"name": "bench", "clients": {"count": 100}, "balancer": {"retries": 0}})
    start = Bench._start_node

    def late(bench: Bench, port: int) -> ChildProcess:
        if hasattr(bench, "balancer"):
            bench.balancer.ask("set server cluster/n1 health down")
        return start(bench, port)

    monkeypatch.setattr(Bench, "_start_node", late)
    with Stage() as stage, Stage() as refusing:
        bench = Bench(stage, refusing, scenario)
        try:
            bench.replace(grown=False)
            bench.connect(4)
            bench.balancer.ask("disable server cluster/n1")
            with pytest.raises(ClusterError, match="does not bring server n1 up"):
                bench.balancer.wait_up(1, 0.1)
        finally:
            bench.balancer.close()
            bench.refusing.close()


def test_handshakes_that_fail_are_counted_with_their_reasons() -> None:
    check_opened(Opened(0.0, 0.0, 3, 0, []))
    with pytest.raises(ClusterError, match=r"^calibration: 2 of 3 handshakes failed \(503, timeout\)\.$"):
        check_opened(Opened(0.0, 0.0, 1, 2, ["503", "timeout"]))


def test_what_wakes_up_now_and_then_rests_although_the_machine_looks_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with other work wakes the lab after 10 looks, in which a resting bench spends more than in one."""
    slept = time.sleep
    monkeypatch.setattr(workbench.time, "sleep", lambda seconds: slept(10 * seconds))
    start = time.monotonic()

    def cpu() -> list[float]:
        return [0.5 * QUIET / LOOK * (time.monotonic() - start), 1.0]

    assert at_rest(cpu, list)[1] == 1.0
    assert time.monotonic() - start < 5.0


def test_a_bench_that_works_on_is_told_with_what_it_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench, "RESTS_WITHIN", 0.1)
    monkeypatch.setattr(workbench, "wants_a_core", lambda pid: pid == os.getpid())
    with pytest.raises(ClusterError, match=r"not come to rest within 0\.1 s; .* used 0\.0 ms .*, and 1 of them wanted"):
        at_rest(lambda: [1.0, 2.0], lambda: [os.getpid(), 1])
    with pytest.raises(ClusterError, match="and 0 of them wanted a core"):
        at_rest(lambda: [time.monotonic()], lambda: [1])
