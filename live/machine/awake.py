"""A process that keeps one core from falling asleep, and gives it up to everybody who wants it.

A virtual core that has nothing to do is given back to the machine's host; when it is wanted again, the host may have
given it to another guest and let it wait for milliseconds, which a busy core never does. As `idle=poll` of the kernel
does without being asked, this process works when nobody else does: SCHED_IDLE yields to any other task at once and
has 3 of 1,027 parts of a core that others want. That is so within its session; where the kernel gives each session the
same share (autogroup), a program of another one shares the core with it as with any of this session. Sources: sched(7);
Linux, Documentation/admin-guide/pm/cpuidle.rst.
Run as `python -m live.machine.awake`, which reads the number of its core first (`live.control.given`); it ends by being
killed.
"""

import os

from live.control.given import configuration


def main(cpu: int) -> None:
    """Work at the lowest rank on one core, for ever."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.sched_setaffinity(0, [cpu])
    while True:
        pass


if __name__ == "__main__":
    main(configuration(int))
