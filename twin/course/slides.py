"""Slides of a lab: one HTML page that needs no network, made of its notebook as it is stored.

A slide begins at each heading, and where one has become too long for a screen; a figure goes below a few lines of text.
Code and worked solutions are folded. A link to the glossary becomes a word whose meaning shows when one points at it.
(nbconvert makes slides, too; they load reveal.js from another server, and cut at marks that a notebook has to carry.)
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from html import escape
from math import ceil
from pathlib import Path
from typing import Any

from twin.course.editions import SOLUTION
from twin.glossary.terms import anchors, terms

TEMPLATE = Path(__file__).with_name("slides.html")
MOST_LINES = 20
"""Lines of text that a slide has at most; a table or a piece of code may have more, and is scrolled."""
FIGURE_LINES = 14
"""Lines of text that a figure takes the place of."""
WIDTH = 95
"""Characters of a line of text."""
GLOSSARY = re.compile(r"\[([^\]]+)\]\((?:\.\./)?docs/glossary(?:\.zh)?\.md#([^)]+)\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://)[^)]*\)")
WARNING = re.compile(r"^Warning: .*\n?\n?", re.MULTILINE)

Reads = Callable[[str], bytes]
"""Reads a file that a notebook names, relative to its folder."""


@dataclass(frozen=True)
class Block:
    """A piece of a slide, and how many lines it takes."""

    html: str
    lines: int


@dataclass
class Slide:
    """What is seen at one time.

    Attributes:
        step: heading of level two that it is below; the lab's title before the first.
        title: heading of the slide.
        blocks: what it shows, in order.
    """

    step: str
    title: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """Lines of text that it has."""
        return sum(block.lines for block in self.blocks)


def page(notebook: Any, read: Reads) -> str:
    """Return the slides of a notebook of `nbformat` 4 as one HTML page.

    Args:
        notebook: with its outputs.
        read: gives the bytes of a picture that the text names.

    Raises:
        ImportError: mistune, which comes with the notebook extra, is not installed.
    """
    made = slides(notebook, read)
    parts = [
        f'<section class="slide"><p class="step">{escape(one.step if one.step != one.title else "")}</p>'
        f"<h2>{_inline(one.title)}</h2>"
        + "".join(block.html for block in one.blocks)
        + f'<p class="number">{number} / {len(made)}</p></section>'
        for number, one in enumerate(made, 1)
    ]
    text = TEMPLATE.read_text(encoding="utf-8")
    return text.replace("TITLE", escape(made[0].title), 1).replace("SLIDES", "\n".join(parts), 1)


def slides(notebook: Any, read: Reads) -> list[Slide]:
    """Return the slides of a notebook; see `page`."""
    found = [Slide("", "")]
    for piece in _pieces(notebook, read):
        if isinstance(piece, Block):
            last = found[-1]
            if last.blocks and last.lines + piece.lines > MOST_LINES:
                found.append(Slide(last.step, last.title))
            found[-1].blocks.append(piece)
        else:
            level, title = piece
            step = title if level < 3 else found[-1].step
            found.append(Slide(step, title))
    return [one for one in found if one.blocks]


def _pieces(notebook: Any, read: Reads) -> Iterator[Block | tuple[int, str]]:
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield from _of_text(source, read)
        elif cell["cell_type"] == "code" and SOLUTION not in cell["metadata"].get("tags", []):
            shown = [block for output in cell["outputs"] for block in _of_output(output)]
            folded = f"<details class='code'><summary>Code</summary><pre>{escape(source)}</pre></details>"
            yield from shown[:-1]
            last = shown[-1] if shown else Block("", 0)
            yield Block(last.html + folded, last.lines + 1)


def _of_text(source: str, read: Reads) -> Iterator[Block | tuple[int, str]]:
    for part in _blocks(source):
        heading = re.match(r"(#+) (.*)$", part)
        if heading:
            yield len(heading[1]), heading[2]
        else:
            yield Block(_rendered(part, read), _lines(part))


def _blocks(source: str) -> Iterator[str]:
    """Yield the parts of a Markdown text that blank lines separate; what is fenced or folded stays whole."""
    part: list[str] = []
    fenced, folded = False, 0
    for line in [*source.split("\n"), ""]:
        if line.startswith("```"):
            fenced = not fenced
        folded += line.count("<details") - line.count("</details>")
        ends = not (fenced or folded) and (not line.strip() or line.startswith("#"))
        if ends and part:
            yield "\n".join(part)
            part = []
        if line.strip() or fenced or folded:
            part.append(line)
        if part and part[0].startswith("#") and not (fenced or folded):
            yield part.pop()


def _lines(part: str) -> int:
    if part.startswith("<details"):
        return 1
    if PICTURE.search(part):
        return FIGURE_LINES
    if part.startswith(("|", "```")):
        return 1 + part.count("\n")
    items = re.split(r"\n(?=(?:[-*]|\d+\.) )", part)
    return 1 + sum(ceil(len(" ".join(one.split())) / WIDTH) for one in items)


def _rendered(part: str, read: Reads) -> str:
    part = GLOSSARY.sub(_explained, part)

    def shown(found: re.Match[str]) -> str:
        return _figure(base64.b64encode(read(found[2])).decode(), found[1])

    return str(_markdown()(LINK.sub(r"\1", PICTURE.sub(shown, part))))


def _inline(title: str) -> str:
    """Return a heading as HTML, without the paragraph around it."""
    return str(_markdown()(GLOSSARY.sub(r"\1", title))).strip().removeprefix("<p>").removesuffix("</p>")


@cache
def _markdown() -> Any:
    import mistune

    return mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])


def _explained(found: re.Match[str]) -> str:
    name = anchors().get(found[2])
    if name is None:
        return found[1]
    return f'<abbr title="{escape(terms()[name].meaning[0].replace("`", ""))}">{found[1]}</abbr>'


def _of_output(output: Any) -> Iterator[Block]:
    data = output.get("data", {})
    if "image/png" in data:
        yield Block(_figure("".join(data["image/png"].split())), FIGURE_LINES)
    elif "text/html" in data:
        html = "".join(data["text/html"])
        yield Block(f'<div class="table">{html}</div>', 1 + html.count("<tr"))
    else:
        text = WARNING.sub("", "".join(output.get("text", data.get("text/plain", "")))).strip("\n")
        if text and "widget" not in " ".join(data):
            yield Block(
                f"<pre>{escape(text)}</pre>", 1 + sum(ceil((len(one) or 1) / WIDTH) for one in text.split("\n"))
            )


def _figure(picture: str, caption: str = "figure") -> str:
    return f'<img alt="{escape(caption)}" src="data:image/png;base64,{picture}">'
