"""An entry of the glossary, and how it reads as Markdown in English or Chinese."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "measure", "event", "setting"]
Pair = tuple[str, str]
"""The same in English and in Chinese."""
Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

KINDS: dict[Language, dict[Kind, str]] = {
    "en": {"word": "Word", "measure": "Measure", "event": "Event", "setting": "Setting"},
    "zh": {"word": "术语", "measure": "指标", "event": "事件", "setting": "设置"},
}
MOVES: dict[Language, dict[Kind, str]] = {
    "en": {
        "word": "What moves it",
        "measure": "What moves it",
        "event": "What brings it",
        "setting": "What it moves",
    },
    "zh": {"word": "受什么影响", "measure": "受什么影响", "event": "由什么引起", "setting": "影响什么"},
}
WHY = {"en": "Why it matters", "zh": "为何重要"}
NOTES = {"driver": "驱动因素", "default": "默认", "own columns": "自有列"}
"""Words of a term's note, in Chinese."""


@dataclass(frozen=True)
class Term:
    """An entry of the glossary.

    Attributes:
        name: as the labs write it.
        kind: `word` (of the field), `measure`, `event` or `setting`.
        unit: empty where it has none; 1 is a number, a share or a ratio.
        note: what the code knows besides: a measure's driver, a setting's default, an event's own columns.
        meaning, why, moves: each in English and in Chinese.
        chinese: the word in Chinese; empty for what has a name in the code only.
        also: its other names.
        forms: what it looks like in a sentence, `heartbeats`; a form in backticks is code there, and only there.
        lab: number of the lab that explains it first; empty for what has a name in the code, or is not in a lab's text.
        again: further labs that explain it.
        plain: whether it is a word of everyday language, too, so that a text may use it in another sense.
    """

    name: str
    kind: Kind
    unit: str
    note: str
    meaning: Pair
    why: Pair
    moves: Pair
    chinese: str = ""
    also: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    lab: str = ""
    again: tuple[str, ...] = ()
    plain: bool = False

    @property
    def anchor(self) -> str:
        """What GitHub makes of its heading, behind the `#` of a link."""
        return anchor(self.name)

    def _repr_markdown_(self) -> str:
        return "\n".join([f"**{self.name}**", "", *lines(self)])


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading: lower case, blanks as hyphens, other signs left out."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def lines(term: Term, language: Language = "en") -> list[str]:
    """Return an entry without its name: kind, unit, note and meaning, then why it matters and what moves it."""
    which = LANGUAGES.index(language)
    comma, colon, stop = (", ", ": ", ". ") if language == "en" else ("，", "：", "。")
    about = [KINDS[language][term.kind]]
    if term.unit:
        about.append(f"{'unit' if language == 'en' else '单位'} {term.unit}")
    if term.note:
        about.append(term.note if language == "en" else chinese_note(term.note))
    meaning = term.meaning[which][:1].upper() + term.meaning[which][1:]
    full = "" if meaning.endswith((".", "。")) else stop.strip()
    why, moves = WHY[language], MOVES[language][term.kind]
    return [
        f"*{comma.join(about)}*{stop}{meaning}{full}",
        "",
        f"- **{why}**{colon}{term.why[which]}",
        f"- **{moves}**{colon}{term.moves[which]}",
    ]


def chinese_note(note: str) -> str:
    """Return a term's note with its words in Chinese; names and values stay."""
    for english, chinese in NOTES.items():
        note = note.replace(english, chinese)
    return note
