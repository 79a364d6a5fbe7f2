"""haproxy.cfg read into the balancer of a scenario, and its number of nodes.

What a file leaves out is HAProxy's own default: no `balance` is roundrobin, `retries` is 3, a check comes every 2 s,
fails 3 times and passes twice, and takes as long as `inter` at most; without `timeout tunnel` the shorter of `timeout
client` and `timeout server` cuts silent WebSockets. Source: HAProxy 2.8 configuration manual.
"""

import re
from collections.abc import Sequence
from typing import Any

from twin.config.reading.choosing import chosen
from twin.config.reading.durations import MOST, haproxy_time
from twin.config.reading.haproxy_sections import PROXIES, Directive, Section, sections
from twin.config.reading.haproxy_servers import ServerOptions, servers_of
from twin.config.reading.haproxy_tables import NO_EFFECT, NOT_MODELLED, known
from twin.config.reading.report import NOWHERE, FilePlace, Imported, SourceFile
from twin.errors import ScenarioError
from twin.rules.presets import BALANCERS
from twin.scenario.balancer.haproxy import HAProxy

BALANCE = {"roundrobin": "roundrobin", "leastconn": "leastconn", "source": "source"}
TIMES = {"connect": "connect_timeout", "tunnel": "tunnel_timeout", "server": "server_timeout"}
"""Names of timeouts, and what they are called in a scenario."""


def read(files: Sequence[SourceFile], backend: str = "") -> Imported:
    """Return what is understood of HAProxy's files.

    Args:
        files: what `haproxy -f` is given, in that order.
        backend: name of the one that the scenario is about; not needed if there is only one with servers.

    Raises:
        ScenarioError: it is no such text, or does not say which backend.
    """
    found = sections(files)
    return HAProxyReading(found, _chosen(found, backend)).imported


def _chosen(found: Sequence[Section], name: str) -> Section:
    """Return the backend that the scenario is about."""
    there = [one for one in found if one.kind in ("backend", "listen") and any(_is_server(d) for d in one.directives)]
    names = [one.name for one in there]
    nothing, several = "there is no backend with a server in it.", "there are several backends with servers"
    return there[names.index(chosen(names, name, nothing, several))]


def _is_server(directive: Directive) -> bool:
    return directive.words[0] in ("server", "server-template")


