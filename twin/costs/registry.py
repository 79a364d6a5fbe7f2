"""What a registry costs: the parts of a host profile that `./lab calibrate` measures for it.

A profile without them is a good one: what a registry does then costs nobody anything.
"""

REGISTRY_PARTS = {
    "node_beat": "node: give a sign of life, and read the registry's answer",
    "bus_beat": "registry's server: renew a lease, and answer",
    "bus_members": "registry's server: say who is alive",
    "registrar_look": "registrar: ask who is alive, and compare",
    "registrar_change": "registrar: tell HAProxy that one server comes or goes",
    "balancer_change": "balancer: take one server in or out as it is told",
}
