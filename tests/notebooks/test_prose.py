"""How the labs' text is made: no line turns into a list, a word has its link where it comes first."""

import re

import pytest

from tests.notebooks.test_syllabus import NOTEBOOKS, cells_of
from tests.notebooks.test_words import LINK, pattern
from twin.glossary.terms import anchors, terms

MARK = re.compile(r"[-+*] |1[.)] |#{1,6} |> ")
"""What begins a list item, a heading or a quotation, also in the middle of a paragraph."""
ITEM = re.compile(r"\n(?=(?:[-+*]|\d+\.) )|\n\n+")


def texts_of(number):
    """Return the text of each cell that every reader sees, in order."""
    cells = [cell for cell in cells_of(number) if cell.cell_type == "markdown"]
    return [cell.source for cell in cells if "solution" not in cell.metadata.get("tags", [])]


def broken_lines(text):
    """Return the lines of paragraphs that Markdown takes for something else, because of how they begin."""
    paragraphs = re.split(r"\n\n+", text)
    plain = [one for one in paragraphs if not MARK.match(one) and not re.match(r"\d+\. ", one)]
    return [line for one in plain for line in one.splitlines() if MARK.match(line)]


def blocks_of(number):
    """Return paragraphs and list items of a lab in order, without headings and tables."""
    found = [block for text in texts_of(number) for block in ITEM.split(text)]
    return [block for block in found if not block.startswith(("#", "|"))]


def without_targets(block):
    return re.sub(r"\]\([^)]*\)", "]", block)


def test_a_line_that_begins_like_a_list_item_is_found():
    assert broken_lines("One, (b\n- a). Two.") == ["- a). Two."]
    assert broken_lines("- one\n  and\n- two\n\n1. three\n2. four") == []


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_no_line_of_a_paragraph_becomes_a_list_item(number):
    cells = [cell.source for cell in cells_of(number) if cell.cell_type == "markdown"]
    assert [line for text in cells for line in broken_lines(text)] == []


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_word_that_a_lab_links_is_linked_where_it_comes_first(number):
    """In the same paragraph or list item. Words of everyday language come earlier in another sense."""
    blocks = blocks_of(number)
    late = []
    for anchor in dict.fromkeys(LINK.findall("\n".join(blocks))):
        term = terms().get(anchors()[anchor])
        if term is None or term.plain:
            continue
        first = next(block for block in blocks if pattern(term).search(without_targets(block)) or anchor in block)
        if f"glossary.md#{anchor})" not in first:
            late.append((anchor, first))
    assert late == []


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_teachers_cell_of_answers_shows_a_right_one(number):
    """Settings at the edge that the model once took for right may lie beyond it today."""
    for cell in cells_of(number):
        if cell.cell_type == "code" and "solution" in cell.metadata.get("tags", []):
            said = "".join(out.get("text", "") for out in cell.get("outputs", []))
            if "Not yet: " in said:
                assert "Right: " in said, said


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_the_transfer_of_a_lab_has_three_levels(number):
    """A reader who is told of level 2 has seen level 1."""
    text = "\n".join(texts_of(number))
    assert re.findall(r"(?m)^### Level (\d): \S", text.partition("## 7. Transfer")[2]) == ["1", "2", "3"]
