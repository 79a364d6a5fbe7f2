import re

import pytest

from tests.twin.glossary.documents import FILES, document
from twin.glossary.term import anchor
from twin.glossary.terms import anchors, terms


@pytest.mark.parametrize("language", FILES)
def test_the_glossary_is_as_it_is_made_anew(language):
    made = "make it anew: python -m tests.twin.glossary.documents"
    assert FILES[language].read_text(encoding="utf-8") == document(language), made


@pytest.mark.parametrize("language", FILES)
def test_the_glossary_has_a_heading_for_each_term_and_its_other_names(language):
    text = FILES[language].read_text(encoding="utf-8")
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == list(terms())
    headings = [anchor(one) for one in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    assert len(set(headings)) == len(headings)
    reached = {*headings, *re.findall(r'<a id="([^"]+)"></a>', text)}
    assert set(anchors()) <= reached
    assert all(one in reached for one in re.findall(r"\]\(#([^)]+)\)", text))


@pytest.mark.parametrize("language", FILES)
def test_links_of_the_glossary_lead_to_files(language):
    path = FILES[language]
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert len(links) > 20
    assert [link for link in links if not (path.parent / link).is_file()] == []
