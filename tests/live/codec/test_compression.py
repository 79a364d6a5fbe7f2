"""permessage-deflate between the node's connection and the client's, without a network."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from live.client.building import equip
from live.client.client import Swarm
from live.client.connection import Inlet
from live.codec.compression import ClientCompression, ServerCompression
from live.node.base import Node
from twin.rules.codecs import payload
from twin.rules.deflate import Deflater, DeflateSettings
from twin.scenario.settings import Clients

SETTINGS = DeflateSettings(11, 4, True)
CONFIG = {"window_bits": 11, "memory_level": 4, "takeover": True}
MESSAGES = [payload("json", 100, number) for number in range(1, 6)]


def agreed(config: dict[str, Any], offered: dict[str, Any] | None) -> tuple[list[bytes], Any]:
    """Send messages to a client of a node, and return what the client got, and the extensions of the connection."""

    async def run() -> tuple[list[bytes], Any]:
        node = Node(1)
        node.add(ServerCompression(config))
        got = list[bytes]()
        done = asyncio.get_running_loop().create_future()

        async def greet(connection: Any) -> None:
            for data in MESSAGES:
                await connection.send(data)
            if not done.done():
                done.set_result(connection.protocol.extensions)
            await connection.wait_closed()

        async with serve(greet, "127.0.0.1", 0, compression=None, **node.options) as server:
            port = server.sockets[0].getsockname()[1]
            options = ClientCompression(offered).options if offered else {}
            async with connect(
                f"ws://127.0.0.1:{port}/", compression=None, proxy=None, create_connection=Inlet, **options
            ) as link:
                assert isinstance(link, Inlet)
                link.hand_over(lambda data: got.append(bytes(data)))  # type: ignore[arg-type]
                while len(got) < len(MESSAGES):
                    await asyncio.sleep(0.001)
            return got, await done

    return asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("takeover", [True, False])
def test_a_client_gets_the_messages_and_both_sides_agree_on_the_settings(takeover: bool) -> None:
    config = CONFIG | {"takeover": takeover}
    got, extensions = agreed(config, config)
    assert got == MESSAGES
    (found,) = extensions
    assert isinstance(found, PerMessageDeflate)
    assert (found.local_max_window_bits, found.remote_max_window_bits) == (11, 11)
    assert found.local_no_context_takeover == found.remote_no_context_takeover == (not takeover)
    assert found.compress_settings == {"memLevel": 4}


def test_a_client_that_does_not_offer_it_gets_frames_as_they_are() -> None:
    got, extensions = agreed(CONFIG, None)
    assert got == MESSAGES
    assert extensions == []


def test_a_frame_has_the_bytes_that_the_model_counts() -> None:
    extension = PerMessageDeflate(False, False, 11, 11, {"memLevel": 4})
    deflater = Deflater(SETTINGS)
    for data in MESSAGES:
        encoded = extension.encode(Frame(Opcode.BINARY, data))
        assert bytes(encoded.data) == deflater(data)


def test_a_swarm_offers_it_on_all_connections() -> None:
    clients = Clients()
    config = {"port": 1, "seed": 1, "replication": 0, "first": 0, "count": 2, "open_timeout": 1.0, "addresses": 1}
    config |= {"reconnect": clients.reconnect.model_dump(), "heartbeat": clients.heartbeat.model_dump()}
    swarm = Swarm(config)
    equip(swarm, {"compression": CONFIG})
    assert all(client.options["extensions"] for client in swarm.clients)
