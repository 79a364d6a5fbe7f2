"""docs/glossary.md and docs/glossary.zh.md, made of `twin.glossary`.

`python -m tests.twin.glossary.documents` writes them anew, for the difference to be looked at and committed.
"""

from tests.commands import ROOT
from tests.files import files
from twin.glossary.term import KINDS, lines
from twin.glossary.terms import anchors, terms

FILES = {"en": ROOT / "docs" / "glossary.md", "zh": ROOT / "docs" / "glossary.zh.md"}
MADE = "<!-- Made of twin/glossary and the code by `python -m tests.twin.glossary.documents`; not written by hand. -->"
TITLES = {
    "en": {"word": "Words", "measure": "Measures", "event": "Events", "setting": "Settings"},
    "zh": {"word": "术语", "measure": "指标", "event": "事件", "setting": "设置"},
}
HEADS = {
    "en": """# Glossary

[中文](glossary.zh.md)

What the labs, the measures, the record and the scenario files call things: {counts}.
Each entry has its unit, its meaning, why it matters and what moves it. The unit 1 stands for a number, a share or a
ratio. `./lab glossary TERM` prints one, and so does `stormlab.glossary("TERM")` in Python. How a measure is computed to
the letter is in [measures.md](measures.md).
""",
    "zh": """# 术语表

[English](glossary.md)

实验、指标、记录和场景文件中的用语：{counts}。
每个条目都有单位、含义、为何重要以及受什么影响。单位 1 表示个数、比例或比值。
`./lab glossary TERM --language zh` 打印一个条目；在 Python 中用 `stormlab.glossary("TERM")`。
指标的精确算法见 [measures.md](measures.md)。
""",
}


def link(number):
    """Return a link to a lab's notebook."""
    (path,) = files(ROOT / "notebooks", f"{number}-*.ipynb")
    return f"[{number}](../notebooks/{path.name})"


def others_of(term):
    """Return the anchors that lead to a term by its other names."""
    return [one for one, name in anchors().items() if name == term.name and one != term.anchor]


def target(one):
    """Return what a link with this anchor leads to."""
    return f'<a id="{one}"></a>'


def about(term, language):
    """Return the line of a word's other names and its lab; nothing for what has a name in the code only."""
    also = [f"`{one}`" for one in term.also]
    if language == "zh":
        said = [f"中文：{term.chinese}"] if term.chinese else []
        said += [f"又作 {'、'.join(also)}"] if also else []
        said += [f"讲解：实验 {'、'.join(map(link, (term.lab, *term.again)))}"] if term.lab else []
        return "；".join(said)
    said = [f"Chinese: {term.chinese}"] if term.chinese else []
    said += [f"also {', '.join(also)}"] if also else []
    said += [f"explained in lab {', '.join(map(link, (term.lab, *term.again)))}"] if term.lab else []
    return "; ".join(said)


def document(language):
    """Return a glossary as its file should be."""
    by_kind = {kind: [one for one in terms().values() if one.kind == kind] for kind in KINDS[language]}
    counts = "、".join(f"{len(found)} 个{TITLES[language][kind]}" for kind, found in by_kind.items())
    if language == "en":
        counts = ", ".join(f"{len(found)} {TITLES[language][kind].lower()}" for kind, found in by_kind.items())
    text = [MADE, HEADS[language].format(counts=counts)]
    text.append(" · ".join(f"[{TITLES[language][kind]}](#{TITLES[language][kind].lower()})" for kind in by_kind) + "\n")
    for kind, found in by_kind.items():
        text.append(f"## {TITLES[language][kind]}\n")
        for one in found:
            names, others = about(one, language), "".join(map(target, others_of(one)))
            text += [
                f"{others}\n\n### {one.name}\n" if others else f"### {one.name}\n",
                *lines(one, language),
                *([f"- {names}"] if names else []),
                "",
            ]
    return "\n".join(text)


def main():
    """Write both files."""
    for language, path in FILES.items():
        path.write_text(document(language), encoding="utf-8")


if __name__ == "__main__":
    main()
