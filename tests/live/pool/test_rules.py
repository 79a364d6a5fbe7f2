"""The rules of the pools against the libraries' own pools: the same things happen to both, and both do the same.

The libraries' connections lead nowhere: each is open when the test says so.
"""

import asyncio
import random
from typing import Any, cast

import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from psycopg_pool.base import AttemptWithBackoff, BasePool
from redis.asyncio import BlockingConnectionPool

from tests.pools import Played
from twin.rules.pool import GIVES_UP, WORKERS, YOUNGEST, HandOverPool, Open, SlotPool, replacement_delay

WHAT = ("borrow", "borrow", "borrow", "back", "back", "broken", "time", "open", "open", "shrink")
MOVES = 150
LONG = 3600.0


def drawn(seed: int) -> tuple[list[tuple[str, int]], random.Random]:
    """Return what happens, and further random numbers."""
    chance = random.Random(seed)
    return [(chance.choice(WHAT), chance.randrange(10)) for _ in range(MOVES)], chance


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(30):
        await asyncio.sleep(0)


class Opening:
    """The connections that psycopg_pool wants opened, in order; a test opens them."""

    def __init__(self) -> None:
        self.wanted: list[asyncio.Future[None]] = []

    def kind(self) -> type[Any]:
        """Return a class of connections."""
        opening = self

        class Fake:
            """A connection of psycopg, as far as its pool looks at it."""

            number = 0
            closed = False
            _pool: Any = None

            def __init__(self) -> None:
                self.pgconn = self
                self.transaction_status = TransactionStatus.IDLE

            @classmethod
            async def connect(cls, conninfo: str, **kwargs: Any) -> "Fake":
                future = asyncio.get_running_loop().create_future()
                opening.wanted.append(future)
                made = cls()
                made.number = len(opening.wanted)
                await future
                return made

            async def close(self) -> None:
                self.closed = True

        return Fake


class Real:
    """psycopg_pool, to which a test does the same as to the rules.

    Attributes:
        uses: what each use has come to.
    """

    def __init__(self, size: int, least: int, waiting: int) -> None:
        self.opening = Opening()
        self.uses: dict[int, asyncio.Task[Any]] = {}
        self.pool = AsyncConnectionPool(
            "",
            connection_class=self.opening.kind(),
            min_size=least,
            max_size=size,
            max_waiting=waiting,
            open=False,
            timeout=LONG,
            max_idle=LONG,
            num_workers=size + 1,  # so that the order in which the test opens them is its own
        )

    def state(self, live: list[int]) -> tuple[dict[int, int], list[int], int, int]:
        """Return who has which connection, who was refused, how many are idle, and how many there are."""
        has, refused = {}, []
        for use, task in self.uses.items():
            if not task.done():
                assert use in live
                continue
            if not task.cancelled() and task.exception() is None:
                has[task.result().number] = use
            elif not task.cancelled() and isinstance(task.exception(), TooManyRequests):
                refused.append(use)
        return has, refused, len(self.pool._pool), self.pool._nconns

    async def back(self, use: int, broken: bool) -> None:
        """Give a connection back."""
        connection = self.uses.pop(use).result()
        if broken:
            connection.transaction_status = TransactionStatus.UNKNOWN
        await self.pool.putconn(connection)


async def played_by_both(moves: list[tuple[str, int]], size: int, least: int, waiting: int) -> None:
    real = Real(size, least, waiting)
    await real.pool.open(wait=False)
    played = Played(HandOverPool(size, waiting, least))
    played.take(played.pool.start())
    try:
        for what, which in moves:
            out, before = sorted(played.pool.out), list(played.live)
            opening = list(played.opening)
            uses = dict(played.pool.out)
            played.move(what, which)
            if what == "borrow":
                real.uses[played.asked] = asyncio.ensure_future(real.pool.getconn())
            elif what == "time" and before:
                real.uses[before[which % len(before)]].cancel()
            elif what in ("back", "broken") and out:
                await real.back(uses[out[which % len(out)]], what == "broken")
            elif what == "open" and opening:
                await settle()
                real.opening.wanted[opening[which % len(opening)] - 1].set_result(None)
            elif what == "shrink":
                await real.pool._shrink_pool()
            await settle()
            rule = cast("HandOverPool", played.pool)
            assert real.state(played.live) == (rule.out, played.refused, len(rule.idle), rule.count)
    finally:
        for task in real.uses.values():
            task.cancel()
        for future in real.opening.wanted:
            if not future.done():
                future.cancel()
        await real.pool.close(timeout=0)


