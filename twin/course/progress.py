"""How far a cell of a notebook has come that computes for more than some seconds: one line, which ends as a count."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class _Line(Protocol):
    """What IPython's display returns for a display that can be changed."""

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        """Show other data in its place."""


def progress(what: str, stays: bool = True) -> Callable[[int, int], None]:
    """Return what `predict(..., progress=...)` calls; it shows "WHAT: 17 of 200" and is silent outside of a notebook.

    Args:
        what: is counted, in words: "replications".
        stays: whether the line is still there when all are done.
    """
    line = _show(f"{what}: begun")

    def note(done: int, total: int) -> None:
        if line is not None:
            line.update(_text(f"{what}: {done} of {total}" if stays or done < total else ""), raw=True)

    return note


def counted(what: str, items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and show how many of them are done: for a loop over predictions.

    Args:
        what: they are, in words: "variants".
        items: what is worked on, one after the other.
    """
    some = items if isinstance(items, Sized) else list(items)
    note = progress(what)
    for done, item in enumerate(some):
        note(done, len(some))
        yield item
    note(len(some), len(some))


def _show(text: str) -> _Line | None:
    """Show a line that can be changed; None where there is no notebook."""
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    if get_ipython() is None:
        return None
    line: _Line | None = display(_text(text), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    return line


def _text(text: str) -> dict[str, str]:
    return {"text/plain": text}
