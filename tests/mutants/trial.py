"""Try one mutant: put it into a copy of the checkout, and run the tests that count until one fails."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from numba.core.caching import _CacheLocator

from live.control.process import ChildProcess, Stage
from tests.mutants.areas import area_of, mirrored
from tests.mutants.changes import Mutant

LONGEST_TEST = {"sim": 240.0, "sim/compiled": 240.0}
"""Seconds of CPU time for one test before it counts as caught: these compile kernels first, for most of a minute."""
LONGEST_ELSE = 60.0
WAITS = 4.0
"""How many times as long it may take by the clock: it may wait, and others may have the cores."""
KERNEL = "sim/compiled/kernel.py"
NAMES_OF_KERNELS = (
    "sim/compiled/toolchain/meaning.py",
    "sim/compiled/toolchain/jit.py",
    "sim/compiled/toolchain/parts.py",
)
"""What decides under which name compiled code is kept, and how it is compiled. A mutant of these starts without."""


@dataclass(frozen=True)
class Verdict:
    """What came of a mutant.

    Attributes:
        caught: whether a test failed, or was stopped because it took too long.
        by: that test.
        own: whether it is of the first group that counts, as a rule the test of the same name.
        seconds: how long it took.
    """

    caught: bool
    by: str = ""
    own: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Copy:
    """A copy of the checkout in which one mutant at a time is tried.

    Attributes:
        root: of the copy.
        source: the checkout.
        number: of the copy; live tests of two copies take different cores.
        stage: what is started is started there.
    """

    root: Path
    source: Path
    number: int
    stage: Stage

    def prepare(self) -> None:
        """Compile the kernels as they are, so that only mutants of theirs are compiled again.

        What the checkout has compiled serves here, too: numba names the folder after the path of the module.
        """
        names = [_CacheLocator.get_suitable_cache_subpath(str(one / KERNEL)) for one in (self.source, self.root)]
        for old in (self.source / ".lab" / "compiled").glob(f"*/{names[0]}"):
            shutil.copytree(old, self.root / ".lab" / "compiled" / old.parent.name / names[1])
        self._run([sys.executable, "-m", "sim.compiled"], LONGEST_TEST["sim"])
        shutil.copytree(self.root / ".lab", self.root.with_suffix(".kept"))

    def try_(self, mutant: Mutant, unsound: Sequence[str] = ()) -> Verdict:
        """Say whether the tests that count notice a mutant; a live one that fails only once says nothing.

        Args:
            mutant: what to change.
            unsound: tests that fail without it, too, and are left out.
        """
        began, area = time.monotonic(), area_of(mutant.path)
        groups = mirrored(self.root, mutant.path)
        tests = [test for group in groups for test in group]
        plain = (self.root / mutant.path).read_text(encoding="utf-8")
        left_out = list(unsound)
        try:
            self.write(mutant.path, mutant.apply(plain))
            while found := self.failing(tests, LONGEST_TEST.get(area, LONGEST_ELSE), left_out):
                if area != "live" or self.failing(found, LONGEST_ELSE):
                    return Verdict(True, found[0], found[0].split("::")[0] in groups[0], time.monotonic() - began)
                left_out += found
            return Verdict(False, seconds=time.monotonic() - began)
        finally:
            self.write(mutant.path, plain)

    def write(self, path: str, text: str) -> None:
        """Write a module and forget what was compiled of the one before.

        Python knows what it compiled by date and size, which could be the same. Of the kernels only those of the files
        as they are stay; when the module decides how a kernel is named or compiled, not even these.
        """
        module = self.root / path
        module.write_text(text, encoding="utf-8")
        for old in module.parent.glob(f"__pycache__/{module.stem}.*.pyc"):
            old.unlink()
        kept, lab = self.root.with_suffix(".kept"), self.root / ".lab"
        shutil.rmtree(lab, ignore_errors=True)
        if kept.exists() and path not in NAMES_OF_KERNELS:
            shutil.copytree(kept, lab)

    def failing(
        self, tests: Sequence[str], limit: float, without: Sequence[str] = (), first_only: bool = True
    ) -> list[str]:
        """Run tests, in their order, until one fails, or all of them, and return those that did.

        One that takes more than `limit` seconds of CPU time, or `WAITS` times as long by the clock, has failed.
        """
        notes = self.root.with_suffix(".notes")
        notes.write_text("")
        words = [sys.executable, "-m", "pytest", "-n0", "-p", "tests.mutants.noted", "-p", "no:cacheprovider"]
        words += ["-x"] * first_only + [f"--basetemp={self.root.with_suffix('.tmp')}"]
        words += [word for one in without for word in ("--deselect", one)]
        status = self._run([*words, *tests], limit)
        if status in (0, 5):  # 5: all that is there is left out
            return []
        lines = notes.read_text(encoding="utf-8").splitlines()
        failed = [line.removeprefix("failed ") for line in lines if line.startswith("failed ")]
        started = [line.removeprefix("began ") for line in lines if line.startswith("began ")]
        return list(dict.fromkeys(failed)) or started[-1:] or [tests[0]]

    def _run(self, words: Sequence[str], limit: float) -> int:
        """Run a command in the copy, end all that it leaves running, and return its exit status; -1: it took too long.

        It, and what it starts, finds the modules of the copy wherever it runs.
        """
        notes, said = self.root.with_suffix(".notes"), self.root.with_suffix(".said")
        settings = {"PYTHONPATH": self.root, "PYTEST_XDIST_WORKER": f"gw{self.number}", "MUTANT_NOTES": notes}
        script = 'cd "$1" && said="$2" && shift 2 && exec "$@" >"$said" 2>&1 </dev/null'
        named = [f"{name}={value}" for name, value in settings.items()]
        part = self.stage.start(
            f"copy {self.number}", ["sh", "-c", script, "sh", str(self.root), str(said), "env", *named, *words]
        )
        try:
            return wait(part, limit, notes)
        finally:
            self.stage.end(part)
            end_below(self.root)


def wait(part: ChildProcess, limit: float, notes: Path) -> int:
    """Return the exit status of a process, or -1 when it has noted nothing new for too long; see `Copy.failing`.

    It is interrupted, and killed if that does not help: compiled code hears of nothing.
    """
    noted, began, used = -1, 0.0, 0
    while not part.wait(0.2):
        size = notes.stat().st_size if notes.exists() else 0
        with suppress(FileNotFoundError, ProcessLookupError, psutil.Error):
            if size != noted:
                noted, began, used = size, time.monotonic(), part.cpu_ns()
            elif part.cpu_ns() - used > limit * 1e9 or time.monotonic() - began > limit * WAITS:
                part.signal(signal.SIGINT)
                part.wait(10.0)
                return -1
    return int(part.status or 0)


def end_below(root: Path) -> None:
    """Kill what still runs inside a copy, which a mutant of what ends processes may leave."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(root):
                process.kill()


