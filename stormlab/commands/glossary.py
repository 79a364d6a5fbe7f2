"""The command `./lab glossary`; registered in `stormlab.app`."""

from enum import StrEnum
from typing import Annotated

import typer

from stormlab.steps import out, say_json


class InLanguage(StrEnum):
    """Languages that the glossary is written in."""

    EN = "en"
    ZH = "zh"


def glossary(
    term: Annotated[
        str | None, typer.Argument(help="A word of the labs, a measure, an event, or a setting; without it all names.")
    ] = None,
    language: Annotated[InLanguage, typer.Option(help="en (English) or zh (Chinese).")] = InLanguage.EN,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Print what a term means, its unit, why it matters and what moves it.

    A setting goes by its dotted name or the end of it, as in `check.inter`. docs/glossary.md has all terms.
    """
    from twin.glossary.lookup import glossary as look_up
    from twin.glossary.term import KINDS, LANGUAGES, lines
    from twin.glossary.terms import terms

    if term is None:
        by_kind = {kind: [one.name for one in terms().values() if one.kind == kind] for kind in KINDS["en"]}
        if as_json:
            say_json(by_kind)
        for kind, names in by_kind.items() if not as_json else ():
            out.print(f"{KINDS[language.value][kind]}: {', '.join(names)}", highlight=False, markup=False)
        return
    one = look_up(term)
    if as_json:
        said = {name: getattr(one, name)[LANGUAGES.index(language.value)] for name in ("meaning", "why", "moves")}
        say_json({"name": one.name, "kind": one.kind, "unit": one.unit, "chinese": one.chinese} | said)
        return
    name = f"{one.name} ({one.chinese})" if one.chinese else one.name
    text = "\n".join(lines(one, language.value)).replace("**", "").replace("*", "", 2)
    out.print(f"{name}\n{text}", highlight=False, markup=False)
