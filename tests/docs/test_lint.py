"""docs/lint.md has the rules that there are."""

import re

from tests.commands import ROOT
from twin.advice import RULES

TEXT = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z-]+)` \| (.*?) \| .+? \| (.+) \|$", re.MULTILINE)


def test_the_table_has_each_rule_with_its_source_in_their_order():
    assert [(name, source) for name, _, source in ROW.findall(TEXT)] == [(one.name, one.source) for one in RULES]


def test_each_level_is_one_that_a_finding_may_have():
    assert {re.match(r"warning|note", level)[0] for _, level, _ in ROW.findall(TEXT)} == {"warning", "note"}
