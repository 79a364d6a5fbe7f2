"""Lists whose entries lie beside each other in blocks: to walk along one is to walk along memory."""

from typing import Any

from sim.compiled.memory.layout import BLOCK, BLOCK_SIZE, ITEM, PER_BLOCK, TIMED, block_at
from sim.compiled.toolchain.jit import jit, whole

HEAD, SIZE = BLOCK.itemsize, ITEM.itemsize
assert TIMED.itemsize == SIZE


@jit
def new_block(pool: Any) -> int:
    """Return the place of an empty block: the one that became free last, or else a new one."""
    i = pool.free
    if i >= 0:
        pool.free = block_at(pool.data, i).next
    else:
        i = pool.used
        pool.used += 1
    block = block_at(pool.data, i)
    block.next = -1
    return i


@jit
def free_block(pool: Any, i: int) -> None:
    """Give back the place of a block."""
    block_at(pool.data, i).next = pool.free
    pool.free = i


@jit
def entry(pool: Any, block: int, place: int) -> int:
    """Return the address of an entry of a block."""
    return pool.data + block * BLOCK_SIZE + HEAD + place * SIZE


@jit
def one_more(pool: Any, bucket: Any) -> int:
    """Return the address of a new entry at the end of a bucket, to be filled in."""
    if bucket.n == 0:
        bucket.first = new_block(pool)
        bucket.last = bucket.first
        bucket.place = 0
    elif bucket.place == PER_BLOCK:
        i = new_block(pool)
        block_at(pool.data, bucket.last).next = i
        bucket.last = i
        bucket.place = 0
    bucket.place += 1
    bucket.n += 1
    return entry(pool, whole(bucket.last), bucket.place - 1)
