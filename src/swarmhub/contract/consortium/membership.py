"""Rules of membership: admission, removal, and the keys and addresses of members."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from swarmhub.contract import deadlines, events, quotas
from swarmhub.contract.consortium.cards import check_applicants, check_card, is_key
from swarmhub.contract.consortium.misbehaviour import forget_keys, remember_key
from swarmhub.contract.consortium.motions import (
    cast,
    close_motion,
    forget_voter,
    get_electors,
    get_motions,
    open_motion,
    wait_to_carry,
)
from swarmhub.contract.consortium.thresholds import compute_quorum
from swarmhub.contract.consortium.upgrades import (
    check_able,
    say_behind,
    say_lacking,
    schedule,
)
from swarmhub.contract.context import Context
from swarmhub.contract.names import check_name
from swarmhub.contract.records import (
    CHAIN,
    INVITATION,
    KEY_OWNER,
    MEMBER,
    MOTION,
    Card,
    Chain,
    Genesis,
    Invitation,
    KeyOwner,
    Member,
    Motion,
    get_double_sign,
    get_members,
)
from swarmhub.contract.refusals import (
    AlreadyDone,
    BadValue,
    Expired,
    NotAllowed,
    Refusal,
    UnknownThing,
)
from swarmhub.contract.round import disputes
from swarmhub.contract.study import lifecycle
from swarmhub.contract.transactions import (
    Apply,
    Invite,
    Leave,
    Remove,
    Revoke,
    Rotate,
    Validate,
    Vote,
    card_message,
)
from swarmhub.types import INVITE_DOMAIN, ROTATE_DOMAIN

MAX_MEMBERS = 64  # keeps the sum of all members' quotas below the bound of the state
MAX_INVITATION_MS = 90 * 86_400_000


def found(ctx: Context, genesis: Genesis, chain_id: str) -> None:
    """Write block 0: the founders are the first members, with full voting power."""
    check_genesis(genesis)
    chain = Chain(
        chain_id=chain_id,
        name=genesis.name,
        contract_version=genesis.contract_version,
        horizon_ms=genesis.horizon_ms,
        vote_period_ms=genesis.vote_period_ms,
        max_members=genesis.max_members,
    )
    CHAIN.put(ctx.state, record=chain)
    for card in genesis.founders:
        check_card(ctx, card)
        check_able(ctx, card.versions)
        admit(ctx, card, power=1)


def check_genesis(genesis: Genesis) -> None:
    """Refuse genesis terms that no consortium could work under."""
    if not genesis.founders:
        raise BadValue("founders", "at least one card", "none")
    check_name(genesis.name)
    bounds = (
        ("time_ms", 1, 1 << 52),
        ("horizon_ms", 1000, 7 * 86_400_000),
        ("vote_period_ms", 1000, 366 * 86_400_000),
        ("max_members", len(genesis.founders), MAX_MEMBERS),
    )
    for field, low, high in bounds:
        if not low <= getattr(genesis, field) <= high:
            raise BadValue(field, f"{low} to {high}", getattr(genesis, field))


def invite(ctx: Context, tx: Invite) -> None:
    """Store the invitation; it admits nobody by itself."""
    sponsor = ctx.need_member()
    if not is_key(tx.invitation):
        raise BadValue("invitation", "a public key of 64 hex digits", tx.invitation)
    if INVITATION.get(ctx.state, tx.invitation):
        raise AlreadyDone("this invitation is registered")
    if not ctx.env.time_ms < tx.expires_ms <= ctx.env.time_ms + MAX_INVITATION_MS:
        raise BadValue("expires_ms", "a block time within the next 90 days", tx.expires_ms)
    quotas.need_invitation(ctx.state, sponsor.id)
    quotas.hold(ctx.state, sponsor.id, "invitations", tx.invitation)
    INVITATION.put(ctx.state, tx.invitation, record=Invitation(sponsor.id, tx.expires_ms))
    deadlines.mark_at(ctx.state, f"invitation/{tx.invitation}", tx.expires_ms)
    ctx.emit(events.Invited(sponsor.id, tx.invitation))


def apply(ctx: Context, tx: Apply) -> None:
    """Use an invitation; the application becomes a motion."""
    if tx.card.account != ctx.signer:
        raise NotAllowed("the hospital itself", "apply with its card")
    invitation = INVITATION.get(ctx.state, tx.invitation)
    if invitation is None:
        raise UnknownThing("invitation", tx.invitation[:16])
    if ctx.env.time_ms > invitation.expires_ms:
        raise Expired("The invitation", invitation.expires_ms, ctx.env.time_ms)
    if not ctx.env.verify(tx.invitation, INVITE_DOMAIN, card_message(tx.card), tx.proof):
        raise BadValue("proof", "the card signed by the invitation's key", tx.proof[:16])
    check_card(ctx, tx.card)
    check_able(ctx, tx.card.versions)
    check_seat(ctx)
    motion = open_motion(ctx, Motion(0, "admit", invitation.sponsor, applicant=tx.card))
    drop_invitation(ctx, tx.invitation)
    ctx.emit(events.AdmissionMoved(tx.card.name, tx.card.account, motion.id))


def remove(ctx: Context, tx: Remove) -> None:
    """Open a motion to remove a member, with the mover's vote for it; the others, without the
    target, decide."""
    mover = ctx.need_member()
    target = MEMBER.get(ctx.state, tx.member)
    if target is None or target.status != "active":
        raise UnknownThing("member", tx.member)
    if target.id == mover.id:
        raise NotAllowed("another member", "be moved against; to go, use leave")
    if any(m.kind == "remove" and m.member == target.id for m in get_motions(ctx.state)):
        raise AlreadyDone(f"a motion to remove member {target.id} is open")
    motion = open_motion(ctx, Motion(0, "remove", mover.id, member=target.id))
    ctx.emit(events.RemovalMoved(target.id, mover.id, motion.id))
    decide(ctx, cast(ctx, motion, mover.id, True))


def leave(ctx: Context, tx: Leave) -> None:
    """End the signer's own membership. The last member cannot leave: a chain needs one."""
    member = ctx.need_member()
    if len(ctx.chain.active) == 1:
        raise NotAllowed("one of several members", "leave; the last one just stops its node")
    depart(ctx, member, "left")


