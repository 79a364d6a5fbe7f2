"""What is mutated, which tests have to notice, and how a sample is drawn."""

import random
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from tests.mutants.changes import Mutant, mutants_of

AREAS = {
    "twin/rules": ["twin/rules/*.py"],
    "twin/measures": ["twin/measures/*.py"],
    "twin/invariants": ["twin/invariants/*.py"],
    "twin/analysis": ["twin/analysis/comparison.py"],
    "sim": ["sim/**/*.py"],
    "sim/compiled": ["sim/compiled/**/*.py"],
    "live": ["live/**/*.py"],
}
DIFFERENTIAL = ("tests/sim/compiled/test_engine.py", "tests/sim/compiled/test_broadcast.py")
"""Each engine against the other, event by event."""


def sample(root: Path, count: int, seed: int, areas: Sequence[str] = tuple(AREAS)) -> list[Mutant]:
    """Return mutants at random, about as many of each area, in the order of the areas.

    Within an area each place at which something can be changed is as likely as any other, however many changes there
    are at it, and none is drawn twice. For the same files and the same seed the sample is the same, and a larger one
    begins with the same mutants of each area, whatever the other areas are.

    Args:
        root: of the checkout.
        count: how many in all; fewer where an area has no more places.
        seed: of the random numbers.
        areas: names from `AREAS`.
    """
    shares = {area: count // len(areas) for area in areas}
    for area in random.Random(seed).sample(list(areas), count % len(areas)):
        shares[area] += 1
    drawn = []
    for area in areas:
        dice = random.Random(f"{seed} {area}")
        sources = {path: (root / path).read_text(encoding="utf-8") for path in files(root, area)}
        places: dict[tuple[str, int, int, str], list[Mutant]] = {}
        for path, source in sources.items():
            for one in mutants_of(source, path):
                places.setdefault((path, one.start, one.end, one.kind), []).append(one)
        chosen = (dice.choice(places[place]) for place in dice.sample(sorted(places), len(places)))
        drawn += list(islice((one for one in chosen if one.changes(sources[one.path])), shares[area]))
    return drawn


def files(root: Path, area: str) -> list[str]:
    """Return the modules of an area, as paths from the root."""
    found = {path.relative_to(root).as_posix() for pattern in AREAS[area] for path in root.glob(pattern)}
    return sorted(path for path in found if area_of(path) == area)


def area_of(path: str) -> str:
    """Return the area of a module: the one whose name is the longest that its path begins with."""
    return max((area for area in AREAS if path.startswith(area)), key=len)


def mirrored(root: Path, path: str) -> list[list[str]]:
    """Return the tests that count for a module, as groups that are run one after the other until one fails.

    First the test of the same name: `tests/sim/client/test_client.py` of `sim/client/client.py`. Then the rest of its
        folder, which
    are the room's tests: first those that name the module. A module of `sim/compiled` is held against the SimPy model
    by the differential tests in that folder, so they come before the rest; a module of `sim` has no use of them, for
    it is what they hold the other one against.
    """
    module = Path(path)
    folder = Path("tests") / module.parent
    while not list((root / folder).glob("test_*.py")):
        folder = folder.parent
    room = sorted(one.relative_to(root).as_posix() for one in (root / folder).glob("test_*.py"))
    if area_of(path) in ("sim", "live"):  # the tests of one room look at what other rooms do
        wing = root / "tests" / area_of(path)
        others = sorted(one.relative_to(root).as_posix() for one in wing.rglob("test_*.py"))
        room += [one for one in others if one not in room and not one.startswith("tests/sim/compiled/")]
    names = [module.stem, module.parent.name]
    same = [f"{(Path('tests') / module.parent / f'test_{module.stem}.py').as_posix()}"]
    same += [f"{folder.as_posix()}/test_{name}.py" for name in names]
    first = [one for one in dict.fromkeys(same) if one in room][:1]
    dotted = module.with_suffix("").as_posix().replace("/", ".")
    near = [one for one in room if one not in first and names_module((root / one).read_text(encoding="utf-8"), dotted)]
    compiled = [one for one in DIFFERENTIAL if path.startswith("sim/compiled") and one in room]
    second = [one for one in dict.fromkeys([*near, *compiled]) if one not in first]
    rest = [one for one in room if one not in first and one not in second]
    return [group for group in (first, second, rest) if group]


def names_module(text: str, dotted: str) -> bool:
    """Tell whether a test imports a module or has its name somewhere."""
    package, _, name = dotted.rpartition(".")
    words = words_of(text)
    return dotted in words or (f"from {package} import" in text and name in words)


@lru_cache(maxsize=4096)
def words_of(text: str) -> frozenset[str]:
    """Return the words of a test; it is asked once for each module."""
    return frozenset(text.replace("(", " ").replace(",", " ").replace('"', " ").split())
