"""A node's way to the registry."""

import asyncio

import pytest

from live.control.resp import Address, ReplyError
from live.registry.member import open_link


def test_a_connection_to_a_server_that_refuses_the_scripts_is_closed() -> None:
    closed = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(b"-ERR no scripts here\r\n" if b"SCRIPT" in data else b"+OK\r\n")
        closed.append(True)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ReplyError, match="no scripts here"):
            await open_link(Address("127.0.0.1", port, "", "", 0), "one")
        for _ in range(200):
            if closed:
                break
            await asyncio.sleep(0.01)
        server.close()

    asyncio.run(main())
    assert closed
