"""This hospital's membership in its consortium, and whether the other members agree.

The ledger has the membership, as far as this node has the ledger. A member that was removed while
its node was down receives no block that tells it so: the engines of the others refuse the
connection. But their peer ports still answer a handshake, and then close the connection if the
certificate is not an active member's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.contract.records import (
    MEMBER,
    MOTION,
    MOTIONS,
    get_chain,
    get_member_of_key,
    get_members,
)
from swarmhub.contract.state import State
from swarmhub.errors import HungUp, PeerError
from swarmhub.types import MemberId, PublicKey

LOOK_S = 10.0  # between two checks whether the others admit this node
DOUBT_S = 1.0  # ... if the last check found no member that does: two in a row count
LOOKS = 2

Word = Literal["member", "removed", "left", "revoked", "waiting", "declined", "unknown"]

WAITS = "This hospital waits to be let in: the members vote on its application."
DECLINED = (
    "The members do not let this hospital in: its application was declined or has lapsed. Ask a "
    "member why, and for another invitation; then type 'swarmhub consortium join INVITATION'."
)
READS = "This node reads the ledger; whether the hospital is a member shows at its end."
REVOKED = (
    "This hospital's keys are revoked, and the others have cut it off. Ask a member for an "
    "invitation and type 'swarmhub consortium rotate-key --all --invitation TOKEN'."
)
REFUSED = (
    "The members refuse this node's certificate: it was removed, revoked or its keys rotated. Ask "
    "a member which; come back with an invitation of theirs."
)
ALONE = "Look at this host's network; 'swarmhub doctor' tries each way."
REMOVED = (
    "The members have removed this hospital from the consortium: nothing is exchanged with it any "
    "more. To come back, ask a member for an invitation."
)
LEFT = "This hospital has left the consortium. To come back, ask a member for an invitation."
ROTATED = (
    "The member '{name}' has other keys than this home: they were rotated elsewhere, or this home "
    "is an old copy. Go on with the home that has them, or restore its backup."
)
RENEWS = "This hospital's keys have been replaced; its node is about to start again with them."
STRANGER = (
    "The ledger has neither a member nor an open application with this home's keys. Ask a member "
    "for an invitation."
)


@dataclass(frozen=True)
class Standing:
    """A hospital's standing. `said` is one sentence for people, with what to do; `well` means that
    nothing has to be repaired here."""

    state: Word
    well: bool
    said: str


@dataclass(frozen=True)
class Asked:
    """The other members' last answers: how many admitted this node, closed the connection because
    of its certificate, or did not answer."""

    let_in: int = 0
    hung_up: int = 0
    silent: int = 0
    since_s: float = 0.0  # time since a member last admitted it

    @property
    def is_refused(self) -> bool:
        """Whether no member admits it, and more than f close the connection."""
        total = self.let_in + self.hung_up + self.silent
        return not self.let_in and self.hung_up > compute_faults(total + 1)

    @property
    def is_alone(self) -> bool:
        return not self.let_in and self.silent > 0


def find_standing(
    state: State, account: PublicKey, name: str = "", asked: Asked | None = None
) -> Standing:
    """Return the standing of the hospital with this account key (and name) in a ledger's state,
    combined with the other members' answers if they were asked."""
    me = get_member_of_key(state, account)
    if me is None:
        return _find_outsider(state, account, name)
    if not me.tls:
        return Standing("revoked", False, REVOKED)
    if asked is not None and asked.is_refused:
        total = asked.let_in + asked.hung_up + asked.silent
        said = f"{asked.hung_up} of {total} other members hang up. {REFUSED}"
        return Standing("unknown", False, said)
    if asked is not None and asked.is_alone:
        minutes = f" for {asked.since_s / 60:.0f} min" if asked.since_s >= 60 else ""
        said = f"This hospital is member {me.id}, and no other member answers{minutes}. {ALONE}"
        return Standing("member", False, said)
    chain = get_chain(state).chain_id
    return Standing("member", True, f"This hospital is member {me.id} of {chain}.")


