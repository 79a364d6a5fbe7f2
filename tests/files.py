"""Files that a test goes through: there are some, or the test would pass without having looked at anything."""


def files(folder, pattern):
    """Return the paths in a folder that fit a pattern, in order; there is at least one."""
    found = sorted(folder.glob(pattern))
    assert found, f"there is no {pattern} in {folder}"
    return found
