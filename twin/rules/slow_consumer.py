"""What happens to clients who read too slowly; for subscribers of the bus see `twin.rules.output_buffer`.

A node keeps a bounded number of bytes for each client, so that one that stops reading neither exhausts it nor delays
the others.
"""

from typing import Literal

SlowPolicy = Literal["drop", "coalesce", "close"]
Decision = Literal["send", "drop", "coalesce", "close"]


class Outlet:
    """What a node does with the messages for one client.

    A message is sent as long as it fits below the limit together with what waits in the node's memory for this client.
    One that does not fit is dropped (`drop`: a gap, which the client may recover), ends the connection (`close`: the
    client reconnects and resumes), or begins a snapshot (`coalesce`): nothing is sent any more until half the limit is
    free, then one snapshot of the newest position stands for all that was not sent. A snapshot is small and counts as a
    message of the size given.
    """

    def __init__(self, policy: SlowPolicy, limit_bytes: int) -> None:
        self.policy = policy
        self.limit_bytes = limit_bytes
        self.owes_snapshot = False

    def offer(self, size: int, waiting: int) -> Decision:
        """Decide about a message of `size` bytes while `waiting` bytes wait for the client."""
        if self.owes_snapshot:
            return "coalesce"
        if waiting + size <= self.limit_bytes:
            return "send"
        self.owes_snapshot = self.policy == "coalesce"
        return self.policy

    def pay(self, waiting: int) -> bool:
        """Tell whether to send the snapshot now; asked when bytes have left, with those that still wait."""
        if not self.owes_snapshot or 2 * waiting > self.limit_bytes:
            return False
        self.owes_snapshot = False
        return True


def is_too_large(size: int, limit_bytes: int) -> bool:
    """Tell whether a snapshot is sent in place of an answer of `size` bytes: one of more than half the limit would
    never fit, or drive out the messages that follow.
    """
    return 2 * size > limit_bytes
