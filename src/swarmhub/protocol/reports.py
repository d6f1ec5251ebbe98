"""Reports of contributions that cannot be had or merged: by the leader, by others, by the owner."""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.records import Contribution
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.shards import get_views
from swarmhub.contract.transactions import Invalid, Retract, Unavailable
from swarmhub.protocol.effects import Check, Effect, Submit, Wake
from swarmhub.protocol.view import View, is_out_of_reach, pull_contribution


def report_unavailable(
    view: View, missing: list[Contribution], bad: list[Contribution]
) -> Iterator[Effect]:
    """Report a contribution that cannot be had or merged, another one in each term: reports stay.

    One that cannot be merged is reported by `confirm_invalid`, and the contract decides. But an
    owner may give its contribution to some members and not to others, which cannot confirm that it
    is bad: so, late in the term, one that cannot be merged counts as one that cannot be had."""
    late_ms = get_late_ms(view)
    is_late = late_ms is not None and view.now_ms >= late_ms
    slow = find_slow(view, missing)
    lost = [c for c in missing if c in slow or is_out_of_reach(view, c.digest)]
    said = {p.member for p in view.r.reports if (p.kind, p.reporter) == ("unavailable", view.me)}
    found = [c.member for c in (*lost, *(bad if is_late else [])) if c.member != view.me]
    new = [member for member in found if member not in said]  # its own: see `retract_own`
    again = found if view.part is not None else []  # as leader of another shard
    if new or again:
        yield Submit(Unavailable(view.ref, (new or again)[0]))
        return
    if late_ms is not None and not is_late:
        yield Wake(late_ms)


def find_slow(view: View, missing: list[Contribution]) -> list[Contribution]:
    """Return the contributions with a pull that has gone on for half of the term and takes longer
    than three quarters of it, while more than half of all contributions are here, and the others
    are enough."""
    r, local = view.r, view.local
    late_ms = get_late_ms(view)
    if late_ms is None or view.now_ms < late_ms or len(r.contributions) <= r.min_peers:
        return []
    if 2 * len(missing) >= len(r.contributions):
        return []  # the fault may be here, or in the network
    since_ms = late_ms - 2 * (late_ms - (view.term_began_ms or 0)) // 3
    return [c for c in missing if local.pulling.get(c.digest, view.now_ms) <= since_ms]


def get_late_ms(view: View) -> int | None:
    """Return the time at three quarters of the term: the rest is for a report to be in a block
    before it ends."""
    if view.term_began_ms is None or view.term_ends_ms is None:
        return None
    return view.term_began_ms + (view.term_ends_ms - view.term_began_ms) * 3 // 4


def retract_own(view: View) -> Iterator[Effect]:
    """Retract the node's own contribution if a crash has torn its blob and it is needed: members
    that have pulled it before may have died or lie, and too few may be left to exclude it."""
    r, mine = view.r, view.r.contribution_of(view.me)
    if mine is None or mine.digest in view.local.held:
        return
    shards = get_views(view.state, r)
    if any(s.lead.dispute is not None and s.lead.dispute.leader == view.me for s in shards):
        return  # to leave now would count as fleeing
    reported = any((p.kind, p.member) == ("unavailable", view.me) for p in r.reports)
    if reported or any(get_leader(s) == view.me for s in shards):
        yield Submit(Retract(view.ref))


def confirm_invalid(view: View) -> Iterator[Effect]:
    """Check contributions that others call invalid, and report those that are."""
    local, r = view.local, view.r
    said = {p.member for p in r.reports if p.kind == "invalid"}
    mine = {p.member for p in r.reports if p.kind == "invalid" and p.reporter == view.me}
    for c in r.contributions:
        if c.member == view.me or c.member in mine:
            continue
        if local.is_bad(c.digest, c.weight):
            yield Submit(Invalid(view.ref, c.member))
        elif c.member in said and not local.is_good(c.digest, c.weight):
            if c.digest in local.held:
                yield Check(
                    view.stage, c.digest, c.member, c.weight, r.is_masked, view.changes, view.part
                )
            else:
                yield from pull_contribution(view, c)
