"""The servers of a HAProxy backend: how many, and their options.

Source: HAProxy 2.8 configuration manual, 5.2 "Server and default-server options", `server-template`.
"""

import re
from dataclasses import dataclass, replace

from twin.config.reading.durations import haproxy_time
from twin.config.reading.haproxy_sections import Directive, Section
from twin.config.reading.report import Imported
from twin.errors import ScenarioError

MOST_NODES = 1000
WITH_VALUE = frozenset(
    [
        "weight",
        "maxconn",
        "minconn",
        "maxqueue",
        "cookie",
        "id",
        "port",
        "addr",
        "source",
        "track",
        "observe",
        "error-limit",
        "on-error",
        "init-addr",
        "resolvers",
        "resolve-prefer",
        "namespace",
        "sni",
        "verify",
        "ca-file",
        "crt",
        "crl-file",
        "ciphers",
        "alpn",
        "proto",
        "agent-port",
        "agent-inter",
        "agent-addr",
        "fastinter",
        "downinter",
        "pool-purge-delay",
        "pool-max-conn",
        "max-reuse",
        "log-proto",
        "ws",
        "check-sni",
        "check-alpn",
        "check-proto",
        "tcp-ut",
        "redir",
        "shard",
        "group",
        "socks4",
    ]
)
"""Options that a value follows."""
HIDES = {
    "weight": "weights",
    "maxconn": "connections above it wait: set balancer.server_maxconn",
    "backup": "servers that stand by",
    "cookie": "clients are bound to nodes",
    "ssl": "TLS to the nodes",
    "fastinter": "checks that come faster while a server changes",
    "downinter": "checks that come slower while a server is down",
    "agent-check": "who else decides whether a server is up",
    "observe": "traffic that marks a server down",
    "track": "a server that follows another one's checks",
    "source": "the ports to a node may end: set balancer.source_ports",
}
"""Options that a scenario does not have and that may hide something."""


@dataclass(frozen=True)
class ServerOptions:
    """What the servers have in common; times in seconds.

    Attributes:
        count: servers that are in service.
        checked: whether they are checked.
        inter, fall, rise: of their checks.
        on_marked_down: `none` or `shutdown-sessions`.
        slowstart: whole seconds.
    """

    count: int = 0
    checked: bool = False
    inter: float = 2.0
    fall: int = 3
    rise: int = 2
    on_marked_down: str = "none"
    slowstart: int = 0


def servers_of(backend: Section, imported: Imported) -> ServerOptions:
    """Return the servers of a backend: the options of the first one in service, and how many there are."""
    base, count = ServerOptions(), 0
    first: ServerOptions | None = None
    for directive in backend.all():
        words = directive.words
        if words[0] == "default-server":
            base, _ = _options(base, words[1:], directive, imported)
        elif words[0] in ("server", "server-template") and directive in backend.directives:
            skip = 3 if words[0] == "server" else 4
            if len(words) < skip:
                raise ScenarioError(f"{directive.place}: {words[0]} lacks a name or an address.")
            one, in_service = _options(base, words[skip:], directive, imported)
            if not in_service:
                continue
            count += 1 if words[0] == "server" else _template(words[2], directive)
            first = first or one
            if one != first:
                imported.assume(directive.text, "its options differ; those of the first server count for all")
    if not count:
        raise ScenarioError(f"{backend.head.place}: all servers of {backend.name} are disabled.")
    if count > MOST_NODES:
        raise ScenarioError(f"{backend.head.place}: there are {count} servers; a scenario has at most {MOST_NODES}.")
    assert first is not None
    return replace(first, count=count)


def _template(text: str, directive: Directive) -> int:
    """Return how many servers a template has: `5`, or `1-5`."""
    found = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", text)
    if found is None or (found[2] and int(found[2]) < int(found[1])):
        raise ScenarioError(f"{directive.place}: server-template has '{text}'; allowed is a number, or low-high.")
    return int(found[2]) - int(found[1]) + 1 if found[2] else int(found[1])


def _options(
    base: ServerOptions, words: tuple[str, ...], directive: Directive, imported: Imported
) -> tuple[ServerOptions, bool]:
    """Lay the options of a line over others; return them, and whether the server is in service."""
    found, in_service, rest = base, True, list(words)
    while rest:
        name = rest.pop(0)
        where = f"{directive.place}: {name}"
        if name == "inter":
            found = replace(found, inter=haproxy_time(_value(rest, where), where))
        elif name in ("fall", "rise"):
            value = _value(rest, where)
            if not re.fullmatch("[0-9]{1,6}", value):
                raise ScenarioError(f"{where} is '{value}'; allowed is a whole number.")
            found = replace(found, fall=int(value)) if name == "fall" else replace(found, rise=int(value))
        elif name == "slowstart":
            found = replace(found, slowstart=round(haproxy_time(_value(rest, where), where)))
        elif name == "on-marked-down":
            found = replace(found, on_marked_down=_value(rest, where))
        elif name in ("check", "no-check"):
            found = replace(found, checked=name == "check")
        elif name in ("disabled", "enabled"):
            in_service = name == "enabled"
        elif name in HIDES:
            value = f" {_value(rest, where)}" if name in WITH_VALUE else ""
            imported.say(directive.place, f"... {name}{value}", "not modelled", HIDES[name])
        elif name in WITH_VALUE:
            _value(rest, where)
    return found, in_service


def _value(rest: list[str], where: str) -> str:
    if not rest:
        raise ScenarioError(f"{where} lacks a value.")
    return rest.pop(0)
