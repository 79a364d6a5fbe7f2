"""A node's pool at the bench, without a node around it: it opens connections and uses them when it is told to.

Run as `python -m live.calibration.pool_bench`, with the settings of a node's pool.
"""

import asyncio
import gc
import time

from live.calibration.messages import OpenPool, Spent, UsePool
from live.control.given import configuration
from live.control.messages import Orders, Ready, on
from live.control.running import run
from live.control.stdio import obey, say
from live.node.asyncio_runtime import YOUNG_GARBAGE
from live.pool.base import PoolSettings
from live.pool.node import NodePool


class PoolBench:
    """One pool after the other, with the same settings.

    Args:
        settings: of the pool.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self.pools: list[NodePool] = []

    @property
    def orders(self) -> Orders:
        """Who obeys what."""
        return on(OpenPool, self.open) | on(UsePool, self.use)

    async def open(self, order: OpenPool) -> None:
        """Open so many connections at once in a new pool, and say what that cost; those of before stay open."""
        fields = vars(self.settings) | {"size": order.size, "min_size": order.size}
        found = NodePool(1, PoolSettings(**fields))
        self.pools.append(found)
        before = time.process_time()
        await found.pool.start()
        lent = await asyncio.gather(*(found.pool.borrow() for _ in range(order.size)))
        spent = time.process_time() - before
        for connection in lent:
            await found.pool.give_back(connection, works=True)
        say(Spent(spent))

    async def use(self, order: UsePool) -> None:
        """Use the last pool so often at once, and say what that cost."""
        found = self.pools[-1]
        before = time.process_time()
        failed = [one for one in await asyncio.gather(*(found.use() for _ in range(order.count))) if one]
        spent = time.process_time() - before
        found.events.clear()
        if failed:
            raise RuntimeError(f"a use failed: {failed[0]}")
        say(Spent(spent))


async def main(settings: PoolSettings) -> int:
    """Do what is ordered until standard input closes."""
    gc.set_threshold(*YOUNG_GARBAGE)
    bench = PoolBench(settings)
    gc.freeze()
    say(Ready())
    await obey(bench.orders)
    return 0


if __name__ == "__main__":
    run(main(configuration(PoolSettings)))