class HAProxyReading:
    """One backend, read.

    Args:
        found: all sections.
        chosen: the backend that the scenario is about.
    """

    def __init__(self, found: Sequence[Section], chosen: Section) -> None:
        self.imported = Imported()
        self.chosen = chosen
        self.times: dict[str, float] = {}
        self.settings: dict[str, Any] = {}
        self.consistent = False
        self.assumed = set[FilePlace]()
        mine = [one for one in found if self._leads_here(one)]
        for section in found:
            self.imported.say(section.head.place, section.head.text, "no effect", "a section")
            for directive in section.directives:
                self._read(section, directive, section in mine)
        self._conclude(mine)

    def _leads_here(self, section: Section) -> bool:
        """Tell whether a section decides over the chosen backend: itself, its defaults, and its frontends."""
        if section.kind == "global" or section is self.chosen:
            return True
        if section.kind == "defaults":
            one = self.chosen.defaults
            while one is not None and one is not section:
                one = one.defaults
            return one is section
        to = [
            d.words[1] for d in section.directives if d.words[0] in ("default_backend", "use_backend") and d.words[1:]
        ]
        return section.kind == "frontend" and self.chosen.name in to

    def _read(self, section: Section, directive: Directive, mine: bool) -> None:
        """Use a directive, or say why not."""
        say, words, place = self.imported.say, directive.words, directive.place
        if not mine:
            what = f"it is of the {section.kind} {section.name}".rstrip()
            say(place, directive.text, "no effect" if section.kind in (*PROXIES, "defaults") else "not modelled", what)
            return
        used = self._taken(section, directive)
        if used:
            say(place, directive.text, "assumed" if place in self.assumed else "used", used)
            return
        if words[0] == "bind" and "ssl" in words:
            say(place, directive.text, "not modelled", "TLS: handshakes cost more CPU time and round trips")
            return
        hides, why = known(words, NOT_MODELLED), known(words, NO_EFFECT)
        plain = tuple(words[1:3] if words[0] == "no" else words[:2])
        longer = plain in NO_EFFECT
        if why is not None and (hides is None or longer):
            say(place, directive.text, "no effect", why)
        else:
            say(place, directive.text, "not modelled", hides or "the lab does not know it")

    def _taken(self, section: Section, directive: Directive) -> str:
        """Return the same as `_used`, but refuse a variable where a setting stands."""
        refused = ScenarioError(f"{directive.place}: a variable of the environment is in a setting; write its value.")
        try:
            used = self._used(section, directive)
        except ScenarioError as error:
            raise (refused if directive.expands else error) from None
        if used and directive.expands and not _is_server(directive):
            raise refused
        return used

    def _used(self, section: Section, directive: Directive) -> str:
        """Take what a directive sets and return what that is; an empty text if it sets nothing in a scenario."""
        words, where = directive.words, f"{directive.place}: {directive.words[0]}"
        match words:
            case ["timeout", ("connect" | "tunnel" | "server" | "client" | "check") as name, time, *_]:
                self.times[name] = haproxy_time(time, f"{directive.place}: timeout {name}")
                return self._timeout(name)
            case ["hard-stop-after", time]:
                self.settings["hard_stop_after"] = haproxy_time(time, where)
                return f"balancer.hard_stop_after = {self.settings['hard_stop_after']:g}"
            case ["retries", count] if section.kind != "global":
                self.settings["retries"] = _whole(count, where)
                return f"balancer.retries = {count}"
            case ["option", "redispatch", *interval]:
                self.settings["redispatch"] = _whole(interval[0], where) if interval else -1
                return f"balancer.redispatch = {self.settings['redispatch']}"
            case ["no", "option", "redispatch", *_]:
                self.settings["redispatch"] = 0
                return "balancer.redispatch = 0"
            case ["balance", rule, *_]:
                return self._balance(rule, directive)
            case ["hash-type", kind, *_]:
                self.consistent = kind == "consistent"
                return f"hash-type {kind}"
            case ["mode", "http"]:
                return "mode http"
            case ["default-server", *_]:
                return "options of the servers"
            case ["server" | "server-template", *_] if section is self.chosen:
                return "a node, unless it is disabled"
            case ["nbthread", "1"]:
                return "one thread"
        return ""

    def _timeout(self, name: str) -> str:
        seconds = self.times[name]
        if name == "check":
            return f"balancer.check.timeout = {seconds:g}"
        if name == "client":
            return "cuts silent WebSockets if there is no timeout tunnel"
        return f"balancer.{TIMES[name]} = {seconds:g}"

    def _balance(self, rule: str, directive: Directive) -> str:
        """Take a choice rule; for one that a scenario does not have, the nearest or the default is assumed."""
        random = re.fullmatch(r"random(?:\(([0-9]{1,3})\))?", rule)
        if random is not None:
            self.settings["algorithm"] = "random"
            if random[1] not in (None, "2"):
                self.assumed.add(directive.place)
                return "balancer.algorithm = 'random', which is random(2): a scenario has no other number of draws"
        elif rule in BALANCE:
            self.settings["algorithm"] = BALANCE[rule]
        else:
            self.settings["algorithm"] = BALANCERS["haproxy"]["algorithm"]
            self.assumed.add(directive.place)
            return f"balancer.algorithm = '{self.settings['algorithm']}': a scenario has no such rule"
        return f"balancer.algorithm = '{self.settings['algorithm']}'"

    def _conclude(self, mine: Sequence[Section]) -> None:
        """Put the settings together, with HAProxy's defaults for what the files do not say."""
        preset, settings, assume = BALANCERS["haproxy"], self.settings, self.imported.assume
        if settings.get("algorithm") == "source" and self.consistent:
            settings["algorithm"] = "consistent"
        for name in ("algorithm", "retries", "redispatch"):
            if name not in settings:
                settings[name] = preset[name]
                assume(name, f"balancer.{name} = {preset[name]!r}, HAProxy's default")
        if settings["redispatch"] > settings["retries"] > 0:
            assume("option redispatch", f"balancer.redispatch = {settings['retries']}, as many as there are retries")
            settings["redispatch"] = settings["retries"]
        settings["redispatch"] = max(-1, settings["redispatch"])
        servers = servers_of(self.chosen, self.imported)
        settings |= self._tunnel() | _checked(servers, self.times, self.imported)
        self.imported.data = {"balancer": {"kind": "haproxy", **settings}, "nodes": {"count": servers.count}}
        assume("clients", "how many there are, and how they come back: set [clients]")
        if not any(one.kind in ("frontend", "listen") for one in mine):
            assume("frontend", "the files have none that leads to it")

    def _tunnel(self) -> dict[str, float]:
        """Return the timeouts of connects, requests and tunnels."""
        default = {name: field.default for name, field in HAProxy.model_fields.items()}
        found: dict[str, float] = {}
        for name in ("connect", "server"):
            if name in self.times:
                found[TIMES[name]] = self.times[name]
            else:
                self.imported.assume(
                    f"timeout {name}", f"balancer.{TIMES[name]} = {default[TIMES[name]]:g}, the lab's: HAProxy has none"
                )
        if "tunnel" in self.times:
            return found | {"tunnel_timeout": self.times["tunnel"]}
        shorter = min((self.times[name] for name in ("client", "server") if name in self.times), default=MOST)
        why = "the shorter of timeout client and server" if shorter < MOST else "no timeout cuts a WebSocket"
        self.imported.assume("timeout tunnel", f"balancer.tunnel_timeout = {shorter:g}, {why}")
        return found | {"tunnel_timeout": shorter}


def _checked(servers: ServerOptions, times: dict[str, float], imported: Imported) -> dict[str, Any]:
    """Return what the options of the servers say: checks, mark-downs, slowstart."""
    check: dict[str, Any] = {"inter": servers.inter, "fall": servers.fall, "rise": servers.rise}
    check["timeout"] = times.get("check", servers.inter)
    if "check" not in times:
        imported.assume("timeout check", f"balancer.check.timeout = {servers.inter:g}, as long as inter")
    if not servers.checked:
        words = "the servers are not checked, and a scenario's are: what a dead node costs is predicted too low"
        imported.say(NOWHERE, "check", "not modelled", words)
    return {"check": check, "on_marked_down": servers.on_marked_down, "slowstart": servers.slowstart}


def _whole(text: str, where: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,6}", text):
        raise ScenarioError(f"{where} is '{text}'; allowed is a whole number.")
    return int(text)
