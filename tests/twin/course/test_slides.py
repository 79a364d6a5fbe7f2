"""Slides: all of a lab, nothing from the network, and no more on a screen than fits."""

import re
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.commands import ROOT
from tests.files import files
from twin.course.slides import FIGURE_LINES, MOST_LINES, page, slides

NOTEBOOKS = files(ROOT / "notebooks", "*.ipynb")
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def read(name):
    return (ROOT / "notebooks" / name).read_bytes()


def figure():
    return new_output("display_data", data={"image/png": DOT})


VOID = {"img", "meta", "br", "hr", "input"}
"""Elements without an end."""


class Loads(HTMLParser):
    """What a page loads, and whether its elements close."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.open, self.pictures, self.sections = [], [], 0, 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.pictures += tag == "img"
        self.sections += tag == "section"
        if tag not in ("a",):
            self.loaded += [value for key, value in given.items() if key in ("src", "href", "srcset", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def in_notebook(cells):
    notebook = new_notebook(cells=cells)
    return notebook, slides(notebook, read)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_slides_have_every_heading_and_figure_of_a_lab_and_load_nothing(path):
    notebook = nbformat.read(path, as_version=4)
    made, text = slides(notebook, read), page(notebook, read)
    found = Loads(text)
    assert all(one.startswith("data:image/png;base64,") for one in found.loaded)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp", text)
    assert not found.open
    assert found.sections == len(made)
    sources = ["".join(cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    headings = [
        one
        for source in sources
        for one in re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", source, flags=re.S), re.M)
    ]
    told = {one.title for one in made} | {one.step for one in made}
    assert set(headings) <= told
    shown = [
        out
        for cell in notebook.cells
        if "solution" not in cell.metadata.get("tags", [])
        for out in cell.get("outputs", [])
    ]
    pictures = sum("image/png" in out.get("data", {}) for out in shown)
    pictures += sum(len(re.findall(r"!\[", source)) for source in sources)
    assert found.pictures == pictures
    assert made[-1].title == "To take home"
    assert "Warning: " not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_slide_is_longer_than_a_screen_only_by_one_table_or_piece_of_code(path):
    for one in slides(nbformat.read(path, as_version=4), read):
        assert one.lines <= MOST_LINES or len(one.blocks) == 1, one.title


def test_a_heading_begins_a_slide_and_a_long_one_goes_on_under_its_title():
    text = "\n\n".join(["# A lab", "## 1. One", *["word " * 90] * 5, "### Inner", "end"])
    _, made = in_notebook([new_markdown_cell(text)])
    assert [(one.step, one.title) for one in made] == [("1. One", "1. One")] * 2 + [("1. One", "Inner")]
    assert [len(one.blocks) for one in made] == [3, 2, 1]


def test_code_is_folded_below_what_it_shows_and_a_figure_takes_its_room():
    _, (one,) = in_notebook([new_markdown_cell("## A"), new_code_cell("draw(1 < 2)", outputs=[figure()])])
    (block,) = one.blocks
    assert block.lines == FIGURE_LINES + 1
    assert block.html.index("<img") < block.html.index("draw(1 &lt; 2)")


def test_a_teachers_code_cell_is_not_shown_and_a_worked_solution_stays_folded():
    hidden = new_code_cell("frontier()", metadata={"tags": ["solution"]}, outputs=[figure()])
    folded = new_markdown_cell(
        "<details><summary>Worked</summary>\n\n**a**\n\nb\n\n</details>", metadata={"tags": ["solution"]}
    )
    _, (one,) = in_notebook([new_markdown_cell("## A"), folded, hidden])
    (block,) = one.blocks
    assert block.html.startswith("<details>")
    assert block.html.rstrip().endswith("</details>")


def test_a_link_to_the_glossary_tells_the_meaning_and_other_files_are_not_linked():
    text = (
        "## A\n\n[fewest](../docs/glossary.md#leastconn), [model](../docs/model.md), [RFC](https://www.rfc-editor.org)"
    )
    notebook, _ = in_notebook([new_markdown_cell(text)])
    shown = page(notebook, read)
    assert re.search('<abbr title="Choice rule: [^"]+">fewest</abbr>', shown)
    assert "model.md" not in shown
    assert '<a href="https://www.rfc-editor.org">RFC</a>' in shown


def test_tables_keep_their_rows_and_a_warning_of_the_lab_is_left_out():
    table = new_output("execute_result", data={"text/html": "<table><tr><td>1</td></tr></table>"}, execution_count=1)
    said = new_output("stream", name="stderr", text="Warning: no profile.\n\n12 < 13\n")
    _, (one,) = in_notebook([new_markdown_cell("## A"), new_code_cell("x", outputs=[table, said])])
    assert "<td>1</td>" in one.blocks[0].html
    assert "12 &lt; 13" in one.blocks[1].html
    assert "Warning" not in one.blocks[1].html


def test_fenced_code_and_lists_stay_whole():
    _, (one,) = in_notebook(
        [new_markdown_cell("## A\n\n```\n# no heading\n\nx\n```\n\n- a\n- b\n\n| a |\n|---|\n| 1 |")]
    )
    assert len(one.blocks) == 3
    assert "# no heading" in one.blocks[0].html
    assert one.blocks[1].html.count("<li>") == 2
    assert "<td>1</td>" in one.blocks[2].html
