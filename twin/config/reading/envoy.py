"""Envoy's own configuration, in YAML or JSON, read into the balancer of a scenario, and its number of nodes.

What a file leaves out is Envoy's default, which the scenario's settings have, too. Source: Envoy 1.40, API reference,
`envoy.config.bootstrap.v3.Bootstrap` and the messages in it.
"""

import re
from collections.abc import Sequence
from typing import Any

from twin.config.reading.choosing import chosen
from twin.config.reading.durations import MOST, go_time
from twin.config.reading.envoy_tables import (
    BLOCKS,
    BUDGET,
    CHECKS,
    EJECTS,
    PERCENT,
    RULES,
    TIMES,
    UNCHECKED,
    UNLIMITED,
    USUAL_RULE,
    WHOLE,
    around,
    without,
)
from twin.config.reading.istio_retries import conditions
from twin.config.reading.report import NOWHERE, Imported, SourceFile
from twin.config.reading.yaml_fields import Take, nested, walk
from twin.config.reading.yaml_nodes import YamlNode, documents
from twin.errors import ScenarioError
from twin.rules.envoy_retries import BASE_INTERVAL, MOST_OF_BASE

MOST_NODES = 1000
TOPS = {
    "admin": "how it is started",
    "node": "how it is started",
    "cluster_manager": "logging",
    "stats_config": "logging",
    "stats_sinks": "logging",
    "stats_flush_interval": "logging",
    "layered_runtime": "switches of Envoy itself",
    "overload_manager": "a limit that the model does not have",
    "bootstrap_extensions": "how it is started",
    "default_socket_interface": "how it is started",
}
"""What stands beside the listeners and clusters -> why it has no effect."""
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def read(files: Sequence[SourceFile], cluster: str = "") -> Imported:
    """Return what is understood of Envoy's files.

    Args:
        files: of the configuration.
        cluster: name of the one that the scenario is about; not needed if requests are routed to only one.

    Raises:
        ScenarioError: it is no such text, or does not say which cluster.
    """
    return EnvoyReading([snake(one) for file in files for one in documents(file)], cluster).imported


def snake(node: YamlNode) -> YamlNode:
    """Return a value with the names of fields as Envoy's manual writes them; in JSON they may be `camelCase`."""
    if isinstance(node.value, dict):
        names = {
            re.sub("(?<=[a-z0-9])([A-Z])|(?<=[a-z])(5xx)", r"_\1\2", name).lower(): one
            for name, one in node.value.items()
        }
        return YamlNode(node.place, {name: snake(one) for name, one in names.items()})
    return YamlNode(node.place, [snake(one) for one in node.value]) if isinstance(node.value, list) else node


