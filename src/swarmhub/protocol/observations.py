"""Observations: results of effects, and all else that a node has seen happen.

They are facts and values; `LocalState.learn` records them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

from swarmhub.contract.records import Evaluation, Provenance
from swarmhub.types import Digest, MemberId, Signature


@dataclass(frozen=True)
class PreparedContribution:
    """The trainer's answer to a round, checked and on disk before it goes to the ledger."""

    number: int
    base: Digest
    digest: Digest  # of the blob; its root, length and layout
    root: Digest
    nbytes: int
    layout: Digest
    weight: int
    evaluations: tuple[Evaluation, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    roots: tuple[Digest, ...] = ()  # of its smallest parts


@dataclass(frozen=True)
class OfRound:
    """Blobs of one round that a node remembers over a crash."""

    number: int = 0
    digests: tuple[Digest, ...] = ()

    def and_(self, number: int, digest: Digest) -> Self:
        """Return a copy with one more blob; those of an earlier round are dropped."""
        before = self.digests if number == self.number else ()
        return replace(self, number=number, digests=tuple(dict.fromkeys([*before, digest])))


@dataclass(frozen=True)
class Signed(OfRound):
    """Merges for which this node has sent a receipt, on disk before it is sent: their leaders may
    settle them later, and this may be the only copy."""


@dataclass(frozen=True)
class FetchedBlobs(OfRound):
    """Contributions that were pulled for this study. Without this record a node that restarts would
    hold them and could not give them to the auditors of its merge."""


@dataclass(frozen=True)
class OwnMasked:
    """The trainer's answer under the masks of one keying, on disk with its record. `source` is the
    answer's digest: no other answer is ever masked with these keys."""

    number: int
    keying: int
    source: Digest
    digest: Digest
    root: Digest
    nbytes: int
    layout: Digest
    weight: int
    provenance: Provenance = field(default_factory=Provenance)
    roots: tuple[Digest, ...] = ()  # of its smallest parts


@dataclass(frozen=True)
class KeysMade:
    number: int
    keying: int
    pair: str  # public keys, hex
    seal: str


@dataclass(frozen=True)
class DealingMade:
    number: int
    keying: int
    dealing: str  # base64
    sealed: str


@dataclass(frozen=True)
class ShareChecked:
    """A dealer's share for this member was checked. `complaint` proves that it is false (base64);
    "" for a right one."""

    number: int
    keying: int
    dealer: MemberId
    complaint: str


@dataclass(frozen=True)
class MasksSpent:
    """This node cannot go on with its keys of a keying: they are lost, or were used for an answer
    that is lost."""

    number: int
    keying: int


@dataclass(frozen=True)
class OpeningMade:
    number: int
    revision: int
    shares: str  # base64


@dataclass(frozen=True)
class BlobStored:
    digest: Digest


@dataclass(frozen=True)
class PullStarted:
    """A pull has begun. If an earlier one failed, the time still counts from the first."""

    digest: Digest


@dataclass(frozen=True)
class PullStopped:
    """A pull has stopped because of this machine: no other member is slow."""

    digest: Digest


@dataclass(frozen=True)
class PullFailed:
    digest: Digest
    why: str
    lasted_ms: int = 0  # long for a member that hangs, short for one that is gone


@dataclass(frozen=True)
class CheckedGood:
    digest: Digest
    weight: int = 0  # stated by a contribution: its bytes may be right with one and not another


@dataclass(frozen=True)
class CheckedBad:
    digest: Digest
    why: str
    weight: int = 0


@dataclass(frozen=True)
class MergeDone:
    number: int
    revision: int
    digest: Digest
    nbytes: int
    layout: Digest
    signature: Signature  # of this node, as the leader that offers it
    met: bool = False  # the stage's test holds
    shard: int = 0
    root: Digest = ""  # of the chunks of a shard; "": the merge is a whole


@dataclass(frozen=True)
class ModelComputed:
    """The model `digest` follows from a change of a base; it is stored."""

    change: Digest
    base: Digest
    digest: Digest


@dataclass(frozen=True)
class Synced:
    """A blob that is held here (a merge of this node, another leader's offer) outlives a power
    cut."""

    digest: Digest


@dataclass(frozen=True)
class Offered:
    leader: MemberId
    number: int
    revision: int
    digest: Digest
    nbytes: int
    layout: Digest
    signature: Signature  # the leader's, checked: it cannot deny the offer
    shard: int = 0


@dataclass(frozen=True)
class Discrepancy:
    """A chunk of a merge is false: its leaf is `claimed`, and should be `leaf`."""

    chunk: int
    leaf: Digest
    claimed: Digest
    path: tuple[Digest, ...]  # proves that `claimed` is in the merge


@dataclass(frozen=True)
class Audited:
    number: int
    revision: int
    digest: Digest
    discrepancy: Discrepancy | None  # None: all that was recomputed is right
    met: bool = False  # the stage's test holds
    shard: int = 0


@dataclass(frozen=True)
class ExcerptUnavailable:
    """Excerpts of a member's contribution cannot be had from it."""

    number: int
    revision: int
    member: MemberId


@dataclass(frozen=True)
class ChunkRecomputed:
    number: int
    revision: int
    chunk: int
    leaf: Digest
    shard: int = 0


@dataclass(frozen=True)
class ReceiptCame:
    number: int
    revision: int
    digest: Digest
    member: MemberId
    signature: Signature
    shard: int = 0


@dataclass(frozen=True)
class ReceiptSent:
    leader: MemberId
    number: int
    revision: int
    shard: int = 0


@dataclass(frozen=True)
class PeerLost:
    member: MemberId


@dataclass(frozen=True)
class PeerFound:
    member: MemberId


@dataclass(frozen=True)
class Poked:
    pass


@dataclass(frozen=True)
class TransactionRefused:
    body: Any


@dataclass(frozen=True)
class AnswerRefused:
    """The contract will never accept the trainer's answer as it is: the trainer is asked again."""

    why: str


@dataclass(frozen=True)
class Accepted:
    body: Any


Observation: TypeAlias = (
    BlobStored
    | PullStarted
    | PullStopped
    | PullFailed
    | CheckedGood
    | CheckedBad
    | MergeDone
    | ModelComputed
    | Synced
    | Offered
    | ReceiptCame
    | ReceiptSent
    | PeerLost
    | PeerFound
    | Poked
    | TransactionRefused
    | Accepted
    | AnswerRefused
    | PreparedContribution
    | Signed
    | FetchedBlobs
    | Audited
    | ExcerptUnavailable
    | ChunkRecomputed
    | OwnMasked
    | KeysMade
    | DealingMade
    | ShareChecked
    | MasksSpent
    | OpeningMade
)
