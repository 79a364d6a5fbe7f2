"""What was compiled is found again only while all sources that went into it are the same."""

import ast
from pathlib import Path

from sim.compiled.jit import ROOT, SOURCES, cache_folder

PYTHON_ONLY = {"engine.py"}
"""Modules of `sim/compiled` of which nothing is compiled."""


def imported(path):
    """Return the files of the lab that a module takes names from."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            file = Path(ROOT, *name.split(".")).with_suffix(".py")
            if file.exists():
                yield file


def test_every_module_that_goes_into_the_kernel_is_part_of_the_name_of_the_folder():
    known = {path for pattern in SOURCES for path in ROOT.glob(pattern)}
    modules = [path for path in Path(ROOT, "sim", "compiled").glob("*.py") if path.name not in PYTHON_ONLY]
    needed = {file for path in modules for file in imported(path)}
    assert Path(ROOT, "twin", "draws.py") in needed
    assert needed <= known


def test_the_folder_has_another_name_as_soon_as_a_source_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr("sim.compiled.jit.ROOT", tmp_path)
    source = tmp_path / "twin" / "draws.py"
    source.parent.mkdir()
    names = set()
    for text in ("a = 1", "a = 2", "a = 1"):
        source.write_text(text)
        names.add(cache_folder.__wrapped__())
    assert len(names) == 2
