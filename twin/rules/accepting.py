"""Which of the processes that listen on one port gets a new connection: the kernel's choice.

With SO_REUSEPORT each process has a socket and an accept queue of its own, and a hash of the addresses and ports
chooses among them when the SYN comes: evenly on average, whoever is busy.

Sources: Linux, net/core/sock_reuseport.c (`reuseport_select_sock`), include/linux/kernel.h (`reciprocal_scale`).
"""


def reuseport(u: float, sockets: int) -> int:
    """Return which of some sockets of one port gets a connection whose hash, in [0, 1), is `u`."""
    return int(u * sockets)
