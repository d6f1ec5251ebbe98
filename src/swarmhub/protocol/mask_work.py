"""The arithmetic of masked rounds: keys, dealings and shares of one member, and masks.

All that a member does in one keying of a round follows from one root secret (32 random bytes), so a
node that restarts repeats it, and to erase the root is to erase all of it. Pure: the root and the
public records come in as values.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from swarmhub import x25519
from swarmhub.contract.round.masks import encode
from swarmhub.errors import MaskError
from swarmhub.privacy import (
    Grid,
    Mask,
    Unmasking,
    member_masks,
    open_share,
    remaining_masks,
    seal_share,
)
from swarmhub.secret_sharing import (
    ELEMENT_BYTES,
    SHARE_BYTES,
    Channel,
    Dealing,
    Share,
    Terms,
    complain,
    deal,
    make_seed,
    recover_secret,
)
from swarmhub.types import MemberId

MILLION = 1_000_000


@dataclass(frozen=True)
class Keyed:
    """A member with keys: its X25519 public keys, in hex."""

    member: MemberId
    pair: str
    seal: str


@dataclass(frozen=True)
class Keying:
    """One keying of a masked round, as one member sees it: `context` binds everything to it (hex);
    `threshold` shares open a secret."""

    study: str
    number: int
    keying: int
    me: MemberId
    context: str
    threshold: int
    keyed: tuple[Keyed, ...]

    @property
    def members(self) -> tuple[MemberId, ...]:
        return tuple(k.member for k in self.keyed)

    def of(self, member: MemberId) -> Keyed:
        """Return the keys of a member. Raises MaskError for one without."""
        found = next((k for k in self.keyed if k.member == member), None)
        if found is None:
            raise MaskError(f"Expected a member with keys in round {self.number}, got {member}.")
        return found

    def pair_keys(self, members: Iterable[MemberId]) -> dict[MemberId, bytes]:
        """Return the public pair keys of members."""
        return {m: bytes.fromhex(self.of(m).pair) for m in members}

    def channel(self, dealing: Dealing, dealer: MemberId, recipient: MemberId) -> Channel:
        """Return the way of a sealed share."""
        keys = [bytes.fromhex(self.of(m).seal) for m in (dealer, recipient)]
        return Channel(self.terms_of(dealer), dealing, recipient, keys[0], keys[1])

    def terms_of(self, dealer: MemberId) -> Terms:
        """Return what a member's dealing is bound to (as the contract's `make_terms`)."""
        context = bytes.fromhex(self.context) + dealer.to_bytes(8, "big")
        key = bytes.fromhex(self.of(dealer).pair)
        return Terms(context, key, self.members, self.threshold)


@dataclass(frozen=True)
class DealtShares:
    """A member's dealing as the ledger has it, in base64: the public part, and the sealed shares by
    recipient."""

    dealer: MemberId
    dealing: str
    sealed: str


@dataclass(frozen=True)
class FixedPoint:
    """The scale of a round: the largest change of a value (10^-6), the members that have dealt,
    and the samples that they declared, all together."""

    clip_millionths: int
    members: int
    capacity: int

    @property
    def grid(self) -> Grid:
        return Grid(Fraction(self.clip_millionths, MILLION), self.members, self.capacity)


@dataclass(frozen=True)
class Secrets:
    """A member's secrets of one keying, from its root."""

    root: bytes

    def _derive(self, purpose: bytes, nbytes: int = 32) -> bytes:
        info = b"swarmhub masked round 1\0" + purpose
        return HKDF(hashes.SHA256(), nbytes, salt=None, info=info).derive(self.root)

    @property
    def pair(self) -> bytes:
        """The private key of the pair masks."""
        return self._derive(b"pair")

    @property
    def seal(self) -> bytes:
        """The private key under which others seal shares."""
        return self._derive(b"seal")

    @property
    def seed(self) -> bytes:
        """The seed of the self mask."""
        return make_seed(self._derive(b"seed", 64))

    @property
    def complaint(self) -> bytes:
        """The randomness of complaints."""
        return self._derive(b"complaint")

    @property
    def randomness(self) -> bytes:
        """The randomness of the dealing."""
        return self._derive(b"dealing")


