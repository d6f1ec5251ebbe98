"""Transactions that wait for a block, shared by all processes of an embedded ledger.

A folder `<ledger>.pool` with a file for each. Who submits puts its transaction there and then
takes its turn to write; whoever has the turn takes all that wait into one block, so the more
there is to do, the more goes into a block. Nothing here needs to survive a crash: a member
submits the same bytes again until a block has them.

A block is shared fairly. A file's name has the signer, so a choice is made from names and only
what is chosen is read. Each member's oldest come in turn, one of each, up to what the contract
takes of a member in a block; all who are no members together count as one, with a smaller share.
A flood so waits behind itself: of a member's files beyond MAX_WAITING the newest are thrown away.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import deque
from collections.abc import Collection
from pathlib import Path

from swarmhub import keys
from swarmhub.contract.execution import MAX_TXS_OF_STRANGERS, MAX_TXS_PER_MEMBER
from swarmhub.contract.transactions import MAX_TX_BYTES, read_transaction
from swarmhub.errors import Malformed
from swarmhub.failpoints import failpoint
from swarmhub.files import NO_ROOM, SHARED, make_shared_folder
from swarmhub.types import TX_DOMAIN, PublicKey

NOBODY = "nobody"  # who signed what has no valid signature
MAX_WAITING = 4096  # files of one member: 64 blocks' worth


class Mempool:
    """The folder. Its methods do file I/O: call them in a worker thread."""

    def __init__(self, ledger: Path) -> None:
        self._folder = ledger.with_name(ledger.name + ".pool")

    def put(self, tx: bytes) -> Path:
        """Add a transaction, behind those that are there; returns its place."""
        make_shared_folder(self._folder)
        path = self._folder / f"{time.time_ns():020d}-{signer_of(tx)}-{uuid.uuid4().hex[:8]}"
        hidden = self._folder / f".{path.name}"  # nobody takes half a transaction
        try:
            hidden.touch()
            hidden.chmod(SHARED)
            hidden.write_bytes(tx)
            failpoint("pool.hidden")
            hidden.rename(path)
        except OSError:
            hidden.unlink(missing_ok=True)  # tried again under another name
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
        """What the next block takes, oldest first; `only` of these places where it is given.
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
        """Places by signer, oldest first; those of strangers under ""."""
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
        """The bytes; None where the file is gone or is nothing that `submit` lets through."""
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size <= MAX_TX_BYTES:
                    return file.read(MAX_TX_BYTES)
                path.unlink()
        except OSError as error:
            if error.errno in NO_ROOM:
                raise  # nothing is wrong with the file
        return None

    def remove(self, paths: list[Path]) -> None:
        """Take out what a block has, or what none will ever have."""
        for path in paths:
            path.unlink(missing_ok=True)


def signer_of(tx: bytes) -> PublicKey:
    """Whose share the bytes count against: the signer only if it has really signed them."""
    try:
        found = read_transaction(tx)
    except Malformed:
        return NOBODY
    signed = keys.verify(found.signer, TX_DOMAIN, found.signed, found.signature)
    return found.signer if signed else NOBODY
