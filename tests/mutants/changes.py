"""Small wrong changes of a source file: what a mutation test asks the tests to notice.

A change replaces one piece of the text, so that the rest, with its comments, stays as it is. Left out is what no test
should pin: docstrings, annotations, decorators, assertions, the text of errors and of the log, `__repr__`, f-strings
(whose positions Python 3.11 does not tell), and what only runs when a module is started by hand.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
}
QUIET = {"logger", "logging", "log", "warnings", "cast", "TypeVar", "NewType", "namedtuple"}
"""Names whose calls are left alone."""
SYMMETRIC = {"min", "max", "hypot", "gcd", "isclose", "select"}
"""Calls whose arguments may stand in any order; `Record.select` gives the events of some names, as they came."""
OBVIOUS = {"isinstance", "partial", "getattr", "setattr", "hasattr"}
"""Calls whose arguments cannot stand in another order: every test that comes by would notice."""
ASSERTED = "strict"
"""An argument of `zip` that only says what the code takes for granted."""
WORLD = "w"
"""What compiled functions are given first; nothing else can stand in its place either."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        path: of the file, from the root of the checkout.
        line: number of the first changed line, from 1.
        scope: function or class around it, with dots; empty at the top of a module.
        kind: which sort of change it is.
        start: first character that is replaced.
        end: the one behind the last.
        text: what takes their place.
        before: the changed lines as they were, without the white space around them.
        after: the same lines as they become.
    """

    path: str
    line: int
    scope: str
    kind: str
    start: int
    end: int
    text: str
    before: str
    after: str

    def apply(self, source: str) -> str:
        """Return the file's text with the change."""
        return source[: self.start] + self.text + source[self.end :]

    def changes(self, source: str) -> bool:
        """Tell whether Python can parse the changed file, and not as the same as before."""
        try:
            return ast.dump(ast.parse(self.apply(source))) != ast.dump(ast.parse(source))
        except SyntaxError:
            return False


def mutants_of(source: str, path: str) -> list[Mutant]:
    """Return every change of a file, in the order of the places; a few of them are none, see `Mutant.changes`."""
    tree, text = ast.parse(source), Text(source)
    found: dict[tuple[int, int, str], Mutant] = {}
    for scope, kind, start, end, new in _Finder(text).all(tree):
        if source[start:end] != new:
            found.setdefault((start, end, new), text.mutant(path, scope, kind, start, end, new))
    return sorted(found.values(), key=lambda one: (one.start, one.end))


class Text:
    """A source file whose positions are characters; `ast` counts the bytes of each line."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = source.splitlines(keepends=True)
        self.firsts = [0]
        for line in self.lines:
            self.firsts.append(self.firsts[-1] + len(line))

    def at(self, line: int, column: int) -> int:
        """Return the character at a position that `ast` gives."""
        return self.firsts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the first character of a node and the one behind its last."""
        return self.at(node.lineno, node.col_offset), self.at(node.end_lineno, node.end_col_offset)

    def of(self, node: ast.AST) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.source[start:end]

    def mutant(self, path: str, scope: str, kind: str, start: int, end: int, new: str) -> Mutant:
        """Return a change with the lines that it changes."""
        first = self.source.rfind("\n", 0, start) + 1
        last = self.source.find("\n", end)
        last = len(self.source) if last < 0 else last
        after = self.source[first:start] + new + self.source[end:last]
        line = self.source.count("\n", 0, start) + 1
        return Mutant(path, line, scope, kind, start, end, new, self.source[first:last].strip(), after.strip())


Change = tuple[str, str, int, int, str]


