"""What a node wishes to do, from the ledger's state, its local and the time."""

from dataclasses import replace

import pytest
from builders import HEART, LAYOUT, MODEL_BYTES, digest, initialised, merging, running, spec_of

from swarmhub.contract.deadlines import get_began_ms, get_due_ms
from swarmhub.contract.records import ROUND
from swarmhub.contract.round.election import get_auditors, get_leader
from swarmhub.contract.stages import get_stages
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import (
    Contribute,
    Dispute,
    Invalid,
    Poke,
    Retract,
    Rotate,
    Settle,
    Suspect,
    Unavailable,
)
from swarmhub.protocol import (
    Accepted,
    Audit,
    Audited,
    BlobStored,
    Check,
    CheckedBad,
    CheckedGood,
    Discrepancy,
    ExcerptUnavailable,
    FetchedBlobs,
    LocalState,
    MergeDone,
    Offered,
    PeerLost,
    PreparedContribution,
    Pull,
    PullFailed,
    PullStarted,
    PullStopped,
    ReceiptCame,
    ReceiptSent,
    SendReceipt,
    Signed,
    Submit,
    Sync,
    Synced,
    TransactionRefused,
    Wake,
    assign,
    compute_kept,
    decide,
    expect,
    is_final,
    may_read,
)
from swarmhub.protocol import audit as audit_room
from swarmhub.protocol.answers import find_fault
from swarmhub.protocol.decision import unite


def suspicions(effects):
    return [w.body for w in effects if isinstance(w, Submit) and isinstance(w.body, Suspect)]


def wait_until_suspected(c, local, began_ms):
    """Milliseconds from the term's beginning until this node suspects the leader."""
    now_ms = began_ms
    while not suspicions(effects := decide(c.state, local, now_ms)):
        now_ms = min(w.at_ms for w in effects if isinstance(w, Wake) and w.at_ms > now_ms)
    return now_ms - began_ms


def test_leaders_that_all_seem_lost_are_suspected_more_and_more_slowly():
    c = merging(4, leader_timeout_ms=60_000)
    waited = []
    for _ in range(12):
        leader = c.leader()
        me, second = [m for m in c.round().contributors if m != leader][:2]
        local = LocalState(HEART, me)
        began_ms = get_began_ms(c.state, f"term/{HEART}")
        local.learn(PeerLost(leader), began_ms - 2000)  # an outage that has lasted for long
        local.learn(PeerLost(leader), began_ms - 1000)
        waited.append(wait_until_suspected(c, local, began_ms))
        ref = c.ref()
        c.ok(me, Suspect(ref))
        c.ok(second, Suspect(ref))
        assert c.round().lead.term == ref.term + 1
    assert waited == [0] * 4 + [600] * 4 + [1200] * 4


def contributions(effects):
    return [w.body for w in effects if isinstance(w, Submit) and isinstance(w.body, Contribute)]


def test_a_contribution_that_was_taken_out_is_brought_again_less_and_less_often():
    c = initialised(3)
    r = c.round()
    local = LocalState(HEART, 1)
    local.learn(
        PreparedContribution(
            r.number, r.base, digest("mine"), digest("root"), 4, digest("layout"), 10
        ),
        0,
    )
    now_ms, waited = 1_000, []
    for _ in range(8):
        began_ms = now_ms
        while not (found := contributions(decide(c.state, local, now_ms))):
            now_ms = min(w.at_ms for w in decide(c.state, local, now_ms) if isinstance(w, Wake))
        waited.append(now_ms - began_ms)
        local.learn(Accepted(found[0]), now_ms)  # and a block later it is taken out again
    assert waited == [0, 500, 1000, 2000, 4000, 8000, 8000, 8000]
    local.forget_before(r.number + 1)
    assert not local.contributed


def settlements(c, local):
    effects = decide(c.state, local, c.now_ms)
    return [w.body for w in effects if isinstance(w, Submit) and isinstance(w.body, Settle)]


def leading(c, synced=True):
    """Notes of the leader, which has merged."""
    r, local = c.round(), LocalState(HEART, c.leader())
    local.learn(MergeDone(r.number, r.revision, digest("m"), MODEL_BYTES, LAYOUT, ""), c.now_ms)
    if synced:
        local.learn(Synced(digest("m")), c.now_ms)
    return local


