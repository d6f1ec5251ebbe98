"""Frozen records of the state, and the path of each.

Everything here is bounded by members and running studies: history (decided motions, settled rounds)
leaves the state as events and lives on in `Study.lineage`, a hash chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.contract.state import Reader, Table
from swarmhub.types import Digest, MemberId, PublicKey, Signature

CONTRACT_VERSION = 1
MAX_STRIKES = 2  # a Byzantine member cannot go on for ever, and one accident is forgiven


@dataclass(frozen=True)
class Card:
    """A hospital's keys, name and addresses; signed by its account key, so nobody can alter it."""

    name: str
    account: PublicKey  # signs transactions and receipts
    tls: str  # self-signed certificate, DER in hex: the only trust anchor for this member
    consensus: PublicKey  # signs blocks on ledgers that have validators
    address: str  # host:port of the node's peer port; @host:port of relays if it is behind these
    ledger: str = ""  # ID@host:port of its ledger's peer port, on ledgers that have peers
    signature: Signature = ""


@dataclass(frozen=True)
class Genesis:
    """Block 0: the founders of the consortium. Its digest is part of the chain id."""

    name: str
    founders: tuple[Card, ...]
    time_ms: int
    horizon_ms: int = 3_600_000  # how far ahead a transaction may expire
    vote_period_ms: int = 30 * 86_400_000  # a motion lapses after 30 days
    max_members: int = 64
    contract_version: int = CONTRACT_VERSION


@dataclass(frozen=True)
class InheritedState:
    """The beginning of a restarted consortium (see `inheritance`)."""

    chain: str  # the halted one
    height: int
    app_hash: Digest  # root of `state`
    survivors: tuple[MemberId, ...]  # ascending
    state: str  # {path: text} as JSON: that chain's state, without its replay protection
    signatures: tuple[Signature, ...] = ()  # of the survivors, in their order


@dataclass(frozen=True)
class ForkGenesis(Genesis):
    """Block 0 of a consortium that goes on from another chain's state. It has no founders; the
    constants are those of the state."""

    inherits: InheritedState = InheritedState("", 0, "", (), "")


def read_genesis_json(value: Json) -> Genesis:
    """Return a genesis of either kind; Malformed if it is neither."""
    revived = isinstance(value, dict) and "inherits" in value
    return codec.from_json(ForkGenesis if revived else Genesis, value)


@dataclass(frozen=True)
class Chain:
    """The consortium's constants and counters."""

    chain_id: str
    name: str
    contract_version: int
    horizon_ms: int
    vote_period_ms: int
    max_members: int
    active: tuple[MemberId, ...] = ()
    running: tuple[str, ...] = ()  # studies that have an open round
    next_member: int = 1
    next_motion: int = 1


@dataclass(frozen=True)
class Member:
    """A hospital. The id never changes; keys may (rotation)."""

    id: MemberId
    name: str
    account: PublicKey
    tls: str
    consensus: PublicKey
    address: str
    ledger: str = ""
    status: Literal["active", "left", "removed"] = "active"
    power: int = 0  # votes in block agreement; 0 until its node has caught up
    rotated: int = 0  # the block that has its newest keys; the former keys sign the next one


@dataclass(frozen=True)
class Invitation:
    """A single-use right to apply. The token is a private key; the ledger has its public half."""

    sponsor: MemberId
    expires_ms: int


@dataclass(frozen=True)
class Motion:
    """An open vote (see `motions` for its electors)."""

    id: int
    kind: Literal["admit", "remove", "release"]
    by: MemberId  # the mover; of an application, the member that made the invitation
    applicant: Card | None = None
    member: MemberId = 0
    study: str = ""
    model: Digest = ""
    ayes: tuple[MemberId, ...] = ()
    nays: tuple[MemberId, ...] = ()
    waits: str = ""  # why the applicant cannot be admitted yet although it has the votes


@dataclass(frozen=True)
class Motions:
    """Ids of the open motions."""

    open: tuple[int, ...] = ()


@dataclass(frozen=True)
class MovedRelease:
    """A model that the member has moved to release: a copy of its record in the state."""

    study: str
    model: Digest
    nbytes: int


