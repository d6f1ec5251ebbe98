"""A round from one node's point of view. Read on in `collect`, `lead`, `follow` and `audit`.

    trainer        my node            leader's node              other nodes
      | parameters   |                     |                          |
      |------------->| contribute (ledger: digest, weight, metrics)   |
      |              |<----- pull --------|                          |
      |              |   watch            | merge (all contributions) |
      |              |------------------->|                          |
      |              |<-- offer: digest --|------------------------->|
      |              |--- pull merged --->|<-------------------------|
      |              | audit (if drawn): recompute stretches of the merge
      |              |--- receipt ------->|                          |
      |              |                    | settle (ledger: digest, receipts)
      |<-------------| next round: everyone trains on from the settled model

Theory. The ledger decides everything that must be agreed: which members take part, when collecting
ends, which set is merged, which member leads. The rest is work for the node, and `decide` says
which: from the contract's state, the node's local state and the time it computes all effects that
should be under way *now*, from scratch, every time anything happens. It never waits for an answer
to a step and keeps no position in a script, so there is no step that a crash can lose: a node that
restarts reads the ledger, looks at its disk, and decides. It does no I/O and has no clock and no
randomness, so a simulator can drive it through millions of schedules.

A leader that dies is noticed because every other node has a request open at it (`Watch`); f + 1
suspicions move the term on. A contribution that cannot be had costs its reporters their terms and
is excluded when enough of them agree. All of that is decided by the contract; here a node only
reports what it observes.

A large model is merged in shards. Each has a leader, and a node leads one shard while it follows
the leaders of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from swarmhub.contract.deadlines import get_due_ms
from swarmhub.contract.records import STUDY
from swarmhub.contract.round.election import compute_leader_order, get_candidates, get_leader
from swarmhub.contract.round.kinds import COLLECTING, CONFIRMING, MERGING, TIMERS
from swarmhub.contract.round.shards import get_views, make_key
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Poke
from swarmhub.protocol.audit import answer_dispute, open_dispute
from swarmhub.protocol.collect import contribute, fetch_early, hold_models
from swarmhub.protocol.effects import Effect, Pull, Submit, Wake
from swarmhub.protocol.follow import follow
from swarmhub.protocol.lead import lead
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.mask_keys import announce_ready
from swarmhub.protocol.masking import mask, show_last_shares
from swarmhub.protocol.reports import confirm_invalid, retract_own
from swarmhub.protocol.shards import get_shard_views, hold_settled
from swarmhub.protocol.view import View, make_view


def decide(state: Reader, local: LocalState, now_ms: int) -> list[Effect]:
    """Return all effects that should be under way at this node for this study, now."""
    view = make_view(state, local, now_ms)
    if view is None:
        study = STUDY.get(state, local.study)  # over: its last model is still wanted here
        enrolled = study is not None and study.samples_of(local.me) is not None
        if study and enrolled:
            return list(hold_models(state, study, local, now_ms))
        return list(show_last_shares(state, local, now_ms))
    effects = [*hold_models(state, view.study, local, now_ms), *announce_ready(view), *mask(view)]
    if view.r.phase == COLLECTING:
        effects += [*contribute(view), *fetch_early(view)]
    elif view.r.phase == MERGING and view.me in get_candidates(view.r):
        effects += retract_own(view)
        for shard in get_shard_views(view):
            effects += merge_shard(shard)
    elif view.r.phase == CONFIRMING and view.me in get_candidates(view.r):
        effects += lead(view) if get_leader(view.r) == view.me else follow(view)
    effects += poke(view, state)
    return [w for w in unite(effects) if not (isinstance(w, Submit) and w.body in local.refused)]


def merge_shard(view: View) -> Iterator[Effect]:
    """Return the effects of one shard that is merged: all of the round, if it has one shard."""
    if view.r.lead.settled is not None:
        yield from hold_settled(view, view.r.lead.settled)
        return
    yield from (*open_dispute(view), *answer_dispute(view), *confirm_invalid(view))
    yield from lead(view) if get_leader(view.r) == view.me else follow(view)


def unite(effects: list[Effect]) -> Iterator[Effect]:
    """Yield each effect once. A blob that several parts want is pulled from the holders of all of
    them."""
    pulls: dict[Effect, Pull] = {}
    for w in effects:
        if isinstance(w, Pull):
            first = pulls.get(w, w)
            holders = tuple(dict.fromkeys([*first.holders, *w.holders]))
            pulls[w] = replace(first, holders=holders, durable=first.durable or w.durable)
    for w in dict.fromkeys(effects):
        yield pulls.get(w, w)


def poke(view: View, state: Reader) -> Iterator[Effect]:
    """Make a block when a deadline of the round has passed, one member after the other."""
    local, study = view.local, view.r.study
    keys = [f"{timer}/{study}" for timer in TIMERS]
    shards = get_views(state, view.r)[1:]
    keys += [make_key(timer, shard) for shard in shards for timer in ("term", "dispute")]
    due = [due_ms for key in keys if (due_ms := get_due_ms(state, key))]
    if not due:
        return
    enrolled = tuple(e.member for e in view.study.enrolled)
    rank = compute_leader_order(view.r.study, view.r.number, enrolled).index(view.me)
    for due_ms in due:
        at_ms = max(due_ms + 1 + rank * local.timeouts.poke_step_ms,
                    local.poked_ms + local.timeouts.poke_step_ms)  # fmt: skip
        if view.now_ms >= at_ms:
            yield Submit(Poke(view.r.study))
        else:
            yield Wake(at_ms)
