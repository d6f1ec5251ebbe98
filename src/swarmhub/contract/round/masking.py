"""Acts of members in a masked round: keys, dealings, complaints, shares (numbers: `masks`)."""

from __future__ import annotations

from dataclasses import replace

from swarmhub import codec
from swarmhub.contract import events
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    DEALINGS,
    MASK_KEYS,
    MAX_STRIKES,
    OPENINGS,
    Dealt,
    Member,
    Round,
    RoundKeys,
    Spec,
    Text,
)
from swarmhub.contract.refusals import AlreadyDone, BadValue, NotAllowed, StaleRound, UnknownThing
from swarmhub.contract.round.checks import (
    need_current_round,
    need_few_strikes,
    need_open_round,
)
from swarmhub.contract.round.endings import put
from swarmhub.contract.round.kinds import KEYING, OPEN, is_taken
from swarmhub.contract.round.masks import (
    decode,
    is_to_be_masked,
    make_context,
)
from swarmhub.contract.round.phases import advance, ask_keys_again, start_confirming
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Complain, Deal, Key, Open, Rekey
from swarmhub.errors import MaskError
from swarmhub.secret_sharing import (
    COMPLAINT_BYTES,
    ELEMENT_BYTES,
    SHARE_BYTES,
    Channel,
    Complaint,
    Dealing,
    Terms,
    check_dealing,
    check_part,
    dealing_bytes,
    is_justified,
)
from swarmhub.secret_sharing.edwards import point_of_key
from swarmhub.types import MemberId


def key(ctx: Context, tx: Key) -> None:
    """Store a member's keys, for the open round or the one after it."""
    member = ctx.need_member()
    study, spec, r = need_open_round(ctx, tx.study)
    if study.samples_of(member.id) is None:
        raise NotAllowed("an enrolled member", "send keys")
    known = MASK_KEYS.get(ctx.state, tx.study, "keys", tx.keys.number, member.id)
    if known == tx.keys.stored:
        raise AlreadyDone(f"member {member.id} has sent keys for round {tx.keys.number}")
    take_keys(ctx, spec, r, member, tx.keys)
    if tx.keys.number == r.number:
        advance(ctx, tx.study)


def take_keys(ctx: Context, spec: Spec, r: Round, member: Member, keys: RoundKeys | None) -> None:
    """Store the keys that a transaction brings, for the open round or the one after it; the same
    ones may come twice."""
    if keys is None:
        return
    for field, value in (("pair", keys.pair), ("seal", keys.seal)):
        check_key(field, value)
    asked = r.masks.keying if r.masks else None
    if (keys.number, keys.keying) == (r.number, asked) and r.phase in (OPEN, KEYING):
        need_few_strikes(r, member)
    elif (keys.number, keys.keying) != (r.number + 1, 0) or not is_to_be_masked(spec, r):
        raise StaleRound(say(r.study, keys), say_keying(r), r.base)
    known = MASK_KEYS.get(ctx.state, r.study, "keys", keys.number, member.id)
    if known == keys.stored:
        return
    if known is not None and known.keying == keys.keying:
        raise AlreadyDone(f"member {member.id} has sent keys for round {keys.number}")
    MASK_KEYS.put(ctx.state, r.study, "keys", keys.number, member.id, record=keys.stored)
    ctx.emit(events.KeysSent(r.study, keys.number, member.id))


def check_key(field: str, value: str) -> None:
    """Refuse a text that is no X25519 public key with which others can have a secret."""
    if not codec.is_digest(value):
        raise BadValue(field, "an X25519 public key of 64 hex digits", value)
    try:
        point_of_key(bytes.fromhex(value), "a public key")
    except MaskError as error:
        raise BadValue(field, "an X25519 public key", str(error)) from None


def deal(ctx: Context, tx: Deal) -> None:
    """Store a member's dealing: shares of its two secrets, one for each member with keys."""
    member = ctx.need_member()
    r = need_keying(ctx, tx, member.id)
    masks = r.need_masks()
    if member.id in masks.dealt:
        raise AlreadyDone(f"member {member.id} has dealt in round {r.number}")
    decode("sealed", tx.sealed, len(masks.keyed) * SHARE_BYTES)
    try:
        check_dealing(make_terms(ctx.state, r, member.id), read_dealing(r, tx.dealing))
    except MaskError as error:
        raise BadValue("dealing", "a dealing to those with keys", str(error)) from None
    record = Dealt(tx.dealing, tx.sealed)
    DEALINGS.put(ctx.state, r.study, "dealing", member.id, record=record)
    put(ctx, r.with_masks(dealt=tuple(sorted((*masks.dealt, member.id)))))
    ctx.emit(events.SharesDealt(r.study, r.number, member.id))
    advance(ctx, r.study)


def complain(ctx: Context, tx: Complain) -> None:
    """Find a dealing false, if the proof shows it: its dealer takes no part for a while, and the
    round begins again with new keys. A contribution says that its author has found all its shares
    right."""
    member = ctx.need_member()
    r = need_keying(ctx, tx, member.id)
    if tx.dealer not in r.need_masks().dealt or tx.dealer == member.id:
        raise UnknownThing("dealing of another member", tx.dealer)
    if r.contribution_of(member.id) is not None:
        raise NotAllowed("a member that has not contributed", "complain of a share")
    try:
        proof = Complaint.from_bytes(decode("proof", tx.proof, COMPLAINT_BYTES))
        channel, sealed = make_channel(ctx.state, r, tx.dealer, member.id)
        is_false = is_justified(channel, sealed, proof)
    except MaskError as error:
        raise BadValue("proof", "a proof of a false share", str(error)) from None
    if not is_false:
        raise BadValue("proof", "a proof of a false share", "one of a right share")
    ctx.emit(events.FalseDealing(r.study, r.number, tx.dealer, member.id))
    # two strikes: it has to wait before it may join again
    ask_keys_again(ctx, replace(r, strikes=(*r.strikes, *[tx.dealer] * MAX_STRIKES)), [tx.dealer])


