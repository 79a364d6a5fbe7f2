"""Where the kernel lets in what only a world with a publisher has.

In the kernel of connections each of these does nothing, so the compiler drops it. The kernel of broadcasts is made of
the same functions, linked with others in their place (`sim.compiled.toolchain.linking`,
`sim.compiled.broadcast.kernel`).
"""

from typing import Any

from sim.compiled.toolchain.jit import jit


@jit
def broadcast_begins(w: Any) -> None:
    """The run begins: bus, publisher and nodes begin to talk."""


@jit
def warmed_up(w: Any, c: int, i: int) -> None:
    """A client is connected before the run starts."""


@jit
def tunnel_made(w: Any, i: int) -> None:
    """There is a new tunnel."""


@jit
def step_seconds(w: Any, number: int, waiting: int, asleep: float, away: float) -> float:
    """Return the seconds of the step that a process begins, if they are not those of a plain item."""
    return -1.0


@jit
def queued_again(w: Any, process: Any) -> None:
    """An item waits for its second step."""


@jit
def forgets(w: Any, item: Any) -> bool:
    """Drop what an item of a broadcast holds, and tell whether it is one."""
    return False


@jit
def finish_more(w: Any, kind: int, a: int, b: int) -> None:
    """Do what follows from an item of a broadcast."""


@jit
def happen_more(w: Any, kind: int, a: int, b: int) -> None:
    """Do what an event of a broadcast is for."""


@jit
def is_short_more(w: Any) -> bool:
    """Tell whether the broadcast may soon need more room than there is."""
    return False


@jit
def subscribed(w: Any, c: int) -> None:
    """A client reads from a new connection."""


@jit
def unsubscribed(w: Any, c: int) -> None:
    """A client has closed its connection."""


@jit
def has_to_read_first(w: Any, c: int) -> bool:
    """Tell whether a client does not notice the end of its connection, because it does not read."""
    return False


@jit
def tunnel_released(w: Any, i: int) -> None:
    """The balancer has forgotten a tunnel."""


@jit
def node_ends(w: Any, server: int, goodbye: bool) -> None:
    """A node's process ends."""


@jit
def node_begins(w: Any, server: int) -> None:
    """A new process of a node listens."""


@jit
def inject_on_messages(w: Any, place: int) -> None:
    """The time of a fault has come that only messages feel."""


@jit
def heal_messages(w: Any, place: int) -> bool:
    """End such a fault, and tell whether it is one."""
    return False
