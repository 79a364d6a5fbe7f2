"""`python -m sim.compiled [KERNEL ...]` compiles the kernels named, else all, so that nobody waits for them."""

import sys

import sim
from twin.costs.profile import HostProfile
from twin.scenario.scenario import Scenario

KERNELS = ("connections", "broadcast")


def prepare(kernel: str) -> None:
    """Compile a kernel, if that has not been done, and keep it for other processes.

    Args:
        kernel: one of `KERNELS`.
    """
    scenario = Scenario.parse({"name": "prepared", "duration": 1.0, "clients": {"count": 1}})
    if kernel == "broadcast":
        scenario = scenario.vary(bus={"kind": "stream"}, publisher={"rate": 1.0})
    sim.predict(scenario, 1, HostProfile.load("reference"), engine="compiled", jobs=1)


if __name__ == "__main__":
    for name in sys.argv[1:] or KERNELS:
        if name not in KERNELS:
            sys.exit(f"KERNEL is '{name}'; allowed is {' or '.join(KERNELS)}.")
        prepare(name)
