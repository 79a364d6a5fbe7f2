"""The balancer's connect to a node, as the kernel answers it."""

from typing import Protocol

import simpy

from sim.connection import Attempt
from sim.node.node import SYN_RETRIES, Node
from sim.ports import Work


class Connecting(Protocol):
    """The balancer, for who connects.

    Attributes:
        life: counts the losses of its machine.
    """

    env: simpy.Environment
    life: int

    def sent(self, attempt: Attempt, node: Node) -> None:
        """A request is before a node."""
        ...


def connect(balancer: Connecting, attempt: Attempt, node: Node, timeout: float) -> Work[str | None]:
    """Connect to a node; return None when the kernel took the connection, else why it did not.

    None also means that the balancer died meanwhile. A full accept queue drops the SYN, which is sent again after 1, 2,
    3, ... s, within the connect timeout.

    Args:
        balancer: who connects.
        attempt: the request.
        node: to which it goes.
        timeout: seconds until the balancer waits no longer.
    """
    left, life = timeout, balancer.life
    if attempt.reuses(node.number):
        balancer.sent(attempt, node)
        node.pass_on(lambda: node.read(attempt))
        return None
    for wait in SYN_RETRIES:
        if life != balancer.life:
            return None
        if not node.listening and not node.dark:
            return "refused"
        if node.syn(attempt):
            balancer.sent(attempt, node)
            return None
        if wait > left:
            yield balancer.env.timeout(left)
            return "timeout" if life == balancer.life else None
        left -= wait
        yield balancer.env.timeout(wait)
    return "timeout" if life == balancer.life else None
