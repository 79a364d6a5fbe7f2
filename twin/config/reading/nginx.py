"""nginx.conf, or a file for its http context, read into the balancer of a scenario, and its number of nodes.

What the files leave out is nginx's own default: round robin, `max_fails` 1, `fail_timeout` 10 s, and 60 s for
`proxy_connect_timeout` and `proxy_read_timeout`. Sources: nginx, ngx_http_upstream_module,
ngx_http_proxy_module, "WebSocket proxying".
"""

import re
from collections.abc import Sequence
from typing import Any

from twin.config.reading.choosing import chosen
from twin.config.reading.durations import nginx_time
from twin.config.reading.nginx_blocks import NginxBlock, blocks
from twin.config.reading.nginx_tables import NO_EFFECT, NOT_MODELLED, TLS
from twin.config.reading.report import NOWHERE, Imported, SourceFile
from twin.errors import ScenarioError
from twin.rules.presets import BALANCERS

MOST_NODES = 1000
RULES = {"least_conn": "least_conn", "ip_hash": "ip_hash"}
TIMES = {"proxy_connect_timeout": "connect_timeout", "proxy_read_timeout": "read_timeout"}
_PASS = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[^/:$\s]+)(?::[0-9]{1,5})?(?:/.*)?", re.DOTALL)


def read(files: Sequence[SourceFile], upstream: str = "") -> Imported:
    """Return what is understood of nginx's files.

    Args:
        files: nginx.conf, files for its http context, or both.
        upstream: name of the one that the scenario is about; not needed if requests are passed to only one.

    Raises:
        ScenarioError: it is no such text, or does not say which upstream.
    """
    roots = [blocks(file) for file in files]
    return NginxReading(roots, upstream).imported


