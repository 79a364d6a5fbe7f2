"""Counter-based randomness: every random number is a pure function of its address.

The address is (seed, replication, entity, purpose, n). Nothing is consumed in order, so client 17 draws for its third
attempt the same number in the simulated and in the live world, in every variant of a scenario and in every engine.

Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11 (Philox4x32-10).
"""

from enum import IntEnum
from functools import lru_cache

_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF
FIFTHS, STRIDE, FORTY = 5, 2, 40
"""Of `stratified`: parts of [0, 1), from one to the next but one, and parts of a fifth."""


class Purpose(IntEnum):
    """What a number is drawn for; a new purpose gets a new number, and an old one is never renumbered."""

    RECONNECT = 1
    PING_PHASE = 2
    CHECK_PHASE = 3
    BALANCE = 4
    HOST = 5
    PACE = 7  # 6 was another
    ROUND = 8
    CLOCK = 9
    BUS_RETRY = 10
    CAMPAIGN = 11
    DISTURBANCE = 13
    LEASE_PHASE = 12
    MEMBER_PHASE = 24
    SYNC_PHASE = 25
    LIFETIME = 26
    SEND_PHASE = 30
    BUS_SECOND = 40
    BUS_LOOK = 41
    TIE = 42
    BUS_AGAIN = 43
    NODE_PORT = 50
    LISTENER = 51
    POLL_PHASE = 60
    TASK_PHASE = 70
    TASK_INTERVAL = 71
    TASK_CPU = 72
    TASK_BLOCKING = 73
    TASK_AWAITING = 74
    POOL_ARRIVAL = 80
    POOL_SERVICE = 81
    POOL_LEAK = 82
    POOL_CONNECTION = 83


OF_TASKS = {
    "interval": Purpose.TASK_INTERVAL,
    "cpu": Purpose.TASK_CPU,
    "blocking": Purpose.TASK_BLOCKING,
    "awaiting": Purpose.TASK_AWAITING,
}
"""What is drawn for a request that makes a node work (`twin.rules.handler.What`) -> its purpose."""


def philox4x32(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the four 32-bit words that Philox4x32 with ten rounds gives for `counter` and `key`.

    Args:
        counter: four words of 32 bits.
        key: two words of 32 bits.

    Source: Salmon et al. 2011; constants and test vectors as in the authors' Random123 library.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        high0, high1 = (p0 >> 32) & _MASK, (p1 >> 32) & _MASK  # the mask is for engines whose integers have a sign bit
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, p1 & _MASK, high0 ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + _W0) & _MASK
        k1 = (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def uniform(seed: int, replication: int, entity: int, purpose: int, n: int = 0) -> float:
    """Return a number in [0, 1) with 53 random bits: always the same one for the same address.

    Args:
        seed: the scenario's seed, 0 <= seed < 2**64.
        replication: which run of the scenario, from 0.
        entity: the number of the client or node.
        purpose: what the number is for, see `Purpose`.
        n: index of the number of this entity for this purpose, from 0.
    """
    words = philox4x32(
        (entity & _MASK, purpose & _MASK, n & _MASK, replication & _MASK),
        (seed & _MASK, (seed >> 32) & _MASK),
    )
    return ((words[0] << 21) ^ (words[1] >> 11)) * 2.0**-53


@lru_cache(maxsize=1 << 14)
def drawn_once(seed: int, replication: int, entity: int, purpose: int) -> float:
    """Return `uniform`, and keep it: for what each run with the same numbers asks again."""
    return uniform(seed, replication, entity, purpose)


@lru_cache(maxsize=1 << 14)
def stratified(seed: int, replication: int, entity: int, purpose: int) -> float:
    """Return a number in [0, 1) that is uniform for one replication and evenly spread over successive ones.

    Five successive replications from a multiple of five lie at equal distances: of five runs, the usual number, as many
    are below any threshold as its probability says, to within one. Forty such fives, in an order drawn for each purpose
    and entity, share out a fifth among them, so that 200 replications are a Latin hypercube.

    Sources: McKay, Beckman & Conover, "A comparison of three methods for selecting values of input variables",
    Technometrics 21, 1979; Madow & Madow, "On the theory of systematic sampling", Ann. Math. Statist. 15, 1944.
    """
    fives, place = divmod(replication, FIFTHS)
    many, which = divmod(fives, FORTY)
    begin, within = (uniform(seed, fives, entity, purpose, n) for n in (0, 1))
    fifth = (int(FIFTHS * begin) + STRIDE * place) % FIFTHS
    return (fifth + (_order(seed, many, entity, purpose)[which] + within) / FORTY) / FIFTHS % 1.0


@lru_cache(maxsize=1024)
def _order(seed: int, many: int, entity: int, purpose: int) -> list[int]:
    """Return the numbers below `FORTY` in an order drawn for this address."""
    keys = [uniform(seed, many, entity, purpose, 2 + i) for i in range(FORTY)]
    return sorted(range(FORTY), key=keys.__getitem__)
