"""The command `./lab import`; registered in `stormlab.app`."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from stormlab.steps import err, say_json
from twin.errors import check_output
from twin.files.writing import write_text
from twin.scenario.overrides import to_toml


def import_(
    files: Annotated[list[str], typer.Argument(help="haproxy.cfg, envoy.yaml, files of nginx, resources of Istio.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Scenario file to write; standard output by default.")
    ] = None,
    backend: Annotated[str, typer.Option(help="Backend, upstream, cluster or host, if there are several.")] = "",
    name: Annotated[str, typer.Option(help="Name of the scenario; that of the first file by default.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object: scenario and report.")] = False,
) -> None:
    """Read a configuration of HAProxy, nginx, Envoy or Istio into a scenario, and say line by line what became of it.

    A line is used, has no effect here, is not modelled (and what that may hide), or is assumed: what the file does not
    say. Nothing in a file is executed or fetched. What is in no such file, clients, faults and messages, has the lab's
    defaults: set it in the scenario.
    """
    from twin.config.reading.formats import imported, name_of, scenario_of

    found = imported(files, backend)
    scenario = scenario_of(found, name or name_of(files[0]))
    check_output("--output", output)
    text = to_toml({"name": scenario.name, **found.data})
    lines = found.in_order()
    if output is not None:
        write_text(output, text)
    if as_json:
        say_json({"scenario": {"name": scenario.name, **found.data}, "report": [one.as_dict() for one in lines]})
        return
    for one in lines:
        words = f": {one.words}" if one.words else ""
        err.print(f"{one.place}  {one.verdict}: {one.text}{words}", highlight=False, soft_wrap=True)
    counts = Counter(one.verdict for one in lines)
    err.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".", highlight=False)
    if output is None:
        sys.stdout.write(text)
