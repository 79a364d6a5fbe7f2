"""When clients come that are not there at the start of a run."""


def arrival_times(clients: int, count: int, at: float, rate: float) -> dict[int, float]:
    """Return when each of the last `count` of so many clients comes, in seconds after the start of the run, by number.

    Args:
        clients: how many there are in all; they are numbered from 0.
        count: how many come in the run.
        at: when the first of them comes.
        rate: how many come a second, one after the other.
    """
    first = clients - count
    return {first + i: at + i / rate for i in range(count)}
