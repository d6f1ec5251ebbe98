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
    RoundRef,
    Study,
)
from swarmhub.contract.round.budget import is_beyond, is_spent
from swarmhub.contract.round.kinds import (
    COLLECTING,
    CONFIRMING,
    DEALING,
    KEYING,
    OPEN,
    UNMASKING,
    waits_for_shares,
)
from swarmhub.contract.round.masks import has_stored_keys, is_to_be_masked, make_context
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Complain, Contribute, Deal, Key, Open, Rekey
from swarmhub.protocol.effects import (
    CheckShare,
    Effect,
    MakeDealing,
    MakeKeys,
    MakeOpening,
    MaskOwn,
    Submit,
    Unmask,
)
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.mask_work import DealtShares, FixedPoint, Keyed, Keying
from swarmhub.protocol.noise import make_noise
from swarmhub.protocol.observations import OwnMasked
from swarmhub.protocol.view import View, pull
from swarmhub.types import MemberId


def mask(view: View) -> Iterator[Effect]:
    """Do this node's part for the masks of the open round, and send keys for the next one."""
    r = view.r
    yield from send_next_keys(view)
    if r.masks is None:
        return
    if r.phase in (OPEN, KEYING):
        yield from send_keys(view, r.number, r.masks.keying)
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


def send_keys(view: View, number: int, keying: int) -> Iterator[Effect]:
    """Send this node's keys for a round, if a trainer stands here, they are not there yet, and its
    privacy budget is not spent."""
    if is_spent(view.state, view.spec, view.me):
        return
    if not view.local.attached or has_stored_keys(
        view.state, view.r.study, number, view.me, keying
    ):
        return
    made = view.local.masks.keys.get((number, keying))
    if made is None:
        yield MakeKeys(view.r.study, number, keying)
    else:
        yield Submit(Key(view.r.study, number, keying, made.pair, made.seal))


def send_next_keys(view: View) -> Iterator[Effect]:
    """Send keys for the round after this one as soon as the own part of this one is done: then no
    round waits for keys."""
    r = view.r
    if r.contribution_of(view.me) is not None and is_to_be_masked(view.spec, r):
        yield from send_keys(view, r.number + 1, 0)


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
        yield Submit(make_masked_contribution(view.study, r, mine))
        return
    if prepared is None or (prepared.number, prepared.base) != (r.number, r.base):
        return
    if r.base not in view.local.held:
        return  # `hold_models` fetches it
    yield MaskOwn(
        make_keying(view.state, r, view.me), masks.dealt, make_scale(view), prepared.weight,
        prepared.digest, r.base, make_noise(view.spec, masks.threshold),
    )  # fmt: skip


def make_masked_contribution(study: Study, r: Round, mine: OwnMasked) -> Contribute:
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
    )


def fetch_sum(view: View) -> Iterator[Effect]:
    """Fetch the settled sum, of which every node computes the model."""
    r, total = view.r, get_sum(view.r)
    if total.digest not in view.local.held and view.me in r.roster:
        holders = tuple(dict.fromkeys([total.leader, *total.receipts, *r.contributors]))
        yield from pull(view.local, view.now_ms, total, holders, durable=False)


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
    """Compute the model of the settled sum; every node does, the leader to offer it, the others to
    confirm it."""
    r, masks, total = view.r, view.r.need_masks(), get_sum(view.r)
    current = view.study.current
    if current is None or not {total.digest, r.base} <= view.local.held:
        return
    openings = ((m, OPENINGS.need(view.state, r.study, "opening", m).text) for m in masks.opened)
    yield Unmask(
        make_keying(view.state, r, view.me), r.revision, masks.dealt, r.contributors,
        tuple(openings), make_scale(view), sum(c.weight for c in r.contributions), total.digest,
        r.base, current.layout,
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
