"""Lists whose links lie in the records themselves: a record is put in or taken out at the same cost wherever it stands.

The functions are written once and compiled for each field that links records.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sim.compiled.memory.layout import ATTEMPT, LINK, TUNNEL
from sim.compiled.toolchain.jit import accessor, compiled_rule, jit, whole

link_at: Any = None
"""The link of a record (address, index): the compiled functions each have their own in its place."""


def _append(ends: Any, data: int, i: int) -> None:
    """Put a record that is in no list at the end of one; `ends` knows its first and last."""
    link = link_at(data, i)
    link.next = -1
    link.prev = ends.last
    if ends.last >= 0:
        link_at(data, ends.last).next = i
    else:
        ends.first = i
    ends.last = i


def _remove(ends: Any, data: int, i: int) -> None:
    """Take a record off its list. It still knows what came behind it."""
    link = link_at(data, i)
    if link.prev >= 0:
        link_at(data, link.prev).next = link.next
    else:
        ends.first = link.next
    if link.next >= 0:
        link_at(data, link.next).prev = link.prev
    else:
        ends.last = link.prev


def _behind(data: int, i: int) -> int:
    """Return the record behind one, or -1."""
    return whole(link_at(data, i).next)


class Chain(NamedTuple):
    """The compiled functions of the lists that one field links; `_append` and so on say what each does."""

    append: Callable[[Any, int, int], None]
    remove: Callable[[Any, int, int], None]
    behind: Callable[[int, int], int]


def chained(record: np.dtype[Any], field: str) -> Chain:
    """Return the functions for the lists that a field of a record links."""
    assert record.fields is not None
    link, start = record.fields[field][:2]
    assert link == LINK
    at = accessor(LINK, record.itemsize, start)
    return Chain(
        compiled_rule(_append, link_at=at), compiled_rule(_remove, link_at=at), compiled_rule(_behind, link_at=at)
    )


@jit
def forget_all(ends: Any) -> int:
    """Make a list empty, and return the first record that was in it, or -1."""
    first = whole(ends.first)
    ends.first = -1
    ends.last = -1
    return first


append_tunnel, unlink_tunnel, tunnel_behind = chained(TUNNEL, "link")
append_waiting, unlink_waiting, waiting_behind = chained(ATTEMPT, "link")
append_queued, unlink_queued, queued_behind = chained(ATTEMPT, "queue")
