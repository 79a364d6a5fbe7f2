"""Whether a Chinese text has the glossary's translation of each of its words that the English one has."""

import re

from twin.glossary.terms import terms


def without_code(text):
    """Return a text on one line, without names in backticks and where links lead."""
    return re.sub(r"\s+", " ", re.sub(r"`[^`]*`|\]\([^)]*\)", " ", text))


def in_text(term, text):
    """Tell whether an English text has a word of the glossary, or a form of it."""
    forms = "|".join(re.escape(form) for form in (term.name, *term.forms) if "`" not in form)
    return re.search(rf"(?<![\w.-])(?:{forms})(?![\w-])", text, re.IGNORECASE)


def words_in(text):
    """Return the glossary's words that an English text has; those of everyday language are left out."""
    said = without_code(text)
    return [one for one in terms().values() if one.kind == "word" and not one.plain and in_text(one, said)]


def untranslated(english, chinese):
    """Return each word of the glossary in the English text whose translation the Chinese one lacks, with it."""
    other = without_code(chinese).replace(" ", "")
    return [(one.name, one.chinese) for one in words_in(english) if one.chinese.replace(" ", "") not in other]
