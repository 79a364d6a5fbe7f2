"""What several benches of a broadcast share."""

from live.calibration.workbench import MeasuredCosts
from twin.costs.curve import LEVELS

BATCHES = {1: 7, 16: 3, 64: 3, 256: 3, 1024: 2}
"""How many batches of each size one measurement does; their median counts."""


PUBLISHED, RATE = LEVELS[1], 12.0
"""Messages that the publisher publishes one by one, and how many a second; or all at once, when it is late."""


PAYLOAD = bytes(64)


LEAST = 1e-7
"""Seconds that stand for a cost that is lost in the noise of a difference."""


def add(costs: MeasuredCosts, name: str, level: int, value: float) -> None:
    """Append one measurement of a part, in seconds an item, at the pace that was read last."""
    costs.add(name, level, max(LEAST, value), costs.now)


RUN_IN = 24
"""Messages after which a connection is as in a run. The first 16 that come on a new connection, or after a pause of
more than 0.2 s, the kernel acknowledges at once, at the sender's expense; later ones when they are read, at the
reader's. Source: Linux, `TCP_MAX_QUICKACKS` in include/net/tcp.h, `tcp_event_data_recv` in net/ipv4/tcp_input.c,
`tcp_cleanup_rbuf` in net/ipv4/tcp.c."""
