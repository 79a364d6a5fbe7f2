"""Worker processes for simulations; they end with the process that they work for, even if that is killed."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, as_completed
from contextlib import suppress
from functools import cache
from itertools import islice, starmap
from typing import Any, TypeVar

AHEAD = 2
"""Tasks that each worker has: the one it does, and the next."""
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
        in_order: whether results come in the order of the tasks, or as they are finished. This process then is one of
            the `jobs`, and begins while the workers load what they need.
    """
    jobs = jobs if jobs > 0 else os.cpu_count() or 1
    if jobs == 1:
        yield from starmap(function, tasks)
        return
    if not in_order:
        yield from _all_hands(function, tasks, jobs)
        return
    import joblib  # takes a while to load, and who does little needs no workers

    _started.set()
    workers = joblib.Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
    yield from workers(joblib.delayed(_work)(os.getpid(), function, task) for task in tasks)


def _all_hands(function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]], jobs: int) -> Iterator[Result]:
    """Do tasks in this process and in one worker fewer than `jobs`, each of which has some to take next.

    The workers end with the last task, or with this process's interest in what they do.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    workers = ProcessPoolExecutor(max_workers=jobs - 1)
    todo, given = iter(tasks), set[Future[Result]]()
    try:
        while True:
            for task in islice(todo, (jobs - 1) * AHEAD - len(given)):
                given.add(workers.submit(_work, os.getpid(), function, task))
            mine = next(todo, None)
            if mine is None:
                break
            yield function(*mine)
            for future in [one for one in given if one.done()]:
                given.remove(future)
                yield future.result()
        for future in as_completed(given):
            yield future.result()
    except BaseException:
        for pid in list(workers._processes):  # the pool's own way to do so stumbles over tasks that wait
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise
    finally:
        workers.shutdown(wait=False)


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
