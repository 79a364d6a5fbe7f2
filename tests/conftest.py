"""What all tests share: a reproducible Hypothesis and a small host that never changes."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.strategies import small_profile

settings.register_profile(
    "stormlab", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)
settings.load_profile("stormlab")

# a shell that starts the tests in the background has SIGINT ignored, which children would inherit
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item):
    """Tests of a file that share a fixture stay in one process when tests run side by side: it is made once."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    if any(definition.scope == "module" for definitions in fixtures for definition in definitions):
        item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture(scope="session")
def profile():
    """A host on which every part costs a tenth of a millisecond."""
    return small_profile()
