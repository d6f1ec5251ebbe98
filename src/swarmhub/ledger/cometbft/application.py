"""The contract as an ABCI 2.0 application: the engine's requests, and this node's responses.

    check_tx           admission to the mempool: encoding, signature, a member's budget
    prepare_proposal   this node proposes: a fair choice from the mempool
    process_proposal   another proposes: refused for size, encoding or a budget, never for what
                       the contract would say
    finalize_block     execute the contract; nothing is kept yet
    commit             all of the block's writes go to disk at once, then subscribers are told
    info, init_chain   this node's height; the genesis that it started from
    query              a value of the state, with its proof; which peers may connect
    *_snapshot*        the whole state in chunks, for newcomers

A block whose commit did not reach the disk is handed over again, so a kill at any moment loses
nothing. Everything in a transaction, a proposal or a snapshot is hostile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from swarmhub import codec, keys
from swarmhub.contract import Misbehaviour
from swarmhub.contract.envelope import Transaction
from swarmhub.contract.execution import MAX_TXS_OF_STRANGERS, MAX_TXS_PER_MEMBER
from swarmhub.contract.records import get_member_of_key, get_members, read_genesis_json
from swarmhub.contract.state import Overlay, Reader
from swarmhub.contract.trie import prove
from swarmhub.contract.versions import need_present, read_transaction_at
from swarmhub.errors import LedgerError, LedgerShortage, Malformed
from swarmhub.failpoints import failpoint
from swarmhub.ledger.blocks import MAX_BLOCK_BYTES, MAX_GENESIS_BYTES, Agreed, Committed, Tip, agree
from swarmhub.ledger.cometbft import messages
from swarmhub.ledger.cometbft.proposals import choose, is_within_bounds
from swarmhub.ledger.cometbft.signing import Signing
from swarmhub.ledger.cometbft.snapshots import (
    SNAPSHOT_CHUNK_BYTES,
    Restoring,
    choose_kept,
    describe,
    pack_state,
)
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.cometbft.store_rows import Snapshot
from swarmhub.ledger.database import SHORTAGE_PAUSE_S
from swarmhub.types import TX_DOMAIN, MemberId

MAX_WAITING = 4 * MAX_TXS_PER_MEMBER  # transactions of one member in the mempool
MAX_MISBEHAVIOUR = 100  # validators that one block may report, by what it may weigh
SNAPSHOT_EVERY = 500  # blocks
SNAPSHOT_FORMAT = 1
OK, REFUSED = 0, 1


class Application:
    """The state, and the block under execution."""

    def __init__(
        self,
        store: Store,
        publish: Callable[[Committed], None],
        keep_blocks: int = 0,
        on_trouble: Callable[[LedgerError], None] = lambda error: None,
        signing: Signing | None = None,
    ) -> None:
        self.store = store
        self._signing = signing  # None: not a validator
        self._on_trouble = on_trouble  # called at every try
        self.keep_blocks = -(-keep_blocks // SNAPSHOT_EVERY) * SNAPSHOT_EVERY  # 0: all
        self.offered: set[str] = set()  # hashes of acceptable snapshots
        self.publish = publish
        self.tip, self.state = store.load()
        self.asked_for_chain = asyncio.Event()  # the engine has asked for this node's height
        self._work: tuple[Tip, Overlay, Committed] | None = None
        self._waiting: dict[MemberId, int] = {}  # transactions in the mempool
        self._restoring: Restoring | None = None
        self._announced: dict[int, str] = {}  # hashes of this node's own snapshots, by height

    async def handle(self, name: str, request: Any) -> Any:
        """Answer one request of the engine."""
        return await getattr(self, f"_{name}")(request)

    # height and genesis

    async def _info(self, request: Any) -> Any:
        self.asked_for_chain.set()
        return messages.ResponseInfo(
            data="swarmhub", app_version=1, last_block_height=self.tip.height,
            last_block_app_hash=self.state.app_hash if self.tip.height else b"",
        )  # fmt: skip

    async def _init_chain(self, request: Any) -> Any:
        genesis = read_genesis_json(codec.parse(request.app_state_bytes, MAX_GENESIS_BYTES))
        (ours,) = self.store.blocks(0, 1)
        if request.chain_id != self.tip.chain_id or (codec.pack(genesis),) != ours.block.txs:
            raise LedgerError(
                f"The engine starts from another genesis than {self.tip.chain_id}; do not change "
                "the files that swarmhub makes for it."
            )
        return messages.ResponseInitChain(
            validators=_updates(ours.validators), app_hash=self.state.app_hash
        )

    # the mempool

    async def _check_tx(self, request: Any) -> Any:
        try:
            tx = read_transaction_at(self.state, self.tip.height + 1, request.tx)
            member = get_member_of_key(self.state, tx.signer)
            self._check(tx, member.id if member else 0, request.type == 1)
        except Malformed as error:
            return messages.ResponseCheckTx(code=REFUSED, data=b"Malformed", log=str(error))
        except PoolRefusal as error:
            return messages.ResponseCheckTx(code=REFUSED, data=error.code.encode(), log=str(error))
        return messages.ResponseCheckTx(code=OK)

    def _check(self, tx: Transaction, member: MemberId, again: bool) -> None:
        if not again:  # rechecks look only at the budget
            if tx.chain != self.tip.chain_id:
                raise PoolRefusal(
                    "BadValue", f"It is for the chain {tx.chain[:60]!r}, not this one."
                )
            if self.state.get(f"seen/{tx.id}") is not None:
                raise PoolRefusal("AlreadyDone", f"Transaction {tx.id[:16]}… is on the ledger.")
            if not keys.verify(tx.signer, TX_DOMAIN, tx.signed, tx.signature):
                raise PoolRefusal("BadValue", "Its signature is not its signer's.")
        if not member and tx.kind != "consortium.apply":
            raise PoolRefusal(
                "NotAMember", f"The key {tx.signer[:16]}… belongs to no active member."
            )
        if tx.expires_ms < self.tip.time_ms:
            raise PoolRefusal("Expired", "The transaction has expired.")
        most = MAX_WAITING if member else MAX_TXS_OF_STRANGERS
        count = self._waiting.get(member, 0) + 1
        if count > most:
            who = f"member {member}" if member else "all who are no members together"
            raise PoolRefusal(
                "BlockQuotaExceeded", f"At most {most} transactions of {who} may wait for a block."
            )
        self._waiting[member] = count

    # proposals

    async def _prepare_proposal(self, request: Any) -> Any:
        room = min(request.max_tx_bytes, MAX_BLOCK_BYTES)
        chosen = choose(self.state, request.height, request.txs, room)
        return messages.ResponsePrepareProposal(txs=chosen)

    async def _process_proposal(self, request: Any) -> Any:
        fits = is_within_bounds(self.state, request.height, request.txs)
        return messages.ResponseProcessProposal(status="ACCEPT" if fits else "REJECT")

    async def _extend_vote(self, request: Any) -> Any:
        return messages.ResponseExtendVote()

    async def _verify_vote_extension(self, request: Any) -> Any:
        return messages.ResponseVerifyVoteExtension(status="ACCEPT")

    # blocks

    async def _finalize_block(self, request: Any) -> Any:
        if self._signing is not None:
            self._signing.look(request.height - 1, request.decided_last_commit.votes)
        overlay = Overlay(self.state)
        agreed = Agreed(
            request.time.ToMilliseconds(), request.proposer_address.hex(), request.hash.hex(),
            read_misbehaviour(request),
        )  # fmt: skip
        tip, committed = agree(self.tip, overlay, list(request.txs), agreed)
        if tip.height != request.height:
            raise LedgerError(
                f"The engine has block {request.height}, the state is at {self.tip.height}; one of "
                "them was restored from a backup without the other. Move both away and catch up."
            )
        self._work = (tip, overlay, committed)
        return messages.ResponseFinalizeBlock(
            tx_results=[
                messages.ExecTxResult(
                    code=OK if r.ok else REFUSED, data=r.code.encode(), log=r.message
                )
                for r in committed.results
            ],
            validator_updates=_updates(committed.validators),
            app_hash=bytes.fromhex(committed.block.header.app_hash),
        )

    async def _commit(self, request: Any) -> Any:
        if self._work is None:
            raise LedgerError("The engine commits a block that it has not finalized.")
        tip, overlay, committed = self._work
        failpoint("agreed.executed")
        await self._save(tip, overlay, committed)
        failpoint("agreed.committed")
        self._work = None
        self.state.commit(overlay.writes, tip.tree)
        self.tip = tip
        self._waiting.clear()  # the engine rechecks its mempool
        base = 0
        if tip.height % SNAPSHOT_EVERY == 0:
            values = dict(self.state.values)
            try:
                base = await asyncio.to_thread(self._take_snapshot, tip, values)
            except LedgerShortage as error:
                self._on_trouble(error)  # the next one may succeed
        self.publish(committed)
        return messages.ResponseCommit(retain_height=base + 1 if base else 0)

    async def _save(self, tip: Tip, overlay: Overlay, committed: Committed) -> None:
        """Save the block. The engine waits for as long as this machine is short of something: it
        must not continue without the block."""
        mine = (self._signing.address, self._signing.newest) if self._signing else ("", 0)
        while True:
            try:
                return await asyncio.to_thread(
                    self.store.save, tip, overlay.writes, committed, mine
                )
            except LedgerShortage as error:
                if not error.is_passing:
                    raise
                self._on_trouble(error)
            await asyncio.sleep(SHORTAGE_PAUSE_S)

    # queries

    async def _query(self, request: Any) -> Any:
        if request.path.startswith("/p2p/filter/"):
            allowed = is_welcome(self.state, request.path)
            return messages.ResponseQuery(code=OK if allowed else REFUSED)
        if not request.path.startswith("/state/"):
            return messages.ResponseQuery(code=REFUSED, log="Expected the path /state/PATH.")
        place = request.path.removeprefix("/state/")
        answer = messages.ResponseQuery(
            height=self.tip.height, key=place.encode(), value=self.state.get(place) or b""
        )
        if request.prove:
            data = b"".join(prove(self.tip.tree, place))
            answer.proof_ops.ops.add(type="swarmhub:trie", key=place.encode(), data=data)
        return answer

    # snapshots

    def _take_snapshot(self, tip: Tip, values: dict[str, bytes]) -> int:
        """Save a snapshot of the state, and delete old ones; returns the block up to which blocks
        are forgotten."""
        data = pack_state(values)
        step = SNAPSHOT_CHUNK_BYTES
        self.store.save_snapshot(tip, [data[i : i + step] for i in range(0, len(data), step)])
        base, kept = choose_kept(self.store.snapshots(), self.store.base(), self.keep_blocks)
        self.store.forget(base, kept)
        return base

    def announce(self) -> list[dict[str, Any]]:
        """Return height and hash of each snapshot that a newcomer could start from, newest last."""
        heights = self.store.snapshots()
        self._announced = {h: a for h, a in self._announced.items() if h in heights}
        for height in heights:
            snapshot = None if height in self._announced else self.store.snapshot(height)
            if snapshot is not None:
                self._announced[height] = hashlib.sha256(describe(snapshot)).hexdigest()
        return [
            {"height": height, "hash": hash_}
            for height, hash_ in sorted(self._announced.items())
            if height <= self.tip.height - 2  # the light client needs the two blocks after it
        ]

    def _snapshots(self) -> list[Snapshot]:
        found = [self.store.snapshot(height) for height in self.store.snapshots()]
        return [s for s in found if s is not None]

    async def _list_snapshots(self, request: Any) -> Any:
        answer = messages.ResponseListSnapshots()
        for snapshot in self._snapshots():
            metadata = describe(snapshot)
            answer.snapshots.add(
                height=snapshot.height, format=SNAPSHOT_FORMAT, chunks=len(snapshot.chunks),
                hash=hashlib.sha256(metadata).digest(), metadata=metadata,
            )  # fmt: skip
        return answer

    async def _load_snapshot_chunk(self, request: Any) -> Any:
        found = self.store.snapshot(request.height)
        here = found and request.format == SNAPSHOT_FORMAT and request.chunk < len(found.chunks)
        chunk = found.chunks[request.chunk] if found and here else b""
        return messages.ResponseLoadSnapshotChunk(chunk=chunk)

    async def _offer_snapshot(self, request: Any) -> Any:
        if request.snapshot.format != SNAPSHOT_FORMAT:
            return messages.ResponseOfferSnapshot(result="REJECT_FORMAT")
        if hashlib.sha256(request.snapshot.metadata).hexdigest() not in self.offered:
            return messages.ResponseOfferSnapshot(result="REJECT")
        try:
            self._restoring = Restoring(request.snapshot, request.app_hash)
        except Malformed:
            return messages.ResponseOfferSnapshot(result="REJECT")
        return messages.ResponseOfferSnapshot(result="ACCEPT")

    async def _apply_snapshot_chunk(self, request: Any) -> Any:
        work = self._restoring
        if work is None:
            return messages.ResponseApplySnapshotChunk(result="ABORT")
        if not work.take(request.index, request.chunk):
            return messages.ResponseApplySnapshotChunk(
                result="RETRY", refetch_chunks=[request.index], reject_senders=[request.sender]
            )
        if not work.is_whole:
            return messages.ResponseApplySnapshotChunk(result="ACCEPT")
        self._restoring = None
        state = work.finish()
        if state is None:  # every chunk is as announced, but the whole is not the agreed state
            return messages.ResponseApplySnapshotChunk(result="REJECT_SNAPSHOT")
        need_present(state)
        tip = Tip(self.tip.chain_id, work.height, work.time_ms, work.head, state.tree)
        chunks = [work.chunks[i] for i in range(len(work.hashes))]
        await asyncio.to_thread(self.store.replace, tip, state.values, chunks)
        self.state.values, self.state.tree, self.tip = state.values, state.tree, tip
        return messages.ResponseApplySnapshotChunk(result="ACCEPT")


def read_misbehaviour(request: Any) -> tuple[Misbehaviour, ...]:
    """Return the misbehaviour that a block reports: the first height of each validator, by address,
    bounded."""
    found: dict[str, int] = {}
    for seen in request.misbehavior:
        address = seen.validator.address.hex()
        found[address] = min(seen.height, found.get(address, seen.height))
    pairs = sorted(found.items())[:MAX_MISBEHAVIOUR]
    return tuple(Misbehaviour(address, height) for address, height in pairs)


class PoolRefusal(Exception):
    """Raised if a transaction is kept out of the mempool. `code` names a refusal of the
    contract."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_welcome(state: Reader, path: str) -> bool:
    """Return whether the engine may connect to a peer: its id must be a member's."""
    kind, _, value = path.removeprefix("/p2p/filter/").partition("/")
    if kind == "addr":
        return True  # addresses change, and prove nothing
    ids = {m.ledger.partition("@")[0] for m in get_members(state) if m.ledger}
    return kind == "id" and value in ids


def _updates(validators: Iterable[tuple[str, int]]) -> list[Any]:
    return [
        messages.ValidatorUpdate(
            pub_key=messages.PublicKey(ed25519=bytes.fromhex(key)), power=power
        )
        for key, power in validators
    ]
