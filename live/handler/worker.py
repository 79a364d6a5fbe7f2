"""A process of a node's pool: it does one call at a time, until its standard input, a socket, closes.

Run as `python -m live.handler.worker` (`live.handler.process_pool`).
"""

import signal
import socket

from live.handler.work import CALL, do


def main() -> None:
    """Do calls."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with its node
    with socket.socket(fileno=0) as line:
        line.send(b"+")
        while data := line.recv(CALL.size, socket.MSG_WAITALL):
            do(*CALL.unpack(data))
            line.send(b"+")


if __name__ == "__main__":
    main()