def receipt_of(c, member, **changes):
    r, of = c.round(), digest("m")
    signature = c.receipt(member, c.ref(), of, **changes).signature
    return ReceiptCame(r.number, r.revision, of, member, signature)


def drawn_first(c):
    """The followers, of whom those that are drawn come first."""
    drawn = get_auditors(c.round(), len(c.study().enrolled))
    return [*drawn, *(m for m in c.followers() if m not in drawn)]


def test_a_merge_is_settled_once_it_outlives_a_power_cut():
    c = merging(4)
    local = leading(c, synced=False)
    local.learn(receipt_of(c, drawn_first(c)[0]), c.now_ms)
    assert not settlements(c, local)
    local.learn(Synced(digest("m")), c.now_ms)
    (body,) = settlements(c, local)
    c.ok(c.leader(), body)


@pytest.mark.parametrize("changes", [{"nbytes": 1}, {"layout": digest("another")}])
def test_a_receipt_for_another_form_does_not_stand_before_a_true_one(changes):
    c = merging(4)
    local, (one, two, three) = leading(c), drawn_first(c)
    local.learn(receipt_of(c, one, **changes), c.now_ms)
    assert not settlements(c, local)
    local.learn(receipt_of(c, two), c.now_ms)
    assert not settlements(c, local), "the one that is drawn has not signed"
    local.learn(receipt_of(c, three), c.now_ms)
    (body,) = settlements(c, local)
    assert [p.member for p in body.receipts] == [two, three]
    c.ok(c.leader(), body)


def test_the_receipt_of_a_member_that_has_changed_its_key_is_not_used():
    c = merging(4)
    local, (one, two, three) = leading(c), drawn_first(c)
    for member in (one, two, three):
        local.learn(receipt_of(c, member), c.now_ms)
    assert [p.member for p in settlements(c, local)[0].receipts] == [one]
    card, proof = c.rotated(one)
    c.ok(one, Rotate(card, proof))
    (body,) = settlements(c, local)
    assert [p.member for p in body.receipts] == [two, three]
    c.ok(c.leader(), body)


def reported(c, local, now_ms):
    effects = decide(c.state, local, now_ms)
    return [w.body.member for w in effects if isinstance(w, Submit) and type(w.body) is Unavailable]


def leading_without(c, absent, started_at=0.0):
    """Notes of the leader that pulls the contributions of some, and the times of its term (ms)."""
    local = LocalState(HEART, c.leader())
    began_ms, ends_ms = (get(c.state, f"term/{HEART}") for get in (get_began_ms, get_due_ms))
    for one in c.round().contributions:
        if one.member in absent:
            local.learn(PullStarted(one.digest), began_ms + int(started_at * (ends_ms - began_ms)))
        else:
            local.learn(BlobStored(one.digest), c.now_ms)
    return local, began_ms, began_ms + (ends_ms - began_ms) * 3 // 4


@pytest.mark.parametrize(("absent", "told"), [(1, True), (2, False), (3, False)])
def test_a_contribution_that_takes_most_of_a_term_is_reported_where_most_others_are_here(
    absent, told
):
    c = merging(4)
    leader, slow = c.leader(), c.followers()[:absent]
    local, began_ms, late_ms = leading_without(c, slow)
    assert Wake(late_ms) in decide(c.state, local, began_ms)
    assert reported(c, local, late_ms - 1) == []
    assert reported(c, local, late_ms) == (slow if told else [])
    if told:
        c.ok(leader, Unavailable(c.ref(), slow[0]))
        assert c.leader() != leader


def test_nobody_is_called_slow_who_has_not_been_asked_for_long_or_is_needed():
    c = merging(4)
    for started_at, told in ((0.25, True), (0.26, False), (0.7, False)):
        local, _, late_ms = leading_without(c, c.followers()[:1], started_at)
        assert bool(reported(c, local, late_ms)) == told
    local, _, late_ms = leading_without(c, c.followers()[:1])
    local.learn(PullStopped(c.round().contribution_of(c.followers()[0]).digest), late_ms)
    assert reported(c, local, late_ms) == []  # this machine has failed
    local, _, late_ms = leading_without(c, [c.leader()])
    assert reported(c, local, late_ms) == []  # nobody reports itself
    c = merging(4, min_peers=4)
    local, _, late_ms = leading_without(c, c.followers()[:1])
    assert reported(c, local, late_ms) == []  # without it there is no round: wait


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("absent", [1, 2])
def test_no_node_wishes_to_be_woken_in_the_past(n, absent):
    c = merging(n)
    local, began_ms, late_ms = leading_without(c, c.followers()[:absent])
    for now_ms in range(began_ms, began_ms + 2 * (late_ms - began_ms), 997):
        wakes = [w.at_ms for w in decide(c.state, local, now_ms) if isinstance(w, Wake)]
        assert all(at_ms > now_ms for at_ms in wakes)


