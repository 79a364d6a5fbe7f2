"""What tests of pools need."""

import os

import pytest

from live.control import extras
from twin.errors import HostError


@pytest.fixture(scope="session")
def postgresql() -> None:
    """The test needs PostgreSQL: where its package cannot be installed the test is skipped, but on CI it fails."""
    try:
        extras.need("postgresql", "a test of pools")
    except HostError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def store_installed(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """Ask for PostgreSQL when the kind of store is that."""

    def need(kind: str) -> None:
        if kind == "postgresql":
            request.getfixturevalue("postgresql")

    return need
