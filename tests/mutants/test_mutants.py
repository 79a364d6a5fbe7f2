"""Changes are made where they are said to be, a sample is the same for a seed, and a tiny package has both outcomes."""

import ast
import subprocess
from pathlib import Path

import psutil
import pytest

from live.control.process import Stage
from tests.mutants.__main__ import BAR, main, result, table
from tests.mutants.areas import AREAS, area_of, files, mirrored, sample
from tests.mutants.changes import mutants_of
from tests.mutants.judged import Judgement, judgements, outdated, reason_of
from tests.mutants.trial import Verdict, copies, try_all

ROOT = Path(__file__).parents[2]

TINY = '''"""A docstring with 1 < 2."""

def larger(a: int, b: int = 3) -> int:
    """Return 1."""
    if a < b:  # é, two bytes
        return b
    return a


def unseen(a):
    return a + 1
'''
NEGATED = "if (not (a < b)):  # é, two bytes"
TESTS = """
from twin.rules.tiny import larger

def test_the_larger_of_two():
    assert larger(1, 2) == 2 and larger(2, 1) == 2
"""


def changes(source):
    """Return the changed lines of every mutant of a source."""
    return [one.after for one in mutants_of(source, "x.py")]


@pytest.mark.parametrize(
    ("line", "kind", "expected"),
    [
        ("x = a < b", "comparison", ["x = a <= b"]),
        ("x = a not in b", "comparison", ["x = a in b"]),
        ("x = (a) * (b)", "arithmetic", ["x = (a) / (b)"]),
        ("x = a and b", "boolean", ["x = a or b"]),
        ("x = not a", "boolean", ["x = (a)"]),
        ("x = 2.5", "constant", ["x = (2.5 + 1)", "x = 0", "x = (2.5 * 2)"]),
        ("x = a if b else c", "condition", ["x = a if (not (b)) else c"]),
        ("x = f(a, b)", "swapped", ["x = f(b, a)"]),
        ("x = min(a, b)", "min or max", ["x = max(a, b)"]),
        ("x = f(a, key=b)", "dropped", ["x = f(a)"]),
        ("def f(a):\n    a.x = b\n    a.go()", "removed", ["pass", "pass"]),
        ("def f(a):\n    a.x = b\n    a.go()", "early end", ["return\n    a.go()"]),
        ("for a in b:\n    continue", "early end", ["break"]),
    ],
)
def test_each_kind_of_change_is_made(line, kind, expected):
    assert [one.after for one in mutants_of(line, "x.py") if one.kind == kind] == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""1 < 2"""',
        "x: Literal[1, 2]",
        "def f():\n    raise ValueError(1, 2)",
        "def __repr__(self):\n    return 1",
        "if TYPE_CHECKING:\n    x = 1",
        "def f(log):\n    assert 1 < 2",
        "@jit(within=True)\ndef f(): ...",
        "logger.warning('a', 1)",
        "x = f'{1 < 2}'",
        "x = list(zip(a, strict=True))",
    ],
)
def test_what_no_test_should_pin_is_left_alone(source):
    assert changes(source) == []


def test_a_change_is_where_it_says_and_nowhere_else():
    for one in mutants_of(TINY, "tiny.py"):
        before, after = TINY.splitlines(), one.apply(TINY).splitlines()
        assert before[one.line - 1].strip() == one.before
        del before[one.line - 1], after[one.line - 1]
        assert before == after
    assert {one.line for one in mutants_of(TINY, "tiny.py")} == {3, 5, 11}
    assert {one.scope for one in mutants_of(TINY, "tiny.py")} == {"larger", "unseen"}


def test_what_is_drawn_can_be_parsed_and_is_a_change():
    for one in sample(ROOT, 30, 1, ["twin/analysis"]):
        source = (ROOT / one.path).read_text()
        assert ast.dump(ast.parse(one.apply(source))) != ast.dump(ast.parse(source))


def test_a_sample_is_the_same_for_a_seed_and_spread_over_the_areas():
    areas = ["twin/measures", "twin/analysis", "twin/invariants"]
    first = sample(ROOT, 10, 1, areas)
    assert first == sample(ROOT, 10, 1, areas)
    assert first != sample(ROOT, 10, 2, areas)
    assert sorted(sum(area_of(one.path) == area for one in first) for area in areas) == [3, 3, 4]
    assert len({(one.path, one.kind, one.start, one.end) for one in first}) == 10
    assert sample(ROOT, 5, 1, areas[1:2])[:3] == [one for one in first if area_of(one.path) == areas[1]][:3]


def test_each_module_of_an_area_belongs_to_it_and_has_tests():
    for area in AREAS:
        for path in files(ROOT, area):
            assert area_of(path) == area
            assert mirrored(ROOT, path)


def test_the_test_of_the_same_name_comes_first_then_who_names_it_then_the_room():
    first, second, rest = mirrored(ROOT, "sim/machine/process.py")
    assert first == ["tests/sim/machine/test_process.py"]
    assert not set(second) & {*first, *rest}
    assert rest[0].startswith("tests/sim/machine/")
    assert "tests/sim/client/test_client.py" in second + rest
    assert not any("compiled" in test for test in first + second + rest)


def test_a_compiled_module_counts_on_the_differential_tests():
    assert mirrored(ROOT, "sim/compiled/client.py")[0][-2:] == [
        "tests/sim/compiled/test_engine.py",
        "tests/sim/compiled/test_broadcast.py",
    ]
    assert mirrored(ROOT, "sim/compiled/broadcast/nodes.py")[0] == ["tests/sim/compiled/test_broadcast.py"]


@pytest.fixture
def tiny(tmp_path):
    """A checkout with one module and one test of it."""
    for name, text in {
        "twin/rules/tiny.py": TINY,
        "tests/twin/rules/test_tiny.py": TESTS,
        "tests/mutants/noted.py": (ROOT / "tests/mutants/noted.py").read_text(),
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\npythonpath = ["."]\n',
        ".gitignore": "left_out\n",
        "left_out": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_what_the_tests_see_is_caught_what_they_do_not_survives_and_no_file_changes(tiny):
    mutants = [one for one in mutants_of(TINY, "twin/rules/tiny.py") if one.after in ("if a > b:", "return a + 0")]
    mutants += [one for one in mutants_of(TINY, "twin/rules/tiny.py") if one.kind == "condition"]
    with Stage() as stage:
        made = copies(tiny, stage, 1)
        assert not (made[0].root / "left_out").exists()
        verdicts = try_all(mutants, made)
        assert (made[0].root / "twin/rules/tiny.py").read_text() == TINY
    found = {mutant.after: verdict for mutant, verdict in zip(mutants, verdicts, strict=True)}
    assert {after: verdict.caught for after, verdict in found.items()} == {
        "return a + 0": False,
        NEGATED: True,
    }
    assert found[NEGATED].by == "tests/twin/rules/test_tiny.py::test_the_larger_of_two"
    assert found[NEGATED].own
    assert (tiny / "twin/rules/tiny.py").read_text() == TINY
    assert not made[0].root.exists()


def test_a_test_that_fails_without_the_mutant_too_catches_nothing(tiny):
    (tiny / "tests/twin/rules/test_tiny.py").write_text("def test_always_red():\n    assert False\n")
    with Stage() as stage:
        verdicts = try_all(mutants_of(TINY, "twin/rules/tiny.py")[:1], copies(tiny, stage, 1))
    assert [verdict.caught for verdict in verdicts] == [False]


def test_a_loop_without_end_counts_as_caught_and_nothing_is_left_running(tiny, monkeypatch):
    monkeypatch.setattr("tests.mutants.trial.LONGEST_ELSE", 1.0)
    source = "def larger(a, b):\n    while a > b + 5:\n        pass\n    return max(a, b)\n"
    (tiny / "twin/rules/tiny.py").write_text(source)
    endless = [one for one in mutants_of(source, "twin/rules/tiny.py") if one.kind == "condition"]
    with Stage() as stage:
        (made,) = copies(tiny, stage, 1)
        verdicts = try_all(endless, [made])
        inside = [one for one in psutil.Process().children(recursive=True) if str(made.root) in " ".join(one.cmdline())]
        assert inside == []
    assert [verdict.caught for verdict in verdicts] == [True]


def test_ctrl_c_ends_what_runs_and_leaves_neither_copy_nor_process(tiny):
    def interrupt(place, verdict):
        raise KeyboardInterrupt

    stage = Stage()
    made, mutants = copies(tiny, stage, 1), mutants_of(TINY, "twin/rules/tiny.py")
    with stage, pytest.raises(KeyboardInterrupt):
        try_all(mutants, made, interrupt)
    assert not stage.folder.exists()
    children = psutil.Process().children(recursive=True)
    assert [one for one in children if str(stage.folder) in " ".join(one.cmdline())] == []
    assert (tiny / "twin/rules/tiny.py").read_text() == TINY


JUDGED = """[[mutant]]
path = "twin/rules/tiny.py"
scope = "larger"
before = "if a < b:  # é, two bytes"
after = "if a <= b:  # é, two bytes"
reason = "Of two equal numbers either is the larger."
"""


def test_a_judgement_is_of_one_mutant_and_says_when_its_line_is_gone(tiny, tmp_path):
    (tmp_path / "judged.toml").write_text(JUDGED)
    known = judgements(tmp_path / "judged.toml")
    mutants = mutants_of(TINY, "twin/rules/tiny.py")
    assert [one.kind for one in mutants if reason_of(one, known)] == ["comparison"]
    assert outdated(tiny, known) == []
    (tiny / "twin/rules/tiny.py").write_text("")
    assert outdated(tiny, known) == known


def test_a_judgement_without_a_reason_is_refused(tmp_path):
    (tmp_path / "judged.toml").write_text(JUDGED.replace("Of two equal numbers either is the larger.", ""))
    with pytest.raises(ValueError, match="lacks a file, its line or a reason"):
        judgements(tmp_path / "judged.toml")


def test_the_file_of_judgements_can_be_read():
    assert all(isinstance(one, Judgement) for one in judgements())


def test_the_table_counts_by_area_and_shows_what_survived():
    mutants = mutants_of(TINY, "sim/tiny.py")[:4]
    found = {0: Verdict(True, "a", True), 1: Verdict(True, "b"), 2: Verdict(False)}
    report = result(mutants, found, {3: "why"})
    assert report["total"] == {"equivalent": 1, "own": 1, "caught": 2, "survived": 1}
    assert report["share"] == pytest.approx(2 / 3)
    assert report["share"] < BAR
    text = table(report | {"seed": 1, "minutes": 2.0})
    assert "sim                      4           1       2            1         1     67%" in text
    assert f"3 sim/tiny.py:{mutants[2].line} in {mutants[2].scope}" in text
    assert f"+ {mutants[2].after}" in text


def test_a_sample_can_be_listed_without_trying_anything(capsys):
    assert main(["--list", "--sample", "3", "--area", "twin/analysis"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("words", [["--sample", "0"], ["--jobs", "3"], ["--area", "docs"]])
def test_bad_arguments_are_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err
