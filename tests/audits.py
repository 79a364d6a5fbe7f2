"""What an audit finds in a record that was spoilt on purpose."""

from tests.messages import good_end, good_rows, record
from twin.invariants import audit


def good(**changes):
    return record([*good_rows(), *good_end()], **changes)


def broken(rows, **changes):
    """Return the names of the invariants that the record breaks."""
    return {name for name, finding in audit(record(rows, **changes)).findings.items() if finding.count}


def the(invariant, rows, **changes):
    """Return the only violation of an invariant."""
    found = audit(record(rows, **changes)).findings[invariant]
    assert found.count == 1
    return found.violations[0]


def events(violation):
    return [(one["event"], one["t"]) for one in violation.witness]
