"""Which further runtimes of nodes a calibration measures."""

import pytest

from live.calibration.runtimes import further
from live.node import go_toolchain
from twin.scenario.runtimes import COSTS_AS, RUNTIME


@pytest.mark.parametrize("path", [None, "/opt/go/bin/go"])
def test_nodes_in_go_are_measured_where_there_is_go_and_it_is_not_installed(
    path: str | None, monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setattr(go_toolchain, "found", lambda: path)
    kinds = further()
    assert ("go" in kinds) == (path is not None)
    assert RUNTIME not in kinds
    assert not set(kinds) & set(COSTS_AS)
