"""HAProxy's `roundrobin`: weighted round robin over positions, with weights that may change at any time.

Each server has a next position; who stands first is chosen and moves on by the total weight over its own. Servers that
do not fit into the present turn wait for the next one, heavier ones first; a server that comes back joins in the turn
under way, at a place that is in proportion to its weight.

The functions take the turn and the servers' places as records, so that an engine may keep them as it likes;
`RoundRobin` puts them together.

Source: HAProxy 2.8 `src/lb_fwrr.c`, whose names are kept where a name says the same here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from twin.rules.choice import FULL_WEIGHT, WEIGHT_RANGE, Counting, Usable

Tree = Literal["init", "next", "current", ""]


@dataclass
class Place:
    """Where a server stands.

    Attributes:
        tree: `init`: in this turn, not used yet; `next`: in the next turn; `current`: in this turn, at `npos`; empty:
            it is down.
        queued: whether it stands there just now; `key` and `order` sort the servers of a tree.
        npos, lpos: next and last position.
        rweight: what is left of its divisions.
    """

    tree: Tree = ""
    queued: bool = False
    key: int = 0
    order: int = 0
    npos: int = 0
    lpos: int = 0
    rweight: int = 0


@dataclass
class Turn:
    """How far the rotation is.

    Attributes:
        length: total weight of the servers of this turn.
        next_length: of those of the next one, which is that of all servers that are up.
        position: that of the next choice.
        clock: numbers what is queued.
    """

    length: int = 0
    next_length: int = 0
    position: int = 0
    clock: int = 0


def begin(turn: Turn, places: Sequence[Place], weights: Sequence[int]) -> None:
    """Put all servers, which are up, into the first turn."""
    total = 0
    for server in range(len(places)):
        total += weights[server]
    turn.length = total
    turn.next_length = total
    turn.position = total
    turn.clock = 0
    for server in range(len(places)):
        place = places[server]
        place.npos = 0
        place.lpos = 0
        place.rweight = 0
        stand(turn, place, "init", WEIGHT_RANGE - weights[server])


def mark(turn: Turn, place: Place, weight: int, up: bool) -> None:
    """Take a server out, or let it join in."""
    if up == (place.tree != ""):
        return
    if not up:
        turn.next_length -= weight
        place.tree = ""
        place.queued = False
        return
    turn.next_length += weight
    place.npos = turn.position
    place.npos += divided(turn.next_length + turn.length - turn.position, weight)
    queue(turn, place, weight)


def reweigh(turn: Turn, place: Place, before: int, weight: int) -> None:
    """Change a weight; who has more from now on moves forwards, at most to the place just after the present one."""
    if place.tree == "" or weight == before:
        return
    turn.next_length += weight - before
    if place.tree == "init":
        stand(turn, place, "init", WEIGHT_RANGE - weight)
        return
    fetch(turn, place)
    step = turn.next_length // weight
    place.npos = min(place.npos, place.lpos + step)
    place.rweight = 0
    if place.npos < turn.position + 2:
        place.npos = turn.position + step
    queue(turn, place, weight)


def whose_turn(turn: Turn, places: Sequence[Place], weights: Sequence[int], usable: Usable, avoid: int) -> int:
    """Return the usable server whose turn it is; when that is `avoid` the one after it, unless it is the only one."""
    any_up = False
    for server in range(len(places)):
        mark(turn, places[server], weights[server], usable[server])
        any_up = any_up or usable[server]
    if not any_up:
        return -1
    switched, passed_over = False, -1
    if turn.length == 0:
        turn.length = turn.next_length
        turn.position = turn.next_length
    while True:
        server = first_of_all(turn, places)
        if server < 0 and not switched:
            switched = True
            switch(turn, places)
            continue
        if server < 0:
            server = passed_over
        advance(turn, places[server], weights[server])
        turn.position += 1
        if server != avoid or passed_over >= 0:
            break
        passed_over = server
    queue(turn, places[server], weights[server])
    if passed_over >= 0 and passed_over != server:
        if switched:
            stand(turn, places[passed_over], "init", WEIGHT_RANGE - weights[passed_over])
        else:
            queue(turn, places[passed_over], weights[passed_over])
    return server


def first_of_all(turn: Turn, places: Sequence[Place]) -> int:
    """Return the first of the current tree; where it has a hole, the first that was not used in this turn; -1 if none
    is left.
    """
    first = least(places, "current")
    if first < 0 or places[first].npos > turn.position:
        fresh = least(places, "init")
        if fresh >= 0:
            fetch(turn, places[fresh])
            return fresh
    return first


def least(places: Sequence[Place], tree: Tree) -> int:
    """Return the first server of a tree, or -1."""
    best = -1
    for server in range(len(places)):
        place = places[server]
        if not place.queued or place.tree != tree:
            continue
        before = best < 0 or place.key < places[best].key
        if before or (place.key == places[best].key and place.order < places[best].order):
            best = server
    return best


def switch(turn: Turn, places: Sequence[Place]) -> None:
    """Begin the next turn."""
    for server in range(len(places)):
        place = places[server]
        if place.tree == "next":
            place.tree = "init"
        elif place.tree == "init":
            place.tree = "next"
    turn.length = turn.next_length
    turn.position = turn.next_length


def fetch(turn: Turn, place: Place) -> None:
    """Prepare a server that leaves its tree."""
    if place.tree == "init":
        place.npos = 0
        place.rweight = 0
    elif place.tree == "next":
        place.npos += turn.length


def advance(turn: Turn, place: Place, weight: int) -> None:
    """Take a server out and compute its next position."""
    place.queued = False
    if place.npos == 0:
        place.npos = turn.position
    place.lpos = place.npos
    place.npos += turn.next_length // weight
    place.rweight += turn.next_length % weight
    if place.rweight >= weight:
        place.rweight -= weight
        place.npos += 1


def queue(turn: Turn, place: Place, weight: int) -> None:
    """Queue a server for this turn or for the next one."""
    if place.npos >= 2 * turn.length or place.npos >= turn.length + turn.next_length:
        place.npos -= turn.length
        stand(turn, place, "next", WEIGHT_RANGE - weight)
        return
    key = WEIGHT_RANGE // FULL_WEIGHT * place.npos + (WEIGHT_RANGE + place.rweight - weight) // FULL_WEIGHT
    stand(turn, place, "current", key)


def stand(turn: Turn, place: Place, tree: Tree, key: int) -> None:
    """Put a server into a tree, behind those of the same key."""
    place.tree = tree
    place.queued = True
    place.key = key
    place.order = turn.clock
    turn.clock += 1


def divided(number: int, by: int) -> int:
    """C's division of integers, towards zero."""
    return number // by if number >= 0 else -(-number // by)


class RoundRobin(Counting):
    """HAProxy `roundrobin`."""

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.turn = Turn()
        self.places = [Place() for _ in range(servers)]
        begin(self.turn, self.places, self.weights)

    def mark(self, server: int, up: bool) -> None:
        """Take a server out, or let it join in."""
        mark(self.turn, self.places[server], self.weights[server], up)

    def weigh(self, server: int, weight: int) -> None:
        """Change a weight."""
        before = self.weights[server]
        super().weigh(server, weight)
        reweigh(self.turn, self.places[server], before, weight)

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return the usable server whose turn it is."""
        return whose_turn(self.turn, self.places, self.weights, usable, avoid)