def make_keys(root: bytes) -> tuple[str, str]:
    """Return the public keys (hex) for pair masks and sealed shares."""
    secrets = Secrets(root)
    return x25519.public_of(secrets.pair).hex(), x25519.public_of(secrets.seal).hex()


def make_dealing(root: bytes, keying: Keying) -> tuple[str, str]:
    """Return a dealing of the member's two secrets, and its sealed shares, in base64."""
    secrets = Secrets(root)
    terms = keying.terms_of(keying.me)
    dealing, shares = deal(terms, secrets.seed, secrets.pair, secrets.randomness)
    sealed = [
        seal_share(keying.channel(dealing, keying.me, m), secrets.seal, shares[m])
        for m in keying.members
    ]
    return encode(dealing.to_bytes()), encode(b"".join(sealed))


def get_share(root: bytes, keying: Keying, dealt: DealtShares) -> Share:
    """Return the share that a dealer has for this member. Raises MaskError if it does not belong
    to the dealing."""
    channel, sealed = open_channel(keying, dealt)
    return open_share(channel, Secrets(root).seal, sealed)


def find_fault(root: bytes, keying: Keying, dealt: DealtShares) -> str:
    """Return a proof (base64) that the share for this member is false; "" for a right one."""
    channel, sealed = open_channel(keying, dealt)
    secrets = Secrets(root)
    try:
        open_share(channel, secrets.seal, sealed)
    except MaskError:
        return encode(complain(channel, secrets.seal, secrets.complaint).to_bytes())
    return ""


def open_channel(keying: Keying, dealt: DealtShares) -> tuple[Channel, bytes]:
    """Return the way of a sealed share to this member, and the sealed share."""
    data = base64.b64decode(dealt.dealing)
    dealing = Dealing.from_bytes(data, len(keying.keyed), keying.threshold)
    at = keying.members.index(keying.me) * SHARE_BYTES
    sealed = base64.b64decode(dealt.sealed)[at : at + SHARE_BYTES]
    return keying.channel(dealing, dealt.dealer, keying.me), sealed


def make_opening(
    root: bytes, keying: Keying, dealt: Iterable[DealtShares], members: tuple[MemberId, ...]
) -> str:
    """Return this member's shares (base64, one of each dealer) that open the sum of `members`:
    of the self mask of those, of the pair key of the others."""
    values = [
        get_share(root, keying, d).value("self" if d.dealer in members else "pair") for d in dealt
    ]
    return encode(b"".join(values))


def make_own_masks(root: bytes, keying: Keying, dealt: Iterable[MemberId]) -> tuple[Mask, ...]:
    """Return the masks that this member adds: its own, and one with each other dealer."""
    secrets, context = Secrets(root), bytes.fromhex(keying.context)
    return member_masks(context, keying.me, secrets.seed, secrets.pair, keying.pair_keys(dealt))


def find_masks_of_sum(
    keying: Keying,
    dealt: Iterable[MemberId],
    members: tuple[MemberId, ...],
    openings: Mapping[MemberId, str],
) -> tuple[Mask, ...]:
    """Return the masks that are in the sum of these members, inverted, from openings by member.
    Raises MaskError if the openings are too few."""
    dealers = tuple(dealt)
    found: dict[MemberId, bytes] = {}
    for i, dealer in enumerate(dealers):
        at = i * ELEMENT_BYTES
        shares = {m: base64.b64decode(o)[at : at + ELEMENT_BYTES] for m, o in openings.items()}
        found[dealer] = recover_secret(shares, keying.threshold)
    unmasking = Unmasking(
        {m: secret for m, secret in found.items() if m in members},
        {m: secret for m, secret in found.items() if m not in members},
    )
    context = bytes.fromhex(keying.context)
    return remaining_masks(context, keying.pair_keys(dealers), unmasking)
