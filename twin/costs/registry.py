"""What a registry costs: the parts of a host profile that `./lab calibrate` measures for it.

A profile without them is a good one: what a registry does then costs nobody anything.
"""

CHANGE_PARTS = {
    "registrar_change": "registrar: tell the balancer that one server comes or goes",
    "balancer_change": "balancer: take one server in or out as it is told",
}
"""What a balancer costs whose servers are changed one by one; one that reads a new list starts a new process."""

REGISTRY_PARTS = {
    "node_beat": "node: give a sign of life, and read the registry's answer",
    "bus_beat": "registry's server: renew a lease, and answer",
    "bus_members": "registry's server: say who is alive",
    "registrar_look": "registrar: ask who is alive, and compare",
} | CHANGE_PARTS


def registry_parts(relists: bool) -> set[str]:
    """Return what a profile has to know of a registry; `relists`: the balancer reads a new list of its servers."""
    return set(REGISTRY_PARTS) - (set(CHANGE_PARTS) if relists else set())
