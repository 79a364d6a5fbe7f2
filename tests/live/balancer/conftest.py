"""Fixtures of the tests of balancers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from tests.dials import Dials


@pytest.fixture
def dials(envoy: None, farm: Callable[..., SimpleNamespace]) -> Iterator[Callable[..., Dials]]:
    """Starts nodes and an Envoy before them."""
    with ExitStack() as links:
        yield lambda count=3, **balancer: Dials(farm(count, kind="envoy", **balancer), links)
