"""Effects of a masked round beside those of every round: keys, dealings, masks, shares.

Nothing here is secret: secrets stay where the effects are carried out, and are made there of a root
that no effect contains.
"""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.records import (
    DEALINGS,
    MASK_KEYS,
    OPENINGS,
    ROUND,
    SPEC,
    STUDY,
    MaskedSum,
    Round,
    RoundKeys,
    RoundRef,
    Stage,
    Study,
)
from swarmhub.contract.round.budget import is_beyond
from swarmhub.contract.round.kinds import (
    COLLECTING,
    CONFIRMING,
    DEALING,
    KEYING,
    KINDS,
    OPEN,
    UNMASKING,
    waits_for_shares,
)
from swarmhub.contract.round.masks import make_context
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Complain, Contribute, Deal, Open, Rekey
from swarmhub.protocol.effects import (
    CheckShare,
    Effect,
    MakeDealing,
    MakeOpening,
    MaskOwn,
    Submit,
    Unmask,
)
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.mask_keys import get_next_keying, make_keys, send_keys, take_along
from swarmhub.protocol.mask_work import DealtShares, FixedPoint, Keyed, Keying
from swarmhub.protocol.noise import make_noise
from swarmhub.protocol.observations import OwnMasked
from swarmhub.protocol.shards import choose_roots, hold_whole, line_up
from swarmhub.protocol.view import View
from swarmhub.types import Digest, MemberId


def mask(view: View) -> Iterator[Effect]:
    """Do this node's part for the masks of the open round, and make keys for the next one."""
    r = view.r
    yield from make_keys(view, get_next_keying(view))
    if r.masks is None:
        return
    if r.phase in (OPEN, KEYING):
        yield from send_keys(view, (r.number, r.masks.keying))
    elif view.me in r.masks.keyed:
        if r.phase == DEALING:
            yield from deal(view)
        if r.phase in (DEALING, COLLECTING):
            yield from check_shares(view)
            yield from ask_for_keys(view)
        if r.phase == UNMASKING:
            yield from open_shares(view)
    if r.phase in (UNMASKING, CONFIRMING):
        yield from fetch_sum(view)


def deal(view: View) -> Iterator[Effect]:
    """Deal this node's secrets, once."""
    masks = view.r.need_masks()
    if view.me in masks.dealt:
        return
    made = view.local.masks.dealings.get((view.r.number, masks.keying))
    if made is None:
        yield MakeDealing(make_keying(view.state, view.r, view.me))
    else:
        yield Submit(Deal(view.r.study, view.r.number, masks.keying, made.dealing, made.sealed))


def check_shares(view: View) -> Iterator[Effect]:
    """Check the shares that others have dealt to this node; complain of those that are false."""
    r, masks = view.r, view.r.need_masks()
    is_told = r.contribution_of(view.me) is not None  # it says that they are right
    for dealt in get_dealt(view.state, r):
        found = view.local.masks.checked.get((r.number, masks.keying, dealt.dealer))
        if found is None:
            yield CheckShare(make_keying(view.state, r, view.me), dealt)
        elif found and not is_told:
            yield Submit(Complain(r.study, r.number, masks.keying, dealt.dealer, found))


def ask_for_keys(view: View) -> Iterator[Effect]:
    """Ask for new keys if this node cannot go on with its own."""
    r, keying = view.r, view.r.need_masks().keying
    if (r.number, keying) in view.local.masks.spent and r.contribution_of(view.me) is None:
        yield Submit(Rekey(r.study, r.number, keying))


def has_all_shares(view: View) -> bool:
    """Return whether this node holds a right share of each dealer."""
    r, masks = view.r, view.r.need_masks()
    checked = view.local.masks.checked
    return all(checked.get((r.number, masks.keying, dealer)) == "" for dealer in masks.dealt)


def contribute_masked(view: View) -> Iterator[Effect]:
    """Mask the trainer's answer, once for a keying, and bring it to the ledger. An answer that is
    another one than was masked with these keys waits for the next round."""
    r, masks, prepared, mine = view.r, view.r.need_masks(), view.local.prepared, view.local.masked
    if view.me not in masks.dealt or r.contribution_of(view.me) is not None:
        return
    if is_beyond(view.state, view.spec, r, view.me):
        return  # the node's problems say it
    if not has_all_shares(view):
        return
    if mine is not None and (mine.number, mine.keying) == (r.number, masks.keying):
        may_go, keys = take_along(view, get_next_keying(view))
        if may_go:
            yield Submit(make_masked_contribution(view.study, r, mine, keys))
        return
    if prepared is None or (prepared.number, prepared.base) != (r.number, r.base):
        return
    if is_of_model(r) and r.base not in view.local.held:
        return  # `hold_models` fetches it
    base, stage = get_form(view)
    yield MaskOwn(
        make_keying(view.state, r, view.me), masks.dealt, make_scale(view), prepared.weight,
        prepared.digest, base, make_noise(view.spec, masks.threshold), stage,
    )  # fmt: skip


