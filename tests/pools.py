"""Pools of connections to which anything may happen."""

from hypothesis import strategies as st

from twin.rules.pool import Give, Open, Refuse

WHAT = st.sampled_from(["borrow", "back", "broken", "time", "open", "fail", "shrink"])
MOVES = st.lists(st.tuples(WHAT, st.integers(0, 9)), max_size=120)


class Played:
    """A pool to which things happen, and what came of them."""

    def __init__(self, pool):
        self.pool = pool
        self.opening = []
        self.asked = self.done = 0
        self.live = []
        self.given = []
        self.refused = []
        self.now = 0.0

    def take(self, steps):
        for step in steps:
            if isinstance(step, Give):
                assert step.use in self.live, "who is given a connection still waits for one"
                assert step.use == self.live[0], "who came first is served first"
                self.live.remove(step.use)
                self.given.append(step.use)
            elif isinstance(step, Refuse):
                self.live.remove(step.use)
                self.refused.append(step.use)
            elif isinstance(step, Open):
                self.opening.append(step.connection)

    def move(self, what, which):
        pool, out = self.pool, sorted(self.pool.out)
        self.now += 0.5
        if what == "borrow":
            self.asked += 1
            self.live.append(self.asked)
            self.take(pool.borrow(self.asked))
        elif what == "time" and self.live:
            use = self.live[which % len(self.live)]
            assert pool.timed_out(use)
            self.live.remove(use)
        elif what in ("back", "broken") and out:
            self.back(out[which % len(out)], what == "broken")
        elif what in ("open", "fail") and self.opening:
            connection = self.opening.pop(which % len(self.opening))
            act = pool.opened if what == "open" else pool.failed
            self.take(act(connection, self.now, which / 10))
        elif what == "shrink" and pool.background:
            self.take(pool.shrink())

    def back(self, connection, broken):
        if self.pool.background:
            self.take(self.pool.give_back(connection, self.now, broken))
        else:
            (self.pool.lost if broken else self.pool.opened)(connection)
            self.take(self.pool.give_back(connection))

    def holds(self):
        pool = self.pool
        assert len(pool.out) + len(pool.idle) + len(self.opening) <= pool.size
        assert not set(pool.out) & set(pool.idle)
        assert len(set(pool.out.values())) == len(pool.out), "a use has one connection"
        assert not (pool.idle and self.live), "nobody waits beside an idle connection"
        if pool.max_waiting:
            assert len(self.live) <= pool.max_waiting
        if pool.background:
            assert pool.min_size <= pool.count <= pool.size
            assert pool.count == len(pool.out) + len(pool.idle) + len(self.opening)
            assert not self.live or pool.growing or pool.count == pool.size