@dataclass(frozen=True)
class Holdings:
    """A member's part of the state, as its quotas count it (see `quotas`)."""

    invitations: tuple[PublicKey, ...] = ()
    motions: tuple[int, ...] = ()  # without removals
    proposals: tuple[str, ...] = ()  # studies that nobody has started
    studies: tuple[str, ...] = ()  # and those that run or are over
    enrolments: tuple[str, ...] = ()  # studies in which it takes part, or has taken part
    releases: tuple[MovedRelease, ...] = ()


@dataclass(frozen=True)
class MergeRule:
    """A rule that merges contributions into one model (package `merge` has the arithmetic)."""

    name: Literal["weighted_mean", "coordinate_median", "trimmed_mean", "geometric_median"] = (
        "weighted_mean"
    )
    trim_permille: int = 100

    @property
    def is_chunk_local(self) -> bool:
        """Whether a merged chunk depends only on the same chunk of each contribution."""
        return self.name != "geometric_median"


@dataclass(frozen=True)
class Metric:
    """The metric that decides which model is best."""

    name: str = "auc"
    goal: Literal["max", "min"] = "max"


@dataclass(frozen=True)
class Spec:
    """A study's terms, which every member approves by their digest. Times in ms, sizes in bytes."""

    name: str  # the study's id: 1 to 40 of a-z, 0-9 and '-', with no '-' at either end
    rounds: int  # rounds in which parameters are merged
    min_peers: int  # a round closes with no fewer contributions
    title: str = ""
    statistics: bool = False  # merge preprocessing statistics before the first round
    quorum_grace_ms: int = 30_000  # wait for the rest of the roster after min_peers have come
    leader_timeout_ms: int = 20_000  # base of a leader's time; bytes / rate come on top
    transfer_bytes_per_s: int = 10_000_000  # the slowest link for which a leader's time suffices
    merge: MergeRule = field(default_factory=MergeRule)
    metric: Metric = field(default_factory=Metric)
    audit: Literal["drawn", "full"] = "drawn"  # which parts of a merge auditors recompute
    privacy: Literal["plain"] = "plain"
    sync_every: str = "1 epoch"  # batches or epochs between merges; for the trainers
    optimizer: Literal["keep", "reset"] = "reset"  # local optimiser state at a merge
    keep_local: tuple[str, ...] = ()  # name patterns of arrays that stay at home
    max_bytes: int = 4_000_000_000  # a contribution is refused above this
    expires_ms: int = 0  # block time after which nothing runs; 0: when all rounds are done
    layout: Digest = ""  # model layout; "" lets the initial round fix it
    code: Digest = ""  # training code
    data_schema: str = ""  # the form of each site's data, in words or as a digest
    ethics: Digest = ""  # ethics or data-use document
    seed: int = 0
    options: dict[str, str] = field(default_factory=dict)  # for the trainers


@dataclass(frozen=True)
class Enrolment:
    """A member's part in a study; a contribution never weighs more than `samples`."""

    member: MemberId
    samples: int


@dataclass(frozen=True)
class Share:
    """One member's part in a settled model."""

    member: MemberId
    weight: int
    digest: Digest


@dataclass(frozen=True)
class Model:
    """A settled model and its origin."""

    study: str
    number: int
    kind: str
    digest: Digest
    nbytes: int
    layout: Digest
    base: Digest
    spec: Digest
    rule: str
    leader: MemberId
    term: int
    revision: int
    shares: tuple[Share, ...]
    receipts: tuple[MemberId, ...]


@dataclass(frozen=True)
class Score:
    """Weighted mean metrics (micro-units) of one model over the members that evaluated it."""

    digest: Digest
    samples: int  # on which it was measured, as the members stated them
    weight: int  # in the mean: of each member at most the samples that it declared at enrolment
    metrics: dict[str, int]


@dataclass(frozen=True)
class LastSettled:
    """The newest round that was settled with a contribution of `member`, and its block's time."""

    member: MemberId
    number: int
    time_ms: int


