"""The items that wait for a process, in order; the process itself holds the one that it works on."""

from typing import Any

from sim.compiled.memory.blocks import entry, free_block, new_block
from sim.compiled.memory.layout import ATTEMPT_SIZE, CLIENT_SIZE, PER_BLOCK, TUNNEL_SIZE, attempt_at, block_at, item_at
from sim.compiled.memory.pools import forget_item
from sim.compiled.toolchain.jit import fetch, jit, whole
from sim.compiled.vocabulary import Item, Stage

FRONT = 2
"""Places that an inbox which became empty keeps for items that go ahead of others."""
FAR, NEAR = 12, 6
"""Items by which memory is asked for ahead: of what an item is about, and then of what that one is about."""


@jit
def append(w: Any, process: Any) -> int:
    """Return the address of a new item at the end of an inbox, to be filled in."""
    if process.last_place == PER_BLOCK:
        i = new_block(w.blocks)
        block_at(w.blocks.data, process.last).next = i
        process.last = i
        process.last_place = 0
    process.load += 1
    process.last_place += 1
    return entry(w.blocks, whole(process.last), process.last_place - 1)


@jit
def prepend(w: Any, process: Any) -> int:
    """Return the address of a new item at the front of an inbox, to be filled in."""
    if process.first_place == 0:
        i = new_block(w.blocks)
        block_at(w.blocks.data, i).next = process.first
        process.first = i
        process.first_place = PER_BLOCK
    process.load += 1
    process.first_place -= 1
    return entry(w.blocks, whole(process.first), whole(process.first_place))


@jit
def first_of(w: Any, process: Any) -> int:
    """Return the address of the first item of an inbox; there must be one."""
    return entry(w.blocks, whole(process.first), whole(process.first_place))


@jit
def last_of(w: Any, process: Any) -> int:
    """Return the address of the last item of an inbox; there must be one."""
    return entry(w.blocks, whole(process.last), process.last_place - 1)


@jit
def take_first(w: Any, process: Any) -> None:
    """Move the first item of an inbox to the process; there must be one."""
    if process.load > FAR:
        look_ahead(w, process)
    copy_item(process.item, item_at(first_of(w, process), 0))
    forget_first(w, process)


@jit
def forget_first(w: Any, process: Any) -> None:
    """Take the first item off an inbox."""
    process.first_place += 1
    process.load -= 1
    if process.load == 0:  # begin again at the front of the block
        process.first = process.last
        process.first_place = FRONT
        process.last_place = FRONT
    elif process.first_place == PER_BLOCK:
        i = whole(process.first)
        process.first = block_at(w.blocks.data, i).next
        process.first_place = 0
        free_block(w.blocks, i)


@jit
def empty(w: Any, process: Any) -> None:
    """Drop all items of an inbox, and what they hold."""
    while process.load > 0:
        forget_item(w, item_at(first_of(w, process), 0))
        forget_first(w, process)
    process.more = 0


@jit
def copy_item(place: Any, item: Any) -> None:
    """Copy an item."""
    place.asleep = item.asleep
    place.a = item.a
    place.b = item.b
    place.kind = item.kind
    place.cost = item.cost
    place.stage = item.stage
    place.hops = item.hops
    place.eager = item.eager
    place.ends = item.ends


@jit
def ahead(w: Any, process: Any, far: int) -> int:
    """Return the address of the item that comes `far` items after the first, fewer than a block has."""
    place = process.first_place + far
    if place < PER_BLOCK:
        return entry(w.blocks, whole(process.first), place)
    return entry(w.blocks, whole(block_at(w.blocks.data, process.first).next), place - PER_BLOCK)


@jit
def look_ahead(w: Any, process: Any) -> None:
    """Ask for the memory that items further back in a long inbox will touch."""
    item = item_at(ahead(w, process, FAR), 0)
    kind = item.kind
    if item.stage == Stage.FIRST_PART or item.a < 0 or kind in (Item.NOTHING, Item.BOOT, Item.CHECK):
        pass
    elif kind == Item.CLIENT:
        fetch(w.clients + whole(item.a) * CLIENT_SIZE)
    elif kind in (Item.SERVE, Item.REFUSE, Item.HANDSHAKE, Item.RELAYED):
        fetch(w.attempts.data + whole(item.a) * ATTEMPT_SIZE)
    else:
        fetch(w.tunnels.data + whole(item.a) * TUNNEL_SIZE)
    item = item_at(ahead(w, process, NEAR), 0)
    if item.kind == Item.RELAYED and item.stage != Stage.FIRST_PART:
        fetch(w.tunnels.data + whole(item.b) * TUNNEL_SIZE)
        fetch(w.clients + whole(attempt_at(w.attempts.data, item.a).client) * CLIENT_SIZE)
