"""Effects of all others while the round merges: watch the leader, take its model, sign for it."""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.round.checks import MAX_STATISTICS_BYTES, STATISTICS_LAYOUT
from swarmhub.contract.round.election import get_candidates, get_leader
from swarmhub.contract.round.kinds import (
    CONFIRMING,
    DOCUMENT,
    KINDS,
    MERGING,
    has_free_layout,
)
from swarmhub.contract.round.phases import MAX_DOUBLINGS
from swarmhub.contract.transactions import Suspect
from swarmhub.protocol.audit import audit, prepare_audit, sign
from swarmhub.protocol.confirm import compute_confirmed
from swarmhub.protocol.effects import Effect, Submit, Wake, Watch
from swarmhub.protocol.local_state import Failures
from swarmhub.protocol.observations import Offered
from swarmhub.protocol.view import (
    View,
    is_out_of_reach,
    next_try_ms,
    pull,
    pull_contributions,
    recent,
)

HEDGE = 2  # so many next in line fetch contributions as soon as the leader seems lost


def follow(view: View) -> Iterator[Effect]:
    """Watch the leader, take its merged model, sign for it; suspect a leader that is gone."""
    local, r = view.local, view.r
    leader = get_leader(r)
    if leader is None:
        return
    if r.phase == MERGING:
        yield from prepare_audit(view, leader)
    offer = local.offers.get((*view.key, leader))
    known = offer.digest if offer else ""
    lost = recent(view, local.lost.get(leader))
    at_ms = next_try_ms(local, lost)
    if at_ms > view.now_ms:
        yield Wake(at_ms)
    else:
        yield Watch(leader, r.study, r.number, r.revision, known, r.lead.shard)
    if lost is not None:
        yield from doubt(view, lost)
    if r.phase == CONFIRMING:
        yield from compare(view, offer)
        return
    if offer is None or (not KINDS[r.kind].has_contributions and local.prepared is None):
        return  # in the initial round only the own trainer knows the model's form
    if offer.digest in local.held and not local.is_bad(offer.digest):
        yield from audit(view, offer)
    elif is_acceptable(view, offer):
        yield from pull(local, view.now_ms, offer, (leader,))
    if is_out_of_reach(view, offer.digest) or not is_acceptable(view, offer):
        yield from suspect(view)  # it answers, but not with a model that anybody could take


def compare(view: View, offer: Offered | None) -> Iterator[Effect]:
    """Compute the model that is confirmed as the leader does, and sign for an offer that is the
    same; suspect a leader that offers another one."""
    mine = view.local.merged.get(view.key)
    if mine is None:
        yield from compute_confirmed(view)
    elif offer is not None and offer.digest == mine.digest:
        yield from sign(view, offer, mine.met)
    elif offer is not None:
        yield from suspect(view)


def suspect(view: View) -> Iterator[Effect]:
    """Suspect, once, the leader of this term. If all have led in vain the fault may be here, or in
    the network: then wait first, for a time that doubles with every cycle of leaders."""
    r = view.r
    if view.me in r.lead.suspects:
        return
    cycle = (r.lead.term - r.lead.since_term) // len(get_candidates(r))
    if cycle:
        if view.term_began_ms is None:
            return  # the next block says when it began
        at_ms = view.term_began_ms + (view.local.timeouts.suspect_ms << min(cycle, MAX_DOUBLINGS))
        if view.now_ms < at_ms:
            yield Wake(at_ms)
            return
    yield Submit(Suspect(view.ref))


def doubt(view: View, lost: Failures) -> Iterator[Effect]:
    """Handle a leader out of reach: fetch contributions if next in line; suspect it after a
    while."""
    r = view.r
    if view.me in [get_leader(r, r.lead.term + k) for k in range(1, HEDGE + 1)]:
        yield from pull_contributions(view)
    since_ms = lost.first_ms + view.local.timeouts.suspect_ms
    if view.now_ms < since_ms:
        yield Wake(since_ms)
    elif lost.count >= 2:
        yield from suspect(view)


def is_acceptable(view: View, offer: Offered) -> bool:
    """Return whether an offered model was not found bad and has the study's form (in the initial
    round, that of this node's trainer)."""
    r, local = view.r, view.local
    if local.is_bad(offer.digest):
        return False
    if KINDS[r.kind].carries == DOCUMENT:
        return offer.layout == STATISTICS_LAYOUT and 0 < offer.nbytes <= MAX_STATISTICS_BYTES
    if not 0 < offer.nbytes <= view.spec.max_bytes:
        return False
    if has_free_layout(r) or view.part is not None:
        form = r.contributions[0]
        return (form.layout, form.nbytes) == (offer.layout, offer.nbytes)
    if not KINDS[r.kind].has_contributions:
        mine = local.prepared
        return mine is not None and (mine.layout, mine.nbytes) == (offer.layout, offer.nbytes)
    current = view.study.current
    return current is not None and (current.layout, current.nbytes) == (offer.layout, offer.nbytes)