def rotate(ctx: Context, tx: Rotate) -> None:
    """Store the new keys or address; old and new account key both sign. With a new consensus key
    the member's vote counts again when its node says so (`validate`)."""
    member = ctx.need_member()
    if tx.card.name != member.name:
        raise BadValue("name", f"the member's own, {member.name!r}", tx.card.name)
    if not ctx.env.verify(tx.card.account, ROTATE_DOMAIN, card_message(tx.card), tx.proof):
        raise BadValue("proof", "the card signed by the new account key", tx.proof[:16])
    check_card(ctx, tx.card, member)
    check_applicants(ctx, tx.card, member)
    if tx.card.consensus != member.consensus:
        remember_key(ctx, member)
    if tx.card.account != member.account:
        for name in ctx.chain.running:
            disputes.keep_account(ctx, name, member)
    KEY_OWNER.put(ctx.state, member.account, record=None)
    KEY_OWNER.put(ctx.state, tx.card.account, record=KeyOwner(member.id))
    rotated = replace(
        member,
        account=tx.card.account,
        tls=tx.card.tls,
        consensus=tx.card.consensus,
        address=tx.card.address,
        ledger=tx.card.ledger,
        release=tx.card.release,
        rotated=ctx.env.height,
    )
    MEMBER.put(ctx.state, member.id, record=rotated)
    names = ("account", "tls", "consensus", "release", "ledger", "address")
    changed = tuple(n for n in names if getattr(rotated, n) != getattr(member, n))
    ctx.emit(events.Rotated(member.id, changed))
    ctx.recount = True  # an applicant may have waited for what the member has given up
    if member.power and rotated.consensus != member.consensus:
        ctx.emit(events.PowerChanged(member.consensus, 0))
        if any(m.power for m in get_members(ctx.state) if m.id != member.id):
            MEMBER.put(ctx.state, member.id, record=replace(rotated, power=0))
        else:  # the only validator
            ctx.emit(events.PowerChanged(rotated.consensus, member.power))


