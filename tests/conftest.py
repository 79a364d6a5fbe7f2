"""What all tests share: a reproducible Hypothesis and a small host that never changes."""

import functools
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.strategies import small_profile

settings.register_profile(
    "stormlab", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)
settings.load_profile("stormlab")

# a shell that starts the tests in the background has SIGINT ignored, and nohup SIGHUP, which children would inherit
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Side by side, the tests of a file that share a fixture stay in one process: it is made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFixture(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            return path if shares_a_fixture(config.rootpath / path) else nodeid

    return ByFixture(config, log)


@functools.cache
def shares_a_fixture(path):
    return 'fixture(scope="module")' in path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def profile():
    """A host on which each part has a cost of its own, see `tests.costs`."""
    return small_profile()
