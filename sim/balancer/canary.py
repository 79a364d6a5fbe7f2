"""A balancer with two pools of servers: those of the present version, and those of the next one."""

from collections.abc import Callable, Sequence

from twin.rules.choice import Rule, Usable
from twin.rules.registry import Pool


class TwoPools:
    """Two choice rules, each with a server for each slot; the version of a slot's member says which of them counts it.

    Args:
        stable: rule of the present version's servers.
        following: rule of the next version's servers.
        servers: number of slots; all are of the present version until they are assigned.
        parts: how many of all shares of the clients try the next version.
    """

    def __init__(self, stable: Rule, following: Rule, servers: int, parts: int = 0) -> None:
        self.parts = parts
        self.is_next = [False] * servers
        self._rules = (stable, following)
        self._held = [0] * servers
        self._left = [0] * servers

    def assign(self, server: int, pool: Pool) -> None:
        """Count `server` in a pool from now on.

        Its connections of before stay in the other one, and are the first to end: whoever takes a slot follows a
        process that has ended, or fences it.
        """
        is_next = pool == "next"
        if is_next != self.is_next[server]:
            self.is_next[server] = is_next
            self._left[server] = self._held[server] - self._left[server]

    def pool(self, up: Usable, wants_next: bool) -> list[bool]:
        """Return which servers a client may be sent to: those of the next version if it tries that one and one of them
        is up, else the others.
        """
        following = [one and flag for one, flag in zip(up, self.is_next, strict=True)]
        if wants_next and any(following):
            return following
        return [one and not flag for one, flag in zip(up, self.is_next, strict=True)]

    def backend(self, up: Usable, server: int) -> list[bool]:
        """Return which servers are up of the version of `server`: a retry does not leave its backend."""
        mine = self.is_next[server]
        return [one and flag == mine for one, flag in zip(up, self.is_next, strict=True)]

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Let the rule choose whose servers are usable."""
        turn = any(one and flag for one, flag in zip(usable, self.is_next, strict=True))
        return self._rules[turn].choose(usable, avoid, address, draw)

    def take(self, server: int) -> None:
        """Note one more connection to `server`."""
        self._held[server] += 1
        self._rules[self.is_next[server]].take(server)

    def release(self, server: int) -> None:
        """Note one connection less to `server`."""
        self._held[server] -= 1
        of_before = self._left[server] > 0
        self._left[server] -= of_before
        self._rules[self.is_next[server] != of_before].release(server)

    def mark(self, server: int, up: bool) -> None:
        """Note that `server` was marked up or down."""
        self._rules[self.is_next[server]].mark(server, up)

    def weigh(self, server: int, weight: int) -> None:
        """Note the effective weight of `server`."""
        self._rules[self.is_next[server]].weigh(server, weight)

    def name_servers(self, names: Sequence[str]) -> None:
        """Note the names of the servers in the configuration."""
        for rule in self._rules:
            rule.name_servers(names)
