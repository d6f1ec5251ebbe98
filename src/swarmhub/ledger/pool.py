"""Transactions that wait for a block, shared by all processes of an embedded ledger.

A folder `<ledger>.pool` with a file for each. Who submits puts its transaction there and then
takes its turn to write; whoever has the turn takes all that wait into one block, so the more
there is to do, the more goes into a block. Nothing here needs to survive a crash: a member
submits the same bytes again until a block has them.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path

from swarmhub.contract.transactions import MAX_TX_BYTES
from swarmhub.moments import reach


class Pool:
    """The folder. Its methods do file I/O: call them in a worker thread."""

    def __init__(self, ledger: Path) -> None:
        self._folder = ledger.with_name(ledger.name + ".pool")

    def put(self, tx: bytes) -> Path:
        """Add a transaction, behind those that are there; returns its place."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        hidden = self._folder / f".{path.name}"  # nobody takes half a transaction
        hidden.write_bytes(tx)
        reach("pool.hidden")
        hidden.rename(path)
        reach("pool.shown")
        return path

    def waiting(self, max_txs: int, max_bytes: int) -> list[tuple[Path, bytes]]:
        """The oldest transactions, as many as a block may hold."""
        found: list[tuple[Path, bytes]] = []
        size = 0
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        for path in sorted(p for p in paths if not p.name.startswith("."))[:max_txs]:
            with contextlib.suppress(OSError), path.open("rb") as file:
                tx = file.read(MAX_TX_BYTES + 1)
                if len(tx) > MAX_TX_BYTES:  # nothing that `submit` lets through
                    path.unlink()
                    continue
                size += len(tx)
                if size > max_bytes:
                    break
                found.append((path, tx))
        return found

    def remove(self, paths: list[Path]) -> None:
        """Take out what a block has, or what none will ever have."""
        for path in paths:
            path.unlink(missing_ok=True)
