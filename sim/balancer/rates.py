"""How often clients may come: limits by source address, and of the frontend as a whole."""

from abc import abstractmethod
from collections import defaultdict
from typing import Any

import simpy

from sim.connection import Attempt, Peer, Tunnel
from sim.ports import BalancerPart, Run, Work
from twin.rules.rates import FrequencyCounter, LeakyBucket, per_second
from twin.scenario.addresses import source_address
from twin.scenario.rates import AddressRate, RequestRate

TOO_MANY = "429"


def milliseconds(seconds: float) -> int:
    """Return a time as the programs' clocks have it."""
    return int(seconds * 1000.0)


class PerAddress(BalancerPart):
    """Refuses requests of a source address that comes too often; each address has an account of its own.

    A new process of the balancer has new accounts. Source: HAProxy 2.8 configuration manual, `stick-table` (`peers`
    keep it over a reload, which the lab does not configure).

    Args:
        run: the replication.
        retry_after: seconds that the answer asks the client to wait; 0: it asks for nothing.
    """

    def __init__(self, run: Run, retry_after: int) -> None:
        self.env = run.env
        self.addresses = run.scenario.clients.addresses
        self.retry_after = retry_after
        self.accounts: dict[str, Any] = {}

    @abstractmethod
    def lets_in(self, address: str, now: int) -> bool:
        """Count a request of an address at a time in milliseconds, and tell whether it is let in."""

    def address(self, client: Peer) -> str:
        """Return where a client comes from."""
        return source_address(client.number, self.addresses)

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """A connection of before the run was counted when it was opened."""
        self.lets_in(self.address(tunnel.client), milliseconds(since))

    def renewed(self) -> None:
        """A new process knows nobody."""
        self.accounts.clear()

    def admit(self, attempt: Attempt) -> Work[str | None]:
        """Let a request in, or refuse it."""
        yield from ()
        if self.lets_in(self.address(attempt.client), milliseconds(self.env.now)):
            return None
        if self.retry_after:
            attempt.headers["retry_after"] = float(self.retry_after)
        return TOO_MANY


class StickTable(PerAddress):
    """HAProxy's table of how often each address has come, refused or not."""

    def __init__(self, run: Run, settings: AddressRate) -> None:
        super().__init__(run, settings.retry_after)
        self.limit = settings.limit
        self.period = milliseconds(settings.period)

    def lets_in(self, address: str, now: int) -> bool:
        """Count a request, and compare."""
        counter = self.accounts.setdefault(address, FrequencyCounter(self.period))
        counter.count(now)
        return bool(counter.rate(now) <= self.limit)


class LimitReq(PerAddress):
    """nginx's buckets; shared memory keeps them over a reload."""

    def __init__(self, run: Run, settings: RequestRate) -> None:
        super().__init__(run, settings.retry_after)
        self.rate = per_second(settings.rate, minute=True)
        self.burst = settings.burst

    def renewed(self) -> None:
        """A new worker reads the same memory."""

    def lets_in(self, address: str, now: int) -> bool:
        """Put a request into the bucket, if it has room."""
        return bool(self.accounts.setdefault(address, LeakyBucket(self.rate, self.burst)).admit(now))


class LimitConn(BalancerPart):
    """nginx's `limit_conn`: requests and connections of one address at once.

    Args:
        run: the replication.
        limit: how many.
    """

    def __init__(self, run: Run, limit: int) -> None:
        self.addresses = run.scenario.clients.addresses
        self.limit = limit
        self.held: defaultdict[str, set[Attempt | Tunnel]] = defaultdict(set)

    def _of(self, taken: Attempt | Tunnel) -> set[Attempt | Tunnel]:
        return self.held[source_address(taken.client.number, self.addresses)]

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """A connection of before the run counts."""
        self._of(tunnel).add(tunnel)

    def admit(self, attempt: Attempt) -> Work[str | None]:
        """Let a request in, or refuse it."""
        yield from ()
        mine = self._of(attempt)
        if len(mine) >= self.limit:
            return TOO_MANY
        mine.add(attempt)
        return None

    def opened(self, attempt: Attempt, tunnel: Tunnel) -> None:
        """The request goes on as a tunnel."""
        mine = self._of(attempt)
        mine.discard(attempt)
        mine.add(tunnel)

    def released(self, taken: Attempt | Tunnel) -> None:
        """A tunnel is over."""
        if isinstance(taken, Tunnel):
            self._of(taken).discard(taken)

    def over(self, attempt: Attempt) -> None:
        """A request is over."""
        self._of(attempt).discard(attempt)


class SessionRate(BalancerPart):
    """HAProxy's `rate-limit sessions`: what comes too fast waits in the kernel's accept queue.

    Args:
        run: the replication.
        limit: connections that the frontend accepts in a second.
    """

    def __init__(self, run: Run, limit: int) -> None:
        self.env = run.env
        self.limit = limit
        self.counter = FrequencyCounter(1000)
        self.waiting: dict[Attempt, simpy.Event] = {}
        self.paused = False

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """A connection of before the run was counted when it was opened."""
        self.counter.count(milliseconds(since))

    def renewed(self) -> None:
        """A new process has not counted yet."""
        self.counter = FrequencyCounter(1000)
        self._accept()

    def accept(self, attempt: Attempt) -> Work[str | None]:
        """Wait until the rate allows one more."""
        turn = self.waiting[attempt] = self.env.event()
        self._accept()
        if not turn.triggered:
            yield turn
        return None

    def _accept(self) -> None:
        """Accept who has waited longest while the rate allows it, and look again when it will."""
        now = milliseconds(self.env.now)
        while self.waiting and self.counter.remaining(now, self.limit) > 0:
            self.counter.count(now)
            self.waiting.pop(next(iter(self.waiting))).succeed()
        if self.waiting and not self.paused:
            self.paused = True
            delay = max(1, self.counter.delay(now, self.limit)) / 1000.0
            self.env.timeout(delay).callbacks.append(self._again)

    def _again(self, _: simpy.Event) -> None:
        self.paused = False
        self._accept()