def revoke(ctx: Context, tx: Revoke) -> None:
    """Distrust the keys of a member's machine: from this block on nobody accepts them as the
    member's. It stays a member and returns by a rotation."""
    member = ctx.need_member()
    if not member.tls:
        raise AlreadyDone(f"the keys of member {member.id} are revoked")
    if not any(m.tls for m in get_members(ctx.state) if m.id != member.id):
        raise NotAllowed("one of several members", "revoke its keys; the last one rotates them")
    MEMBER.put(ctx.state, member.id, record=replace(member, tls="", ledger="", release="", power=0))
    ctx.emit(events.Revoked(member.id))
    ctx.recount = True
    if member.power:
        give_up_power(ctx, member)


def validate(ctx: Context, tx: Validate) -> None:
    """Give a member its vote on blocks, once its node has caught up. Before that it has no power,
    for an absent validator can halt the chain."""
    member = ctx.need_member()
    if member.power:
        raise AlreadyDone(f"member {member.id} is a validator")
    if not member.tls:
        raise NotAllowed("a member with keys that are valid", "validate; rotate them first")
    if get_double_sign(ctx.state, member):
        raise NotAllowed(
            "a member whose consensus key has not signed two blocks of one height",
            "validate; rotate the key first",
        )
    check_able(ctx, member.versions)
    MEMBER.put(ctx.state, member.id, record=replace(member, power=1))
    ctx.emit(events.BecameValidator(member.id))
    ctx.emit(events.PowerChanged(member.consensus, 1))


def vote(ctx: Context, tx: Vote) -> None:
    """Count an elector's vote; the motion is decided as soon as no further vote can change the
    result."""
    voter = ctx.need_member()
    motion = MOTION.get(ctx.state, tx.motion)
    if motion is None:
        raise UnknownThing("motion", tx.motion)
    if voter.id not in get_electors(ctx.state, motion):
        raise NotAllowed("an elector of the motion", "vote on it")
    if voter.id in motion.ayes or voter.id in motion.nays:
        raise AlreadyDone(f"member {voter.id} has voted on motion {motion.id}")
    decide(ctx, cast(ctx, motion, voter.id, tx.aye))


# motions


def recount(ctx: Context) -> None:
    """Decide the open motions again if the electors, or members' keys and addresses, have changed;
    a decision may change them once more."""
    while ctx.recount:
        ctx.recount = False
        for motion in get_motions(ctx.state):
            still_open = MOTION.get(ctx.state, motion.id)
            if still_open:
                decide(ctx, still_open)


def decide(ctx: Context, motion: Motion) -> None:
    """Carry or lose a motion once the present electors have settled it. If it has the votes but
    something hinders it (no seat, a node without the version), it waits until that has changed."""
    electors = get_electors(ctx.state, motion)
    ayes = sum(m in motion.ayes for m in electors)
    nays = sum(m in motion.nays for m in electors)
    quorum = compute_quorum(len(electors))
    if electors and ayes >= quorum:
        hindrance = find_hindrance(ctx, motion)
        if hindrance:
            wait_to_carry(ctx, motion, hindrance)
            return
        close_motion(ctx, motion, "carried")
        carry(ctx, motion)
    elif nays > len(electors) - quorum or not electors:
        close_motion(ctx, motion, "lost")
    else:
        wait_to_carry(ctx, motion, "")


def find_hindrance(ctx: Context, motion: Motion) -> str:
    """Return why a motion cannot be carried now; "" if nothing hinders it."""
    if motion.kind == "upgrade":
        return say_behind(ctx.state, motion.version)
    if motion.applicant is None:
        return ""
    lacking = say_lacking(ctx.state, motion.applicant.versions)
    if lacking:
        return lacking
    if not has_seat(ctx):
        return f"all {ctx.chain.max_members} seats are taken"
    try:
        check_card(ctx, motion.applicant)
    except AlreadyDone as refusal:
        return refusal.what
    except Refusal as refusal:
        return str(refusal)
    return ""


