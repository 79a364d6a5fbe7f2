"""What the settings of every kind of balancer promise, so that nobody has to ask which kind they are of."""

from abc import abstractmethod
from math import inf
from typing import Any, ClassVar, NamedTuple, Self

from twin.scenario.fields import Table

NEAR = 0.8
"""Share of a limit from which there is something to say: within 20 % of it."""

FILES = 1024
"""Open files that a process may have unless it asks for more. Source: Linux, include/uapi/linux/fs.h (`INR_OPEN_CUR`);
systemd has the same (`DefaultLimitNOFILE=1024:524288`)."""


BACKLOG = 4096
"""Connections that wait until a balancer accepts them, as the lab configures it; also what the kernel allows. Source:
Linux 5.4, Documentation/admin-guide/sysctl/net.rst (`somaxconn`)."""


class Limit(NamedTuple):
    """A limit of a program.

    Attributes:
        need: how many of something the clients make it need.
        has: how many it has by default.
        sentence: what is near its limit.
        remedy: what to do, a sentence.
        source: where the limit is known from.
    """

    need: int
    has: int
    sentence: str
    remedy: str
    source: str


class BalancerSettings(Table):
    """Settings of a balancer.

    Attributes:
        program: its name as its makers write it.
        idle_field: the setting after which it cuts a silent connection.
        idle_source: where its manual says so.
        answer_field: the setting after which it waits for the answer of a node no longer.
        gray_release: whether it can send a share of the clients to other nodes.
        tries_peers: whether a request that fails at one node goes on to others, each of which it tries once.
        unready_field: what `unready_within` is made of.
        relists: whether a change of its list of nodes is a reload of its configuration.
    """

    program: ClassVar[str]
    idle_field: ClassVar[str]
    idle_source: ClassVar[str]
    answer_field: ClassVar[str]
    gray_release: ClassVar[bool] = False
    tries_peers: ClassVar[bool] = False
    relists: ClassVar[bool] = False
    unready_field: ClassVar[str] = "balancer.check.fall x balancer.check.inter"

    @classmethod
    @abstractmethod
    def plain(cls) -> Self:
        """Return settings with which a failed connect has no consequence: it is neither tried anew nor counted."""

    @property
    @abstractmethod
    def idle_timeout(self) -> float:
        """Seconds without a byte in either direction until it cuts a connection."""

    @property
    @abstractmethod
    def answer_timeout(self) -> float:
        """Seconds that a node may take to answer a request until that becomes a 504."""

    @property
    def check_interval(self) -> float | None:
        """Seconds between two checks of a node; None without checks of its own."""
        return None

    @property
    def unready_within(self) -> float | None:
        """Seconds until a node that says it is not ready gets no more clients; None: the balancer never asks."""
        return None

    @property
    def unanswered_within(self) -> float | None:
        """Seconds after which it gives up a connect that is not answered, and tries another node or that one again;
        None: it does not try again.
        """
        return None

    @property
    def asks_who(self) -> bool:
        """Whether clients have to say who they are, as it hashes that."""
        return False

    def retries_at_a_time(self, requests: int) -> tuple[str, float, int] | None:
        """Return how many requests it sends again at a time, behind the setting that says so and its value; None: no
        limit, or no retries.

        Args:
            requests: that are active.
        """
        return None

    def ejects_after(self, nodes: int) -> tuple[str, int] | None:
        """Return how many WebSockets in a row a node may end until it gets no more clients, behind the setting that
        says so; None: such ends count for nothing.

        Args:
            nodes: how many there are.
        """
        return None

    @property
    def not_with_registry(self) -> str | None:
        """The setting that is on and cannot be beside a registry, which says who is there; None if there is none."""
        return None

    @property
    def moves_on(self) -> bool:
        """Whether an attempt that a node refuses goes on to another one."""
        return self.tries_peers

    @property
    def ramps_up(self) -> bool:
        """Whether a node that comes back grows to its full weight."""
        return False

    @property
    def cuts_marked_down(self) -> bool:
        """Whether a mark-down cuts the connections to that node."""
        return False

    @property
    def queues(self) -> bool:
        """Whether requests wait in the balancer for a place of a node."""
        return False

    @property
    def queues_for(self) -> float:
        """Seconds that a request waits for such a place at most."""
        return 0.0

    @property
    def per_address(self) -> dict[str, int]:
        """Return for each setting that limits the clients of one address how many of them may come in one moment."""
        return {}

    @property
    def counts_refused(self) -> tuple[int, float] | None:
        """Return how many requests of one address it lets in within how many seconds, if those that it refuses count,
        too; else None.
        """
        return None

    @property
    def accepted_rate(self) -> float:
        """Connections that it accepts in a second at most, from whomever; infinite without a limit."""
        return inf

    @property
    def limited(self) -> bool:
        """Whether some setting limits connections."""
        return bool(self.rooms(1)) or bool(self.per_address) or self.accepted_rate < inf

    def rooms(self, nodes: int) -> dict[str, int]:
        """Return for each setting that limits connections how many clients it lets have one at once.

        Args:
            nodes: how many may get connections.
        """
        return {}

    @property
    @abstractmethod
    def retried_within(self) -> float:
        """Seconds for which an attempt may go on that was sent to a node which is gone."""

    @abstractmethod
    def blind(self, silent: bool) -> float:
        """Return how long clients may be sent to a node in vain, in seconds, when nobody but the balancer finds out.

        Args:
            silent: whether the node does not answer, rather than refuse.
        """

    @abstractmethod
    def files_of_run(self, clients: int) -> int:
        """Return the open files that it needs in a live run with so many clients, configured as the lab does."""

    @abstractmethod
    def limits(self, clients: int) -> list[Limit]:
        """Return the limits that the program has by default, for so many clients."""

    def checked_every(self, inter: float, fall: int | None = None) -> dict[str, Any]:
        """Return the changes with which nodes are checked every `inter` seconds and marked down after `fall` failures;
        none without checks.
        """
        return {}
