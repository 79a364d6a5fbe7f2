"""Nobody asks which balancer it is, or which runtime: what a kind does differently is in its own modules.

An `isinstance` with a kind's class, and a comparison with a kind's name (`==`, `!=`, `in`), is such a question. A table
keyed by kind is none.
"""

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from live.balancer import balancer, members
from live.broadcast import server as servers
from live.broadcast.kinds import NODE_ENDS, PUBLISHER_ENDS
from live.node import kinds as programs
from live.transport.kinds import PROGRAMS
from sim.balancer import kinds as simulated
from sim.broadcast import kinds as buses
from sim.compiled.balancer import kinds as compiled
from sim.node import kinds as runtimes
from sim.node.runtime import Runtime
from sim.transport.kinds import TRANSPORTS
from tests.strategies import small
from twin.config.balancer import CONFIGURATIONS
from twin.costs.jetstream import OVER
from twin.costs.layout import FIRST_LAYOUT, USUAL
from twin.rules.balancing import RULES
from twin.rules.idle import LAZY
from twin.rules.polling import Transport
from twin.rules.presets import BALANCERS
from twin.scenario.balancer.kinds import DEFAULT, KINDS, Preset
from twin.scenario.buses import BUSES, BusKind, those
from twin.scenario.runtimes import RUNTIME, RuntimeKind

ROOT = Path(__file__).parents[1]
TOPS = ("stormlab", "twin", "sim", "live")
CLASSES = {one.__name__ for one in (*KINDS.values(), *runtimes.RUNTIMES.values())}
NAMES = {*KINDS, *get_args(RuntimeKind)}
"""Of the kinds of balancers, and of the runtimes of nodes."""
OF_BUSES = set(those(broadcasts=True))
WITHOUT_BUSES = tuple(
    f"{wing}/{room}/" for wing in ("sim", "live") for room in ("balancer", "broadcast", "client", "node", "transport")
)
"""Rooms that know a bus only by what it promises (`twin.scenario.buses`)."""
OWN = tuple(
    f"{room}/{kind}"
    for room in ("live/balancer", "sim/balancer", "twin/config", "twin/scenario/balancer")
    for kind in KINDS
) + tuple(f"{room}/{kind}_runtime" for room in ("live/node", "sim/node") for kind in get_args(RuntimeKind))
"""Where the kinds' own modules are; they ask, too, when a scenario's balancer is of another kind."""


OWN_SETTINGS = (
    *(
        f"{room}/{kind}.py"
        for room in ("twin/config", "twin/config/reading", "twin/scenario/balancer")
        for kind in KINDS
    ),
    *("twin/config/reading/envoy_tables.py", "twin/config/reading/istio_tables.py"),
)
"""Where a choice rule has its name in a scenario and in a configuration."""

OF_RULES = (
    *("twin/rules/balancing.py", "twin/rules/presets.py"),
    "twin/course/",
    *("sim/compiled/vocabulary.py", "sim/compiled/state.py"),
)
"""Where rules are made and listed: presets, the lab notebooks' tables, and the kernels of the compiled engine."""

WORDS = {"source", "consistent"}
"""Names of rules that are other things' names, too."""


def names(part):
    """Return the strings and the last names in an expression."""
    for one in ast.walk(part):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
        elif isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr


def questions(text, kinds=frozenset(NAMES)):
    """Return the lines of a module that ask for the kind of a balancer or of a runtime, or for another of `kinds`."""
    found = []
    for part in ast.walk(ast.parse(text)):
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Name)
            and part.func.id in ("isinstance", "issubclass")
        ):
            asked = bool(CLASSES & set(names(part.args[1])))
        elif isinstance(part, ast.Compare):
            sides = [part.left, *part.comparators]
            plain = [one for one in sides if isinstance(one, ast.Constant | ast.Tuple | ast.List | ast.Set)]
            asked = any(kinds & set(names(one)) for one in plain)
        elif isinstance(part, ast.MatchValue):
            asked = bool(kinds & set(names(part)))
        elif isinstance(part, ast.MatchClass):
            asked = bool(CLASSES & set(names(part.cls)))
        else:
            continue
        if asked:
            found.append(part.lineno if hasattr(part, "lineno") else 0)
    return sorted(found)


def asking():
    """Return the modules outside of the kinds' own that ask -> the lines."""
    found = {}
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            lines = [] if name.startswith(OWN) else questions(path.read_text(encoding="utf-8"))
            if lines:
                found[name] = lines
    return found


