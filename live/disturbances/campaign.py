"""Live runs that something outside their schedule disturbs, each judged by what is seen of it from outside.

Each run is the lab's own command line in a process of its own, `measure --save` of a small scenario; this process does
to it what was drawn (`live.disturbances.disturbance`) and looks at what comes of it: exit status, message, records, and
whatever is left. `live.disturbances.verdicts` judges. One run is over before the next begins: they would disturb each
other.
"""

import contextlib
import json
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from live.broadcast.bus import Bus
from live.broadcast.leftovers import LEASE, clean
from live.control import interrupt
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.disturbances.disturbance import OWN, Disturbance, draw, scenario_of
from live.disturbances.injector import RUN_DISK, SMALL_DISK, Hit, Injector, has_disks, inside, on_a_disk
from live.disturbances.verdicts import ObservedRun, Start, Verdict, disturbed_start, judge
from live.machine import placement
from twin.errors import ClusterError, HostError, ScenarioError
from twin.files.writing import clear
from twin.record.record import Record
from twin.scenario.scenario import Scenario

MOST_RUNS = 10_000
ENDS_WITHIN = 90.0
"""Seconds that a run may take with all its starts; one that takes longer hangs."""
GONE_WITHIN = 5.0
"""Seconds after the end of the lab within which nothing of it is left."""
MARK = "STORMLAB_DISTURBED"
"""Environment variable that all processes of a run inherit."""
TICK = 0.005
"""Seconds between two looks of `Witness` at the clock."""


