"""The watch of the machine: what each block of a run may do, computed apart from the contract."""

from __future__ import annotations

import dataclasses
from collections import Counter

from builders import (
    Consortium,
)
from hypothesis import event

from swarmhub.contract import Env, Overlay, Result, apply, begin_block
from swarmhub.contract.consortium.thresholds import (
    compute_receipts,
    compute_verdict,
)
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.events import (
    Departed,
    DisputeDismissed,
    DisputeOpened,
    FalseMerge,
    Settled,
    Voided,
    Withdrawn,
)
from swarmhub.contract.records import (
    MEMBER,
    ROUND,
    SPEC,
    RoundRef,
    get_member_of_key,
)
from swarmhub.contract.round.election import get_auditors, get_candidates, get_leader
from swarmhub.contract.transactions import Computed, Dispute, Recompute, receipt_message
from swarmhub.keys import verify
from swarmhub.ledger import MemoryChain
from swarmhub.types import OFFER_DOMAIN, RECEIPT_DOMAIN

GONE = {  # event: where a run has been then
    Departed: "a contributor is no member any more in mid-round",
    Withdrawn: "a contributor withdraws in mid-round",
    Voided: "a contribution drops out in mid-round",
}
reached: Counter[str] = Counter()  # how often a run has been where


def reach(what):
    """Count that a run has been here."""
    reached[what] += 1
    event(what)


DEEP = {
    "a round of describe is settled",
    "a round of initial is settled",
    "a round of train is settled",
    "a round of sum is settled",
    "a disputed merge is not settled",
    "a leader is convicted",
    "another leader settles after a conviction",
    "a merge is upheld",
    "a dispute ends without a majority",
    "a dispute lapses",
    "a dispute's voters change",
    *GONE.values(),
}


# steps


@dataclasses.dataclass
class Step:
    """A block in the making, with one transaction at most."""

    time_ms: int
    state: Overlay  # before the block; then: what the transaction found
    fired: tuple = ()  # what happened at the block's beginning
    who: int = 0  # 0: nobody, or a stranger
    body: object = None
    result: Result | None = None

    def round(self, study):
        return ROUND.get(self.state, study)

    def candidates(self, study):
        return get_candidates(self.round(study))

    def enrolled(self, study):
        return len(ROUND.need(self.state, study).enrolled)

    def key_of(self, member):
        return MEMBER.need(self.state, member).account


@dataclasses.dataclass
class Made:
    """All there is to know of a block."""

    results: tuple
    events: tuple


class Bare(MemoryChain):
    """The contract without a ledger around it: nobody signs a block, and each one is shown."""

    watch = None

    def _append(self, txs, clock_ms):
        time_ms, height = max(self.tip.time_ms + 1, clock_ms), self.tip.height + 1
        self.tip = dataclasses.replace(self.tip, time_ms=time_ms, height=height)
        env, before = Env(height, time_ms, verify), dict(self.state.values)
        begun = Overlay(before)
        fired = begin_block(begun, env)
        work, read = Overlay(begun), [read_transaction(data) for data in txs]
        results = tuple(apply(work, tx, env) for tx in read)
        self.state.commit({**begun.writes, **work.writes})
        if self.watch:
            self.watch.look_at_the_beginning(Step(time_ms, Overlay(before), fired))
            for tx, result in zip(read, results, strict=True):
                member = get_member_of_key(begun, tx.signer)
                who = member.id if member else 0
                self.watch.look_at_the_act(Step(time_ms, begun, (), who, tx.body, result))
            self.watch.look_at_the_end(begun, results)
        return Made(results, (*fired, *(e for r in results for e in r.events)))


class Bench(Consortium):
    """Members on a bare chain."""

    chain_type = Bare


# what a step may do


@dataclasses.dataclass
class Case:
    """An open dispute, told by what was accepted, without the contract's record of it."""

    place: tuple  # the round's number and its revision
    leader: int
    digest: str
    claimed: str
    by: int
    since_ms: int
    answers: dict  # member: the chunk's hash


