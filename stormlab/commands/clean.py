"""The command `./lab clean`; registered in `stormlab.app`."""

from pathlib import Path
from typing import Annotated

import typer

from stormlab.steps import out, server_of
from twin.errors import HostError


def clean(
    redis_url: Annotated[str, typer.Option(help="The Redis or Valkey to look at: redis://, rediss:// or unix://.")],
    redis_password_file: Annotated[
        Path | None, typer.Option(help="File whose first line is its password; or set STORMLAB_REDIS_PASSWORD.")
    ] = None,
) -> None:
    """Remove what runs that were killed have left on your own Redis or Valkey; keys of others are not touched.

    They are gone by themselves after two minutes, sessions after their expiry; runs that still go on keep theirs.
    """
    import redis

    from live.broadcast.bus import answers
    from live.broadcast.leftovers import clean as remove
    from live.permissions import check_cleaning

    address = server_of(redis_url, redis_password_file)
    assert address is not None
    answers(address)
    check_cleaning(address)
    try:
        removed, alive = remove(address)
    except redis.RedisError as error:
        raise HostError(f"--redis-url {address}: the keys cannot be removed ({error}).") from None
    kept = f"; {alive} run{'s' * (alive != 1)} that still go{'es' * (alive == 1)} on kept theirs" if alive else ""
    out.print(f"Removed {removed} key{'s' * (removed != 1)} of runs that are over{kept}.", highlight=False)
