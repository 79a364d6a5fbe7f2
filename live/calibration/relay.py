"""What the relay costs through which a node reaches the bus: CPU time for each piece that it passes on."""

import socket
import time
from statistics import median

from live.broadcast.messages import RelaySettings
from live.calibration.common import PAYLOAD, add
from live.calibration.workbench import MeasuredCosts, pace_of
from live.control.address import Way
from live.control.messages import Listening
from live.control.supervisor import watched
from live.machine import placement
from twin.costs.curve import LEVELS
from twin.scenario.scenario import Scenario

ROW = LEVELS[1]
"""Pieces that follow each other, each when the one before has come."""
BATCHES = {1: 25, ROW: 9}
"""How often so many are passed on; the median counts."""
WARM = 2
"""Batches that are not counted."""
PAUSE = 0.02
"""Seconds between two batches, longer than it takes a process to get cold."""


def measure(scenario: Scenario, costs: MeasuredCosts) -> None:
    """Measure it once, with a relay of its own between two sockets of this process, and append the figures.

    Args:
        scenario: says where the relay runs.
        costs: gets the part.
    """
    with watched() as stage:
        place = placement.placement(scenario)
        (port,) = placement.free_ports(1)
        with socket.create_server(("127.0.0.1", 0)) as far_end:
            settings = RelaySettings(port, Way("127.0.0.1", far_end.getsockname()[1]))
            relay = stage.python("relay", "live.broadcast.relay", settings, place.cluster[:1])
            relay.hear(Listening)
            with socket.create_connection(("127.0.0.1", port)) as near:
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                far, _ = far_end.accept()
                with far, placement.pinned(place.clients[:1]):
                    for size, batches in BATCHES.items():
                        costs.now = pace_of(place)
                        spent = list[float]()
                        for _ in range(WARM + batches):
                            before = relay.cpu_ns()
                            for _piece in range(size):
                                near.sendall(PAYLOAD)
                                _read(far, len(PAYLOAD))
                            time.sleep(PAUSE)  # it may wait for more before it rests
                            spent.append((relay.cpu_ns() - before) / 1e9)
                        add(costs, "relay_frame", size, median(spent[WARM:]) / size)
            stage.end(relay)


def _read(link: socket.socket, size: int) -> None:
    """Read so many bytes."""
    while size:
        size -= len(link.recv(size))
