"""The command `./lab doctor`; registered in `stormlab.app`."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stormlab.steps import out, say_json

if TYPE_CHECKING:
    from live.doctor.examination import Examination


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Look at this machine: which faults and conditions are real, emulated or unavailable, which parts are found in
    which version, which limits of files, ports and queues there are, and whether it is quiet enough to measure.

    It takes a few seconds, needs no rights, and leaves nothing behind. Exit status 1 says that something stands in the
    way of a measurement here and now.
    """
    from live.doctor.examination import examine

    found = examine()
    if as_json:
        say_json(found.as_dict())
    else:
        _say(found)
    raise typer.Exit(int(bool(found.problems)))


def _say(found: "Examination") -> None:
    out.print(found.system, highlight=False)
    for title, rows in (("faults", found.faults), ("conditions", found.conditions)):
        _table((title, "", "how"), ((one.name, one.state, _used(one.how, one.used_by)) for one in rows))
    _table(("the system", "", "how"), ((one.name, "works" if one.works else "no", one.said) for one in found.abilities))
    _table(("parts", "", "version", "where"), ((one.name, one.state, one.version, one.where) for one in found.parts))
    words = {True: "enough", False: "low", None: ""}
    _table(
        ("limits", "", "value", "means"), ((one.name, words[one.enough], one.value, one.means) for one in found.bounds)
    )
    seen = found.quietness
    out.print(
        f"For a second others took {seen.others:.2f} cores, {seen.stolen:.2f} of it the hypervisor, and a ready thread "
        f"waited for {seen.delay * 1000:.1f} ms at most.",
        highlight=False,
    )
    for problem in found.problems:
        out.print(f"In the way: {problem}", highlight=False, soft_wrap=True)
    if not found.problems:
        out.print("This machine is ready to measure.", highlight=False)


def _used(how: str, used_by: str) -> str:
    """Return how something is made, and that nobody asks for it yet."""
    return f"{how}; {used_by}" if used_by.startswith("no scenario") else how


def _table(titles: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), title_justify="left")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)
