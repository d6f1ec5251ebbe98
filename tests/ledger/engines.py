"""The ledger of many machines in tests: real engines on this machine, and one that is played.

`start` runs a CometBFT process for each founder. `StandIn` plays the engine against the real
application, over its real socket, with a clock that a test sets: what a block holds, when it is
made and which requests come in which order is then the test's to say.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time

import pytest
from builders import key, sign_card

from swarmhub import codec
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.execution import compute_chain_id
from swarmhub.demo.processes import free_address
from swarmhub.errors import LedgerError
from swarmhub.ledger.base import Subscriptions
from swarmhub.ledger.blocks import needs_follow_up
from swarmhub.ledger.cometbft import CometLedger, Settings, compute_peer_id, create_comet_ledger
from swarmhub.ledger.cometbft import messages as m
from swarmhub.ledger.cometbft.abci import AbciServer, frame, read_message
from swarmhub.ledger.cometbft.application import Application
from swarmhub.ledger.cometbft.binary import find_binary
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store


def has_cometbft():
    """Whether the engine is installed."""
    try:
        find_binary()
    except LedgerError:
        return False
    return True


needs_cometbft = pytest.mark.skipif(
    not has_cometbft(), reason="needs CometBFT ('swarmhub ledger install')"
)


def networked(genesis):
    """The same founders, with an engine each, founding now. Settings of each but the folder."""
    cards, places = [], []
    for card in genesis.founders:
        peer, address = key(f"{card.name}/ledger"), free_address()
        ledger = f"{compute_peer_id(peer.public)}@{address}"
        cards.append(sign_card(dataclasses.replace(card, ledger=ledger), key(card.name)))
        places.append((card.name, peer, address))
    now = dataclasses.replace(genesis, founders=tuple(cards), time_ms=int(time.time() * 1000))
    return now, places


async def start(folder, genesis):
    """A handle for each founder, with a real engine each."""
    genesis, places = networked(genesis)
    opening = []
    for name, peer, address in places or [("nobody", None, "")]:
        create_comet_ledger(folder / name, genesis)
        opening.append(
            CometLedger.open(
                Settings(folder / name, genesis, key(f"{name}/consensus"), peer, address, address)
            )
        )
    return list(await asyncio.gather(*opening))


class Player:
    """The engine's side of the socket."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, path):
        return cls(*await asyncio.open_unix_connection(path, limit=1 << 20))

    async def ask(self, name, **fields):
        """One request and its answer; an exception of the application is raised here."""
        request = m.Request()
        getattr(request, name).SetInParent()
        for field, value in fields.items():
            target = getattr(request, name)
            if field == "time_ms":
                target.time.FromMilliseconds(value)
            elif isinstance(value, list):
                getattr(target, field).extend(value)
            elif field in ("snapshot", "decided_last_commit"):
                getattr(target, field).CopyFrom(value)
            else:
                setattr(target, field, value)
        self._writer.write(frame(request))
        response = m.Response.FromString(await read_message(self._reader))
        kind = response.WhichOneof("value")
        if kind == "exception":
            raise LedgerError(response.exception.error)
        assert kind == name
        return getattr(response, name)

    async def hang_up(self):
        self._writer.close()
        await self._writer.wait_closed()


class StandIn:
    """A handle on a chain whose engine is played: a block of all that was submitted in a turn."""

    sleeps = False
    app: Application
    _store: Store
    _server: AbciServer
    _player: Player

    def __init__(self, clock):
        self._clock = clock
        self.has_mempool = True  # False: any bytes get into a block, as a bad proposer could do
        self.board = Subscriptions()
        self.others = []
        self._waiting = []
        self._making = None

    @classmethod
    async def open(cls, folder, genesis, clock, handles=1):
        self = cls(clock)
        create_comet_ledger(folder, genesis)
        self._store = Store.open(folder / STATE_FILE)
        self.app = Application(self._store, self._publish)
        self._server = AbciServer(self.app.handle, lambda error: None)
        path = folder / "abci.sock"
        await self._server.start(path)
        self._player = await Player.connect(path)
        await self._player.ask("info")
        await self._player.ask(
            "init_chain", chain_id=compute_chain_id(genesis), app_state_bytes=codec.pack(genesis)
        )
        self.others = [Other(self) for _ in range(handles - 1)]
        return self

    @property
    def tip(self):
        return self.app.tip

    @property
    def state(self):
        return self.app.state

    def _publish(self, committed):
        for handle in [self, *self.others]:
            handle.board.publish(committed)

    def estimate_ms(self):
        return max(self.tip.time_ms + 1, self._clock())

    def subscribe(self, listener):
        return self.board.subscribe(listener)

    async def submit(self, tx):
        submission = self.board.expect(tx)
        self.send(tx, self.board)
        return submission

    def send(self, tx, board):
        self._waiting.append((tx, board))
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make())

    async def _make(self):
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            txs, now_ms = [], self._clock()
            for tx, board in waiting:
                answer = await self._player.ask("check_tx", tx=tx)
                if answer.code and self.has_mempool:
                    code, said = answer.data.decode(), answer.log
                    board.refuse(tx, make_result(tx, code, said))
                elif tx not in txs:
                    txs.append(tx)
            while txs or needs_follow_up(self.state):
                await self._block(txs, now_ms)
                txs = []

    async def _block(self, txs, now_ms):
        height = self.tip.height + 1
        proposed = await self._player.ask(
            "prepare_proposal", txs=txs, max_tx_bytes=8 << 20, height=height
        )
        assert list(proposed.txs) == txs or not self.has_mempool
        answer = await self._player.ask("process_proposal", txs=txs, height=height)
        assert answer.status == 1
        await self._player.ask(
            "finalize_block", txs=txs, height=height, time_ms=now_ms,
            hash=height.to_bytes(32, "big"),
        )  # fmt: skip
        await self._player.ask("commit")

    async def blocks(self, start, stop):
        if self._making is not None:
            await self._making  # the follow-up block, too
        return [c.block for c in self._store.blocks(start, stop)]

    async def close(self):
        if self._making is not None:
            self._making.cancel()
        await self._player.hang_up()
        await self._server.close()
        self._store.close()


class Other:
    """A second handle on the same chain."""

    sleeps = False

    def __init__(self, first):
        self._first = first
        self.board = Subscriptions()

    @property
    def tip(self):
        return self._first.tip

    @property
    def state(self):
        return self._first.state

    def estimate_ms(self):
        return self._first.estimate_ms()

    def subscribe(self, listener):
        return self.board.subscribe(listener)

    async def submit(self, tx):
        submission = self.board.expect(tx)
        self._first.send(tx, self.board)
        return submission

    async def blocks(self, start, stop):
        return await self._first.blocks(start, stop)

    async def close(self):
        pass


def make_result(tx, code, message):
    from swarmhub.contract import Result

    return Result(read_transaction(tx).id, code, message)
