"""Records of a masked round: keys, dealings and shares, beside the round's own record.

Keys of a round may be there before it opens. All of them leave the state when it is settled.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.records.merged import SettledShard
from swarmhub.contract.state import Table
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class MaskKeys:
    """A member's X25519 public keys of one round, 64 hex digits each: `pair` for the masks that
    two members have in common, `seal` for the shares that others send it."""

    keying: int  # the revision of the round in which they were asked for
    pair: str
    seal: str


@dataclass(frozen=True)
class RoundKeys:
    """Keys as they are sent, with the round that they are for: the open one, or the next."""

    number: int
    pair: str
    seal: str
    keying: int = 0  # of the open round; 0 for the next one

    @property
    def stored(self) -> MaskKeys:
        return MaskKeys(self.keying, self.pair, self.seal)


@dataclass(frozen=True)
class Dealt:
    """A member's dealing of its two secrets to all keyed members, in base64: the public part, and
    the sealed shares one after the other, by recipient."""

    dealing: str
    sealed: str


@dataclass(frozen=True)
class Text:
    """Bytes in base64: shares that are shown."""

    text: str


@dataclass(frozen=True)
class MaskedSum:
    """The settled sum of the masked contributions."""

    digest: Digest
    nbytes: int
    layout: Digest
    leader: MemberId
    receipts: tuple[MemberId, ...]
    shards: tuple[SettledShard, ...] = ()  # if it was merged in parts; the others: of the last one


@dataclass(frozen=True)
class Masks:
    """The masks of an open round, beside the tables below."""

    keying: int = 0  # the revision in which keys were asked for
    keyed: tuple[MemberId, ...] = ()  # they hold a share of each secret: fixed as they deal
    dealt: tuple[MemberId, ...] = ()  # their masks are in use: fixed as the round collects
    threshold: int = 0  # shares that open a secret
    capacity: int = 0  # samples that all dealers declared: the scale of fixed point
    opened: tuple[MemberId, ...] = ()  # members that have shown their shares
    total: MaskedSum | None = None


MASK_KEYS = Table("masks", MaskKeys)  # by study, "keys", round and member
DEALINGS = Table("masks", Dealt)  # by study, "dealing" and dealer
OPENINGS = Table("masks", Text)  # by study, "opening" and member
