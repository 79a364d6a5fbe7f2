"""What the lab asks the processes that watch the machine's cores, and what they answer; times in seconds."""

from live.control.messages import ControlMessage


class Report(ControlMessage):
    """A question to the canary: how long did ready threads wait since the last one? The answer is `WakeUpDelays`."""


class WakeUpDelays(ControlMessage):
    """How long they waited: median, 99th percentile and maximum; None when nothing was noted."""

    p50: float | None = None
    p99: float | None = None
    max: float | None = None


class ReadPace(ControlMessage):
    """A question: what is the pace of this core? The answer is `PaceRead`."""


class PaceRead(ControlMessage):
    """CPU time that the fixed piece of work takes on this core."""

    pace: float


class Samples(ControlMessage):
    """How long it took by the clock, each step of time."""

    samples: list[float]


class Stretches(ControlMessage):
    """How long each stretch lasted in which nobody else had the core."""

    stretches: list[float]


class Growths(ControlMessage):
    """How long a process waits each time that its table of open files doubles."""

    growths: list[float]
