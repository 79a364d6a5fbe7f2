"""Configurations after the forms of manuals and of what people publish: read, each directive known, as they expect.

The first line of a file says what it expects of the scenario, the second one may name the backend. That the programs
accept them is tested in tests/live/balancer/test_corpus.py.
"""

import re

import pytest

from tests.commands import ROOT
from twin.config.reading.formats import READERS, imported, scenario_of

CORPUS = sorted((ROOT / "tests" / "data" / "configs").glob("*/*.*"))
EXPECTED = re.compile(r"([a-z_.]+)=(\S+)")


def read(path):
    """Return what is understood of a file, with the backend that it names."""
    named = re.search(r"^# backend: (\S+)$", path.read_text(), re.MULTILINE)
    return imported([path], named[1] if named else "")


def test_each_format_that_is_read_has_some():
    assert {path.parent.name for path in CORPUS} == set(READERS)
    assert all(sum(path.parent.name == name for path in CORPUS) >= 18 for name in READERS)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_the_corpus_makes_the_scenario_that_it_expects(path):
    found = read(path)
    data = scenario_of(found, "corpus").model_dump()
    expected = EXPECTED.findall(path.read_text().splitlines()[0])
    assert expected
    for field, value in expected:
        got = data
        for name in field.split("."):
            got = got[name]
        assert str(got) == value or (not isinstance(got, str) and float(got) == float(value)), (field, got)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_directive_of_the_corpus_is_known(path):
    unknown = [f"{one.place}: {one.text}" for one in read(path).lines if one.words == "the lab does not know it"]
    assert unknown == []
