"""What mechanisms have added to the balancer, asked as one."""

from collections.abc import Sequence

from sim.connection import Attempt, Tunnel
from sim.ports import BalancerPart, Work
from twin.record.record import Row


class Parts(tuple[BalancerPart, ...]):
    """The parts of a balancer, in the order in which they are asked; see `sim.ports.BalancerPart`."""

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """The run starts with a connection that was opened at `since`, in seconds after the start of the run."""
        for part in self:
            part.begins(tunnel, since)

    def renewed(self) -> None:
        """A new process of the balancer listens."""
        for part in self:
            part.renewed()

    def keep_out(self, attempt: Attempt) -> Work[bool]:
        """Wait until a connection is accepted; True if it is closed instead, or its client has left meanwhile."""
        for part in self:
            reason = yield from part.accept(attempt)
            if reason is not None:
                attempt.fail(reason)
                break
        if attempt.answer.triggered:
            self.over(attempt)
        return attempt.answer.triggered

    def refuse(self, attempt: Attempt) -> Work[str | None]:
        """Return the status with which a request is refused, or None."""
        for part in self:
            status = yield from part.admit(attempt)
            if status is not None:
                return status
        return None

    def usable(self, servers: Sequence[bool]) -> Sequence[bool]:
        """Return which of some servers may be chosen."""
        for part in self:
            servers = part.usable(servers)
        return servers

    def place(self, attempt: Attempt, server: int) -> Work[tuple[int, str]]:
        """Wait until a request may go to a server; return that one, or -1 and the status with which it is refused, if a
        part has one.
        """
        for part in self:
            placed = yield from part.place(attempt, server)
            if isinstance(placed, str):
                return -1, placed
            server = placed
        return server, ""

    def may_check(self, server: int) -> bool:
        """Tell whether the balancer can connect to a server for a health check."""
        return all(part.may_check(server) for part in self)

    def opened(self, attempt: Attempt, tunnel: Tunnel) -> None:
        """A tunnel takes the place of a request."""
        for part in self:
            part.opened(attempt, tunnel)

    def released(self, taken: Attempt | Tunnel) -> None:
        """A request or a tunnel counts for its server no more."""
        for part in self:
            part.released(taken)

    def over(self, attempt: Attempt) -> None:
        """Nothing more is done for a request."""
        for part in self:
            part.over(attempt)

    def marked(self, server: int, up: bool) -> None:
        """A server was marked up or down."""
        for part in self:
            part.marked(server, up)

    def finish(self) -> list[Row]:
        """Return what is noted at the end of the run."""
        return [row for part in self for row in part.finish()]