class Witness:
    """Sees from outside whether the machine had time: how late a timer is, and how much CPU others take."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.late: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = self._of_others()
        self._since = time.monotonic()
        self._thread.start()

    def _watch(self) -> None:
        due = time.monotonic() + TICK
        while not self._over.wait(max(0.0, due - time.monotonic())):
            now = time.monotonic()
            if now - due > TICK:
                self.late.append((now, now - due))
            due = now + TICK

    def _of_others(self) -> dict[int, float]:
        """Return the CPU time of each process that is not of the run, and what the hypervisor took as that of 0."""
        found = {0: float(getattr(psutil.cpu_times(), "steal", 0.0))}
        mine = {one.pid for one in marked(self.mark)} | {os.getpid()}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid not in mine:
                    found[process.pid] = sum(process.cpu_times()[:2])
        return found

    def close(self) -> None:
        """Watch no more."""
        self._over.set()
        self._thread.join()

    def found(self) -> tuple[float, float]:
        """Return by how many seconds the timer was late at most, and how many cores others took on average."""
        elapsed, now = time.monotonic() - self._since, self._of_others()
        taken = sum(cpu - self._before[pid] for pid, cpu in now.items() if pid in self._before)
        taken += sum(cpu for pid, cpu in now.items() if pid not in self._before)
        return max((late for _, late in self.late), default=0.0), max(0.0, taken) / elapsed


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that inherited the mark of a run and have not ended."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if wanted in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process)
    return found


@dataclass
class _Run:
    """One run under way: what it has announced, and what was done to it."""

    lab: ChildProcess
    deadline: float
    starts: list[Start] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)
    over: bool = False

    def hear(self, word: str = "") -> float | None:
        """Return the time that comes with a word, None when the lab has ended before; without a word, hear all."""
        while not self.over:
            try:
                said: dict[str, Any] = json.loads(self.lab.read_line(max(0.0, self.deadline - time.monotonic())))
            except ClusterError:  # it has ended, or hangs
                self.over = True
                return None
            if "cluster" in said:
                self.starts.append(Start(said["cluster"]))
            elif "start" in said and len(said) == 1:
                self.starts[-1] = Start(self.starts[-1].cluster, said["start"])
            elif "runs" in said:
                self.shown = said
            if word in said:
                return float(said[word])
        return None

    def said(self) -> dict[str, Any]:
        """Return what the lab has said of its run, as `live.disturbances.verdicts.ObservedRun` has it."""
        runs = self.shown.get("runs", [])
        disturbed, starved = _reasons(runs[-1]["void"] if runs else "")
        return {
            "said": "\n".join([self.lab.log.read_text(errors="replace"), *self.shown.get("missing", [])]),
            "shown": bool(runs),
            "disturbed": disturbed,
            "starved": starved,
            "void_before": tuple(runs[-1]["void_before"] if runs else ()),
        }


def disturb(one: Disturbance, seed: int, stage: Stage, disks: bool) -> ObservedRun:
    """Do one run, disturb it, and return what was seen.

    Args:
        one: what disturbs it.
        seed: of its scenario.
        stage: where the lab and what the injector needs run.
        disks: whether a run can have a disk of its own.
    """
    folder = stage.folder / str(one.number)
    saved, temporary = folder / "saved", folder / "tmp"
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        for path in (saved, temporary):
            path.mkdir(parents=True)
        scenario, mark = scenario_of(one, seed), uuid4().hex
        undo.callback(_end_all, mark)
        (folder / "scenario.toml").write_text(scenario.to_toml())
        server = undo.enter_context(_own_server(stage)) if one.cluster == OWN else None
        words = ["measure", str(folder / "scenario.toml"), "--runs", "1", "--save", str(saved), "--json"]
        words += _access(server, folder / "password") if server is not None else []
        disk = _disk(one, saved, temporary) if disks else None
        command = [*(on_a_disk(*disk) if disk else []), "env", f"TMPDIR={temporary}", f"{MARK}={mark}"]
        witness = undo.enter_context(contextlib.closing(Witness(mark)))
        lab = stage.start(f"lab {one.number}", [*command, sys.executable, "-P", "-m", "stormlab.announced", *words])
        run = _Run(lab, time.monotonic() + ENDS_WITHIN)
        place = _held(run, saved, undo) if disk and disk[0] == saved else saved
        injector = Injector(lab, stage, server, saved, disk[0] if disk else None, placement.placement(scenario).all)
        hit = _wait_and_do(run, one, injector, scenario.duration, disk is not None)
        run.hear()
        status = lab.status if lab.wait(max(1.0, run.deadline - time.monotonic())) else None
        stage.end(lab)
        late, others = witness.found()
        left = [*_left(mark, temporary), *(_keys_left(server, status) if server is not None else [])]
        records = _records(place, left)
        seen = ObservedRun(one, scenario.duration, _steps(scenario), tuple(run.starts), hit, status, records=records)
        seen = replace(seen, **run.said(), left=tuple(left), late=late, others=others)
    return seen


def _end_all(mark: str) -> None:
    """End what is left of a run."""
    for process in marked(mark):
        with contextlib.suppress(psutil.Error):
            process.kill()


def _reasons(void: str) -> tuple[str, str]:
    """Return what disturbed a run, and how busy its host was, from the text that says why it does not count."""
    disturbed, word, starved = void.partition("it was on a starved host (")
    return disturbed.removesuffix("; "), starved.removesuffix(")") if word else ""


def _steps(scenario: Scenario) -> tuple[float, ...]:
    begun = [fault.at for fault in scenario.faults]
    return (*begun, *(fault.at + fault.duration for fault in scenario.faults if fault.duration is not None))


@contextlib.contextmanager
def _own_server(stage: Stage) -> Iterator[Bus]:
    """Start the user's own server, and end it."""
    server = Bus(stage, placement.free_ports(1)[0], [])
    try:
        server.wait_ready(READY_WITHIN)
        yield server
    finally:
        if server.part is not None:
            stage.end(server.part)


def _access(server: Bus, secret: Path) -> list[str]:
    """Return the words that let the lab in; the password is in a file that only this user can read."""
    secret.touch(0o600)
    secret.write_text(server.address.password)
    where = f"redis://{server.address.host}:{server.address.port}/0"
    return ["--redis-url", where, "--redis-password-file", str(secret)]


def _disk(one: Disturbance, saved: Path, temporary: Path) -> tuple[Path, int] | None:
    if one.action != "fill":
        return None
    return (saved, SMALL_DISK) if one.when == "start-up" else (temporary, RUN_DISK)


def _held(run: _Run, folder: Path, undo: contextlib.ExitStack) -> Path:
    """Return a path of a run's disk that holds beyond the end of the run, for as long as it takes to undo all."""
    if run.hear("cluster") is None:
        return folder
    number = os.open(inside(run.lab.pid, folder), os.O_RDONLY | os.O_DIRECTORY)
    undo.callback(os.close, number)
    return Path(f"/proc/self/fd/{number}")


