"""What nodes of a further runtime cost: the benches of the lab's own nodes once more, with such nodes.

Only what is the nodes' own is kept. What a client or the balancer does costs the same whoever answers.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from live.calibration import costs, deliveries, handler, memory, payloads, pings
from live.calibration.delivery_bench import DeliveryBench
from live.calibration.starts import measure_starts
from live.calibration.workbench import Bench, MeasuredCosts
from live.control.supervisor import watched
from live.node.kinds import RUNTIMES
from twin.scenario.runtimes import COSTS_AS, LACKS, RUNTIME, RuntimeKind
from twin.scenario.scenario import Scenario


def further() -> list[RuntimeKind]:
    """Return the runtimes with costs of their own, besides the usual one, whose nodes can be started here as it is."""
    kinds: Sequence[RuntimeKind] = get_args(RuntimeKind)
    return [kind for kind in kinds if kind != RUNTIME and kind not in COSTS_AS and RUNTIMES[kind].is_here]


def measure(
    scenario: Scenario,
    found: MeasuredCosts,
    wakes: list[float],
    broadcast: bool,
    sizes: memory.Footprints | None = None,
) -> None:
    """Measure the parts of a node once and append the figures.

    Args:
        scenario: says on what nodes run.
        found: gets the parts, those of others among them.
        wakes: gets what it costs a node to wake up (`wake` of a profile).
        broadcast: measure those of a broadcast, too, or of requests and answers where such nodes have none.
        sizes: gets what memory such nodes take.
    """
    of_all: dict[str, list[float]] = {"client": [], "node": wakes, scenario.balancer.kind: []}
    with watched() as stage, watched() as refusing_stage:
        bench = Bench(stage, refusing_stage, scenario)
        try:
            bench.warm()
            costs.measure(bench, found, of_all)
        finally:
            bench.balancer.close()
            bench.refusing.close()
    measure_starts(scenario, found, sizes)
    pings.measure(scenario, found)
    if broadcast and "publisher" in LACKS[scenario.nodes.runtime]:
        handler.measure_words(scenario, found)
    elif broadcast:
        _measure_broadcast(scenario, found)


def _measure_broadcast(scenario: Scenario, found: MeasuredCosts) -> None:
    lone: defaultdict[str, list[float]] = defaultdict(list)
    with watched() as stage:
        bench = DeliveryBench(stage, scenario)
        try:
            deliveries.measure(bench, found, {}, lone)
        finally:
            bench.close()
    payloads.measure(scenario, found, lone["path_bytes_large"])
