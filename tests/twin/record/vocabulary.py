"""The tables of events in docs/measures.md, made of the types of events.

`python -m tests.twin.record.vocabulary` writes them anew, for the difference to be looked at and committed.
"""

import inspect
import re

from tests.commands import ROOT
from twin.record.events import (
    OF_CLUSTER,
    OF_HANDLER,
    OF_MESSAGES,
    OF_POLLING,
    OF_POOLS,
    OF_SENDING,
    OF_SESSIONS,
)
from twin.record.typed import COMMON

FILE = ROOT / "docs" / "measures.md"
HEAD = "| event | columns | own columns | meaning |\n|---|---|---|---|\n"
TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")
LISTS = (OF_CLUSTER, OF_SESSIONS, OF_SENDING, OF_HANDLER, OF_POOLS, OF_POLLING, OF_MESSAGES)
"""What each table has, in the order of the document."""


def meaning(event):
    """Return what a type of event means, on one line, without the last full stop."""
    return re.sub(r"\s+", " ", inspect.getdoc(event)).removesuffix(".")


def line(event):
    """Return the line of one type of event."""
    common = [name for name in COMMON if name in event.required | event.optional]
    common = [f"{name} or -1" if name in event.optional else name for name in common]
    own = [f"`{one.name}` ({one.sort}{', ' + one.unit if one.unit else ''}): {one.meaning}" for one in event.columns]
    return f"| `{event.name}` | {', '.join(common)} | {'; '.join(own)} | {meaning(event)} |\n".replace("|  |", "| |")


def tables():
    """Return each table as it should stand in the document."""
    return [HEAD + "".join(map(line, events)) for events in LISTS]


def written():
    """Return each table as it stands there."""
    return TABLE.findall(FILE.read_text(encoding="utf-8"))


def main():
    """Write the tables anew."""
    made = iter(tables())
    FILE.write_text(TABLE.sub(lambda _: next(made), FILE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
