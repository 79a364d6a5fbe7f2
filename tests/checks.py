"""When HAProxy checks a node, computed by hand."""

from tests.costs import cost_of
from tests.strategies import CHECK_OVERHEAD
from twin.draws import Purpose, stratified


def next_check(scenario, replication, after):
    """Return when HAProxy first checks node 1 after a time, if the node has answered all checks before that at once."""
    inter = scenario.balancer.check.inter
    t = inter * stratified(scenario.seed, replication, 0, Purpose.CHECK_PHASE)
    while t < after:
        t += inter + CHECK_OVERHEAD + cost_of("node_handshake")
    return t