class EnvoyReading:
    """One cluster, read.

    Args:
        roots: the documents.
        name: of the cluster, or an empty text.
    """

    def __init__(self, roots: Sequence[YamlNode], name: str) -> None:
        self.imported, self.settings = Imported(), dict[str, Any]()
        self.clusters = [one for root in roots for one in root.items_at("static_resources", "clusters")]
        listeners = [one for root in roots for one in root.items_at("static_resources", "listeners")]
        self.managers = [manager for listener in listeners for manager in managers(listener)]
        self.listeners = listeners
        self.name = self._chosen(name)
        for root in roots:
            self._around(root)
        self.count = 0
        self._cluster()
        self._fronts()
        retries = self.settings.get("retry_policy.num_retries")
        if retries is not None and not self.settings.get("retry_policy.retry_on"):
            self.settings["retry_policy.num_retries"] = 0
            self.settings.pop("retry_policy.retry_on", None)
        self._usual()
        self.imported.data = {"balancer": nested({"kind": "envoy", **self.settings}), "nodes": {"count": self.count}}
        self.imported.assume("clients", "how many there are, and how they come back: set [clients]")

    def _chosen(self, name: str) -> str:
        routed = [one.text_at("route", "cluster") for manager in self.managers for one in routes(manager)]
        return chosen(
            filter(None, routed),
            name,
            "there is no route of an HTTP connection manager to a cluster.",
            "requests are routed to several clusters",
        )

    def _around(self, root: YamlNode) -> None:
        """Say what became of what stands beside listeners and clusters."""
        for name, node in root.fields.items():
            if name == "static_resources":
                continue
            if name in TOPS:
                self.imported.say(node.place, name, "no effect", TOPS[name])
            else:
                words = "what a control plane tells Envoy while it runs"
                known = name == "dynamic_resources"
                self.imported.say(node.place, name, "not modelled", words if known else "the lab does not know it")

        for listener in self.listeners:
            walk(self.imported, listener, {"filter_chains": _inner}, (), around)
            for chain in listener.items_at("filter_chains"):
                walk(self.imported, chain, {"filters": _inner}, (), around)
        for manager in self.managers:
            for host in manager.items_at("route_config", "virtual_hosts"):
                walk(self.imported, host, {"routes": _inner}, (), around)

    # The cluster

    def _cluster(self) -> None:
        """Read the cluster: its nodes, its choice rule, and its limits."""
        for one in self.clusters:
            if one.text_at("name") != self.name:
                self.imported.say(one.place, f"cluster {one.text_at('name')}", "no effect", "it is another cluster")
        mine = next((one for one in self.clusters if one.text_at("name") == self.name), None)
        if mine is None:
            raise ScenarioError(f"there is no cluster '{self.name}' in the file.")
        if mine.at(EJECTS) is not None:
            self.settings[f"{EJECTS}.interval"] = 10.0
        takes = {"lb_policy": self._rule, "load_assignment": self._endpoints} | self._values()
        takes |= {f"{EJECTS}.enforcing_{name}": self._enforced for name in ENFORCED}
        takes[f"{EJECTS}.always_eject_one_host"] = self._flag
        budget = mine.items_at("circuit_breakers", "thresholds")
        if any(one.at("retry_budget") is not None for one in budget):
            self.settings["circuit_breakers.budget_percent"] = BUDGET
        walk(self.imported, mine, takes, BLOCKS, without)
        if not 0 < self.count <= MOST_NODES:
            raise ScenarioError(f"{mine.place}: has {self.count} endpoints; allowed is 1 to {MOST_NODES}.")
        if "algorithm" not in self.settings:
            self.settings["algorithm"] = USUAL_RULE
            self.imported.assume("lb_policy", f"balancer.algorithm = '{USUAL_RULE}', Envoy's default")
        for reason, setting in ENFORCED.items():
            if setting and mine.text_at(EJECTS, f"enforcing_{reason}") == "0":
                self.settings[f"{EJECTS}.{setting}"] = 1000
        if mine.text_at(EJECTS, "enforcing_consecutive_gateway_failure") in ("", "0"):
            self.settings.pop(f"{EJECTS}.consecutive_gateway_failure", None)

    def _values(self) -> dict[str, Take]:
        """Return what takes the fields that are one number or one time."""
        found: dict[str, Take] = dict.fromkeys(TIMES, self._time)
        found |= dict.fromkeys(WHOLE, self._number)
        return found | dict.fromkeys(PERCENT, self._percent)

    def _number(self, path: str, node: YamlNode) -> str:
        return self._set(WHOLE[path], node.whole(path))

    def _percent(self, path: str, node: YamlNode) -> str:
        if not _NUMBER.fullmatch(node.text):
            raise ScenarioError(f"{node.place}: {path} is '{node.text}'; allowed is a number.")
        return self._set(PERCENT[path], float(node.text))

    def _time(self, path: str, node: YamlNode) -> str:
        seconds, setting = go_time(node.text, f"{node.place}: {path}"), TIMES[path]
        return self._set(setting, MOST if setting in UNLIMITED and not seconds else seconds)

    def _set(self, setting: str, value: float) -> str:
        self.settings[setting] = value
        return f"balancer.{setting} = {value:g}"

    def _flag(self, path: str, node: YamlNode) -> str:
        self.settings[path] = node.text == "true"
        return f"balancer.{path} = {node.text}"

    def _rule(self, path: str, node: YamlNode) -> str:
        rule = RULES.get(node.text)
        self.settings["algorithm"] = rule or USUAL_RULE
        if rule is None:
            self.imported.say(node.place, f"{path}: {node.text}", "assumed", f"balancer.algorithm = '{USUAL_RULE}'")
            return ""
        return f"balancer.algorithm = '{rule}'"

    def _endpoints(self, _: str, node: YamlNode) -> str:
        """Count the nodes, and read their weights."""
        weights = []
        for locality in node.items_at("endpoints"):
            for field in ("locality", "priority", "load_balancing_weight"):
                if locality.at(field) is not None:
                    self.imported.say(locality.place, f"endpoints.{field}", "not modelled", "nodes in several zones")
            for one in locality.items_at("lb_endpoints"):
                weight = one.at("load_balancing_weight")
                weights.append(weight.whole("load_balancing_weight") if weight is not None else 1)
        self.count = len(weights)
        while weights and weights[-1] == 1:
            weights.pop()
        if weights:
            self.settings["weights"] = weights
        return f"{self.count} nodes" + (f", balancer.weights = {weights}" if weights else "")

    def _enforced(self, path: str, node: YamlNode) -> str:
        """Read whether a reason ejects: a share of 0 is never, any other one is always here."""
        if node.text not in ("0", "100"):
            self.imported.say(node.place, f"{path}: {node.text}", "assumed", "100: all such ejections are done")
            return ""
        return "whether that ejects"

    def _usual(self) -> None:
        """Leave out what is the same as Envoy's default; without checks they come so seldom that a run sees none."""
        if "check.interval" not in self.settings:
            self.settings |= {"check.interval": UNCHECKED, "check.no_traffic_interval": UNCHECKED}
            self.imported.assume(
                CHECKS, f"there are none: balancer.check.interval = {UNCHECKED:g}, longer than most runs"
            )
        every = self.settings["check.interval"]
        usual = {"unhealthy_interval": every, "healthy_edge_interval": every}
        usual["unhealthy_edge_interval"] = self.settings.get("check.unhealthy_interval", every)
        for name, value in usual.items():
            if self.settings.get(f"check.{name}") == value:
                del self.settings[f"check.{name}"]
        longest = MOST_OF_BASE * self.settings.get("retry_policy.base_interval", BASE_INTERVAL)
        if self.settings.get("retry_policy.max_interval") == round(longest, 6):
            del self.settings["retry_policy.max_interval"]

    # The listener

    def _fronts(self) -> None:
        """Read the route to the cluster, and the connection manager that has it."""
        chosen = [(manager, one) for manager in self.managers for one in routes(manager) if self._leads(one)]
        manager, route = chosen[0]
        takes = self._values() | {"match": self._match, "route.hash_policy": self._hashed, "route.cluster": _leads}
        takes |= {"route.retry_policy.retry_on": self._retried, "route.upgrade_configs": _upgrades}
        takes |= {
            f"route.retry_policy.{name}": self._policy for name in ("retriable_status_codes", "retry_host_predicate")
        }
        for other in (one for every in self.managers for one in routes(every) if one is not route):
            self.imported.say(other.place, "route", "no effect", "it is another route")
        outer = {"upgrade_configs": _upgrades, "http_filters": self._filters, "route_config": _inner}
        walk(self.imported, manager, self._values() | outer, BLOCKS, without)
        if route.at("route", "retry_policy", "num_retries") is None and route.at("route", "retry_policy") is not None:
            self.settings["retry_policy.num_retries"] = 1
        walk(self.imported, route, takes, BLOCKS, without)
        upgrades = manager.items_at("upgrade_configs") + route.items_at("route", "upgrade_configs")
        if not any(one.text_at("upgrade_type").lower() == "websocket" for one in upgrades):
            self.imported.say(NOWHERE, "upgrade_configs", "not modelled", "without it no WebSocket passes Envoy")
        for name, words in (("timeout", "15 s"), ("stream_idle_timeout", "300 s"), ("delayed_close_timeout", "1 s")):
            if name not in self.settings:
                self.imported.assume(name, f"{words}, Envoy's default")

    def _leads(self, route: YamlNode) -> bool:
        return route.text_at("route", "cluster") == self.name

    def _match(self, _: str, node: YamlNode) -> str:
        if node.text_at("prefix") == "/":
            return "all requests"
        self.imported.say(node.place, "match", "assumed", "all clients take this route")
        return ""

    def _hashed(self, _: str, node: YamlNode) -> str:
        if any(one.text_at("connection_properties", "source_ip") == "true" for one in node.items):
            return "the client's address, where the choice rule hashes"
        if any(one.at("header") is not None for one in node.items):
            self.settings["hash_policy"] = "header"
            return "balancer.hash_policy = 'header': each client has its own"
        words = "the client's address is hashed in its place: set clients.addresses to clients.count"
        self.imported.say(node.place, "route.hash_policy", "assumed", words)
        return ""

    def _retried(self, _: str, node: YamlNode) -> str:
        found, codes = conditions(self.imported, node)
        self.settings["retry_policy.retry_on"] = found
        if codes:
            self.settings["retry_policy.retriable_status_codes"] = codes
        return f"balancer.retry_policy.retry_on = {found}, until the 101"

    def _policy(self, path: str, node: YamlNode) -> str:
        if path.endswith("retriable_status_codes"):
            codes = [one.whole(path) for one in node.items]
            self.settings["retry_policy.retriable_status_codes"] = codes
            return f"balancer.retry_policy.retriable_status_codes = {codes}"
        known = any(one.text_at("name").endswith("previous_hosts") for one in node.items)
        self.settings["retry_policy.previous_hosts"] = known
        return f"balancer.retry_policy.previous_hosts = {str(known).lower()}"

    def _filters(self, _: str, node: YamlNode) -> str:
        for one in node.items:
            name = one.text_at("name")
            router = name in ("envoy.filters.http.router", "envoy.router")
            verdict, words = ("no effect", "leads to the route") if router else ("not modelled", "a filter of requests")
            self.imported.say(one.place, f"http_filters: {name}", verdict, words)  # type: ignore[arg-type]
        return ""


LISTS = ("retriable_status_codes", "retry_host_predicate")
ENFORCED = {
    "consecutive_5xx": "consecutive_5xx",
    "success_rate": "success_rate_minimum_hosts",
    "consecutive_gateway_failure": "",
}
"""Reason of an ejection -> the setting that is so large then that it never ejects."""


def _leads(_: str, __: YamlNode) -> str:
    return "leads to the nodes"


def _upgrades(_: str, __: YamlNode) -> str:
    return "WebSockets pass"


def _inner(_: str, __: YamlNode) -> str:
    """Say nothing: routes are read one by one."""
    return ""


def managers(listener: YamlNode) -> list[YamlNode]:
    """Return the HTTP connection managers of a listener."""
    filters = [one for chain in listener.items_at("filter_chains") for one in chain.items_at("filters")]
    found = [one.at("typed_config") for one in filters]
    return [one for one in found if one is not None and one.at("route_config") is not None]


def routes(manager: YamlNode) -> list[YamlNode]:
    """Return the routes of a connection manager."""
    hosts = manager.items_at("route_config", "virtual_hosts")
    return [one for host in hosts for one in host.items_at("routes")]
