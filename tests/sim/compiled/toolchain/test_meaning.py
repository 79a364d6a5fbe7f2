"""The name under which compiled code is kept changes with what the code does, and with nothing else."""

import numba
import pytest

from sim.compiled.kernel import run
from sim.compiled.toolchain import jit
from sim.compiled.toolchain.meaning import digest

SCOPE = {"numba": numba}
PARTS = """
STEP = {step}
@numba.njit
def part(x):
    '''{words}'''
    return x {operator} STEP  # {words}
def whole(x):
    return part(x) + {constant}
"""


def named(**changes):
    """Return the digest of a small program, some of whose words are changed."""
    scope = dict(SCOPE)
    values = {"step": 1, "words": "as it is", "operator": "+", "constant": 2.0}
    exec(PARTS.format(**(values | changes)), scope)
    return digest(scope["whole"])


def test_comments_and_docstrings_mean_nothing():
    assert named() == named(words="said otherwise")


@pytest.mark.parametrize("change", [{"step": 2}, {"operator": "-"}, {"constant": 3.0}, {"constant": 2}])
def test_a_constant_or_a_sign_in_a_function_that_is_called_makes_another_name(change):
    assert named() != named(**change)


def test_what_has_no_known_meaning_is_refused():
    scope = {"thing": object()}
    exec("def whole(x):\n    return thing", scope)
    with pytest.raises(TypeError, match="thing: a compiled function uses it, and its meaning is not known"):
        digest(scope["whole"])


def test_what_a_kernel_calls_may_be_defined_after_it(tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr(jit, "cache_folder", lambda name: names.append(name) or tmp_path / name)
    path = tmp_path / "program.py"
    for constant in (1, 2):
        path.write_text(f"def whole(x):\n    return x + part(x)\n@jit\ndef part(x):\n    return {constant}\n")
        scope = {"jit": jit.jit}
        exec(compile(path.read_text(), str(path), "exec"), scope)
        whole = jit.kernel(scope["whole"])
        assert whole(10) == 10 + constant
    assert len(set(names)) == 2


def test_a_kernel_is_named_at_its_first_call(monkeypatch):
    names = []
    monkeypatch.setattr(jit, "cache_folder", lambda name: names.append(name))
    scope = {}
    exec("def whole(x):\n    return x", scope)
    jit.kernel(scope["whole"])
    assert names == []


def test_the_kernel_has_a_name_that_does_not_change_by_itself():
    assert digest(run.__wrapped__) == digest(run.__wrapped__)
