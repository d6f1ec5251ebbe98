"""Rounds in few bytes: members contribute changes, and each node computes the model that follows
from the settled one before it signs for it. The others compute it after the settlement, or fetch it
if they lack the model before."""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.records import ROUND, Change, Model
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Computed
from swarmhub.protocol.effects import ApplyChange, ChangeForm, Effect
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.observations import MergeDone
from swarmhub.protocol.view import View
from swarmhub.types import Digest


def compute_model(view: View, change: Digest) -> Iterator[Effect]:
    """Compute the model of a held change, if this round has changes and it is not known yet."""
    form, base = view.changes, view.r.base
    if form is None or (change, base) in view.local.computed:
        return
    if {change, base} <= view.local.held:  # `hold_models` fetches the base
        yield ApplyChange(form, change, base)


def get_model(view: View, change: Digest) -> Digest | None:
    """Return the model of a change; "" in a round without changes, None if it is not computed
    yet."""
    return view.local.computed.get((change, view.r.base)) if view.r.wire else ""


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
    model = local.computed.get((merged.digest, r.base)) if r.wire else ""
    return None if model is None else Computed(merged.met, model)
