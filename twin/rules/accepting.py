"""Which of the processes that listen on one port gets a new connection: the kernel's choice.

With SO_REUSEPORT each process has a socket and an accept queue of its own, and a hash of the addresses and ports
chooses among them when the SYN comes: evenly on average, whoever is busy. With one socket for all, the connection waits
in its one queue, and of the processes that sleep in epoll_wait the one that began to listen last is woken first; who is
busy gets one only when nobody sleeps. So at little load the last process gets nearly all.

Sources: Linux, net/core/sock_reuseport.c (`reuseport_select_sock`), include/linux/kernel.h (`reciprocal_scale`);
fs/eventpoll.c (`ep_ptable_queue_proc`: `add_wait_queue`), kernel/sched/wait.c and include/linux/wait.h
(`__add_wait_queue` at the head of the list); Majkowski, "Why does one NGINX worker take all the load?", Cloudflare
blog, 2017.
"""

from collections.abc import Sequence
from typing import Literal

Accepting = Literal["reuseport", "shared"]

SOCKETS_SHARED: dict[Accepting, bool] = {"reuseport": False, "shared": True}
"""Whether the processes have one listening socket together."""


def reuseport(u: float, sockets: int) -> int:
    """Return which of some sockets of one port gets a connection whose hash, in [0, 1), is `u`."""
    return int(u * sockets)


def woken_first(sleeps: Sequence[bool], loads: Sequence[int]) -> int:
    """Return which process accepts from a socket that all share.

    Args:
        sleeps: whether each process sleeps in its epoll_wait, in the order in which they began to listen.
        loads: how much each of them has before it; of those that are busy who has least looks at the socket first.
    """
    asleep = [number for number, one in enumerate(sleeps) if one]
    return asleep[-1] if asleep else min(range(len(loads)), key=loads.__getitem__)
