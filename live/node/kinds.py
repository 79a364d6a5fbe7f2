"""The kinds of runtimes of nodes that can be started, listed here."""

from live.node import asyncio_runtime, go_runtime, processes_runtime, threads_runtime
from live.node.runtime import Runtime

RUNTIMES: dict[str, Runtime] = {
    "asyncio": Runtime(asyncio_runtime.PROGRAM, asyncio_runtime.PACKAGES),
    "processes": Runtime(processes_runtime.PROGRAM, asyncio_runtime.PACKAGES),
    "threads": Runtime(threads_runtime.PROGRAM, threads_runtime.PACKAGES),
    "go": go_runtime.GoRuntime(),
}
