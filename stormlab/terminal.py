"""The terminal: what others wrote (a record, a log, a name) is shown as text and never obeyed.

A terminal obeys control characters: it moves the cursor, sets its title, answers into the user's command line, or shows
a line from right to left. So they are left out of all text; colours are the lab's own and do not stand in texts.
Source: "Terminal Emulator Security Issues", H D Moore, 2003; "Trojan Source", Boucher and Anderson, 2021.
"""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment


def shown(text: str) -> str:
    """Return a text without control characters and others that are invisible, but with its line breaks and spaces."""
    return text if text.isprintable() else "".join(one for one in text if one.isprintable() or one in "\n\xa0")


class Terminal(Console):
    """A console that shows the text of others; markup in square brackets is text, too."""

    def __init__(self, least_width: int = 0, **options: Any) -> None:
        """Make one; a terminal of fewer columns than `least_width` breaks the lines of tables, which lose nothing."""
        super().__init__(markup=False, **options)
        if self.width < least_width:
            self.width = least_width

    def render(self, *args: Any, **options: Any) -> Iterable[Segment]:
        """Yield what is to be shown, without control characters; those that move a progress bar are the lab's own."""
        for segment in super().render(*args, **options):
            yield segment if segment.control else segment._replace(text=shown(segment.text))
