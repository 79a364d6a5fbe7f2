"""Worker processes for simulations; they end with the process that they work for, even if that is killed."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import starmap
from typing import Any, TypeVar

LOOK = 0.2
"""Seconds between two looks of a worker at whether the process that it works for is still there."""

Result = TypeVar("Result")
_started = threading.Event()


def started() -> bool:
    """Tell whether this process has started workers, which wait some minutes for more."""
    return _started.is_set()


def side_by_side(
    function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]], jobs: int, in_order: bool = True
) -> Iterator[Result]:
    """Yield what a function returns for each task as it comes.

    Args:
        function: can be pickled by its name.
        tasks: arguments of each call.
        jobs: processes to use; 1 is this one, -1 is one a core.
        in_order: whether results come in the order of the tasks, or as they are finished.
    """
    if jobs == 1:
        yield from starmap(function, tasks)
        return
    import joblib  # takes a while to load, and who does little needs no workers

    _started.set()
    kind = "generator" if in_order else "generator_unordered"
    workers = joblib.Parallel(n_jobs=jobs, return_as=kind, batch_size=1)
    yield from workers(joblib.delayed(_work)(os.getpid(), function, task) for task in tasks)


def _work(master: int, function: Callable[..., Result], task: tuple[Any, ...]) -> Result:
    if os.getpid() != master:  # with one core joblib starts no process
        _end_with(master)
    return function(*task)


@cache
def _end_with(master: int) -> None:
    """Let this process end soon after the one that started it; a simulation would go on for as long as it takes."""

    def watch() -> None:
        while os.getppid() == master:
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
