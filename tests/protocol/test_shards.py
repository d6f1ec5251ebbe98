"""What a node does in a round of several shards."""

from __future__ import annotations

import pytest
from builders import HEART, LAYOUT
from hypothesis import given
from hypothesis import strategies as st
from test_contract_shards import MEMBERS, NBYTES, leaves_of, merging, parts_of, see, settle

from swarmhub import merkle
from swarmhub.contract.deadlines import get_began_ms
from swarmhub.contract.records import Round, SettledShard
from swarmhub.contract.round.election import get_auditors, get_leader
from swarmhub.contract.round.shards import cut
from swarmhub.params import CHUNK_BYTES, Fingerprint
from swarmhub.protocol import (
    Audit,
    Join,
    LocalState,
    Merge,
    Pull,
    Watch,
    compute_kept,
    decide,
    may_read,
)
from swarmhub.protocol.observations import (
    BlobStored,
    FetchedBlobs,
    Offered,
    PeerLost,
    PullFailed,
)
from swarmhub.protocol.shards import (
    Piece,
    choose_roots,
    compute_roots,
    get_pieces,
    get_settled_pieces,
    hold_whole,
)


def wished(c, local, kind):
    return [w for w in decide(c.state, local, c.now_ms) if isinstance(w, kind)]


def pieces_of(c, member):
    """The parts of a member's contribution."""
    mine = c.round().contribution_of(member)
    return get_pieces(mine, mine.parts)


def holding_own(c, member):
    """A node that holds its own contribution, and lets others read its parts."""
    mine = c.round().contribution_of(member)
    pieces = {p.digest for p in pieces_of(c, member)}
    return LocalState(HEART, member, held={mine.digest, *pieces, c.study().current.digest})


