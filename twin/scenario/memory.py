"""The memory that a node may have."""

from typing import Annotated

from pydantic import Field

from twin.scenario.fields import Problem

LEAST_LIMIT = 2**20
"""Bytes: no node starts with less."""

MemoryLimit = Annotated[int, Field(ge=0, le=2**40)]
"""Bytes; 0 is none."""


def memory_problem(limit: int, restart: float, executor: str) -> Problem | None:
    """Return what does not fit, or None.

    Args:
        limit: `nodes.memory_limit`.
        restart: `nodes.memory_restart`.
        executor: who does the work of a handler, "" without one.
    """
    if 0 < limit < LEAST_LIMIT:
        return Problem("nodes.memory_limit", str(limit), f"0, or at least {LEAST_LIMIT} bytes")
    if restart and not limit:
        return Problem("nodes.memory_restart", f"{restart:g}", "0 without a nodes.memory_limit")
    if limit and executor == "thread_pool":  # setrlimit(2): a thread's stack counts whole, touched or not
        return Problem("nodes.executor.kind", "'thread_pool'", "'loop' or 'process_pool' with nodes.memory_limit")
    return None
