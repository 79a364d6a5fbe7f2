"""The command `./lab serve`; registered in `stormlab.app`."""

from typing import Annotated, Any

import typer

from stormlab.steps import out
from twin.scenario.scenario import Scenario


def serve(
    scenario: Annotated[
        str | None, typer.Argument(help="Scenario file with a \\[publisher]; left out: three nodes, a stream, HAProxy.")
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port of the page on 127.0.0.1; 0 is any free one.", min=0, max=65535)
    ] = 8080,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting of the scenario.")
    ] = None,
) -> None:
    """Start a cluster and serve a page that connects to it like any client, until Ctrl-C.

    The page shows its connection, its node, heartbeats, versions and the countdown to its next attempt; it sends and
    receives messages, compares the same exchange by HTTP requests, and has buttons to kill, hang and drain nodes. It is
    reachable from this machine only, and by its link only: that holds a secret, which lets a browser in until the
    command ends. A scenario's clients and faults do not matter here.
    """
    from live.page.serve import SERVED
    from live.page.serve import serve as run

    spec = Scenario.load(scenario, overrides) if scenario else Scenario.parse(SERVED, "serve").override(overrides or [])

    def ready(site: Any) -> None:
        out.print(f"The page: {site.link}   (Ctrl-C ends everything)", highlight=False, soft_wrap=True)

    run(spec, port, ready)