def test_a_start_that_training_cannot_begin_with_is_not_signed():
    c = running(4)
    c.ready(1, 2, 3, 4)
    r, leader, made = c.round(), c.leader(), digest("m")
    local = LocalState(HEART, c.followers()[0])
    prepared = PreparedContribution(
        r.number, "", digest("p"), digest("root"), MODEL_BYTES, LAYOUT, 10
    )
    for event in (prepared, BlobStored(prepared.digest), BlobStored(made)):
        local.learn(event, c.now_ms)
    local.learn(Offered(leader, r.number, r.revision, made, MODEL_BYTES, LAYOUT, ""), c.now_ms)
    effects = decide(c.state, local, c.now_ms)
    assert Check(get_stages(spec_of())[0], made, leader, 0) in effects
    assert SendReceipt not in {type(w) for w in effects}
    local.learn(CheckedGood(made), c.now_ms)
    effects = decide(c.state, local, c.now_ms)
    assert Sync(made) in effects
    assert SendReceipt not in {type(w) for w in effects}
    local.learn(Synced(made), c.now_ms)
    assert SendReceipt in {type(w) for w in decide(c.state, local, c.now_ms)}
    local.good.clear()
    local.learn(CheckedBad(made, "NaN"), c.now_ms)
    effects = decide(c.state, local, c.now_ms)
    assert not {Check, SendReceipt} & {type(w) for w in effects}
    assert suspicions(effects)


def test_a_leader_says_late_of_what_it_cannot_merge_that_it_cannot_be_had():
    c = merging(4)
    bad = c.followers()[0]
    local, began_ms, late_ms = leading_without(c, [])
    found = c.round().contribution_of(bad)
    local.learn(CheckedBad(found.digest, "NaN", found.weight), c.now_ms)
    assert Wake(late_ms) in decide(c.state, local, began_ms)
    assert reported(c, local, late_ms - 1) == []
    assert reported(c, local, late_ms) == [bad]


def test_a_leader_that_leads_again_reports_another_one():
    """Reports stay; one that is repeated would be refused, and the term be lost."""
    c = merging(4, min_peers=2)
    first, *others = c.followers()
    leader = c.leader()
    c.ok(leader, Unavailable(c.ref(), first))
    while c.leader() != leader:
        c.ok(c.leader(), Unavailable(c.ref(), others[0] if c.leader() != others[0] else first))
    local, _, late_ms = leading_without(c, [first])
    found = c.round().contribution_of(others[1])
    local.learn(CheckedBad(found.digest, "NaN", found.weight), c.now_ms)
    assert reported(c, local, late_ms) == [others[1]]


def offered(c, local):
    """What this node effects for when the leader's offer is known to it."""
    r, made = c.round(), digest("m")
    offer = Offered(c.leader(), r.number, r.revision, made, MODEL_BYTES, LAYOUT, "")
    local.learn(offer, c.now_ms)
    for one in r.contributions:
        local.learn(BlobStored(one.digest), c.now_ms)
    return {type(w) for w in decide(c.state, local, c.now_ms)}


def not_drawn(c):
    r, drawn = c.round(), get_auditors(c.round(), 4)
    return next(m for m in r.contributors if m not in drawn and m != c.leader())


def test_who_has_merged_the_same_itself_signs_although_it_is_not_drawn():
    c = merging(4)
    local = LocalState(HEART, not_drawn(c))
    r = c.round()
    local.learn(MergeDone(r.number, r.revision, digest("m"), MODEL_BYTES, LAYOUT, ""), c.now_ms)
    assert {Sync, SendReceipt} & offered(c, local) == {Sync}  # it may become the only copy
    local.learn(Synced(digest("m")), c.now_ms)
    assert {Sync, SendReceipt} & offered(c, local) == {SendReceipt}