def _find_outsider(state: State, account: PublicKey, name: str) -> Standing:
    motions = MOTIONS.get(state)
    for motion in [MOTION.need(state, i) for i in motions.open] if motions else []:
        if motion.applicant is not None and motion.applicant.account == account:
            votes = f"{len(motion.ayes)} of {len(get_members(state))} members have voted for it"
            said = f"This hospital waits to be let in: {votes} (motion {motion.id})."
            return Standing("waiting", True, said)
    paths = [p.removeprefix("member/") for p in state.values if p.startswith("member/")]
    records = [MEMBER.need(state, int(path)) for path in paths]
    mine = [m for m in records if m.account == account]
    if mine:
        last = max(mine, key=lambda m: m.id)
        removed = last.status == "removed"
        return Standing("removed" if removed else "left", False, REMOVED if removed else LEFT)
    if any(m.name == name for m in get_members(state)):
        return Standing("unknown", False, ROTATED.format(name=name))
    return Standing("unknown", False, STRANGER)


def find_applicants(state: State) -> dict[bytes, MemberId]:
    """Return the certificates (DER) of open applications, with the member that invited each."""
    motions = MOTIONS.get(state)
    found = [MOTION.need(state, i) for i in motions.open] if motions else []
    return {bytes.fromhex(m.applicant.tls): m.by for m in found if m.applicant is not None}


class StatusClient(Protocol):
    """Requests to other members' nodes (transport.client.PeerClient)."""

    async def knock(self, member: MemberId, /) -> None:
        """Return if the member admits this node. Raises HungUp if it does not, PeerError if it does
        not answer."""


async def ask_all(client: StatusClient, others: list[MemberId]) -> Asked:
    """Ask every other member at once whether it admits this node."""

    async def knock(member: MemberId) -> str:
        try:
            await client.knock(member)
        except HungUp:
            return "hung_up"
        except PeerError:
            return "silent"
        return "let_in"

    said = await asyncio.gather(*[knock(m) for m in others])
    return Asked(said.count("let_in"), said.count("hung_up"), said.count("silent"))


class Membership:
    """Periodic check of the membership: asks one other member if all is well, else all of them."""

    def __init__(
        self,
        client: StatusClient,
        others: Callable[[], list[MemberId]],
        is_current: Callable[[], Awaitable[bool]],
    ) -> None:
        self._client, self._others, self._is_current = client, others, is_current
        self._asked = Asked()
        self._bad_looks = 0
        self._turn = 0
        self._alone_since = time.monotonic()
        self._reads = True  # still catching up: what the others decided is not known yet

    def standing(self, state: State, account: PublicKey, name: str) -> Standing:
        """Return the result of `find_standing`. A single bad check does not count: a member may be
        a block behind."""
        counts = self._bad_looks >= LOOKS
        found = find_standing(state, account, name, self._asked if counts else None)
        if self._reads and not counts and get_member_of_key(state, account) is None:
            return Standing("waiting", True, READS)
        return found

    def hear(self) -> None:
        """Note that another member has asked for a connection: it accepts this node as a member."""
        self._bad_looks, self._alone_since = 0, time.monotonic()

    async def watch(self, tell: Callable[[], None]) -> None:
        """Check repeatedly; `tell` is called after each check."""
        while True:
            await self.look()
            tell()
            await asyncio.sleep(DOUBT_S if 0 < self._bad_looks < LOOKS else LOOK_S)

    async def look(self) -> None:
        """Ask one member; if it does not admit this node, ask all."""
        self._reads = not await self._is_current()
        others = self._others()
        self._turn += 1
        found = await ask_all(self._client, _rotated(others, self._turn)[:1])
        if not found.let_in:
            found = await ask_all(self._client, others)
        if found.let_in or not others:
            self.hear()
        else:
            self._bad_looks += 1
        since_s = time.monotonic() - self._alone_since
        self._asked = Asked(found.let_in, found.hung_up, found.silent, since_s)


def _rotated(items: list[MemberId], by: int) -> list[MemberId]:
    return [items[(i + by) % len(items)] for i in range(len(items))]
