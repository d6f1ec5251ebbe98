"""Membership: found, invite, apply, vote, remove, leave, rotate and revoke keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from swarmhub.contract import events
from swarmhub.contract.consortium.upgrades import MAX_AFTER_BLOCKS
from swarmhub.contract.events import Departed, MotionClosed, MotionWaits
from swarmhub.contract.records import Member
from swarmhub.contract.transactions import Leave, Remove, Upgrade
from swarmhub.contract.versions import known
from swarmhub.errors import BadInput, say_versions
from swarmhub.home.card import make_card
from swarmhub.home.config import read_name
from swarmhub.home.home import Home
from swarmhub.home.invitations import InvitationToken, read_token
from swarmhub.home.links import load_links
from swarmhub.home.rotation import ROTATABLE, begin_rotation, finish_rotation, put_in_place
from swarmhub.operations.inbox import MotionShown, read_inbox
from swarmhub.operations.ledger_client import (
    accept_genesis,
    found_consortium,
    make_rotation,
    open_client,
    read_card,
    read_genesis_file,
)
from swarmhub.transport.links import Link
from swarmhub.types import MemberId

MAX_UPGRADE_BLOCKS = MAX_AFTER_BLOCKS  # from the decision to a version's first block


@dataclass(frozen=True)
class Founded:
    """A new consortium's chain. `genesis` is the file for the other founders, "" if there are
    none or all share this machine's ledger."""

    chain: str
    founders: tuple[str, ...]
    genesis: str = ""


@dataclass(frozen=True)
class Applied:
    """An application: the members vote on this motion."""

    motion: int


@dataclass(frozen=True)
class Voted:
    """A vote. `waits`: why an open motion with enough votes is not carried yet; "" otherwise."""

    motion: int
    state: Literal["open", "carried", "lost"]
    waits: str = ""


@dataclass(frozen=True)
class Moved:
    """A motion to remove a member; `removed` if this hospital's vote was enough."""

    member: MemberId
    name: str
    removed: bool


@dataclass(frozen=True)
class UpgradeMoved:
    """A motion for the next contract version. `height`: the first block that follows it, 0 while
    the motion is open; `waits` as in `Voted`."""

    version: int
    motion: int
    height: int
    waits: str = ""


@dataclass(frozen=True)
class KeysRotated:
    """Keys that were replaced, and the account key's fingerprint (32 hex digits)."""

    keys: tuple[str, ...]
    fingerprint: str


def found(home: Home, name: str, founders: Sequence[Path] = ()) -> Founded:
    """Found a consortium on the home's ledger, with this hospital and the cards in these files."""
    name = read_name(name)
    cards = [make_card(home), *(read_card(path) for path in founders)]
    chain = found_consortium(name, cards, home)
    genesis = str(home.genesis_path) if home.is_networked and len(cards) > 1 else ""
    return Founded(chain, tuple(card.name for card in cards), genesis)


def accept(home: Home, genesis: Path) -> Founded:
    """Create this home's ledger from a genesis that names this hospital as a founder."""
    terms = read_genesis_file(genesis)
    chain = accept_genesis(home, terms)
    return Founded(chain, tuple(card.name for card in terms.founders))


async def invite(home: Home, valid_ms: int) -> InvitationToken:
    """Create a single-use invitation for a newcomer."""
    async with open_client(home) as client:
        return await client.invite(home, valid_ms)


async def apply(home: Home, token: InvitationToken) -> Applied:
    """Apply for membership on a ledger that this machine's nodes share."""
    async with open_client(home) as client:
        if client.ledger.tip.chain_id != token.chain:
            raise BadInput(
                f"The invitation is for {token.chain}, this home's ledger is "
                f"{client.ledger.tip.chain_id}; make the home with --ledger {token.ledger}."
            )
        return Applied(await client.apply(make_card(home), token))


async def inbox(home: Home) -> list[MotionShown]:
    """Return all open motions, oldest first."""
    async with open_client(home) as client:
        return read_inbox(client)


async def vote(home: Home, motion: int, aye: bool) -> Voted:
    """Vote on a motion."""
    async with open_client(home) as client:
        result = await client.vote(motion, aye)
    waits = ""
    for event in result.events:
        match event:
            case MotionClosed(motion=closed) if closed == motion and event.outcome != "lapsed":
                return Voted(motion, event.outcome)
            case MotionWaits(motion=waiting) if waiting == motion:
                waits = event.why
    return Voted(motion, "open", waits)


async def list_members(home: Home) -> list[Member]:
    """Return the active members."""
    async with open_client(home) as client:
        return client.members()


async def list_linked(home: Home) -> list[tuple[Member, Link]]:
    """Return the active members, each with the connection to it as the node has measured it."""
    async with open_client(home) as client:
        links = {x.member: x for x in load_links(home, client.ledger.tip.chain_id)}
        return [(m, links.get(m.id, Link(m.id))) for m in client.members()]


async def find_member(home: Home, member: MemberId) -> Member:
    """Return an active member. Raises BadInput if there is none with this id."""
    async with open_client(home) as client:
        return client.need_member(member)


async def remove(home: Home, member: MemberId) -> Moved:
    """Open a motion to remove a member, with this hospital's vote for it."""
    async with open_client(home) as client:
        name = client.need_member(member).name
        result = await client.submit(Remove(member))
    return Moved(member, name, any(isinstance(event, Departed) for event in result.events))


async def upgrade(home: Home, version: int, after_blocks: int) -> UpgradeMoved:
    """Open a motion to go on with the next contract version, so many blocks after the motion is
    carried, with this hospital's vote for it. Raises BadInput if this software lacks it."""
    if version not in known():
        raise BadInput(
            f"Expected a contract version that this swarmhub has ({say_versions(known())}), got "
            f"{version}; update swarmhub at this hospital first."
        )
    async with open_client(home) as client:
        result = await client.submit(Upgrade(version, after_blocks))
    moved = next(e for e in result.events if isinstance(e, events.UpgradeMoved))
    height = next((e.height for e in result.events if isinstance(e, events.UpgradeScheduled)), 0)
    waits = next((e.why for e in result.events if isinstance(e, MotionWaits)), "")
    return UpgradeMoved(version, moved.motion, height, waits)


async def leave(home: Home) -> None:
    """Leave the consortium."""
    async with open_client(home) as client:
        await client.submit(Leave())


async def rotate_keys(home: Home, names: Sequence[str], invitation: str = "") -> KeysRotated:
    """Replace keys of this hospital; a running node restarts with the new ones by itself. A
    member's `invitation` is needed if the others refuse this node."""
    for name in names:
        if name not in ROTATABLE:
            raise BadInput(f"Expected keys among {', '.join(ROTATABLE)}, got {name[:40]!r}.")
    new = begin_rotation(home, names)
    card = make_card(home, rotated=names)
    if invitation:
        from swarmhub.operations import join as joining

        await joining.come_back(home, read_token(invitation), make_rotation(card, new))
        for name in names:  # on the ledger; this home follows when its node is up
            put_in_place(home, name)
    else:
        async with open_client(home) as client:
            await client.rotate(card, new)
            if not home.is_networked:  # otherwise its node does, once the old keys are not needed
                finish_rotation(home, client.ledger.state)
    return KeysRotated(tuple(names), new.public[:32])


async def revoke(home: Home) -> None:
    """Revoke the keys of this hospital's machine at once. It stays a member."""
    async with open_client(home) as client:
        await client.revoke()
