"""What a user names where a cluster is meant: a scenario, or the configuration of another program."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twin.config.reading.report import FilePlace, ReportLine
from twin.errors import ScenarioError
from twin.files.places import shipped
from twin.files.reading import SCENARIO, read_text, toml
from twin.scenario.overrides import merge, parse_override
from twin.scenario.scenario import Scenario

_SET = re.compile(r"([a-z_]+(?:\.[a-z_0-9]+)*) = ")
"""How the report of an import says which setting a line is."""

_WORD = re.compile(r"[a-z_-]+")
OF_SERVERS = {
    "inter": "balancer.check.inter",
    "fall": "balancer.check.fall",
    "rise": "balancer.check.rise",
    "slowstart": "balancer.slowstart",
    "on-marked-down": "balancer.on_marked_down",
    "max_fails": "balancer.max_fails",
    "fail_timeout": "balancer.fail_timeout",
}
"""Words of the line of a server and their settings; the report of an import says of it only that it is a node."""


@dataclass(frozen=True)
class ClusterFiles:
    """A cluster that was read from files.

    Attributes:
        scenario: what it is.
        assumed: what no such file says, in sentences.
        lines: what became of each line of a configuration.
        places: where each setting stands in it, by its path.
    """

    scenario: Scenario
    assumed: list[str] = field(default_factory=list)
    lines: list[ReportLine] = field(default_factory=list)
    places: Mapping[str, FilePlace] = field(default_factory=dict)


def read_cluster(files: Sequence[str], overrides: Sequence[str], backend: str = "") -> ClusterFiles:
    """Read a scenario, or the configuration of one program, and apply overrides of the form `clients.count=500`.

    In a configuration stands nothing of machines and clients: its cluster gets machines of its own.

    Raises:
        ScenarioError: a file is missing or is of no kind that is known, or a value is not allowed.
    """
    if len(files) == 1 and not backend and _is_scenario(files[0]):
        return ClusterFiles(Scenario.load(files[0], list(overrides)))
    from twin.config.reading.formats import imported, name_of

    if any(_is_scenario(name) for name in files):
        raise ScenarioError("validate: give one scenario, or the configuration files of one program.")
    found = imported(files, backend)
    given: dict[str, object] = {}
    for text in overrides:
        given = merge(given, parse_override(text))
    data = {"host": {"placement": "separate"}, "name": name_of(files[0]), **found.data}
    scenario = Scenario.parse(data, files[0]).override(list(overrides))
    assumed = []
    host = given.get("host")
    if not isinstance(host, dict) or "placement" not in host:
        assumed.append("Balancer, nodes and clients have machines of their own (host.placement is 'separate').")
    clients = given.get("clients")
    if not isinstance(clients, dict) or "count" not in clients:
        assumed.append(f"There are {scenario.clients.count} clients; --set clients.count=N says how many there are.")
    if not isinstance(clients, dict) or "reconnect" not in clients:
        policy = scenario.clients.reconnect
        assumed.append(
            f"Clients come back by the lab's default ({policy.policy}, base {policy.base:g} s, cap {policy.cap:g} s, "
            f"jitter {policy.jitter}); --set clients.reconnect=NAME takes a library's."
        )
    used = [one for one in found.lines if one.verdict == "used" and one.place.line]
    places = {setting: one.place for one in used for setting in _SET.findall(one.words)}
    for one in used:
        for word in _WORD.findall(one.text):
            if word in OF_SERVERS:
                places.setdefault(OF_SERVERS[word], one.place)
    return ClusterFiles(scenario, assumed, found.in_order(), places)


def _is_scenario(path: str) -> bool:
    """Tell whether a file is a scenario, or is meant to be one."""
    if path.endswith(".toml"):
        return True
    text = read_text(shipped(path), SCENARIO)
    try:
        toml(text)
    except ValueError:
        return False
    return True
