"""HAProxy's grammar: sections of directives, each a line of words.

Source: HAProxy 2.8 configuration manual, 2.2 "Quoting and escaping", 2.3 "Environment variables", 4 "Proxies".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from twin.config.reading.report import FilePlace, SourceFile
from twin.errors import ScenarioError

SECTIONS = frozenset(
    [
        "global",
        "defaults",
        "frontend",
        "backend",
        "listen",
        "peers",
        "resolvers",
        "mailers",
        "userlist",
        "program",
        "http-errors",
        "ring",
        "log-forward",
        "cache",
        "fcgi-app",
        "crt-store",
        "traces",
    ]
)
PROXIES = ("frontend", "backend", "listen")
MOST_DIRECTIVES = 20_000


@dataclass(frozen=True)
class Directive:
    """One line.

    Attributes:
        place: where it stands.
        words: of it.
        expands: whether a variable of the environment stands in it.
    """

    place: FilePlace
    words: tuple[str, ...]
    expands: bool = False

    @property
    def text(self) -> str:
        """The line, with single spaces."""
        return " ".join(self.words)


@dataclass
class Section:
    """A section and its directives.

    Attributes:
        head: its first line.
        defaults: the `defaults` that hold for it.
    """

    head: Directive
    defaults: "Section | None" = None
    directives: list[Directive] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Its keyword."""
        return self.head.words[0]

    @property
    def name(self) -> str:
        """Its name, or an empty text."""
        return self.head.words[1] if len(self.head.words) > 1 and self.head.words[1] != "from" else ""

    def all(self) -> Iterator[Directive]:
        """Yield the directives that hold for it, those of its defaults first."""
        if self.defaults is not None:
            yield from self.defaults.all()
        yield from self.directives


def sections(files: Sequence[SourceFile]) -> list[Section]:
    """Return the sections of some files, which count as one.

    Raises:
        ScenarioError: it is no such text; the sentence names file and line.
    """
    found: list[Section] = []
    latest: Section | None = None
    for count, directive in enumerate(_directives(files), 1):
        if count > MOST_DIRECTIVES:
            raise ScenarioError(f"{directive.place}: allowed are at most {MOST_DIRECTIVES} directives.")
        if directive.words[0] in SECTIONS:
            section = Section(directive)
            if section.kind in (*PROXIES, "defaults"):
                section.defaults = _defaults(section, found, latest)
            latest = section if section.kind == "defaults" else latest
            found.append(section)
        elif not found:
            raise ScenarioError(f"{directive.place}: '{directive.words[0]}' stands before any section of HAProxy.")
        else:
            found[-1].directives.append(directive)
    return found


def _defaults(section: Section, found: Sequence[Section], latest: Section | None) -> Section | None:
    """Return the defaults of a section: those that it names, else for a proxy the latest ones."""
    words = section.head.words
    if "from" not in words[1:-1]:
        return latest if section.kind != "defaults" else None
    name = words[words.index("from", 1) + 1]
    for one in reversed(found):
        if one.kind == "defaults" and one.name == name:
            return one
    raise ScenarioError(f"{section.head.place}: there are no defaults '{name}' before it.")


def _directives(files: Sequence[SourceFile]) -> Iterator[Directive]:
    for file in files:
        for number, line in enumerate(file.text.split("\n"), 1):
            directive = split(line, FilePlace(file.name, number))
            if directive.words:
                yield directive


def split(line: str, place: FilePlace) -> Directive:
    """Return the words of a line: quotes and backslashes are taken away, and a comment ends it.

    Raises:
        ScenarioError: a quote is not closed.
    """
    words: list[str] = []
    word, quote, there, expands = "", "", False, False
    i = 0
    while i < len(line):
        one = line[i]
        if quote == "'" and one != "'":
            word += one
        elif one == "\\" and i + 1 < len(line):
            i += 1
            word, there = word + line[i], True
        elif one in "'\"" and quote in ("", one):
            quote, there = ("" if quote else one), True
        elif not quote and one == "#":
            break
        elif not quote and one.isspace():
            words += [word] if there else []
            word, there = "", False
        else:
            expands = expands or (quote == '"' and one == "$")
            word, there = word + one, True
        i += 1
    if quote:
        raise ScenarioError(f"{place}: a quote is not closed.")
    return Directive(place, tuple([*words, word] if there else words), expands)
