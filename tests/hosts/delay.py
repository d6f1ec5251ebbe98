"""Delays TCP in both directions, where the kernel cannot (netem): a proxy in front of a port.

    python delay.py LISTEN TARGET MS [LOSS]

Every piece goes on MS after it came, so a round trip takes 2 MS more. A share LOSS of the pieces
(seeded) counts as lost: it and all behind it come AGAIN_S later, when TCP would have sent it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys

AGAIN_S = 0.2  # Linux' shortest retransmission timeout


async def pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay_s: float,
    loss: float,
    chance: random.Random,
) -> None:
    """Pass bytes on, each piece later by the delay."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(4096)

    async def deliver() -> None:
        while True:
            at, data = await queue.get()
            await asyncio.sleep(max(0.0, at - loop.time()))
            if chance.random() < loss:
                await asyncio.sleep(AGAIN_S)
            if not data:
                return
            writer.write(data)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    try:
        while data := await reader.read(1 << 16):
            await queue.put((loop.time() + delay_s, data))
        await queue.put((loop.time() + delay_s, b""))
        await delivering
    finally:
        delivering.cancel()


async def main(listen: str, target: str, ms: float, loss: float) -> None:
    """Serve until killed."""
    chance = random.Random(listen)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            host, port = target.rsplit(":", 1)
            inner = await asyncio.open_connection(host, int(port))
            try:
                pairs = ((reader, inner[1]), (inner[0], writer))
                ways = [pump(*pair, ms / 1000, loss, chance) for pair in pairs]
                tasks = [asyncio.create_task(way) for way in ways]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                inner[1].close()
        writer.close()

    host, port = listen.rsplit(":", 1)
    server = await asyncio.start_server(serve, host, int(port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float([*sys.argv, 0][4])))
