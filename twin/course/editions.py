"""Two editions of a lab notebook out of one source: the teacher's, which is the source, and the student's.

In the source a cell with the tag `solution` is for teachers. A line of code that ends with `# solution` gives a value
that the student finds out; the student's edition has `None` there.
"""

import re
from copy import deepcopy
from typing import Any

from twin.errors import LabError

SOLUTION = "solution"
"""Tag of a cell that only the teacher's edition has."""
MARK = "  # solution"
GIVEN = re.compile(r"""(?P<head>\s*(?:\w+ = |"[^"\n]+": |\w+=))(?P<value>.+?)(?P<tail>,?)  # solution(?P<rest>: .*)?""")
"""A line that gives a value: `name = value`, `"name": value,` or `name=value,`, and what is said about it."""


def has_placeholders(notebook: Any) -> bool:
    """Tell whether a notebook of `nbformat` 4 has values that a student has to find out."""
    return any(MARK in line for cell in notebook["cells"] for line in _lines(cell))


def student(notebook: Any) -> Any:
    """Return the student's edition of a notebook of `nbformat` 4: without outputs and without solutions.

    Raises:
        LabError: a marked line gives no value.
    """
    found = deepcopy(notebook)
    found["cells"] = [cell for cell in found["cells"] if SOLUTION not in cell["metadata"].get("tags", [])]
    for cell in found["cells"]:
        cell["metadata"].pop("execution", None)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            cell["source"] = "\n".join(map(_emptied, _lines(cell)))
    found["metadata"].pop("widgets", None)
    return found


def _lines(cell: Any) -> list[str]:
    source = cell["source"]
    return ("".join(source) if isinstance(source, list) else str(source)).split("\n")


def _emptied(line: str) -> str:
    """Return a line of code without the solution that it gives."""
    if MARK not in line:
        return line
    given = GIVEN.fullmatch(line)
    if given is None:
        raise LabError(f"'{line.strip()}' is marked as a solution; allowed is a value after a name, on one line.")
    return f"{given['head']}None{given['tail']}  # your number{given['rest'] or ''}"
