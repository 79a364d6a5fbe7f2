"""Packages that only some runs need."""

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from live.control import extras
from twin.errors import HostError

WHY = "nodes.pool.store 'postgresql'"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """Extras whose only module is not there, an installer that installs nothing, and what it was told."""
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **options: Any) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=1, stderr="looking\nno route to the registry\n")

    monkeypatch.setitem(extras.MODULES, "postgresql", ("no_such_module",))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(extras, "ROOT", tmp_path)
    return commands


def test_what_is_there_is_not_installed(told: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "postgresql", ("json",))
    extras.need("postgresql", WHY)
    assert told == []


@pytest.mark.parametrize("uv", [True, False])
def test_what_lacks_is_installed_with_its_hashes(
    uv: bool, told: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements-postgresql.txt").write_text("x==1\n")
    monkeypatch.setattr(extras.shutil, "which", lambda name: "/usr/bin/uv" if uv else None)
    with pytest.raises(HostError) as caught:
        extras.need("postgresql", WHY)
    (command,) = told
    assert command[:3] == (("uv", "pip", "install") if uv else (sys.executable, "-m", "pip"))
    assert command[-3:] == ("--require-hashes", "-r", str(tmp_path / "requirements-postgresql.txt"))
    assert str(caught.value) == (
        "nodes.pool.store 'postgresql' needs the packages of stormlab[postgresql], which could not be installed (no "
        "route to the registry); install it with `pip install 'stormlab[postgresql]'`."
    )


def test_without_the_list_of_hashes_nothing_is_fetched(told: list[tuple[str, ...]]) -> None:
    with pytest.raises(HostError, match=r"needs the packages of stormlab\[postgresql\]; install it with"):
        extras.need("postgresql", WHY)
    assert told == []


def test_each_extra_has_its_list_of_hashes() -> None:
    for name in extras.MODULES:
        assert "--hash=sha256:" in (extras.ROOT / f"requirements-{name}.txt").read_text()


def test_one_that_another_process_is_installing_is_waited_for(
    told: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package looks installed as soon as its folder is there, long before its last file is."""
    monkeypatch.setattr(extras, "cache", lambda: tmp_path)
    monkeypatch.setitem(extras.MODULES, "postgresql", ("json",))
    came = threading.Thread(target=extras.need, args=("postgresql", WHY), daemon=True)
    with extras.alone("extras"):
        came.start()
        came.join(0.2)
        assert came.is_alive()
    came.join(10)
    assert not came.is_alive()