@given(st.integers(1, 300), st.integers(2, 64))
def test_the_roots_of_a_round_follow_from_those_of_the_smallest_parts(chunks, most):
    leaves = tuple(leaves_of("x", chunks))
    made = Fingerprint(LAYOUT, chunks * CHUNK_BYTES, leaves)
    r = Round(HEART, 2, "train", "COLLECTING", (1, 2, 3, 4), shards=most)
    found = choose_roots(r, made.nbytes, compute_roots(made))
    count = len(cut(LAYOUT, made.nbytes, most))
    assert len(found) == (count if count > 1 else 0)
    assert len(compute_roots(made)) <= 64
    if count > 1:
        size = -(-chunks // count)
        roots = merkle.roots_of(leaves, 1 << (size - 1).bit_length())
        assert found == tuple(root.hex() for root in roots)


def test_each_node_pulls_its_shard_of_each_contribution_and_watches_the_others():
    c = merging()
    for me in MEMBERS:
        local = holding_own(c, me)
        mine = [s for s in range(7) if get_leader(see(c, s)) == me]
        assert len(mine) == 1
        pulled = {w.digest for w in wished(c, local, Pull)}
        needed = {pieces_of(c, m)[mine[0]].digest for m in MEMBERS if m != me}
        assert needed <= pulled
        assert len(pulled - needed) <= 4  # parts of leaders that it is drawn to audit
        assert {w.shard for w in wished(c, local, Watch)} == set(range(7)) - set(mine)
        local.held |= needed
        (merge,) = wished(c, local, Merge)
        assert (merge.part.shard, len(merge.shares), merge.layout) == (
            mine[0], 7, merge.part.name,
        )  # fmt: skip


def test_a_settled_shard_is_fetched_by_those_that_lack_it():
    c = merging()
    settle(c, 3)
    (me, *_) = (m for m in MEMBERS if m not in (get_leader(see(c, 3)),))
    local, settled = holding_own(c, me), see(c, 3).lead.settled
    wanted = cut(LAYOUT, NBYTES, 7)[3].compute_digest(settled.root)
    (pull,) = (w for w in wished(c, local, Pull) if w.digest == wanted)
    assert pull.holders[0] == settled.leader
    assert 3 not in {w.shard for w in wished(c, local, Watch)}
    local.learn(BlobStored(wanted), c.now_ms)
    assert wanted not in {w.digest for w in wished(c, local, Pull)}
    assert wanted in compute_kept(c.state, local)
    assert may_read(c.state, local, settled.leader, wanted)


def test_parts_are_read_by_those_that_may_read_the_whole():
    c = merging()
    mine, theirs = pieces_of(c, 1)[2].digest, pieces_of(c, 2)[2].digest
    local = holding_own(c, 1)
    local.prepared = None
    assert not may_read(c.state, local, 5, mine), "it has not brought it"
    assert not may_read(c.state, local, 5, theirs)
    local.learn(FetchedBlobs(c.round().number, (theirs,)), c.now_ms)
    assert may_read(c.state, local, 5, theirs)
    assert not may_read(c.state, local, 9, theirs)


def settled_whole(members=(2, 3)):
    """A whole of thirteen chunks, and its settled shards."""
    root, roots = parts_of("whole")
    shards = tuple(SettledShard(r, 1 + i, 0, members) for i, r in enumerate(roots))
    return Piece(root, NBYTES, LAYOUT), shards


@pytest.mark.parametrize(("held", "failed", "wanted"), [
    ((), (), "whole"), ((0, 1, 2, 3, 4, 5, 6), (), "join"), ((0, 1, 2, 3), (), "parts"),
    ((0, 1, 2, 3), (5,), "whole"),
])  # fmt: skip
def test_a_node_joins_what_it_has_and_fetches_what_lacks(held, failed, wanted):
    whole, shards = settled_whole()
    parts = [p.digest for p in get_settled_pieces(whole, shards)]
    local = LocalState(HEART, 9, held={parts[i] for i in held})
    for i in failed:
        local.learn(PullFailed(parts[i], "gone"), 0)
    effects = list(hold_whole(local, 10_000, whole, shards, (2, 9)))
    pulls = [e for e in effects if isinstance(e, Pull)]
    if wanted == "join":
        assert effects == [Join(whole.digest, NBYTES, LAYOUT, tuple(parts))]
    elif wanted == "whole":
        assert [e.digest for e in pulls] == [whole.digest]
    else:
        assert [e.digest for e in pulls] == [p for i, p in enumerate(parts) if i not in held]
        assert pulls[0].holders == (5, 2, 3), "leader, signers, others; never itself"
    local.held.add(whole.digest)
    assert not list(hold_whole(local, 10_000, whole, shards, (2, 9)))


def offered(c, shard, me, took_ms):
    """A node that holds the offered merge of a shard, which took so long to come."""
    local, leader = holding_own(c, me), get_leader(see(c, shard))
    part = cut(LAYOUT, NBYTES, 7)[shard]
    of = part.compute_digest(parts_of("merged")[1][shard])
    began_ms = get_began_ms(c.state, f"term/{HEART}/{shard}")
    at = (c.round().number, c.round().revision)
    form = (of, part.nbytes, part.name)
    local.learn(Offered(leader, *at, *form, "", shard), began_ms)
    local.learn(BlobStored(of), began_ms + took_ms)
    theirs = pieces_of(c, leader)[shard].digest  # the auditor needs the leader's part
    local.learn(BlobStored(theirs), began_ms)
    return local, began_ms + took_ms


@pytest.mark.parametrize(("is_lost", "after_ms"), [(False, 9_000), (True, 400)])
def test_others_audit_when_the_drawn_have_had_as_long_again(is_lost, after_ms):
    c = merging()
    c.idle()
    view = see(c, 4)
    drawn = get_auditors(view, 7)
    me = next(m for m in MEMBERS if m not in {*drawn, get_leader(view)})
    local, arrived_ms = offered(c, 4, me, took_ms=9_000)
    if is_lost:
        local.learn(PeerLost(drawn[0]), arrived_ms)

    def audits(now_ms):
        return [w for w in decide(c.state, local, now_ms) if isinstance(w, Audit)]

    assert not audits(arrived_ms + after_ms - 1)
    (effect,) = audits(arrived_ms + after_ms)
    assert (effect.part.shard, effect.full) == (4, False)
