"""DestinationRule and VirtualService of Istio, read into Envoy as the balancer of a scenario.

What they leave out is Istio's own default: least_request, two retries with another node, no limits, no timeout. See
`twin/config/reading/istio_tables.py` for the sources.
"""

from collections.abc import Sequence
from typing import Any

from twin.config.reading.choosing import chosen
from twin.config.reading.durations import MOST, go_time
from twin.config.reading.istio_retries import retries
from twin.config.reading.istio_tables import (
    BLOCKS,
    CONNECT,
    RING,
    RULES,
    TABLE,
    TIMES,
    UNCHECKED,
    UNLIMITED,
    USUAL_RULE,
    WHOLE,
    without,
)
from twin.config.reading.report import NOWHERE, Imported, SourceFile
from twin.config.reading.yaml_fields import nested, walk
from twin.config.reading.yaml_nodes import YamlNode, documents

COMPONENTS = ("connectionPool", "loadBalancer", "outlierDetection")
"""Of a traffic policy; a subset's own one stands for the whole one of the rule."""
EJECTS = {
    "consecutive_5xx": 5,
    "interval": 10.0,
    "base_ejection_time": 30.0,
    "success_rate_minimum_hosts": 1000,
    "success_rate_request_volume": 100_000,
}
"""Outlier detection as Istio configures it, without success rates. Source: `applyOutlierDetection`."""


def read(files: Sequence[SourceFile], host: str = "") -> Imported:
    """Return what is understood of Istio's resources.

    Args:
        files: YAML files with a DestinationRule, a VirtualService, or both.
        host: of the service that the scenario is about; not needed if they are about only one.

    Raises:
        ScenarioError: it is no such text, or does not say which host.
    """
    return IstioReading([one for file in files for one in documents(file)], host).imported


