"""The way to the next version of the contract: what members' nodes have, the vote, the height.

A node announces which versions it has. A motion names the next one; it is carried if it has the
votes and every node that takes part in agreement has announced that version, else it waits. Then
the height is fixed: so many blocks after the one that carried it (`versions` does the rest). A
newcomer's card names its versions, and nobody is admitted, or votes on blocks, without the present
and the scheduled one.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract import events
from swarmhub.contract.consortium.motions import cast, get_motions, open_motion
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    CHAIN,
    MEMBER,
    Chain,
    Member,
    Motion,
    NextVersion,
    get_chain,
    get_members,
)
from swarmhub.contract.refusals import AlreadyDone, BadValue
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Announce, Upgrade
from swarmhub.types import MemberId

MAX_VERSIONS = 16  # that a node announces
MAX_VERSION = 10_000
MAX_AFTER_BLOCKS = 1_000_000


def announce(ctx: Context, tx: Announce) -> None:
    """Store the versions that a member's node has; a motion may have waited for them."""
    member = ctx.need_member()
    check_versions(tx.versions)
    if ctx.chain.contract_version not in tx.versions:
        raise BadValue("versions", f"the present one, {ctx.chain.contract_version}, among them",
                       list(tx.versions))  # fmt: skip
    if tx.versions == member.versions:
        raise AlreadyDone(f"member {member.id} has announced these versions")
    MEMBER.put(ctx.state, member.id, record=replace(member, versions=tx.versions))
    ctx.emit(events.Announced(member.id, tx.versions))
    ctx.recount = True


def upgrade(ctx: Context, tx: Upgrade) -> None:
    """Open a motion to go on with the contract's next version, with the mover's vote for it."""
    mover, chain = ctx.need_member(), ctx.chain
    if chain.next_version is not None:
        raise AlreadyDone(
            f"contract version {chain.next_version.number} follows at block "
            f"{chain.next_version.height}"
        )
    if tx.version != chain.contract_version + 1:
        raise BadValue("version", f"the next one, {chain.contract_version + 1}", tx.version)
    if not 1 <= tx.after_blocks <= MAX_AFTER_BLOCKS:
        raise BadValue("after_blocks", f"1 to {MAX_AFTER_BLOCKS}", tx.after_blocks)
    if any(m.kind == "upgrade" for m in get_motions(ctx.state)):
        raise AlreadyDone(f"a motion for contract version {tx.version} is open; vote on it")
    made = Motion(0, "upgrade", mover.id, version=tx.version, after_blocks=tx.after_blocks)
    motion = open_motion(ctx, made)
    ctx.emit(events.UpgradeMoved(tx.version, mover.id, motion.id))
    cast(ctx, motion, mover.id, True)
    ctx.recount = True


def schedule(ctx: Context, motion: Motion) -> None:
    """Fix the height of the next version."""
    height = ctx.env.height + motion.after_blocks
    following = NextVersion(motion.version, height)
    CHAIN.put(ctx.state, record=replace(ctx.chain, next_version=following))
    ctx.emit(events.UpgradeScheduled(motion.version, height))


def check_versions(versions: tuple[int, ...]) -> None:
    """Refuse anything but a few version numbers, ascending."""
    ordered = tuple(sorted(set(versions)))
    if ordered != versions or not 0 < len(versions) <= MAX_VERSIONS:
        raise BadValue("versions", f"1 to {MAX_VERSIONS} numbers, ascending", list(versions))
    if not 1 <= versions[0] <= versions[-1] <= MAX_VERSION:
        raise BadValue("versions", f"numbers of 1 to {MAX_VERSION}", list(versions))


def find_behind(state: Reader, version: int) -> list[MemberId]:
    """Return the members with nodes that still lack a version.

    Members that vote on blocks count; on a ledger without validators (a file that one machine's
    nodes share), all active ones do.
    """
    return [
        m.id
        for m in get_members(state)
        if version not in m.versions and (m.power or (m.tls and not m.ledger))
    ]


def say_behind(state: Reader, version: int) -> str:
    """Return for which nodes a version waits; "" if for none."""
    behind = find_behind(state, version)
    if not behind:
        return ""
    nodes = "the node of member" if len(behind) == 1 else "the nodes of members"
    return f"{nodes} {', '.join(map(str, behind))} must announce contract version {version} first"


def find_lacking(chain: Chain, versions: tuple[int, ...]) -> int:
    """Return the version, present or scheduled, that is not among these; 0 if both are."""
    needed = [chain.contract_version]
    if chain.next_version is not None:
        needed.append(chain.next_version.number)
    return next((n for n in needed if n not in versions), 0)


def check_able(ctx: Context, versions: tuple[int, ...]) -> None:
    """Refuse a node that lacks the present or the scheduled version of the contract."""
    lacking = find_lacking(ctx.chain, versions)
    if lacking:
        expected = f"version {lacking} of the contract among them (update swarmhub there)"
        raise BadValue("versions", expected, list(versions))


def say_lacking(state: Reader, versions: tuple[int, ...]) -> str:
    """Return why a node with these versions cannot take part; "" if it can."""
    lacking = find_lacking(get_chain(state), versions)
    return f"its node lacks contract version {lacking}; update swarmhub there" if lacking else ""


def keep_schedule(ctx: Context, passed: int, survivors: list[Member]) -> None:
    """Keep what a chain has scheduled in the one that goes on from it after `passed` blocks, if all
    survivors' nodes have that version; else it has to be moved again."""
    following = ctx.chain.next_version
    if following is None:
        return
    kept = None
    if all(following.number in m.versions for m in survivors):
        kept = NextVersion(following.number, max(1, following.height - passed))
    CHAIN.put(ctx.state, record=replace(ctx.chain, next_version=kept))
    if kept is not None:
        ctx.emit(events.UpgradeScheduled(kept.number, kept.height))
