"""The pools of a run: one for each node, and the store behind them."""

from collections.abc import Sequence

from sim.client.client import HOPS
from sim.machine.cores import Cores
from sim.machine.machine import Machine
from sim.machine.process import Cost
from sim.node.node import Node
from sim.pool.pool import NodePool, PoolCosts
from sim.pool.store import PoolStore
from sim.ports import Run
from twin.costs.pool import pool_parts


class Pools:
    """The pools of a run.

    Args:
        run: the replication.
        nodes: all nodes.
        cores: on which the store runs.
        machine: what parts cost; what it does not know costs nothing.
        reads: whether no other gate reads the handshakes.

    Attributes:
        of: the pool of each node.
        store: behind them.
    """

    def __init__(self, run: Run, nodes: Sequence[Node], cores: Cores, machine: Machine, reads: bool) -> None:
        settings = run.scenario.nodes.pool
        assert settings is not None
        kind = settings.store
        known = machine.knows(pool_parts(kind, settings.check))

        def cost(name: str) -> Cost:
            return machine.cost(name) if known else Cost.constant(0.0)

        check = cost(f"node_{kind}_check" if settings.check and kind == "postgresql" else f"node_{kind}_use")
        costs = PoolCosts(
            cost(f"node_{kind}_use").half(),
            cost(f"node_{kind}_connect").half(),
            check.half(),
            machine.cost("node_handshake"),
            machine.cost("balancer_denied"),
            machine.cost("client_denied").after(HOPS["client_denied"]),
        )
        self.store = PoolStore(run.env, kind, cores, cost, machine.store_start(kind))
        self.of = [NodePool(run, node, self.store, costs, reads) for node in nodes]
        self.gates = settings.handshake

    def begin(self) -> None:
        """Everybody is connected, and the run starts."""
        for pool in self.of:
            pool.begin()

    def finish(self) -> None:
        """The run is over."""
        for pool in self.of:
            pool.finish()
