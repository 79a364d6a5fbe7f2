"""What is written down of messages: the kernel's rows, with a number in place of what does not fit in them."""

from typing import Any

from sim.compiled.broadcast.layout import cast, noted_at
from sim.compiled.broadcast.lists import one_of
from sim.compiled.notes import note
from sim.compiled.toolchain.jit import jit


@jit
def note_message(w: Any, t: float, event: int, client: int, node: int, message: int, word: int) -> None:
    """Write down what happened to a message."""
    note(w, t, event, client, node, message, word)


@jit
def note_more(w: Any, t: float, event: int, client: int, node: int, x: int, y: int, z: int, word: int) -> None:
    """Write down an event with three numbers."""
    i = one_of(cast(w).noted)
    one = noted_at(cast(w).noted.data, i)
    one.x = x
    one.y = y
    one.z = z
    note(w, t, event, client, node, i, word)
