"""What a cell of a notebook that takes long says meanwhile: how much of its work is done."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

OFTEN = 0.2
"""Seconds between two changes of the line, at least: who draws it needs time, too."""


class Progress:
    """One line below a cell, `hang: 120 of 200`, which changes as the work goes on; outside a notebook it says nothing.

    It is what `sim.predict` and its like take as `progress`. At the end the line says how much was done in all, so
    that what is stored with a notebook is the same on a quick machine and on a slow one.
    """

    def __init__(self, what: str) -> None:
        """Begin a line.

        Args:
            what: is being done.
        """
        self.what, self.said, self._line, self._last = what, "", _line(), 0.0

    def __call__(self, done: int, total: int) -> None:
        """Say that `done` of `total` parts are done."""
        now = time.monotonic()
        if self._line is None or (done < total and now - self._last < OFTEN):
            return
        self._last = now
        self.said = f"{self.what}: {done:,} of {total:,}"
        self._line(self.said)

    def counting(self, function: Callable[..., Result], calls: int) -> Callable[..., Result]:
        """Return a function that does the same and counts how often it was called.

        Args:
            function: is called about `calls` times.
            calls: how often it will be called in all.
        """
        done = 0

        def counted(*args: Any, **settings: Any) -> Result:
            nonlocal done
            found = function(*args, **settings)
            done += 1
            self(done, max(done, calls))
            return found

        return counted


def _line() -> Callable[[str], None] | None:
    """Return what shows a text below the cell that runs, or None where there is no cell."""
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    if get_ipython() is None:  # type: ignore[no-untyped-call]
        return None
    handle: Any = None

    def show(text: str) -> None:
        nonlocal handle
        content = {"text/plain": text}
        if handle is None:
            handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            handle.update(content, raw=True)

    return show
