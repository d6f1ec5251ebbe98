"""The connections of a member to its relays, by which it can be called."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Sequence

from swarmhub.errors import PeerError
from swarmhub.transport.relay.streams import SILENCE_S, Stream, reach_relay, read_line, splice
from swarmhub.transport.tls import Peers, abort

MAX_CALLS = 128  # calls that a member takes over one relay, at a time
PULSE_S = 20.0  # between two pulses of a standing member
RETRY_S = (0.5, 10.0)  # between two tries to stand at a relay
log = logging.getLogger("swarmhub.relay")


class RelayUplink:
    """A member's connections to the relays of its address: calls are forwarded to its own port."""

    def __init__(self, peers: Peers, relays: Sequence[str], listen: str) -> None:
        self._context = peers.client_context()
        self._peers, self._relays, self._listen = peers, relays, listen
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken: Counter[str] = Counter()  # active calls, by relay

    def start(self) -> None:
        """Stand at every relay, and reconnect if a connection ends."""
        for relay in self._relays:
            self._begin(self._stand_always(relay))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Disconnect from all relays."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stand_always(self, relay: str) -> None:
        pause = RETRY_S[0]
        while True:
            try:
                stream = await reach_relay(self._peers, self._context, relay, "stand")
                log.info("stands at the relay %s", relay)
                pause = RETRY_S[0]
                await self._stand(relay, stream)
            except (PeerError, OSError, TimeoutError, ValueError) as error:
                log.info("does not stand at the relay %s: %s", relay, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_S[1])

    async def _stand(self, relay: str, stream: Stream) -> None:
        reader, writer = stream

        async def pulse() -> None:
            while True:
                await asyncio.sleep(PULSE_S)
                writer.write(b"\n")

        pulsing = asyncio.create_task(pulse())
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):  # the relay answers every pulse
                    words = (await read_line(reader)).split(" ")
                if words[0] == "take" and len(words) == 2 and self._taken[relay] < MAX_CALLS:
                    self._taken[relay] += 1
                    self._begin(self._take(relay, words[1]))
                await asyncio.sleep(0)  # a flood on this line must not block the loop
        finally:
            pulsing.cancel()
            abort(writer.transport)

    async def _take(self, relay: str, token: str) -> None:
        host, _, port = self._listen.rpartition(":")
        try:
            inner = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                outer = await reach_relay(self._peers, self._context, relay, f"take {token}", None)
            except BaseException:
                abort(inner[1].transport)
                raise
            await splice(inner, outer)
        except (PeerError, OSError, TimeoutError) as error:
            log.info("a call over %s was not taken: %s", relay, error)
        finally:
            self._taken[relay] -= 1