@dataclass(frozen=True)
class Study:
    """The present state of a study."""

    name: str
    spec: Digest
    proposer: MemberId
    status: Literal["proposed", "running", "finished", "expired"] = "proposed"
    approved: tuple[MemberId, ...] = ()
    refused: tuple[MemberId, ...] = ()
    enrolled: tuple[Enrolment, ...] = ()
    ready: tuple[MemberId, ...] = ()  # joined since the open round's roster closed
    settled: tuple[LastSettled, ...] = ()  # of each enrolled member that has had one, by id
    statistics: Model | None = None  # merged preprocessing statistics
    current: Model | None = None  # newest settled parameters: training goes on from here
    best: Model | None = None
    best_score: Score | None = None
    released: tuple[Model, ...] = ()
    lineage: Digest = ""  # hash chain over all settled models

    @property
    def is_over(self) -> bool:
        """Whether no round of it will ever open again."""
        return self.status in ("finished", "expired")

    def samples_of(self, member: MemberId) -> int | None:
        """Return the samples declared at enrolment; None for a member that is not enrolled."""
        return next((e.samples for e in self.enrolled if e.member == member), None)

    def last_settled_of(self, member: MemberId) -> LastSettled | None:
        """Return the member's last settled contribution; None before its first."""
        return next((s for s in self.settled if s.member == member), None)


@dataclass(frozen=True)
class Evaluation:
    """Metrics in micro-units of the model `digest`, over `samples` of the member's own."""

    digest: Digest
    samples: int
    metrics: dict[str, int] = field(hash=False)


@dataclass(frozen=True)
class Contribution:
    """One member's parameters for one round (in an evaluation round: metrics only)."""

    member: MemberId
    digest: Digest
    nbytes: int
    layout: Digest
    weight: int
    evaluations: tuple[Evaluation, ...] = ()


@dataclass(frozen=True)
class Report:
    """A report by `reporter` that `member`'s contribution cannot be had, or cannot be merged."""

    kind: Literal["unavailable", "invalid"]
    reporter: MemberId
    member: MemberId


@dataclass(frozen=True)
class Answer:
    """The hash `leaf` of a merged chunk as `member` recomputed it."""

    member: MemberId
    leaf: Digest


@dataclass(frozen=True)
class OpenDispute:
    """The open dispute: `leader` offers `digest`; the leaf of its chunk `chunk` is `claimed`;
    others recompute it."""

    digest: Digest
    leader: MemberId
    chunk: int
    claimed: Digest
    by: MemberId
    answers: tuple[Answer, ...]  # the accuser's is the first


@dataclass(frozen=True)
class FormerAccount:
    """The key with which `member` signed before a rotation."""

    member: MemberId
    account: PublicKey


@dataclass(frozen=True)
class Round:
    """The open round of a study."""

    study: str
    number: int
    kind: str
    phase: str
    roster: tuple[MemberId, ...]
    base: Digest = ""
    opened_ms: int = 0  # time of the block that opened it
    min_peers: int = 1  # it closes with no fewer contributions: follows from the terms and enrolled
    enrolled: tuple[MemberId, ...] = ()  # f is computed from these
    revision: int = 0  # of the set of contributions
    term: int = 0  # index of the leadership attempt; never decreases within a round
    since_term: int = 0  # the first term of this revision: earlier ones led another set
    contributions: tuple[Contribution, ...] = ()  # by member id
    grace: Literal["", "running", "over"] = ""
    suspects: tuple[MemberId, ...] = ()  # of this term's leader
    reports: tuple[Report, ...] = ()  # of this revision
    strikes: tuple[MemberId, ...] = ()  # members with a contribution that was invalid, or went
    dispute: OpenDispute | None = None  # of this revision
    false_leaders: tuple[MemberId, ...] = ()  # merged falsely, or fled a dispute: they lead no more
    unfounded: tuple[
        MemberId, ...
    ] = ()  # members with a dispute that was dismissed: they open no more
    former_accounts: tuple[FormerAccount, ...] = ()  # of this revision, of its leaders

    @property
    def contributors(self) -> tuple[MemberId, ...]:
        return tuple(c.member for c in self.contributions)

    @property
    def suspended(self) -> frozenset[MemberId]:
        """Members that have to wait for a leader's time before they may join this round again."""
        return frozenset(m for m in self.strikes if self.strikes.count(m) >= MAX_STRIKES)

    def contribution_of(self, member: MemberId) -> Contribution | None:
        return next((c for c in self.contributions if c.member == member), None)