class _Finder:
    """Walks a file and yields changes as (scope, kind, start, end, text)."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.scope: list[str] = []
        self.twice: set[str] = set()

    def all(self, node: ast.AST) -> Iterator[Change]:
        """Yield the changes of a node and of all below it."""
        if skipped(node):
            return
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        outer = self.twice
        if named:
            self.scope.append(node.name)
            self.twice = set_again(node)
        yield from ((".".join(self.scope), *change) for change in self.here(node))
        for child in below(node):
            yield from self.all(child)
        if named:
            self.scope.pop()
            self.twice = outer

    def here(self, node: ast.AST) -> Iterator[tuple[str, int, int, str]]:
        """Yield the changes of one node."""
        look = getattr(self, f"_{type(node).__name__.lower()}", None)
        if look is not None:
            yield from look(node)
        for test in (getattr(node, "test", None), *getattr(node, "ifs", ())):
            if test is not None:
                yield "condition", *self.text.span(test), f"(not ({self.text.of(test)}))"

    def between(
        self, kind: str, left: ast.AST, right: ast.AST, old: str, new: str
    ) -> Iterator[tuple[str, int, int, str]]:
        """Replace the sign between two operands."""
        start, end = self.text.span(left)[1], self.text.span(right)[0]
        found = re.search(r"\s+".join(re.escape(word) for word in old.split()), self.text.source[start:end])
        if found:
            yield kind, start + found.start(), start + found.end(), new

    def _compare(self, node: ast.Compare) -> Iterator[tuple[str, int, int, str]]:
        operands = [node.left, *node.comparators]
        for left, sign, right in zip(operands, node.ops, operands[1:], strict=False):
            yield from self.between("comparison", left, right, *COMPARISONS[type(sign)])

    def _binop(self, node: ast.BinOp) -> Iterator[tuple[str, int, int, str]]:
        if not is_text(node.left) and not is_text(node.right) and type(node.op) in ARITHMETIC:
            yield from self.between("arithmetic", node.left, node.right, *ARITHMETIC[type(node.op)])

    def _augassign(self, node: ast.AugAssign) -> Iterator[tuple[str, int, int, str]]:
        if type(node.op) in ARITHMETIC:
            old, new = ARITHMETIC[type(node.op)]
            yield from self.between("arithmetic", node.target, node.value, f"{old}=", f"{new}=")
        yield "removed", *self.text.span(node), "pass"

    def _boolop(self, node: ast.BoolOp) -> Iterator[tuple[str, int, int, str]]:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from self.between("boolean", left, right, old, new)

    def _unaryop(self, node: ast.UnaryOp) -> Iterator[tuple[str, int, int, str]]:
        if isinstance(node.op, ast.Not | ast.USub):
            kind = "boolean" if isinstance(node.op, ast.Not) else "arithmetic"
            yield kind, *self.text.span(node), f"({self.text.of(node.operand)})"

    def _constant(self, node: ast.Constant) -> Iterator[tuple[str, int, int, str]]:
        span = self.text.span(node)
        if isinstance(node.value, bool):
            yield "constant", *span, str(not node.value)
        elif isinstance(node.value, int | float):
            yield "constant", *span, f"({self.text.of(node)} + 1)"
            if node.value:
                yield "constant", *span, "0"
                yield "constant", *span, f"({self.text.of(node)} * 2)"

    def _assign(self, node: ast.Assign) -> Iterator[tuple[str, int, int, str]]:
        def may_go(target: ast.AST) -> bool:
            if isinstance(target, ast.Tuple):
                return all(may_go(one) for one in target.elts)
            return not isinstance(target, ast.Name) or target.id in self.twice

        if self.scope and all(may_go(target) for target in node.targets):
            yield "removed", *self.text.span(node), "pass"

    def _expr(self, node: ast.Expr) -> Iterator[tuple[str, int, int, str]]:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call) and self.scope:
            yield "removed", *self.text.span(node), "pass"

    def _call(self, node: ast.Call) -> Iterator[tuple[str, int, int, str]]:
        name = called(node)
        if isinstance(node.func, ast.Name) and name in ("min", "max"):
            yield "min or max", *self.text.span(node.func), "max" if name == "min" else "min"
        if name not in SYMMETRIC | OBVIOUS and not any(isinstance(one, ast.Starred) for one in node.args):
            for left, right in zip(node.args, node.args[1:], strict=False):
                (start, end), (then, last) = self.text.span(left), self.text.span(right)
                source = self.text.source
                if not inside_generator(left, right) and self.text.of(left) != WORLD:
                    yield "swapped", start, last, source[then:last] + source[end:then] + source[start:end]
        for keyword in node.keywords:
            if keyword.arg not in (None, ASSERTED):
                yield "dropped", *self.without(node, keyword), ""

    def without(self, node: ast.Call, keyword: ast.keyword) -> tuple[int, int]:
        """Return what to cut out so that a keyword argument is gone, with the comma before or behind it."""
        start, end = self.text.span(keyword)
        source = self.text.source
        before = source[:start].rstrip()
        if before.endswith(","):
            return len(before) - 1, end
        behind = re.match(r"\s*,\s*", source[end:])
        return start, end + (behind.end() if behind else 0)

    def _continue(self, node: ast.Continue) -> Iterator[tuple[str, int, int, str]]:
        yield "early end", *self.text.span(node), "break"

    def _break(self, node: ast.Break) -> Iterator[tuple[str, int, int, str]]:
        yield "early end", *self.text.span(node), "continue"

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, int, int, str]]:
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        inner = [one for statement in body for one in own(statement)]
        if len(body) > 1 and not any(isinstance(one, ast.Return) and one.value is not None for one in inner):
            start = self.text.span(body[-1])[0]
            if not isinstance(body[-1], ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Return | ast.Raise):
                yield "early end", start, start, "return\n" + " " * body[-1].col_offset

    _asyncfunctiondef = _functiondef


def own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement and all below it but what is in functions of its own."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from own(child)


def set_again(function: ast.AST) -> set[str]:
    """Return the names that a function sets more than once, or that its arguments set first."""
    names = [one.arg for one in ast.walk(function) if isinstance(one, ast.arg)]
    names += [one.id for one in ast.walk(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
    return {name for name in names if names.count(name) > 1}


def skipped(node: ast.AST) -> bool:
    """Tell whether a node and all below it is left alone."""
    if isinstance(node, ast.keyword):
        return node.arg == ASSERTED
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name in ("__repr__", "__str__")
    if isinstance(node, ast.If):
        return any(isinstance(one, ast.Name) and one.id in ("TYPE_CHECKING", "__name__") for one in ast.walk(node.test))
    if isinstance(node, ast.Expr):  # a docstring, or words behind a constant
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Call):
        return called(node) in QUIET or root_of(node.func) in QUIET
    return isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.arg)


def below(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node in which changes are looked for: neither annotations nor decorators."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not is_alias(node, child):
                yield child


def is_alias(node: ast.AST, child: ast.AST) -> bool:
    """Tell whether an assignment only names a type, as in `Work = Generator[...]`."""
    named = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    return (
        named
        and isinstance(child, ast.Subscript | ast.BinOp)
        and ast.unparse(node.targets[0])[0].isupper()
        and (
            not any(isinstance(one, ast.Constant | ast.Call) for one in ast.walk(child))
            and not node.targets[0].id.isupper()
        )
    )


def called(node: ast.Call) -> str:
    """Return the last name of what is called."""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def root_of(node: ast.AST) -> str:
    """Return the first name of `a.b.c`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_text(node: ast.AST) -> bool:
    """Tell whether an operand is text."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def inside_generator(*nodes: ast.AST) -> bool:
    """Tell whether an argument is a generator without parentheses of its own."""
    return any(isinstance(node, ast.GeneratorExp) for node in nodes)
