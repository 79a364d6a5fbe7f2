"""Envoy's earliest-deadline-first scheduler, by which `round_robin` and `least_request` choose among servers of
different weights: who is chosen comes again 1 / weight later.

Source: Envoy 1.40 `source/common/upstream/edf_scheduler.h` (`EdfScheduler::createWithPicks`, `pickAndAdd`).
"""

import heapq
from collections.abc import Callable, Sequence

MOST_PICKS = 429_496_729
"""Picks after which a scheduler begins, at most. Source: `createWithPicks`."""

EPSILON = 1e-13
"""Added to each weight at the beginning, so that none is a multiple of another. Source: `createWithPicks`."""


class EdfScheduler:
    """Servers with their deadlines.

    Args:
        servers: those that may be chosen, at least two.
        weight: returns the present weight of one, more than 0.
        seed: how many choices are as good as made at the beginning, modulo `MOST_PICKS`.
    """

    def __init__(self, servers: Sequence[int], weight: Callable[[int], float], seed: int) -> None:
        self.weight = weight
        picks = seed % MOST_PICKS
        weights = [weight(server) + EPSILON for server in servers]
        total = 0.0
        for one in weights:
            total += one
        self.now, made = 0.0, 0
        self._queue: list[tuple[float, int, int]] = []
        for place, (server, own) in enumerate(zip(servers, weights, strict=True)):
            before = int(own * picks / total)
            if before > 0 and before / own >= picks / total:
                before -= 1
            self._queue.append(((before + 1) / own, place, server))
            self.now = max(self.now, before / own)
            made += before
        heapq.heapify(self._queue)
        self._order = len(self._queue)
        for _ in range(picks - made):
            self.pick()

    def pick(self) -> int:
        """Return the server of the earliest deadline, of equals the one that has had it the longest."""
        self.now, _, server = heapq.heappop(self._queue)
        heapq.heappush(self._queue, (self.now + 1.0 / self.weight(server), self._order, server))
        self._order += 1
        return server
