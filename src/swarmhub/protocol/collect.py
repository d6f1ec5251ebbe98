"""Effects before and while the round collects: models to hold, and the own contribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from swarmhub.contract.records import Model, Result, Round, Study
from swarmhub.contract.results import get_results
from swarmhub.contract.round.budget import is_beyond
from swarmhub.contract.round.election import get_line
from swarmhub.contract.state import Reader
from swarmhub.protocol.answers import make_contribution
from swarmhub.protocol.changes import find_own_way
from swarmhub.protocol.effects import ApplyChange, Effect, Submit, Wake
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.mask_keys import get_next_keying, take_along
from swarmhub.protocol.masking import contribute_masked
from swarmhub.protocol.shards import fetch_first_shards, hold_whole
from swarmhub.protocol.view import View, pull_contributions
from swarmhub.types import Digest, MemberId

MAX_PAUSES = 4  # doublings of a pause: eight seconds, less than failures are remembered


def hold_models(state: Reader, study: Study, local: LocalState, now_ms: int) -> Iterator[Effect]:
    """Fetch the settled model and results from which the study goes on."""
    for model in get_needed(state, study):
        if model.digest in local.held:
            continue
        own_way = find_own_way(local, model) if isinstance(model, Model) else None
        if isinstance(own_way, ApplyChange):
            yield own_way
            continue
        whole = own_way or model
        shards = () if isinstance(whole, Result) else whole.shards
        holders, durable = get_holders(model, study), own_way is None
        yield from hold_whole(local, now_ms, whole, shards, holders, durable)


def get_needed(state: Reader, study: Study) -> list[Model | Result]:
    """Return what a node holds to give its trainer a task: results, and the current model."""
    current = [study.current] if study.current else []
    return [*get_results(state, study.name).values(), *current]


def get_holders(model: Model | Result, study: Study) -> tuple[MemberId, ...]:
    """Return the holders to ask for a settled blob: its leader, the signers of its receipts and its
    contributors had it; all of those may be gone or lie, so the other enrolled members follow,
    which have pulled it since."""
    had = [*model.receipts, *(s.member for s in model.shares)] if isinstance(model, Model) else []
    enrolled = (e.member for e in study.enrolled)
    return tuple(dict.fromkeys([model.leader, *had, *enrolled]))


def contribute(view: View) -> Iterator[Effect]:
    """Bring the trainer's answer to the ledger, once, if it is an answer to this round. If it was
    excluded because the others could not get it, try again, but less and less often."""
    prepared, r, local = view.local.prepared, view.r, view.local
    if r.masks is not None:
        yield from contribute_masked(view)
        return
    if prepared is None or (prepared.number, prepared.base) != (r.number, r.base):
        return
    if is_left_out(r, view.me, prepared.layout):
        return  # the trainer hears why
    if is_beyond(view.state, view.spec, r, view.me, prepared.digest):
        return  # the node's problems say it
    before = local.contributed.get(r.number)
    pause_ms = local.timeouts.again_ms << min(before.count - 1, MAX_PAUSES) if before else 0
    at_ms = before.last_ms + pause_ms if before else 0
    if r.contribution_of(view.me) is None and view.now_ms < at_ms:
        yield Wake(at_ms)
    elif r.contribution_of(view.me) is None:
        may_go, keys = take_along(view, get_next_keying(view))
        if may_go:
            yield Submit(replace(make_contribution(view.study, r, prepared), keys=keys))


def is_left_out(r: Round, member: MemberId, layout: Digest) -> bool:
    """Return whether a contribution of this layout was left out of the round."""
    return any((o.member, o.layout) == (member, layout) for o in r.left_out)


def fetch_early(view: View) -> Iterator[Effect]:
    """Pull contributions as they arrive, if this node is the first in line of the roster."""
    line = get_line(view.r, view.r.roster)
    if view.r.shards > 1:
        yield from fetch_first_shards(view)
    elif line and line[0] == view.me:
        yield from pull_contributions(view)
