"""Which of several backends, upstreams, clusters or hosts of a configuration is meant."""

from collections.abc import Iterable

from twin.errors import ScenarioError


def chosen(found: Iterable[str], name: str, nothing: str, several: str) -> str:
    """Return the one of that name, or the only one if no name is given.

    Args:
        found: their names; one may come more than once.
        name: of the one that is asked for; empty is any.
        nothing: what is said if there are none, a sentence.
        several: what is said if there are several and none is asked for, as the begin of a sentence.

    Raises:
        ScenarioError: there are none, none of that name, or several and none is asked for.
    """
    there = list(dict.fromkeys(found))
    names = ", ".join(there)
    if not there:
        raise ScenarioError(nothing)
    if not name and len(there) > 1:
        raise ScenarioError(f"{several}: {names}; say which with --backend.")
    if name and name not in there:
        raise ScenarioError(f"--backend is '{name}'; allowed is {names}.")
    return name or there[0]
