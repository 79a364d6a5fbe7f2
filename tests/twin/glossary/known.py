"""Names in backticks that the glossary need not have."""

import re
from functools import cache

from twin.errors import LabError
from twin.glossary.lookup import glossary
from twin.scenario.scenario import Scenario

FOREIGN = {"terminationGracePeriodSeconds", "preStop", "timeout tunnel", "proxy_read_timeout"}
"""Settings of other programs."""
KINDS = re.compile(r"'enum': \[([^\]]*)\]|'const': '(\w+)'")
DRIVERS = {"timer", "cpu", "count"}
VERDICTS = {"pass", "fail", "unknown"}


@cache
def values():
    """Return every word that a setting may have as its value."""
    found = set()
    for several, one in KINDS.findall(str(Scenario.model_json_schema())):
        found |= set(re.findall(r"'(\w+)'", several)) | {one}
    return found


def is_term(name):
    """Tell whether a name is in the glossary, the end of several settings included."""
    try:
        glossary(name)
    except LabError as error:
        return "is the end of several settings" in str(error)
    return True


def other_than_terms(code):
    """Tell whether a name in backticks is neither a term, nor a value of a setting, nor a command or an expression."""
    if is_term(code) or code in FOREIGN | DRIVERS | VERDICTS | values():
        return False
    table = code in Scenario.model_fields  # a table of the scenario, as `publisher`
    return not (table or code.startswith(("./lab", "--", "scenario.vary", "stormlab.")) or "not within" in code)
