"""Effects that `decide` may ask for.

Effects are values: equal effects are the same effect. The driver starts an effect that is new,
leaves one alone that is under way, and cancels one that is asked for no longer (unless it can do no
harm).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from swarmhub.contract.records import Share, Stage
from swarmhub.contract.round.shards import Part
from swarmhub.privacy import NoiseTerms
from swarmhub.protocol.mask_work import DealtShares, FixedPoint, Keying
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Submit:
    """Sign the body and bring it to the ledger; the same bytes again until a result comes."""

    body: Any


@dataclass(frozen=True)
class Pull:
    """Fetch and check a blob from the first holder that has it. -> BlobStored or PullFailed

    Two pulls of a blob are the same effect, whichever holders are known by now.
    """

    digest: Digest
    nbytes: int
    layout: Digest
    holders: tuple[MemberId, ...] = field(compare=False)
    durable: bool = field(compare=False, default=True)  # False: needed in this round only
    answer_ms: int = field(compare=False, default=4_000)  # until a holder begins to answer


@dataclass(frozen=True)
class ChangeForm:
    """The form of contributions that are changes of a model: their wire format, and the layout of
    the model."""

    wire: str
    layout: Digest


@dataclass(frozen=True)
class Check:
    """Check whether a held contribution can be merged. -> CheckedGood or CheckedBad"""

    stage: Stage
    digest: Digest
    member: MemberId
    weight: int  # of statistics: so many rows at most; 0 for an offer
    is_masked: bool = False
    changes: ChangeForm | None = None
    part: Part | None = None  # if it is one of a contribution


@dataclass(frozen=True)
class Merge:
    """Merge held contributions into a new blob. -> MergeDone, or CheckedBad for the culprit"""

    study: str
    number: int
    stage: Stage
    revision: int
    layout: Digest
    shares: tuple[Share, ...]
    base: Digest = ""  # held, too; "": the rule does not need it
    is_masked: bool = False  # whole numbers, added in a ring
    changes: ChangeForm | None = None
    part: Part | None = None  # that the shares are, and what is made of them


@dataclass(frozen=True)
class Sync:
    """Sync a held blob, so that it outlives a power cut. -> Synced"""

    digest: Digest


@dataclass(frozen=True)
class Audit:
    """Recompute secretly drawn stretches of a held merge; the leader's contribution is held. All of
    it if `full`: then all contributions are held. -> Audited, or ExcerptUnavailable for a
    contribution that cannot be read"""

    study: str
    number: int
    stage: Stage
    revision: int
    layout: Digest
    shares: tuple[Share, ...]
    digest: Digest
    leader: MemberId  # the author of the merge
    full: bool
    base: Digest = ""  # held, too; "": the rule does not need it
    is_masked: bool = False
    changes: ChangeForm | None = None
    part: Part | None = None


@dataclass(frozen=True)
class RecomputeChunk:
    """Recompute one chunk of the merge that the ledger's dispute is about. -> ChunkRecomputed"""

    study: str
    number: int
    stage: Stage
    revision: int
    layout: Digest
    nbytes: int
    shares: tuple[Share, ...]
    chunk: int
    by: MemberId  # the author of the dispute
    accused: MemberId  # the author of the merge
    base: Digest = ""  # held, too; "": the rule does not need it
    is_masked: bool = False
    changes: ChangeForm | None = None
    part: Part | None = None


@dataclass(frozen=True)
class ApplyChange:
    """Compute the model that follows from a held change of a held base. -> ModelComputed"""

    form: ChangeForm
    change: Digest
    base: Digest


@dataclass(frozen=True)
class Join:
    """Make a blob of its parts, which are held. -> BlobStored"""

    digest: Digest
    nbytes: int
    layout: Digest
    parts: tuple[Digest, ...]


@dataclass(frozen=True)
class Offer:
    """Sign a held blob, as what this node offers as leader. -> MergeDone"""

    study: str
    number: int
    revision: int
    digest: Digest


@dataclass(frozen=True)
class Watch:
    """Keep a request open at the leader: it answers with its merged model, and its silence or a
    broken connection shows that it is gone. -> Offered, PeerFound or PeerLost"""

    leader: MemberId
    study: str
    number: int
    revision: int
    known: Digest  # "" until an offer was seen
    shard: int = 0


@dataclass(frozen=True)
class SendReceipt:
    """Sign that the blob is held and send the signature to the leader. -> ReceiptSent if it takes
    it, PeerLost if it cannot be reached"""

    leader: MemberId
    study: str
    number: int
    revision: int
    digest: Digest
    met: bool = False  # the stage's test holds
    model: Digest = ""  # that follows from the change `digest`
    shard: int = 0


# masks of a round


@dataclass(frozen=True)
class MakeKeys:
    """Make this member's keys of a round's keying. -> KeysMade"""

    study: str
    number: int
    keying: int


@dataclass(frozen=True)
class MakeDealing:
    """Deal this member's two secrets to all with keys. -> DealingMade"""

    keying: Keying


@dataclass(frozen=True)
class CheckShare:
    """Check the share that a dealer has sealed for this member. -> ShareChecked"""

    keying: Keying
    dealt: DealtShares


@dataclass(frozen=True)
class MaskOwn:
    """Mask the trainer's answer with the masks that this member has in common with the dealers.
    Never two answers with the same keys. -> OwnMasked"""

    keying: Keying
    dealt: tuple[MemberId, ...]
    scale: FixedPoint
    weight: int
    digest: Digest  # of the answer
    base: Digest
    noise: NoiseTerms | None = None
    stage: Stage | None = None  # of sums of whole numbers; None: the answer is a model


@dataclass(frozen=True)
class MakeOpening:
    """Gather this member's shares that open the settled sum of `members`; of no other sum of these
    keys, ever. -> OpeningMade"""

    keying: Keying
    revision: int
    dealt: tuple[DealtShares, ...]
    members: tuple[MemberId, ...]


@dataclass(frozen=True)
class Unmask:
    """Compute the model from the settled sum and the shares that open it. -> MergeDone"""

    keying: Keying
    revision: int
    dealt: tuple[MemberId, ...]
    members: tuple[MemberId, ...]
    openings: tuple[tuple[MemberId, str], ...]
    scale: FixedPoint
    weight: int  # of all members in the sum
    total: Digest
    base: Digest
    layout: Digest  # of the model, or of the sums
    stage: Stage | None = None  # of sums of whole numbers; None: the sum is of models


@dataclass(frozen=True)
class Wake:
    """Decide again at this time (ms) even if nothing happens before."""

    at_ms: int


MaskEffect: TypeAlias = MakeKeys | MakeDealing | CheckShare | MaskOwn | MakeOpening | Unmask
Effect: TypeAlias = (
    Submit
    | Pull
    | Check
    | Merge
    | Sync
    | Audit
    | RecomputeChunk
    | ApplyChange
    | Join
    | Offer
    | Watch
    | SendReceipt
    | MaskEffect
    | Wake
)
