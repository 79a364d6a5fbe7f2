"""Where a document has the table of a command."""

import pytest

from twin.analysis.documents import END, begin_of, with_table
from twin.errors import ScenarioError


def test_a_table_takes_the_place_of_the_one_before_and_nothing_else_changes():
    text = f"# A\n{begin_of('one')}\nold\n{END}\n{begin_of('two')}\nother\n{END}\nend\n"
    found = with_table(text, "A.md", "two", "new\n")
    assert found == text.replace("other", "new")


@pytest.mark.parametrize("text", ["", begin_of("one") + "\n", END, f"{begin_of('two')}\n{END}"])
def test_a_document_without_a_place_is_refused(text):
    with pytest.raises(ScenarioError, match=r"^A.md has no lines <!-- the table of ./lab one --> and <!-- its end -->"):
        with_table(text, "A.md", "one", "new\n")
