"""README.zh.md has all that README.md has: headings, commands, figures, links, numbers, and the glossary's words."""

import re

import pytest

from tests.commands import ROOT
from tests.docs.translations import untranslated, words_in

ENGLISH, CHINESE = (ROOT / name for name in ("README.md", "README.zh.md"))
FENCE = re.compile(r"```.*?```", re.DOTALL)
NUMBER = re.compile(r"\d[\d,.]*\d|\d")
WORDS_OF_NUMBERS = {"ten million": "一千万", "two shared cores": "两个共享核", "two minutes": "两分钟"}


def sections(text):
    """Return the text of each section by its heading; the one before the first heading of level two has the title's."""
    parts = re.split(r"^(#+ .*)$", FENCE.sub("", text), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def pairs():
    english, chinese = (sections(path.read_text(encoding="utf-8")) for path in (ENGLISH, CHINESE))
    assert len(english) == len(chinese)
    return list(zip(english, chinese, strict=True))


def test_both_have_the_same_headings_and_the_same_commands():
    texts = [path.read_text(encoding="utf-8") for path in (ENGLISH, CHINESE)]
    levels = [re.findall(r"^#+(?= )", FENCE.sub("", text), re.MULTILINE) for text in texts]
    assert levels[0] == levels[1]
    blocks = [FENCE.findall(text) for text in texts]
    assert blocks[0] == blocks[1]
    assert len(blocks[0]) >= 3


def test_every_section_names_the_same_code():
    for (heading, english), (_, chinese) in pairs():
        codes = [
            sorted({re.sub(r"\s+", " ", one) for one in re.findall(r"`([^`]+)`", text)}) for text in (english, chinese)
        ]
        assert codes[0] == codes[1], heading


def test_every_section_has_the_same_figures_and_links():
    for (heading, english), (_, chinese) in pairs():
        figures = [re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text) for text in (english, chinese)]
        assert figures[0] == figures[1], heading
        own, other = (set(re.findall(r"\]\(([^)]+)\)", text)) for text in (english, chinese))
        more = {"README.md", *(f"docs/{name}.zh.md" for name in ("glossary", "cheat-sheet"))}
        assert own - {"README.zh.md"} <= other <= own | more, heading
        assert all((ROOT / link.partition("#")[0]).is_file() for link in other)


def test_every_section_has_the_same_numbers():
    for (heading, english), (_, chinese) in pairs():
        found = [sorted(NUMBER.findall(re.sub(r"\]\([^)]*\)|`[^`]*`", "", text))) for text in (english, chinese)]
        assert found[0] == found[1], heading


def test_every_section_has_as_many_points_and_rows():
    for (heading, english), (_, chinese) in pairs():
        for sign in (r"^\* ", r"^\|"):
            assert len(re.findall(sign, english, re.MULTILINE)) == len(re.findall(sign, chinese, re.MULTILINE)), heading


def test_the_glossarys_words_have_its_translation():
    missing = [(heading, word) for (heading, one), (_, other) in pairs() for word in untranslated(one, other)]
    assert missing == []
    assert len({word.name for (_, one), _ in pairs() for word in words_in(one)}) > 20


@pytest.mark.parametrize("words", WORDS_OF_NUMBERS)
def test_numbers_in_words_are_translated(words):
    english, chinese = (" ".join(path.read_text(encoding="utf-8").split()) for path in (ENGLISH, CHINESE))
    assert english.count(words) == chinese.count(WORDS_OF_NUMBERS[words]) == 1
