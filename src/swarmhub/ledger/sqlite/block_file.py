"""The file of the embedded ledger: a table of blocks, and the turn to write to it."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.records import Genesis
from swarmhub.contract.state import Overlay
from swarmhub.errors import BadInput, LedgerDamaged, LedgerError, Malformed
from swarmhub.files import open_shared, shut_out_others
from swarmhub.keys import PrivateKey
from swarmhub.ledger.blocks import Block, make_genesis_block, pack_txs, replay_genesis, unpack_block
from swarmhub.ledger.database import is_machines_fault, making_database

FORMAT = "1"
LOCK_TIMEOUT_S = 30.0
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE blocks (
  height INTEGER PRIMARY KEY, header TEXT NOT NULL, signature TEXT NOT NULL, txs TEXT NOT NULL
);
"""


def create_ledger(path: Path, genesis: Genesis, writer: PrivateKey) -> str:
    """Create a consortium in a new file; returns the chain id."""
    block = make_genesis_block(genesis, writer)
    if path.exists():
        raise BadInput(f"Expected no file at {path}, found one; a ledger is never overwritten.")
    with making_database(path) as partial, contextlib.closing(_connect(partial)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA)
        with db:
            db.execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT,))
            insert_block(db, block)
    return replay_genesis(block, Overlay(State()))[0].chain_id


def open_blocks(path: Path) -> sqlite3.Connection:
    """Open the file of a ledger. Raises LedgerError, or LedgerDamaged if it is no ledger."""
    if not path.is_file():
        raise LedgerError(f"Expected a ledger at {path}, found no file; check the path.")
    for end in ("", "-wal", "-shm"):
        shut_out_others(path.with_name(path.name + end))
    try:
        db = _connect(path)
        row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes bad bytes
        if is_machines_fault(error):
            raise LedgerError(
                f"The ledger {path} cannot be opened ({error}); check the disk, the file's "
                "permissions and the limit of open files."
            ) from None
        raise LedgerDamaged(0, f"the file is no ledger ({error})", str(path)) from None
    if row is None or row[0] != FORMAT:
        db.close()
        raise LedgerError(f"Expected a ledger of format {FORMAT} at {path}, got {row}; upgrade.")
    return db


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def insert_block(db: sqlite3.Connection, block: Block) -> None:
    db.execute(
        "INSERT INTO blocks VALUES (?, ?, ?, ?)",
        (
            block.header.height,
            codec.pack(block.header).decode(),
            block.signature,
            pack_txs(block.txs).decode(),
        ),
    )


def read_blocks(db: sqlite3.Connection, start: int, stop: int | None = None) -> Iterator[Block]:
    """Yield the blocks from height `start`; damage is reported with its height."""
    height = start
    try:
        rows = db.execute(
            "SELECT height, header, signature, txs FROM blocks WHERE height >= ? AND height < ?"
            " ORDER BY height",
            (start, stop if stop is not None else 1 << 60),
        )
        for number, header, signature, txs in rows:
            if number != height:
                raise LedgerDamaged(height, f"it is missing (the next one is {number})")
            yield unpack_block(header, signature, txs)
            height += 1
    except Malformed as error:
        raise LedgerDamaged(height, f"it does not decode ({error})") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if is_machines_fault(error):
            raise
        raise LedgerDamaged(height, f"the file cannot be read there ({error})") from None


@contextlib.contextmanager
def take_turn(path: Path) -> Iterator[None]:
    """Wait for this process's turn to write. The kernel wakes the next in line at once, whereas
    SQLite's own lock is retried after pauses that grow with the number of writers."""
    with open_shared(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
