"""A node's local state for one study: everything it knows that the ledger does not.

Only `held`, `prepared`, `masked`, `signed` and `obtained` outlive a crash (they are on disk); all
else is learnt again. Observations are facts: `learn` records them, `decide` draws the conclusions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from swarmhub.contract.transactions import Contribute, Dispute, Ready, Settle
from swarmhub.protocol.observations import (
    Accepted,
    AnswerRefused,
    Audited,
    BlobStored,
    CheckedBad,
    CheckedGood,
    ChunkRecomputed,
    DealingMade,
    ExcerptUnavailable,
    FetchedBlobs,
    KeysMade,
    MasksSpent,
    MergeDone,
    ModelComputed,
    Observation,
    Offered,
    OpeningMade,
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
    ShareChecked,
    Signed,
    Synced,
    TransactionRefused,
)
from swarmhub.types import Digest, MemberId, Signature


@dataclass(frozen=True)
class Timeouts:
    """Times (ms) for which a node waits before it reports that another is gone.

    A broken connection is retried after `retry_ms`; a member that stays unreachable is suspected
    (as leader) or reported (as holder of a contribution) after these times since the first failure.
    Both are far below the contract's own timeouts, which catch members that hang silently.
    """

    retry_ms: int = 100
    suspect_ms: int = 300
    unavailable_ms: int = 500
    audit_ms: int = 400  # a drawn auditor may be gone: after this, the others audit too
    forget_ms: int = 10_000  # failures further apart are not one outage (pauses are shorter)
    again_ms: int = 500  # until an excluded contribution is sent again; doubles each time
    poke_step_ms: int = 250  # members poke one after the other, so that one usually suffices


def is_final(body: Any, code: str) -> bool:
    """Return whether the same body would be refused with this code again, as long as its round does
    not change."""
    passing = ("Expired", "Disputed", "BlockQuotaExceeded")
    return code not in passing and not (isinstance(body, Dispute) and code == "AlreadyDone")


@dataclass
class Failures:
    """Consecutive failures of one thing."""

    first_ms: int
    last_ms: int
    count: int = 1


@dataclass
class MaskState:
    """A node's own work for the masks of rounds; all follows again from its secrets
    and the ledger."""

    keys: dict[tuple[int, int], KeysMade] = field(default_factory=dict)  # by round and keying
    dealings: dict[tuple[int, int], DealingMade] = field(default_factory=dict)
    checked: dict[tuple[int, int, MemberId], str] = field(default_factory=dict)  # and dealer
    spent: set[tuple[int, int]] = field(default_factory=set)  # rounds and keyings
    openings: dict[tuple[int, int], str] = field(default_factory=dict)  # by round and revision

    def learn(
        self, event: KeysMade | DealingMade | ShareChecked | MasksSpent | OpeningMade
    ) -> None:
        """Record an observation."""
        match event:
            case KeysMade():
                self.keys[event.number, event.keying] = event
            case DealingMade():
                self.dealings[event.number, event.keying] = event
            case ShareChecked(number, keying, dealer, complaint):
                self.checked[number, keying, dealer] = complaint
            case MasksSpent(number, keying):
                self.spent.add((number, keying))
            case OpeningMade():
                self.openings[event.number, event.revision] = event.shares

    def forget_before(self, number: int) -> None:
        """Drop what belongs to rounds that are settled."""
        self.keys = {k: v for k, v in self.keys.items() if k[0] >= number}
        self.dealings = {k: v for k, v in self.dealings.items() if k[0] >= number}
        self.checked = {k: v for k, v in self.checked.items() if k[0] >= number}
        self.spent = {k for k in self.spent if k[0] >= number}
        self.openings = {k: v for k, v in self.openings.items() if k[0] >= number}


@dataclass
class LocalState:
    """The local state of one study at one node. `held` may be shared between studies; `obtained` is
    what was pulled for this one."""

    study: str
    me: MemberId
    held: set[Digest] = field(default_factory=set)
    obtained: FetchedBlobs = field(default_factory=FetchedBlobs)
    prepared: PreparedContribution | None = None
    answer_refused: str = ""  # why the contract refused the trainer's last answer
    attached: bool = False  # a trainer is connected
    timeouts: Timeouts = field(default_factory=Timeouts)
    # by round, revision and shard
    merged: dict[tuple[int, int, int], MergeDone] = field(default_factory=dict)
    computed: dict[tuple[Digest, Digest], Digest] = field(default_factory=dict)  # change and base
    synced: set[Digest] = field(default_factory=set)
    offers: dict[tuple[int, int, int, MemberId], Offered] = field(default_factory=dict)
    receipts: dict[tuple[int, int, int, Digest], dict[MemberId, Signature]] = field(
        default_factory=dict
    )
    receipted: set[tuple[int, int, int, MemberId]] = field(default_factory=set)
    lost: dict[MemberId, Failures] = field(default_factory=dict)
    failed: dict[Digest, Failures] = field(default_factory=dict)
    bad: dict[tuple[Digest, int], str] = field(default_factory=dict)  # digest and weight
    good: set[tuple[Digest, int]] = field(default_factory=set)
    refused: set[Any] = field(default_factory=set)
    contributed: dict[int, Failures] = field(default_factory=dict)  # by round: how often, last when
    pulling: dict[Digest, int] = field(default_factory=dict)  # since when (ms)
    arrived: dict[Digest, int] = field(default_factory=dict)  # when (ms) a blob was stored
    audits: dict[tuple[int, int, int, Digest], Audited] = field(default_factory=dict)
    lacking: set[tuple[int, int, MemberId]] = field(default_factory=set)
    examined: dict[tuple[int, int, int, int], Digest] = field(default_factory=dict)
    drawn: dict[tuple[int, int, int, Digest], tuple[int, ...]] = field(
        default_factory=dict
    )  # secret
    mistrusted: Counter[MemberId] = field(default_factory=Counter)  # by refused receipts
    signed: Signed = field(default_factory=Signed)
    poked_ms: int = 0
    masked: OwnMasked | None = None
    masks: MaskState = field(default_factory=MaskState)

    def learn(self, event: Observation, now_ms: int) -> None:
        """Record an observation."""
        match event:
            case BlobStored(digest):
                self.held.add(digest)
                self.arrived.setdefault(digest, now_ms)
                self.failed.pop(digest, None)
                self.pulling.pop(digest, None)
            case PullStarted(digest):
                self.pulling.setdefault(digest, now_ms)
            case PullStopped(digest):
                self.pulling.pop(digest, None)
            case PullFailed(digest, _, lasted_ms):
                self._count(self.failed, digest, now_ms)
                if lasted_ms >= self.timeouts.unavailable_ms:  # counts as two quick refusals
                    self.failed[digest].first_ms -= lasted_ms
                    self.failed[digest].count += 1
            case CheckedGood(digest, weight):
                self.good.add((digest, weight))
            case CheckedBad(digest, why, weight):
                self.bad[digest, weight] = why
            case MergeDone(number, revision, digest):
                self.held.add(digest)
                self.merged[number, revision, event.shard] = event
            case ModelComputed(change, base, digest):
                self.held.add(digest)
                self.computed[change, base] = digest
            case Synced(digest):
                self.synced.add(digest)
            case Offered(leader, number, revision):
                # a later offer of the same leader was made in the light of reactions to the first
                self.offers.setdefault((number, revision, event.shard, leader), event)
                self.lost.pop(leader, None)
            case ReceiptCame(number, revision, digest, member, signature):
                key = (number, revision, event.shard, digest)
                self.receipts.setdefault(key, {})[member] = signature
            case ReceiptSent(leader, number, revision, shard):
                self.receipted.add((number, revision, shard, leader))
            case Audited(number, revision, digest):
                self.audits[number, revision, event.shard, digest] = event
            case ExcerptUnavailable(number, revision, member):
                self.lacking.add((number, revision, member))
            case ChunkRecomputed(number, revision, chunk, leaf, shard):
                self.examined[number, revision, shard, chunk] = leaf
            case PeerLost(member):
                self._count(self.lost, member, now_ms)
                # it may have forgotten our receipts
                self.receipted = {k for k in self.receipted if k[3] != member}
            case PeerFound(member):
                self.lost.pop(member, None)
            case Poked():
                self.poked_ms = now_ms
            case TransactionRefused(body):
                self.refused.add(body)
                if isinstance(body, Settle):  # a signer's key may have changed since
                    self.mistrusted.update(receipt.member for receipt in body.receipts)
            case Accepted(body):
                if isinstance(body, Contribute):
                    self._count(self.contributed, body.ref.number, now_ms)
            case AnswerRefused(why):
                self.prepared, self.answer_refused = None, why
            case PreparedContribution():
                self.prepared, self.answer_refused = event, ""
                # in the initial round a corrected trainer may bring another form than it offered
                self.merged = {k: m for k, m in self.merged.items() if m.layout == event.layout}
            case Signed():
                self.signed = event
            case FetchedBlobs():
                self.obtained = event
            case OwnMasked():
                self.held.add(event.digest)
                self.masked = event
            case KeysMade() | DealingMade() | ShareChecked() | MasksSpent() | OpeningMade():
                self.masks.learn(event)

    def take_back(self) -> None:
        """Forget the trainer's answer, and the offers of another form: their leaders may have been
        corrected as well, and are asked again."""
        if self.prepared is not None:
            form, self.prepared = self.prepared.layout, None
            self.offers = {k: o for k, o in self.offers.items() if o.layout == form}

    def is_bad(self, digest: Digest, weight: int = 0) -> bool:
        """Return whether a contribution with this weight, or an offer (weight 0), was found bad."""
        return (digest, weight) in self.bad

    def is_good(self, digest: Digest, weight: int = 0) -> bool:
        """Return whether it was checked and found good."""
        return (digest, weight) in self.good

    def forget_before(self, number: int) -> None:
        """Drop the state of rounds that are settled."""
        self.merged = {k: v for k, v in self.merged.items() if k[0] >= number}
        self.offers = {k: v for k, v in self.offers.items() if k[0] >= number}
        self.receipts = {k: v for k, v in self.receipts.items() if k[0] >= number}
        self.receipted = {k for k in self.receipted if k[0] >= number}
        self.audits = {k: v for k, v in self.audits.items() if k[0] >= number}
        self.lacking = {k for k in self.lacking if k[0] >= number}
        self.examined = {k: v for k, v in self.examined.items() if k[0] >= number}
        self.drawn = {k: v for k, v in self.drawn.items() if k[0] >= number}
        self.mistrusted.clear()
        self.contributed = {k: v for k, v in self.contributed.items() if k >= number}
        self.masks.forget_before(number)
        self.arrived.clear()
        self.pulling.clear()
        self.lost.clear()
        self.failed.clear()
        self.bad.clear()
        self.good.clear()
        self.computed.clear()
        self.synced.clear()
        self.refused.clear()
        self.answer_refused = ""
        if self.prepared is not None and self.prepared.number < number:
            self.prepared = None
        if self.masked is not None and self.masked.number < number:
            self.masked = None

    def begin_revision(self) -> None:
        """Begin a new revision: a member was excluded, and slow transfers may have been its fault;
        or one is reinstated, and may be ready."""
        self.pulling.clear()
        self.failed.clear()
        self.refused = {body for body in self.refused if not isinstance(body, Ready)}

    def _count(self, book: dict[Any, Failures], key: Any, now_ms: int) -> None:
        found = book.get(key)
        if found is None or now_ms - found.last_ms > self.timeouts.forget_ms:
            book[key] = Failures(now_ms, now_ms)
        else:
            found.last_ms = now_ms
            found.count += 1
