"""Goroutines: a node that is a program in Go, in the folder `go` beside this module.

It is built when a node is first needed (`live.node.go_toolchain`). It has connections, what clients send, what is
broadcast over the bus, and handlers. It uses nothing but Go's standard library: the rules of RFC 6455 are few, and a
program that needs no other can be built without a network.
"""

from collections.abc import Sequence
from typing import Any

from live.control.process import ChildProcess, Stage
from live.node import go_toolchain
from live.node.runtime import Runtime

PROGRAM = "."
"""The package of the node below the folder `go`."""

OF_FRAMES = ("batch", "counted")
"""What a broadcast's table says of how messages travel."""


class GoRuntime(Runtime):
    """Starts nodes in Go."""

    def __init__(self) -> None:
        super().__init__("", ())

    @property
    def is_here(self) -> bool:
        """Whether there is a Go."""
        return go_toolchain.found() is not None

    def check(self) -> None:
        """Make sure that the program is built; where there is no Go, it is installed.

        Raises:
            HostError: there is no Go, or it does not build the program.
        """
        go_toolchain.built(PROGRAM)

    def start(self, stage: Stage, name: str, config: dict[str, Any], cpus: Sequence[int]) -> ChildProcess:
        """Start the process of a node, with a P for each of its CPUs: who is pinned after its start has seen all."""
        part = stage.start(name, [str(go_toolchain.built(PROGRAM))], cpus)
        part.give(settings(config, len(cpus)))
        return part

    def versions(self) -> dict[str, str]:
        """Return the version of Go."""
        return {"go": go_toolchain.version()}


def settings(config: dict[str, Any], procs: int) -> dict[str, Any]:
    """Return what a node in Go is told: what any node is, and the number of its Ps; it has no worker processes.

    It is told nothing of how messages travel: `twin.scenario.runtimes` refuses what it does not have of that.
    """
    told = {name: value for name, value in config.items() if name != "workers"} | {"procs": procs}
    if "sends" in told:
        told["sends"] = True
    if "broadcast" in told:
        told["broadcast"] = {name: value for name, value in told["broadcast"].items() if name not in OF_FRAMES}
    return told
