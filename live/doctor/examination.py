"""All that is found out about this machine, and what stands in the way of a measurement."""

from dataclasses import dataclass
from typing import Any

from live.doctor.abilities import Ability, examined
from live.doctor.bounds import Bound, bounds
from live.doctor.means import Means, means
from live.doctor.parts import NEEDED, FoundPart, kernel, parts
from live.doctor.quietness import LOOK, Quietness, watched


@dataclass(frozen=True)
class Examination:
    """What is known of this machine.

    Attributes:
        system: name and release.
        faults, conditions: how they are made here.
        abilities: what the system lets this user do.
        parts: programs and packages.
        bounds: limits.
        quietness: whether it has time for a measurement.
    """

    system: str
    faults: list[Means]
    conditions: list[Means]
    abilities: list[Ability]
    parts: list[FoundPart]
    bounds: list[Bound]
    quietness: Quietness

    @property
    def problems(self) -> list[str]:
        """What stands in the way of a measurement here and now, as sentences."""
        missing = [f"{one.name} is missing: {one.where}" for one in self.parts if _needed(one)]
        low = [f"{one.name} is {one.value}: {one.means}." for one in self.bounds if one.enough is False]
        return [*missing, *low, *self.quietness.why]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        rows: dict[str, list[Any]] = {
            "faults": self.faults,
            "conditions": self.conditions,
            "abilities": self.abilities,
            "parts": self.parts,
            "limits": self.bounds,
        }
        tables = {name: [one._asdict() for one in some] for name, some in rows.items()}
        return {"system": self.system, **tables, "quietness": self.quietness.as_dict(), "problems": self.problems}


def _needed(part: FoundPart) -> bool:
    return part.state == "missing" and part.name in NEEDED


def examine(seconds: float = LOOK) -> Examination:
    """Look at everything; nothing is left behind.

    Args:
        seconds: how long to watch whether the machine is quiet.
    """
    abilities = examined()
    faults, conditions = means(abilities)
    return Examination(kernel(), faults, conditions, list(abilities.values()), parts(), bounds(), watched(seconds))
