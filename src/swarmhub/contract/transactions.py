"""Every act that the contract knows, as a frozen record: the bodies of transactions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

from swarmhub import codec, merkle
from swarmhub.contract.records import (
    Card,
    Evaluation,
    Provenance,
    Receipt,
    RoundKeys,
    RoundRef,
    Spec,
)
from swarmhub.types import Digest, MemberId, PublicKey, Signature


class Body(Protocol):
    """The body of a transaction; `KIND` is its name on the wire."""

    KIND: ClassVar[str]


# consortium


@dataclass(frozen=True)
class Invite:
    """Register the public half of a single-use invitation."""

    KIND: ClassVar[str] = "consortium.invite"
    invitation: PublicKey
    expires_ms: int


@dataclass(frozen=True)
class Apply:
    """Ask for admission; signed by the newcomer's own key, proven by the invitation's key."""

    KIND: ClassVar[str] = "consortium.apply"
    card: Card
    invitation: PublicKey
    proof: Signature


@dataclass(frozen=True)
class Vote:
    """Vote for or against an open motion."""

    KIND: ClassVar[str] = "consortium.vote"
    motion: int
    aye: bool


@dataclass(frozen=True)
class Leave:
    """Leave the consortium."""

    KIND: ClassVar[str] = "consortium.leave"


@dataclass(frozen=True)
class Remove:
    """Move to remove a member; the others vote."""

    KIND: ClassVar[str] = "consortium.remove"
    member: MemberId


@dataclass(frozen=True)
class Rotate:
    """Replace keys or address; signed by the old account key, proven by the new one."""

    KIND: ClassVar[str] = "consortium.rotate"
    card: Card
    proof: Signature


@dataclass(frozen=True)
class Revoke:
    """Make the keys of the signer's machine (TLS, engine, consensus, release) void at once, without
    new ones: somebody else may have them. A rotation brings the member back."""

    KIND: ClassVar[str] = "consortium.revoke"


@dataclass(frozen=True)
class Validate:
    """Take part in agreeing on blocks: the signer's node has caught up with the ledger."""

    KIND: ClassVar[str] = "consortium.validate"


@dataclass(frozen=True)
class Announce:
    """Tell which versions of the contract the signer's node has; nodes do so by themselves."""

    KIND: ClassVar[str] = "consortium.announce"
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Upgrade:
    """Move to go on with the next version of the contract, from so many blocks after the one that
    carries the motion."""

    KIND: ClassVar[str] = "consortium.upgrade"
    version: int
    after_blocks: int


# study


@dataclass(frozen=True)
class Propose:
    """Put a study before the members."""

    KIND: ClassVar[str] = "study.propose"
    spec: Spec


@dataclass(frozen=True)
class Amend:
    """Replace the terms of a study that is proposed or suspended (found by the spec's name)."""

    KIND: ClassVar[str] = "study.amend"
    spec: Spec


@dataclass(frozen=True)
class Approve:
    """Allow exactly this spec to run at the signer's hospital."""

    KIND: ClassVar[str] = "study.approve"
    study: str
    spec: Digest


@dataclass(frozen=True)
class Refuse:
    """Forbid this spec at the signer's hospital."""

    KIND: ClassVar[str] = "study.refuse"
    study: str
    spec: Digest
    reason: str = ""


@dataclass(frozen=True)
class Enrol:
    """Take part with so many training samples at most."""

    KIND: ClassVar[str] = "study.enrol"
    study: str
    spec: Digest
    samples: int


@dataclass(frozen=True)
class Withdraw:
    """End the signer's part in the study; an unsettled contribution is void."""

    KIND: ClassVar[str] = "study.withdraw"
    study: str


@dataclass(frozen=True)
class Start:
    """Open the first round; of a suspended study, the round that it resumes with."""

    KIND: ClassVar[str] = "study.start"
    study: str


@dataclass(frozen=True)
class Pause:
    """Suspend a running study: its open round is void; `Start` goes on with that round."""

    KIND: ClassVar[str] = "study.pause"
    study: str
    reason: str = ""


@dataclass(frozen=True)
class Finish:
    """End the study before its last round."""

    KIND: ClassVar[str] = "study.finish"
    study: str


@dataclass(frozen=True)
class Release:
    """Move to release a settled model; the enrolled members vote."""

    KIND: ClassVar[str] = "study.release"
    study: str
    model: Digest


# round


@dataclass(frozen=True)
class Ready:
    """Announce that a trainer is attached at the signer's node; with keys for the masks of the
    round that it can take part in, if that is masked."""

    KIND: ClassVar[str] = "round.ready"
    study: str
    keys: RoundKeys | None = None


