"""What is said of times that may be meant in milliseconds."""

import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tests.strategies import small
from twin.advice import time_advice
from twin.advice.times import BOUNDED, PLAUSIBLE, numbers
from twin.scenario.fields import Table
from twin.scenario.presets import BALANCERS, CLIENTS
from twin.scenario.scenario import Scenario


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"balancer": {"check": {"inter": 2000.0}}}, "balancer.check.inter is 2000 s"),
        ({"clients": {"heartbeat": {"interval": 25_000.0}}}, "clients.heartbeat.interval is 25000 s"),
        ({"clients": {"reconnect": {"base": 100.0, "cap": 100.0}}}, "clients.reconnect.base is 100 s"),
        ({"balancer": {"kind": "nginx", "read_timeout": 60_000.0}}, "balancer.read_timeout is 60000 s"),
        ({"balancer": {"connect_timeout": 5000.0}}, "balancer.connect_timeout is 5000 s"),
        ({"nodes": {"ping_timeout": 20_000.0}}, "nodes.ping_timeout is 20000 s"),
        ({"faults": [{"at": 1.0, "kind": "hang", "node": 1, "duration": 5000.0}]}, "faults.0.duration is 5000 s"),
        (
            {"clients": {"reconnect": {"policy": "list", "delays": [0.0, [1000.0, 2000.0]]}}},
            "clients.reconnect.delays.1.0 is 1000 s",
        ),
    ],
)
def test_a_time_beyond_the_plausible_is_taken_for_milliseconds(changes, said):
    found = time_advice(small(**changes))
    assert found
    assert str(found[0]) == f"{said}, for times are in seconds."
    assert found[0].remedy.startswith("If milliseconds are meant, write ")
    assert found[0].remedy.endswith(f" {float(re.search(r'is ([0-9]+) s', said)[1]) / 1000:g}.")


def test_whole_hours_are_meant_however_many():
    assert not time_advice(small(balancer={"tunnel_timeout": 86_400.0}))
    assert not time_advice(small(balancer={"tunnel_timeout": 7 * 3600.0}))
    assert time_advice(small(balancer={"tunnel_timeout": 50_000.0}))


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_no_preset_of_a_client_library_is_suspicious(name):
    data = {"name": "x", "clients": {"reconnect": name, "heartbeat": name}}
    assert not time_advice(Scenario.parse(data))


@pytest.mark.parametrize("name", sorted(BALANCERS))
def test_no_preset_of_a_balancer_is_suspicious(name):
    assert not time_advice(Scenario.parse({"name": "x", "balancer": name}))


def settings(kind: Any, pattern: str = "") -> dict[str, str]:
    """Return the description of every setting below a type, by its path with `*` for places in lists."""
    found: dict[str, str] = {}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            path = f"{pattern}.{name}".lstrip(".")
            below = settings(field.annotation, path)
            found |= below or {path: field.description or ""}
        return found
    for inner in get_args(kind):
        listed = getattr(kind, "__origin__", None) is list
        found |= settings(inner, f"{pattern}.*" if listed else pattern)
    return found


def test_every_time_of_a_scenario_has_a_longest_plausible_value():
    times = {path for path, text in settings(Scenario).items() if re.search(r"\bseconds\b", text, re.I)}
    times |= {"clients.reconnect.delays.*"}
    known = set(PLAUSIBLE) | set(BOUNDED)
    # what holds a time besides other things is described by it, but is not one
    others = {"clients.reconnect.delays", "bus.output_buffer.soft_bytes"}
    assert times - others - known == set()
    assert set(PLAUSIBLE) - times - others == set()


def test_numbers_are_found_in_tables_lists_and_pairs():
    class Inner(Table):
        x: float = 1.0

    class Outer(Table):
        parts: list[Inner]
        pairs: list[float | list[float]]
        on: bool = True

    assert list(numbers(Outer(parts=[Inner()], pairs=[2.0, [3.0, 4.0]]))) == [
        ("parts.*.x", "parts.0.x", 1.0),
        ("pairs.*", "pairs.0", 2.0),
        ("pairs.*", "pairs.1.0", 3.0),
        ("pairs.*", "pairs.1.1", 4.0),
    ]
