"""Digests of every configuration that is made of the shipped scenarios: a change that should change no byte of them
changes none.

Each scenario is taken with its own balancer and with each other kind's defaults: the configuration of a live run, with
the registry's list where there is one, and those to take away, for each stickiness, at the root and at a path. After a
change that is meant, `python -m tests.live.balancer.configurations` writes `configurations.json` anew, for the
difference to be looked at and committed.
"""

import hashlib
import json
from itertools import product
from pathlib import Path

from twin.config.balancer import CONFIGURATIONS, Site, of_site
from twin.config.envoy import endpoints
from twin.config.nginx import head, peer, peers
from twin.errors import ScenarioError
from twin.rules.registry import Registration
from twin.scenario.balancer.envoy import Envoy
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.balancer.nginx import Nginx
from twin.scenario.scenario import Scenario

FOLDER = Path(__file__).parents[3] / "scenarios"
FILE = Path(__file__).with_name("configurations.json")
RUN = Path("/run/stormlab")
MEMBERS = {1: Registration(1, "10.0.0.9:99", "v1")}


def of_run(scenario):
    """Return what a live run writes for its balancer."""
    ports = [20_000 + number for number in range(1, scenario.slots + 1)]
    texts = [CONFIGURATIONS[scenario.balancer.kind].of_run(scenario, 20_000, ports, RUN)]
    if scenario.registry is not None and isinstance(scenario.balancer, Envoy):
        texts += [endpoints(members) for members in ({}, MEMBERS)]
    if scenario.registry is not None and isinstance(scenario.balancer, Nginx):
        first, one = head(scenario.balancer), peer(scenario.balancer)
        absent = {slot: f"127.0.0.1:{port}" for slot, port in enumerate(ports, 1)}
        texts += [peers(first, one, absent, members) for members in ({}, MEMBERS)]
    return texts


def to_take_away(scenario):
    """Return the configurations that the commands print, one for each place."""
    places = product(("*:8080", "10.0.0.1:443"), ("/", "/ws"), ("none", "address", "cookie"))
    return [of_site(scenario, Site(listen, path=path, sticky=sticky)) for listen, path, sticky in places]


def digest(texts):
    """Return the SHA-256 of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def digests():
    """Return what the file should hold: scenario -> kind of balancer -> digest of all its configurations."""
    found = {}
    for path in sorted(FOLDER.glob("*.toml")):
        shipped = Scenario.load(path)
        found[path.stem] = {}
        for kind in (HAProxy, Nginx, Envoy):
            try:
                scenario = shipped if isinstance(shipped.balancer, kind) else shipped.vary(balancer=kind())
            except ScenarioError:
                continue  # a scenario that the other kind cannot have
            found[path.stem][scenario.balancer.kind] = digest(of_run(scenario) + to_take_away(scenario))
    return found


def stored():
    """Return the digests of the file."""
    return json.loads(FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    FILE.write_text(json.dumps(digests(), indent=1) + "\n", encoding="utf-8")
