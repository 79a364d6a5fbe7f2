"""`python -m sim.compiled` compiles the kernels, if that has not been done, so that nobody waits for them later."""

import sim
from twin.profile import HostProfile
from twin.scenario import Scenario


def prepare() -> None:
    """Compile the kernel of connections and the one of broadcasts, and keep them for other processes."""
    connections = Scenario.parse({"name": "connections", "duration": 1.0, "clients": {"count": 1}})
    broadcast = connections.vary(name="broadcast", bus={"kind": "stream"}, publisher={"rate": 1.0})
    for scenario in (connections, broadcast):
        sim.predict(scenario, 1, HostProfile.load("reference"), engine="compiled", jobs=1)


if __name__ == "__main__":
    prepare()
