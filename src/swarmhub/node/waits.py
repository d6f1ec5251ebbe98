"""The members that a study waits for, and since when. It follows from the ledger alone: the state
of a member is its last settled contribution, not whether one of its processes runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from swarmhub.contract.consortium.thresholds import compute_min_peers
from swarmhub.contract.deadlines import get_due_ms
from swarmhub.contract.records import (
    MEMBER,
    ROUND,
    SPEC,
    STUDY,
    LastSettled,
    Round,
    Spec,
    Study,
    get_chain,
    get_members,
)
from swarmhub.contract.round.budget import is_beyond
from swarmhub.contract.round.election import get_candidates
from swarmhub.contract.round.kinds import (
    COLLECTING,
    CONFIRMING,
    DEALING,
    KEYING,
    OPEN,
    TRAIN,
    UNMASKING,
    is_led,
    is_set_final,
)
from swarmhub.contract.round.masks import has_stored_keys
from swarmhub.contract.round.minimum import get_required
from swarmhub.contract.round.shards import get_leaders, get_views, make_key
from swarmhub.contract.stages import get_stage, get_stages
from swarmhub.contract.state import Reader
from swarmhub.types import MemberId
from swarmhub.words import say_age

NOTICE_MS = 7 * 86_400_000  # before an approval lapses
SAID_MS = 1000  # a shorter training is not worth a word
MAX_NAMED = 5  # members that a sentence names; the record has them all


@dataclass(frozen=True)
class Missing:
    """A member that a study waits for. `last_round` is the ledger's number of the newest round
    that was settled with its contribution, 0 before the first; `last_ms` that block's time."""

    member: MemberId
    name: str
    last_round: int
    last_ms: int
    said: str  # "VA Long Beach: last contributed in round 7, 14 min ago"


@dataclass(frozen=True)
class Wait:
    """The reason why a study waits. `since_ms` is block time; `sentence` contains all of it."""

    study: str
    phase: str
    since_ms: int
    members: tuple[Missing, ...]
    sentence: str


def find_wait(state: Reader, name: str, now_ms: int) -> Wait | None:
    """Return the reason why the study waits at `now_ms` (block time), with approvals that are about
    to lapse; None if it is over or unknown."""
    study, spec = STUDY.get(state, name), SPEC.get(state, name)
    if study is None or spec is None or study.is_over:
        return None
    wait = _find_wait(state, study, spec, now_ms)
    lapse = say_lapse(state, study, spec, now_ms)
    return replace(wait, sentence=f"{wait.sentence}; {lapse}") if lapse else wait


def find_absent(state: Reader, name: str, now_ms: int) -> tuple[Missing, ...]:
    """Return the enrolled members that the open round of a running study goes on without: those
    that were not ready when it opened, and once it merges, those that have not contributed."""
    study, spec, r = STUDY.get(state, name), SPEC.get(state, name), ROUND.get(state, name)
    if study is None or spec is None or r is None or r.phase == OPEN:
        return ()
    stage = get_stage(spec, r)
    is_closed = is_led(r) or is_set_final(r)
    here = {*get_candidates(r)} if is_closed else {*r.roster, *get_required(spec, r)}
    away = [e.member for e in study.enrolled if stage.takes(e.member) and e.member not in here]
    found = [_describe(state, study, spec, m, now_ms) for m in away]
    return tuple(
        replace(m, said=f"{m.said}; ready for the next round") if m.member in study.ready else m
        for m in found
    )


