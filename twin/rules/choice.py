"""What all choice rules of balancers have in common, and the weight of a server that has just come back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Protocol

Usable = Sequence[bool]

FULL_WEIGHT = 16
"""Effective weight of a HAProxy server of weight 1. Source: HAProxy 2.8 `BE_WEIGHT_SCALE`."""

WEIGHT_RANGE = 256 * FULL_WEIGHT
"""Source: HAProxy 2.8 `SRV_EWGHT_RANGE`, `SRV_EWGHT_MAX`."""

WARM_UP_STEP = 1.0
"""Seconds between two changes of a starting server's weight. Source: HAProxy 2.8 `server_warmup` in `src/server.c`:
`MAX(1000, slowstart / 20)` ms, where `slowstart` is kept in seconds, so that this is always 1 s.
"""


class Rule(Protocol):
    """A choice rule with its memory."""

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the index of a usable server, or -1 when there is none.

        Args:
            usable: one flag a server.
            avoid: a server that has just failed for this request and is used only when there is no other; -1 is none.
            address: the client's IPv4 address.
            draw: gives uniform numbers in [0, 1), for the rules that draw.
        """

    def take(self, server: int) -> None:
        """Note one more connection to `server`."""

    def release(self, server: int) -> None:
        """Note one connection less to `server`."""

    def mark(self, server: int, up: bool) -> None:
        """Note that `server` was marked up or down."""

    def weigh(self, server: int, weight: int) -> None:
        """Note the effective weight of `server`, from 1 to `FULL_WEIGHT`."""

    def name_servers(self, names: Sequence[str]) -> None:
        """Note the names of the servers in the configuration, `address:port` each."""


class Counting(ABC):
    """A rule that counts connections and knows weights.

    Attributes:
        hashes_address: whether all clients of one address get the same server.
        hashes_names: whether the names of the servers decide, too.
        prefers_fewest: whether the server with the fewest connections is chosen.
        when_full: where a request waits if its servers have all the connections that they take: it is given to another
            one as long as one has room (`other`), it waits for the one that was chosen (`server`), or for any (`any`).
            Source: HAProxy 2.8, src/lb_fwrr.c, src/lb_fwlc.c, src/backend.c (`get_server_rnd`).
    """

    hashes_address: ClassVar[bool] = False
    hashes_names: ClassVar[bool] = False
    prefers_fewest: ClassVar[bool] = False
    when_full: ClassVar[Literal["other", "server", "any"]] = "other"

    def __init__(self, servers: int) -> None:
        self.connections = [0] * servers
        self.weights = [FULL_WEIGHT] * servers

    @abstractmethod
    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the index of a usable server, or -1; see `Rule`."""

    def take(self, server: int) -> None:
        """Note one more connection to `server`."""
        self.connections[server] += 1

    def release(self, server: int) -> None:
        """Note one connection less to `server`."""
        self.connections[server] -= 1

    def mark(self, server: int, up: bool) -> None:  # noqa: B027 (nothing, unless a rule does something)
        """Nothing to note: `choose` is told who is usable."""

    def weigh(self, server: int, weight: int) -> None:
        """Note the effective weight of `server`."""
        self.weights[server] = weight

    def name_servers(self, names: Sequence[str]) -> None:  # noqa: B027 (nothing, unless a rule does something)
        """Nothing to note: the servers are told apart by their places."""


def slowstart_weight(steps: int, slowstart: int) -> int:
    """Return the effective weight of a server that came back `steps` seconds ago.

    It grows from 1 by a sixteenth of the way each sixteenth of `slowstart`, in steps of a second.

    Args:
        steps: whole seconds since it was marked up.
        slowstart: the setting `slowstart` in whole seconds; 0 is none.

    Source: HAProxy 2.8 `server_recalc_eweight` in `src/server.c`.
    """
    if steps >= slowstart:
        return FULL_WEIGHT
    return (FULL_WEIGHT * steps + slowstart) // slowstart


def ipv4_number(address: str) -> int:
    """Return the 32-bit number of a dotted IPv4 address."""
    value = 0
    for part in address.split("."):
        value = value << 8 | int(part)
    return value
