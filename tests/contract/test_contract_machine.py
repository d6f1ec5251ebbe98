"""Anybody does anything in any order: what holds after every block, whatever happened.

Hypothesis draws acts of members and strangers, sensible and not, and lets time pass; a failing
story is printed as the calls that lead to it.
"""

from __future__ import annotations

from builders import HEART, Consortium, auc, card_of, digest, key
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from swarmhub import codec
from swarmhub.contract import State, records
from swarmhub.contract.deadlines import get_deadlines, is_waiting
from swarmhub.contract.election import get_candidates, get_leader
from swarmhub.contract.phases import PHASES
from swarmhub.contract.records import ROUND, SPEC, STUDY
from swarmhub.contract.state import Table
from swarmhub.contract.transactions import (
    Approve,
    Enrol,
    Finish,
    Invalid,
    Leave,
    Poke,
    Ready,
    Refuse,
    Release,
    Remove,
    Retract,
    Revoke,
    Rotate,
    Start,
    Suspect,
    Unavailable,
    Validate,
    Vote,
    Withdraw,
)

STUDIES = (HEART, "lung")
MAX_TERM_MS = 500 << 8
members = st.integers(1, 7)
studies = st.sampled_from(STUDIES)


class Law(RuleBasedStateMachine):
    """Up to seven members, two studies."""

    @initialize(n=st.integers(1, 5), min_peers=st.integers(1, 3), statistics=st.booleans())
    def found(self, n, min_peers, statistics):
        self.c = c = Consortium(n, vote_period_ms=600_000, max_members=6)
        self.newcomers = 0
        self.founders = [c.member(m).consensus for m in c.chain.active]
        self.settled = set()
        self.places = {}
        self.read = 0
        terms = {"min_peers": min(n, min_peers), "rounds": 4, "leader_timeout_ms": 500}
        c.start(**terms, statistics=statistics)
        c.ready(*c.chain.active)
        c.propose(name="lung", **terms, expires_ms=c.now_ms + 400_000)

    def act(self, who, body, **changes):
        if who in self.c.accounts:
            self.c.act(who, body, **changes)

    # time

    @rule(ms=st.sampled_from([0, 1, 400, 30_000, 250_000, 700_000]))
    def wait(self, ms):
        self.c.idle(ms)

    @rule(who=members, name=studies)
    def poke(self, who, name):
        self.act(who, Poke(name))

    # members

    @precondition(lambda self: self.newcomers < 3)
    @rule()
    def apply(self):
        sponsor = self.c.chain.active[0]
        self.newcomers += 1
        name = f"n{self.newcomers}"
        token = self.c.invite(sponsor, name)
        self.c.act(key(name), self.c.application(token, card_of(name)))

    @rule(votes=st.lists(st.booleans(), min_size=6, max_size=6))
    def vote(self, votes):
        if self.c.open_motions:
            motion = self.c.open_motions[0]
            for who, aye in zip(self.c.chain.active, votes, strict=False):
                self.act(who, Vote(motion, aye))
            for event in self.c.happened("admitted"):
                self.c.accounts.setdefault(event["member"], key(event["name"]))

    @rule(who=members, aye=st.booleans(), motion=st.integers(1, 5))
    def vote_alone(self, who, aye, motion):
        self.act(who, Vote(motion, aye))

    @rule(who=members, other=members)
    def remove(self, who, other):
        self.act(who, Remove(other))

    @rule(who=members)
    def rotate(self, who):
        if who in self.c.chain.active and who in self.c.accounts:
            word = f"rotated {len(self.c.happened('rotated'))}"
            card, proof = self.c.rotated(who, by=key(word))
            if self.c.act(who, Rotate(card, proof)).ok:
                self.c.accounts[who] = key(word)

    @rule(who=members)
    def revoke(self, who):
        self.act(who, Revoke())

    @rule(who=members)
    def validate(self, who):
        self.act(who, Validate())

    # studies

    @rule(who=members, name=studies, samples=st.integers(0, 200))
    def enrol(self, who, name, samples):
        spec = self.c.study(name).spec
        self.act(who, Approve(name, spec))
        self.act(who, Enrol(name, spec, samples))

    @rule(who=members, name=studies, how=st.sampled_from(["withdraw", "refuse", "leave"]))
    def go(self, who, name, how):
        if how == "withdraw":
            self.act(who, Withdraw(name))
        elif how == "refuse":
            self.act(who, Refuse(name, self.c.study(name).spec))
        elif len(self.c.chain.active) > 2:
            self.act(who, Leave())

    @rule(who=members, name=studies)
    def start(self, who, name):
        self.act(who, Start(name))

    @precondition(lambda self: len(self.settled) > 5)
    @rule(who=members, name=studies)
    def finish(self, who, name):
        self.act(who, Finish(name))

    @rule(who=members, name=studies)
    def release(self, who, name):
        current = self.c.study(name).current
        if current and len(self.c.open_motions) < 10:
            self.act(who, Release(name, current.digest))

    # rounds

    @rule(who=members, name=studies)
    def ready(self, who, name):
        self.act(who, Ready(name))

    @rule(name=studies, missing=st.integers(0, 2))
    def go_on(self, name, missing):
        """What all nodes but some would do next."""
        if not self.c.has_round(name):
            return
        if self.c.round(name).phase == "MERGING":
            self.settle_by(name, 0, "right")
        for who in self.c.chain.active[missing:]:
            self.act(who, Ready(name))
            if self.c.has_round(name) and self.c.round(name).phase == "COLLECTING":
                self.act(who, self.c.contribution(who, name, weight=1))

    @rule(name=studies)
    def go_on_together(self, name):
        self.go_on(name, 0)

    @rule(name=studies)
    def go_on_by_itself(self, name):
        for _ in range(3):
            self.go_on(name, 0)
            self.c.idle(31_000)

    @rule(
        who=members, name=studies, weight=st.sampled_from([0, 1, 100, 150]), value=st.integers(0, 9)
    )
    def contribute(self, who, name, weight, value):
        if self.c.has_round(name):
            base = self.c.round(name).base
            measured = (auc(base, value),) if base else ()
            body = self.c.contribution(who, name, weight=weight, evaluations=measured)
            self.act(who, body)

    @rule(name=studies, back=st.integers(0, 2), word=st.sampled_from(["right", "wrong"]))
    def settle(self, name, back, word):
        self.settle_by(name, back, word)

    def settle_by(self, name, back, word):
        if self.c.has_round(name) and self.c.round(name).phase == "MERGING":
            r = self.c.round(name)
            term = max(0, r.term - back)
            who = get_leader(r, term)
            merged = digest(f"{name} {r.number}.{r.revision} {word}")
            ref = self.c.ref(name, term=term)
            self.act(who, self.c.settlement(who, name, ref=ref, digest=merged))

    @rule(whos=st.lists(members, max_size=4), name=studies, other=members)
    def report_invalid(self, whos, name, other):
        for who in whos:
            if self.c.has_round(name):
                self.act(who, Invalid(self.c.ref(name), other))

    @rule(times=st.integers(1, 3), name=studies, other=members)
    def report_unavailable(self, times, name, other):
        for _ in range(times):
            if self.c.has_round(name) and (who := get_leader(self.c.round(name))):
                self.act(who, Unavailable(self.c.ref(name), other))

    @rule(who=members, name=studies, kind=st.sampled_from([Suspect, Retract]))
    def suspect_or_retract(self, who, name, kind):
        if self.c.has_round(name):
            self.act(who, kind(self.c.ref(name)))

    # what always holds

    @property
    def open_rounds(self):
        found = [ROUND.get(self.c.state, name) for name in STUDIES]
        return [r for r in found if r is not None]

    @invariant()
    def one_settled_model_a_round(self):
        new, self.read = self.c.events[self.read :], len(self.c.events)
        for name, fields in new:
            if name == "settled":
                place = (fields["study"], fields["number"])
                assert place not in self.settled
                self.settled.add(place)

    @invariant()
    def a_running_study_has_an_open_round_and_no_other_has(self):
        for name in STUDIES:
            running = STUDY.need(self.c.state, name).status == "running"
            assert running == self.c.has_round(name) == (name in self.c.chain.running)

    @invariant()
    def somebody_validates_and_validators_are_members(self):
        members = [self.c.member(m) for m in self.c.chain.active]
        assert any(m.power for m in members)
        powers = dict.fromkeys(self.founders, 1)
        powers |= {e["key"]: e["power"] for e in self.c.happened("power")}
        assert {m.consensus: 1 for m in members if m.power} == {
            k: p for k, p in powers.items() if p
        }

    @invariant()
    def a_leader_is_a_candidate(self):
        for r in self.open_rounds:
            assert r.phase in PHASES[r.kind]
            assert r.phase != "SETTLED"
            if r.phase == "MERGING":
                assert get_leader(r) in get_candidates(r)
                assert len(get_candidates(r)) >= SPEC.need(self.c.state, r.study).min_peers
                assert f"term/{r.study}" in self.c.deadlines
            else:
                assert f"term/{r.study}" not in self.c.deadlines

    @invariant()
    def contributors_are_active_enrolled_and_within_their_weight(self):
        for r in self.open_rounds:
            study = STUDY.need(self.c.state, r.study)
            assert set(r.contributors) <= set(r.roster)
            assert list(r.contributors) == sorted(set(r.contributors))
            for who in {*r.roster, *study.ready}:
                assert who in self.c.chain.active
                assert study.samples_of(who) is not None
                assert who in study.approved
            for c in r.contributions:
                assert 1 <= c.weight <= study.samples_of(c.member)

    @invariant()
    def term_and_revision_never_fall_within_a_round(self):
        for r in self.open_rounds:
            place = (r.study, r.number)
            term, revision = self.places.get(place, (0, 0))
            assert r.term >= term
            assert r.revision >= revision
            self.places[place] = (r.term, r.revision)

    @invariant()
    def a_full_set_does_not_wait(self):
        for r in self.open_rounds:
            enough = SPEC.need(self.c.state, r.study).min_peers
            if r.phase == "OPEN":
                assert len(r.roster) < enough
            if r.phase == "COLLECTING" and len(r.contributors) >= enough:
                assert set(r.contributors) < set(r.roster)
                assert r.grace == "running"
                assert f"grace/{r.study}" in self.c.deadlines

    @invariant()
    def deadlines_are_stamped_few_and_not_far(self):
        assert not is_waiting(self.c.state)
        items = get_deadlines(self.c.state)
        assert len(items) <= 3 * len(STUDIES) + len(self.c.open_motions) + self.newcomers
        for d in items:
            assert d.due_ms > self.c.ledger.tip.time_ms
            if d.key.startswith("term/"):
                assert d.due_ms <= self.c.now_ms + MAX_TERM_MS

    @invariant()
    def keys_and_members_belong_together(self):
        values = self.c.state.values
        owners = {p for p in values if p.startswith("key/")}
        assert owners == {f"key/{self.c.member(m).account}" for m in self.c.chain.active}
        assert len(self.c.chain.active) <= self.c.chain.max_members

    @invariant()
    def the_state_is_as_large_as_members_and_studies(self):
        kept = [p for p in self.c.state.values if p.split("/")[0] not in ("seen", "due")]
        bound = 2 * (self.c.chain.next_member - 1) + 3 * len(STUDIES) + 10
        assert len(kept) <= bound + len(self.c.open_motions) + self.newcomers

    @invariant()
    def each_motion_has_one_outcome(self):
        ends = [f["motion"] for name, f in self.c.events if name in MOTION_ENDS]
        assert len(ends) == len(set(ends))

    def teardown(self):
        if hasattr(self, "c"):
            assert self.c.app_hash == State(self.c.state.values).app_hash
            for path, data in self.c.state.values.items():
                cls = RECORDS.get(path.split("/")[0])
                if cls:  # as a node reads it after a restart
                    assert codec.pack(codec.unpack(cls, data)) == data


RECORDS = {t.prefix: t.cls for t in vars(records).values() if isinstance(t, Table)}
MOTION_ENDS = ("motion_carried", "motion_lost", "motion_lapsed")

TestLaw = Law.TestCase
TestLaw.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
    suppress_health_check=list(HealthCheck),
)
