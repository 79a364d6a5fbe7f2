"""What a record says about CPU time: what a delivery costs in the end."""

from twin.measures.base import Measure
from twin.record.record import Record

ACCOUNTS = {
    "node_cpu_per_delivery": Measure("us", "cpu", "CPU time of all nodes, per message that was applied"),
    "balancer_cpu_per_delivery": Measure("us", "cpu", "CPU time of the balancer, per message that was applied"),
    "client_cpu_per_delivery": Measure("us", "cpu", "CPU time of all clients, per message that was applied"),
}
PARTS = {"node": "node", "balancer": "balancer", "clients": "client"}
"""Whose CPU time is noted, and what its measure begins with."""


def measure_accounts(record: Record) -> dict[str, float]:
    """Return the measures of a run whose CPU time was asked for and in which something was delivered; nothing for any
    other. Those of nodes are of all of them, so they are not defined where one has ended.
    """
    used, delivered = record.columns.of("cpu_used"), len(record.columns.where("delivered"))
    found: dict[str, float] = {}
    for part, name in PARTS.items() if delivered and record.scenario.accounts else ():
        mine = used.at(used.words("part").isin(part))
        if len(mine.t) == (record.scenario.nodes.count if part == "node" else 1):
            found[f"{name}_cpu_per_delivery"] = float(mine.numbers("microseconds").sum()) / delivered
    return found
