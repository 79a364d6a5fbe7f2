"""Which mutants change nothing that anyone could see, as people have judged, each with its reason."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.changes import Mutant

FILE = Path(__file__).parent / "equivalent.toml"


@dataclass(frozen=True)
class Judgement:
    """One mutant that changes nothing, known by its file, where in it, and its lines before and after."""

    path: str
    scope: str
    before: str
    after: str
    reason: str

    def fits(self, mutant: Mutant) -> bool:
        """Tell whether it is about this mutant."""
        mine = (self.path, self.scope, self.before, self.after)
        return mine == (mutant.path, mutant.scope, mutant.before, mutant.after)


def judgements(path: Path = FILE) -> list[Judgement]:
    """Read the judgements; each has all five fields, and none of them empty but `scope`."""
    found = [Judgement(**one) for one in tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])]
    for one in found:
        if not (one.path and one.before and one.reason):
            raise ValueError(f"{path.name}: a judgement of '{one.path}' lacks a file, its line or a reason.")
    return found


def reason_of(mutant: Mutant, known: Iterable[Judgement]) -> str | None:
    """Return why a mutant changes nothing, if that has been judged."""
    return next((one.reason for one in known if one.fits(mutant)), None)


def outdated(root: Path, known: Iterable[Judgement]) -> list[Judgement]:
    """Return the judgements whose line is no longer in its file."""
    texts = {one.path: (root / one.path).read_text(encoding="utf-8") for one in known if (root / one.path).exists()}
    return [one for one in known if one.before not in texts.get(one.path, "")]
