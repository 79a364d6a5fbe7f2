"""Settings that once had another name: files, overrides and records of then stay readable.

Whoever renames a setting adds a line to `RENAMED`. A file, an override or a call from Python that has an old name gets
a `ScenarioWarning`; a record says nothing, for nobody writes one by hand.
"""

import warnings
from typing import Any

from twin.errors import ScenarioError, ScenarioWarning
from twin.scenario.fields import show

RENAMED = {"clients.heartbeat.most": "clients.heartbeat.max_interval"}
"""Old path -> new path, both in the same table."""


def with_new_names(data: Any, where: str) -> Any:
    """Return a scenario's data, or a part of it, with today's names; one `ScenarioWarning` for each old one.

    Args:
        data: nested tables; what is none is returned as it is, for the validation to say so.
        where: opens each sentence.

    Raises:
        ScenarioError: a setting is there under both names.
    """
    data, found = _renamed(data, where)
    for old in found:
        text = f"{where}: {old} is called {RENAMED[old]} now; the old name still works."
        warnings.warn(text, ScenarioWarning, stacklevel=3)
    return data


def with_new_names_of_a_record(data: Any) -> Any:
    """Return the scenario's data that a record stores, with today's names; see `with_new_names`."""
    return _renamed(data, "record")[0]


def _renamed(data: Any, where: str) -> tuple[Any, list[str]]:
    found = []
    for old, new in RENAMED.items():
        tables, name = old.split(".")[:-1], new.split(".")[-1]
        changed = _in_table(data, tables, old, name, where)
        if changed is not data:
            data = changed
            found.append(old)
    return data, found


def _in_table(data: Any, tables: list[str], old: str, name: str, where: str) -> Any:
    """Return data with one setting renamed in the table that a path leads to, or the data itself if it is not there."""
    if not isinstance(data, dict):
        return data
    if tables:
        inner = data.get(tables[0])
        changed = _in_table(inner, tables[1:], old, name, where)
        return data if changed is inner else {**data, tables[0]: changed}
    before = old.split(".")[-1]
    if before not in data:
        return data
    if name in data:
        raise ScenarioError(f"{where}: {old} is {show(data[before])}; allowed is nothing beside its new name {name}.")
    return {name if key == before else key: value for key, value in data.items()}