def rekey(ctx: Context, tx: Rekey) -> None:
    """Begin the round again with new keys for a member that cannot go on with its own; it may not
    do so again and again."""
    member = ctx.need_member()
    r = need_keying(ctx, tx, member.id)
    if r.contribution_of(member.id) is not None:
        raise NotAllowed("a member that has not contributed", "ask for new keys")
    need_few_strikes(r, member)
    ask_keys_again(ctx, replace(r, strikes=(*r.strikes, member.id)))


def make_channel(
    state: Reader, r: Round, dealer: MemberId, recipient: MemberId
) -> tuple[Channel, bytes]:
    """Return the way of one sealed share, and the sealed share (64 bytes). Raises MaskError or
    BadValue."""
    masks = r.need_masks()
    keys = [MASK_KEYS.need(state, r.study, "keys", r.number, m).seal for m in (dealer, recipient)]
    record = DEALINGS.need(state, r.study, "dealing", dealer)
    sealed = decode("sealed", record.sealed, len(masks.keyed) * SHARE_BYTES)
    at = masks.keyed.index(recipient) * SHARE_BYTES
    channel = Channel(
        make_terms(state, r, dealer), read_dealing(r, record.dealing), recipient,
        bytes.fromhex(keys[0]), bytes.fromhex(keys[1]),
    )  # fmt: skip
    return channel, sealed[at : at + SHARE_BYTES]


def open_shares(ctx: Context, tx: Open) -> None:
    """Store a member's shares that open the settled sum; enough of them begin the confirmation."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, tx.KIND)
    masks = r.need_masks()
    if member.id not in masks.keyed:
        raise NotAllowed("a member that holds shares", "show them")
    if member.id in masks.opened:
        raise AlreadyDone(f"member {member.id} has shown its shares of round {r.number}")
    check_parts(ctx, r, member.id, tx.shares)
    OPENINGS.put(ctx.state, r.study, "opening", member.id, record=Text(tx.shares))
    opened = tuple(sorted((*masks.opened, member.id)))
    r = r.with_masks(opened=opened)
    put(ctx, r)
    ctx.emit(events.SharesShown(r.study, r.number, member.id))
    if len(opened) >= masks.threshold:
        start_confirming(ctx, r)


def check_parts(ctx: Context, r: Round, member: MemberId, shares: str) -> None:
    """Check a member's share of one secret of each dealer against what that one has dealt."""
    for dealer, value in read_parts(r, shares).items():
        terms, dealing = make_terms(ctx.state, r, dealer), get_dealing(ctx.state, r, dealer)
        try:
            check_part(terms, dealing, member, get_part(r, dealer), value)
        except MaskError as error:
            raise BadValue("shares", f"the share that {dealer} has dealt", str(error)) from None


def read_parts(r: Round, shares: str) -> dict[MemberId, bytes]:
    """Return the shares (32 bytes each) that an opening shows, by dealer."""
    dealt = r.need_masks().dealt
    data = decode("shares", shares, len(dealt) * ELEMENT_BYTES)
    parts = [data[at : at + ELEMENT_BYTES] for at in range(0, len(data), ELEMENT_BYTES)]
    return dict(zip(dealt, parts, strict=True))


def get_part(r: Round, dealer: MemberId) -> str:
    """Return which secret of a dealer opens the sum: the seed of its self mask if it is in the set,
    the key of its pair masks if it is not. Never both."""
    return "pair" if r.contribution_of(dealer) is None else "self"


def make_terms(state: Reader, r: Round, dealer: MemberId) -> Terms:
    """Return what a member's dealing is bound to. Raises MaskError if it cannot be."""
    masks = r.need_masks()
    keys = MASK_KEYS.need(state, r.study, "keys", r.number, dealer)
    context = make_context(state, r) + dealer.to_bytes(8, "big")
    return Terms(context, bytes.fromhex(keys.pair), masks.keyed, masks.threshold)


def get_dealing(state: Reader, r: Round, dealer: MemberId) -> Dealing:
    """Return a stored dealing."""
    return read_dealing(r, DEALINGS.need(state, r.study, "dealing", dealer).dealing)


def read_dealing(r: Round, text: str) -> Dealing:
    """Return a dealing to the members with keys from its base64. Raises MaskError or BadValue."""
    masks = r.need_masks()
    n, t = len(masks.keyed), masks.threshold
    return Dealing.from_bytes(decode("dealing", text, dealing_bytes(n, t)), n, t)


def need_keying(ctx: Context, tx: Deal | Complain | Rekey, member: MemberId) -> Round:
    """Return the open round if the act is of its keying and phase, and the member has keys."""
    _, _, r = need_open_round(ctx, tx.study)
    masks = r.masks
    if masks is None or (tx.number, tx.keying) != (r.number, masks.keying):
        raise StaleRound(say(tx.study, tx), say_keying(r), r.base)
    if not is_taken(r.phase, tx.KIND):
        raise StaleRound(say(tx.study, tx), say_keying(r), r.base)
    if member not in masks.keyed:
        raise NotAllowed("a member with keys in this round", "take part in its dealing")
    return r


def say(study: str, tx: RoundKeys | Deal | Complain | Rekey) -> str:
    """Return the subject of an act in words."""
    return f"keying {tx.keying} of round {tx.number} of '{study[:40]}'"


def say_keying(r: Round) -> str:
    """Return where a round stands with its keys, in words."""
    keying = r.masks.keying if r.masks else "none"
    return f"keying {keying} of round {r.number} {r.phase} of '{r.study}'"