def copies(source: Path, stage: Stage, count: int) -> list[Copy]:
    """Copy what git knows of a checkout, and what it does not ignore, into the folder of a stage, `count` times."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    made = []
    for number in range(count):
        root = stage.folder / f"copy{number}"
        for name in filter(None, listed.split("\0")):
            if (source / name).is_file():  # one that was deleted is listed, too
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, root / name)
        made.append(Copy(root, source, number, stage))
    return made


def try_all(
    mutants: Sequence[Mutant],
    workers: Sequence[Copy],
    tell: Callable[[int, Verdict], None] = lambda place, verdict: None,
) -> list[Verdict]:
    """Try mutants in as many copies at once as there are, and return a verdict for each.

    A copy takes the next mutant when it is done with one, those of compiled and of live code first: they take longest.
    At the end the tests that failed run once without a mutant. What only one caught that fails then, too, is tried
    again without it.

    Args:
        mutants: what to try.
        workers: the copies.
        tell: gets the place of a mutant and its verdict.
    """
    slow = ("sim/compiled", "live")
    todo = sorted(range(len(mutants)), key=lambda i: not mutants[i].path.startswith(slow))
    if not all(mutant.path.startswith("twin/rules/") for mutant in mutants):  # the tests of rules need no kernel
        side_by_side(workers, Copy.prepare)
    found: dict[int, Verdict] = {}
    unsound: list[str] = []
    lock = threading.Lock()

    def work(copy: Copy) -> None:
        while True:
            with lock:
                if not todo:
                    return
                i = todo.pop(0)
            verdict = copy.try_(mutants[i], unsound)
            with lock:
                found[i] = verdict
                tell(i, verdict)

    while todo:
        side_by_side(workers, work)
        by = sorted({verdict.by for verdict in found.values() if verdict.caught} - set(unsound))
        new = workers[0].failing(by, LONGEST_TEST["sim"], first_only=False) if by else []
        unsound += new
        todo = [i for i, verdict in found.items() if verdict.by in new]
    return [found[i] for i in range(len(mutants))]


def side_by_side(workers: Sequence[Copy], work: Callable[[Copy], None]) -> None:
    """Do something in all copies at once.

    Raises:
        BaseException: what was raised in one of them; Ctrl-C comes here.
    """
    errors: list[BaseException] = []

    def guarded(copy: Copy) -> None:
        try:
            work(copy)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(copy,), daemon=True) for copy in workers]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.2)  # not for long, so that Ctrl-C is noticed
        if errors:
            raise errors[0]
