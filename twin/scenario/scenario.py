"""The one specification of a cluster and what happens to it; both worlds read nothing else."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from twin.errors import ScenarioError
from twin.files.places import shipped
from twin.files.reading import SCENARIO, read_text
from twin.scenario.combinations import check
from twin.scenario.foreign import tables
from twin.scenario.overrides import explain, merge, parse_override, to_toml
from twin.scenario.presets import spelled_out
from twin.scenario.renamed import with_new_names
from twin.scenario.settings import Settings


class Scenario(Settings):
    """A cluster, its clients and the faults that act on it."""

    @model_validator(mode="after")
    def _check(self) -> "Scenario":
        check(self)
        return self

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> "Scenario":
        """Read a scenario file, one that ships by its name, or the configuration of a balancer, and apply overrides of
        the form `clients.count=500`.

        Raises:
            ScenarioError: the file is missing, is not TOML, or holds a value that is not allowed.
        """
        data = tables(str(path), read_text(shipped(path), SCENARIO))
        return cls.parse(_overridden(with_new_names(data, str(path)), overrides or []), str(path))

    @classmethod
    def parse(cls, data: dict[str, Any], where: str = "scenario") -> "Scenario":
        """Validate a nested dict; `where` opens the error's sentence.

        Raises:
            ScenarioError: a value is not allowed.
        """
        data = with_new_names(data, where)
        try:
            return cls.model_validate(spelled_out(data) if isinstance(data, dict) else data)
        except ValidationError as error:
            raise ScenarioError(f"{where}: {explain(error)}") from None

    def vary(self, **changes: Any) -> "Scenario":
        """Return a copy with some fields changed: `vary(clients=dict(count=500), seed=2)`.

        Raises:
            ScenarioError: a value is not allowed.
        """
        return Scenario.parse(merge(self.model_dump(), with_new_names(changes, "vary")), "vary")

    def override(self, texts: list[str]) -> "Scenario":
        """Return a copy with overrides of the form `clients.count=500`.

        Raises:
            ScenarioError: a value is not allowed.
        """
        return Scenario.parse(_overridden(self.model_dump(), texts), "--set")

    def to_toml(self) -> str:
        """Return the scenario as TOML with every field written out."""
        return to_toml(self.model_dump(exclude_none=True))


def _overridden(data: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Lay overrides of the form `clients.count=500` over a scenario's data, one after the other."""
    for text in texts:
        data = merge(spelled_out(data), with_new_names(parse_override(text), "--set"))
    return data