class NginxReading:
    """One upstream, read.

    Args:
        roots: the files.
        name: of the upstream, or an empty text.
    """

    def __init__(self, roots: Sequence[NginxBlock], name: str) -> None:
        self.imported = Imported()
        self.every = [one for root in roots for one in root.all()]
        join(roots)
        self.upstreams = {one.words[1]: one for one in self.every if one.name == "upstream" and len(one.words) > 1}
        self.passes = [one for one in self.every if one.name == "proxy_pass"]
        self.name = self._chosen(name)
        self.location = next(one.outer for one in self.passes if self._target(one) == self.name) or roots[0]
        self.used = dict[int, str]()
        self.assumed = set[int]()
        self.settings: dict[str, Any] = {}
        self.count = 0
        self._peers()
        self._timeouts()
        self._stop()
        self._passes_upgrades()
        for one in self.every:
            self._say(one)
        self.imported.data = {"balancer": {"kind": "nginx", **self.settings}, "nodes": {"count": self.count}}
        self.imported.assume("clients", "how many there are, and how they come back: set [clients]")

    def _target(self, one: NginxBlock) -> str:
        """Return the host or the upstream that requests are passed to; an empty text for a variable."""
        found = _PASS.fullmatch(one.words[1]) if len(one.words) == 2 else None
        return found[1] if found is not None else ""

    def _chosen(self, name: str) -> str:
        targets = filter(None, map(self._target, self.passes))
        return chosen(
            targets, name, "there is no proxy_pass to an upstream or a host.", "requests are passed to several"
        )

    def _peers(self) -> None:
        """Read the upstream: its choice rule and its servers."""
        preset, upstream = BALANCERS["nginx"], self.upstreams.get(self.name)
        self.settings = {name: preset[name] for name in ("algorithm", "max_fails", "fail_timeout")}
        if upstream is None:
            self.count = 1
            self.imported.assume("upstream", "proxy_pass names one host, which is one node")
            return
        rule, first = "", None
        for one in upstream.inner or ():
            if one.name == "server":
                options = self._server(one)
                if options is None:
                    continue
                self.count += 1
                first = first or options
                if options != first:
                    self.imported.assume(one.text, "its parameters differ; those of the first server count for all")
            elif found := self._rule(one):
                rule = found
        if not 0 < self.count <= MOST_NODES:
            raise ScenarioError(f"{upstream.place}: has {self.count} servers in service; allowed is 1 to {MOST_NODES}.")
        self.settings |= first or {}
        if not rule:
            self.imported.assume("round robin", f"balancer.algorithm = '{preset['algorithm']}', nginx's default")
        self.settings["algorithm"] = rule or preset["algorithm"]

    def _rule(self, one: NginxBlock) -> str:
        """Return a choice rule by its name in a scenario; one that there is not is assumed to be round robin."""
        match one.words:
            case [("least_conn" | "ip_hash") as name]:
                rule = RULES[name]
            case ["random", "two"] | ["random", "two", "least_conn"]:
                rule = "random_two"
            case ["hash", "$remote_addr" | "$binary_remote_addr", "consistent"]:
                rule = "hash_consistent"
            case ["random" | "hash" | "least_time", *_]:
                rule = str(BALANCERS["nginx"]["algorithm"])
                self.assumed.add(id(one))
            case _:
                return ""
        more = ": a scenario has no such rule" if id(one) in self.assumed else ""
        self.used[id(one)] = f"balancer.algorithm = '{rule}'{more}"
        return rule

    def _server(self, one: NginxBlock) -> dict[str, int] | None:
        """Return the parameters of a server that are settings, or None if it is out of service."""
        found: dict[str, int] = {}
        self.used[id(one)] = "a node"
        for word in one.words[2:]:
            name, _, value = word.partition("=")
            if name == "max_fails":
                found["max_fails"] = _whole(value, f"{one.place}: {name}")
            elif name == "fail_timeout":
                seconds = nginx_time(value, f"{one.place}: {name}")
                found["fail_timeout"] = max(1, round(seconds))
            elif name == "down":
                self.used[id(one)] = "no node, as it is down"
                return None
            elif name in ("weight", "max_conns", "backup", "slow_start", "route"):
                words = {"weight": "weights", "backup": "servers that stand by", "route": "clients are bound to nodes"}
                hides = words.get(name, "a limit of one server")
                self.imported.say(one.place, f"... {word}", "not modelled", hides)
        return found

    def _timeouts(self) -> None:
        for name, setting in TIMES.items():
            one = self.location.effective(name)
            if one is None or len(one.words) != 2:
                self.settings[setting] = BALANCERS["nginx"][setting]
                self.imported.assume(name, f"balancer.{setting} = {self.settings[setting]:g}, nginx's default")
                continue
            self.settings[setting] = nginx_time(one.words[1], f"{one.place}: {name}")
            self.used[id(one)] = f"balancer.{setting} = {self.settings[setting]:g}"

    def _stop(self) -> None:
        stops = [one for one in self.every if one.name == "worker_shutdown_timeout" and len(one.words) == 2]
        if not stops:
            self.settings["hard_stop_after"] = 0
            self.imported.assume("worker_shutdown_timeout", "balancer.hard_stop_after = 0: a reload cuts nobody")
            return
        seconds = nginx_time(stops[-1].words[1], f"{stops[-1].place}: worker_shutdown_timeout")
        self.settings["hard_stop_after"] = max(1, round(seconds)) if seconds else 0
        self.used[id(stops[-1])] = f"balancer.hard_stop_after = {self.settings['hard_stop_after']}"

    def _passes_upgrades(self) -> None:
        """Note what keeps WebSockets from passing: the version of HTTP, or a header that is missing."""
        version = self.location.effective("proxy_http_version")
        if version is not None:
            self.used[id(version)] = "WebSockets need 1.1"
        level: NginxBlock | None = self.location
        while level is not None and not any(one.name == "proxy_set_header" for one in level.inner or ()):
            level = level.outer  # headers are inherited only where none is set
        headers = {one.words[1].lower() for one in (level.inner if level else None) or () if len(one.words) == 3}
        lacks = [] if version is not None and version.words[1:] == ("1.1",) else ["proxy_http_version 1.1"]
        lacks += [f"proxy_set_header {name.title()}" for name in ("upgrade", "connection") if name not in headers]
        if lacks:
            self.imported.say(NOWHERE, ", ".join(lacks), "not modelled", "without it no WebSocket passes nginx")

    def _say(self, one: NginxBlock) -> None:
        """Say what became of a directive."""
        say, name = self.imported.say, one.name
        outer = one.outer.name if one.outer is not None else ""
        if id(one) in self.used:
            say(one.place, one.text, "assumed" if id(one) in self.assumed else "used", self.used[id(one)])
        elif name == "proxy_pass":
            mine = self._target(one) == self.name
            say(
                one.place,
                one.text,
                "used" if mine else "no effect",
                "leads to the nodes" if mine else "leads elsewhere",
            )
        elif outer == "upstream" or name in TIMES:
            where = "another upstream" if outer == "upstream" and one.outer is not self.upstreams.get(self.name) else ""
            where = where or ("another place" if name in TIMES else "")
            known = NO_EFFECT.get(name)
            verdict = "no effect" if where or known else "not modelled"
            words = f"it is of {where}" if where else known or NOT_MODELLED.get(name) or "the lab does not know it"
            say(one.place, one.text, verdict, words)  # type: ignore[arg-type]
        elif name.startswith(("ssl", "proxy_ssl")) or (name == "listen" and "ssl" in one.words):
            say(one.place, one.text, "not modelled", TLS)
        elif one.words[:2] in (("worker_processes", "1"),):
            say(one.place, one.text, "used", "one worker")
        elif outer in ("map", "types", "geo"):
            say(one.place, one.text, "no effect", NO_EFFECT[outer])
        elif name in NOT_MODELLED:
            say(one.place, one.text, "not modelled", NOT_MODELLED[name])
        elif name in NO_EFFECT:
            say(one.place, one.text, "no effect", NO_EFFECT[name])
        else:
            say(one.place, one.text, "not modelled", "the lab does not know it")


OF_HTTP = frozenset(["server", "upstream", "location", "map"])
"""Blocks that are never in the main context."""


def join(roots: Sequence[NginxBlock]) -> None:
    """Put what stands in files for the `http` context into the `http` block of another file, if there is one: so it is
    where an include would have it. A text of `nginx -T` has all files in one.
    """
    http = next(
        (one for root in roots for one in root.inner or () if one.name == "http" and one.inner is not None), None
    )
    if http is None or http.inner is None:
        return
    for root in roots:
        is_main = any(one is http for one in root.inner or ())
        for one in root.inner or ():
            if one is not http and (not is_main or one.name in OF_HTTP):
                one.outer = http
                http.inner.append(one)


def _whole(text: str, where: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text):
        raise ScenarioError(f"{where} is '{text}'; allowed is a whole number.")
    return int(text)
