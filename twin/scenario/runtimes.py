"""The kinds of runtimes that nodes may have, listed here."""

from typing import Literal

RuntimeKind = Literal["asyncio"]

RUNTIME: RuntimeKind = "asyncio"
"""The runtime of nodes whose table does not say it."""
