"""An entry of the glossary as lines of Markdown, in English or Chinese."""

from typing import Literal

from twin.glossary.terms import Kind, Term

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