def carry(ctx: Context, motion: Motion) -> None:
    """Do what the motion asks."""
    if motion.kind == "admit" and motion.applicant:
        admit(ctx, motion.applicant)
    elif motion.kind == "remove":
        member = MEMBER.need(ctx.state, motion.member)
        if member.status == "active":
            depart(ctx, member, "removed")
    elif motion.kind == "release":
        lifecycle.release_model(ctx, motion)
    elif motion.kind == "upgrade":
        schedule(ctx, motion)


# members


def has_seat(ctx: Context) -> bool:
    """Return whether the genesis allows one more member."""
    return len(ctx.chain.active) < ctx.chain.max_members


def check_seat(ctx: Context) -> None:
    """Refuse one member more than the genesis allows."""
    if not has_seat(ctx):
        raise BadValue("members", f"at most {ctx.chain.max_members}", len(ctx.chain.active) + 1)


def admit(ctx: Context, card: Card, power: int = 0) -> None:
    """Make the owner of a checked card a member with an id of its own."""
    chain = ctx.chain
    member = Member(
        chain.next_member, card.name, card.account, card.tls, card.consensus, card.address,
        card.ledger, power=power, release=card.release, versions=card.versions,
    )  # fmt: skip
    MEMBER.put(ctx.state, member.id, record=member)
    KEY_OWNER.put(ctx.state, card.account, record=KeyOwner(member.id))
    chain = replace(chain, active=(*chain.active, member.id), next_member=member.id + 1)
    CHAIN.put(ctx.state, record=chain)
    ctx.emit(events.Admitted(member.id, member.name))
    if power:
        ctx.emit(events.PowerChanged(member.consensus, power))


def depart(ctx: Context, member: Member, status: Literal["left", "removed"]) -> None:
    """End a membership and all that depends on it: power, studies, invitations, motions."""
    chain = ctx.chain
    active = tuple(m for m in chain.active if m != member.id)
    CHAIN.put(ctx.state, record=replace(chain, active=active))
    KEY_OWNER.put(ctx.state, member.account, record=None)
    forget_keys(ctx, member)
    MEMBER.put(ctx.state, member.id, record=replace(member, status=status, power=0, tls=""))
    ctx.emit(events.Departed(member.id, status))
    if member.power:
        give_up_power(ctx, member)
    for name in chain.running:
        lifecycle.withdraw_member(ctx, name, member.id, willing=status == "left")
    held = quotas.get_holdings(ctx.state, member.id)
    for name in held.proposals:
        lifecycle.lapse(ctx, name)
    for key in held.invitations:
        drop_invitation(ctx, key)
    forget_voter(ctx, member.id)
    ctx.recount = True


def give_up_power(ctx: Context, member: Member) -> None:
    """Announce that a member is a validator no longer (its record says so already). The last one's
    power passes to all members that remain: without a validator there would never be another
    block."""
    ctx.emit(events.PowerChanged(member.consensus, 0))
    others = [m for m in get_members(ctx.state) if m.id != member.id]
    if any(m.power for m in others):
        return
    heirs = [m for m in others if m.tls] or others
    for heir in [m for m in heirs if not get_double_sign(ctx.state, m)] or heirs:
        MEMBER.put(ctx.state, heir.id, record=replace(heir, power=1))
        ctx.emit(events.PowerChanged(heir.consensus, 1))


def drop_invitation(ctx: Context, invitation: str) -> None:
    """Delete an invitation that is used or expired, or has lost its sponsor."""
    found = INVITATION.get(ctx.state, invitation)
    if found is not None:
        INVITATION.put(ctx.state, invitation, record=None)
        deadlines.clear(ctx.state, f"invitation/{invitation}")
        quotas.release(ctx.state, found.sponsor, "invitations", invitation)
