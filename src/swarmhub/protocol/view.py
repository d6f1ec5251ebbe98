"""The input of a decision, and the one kind of effect that all parts of it have: pulling blobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from swarmhub.contract.deadlines import get_began_ms, get_due_ms
from swarmhub.contract.records import (
    ROUND,
    SPEC,
    STUDY,
    Contribution,
    Round,
    RoundRef,
    Share,
    Spec,
    Stage,
    Study,
)
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.contract.round.shards import Part, make_key
from swarmhub.contract.stages import get_stage
from swarmhub.contract.state import Reader
from swarmhub.protocol.effects import ChangeForm, Effect, Pull, Wake
from swarmhub.protocol.local_state import Failures, LocalState
from swarmhub.types import Digest, MemberId

# until the first byte of an answer: a leader must have time left to report that none came
ANSWER_MS = (500, 4_000)


@dataclass(frozen=True)
class View:
    """One study as the ledger has it, and the node's local state."""

    study: Study
    spec: Spec
    r: Round
    local: LocalState
    now_ms: int
    state: Reader
    part: Part | None = None  # if it is the view of one shard

    @property
    def stage(self) -> Stage:
        return get_stage(self.spec, self.r)

    @property
    def me(self) -> MemberId:
        return self.local.me

    @property
    def term_began_ms(self) -> int | None:
        """Block time at which the term began; None if there is no term, or the next block says
        when."""
        return get_began_ms(self.state, make_key("term", self.r))

    @property
    def term_ends_ms(self) -> int | None:
        return get_due_ms(self.state, make_key("term", self.r))

    @property
    def key(self) -> tuple[int, int, int]:
        """Round, revision and shard."""
        return self.r.number, self.r.revision, self.r.lead.shard

    @property
    def ref(self) -> RoundRef:
        return RoundRef.of(self.r)

    @property
    def changes(self) -> ChangeForm | None:
        """The form of what the round merges, if it merges changes of the model."""
        current = self.study.current
        return ChangeForm(self.r.wire, current.layout) if self.r.wire and current else None

    @property
    def merge_base(self) -> Digest:
        """The model that the round's merge depends on, beside the contributions; "" if none."""
        is_needed = self.r.kind == TRAIN and self.stage.rule.needs_base and not self.r.wire
        return self.r.base if is_needed else ""

    @property
    def lacks_base(self) -> bool:
        """Whether the merge has to wait for that model (`hold_models` fetches it)."""
        return self.merge_base != "" and self.merge_base not in self.local.held


def make_view(state: Reader, local: LocalState, now_ms: int) -> View | None:
    """Return the study if it has an open round and this node takes part in it."""
    study, spec = STUDY.get(state, local.study), SPEC.get(state, local.study)
    r = ROUND.get(state, local.study)
    if study is None or spec is None or r is None or study.samples_of(local.me) is None:
        return None
    return View(study, spec, r, local, now_ms, state)


def pull_contributions(view: View) -> Iterator[Effect]:
    """Pull every contribution that is not here yet."""
    for c in view.r.contributions:
        if c.digest and c.digest not in view.local.held:
            yield from pull_contribution(view, c)


def pull_contribution(
    view: View, c: Contribution, holders: tuple[MemberId, ...] = ()
) -> Iterator[Effect]:
    """Pull one contribution, from its owner or any other holder; it is needed in this round only.
    If two members have contributed the same blob, either owns it: one of them may have copied it
    from the ledger."""
    owners = [o.member for o in view.r.contributions if o.digest == c.digest]
    holders = tuple(dict.fromkeys([*(holders or (c.member,)), *owners]))
    answer_ms = max(ANSWER_MS[0], min(ANSWER_MS[1], view.spec.leader_timeout_ms // 3))
    yield from pull(view.local, view.now_ms, c, holders, durable=False, answer_ms=answer_ms)


class Described(Protocol):
    """What names a blob: a contribution, a settled model or result, an offer."""

    @property
    def digest(self) -> Digest: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def layout(self) -> Digest: ...


def pull(
    local: LocalState,
    now_ms: int,
    blob: Described,
    holders: tuple[MemberId, ...],
    durable: bool = True,
    answer_ms: int = ANSWER_MS[1],
) -> Iterator[Effect]:
    """Pull a blob from others; after a failure, again when some time has passed."""
    at_ms = next_try_ms(local, local.failed.get(blob.digest))
    if at_ms > now_ms:
        yield Wake(at_ms)
        return
    others = tuple(m for m in holders if m != local.me)
    if others:
        yield Pull(blob.digest, blob.nbytes, blob.layout, others, durable, answer_ms)


def next_try_ms(local: LocalState, failures: Failures | None) -> int:
    """Return the time of the next attempt: the pause doubles with every failure, up to 32 times."""
    if failures is None:
        return 0
    return failures.last_ms + (local.timeouts.retry_ms << min(failures.count - 1, 5))


def recent(view: View, failures: Failures | None) -> Failures | None:
    """Return failures that are recent enough to matter: an outage long ago may be over, and the
    next attempt tells."""
    if failures is None or view.now_ms - failures.last_ms > view.local.timeouts.forget_ms:
        return None
    return failures


def is_out_of_reach(view: View, digest: Digest) -> bool:
    """Return whether pulls of this blob have failed for longer than the timeouts allow."""
    failures = recent(view, view.local.failed.get(digest))
    if failures is None or failures.count < 2:
        return False
    return view.now_ms - failures.first_ms >= view.local.timeouts.unavailable_ms


def shares_of(view: View) -> tuple[Share, ...]:
    """Return the shares of which the round's merge is made."""
    return tuple(Share(c.member, c.weight, c.digest) for c in view.r.contributions)
