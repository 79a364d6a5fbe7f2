"""How the lab gets what a part has noted, when the run is over."""

import json

from live.control.messages import ControlMessage, Done, Finish
from live.control.process import ChildProcess, Stage
from twin.record.events import packed
from twin.record.record import Row

TELLS_WITHIN = 60.0
"""Seconds that a part has for writing its events."""


def collect(stage: Stage, part: ChildProcess, start: float) -> list[Row]:
    """Ask a part for its events, and note on it how late its timers were; times become seconds since `start`.

    Raises:
        ClusterError: it does not answer.
    """
    path = stage.folder / f"events-{part.pid}.json"
    part.tell(Finish(str(path)))
    message = part.hear(ControlMessage, TELLS_WITHIN)
    while not isinstance(message, Done):  # what it said before that nobody waited for
        message = part.hear(ControlMessage, TELLS_WITHIN)
    part.timers = message.timers
    return [(t - start, event, *places, packed(event, own)) for t, event, *places, own in json.loads(path.read_text())]
