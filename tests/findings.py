"""What a check of a scenario says, for tests."""

from twin.advice import RULES, LintFinding


def texts(found: list[LintFinding]) -> list[str]:
    """Return what happens, by each finding."""
    return [str(one) for one in found]


def by(name, scenario) -> list[LintFinding]:
    """Return what the rule of a name finds in a scenario."""
    (rule,) = [one for one in RULES if one.name == name]
    return rule(scenario)


def one(name, scenario) -> LintFinding:
    """Return the only thing that a rule finds."""
    (found,) = by(name, scenario)
    return found
