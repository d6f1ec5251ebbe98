"""Failpoints: named places in a round at which a campaign of kills may end the process.

A crash is interesting between two things that belong together: half of a file and all of it, a file
and its rename, a row and its commit, a request and its answer. Each such place calls
`failpoint(NAME)`. That costs a comparison of a name with None, unless the process was started with
SWARMHUB_DIE_AT="NAME:COUNT": then it kills itself (SIGKILL) when it reaches that failpoint for the
COUNT-th time; "NAME:COUNT:hang" stops it there (SIGSTOP) until it gets a SIGCONT. `bench/kill.py`
does both at every failpoint of the table.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from swarmhub.errors import BadInput

VARIABLE = "SWARMHUB_DIE_AT"

FAILPOINTS = {
    # a node starts (and comes late)
    "start.blobs": "the blobs on disk are checked, the ledger is not open yet",
    "start.ledger": "every block is executed, nobody can reach the node yet",
    "start.doors": "both listeners are open, no study has a driver yet",
    "file.written": "a file that need not be synced is written under another name",
    "head.saved": "the last head seen is in its place",
    # a trainer works
    "trainer.task": "a trainer has a task and has done nothing for it",
    "trainer.local": "a trainer has saved its private state, its parameters are in memory",
    "trainer.written": "a trainer's parameters are in a file, the node has not heard of it",
    "trainer.answered": "the node has taken the answer, the trainer has done nothing since",
    # its node takes the answer over
    "answer.taken": "the trainer's answer has arrived, nothing of it is checked",
    "blob.leaves": "a blob's chunk hashes are under its digest, its bytes are not",
    "blob.named": "a blob is under its digest, the memory does not know it",
    "blob.unnamed": "a blob that is needed no more is deleted, its chunk hashes are not",
    "journal.before": "the answer's parameters are stored, the answer is not",
    "file.half": "half of a journal's new content is written, under another name",
    "file.whole": "a journal's new content is on disk, under another name",
    "journal.after": "the answer is on disk, nothing has been done about it",
    # a node takes part in a masked round
    "vault.before": "a secret, or what it is used for, is decided and not on disk",
    "vault.after": "a secret, or what it is used for, is on disk, nothing has been made of it",
    "masked.stored": "the masked answer and its record are stored, the round does not know it",
    "unmask.stored": "the unmasked model is stored, the round does not know it",
    # a transaction goes to the ledger
    "submit.round.ready": "about to announce that a trainer is attached",
    "result.round.ready": "the ledger has the announcement",
    "submit.round.contribute": "about to contribute",
    "result.round.contribute": "the ledger has the contribution",
    "submit.round.settle": "a leader is about to settle",
    "result.round.settle": "the ledger has the leader's settlement",
    "submit.round.suspect": "about to suspect the leader",
    "submit.round.unavailable": "a leader is about to report a contribution that cannot be had",
    "submit.round.dispute": "an auditor is about to dispute a false merge",
    "result.round.dispute": "the ledger has the dispute",
    "submit.round.recompute": "about to report the right leaf of the disputed chunk",
    "result.round.recompute": "the ledger has the right leaf of the disputed chunk",
    "submit.round.key": "about to send the keys of its masks",
    "result.round.key": "the ledger has the keys of its masks",
    "submit.round.deal": "about to deal the shares of its masks",
    "result.round.deal": "the ledger has the dealing",
    "submit.round.open": "about to show its shares of the settled sum",
    "result.round.open": "the ledger has its shares of the settled sum",
    "submit.round.poke": "about to make the block in which a deadline fires",
    "pool.hidden": "a transaction is written, under a name that nobody takes",
    "pool.shown": "a transaction waits in the mempool, its writer takes no turn any more",
    "ledger.turn": "it is this process' turn to write, nothing is written",
    "ledger.rows": "the blocks' rows are inserted, not committed",
    "ledger.committed": "the blocks are committed, their transactions still wait in the mempool",
    "ledger.silent": "the mempool is emptied, nobody has been told of the blocks",
    "ledger.told": "everybody has been told, the writer does not know its own blocks",
    # validators agree on a block (ledgers of many machines)
    "agreed.executed": "a block that is agreed on is executed, nothing of it is on disk",
    "agreed.committed": "the block is on disk, the engine does not know",
    # a blob moves
    "pull.begun": "about to ask a holder for a blob",
    "pull.half": "half of a chunk of a blob that is being pulled is on disk",
    "pull.whole": "all chunks of a pulled blob are on disk, under another name",
    "pull.held": "a pulled blob is stored, the round does not know it",
    "serve.begun": "a holder has sent the head of its answer, no byte of the blob",
    "serve.ended": "a holder has sent all bytes of a blob, not the end of its answer",
    # the leader merges, the others sign
    "merge.begun": "every contribution is here, no byte is merged",
    "merge.half": "some chunks of the merged model are on disk",
    "merge.whole": "all of the merged model is on disk, not stored as a blob",
    "merge.stored": "the merged model is stored, the round does not know it",
    "merge.synced": "a merge or an offer outlives a power cut, the round does not know it",
    "shards.joined": "a merged model is stored, made of its shards, the round does not know it",
    "change.applied": "the model of a merged change is stored, the round does not know it",
    "offer.found": "the leader has a merged model for one who asks, nothing is sent",
    "audit.begun": "an offer is here, nothing of it is recomputed",
    "audit.ended": "an offer is recomputed, the round does not know what came out",
    "receipt.begun": "a merged model is here and checked, its receipt is not signed",
    "receipt.sent": "the leader has the receipt, the sender has not noted it",
    "receipt.taken": "a receipt has reached the leader, it has not been noted",
}

_armed: str | None = None
_left = 0
_hangs = False


def failpoint(name: str, amid: Callable[[], object] | None = None) -> None:
    """Mark a failpoint. `amid` is called only if the process dies here: half of a write, for
    example."""
    if _armed == name:
        _count_down(amid)


def _count_down(amid: Callable[[], object] | None) -> None:
    global _armed, _left
    _left -= 1
    if _left > 0:
        return
    if _hangs:
        _armed = None  # once
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    if amid is not None:
        amid()
    os.kill(os.getpid(), signal.SIGKILL)


def arm(order: str | None = None) -> None:
    """Die at "NAME:COUNT" or hang at "NAME:COUNT:hang" (a count of 1 may be left out), by default
    as the environment says; "" disarms. Raises BadInput for an unknown name."""
    global _armed, _left, _hangs
    order = os.environ.get(VARIABLE, "") if order is None else order
    name, _, rest = order.partition(":")
    count, _, how = rest.partition(":")
    known = name in FAILPOINTS and (count or "1").isdecimal() and how in ("", "hang")
    if order and not known:
        raise BadInput(
            f"Expected {VARIABLE} as FAILPOINT:COUNT (see failpoints.py), got {order!r}."
        )
    _armed, _left, _hangs = name or None, int(count or "1"), how == "hang"
