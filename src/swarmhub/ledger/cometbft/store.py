"""The application's storage: the state at the last commit and recent blocks, in one SQLite file.

The node writes it, once for each block and all of it at once; other processes of this machine read
it. A commit that a power cut reverts does no harm: the engine delivers those blocks again. So
nothing here waits for the disk except the engine's own log.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from swarmhub.contract import State
from swarmhub.contract.records import Genesis
from swarmhub.contract.state import Overlay
from swarmhub.contract.trie import Writes, hash_of
from swarmhub.ledger.blocks import Committed, Tip, agree_on_genesis
from swarmhub.ledger.cometbft.store_reader import StoreReader
from swarmhub.ledger.cometbft.store_rows import FORMAT, SCHEMA, row_of
from swarmhub.ledger.database import making_database, shortage_of


class Store(StoreReader):
    """The open file of the node that writes it. Thread-safe."""

    @classmethod
    def create(cls, path: Path, genesis: Genesis) -> str:
        """Create the file with block 0; returns the chain id."""
        with making_database(path) as partial:
            db = sqlite3.connect(partial, isolation_level=None, check_same_thread=False)
            store = cls(partial, db)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(SCHEMA)
                return store.begin(genesis)
            finally:
                store.close()

    def begin(self, genesis: Genesis) -> str:
        """Reset to block 0, and delete everything else; returns the chain id."""
        overlay = Overlay(State())
        tip, committed = agree_on_genesis(genesis, overlay)
        with self._transaction():
            for table in ("state", "blocks", "snapshots", "proofs", "validator_sets"):
                self._db.execute(f"DELETE FROM {table}")
            self._put_state(overlay.writes)
            self._put_block(committed)
            self._put_tip(tip)
            self._put_base(0)
        self._settle()
        return tip.chain_id

    def save(
        self, tip: Tip, writes: Writes, committed: Committed, signed: tuple[str, int] = ("", 0)
    ) -> None:
        """Commit a block: its writes, its record, and the new tip; and the height of the newest
        signature in the chain that this node knows for an address (of a consensus key)."""
        with self._transaction():
            if signed[1]:
                row = ("signed", json.dumps(signed))
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", row)
            self._put_state(writes)
            self._put_block(committed)
            self._put_tip(tip)

    def replace(self, tip: Tip, values: dict[str, bytes], chunks: list[bytes]) -> None:
        """Replace everything but the genesis by a state from a snapshot, with the snapshot's
        chunks, which are kept for others."""
        with self._transaction():
            for table in ("state", "snapshots", "proofs"):
                self._db.execute(f"DELETE FROM {table}")
            self._db.execute("DELETE FROM blocks WHERE height > 0")
            self._put_state(dict(values))
            self._put_tip(tip)
            self._put_snapshot(tip, chunks)
            self._put_base(tip.height)
        self._settle()

    def save_snapshot(self, tip: Tip, chunks: list[bytes]) -> None:
        """Save a snapshot of the state at a tip."""
        with self._transaction():
            self._put_snapshot(tip, chunks)

    def forget(self, base: int, snapshots: Collection[int]) -> None:
        """Forget blocks up to `base`, except those with a proof, and all snapshots but those of
        these heights. Forgotten ones cannot be restored."""
        with self._transaction():
            marks = ",".join("?" * len(snapshots))
            self._db.execute(
                f"DELETE FROM snapshots WHERE height NOT IN ({marks})", tuple(snapshots)
            )
            self._db.execute(
                "DELETE FROM blocks WHERE height > 0 AND height <= ?"
                " AND height NOT IN (SELECT height FROM proofs)",
                (base,),
            )
            self._put_base(base)

    def save_proof(self, height: int, signed: str, set_hash: str, validators: str) -> None:
        """Save the proof that the validators agreed on a block: the header with their signatures
        (JSON), and the validators (JSON; once for each set, which its hash names)."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO proofs VALUES (?, ?, ?)", (height, signed, set_hash)
            )
            self._db.execute(
                "INSERT OR IGNORE INTO validator_sets VALUES (?, ?)", (set_hash, validators)
            )

    def _settle(self) -> None:
        """Return when all commits are on disk: the engine does not deliver them again."""
        with self._turn, self._writing():
            self._db.execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._turn, self._writing():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise shortage_of(error, self.path) from None

    def _put_state(self, writes: Writes) -> None:
        for place, value in writes.items():
            if value is None:
                self._db.execute("DELETE FROM state WHERE path = ?", (place,))
            else:
                self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (place, value))

    def _put_block(self, committed: Committed) -> None:
        row = row_of(committed)
        self._db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _put_snapshot(self, tip: Tip, chunks: list[bytes]) -> None:
        rows = [(tip.height, i, tip.head, tip.time_ms, chunk) for i, chunk in enumerate(chunks)]
        self._db.executemany("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)", rows)

    def _put_base(self, height: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('base', ?)", (str(height),))

    def _put_tip(self, tip: Tip) -> None:
        values = {
            "format": FORMAT, "chain": tip.chain_id, "height": str(tip.height),
            "time_ms": str(tip.time_ms), "head": tip.head, "app_hash": hash_of(tip.tree).hex(),
        }  # fmt: skip
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
