"""asyncio on uvloop, with `websockets`: what belongs to the runtime of the lab's own nodes.

Its server is in `live.node.base` and `live.node.connection`, its program in `live.node.node`. The clients and the
benches run on the same.
"""

PROGRAM = "live.node.node"
"""What the process of a node runs."""

PACKAGES = ("websockets", "uvloop")
"""Packages whose versions say what a node ran on."""

YOUNG_GARBAGE = (1_000, 5, 10_000)
"""Thresholds of the garbage collector: small young collections often, full ones over all connections hardly ever."""

MOST_UNANSWERED = 1000
"""Pings that a client may send while it does not read what waits for it: hours of a usual heartbeat."""
MOST_FRAME = 65_536
"""Bytes of a frame or message of a client: the largest payload of `clients.sends`; a page's text has 16 KiB at most."""
MOST_CONNECTIONS = 12_000
"""Connections of a node at a time: those of all clients of a live run, with as many more as HAProxy is given, or the
idle ones that `./lab memory` opens (`live.memory.idle.MOST_IDLE`)."""
OPEN_WITHIN = 10.0
"""Seconds that a handshake may take, and the close of a connection: the default of websockets."""
