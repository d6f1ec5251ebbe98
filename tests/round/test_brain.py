"""What a node wishes to do, from the ledger's state, its notes and the time."""

from builders import HEART, merging

from swarmhub.contract.deadlines import get_began_ms
from swarmhub.contract.transactions import Suspect
from swarmhub.round import Notes, PeerLost, Submit, Wake, decide


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
