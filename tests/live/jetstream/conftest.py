"""What tests of a bus on a NATS server need."""

import os

import pytest

from live.control import extras
from twin.errors import HostError


@pytest.fixture(scope="session")
def nats() -> None:
    """The test needs a NATS server: where its package cannot be installed it is skipped, but on CI it fails."""
    try:
        extras.need("jetstream", "a test of a NATS server")
    except HostError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
