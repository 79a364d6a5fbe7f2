"""The comments of the claims quote the text of their notebooks: what is no longer said has no claim."""

import re
from pathlib import Path

import nbformat
import pytest

from tests.files import files

FOLDER = Path(__file__).parents[2] / "notebooks"
CLAIMS = files(Path(__file__).parent / "claims", "*.py")


def quoted(source):
    """Return what the comments of a file quote, in the order of its lines."""
    comments = [line for line in source.splitlines() if line.startswith("# ")]
    return [piece for line in comments for piece in re.findall(r'"([^"]+)"', line)]


def test_quotations_are_read_from_comments_only():
    assert quoted('# 1: "one", then "two"\nassert name == "three"  # "four"\n') == ["one", "two"]


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_what_a_claim_quotes_stands_in_its_notebook(path):
    cells = nbformat.read(FOLDER / f"{path.stem}.ipynb", as_version=4).cells
    text = " ".join(" ".join(cell.source for cell in cells if cell.cell_type == "markdown").split())
    assert [one for one in quoted(path.read_text(encoding="utf-8")) if one not in text] == []
