"""Clients that dial one Envoy by hand, and what its balancer notes."""

import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from twin.scenario.addresses import CLIENT_ID, source_address

ADDRESSES = 60
TICK = 0.003
"""Seconds by which two of Envoy's timers, which count milliseconds, may be early together."""
NEVER = {"interval": 60.0, "no_traffic_interval": 60.0}
"""Checks that come to nothing within a test."""


class Dials:
    """Clients of one Envoy."""

    def __init__(self, farm: SimpleNamespace, links: ExitStack) -> None:
        self.farm = farm
        self.links = links

    def open(self, number: int = 0, open_timeout: float = 10.0) -> ClientConnection:
        """Connect a client from its address; it says who it is."""
        return self.links.enter_context(
            connect(
                f"ws://127.0.0.1:{self.farm.port}/",
                additional_headers={CLIENT_ID: str(number)},
                source_address=(source_address(number, ADDRESSES), 0),
                compression=None,
                proxy=None,
                ping_interval=None,
                open_timeout=open_timeout,
                close_timeout=5,
            )
        )

    def reached(self, number: int = 0) -> int:
        """Connect a client; return the place of its node, -1 if it was refused."""
        try:
            link = self.open(number)
        except InvalidStatus as error:
            return -1 if error.response.status_code == 503 else -error.response.status_code
        return node_of(link)

    def refused(self) -> tuple[int, float]:
        """Connect in vain; return the status and the seconds that it took."""
        began = time.monotonic()
        with pytest.raises(InvalidStatus) as error:
            self.open()
        return error.value.response.status_code, time.monotonic() - began


def node_of(link: ClientConnection) -> int:
    """Return the place of the node that a connection leads to."""
    assert link.response is not None
    return int(link.response.headers["X-Node"]) - 1


def over(link: ClientConnection, since: float) -> tuple[float, int | None]:
    """Wait for the end of a connection; return the seconds since a time and the code of the close frame, None if none
    came.
    """
    with pytest.raises(ConnectionClosed) as error:
        link.recv(timeout=10)
    return time.monotonic() - since, error.value.rcvd.code if error.value.rcvd else None


def marks(one: Dials) -> list[tuple[str, int]]:
    """Return what the balancer has noted, without times."""
    return [(event, node) for _, event, node, _ in one.farm.notes]
