"""Rounds in few bytes: members contribute changes, and each node computes the model that follows
from the settled one before it signs for it. The others compute it after the settlement, or fetch it
if they lack the model before."""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.records import ROUND, Change, Model
from swarmhub.contract.round.kinds import CONFIRMING
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Computed
from swarmhub.protocol.effects import ApplyChange, ChangeForm, Effect, Offer
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.observations import MergeDone
from swarmhub.protocol.shards import hold_whole
from swarmhub.protocol.view import View
from swarmhub.types import Digest


def compute_model(view: View, change: Digest) -> Iterator[Effect]:
    """Compute the model of a held change, if this round has changes and it is not known yet."""
    form, base = view.changes, view.r.base
    if form is None or (change, base) in view.local.computed or not is_whole_change(view):
        return
    if {change, base} <= view.local.held:  # `hold_models` fetches the base
        yield ApplyChange(form, change, base)


def get_model(view: View, change: Digest) -> Digest | None:
    """Return the model of a change; "" if what is merged is none as a whole, None if it is not
    computed yet."""
    return view.local.computed.get((change, view.r.base)) if is_whole_change(view) else ""


def is_whole_change(view: View) -> bool:
    """Return whether the round merges changes as a whole now: of one shard there is no model, and
    the settled change's is confirmed as it is."""
    return view.r.wire != "" and view.part is None and view.r.phase != CONFIRMING


def confirm_change(view: View) -> Iterator[Effect]:
    """Compute the model of the change that is settled in shards, as every node does, the leader to
    offer it, the others to compare it."""
    r, form = view.r, view.changes
    if r.change is None or form is None:
        return
    yield from hold_whole(view.local, view.now_ms, r.change, r.change.shards, r.contributors)
    model = view.local.computed.get((r.change.digest, r.base))
    if model is not None:
        yield Offer(r.study, r.number, r.revision, model)
    elif {r.change.digest, r.base} <= view.local.held:
        yield ApplyChange(form, r.change.digest, r.base)


def find_own_way(local: LocalState, model: Model) -> Change | ApplyChange | None:
    """Return the change to fetch, or to apply, by which this node has a settled model in few bytes;
    None if it has to fetch the model: it lacks the base, or the change cannot be had."""
    change = model.change
    if change is None or model.base not in local.held or change.digest in local.failed:
        return None
    if (change.digest, model.base) in local.computed:
        return None  # and it is another model
    if change.digest not in local.held:
        return change
    return ApplyChange(ChangeForm(change.wire, model.layout), change.digest, model.base)


def find_computed(state: Reader, local: LocalState, merged: MergeDone) -> Computed | None:
    """Return what this node has computed of its own merge, for which others sign receipts; None if
    it computes the model still, or no round is open."""
    r = ROUND.get(state, local.study)
    if r is None:
        return None
    is_change = r.wire and r.phase != CONFIRMING and not merged.root
    model = local.computed.get((merged.digest, r.base)) if is_change else ""
    return None if model is None else Computed(merged.met, model)