def is_of_model(r: Round) -> bool:
    """Return whether a masked round adds changes of models, in fixed point, not whole numbers."""
    return KINDS[r.kind].makes_model


def get_form(view: View) -> tuple[Digest, Stage | None]:
    """Return the base model of the contributions, or the stage of which arrays are added."""
    return (view.r.base, None) if is_of_model(view.r) else ("", view.stage)


def make_masked_contribution(
    study: Study, r: Round, mine: OwnMasked, keys: RoundKeys | None
) -> Contribute:
    """Return the transaction that brings a masked answer to the ledger."""
    return Contribute(
        ref=RoundRef.of(r),
        spec=study.spec,
        base=r.base,
        root=mine.root,
        nbytes=mine.nbytes,
        layout=mine.layout,
        weight=mine.weight,
        provenance=mine.provenance,
        keys=keys,
        parts=choose_roots(r, mine.nbytes, mine.roots),
    )


def fetch_sum(view: View) -> Iterator[Effect]:
    """Fetch the settled sum, of which every node computes the model."""
    r, total = view.r, get_sum(view.r)
    if view.me not in r.roster:
        return
    holders = line_up(total, r.contributors)
    yield from hold_whole(view.local, view.now_ms, total, total.shards, holders, durable=False)


def open_shares(view: View) -> Iterator[Effect]:
    """Show this node's shares that open the settled sum, once."""
    r, masks = view.r, view.r.need_masks()
    if view.me in masks.opened:
        return
    shares = view.local.masks.openings.get((r.number, r.revision))
    if shares is None:
        yield MakeOpening(
            make_keying(view.state, r, view.me), r.revision, get_dealt(view.state, r),
            r.contributors,
        )  # fmt: skip
    else:
        yield Submit(Open(view.ref, shares))


def show_last_shares(state: Reader, local: LocalState, now_ms: int) -> Iterator[Effect]:
    """Show this node's shares of a settled sum although its hospital has left the study: it was
    there when they were dealt, and too few may be left without it."""
    study, spec = STUDY.get(state, local.study), SPEC.get(state, local.study)
    r = ROUND.get(state, local.study)
    if study and spec and r and waits_for_shares(r, local.me):
        yield from open_shares(View(study, spec, r, local, now_ms, state))


def unmask(view: View) -> Iterator[Effect]:
    """Compute the model, or the sums, of the settled masked sum; every node does, the leader to
    offer it, the others to confirm it."""
    r, masks, total = view.r, view.r.need_masks(), get_sum(view.r)
    base, stage = get_form(view)
    form = view.study.current if stage is None else total
    if form is None or not {total.digest, *([base] if base else [])} <= view.local.held:
        return
    openings = ((m, OPENINGS.need(view.state, r.study, "opening", m).text) for m in masks.opened)
    yield Unmask(
        make_keying(view.state, r, view.me), r.revision, masks.dealt, r.contributors,
        tuple(openings), make_scale(view), sum(c.weight for c in r.contributions), total.digest,
        base, form.layout, stage,
    )  # fmt: skip


def get_sum(r: Round) -> MaskedSum:
    """Return the settled sum of a round that has one."""
    total = r.need_masks().total
    if total is None:
        raise LookupError(f"round {r.number} of '{r.study}' has no settled sum")
    return total


def make_scale(view: View) -> FixedPoint:
    """Return the fixed point of the open round."""
    masks = view.r.need_masks()
    return FixedPoint(view.spec.privacy.clip_millionths, len(masks.dealt), masks.capacity)


def make_keying(state: Reader, r: Round, me: MemberId) -> Keying:
    """Return the round's keying as a member sees it, from DEALING on."""
    masks = r.need_masks()
    keyed = []
    for m in masks.keyed:
        keys = MASK_KEYS.need(state, r.study, "keys", r.number, m)
        keyed.append(Keyed(m, keys.pair, keys.seal))
    context = make_context(state, r).hex()
    return Keying(r.study, r.number, masks.keying, me, context, masks.threshold, tuple(keyed))


def get_dealt(state: Reader, r: Round) -> tuple[DealtShares, ...]:
    """Return what has been dealt so far, by dealer."""
    found = []
    for dealer in r.need_masks().dealt:
        record = DEALINGS.need(state, r.study, "dealing", dealer)
        found.append(DealtShares(dealer, record.dealing, record.sealed))
    return tuple(found)
