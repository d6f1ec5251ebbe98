"""Effects of the leader while the round merges: get all contributions, merge, settle."""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.records import Receipt, Share
from swarmhub.contract.round.election import get_candidates, is_backed
from swarmhub.contract.round.kinds import CONFIRMING, KINDS
from swarmhub.contract.transactions import Computed, Settle
from swarmhub.protocol.changes import compute_model, get_model
from swarmhub.protocol.confirm import compute_confirmed
from swarmhub.protocol.effects import Effect, Merge, Submit, Sync
from swarmhub.protocol.observations import ReceiptCame
from swarmhub.protocol.reports import report_unavailable
from swarmhub.protocol.signatures import is_receipt
from swarmhub.protocol.view import View, pull_contributions, shares_of


def lead(view: View) -> Iterator[Effect]:
    """Get all contributions, merge them, offer the result, and settle when others hold it."""
    local, r = view.local, view.r
    merged = local.merged.get(view.key)
    if merged is None:
        yield from compute_own(view)
        return
    model = get_model(view, merged.digest)
    if model is None:
        yield from compute_model(view, merged.digest)
    unsafe = [d for d in (merged.digest, model) if d and d not in local.synced]
    if model is None or unsafe:
        yield from map(Sync, unsafe)  # the signers may lie: this may be the only copy
        return
    computed = Computed(merged.met, model)
    if r.lead.dispute is not None:
        return  # a merge of this round is recomputed now, this one or another
    receipts = local.receipts.get((*view.key, merged.digest), {})
    came = [
        ReceiptCame(r.number, r.revision, merged.digest, m, s, r.lead.shard)
        for m, s in receipts.items()
    ]
    signed = [
        Receipt(receipt.member, receipt.signature)
        for receipt in came  # its key may have changed since
        if receipt.member in get_candidates(r)
        and is_receipt(view.state, r.study, receipt, merged, computed)
    ]
    signed.sort(key=lambda receipt: local.mistrusted[receipt.member])  # stable: else as they came
    backed = choose_receipts(view, signed)
    if backed is not None:
        form = (merged.digest, merged.nbytes, merged.layout)
        yield Submit(Settle(view.ref, *form, backed, merged.met, model, merged.root))


def compute_own(view: View) -> Iterator[Effect]:
    """Compute what this leader is to offer."""
    if view.r.phase == CONFIRMING:
        yield from compute_confirmed(view)
    elif KINDS[view.r.kind].has_contributions:
        yield from merge(view)
    else:
        yield from start_from_own(view)


def choose_receipts(view: View, signed: list[Receipt]) -> tuple[Receipt, ...] | None:
    """Return the first receipts that are enough (a later one must not make another effect), or
    None."""
    r, enrolled = view.r, len(view.r.enrolled)
    for count in range(len(signed) + 1):
        first = tuple(signed[:count])
        if is_backed(r, enrolled, r.lead.term, {receipt.member for receipt in first}):
            return first
    return None


def start_from_own(view: View) -> Iterator[Effect]:
    """Merge the leader's own parameters alone: in the initial round they are the model."""
    prepared, r = view.local.prepared, view.r
    if prepared is not None and prepared.number == r.number:
        share = Share(view.me, prepared.weight, prepared.digest)
        yield Merge(r.study, r.number, view.stage, r.revision, prepared.layout, (share,))


def merge(view: View) -> Iterator[Effect]:
    """Merge once every contribution is here; report those that cannot be had or merged."""
    local, r = view.local, view.r
    missing = [c for c in r.contributions if c.digest not in local.held]
    bad = [c for c in r.contributions if local.is_bad(c.digest, c.weight)]
    if missing or bad:
        yield from pull_contributions(view)
        yield from report_unavailable(view, missing, bad)
        return
    if not view.lacks_base:
        shares = shares_of(view)
        layout = r.contributions[0].layout
        yield Merge(
            r.study, r.number, view.stage, r.revision, layout, shares, view.merge_base,
            r.is_masked, view.changes, view.part,
        )  # fmt: skip
