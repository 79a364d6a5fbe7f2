"""The lab's command line in a process that also says, in lines of JSON before the command's own, when its runs begin.

Run as `python -m stormlab.announced WORDS`, where `./lab WORDS` is meant; `live.disturbances.campaign` does, to know
when a run is measured. Nothing else is different but that a run that is void at its end is not repeated, which would
only take time. Times are those of the monotonic clock: `cluster` is said before anything is started, `start` is that of
the run, and `finish` is said when it is over and nothing has been collected.
"""

import json
import signal
import sys
import time
from typing import Any

from live import runs
from live.cluster import Cluster
from stormlab.app import main


def say(**what: float) -> None:
    """Write one line at once, even while the command's own output is held back."""
    sys.__stdout__.write(json.dumps(what) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def announce() -> None:
    """Let clusters say when they begin."""
    begin, warm_up, finish = Cluster.__init__, Cluster.warm_up, Cluster.finish

    def beginning(self: Cluster, *args: Any, **options: Any) -> None:
        say(cluster=time.monotonic())
        begin(self, *args, **options)

    def warming_up(self: Cluster) -> float:
        start = warm_up(self)
        say(start=start)
        return start

    def finishing(self: Cluster, start: float) -> Any:
        say(finish=time.monotonic())
        return finish(self, start)

    for name, method in (("__init__", beginning), ("warm_up", warming_up), ("finish", finishing)):
        setattr(Cluster, name, method)
    runs.ONCE_MORE = 0


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the campaign may run under nohup, whose children ignore it
    announce()
    main()
