"""The commands `./lab test` and `./lab mutants`; registered in `stormlab.app`."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from stormlab.steps import err

ROOT = Path(__file__).parents[2]
MOST_WORKERS = 4
LAST = 15
"""Niceness of who takes little but what others leave: 36 parts of 1,060, so that a core of theirs starves nobody. It
counts within a session only where the kernel gives each session the same share (autogroup, see sched(7)), so what
computes stays in the session of the live tests. In another one it would have next to nothing of what is left, because
`live.machine.awake` keeps the cores busy for this one."""


def test(context: typer.Context) -> None:
    """Run lint, types, architecture rules and the whole test suite; arguments go to pytest, which then runs alone."""
    from live.control.process import Stage

    python, bin_ = sys.executable, Path(sys.executable).parent
    tests = [python, "-m", "pytest", *context.args]
    if context.args:
        raise typer.Exit(int(run(tests) != 0))
    with Stage() as stage:
        compilers = [stage.start(name, [python, "-m", "sim.compiled", name]) for name in ("connections", "broadcast")]
        ruff = str(bin_ / "ruff")
        for step in ([ruff, "check", "."], [ruff, "format", "--check", "."], [bin_ / "mypy"], [bin_ / "lint-imports"]):
            if run([str(word) for word in step]):
                raise typer.Exit(1)
        for compiler in compilers:
            compiler.wait()
        cores = min(MOST_WORKERS, os.cpu_count() or 1)
        side_by_side = [*tests, "--dist=loadscope", "-n"]
        said = stage.folder / "computations"
        more = str(min(MOST_WORKERS, cores + 1))  # who is patient mostly waits
        words = [*side_by_side, more, "-m", "not live or patient"]
        computations = stage.start("computations", behind(words, said))
        # the machine is theirs as if nothing else ran: what computes, and live tests that judge no time, take the time
        # that these wait
        failed = run([*side_by_side, str(cores), "-m", "live and not patient"])
        err.print(f"$ {shlex.join(['python', *words[1:]])}", highlight=False)
        computations.wait()
        failed |= int(computations.status or 0)
        sys.stdout.write(said.read_text())
    if failed:
        raise typer.Exit(1)


def mutants(context: typer.Context) -> None:
    """Change the code at random, one small change at a time, in a copy of the checkout, and see whether tests notice.

    --sample 60 --seed N draws the changes; --help shows all options.
    """
    raise typer.Exit(run([sys.executable, "-m", "tests.mutants", *context.args]))


def behind(words: Sequence[str], said: Path) -> list[str]:
    """Return the command that does another one, with what that starts, behind all others, and writes what it says to
    the file `said`.
    """
    last = shlex.join(["nice", "-n", str(LAST), *words])
    return ["sh", "-c", f"cd {shlex.quote(str(ROOT))} && exec {last} >{shlex.quote(str(said))} 2>&1"]


def run(words: Sequence[str]) -> int:
    """Show a command, run it in the lab's own folder, whose modules it may import, and return its exit status."""
    err.print(f"$ {shlex.join([os.path.basename(words[0]), *words[1:]])}", highlight=False)
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    return subprocess.run(words, cwd=ROOT, env=surroundings, check=False).returncode
