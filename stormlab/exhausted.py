"""What the system has no more of: memory, processes, open files. One sentence says which, and how to give more."""

import resource
from concurrent.futures.process import BrokenProcessPool
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

GIVEN = {
    "memory": ("RLIMIT_AS", "v"),
    "open files": ("RLIMIT_NOFILE", "n"),
    "processes or threads": ("RLIMIT_NPROC", "u"),
}
"""What there may be too little of, the kernel's limit of it, and the letter by which `ulimit` knows that."""


LEAST_MEMORY = 1_500_000_000
"""Bytes of address space. With 0.1 and 0.25 GB OpenBLAS ended the process by itself, which cannot be caught, with 1.2 GB
LLVM did when the kernels were not compiled yet; with 1.5 GB a prediction came."""


def too_small() -> str:
    """Return one sentence if this process may have less address space than the lab's libraries end by; else ""."""
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY or most >= LEAST_MEMORY:
        return ""
    return f"The lab may have {most:,} bytes of memory and needs {LEAST_MEMORY:,} at least; raise `ulimit -v`."


def missing(error: BaseException) -> str:
    """Return what there was too little of, one of `GIVEN`, when this error came; an empty text if that is not why."""
    number, text = getattr(error, "errno", None), str(error)
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    if isinstance(error, MemoryError) or number == ENOMEM or "annot allocate memory" in text:
        return "memory"
    if number in (EMFILE, ENFILE):
        return "open files"
    if number == EAGAIN or (isinstance(error, RuntimeError) and "can't start new thread" in text):
        return "memory" if limited else "processes or threads"
    # a library that cannot be mapped, or whoever loads it; a worker that ended so
    return "memory" if limited and isinstance(error, ImportError | OSError | BrokenProcessPool) else ""


def sentence(error: BaseException) -> str:
    """Return one sentence about an error if the system has no more of something; an empty text if that is not why."""
    what = missing(error)
    if not what:
        return ""
    name, letter = GIVEN[what]
    most = resource.getrlimit(getattr(resource, name))[0]
    bound = "" if most == resource.RLIM_INFINITY else f" (the limit is {most:,}; see `ulimit -{letter}`)"
    return (
        f"This machine gives the lab too little {what}{bound}; nothing goes on."
        if what == "memory"
        else (f"This machine gives the lab too few {what}{bound}; nothing goes on.")
    )
