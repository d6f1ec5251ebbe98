"""Transactions that wait for a block, shared by all processes of an embedded ledger.

A folder `<ledger>.pool` with a file for each. A submitter puts its transaction there and then takes
its turn to write; the process that has the turn takes all that wait into one block, so blocks grow
with the load. Nothing here needs to survive a crash: a member submits the same bytes again until a
block has them.

A block is shared fairly. A file's name contains the signer, so the choice is made from names and
only chosen files are read. Each member's oldest come in turn, one of each, up to the contract's
limit per member and block; all non-members together count as one, with a smaller share. So a flood
queues behind itself: of a member's files beyond MAX_WAITING the newest are deleted.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import deque
from collections.abc import Collection
from pathlib import Path

from swarmhub import keys
from swarmhub.contract.envelope import MAX_TX_BYTES, read_transaction
from swarmhub.contract.execution import MAX_TXS_OF_STRANGERS, MAX_TXS_PER_MEMBER
from swarmhub.errors import Malformed
from swarmhub.failpoints import failpoint
from swarmhub.files import NO_ROOM, SHARED, make_shared_folder
from swarmhub.types import TX_DOMAIN, PublicKey

NOBODY = "nobody"  # the signer of bytes without a valid signature
MAX_WAITING = 4096  # files of one member: 64 blocks' worth


class Mempool:
    """The folder. Its methods do file I/O: call them in a worker thread."""

    def __init__(self, ledger: Path) -> None:
        self._folder = ledger.with_name(ledger.name + ".pool")

    def put(self, tx: bytes) -> Path:
        """Add a transaction behind the present ones; returns its place."""
        make_shared_folder(self._folder)
        path = self._folder / f"{time.time_ns():020d}-{signer_of(tx)}-{uuid.uuid4().hex[:8]}"
        hidden = self._folder / f".{path.name}"  # not visible until it is complete
        try:
            hidden.touch()
            hidden.chmod(SHARED)
            hidden.write_bytes(tx)
            failpoint("pool.hidden")
            hidden.rename(path)
        except OSError:
            hidden.unlink(missing_ok=True)  # retried under another name
            raise
        failpoint("pool.shown")
        return path

    def waiting(
        self,
        max_txs: int,
        max_bytes: int,
        members: Collection[PublicKey],
        only: Collection[Path] | None = None,
    ) -> list[tuple[Path, bytes]]:
        """Return what the next block takes, oldest first; only from the places `only`, if given.
        Reads about as many files as a block has room for, however many wait."""
        queues = self._queues(members, only)
        room = {who: MAX_TXS_PER_MEMBER if who else MAX_TXS_OF_STRANGERS for who in queues}
        found: list[tuple[Path, bytes]] = []
        size = 0
        while queues and len(found) < max_txs:
            for who, queue in list(queues.items()):
                tx = self._read(queue[0])
                if len(found) == max_txs or (tx is not None and size + len(tx) > max_bytes):
                    del queues[who]  # no room for its oldest: the next block begins with it
                    continue
                path = queue.popleft()
                if tx is not None:
                    found.append((path, tx))
                    size += len(tx)
                    room[who] -= 1
                if not queue or not room[who]:
                    del queues[who]
        return sorted(found)

    def _queues(
        self, members: Collection[PublicKey], only: Collection[Path] | None
    ) -> dict[str, deque[Path]]:
        """Return places by signer, oldest first; those of strangers under ""."""
        queues: dict[str, deque[Path]] = {}
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        for path in sorted(p for p in paths if not p.name.startswith(".")):
            if only is not None and path not in only:
                continue
            signer = path.name.partition("-")[2].partition("-")[0]
            queue = queues.setdefault(signer if signer in members else "", deque())
            if len(queue) < MAX_WAITING:
                queue.append(path)
            else:
                path.unlink(missing_ok=True)
        return queues

    def _read(self, path: Path) -> bytes | None:
        """Return the bytes; None if the file is gone or has nothing that `submit` accepts."""
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size <= MAX_TX_BYTES:
                    return file.read(MAX_TX_BYTES)
                path.unlink()
        except OSError as error:
            if error.errno in NO_ROOM:
                raise  # no fault of the file
        return None

    def remove(self, paths: list[Path]) -> None:
        """Remove what a block has, or what none will ever have."""
        for path in paths:
            path.unlink(missing_ok=True)


def signer_of(tx: bytes) -> PublicKey:
    """Return the signer, if it has really signed the bytes: they count against its share."""
    try:
        found = read_transaction(tx)
    except Malformed:
        return NOBODY
    signed = keys.verify(found.signer, TX_DOMAIN, found.signed, found.signature)
    return found.signer if signed else NOBODY