class IstioReading:
    """One host, read.

    Args:
        roots: the resources.
        host: as the user named it, or an empty text.
    """

    def __init__(self, roots: Sequence[YamlNode], host: str) -> None:
        self.imported = Imported()
        self.settings: dict[str, Any] = {"kind": "envoy", "algorithm": USUAL_RULE}
        of_kind: dict[str, list[YamlNode]] = {"DestinationRule": [], "VirtualService": []}
        for root in roots:
            of_kind.get(root.text_at("kind"), []).append(root)
        self.rules, services = of_kind["DestinationRule"], of_kind["VirtualService"]
        self.routes = [route for one in services for route in one.items_at("spec", "http")]
        self.host = self._chosen(host)
        route = next((one for one in self.routes if self.host in _hosts(one)), None)
        rule = next((one for one in self.rules if one.text_at("spec", "host") == self.host), None)
        for root in roots:
            self._resource(root, root is rule)
        self.subset = ""
        self._route(route)
        self._policy(rule)
        hashes = self.settings["algorithm"] in (RING, TABLE)
        for name, value in retries(self.imported, route.at("retries") if route is not None else None, hashes).items():
            self.settings[f"retry_policy.{name}"] = value
        self._assume(rule, route)
        self.imported.data = {"balancer": nested(self.settings)}

    def _chosen(self, name: str) -> str:
        found = [one.text_at("spec", "host") for one in self.rules] + [
            host for one in self.routes for host in _hosts(one)
        ]
        return chosen(
            filter(None, found),
            name,
            "there is no DestinationRule with a host, and no VirtualService with a route to one.",
            "requests are sent to several hosts",
        )

    def _resource(self, root: YamlNode, mine: bool) -> None:
        """Say what became of a resource, and of what of its `spec` is the same for all its hosts and routes."""
        say, kind = self.imported.say, root.text_at("kind")
        for name, node in root.fields.items():
            if name != "spec":
                what = f" {node.text}" if node.text else ""
                say(node.place, f"{name}:{what}", "no effect", "which resource it is")
        spec = root.at("spec")
        if spec is None:
            return
        if kind not in ("DestinationRule", "VirtualService"):
            say(spec.place, f"{kind or 'a resource'}: spec", "not modelled", "the lab reads no such resource")
            return
        for name, node in spec.fields.items():
            text = f"{name}: {node.text}".rstrip()
            if kind == "DestinationRule" and not mine:
                say(node.place, text, "no effect", "it is of another host")
            elif name == "host":
                say(node.place, text, "used", "the nodes")
            elif name not in ("trafficPolicy", "subsets", "http"):
                say(node.place, text, *without("tcp" if kind == "VirtualService" and name == "tls" else name))

    # The route

    def _route(self, chosen: YamlNode | None) -> None:
        """Read the route to the host: which subset it goes to, and its timeout."""
        self.settings["timeout"] = MOST
        for route in self.routes:
            if route is not chosen:
                self.imported.say(route.place, "http", "no effect", "it is another route")
        if chosen is None:
            return
        takes = {"match": self._match, "route": self._destinations, "timeout": self._timeout, "retries": _later}
        walk(self.imported, chosen, takes, BLOCKS, without)

    def _match(self, _: str, node: YamlNode) -> str:
        self.imported.say(node.place, "match", "assumed", "all clients take this route")
        return ""

    def _destinations(self, _: str, node: YamlNode) -> str:
        """Take the subset to which most are sent."""
        mine = [one for one in node.items if one.text_at("destination", "host") == self.host]
        mine.sort(key=lambda one: -_weight(one))
        self.subset = mine[0].text_at("destination", "subset") if mine else ""
        if len(node.items) > 1:
            self.imported.say(
                node.place, "route", "not modelled", "a share of the clients is sent to another version or host"
            )
            return ""
        return f"leads to the nodes{f' of the subset {self.subset}' if self.subset else ''}"

    def _timeout(self, path: str, node: YamlNode) -> str:
        seconds = go_time(node.text, f"{node.place}: {path}")
        self.settings["timeout"] = seconds or MOST
        return f"balancer.timeout = {self.settings['timeout']:g}, which ends with the 101 and cuts no WebSocket"

    # The policy

    def _policy(self, rule: YamlNode | None) -> None:
        """Read the traffic policy of the host, or of the subset that is used."""
        limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
        self.settings |= {f"circuit_breakers.{name}": UNLIMITED for name in limits}
        self.settings["connect_timeout"] = CONNECT
        if rule is None:
            return
        subsets = rule.items_at("spec", "subsets")
        own = next((one for one in subsets if self.subset and one.text_at("name") == self.subset), None)
        for one in subsets:
            words = "the nodes" if one is own else "it is another subset"
            self.imported.say(one.place, f"subset {one.text_at('name')}", "used" if one is own else "no effect", words)
        of_subset = own.at("trafficPolicy") if own is not None else None
        policy = rule.at("spec", "trafficPolicy")
        for found in (of_subset, policy):
            taken = dict[str, YamlNode]()
            for name, node in found.fields.items() if found is not None else ():
                if found is policy and name in COMPONENTS and of_subset is not None and of_subset.at(name) is not None:
                    self.imported.say(node.place, name, "no effect", "the subset has its own")
                else:
                    taken[name] = node
            self._ejects(taken.get("outlierDetection"))
            takes = dict.fromkeys(WHOLE, self._number) | dict.fromkeys(TIMES, self._time)
            takes |= {"loadBalancer.simple": self._simple}
            takes |= {f"loadBalancer.consistentHash.{name}": self._hashed for name in HASHED}
            if found is not None:
                self._hashes(taken.get("loadBalancer"))
                walk(self.imported, YamlNode(found.place, taken), takes, BLOCKS, without)

    def _number(self, path: str, node: YamlNode) -> str:
        value, setting = node.whole(path), WHOLE[path]
        if setting == "outlier_detection.consecutive_5xx" and not value:
            self.settings[setting] = value = 1000
            self.imported.say(node.place, f"{path}: 0", "assumed", f"balancer.{setting} = {value}: no 5xx ejects")
            return ""
        if setting.startswith("circuit_breakers") and not value:
            return "0 is no limit, as if it were left out"
        self.settings[setting] = min(value, UNLIMITED)
        return f"balancer.{setting} = {self.settings[setting]}"

    def _time(self, path: str, node: YamlNode) -> str:
        setting = TIMES[path]
        self.settings[setting] = go_time(node.text, f"{node.place}: {path}")
        if setting.endswith("base_ejection_time"):  # the longest ejection is no shorter than the first
            self.settings["outlier_detection.max_ejection_time"] = max(300.0, self.settings[setting])
        return f"balancer.{setting} = {self.settings[setting]:g}"

    def _ejects(self, node: YamlNode | None) -> None:
        if node is not None:
            self.settings |= {f"outlier_detection.{name}": value for name, value in EJECTS.items()}
            self.settings["panic_threshold"] = 0

    def _simple(self, path: str, node: YamlNode) -> str:
        rule = RULES.get(node.text)
        self.settings["algorithm"] = rule or USUAL_RULE
        if rule is None:
            self.imported.say(node.place, f"{path}: {node.text}", "assumed", f"balancer.algorithm = '{USUAL_RULE}'")
            return ""
        return f"balancer.algorithm = '{rule}'"

    def _hashes(self, balancer: YamlNode | None) -> None:
        """Note that a key is hashed, and how."""
        found = balancer.at("consistentHash") if balancer is not None else None
        if found is not None:
            self.settings["algorithm"] = TABLE if found.at(TABLE) is not None else RING

    def _hashed(self, path: str, node: YamlNode) -> str:
        rule = self.settings["algorithm"]
        if path.endswith("useSourceIp"):
            return f"balancer.algorithm = '{rule}', by the client's address"
        if path.endswith("httpHeaderName"):
            self.settings["hash_policy"] = "header"
            return f"balancer.algorithm = '{rule}', hash_policy = 'header': each client has its own"
        words = f"balancer.algorithm = '{rule}' hashes the address in its place: set clients.addresses to clients.count"
        self.imported.say(node.place, f"{path}: {node.text}".rstrip(" :"), "assumed", words)
        return ""

    def _assume(self, rule: YamlNode | None, route: YamlNode | None) -> None:
        """Say what is Istio's default, or in no such file; an idle WebSocket is never cut."""
        assume = self.imported.assume
        self.settings["stream_idle_timeout"] = MOST
        self.settings |= {"check.interval": UNCHECKED, "check.no_traffic_interval": UNCHECKED}
        if route is None or route.at("timeout") is None:
            assume("timeout", "a route has none: a dial waits for a silent node until the client gives it up")
        if route is None or route.at("retries") is None:
            assume("retries", f"Istio's default: {self.settings['retry_policy.num_retries']}, with another node")
        if rule is None or "outlier_detection.interval" not in self.settings:
            assume("outlierDetection", "none: a dead node is tried until the cluster's list of endpoints lacks it")
        assume("active checks", f"Istio has none: balancer.check.interval = {UNCHECKED:g}, longer than most runs")
        assume("endpoints", "nodes.count is the lab's default, and all of them stay on the list; set it")
        self.imported.say(NOWHERE, "a sidecar at each node", "not modelled", "a second Envoy on the way: its CPU time")
        assume("clients", "how many there are, and how they come back: set [clients]")


HASHED = ("useSourceIp", "httpHeaderName", "httpCookie", "httpQueryParameterName")


def _later(_: str, __: YamlNode) -> str:
    """Say nothing: retries are read when it is known whether a key is hashed."""
    return ""


def _weight(destination: YamlNode) -> int:
    """Return the share of a destination in percent; the only one needs not say it."""
    weight = destination.at("weight")
    return weight.whole("weight") if weight is not None else 100


def _hosts(route: YamlNode) -> list[str]:
    """Return the hosts that a route leads to."""
    return [one.text_at("destination", "host") for one in route.items_at("route")]
