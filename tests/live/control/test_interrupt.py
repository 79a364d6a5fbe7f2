import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from live.control import interrupt
from twin.scenario.scenario import Scenario

ROOT = Path(__file__).parents[3]


def press(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait(5)


def lose_an_interrupt() -> None:
    """Let Ctrl-C come inside a finalizer, where Python drops the exception."""

    class Finalized:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):  # the handler runs between two bytecodes
                pass

    Finalized()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_is_raised_at_the_next_check() -> None:
    with interrupt.remembered():
        lose_an_interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()


def test_an_interrupt_is_raised_at_once_where_it_can_be() -> None:
    with pytest.raises(KeyboardInterrupt), interrupt.remembered():
        press()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill_and_the_end_of_a_session_are_heard_as_an_interrupt(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), interrupt.remembered():
        press(number)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_the_end_of_a_session_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt.remembered():
            os.kill(os.getpid(), signal.SIGHUP)
            interrupt.check()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nothing_is_remembered_after_the_block() -> None:
    with pytest.raises(KeyboardInterrupt), interrupt.remembered():
        press()
    interrupt.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_own_is_left_alone() -> None:
    def own(number: int, frame: object) -> None:
        pass

    before = signal.signal(signal.SIGINT, own)
    try:
        with interrupt.remembered():
            assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_run_a_cluster_without_a_handler() -> None:
    failed: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with interrupt.remembered():
                interrupt.check()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not failed


@pytest.mark.timeout(120)
def test_ctrl_c_ends_a_measurement_with_one_sentence_and_leaves_no_process(
    small: Callable[..., Scenario], until: Callable[..., None], folder: Path
) -> None:
    (folder / "small.toml").write_text(small(duration=100.0, host={"profile": "reference"}).to_toml())
    words = [sys.executable, "-m", "stormlab", "measure", str(folder / "small.toml"), "--runs", "2"]
    lab = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    parts: list[psutil.Process] = []
    try:
        until(lambda: lab.poll() is not None or any(map(is_client, children(lab.pid))), 60)
        parts = children(lab.pid)
        lab.send_signal(signal.SIGINT)
        out, said = lab.communicate(timeout=60)
    finally:
        lab.kill()
    assert (lab.returncode, out) == (130, ""), said
    assert said.splitlines()[-1] == "Interrupted; everything that was started has been stopped."
    assert "Traceback" not in said
    assert parts
    until(lambda: not any(part.is_running() and part.status() != psutil.STATUS_ZOMBIE for part in parts))


def is_client(part: psutil.Process) -> bool:
    """Tell whether a process is one of clients; one that has ended meanwhile is not."""
    try:
        return "live.client.client" in part.cmdline()
    except psutil.NoSuchProcess:
        return False


def children(number: int) -> list[psutil.Process]:
    try:
        return psutil.Process(number).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.mark.timeout(60)
def test_ctrl_c_while_the_lab_is_loaded_ends_it_with_one_sentence(folder: Path) -> None:
    (folder / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", "stormlab", "schema"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted; nothing was started.\n")