@dataclass(frozen=True)
class Contribute:
    """Contribute the signer's parameters (statistics, metrics) to one round. Their digest follows
    from the root of their hash tree with length and layout, so it always belongs to a buffer of
    that form. In an evaluation round there are metrics only: the three are empty. `keys` are those
    for the masks of the next round."""

    KIND: ClassVar[str] = "round.contribute"
    ref: RoundRef
    spec: Digest
    base: Digest
    root: Digest
    nbytes: int
    layout: Digest
    weight: int
    evaluations: tuple[Evaluation, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    keys: RoundKeys | None = None
    parts: tuple[Digest, ...] = ()  # roots of its shards, if the round has several

    @property
    def digest(self) -> Digest:
        """Digest of the blob; "" if there is none."""
        if not codec.is_digest(self.root):
            return ""
        return merkle.blob_digest(self.layout, self.nbytes, bytes.fromhex(self.root))


@dataclass(frozen=True)
class Retract:
    """Take the signer's own contribution back before it is merged."""

    KIND: ClassVar[str] = "round.retract"
    ref: RoundRef


@dataclass(frozen=True)
class Suspect:
    """Report that the leader of this term does not answer."""

    KIND: ClassVar[str] = "round.suspect"
    ref: RoundRef


@dataclass(frozen=True)
class Unavailable:
    """Report that the leader cannot get a member's contribution; it gives up its term by this."""

    KIND: ClassVar[str] = "round.unavailable"
    ref: RoundRef
    member: MemberId


@dataclass(frozen=True)
class Invalid:
    """Report that the signer has checked a member's contribution: it cannot be merged."""

    KIND: ClassVar[str] = "round.invalid"
    ref: RoundRef
    member: MemberId


@dataclass(frozen=True)
class Settle:
    """Settle the merged model of this revision, with receipts of others that hold it. If members
    sent changes, the merged change and the model that follows from it. In a round of several
    shards, one of these, with the root of its chunks."""

    KIND: ClassVar[str] = "round.settle"
    ref: RoundRef
    digest: Digest
    nbytes: int
    layout: Digest
    receipts: tuple[Receipt, ...]
    met: bool = False  # the stage's test holds (`Stage.until`)
    model: Digest = ""  # that follows from a change
    root: Digest = ""  # of a shard


@dataclass(frozen=True)
class Dispute:
    """Report that the leader's signed offer has a chunk that is not the merge of the contributions.

    `claimed` is the chunk's leaf hash, which `path` proves to be in `digest`; `leaf` is the hash of
    the same chunk as the signer recomputed it.
    """

    KIND: ClassVar[str] = "round.dispute"
    ref: RoundRef
    digest: Digest
    nbytes: int
    layout: Digest
    offer: Signature  # the leader's, over the digest
    chunk: int
    claimed: Digest
    path: tuple[Digest, ...]
    leaf: Digest


@dataclass(frozen=True)
class Recompute:
    """Report the signer's own leaf hash of the chunk that the open dispute is about."""

    KIND: ClassVar[str] = "round.recompute"
    ref: RoundRef
    digest: Digest
    chunk: int
    leaf: Digest


# masks of a round


@dataclass(frozen=True)
class Key:
    """Send the signer's public keys for the masks of a round, if they came neither with its last
    contribution nor with `round.ready`."""

    KIND: ClassVar[str] = "round.key"
    study: str
    keys: RoundKeys


@dataclass(frozen=True)
class Deal:
    """Deal the signer's two secrets to all members with keys: the public part of the dealing, and
    a sealed share for each, by id. Both in base64."""

    KIND: ClassVar[str] = "round.deal"
    study: str
    number: int
    keying: int
    dealing: str
    sealed: str


@dataclass(frozen=True)
class Complain:
    """Prove that the share which a dealer has sealed for the signer is not the one that belongs to
    its dealing."""

    KIND: ClassVar[str] = "round.complain"
    study: str
    number: int
    keying: int
    dealer: MemberId
    proof: str  # base64


@dataclass(frozen=True)
class Rekey:
    """Ask for new keys of a masked round: the signer has lost its own, or the answer that it has
    masked with them, and masks are used once."""

    KIND: ClassVar[str] = "round.rekey"
    study: str
    number: int
    keying: int


@dataclass(frozen=True)
class Open:
    """Show the signer's shares (base64, one of each dealer by id) that open the settled sum: of a
    contributor's self mask, of another dealer's pair key."""

    KIND: ClassVar[str] = "round.open"
    ref: RoundRef
    shares: str


@dataclass(frozen=True)
class Poke:
    """Make a block, so that a deadline that has passed can fire."""

    KIND: ClassVar[str] = "round.poke"
    study: str


BODIES: dict[str, type[Any]] = {
    cls.KIND: cls
    for cls in (
        Invite, Apply, Vote, Leave, Remove, Rotate, Revoke, Validate, Announce, Upgrade,
        Propose, Amend, Approve, Refuse, Enrol, Withdraw, Start, Pause, Finish,
        Release,
        Ready, Contribute, Retract, Suspect, Unavailable, Invalid, Settle, Dispute, Recompute,
        Key, Deal, Complain, Rekey, Open,
        Poke,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Computed:
    """What follows from a merge, as the signer of a receipt has computed it: whether the stage's
    test holds, and the model of a settled change."""

    met: bool = False
    model: Digest = ""


NOTHING = Computed()


def receipt_message(
    chain: str,
    ref: RoundRef,
    digest: Digest,
    nbytes: int,
    layout: Digest,
    computed: Computed = NOTHING,
) -> bytes:
    """Return the bytes that a receipt (and a leader's offer) signs: a model in the form that it
    has. Not the term: a correct merge of a revision has one digest. Nor the shard: its digest says
    which it is. A receipt also signs what its
    signer has computed of it; an offer, nothing."""
    met, model = computed.met, computed.model
    said = {"chain": chain, "digest": digest, "layout": layout, "met": met, "nbytes": nbytes,
            "number": ref.number, "revision": ref.revision, "study": ref.study}  # fmt: skip
    return codec.encode({**said, "model": model} if model else said)


def card_message(card: Card) -> bytes:
    """Return the bytes under a card's signature (and a rotation's or an application's proof)."""
    return codec.pack(replace(card, signature=""))
