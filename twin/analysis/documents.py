"""Documents in which a command puts the table that it has made."""

from twin.errors import ScenarioError

END = "<!-- its end -->"


def begin_of(command: str) -> str:
    """Return the line of a document behind which the table of a command stands; it goes on until the line `END`."""
    return f"<!-- the table of ./lab {command} -->"


def with_table(text: str, name: str, command: str, table: str) -> str:
    """Return a document with another table.

    Args:
        text: of the document.
        name: of the document.
        command: that has made the table.
        table: in Markdown.

    Raises:
        ScenarioError: it has no place for one.
    """
    opening = begin_of(command)
    before, begin, rest = text.partition(opening + "\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ScenarioError(f"{name} has no lines {opening} and {END}, between which the table is put.")
    return before + begin + table + END + after
