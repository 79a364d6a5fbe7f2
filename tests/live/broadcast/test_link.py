"""How long a process waits before it opens a connection to the bus again."""

import asyncio
from typing import NoReturn

import pytest

from live.broadcast import link
from live.broadcast.broker import Topic
from live.broadcast.link import AGAIN, Access, CommandRetry
from live.control.address import Address
from twin.draws import Purpose, uniform


def test_what_hears_of_resends_takes_no_random_number_from_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    monkeypatch.setattr(link, "retry_delay", lambda failures, base, cap, u: drawn.append(u) or 0.0)
    access = Access(Address("127.0.0.1", 1), Topic("t:", 10, 1.0), CommandRetry(0.01, 1.0, 10, 1.0, 7, 3, 2), "name")

    async def fail_twice(role: str) -> None:
        left = [OSError(), OSError(), asyncio.CancelledError()]

        async def fails(self: Access, role: str, push: object = None) -> NoReturn:
            raise left.pop(0)

        monkeypatch.setattr(Access, "open", fails)
        with pytest.raises(asyncio.CancelledError):
            await access.subscribe(role, ["channel"], lambda channel, data: None)

    for role in (AGAIN, "reader"):
        asyncio.run(fail_twice(role))
    expected = [uniform(7, 3, 2, purpose, n) for purpose in (Purpose.BUS_AGAIN, Purpose.BUS_RETRY) for n in (0, 1)]
    assert drawn == expected