def test_an_audit_that_has_met_a_bad_contribution_is_not_done_again():
    c = merging(4)
    local = LocalState(HEART, not_drawn(c), held={digest("m")})
    bad = c.round().contribution_of(c.leader())
    local.learn(CheckedBad(bad.digest, "NaN", bad.weight), c.now_ms)
    assert not {Audit, SendReceipt} & offered(c, local)
    assert Submit(Invalid(c.ref(), c.leader())) in decide(c.state, local, c.now_ms)


def test_bytes_that_are_bad_with_one_weight_are_not_bad_with_another():
    """Somebody contributes what another one has, and states a weight that does not fit."""
    c = merging(4)
    local = LocalState(HEART, not_drawn(c), held={digest("m")})
    whose = c.round().contribution_of(c.leader())
    local.learn(CheckedBad(whose.digest, "more rows than declared", whose.weight - 1), c.now_ms)
    assert Audit in offered(c, local)
    assert not [w for w in decide(c.state, local, c.now_ms) if isinstance(w, Submit)]


def test_who_holds_an_offer_from_before_its_start_audits_it_although_it_is_not_drawn():
    c = merging(4)
    local = LocalState(HEART, not_drawn(c), held={digest("m")})
    assert Audit in offered(c, local)


def test_who_is_not_drawn_audits_an_offer_some_time_after_it_has_arrived():
    c = merging(4)
    local = LocalState(HEART, not_drawn(c))
    local.learn(BlobStored(digest("m")), c.now_ms)
    assert not {Audit, SendReceipt} & offered(c, local)
    effects = decide(c.state, local, c.now_ms + local.timeouts.audit_ms)
    assert Audit in {type(w) for w in effects}


def test_the_leaders_contribution_is_needed_whole_and_fetched_by_who_is_drawn_before_an_offer(
    monkeypatch,
):
    monkeypatch.setattr(audit_room, "AUDIT_ALL_BYTES", MODEL_BYTES - 1)
    c = merging(4)
    r, leader = c.round(), c.leader()
    (drawn,) = get_auditors(r, 4)
    whose = r.contribution_of(leader).digest

    def pulled(local):
        return {w.digest for w in decide(c.state, local, c.now_ms) if isinstance(w, Pull)}

    assert whose in pulled(LocalState(HEART, drawn))
    assert whose not in pulled(LocalState(HEART, not_drawn(c)))
    for me in (drawn, not_drawn(c)):
        local = LocalState(HEART, me, held={digest("m")})
        offer = Offered(leader, r.number, r.revision, digest("m"), MODEL_BYTES, LAYOUT, "")
        local.learn(offer, c.now_ms)
        effects = decide(c.state, local, c.now_ms)
        assert not [w for w in effects if isinstance(w, Audit)]
        assert whose in pulled(local)
        local.learn(BlobStored(whose), c.now_ms)
        (effect,) = [w for w in decide(c.state, local, c.now_ms) if isinstance(w, Audit)]
        assert not effect.full


def test_a_leader_has_one_offer_for_a_set():
    c = merging(4)
    r, local = c.round(), LocalState(HEART, not_drawn(c))
    for word in ("one", "another"):
        local.learn(
            Offered(c.leader(), r.number, r.revision, digest(word), MODEL_BYTES, LAYOUT, ""),
            c.now_ms,
        )
    asked = {w.digest for w in decide(c.state, local, c.now_ms) if isinstance(w, Pull)}
    assert (digest("one") in asked, digest("another") in asked) == (True, False)


def test_what_was_signed_for_is_kept_until_the_round_is_over_also_over_a_restart():
    c = merging(4)
    number, one, two = c.round().number, digest("one"), digest("two")
    local = LocalState(HEART, 1, signed=Signed(number - 1, (digest("old"),)).and_(number, one))
    local.learn(local.signed.and_(number, two), c.now_ms)
    local.forget_before(number)  # as a node does at its start
    assert {one, two} <= compute_kept(c.state, local)
    assert digest("old") not in compute_kept(c.state, local)
    over = LocalState(HEART, 1, signed=Signed(number - 1, (one,)))
    assert one not in compute_kept(c.state, over)


