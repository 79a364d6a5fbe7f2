"""nginx's grammar: directives that end with a semicolon or have a block.

Source: nginx 1.22 `ngx_conf_read_token` in src/core/ngx_conf_file.c; "Beginner's guide", structure of a configuration.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from twin.config.reading.report import FilePlace, SourceFile
from twin.errors import ScenarioError
from twin.files.reading import MOST_DEPTH

MOST_DIRECTIVES = 20_000
_TOKEN = re.compile(
    r"""[^\S\n]+|\n|\#[^\n]*|[;{}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
    r"""|(?:\$\{[^}\s]*\}|\\.|[^\s;{}"'\\])(?:\$\{[^}\s]*\}|\\.|[^\s;{}\\])*""",
    re.DOTALL,
)
"""White space, a comment, a sign, a quoted word, or a word, in which a variable may have braces."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass
class NginxBlock:
    """A directive, and what is in its block.

    Attributes:
        place: where it begins.
        words: its name and its arguments.
        inner: the directives of its block, or None if it has none.
        outer: the block that it stands in; None for the file itself.
    """

    place: FilePlace
    words: tuple[str, ...]
    inner: "list[NginxBlock] | None" = None
    outer: "NginxBlock | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its first word."""
        return self.words[0] if self.words else ""

    @property
    def text(self) -> str:
        """The directive without its block."""
        return " ".join(self.words)

    def all(self) -> Iterator["NginxBlock"]:
        """Yield what is in its block, blocks within blocks included, in their order."""
        for one in self.inner or ():
            yield one
            yield from one.all()

    def effective(self, name: str) -> "NginxBlock | None":
        """Return the directive of a name that holds in this block: its own last one, or that of the blocks around."""
        own = [one for one in self.inner or () if one.name == name]
        if own:
            return own[-1]
        return self.outer.effective(name) if self.outer is not None else None


def blocks(file: SourceFile) -> NginxBlock:
    """Return a file as a block without words.

    Raises:
        ScenarioError: it is no such text; the sentence names file and line.
    """
    root = NginxBlock(FilePlace(file.name, 1), (), [])
    stack, words, begin, count, line = [root], list[str](), 1, 0, 1
    for token in _tokens(file):
        if token == "\n":
            line += 1
            continue
        where = FilePlace(file.name, line)
        if token not in (";", "{", "}"):
            begin = begin if words else line
            words.append(_plain(token))
            line += token.count("\n")
            continue
        if token == "}":
            if words or len(stack) == 1:
                raise ScenarioError(f"{where}: '}}' is unexpected.")
            stack.pop()
            continue
        if not words:
            raise ScenarioError(f"{where}: '{token}' is unexpected.")
        count += 1
        if count > MOST_DIRECTIVES or len(stack) > MOST_DEPTH:
            allowed = f"at most {MOST_DIRECTIVES} directives, in at most {MOST_DEPTH} blocks"
            raise ScenarioError(f"{where}: allowed are {allowed}.")
        one = NginxBlock(FilePlace(file.name, begin), tuple(words), [] if token == "{" else None, stack[-1])
        assert stack[-1].inner is not None
        stack[-1].inner.append(one)
        if token == "{":
            stack.append(one)
        words = []
    if words or len(stack) > 1:
        raise ScenarioError(f"{FilePlace(file.name, line)}: the file ends within a directive or a block.")
    return root


def _tokens(file: SourceFile) -> Iterator[str]:
    at, line = 0, 1
    while at < len(file.text):
        found = _TOKEN.match(file.text, at)
        if found is None:
            raise ScenarioError(f"{FilePlace(file.name, line)}: a quote is not closed, or a backslash ends the file.")
        token, at = found[0], found.end()
        if token.startswith("#") or (token != "\n" and not token.strip()):
            continue
        yield token
        line += token.count("\n")


def _plain(token: str) -> str:
    """Return a word without its quotes and backslashes."""
    if token[0] in "\"'" and token[-1] == token[0] and len(token) > 1:
        token = token[1:-1]
    return _ESCAPE.sub(r"\1", token) if "\\" in token else token