def _wait_and_do(run: _Run, one: Disturbance, injector: Injector, duration: float, disk: bool) -> Hit | None:
    """Wait until it is time, and do what was drawn; return when it was done."""
    if one.action == "none":
        return None
    if one.action == "fill" and one.when == "start-up":  # the disk has been full from the beginning
        return (run.starts[0].cluster, inf) if disk and run.starts else None
    word = {"start-up": "cluster", "saving": "finish"}.get(one.when, "start")
    since = run.starts[-1].cluster if word == "cluster" and run.starts else run.hear(word)
    if since is None:
        return None
    due = since + one.at + (duration if one.when == "finish" else 0.0)
    time.sleep(max(0.0, due - time.monotonic()))
    return injector.do(one)


def _left(mark: str, temporary: Path) -> list[str]:
    """Return what is still there of a run after a moment."""
    deadline = time.monotonic() + GONE_WITHIN
    while True:
        found = [f"process {process.pid} {' '.join(_words(process))}" for process in marked(mark)]
        found += [f"folder {path.name}" for path in temporary.glob("stormlab-*")]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return ["(gone)"]


def _keys_left(server: Bus, status: int | None) -> list[str]:
    """Return the keys that a run left on the user's own server: one that was killed may leave some for two minutes."""
    if server.part is None or not server.part.running:
        return []
    found = []
    with contextlib.closing(server.client()) as client:
        for key in client.scan_iter("stormlab:*", 1000):
            life = client.pttl(key)
            if status is None or status >= 0 or not 0 < life <= LEASE * 1000:
                found.append(f"key {key.decode()} with {life} ms to live")
        clean(server.address)
        found += [f"key {key.decode()} that clean does not remove" for key in client.scan_iter("stormlab:*", 1000)]
    return found


def _records(saved: Path, left: list[str]) -> tuple[int, int]:
    """Return how many records there are, and how many are no records; the rest of one is left behind if it stays."""
    clear(saved)  # as who saves there next does
    good = bad = 0
    for path in saved.iterdir():
        if path.suffix != ".parquet":
            left.append(f"file {path.name}")
            continue
        try:
            Record.load(path)
            good += 1
        except ScenarioError:
            bad += 1
    return good, bad


def disturbed(
    runs: int, seed: int, first: int = 0, progress: Callable[[float, str], None] | None = None
) -> Iterator[tuple[ObservedRun, Verdict]]:
    """Do the runs `first` to `first + runs - 1` of a seed, disturb them, and yield what was seen and the verdict.

    Args:
        runs: how many.
        seed: of all random numbers.
        first: number of the first run.
        progress: told how far it is, as a share, and what is going on.

    Raises:
        ScenarioError: `runs` is not allowed.
        HostError: this is not Linux.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise ScenarioError(f"runs is {runs}; allowed is 1 to {MOST_RUNS}.")
    if platform.system() != "Linux":
        raise HostError(f"--disturb: this is {platform.system()}; only Linux tells which process is which part.")
    with interrupt.remembered(), Stage() as stage:
        disks = has_disks(stage.folder)
        for number in range(first, first + runs):
            interrupt.check()
            one = draw(seed, number)
            if progress is not None:
                progress((number - first) / runs, f"run {number}: {one.kind}")
            seen = disturb(one, seed, stage, disks)
            yield seen, judge(seen)


def _after_start(seen: ObservedRun, t: float) -> float | None:
    """Return a time in seconds after the start of the run that was disturbed, None if either never came."""
    start = seen.starts[disturbed_start(seen) or 0].start if seen.starts else None
    return None if start is None or t == inf else t - start


def say(seen: ObservedRun, verdict: Verdict) -> dict[str, Any]:
    """Return one run as it appears in JSON; `hit` is when it began and was over, in seconds after the start."""
    return {
        **seen.disturbance.as_dict(),
        "starts": len(seen.starts),
        "hit": None if seen.hit is None else [_after_start(seen, t) for t in seen.hit],
        "status": seen.status,
        "must": verdict.must,
        "outcome": verdict.outcome,
        "verdicts": list(verdict.verdicts),
        "why": list(verdict.why),
        "late": seen.late,
        "others": seen.others,
    }
