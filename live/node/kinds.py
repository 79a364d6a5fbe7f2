"""The kinds of runtimes of nodes that can be started, listed here."""

from dataclasses import dataclass

from live.node import asyncio_runtime, processes_runtime


@dataclass(frozen=True)
class Runtime:
    """A runtime.

    Attributes:
        program: module that the process of a node runs; it gets its settings as `live.control.given` says.
        packages: whose versions say what a node ran on.
    """

    program: str
    packages: tuple[str, ...]


RUNTIMES = {
    "asyncio": Runtime(asyncio_runtime.PROGRAM, asyncio_runtime.PACKAGES),
    "processes": Runtime(processes_runtime.PROGRAM, asyncio_runtime.PACKAGES),
}
