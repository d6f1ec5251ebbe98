"""Records of a study: its terms, and the models that its rounds have settled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from swarmhub.contract.records.declaration import Declaration
from swarmhub.contract.records.merged import Change, SettledShard
from swarmhub.contract.records.privacy import Privacy
from swarmhub.contract.records.stages import MergeRule, Stage
from swarmhub.contract.state import Table
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Metric:
    """The metric that decides which model is best."""

    name: str = "auc"
    goal: Literal["max", "min"] = "max"


Wire = Literal["float32", "bf16", "int8"]


@dataclass(frozen=True)
class StartModel:
    """A released model of another study on this ledger."""

    study: str
    model: Digest


@dataclass(frozen=True)
class Spec:
    """A study's terms, which every member approves by their digest. Times in ms, sizes in bytes."""

    name: str  # the study's id: 1 to 40 of a-z, 0-9 and '-', with no '-' at either end
    rounds: int = 0  # rounds in which parameters are merged, in a study without `stages`
    min_peers: int = 0  # a round closes with no fewer contributions
    title: str = ""
    statistics: bool = False  # merge preprocessing statistics first, in a study without `stages`
    quorum_grace_ms: int = 30_000  # wait for the rest of the roster after min_peers have come
    leader_timeout_ms: int = 20_000  # base of a leader's time; bytes / rate come on top
    transfer_bytes_per_s: int = 10_000_000  # the slowest link for which a leader's time suffices
    merge: MergeRule = field(default_factory=MergeRule)
    metric: Metric = field(default_factory=Metric)
    audit: Literal["drawn", "full"] = "drawn"  # which parts of a merge auditors recompute
    privacy: Privacy = field(default_factory=Privacy)
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
    stages: tuple[Stage, ...] = ()  # instead of `rounds`, `statistics` and `merge`
    data: Declaration | None = None  # what each hospital brings, and how it is read
    approvals_expire_ms: int = 0  # block time that an approval holds; 0: until the study is over
    start_from: StartModel | None = None  # instead of a round of the first `initial` stage
    required: tuple[MemberId, ...] = ()  # no round that they take part in settles without them
    wire: Wire = "float32"  # what training rounds send: whole models, or changes in few bytes
    shards: int = 0  # parts of a model that is merged, each by a leader; 0: one for each member


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
    stage: str = ""
    turn: int = 1  # round of the stage, from 1
    met: bool = False  # the stage's test holds (`Stage.until`)
    change: Change | None = None  # if members sent changes of `base`, and not models
    shards: tuple[SettledShard, ...] = ()  # if it was merged in parts; leader: of the last part


@dataclass(frozen=True)
class Result:
    """The settled result of a stage that makes no model: documents, sums or counts."""

    number: int  # of the round
    turn: int  # round of the stage, from 1
    digest: Digest
    nbytes: int
    layout: Digest
    leader: MemberId
    is_last: bool = False  # the stage is over
    met: bool = False  # its test holds (`Stage.until`)


@dataclass(frozen=True)
class Score:
    """Weighted mean metrics (micro-units) of one model over the members that evaluated it."""

    digest: Digest
    samples: int  # on which it was measured, as the members stated them
    weight: int  # in the mean: of each member at most the samples that it declared at enrolment
    metrics: dict[str, int]
    members: tuple[MemberId, ...] = ()  # that measured it by the study's metric, ascending


@dataclass(frozen=True)
class LastSettled:
    """The newest round that was settled with a contribution of `member`, and its block's time.
    `took_ms` is the time from the beginning of the collection to that contribution."""

    member: MemberId
    number: int
    time_ms: int
    stage: int = 0  # index
    turn: int = 1  # round of the stage
    took_ms: int = 0


@dataclass(frozen=True)
class Position:
    """A round of the study: its number, its stage (an index), and its turn in the stage. If it was
    open before, `term` and `revision` are beyond those that it had: signatures of then are of no
    use to it."""

    number: int = 1
    stage: int = 0
    turn: int = 1
    term: int = 0
    revision: int = 0


@dataclass(frozen=True)
class Paused:
    """A pause: the member that has paused a study, and why."""

    by: MemberId
    reason: str = ""


@dataclass(frozen=True)
class Study:
    """The present state of a study."""

    name: str
    spec: Digest
    proposer: MemberId
    status: Literal["proposed", "running", "suspended", "finished", "expired"] = "proposed"
    approved: tuple[MemberId, ...] = ()
    refused: tuple[MemberId, ...] = ()
    enrolled: tuple[Enrolment, ...] = ()
    ready: tuple[MemberId, ...] = ()  # joined since the open round's roster closed
    settled: tuple[LastSettled, ...] = ()  # of each enrolled member that has had one, by id
    current: Model | None = None  # newest settled parameters: training goes on from here
    best: Model | None = None  # among the models that all `scorers` have measured
    best_score: Score | None = None
    scorers: tuple[MemberId, ...] = ()  # enrolled, have measured a model since the newest start
    released: tuple[Model, ...] = ()
    lineage: Digest = ""  # hash chain over all settled models
    resumes: Position | None = None  # the next round of a study that is suspended
    approved_ms: tuple[int, ...] = ()  # block times of `approved`, ascending, if approvals lapse
    paused: Paused | None = None  # of a study that its proposer has suspended

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

    def took_ms_of(self, member: MemberId, stage: int) -> int:
        """Return how long the member's last settled contribution took, if it was to this stage; 0
        if that is not known."""
        last = self.last_settled_of(member)
        return last.took_ms if last is not None and last.stage == stage else 0


STUDY = Table("study", Study)
SPEC = Table("spec", Spec)
RESULT = Table("result", Result)  # by study and stage
