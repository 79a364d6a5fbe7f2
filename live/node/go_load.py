"""Tasks on Go's scheduler alone, without clients and a network: what a program in Go really does with them.

`twin.rules.go_program` predicts the same, with the queues that the runtime prints (`GODEBUG=schedtrace`). A program
that prints them never lets `sysmon` rest, so it is another one. Source: src/runtime/proc.go, `schedtrace`, `sysmon`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from live.control.supervisor import watched
from live.node.go_toolchain import built
from twin.rules.go_scheduler import SchedTrace

PROGRAM = "./load"
ENDS_WITHIN = 30.0
"""Seconds after the last task is due in which all must be done."""
_LINE = re.compile(r"SCHED (\d+)ms: gomaxprocs=\d+ (.*?) \[ ?([\d ]*)\]")


@dataclass(frozen=True)
class LoadResult:
    """What became of some tasks.

    Attributes:
        times: when each began and ended, in seconds after the start.
        traces: time in seconds, and what the runtime printed then.
    """

    times: list[tuple[float, float]]
    traces: list[tuple[float, SchedTrace]]


def measure(
    requests: Sequence[tuple[float, float, float]], procs: int, cpus: Sequence[int], trace_ms: int = 0
) -> LoadResult:
    """Let a program in Go do some tasks.

    Args:
        requests: when each is due, in seconds, and what it takes: CPU time, then a blocking call; in order.
        procs: number of Ps (GOMAXPROCS).
        cpus: where it runs.
        trace_ms: milliseconds between two lines of the trace; 0 is none.

    Raises:
        HostError: there is no Go.
        ClusterError: the program failed.
    """
    traced = ["env", f"GODEBUG=schedtrace={trace_ms}"] if trace_ms else []
    with watched() as stage:
        part = stage.start("load", [*traced, str(built(PROGRAM))], cpus)
        part.let_end()
        part.give({"procs": procs, "tasks": [[*one, 0.0] for one in requests]})
        line = part.read_line(max((due for due, *_ in requests), default=0.0) + ENDS_WITHIN)
        printed = part.log.read_text()
    times: list[tuple[float, float]] = [(began, ended) for began, ended in json.loads(line)]
    return LoadResult(times, parse(printed))


def parse(text: str) -> list[tuple[float, SchedTrace]]:
    """Return what the lines of a trace say: time in seconds, and the numbers."""
    found = []
    for ms, words, queues in _LINE.findall(text):
        said = {name: int(number) for name, number in (word.split("=") for word in words.split())}
        local = tuple(int(one) for one in queues.split())
        trace = SchedTrace(
            idleprocs=said["idleprocs"],
            threads=said["threads"],
            spinningthreads=said["spinningthreads"],
            idlethreads=said["idlethreads"],
            runqueue=said["runqueue"],
            local=local,
        )
        found.append((int(ms) / 1000, trace))
    return found
