"""The commands `./lab nginx`, `./lab haproxy` and `./lab envoy`; registered in `stormlab.app`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from stormlab.steps import err
from twin.advice import advice
from twin.config.balancer import CONFIGURATIONS, Site
from twin.errors import HostError, ScenarioError, check_output
from twin.files.writing import write_text
from twin.scenario.scenario import Scenario

_Path = Annotated[str, typer.Argument(help="Scenario file (TOML); its \\[balancer] decides.")]
_Servers = Annotated[list[str] | None, typer.Option("--server", metavar="HOST:PORT", help="A node; give one a node.")]
_Listen = Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="Where the balancer listens.")]
_At = Annotated[str, typer.Option("--path", help="Path of the WebSocket endpoint.")]
_Health = Annotated[str, typer.Option(help="Path that a node answers with 200 when it is well.")]
_Sticky = Annotated[
    str, typer.Option(help="Bind a client to its node by: none, address or cookie. Replaces the choice rule.")
]
_Cookie = Annotated[str, typer.Option(help="Name of the cookie for --sticky cookie.")]
_Output = Annotated[Path | None, typer.Option(help="File to write; standard output by default.")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting of the scenario.")
]


def nginx(
    scenario: _Path,
    server: _Servers = None,
    listen: _Listen = "*:8080",
    path: _At = "/",
    sticky: _Sticky = "none",
    cookie: _Cookie = "node",
    output: _Output = None,
    overrides: _Set = None,
) -> None:
    """Write a scenario's nginx as a WebSocket proxy to take away: a file for nginx's http context.

    It has the Upgrade headers, the timeouts, the upstream with its passive checks and, if wanted, stickiness. The nodes
    are 127.0.0.1:9001 and so on, as many as the scenario has, unless --server names them. `nginx -t` checks it where
    nginx is installed. With --sticky cookie a client without the cookie is bound by its address; set the cookie in your
    application.
    """
    spec = Scenario.load(scenario, overrides)
    site = Site(listen, _nodes(spec, server), path, sticky=sticky, cookie=cookie)  # type: ignore[arg-type]
    _give("nginx", spec, site, output)


def haproxy(
    scenario: _Path,
    server: _Servers = None,
    listen: _Listen = "*:8080",
    path: _At = "/",
    health: _Health = "/healthz",
    sticky: _Sticky = "none",
    cookie: _Cookie = "node",
    output: _Output = None,
    overrides: _Set = None,
) -> None:
    """Write a scenario's HAProxy as a WebSocket proxy to take away: a whole configuration file.

    It has the timeouts (for an open WebSocket only `timeout tunnel` counts), the active checks, retries and redispatch,
    the choice rule and, if wanted, stickiness. The nodes are 127.0.0.1:9001 and so on, as many as the scenario has,
    unless --server names them. `haproxy -c` checks it.
    """
    spec = Scenario.load(scenario, overrides)
    site = Site(listen, _nodes(spec, server), path, health, sticky, cookie)  # type: ignore[arg-type]
    _give("haproxy", spec, site, output)


def envoy(
    scenario: _Path,
    server: _Servers = None,
    listen: _Listen = "*:8080",
    path: _At = "/",
    health: _Health = "/healthz",
    sticky: _Sticky = "none",
    cookie: _Cookie = "node",
    output: _Output = None,
    overrides: _Set = None,
) -> None:
    """Write a scenario's Envoy as a WebSocket proxy to take away: a whole configuration file in YAML.

    It has the WebSocket upgrade, the timeouts, the active checks, the panic threshold, the choice rule and, if wanted,
    stickiness. The nodes are 127.0.0.1:9001 and so on, as many as the scenario has, unless --server names them. `envoy
    --mode validate` checks it. With --sticky cookie Envoy sets the cookie itself.
    """
    spec = Scenario.load(scenario, overrides)
    site = Site(listen, _nodes(spec, server), path, health, sticky, cookie)  # type: ignore[arg-type]
    _give("envoy", spec, site, output)


CONFIGURING: tuple[Callable[..., None], ...] = (nginx, haproxy, envoy)
"""Writes the configuration of each kind of balancer."""


def _nodes(scenario: Scenario, servers: list[str] | None) -> list[str]:
    return servers or [f"127.0.0.1:{9000 + number}" for number in range(1, scenario.nodes.count + 1)]


def _left_out(scenario: Scenario) -> list[str]:
    """Return what of a scenario is in no file, as sentences: what a registrar tells the balancer while it runs."""
    if scenario.registry is None:
        return []
    what = "nodes that join or leave later" + (", and the gray release" if scenario.registry.canary else "")
    return [f"The file has a fixed list of servers; the [registry]'s part, {what}, is not in it."]


def _give(kind: str, scenario: Scenario, site: Site, output: Path | None) -> None:
    """Check the configuration of one kind of balancer with the real program and write it."""
    from live.balancer.balancer import check_config

    text = CONFIGURATIONS[kind].of_site(scenario, site)
    check_output("--output", output)
    try:
        wrong = check_config(kind, text)
    except HostError as error:
        err.print(f"Not checked: {error}", highlight=False, soft_wrap=True)
    else:
        if wrong:
            raise ScenarioError(f"{kind} does not accept it: {' '.join(wrong.split())}")
        err.print(f"Checked by {kind}.", highlight=False)
    for sentence in [*advice(scenario), *_left_out(scenario)]:
        err.print(f"Warning: {sentence}", highlight=False, soft_wrap=True, markup=False)
    if output is None:
        sys.stdout.write(text)
        return
    write_text(output, text)
