"""The entries of the glossary: what the files of this folder say, put together with what the code says."""

import inspect
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from twin.glossary.schema import Setting, settings
from twin.glossary.term import Kind, Pair, Term, anchor
from twin.measures import MEASURES
from twin.record.events import TYPES

FOLDER = Path(__file__).parent

PROGRAMS = {"HAProxy": "HAProxy", "Check": "HAProxy", "Nginx": "nginx", "Envoy": "Envoy", "EnvoyCheck": "Envoy"}
"""Class of a table of one kind of balancer -> its program."""

OWN_OF_WORDS = {"chinese", "also", "forms", "lab", "again", "plain"}
"""What an entry of `words.toml` hands on as it stands."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    chinese: str = ""
    why: Pair
    moves: Pair


class WordEntry(_Entry):
    """A word of the field, as `words.toml` has it."""

    name: str
    also: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    lab: str = ""
    again: tuple[str, ...] = ()
    plain: bool = False
    unit: str = ""
    meaning: Pair


class FamilyEntry(_Entry):
    """Names of the code that matter for the same reason, each with its meaning in Chinese."""

    meaning: dict[str, str]


@cache
def terms() -> dict[str, Term]:
    """Return every term by its name: words in order of the alphabet, then measures, events and settings as defined.

    Raises:
        ValidationError: a file of this folder has not the form of `WordEntry` or `FamilyEntry`.
        KeyError: it says nothing of a measure, an event or a setting that there is.
    """
    words = sorted(_words(), key=lambda one: one.name.lower())
    return {one.name: one for one in [*words, *_measures(), *_events(), *_settings()]}


def anchors() -> dict[str, str]:
    """Return for each anchor of docs/glossary.md the name of the term that it leads to.

    A term has that of its own name and those of its others; the end of a setting's name leads to the first one.
    """
    found = {one.anchor: name for name, one in terms().items()}
    for name, one in terms().items():
        for other in (*one.also, *([name.rpartition(".")[2]] if one.kind == "setting" else [])):
            found.setdefault(anchor(other), name)
    return found


def read(name: str) -> dict[str, Any]:
    """Return what one of the files says: `words`, `measures`, `events` or `settings`."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def families(name: str) -> dict[str, FamilyEntry]:
    """Return for each name of the code in a file the family that it belongs to."""
    entries = [FamilyEntry.model_validate(one) for one in read(name)["entry"]]
    return {key: one for one in entries for key in one.meaning}


def _words() -> Iterator[Term]:
    for given in read("words")["entry"]:
        one = WordEntry.model_validate(given)
        pairs = (one.meaning, one.why, one.moves)
        yield Term(one.name, "word", one.unit, "", *pairs, **one.model_dump(include=OWN_OF_WORDS))


def _measures() -> Iterator[Term]:
    found = families("measures")
    for name, one in MEASURES.items():
        yield _of(found[name], name, "measure", one.unit, f"driver `{one.driver}`", one.meaning)


def _events() -> Iterator[Term]:
    found = families("events")
    for name, one in TYPES.items():
        meaning = re.sub(r"\s+", " ", str(inspect.getdoc(one)))
        columns = ", ".join(f"`{column.name}`" for column in one.columns)
        yield _of(found[name], name, "event", "", f"own columns {columns}" if columns else "", meaning)


def _settings() -> Iterator[Term]:
    found = families("settings")
    unit_of = {name: unit for unit, names in read("settings")["units"].items() for name in names}
    for name, kinds in settings().items():
        default = _merged(kinds, [f"`{one.default}`" if one.default else "" for one in kinds], " ", ", ")
        note = f"default {default}" if default else ""
        meaning = _merged(kinds, [one.meaning for one in kinds], ": ", " ")
        yield _of(found[name], name, "setting", unit_of.get(name, ""), note, meaning)


def _merged(kinds: tuple[Setting, ...], said: list[str], separator: str, join: str) -> str:
    """Return what several kinds of a table say of a setting: once if all say the same and have it."""
    programs = [PROGRAMS.get(one.kind, "") for one in kinds]
    if len(kinds) > 1 and len(set(said)) > 1:
        return join.join(f"{program}{separator}{text}" for program, text in zip(programs, said, strict=True))
    return f"{programs[0]}: {said[0]}" if len(kinds) == 1 and programs[0] and separator == ": " else said[0]


def _of(family: FamilyEntry, name: str, kind: Kind, unit: str, note: str, english: str) -> Term:
    meaning = (english, family.meaning[name])
    return Term(name, kind, unit, note, meaning, family.why, family.moves, chinese=family.chinese)