class Watch:
    """Looks at every block of a consortium; a block has one transaction at most."""

    def __init__(self, c):
        self.c = c
        self.cases = {}  # study: Case
        self.convicted = set()  # (study, round, leader)
        self.unfounded = set()  # (study, round, accuser)
        c.ledger.watch = self

    def look_at_the_beginning(self, step):
        for found in step.fired:
            self.take(step, found)

    def look_at_the_act(self, step):
        if step.result.ok and isinstance(step.body, Recompute):
            self.answered(step)
        for found in step.result.events:
            self.take(step, found)
        if step.result.code == "Disputed":
            reach("a disputed merge is not settled")

    def look_at_the_end(self, begun, results):
        """A block without a transaction, or with a refused one, is its beginning alone."""
        if not any(r.ok for r in results):
            whole = {**begun.below, **begun.writes}
            assert self.c.state.values == {p: v for p, v in whole.items() if v is not None}
            assert not any(r.events for r in results)
        self.forget_what_has_moved_on()
        self.the_convicted_lead_no_more()

    def take(self, step, event):
        match event:
            case DisputeOpened():
                self.disputed(step, event)
            case FalseMerge():
                self.found_false(step, event)
            case DisputeDismissed():
                self.dismissed(step, event)
            case Settled(model=model):
                self.settled(step, model)
            case Departed() | Withdrawn() | Voided():
                self.gone(step, event)

    def disputed(self, step, event):
        study, leader, by = event.study, event.leader, event.by
        r, tx = step.round(study), step.body
        assert isinstance(tx, Dispute)
        assert study not in self.cases
        assert (study, event.number, by) not in self.unfounded
        assert by == step.who in set(get_candidates(r)) - {leader}
        assert tx.ref == RoundRef.of(r)
        assert leader == get_leader(r)
        assert r.kind != "initial"
        assert verify(step.key_of(leader), OFFER_DOMAIN, self.signed(tx), tx.offer)
        place = (r.number, r.revision)
        answers = {by: tx.leaf}
        self.cases[study] = Case(
            place, leader, event.digest, event.claimed, by, step.time_ms, answers
        )

    def answered(self, step):
        case = self.cases[step.body.ref.study]
        assert step.who in set(step.candidates(step.body.ref.study)) - {case.leader}
        assert step.who not in case.answers
        assert step.body.digest == case.digest
        case.answers[step.who] = step.body.leaf

    def decided(self, step, study, leaf):
        """Return whether a majority of those that may recompute (and enough) say so."""
        case = self.cases[study]
        voters = set(step.candidates(study)) - {case.leader}
        assert set(case.answers) <= voters
        agree = sum(said == leaf for said in case.answers.values())
        needed = compute_verdict(step.enrolled(study), len(voters))
        return 2 * agree > len(voters) and agree >= needed

    def found_false(self, step, event):
        leaf = event.recomputed
        assert self.decided(step, event.study, leaf)
        case = self.cases.pop(event.study)
        assert leaf != case.claimed
        assert (event.leader, event.digest) == (case.leader, case.digest)
        assert sorted(event.by) == sorted(m for m, said in case.answers.items() if said == leaf)
        assert step.result  # not by time
        self.convicted.add((event.study, event.number, event.leader))
        reach("a leader is convicted")

    def dismissed(self, step, event):
        study = event.study
        case = self.cases[study]
        said = set(case.answers.values())
        assert not any(self.decided(step, study, leaf) for leaf in said - {case.claimed})
        upheld = self.decided(step, study, case.claimed)
        if step.result is None:  # by time
            assert step.time_ms >= case.since_ms + SPEC.need(step.state, study).leader_timeout_ms
            reach("a dispute lapses")
        else:
            assert upheld or set(case.answers) == set(step.candidates(study)) - {case.leader}
            reach("a merge is upheld" if upheld else "a dispute ends without a majority")
        assert event.by == case.by
        self.unfounded.add((study, event.number, event.by))
        del self.cases[study]

    def settled(self, step, model):
        study, number, leader = model.study, model.number, model.leader
        case = self.cases.get(study)
        assert case is None or case.digest != model.digest
        assert (study, number, leader) not in self.convicted
        candidates = step.candidates(study)
        assert leader == step.who == get_leader(step.round(study), model.term)
        signed = set(model.receipts)
        assert signed <= set(candidates) - {leader}
        assert len(model.receipts) == len(signed)
        enrolled, n = step.enrolled(study), len(candidates)
        assert len(signed) >= compute_receipts(enrolled, n)
        drawn = set(get_auditors(step.round(study), enrolled, model.term))
        substitutes = n - 1 - max(1, (enrolled - 1) // 3)
        assert model.kind == "initial" or drawn <= signed or len(signed) >= substitutes
        assert signed or len(candidates) == 1
        for p in step.body.receipts:
            key = step.key_of(p.member)
            assert verify(key, RECEIPT_DOMAIN, self.signed(step.body), p.signature)
        reach(f"a round of {model.kind} is settled")
        if any((s, n) == (study, number) for s, n, _ in self.convicted):
            reach("another leader settles after a conviction")

    def signed(self, tx):
        """Return the bytes that the signature of an offer or a receipt covers."""
        return receipt_message(
            self.c.chain.chain_id,
            tx.ref,
            tx.digest,
            tx.nbytes,
            tx.layout,
            Computed(getattr(tx, "met", False), getattr(tx, "model", "")),
        )

    def gone(self, step, event):
        for study in self.c.chain.running if isinstance(event, Departed) else [event.study]:
            r = step.round(study)
            if r and r.phase == "MERGING" and event.member in get_candidates(r):
                reach(GONE[type(event)])
                if study in self.cases:
                    reach("a dispute's voters change")

    def forget_what_has_moved_on(self):
        """A dispute is about one set of contributions."""
        for study, case in list(self.cases.items()):
            r = ROUND.get(self.c.state, study)
            if r is None or (r.number, r.revision) != case.place:
                del self.cases[study]

    def the_convicted_lead_no_more(self):
        """In that round, unless nobody else is left."""
        for study, number in {(s, n) for s, n, _ in self.convicted}:
            r = ROUND.get(self.c.state, study)
            if r is None or (r.number, r.phase) != (number, "MERGING"):
                continue
            if any((study, number, m) not in self.convicted for m in get_candidates(r)):
                assert (study, number, get_leader(r)) not in self.convicted
