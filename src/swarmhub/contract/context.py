"""The view of a rule: the state that it may write, the block around it, and the signer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swarmhub.contract.events import Event
from swarmhub.contract.records import Chain, Member, get_chain, get_member_of_key
from swarmhub.contract.refusals import NotAMember
from swarmhub.contract.state import Overlay
from swarmhub.types import Digest, MemberId, PublicKey, Signature

Verify = Callable[[PublicKey, str, bytes, Signature], bool]


class BlockQuota:
    """The shares of one block that are used: ids of transactions by member (0: all strangers).

    Ids, not a count: if a member's bytes are sent again, that does not use up the member's share.
    """

    def __init__(self) -> None:
        self._ids: dict[MemberId, set[Digest]] = {}

    def take(self, member: MemberId, tx: Digest) -> int:
        """Add a transaction of the member; return how many it has in the block now."""
        ids = self._ids.setdefault(member, set())
        ids.add(tx)
        return len(ids)


@dataclass(frozen=True)
class Misbehaviour:
    """Evidence that validators have against one of them: two different votes of its key at one
    height, which nobody can forge. `address` is the first 20 bytes of the sha256 of its consensus
    key, in hex."""

    address: str
    height: int


@dataclass(frozen=True)
class Env:
    """Everything external to the contract, made anew for each block.

    `verify(key, domain, message, signature)` is pure.
    """

    height: int
    time_ms: int
    verify: Verify
    shares: BlockQuota = field(default_factory=BlockQuota, compare=False)
    misbehaviour: tuple[Misbehaviour, ...] = ()


@dataclass
class Context:
    """A transaction (or a block boundary) in progress."""

    state: Overlay
    env: Env
    signer: PublicKey = ""
    events: list[Event] = field(default_factory=list)
    recount: bool = False  # a member departed or withdrew: open votes are counted again

    def emit(self, event: Event) -> None:
        """Record what happened; events are committed with the block's results."""
        self.events.append(event)

    @property
    def chain(self) -> Chain:
        return get_chain(self.state)

    def need_member(self) -> Member:
        """Return the active member that signed; refuse strangers."""
        member = get_member_of_key(self.state, self.signer)
        if member is None:
            raise NotAMember(self.signer)
        return member
