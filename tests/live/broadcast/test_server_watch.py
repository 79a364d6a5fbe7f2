"""The user's own server is asked all through a run, and its silence is told."""

import signal
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from live.broadcast import server_watch
from live.broadcast.bus import Bus
from live.broadcast.server_watch import ServerWatch
from live.control.process import Stage
from live.machine import placement

pytestmark = pytest.mark.live


@pytest.fixture
def own(stage: Stage) -> tuple[Bus, Bus]:
    """A server, as who started it sees it and as a user's own."""
    server = Bus(stage, placement.free_ports(1)[0], [])
    server.wait_ready(10)
    return server, Bus(stage, 0, [], server.address)


def test_a_server_that_was_stopped_for_a_while_was_silent(own: tuple[Bus, Bus]) -> None:
    server, bus = own
    watch = ServerWatch(bus)
    watch.begin()
    assert server.part is not None
    server.part.signal(signal.SIGSTOP)
    time.sleep(0.6)
    assert watch.trouble().startswith(f"the server at {bus.url} was silent for 0.")  # it still is
    server.part.signal(signal.SIGCONT)
    time.sleep(0.2)
    watch.close()
    assert 0.3 < watch.silent < 1.1
    assert watch.trouble()


def test_a_server_that_answers_or_pauses_shortly_is_no_trouble(
    own: tuple[Bus, Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, bus = own
    monkeypatch.setattr(server_watch, "SILENT", 5.0)
    watch = ServerWatch(bus)
    watch.begin()
    assert server.part is not None
    server.part.signal(signal.SIGSTOP)
    time.sleep(0.3)
    server.part.signal(signal.SIGCONT)
    time.sleep(0.2)
    watch.close()
    assert watch.silent > 0.1
    assert watch.trouble() == ""


def test_the_embedded_server_is_not_asked(own: tuple[Bus, Bus], until: Callable[..., None]) -> None:
    server, _ = own
    watch = ServerWatch(server)
    watch.begin()
    time.sleep(0.2)
    watch.close()
    assert (watch.silent, watch.trouble()) == (0.0, "")


def test_a_server_that_was_started_anew() -> None:
    class Client:
        def info(self) -> dict[str, str]:
            return {"run_id": ids.pop(0), "evicted_keys": "0"}

        def ping(self) -> None:
            pass

        def close(self) -> None:
            pass

    ids = ["a", "b"]
    bus = SimpleNamespace(part=None, url="redis://127.0.0.1:1", client=Client)
    watch = ServerWatch(bus)  # type: ignore[arg-type]
    watch.begin()
    assert watch.changes() == ["the server at redis://127.0.0.1:1 was started anew, or evicted keys"]
    watch.close()


def test_a_silence_makes_a_run_void_and_the_thread_that_asks_ends(own: tuple[Bus, Bus]) -> None:
    server, bus = own
    watch = ServerWatch(bus)
    watch.begin()
    assert watch.changes() == []
    assert server.part is not None
    server.part.signal(signal.SIGSTOP)
    time.sleep(0.5)
    server.part.signal(signal.SIGCONT)
    assert watch.changes()[0].startswith(f"the server at {bus.url} was silent for 0.")
    watch.close()
    assert not any("_watch" in thread.name for thread in threading.enumerate())
