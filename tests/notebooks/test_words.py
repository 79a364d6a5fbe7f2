"""The words of the labs: what they print is in the glossary, links resolve, no word comes before it is explained."""

import re

import pytest

from tests.notebooks.test_syllabus import NOTEBOOKS, before, cells_of, shown, text_of
from tests.twin.glossary.known import FOREIGN, is_term, values
from twin.glossary.schema import settings
from twin.glossary.terms import anchors, terms
from twin.measures import MEASURES
from twin.record.events import TYPES

SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
"""How measures, events and most settings are written."""
LINK = re.compile(r"\]\(\.\./docs/glossary(?:\.zh)?\.md#([^)\s]*)\)")
ENDS = {name.rpartition(".")[2] for name in settings()}


def outputs_of(number):
    """Return every text that a lab's stored outputs show."""
    found = [out for cell in cells_of(number) for out in cell.get("outputs", [])]
    return "\n".join(out.get("text", "") + str(out.get("data", {}).get("text/plain", "")) for out in found)


def code_of(number):
    return "\n".join(cell.source for cell in cells_of(number) if cell.cell_type == "code")


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_every_measure_event_and_setting_that_a_lab_prints_is_in_the_glossary(number):
    printed = "\n".join((text_of(number), outputs_of(number), code_of(number)))
    names = set(re.findall(r"[a-z][a-z0-9_]*", printed)) & (MEASURES.keys() | TYPES.keys())
    names |= set(re.findall(r"\b([a-z_]+)=", outputs_of(number))) & ENDS
    assert len(names) >= 3
    assert sorted(name for name in names if not is_term(name)) == []


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_name_of_code_in_a_labs_text_is_a_term_or_stands_in_its_cells(number):
    """Else nobody can look it up: it was misspelt, or has another name today."""
    quoted = set(re.findall(r"`([^`\n]+)`", text_of(number)))
    names = {name for one in quoted for name in SNAKE.findall(one)}
    names |= {name for one in quoted for name in re.findall(r"\b([a-z_]+) ?=", one)}
    own = set(re.findall(r"\w+", code_of(number) + outputs_of(number)))
    assert (
        sorted(name for name in names if not is_term(name) and name not in own | FOREIGN | values() | NAMES_OF_FILES)
        == []
    )


NAMES_OF_FILES = {"ngx_http_upstream_free_round_robin_peer", "proxy_http_version", "test_sliders", "runs_to_redraw"}
"""Other programs' functions and settings, and parts of a command."""


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_every_link_to_the_glossary_resolves(number):
    assert [link for link in LINK.findall(text_of(number)) if link not in anchors()] == []


def pattern(term):
    """Return what a term looks like in a text, its forms in backticks as they stand."""
    forms = [re.escape(form).replace(r"\ ", r"\s+") for form in (term.name, *term.also, *term.forms) if "`" not in form]
    quoted = [re.escape(form) for form in term.forms if "`" in form]
    return re.compile("|".join([rf"(?<![\w./#-])(?:{'|'.join(forms)})(?![\w/-]|\.\w)", *quoted]), re.IGNORECASE)


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_lab_uses_no_word_that_neither_it_nor_what_it_needs_explains_or_links(number):
    """A pointer to the notebook that explains it will do, too. Words of everyday language cannot be told apart."""
    text = shown(number)
    linked = {anchors().get(one) for one in LINK.findall(text_of(number))}
    there = {number, *before(number), *re.findall(r"(?:notebooks?|lab) (\d\d)", text)}
    early = [
        one.name
        for one in terms().values()
        if one.lab and not one.plain and not there & {one.lab, *one.again} and one.name not in linked
        if pattern(one).search(text)
    ]
    assert early == []


def test_a_word_is_in_the_lab_that_is_said_to_explain_it():
    missing = [
        (one.name, lab)
        for one in terms().values()
        for lab in ([one.lab, *one.again] if one.lab else [])
        if not pattern(one).search(shown(lab) + code_of(lab) + outputs_of(lab))
    ]
    assert missing == []
