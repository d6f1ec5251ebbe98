"""The application's storage: the state at the last commit and recent blocks, in one SQLite file.

The node writes it, once for each block and all of it at once; other processes of this machine read
it. A commit that a power cut reverts does no harm: the engine delivers those blocks again. So
nothing here waits for the disk except the engine's own log.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.contract import Misbehaviour, Result, State
from swarmhub.contract.records import Genesis, read_genesis_json
from swarmhub.contract.state import Overlay
from swarmhub.contract.trie import Writes, hash_of, write_tree
from swarmhub.errors import BadInput, LedgerError
from swarmhub.files import shut_out_others
from swarmhub.ledger.blocks import (
    MAX_GENESIS_BYTES,
    Block,
    Committed,
    Header,
    Tip,
    agree_on_genesis,
    pack_txs,
    unpack_txs,
)
from swarmhub.ledger.database import is_machines_fault, making_database, shortage_of
from swarmhub.types import Digest

FORMAT = "1"
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE state (path TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE blocks (
  height INTEGER PRIMARY KEY, header TEXT NOT NULL, agreed TEXT NOT NULL, txs TEXT NOT NULL,
  results TEXT NOT NULL, events TEXT NOT NULL, validators TEXT NOT NULL,
  misbehaviour TEXT NOT NULL
);
CREATE TABLE snapshots (
  height INTEGER, chunk INTEGER, head TEXT NOT NULL, time_ms INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (height, chunk)
);
CREATE TABLE proofs (height INTEGER PRIMARY KEY, signed TEXT NOT NULL, validators TEXT NOT NULL);
CREATE TABLE validator_sets (hash TEXT PRIMARY KEY, validators TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Snapshot:
    """The state at a height, in chunks, and the parts of the tip that are not in the state."""

    height: int
    head: Digest
    time_ms: int
    chunks: list[bytes]


class Store:
    """The open file. Thread-safe."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._turn = threading.RLock()

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

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open a file. Raises LedgerError if there is none or it is of another kind."""
        if not path.is_file():
            raise LedgerError(
                f"Expected the ledger's state at {path}, found no file; found a consortium, accept "
                "a genesis ('swarmhub consortium ...'), or join one ('swarmhub consortium join')."
            )
        for place in (path.parent, path):
            shut_out_others(place)
        db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
        store = cls(path, db)
        try:
            store._read("PRAGMA synchronous = NORMAL")
            found = store._meta().get("format")
        except LedgerError:
            db.close()
            raise
        if found != FORMAT:
            db.close()
            raise LedgerError(f"Expected a ledger of format {FORMAT} at {path}, got {found!r}.")
        return store

    def close(self) -> None:
        """Close it, once no thread works on it: otherwise SQLite would crash the process."""
        with self._turn:
            self._db.close()

    # writing

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
        block = committed.block
        begun = len(committed.events) - sum(len(r.events) for r in committed.results)
        row = (
            committed.height,
            codec.pack(block.header).decode(),
            block.agreed,
            pack_txs(block.txs).decode(),
            _dump([[r.id, r.code, r.message, r.events] for r in committed.results]),
            _dump(committed.events[:begun]),
            _dump(committed.validators),
            _dump([[m.address, m.height] for m in block.misbehaviour]),
        )
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

    # reading

    @contextlib.contextmanager
    def one_moment(self) -> Iterator[None]:
        """Read from one consistent view of a file that another process may write."""
        with self._turn:
            outermost = not self._db.in_transaction
            if outermost:
                self._read("BEGIN")
            try:
                yield
            finally:
                if outermost and self._db.in_transaction:
                    self._read("COMMIT")

    def load(self) -> tuple[Tip, State]:
        """Return the tip and its state. Raises LedgerError if the file is damaged."""
        try:
            with self.one_moment():
                meta = self._meta()
                values = dict(self._read("SELECT path, value FROM state"))
            state = State()
            state.values = {str(k): bytes(v) for k, v in values.items()}
            state.tree = write_tree(None, dict(state.values))
            if state.app_hash.hex() != meta["app_hash"]:
                raise ValueError("it is not the state whose hash is noted")
            tip = Tip(
                meta["chain"], int(meta["height"]), int(meta["time_ms"]), meta["head"], state.tree
            )
        except (KeyError, ValueError, TypeError) as error:
            raise self._unreadable(error) from None
        return tip, state

    def genesis(self) -> Genesis:
        """Return the genesis of block 0."""
        first = self.blocks(0, 1)
        try:
            return read_genesis_json(codec.decode(first[0].block.txs[0], MAX_GENESIS_BYTES))
        except (LookupError, BadInput) as error:
            raise self._unreadable(error) from None

    def blocks(self, start: int, stop: int) -> list[Committed]:
        """Return the blocks of heights start to stop (excluded) that are kept here."""
        try:
            rows = self._read(
                "SELECT header, agreed, txs, results, events, validators, misbehaviour FROM blocks"
                " WHERE height >= ? AND height < ? ORDER BY height",
                start,
                stop,
            )
            return [_committed(*row) for row in rows]
        except (ValueError, TypeError, LookupError, BadInput) as error:
            raise self._unreadable(error) from None

    def base(self) -> int:
        """Return the block after which the kept ones begin; 0: all blocks are here."""
        try:
            return int(self._meta().get("base", "0"))
        except ValueError as error:
            raise self._unreadable(error) from None

    def height(self) -> int:
        """Return the height of the tip."""
        try:
            return int(self._meta()["height"])
        except (KeyError, ValueError) as error:
            raise self._unreadable(error) from None

    def signed(self, address: str) -> int:
        """Return the height of the newest signature of this address passed to `save`; 0: none."""
        try:
            found, height = json.loads(self._meta().get("signed", '["", 0]'))
            return int(height) if found == address else 0
        except (ValueError, TypeError) as error:
            raise self._unreadable(error) from None

    def snapshots(self) -> list[int]:
        """Return the heights of the snapshots."""
        rows = self._read("SELECT DISTINCT height FROM snapshots ORDER BY height")
        return [int(row[0]) for row in rows]

    def snapshot(self, height: int) -> Snapshot | None:
        """Return the snapshot at a height, if there is one."""
        rows = self._read(
            "SELECT head, time_ms, data FROM snapshots WHERE height = ? ORDER BY chunk", height
        )
        if not rows:
            return None
        return Snapshot(height, str(rows[0][0]), int(rows[0][1]), [bytes(row[2]) for row in rows])

    def unproven(self, milestones: Collection[str]) -> list[int]:
        """Return the heights of kept blocks with such events that have no proof, and of those after
        them."""
        proven = {int(row[0]) for row in self._read("SELECT height FROM proofs")}
        newest = int(self._meta()["height"])
        found: set[int] = set()
        for height, events, results in self._read("SELECT height, events, results FROM blocks"):
            if not height or {height, height + 1} <= proven:
                continue
            names = {n for n, _ in json.loads(events)}
            names |= {n for r in json.loads(results) for n, _ in r[3]}
            if not names.isdisjoint(milestones):
                found |= {height, height + 1}
        return sorted(h for h in found - proven if self.base() < h <= newest)

    def proof(self, height: int) -> dict[str, Any] | None:
        """Return what `save_proof` has saved of a block, if anything."""
        rows = self._read(
            "SELECT signed, v.validators FROM proofs JOIN validator_sets v"
            " ON v.hash = proofs.validators WHERE height = ?",
            height,
        )
        for signed, validators in rows:
            return {"signed_header": json.loads(signed), "validators": json.loads(validators)}
        return None

    def _read(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        with self._turn:
            try:
                return self._db.execute(query, values).fetchall()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise self._unreadable(error) from None

    def _meta(self) -> dict[str, str]:
        return dict(self._read("SELECT key, value FROM meta"))

    def _unreadable(self, error: Exception) -> LedgerError:
        if is_machines_fault(error):
            return LedgerError(
                f"The ledger's state {self.path} cannot be read ({error}); check the disk, the "
                "file's permissions and the limit of open files (ulimit -n), then try again."
            )
        return LedgerError(
            f"The ledger's state {self.path} is damaged ({error}); move it and the engine's data "
            "away, and let this node catch up from the other members."
        )


def _dump(value: Any) -> str:
    return json.dumps(codec.to_json(value), ensure_ascii=True, separators=(",", ":"))


def _committed(*row: str) -> Committed:
    """Return a block from the columns of its row."""
    header, agreed, txs, results, events, validators, misbehaviour = row
    found = tuple(
        Result(tx, code, message, tuple((n, f) for n, f in its))
        for tx, code, message, its in json.loads(results)
    )
    begun = [(name, fields) for name, fields in json.loads(events)]
    shown = tuple(Misbehaviour(str(a), int(height)) for a, height in json.loads(misbehaviour))
    return Committed(
        Block(codec.unpack(Header, header.encode()), "", unpack_txs(txs.encode()), agreed, shown),
        found,
        (*begun, *(e for r in found for e in r.events)),
        tuple((key, power) for key, power in json.loads(validators)),
    )
