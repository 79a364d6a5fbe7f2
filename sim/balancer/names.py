"""What the servers of a run are called in the balancer's configuration; some choice rules hash these names."""

from twin.draws import Purpose, uniform

LEAST_PORT, OUTGOING = 10_000, 32_768
"""Least port that the lab listens on, and the first one that Linux takes for outgoing connections by default. Sources:
`live/machine/placement.py` (`free_ports`); Linux, Documentation/networking/ip-sysctl.rst (`ip_local_port_range`)."""


def server_names(seed: int, replication: int, servers: int) -> list[str]:
    """Return `address:port` of each server. A run takes whichever ports are free, so they are drawn."""
    found: dict[int, None] = {}
    for server in range(servers):
        port = LEAST_PORT + int((OUTGOING - LEAST_PORT) * uniform(seed, replication, server, Purpose.NODE_PORT))
        while port in found:
            port = port + 1 if port + 1 < OUTGOING else LEAST_PORT
        found[port] = None
    return [f"127.0.0.1:{port}" for port in found]
