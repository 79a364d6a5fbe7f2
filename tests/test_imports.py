"""No module needs itself: imports for types and imports inside functions count."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("stormlab", "twin", "sim", "live")


def modules(root):
    """Return the modules of the four packages below a folder: name -> path."""
    found = {}
    for top in TOPS:
        for path in sorted((root / top).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path, known):
    """Return the modules that a module imports anywhere; a name out of a package counts as the package."""
    found = set()
    for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(part, ast.Import):
            found |= {alias.name for alias in part.names} & known
        elif isinstance(part, ast.ImportFrom):
            assert part.level == 0, f"{path} has a relative import"
            names = {f"{part.module}.{alias.name}" for alias in part.names}
            found |= names & known
            if names - known and part.module in known:
                found.add(part.module)
    return found


def circles(graph):
    """Return the groups of nodes that reach each other, sorted. Source: Tarjan 1972, as in CLRS (two searches)."""
    order, seen = [], set()

    def visit(node, edges, to):
        stack = [(node, iter(sorted(edges[node])))]
        seen.add(node)
        while stack:
            rest = stack[-1][1]
            following = next((one for one in rest if one not in seen), None)
            if following is None:
                to.append(stack.pop()[0])
            else:
                seen.add(following)
                stack.append((following, iter(sorted(edges[following]))))

    for node in sorted(graph):
        if node not in seen:
            visit(node, graph, order)
    back = {node: {one for one in graph if node in graph[one]} for node in graph}
    seen.clear()
    groups = []
    for node in reversed(order):
        if node not in seen:
            groups.append([])
            visit(node, back, groups[-1])
    return sorted(sorted(group) for group in groups if len(group) > 1 or group[0] in graph[group[0]])


def graph_of(root):
    """Return module -> modules that it imports."""
    known = modules(root)
    return {name: imported(path, set(known)) for name, path in known.items()}


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"a"}}, [["a"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}}, [["a", "b"], ["c", "d"]]),
    ],
)
def test_circles_are_found(graph, expected):
    assert circles(graph) == expected


def test_imports_for_types_and_within_functions_are_seen(tmp_path):
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim/__init__.py").write_text("")
    (tmp_path / "sim/a.py").write_text("if TYPE_CHECKING:\n    from sim.b import B\n")
    (tmp_path / "sim/b.py").write_text("def f():\n    from sim import a\n")
    assert circles(graph_of(tmp_path)) == [["sim.a", "sim.b"]]


def test_no_module_needs_itself():
    assert circles(graph_of(ROOT)) == []


CORE = ("client", "balancer", "node", "machine")
"""Rooms that know no mechanism by name."""

MECHANISMS = ("broadcast", "sessions", "sending", "registry", "handler", "deadlines", "transport")
"""Rooms that attach to the core as parts."""


def room_of(name):
    """Return the room of a module: `sim.node.node` lies in `node`."""
    return [*name.split("."), ""][1]


def aware_of_mechanisms(graph, wing):
    """Return the modules of a wing's core that reach a mechanism by imports, by way of other modules, too."""
    found = set()
    for name in (one for one in graph if one.startswith(f"{wing}.") and room_of(one) in CORE):
        seen, todo = {name}, [name]
        while todo:
            fresh = graph[todo.pop()] - seen
            seen |= fresh
            todo += fresh
        if any(one.startswith(f"{wing}.") and room_of(one) in MECHANISMS for one in seen):
            found.add(name)
    return found


def test_a_mechanism_that_the_core_reaches_in_a_roundabout_way_is_seen():
    graph = {
        "sim.node.node": {"sim.ports"},
        "sim.client.client": {"twin.rules.session"},
        "sim.ports": {"sim.sessions.store"},
        "sim.sessions.store": set(),
        "twin.rules.session": set(),
        "live.node.node": {"live.sessions.node"},
        "live.sessions.node": set(),
    }
    assert aware_of_mechanisms(graph, "sim") == {"sim.node.node"}
    assert aware_of_mechanisms(graph, "live") == {"live.node.node"}


@pytest.mark.parametrize("wing", ["sim", "live"])
def test_no_core_room_imports_a_mechanism(wing):
    assert aware_of_mechanisms(graph_of(ROOT), wing) == set()
