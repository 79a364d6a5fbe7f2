"""Whether the invariants hold in a measured record."""

from twin.invariants import LIVENESS, audit


def assert_sound(record):
    """Show what is broken, if anything is; on a starved host not everybody is back in time."""
    found = audit(record)
    broken = {
        name: finding.violations
        for name, finding in found.findings.items()
        if finding.count and not (record.starved and name in LIVENESS)
    }
    assert not broken
    assert not found.reasons
