"""Nagle's algorithm and delayed acknowledgements: what is written while something is unacknowledged waits for that.

A socket without TCP_NODELAY sends a small segment only when all before it is acknowledged. That costs next to nothing
as long as the other side acknowledges at once what it reads, and Linux does so on a connection with data one way only.
It delays the acknowledgement when it takes the connection for an interactive one: its own side has sent data within
`INTERACTIVE` of what came last, so an answer may carry the acknowledgement. If none comes, a timer sends it after
`DELAYED_ACK`, and the connection counts as a one-way one again.

Sources: RFC 896; RFC 9293, 3.8.6.3 (delayed acknowledgements); Linux, net/ipv4/tcp_output.c (`tcp_nagle_check`,
`tcp_event_data_sent`, `tcp_send_delayed_ack`), net/ipv4/tcp_input.c (`__tcp_ack_snd_check`), net/ipv4/tcp.c
(`__tcp_cleanup_rbuf`: what is read on a connection that is not interactive is acknowledged), net/ipv4/tcp_timer.c
(`tcp_delack_timer_handler`: a timer that had to send it ends the interactive mode), include/net/tcp.h
(`TCP_DELACK_MIN`, `TCP_ATO_MIN`), sysctl `net.ipv4.tcp_pingpong_thresh` (1).
"""

DELAYED_ACK = 0.04
"""Seconds until a delayed acknowledgement is sent by itself; the kernel's timer adds up to a tick."""
INTERACTIVE = 0.04
"""Seconds after something came within which data that is sent makes a connection an interactive one."""


class Receiver:
    """The end of a connection that acknowledges what comes to it.

    Attributes:
        interactive: whether it waits for an answer that carries the acknowledgement.
    """

    def __init__(self) -> None:
        self.interactive = False
        self._last = -INTERACTIVE

    def received(self, now: float) -> float:
        """Something has come; return after how many seconds it is acknowledged if nothing is sent until then, 0 for as
        soon as it is read.
        """
        self._last = now
        return DELAYED_ACK if self.interactive else 0.0

    def sent(self, now: float) -> None:
        """Data is sent from this end, and all that has come is acknowledged with it."""
        if now - self._last < INTERACTIVE:
            self.interactive = True

    def timed_out(self) -> None:
        """The timer had to send the acknowledgement: no answer has come."""
        self.interactive = False