def test_where_several_parts_want_a_blob_whoever_one_would_ask_is_asked():
    """A contribution that its owner gives to the leader only: an auditor gets it there."""
    c = merging(4)
    r, leader = c.round(), c.leader()
    (me,) = get_auditors(r, 4)
    secretive = next(m for m in r.contributors if m not in (me, leader))
    local = LocalState(HEART, me, held={digest("m")})
    local.learn(
        Offered(leader, r.number, r.revision, digest("m"), MODEL_BYTES, LAYOUT, ""), c.now_ms
    )
    local.learn(ExcerptUnavailable(r.number, r.revision, secretive), c.now_ms)
    whose = r.contribution_of(secretive).digest
    (pull,) = [w for w in decide(c.state, local, c.now_ms) if isinstance(w, Pull)
               and w.digest == whose]  # fmt: skip
    assert set(pull.holders[:2]) == {leader, secretive}
    assert set(pull.holders) == set(r.contributors) - {me}  # then whoever else may have it
    one, two = Pull("d", 1, "l", (1, 2), False), Pull("d", 1, "l", (3, 1), True)
    (both,) = unite([one, two, one])
    assert isinstance(both, Pull)
    assert (both.holders, both.durable) == ((1, 2, 3), True)


def test_who_copies_a_contribution_is_not_the_only_one_to_be_asked_for_it():
    c = merging(4)
    r, leader = c.round(), c.leader()
    liar, victim = [m for m in r.contributors if m != leader][:2]
    whose = r.contribution_of(victim)
    state = Overlay(c.state)
    alike = [replace(x, digest=whose.digest) if x.member == liar else x for x in r.contributions]
    ROUND.put(state, HEART, record=replace(r, contributions=tuple(alike)))
    effects = decide(state, LocalState(HEART, leader), c.now_ms)
    (pull,) = [w for w in effects if isinstance(w, Pull) and w.digest == whose.digest]
    assert set(pull.holders) == {liar, victim}


def test_what_came_slowly_or_not_at_all_is_forgotten_when_the_round_collects_again():
    local = LocalState(HEART, 1)
    local.learn(PullStarted(digest("x")), 5)
    local.learn(PullFailed(digest("x"), "gone"), 7)
    local.begin_revision()
    assert (local.pulling, local.failed) == ({}, {})


def test_receipts_with_which_a_settlement_was_refused_come_last():
    c = merging(4)
    local, (one, two, three) = leading(c), drawn_first(c)
    local.learn(receipt_of(c, one), c.now_ms)
    (body,) = settlements(c, local)
    local.learn(TransactionRefused(body), c.now_ms)  # its key was another one for a moment
    assert settlements(c, local) == []
    local.learn(receipt_of(c, two), c.now_ms)
    local.learn(receipt_of(c, three), c.now_ms)
    (body,) = settlements(c, local)
    assert [p.member for p in body.receipts] == [two, three]


def test_a_false_offer_is_disputed_also_when_its_leader_leads_no_longer():
    c = merging(4)
    liar, (one, two, _) = c.leader(), drawn_first(c)
    offer = c.doubt()
    for member in (one, two):
        c.ok(member, Suspect(c.ref()))
    r = c.round()
    assert (get_leader(r, 0), get_leader(r) == liar) == (liar, False)
    local = LocalState(HEART, get_leader(r))
    accused = (r.number, r.revision, 0, liar)
    local.offers[accused] = Offered(
        liar, r.number, r.revision, offer.digest, offer.nbytes, offer.layout, offer.offer
    )
    found = Discrepancy(offer.chunk, offer.leaf, offer.claimed, offer.path)
    local.learn(Audited(r.number, r.revision, offer.digest, found), c.now_ms)
    (body,) = [
        w.body
        for w in decide(c.state, local, c.now_ms)
        if isinstance(w, Submit) and isinstance(w.body, Dispute)
    ]
    c.ok(local.me, body)
    assert c.round().lead.dispute.leader == liar


def test_a_dispute_that_came_behind_another_one_is_not_given_up():
    dispute = Dispute(None, "", 0, "", "", 0, "", (), "")
    assert not is_final(dispute, "AlreadyDone")
    assert is_final(dispute, "NotAllowed")
    assert is_final(Suspect(None), "AlreadyDone")
    assert not is_final(Suspect(None), "Disputed")


