"""What every runtime of a node does in a live run: it starts the process of a node.

What a kind does otherwise is in a module of its own beside this one; `live.node.kinds` lists them.
"""

from collections.abc import Sequence
from typing import Any

from live.control.process import ChildProcess, Stage
from twin.record.record import versions


class Runtime:
    """A runtime whose nodes are a module of ours.

    Attributes:
        program: module that the process of a node runs; it gets its settings as `live.control.given` says.
        packages: whose versions say what a node ran on.
    """

    def __init__(self, program: str, packages: Sequence[str]) -> None:
        self.program = program
        self.packages = packages

    @property
    def is_here(self) -> bool:
        """Whether nodes can be started without that something is installed before."""
        return True

    def check(self) -> None:
        """Make sure that nodes can be started on this machine; what lacks may be installed.

        Raises:
            HostError: something is missing.
        """

    def start(self, stage: Stage, name: str, config: dict[str, Any], cpus: Sequence[int]) -> ChildProcess:
        """Start the process of a node on some CPUs; it says `Listening` when it does."""
        return stage.python(name, self.program, config, cpus)

    def versions(self) -> dict[str, str]:
        """Return the versions of what a node runs on."""
        return versions(*self.packages)
