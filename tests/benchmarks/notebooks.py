"""How long each lab executes on one core: the column `execution` of notebooks/README.md.

`python -m tests.benchmarks.notebooks` executes all of them, one after the other, and prints a row each; numbers
choose some (`... notebooks 01 05`), and `--write` puts what was measured into the table. A lab runs as it is stored,
with its full settings and recorded runs, from a clean kernel that is pinned to one core. What counts is the CPU time
of that kernel: so long a lab takes on a core that does nothing else, and it hardly depends on what else runs
meanwhile. The time that passed is printed, too; if it is much longer, the core was shared, or a lab waits for
something. The compiled engine is in its cache, as after the first `./lab predict`; on a fresh clone the first lab
takes longer by its compiling.
"""

import argparse
import os
import re
import resource
import time
import warnings

import nbformat
from nbclient import NotebookClient

from sim import predict
from tests.commands import ROOT
from tests.files import files
from twin.scenario.scenario import Scenario

FOLDER = ROOT / "notebooks"
TABLE = FOLDER / "README.md"
LONGEST = 90.0
"""Seconds that a lab may take on one core."""
ROW = r"(?m)^(\| {number} \| \[[^|]*\| [^|]*\| \d+ min \| )[^|]*( \|)"
"""The row of a lab in the table, around its execution."""


def cpu_seconds():
    """Return the CPU time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def executed(path):
    """Execute a notebook; return its CPU time and the time that passed, in seconds, its kernel's start included."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    began, used = time.monotonic(), cpu_seconds()
    client.execute()
    return cpu_seconds() - used, time.monotonic() - began


def with_time(table, number, seconds):
    """Return a table with the execution of a lab in its row."""
    written, count = re.subn(ROW.format(number=number), rf"\g<1>{seconds:.0f} s\g<2>", table)
    if count != 1:
        raise LookupError(f"the table has {count} rows of lab {number}")
    return written


def main():
    """Execute labs on one core, print what that took, and write it down when that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("numbers", nargs="*", help="two digits each; all labs by default")
    parser.add_argument("--write", action="store_true", help=f"write the times to {TABLE.relative_to(ROOT)}")
    asked = parser.parse_args()
    os.environ.pop("STORMLAB_SHORT", None)
    os.environ.pop("STORMLAB_LIVE", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a machine without a profile: nothing is said of these predictions
        for name in ("failover", "broadcast-stream-no-recovery"):
            predict(Scenario.load(name), 1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # kernels and their workers inherit it
    print("| no. | execution | passed |\n|---|---|---|")  # noqa: T201
    for path in files(FOLDER, "*.ipynb"):
        number = path.name[:2]
        if asked.numbers and number not in asked.numbers:
            continue
        seconds, passed = executed(path)
        long = "" if seconds <= LONGEST else f" (above {LONGEST:.0f} s)"
        print(f"| {number} | {seconds:.0f} s{long} | {passed:.0f} s |", flush=True)  # noqa: T201
        if asked.write:
            TABLE.write_text(with_time(TABLE.read_text(encoding="utf-8"), number, seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
