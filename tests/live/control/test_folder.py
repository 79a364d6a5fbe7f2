"""A temporary folder in which no run could be is refused in one sentence before anything is started."""

import os
import shutil
import socket
import tempfile
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from live.balancer.balancer import check_config
from live.control import folder as room
from live.control.process import Stage
from twin.errors import HostError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def nothing_started() -> object:
    before = psutil.Process().children(recursive=True)
    yield
    assert psutil.Process().children(recursive=True) == before


@pytest.mark.usefixtures("nothing_started")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("with blank", r"TMPDIR is '.*/with blank'; allowed is one of letters, digits and \./\+@:,=~_- only, as "),
        ("with;semicolon", r"TMPDIR is '.*'; allowed is one of letters"),
        ("l" * 95, r"TMPDIR is '.*', \d+ characters; allowed is at most 60, for the sockets below it\.$"),
    ],
)
def test_a_temporary_folder_that_no_socket_or_configuration_can_name_is_refused(
    name: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / name))
    with pytest.raises(HostError, match=said):
        Stage()
    with pytest.raises(HostError, match=said):
        check_config("haproxy", "global\n")
    assert not list((folder / name).iterdir())


@pytest.mark.usefixtures("nothing_started")
def test_a_temporary_folder_without_room_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 4096, 4096))
    with pytest.raises(HostError, match=r"where 4,096 bytes are free; a run needs at least 16,777,216 bytes\.$"):
        Stage()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 0))  # some systems do not say
    assert room.temporary() == str(folder)


def test_the_longest_folder_that_is_allowed_has_room_for_the_longest_socket(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = str(folder / "päth+1").ljust(room.LONGEST, "l")
    os.mkdir(parent)
    monkeypatch.setattr(tempfile, "tempdir", parent)
    with Stage() as stage, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        path = str(stage.folder / "haproxy.log.sock")
        log.bind(path)
        assert len(os.fsencode(path)) <= 97


def test_a_system_without_a_temporary_folder_gets_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/x']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(HostError, match=r"^TMPDIR: there is no folder for temporary files that can be written"):
        Stage()