@dataclass(frozen=True)
class RoundRef:
    """The subject of a round transaction; refused when the round has moved on."""

    study: str
    number: int
    phase: str
    revision: int
    term: int

    @classmethod
    def of(cls, r: Round) -> RoundRef:
        return cls(r.study, r.number, r.phase, r.revision, r.term)

    def __str__(self) -> str:
        return (
            f"round {self.number} {self.phase[:20]} (revision {self.revision}, "
            f"term {self.term}) of '{self.study[:40]}'"
        )


@dataclass(frozen=True)
class Receipt:
    """A statement by `member` that it holds these bytes as the merged model of this revision."""

    member: MemberId
    signature: Signature


@dataclass(frozen=True)
class Deadline:
    """A time at which the contract acts; `due_ms` is block time, 0 until a block has stamped it."""

    key: str
    duration_ms: int
    due_ms: int = 0


@dataclass(frozen=True)
class DeadlineKeys:
    """Keys of the deadlines that are due in one minute, or that wait to be stamped."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class DueMinutes:
    """Minutes of block time in which something is due (deadlines), or in which remembered
    transactions expire (at most the horizon's), ascending."""

    minutes: tuple[int, ...] = ()


@dataclass(frozen=True)
class KeyOwner:
    """The member that has an account key."""

    member: MemberId


@dataclass(frozen=True)
class DoubleSign:
    """A member's consensus key that has signed two blocks of one height: it has no vote any more;
    the member's next one has."""

    key: PublicKey
    height: int


@dataclass(frozen=True)
class FormerKey:
    """A consensus key that a member has replaced."""

    key: PublicKey
    replaced: int  # the block; 0: on another chain, before a restart
    double_signed: int = 0  # height at which it signed two blocks; 0: none known
    late: bool = False  # that became known after the key had been replaced


@dataclass(frozen=True)
class FormerKeys:
    """Consensus keys that a member has replaced, the last ones, oldest first."""

    keys: tuple[FormerKey, ...] = ()


CHAIN = Table("chain", Chain)
MEMBER = Table("member", Member)
KEY_OWNER = Table("key", KeyOwner)
INVITATION = Table("invitation", Invitation)
MOTION = Table("motion", Motion)
MOTIONS = Table("motions", Motions)
HOLDINGS = Table("holdings", Holdings)  # by member
STUDY = Table("study", Study)
SPEC = Table("spec", Spec)
ROUND = Table("round", Round)
DOUBLE_SIGN = Table("double_sign", DoubleSign)  # by member, of its present key
FORMER_KEYS = Table("former_keys", FormerKeys)  # by member
DUE = Table("expiring", DueMinutes)
DEADLINE = Table("deadline", Deadline)
DUE_KEYS = Table("deadlines", DeadlineKeys)  # by minute
DEADLINE_MINUTES = Table("deadline-minutes", DueMinutes)
UNSTAMPED = Table("unstamped", DeadlineKeys)


def get_chain(state: Reader) -> Chain:
    """Return the consortium's record."""
    return CHAIN.need(state)


def get_members(state: Reader) -> list[Member]:
    """Return the active members by id."""
    return [MEMBER.need(state, m) for m in get_chain(state).active]


def get_double_sign(state: Reader, member: Member) -> DoubleSign | None:
    """Return the evidence against a member's present consensus key, if any."""
    found = DOUBLE_SIGN.get(state, member.id)
    return found if found is not None and found.key == member.consensus else None


def get_former_keys(state: Reader, member: MemberId) -> tuple[FormerKey, ...]:
    """Return the consensus keys that the member has replaced and that are remembered, oldest
    first."""
    found = FORMER_KEYS.get(state, member)
    return found.keys if found else ()


def get_member_of_key(state: Reader, account: PublicKey) -> Member | None:
    """Return the active member with this account key."""
    found = KEY_OWNER.get(state, account)
    return None if found is None else MEMBER.need(state, found.member)


def get_names(state: Reader) -> dict[MemberId, str]:
    """Return the name of every member, departed ones included, by id."""
    found = {i: MEMBER.get(state, i) for i in range(1, get_chain(state).next_member)}
    return {i: member.name for i, member in found.items() if member}
