"""HAProxy's `roundrobin`: weighted round robin over positions, with weights that may change at any time.

Each server has a next position; who stands first is chosen and moves on by the total weight over its own. Servers that
do not fit into the present turn wait for the next one, heavier ones first; a server that comes back joins in the turn
under way, at a place that is in proportion to its weight.

Source: HAProxy 2.8 `src/lb_fwrr.c`, whose names are kept where a name says the same here.
"""

from collections.abc import Callable
from typing import Literal

from twin.rules.choice import FULL_WEIGHT, WEIGHT_RANGE, Counting, Usable

Tree = Literal["init", "next", "current", ""]


class _Place:
    """Where a server stands.

    Attributes:
        tree: `init`: in this turn, not used yet; `next`: in the next turn; `current`: in this turn, at `npos`; empty:
            it is down.
        queued: whether it stands there just now; `key` and `order` sort the servers of a tree.
        npos, lpos: next and last position.
        rweight: what is left of its divisions.
    """

    __slots__ = ("key", "lpos", "npos", "order", "queued", "rweight", "tree")

    def __init__(self) -> None:
        self.tree: Tree = "init"
        self.queued = False
        self.key = self.order = self.npos = self.lpos = self.rweight = 0


class RoundRobin(Counting):
    """HAProxy `roundrobin`."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.places = [_Place() for _ in range(servers)]
        self.turn = self.next_turn = self.position = servers * FULL_WEIGHT
        self.clock = 0
        for server in range(servers):
            self._by_weight(server, "init")

    # Changes

    def mark(self, server: int, up: bool) -> None:
        """Take a server out, or let it join in."""
        place, weight = self.places[server], self.weights[server]
        if up == bool(place.tree):
            return
        if not up:
            self.next_turn -= weight
            place.tree, place.queued = "", False
            return
        self.next_turn += weight
        place.npos = self.position
        place.npos += _divided(self.next_turn + self.turn - self.position, weight)
        self._queue(server)

    def weigh(self, server: int, weight: int) -> None:
        """Change a weight; who has more from now on moves forwards, at most to the place just after the present one."""
        place, before = self.places[server], self.weights[server]
        super().weigh(server, weight)
        if not place.tree or weight == before:
            return
        self.next_turn += weight - before
        if place.tree == "init":
            self._by_weight(server, "init")
            return
        self._fetch(place)
        step = self.next_turn // weight
        place.npos = min(place.npos, place.lpos + step)
        place.rweight = 0
        if place.npos < self.position + 2:
            place.npos = self.position + step
        self._queue(server)

    # Choosing

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server whose turn it is."""
        for server, up in enumerate(usable):
            self.mark(server, up)
        if not any(usable):
            return -1
        switched, passed_over = False, -1
        if not self.turn:
            self.position = self.turn = self.next_turn
        while True:
            server = self._first()
            if server < 0 and not switched:
                switched = True
                self._switch()
                continue
            if server < 0:
                server = passed_over
            self._advance(server)
            self.position += 1
            if server != avoid or passed_over >= 0:
                break
            passed_over = server
        self._queue(server)
        if passed_over >= 0 and passed_over != server:
            if switched:
                self._by_weight(passed_over, "init")
            else:
                self._queue(passed_over)
        return server

    def _first(self) -> int:
        """The first of the current tree; where it has a hole, the first that was not used in this turn."""
        first = self._least("current")
        if first < 0 or self.places[first].npos > self.position:
            fresh = self._least("init")
            if fresh >= 0:
                self._fetch(self.places[fresh])
                return fresh
        return first

    def _least(self, tree: Tree) -> int:
        standing = [(p.key, p.order, i) for i, p in enumerate(self.places) if p.queued and p.tree == tree]
        return min(standing)[2] if standing else -1

    def _switch(self) -> None:
        """Begin the next turn."""
        for place in self.places:
            if place.tree in ("init", "next"):
                place.tree = "init" if place.tree == "next" else "next"
        self.turn = self.position = self.next_turn

    def _fetch(self, place: _Place) -> None:
        """Prepare a server that leaves its tree."""
        if place.tree == "init":
            place.npos = place.rweight = 0
        elif place.tree == "next":
            place.npos += self.turn

    def _advance(self, server: int) -> None:
        """Take a server out and compute its next position."""
        place, weight = self.places[server], self.weights[server]
        place.queued = False
        if not place.npos:
            place.npos = self.position
        place.lpos = place.npos
        place.npos += self.next_turn // weight
        place.rweight += self.next_turn % weight
        if place.rweight >= weight:
            place.rweight -= weight
            place.npos += 1

    def _queue(self, server: int) -> None:
        """Queue a server for this turn or for the next one."""
        place, weight = self.places[server], self.weights[server]
        if place.npos >= 2 * self.turn or place.npos >= self.turn + self.next_turn:
            place.npos -= self.turn
            self._by_weight(server, "next")
            return
        key = WEIGHT_RANGE // FULL_WEIGHT * place.npos + (WEIGHT_RANGE + place.rweight - weight) // FULL_WEIGHT
        self._stand(place, "current", key)

    def _by_weight(self, server: int, tree: Tree) -> None:
        self._stand(self.places[server], tree, WEIGHT_RANGE - self.weights[server])

    def _stand(self, place: _Place, tree: Tree, key: int) -> None:
        place.tree, place.queued, place.key, place.order = tree, True, key, self.clock
        self.clock += 1


def _divided(number: int, by: int) -> int:
    """C's division of integers, towards zero."""
    return number // by if number >= 0 else -(-number // by)
