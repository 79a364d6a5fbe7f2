"""What is stored with a notebook: the outputs of a cell as text and as a table."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
RECORDS = NOTEBOOKS.parent / "records"


@cache
def notebook(stem):
    """Return a notebook by its name."""
    return nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)


def cell(stem, name):
    """Return a cell of a notebook by its id."""
    (found,) = [one for one in notebook(stem).cells if one.id == name]
    return found


def prose(stem):
    """Return all text of a notebook with single blanks, so that a sentence is found wherever its lines break."""
    return " ".join(" ".join(one.source for one in notebook(stem).cells if one.cell_type == "markdown").split())


def printed(stem, name):
    """Return what a cell printed."""
    return "".join(out.text for out in cell(stem, name).outputs if out.output_type == "stream")


def tables(stem, name):
    """Return the tables that a cell shows."""
    pages = [out.data["text/html"] for out in cell(stem, name).outputs if "text/html" in out.get("data", {})]
    return [parsed(page) for page in pages]


def table(stem, name):
    """Return the only table that a cell shows."""
    (found,) = tables(stem, name)
    return found


class _Rows(HTMLParser):
    """Rows of a table: (kind of cell, text, columns, rows) each."""

    def __init__(self):
        super().__init__()
        self.head, self.body, self.row, self.text = [], [], [], None
        self.in_head = False

    def handle_starttag(self, tag, attrs):
        spans = dict(attrs)
        if tag in ("thead", "tbody"):
            self.in_head = tag == "thead"
        elif tag == "tr":
            self.row = []
        elif tag in ("th", "td"):
            self.text = ""
            self.row.append([tag, "", int(spans.get("colspan", 1)), int(spans.get("rowspan", 1))])

    def handle_data(self, data):
        if self.text is not None:
            self.text += data

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.row[-1][1], self.text = self.text.strip(), None
        elif tag == "tr":
            (self.head if self.in_head else self.body).append(self.row)


def parsed(page):
    """Return a table of pandas' HTML; labels of several levels are tuples, numbers are numbers."""
    rows = _Rows()
    rows.feed(page)
    heads = [[text for _, text, columns, _ in row for _ in range(columns)] for row in rows.head]
    wide = len(heads[0])
    index, values, held = [], [], {}
    for row in rows.body:
        labels = [one for one in row if one[0] == "th"]
        numbers = [_value(one[1]) for one in row if one[0] == "td"]
        depth = wide - len(numbers)
        mine = []
        for place in range(depth):
            if held.get(place, ("", 0))[1]:
                held[place] = (held[place][0], held[place][1] - 1)
            else:
                _, text, _, many = labels.pop(0)
                held[place] = (text, many - 1)
            mine.append(held[place][0])
        index.append(_label(mine))
        values.append(numbers)
    depth = wide - len(values[0])
    columns = [_label([head[i] for head in heads if head[i]]) for i in range(depth, wide)]
    found = pd.DataFrame(values)
    found.columns, found.index = pd.Index(columns, tupleize_cols=False), pd.Index(index, tupleize_cols=False)
    return found


def _label(parts):
    return parts[0] if len(parts) == 1 else tuple(parts)


def _value(text):
    """Return a number, of per cent as of others, or the text that is none."""
    try:
        return float(text.removesuffix(" %"))
    except ValueError:
        return text