def say_lapse(state: Reader, study: Study, spec: Spec, now_ms: int) -> str:
    """Return a sentence on the approvals that lapse within a week; "" if there are none."""
    ends = [t + spec.approvals_expire_ms - now_ms for t in study.approved_ms]
    notice_ms = min(NOTICE_MS, spec.approvals_expire_ms // 2)
    soon = [(m, ms) for m, ms in zip(study.approved, ends, strict=False) if ms <= notice_ms]
    if not soon:
        return ""
    said = [f"{MEMBER.need(state, m).name} in {say_age(max(0, ms))}" for m, ms in soon[:MAX_NAMED]]
    said += [f"{len(soon) - MAX_NAMED} more"] if len(soon) > MAX_NAMED else []
    return f"approvals lapse: {', '.join(said)} ('study approve' renews one)"


def _find_wait(state: Reader, study: Study, spec: Spec, now_ms: int) -> Wait:
    name, r = study.name, ROUND.get(state, study.name)
    if study.status == "suspended":
        return _await_terms(state, study, spec)
    if r is None:
        return _await_start(state, study, spec, now_ms)
    if is_led(r):
        return _await_leader(state, study, spec, r, now_ms)
    if r.masks is not None and r.phase in (KEYING, DEALING, UNMASKING):
        return _await_masks(state, study, spec, r, now_ms)
    have = r.roster if r.phase == OPEN else r.contributors
    stage = get_stage(spec, r)
    enrolled = {e.member for e in study.enrolled if stage.takes(e.member)}
    expected = enrolled if r.phase == OPEN else {*r.roster, *get_required(spec, r)}
    ids = sorted(expected - set(have))
    missing = tuple(_describe_absent(state, (study, spec, r), m, now_ms) for m in ids)
    more = r.min_peers - len(have)
    absent = max(0, more - len(missing))
    parts = [_join(missing)] if missing else []
    if missing and r.phase == OPEN:
        parts.append(f"{_count(more - absent)} of them must be ready")
    elif 0 < more < len(missing):
        parts.append(f"{_count(more)} of them must contribute")
    if absent:
        parts.append(f"{_count(absent)} more must enrol (at least {r.min_peers} take part)")
    said = "; ".join(parts) or "the next block goes on"
    sentence = f"waiting for {said}" if missing else f"waiting: {said}"
    required = [m.name for m in missing if m.member in spec.required]
    if required:
        sentence += f"; the round never settles without {', '.join(required)}"
    due_ms = get_due_ms(state, f"grace/{name}")
    if due_ms is not None and more <= 0 and not required:
        sentence += f"; in {say_age(max(0, due_ms - now_ms))} the round goes on without them"
    return Wait(name, r.phase, r.opened_ms, missing, sentence)


def _await_terms(state: Reader, study: Study, spec: Spec) -> Wait:
    """Return the reason why a suspended study does not go on: a required member that is gone, or
    amended terms; a pause beside it, or alone."""
    paused = _say_pause(state, study)
    gone = [m for m in spec.required if study.samples_of(m) is None]
    names = ", ".join(MEMBER.need(state, m).name for m in gone)
    if gone:
        sentence = (
            f"{paused or 'suspended'}: no round settles without {names}, which takes part no "
            "longer; the proposer may amend the terms ('study amend')"
        )
        return Wait(study.name, "SUSPENDED", 0, (), sentence)
    silent = [e.member for e in study.enrolled if e.member not in study.approved]
    missing = tuple(
        Missing(m, MEMBER.need(state, m).name, 0, 0,
                f"{MEMBER.need(state, m).name}: has not approved the amended terms")
        for m in silent
    )  # fmt: skip
    ready = len(study.enrolled) - len(silent)
    more = compute_min_peers(spec.min_peers, ready) - ready
    start = "any enrolled member may start it again"
    if study.paused is not None:
        start = f"{_say_steward(state, study)} may resume it ('study resume')"
    if more > 0:
        start = (
            f"{_count(more)} of them must approve"
            if missing
            else (f"{_count(more)} more must enrol")
        )
    said = f"{_join(missing)}; {start}" if missing else start
    sentence = f"{paused}; {said}" if paused else f"suspended: {said}"
    return Wait(study.name, "SUSPENDED", 0, missing, sentence)


def _say_pause(state: Reader, study: Study) -> str:
    """Return a sentence on the pause of a study; "" if it is not paused."""
    if study.paused is None:
        return ""
    by = f"paused by {MEMBER.need(state, study.paused.by).name}"
    return f"{by}: {study.paused.reason}" if study.paused.reason else by


def _say_steward(state: Reader, study: Study) -> str:
    if study.proposer in get_chain(state).active:
        return "its proposer"
    return "any enrolled member"


def _await_start(state: Reader, study: Study, spec: Spec, now_ms: int) -> Wait:
    enrolled = {e.member for e in study.enrolled}
    others = [m for m in get_members(state) if m.id not in enrolled]
    missing = []
    for member in others:
        if member.id in study.refused:
            said = f"{member.name}: has refused the terms"
        elif member.id in study.approved:
            said = f"{member.name}: has approved, is not enrolled"
        else:
            said = f"{member.name}: has not answered yet"
        missing.append(Missing(member.id, member.name, 0, 0, said))
    more = compute_min_peers(spec.min_peers, len(enrolled)) - len(enrolled)
    if more > 0:
        sentence = f"waiting for {_count(more)} more to enrol: {_join(tuple(missing))}"
    else:
        sentence = "waiting for the start: any enrolled member may start it"
    return Wait(study.name, "PROPOSED", 0, tuple(missing), sentence)


def _await_leader(state: Reader, study: Study, spec: Spec, r: Round, now_ms: int) -> Wait:
    leaders = get_leaders(state, r)
    views = [view for view in get_views(state, r) if view.lead.settled is None]
    if any(view.lead.dispute is not None for view in views):
        sentence = "waiting for recomputations: a merge of this round is disputed"
        return Wait(study.name, r.phase, r.opened_ms, (), sentence)
    if not leaders:
        return Wait(study.name, r.phase, r.opened_ms, (), "waiting for a leader")
    missing = tuple(_describe(state, study, spec, leader, now_ms) for leader in leaders)
    due_ms = min(
        (ms for v in views if (ms := get_due_ms(state, make_key("term", v)))), default=None
    )
    act = "confirm the model" if r.phase == CONFIRMING else "merge"
    sentence = f"waiting for {missing[0].name}, the leader, to {act}"
    if len(missing) > 1:
        names = ", ".join(m.name for m in missing[:MAX_NAMED])
        names += f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        sentence = f"waiting for {names}, who lead a shard each, to merge"
    if due_ms is not None:
        left = say_age(max(0, due_ms - now_ms))
        sentence += f"; it has {left} before the next member leads"
    return Wait(study.name, r.phase, r.opened_ms, missing, sentence)


def _await_masks(state: Reader, study: Study, spec: Spec, r: Round, now_ms: int) -> Wait:
    """Return the reason why a masked round does not go on: the members with a part to do, which
    their nodes do by themselves."""
    masks = r.need_masks()
    if r.phase == KEYING:
        keyed = {m for m in r.roster if has_stored_keys(state, r.study, r.number, m, masks.keying)}
        ids, what = set(r.roster) - keyed, "keys for the masks"
    elif r.phase == DEALING:
        ids, what = set(masks.keyed) - set(masks.dealt), "shares of the masks"
    else:
        ids = set(masks.keyed) - set(masks.opened)
        more = masks.threshold - len(masks.opened)
        what = f"the shares of {_count(more)} of them, which open the settled sum"
    missing = tuple(_describe_absent(state, (study, spec, r), m, now_ms) for m in sorted(ids))
    sentence = f"waiting for {what}: {_join(missing)}"
    if r.phase == UNMASKING:
        sentence += "; their nodes must run; the set is final, and the round waits"
    due_ms = get_due_ms(state, f"keying/{study.name}")
    if due_ms is not None:
        left = say_age(max(0, due_ms - now_ms))
        sentence += f"; in {left} the round goes on with the others, if they are enough"
    return Wait(study.name, r.phase, r.opened_ms, missing, sentence)


def find_spent(state: Reader, name: str, member: MemberId) -> str:
    """Return a sentence for the operator if the open round of a study gets nothing from a member
    since its privacy budget is spent; "" otherwise."""
    study, r = STUDY.get(state, name), ROUND.get(state, name)
    if study is None or r is None or study.samples_of(member) is None:
        return ""
    spec = SPEC.need(state, name)
    if not is_beyond(state, spec, r, member) or r.contribution_of(member) is not None:
        return ""
    assert spec.privacy.dp is not None
    return (
        f"'{name}': this hospital's privacy budget in this study is spent (all "
        f"{spec.privacy.dp.steps} noisy contributions): it sends no more of them, and the others "
        "go on without it, if they are enough; else its proposer ends the study ('study finish')."
    )


def _describe_absent(
    state: Reader, of: tuple[Study, Spec, Round], member: MemberId, now_ms: int
) -> Missing:
    """Return the same as `_describe`, of a member that has not done its part in the open round:
    with a spent privacy budget it cannot."""
    study, spec, r = of
    missing = _describe(state, study, spec, member, now_ms)
    took_ms = study.took_ms_of(member, r.stage)
    if took_ms >= SAID_MS and r.phase == COLLECTING:
        missing = replace(missing, said=f"{missing.said}, which took it {say_age(took_ms)}")
    if r.phase == UNMASKING or not is_beyond(state, spec, r, member):
        return missing
    return replace(missing, said=f"{missing.name}: its privacy budget in this study is spent")


def _describe(state: Reader, study: Study, spec: Spec, member: MemberId, now_ms: int) -> Missing:
    name = MEMBER.need(state, member).name
    last = study.last_settled_of(member)
    if last is None:
        return Missing(member, name, 0, 0, f"{name}: has not contributed yet")
    ago = say_age(max(0, now_ms - last.time_ms))
    said = f"{name}: last contributed {say_round(spec, last)}, {ago} ago"
    return Missing(member, name, last.number, last.time_ms, said)


def say_round(spec: Spec, last: LastSettled) -> str:
    """Return a settled round as people count: "in round 7" of the training, "to 'moments'"."""
    stages = get_stages(spec)
    stage = stages[last.stage]
    alone = sum(s.kind == TRAIN for s in stages) == 1
    if stage.kind == TRAIN and alone:
        return f"in round {last.turn}"
    turn = f", round {last.turn}" if stage.max_rounds > 1 else ""
    return f"to '{stage.name}'{turn}"


def _join(missing: tuple[Missing, ...]) -> str:
    named = "; ".join(m.said for m in missing[:MAX_NAMED])
    rest = len(missing) - MAX_NAMED
    return f"{named}; and {rest} more" if rest > 0 else named


def _count(number: int) -> str:
    return "one" if number == 1 else str(number)