@pytest.mark.parametrize("seed", range(16))
def test_the_rules_do_what_psycopg_pool_does(seed: int) -> None:
    moves, chance = drawn(seed)
    size = chance.randint(1, 4)
    asyncio.run(played_by_both(moves, size, chance.randint(0, size), chance.choice([0, 0, 1, 3])))


class Slot:
    """A connection of redis-py, as far as its pool looks at it."""

    made = 0

    def __init__(self, **options: Any) -> None:
        Slot.made += 1
        self.number = Slot.made

    async def connect(self) -> None:
        """Open it: it always is."""

    async def can_read(self) -> bool:
        """Nothing has come."""
        return False

    async def re_auth(self) -> None:
        """Log in again: nothing has changed."""

    def should_reconnect(self) -> bool:
        """It works."""
        return False


async def slots_by_both(moves: list[tuple[str, int]], size: int) -> None:
    Slot.made = 0
    pool = BlockingConnectionPool(size, LONG, cast("Any", Slot))
    played = Played(SlotPool(size))
    uses: dict[int, asyncio.Task[Any]] = {}
    for what, which in moves:
        out, before, has = sorted(played.pool.out), list(played.live), dict(played.pool.out)
        played.move(what, which)
        if what == "borrow":
            uses[played.asked] = asyncio.ensure_future(pool.get_connection())
        elif what == "time" and before:
            uses[before[which % len(before)]].cancel()
        elif what in ("back", "broken") and out:
            await pool.release(uses.pop(has[out[which % len(out)]]).result())
        await settle()
        found = {task.result().number: use for use, task in uses.items() if task.done() and not task.cancelled()}
        assert found == played.pool.out
        assert [one.number for one in cast("list[Any]", pool._available_connections)] == list(played.pool.idle)
    for task in uses.values():
        task.cancel()
    await settle()


@pytest.mark.parametrize("seed", range(8))
def test_the_rules_do_what_redis_pys_pool_does(seed: int) -> None:
    moves, chance = drawn(seed)
    asyncio.run(slots_by_both(moves, chance.randint(1, 4)))


def test_a_replacement_waits_as_psycopg_pool_lets_it_wait() -> None:
    """Its own `AttemptWithBackoff`, whose first wait it spreads by a random number."""
    theirs = AttemptWithBackoff(timeout=GIVES_UP)
    rule, now, u = HandOverPool(1), 0.0, -1.0
    (first,) = rule.borrow(0)
    assert isinstance(first, Open)
    for _ in range(20):
        gives_up = theirs.time_to_give_up(now)
        if not gives_up:
            theirs.update_delay(now)
        u = (theirs.delay - 0.9) / 0.2 if u < 0 else u
        steps = rule.failed(first.connection, now, u)
        assert bool(steps) is not gives_up
        if gives_up:
            break
        (again,) = steps
        assert isinstance(again, Open)
        assert abs(again.delay - theirs.delay) < 1e-9
        now += again.delay
    assert now == GIVES_UP


def test_psycopg_pools_defaults_and_spreads_are_those_of_the_rules() -> None:
    assert replacement_delay(1, 0.5) == AttemptWithBackoff.INITIAL_DELAY
    assert replacement_delay(2, 0.5) / replacement_delay(1, 0.5) == AttemptWithBackoff.DELAY_BACKOFF
    lives = [BasePool._jitter(1.0, -0.05, 0.0) for _ in range(200)]
    assert YOUNGEST <= min(lives) < 0.96
    assert 0.99 < max(lives) <= 1.0
    pool = AsyncConnectionPool("", open=False)
    assert (pool.num_workers, pool.reconnect_timeout) == (WORKERS, GIVES_UP)
    assert PoolTimeout is not TooManyRequests
