"""The node's brain, sans-io: from what the ledger says and what the node knows, what to do.

brain, audit, view    what should be under way now
effects, notes        what it may wish for, and what it has learnt
inquiry, recompute    how an audit is carried out, by whoever has hands and a shelf of blobs
retention             what is kept, and who may read it
signatures            what members sign for one another
"""

from swarmhub.round.brain import Assignment, assign, decide, expect
from swarmhub.round.effects import (
    Audit,
    Check,
    Effect,
    Examine,
    Merge,
    Pull,
    SendReceipt,
    Submit,
    Sync,
    Wake,
    Watch,
)
from swarmhub.round.notes import (
    Accepted,
    Audited,
    CheckedBad,
    CheckedGood,
    Doubt,
    Event,
    Examined,
    Held,
    Lacking,
    Merged,
    Notes,
    Offered,
    Patience,
    PeerFound,
    PeerLost,
    Poked,
    Prepared,
    PullFailed,
    PullStarted,
    PullStopped,
    ReceiptCame,
    ReceiptSent,
    Refused,
    Synced,
    is_final,
)
from swarmhub.round.retention import compute_kept, may_read
from swarmhub.round.signatures import is_receipt

__all__ = [
    "Accepted",
    "Assignment",
    "Audit",
    "Audited",
    "Check",
    "CheckedBad",
    "CheckedGood",
    "Doubt",
    "Effect",
    "Event",
    "Examine",
    "Examined",
    "Held",
    "Lacking",
    "Merge",
    "Merged",
    "Notes",
    "Offered",
    "Patience",
    "PeerFound",
    "PeerLost",
    "Poked",
    "Prepared",
    "Pull",
    "PullFailed",
    "PullStarted",
    "PullStopped",
    "ReceiptCame",
    "ReceiptSent",
    "Refused",
    "SendReceipt",
    "Submit",
    "Sync",
    "Synced",
    "Wake",
    "Watch",
    "assign",
    "compute_kept",
    "decide",
    "expect",
    "is_final",
    "is_receipt",
    "may_read",
]