def test_an_answer_that_comes_while_the_others_merge_is_expected_but_no_new_task():
    c = merging(4)
    r = c.round()
    late = r.contributions[0].member
    state = Overlay(c.state)
    ROUND.put(state, HEART, record=replace(r, contributions=r.contributions[1:]))
    held = {c.study().current.digest}
    local = LocalState(HEART, late, held=held)
    assert assign(state, local) is None
    assert expect(state, local).number == r.number
    local.learn(
        PreparedContribution(r.number, r.base, digest("x"), digest("root"), 64, LAYOUT, 10), 0
    )
    assert expect(state, local) is None


def test_an_answer_is_late_once_the_change_of_a_round_is_settled():
    """It would have the form of a change, and the round takes a model now: no trainer's fault."""
    c = merging(4)
    r = c.round()
    late = r.contributions[0].member
    state = Overlay(c.state)
    change = replace(r, phase="CONFIRMING", wire="int8", contributions=r.contributions[1:])
    ROUND.put(state, HEART, record=change)
    local = LocalState(HEART, late, held={c.study().current.digest})
    assert expect(state, local) is None
    of_change = PreparedContribution(
        r.number, r.base, digest("x"), digest("root"), 64, digest("y"), 10
    )
    local.learn(of_change, 0)
    assert find_fault(state, local) == ""


def retractions(c, local):
    effects = decide(c.state, local, c.now_ms)
    return [w.body for w in effects if isinstance(w, Submit) and isinstance(w.body, Retract)]


def test_a_contribution_that_a_crash_has_torn_is_taken_back_when_somebody_needs_it():
    c = merging(3, min_peers=2)
    leader, mine = c.leader(), c.round().contribution_of(c.leader()).digest
    assert retractions(c, LocalState(HEART, leader, held={mine})) == []
    assert len(retractions(c, LocalState(HEART, leader))) == 1  # it leads, and cannot merge
    follower = c.followers()[0]
    assert retractions(c, LocalState(HEART, follower)) == []  # who leads may have it
    c.ok(leader, Unavailable(c.ref(), follower))
    (body,) = retractions(c, LocalState(HEART, follower))
    c.ok(follower, body)
    assert c.round().contribution_of(follower) is None


def test_a_torn_contribution_is_not_taken_back_while_the_merge_with_it_is_disputed():
    c = merging(4, min_peers=3)
    leader, auditor = c.leader(), c.followers()[0]
    c.ok(auditor, c.doubt())
    assert retractions(c, LocalState(HEART, leader)) == []  # it would seem to flee
    c.idle(c.spec().leader_timeout_ms - 1)
    c.act(auditor, Poke(HEART))
    c.idle(2)
    c.act(auditor, Poke(HEART))
    assert c.round().lead.dispute is None
    c.ok(auditor, Unavailable(c.ref(), leader))
    assert len(retractions(c, LocalState(HEART, leader))) == 1


def test_a_leader_that_was_lost_is_told_again_what_it_may_have_forgotten():
    local = LocalState(HEART, 1)
    for leader in (2, 3):
        local.learn(ReceiptSent(leader, 4, 0), 0)
    local.learn(PeerLost(2), 0)
    assert local.receipted == {(4, 0, 0, 3)}


# who may read


def test_a_contribution_is_given_only_by_who_has_pulled_or_made_it_in_this_study():
    """Or whoever knows a digest of another study could contribute it here and ask for it."""
    c = merging(4)
    r = c.round()
    theirs, mine = (r.contribution_of(m).digest for m in (2, 1))
    local = LocalState(HEART, 1, held={theirs, mine})  # from another study, say
    assert not may_read(c.state, local, 3, theirs)
    assert not may_read(c.state, local, 3, mine)
    local.learn(local.obtained.and_(r.number, theirs), 0)
    local.learn(
        PreparedContribution(r.number, r.base, mine, digest("root"), MODEL_BYTES, LAYOUT, 10), 0
    )
    assert may_read(c.state, local, 3, theirs)
    assert may_read(c.state, local, 3, mine)
    assert not may_read(c.state, local, 9, theirs)
    again = LocalState(HEART, 1, held=local.held, obtained=local.obtained)  # it was started again
    assert may_read(c.state, again, 3, theirs)
    local.learn(FetchedBlobs(r.number - 1, (theirs,)), 0)
    assert not may_read(c.state, local, 3, theirs)
