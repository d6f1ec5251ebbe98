"""Keys of masked rounds: a node makes them in time, and sends them along with what goes anyway."""

from builders import digest
from masked import HEART, LAYOUT, MASKED, MaskedConsortium, root_of

from swarmhub.protocol import LocalState, OwnMasked, decide
from swarmhub.protocol import mask_work as work
from swarmhub.protocol.effects import MakeKeys, Submit
from swarmhub.protocol.observations import KeysMade


def begun():
    """A masked study in its initial round, and a node of it with a trainer."""
    c = MaskedConsortium(4)
    c.start(privacy=MASKED, min_peers=3, rounds=3)
    return c, LocalState(HEART, 1, attached=True)


def sent(c, local):
    """The bodies that the node submits now."""
    return [e.body for e in decide(c.state, local, c.now_ms) if isinstance(e, Submit)]


def make(c, local):
    """Carry out the making of keys; return for which rounds and keyings."""
    found = [e for e in decide(c.state, local, c.now_ms) if isinstance(e, MakeKeys)]
    for e in found:
        keys = work.make_keys(root_of(1, e.number, e.keying))
        local.learn(KeysMade(e.number, e.keying, *keys), c.now_ms)
    return [(e.number, e.keying) for e in found]


def test_ready_waits_for_keys_and_takes_them_along():
    c, local = begun()
    assert sent(c, local) == []
    assert make(c, local) == [(2, 0)]
    (body,) = sent(c, local)
    assert (body.KIND, body.keys) == ("round.ready", c.next_keys(1))
    c.ok(1, body)
    assert sent(c, local) == []
    assert make(c, local) == []


def test_a_member_that_is_ready_without_keys_sends_them():
    c, local = begun()
    c.ready(1, 2, 3, 4)
    c.settle()
    assert make(c, local) == [(3, 0), (2, 0)]
    assert [body.KIND for body in sent(c, local)] == ["round.key"]


def test_without_a_trainer_no_keys_go():
    c, local = begun()
    c.ready(1, 2, 3, 4)
    c.settle()
    local.attached = False
    make(c, local)
    assert sent(c, local) == []


def test_a_masked_contribution_takes_the_next_keys_along():
    c, local = begun()
    c.ready(1, 2, 3, 4)
    c.settle()
    c.reach("COLLECTING", 1, 2, 3, 4)
    local.masks.checked = {(2, 0, dealer): "" for dealer in (1, 2, 3, 4)}
    local.masked = OwnMasked(2, 0, digest("a"), digest("b"), digest("c"), 9, LAYOUT, 100)
    assert sent(c, local) == []
    assert make(c, local) == [(3, 0)]
    (body,) = sent(c, local)
    assert (body.KIND, body.keys) == ("round.contribute", c.next_keys(1))
