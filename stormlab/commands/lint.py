"""The command `./lab lint`; registered in `stormlab.app`."""

import textwrap
from collections.abc import Sequence
from typing import Annotated

import typer

from stormlab.steps import out, say_json
from twin.advice import RULES, LintFinding, findings
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario


def lint(
    scenarios: Annotated[list[str] | None, typer.Argument(help="Scenario files.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting of each scenario.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Leave a rule out, as in --ignore no-jitter; repeat it.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and where they are known from.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Check scenarios for what is known to bite, without a prediction: field, value, what happens, what to set, source.

    A warning is a limit that is met, or what a run does not show; a note is what a design has to count with. Exit
    status 1 says that there is a warning. docs/lint.md has the rules.
    """
    known = [one.name for one in RULES]
    for name in ignore or []:
        if name not in known:
            raise ScenarioError(f"--ignore is '{name}'; allowed is one of {', '.join(known)}.")
    if rules:
        _say_rules(as_json)
        return
    if not scenarios:
        raise ScenarioError("lint: give scenario files, or --rules.")
    specs = [Scenario.load(name, overrides) for name in scenarios]
    found = [[one for one in findings(spec) if one.rule not in (ignore or [])] for spec in specs]
    if as_json:
        checked = [
            {"scenario": spec.name, "file": name, "findings": [one.as_dict() for one in some]}
            for spec, name, some in zip(specs, scenarios, found, strict=True)
        ]
        say_json({"scenarios": checked, **_counts([one for some in found for one in some])})
    else:
        for spec, some in zip(specs, found, strict=True):
            _say(spec.name, some)
    raise typer.Exit(int(any(one.level == "warning" for some in found for one in some)))


def _say_rules(as_json: bool) -> None:
    if as_json:
        say_json({"rules": [{"rule": one.name, "source": one.source} for one in RULES]})
        return
    for one in RULES:
        out.print(f"{one.name}: {one.source}", highlight=False, soft_wrap=True)


def _counts(found: Sequence[LintFinding]) -> dict[str, int]:
    return {f"{level}s": sum(one.level == level for one in found) for level in ("warning", "note")}


def in_words(found: Sequence[LintFinding]) -> str:
    """Return how many warnings and notes there are."""
    counts = {name[:-1]: count for name, count in _counts(found).items() if count}
    return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items()) or "nothing found"


def _say(name: str, found: Sequence[LintFinding]) -> None:
    """Print what was found in one scenario."""
    out.print(f"{name}: {in_words(found)}", highlight=False)
    for one in found:
        out.print(f"\n{one.level} {one.rule}: {one.field} = {one.value}", highlight=False, soft_wrap=True)
        for text in (one.happens, one.remedy, f"Source: {one.source}"):
            wrapped = textwrap.fill(text, out.width, initial_indent="  ", subsequent_indent="  ")
            out.print(wrapped, highlight=False, soft_wrap=True)