def test_questions_are_seen():
    asked = [
        "isinstance(scenario.balancer, HAProxy)",
        "isinstance(one, (int, scenario.Nginx))",
        "kind == 'nginx'",
        "'haproxy' != kind",
        "kind in ('haproxy', 'other')",
        "'nginx' in needs",
        "match kind:\n case 'nginx': pass",
        "match one:\n case HAProxy(): pass",
        "nodes.runtime == 'asyncio'",
        "isinstance(runtime, AsyncioRuntime)",
    ]
    assert [len(questions(text)) for text in asked] == [1] * len(asked)
    for text in ("{'haproxy': 1}", "isinstance(one, int)", "kind == 'stream'", "load('haproxy')", "name == f(kind)"):
        assert questions(text) == []


def naming(rules):
    """Return the modules, but for those where rules are made, that have the name of a choice rule as a text."""
    found = []
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith((*OF_RULES, *OWN_SETTINGS)):
                continue
            texts = {one.value for one in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(one, ast.Constant)}
            found += [f"{name} {rule}" for rule in sorted(texts & rules, key=str)]
    return found


def test_nobody_asks_which_choice_rule_it_is():
    rules = {algorithm for _, algorithm in RULES} - WORDS
    assert len(rules) >= 8
    assert naming(rules) == [], "let the rule say what others have to know of it (twin/rules/choice.py)"


def test_a_kinds_settings_know_the_rules_that_there_are():
    for kind, settings in KINDS.items():
        known = get_args(settings.model_fields["algorithm"].annotation)
        assert sorted(known) == sorted(algorithm for of, algorithm in RULES if of == kind)


def test_nobody_asks_for_the_kind_of_a_balancer_or_of_a_runtime():
    assert asking() == {}, "lines that ask for the kind: let it promise what you need (twin/scenario/balancer/base.py)"


def test_every_list_of_kinds_has_the_same_ones():
    rooms = (balancer.KINDS, members.KINDS, simulated.KINDS, CONFIGURATIONS)
    lists = (*rooms, FIRST_LAYOUT, BALANCERS, LAZY, get_args(Preset))
    assert [sorted(one) for one in lists] == [sorted(KINDS)] * len(lists)
    assert {kind for kind, _ in RULES} == set(KINDS)
    assert set(compiled.KINDS) < set(KINDS), "what the kernel does not know is left to the SimPy model"
    assert DEFAULT in KINDS


def test_every_list_of_runtimes_has_the_same_ones():
    lists = (runtimes.RUNTIMES, programs.RUNTIMES, get_args(RuntimeKind))
    assert [sorted(one) for one in lists] == [sorted(get_args(RuntimeKind))] * len(lists)
    assert RUNTIME == USUAL["node"] == small().nodes.runtime
    for kind, runtime in runtimes.RUNTIMES.items():
        assert issubclass(runtime, Runtime)
        assert runtime.__module__ == f"sim.node.{kind}_runtime"
        assert find_spec(f"live.node.{kind}_runtime") is not None
        program = programs.RUNTIMES[kind].program
        assert not program or find_spec(program) is not None


def test_every_list_of_transports_has_the_same_ones():
    lists = (TRANSPORTS, PROGRAMS, get_args(Transport))
    assert [sorted(one) for one in lists] == [sorted(get_args(Transport))] * len(lists)
    assert all(find_spec(program) is not None for program in PROGRAMS.values())


def test_nodes_clients_and_broadcasts_do_not_ask_which_bus_it_is():
    paths = [path for top in ("sim", "live") for path in (ROOT / top).rglob("*.py")]
    rooms = {path.relative_to(ROOT).as_posix(): path for path in paths}
    core = [name for name in rooms if name.startswith(WITHOUT_BUSES)]
    assert len(core) > 40
    assert {name: found for name in core if (found := questions(rooms[name].read_text("utf-8"), OF_BUSES))} == {}
    assert questions("if bus.kind == 'jetstream': pass", OF_BUSES) == [1]


def test_every_list_of_buses_has_the_same_ones():
    assert sorted(BUSES) == sorted(get_args(BusKind))
    live = [kind for kind in those(broadcasts=True) if BUSES[kind].live]
    assert sorted(NODE_ENDS) == sorted(PUBLISHER_ENDS) == sorted(live)
    others = [kind for kind in live if not BUSES[kind].redis]
    assert sorted(servers.KINDS) == sorted(buses.KINDS) == sorted(OVER) == others
    assert all(find_spec(one) is not None for one in (*NODE_ENDS.values(), *PUBLISHER_ENDS.values()))


def test_a_kind_has_one_name_wherever_it_is_listed():
    for kind, settings in KINDS.items():
        assert settings().kind == settings.plain().kind == kind
        assert balancer.KINDS[kind].kind == CONFIGURATIONS[kind].kind == kind
        assert balancer.KINDS[kind].configuration is CONFIGURATIONS[kind]
        assert hasattr(settings(), settings.idle_field)
        assert getattr(settings(), settings.answer_field) == settings().answer_timeout
