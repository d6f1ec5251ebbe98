"""Reads of the application's storage, by the node and by other processes of this machine."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Self

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.events import Event, get_event_name
from swarmhub.contract.records import Genesis, read_genesis_json
from swarmhub.contract.trie import write_tree
from swarmhub.contract.versions import need_present
from swarmhub.errors import BadInput, LedgerError
from swarmhub.files import shut_out_others
from swarmhub.ledger.blocks import MAX_GENESIS_BYTES, Committed, Tip
from swarmhub.ledger.cometbft.store_rows import FORMAT, Snapshot, committed_of
from swarmhub.ledger.database import is_machines_fault


class StoreReader:
    """The open file, for reading. Thread-safe."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._turn = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> Self:
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
        """Return the tip and its state. Raises LedgerError if the file is damaged, VersionMissing
        if the state is of a version that this software does not have."""
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
            need_present(state)
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
            return [committed_of(*row) for row in rows]
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

    def unproven(self, milestones: Collection[type[Event]]) -> list[int]:
        """Return the heights of kept blocks with such events that have no proof, and of those after
        them."""
        wanted = {get_event_name(kind) for kind in milestones}
        proven = {int(row[0]) for row in self._read("SELECT height FROM proofs")}
        newest = int(self._meta()["height"])
        found: set[int] = set()
        for height, events, results in self._read("SELECT height, events, results FROM blocks"):
            if not height or {height, height + 1} <= proven:
                continue
            names = {n for n, _ in json.loads(events)}
            names |= {n for r in json.loads(results) for n, _ in r[3]}
            if not names.isdisjoint(wanted):
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

    def changes(self, before: int) -> list[int]:
        """Return the heights of kept blocks from 1 on, below `before`, that change the
        validators."""
        rows = self._read(
            "SELECT height FROM blocks WHERE height > 0 AND height < ? AND validators != '[]'"
            " ORDER BY height",
            before,
        )
        return [int(row[0]) for row in rows]

    def find_results(self, tx: str) -> list[tuple[int, str, str]]:
        """Return height, id and code of the results of kept blocks with an id that begins with
        these hex digits, oldest first."""
        rows = self._read(
            "SELECT height, results FROM blocks WHERE instr(results, ?) ORDER BY height", f'["{tx}'
        )
        return [
            (int(height), str(found[0]), str(found[1]))
            for height, results in rows
            for found in json.loads(results)
            if str(found[0]).startswith(tx)
        ]

    def _read(self, query: str, *values: int | str) -> list[tuple[Any, ...]]:
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
