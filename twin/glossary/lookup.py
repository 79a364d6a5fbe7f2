"""A term by what somebody calls it."""

from difflib import get_close_matches
from functools import cache

from twin.errors import LabError
from twin.glossary.term import Term
from twin.glossary.terms import terms

NEAREST = 3
"""Terms that are named in place of one that is not there."""
ALIKE = 0.6
"""How alike two names are at least to be near, from 0 to 1 (`difflib`)."""


def glossary(name: str) -> Term:
    """Return the entry of a term: a word, a measure, an event, or a setting by its dotted name or the end of it.

    Raises:
        LabError: there is no such term, or a name is the end of several settings.
    """
    wanted = _key(name)
    found = _names().get(wanted, ())
    if len(found) == 1:
        return terms()[found[0]]
    if found:
        raise LabError(f"'{name}' is the end of several settings: {', '.join(found)}.")
    near = get_close_matches(wanted, _names(), 4 * NEAREST, ALIKE)
    nearest = list(dict.fromkeys(term for one in near for term in _names()[one]))[:NEAREST]
    hint = f"the nearest are {', '.join(nearest)}" if nearest else "nothing in it is like that"
    raise LabError(f"'{name}' is not in the glossary; {hint}.")


def _key(name: str) -> str:
    return " ".join(name.lower().replace("`", "").split())


@cache
def _names() -> dict[str, tuple[str, ...]]:
    """Return the names of terms by each form of them in lower case; own names go before others."""
    found: dict[str, tuple[str, ...]] = {_key(name): (name,) for name in terms()}
    for name, one in terms().items():
        for other in (one.anchor, *one.also, *one.forms, one.chinese):
            if other and "`" not in other:
                found.setdefault(_key(other), (name,))
    own = set(found)
    for name, one in terms().items():
        parts = name.split(".") if one.kind == "setting" else []
        for start in range(1, len(parts)):
            end = _key(".".join(parts[start:]))
            if end not in own:
                found[end] = (*found.get(end, ()), name)
    return found
