"""Worker processes for simulations; they end with the process that they work for, even if that is killed."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from itertools import starmap
from queue import SimpleQueue
from typing import Any, TypeVar

from twin.errors import WorkersWarning

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


def _pool(count: int) -> Any:
    """Return as many worker processes, or None with a warning where the system lets nobody have one.

    Their locks stand in shared memory (/dev/shm), which may be read-only or not there in a container.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    try:
        workers = ProcessPoolExecutor(max_workers=count)
        workers.submit(int)  # a process is started with the first task
    except (OSError, RuntimeError) as error:
        warnings.warn(
            f"no worker processes can be started here ({error}), so this one does all the work.",
            WorkersWarning,
            stacklevel=5,
        )
        return None
    return workers


def _all_hands(function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]], jobs: int) -> Iterator[Result]:
    """Do tasks in this process and in one worker fewer than `jobs`: whoever has none takes the next.

    The workers end with the last task, or with this process's interest in what they do.
    """
    workers = _pool(jobs - 1)
    if workers is None:
        yield from starmap(function, tasks)
        return
    todo, lock, done = iter(tasks), threading.Lock(), SimpleQueue[Future[Result]]()
    given = taken = 0

    def following(for_a_worker: bool) -> tuple[Any, ...] | None:
        nonlocal given
        with lock:
            task = next(todo, None)
            given += for_a_worker and task is not None
        return task

    def give(before: Future[Result] | None = None) -> None:
        """Give a worker another task, if the one before has not failed."""
        if before is None or before.exception() is None:
            task = following(for_a_worker=True)
            if task is not None:
                workers.submit(_work, os.getpid(), function, task).add_done_callback(give)
        if before is not None:
            done.put(before)

    try:
        for _ in range(jobs - 1):
            give()
        while (mine := following(for_a_worker=False)) is not None:
            yield function(*mine)
            while not done.empty():
                taken += 1
                yield done.get().result()
        while taken < given:
            taken += 1
            yield done.get().result()
    except BaseException:
        with lock:
            todo = iter(())
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
