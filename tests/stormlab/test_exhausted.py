"""A machine that gives too little of something gets one sentence, and a result where there can be one."""

import errno
import resource
import subprocess
import sys

import pytest

from stormlab import exhausted
from stormlab.exhausted import LEAST_MEMORY, missing, sentence
from tests.commands import FAILOVER, REFERENCE, ROOT, without_the_profiles_warning

PREDICT = ["predict", FAILOVER, *REFERENCE, "--replications", "2", "--set", "clients.count=5"]


def limited(limit, most, words):
    return subprocess.run(
        [sys.executable, "-m", "stormlab", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        preexec_fn=lambda: resource.setrlimit(limit, (most, most)),
    )


@pytest.mark.parametrize("most", [10**8, LEAST_MEMORY - 1])
def test_too_little_memory_gets_one_sentence(most):
    done = limited(resource.RLIMIT_AS, most, PREDICT)
    said = f"The lab may have {most:,} bytes of memory and needs {LEAST_MEMORY:,} at least; raise `ulimit -v`.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_the_least_memory_is_enough_for_a_prediction():
    done = limited(resource.RLIMIT_AS, LEAST_MEMORY, PREDICT)
    assert (done.returncode, without_the_profiles_warning(done.stderr)) == (0, "")


def test_few_open_files_are_enough_for_a_prediction():
    done = limited(resource.RLIMIT_NOFILE, 24, PREDICT)
    assert (done.returncode, without_the_profiles_warning(done.stderr)) == (0, "")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, "x"), "memory"),
        (ImportError("x.so: failed to map segment: Cannot allocate memory"), "memory"),
        (OSError(errno.EMFILE, "x"), "open files"),
        (OSError(errno.ENFILE, "x"), "open files"),
        (BlockingIOError(errno.EAGAIN, "x"), "processes or threads"),
        (RuntimeError("can't start new thread"), "processes or threads"),
        (OSError(errno.ENOENT, "x"), ""),
        (ImportError("no module x"), ""),
        (RuntimeError("x"), ""),
    ],
)
def test_an_error_says_what_there_was_too_little_of(error, what, monkeypatch):
    monkeypatch.setattr(exhausted.resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert missing(error) == what
    assert (what in sentence(error)) if what else sentence(error) == ""
