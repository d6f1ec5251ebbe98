"""What the door lets go of."""

import asyncio
import gc
from asyncio.sslproto import SSLProtocol

import pytest
from ends import End

from swarmhub.transport.listener import Listener

pytestmark = pytest.mark.process

GUESTS = 40


def test_who_has_left_is_forgotten_without_the_garbage_collector(tmp_path):
    """Each handshake has TLS buffers; a flood comes faster than the collector."""

    def held():
        return sum(isinstance(thing, SSLProtocol) for thing in gc.get_objects())

    async def run():
        door = Listener(End(tmp_path / "a", 1).peers.server_context(), asyncio.Protocol)
        port = await door.open("127.0.0.1", 0)
        before = held()
        for _ in range(GUESTS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"no TLS at all\r\n\r\n")
            await reader.read()
            writer.close()
        async with asyncio.timeout(20):
            while door._guests:
                await asyncio.sleep(0.01)
        after = held()
        await door.close()
        return after - before

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(run()) <= 2
    finally:
        gc.enable()
