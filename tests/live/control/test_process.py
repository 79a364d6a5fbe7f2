"""The lab's processes: their messages, their failures, and that no end of a run leaves one behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from live.control.messages import ControlMessage, Done, Finish, Nothing
from live.control.process import Stage, ends_with_parent
from twin.errors import ClusterError
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"

LAB = """
import sys
from live.runs import run
from twin.scenario.scenario import Scenario

told = False

def progress(t, what):
    global told
    if not told:
        told = True
        print("running", flush=True)
    if sys.argv[2] == "exception":
        raise RuntimeError("a mistake inside the run")

run(Scenario.load(sys.argv[1]), progress=progress)
print("ended", flush=True)
"""


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def carrying(mark: str) -> list[psutil.Process]:
    """Return the processes that inherited the environment variable with the value `mark`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STORMLAB_TEST") == mark and alive(process):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture
def lab(folder: Path, small: Callable[..., Scenario], until: Callable[..., None]) -> Iterator[Callable[..., object]]:
    """Starts a lab that runs a cluster in a process of its own; `.parts()` names what it started so far."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, end: str, duration: float) -> SimpleNamespace:
        path = folder / "scenario.toml"
        path.write_text(small(duration=duration, balancer={"kind": kind}).to_toml())
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, "-c", LAB, str(path), end],
            env={**os.environ, "STORMLAB_TEST": mark, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        root = psutil.Process(process.pid)

        def gone(parts: list[psutil.Process]) -> None:
            until(lambda: not any(alive(part) for part in parts), 10, f"still there of {parts}")
            until(lambda: not carrying(mark), 10, f"still there: {carrying(mark)}")
            until(lambda: not list(folder.glob("stormlab-*")), 10, "the folder of the run is still there")

        return SimpleNamespace(process=process, parts=lambda: root.children(recursive=True), gone=gone)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def kinds_of(parts: list[psutil.Process]) -> set[str]:
    lines = [" ".join(part.cmdline()) for part in parts]
    known = [
        "live.node.node",
        "live.client.client",
        "live.machine.canary",
        "live.control.guard",
        "haproxy",
        "nginx: master",
        "nginx: worker",
        "valkey",
    ]
    return {name for name in known if any(name in line for line in lines)}


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("haproxy", "success"),
        ("haproxy", "exception"),
        ("haproxy", "SIGINT"),
        ("haproxy", "SIGTERM"),
        ("haproxy", "SIGKILL"),
        ("nginx", "success"),
        ("nginx", "SIGKILL"),
    ],
)
def test_nothing_survives_the_end_of_a_run(
    kind: str,
    end: str,
    lab: Callable[..., SimpleNamespace],
    folder: Path,
    until: Callable[..., None],
    balancer_installed: Callable[[str], None],
) -> None:
    balancer_installed(kind)
    one = lab(kind, end, duration=0.5 if end == "success" else 60.0)
    parts: list[psutil.Process] = []
    balancer = {"haproxy"} if kind == "haproxy" else {"nginx: master", "nginx: worker"}
    if end == "exception":
        until(lambda: parts.extend(one.parts()) or one.process.poll() is not None, 60)
    else:
        assert one.process.stdout.readline() == "running\n", one.process.stderr.read()
        parts = one.parts()
        assert (
            kinds_of(parts)
            == {"live.node.node", "live.client.client", "live.machine.canary", "live.control.guard", "valkey"}
            | balancer
        )
        assert len(list(folder.glob("stormlab-*"))) == 1
    if end.startswith("SIG"):
        one.process.send_signal(signal.Signals[end])
    out, err = one.process.communicate(timeout=30)
    if end == "success":
        assert (one.process.returncode, out) == (0, "ended\n"), err
    else:
        assert one.process.returncode != 0
        assert "ended" not in out
    if end == "exception":
        assert "a mistake inside the run" in err
    assert parts
    one.gone(parts)


@pytest.mark.parametrize("end", ["SIGINT", "SIGKILL"])
def test_nothing_survives_an_end_during_the_start_of_the_cluster(
    end: str, lab: Callable[..., SimpleNamespace], until: Callable[..., None]
) -> None:
    one = lab("haproxy", end, duration=60.0)
    until(lambda: len(one.parts()) >= 3, 30)
    parts = one.parts()
    one.process.send_signal(signal.Signals[end])
    out, _ = one.process.communicate(timeout=30)
    assert "running" not in out
    one.gone(parts)


def test_closing_a_stage_ends_a_stopped_process_and_the_children_of_a_process(until: Callable[..., None]) -> None:
    with Stage() as stage:
        part = stage.start("parent", ["sh", "-c", "sleep 600 & sleep 600"])
        until(lambda: len(psutil.Process(part.pid).children()) == 2)
        family = [psutil.Process(part.pid), *psutil.Process(part.pid).children()]
        part.signal(signal.SIGSTOP)
        folder = stage.folder
        assert folder.is_dir()
    until(lambda: not any(alive(one) for one in family))
    assert not folder.exists()


def test_the_guard_kills_the_groups_it_watches_but_not_those_it_was_told_to_forget(
    folder: Path, until: Callable[..., None]
) -> None:
    watched, forgotten = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
    run = folder / "run"
    run.mkdir()
    (run / "log").write_text("x")
    guard = subprocess.Popen([sys.executable, "-m", "live.control.guard", str(run)], stdin=subprocess.PIPE, text=True)
    try:
        assert guard.stdin is not None
        guard.stdin.write(f"watch {watched.pid}\nwatch {forgotten.pid}\nforget {forgotten.pid}\n")
        guard.stdin.flush()
        time.sleep(0.2)
        assert watched.poll() is None
        assert run.exists()
        guard.stdin.close()
        assert guard.wait(10) == 0
        assert watched.wait(10) == -signal.SIGKILL
        assert forgotten.poll() is None
        assert not run.exists()
    finally:
        for one in (watched, forgotten, guard):
            one.kill()
            one.wait()


def test_a_part_answers_messages_in_order(stage: Stage) -> None:
    part = stage.start("echo", [sys.executable, "-c", ECHO])
    part.tell(Finish("ü"))
    part.tell(Done(2))
    assert [part.hear(Finish), part.hear(Done)] == [Finish("ü"), Done(2)]


def test_what_a_part_says_that_is_no_message_or_another_one_is_an_error(stage: Stage) -> None:
    part = stage.start("echo", [sys.executable, "-c", ECHO])
    part.tell(Finish("x"))
    with pytest.raises(ClusterError, match=r"^echo has said what .* 'Finish' is unknown; allowed is Done\)"):
        part.hear(Done)
    part.give({"type": "Done"})
    with pytest.raises(ClusterError, match=r"^echo has said what the lab does not understand \(Done lacks events\)"):
        part.hear(Done)
    part.give("hello")
    with pytest.raises(ClusterError, match="is no message"):
        part.hear(ControlMessage)


def test_a_silent_part_is_an_error_that_names_it_and_the_time(stage: Stage) -> None:
    part = stage.start("sleeper", ["sleep", "600"])
    with pytest.raises(ClusterError, match=r"^sleeper gave no answer within 0\.1 s: it logged nothing$"):
        part.hear(ControlMessage, 0.1)


def test_a_part_that_could_log_nothing_as_the_disk_is_full_is_an_error_that_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = stage.start("mute", ["sh", "-c", "exit 1"])
    told = stage.start("told", ["sh", "-c", "echo no room >&2; exit 1"])
    assert mute.wait(10)
    assert told.wait(10)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
    words = f"mute ended with exit status 1: it could log nothing, as the disk of {stage.folder} is full"
    assert str(mute.failure("x")) == words
    assert str(told.failure("x")) == "told ended with exit status 1: no room"


def test_a_part_that_ended_is_an_error_with_its_last_line_of_log(stage: Stage) -> None:
    part = stage.start("fool", ["sh", "-c", "echo first >&2; echo no such bean >&2; exit 3"])
    with pytest.raises(ClusterError, match=r"^fool ended with exit status 3: no such bean$"):
        part.hear(ControlMessage)
    assert part.wait(10)
    assert not part.running
    with pytest.raises(ClusterError, match=r"^fool ended with exit status 3: no such bean$"):
        part.tell(Nothing())


def test_the_number_of_a_part_that_ended_stays_its_own_until_the_stage_ends_it(
    stage: Stage, until: Callable[..., None]
) -> None:
    part = stage.start("parent", ["sh", "-c", "sleep 600 & echo $!; exit 3"])
    assert part.process.stdout is not None
    child = psutil.Process(int(part.process.stdout.readline()))
    assert part.wait(10)
    assert (part.running, part.status) == (False, 3)
    assert psutil.Process(part.pid).status() == psutil.STATUS_ZOMBIE
    stage.end(part)
    assert not psutil.pid_exists(part.pid)
    until(lambda: not alive(child))
    assert (part.running, part.status) == (False, 3)


def test_a_part_that_was_killed_has_the_signal_as_status(stage: Stage) -> None:
    part = stage.start("sleeper", ["sleep", "600"])
    assert part.status is None
    part.signal(signal.SIGTERM)
    assert part.wait(10)
    assert part.status == -signal.SIGTERM


@pytest.mark.parametrize("end", ["end", "reap"])
def test_a_process_that_was_reaped_is_never_signalled_again_nor_is_its_group(
    end: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    part = stage.start("short", ["sh", "-c", "exit 0"])
    assert part.wait(10)
    tell = stage._tell_guard

    def told(word: str, group: int) -> None:
        assert psutil.pid_exists(part.pid), "the guard knows a number that may be another's"
        done.append(word)
        tell(word, group)

    monkeypatch.setattr(stage, "_tell_guard", told)
    getattr(stage, end)(part)
    assert done == ["forget"]
    assert not psutil.pid_exists(part.pid)
    monkeypatch.setattr(os, "kill", lambda *words: done.append("kill"))
    monkeypatch.setattr(os, "killpg", lambda *words: done.append("killpg"))
    part.signal(signal.SIGCONT)
    stage.end(part)
    assert done == ["forget"]


def test_each_part_leads_its_own_process_group(stage: Stage) -> None:
    parts = [stage.start("sleeper", ["sleep", "600"], tag=str(i)) for i in range(2)]
    assert [os.getpgid(part.pid) for part in parts] == [part.pid for part in parts]
    assert not parts[0].wait(0.05)
    stage.end(parts[0])
    assert not parts[0].running
    assert parts[1].running


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes cannot be pinned here")
def test_a_part_runs_only_on_the_cpus_it_is_given(stage: Stage) -> None:
    cpu = max(os.sched_getaffinity(0))
    assert os.sched_getaffinity(stage.start("sleeper", ["sleep", "600"], [cpu]).pid) == {cpu}


@pytest.mark.skipif(not ends_with_parent(), reason="setpriv is not there")
def test_a_part_ends_with_the_lab_even_if_the_guard_is_gone(until: Callable[..., None]) -> None:
    script = (
        "import time; from live.control.process import Stage; stage = Stage();"
        "part = stage.start('one', ['sleep', '600'])\n"
        "print(part.pid, stage.guard.pid, stage.folder, flush=True); time.sleep(600)"
    )
    lab = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert lab.stdout is not None
        part, guard, folder = lab.stdout.readline().split()
        os.kill(int(guard), signal.SIGKILL)
        until(lambda: psutil.Process(int(part)).name() == "sleep")  # setpriv has asked the kernel and become it
    finally:
        lab.kill()
        lab.communicate()
    until(lambda: not psutil.pid_exists(int(part)) or not alive(psutil.Process(int(part))))
    shutil.rmtree(folder)
