"""The kinds of runtimes of nodes in the model, listed here."""

from sim.node.asyncio_runtime import AsyncioRuntime
from sim.node.go_runtime import GoRuntime
from sim.node.processes_runtime import ProcessesRuntime
from sim.node.runtime import Runtime
from sim.node.threads_runtime import ThreadsRuntime

RUNTIMES: dict[str, type[Runtime]] = {
    "asyncio": AsyncioRuntime,
    "processes": ProcessesRuntime,
    "threads": ThreadsRuntime,
    "go": GoRuntime,
}
