"""This node's own record of data that left the hospital: JSON lines in its home.

    state/sent.jsonl, sent.1.jsonl (older), ...     see `home.record_log`

Blobs are recorded with the bytes that went out, added up for each member and blob over a fifth of
a second, so that a round costs no more for it; a crash may lose that fifth. Transactions are
recorded when they are signed. Nothing is synced: a power cut may lose some lines more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub.clock import wall_clock_ms
from swarmhub.contract.transactions import Contribute
from swarmhub.home.record_log import RecordLog

MASKED, MASKED_SUMS = "masked parameters", "masked sums"
KINDS = {
    "parameters": "this hospital's own parameters after training",
    MASKED: "this hospital's own parameters under masks, which the sum alone undoes",
    MASKED_SUMS: "this hospital's own arrays or counts under masks, which the sum alone undoes",
    "document": "this hospital's own statistics document",
    "sums": "this hospital's own arrays, to be added to the others'",
    "counts": "this hospital's own counts of an evaluation, to be added to the others'",
    "merged": "a merged model, or merged statistics",
    "passed on": "another member's contribution, for those who audit a merge",
    "layout": "names and shapes of a model's arrays, without numbers",
    "study document": "the code or the ethics document of a study that is on the ledger",
    "metrics": "a transaction with metrics and their numbers of samples",
    "transaction": "another transaction",
}
ALL = "all members"  # a transaction is on the ledger


@dataclass(frozen=True)
class Sent:
    """An item that left this hospital. `what` is a blob's digest or a transaction's kind."""

    time_ms: int  # by this machine's clock
    kind: str
    to: str  # a member's name, or ALL
    study: str
    nbytes: int
    what: str


class SentBook(RecordLog[Sent]):
    """The record in a home. Several processes may append to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Sent)


def sent_of(body: Any, nbytes: int) -> Sent:
    """Return the entry of a transaction."""
    measured = isinstance(body, Contribute) and bool(body.evaluations)
    place = getattr(body, "ref", body)
    study = getattr(place, "study", "") or getattr(getattr(body, "spec", None), "name", "")
    kind = "metrics" if measured else "transaction"
    return Sent(wall_clock_ms(), kind, ALL, study, nbytes, str(body.KIND))
