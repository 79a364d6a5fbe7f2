"""What a client does after an HTTP status other than 101.

Sources: RFC 9110, section 10.2.3 (`Retry-After`); RFC 6585, section 4 (429); urllib3 2, util/retry.py (`sleep`: the
header in place of the backoff); websockets 17, asyncio/client.py (`process_exception`: of all statuses it tries again
after 500, 502, 503 and 504 only).
"""

from collections.abc import Sequence
from typing import Literal


def after_answer(
    status: int, retry_after: float | None, fatal: Sequence[int], honours: bool
) -> float | Literal["stop"] | None:
    """Return how long a client waits in place of its backoff, in seconds, that it stops, or None: it does as always.

    Args:
        status: of the answer.
        retry_after: seconds that the answer asks for, None if it does not.
        fatal: statuses after which it stops.
        honours: whether it waits as long as it is asked to.
    """
    if status in fatal:
        return "stop"
    return retry_after if honours else None


def seconds_of(header: str | None) -> float | None:
    """Return the seconds that a `Retry-After` asks for; None without one, or for a date, which the lab never sends."""
    return float(header) if header is not None and header.isdigit() else None
