"""What a node wishes to do, from the ledger's state, its notes and the time."""

from builders import HEART, digest, initialised, merging

from swarmhub.contract.deadlines import get_began_ms
from swarmhub.contract.transactions import Contribute, Suspect
from swarmhub.round import Accepted, Notes, PeerLost, Prepared, Submit, Wake, decide


def suspicions(wishes):
    return [w.body for w in wishes if isinstance(w, Submit) and isinstance(w.body, Suspect)]


def wait_until_suspected(c, notes, began_ms):
    """Milliseconds from the term's beginning until this node suspects the leader."""
    now_ms = began_ms
    while not suspicions(wishes := decide(c.state, notes, now_ms)):
        now_ms = min(w.at_ms for w in wishes if isinstance(w, Wake) and w.at_ms > now_ms)
    return now_ms - began_ms


def test_leaders_that_all_seem_lost_are_suspected_more_and_more_slowly():
    c = merging(4, leader_timeout_ms=60_000)
    waited = []
    for _ in range(12):
        leader = c.leader()
        me, second = [m for m in c.round().contributors if m != leader][:2]
        notes = Notes(HEART, me)
        began_ms = get_began_ms(c.state, f"term/{HEART}")
        notes.learn(PeerLost(leader), began_ms - 2000)  # an outage that has lasted for long
        notes.learn(PeerLost(leader), began_ms - 1000)
        waited.append(wait_until_suspected(c, notes, began_ms))
        ref = c.ref()
        c.ok(me, Suspect(ref))
        c.ok(second, Suspect(ref))
        assert c.round().term == ref.term + 1
    assert waited == [0] * 4 + [600] * 4 + [1200] * 4


def contributions(wishes):
    return [w.body for w in wishes if isinstance(w, Submit) and isinstance(w.body, Contribute)]


def test_a_contribution_that_was_taken_out_is_brought_again_less_and_less_often():
    c = initialised(3)
    r = c.round()
    notes = Notes(HEART, 1)
    notes.learn(Prepared(r.number, r.base, digest("mine"), 4, digest("layout"), 10), 0)
    now_ms, waited = 1_000, []
    for _ in range(8):
        began_ms = now_ms
        while not (found := contributions(decide(c.state, notes, now_ms))):
            now_ms = min(w.at_ms for w in decide(c.state, notes, now_ms) if isinstance(w, Wake))
        waited.append(now_ms - began_ms)
        notes.learn(Accepted(found[0]), now_ms)  # and a block later it is taken out again
    assert waited == [0, 500, 1000, 2000, 4000, 8000, 8000, 8000]
    notes.forget_before(r.number + 1)
    assert not notes.contributed
