"""The workbench: what it waits for, and what it says when a batch of handshakes fails."""

import pytest

from live.process import Part, Stage
from live.workbench import Bench, check_opened
from twin.errors import ClusterError
from twin.scenario import Scenario


@pytest.mark.live
def test_a_replaced_node_is_up_although_the_balancer_had_marked_it_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the new node takes longer to start than all the checks that may fail."""
    scenario = Scenario.parse({"name": "bench", "clients": {"count": 100}, "balancer": {"retries": 0}})
    start = Bench._start_node

    def late(bench: Bench, port: int) -> Part:
        if hasattr(bench, "balancer"):
            bench.balancer._ask("set server cluster/n1 health down")
        return start(bench, port)

    monkeypatch.setattr(Bench, "_start_node", late)
    with Stage() as stage, Stage() as refusing:
        bench = Bench(stage, refusing, scenario)
        try:
            bench.replace(grown=False)
            bench.connect(4)
            bench.balancer._ask("disable server cluster/n1")
            with pytest.raises(ClusterError, match="does not bring server n1 up"):
                bench.balancer.wait_up(1, 0.1)
        finally:
            bench.balancer.close()
            bench.refusing.close()


def test_handshakes_that_fail_are_counted_with_their_reasons() -> None:
    check_opened({"opened": 3, "failed": 0, "why": []})
    with pytest.raises(ClusterError, match=r"^calibration: 2 of 3 handshakes failed \(503, timeout\)\.$"):
        check_opened({"opened": 1, "failed": 2, "why": ["503", "timeout"]})
