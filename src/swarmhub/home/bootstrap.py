"""Bootstrap of a newcomer's node: from the first block, or from a later state of the ledger.

The node waits until a member admits it, which is after the others have voted for it, and asks for
the length of the ledger. If a replay would take long, or the old blocks are forgotten, the engine
takes over a snapshot (state sync). Its light client checks that snapshot's hash against signed
headers, starting from the block that the invitation names; this module fetches what it asks for
from the members' peer ports, so the ledger needs no further port.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from swarmhub import codec
from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.errors import Malformed, PeerError
from swarmhub.files import write_durably
from swarmhub.home.home import Home
from swarmhub.home.invitations import Endpoint, InvitationToken
from swarmhub.home.membership import DECLINED, LOOKS, WAITS, Standing, ask_all
from swarmhub.ledger.cometbft import PEERS_FILE, Entry, short_path
from swarmhub.transport.join_client import JoinClient, JoinEndpoint
from swarmhub.types import Digest

FILE = "entrance.json"
MAX_FILE_BYTES = 1 << 20
ASK_S = 2.0  # between two tries to be let in
SHORTCUT_BLOCKS = 2_000  # blocks that are replayed within a minute
SOCKETS = ("light-0.sock", "light-1.sock")  # the engine needs two; each starts with another member

log = logging.getLogger("swarmhub.node")


@dataclass(frozen=True)
class TrustedCheckpoint:
    """Members' endpoints, and a block to trust (0: none), as an invitation names them."""

    doors: tuple[Endpoint, ...]
    height: int = 0
    hash: Digest = ""


def note(home: Home, token: InvitationToken, engines: list[str]) -> None:
    """Store what `Bootstrap` needs of an invitation, and the engines that a member named."""
    write_durably(
        home.engine_path / FILE,
        pack_checkpoint(token.doors, token.trusted_height, token.trusted_hash),
    )
    _note_engines(home, engines)


def pack_checkpoint(doors: tuple[Endpoint, ...], height: int, hash_: Digest) -> bytes:
    """Return the content of the file that `Bootstrap` reads."""
    return codec.pack(TrustedCheckpoint(doors, height, hash_))


def is_newcomer(home: Home) -> bool:
    """Return whether the home joined its consortium by an invitation."""
    return (home.engine_path / FILE).exists()


def _note_engines(home: Home, engines: list[str]) -> None:
    write_durably(home.engine_path / PEERS_FILE, codec.encode(engines))


def read_engines(told: dict[str, Any]) -> list[str]:
    """Return the engines' addresses in a member's answer; each is checked again when it is used."""
    found = told.get("engines")
    return [str(e)[:400] for e in found[:1000]] if isinstance(found, list) else []


class Bootstrap:
    """The bootstrap of a node that has no block yet."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._runners: list[web.AppRunner] = []
        self.waiting = False  # for admission
        self._refused = 0  # consecutive looks that found no open application

    async def find(self) -> Entry | None:
        """Wait for a member's answer; return how to begin (None: with the first block)."""
        known = self._read()
        if known is None:
            return None  # a founder's home, or an old one
        joiner = self._make_guest(known)
        self.waiting = True
        while True:
            try:
                told = await joiner.ledgers()
                break
            except PeerError as error:
                log.debug("no member lets this node in yet: %s", error)
                await self._look(joiner, known)
                await asyncio.sleep(ASK_S)
        self.waiting = False
        _note_engines(self._home, [e for one in told for e in read_engines(one)])
        snapshots = choose_snapshots(told)
        is_long = any(
            one.get("base") != 0 or _number(one.get("height")) > SHORTCUT_BLOCKS for one in told
        )
        if not (known.height and snapshots and is_long):
            return None
        for i, name in enumerate(SOCKETS):
            await self._serve(name, joiner, i)
        return Entry(known.height, known.hash, SOCKETS, frozenset(snapshots))

    def standing(self) -> Standing:
        """Return whether a newcomer that is not admitted waits for a vote or was declined. A single
        bad look does not count: a member may be a block behind."""
        if self._refused >= LOOKS:
            return Standing("declined", False, DECLINED)
        return Standing("waiting", True, WAITS)

    async def look(self) -> None:
        """Ask the members whether the application is open, as often as it takes to be sure."""
        known = self._read()
        if known is not None:
            for _ in range(LOOKS):
                await self._look(self._make_guest(known), known)

    async def _look(self, joiner: JoinClient, known: TrustedCheckpoint) -> None:
        asked = await ask_all(joiner, list(range(len(known.doors))))
        self._refused = self._refused + 1 if asked.is_refused else 0

    def _read(self) -> TrustedCheckpoint | None:
        try:
            data = (self._home.engine_path / FILE).read_bytes()
            return codec.unpack(TrustedCheckpoint, data, MAX_FILE_BYTES)
        except (OSError, Malformed):
            return None

    def _make_guest(self, known: TrustedCheckpoint) -> JoinClient:
        places = [JoinEndpoint(d.address, d.tls) for d in known.doors]
        return JoinClient(places, self._home.certificate_path, self._home.key_path("tls"))

    async def _serve(self, name: str, joiner: JoinClient, first: int) -> None:
        """Answer the engine's light client on a socket in its folder, from the members."""

        async def answer(request: web.Request) -> web.Response:
            asked = json.loads(await request.text())
            given = asked.get("params") or {}
            head = {"jsonrpc": "2.0", "id": asked.get("id")}
            try:
                found = await joiner.light(
                    str(asked.get("method")), int(given.get("height") or 0),
                    int(given.get("page") or 1), first,
                )  # fmt: skip
            except PeerError as error:
                said = {"code": -32603, "message": "Internal error", "data": str(error)}
                return web.json_response({**head, "error": said})
            return web.json_response({**head, "result": found})

        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        path = self._home.engine_path / name
        path.unlink(missing_ok=True)
        await web.UnixSite(runner, short_path(path)).start()

    async def close(self) -> None:
        """Stop answering."""
        for runner in self._runners:
            await runner.cleanup()


def choose_snapshots(told: list[dict[str, Any]]) -> list[str]:
    """Return the hashes of the snapshots that enough members announce. The signed headers vouch for
    a snapshot's state only; its other statements about the block are believed if f + 1 of the
    members that answer make the same ones."""
    counts = Counter(hash_ for one in told for hash_ in set(_read_snapshots(one)))
    needed = compute_faults(len(told)) + 1
    return sorted(hash_ for hash_, count in counts.items() if count >= needed)


def _read_snapshots(told: dict[str, Any]) -> list[str]:
    found = told.get("snapshots")
    if not isinstance(found, list):
        return []
    return [str(s["hash"]) for s in found[:16] if isinstance(s, dict) and "hash" in s]


def _number(value: Any) -> int:
    return value if type(value) is int else 0
