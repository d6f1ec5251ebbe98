"""The protocol, sans-io: from the ledger's state and a node's own, compute the next effects.

decision                     effects that should be under way now (begin here)
collect, lead, follow        its parts, by phase and role
shards                       its part for rounds in shards
confirm                      its part for models that are confirmed
changes                      its part for rounds in few bytes
masking                      its part for the masks of masked rounds
audit, reports               its parts that find fault with others
view                         the input of a decision
tasks, answers               tasks of the trainer, and checks of its answers
effects, observations        the effects, and the observations that come back
local_state                  all that a node knows beyond the ledger
audit_procedure, recompute   how an audit is carried out, over the ports AuditIO and BlobReader
mask_procedure, mask_work    how the effects of masks are carried out; their arithmetic
retention                    blobs to keep, and members that may read them
signatures                   messages that members sign for one another
"""

from swarmhub.protocol.decision import decide
from swarmhub.protocol.effects import (
    ApplyChange,
    Audit,
    ChangeForm,
    Check,
    Effect,
    Join,
    MaskEffect,
    MaskOwn,
    Merge,
    Offer,
    Pull,
    RecomputeChunk,
    SendReceipt,
    Submit,
    Sync,
    Unmask,
    Wake,
    Watch,
)
from swarmhub.protocol.local_state import LocalState, Timeouts, is_final
from swarmhub.protocol.observations import (
    Accepted,
    AnswerRefused,
    Audited,
    BlobStored,
    CheckedBad,
    CheckedGood,
    ChunkRecomputed,
    Discrepancy,
    ExcerptUnavailable,
    FetchedBlobs,
    MergeDone,
    ModelComputed,
    Observation,
    Offered,
    OwnMasked,
    PeerFound,
    PeerLost,
    Poked,
    PreparedContribution,
    PullFailed,
    PullStarted,
    PullStopped,
    ReceiptCame,
    ReceiptSent,
    Signed,
    Synced,
    TransactionRefused,
)
from swarmhub.protocol.retention import compute_kept, may_read
from swarmhub.protocol.signatures import is_offer, is_receipt, offer_message
from swarmhub.protocol.tasks import TrainingTask, assign, expect

__all__ = [
    "Accepted",
    "AnswerRefused",
    "ApplyChange",
    "Audit",
    "Audited",
    "BlobStored",
    "ChangeForm",
    "Check",
    "CheckedBad",
    "CheckedGood",
    "ChunkRecomputed",
    "Discrepancy",
    "Effect",
    "ExcerptUnavailable",
    "FetchedBlobs",
    "Join",
    "LocalState",
    "MaskEffect",
    "MaskOwn",
    "Merge",
    "MergeDone",
    "ModelComputed",
    "Observation",
    "Offer",
    "Offered",
    "OwnMasked",
    "PeerFound",
    "PeerLost",
    "Poked",
    "PreparedContribution",
    "Pull",
    "PullFailed",
    "PullStarted",
    "PullStopped",
    "ReceiptCame",
    "ReceiptSent",
    "RecomputeChunk",
    "SendReceipt",
    "Signed",
    "Submit",
    "Sync",
    "Synced",
    "Timeouts",
    "TrainingTask",
    "TransactionRefused",
    "Unmask",
    "Wake",
    "Watch",
    "assign",
    "compute_kept",
    "decide",
    "expect",
    "is_final",
    "is_offer",
    "is_receipt",
    "may_read",
    "offer_message",
]
